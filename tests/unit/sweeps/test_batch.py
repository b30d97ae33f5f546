"""Batches of a sweep: what is guaranteed of them, and what becomes of what breaks."""

import errno
import itertools
import json
import random
import weakref
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from localcal.errors import InputError, OutOfMemory
from localcal.files.atomic import atomic_path
from localcal.sweeps import batch as batches
from localcal.sweeps import bench, collect, sets, simulate
from localcal.sweeps.cells import Cell, CellRow, Store, failure
from localcal.sweeps.collect import MANIFEST_KEYS
from localcal.sweeps.simulate import write_baseline
from tests.standin_engine import StandIn
from tests.sweep_case import Case, no_collector, unusable

MODULE = """
from localcal.sweeps.outcomes import requires
from localcal.sweeps.context import Row

@requires("snap")
def snap(context):
    yield Row("", *(context.total(values, "snap") for values in context.sides))

@requires("snap")
def shaky(context):
    total = context.total(context.reformed, "snap")
    base = context.total(context.baseline, "snap")
    if {condition}:
        {what}
    yield Row("", total, base)
"""


@pytest.fixture
def make(run, tmp_path, monkeypatch):
    """Return what makes sweeps, each in a folder of its own."""

    def make(name="one", engine_name="tests.standin_engine:StandIn", **settings):
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        case = Case(run, folder, monkeypatch, **settings)
        case.engine_name = engine_name
        return case

    return make


def own_outcome(case, condition, what):
    path = case.folder / "own.py"
    path.write_text(MODULE.format(condition=condition, what=what))
    return f"{path}:shaky"


# What is said.


def test_every_row_says_what_the_model_says_under_that_parameter(make):
    case = make()
    case.all()
    table = case.read("cost")
    population = simulate.set_up(case.files("AL"), case.draws_from, case.draws[0])
    weight = population.weights[:, 0]
    for value, row in zip(range(1000, 11_000, 1000), table.itertuples(), strict=True):
        with StandIn().reformed(
            case.sets.changes(row.set_idx, population.population.period)
        ) as engine:
            simulation = engine.simulate(population.population)
            net = [simulation.calculate(f"household_{name}") for name in ("benefits", "tax")]
        assert row.value == pytest.approx((net[0].astype(float) - net[1]) @ weight, rel=1e-6)
        assert row[3] == value
        assert row.delta == row.value - row.baseline
    # The stand-in's own value: nothing changes, to the last bit.
    assert table.delta[table["param_snap.maximum"] == 3000].tolist() == [0.0]


def test_a_parameter_without_dates_changes_from_the_run_s_year_on(make, monkeypatch):
    case = make()
    population = simulate.set_up(case.files("AL"), case.draws_from, case.draws[0]).population
    years = []

    def change(column, value, year):
        years.append(year)
        return sets.change(column, value, year)

    monkeypatch.setattr(simulate, "change", change)
    case.all()
    assert set(years) == {population.period}


def test_all_outcomes_are_read_off_one_simulation_and_what_no_reform_reaches_is_taken_over(make):
    case = make(batch_size=10, outcomes=("cost", "revenue", "mean_change", "gini"))
    case.all()
    assert case.engine.reforms == list(range(1000, 11_000, 1000))
    # And one without a reform, for what is shared.
    assert len(case.engine.begun) == 11
    # Taxes do not depend on SNAP, so no simulation under a reform calculates them anew.
    assert case.read("revenue").delta.abs().max() == 0


def test_weight_replicates_need_no_further_simulation(make):
    plain = make("plain")
    plain.all()
    replicated = make("replicated", replicates=True)
    replicated.all()
    assert replicated.engine.begun == plain.engine.begun
    table = replicated.read("cost")
    assert table.weight.tolist() == ["calibrated", "1", "2", "3"] * 10
    values = table.value.to_numpy().reshape(10, 4)
    assert np.allclose(values, values[:, :1] * [1, 2, 3, 4], rtol=1e-6)
    assert np.allclose(values[:, 0], plain.read("cost").value, rtol=1e-12)


