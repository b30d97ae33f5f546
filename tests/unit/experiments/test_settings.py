"""What may be varied and held, and what is refused since two things would differ."""

import pytest

from localcal.experiments.refusal import Refused
from localcal.experiments.settings import VARIABLES, design, field_of, refuse_others, said
from tests.experiment_case import plan

VALUES = {
    "work": ("simulate", "simulate+evaluate"),
    "targets": ("1", "all"),
    "chunk-columns": ("10", "100"),
    "process": ("cold", "warm"),
    "workers": ("1", "2"),
}


@pytest.mark.parametrize("variable", VARIABLES)
def test_arms_differ_in_what_is_varied_and_are_the_runs_own_job_in_the_rest(variable):
    found = design(plan(), [[variable, *VALUES[variable]]])
    own = {
        "work": "simulate+evaluate+write",
        "targets": None,
        "chunk_columns": 50,
        "process": "warm",
        "workers": 1,
    }
    for arm, value in zip("AB", VALUES[variable], strict=True):
        setting = vars(found.arms[arm])
        assert {name: setting[name] for name in own if name != field_of(variable)} == {
            name: value for name, value in own.items() if name != field_of(variable)
        }
        assert said(found.arms[arm], variable) == value
    assert not found.is_noise and found.repeat == (3 if variable == "process" else 5)


@pytest.mark.parametrize(
    ("words", "hold", "columns"),
    [
        (["work", "simulate", "simulate"], [], 50),
        # Both do the same columns, the larger chunk once.
        (["chunk-columns", "10", "100"], [], 100),
        (["chunk-columns", "100", "30"], [], 100),
        # A chunk for each worker, and as many rounds of them for either.
        (["workers", "1", "2"], [], 100),
        (["workers", "2", "3"], ["chunk-columns=10"], 60),
        (["work", "simulate", "simulate"], ["workers=2"], 100),
        (["targets", "3", "all"], ["chunk-columns=20"], 20),
    ],
)
def test_both_arms_do_as_many_columns_as_it_takes(words, hold, columns):
    assert design(plan(), [words], hold).columns == columns


def test_a_plan_with_one_short_chunk_is_worked_on_as_it_is():
    assert design(plan(chunk_columns=500), [["work", "simulate", "simulate"]]).columns == 210


@pytest.mark.parametrize(
    ("vary", "hold", "options", "said"),
    [
        ([], [], {}, "nothing to compare; add --vary VARIABLE A B"),
        ([["size", "1", "2"]], [], {}, "--vary size: no such variable"),
        ([["chunk-column", "1", "2"]], [], {}, "did you mean chunk-columns?"),
        ([["work", "simulate"]], [], {}, "--vary work simulate: write the variable, A's value"),
        ([["work", "simulate", "simulate", "demo"]], [], {}, "nothing else"),
        ([["work", "simulate", "write"]], [], {}, "work: 'write' is not allowed"),
        ([["targets", "0", "all"]], [], {}, "targets: '0' is not allowed"),
        ([["targets", "some", "all"]], [], {}, "targets: 'some' is not allowed; allowed: all, or"),
        ([["workers", "1", "-2"]], [], {}, "workers: '-2' is not allowed"),
        (
            [["work", "simulate", "simulate+evaluate"], ["targets", "1", "all"]],
            [],
            {},
            "the arms would differ in work and targets; vary one of them",
        ),
        ([["workers", "1", "2"]], ["workers=2"], {}, "--hold workers=2: workers is varied already"),
        ([["workers", "1", "2"]], ["work=simulate", "work=simulate"], {}, "work is held already"),
        ([["workers", "1", "2"]], ["work"], {}, "--hold work: write VARIABLE=VALUE"),
        ([["workers", "1", "2"]], ["size=2"], {}, "--hold size=2: write VARIABLE=VALUE"),
        ([["workers", "1", "7"]], [], {}, "columns: the arms need 350, the run has 210"),
        ([["chunk-columns", "10", "300"]], [], {}, "columns: the arms need 300"),
        ([["work", "simulate", "simulate"]], [], {"columns": 211}, "the arms need 211"),
        ([["workers", "1", "2"]], [], {"columns": 50}, "workers: 2 in B, but 50 columns are 1"),
        ([["workers", "1", "65"]], ["chunk-columns=1"], {}, "at most 64 are started"),
    ],
)
def test_what_cannot_be_compared_is_refused_with_the_reason(vary, hold, options, said):
    with pytest.raises(Refused) as refused:
        design(plan(), vary, hold, **options)
    assert said in str(refused.value)


def test_each_condition_that_differs_is_named_with_both_values():
    first = {"a": 1, "b": "x" * 64, "c": 3, "only": None}
    with pytest.raises(Refused) as refused:
        refuse_others(first, {"a": 2, "b": "y" * 64, "c": 3}, (), ("one", "other"), "; hm")
    assert refused.value.reasons == [
        "a: 1 in one, 2 in other; hm",
        f"b: {'x' * 12}... in one, {'y' * 12}... in other; hm",
        "only: None in one, not said in other; hm",
    ]
    refuse_others(first, first, ())
    refuse_others({"a": 1}, {"a": 2}, {"a"})
