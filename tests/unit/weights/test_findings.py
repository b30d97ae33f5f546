"""What must not be overlooked in a fit."""

import pytest

from localcal.weights.findings import findings

SUSPECT = {
    "variable": "agi", "reform_id": 0, "constraints": "[]", "step": "states to nation",
    "applied": True, "of": "US", "geo_level": "state", "geographic_id": "6", "value": 4e12,
    "implied_value": 2e12, "expected_value": 2.1e12, "score": 6.0,
    "compared_by": ["the base weights", "the published person_count []"],
}  # fmt: skip
MOVED = {"level": "state", "area": "36", "targets": 2, "most": -0.138, "name": "agi of New York"}

PATH = [
    {"penalty": 0.1, "error_fitted": 0.32, "error_held_out": 0.36, "design_effect": 1.41},
    {"penalty": 0.01, "error_fitted": 0.27, "error_held_out": 0.37, "design_effect": 2.5},
    {"penalty": 0.001, "error_fitted": 0.28, "error_held_out": 0.38, "design_effect": 3.5},
]


def healthy_report() -> dict:
    """The parts of fit.json that findings are read from, with nothing to find."""
    return {
        "settings": {"tolerance": 0.0025, "penalty": 0.01},
        "penalty": {"value": 0.01, "path": []},
        "stopped_by": "tolerance",
        "rms_gap": 0.002,
        "n_targets": 7,
        "targets_by_verdict": {"met": 6, "held_out": 1},
        "errors": [
            {
                "geo_level": "state", "variable": "snap", "domain_variable": "", "role": "fitted",
                "count": 5, "max": 0.04, "median": 0.01, "base_median": 0.2, "finding": None,
            }
        ],
        "carried_by_few": 0,
        "not_publishable": {"state": 0, "district": 0},
        "weights": {"share_at_lower_bound": 0.1, "share_at_upper_bound": 0.0},
        "harmonization": {"contradictions": [], "suspects": [], "moved": []},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (
            {"settings": {"tolerance": 0.0025, "penalty": "auto"}},
            "too few targets to choose a penalty by, 0.01 was taken",
        ),
        (
            {"penalty": {"value": 0.1, "path": PATH}},
            "penalty 0.1 was chosen, for weaker ones bring those left out no closer "
            "(mean error 36.0%; 37.0% with 0.01). With penalty: 0.01 the mean error of the fitted "
            "ones would be about 27.0% instead of 32.0%, and the design effect 2.50",
        ),
        ({"stopped_by": "max_sweeps"}, "ended by the cap on sweeps with an rms gap of 0.002"),
        ({"targets_by_verdict": {"unreachable": 2}}, "2 of 7 targets unreachable"),
        ({"targets_by_verdict": {"contradicted": 1}}, "1 of 7 targets contradicted"),
        ({"targets_by_verdict": {"met_moved": 3}}, "3 of 7 targets met_moved"),
        ({"targets_by_verdict": {"suspect": 1}}, "1 of 7 targets suspect"),
        ({"errors": {"max": 0.28}}, "state / snap: largest error 28% in 5 fitted targets"),
        (
            {"errors": {"role": "held_out", "finding": "no local information", "median": 0.3}},
            "state / snap, held out: no local information (median error 30%, 20% by the base "
            "weights)",
        ),
        ({"carried_by_few": 3}, "3 fitted targets rest on fewer than 5 effective households"),
        ({"not_publishable": {"district": 4}}, "4 districts have fewer than 10 effective househ"),
        ({"weights": {"share_at_lower_bound": 0.3}}, "30% of the weights are at their lower bound"),
        ({"harmonization": {"contradictions": ["snap"]}}, "levels contradict each other: snap"),
        ({"harmonization": {"suspects": [SUSPECT]}}, "(left out, the others stay as published)"),
        (
            {"harmonization": {"suspects": [SUSPECT]}},
            "state 6, agi []: 4e+12 alone explains why "
            "the states do not sum to the nation; the others leave 2e+12 for it",
        ),
        (
            {"harmonization": {"suspects": [SUSPECT | {"step": "districts to states", "of": "6"}]}},
            "why the districts of state 6 do not sum to it",
        ),
        (
            {"harmonization": {"suspects": [SUSPECT | {"applied": False}]}},
            "by the base weights and the published person_count [] it would be 2.1e+12 (not "
            "harmonized, fitted): correct it",
        ),
        (
            {"harmonization": {"moved": [MOVED]}},
            "state 36: 2 targets moved by more than 2% to make the levels agree, at most by -13.8% "
            "(agi of New York)",
        ),
        ({"harmonization": {"moved": [MOVED] * 7}}, "2 further areas moved by more than 2%"),
    ],
)
def test_what_must_not_be_overlooked_is_said(change, line):
    report = healthy_report()
    assert findings(report) == []
    for key, value in change.items():
        if key == "errors":
            report["errors"][0] |= value
        elif isinstance(value, dict) and key != "targets_by_verdict":
            report[key] |= value
        else:
            report[key] = value
    assert any(line in found for found in findings(report)), findings(report)


def test_nothing_is_said_of_a_penalty_that_leaves_little_undone():
    report = healthy_report()
    report["penalty"] = {"value": 0.1, "path": [PATH[0], PATH[1] | {"error_fitted": 0.301}]}
    assert findings(report) == []