def test_the_seed_that_is_recorded_is_the_one_that_was_used(make):
    case = make(seeds={"count": 3, "base_seed": 7}, batch_size=10)
    manifest = case.all()
    table = case.read("cost")
    assert manifest["seeds"] == [draw.seed for draw in case.draws]
    assert table.groupby("seed_idx").seed.unique().str[0].tolist() == manifest["seeds"]
    assert table.groupby("seed_idx").baseline.nunique().tolist() == [1, 1, 1]
    assert table.baseline.nunique() == 3
    assert len(case.engine.reforms) == 30
    # The same draws for every set: the present value changes nothing.
    assert (table.delta[table["param_snap.maximum"] == 3000] == 0).all()


def test_a_draw_with_the_run_s_seed_is_the_run_s_own(make):
    case = make()
    files = case.files("AL")
    own = simulate.set_up(files, case.draws_from, simulate.Draw(0, 0, ())).population
    again = simulate.set_up(files, case.draws_from, simulate.Draw(0, 0, None)).population
    other = simulate.set_up(files, case.draws_from, simulate.Draw(0, 1, None)).population
    name = "takes_up_snap_if_eligible"
    assert np.array_equal(own.values[name], again.values[name])
    assert not np.array_equal(own.values[name], other.values[name])
    assert set(own.values) == set(again.values) == set(other.values)


@pytest.mark.parametrize(
    ("variables", "words"),
    [(["takes_up_snap_if_eligibl"], "the run does not draw"), (["age"], "it draws takes_up_snap")],
)
def test_what_the_run_does_not_draw_cannot_be_drawn_anew(make, variables, words):
    case = make(seeds={"count": 2, "variables": variables})
    with pytest.raises(InputError, match=words):
        case.all()


def test_an_outcome_is_asked_of_every_state_where_there_are_several(make):
    case = make(areas=["US", "AL"], by_state=True, batch_size=10)
    case.all()
    table = case.read("cost")
    groups = {area: set(rows.group) for area, rows in table.groupby("area")}
    assert groups["AL"] == {""} and "AL" in groups["US"] and len(groups["US"]) > 2
    of_set = table[(table.area == "US") & (table.set_idx == 4)].set_index("group")
    assert of_set.value[""] == pytest.approx(of_set.value[of_set.index != ""].sum(), rel=1e-9)
    assert case.engine.reforms == [*range(1000, 11_000, 1000)] * 2


def test_a_large_file_is_simulated_in_pieces(make):
    whole = make("whole", areas=["US"])
    whole.all()
    cut = make("cut", areas=["US"], households_together=7)
    cut.all()
    assert len(cut.engine.begun) > 5 * len(whole.engine.begun)
    assert cut.engine.most_alive == 1
    assert np.array_equal(whole.read("cost").value, cut.read("cost").value)


# How it is cut.


def test_what_is_collected_does_not_depend_on_how_the_work_was_cut(make):
    settings = {"seeds": {"count": 2}, "replicates": True, "areas": ["US", "AL"]}
    case = make(**settings)
    case.all()
    expected = case.views()
    assert len(expected) == 4
    for size, order in ((1, None), (10, None), (3, [3, 0, 2, 1])):
        other = make(f"size_{size}", batch_size=size, **settings)
        other.all(order)
        assert other.views() == expected


def test_another_batch_size_discards_nothing(make):
    case = make()
    case.all()
    expected, simulations = case.views(), len(case.engine.begun)
    for size in (3, 10):
        case.settings["batch_size"] = size
        case.all()
        assert case.views() == expected
    assert len(case.engine.begun) == simulations


