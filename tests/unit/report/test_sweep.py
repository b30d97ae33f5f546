"""The page of a sweep, of what the stand-in says."""

import re
from html.parser import HTMLParser

import numpy as np
import pytest

from localcal.errors import InputError
from localcal.report import sweep
from localcal.report.amounts import amount_in_words, change_in_words
from localcal.report.sweep import SweepInputs, write_sweep_page
from localcal.sweeps.names import file_of
from tests.areas_case import make_run
from tests.sweep_case import Case, unusable
from tests.unit.sweeps.test_batch import own_outcome

VOID = {"meta", "br", "img", "wbr", "!doctype"}
TWO = "snap.maximum,tax.standard_deduction\n2000,14600\n4000,20000\n5000,10000\n"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("run"))


@pytest.fixture
def make(run, tmp_path, monkeypatch):
    """Return what makes sweeps, each in a folder of its own."""

    def make(name="one", **settings):
        (tmp_path / name).mkdir()
        return Case(run, tmp_path / name, monkeypatch, **({"batch_size": 10} | settings))

    return make


def page(case):
    """Make a sweep and return its page, which has to be whole and need nothing beside it."""
    case.all()
    folder, areas = case.outputs, case.sweep.areas
    inputs = SweepInputs(
        folder / "plan.parquet",
        folder / "plan.json",
        [folder / "outcomes" / f"{file_of(name)}.parquet" for name in case.sweep.outcomes],
        folder / "failures.parquet",
        [case.replicates(name) for name in areas] if case.sweep.replicates else [],
    )
    path = folder / "report.html"
    write_sweep_page("test", "demo", inputs, path)
    text = path.read_text(encoding="utf-8")
    Whole().feed(text)
    assert not re.search(r"(src|href)=\"(?!data:)|url\(|https?:|@import", text)
    return text


class Whole(HTMLParser):
    """Refuses a tag that is not closed where it should be."""

    def __init__(self):
        super().__init__()
        self.open = []

    def handle_starttag(self, tag, attrs):
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def rows(text, number=-1):
    """Return what the cells of a table say."""
    table = re.findall(r"<tbody>(.*?)</tbody>", text, flags=re.DOTALL)[number]
    return [
        re.findall(r"<td[^>]*>([^<]*)</td>", line)
        for line in re.findall(r"<tr>(.*?)</tr>", table, flags=re.DOTALL)
    ]


def test_every_change_is_in_the_table_and_the_baseline_above_the_pictures(make):
    case = make(table="name,snap.maximum\n<low>,1000\npresent,3000\n,6000\n")
    text = page(case)
    table = case.read("cost")
    found = rows(text)
    assert [line[0] for line in found] == ["&lt;low&gt;", "present", "set 2"]
    assert [line[2] for line in found] == ["1,000", "3,000", "6,000"]
    assert [line[3] for line in found] == [change_in_words(one, "dollars") for one in table.delta]
    before = amount_in_words(table.baseline[0], "dollars")
    assert f"<p>Without a reform: AL {before}.</p>" in text
    assert "3 parameter sets in AL, 2 outcomes, from the files of run demo. All have" in text
    assert "Nothing tells how sure a figure is" in text
    # Of the cost; taxes do not depend on SNAP.
    assert text.count("<img") == 1 and "Income tax, federal: no set changes it" in text


def test_a_sweep_with_draws_and_replicates_has_margins(make):
    case = make(seeds={"count": 2}, replicates=True, areas=["US", "AL"], outcomes=("cost",))
    text = page(case)
    assert all("±" in line[3] for line in rows(text)) and len(rows(text)) == 20
    assert "<p>90 % margins: ± $" in text.replace("\u00a0", " ")
    assert "2 draws of who takes up what, with the replicates" in text


def test_the_page_does_not_depend_on_how_the_work_was_cut(make):
    settings = {"seeds": {"count": 2}, "outcomes": ("cost",)}
    assert page(make(**settings)) == page(make("cut", batch_size=3, **settings))


def test_several_parameters_have_a_picture_each_and_parts_too(make):
    text = page(make(table=TWO, outcomes=("cost", "mean_change"), areas=["US"]))
    assert text.count("<figure>") == 5 and "Mean net income in parts of US" in text
    assert "Net cost by snap.maximum" in text and "Net cost by tax.standard_deduction" in text
    assert "the other parameters vary, too" in text


