import json
import logging
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

from localcal.errors import InputError
from localcal.files.atomic import write_json
from localcal.files.seal import sealed
from localcal.release.gates import NAMES, check, refuse
from localcal.release.summary import summarize
from localcal.run.sections import Gates
from tests.gates_case import (
    COMMIT,
    CONFIG,
    change_json,
    change_table,
    finished_run,
    keep,
)

VALIDATED = "validation/states/AL.csv"
AREA = "areas/states/AL.h5"


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return finished_run(tmp_path_factory.mktemp("whole"))


@pytest.fixture
def run(whole, tmp_path):
    """A finished run of its own, to be damaged."""
    return shutil.copytree(whole, tmp_path / "runs" / "demo")


def gates_of(run, live=None, override=(), **limits):
    return {gate.name: gate for gate in check(run, Gates(**limits), live, override)}


def refused(run, live=None, **limits):
    """Return the one gate that refuses a run."""
    (gate,) = [gate for gate in gates_of(run, live, **limits).values() if not gate.passed]
    return gate


def change_area(run, change):
    with h5py.File(run / AREA, "r+") as file:
        change(file)
    keep(run, AREA)


def history(run, *changes):
    line = {"when": "2026-04-25T10:15:00+00:00", "changes": list(changes)}
    with (run / "history.jsonl").open("a") as file:
        file.write(json.dumps(sealed(line)) + "\n")


def changed(what, old, new):
    return {"what": what, "old": old, "new": new}


def test_a_finished_run_passes_every_gate(run):
    gates = gates_of(run)
    assert tuple(gates) == NAMES and all(gate.passed for gate in gates.values())
    assert gates["complete"].figures == {"wanted": 55, "as made": 55}
    receipt = refuse(list(gates.values()), [])
    assert json.loads(json.dumps(receipt, allow_nan=False)) == receipt
    assert {(gate["passed"], gate["accepted"]) for gate in receipt} == {(True, False)}
    assert refuse(check(run, Gates(), None), []) == receipt


def test_a_missing_file_is_told_before_anything_is_read(run):
    (run / "report" / "index.html").unlink()
    (run / "validation" / "summary.json").unlink()
    gate = refused(run)
    assert gate.name == "complete" and gate.figures["missing"] == 2
    assert set(gate.reasons) == {
        "report/index.html is missing",
        "validation/summary.json is missing",
    }


def test_what_was_never_made_is_missing(run):
    (run / VALIDATED).unlink()
    (run / "made" / f"{VALIDATED}.json").unlink()
    assert refused(run).reasons == [f"{VALIDATED} is missing"]


def test_what_is_not_what_was_made_is_told(run):
    (run / "weights/local/trace.h5").write_text("other")
    (run / "made/report/sizes.png.json").unlink()
    assert set(refused(run).reasons) == {
        "weights/local/trace.h5 is damaged",
        "report/sizes.png is without a record",
    }


def test_what_nobody_asked_for_is_nobodys_business(run):
    (run / "areas/states/WY.h5").write_text("not asked for")
    assert gates_of(run)["complete"].passed


def test_an_incomplete_run_that_is_accepted_meets_the_other_gates(run):
    (run / "report/sizes.png").unlink()
    change_table(run, "weights/local/diagnostics.csv", lambda t: t.__setitem__("rel_error", 0.6))
    gates = gates_of(run, override=["complete"])
    assert tuple(gates) == NAMES
    with pytest.raises(InputError, match="gate errors: .*override: \\[complete, errors\\]"):
        refuse(list(gates.values()), ["complete"])
    # What a gate needs cannot be accepted as missing.
    (run / VALIDATED).unlink()
    with pytest.raises(InputError, match="no such file"):
        gates_of(run, override=["complete"])
    with pytest.raises(InputError, match="cannot be accepted before validation, structure"):
        refuse(check(run, Gates(), None), ["complete"])


def test_a_lost_row_of_an_area_is_told(run):
    change_table(run, VALIDATED, lambda table: table.drop(index=3))
    gate = refused(run)
    assert gate.name == "validation"
    assert gate.figures["rows"] == gate.figures["rows_expected"] - 1
    assert gate.reasons == [
        "states/AL has 17 rows for 18 targets",
        "states/AL is not the table that was summed up",
    ]