def test_only_sets_that_are_new_are_simulated_when_the_table_changes(make):
    case = make()
    case.all()
    path = case.folder / "sets.csv"
    header, *rows = path.read_text().splitlines()
    for changed, new in (
        ([*rows, "500"], [500]),
        (["1500", *rows[3:]], [1500]),
        # There before, however it is written.
        ([f"{float(row)}e0" for row in reversed(rows)], []),
    ):
        case.engine.begun.clear()
        path.write_text("\n".join([header, *changed]))
        assert case.all()["sets"] == len(changed)
        assert case.engine.reforms == new
        values = case.read("cost")["param_snap.maximum"].tolist()
        assert values == [float(row) for row in changed]


def test_a_sweep_under_another_name_goes_on_with_what_is_moved_to_it(make):
    first = make("first")
    first.all()
    renamed = make("renamed")
    renamed.outputs.mkdir()
    (first.outputs / "sets").rename(renamed.outputs / "sets")
    renamed.all()
    assert renamed.engine.begun == []
    assert renamed.views() == first.views()


def test_nothing_is_taken_over_that_was_made_from_something_else(make):
    case = make(batch_size=10)
    case.all()
    before = len(case.finished())
    for changed in ({"outcomes": ("cost",)}, {"replicates": True}, {"seeds": {"count": 1}}):
        case.settings |= changed
        case.all()
        assert len(case.finished()) == before + 10
        before += 10


def test_the_pilot_s_simulations_are_kept_and_its_cost_is_stated(make):
    case = make(pilot=2, batch_size=10)
    outputs = case.plan()
    cost = json.loads(outputs["cost"].read_text())
    assert set(cost["seconds_per_simulation"]) == {"AL"}
    took, begin = (cost[name]["AL"] for name in ("seconds_per_simulation", "seconds_to_begin"))
    # One batch, which simulates once without a reform.
    assert begin > 0 and cost["hours_to_begin"] == pytest.approx(begin / 3600)
    assert cost["hours"] == pytest.approx((10 * took + begin) / 3600)
    assert cost["files"] == cost["sets"] == 10 and cost["peak_mb"] > 10
    assert case.engine.reforms == [1000, 2000]
    case.run_one(0)
    assert case.engine.reforms == list(range(1000, 11_000, 1000))


def test_what_a_pilot_takes_is_not_found_out_twice(make):
    case = make(pilot=2, batch_size=10, areas=["US", "AL"])
    first = json.loads(case.plan()["cost"].read_text())
    begun = len(case.engine.begun)
    assert case.plan()["cost"].read_text() and len(case.engine.begun) == begun
    case.settings["batch_size"] = 3
    cut = json.loads(case.plan()["cost"].read_text())
    assert len(case.engine.begun) == begun
    # Each of the 4 batches begins for itself.
    assert cut["hours_to_begin"] == pytest.approx(4 * first["hours_to_begin"])
    assert all(cut[name] == first[name] for name in ("peak_mb", "seconds_per_simulation"))
    # One set more is one more simulation in each area, beside the one without a reform.
    case.settings["pilot"] = 3
    case.plan()
    assert case.engine.reforms == [1000, 2000] * 2 + [3000] * 2
    # Batches say what theirs took, too.
    for number in range(4):
        case.run_one(number)
    begun = len(case.engine.begun)
    case.settings["pilot"] = 10
    cost = json.loads(case.plan()["cost"].read_text())
    assert len(case.engine.begun) == begun and cost["seconds_per_simulation"].keys() == {"US", "AL"}


def test_a_pilot_of_whose_cost_nothing_is_known_is_simulated(make):
    case = make(pilot=1, batch_size=10)
    case.plan()
    stats = case.outputs / "plan.stats.jsonl"
    line = stats.read_text()
    # It takes something else with other pieces, its line is cut short, or its values are gone.
    case.settings["households_together"] = 7
    case.plan()
    assert case.engine.reforms.count(1000) > 1
    case.settings["households_together"] = 10_000
    case.engine.begun.clear()
    stats.write_text(line[:-20])
    case.plan()
    assert case.engine.reforms == [1000]
    for path in case.finished():
        path.unlink()
    case.plan()
    assert case.engine.reforms == [1000] * 2


