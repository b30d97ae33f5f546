"""The file of resolved targets."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from localcal.errors import InputError
from localcal.targets.table import SCHEMA, read_targets, write_targets
from tests.households import random_places, random_population, targets_for
from tests.targets_case import FOUR, resolve


def test_tables_that_hold_nothing_out_need_not_say_so(tmp_path):
    frame = targets_for(random_places(random_population(5, seed=1), 2, seed=1), [("snap", 0, [])])
    assert "hold_out" not in frame
    path = tmp_path / "targets.parquet"
    write_targets(frame, path)
    whole = read_targets(path)
    assert not whole["hold_out"].any()
    pq.write_table(pq.read_table(path).drop_columns("hold_out"), path)
    pd.testing.assert_frame_equal(read_targets(path), whole)


def test_written_targets_read_back_the_same(path, tmp_path):
    frame = resolve(path, FOUR)
    write_targets(frame, tmp_path / "run" / "targets.parquet")
    found = read_targets(tmp_path / "run" / "targets.parquet")
    pd.testing.assert_frame_equal(found, frame)
    assert np.isnan(found["tolerance"]).all()
    assert [p.name for p in (tmp_path / "run").iterdir()] == ["targets.parquet"]


def test_the_same_targets_give_the_same_bytes(path, tmp_path):
    frame = resolve(path, FOUR)
    write_targets(frame, tmp_path / "one.parquet")
    # Neither the index nor anything else pandas remembers gets into the file.
    write_targets(frame.set_index(pd.Index([9, 8, 7, 6])), tmp_path / "two.parquet")
    assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "two.parquet").read_bytes()
    assert pq.read_schema(tmp_path / "one.parquet").metadata is None


def test_a_missing_targets_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"targets\.parquet: no such file"):
        read_targets(tmp_path / "targets.parquet")


@pytest.mark.parametrize("keep", [0, 3, 400, -1])
def test_a_truncated_targets_file_is_named(path, tmp_path, keep):
    file = tmp_path / "targets.parquet"
    write_targets(resolve(path, FOUR), file)
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(InputError, match=r"targets\.parquet: not a readable Parquet file"):
        read_targets(file)


def test_a_foreign_table_is_named(path, tmp_path):
    file = tmp_path / "targets.parquet"
    resolve(path, FOUR).drop(columns="name").to_parquet(file, index=False)
    with pytest.raises(InputError, match="not those of resolved targets"):
        read_targets(file)


def test_empty_cells_are_refused(path, tmp_path):
    file = tmp_path / "targets.parquet"
    write_targets(resolve(path, FOUR), file)
    names = pa.array([None, "b", "c", "d"])
    table = pq.read_table(file)
    table = table.set_column(SCHEMA.names.index("name"), SCHEMA.field("name"), names)
    pq.write_table(table, file)
    with pytest.raises(InputError, match="column name has empty cells"):
        read_targets(file)