def test_a_row_that_is_there_twice_makes_up_for_none(run):
    change_table(run, VALIDATED, lambda table: table.__setitem__("target_id", 18))
    assert "states/AL has 18 rows for 18 targets" in refused(run).reasons


def test_a_summary_of_fewer_areas_is_told(run):
    change_json(run, "validation/summary.json", lambda summary: summary.update(areas=3, rows=54))
    assert refused(run).reasons == ["54 rows of 3 areas were summed up, not 72 of 4"]


@pytest.mark.parametrize("total", [np.nan, np.inf, 6e12])
def test_totals_that_cannot_be_are_told_whatever_their_row_says(run, total):
    def change(table):
        table["simulated"] = table["simulated"].astype(float)
        # The reference pipeline's ceiling for a state: 5 trillion dollars.
        table.loc[table["variable"] == "medicaid", "simulated"] = total

    change_table(run, VALIDATED, change)
    gate = refused(run)
    assert gate.name == "validation" and gate.figures["beyond_ceilings"] == 1
    assert "states/AL: state_1/medicaid/14 comes to" in gate.reasons[-1]


def set_first(name, value):
    def change(file):
        item = file[f"{name}/2024"]
        values = item[()]
        values[0] = value(values)
        item[...] = values

    return change


def shorten(file):
    shorter = file["age/2024"][:-1]
    del file["age/2024"]
    file["age/2024"] = shorter


DAMAGES = [
    (set_first("household_weight", lambda values: np.nan), "1 values that are no number"),
    (set_first("household_weight", lambda values: np.inf), "1 values that are no number"),
    (set_first("household_weight", lambda values: -1), "1 weights are negative"),
    (set_first("employment_income", lambda values: np.nan), "employment_income/2024 has 1 values"),
    (set_first("person_id", lambda values: values[1]), "more than once"),
    (set_first("household_id", lambda values: values[1]), "more than once"),
    (set_first("person_household_id", lambda values: 10**6), "belongs to household 1000000"),
    (set_first("person_tax_unit_id", lambda values: values[-1]), "tax_unit"),
    (shorten, "age/2024 has the shape"),
    (lambda file: file["household_weight/2024"].write_direct(np.zeros_like(
        file["household_weight/2024"])), "no household has a weight"),
    (lambda file: file.attrs.__setitem__("area", "WY"), "is about states/WY"),
]  # fmt: skip


@pytest.mark.parametrize(("damage", "told"), DAMAGES)
def test_a_file_that_the_model_cannot_use_is_told(run, damage, told):
    change_area(run, damage)
    gate = refused(run)
    assert gate.name == "structure" and gate.figures["wrong"] >= 1
    assert any(told in reason for reason in gate.reasons)
    assert all(reason.startswith("states/AL: ") for reason in gate.reasons)


def test_a_file_that_cannot_be_read_is_an_error(run):
    content = (run / AREA).read_bytes()
    (run / AREA).write_bytes(content[: len(content) // 2])
    keep(run, AREA)
    with pytest.raises(InputError, match="AL.h5: truncated"):
        gates_of(run)
    # It cannot be accepted either.
    with pytest.raises(InputError, match="AL.h5: truncated"):
        gates_of(run, override=NAMES)


def replicate(run, change=lambda file: None):
    """Give every area of the local fit replicate weights."""
    fits = {scope: dict(fit) for scope, fit in CONFIG["weights"].items()}
    fits["local"]["replicates"] = 2
    change_json(run, "run.json", lambda record: record["config"].update(weights=fits))
    names = [f"weights/local/{name}" for name in ("standard_errors.csv", "replicates.h5")]
    for name in names:
        (run / name).write_text(name)
    for area in ("states/AL", "districts/AL-01", "cities/NYC"):
        names.append(f"areas/{area}_replicates.h5")
        with h5py.File(run / f"areas/{area}.h5") as data, h5py.File(run / names[-1], "w") as file:
            for name in ("household_id", "household_weight"):
                file[f"{name}/2024"] = data[f"{name}/2024"][()]
            for number in (1, 2):
                weights = data["household_weight/2024"][()]
                file[f"household_weight_rep_{number:03d}/2024"] = weights
            if area == "states/AL":
                change(file)
    for name in names:
        keep(run, name)


REPLICATE = "household_weight_rep_002"


def test_replicate_weights_are_looked_at_too(run):
    replicate(run)
    gate = gates_of(run)["structure"]
    assert gate.passed and gate.figures["replicate_files"] == 3


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (set_first(REPLICATE, lambda values: np.nan), f"{REPLICATE} has values that are no"),
        (set_first(REPLICATE, lambda values: -1), f"{REPLICATE} has values that are no"),
        (set_first("household_id", lambda values: 0), "household_id is not the dataset's"),
        (set_first("household_weight", lambda values: 0), "household_weight is not the"),
        (lambda file: [file.__delitem__(name) for name in list(file) if "rep" in name], "are none"),
    ],
)
def test_replicate_weights_that_cannot_be_are_told(run, damage, told):
    replicate(run, damage)
    (reason,) = refused(run).reasons
    assert reason.startswith("states/AL: replicates: ") and told in reason