def test_a_sweep_that_is_larger_than_it_may_be_is_refused(make):
    case = make(largest={"simulations": 10})
    words = "10 parameter sets x 1 areas x 1 seeds and 1 of the baseline are 11 simulations, above"
    with pytest.raises(InputError, match=f"test.yaml: {words}"):
        case.plan()
    assert case.engine.begun == [] and not (case.outputs / "plan.parquet").exists()
    case = make("slow", largest={"hours": 1e-9}, pilot=1)
    with pytest.raises(InputError, match=r"hours of work, above largest.hours = 1e-09"):
        case.plan()


def test_sets_that_are_there_twice_run_once_and_are_reported(make, caplog):
    case = make(table="snap.maximum\n1000\n2000\n1e3\n")
    manifest = case.all()
    assert "line 4 repeats the parameter set of" in caplog.text
    assert (manifest["sets"], manifest["repeated_sets"]) == (2, 1)
    assert case.engine.reforms == [1000, 2000]


# Memory and progress.


class Handed:
    """Sees which of the arrays that outcomes are asked of are alive when a simulation begins."""

    def __init__(self, monkeypatch):
        self.arrays, self.most_alive, self.original = [], 0, simulate.simulated
        monkeypatch.setattr(simulate, "simulated", self.simulated)

    def simulated(self, *arguments):
        self.most_alive = max(self.most_alive, self.alive)
        found = self.original(*arguments)
        self.arrays += map(weakref.ref, found.values())
        return found

    @property
    def alive(self):
        return sum(array() is not None for array in self.arrays)


def test_nothing_of_a_simulation_lives_on_when_the_next_one_begins(make, monkeypatch):
    case = make(batch_size=10, outcomes=("cost", "revenue", "gini"))
    case.plan()
    handed = Handed(monkeypatch)
    with no_collector():
        case.run_one(0)
        assert case.engine.most_alive == 1
        assert len(case.engine.alive) == 0
        assert len(case.engine.arrays) > 10 and case.engine.arrays_alive == 0
        assert len(handed.arrays) > 10 and (handed.most_alive, handed.alive) == (0, 0)


@pytest.mark.parametrize("kept", ["simulation", "values", "copies", "context"])
def test_the_probes_see_a_leak(make, monkeypatch, kept):
    """Each keeps something of every simulation, as code with a mistake would."""
    case = make(batch_size=10)
    case.plan()
    case.files("AL")
    leak = []
    original, context = simulate.simulated, simulate.Context

    def leaking(engine, pieces, variables, common):
        if kept == "values":
            with simulate.closing(engine.simulate(pieces[0], common)) as simulation:
                leak.append(simulation.calculate("snap"))
        elif kept == "simulation":
            leak.append(engine.simulate(pieces[0], common))
        found = original(engine, pieces, variables, common)
        if kept == "copies":
            leak.append(found)
        return found

    def leaking_context(*arguments):
        leak.append(context(*arguments))
        return leak[-1]

    monkeypatch.setattr(simulate, "simulated", leaking)
    if kept == "context":
        monkeypatch.setattr(simulate, "Context", leaking_context)
    handed = Handed(monkeypatch)
    with no_collector():
        case.run_one(0)
        if kept == "simulation":
            assert case.engine.most_alive > 10
        elif kept == "values":
            assert case.engine.arrays_alive >= 10
        else:
            assert handed.most_alive >= 9 and handed.alive >= 10


def test_progress_only_grows_also_over_deaths(make, caplog, monkeypatch):
    monkeypatch.setattr("localcal.jobs.progress.SECONDS_BETWEEN_LINES", 0.0)
    caplog.set_level("INFO")
    case = make(batch_size=10)
    case.engine.broken_at = {5000: MemoryError("killed")}
    with pytest.raises(InputError, match="1 parameter sets failed"):
        case.all()
    lines = [text for text in caplog.messages if text.startswith("batch 0: simulations: ")]
    done = [int(text.split(": ")[2].split("/")[0]) for text in lines[1:]]
    assert done == sorted(done) and done[-1] == 10
    assert all("/s, " in text and " s left" in text for text in lines[1:])


