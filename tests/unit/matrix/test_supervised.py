"""Chunks whose process runs out of memory."""

import pytest

from localcal.engine.client import WorkerError, named
from localcal.errors import OutOfMemory
from localcal.jobs.supervisor import MOST_HALVINGS
from localcal.matrix import supervised
from localcal.matrix.chunk import build_chunk
from localcal.matrix.plan import MatrixInputs, write_plan
from localcal.matrix.supervised import build_shard
from tests.served_work import own_folder
from tests.standin_engine import StandIn

__all__ = ["own_folder"]

STANDIN = "tests.standin_engine:StandIn"
COLUMNS, CHUNK_COLUMNS = 210, 160


@pytest.fixture
def plan(tmp_path, inputs):
    path = tmp_path / "plan.json"
    write_plan(path, MatrixInputs(**inputs), COLUMNS, CHUNK_COLUMNS)
    return path


@pytest.fixture(params=[0, 1])
def chunk(request):
    return request.param


@pytest.fixture
def whole(tmp_path, inputs, plan, chunk):
    """Return the bytes of a chunk that one process makes."""
    path = tmp_path / "whole.h5"
    build_chunk(chunk, plan, MatrixInputs(**inputs), StandIn(), path)
    return path.read_bytes()


def short_of_memory(monkeypatch, most, error=MemoryError):
    """Have work on more than so many columns fail; return the numbers of columns tried."""
    tried = []

    def run(engine, function, limit_mb, calculated, columns, **arguments):
        tried.append(columns[1] - columns[0])
        if tried[-1] > most:
            raise error("the process that did this job's work was killed")
        named(function)(engine=StandIn(), columns=columns, **arguments)

    monkeypatch.setattr(supervised, "run_with_engine", run)
    return tried


@pytest.mark.parametrize("most", [1000, 40, 11])
def test_a_chunk_made_in_halves_has_the_bytes_of_one_that_was_not(
    tmp_path, inputs, plan, chunk, whole, most, monkeypatch
):
    tried = short_of_memory(monkeypatch, most)
    path = tmp_path / "chunks" / "chunk.h5"
    (debris := path.with_suffix(".parts")).mkdir(parents=True)
    (debris / "0_40.h5").write_text("of a job that was killed")
    build_shard(STANDIN, chunk, plan, MatrixInputs(**inputs), path, 3_000)
    assert path.read_bytes() == whole
    assert [one.name for one in path.parent.iterdir()] == ["chunk.h5"]
    assert (len(tried) > 1) == (most < 1000)


def test_a_chunk_that_fits_in_no_size_says_which_number_to_change(
    tmp_path, inputs, plan, monkeypatch
):
    tried = short_of_memory(monkeypatch, 0)
    path = tmp_path / "chunks" / "chunk.h5"
    words = r"was killed, also with 5 columns; make chunks smaller \(matrix.chunk_columns, now 160"
    with pytest.raises(OutOfMemory, match=words):
        build_shard(STANDIN, 0, plan, MatrixInputs(**inputs), path, 3_000)
    assert len(tried) == MOST_HALVINGS + 1
    assert not path.exists() and not path.with_suffix(".parts").exists()


def test_another_death_is_the_end_of_it(tmp_path, inputs, plan, monkeypatch):
    tried = short_of_memory(monkeypatch, 0, WorkerError)
    with pytest.raises(WorkerError):
        build_shard(STANDIN, 0, plan, MatrixInputs(**inputs), tmp_path / "chunk.h5", 3_000)
    assert tried == [160]


@pytest.mark.parametrize("chunk", [1], indirect=True)
def test_the_kernel_kills_the_process_of_a_chunk_and_the_chunk_is_made(
    tmp_path, inputs, plan, chunk, whole, own_folder, caplog
):
    path = tmp_path / "chunk.h5"
    engine = "tests.served_work:TooLarge"
    build_shard(engine, chunk, plan, MatrixInputs(**inputs), path, 3_000)
    assert path.read_bytes() == whole
    assert "SIGKILL, -9" in caplog.text and "with 50 columns; going on with 25" in caplog.text
