"""Parquet files made of many tables."""

import os
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from localcal.errors import InputError
from localcal.files import parquet as module
from localcal.files.parquet import parquet_sink, write_parquet
from localcal.files.pieces import Pieces

SCHEMA = pa.schema([("number", pa.int64()), ("text", pa.string())])


def table_of(numbers):
    return pa.table({"number": list(numbers), "text": [f"n{n}" for n in numbers]}, schema=SCHEMA)


def test_nothing_follows_a_piece_that_could_not_be_written(tmp_path):
    path = tmp_path / "a.parquet"
    with (
        pytest.raises(RuntimeError, match="none may follow"),
        Pieces(sink=lambda: parquet_sink(path, SCHEMA)) as pieces,
    ):
        pieces.write(table_of([1]))
        with pytest.raises(KeyError):
            pieces.write(pa.table({"other": [1]}))
        assert pieces.written == 1
        pieces.write(table_of([2]))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("cuts", [(), (1,), (3, 7), tuple(range(1, 20))])
def test_the_bytes_do_not_depend_on_the_pieces(tmp_path, monkeypatch, cuts):
    monkeypatch.setattr(module, "ROWS_TOGETHER", 8)
    whole, cut = tmp_path / "whole.parquet", tmp_path / "cut.parquet"
    write_parquet(whole, SCHEMA, [table_of(range(20))])
    bounds = [0, *cuts, 20]
    parts = [table_of(range(*pair)) for pair in zip(bounds, bounds[1:], strict=False)]
    assert write_parquet(cut, SCHEMA, parts) == len(parts)
    assert whole.read_bytes() == cut.read_bytes()
    file = pq.ParquetFile(whole)
    assert [file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)] == [8, 8, 4]
    assert file.read()["number"].to_pylist() == list(range(20))


def test_without_a_piece_a_table_has_no_rows(tmp_path):
    assert write_parquet(tmp_path / "a.parquet", SCHEMA, []) == 0
    assert pq.read_table(tmp_path / "a.parquet").schema == SCHEMA


def test_a_failure_in_the_middle_leaves_neither_name(tmp_path):
    def tables():
        yield table_of([1])
        raise InputError("no more")

    with pytest.raises(InputError):
        write_parquet(tmp_path / "a.parquet", SCHEMA, tables())
    assert list(tmp_path.iterdir()) == []


def test_arrow_takes_its_memory_from_the_system_unless_told_otherwise():
    code = "import localcal, pyarrow; print(pyarrow.default_memory_pool().backend_name)"
    for told, expected in ((None, "system"), ("mimalloc", "mimalloc")):
        environment = {k: v for k, v in os.environ.items() if k != "ARROW_DEFAULT_MEMORY_POOL"}
        if told is not None:
            environment["ARROW_DEFAULT_MEMORY_POOL"] = told
        command = [sys.executable, "-c", code]
        found = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        assert found.stdout.strip() == expected
