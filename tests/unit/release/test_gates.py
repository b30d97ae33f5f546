import json
import logging

import numpy as np
import pytest

from localcal.errors import InputError
from localcal.files.seal import sealed
from localcal.release.gates import NAMES, check, refuse
from localcal.run.sections import Gates
from tests.gates_case import (
    COMMIT,
    change_json,
    change_table,
    gates_of,
    refused,
    set_where,
)

VALIDATED = "validation/states/AL.csv"


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
    gate = refused(run)
    (reason,) = gate.reasons
    level = gate.figures["local"]["state"]
    assert (level["fitted"], level["held_out"]) == (62, 10) and level["largest"] < 0.01
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