def set_where(level, column, value, count=None):
    def change(table):
        rows = table.index[table["geo_level"] == level][:count]
        table.loc[rows, column] = value

    return change


ERRORS = [
    ("rel_error", -0.03, None, "median error of state targets in the local fit is 0.03, more"),
    ("rel_error", -0.6, 1, "largest error of state targets in the local fit (state_1/person_co"),
    ("verdict", "missed", 4, "share met of state targets in the local fit is 0.9444, less than"),
]


@pytest.mark.parametrize(("column", "value", "count", "told"), ERRORS)
def test_each_level_meets_its_targets_by_itself(run, column, value, count, told):
    # 72 of 270 targets; all together would pass.
    change = set_where("state", column, value, count)
    change_table(run, "weights/local/diagnostics.csv", change)
    gate = refused(run)
    (reason,) = gate.reasons
    assert gate.name == "errors" and reason.startswith(told)
    assert gate.look == f"{run}/weights/*/diagnostics.csv and {run}/report/index.html"


def test_held_out_targets_have_a_limit_of_their_own(run):
    def change(table):
        set_where("state", "role", "held_out", 10)(table)
        set_where("state", "rel_error", 0.3, 6)(table)

    change_table(run, "weights/local/diagnostics.csv", change)
    (reason,) = refused(run).reasons
    assert reason.startswith("median error of held-out targets of state targets in the local fit")
    assert gates_of(run, held_out_error=None)["errors"].passed


def test_what_was_left_out_is_not_judged(run):
    def change(table):
        set_where("state", "role", "left_out", 30)(table)
        set_where("state", "rel_error", 9.0, 30)(table)

    change_table(run, "weights/local/diagnostics.csv", change)
    assert gates_of(run)["errors"].passed


def test_a_fit_of_nothing_meets_nothing(run):
    change_table(
        run, "weights/national/diagnostics.csv", lambda table: table.__setitem__("role", "left_out")
    )
    assert refused(run).reasons == ["the national fit fitted no target"]


def test_what_the_files_come_to_is_judged_too(run):
    def change(summary):
        summary["levels"]["state"]["median_abs_rel_error"] = 0.04

    change_json(run, "validation/summary.json", change)
    (reason,) = refused(run).reasons
    assert reason == "median error of state files in the model is 0.04, more than 0.02"


def test_a_fitted_target_without_an_error_is_an_error(run):
    change = set_where("state", "rel_error", np.nan, 2)
    change_table(run, "weights/local/diagnostics.csv", change)
    with pytest.raises(InputError, match=r"state_1/person_count/0 has no error \(2 of 270\)"):
        gates_of(run)


def test_a_fit_of_other_targets_is_an_error(run):
    change_json(run, "weights/local/fit.json", lambda report: report.update(n_targets=271))
    with pytest.raises(InputError, match="is about 271 targets, but diagnostics.csv beside"):
        gates_of(run)


WEIGHTS = [
    ({"design_effect": 5.1}, "design effect of the local weights is 5.1, more than 5"),
    ({"effective_size_households": 399.0}, "effective number of households of the local weights"),
]


@pytest.mark.parametrize(("change", "told"), WEIGHTS)
def test_weights_rest_on_enough_households(run, change, told):
    change_json(run, "weights/local/fit.json", lambda report: report["weights"].update(change))
    gate = refused(run)
    assert gate.name == "effective" and gate.reasons[0].startswith(told)


