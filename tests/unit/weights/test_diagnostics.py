"""Numbers that must not hide a bad fit."""

import json

import numpy as np
import pandas as pd
import pytest

from localcal.weights.columns import Columns
from localcal.weights.diagnostics import (
    area_table,
    design_effect,
    effective_size,
    effective_size_by_area,
    error_groups,
    moved_areas,
    weight_quality,
    worst_targets,
)
from localcal.weights.verdicts import scaled_error


def errors_table() -> pd.DataFrame:
    """Two fitted groups, one of them bad, one that was left out and two that were held out."""
    rows = [
        ("nation", "US", "snap", 100.0, 72.0, "fitted"),
        ("district", "101", "snap", 10.0, 10.1, "fitted"),
        ("district", "201", "snap", 10.0, 9.8, "fitted"),
        ("district", "101", "snap", 10.0, 20.0, "left_out"),
        ("state", "01", "eitc", 0.0, 1.0, "left_out"),
        ("state", "01", "ssi", 10.0, 16.0, "held_out"),
        ("district", "101", "ssi", 10.0, 12.0, "held_out"),
    ]
    names = ["geo_level", "geographic_id", "variable", "harmonized_value", "final_estimate", "role"]
    frame = pd.DataFrame(rows, columns=names)
    value = frame["harmonized_value"].to_numpy()
    scale = np.where(value == 0, np.nan, value)
    return frame.assign(
        domain_variable="",
        target_id=np.arange(7),
        name=[f"target {i}" for i in range(7)],
        verdict="met",
        base_estimate=value * 1.5,
        dense_estimate=value,
        base_error=scaled_error(value * 1.5, value, scale),
        rel_error=scaled_error(frame["final_estimate"].to_numpy(), value, scale),
        published_value=value,
        target_value=value,
        error_uprated=scaled_error(frame["final_estimate"].to_numpy(), value, scale),
        columns=9,
        effective_n=8.0,
        effective_households=6.0,
        is_carried_by_few=False,
        largest_share=0.2,
    )


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


def test_errors_are_never_pooled_over_levels_or_with_targets_left_out():
    groups = error_groups(errors_table())
    assert len(groups) == 6
    found = {(row["geo_level"], row["variable"], row["role"]): row for row in groups}
    national = found["nation", "snap", "fitted"]
    assert national["max"] == pytest.approx(0.28)
    assert national["bias"] == pytest.approx(-0.28)
    district = found["district", "snap", "fitted"]
    assert district["count"] == 2
    assert district["median"] == pytest.approx(0.015)
    assert district["p90"] == pytest.approx(0.019)
    assert district["bias"] == pytest.approx(-0.005)
    assert district["base_median"] == pytest.approx(0.5)


def test_a_group_of_zero_targets_is_counted_and_has_no_statistics():
    groups = error_groups(errors_table())
    zero = next(row for row in groups if row["variable"] == "eitc")
    assert zero["count"] == 1 and zero["median"] is None
    json.dumps(groups, allow_nan=False)


def test_held_out_targets_no_better_than_the_start_have_no_local_information():
    groups = error_groups(errors_table())
    finding = {(row["geo_level"], row["variable"], row["role"]): row["finding"] for row in groups}
    # 60 % now and 50 % at the start; 20 % now.
    assert finding.pop(("state", "ssi", "held_out")) == "no local information"
    assert set(finding.values()) == {None}


def test_the_worst_targets_are_fitted_ones_worst_first():
    worst = worst_targets(errors_table())
    assert [row["target_id"] for row in worst] == [0, 2, 1]
    json.dumps(worst, allow_nan=False)


def test_only_the_twenty_worst_are_listed():
    table = pd.concat([errors_table()] * 20, ignore_index=True)
    assert len(worst_targets(table)) == 20


