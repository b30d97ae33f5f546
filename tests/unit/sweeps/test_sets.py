"""Parameter sets and their ids."""

import hashlib
import itertools

import pytest

from localcal.engine.protocol import ParameterChange
from localcal.errors import InputError
from localcal.sweeps.sets import count_of, parameter_sets, set_id, touches
from localcal.sweeps.settings import Sampler

TABLE = "name,snap.maximum,tax.rate@2024-01-01.2024-12-31\nlow,1000,0.1\nhigh,2e3,.25\n"


def sets_of(tmp_path, text):
    path = tmp_path / "sets.csv"
    path.write_text(text)
    return parameter_sets(str(path), "sweep.yaml")


def sampled(**fields):
    return parameter_sets(Sampler.model_validate(fields), "sweep.yaml")


def test_a_table_says_what_each_set_changes(tmp_path):
    sets = sets_of(tmp_path, TABLE)
    assert sets.columns == ("snap.maximum", "tax.rate@2024-01-01.2024-12-31")
    assert [one.name for one in sets.sets] == ["low", "high"]
    assert sets.changes(1, 2023) == [
        ParameterChange("snap.maximum", "2023-01-01", None, 2000.0),
        ParameterChange("tax.rate", "2024-01-01", "2024-12-31", 0.25),
    ]


def test_an_id_is_that_of_what_is_changed_and_of_nothing_else(tmp_path):
    first = sets_of(tmp_path, TABLE).ids
    assert first[1] != first[0]
    other = "tax.rate@2024-01-01.2024-12-31,snap.maximum\n2.5e-1,2000.0\n1e-1,+1000\n"
    assert sets_of(tmp_path, other).ids == first[::-1]
    bounds = {"snap.maximum": [1000, 2000.0], "tax.rate@2024-01-01.2024-12-31": [0.1, 0.25]}
    assert {*first} < {*sampled(sampler="grid", bounds=bounds).ids}
    assert set_id({"a": 1.0}) == set_id({"a": 1.0}) != set_id({"b": 1.0})
    assert set_id({"a": True}) != set_id({"a": 1.0})


def test_an_id_is_what_the_formats_say_in_any_process(tmp_path):
    sets = sets_of(tmp_path, "b,a\n2,true\n")
    text = b'{"a": true, "b": 2.0}'
    assert sets.ids == (hashlib.blake2b(text, digest_size=16).hexdigest(),)
    assert sets.digest == hashlib.sha256(sets.ids[0].encode()).hexdigest()


def test_a_set_that_is_there_twice_runs_once_and_is_reported(tmp_path):
    sets = sets_of(tmp_path, "a.b\n1\n0\n-0\n1.0\n")
    assert [one.values for one in sets.sets] == [(1.0,), (0.0,)]
    lines = [
        (there.rpartition(" ")[2], before.rpartition(" ")[2]) for there, before in sets.repeated
    ]
    assert lines == [("4", "3"), ("5", "2")]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "holds no parameter set"),
        ("a.b\n", "holds no parameter set"),
        ("name\nx\n", "line 1: has no column with a parameter"),
        ("a b\n1\n", "line 1, column 'a b': is no parameter"),
        ("a,a\n1,2\n", "line 1, column a: is there twice"),
        ("a,name,name\n1,x,y\n", "line 1, column name: is there twice"),
        ("a@2024\n1\n", "line 1, column a@2024: expected two dates after @, found '2024'"),
        ("a@2024-13-01.2024-12-31\n1\n", "expected two dates"),
        ("a@2025-01-01.2024-12-31\n1\n", "ends before it begins"),
        ("a,b\n1,2\n3\n", "line 3: has 1 fields, the first line 2"),
        ("a,b\n1,2\n3,x\n", "line 3, column b: expected a number, true or false, found 'x'"),
        ("a,b\n1,\n", "line 2, column b: expected a number, true or false, found ''"),
        ("a\n1e999\n", "line 2, column a: expected a number"),
        ("a\n-2e300\n", "line 2, column a: expected a number"),
        ("a\nnan\n", "line 2, column a: expected a number"),
        ('a\n"1,000"\n', "line 2, column a: expected a number"),
        ("a\n10%\n", "line 2, column a: expected a number"),
        ("a\n=1+1\n", "line 2, column a: expected a number"),
        ("a\n1_000\n", "line 2, column a: expected a number"),
        ("a\n\u0661\n", "line 2, column a: expected a number"),
        ("a\nyes\n", "line 2, column a: expected a number"),
        ("a;b\n1;2\n", "line 1, column 'a;b': is no parameter"),
        ("\n\na b\n1\n", "line 3, column 'a b': is no parameter"),
        ("\nname\nx\n", "line 2: has no column with a parameter"),
        ("a,a@2026-01-01.\n1,2\n", "changes a on days on which column a changes it too"),
        ("a@.2026-06-30,a@2026-06-30.\n1,2\n", "column a@2026-06-30.: changes a on days"),
        ("a@2024-01-01.2029-01-01,b,a@2025-01-01.2025-02-01\n1,2,3\n", "2025-02-01: changes a"),
        ("a\n1\n\ntrue\n", "line 4, column a: expected a number as in "),
        ("b,a\n1,true\n2,0\n", "line 3, column a: expected true or false as in "),
    ],
)
def test_a_wrong_table_is_refused_by_line_and_column(tmp_path, text, words):
    with pytest.raises(InputError) as caught:
        sets_of(tmp_path, text)
    assert str(caught.value).startswith(f"{tmp_path / 'sets.csv'}: ")
    assert words in str(caught.value)