def test_files_are_opened_and_checked_once_however_many_sets_there_are(make, monkeypatch):
    opened = Counter()

    def counting(owner, name):
        original = getattr(owner, name)

        def counted(*arguments, **named):
            opened[name] += 1
            return original(*arguments, **named)

        monkeypatch.setattr(owner, name, counted)

    case = make(batch_size=10, areas=["US", "AL"], replicates=True)
    case.plan()
    case.all()
    for path in case.finished():
        path.unlink()
    counting(bench, "read_population")
    counting(bench, "read_replicate_weights")
    counting(simulate, "read_baseline")
    counting(simulate, "find_outcomes")
    case.run_one(0)
    assert len(case.finished()) == 20
    assert opened == {
        # Of each area once.
        "read_population": 2,
        "read_replicate_weights": 2,
        "read_baseline": 2,
        "find_outcomes": 1,
    }


def test_statistics_are_beside_the_table_and_not_in_it(make):
    case = make(batch_size=10)
    case.all()
    path = case.batch_paths[0].with_suffix(".stats.jsonl")
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["set_id"] for line in lines] == list(case.sets.ids)
    assert {"seconds", "peak_mb", "host"} < lines[0].keys()


# What breaks.


def test_a_batch_that_raises_changes_no_other_and_what_it_finished_is_used_again(make):
    case = make(batch_size=2)
    case.plan()
    for number in (0, 1):
        case.run_one(number)
    before = [path.read_bytes() for path in case.batch_paths[:2]]
    case.engine.broken_at = {6000: ZeroDivisionError("nobody thought of it")}
    with pytest.raises(ZeroDivisionError):
        case.run_one(2)
    assert not case.batch_paths[2].exists()
    for number in (3, 4):
        case.run_one(number)
    assert [path.read_bytes() for path in case.batch_paths[:2]] == before
    case.engine.broken_at = {}
    case.engine.begun.clear()
    case.run_one(2)
    assert case.engine.reforms == [6000]
    case.collect()
    clean = make("clean", batch_size=2)
    clean.all()
    assert clean.views() == case.views()


def test_a_set_that_never_fits_is_marked_and_no_other(make):
    case = make(batch_size=5, tolerate_failed_sets=1)
    case.engine.broken_at = {7000: MemoryError("killed from outside (SIGKILL, -9)")}
    manifest = case.all()
    assert (manifest["status"], manifest["failed_sets"]) == ("partial", 1)
    table = case.read("cost")
    assert table.status.tolist() == ["ok"] * 6 + ["out of memory"] + ["ok"] * 3
    assert np.isnan(table.value[6]) and table.error_type[6] == "MemoryError"
    assert case.engine.reforms.count(7000) == 2 and len(case.engine.reforms) == 11
    # Tried again when there is more.
    case.engine.broken_at = {}
    assert case.all()["status"] == "complete"
    assert len(case.engine.reforms) == 12
    clean = make("clean", batch_size=5, tolerate_failed_sets=1)
    clean.all()
    assert clean.views() == case.views()


def test_a_process_that_is_killed_in_the_middle_loses_one_set(make, own_folder, monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[3]))
    case = make(batch_size=10, tolerate_failed_sets=1, engine_name="tests.sweep_case:Lethal")
    monkeypatch.setattr(batches, "run_with_engine", case.warm)
    assert case.all()["failed_sets"] == 1
    table = case.read("cost")
    assert table.status.tolist() == ["ok"] * 3 + ["out of memory"] + ["ok"] * 6
    lines = case.batch_paths[0].with_suffix(".stats.jsonl").read_text().splitlines()
    stats = [json.loads(line) for line in lines]
    assert [line["set_id"] for line in stats] == [*case.sets.ids[:3], *case.sets.ids[4:]]
    assert len({line["process"] for line in stats}) == 2


