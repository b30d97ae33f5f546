"""The highest incomes are made up, and as many as were published."""

import numpy as np
import pytest

import localcal.microdata.survey.top
from localcal.errors import InputError
from localcal.microdata.survey.top import OF_THE_TOP, TAXED, Bracket, read_top, top_households
from tests.survey_case import COMMITTED

BRACKETS = [Bracket(1e6, 5_000), Bracket(5e6, 300)]


@pytest.fixture(scope="module", autouse=True)
def _fewer_candidates():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(localcal.microdata.survey.top, "CANDIDATES", 2_000)
        yield


@pytest.fixture(scope="module")
def top(_fewer_candidates):
    return top_households(COMMITTED / "top.csv", BRACKETS, ["age", *TAXED], 2024, 0)


def test_each_bracket_weighs_what_was_published(top):
    persons = top.persons
    income = persons[list(TAXED)].astype(float).sum(axis=1)
    unit = income.groupby(persons["tax_unit"]).sum()
    home = persons.drop_duplicates("tax_unit").set_index("tax_unit")["household"]
    highest = unit.groupby(home).max()
    weight = top.units["household"]["household_weight"].reindex(highest.index)
    assert (highest >= 1e6).all()
    assert weight[highest < 5e6].sum() == pytest.approx(5_000)
    assert weight[highest >= 5e6].sum() == pytest.approx(300)


def test_only_wanted_variables_are_kept_and_numbers_are_nobody_else_s(top):
    groups = ["household", "tax_unit", "spm_unit", "family", "marital_unit"]
    assert set(top.persons) == {"age", *TAXED, *OF_THE_TOP, *groups}
    assert (top.persons[groups] < 0).all(axis=None)
    assert set(top.persons["household"]) <= set(top.units["household"].index)


def test_a_bracket_that_nobody_is_in_is_refused():
    brackets = [*BRACKETS, Bracket(1e12, 3)]
    with pytest.raises(InputError, match=r"top\.csv: no made-up household has an income of 1,000,"):
        top_households(COMMITTED / "top.csv", brackets, ["age"], 2024, 0)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("1000000,x\n", "line 2 holds no numbers"),
        ("1000000,0\n", "line 2 is not above 0"),
        ("5000000,3\n1000000,4\n", "line 3 has no higher agi_from"),
        ("", "holds no bracket"),
    ],
)
def test_a_wrong_table_is_named_by_line(tmp_path, rows, said):
    (tmp_path / "top.csv").write_text("agi_from,returns\n" + rows)
    with pytest.raises(InputError, match=said):
        read_top(tmp_path / "top.csv")


def test_the_committed_brackets_are_the_published_returns():
    """The demo's targets are of the same table."""
    published = (COMMITTED.parent / "published" / "irs_income.csv").read_text()
    brackets = read_top(COMMITTED / "top.csv")
    for bracket in brackets:
        assert f"adjusted_gross_income>={bracket.agi_from:.0f}" in published
        assert f",{bracket.returns:.0f}," in published
    assert np.array_equal([bracket.agi_from for bracket in brackets], [1e6, 1.5e6, 2e6, 5e6, 1e7])