def test_a_parameter_may_change_more_than_once_on_different_days(tmp_path):
    text = "a@2026-07-01.,a@.2026-06-30,a.b,b\n1,2,3,4\n"
    columns = ("a.b", "a@.2026-06-30", "a@2026-07-01.", "b")
    assert sets_of(tmp_path, text).columns == columns


@pytest.mark.parametrize(
    ("dates", "touches_2026"),
    [
        ("", True),
        ("@2026-12-31.", True),
        ("@2027-01-01.", False),
        ("@.2025-12-31", False),
        ("@.2026-01-01", True),
        ("@2020-01-01.2030-01-01", True),
        ("@2026-03-01.2026-03-01", True),
        ("@2024-01-01.2024-12-31", False),
    ],
)
def test_a_change_touches_a_year_if_one_of_its_days_is_in_it(dates, touches_2026):
    assert touches(f"a.b[0].c{dates}", 2026) is touches_2026


@pytest.mark.parametrize(
    "fields",
    [
        {"sampler": "grid", "n": 3, "bounds": {"a": [0, 1], "b": [1, 2, 5, 5]}},
        {"sampler": "grid", "bounds": {"a": [0, 1], "b": [1, 2, 5]}},
        {"sampler": "sobol", "n": 7, "bounds": {"a": [0, 1]}},
        {"sampler": "latin_hypercube", "n": 5, "bounds": {"a": [0, 1], "b": [0, 1]}},
    ],
)
def test_how_many_sets_a_sampler_gives_is_known_before_they_are_made(fields):
    assert count_of(Sampler.model_validate(fields)) == len(sampled(**fields).sets)


def test_a_grid_is_every_combination_of_lists_and_of_steps_between_bounds():
    sets = sampled(sampler="grid", n=3, bounds={"b": [0, 1], "a": [1, 2, 5, 6]})
    expected = set(itertools.product([1.0, 2.0, 5.0, 6.0], [0.0, 0.5, 1.0]))
    assert sets.columns == ("a", "b")
    assert {one.values for one in sets.sets} == expected
    assert len(sets.sets) == 12


def test_a_latin_hypercube_has_one_point_in_each_stratum_of_each_parameter():
    fields = {"sampler": "latin_hypercube", "n": 10, "bounds": {"a": [0, 10], "b": [-5, 5]}}
    sets = sampled(**fields, seed=1)
    for column, low in enumerate((0, -5)):
        strata = sorted(int(one.values[column] - low) for one in sets.sets)
        assert strata == list(range(10))
    assert sampled(**fields, seed=1).ids == sets.ids
    assert sampled(**fields, seed=2).ids != sets.ids
    other = fields | {"bounds": {"b": [-5, 5], "a": [0, 10]}}
    assert sampled(**other, seed=1).ids == sets.ids


def test_a_sobol_sample_is_balanced_and_a_longer_one_begins_with_a_shorter_one():
    fields = {"sampler": "sobol", "bounds": {"a": [0, 1], "b": [0, 1]}}
    sets = sampled(**fields, n=16)
    for quarter in itertools.product((0, 1), repeat=2):
        inside = [one for one in sets.sets if tuple(int(v * 2) for v in one.values) == quarter]
        assert len(inside) == 4
    assert sampled(**fields, n=11).ids == sets.ids[:11]


def test_a_bound_that_is_no_parameter_is_refused():
    with pytest.raises(InputError, match="sweep.yaml: parameters.bounds, column 'a b': is no"):
        sampled(sampler="grid", bounds={"a b": [1, 2]})
