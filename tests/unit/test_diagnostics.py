"""Numbers that must not hide a bad fit."""

import json

import numpy as np
import pandas as pd
import pytest

from localcal import diagnostics
from localcal.diagnostics import (
    Columns,
    design_effect,
    effective_size,
    effective_size_by_area,
    error_groups,
    relative_error,
    settle_states,
    weight_quality,
    worst_targets,
)


def errors_table() -> pd.DataFrame:
    """Two fitted groups, one of them bad, and one that was left out."""
    rows = [
        ("national", "snap", "", 100.0, 72.0, True),
        ("district", "snap", "", 10.0, 10.1, True),
        ("district", "snap", "", 10.0, 9.8, True),
        ("district", "snap", "", 10.0, 20.0, False),
        ("district", "snap", "", 0.0, 3.0, False),
        ("state", "eitc", "", 0.0, 1.0, False),
    ]
    frame = pd.DataFrame(
        rows,
        columns=[
            "geo_level", "variable", "domain_variable", "harmonized_value", "final_estimate", "fit"
        ],
    )  # fmt: skip
    return frame.assign(
        target_id=np.arange(6),
        name=[f"target {i}" for i in range(6)],
        state="met",
        start_estimate=frame["harmonized_value"] * 1.5,
        rel_error=relative_error(
            frame["final_estimate"].to_numpy(), frame["harmonized_value"].to_numpy()
        ),
    )


def test_a_zero_target_has_no_relative_error_and_a_negative_one_keeps_its_sign():
    error = relative_error(np.array([3.0, -9.0, 11.0]), np.array([0.0, -10.0, 10.0]))
    assert np.isnan(error[0])
    np.testing.assert_allclose(error[1:], [0.1, 0.1])


def test_effective_size_is_kishs():
    assert effective_size(np.array([2.0, 2.0, 2.0, 0.0])) == pytest.approx(3.0)
    assert effective_size(np.array([3.0, 1.0])) == pytest.approx(16 / 10)
    assert effective_size(np.zeros(3)) == 0.0
    assert design_effect(np.array([3.0, 1.0, 0.0])) == pytest.approx(2 / 1.6)
    assert design_effect(np.zeros(3)) is None


def test_an_area_that_lost_all_its_records_has_effective_size_zero():
    sizes = effective_size_by_area(
        np.array([1.0, 1.0, 0.0, 3.0, 1.0]), np.array([1, 1, 2, 3, 3], dtype=np.int32)
    )
    assert sizes.to_dict() == pytest.approx({1: 2.0, 2: 0.0, 3: 1.6})


def test_states_tell_a_missed_target_from_a_contradicted_one():
    state = np.array([diagnostics.FITTED] * 3 + [diagnostics.THIN])
    dense = np.array([0.2, 0.01, -0.2, 0.9])
    final = np.array([0.01, -0.06, -0.06, 0.9])
    assert settle_states(state, dense, final).tolist() == [
        "met", "missed", "contradicted", "thin",
    ]  # fmt: skip


def test_errors_are_never_pooled_over_levels_or_with_targets_left_out():
    table = errors_table()
    groups = error_groups(table, table["fit"].to_numpy())
    assert len(groups) == 4
    found = {(row["geo_level"], row["fitted"]): row for row in groups}
    assert found["national", True]["max"] == pytest.approx(0.28)
    assert found["national", True]["bias"] == pytest.approx(-0.28)
    district = found["district", True]
    assert district["count"] == 2
    assert district["median"] == pytest.approx(0.015)
    assert district["p90"] == pytest.approx(0.019)
    assert district["bias"] == pytest.approx(-0.005)
    assert district["start_median"] == pytest.approx(0.5)


def test_a_group_of_zero_targets_is_counted_and_has_no_statistics():
    table = errors_table()
    groups = error_groups(table, table["fit"].to_numpy())
    state = next(row for row in groups if row["geo_level"] == "state")
    assert state["count"] == 1 and state["median"] is None
    json.dumps(groups, allow_nan=False)


def test_the_worst_targets_are_fitted_ones_worst_first():
    table = errors_table()
    worst = worst_targets(table, table["fit"].to_numpy())
    assert [row["target_id"] for row in worst] == [0, 2, 1]
    json.dumps(worst, allow_nan=False)


def test_only_the_twenty_worst_are_listed():
    table = pd.concat([errors_table()] * 20, ignore_index=True)
    assert len(worst_targets(table, table["fit"].to_numpy())) == 20


def test_weight_quality_counts_bounds_households_and_thin_areas():
    columns = Columns(
        design_weight=np.ones(6),
        household=np.array([0, 0, 1, 1, 2, 2], dtype=np.int32),
        state=np.array([1, 1, 1, 1, 2, 2], dtype=np.int32),
        district=np.array([101, 101, 102, 102, 201, 201], dtype=np.int32),
    )
    start = np.full(6, 2.0)
    probability = np.array([0.5, 0.5, 1.0, 1.0, 1.0, 1.0])
    # Factors .5, 2.5, .1, 10 (just below, as 32-bit floats may be), 1.
    weights = np.array([2.0, 10.0, 0.2, 20.0 * (1 - 1e-7), 2.0, 0.0])
    quality = weight_quality(columns, start, probability, weights, (0.1, 10.0))
    assert quality["records"] == 5
    assert quality["share_at_lower_bound"] == pytest.approx(0.2)
    assert quality["share_at_upper_bound"] == pytest.approx(0.2)
    assert quality["factor_min"] == pytest.approx(0.1)
    assert quality["factor_max"] == pytest.approx(10.0)
    assert quality["largest_over_mean"] == pytest.approx(20.0 / (34.2 / 5), rel=1e-6)
    by_household = np.array([12.0, 20.2, 2.0])
    assert quality["effective_size_households"] == pytest.approx(
        by_household.sum() ** 2 / (by_household**2).sum(), rel=1e-6
    )
    assert quality["effective_size_districts"]["areas"] == 3
    assert quality["effective_size_districts"]["min"] == pytest.approx(1.0)
    assert quality["effective_size_districts"]["below_10"] == 3
    json.dumps(quality, allow_nan=False)
