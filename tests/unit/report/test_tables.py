"""The report's tables."""

import numpy as np
import pandas as pd
import pytest

from localcal.report.tables import (
    accuracies,
    dearest_targets,
    errors_by_area,
    families,
    fits_of_states,
    penalties,
    sampling_errors,
    worst_targets,
)


def test_the_worst_are_the_fitted_targets_missed_most(fit, tmp_path):
    table = worst_targets([fit])
    assert len(table) == 20 and set(table["scope"]) == {"local"}
    assert table["rel_error"].abs().is_monotonic_decreasing
    targets = pd.read_csv(tmp_path / "diagnostics.csv")
    fitted = targets[targets["role"] == "fitted"]
    assert table["rel_error"].abs().max() == fitted["rel_error"].abs().max() > 0.05


def test_the_dearest_targets_are_told_with_what_they_cost(fit):
    table = dearest_targets([fit])
    assert len(table) == 10 and table["cost_objective"].is_monotonic_decreasing
    assert (table["objective_gained"] > 0).all()
    assert (table["rel_error_without"].abs() > table["rel_error"].abs()).all()


def test_families_show_held_out_targets_beside_fitted_ones_and_the_start(fit):
    table = families([fit])
    assert set(table["role"]) == {"fitted", "held_out"}
    row = table[table["role"] == "held_out"].iloc[0]
    assert row["geo_level"] == "district" and row["count"] == 6
    assert row["median"] > 0 and row["base_median"] > 0


def test_margins_are_told_by_level_and_variable():
    errors = pd.DataFrame(
        {
            "scope": "local",
            "kind": ["target", "target", "target", "households"],
            "geo_level": ["state", "state", "state", "district"],
            "variable": ["snap", "snap", "snap", "household_count"],
            "estimate": [100.0, -10.0, 0.0, 50.0],
            "margin_90": [10.0, 3.0, 0.0, 1.0],
        }
    )
    first, second = sampling_errors(errors).to_dict("records")
    assert (first["kind"], first["geo_level"], first["estimates"]) == ("target", "state", 3)
    assert first["median_margin_90"] == pytest.approx(0.2)
    assert first["largest_margin_90"] == pytest.approx(0.3)
    assert (second["variable"], second["p90_margin_90"]) == ("household_count", 0.02)


def test_errors_are_summed_up_by_area(simulated):
    table = errors_by_area(simulated).set_index("area")
    assert table.loc["CA", "median_abs_rel_error"] == pytest.approx(0.175)
    assert table.loc["CA", "largest_abs_rel_error"] == pytest.approx(0.25)
    assert list(table["targets"]) == [2, 0]
    assert list(table["insane"]) == [1, 0]


def test_a_state_in_the_national_file_and_in_its_own_stand_in_one_row():
    states = pd.DataFrame(
        {
            "area": "CA",
            "name": ["households", "persons", "snap", "agi", "none"],
            "target_value": [np.nan, np.nan, 3.0, 8.0, 0.0],
            "national_file": [14.9, 39.0, 2.0, 9.0, 0.0],
            "state_file": [15.5, 40.0, 4.0, 10.0, 0.0],
            "rel_difference": [-0.0387, -0.025, -0.5, -0.1, np.nan],
        }
    )
    (row,) = fits_of_states(states).to_dict("records")
    assert (row["households, national file"], row["households, state file"]) == (14.9, 15.5)
    assert (row["persons, national file"], row["persons, state file"]) == (39.0, 40.0)
    assert (row["targets"], row["median difference"]) == (2, pytest.approx(0.3))
    assert (row["differs most"], row["target"]) == ("snap", 3.0)


def test_accuracy_has_a_row_for_fitted_and_one_for_held_out_targets(fit):
    table = accuracies([fit])
    assert table["targets"].tolist() == ["fitted", "held out"]
    held_out = fit.targets[fit.targets["verdict"] == "held_out"]
    assert table["count"].tolist()[1] == len(held_out)
    assert table["median"].tolist()[1] == pytest.approx(held_out["rel_error"].abs().median())


def test_one_of_the_penalties_is_marked_as_chosen(fit):
    table = penalties([fit])
    assert table["chosen"].sum() == 1
    assert table.loc[table["chosen"], "penalty"].tolist() == [fit.report["penalty"]["value"]]
