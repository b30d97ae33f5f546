"""What depends on what, noted while formulas run."""

import pytest

from localcal.engine.reads import Reads


def calculated(reads, formulas, variable):
    """Run a formula that is the list of what it reads."""
    with reads.reading(variable):
        for item in formulas.get(variable, ()):
            calculated(reads, formulas, item)


def test_dependents_are_found_through_others():
    reads = Reads()
    formulas = {"tax": ["income", "salt"], "salt": ["county"], "net": ["tax"], "age_group": ["age"]}
    for variable in ("net", "age_group"):
        calculated(reads, formulas, variable)
    assert reads.dependents({"county"}) == {"county", "salt", "tax", "net"}
    assert reads.read_by({"tax", "salt"}) == {"income", "salt", "county"}
    assert reads.names() == {"net", "tax", "income", "salt", "county", "age_group", "age"}


def test_a_value_read_from_the_cache_counts_as_read():
    reads = Reads()
    formulas = {"first": ["shared"], "shared": ["county"]}
    calculated(reads, formulas, "first")
    calculated(reads, {"second": ["shared"]}, "second")
    assert "second" in reads.dependents({"county"})


def test_what_depends_on_an_overridden_variable_depends_on_everything():
    """Its value is another one inside the formula that overrides."""
    reads = Reads()
    with reads.reading("tax"):
        reads.override("itemizes")
    calculated(reads, {"deduction": ["itemizes"]}, "deduction")
    assert "deduction" in reads.dependents(set())


def test_inputs_set_outside_of_formulas_are_not_overrides():
    reads = Reads()
    reads.override("income")
    assert reads.overridden == set()


def test_a_formula_that_fails_leaves_its_caller_in_place():
    reads = Reads()
    with reads.reading("outer"):
        with pytest.raises(ZeroDivisionError), reads.reading("inner"):
            1 / 0  # noqa: B018
        with reads.reading("other"):
            pass
    assert reads.of["outer"] == {"inner", "other"}


def test_a_union_leaves_its_parts_alone():
    first, second = Reads({"a": ["b"]}), Reads({"a": ["c"]})
    second.overridden.add("x")
    both = Reads.union([first, second])
    assert both.of == {"a": {"b", "c"}}
    assert both.overridden == {"x"}
    assert first.of == {"a": {"b"}}
