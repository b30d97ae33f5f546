import json

import pytest

from localcal.errors import InputError
from localcal.release.summary import summarize
from tests.gates_case import TOTAL, change_table, gates_of, refused, set_where


def test_a_run_passes_beside_itself(run):
    gate = gates_of(run, summarize(run))["live"]
    assert gate.passed and gate.figures["live"] == "demo"


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