def test_one_set_and_true_and_false_and_dates(make):
    table = "snap.in_effect,snap.maximum@2024-01-01.\nfalse,3000\n"
    text = page(make(table=table, outcomes=("cost",)))
    assert rows(text, 0) == [
        ["snap.in_effect", "year of the run", "ever", "false"],
        ["snap.maximum", "2024-01-01", "ever", "3,000"],
    ]
    assert text.count("<figure>") == 1


def test_what_failed_is_said_with_its_reason_and_the_rest_is_shown(make):
    case = make(tolerate_failed_sets=3, outcomes=("cost", "gini"))
    case.engine.broken_at = {4000: unusable("<i>"), 5000: unusable("<i>"), 6000: MemoryError("x")}
    text = page(case)
    assert "3 of them failed." in text
    words = "CalculationError: snap: &lt;i&gt;"
    assert rows(text, 1)[0] == [words, "error", "all", "2", "set 3"]
    assert rows(text, 1)[1][1:] == ["out of memory", "all", "1", "set 5"]
    assert [line[3] == "" for line in rows(text)] == [3 <= number < 6 for number in range(10)]


def test_a_sweep_of_failures_says_so(make):
    case = make(table="snap.maximum\n1000\n2000\n", tolerate_failed_sets=2)
    case.engine.broken_at = {1000: unusable(), 2000: unusable()}
    text = page(case)
    assert "All of them failed." in text and "No parameter set has a value." in text
    assert "<img" not in text


def test_an_outcome_of_one_s_own_that_is_no_number_is_a_failure_of_its_set(make):
    case = make(tolerate_failed_sets=10)
    name = own_outcome(case, "total > base", "total = float('nan')")
    case.settings["outcomes"] = ("cost", name)
    text = page(case)
    assert "own.shaky" in text and f"From {name}." in text
    failed = case.read("own.shaky").value.isna()
    assert 0 < failed.sum() < 10 and f"{failed.sum()} of them failed." in text
    assert [line[6 - 2] == "" for line in rows(text)] == failed.tolist()


def test_of_many_sets_some_are_in_the_table_and_the_page_says_how_many(make, monkeypatch):
    monkeypatch.setattr(sweep, "MOST_ROWS", 6)
    bounds = {"snap.maximum": [0, 6_000], "tax.standard_deduction": [0, 30_000]}
    sampler = {"sampler": "sobol", "n": 64, "bounds": bounds}
    text = page(make(parameters=sampler, areas=["US", "AL"], outcomes=("cost",), batch_size=64))
    assert "3 of 64 parameter sets, evenly chosen; all are in outcomes/." in text
    assert [line[0] for line in rows(text)] == list(np.repeat(["set 0", "set 32", "set 63"], 2))


def test_pictures_beyond_what_a_page_can_have_are_counted(make, monkeypatch):
    monkeypatch.setattr(sweep, "MOST_PANELS", 3)
    monkeypatch.setattr(sweep, "MOST_AREAS", 1)
    text = page(make(table=TWO, areas=["AL", "US"], outcomes=("winners_losers",)))
    assert text.count("<figure>") == 3
    assert "more pictures of a group against a parameter, " in text
    assert "more groups, 1 more area; all is in outcomes/winners_losers.parquet." in text


def test_a_damaged_plan_is_named(make):
    case = make(table=TWO)
    case.all()
    (case.outputs / "plan.json").write_text("{}")
    empty = case.outputs / "none"
    inputs = SweepInputs(case.outputs / "plan.parquet", case.outputs / "plan.json", [], empty, [])
    with pytest.raises(InputError, match=r"plan\.json: damaged, lacks areas"):
        write_sweep_page("test", "demo", inputs, case.outputs / "report.html")
    assert not (case.outputs / "report.html").exists()


@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid")
def test_the_largest_and_the_smallest_values_have_a_page(make):
    table = "tax.standard_deduction,snap.maximum\n1e300,1\n-1e300,1e-300\n14600,3000\n"
    text = page(make(table=table, tolerate_failed_sets=3, outcomes=("cost", "gini")))
    assert "tax.standard_deduction" in text and "What failed" in text
