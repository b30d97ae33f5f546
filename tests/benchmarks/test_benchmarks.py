"""The benchmarks at tiny sizes: they run, and their figures hang together."""

import importlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from localcal.database.reader import read_targets_table
from localcal.jobs.usage import Usage
from localcal.population.dataset import write_population
from localcal.sweeps.context import Context, Units
from localcal.weights.newton import MOST_STEPS
from tests.households import random_population

REPOSITORY = Path(__file__).parents[2]
COST = ("cpu_seconds", "wall_seconds")
# Rules of which a run has one job, and those that wait for each other.
IN_A_ROW = ("assign_geography", "freeze_values", "plan_chunks", "assemble_matrix", "write_report")
ONCE = (*IN_A_ROW, "freeze_run", "copy_take_up", "copy_tables", "build_database", "resolve_targets")
ONCE += ("build_population", "follow_values", "summarize_validation")
PEAKS = ("peak_rss_over_start_mb", "peak_private_over_start_mb")


def has_r_survey() -> bool:
    """Whether R can calibrate here."""
    if shutil.which("Rscript") is None:
        return False
    needed = ["Rscript", "-e", "stopifnot(requireNamespace('survey'), requireNamespace('MASS'))"]
    return subprocess.run(needed, capture_output=True, check=False).returncode == 0