@pytest.mark.parametrize("remedy", ["more_memory", "fail"])
def test_the_remedy_may_be_to_fail_with_the_number_to_change(make, remedy):
    case = make(on_out_of_memory=remedy, batch_size=10)
    case.plan()
    case.engine.broken_at = {3000: MemoryError("killed from outside (SIGKILL, -9)")}
    words = r"-9\), after 2 of 10 were done; .*sweeps/test.yaml raise memory_mb \(now 16000\)"
    with pytest.raises(OutOfMemory, match=words):
        case.run_one(0)
    assert len(case.finished()) == 2
    assert case.limits == [10_000]


@pytest.mark.parametrize("value", [1000, 5000])
def test_a_set_that_cannot_be_simulated_is_a_row_that_says_why(make, value):
    case = make(tolerate_failed_sets=1)
    case.engine.broken_at = {value: unusable()}
    manifest = case.all()
    assert manifest["status"] == "partial"
    failures = collect.pq.read_table(case.outputs / "failures.parquet").to_pandas()
    assert failures["param_snap.maximum"].tolist() == [value] * 2
    assert failures.outcome.tolist() == ["cost", "revenue"]
    assert failures.error_message.str.contains("negative income").all()
    for outcome in ("cost", "revenue"):
        assert case.read(outcome).set_idx.nunique() == 10


def test_more_failures_than_are_tolerated_end_the_sweep_with_the_first_of_them(make):
    case = make()
    case.engine.broken_at = {2000: unusable("negative"), 4000: unusable("odd")}
    words = r"2 parameter sets failed, 0 are tolerated; the first is set \w+ \(number 1\) in AL, "
    with pytest.raises(InputError, match=words + "cost: CalculationError: snap: negative"):
        case.all()
    assert (case.outputs / "failures.parquet").exists()
    assert not (case.outputs / "manifest.json").exists()


@pytest.mark.parametrize(
    ("what", "kind"),
    [("raise KeyError('no such')", "KeyError"), ("total = total * np.nan", "ValueError")],
)
def test_an_outcome_that_raises_or_is_no_number_fails_by_itself(make, what, kind):
    case = make(tolerate_failed_sets=10)
    name = own_outcome(case, "total > 2 * base", f"import numpy as np; {what}")
    case.settings["outcomes"] = ("cost", name)
    case.all()
    table = case.read("own.shaky")
    assert set(table.error_type) == {"", kind}
    wrong = table.status != "ok"
    assert 0 < wrong.sum() < 10 and table.value.isna().tolist() == wrong.tolist()
    assert (case.read("cost").status == "ok").all()


def test_a_corrected_outcome_is_asked_again(make):
    case = make(tolerate_failed_sets=10)
    name = own_outcome(case, "True", "raise KeyError('no such')")
    case.settings["outcomes"] = (name,)
    assert case.all()["status"] == "failed"
    own_outcome(case, "False", "pass")
    assert case.all()["status"] == "complete"


@pytest.mark.parametrize("together", [10_000, 5])
def test_a_parameter_that_the_model_lacks_is_refused_before_any_set(make, together):
    case = make(table="snap.maximun\n1000\n", pilot=1, households_together=together)
    with pytest.raises(InputError, match=r"snap.maximun: the model has no such parameter"):
        case.plan()
    assert case.engine.begun == []


def test_a_parameter_that_the_model_lacks_is_refused_before_its_areas_are_simulated(make):
    case = make()
    files, path = case.files("AL"), case.folder / "new.h5"
    arguments = (files, case.draws_from, case.draws, ("cost",), 10_000, path)
    with pytest.raises(InputError, match=r"snap.maximun: the model has no .* mean snap.maximum"):
        write_baseline(case.engine, *arguments, ["snap.maximum", "snap.maximun@2024-01-01."])
    assert case.engine.begun == [] and not path.exists()
    write_baseline(case.engine, *arguments, ["snap.maximum@2024-01-01."])
    assert path.exists()