def test_a_target_moved_far_is_among_the_worst_however_well_it_is_met():
    table = errors_table()
    table.loc[1, "error_uprated"] = -0.4
    worst = worst_targets(table)
    assert [row["target_id"] for row in worst] == [1, 0, 2]
    groups = error_groups(table)
    district = next(row for row in groups if row["geo_level"] == "district" and row["count"] == 2)
    assert district["uprated_max"] == pytest.approx(0.4)
    assert district["uprated_median"] == pytest.approx(0.21)
    assert district["max"] == pytest.approx(0.02)


def test_areas_moved_by_more_than_two_percent_are_told_the_worst_first():
    table = errors_table()
    table["target_value"] = [100.0, 10.1, 8.0, 10.0, 0.0, 9.0, 10.0]
    moved = moved_areas(table)
    # One was moved by 1 % only, one was left out, and one was held out.
    assert moved == [
        {"level": "district", "area": "201", "targets": 1, "most": 0.25, "name": "target 2"}
    ]
    table.loc[1, "target_value"] = 20.0
    assert [row["area"] for row in moved_areas(table)] == ["101", "201"]
    assert moved_areas(table)[0]["most"] == -0.5


def test_the_areas_table_has_sizes_and_errors_of_every_area():
    columns = Columns(
        design_weight=np.array([1.0, 1.0, 1.0, 1.0, 0.0, 1.0]),
        household=np.array([0, 0, 1, 2, 0, 1], dtype=np.int32),
        state=np.array([1, 1, 1, 1, 1, 2], dtype=np.int32),
        district=np.array([101, 101, 101, 102, 102, 201], dtype=np.int32),
    )
    weights = np.array([1.0, 1.0, 2.0, 0.0, 0.0, 3.0])
    table = errors_table()
    table.loc[1, ["target_value", "error_uprated", "verdict"]] = [8.0, 0.2625, "met_moved"]
    table.loc[1, "is_carried_by_few"] = True
    areas = area_table(table, columns, weights).set_index(["level", "area"])
    assert list(areas.index) == [
        ("nation", "US"), ("state", "1"), ("state", "2"),
        ("district", "101"), ("district", "102"), ("district", "201"),
    ]  # fmt: skip
    first = areas.loc["district", "101"]
    assert (first["columns"], first["records"], first["sum_of_weights"]) == (3, 3, 4.0)
    assert first["effective_size"] == pytest.approx(16 / 6)
    # Both clones of household 0 together weigh as much as household 1.
    assert first["effective_households"] == pytest.approx(2.0)
    assert first["largest_share"] == pytest.approx(0.5)
    assert (first["fitted"], first["held_out"]) == (1, 1)
    assert first["bias"] == pytest.approx(0.01) and first["max"] == pytest.approx(0.01)
    assert first["held_out_median"] == pytest.approx(0.2)
    assert first["held_out_base_median"] == pytest.approx(0.5)
    assert first["uprated_median"] == first["uprated_max"] == pytest.approx(0.2625)
    assert (first["moved"], first["met_moved"], first["carried_by_few"]) == (1, 1, 1)
    assert first["most_moved"] == pytest.approx(0.25)
    empty = areas.loc["district", "102"]
    assert (empty["columns"], empty["records"], empty["effective_households"]) == (1, 0, 0.0)
    assert empty["fitted"] == empty["moved"] == 0 and np.isnan(empty["median"])
    # The nation's household 1 has clones in two states.
    assert areas.loc["nation", "US"]["effective_households"] == pytest.approx(49 / (4 + 25))
    assert areas.loc["state", "1"]["held_out"] == 1
    assert not areas["is_publishable"].any()


def test_an_area_of_ten_equal_households_is_publishable_and_one_of_nine_is_not():
    place = np.repeat([101, 102], [10, 9]).astype(np.int32)
    columns = Columns(np.ones(19), np.arange(19, dtype=np.int32), place // 100, place)
    areas = area_table(errors_table(), columns, np.ones(19)).set_index("area")
    assert areas.loc["101", "is_publishable"] and not areas.loc["102", "is_publishable"]


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