def test_few_areas_have_too_few_households(run):
    def change(table):
        table.loc[0, "is_publishable"] = False

    change_table(run, "weights/local/areas.csv", change)
    (reason,) = refused(run).reasons
    told = "share of states with fewer than 10 effective households in the local fit is 0.5"
    assert reason == f"{told}, more than 0.25"


LIMITS = {
    "median_error": 0.009,
    "largest_error": 0.009,
    "share_met": 1.0,
    "design_effect": 1.4,
    "effective_households": 501.0,
    "unpublishable": 0.2,
}


@pytest.mark.parametrize("name", LIMITS)
def test_a_limit_can_be_set_and_switched_off(run, name):
    change = set_where("state", "verdict", "missed", 1)
    change_table(run, "weights/local/diagnostics.csv", change)
    assert refused(run, **{name: LIMITS[name]}).limits[name] == LIMITS[name]
    assert all(gate.passed for gate in gates_of(run, **{name: None}).values())


def test_code_of_two_commits_is_told(run):
    history(run, changed("commit", COMMIT, "f" * 40))
    gate = refused(run)
    assert gate.name == "provenance"
    told = f"it was built with the code of 2 commits ({COMMIT[:12]} and {'f' * 12})"
    assert gate.reasons == [told]


def test_a_tree_that_was_changed_for_a_while_is_told(run):
    history(run, changed("clean", True, False))
    history(run, changed("clean", False, True))
    assert refused(run).reasons == ["the checkout had changes that no commit has"]


def test_code_that_changed_within_the_run_is_told(run):
    history(run, changed("code.write_area", "a" * 64, "b" * 64))
    assert refused(run).reasons == ["code changed while it was built (write_area)"]


def test_a_config_that_was_amended_is_recorded_only(run):
    history(run, changed("config.seed", 0, 0))
    gate = gates_of(run)["provenance"]
    assert gate.passed and gate.figures["amended"] == ["config.seed"]


def test_code_of_no_commit_is_told(run):
    def change(record):
        record.update(commit=None, clean=None)

    change_json(run, "run.json", change)
    assert refused(run).reasons == ["it was built with code of no commit"]


def test_other_areas_than_the_run_was_made_with_are_an_error(run, tmp_path):
    other = tmp_path / "other.tsv"
    record = json.loads((run / "run.json").read_text())
    given = Path(record["inputs"]["areas.path"]["path"])
    other.write_text(given.read_text() + "\n")
    change_json(
        run, "run.json", lambda record: record["inputs"]["areas.path"].update(path=str(other))
    )
    with pytest.raises(InputError, match="other.tsv: is not the table of areas"):
        gates_of(run)


def test_a_run_of_another_version_is_an_error(run):
    change_json(run, "run.json", lambda record: record["config"].pop("matrix"))
    with pytest.raises(InputError, match=r"run.json: its config is of another version"):
        gates_of(run)


def test_a_run_passes_beside_itself(run):
    gate = gates_of(run, summarize(run))["live"]
    assert gate.passed and gate.figures["live"] == "demo"


TOTAL = "state_1/medicaid/14"


def beside(run, change):
    live = json.loads(json.dumps(summarize(run)))
    change(live)
    gate = refused(run, live)
    assert gate.name == "live"
    return gate


@pytest.mark.parametrize("factor", [0.89, 1.13, -1, 0])
def test_totals_that_moved_are_told(run, factor):
    def change(live):
        live["totals"]["states/AL"][TOTAL] *= factor

    gate = beside(run, change)
    assert len(gate.reasons) == 1 and gate.reasons[0].startswith(f"{TOTAL} of states/AL moved from")
    live = json.loads(json.dumps(summarize(run)))
    change(live)
    assert gates_of(run, live, live_total_moved=None)["live"].passed


def test_totals_that_moved_a_little_pass(run):
    live = json.loads(json.dumps(summarize(run)))
    live["totals"]["states/AL"][TOTAL] *= 1.09
    assert gates_of(run, live)["live"].passed