def test_a_value_of_another_kind_fails_its_set_and_names_the_column(make):
    case = make(table="snap.in_effect\n1\n3\n", tolerate_failed_sets=1)
    assert case.all()["status"] == "partial"
    table = case.read("cost")
    assert table.error_message[0] == "" and "snap.in_effect: expected" in table.error_message[1]


def test_a_full_disk_ends_the_batch_and_loses_nothing_that_is_finished(make, monkeypatch):
    case = make(batch_size=10)
    case.plan()
    case.files("AL")
    n_written = itertools.count()

    def filling(path, suffix=".part"):
        if "sets" in str(path) and next(n_written) >= 4:
            raise InputError(f"{path}: {OSError(errno.ENOSPC, 'No space left on device')}")
        return atomic_path(path, suffix)

    with monkeypatch.context() as full:
        full.setattr("localcal.files.parquet.atomic_path", filling)
        with pytest.raises(InputError, match="No space left"):
            case.run_one(0)
    assert len(case.finished()) == 4 and not case.batch_paths[0].exists()
    case.run_one(0)
    case.collect()
    assert case.engine.reforms == [1000, 2000, 3000, 4000, 5000, *range(5000, 11_000, 1000)]


@pytest.mark.parametrize("moment", ["simulating", "evaluating", "writing", "gathering"])
def test_killed_at_any_moment_it_goes_on_where_it_was(make, monkeypatch, moment):
    """A kill leaves what a process had renamed until then, as an exception nobody catches does."""

    class Killed(BaseException):
        pass

    clean = make("clean", batch_size=10)
    clean.all()
    case = make(batch_size=10)
    case.plan()
    case.files("AL")
    calls = itertools.count()
    places = {
        "simulating": (simulate, "simulated"),
        "evaluating": (simulate, "evaluate"),
        "writing": (simulate.Store, "write"),
        "gathering": (simulate.Store, "read"),
    }
    owner, name = places[moment]
    original = getattr(owner, name)

    def dying(*arguments):
        if next(calls) == 6:
            raise Killed
        return original(*arguments)

    with monkeypatch.context() as fatal:
        fatal.setattr(owner, name, dying)
        with pytest.raises(Killed):
            case.run_one(0)
    assert not case.batch_paths[0].exists()
    finished = len(case.finished())
    case.engine.begun.clear()
    case.run_one(0)
    assert len(case.engine.reforms) == 10 - finished
    case.collect()
    assert case.views() == clean.views()


def test_a_damaged_simulation_is_refused_by_name(make):
    case = make(batch_size=10)
    case.all()
    path = case.finished()[3]
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(InputError, match=f"{path.name}: damaged"):
        case.run_one(0)


def test_no_simulation_with_a_bit_that_changed_is_taken_for_another(tmp_path):
    store = Store(tmp_path, {"AL": {}})
    cell = Cell(0, "ab" * 16, "AL", 0, 0)
    rows = [CellRow("calibrated", "cost", f"decile {k}", k / 3, k / 7, 1.0) for k in range(9)]
    store.write(cell, [*rows, *failure(["gini"], "error", "KeyError", "größer")])
    path = store.path(cell)
    written, expected = path.read_bytes(), store.read(cell)
    draws, refused = random.Random(5), 0
    for _ in range(1500):
        changed = bytearray(written)
        changed[draws.randrange(len(changed))] ^= 1 << draws.randrange(8)
        path.write_bytes(changed)
        try:
            # Not all of a file are rows.
            assert store.read(cell).equals(expected)
        except InputError as error:
            assert f"{path}: damaged" in str(error)
            refused += 1
    assert refused > 500


def test_a_simulation_under_the_name_of_another_is_refused(make):
    case = make(batch_size=10)
    case.all()
    one, other = case.finished()[:2]
    other.write_bytes(one.read_bytes())
    with pytest.raises(InputError, match=f"{other.name}: damaged, its rows are not those that"):
        case.run_one(0)


# What is collected.