@pytest.fixture
def figures(tmp_path):
    """Return a function that runs a benchmark and returns its figures."""

    def run(name: str, *options: str) -> dict[str, float]:
        result = subprocess.run(
            [sys.executable, f"tests/benchmarks/{name}.py", "--json", *options],
            cwd=REPOSITORY,
            env=os.environ | {"TMPDIR": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == 0, result.stderr
        # A Snakemake that was killed leaves a folder of its own.
        assert not list(tmp_path.glob("localcal_benchmark_*"))
        return json.loads(result.stdout)

    return run


def assert_costs(found: dict[str, float], way: str) -> None:
    for name in COST:
        least, median, most = (found[f"{way}_{name}{end}"] for end in ("_min", "", "_max"))
        assert 0 < least <= median <= most
    assert all(found[f"{way}_{name}"] >= 0 for name in PEAKS)


def test_penalty(figures):
    found = figures("penalty", "--households", "0", "--seeds", "1", "--penalties", "auto", "1")
    assert found["consistent_1.0_chosen"] == 1.0 > found["consistent_auto_chosen"]
    for name in ("fitted", "held_out"):
        assert found[f"consistent_auto_{name}"] < found[f"consistent_1.0_{name}"]
    assert found["consistent_auto_held_out"] < found["consistent_auto_start"]


def test_mixed(figures):
    found = figures("mixed", "--ratios", "1e4", "--seeds", "1")
    assert found["ratio_10000_firm"] < 1.01 < found["ratio_10000_plain"]
    assert found["ratio_10000_newton"] < 1.0001


@pytest.mark.skipif(not has_r_survey(), reason="needs Rscript with the package survey")
def test_r_survey(figures):
    found = figures("r_survey", "--households", "300", "--moved", "0.05")
    ways = [name.removesuffix("_weights") for name in found if name.endswith("_weights")]
    assert len(ways) == 10
    assert max(found[f"{way}_weights"] for way in ways) <= 1e-6
    assert min(found[f"{way}_lowest"] for way in ways) < 0.8


def test_assembly(figures):
    found = figures(
        "assembly",
        *("--shards", "4", "--entries", "60000", "--rows", "300", "--columns", "20000"),
        *("--repeats", "1"),
    )
    found = {name.removeprefix("4_shards_"): value for name, value in found.items()}
    assert found["same"] is True
    assert found["csr_mb"] == pytest.approx(4 * 60_000 * 8 / 1e6)
    for way in ("ours", "reference", "reference_written"):
        assert_costs(found, way)
    for kind in ("cpu", "wall"):
        mine = found[f"ours_{kind}_seconds"]
        for other, name in (("reference", ""), ("reference_written", "_written")):
            assert found[f"{kind}{name}_ratio"] == mine / found[f"{other}_{kind}_seconds"]
    for kind in ("rss", "private"):
        mine, its = (
            found[f"{way}_peak_{kind}_over_start_mb"] for way in ("ours", "reference_written")
        )
        assert found[f"{kind}_ratio"] == (mine / its if its else None)


def test_geography(figures):
    found = figures(
        "geography",
        *("--households", "50", "--clones", "20", "--reference-households", "10"),
        *("--reference-clones", "10", "--repeats", "1"),
    )
    for way in ("ours", "reference"):
        assert_costs(found, way)
    assert (found["columns"], found["reference_columns"]) == (1000, 100)
    assert found["ours_repeated_districts"] == 0
    mine, its = (found[f"{way}_cpu_seconds"] for way in ("ours", "reference"))
    assert found["ratio_per_column"] == pytest.approx((mine / 1000) / (its / 100))
    assert found["reference_cpu_seconds_extrapolated"] == pytest.approx(its * 5 * 4)
    assert found["ratio_extrapolated"] == pytest.approx(mine / (its * 5 * 4))


def test_dry_run(figures):
    found = figures(
        "dry_run", "--configfile", "config/config.yaml", "--cases", "chunk", "--repeats", "1"
    )
    assert 0 < found["chunk_wall_seconds_min"] <= found["chunk_wall_seconds"]
    assert found["chunk_cpu_seconds"] <= found["chunk_cpu_seconds_max"]
    assert found["chunk_jobs"] == 10


@pytest.mark.slow
def test_resume(figures):
    found = figures("resume", "--chunk-columns", "80", "--kills", "1")
    assert found["chunks"] == 3
    assert 1 <= found["kill_0_built_before"] <= 3
    assert found["kill_0_built_again"] == 0
    assert found["kill_0_built_before"] + found["kill_0_built_after"] == 3
    assert found["kill_0_lost_seconds"] == pytest.approx(
        found["kill_0_after_seconds"]
        + found["kill_0_resumed_wall_seconds"]
        - found["undisturbed_wall_seconds"]
    )
    assert found["kill_0_same_matrix"] is True


def test_replicates(figures):
    found = figures(
        "replicates",
        *("--replicates", "3", "--households", "60", "--clones", "20", "--kept", "600"),
    )
    found = {name.removeprefix("clones_1200_"): value for name, value in found.items()}
    # A fit that has used up its sweeps goes on by Newton's method.
    assert 0 < found["sweeps"] <= found["sweeps_max"] <= 400 + MOST_STEPS
    assert found["within_tolerance"] <= 3
    assert 0 < found["relative_error"] < 1 and found["relative_error_households"] > 0
    later = found["pose_cpu_seconds"] + found["replicate_cpu_seconds"]
    assert found["ratio"] == pytest.approx(later / found["fit_cpu_seconds"])


def test_fit(figures):
    found = figures(
        "fit",
        *("--records", "3000", "--households", "60", "--clones", "50", "--clones-kept", "3000"),
        *("--clones-seeds", "0", "--l0-epochs", "0", "--l0-clones-epochs", "0"),
    )
    problems = {"independent_3000": 3000, "clones_3000_seed_0": 3000}
    for problem, kept in problems.items():
        mine = {
            name.removeprefix(f"{problem}_ours_"): value
            for name, value in found.items()
            if name.startswith(f"{problem}_")
        }
        assert mine["records"] == kept
        assert mine["cpu_seconds"] > 0 and mine["compile_seconds"] > 0 and mine["peak_mb"] > 0
        assert 0 <= mine["error_median"] <= mine["error_p90"] <= mine["error_max"]
        assert mine["loss"] >= mine["error_max"] ** 2
        assert 0 <= mine["error_within_5_percent"] <= 1 <= mine["design_effect"]
        assert mine["rms_gap"] >= 0
    assert not [name for name in found if "l0" in name or "ratio" in name]


@pytest.mark.slow
def test_tenth(figures, tmp_path):
    write_population(tmp_path / "population.h5", random_population(60, seed=1))
    config = {
        "engine": "tests.standin_engine:StandIn",
        "population": {"source": "file", "path": str(tmp_path / "population.h5")},
        "take_up": {"enabled": False},
        "targets": {"include": [{"variable": "person_count", "domain_variable": "age"}]},
        "matrix": {"chunk_columns": 900},
        "weights": {"local": {"records": 1500}, "national": {"records": 300}},
        "areas": {"states": ["VT"], "districts": ["VT-01"], "cities": []},
        "validation": {"simulated_districts": 0},
    }
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    found = figures(
        "tenth",
        *("--households", "60", "--clones", "40", "--times", "2"),
        *("--config", str(tmp_path / "config.yaml")),
    )
    assert set(found) == {"cpu_hours", "peak_mb", "minutes_on_50", "table"}
    rules, workers = found["table"]["rules"], found["table"]["workers"]
    assert {rule: row["jobs"] for rule, row in rules.items() if "jobs" in row} == {
        **dict.fromkeys(ONCE, 1),
        "build_chunk": 3,
        **dict.fromkeys(("fit_weights", "estimate_totals"), 2),
        **dict.fromkeys(("write_area", "validate_area"), 3),
        "simulate_area": 2,
    }
    assert rules["build_chunk"]["whole_jobs"] == 2 * 3
    assert rules["fit_weights"]["whole_cpu_seconds"] == pytest.approx(
        2 * rules["fit_weights"]["cpu_seconds"]
    )
    for row in rules.values():
        assert 0 < row["cpu_seconds"] <= row["whole_cpu_seconds"] * (1 + 1e-9)
    of_all = sum(row["whole_cpu_seconds"] for row in rules.values())
    assert found["cpu_hours"] == pytest.approx(of_all / 3600)
    assert found["peak_mb"] == max(row["peak_mb"] for row in rules.values() if "jobs" in row)
    assert found["minutes_on_50"] == workers["50"]["minutes"] <= workers["1"]["minutes"]
    # What waits for each other cannot be done at once, and one worker does one job at a time.
    once = sum(rules[rule]["whole_cpu_seconds"] for rule in IN_A_ROW)
    assert workers["50"]["minutes"] > once / 60
    of_jobs = sum(row["whole_cpu_seconds"] for row in rules.values() if "jobs" in row)
    assert workers["1"]["minutes"] > of_jobs / 60


@pytest.fixture
def module(monkeypatch):
    """Return a function that returns the module of a benchmark."""
    monkeypatch.syspath_prepend(REPOSITORY / "tests/benchmarks")
    return importlib.import_module


@pytest.fixture
def tenth(module):
    return module("tenth")


def test_levels_of_the_crossed_database_add_up(module, tmp_path):
    path = tmp_path / "policy_data.db"
    count = module("crossed").write_crossed_database(REPOSITORY / "config", path, seed=0)
    table = read_targets_table(path)
    assert len(table) == count == 17_362
    assert (table["reform_id"] > 0).sum() == 4
    table = table[table["reform_id"] == 0].assign(constraints=table["constraints"].map(str))
    totals = table.groupby(["variable", "constraints", "geo_level"])["value"].sum().unstack()
    assert totals.notna().sum().to_dict() == {"district": 35, "nation": 58, "state": 40}
    for level in ("district", "state"):
        np.testing.assert_allclose(totals[level].dropna(), totals["nation"][totals[level].notna()])
    everybody = totals.loc[("person_count", "()"), "nation"]
    by_age = totals.loc["person_count"].filter(like="age", axis=0)["nation"]
    assert everybody == pytest.approx(by_age.sum()) == pytest.approx(340_110_990)


def test_jobs_are_given_to_the_worker_that_ends_them_first(tenth):
    def job(seconds, *after, needs_model=False):
        return tenth.Planned("a_rule", seconds, seconds, needs_model, after)

    def timed(*arguments):
        found = tenth.schedule(*arguments)
        return found.seconds, found.loads

    alike = {str(number): job(3.0) for number in range(5)}
    assert timed(alike, 1, 10.0, 0.0) == (15.0, 0)
    assert timed(alike, 2, 10.0, 0.0) == (9.0, 0)
    assert timed(alike, 50, 10.0, 0.0) == (3.0, 0)
    # One start after the other.
    assert timed(alike, 50, 10.0, 1.0) == (5.0 + 3.0, 0)
    row = {"a": job(3.0), "b": job(3.0, "a"), "c": job(3.0, "b")}
    assert timed(row, 50, 10.0, 0.0) == (9.0, 0)
    # To wait for a worker that has the model is better than to load it again, or worse.
    warm = {name: job(3.0, needs_model=True) for name in "abcde"}
    assert timed(warm, 50, 10.0, 0.0) == (13.0, 5)
    assert timed({"a": warm["a"], "b": job(1.0, "a")}, 2, 10.0, 0.0) == (14.0, 1)


def test_the_chain_is_what_the_last_job_waited_for(tenth):
    def job(seconds, *after):
        return tenth.Planned("a_rule", seconds, seconds, False, after)

    # b and c need a, and d needs both; c is the longer one.
    both = {"a": job(1.0), "b": job(2.0, "a"), "c": job(5.0, "a"), "d": job(1.0, "b", "c")}
    assert tenth.schedule(both, 2, 0.0, 0.0).chain == [("a", 1.0), ("c", 6.0), ("d", 7.0)]
    # On one worker each waits for the one before it.
    assert [name for name, _ in tenth.schedule(both, 1, 0.0, 0.0).chain] == ["a", "b", "c", "d"]


def test_files_are_waited_for(tenth):
    usage = Usage(wall_seconds=3.0, cpu_seconds=2.0, warm_cpu_seconds=1.0, peak_mb=1)
    plan = tenth.Job("plan_chunks/plan_chunks", "plan_chunks", usage)
    plan.writes["matrix/plan.json"] = 10**8
    chunk = tenth.Job("build_chunk/000000", "build_chunk", usage, after={plan.name})
    chunk.reads = {"matrix/plan.json": 10**8, "population/population.h5": 10**8}
    planned = tenth.plan({job.name: job for job in (plan, chunk)}, 10.0, {}, 100.0)
    assert planned[plan.name].seconds == 20.0 + 1.0
    copies = {name: job for name, job in planned.items() if job.rule == "build_chunk"}
    assert len(copies) == 10
    for job in copies.values():
        assert job.cpu_seconds == 2.0
        # The population is ten times as large by then.
        assert job.seconds == 2.0 + 1.0 + 10.0
        assert job.after == [plan.name]


def test_a_file_is_made_by_the_job_with_its_wildcards(module):
    maker_of = module("whole_run").maker_of
    simulated = ["simulate_area/CA", "simulate_area/CA-12", "simulate_area/US"]
    assert maker_of("validation/totals/CA-12.h5", simulated) == "simulate_area/CA-12"
    assert maker_of("validation/totals/CA.h5", simulated) == "simulate_area/CA"
    written = ["write_area/districts/CA-12", "write_area/states/CA"]
    assert maker_of("areas/states/CA.h5", written) == "write_area/states/CA"
    assert maker_of("matrix/summary.json", ["assemble_matrix/assemble_matrix"]) == (
        "assemble_matrix/assemble_matrix"
    )


def test_what_no_job_took_is_told_apart(tenth, module):
    command = module("whole_run").Command
    usage = Usage(wall_seconds=3.0, cpu_seconds=5.0, warm_cpu_seconds=4.0, peak_mb=1)
    jobs = {name: tenth.Job(name, "build_chunk", usage) for name in "abcd"}
    one = command(9.0, 7.0, 25.0, finished=False, jobs=["a", "b"])
    two = command(9.0, 5.0, 14.0, finished=True, jobs=["c"])
    # Of the fourth job's command nothing is known: it was interrupted.
    found = tenth.overhead_of([one, two], jobs)
    assert found.snakemake == pytest.approx(((7.0 - 2 * 1.0) + (5.0 - 1.0)) * 4 / 3)
    # A job that was stopped had worked, too.
    assert found.loading == min(25.0 - 2 * 4.0, 14.0 - 4.0)


def test_others_file_as_far_as_returns_are_lacking(module):
    filing = module("filing_rates")
    # Three units of each class: one that files anyway, one with wages and one without anything.
    income = np.repeat([0.0, 2e3, 6e3, 12e3, 17e3, 22e3, 30e3], 3)
    wages = np.tile([True, True, False], 7)
    units = filing.Units(
        weight=np.full(21, 4e6),
        income=income,
        earns=wages,
        has_wages=wages,
        files_anyway=np.tile([True, False, False], 7),
    )
    found = {filing.base_of(*row[:2]): row[-1] for row in filing.rates(units, growth=1.0)}
    assert len(found) == 14
    size = "adjusted_gross_income>=15000;adjusted_gross_income<20000;tax_unit_earned_income"
    assert found[f"{size}>0"] == pytest.approx((6_358_196 - 4e6) / 4e6)
    assert found[f"{size}<=0"] == pytest.approx((8_702_094 - 6_358_196) / 4e6)
    # More file than there are, or fewer than file anyway.
    assert found["adjusted_gross_income>=25000;tax_unit_earned_income>0"] == 1
    assert found["adjusted_gross_income<1;tax_unit_earned_income>0"] == 0
    # Without what dependents file: a part of those of 1 to 10,000 dollars.
    both = ["adjusted_gross_income>=1;adjusted_gross_income<5000;tax_unit_earned_income>0"]
    both.append("adjusted_gross_income>=5000;adjusted_gross_income<10000;tax_unit_earned_income>0")
    rates = [found[base] for base in both]
    assert rates[0] == 0
    dependents = 2_592_460 * 5_693_319 / (3_865_490 + 5_693_319)
    assert rates[1] == pytest.approx((5_693_319 - dependents - 4e6) / 4e6)


def test_policies_come_by_hand_to_what_the_households_say(module):
    policies = module("policy_changes")
    units = Units(
        household_of={"tax_unit": np.array([0, 1, 1]), "spm_unit": np.array([0, 1, 1])},
        persons={"household": np.array([1.0, 2])},
        entity_of={},
    )
    before = {
        "taxable_income": np.array([50_000.0, 100, 8_000]),
        "capital_gains_excluded_from_taxable_income": np.array([10_000.0, 300, 0]),
        "eitc": np.array([0.0, 500, 20]),
        "snap": np.array([100.0, 0, 200]),
        "snap_max_allotment": np.array([3_000.0, 4_000, 5_000]),
        # The first is on it.
        "snap_min_allotment": np.array([100.0, 0, 100]),
    }

    def by_hand(state):
        context = Context(units, {}, before, np.array([10.0, 2]), np.array(state))
        return [policy.by_hand(context) for policy in policies.POLICIES]

    assert by_hand(["6", "36"]) == pytest.approx([4_160, 1_040, 0.1 * (1_000 + 10_000)])
    # Alaska and Hawaii have allotments of their own.
    assert by_hand(["2", "15"])[-1] == 0


def test_some_households_stand_for_all(module):
    population = random_population(10, seed=1)
    some = module("policy_changes").every_kth(population, 4)
    weight = population.values["household_weight"]
    assert np.array_equal(some.values["household_weight"], 3 * weight[::3])
    assert module("policy_changes").every_kth(population, None).count("household") == 10


def test_a_sweep_takes_no_more_memory_for_more_sets(figures):
    found = figures("sweeps", "--sets", "5", "20")
    assert [found[f"simulations_{n}"] for n in (5, 20)] == [5, 20]
    assert [found[f"rows_{n}"] for n in (5, 20)] == [30, 120]
    assert found["child_mb_20"] < 1.1 * found["child_mb_5"]


@pytest.mark.slow
def test_what_breaks_in_a_sweep_costs_what_it_broke_and_nothing_else(figures):
    found = figures("sweep_faults")
    faults = {name.rpartition(": ")[0] for name in found}
    assert len(faults) == 19
    for fault in faults:
        kept, anew = (found[f"{fault}: {name}"] for name in ("kept", "anew"))
        assert kept + anew == (20 if fault.startswith("an outcome") else 10), fault
        assert found[f"{fault}: unchanged"] and found[f"{fault}: same"], fault
        assert (found[f"{fault}: first"] == "exit -9") == fault.startswith("killed"), fault