def test_errors_that_are_several_times_the_live_ones_are_told(run):
    change_table(
        run,
        "weights/local/diagnostics.csv",
        set_where("state", "rel_error", 0.05, 1),
    )

    def change(live):
        live["fits"]["local"]["levels"]["state"]["largest"] = 0.02

    told = "largest error of state targets in the local fit is 0.05, was 0.02"
    assert beside(run, change).reasons == [told]

    def negligible(live):
        # 1 % may come from nothing.
        live["fits"]["local"]["levels"]["district"]["largest"] = 0.0001

    live = json.loads(json.dumps(summarize(run)))
    negligible(live)
    assert gates_of(run, live)["live"].passed


def test_fewer_targets_and_areas_are_told(run):
    def change(live):
        live["fits"]["local"]["levels"]["state"]["fitted"] = 76
        live["areas"].append("states/WY")

    assert beside(run, change).reasons == [
        "1 areas of the live release are missing (states/WY)",
        "72 state targets were fitted in the local fit, were 76",
    ]


def test_a_level_that_is_gone_is_told(run):
    def change(live):
        live["fits"]["local"]["levels"]["county"] = {"fitted": 10, "held_out": 0}

    assert beside(run, change).reasons == ["0 county targets were fitted in the local fit, were 10"]


def test_a_live_release_without_a_summary_is_told(run):
    gate = refused(run, {})
    assert gate.reasons == ["the live release has no diagnostics/summary.json to be compared with"]


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda live: live.update(format=2), "format 2"),
        (lambda live: live.pop("totals"), "damaged .*totals"),
        (lambda live: live.update(fits=[]), "damaged"),
        (lambda live: live["fits"]["local"]["levels"]["state"].pop("fitted"), "damaged"),
        (lambda live: live["totals"]["states/AL"].update({TOTAL: "much"}), "damaged"),
    ],
)
def test_a_live_summary_that_cannot_be_read_is_an_error(run, damage, told):
    live = json.loads(json.dumps(summarize(run)))
    damage(live)
    with pytest.raises(InputError, match=told):
        gates_of(run, live)


def test_a_refusal_names_gate_figures_place_and_remedy(run):
    history(run, changed("code.write_area", "a" * 64, "b" * 64))
    change_table(run, "weights/local/diagnostics.csv", set_where("state", "rel_error", 0.7, 1))
    with pytest.raises(InputError) as error:
        refuse(check(run, Gates(), None), [])
    told = str(error.value)
    assert "gate errors: largest error of state targets in the local fit" in told
    assert "is 0.7, more than 0.5 (see " in told and "\n" not in told
    assert "gate provenance: code changed while it was built (write_area)" in told
    assert "--config 'release={override: [errors, provenance]}'" in told


def test_what_is_accepted_by_name_is_recorded_with_its_figures(run, caplog):
    history(run, changed("code.write_area", "a" * 64, "b" * 64))
    gates = check(run, Gates(), None)
    with caplog.at_level(logging.WARNING):
        receipt = refuse(gates, ["provenance", "live"])
    (found,) = [gate for gate in receipt if gate["accepted"]]
    assert found["name"] == "provenance" and not found["passed"]
    assert found["figures"]["code_changed"] == ["write_area"]
    assert "gate live passed; take it from the list" in caplog.text
    assert "accepted by name: gate provenance: code changed" in caplog.text


def test_a_name_of_no_gate_is_refused(run):
    with pytest.raises(InputError, match=r"'erors' is no gate \(did you mean errors\?\)"):
        refuse(check(run, Gates(), None), ["erors"])


def test_many_reasons_are_counted(run):
    for name in ("areas.csv", "errors.png", "sizes.png", "weights.png", "worst.csv"):
        (run / "report" / name).unlink()
    with pytest.raises(InputError, match="missing, and 2 more"):
        refuse(check(run, Gates(), None), [])


def test_the_summary_is_json_and_the_same_each_time(run, tmp_path):
    summary = summarize(run)
    write_json(tmp_path / "a.json", summary)
    write_json(tmp_path / "b.json", summarize(run))
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    # Of 18 measures, those that no other has the variable of.
    assert set(summary["totals"]) == {"national/US", "states/AL"}
    assert TOTAL in summary["totals"]["states/AL"]
    assert "state_1/snap/12" not in summary["totals"]["states/AL"]