def test_batches_of_another_plan_are_refused(make):
    case = make(batch_size=5)
    case.all()
    path = case.folder / "sets.csv"
    header, first, second, *rest = path.read_text().splitlines()
    path.write_text("\n".join([header, second, first, *rest]))
    case.plan()
    words = r"batch_0000.parquet: has set \w{32} under number \d, which is \w{32} by the plan"
    with pytest.raises(InputError, match=words):
        case.collect()
    begun = len(case.engine.begun)
    case.all()
    assert len(case.engine.begun) == begun


def test_the_manifest_says_these_things(make):
    manifest = make().all()
    assert set(manifest) - {"seal"} == set(MANIFEST_KEYS)
    assert (manifest["expected"], manifest["found"], manifest["missing"]) == (20, 20, 0)
    assert manifest["status"] == "complete"


def test_a_batch_that_lacks_a_row_or_has_one_twice_is_refused(make):
    case = make(batch_size=5)
    case.all()
    path = case.batch_paths[1]
    table = collect.pq.read_table(path)
    collect.pq.write_table(table.slice(1), path)
    with pytest.raises(InputError, match=r"batch_0001.parquet: lacks \(5, 'AL', 0, 'cost'\)"):
        case.collect()
    collect.pq.write_table(collect.pa.concat_tables([table, table.slice(0, 1)]), path)
    with pytest.raises(InputError, match=r"batch_0001.parquet: has \(5, 'AL', .* twice"):
        case.collect()
    # Also side by side; and whole simulations.
    collect.pq.write_table(collect.pa.concat_tables([table.slice(0, 1), table]), path)
    with pytest.raises(InputError, match=r"has \(5, 'AL', 0, 'cost', 'calibrated', ''\) twice"):
        case.collect()
    of_set = collect.pc.field("set_idx")
    collect.pq.write_table(table.filter(of_set != 6), path)
    words = r"batch_0001.parquet: lacks \(6, 'AL', 0\) where it has \(7, 'AL', 0\)"
    with pytest.raises(InputError, match=words):
        case.collect()
    collect.pq.write_table(table.filter(of_set != 9), path)
    with pytest.raises(InputError, match=r"lacks \(9, 'AL', 0\) where it ends"):
        case.collect()
    collect.pq.write_table(collect.pq.read_table(case.batch_paths[0]), path)
    with pytest.raises(InputError, match=r"batch_0001.parquet: lacks"):
        case.collect()


def test_collecting_holds_no_more_of_a_batch_than_one_simulation(make, monkeypatch):
    case = make(batch_size=10)
    case.all()
    most, original = 0, collect._refuse_other_rows

    def looking(batch, rows, outcomes):
        nonlocal most
        most = max(most, len(rows))
        original(batch, rows, outcomes)

    monkeypatch.setattr(collect, "_refuse_other_rows", looking)
    case.collect()
    assert most == collect.pq.read_metadata(case.batch_paths[0]).num_rows / 10


def test_a_plan_has_the_same_rows_in_whichever_pieces_it_is_written(make, monkeypatch):
    case = make()
    expected = case.plan()["plan"].read_bytes()
    monkeypatch.setattr("localcal.sweeps.plan.SETS_TOGETHER", 3)
    path = case.plan()["plan"]
    assert path.read_bytes() == expected
    table = collect.pq.read_table(path)
    assert table["set_idx"].to_pylist() == list(range(10))
    assert table["set_id"].to_pylist() == list(case.sets.ids)
    assert table["batch"].to_pylist() == [0, 0, 0, 0, 1, 1, 1, 1, 2, 2]


def test_a_column_of_numbers_and_truths_is_refused(make):
    case = make(table="snap.in_effect\n1\ntrue\n")
    words = r"line 3, column snap.in_effect: expected a number as in .*line 2, found True"
    with pytest.raises(InputError, match=words):
        case.plan()
    case = make("truths", table="snap.in_effect\nfalse\ntrue\n")
    case.all()
    assert case.read("cost")["param_snap.in_effect"].tolist() == [False, True]
    assert (case.read("cost").delta == 0).tolist() == [False, True]
