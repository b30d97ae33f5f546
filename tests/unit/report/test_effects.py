"""What a sweep's outcomes come to, by hand."""

import math

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy.stats import t

from localcal.errors import InputError
from localcal.report.effects import read_effects, read_failures

# Of tables of Student's t and of the normal distribution, the 95th percentile.
ONE_DEGREE = 6.3138
NORMAL = 1.6449


def row(set_idx=0, area="US", seed_idx=0, weight="calibrated", group="", delta=1.0, **other):
    found = {"set_idx": set_idx, "area": area, "seed_idx": seed_idx, "weight": weight}
    found |= {"group": group, "value": 100.0 + delta, "baseline": 100.0, "delta": delta}
    return found | {"status": "ok"} | other


@pytest.fixture
def read(tmp_path):
    """Return what reads a table of rows."""

    def read(rows, draws=1, factors=None, few=(), together=1000):
        path = tmp_path / "cost.parquet"
        pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=together)
        return read_effects(path, draws, factors or {}, few)

    return read


def replicated(seed_idx, delta, *deltas):
    own = [row(seed_idx=seed_idx, delta=delta)]
    return own + [
        row(seed_idx=seed_idx, weight=str(number), delta=one)
        for number, one in enumerate(deltas, start=1)
    ]


def test_without_draws_and_replicates_nothing_says_how_sure_a_change_is(read):
    table = read([row(delta=2.0), row(set_idx=1, delta=3.0)]).table
    assert table["delta"].tolist() == [2.0, 3.0] and table["value"].tolist() == [102.0, 103.0]
    assert table["margin"].isna().all()


def test_margins_over_replicates_are_those_of_a_normal_distribution(read):
    table = read(replicated(0, 10.0, 9.0, 13.0), factors={"US": 0.5}).table
    # 0.5 * (1 + 9) = 5
    assert table["margin"].tolist() == pytest.approx([NORMAL * math.sqrt(5)], rel=1e-4)
    assert table["delta"].tolist() == [10.0]


def test_margins_over_two_draws_are_as_wide_as_one_degree_of_freedom_makes_them(read):
    table = read([row(delta=10.0), row(seed_idx=1, delta=14.0)], draws=2).table
    # The variance of 10 and 14 is 8; of a further draw and the mean of two, 1.5 times that.
    assert table["margin"].tolist() == pytest.approx([ONE_DEGREE * math.sqrt(12)], rel=1e-4)
    assert table["delta"].tolist() == [12.0]


def test_draws_and_replicates_add_up_by_rubin_s_rules(read):
    rows = replicated(0, 10.0, 9.0, 11.0) + replicated(1, 14.0, 13.0, 17.0)
    table = read(rows, draws=2, factors={"US": 0.5}).table
    # Within, 0.5 * (1 + 1) and 0.5 * (1 + 9), 3 in the mean; between, 1.5 * 8.
    freedom = (1 + 3 / 12) ** 2
    expected = t.ppf(0.95, freedom) * math.sqrt(15)
    assert table["margin"].tolist() == pytest.approx([expected])


def test_draws_that_do_not_differ_leave_the_margins_of_the_replicates(read):
    rows = replicated(0, 10.0, 9.0, 11.0) + replicated(1, 10.0, 9.0, 11.0)
    table = read(rows, draws=2, factors={"US": 0.5}).table
    assert table["margin"].tolist() == pytest.approx([NORMAL], rel=1e-4)
    same = read([row(), row(seed_idx=1)], draws=2).table
    assert same["margin"].tolist() == [0.0]


def test_each_area_has_its_own_factor(read):
    rows = [one | {"area": area} for area in ("US", "CA") for one in replicated(0, 10.0, 9.0, 11.0)]
    table = read(rows, factors={"US": 0.5, "CA": 2.0}).table
    assert table["margin"].tolist() == pytest.approx([NORMAL, NORMAL * 2], rel=1e-4)


def test_what_is_read_does_not_depend_on_how_rows_lie_in_the_file(read):
    rows = [
        one | {"set_idx": number, "delta": one["delta"] + number}
        for number in range(5)
        for one in replicated(0, 10.0, 9.0, 13.0) + replicated(1, 10.5, 9.0, 12.0)
    ]
    expected = read(rows, draws=2, factors={"US": 0.5}).table
    assert len(expected) == 5
    for together in (1, 4, 7):
        found = read(rows, draws=2, factors={"US": 0.5}, together=together).table
        pd.testing.assert_frame_equal(found, expected)


def test_a_set_without_a_value_of_every_draw_is_left_out(read):
    failed = row(set_idx=1, seed_idx=1, delta=np.nan, status="error")
    rows = [row(), row(seed_idx=1), row(set_idx=1), failed]
    assert read(rows, draws=2).table["set_idx"].tolist() == [0]
    assert read([failed], draws=2).table.empty


def test_parts_are_shown_of_few_sets_where_there_is_a_whole(read):
    groups = ["", "decile 1", "decile 2", "decile 1/gain"]
    rows = [row(set_idx=number, group=name) for number in range(3) for name in groups]
    effects = read(rows, few=[0, 2])
    assert (effects.groups, effects.parts) == (("",), ("decile 1", "decile 2"))
    assert effects.left_out == 1
    table = effects.table
    assert table["set_idx"][table["group"] == ""].tolist() == [0, 1, 2]
    assert table["set_idx"][table["group"] == "decile 1"].tolist() == [0, 2]


def test_without_a_whole_the_first_groups_are_shown(read):
    rows = [row(group=f"kind {number}") for number in range(8)]
    effects = read(rows, few=[])
    assert effects.groups == tuple(f"kind {number}" for number in range(6))
    assert effects.parts == ("kind 6", "kind 7") and effects.left_out == 0


def test_a_damaged_table_is_named(tmp_path):
    path = tmp_path / "cost.parquet"
    path.write_bytes(b"no table")
    with pytest.raises(InputError, match=r"cost\.parquet: damaged"):
        read_effects(path, 1, {}, [])
    pq.write_table(pa.table({"group": [""], "status": ["ok"]}), path)
    with pytest.raises(InputError, match="lacks the column set_idx"):
        read_effects(path, 1, {}, [])


def test_reasons_are_counted_by_set_and_groups_of_nobody_apart(tmp_path):
    def failed(set_idx, outcome, group, kind, words):
        names = ("set_idx", "outcome", "group", "status", "error_type", "error_message")
        return dict(zip(names, (set_idx, outcome, group, "error", kind, words), strict=True))

    rows = [
        failed(3, "cost", "", "ZeroDivisionError", "once"),
        failed(4, "cost", "", "InputError", "often"),
        failed(4, "gini", "", "InputError", "often"),
        failed(5, "gini", "decile 1", "ArithmeticError", "a share of nobody"),
        failed(7, "gini", "", "InputError", "often"),
    ]
    path = tmp_path / "failures.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path)
    failures = read_failures(path)
    assert failures.sets == {3, 4, 7} and failures.undefined == 1
    (often, concerned), (once, _) = failures.reasons
    assert (often.error_message, once.error_message) == ("often", "once")
    assert concerned == (2, 4, ("cost", "gini"))
