"""Memory is one part of a chunk, one chunk of the columns and one block of the matrix.

What is alive is asked of tracemalloc, to which NumPy reports every array's memory; nothing that
the code under test counts or clears itself.
"""

import gc
import tracemalloc

import h5py
import numpy as np
import psutil
import pytest
import scipy.sparse

import localcal.matrix.alike
import localcal.matrix.assemble
import localcal.matrix.chunk
from localcal.facade import build_matrix
from localcal.files.csr import write_csr
from localcal.matrix.assemble import assemble_matrix
from localcal.matrix.plan import MatrixInputs, read_plan, write_plan
from localcal.targets.table import write_targets
from tests.households import random_places, random_population, targets_for
from tests.standin_engine import StandIn

CHUNKS = 6


def live_bytes() -> int:
    """Return the bytes of all arrays alive."""
    gc.collect()
    arrays = tracemalloc.DomainFilter(inclusive=True, domain=np.lib.tracemalloc_domain)
    snapshot = tracemalloc.take_snapshot().filter_traces([arrays])
    return sum(trace.size for trace in snapshot.traces)


class Probing(StandIn):
    """Looks at what is alive whenever a simulation begins."""

    def __init__(self) -> None:
        self.alive: list[int] = []

    def simulate(self, population, common=None, units=None):
        self.alive.append(live_bytes())
        return super().simulate(population, common, units)


@pytest.fixture
def traced():
    # What was there before is not looked through again and again: another test of this process may
    # have loaded the model.
    gc.collect()
    gc.freeze()
    tracemalloc.start()
    yield
    tracemalloc.stop()
    gc.unfreeze()


@pytest.fixture(scope="module")
def objects():
    population = random_population(120, seed=51)
    places = random_places(population, 24, seed=52)
    return population, places, targets_for(places)


def growth_over_chunks(objects, folder) -> float:
    """Return by how many times a chunk's own size memory grew from the second chunk to the last."""
    engine = Probing()
    columns = objects[1].household.size
    matrix = build_matrix(*objects, folder, engine=engine, chunk_columns=columns // CHUNKS)
    of_a_chunk = (matrix.data.nbytes + matrix.indices.nbytes) / CHUNKS
    starts = engine.alive[-2 * CHUNKS :: 2]
    assert len(starts) == CHUNKS
    assert of_a_chunk > 50_000
    return (starts[-1] - starts[1]) / of_a_chunk


def test_a_chunk_leaves_nothing_alive(objects, tmp_path, traced):
    assert growth_over_chunks(objects, tmp_path) < 0.2


def test_a_chunk_that_is_kept_alive_is_noticed(objects, tmp_path, traced, monkeypatch):
    """The test above must be able to fail."""
    kept = []

    def keeping(path, matrix, attributes):
        kept.append(matrix)
        write_csr(path, matrix, attributes)

    monkeypatch.setattr(localcal.matrix.chunk, "write_csr", keeping)
    assert growth_over_chunks(objects, tmp_path) > CHUNKS - 3


def test_parts_of_a_chunk_leave_only_entries_alive(objects, tmp_path, traced, monkeypatch):
    """Eight simulations one after the other hold no more than the first did."""
    monkeypatch.setattr(localcal.matrix.alike, "PARTLY_SIMULATED", objects[1].household.size // 8)
    engine = Probing()
    matrix = build_matrix(*objects, tmp_path, engine=engine)
    parts = engine.alive[-8:]
    # Entries are held as row, column and value, 20 bytes each, until they are sorted.
    assert parts[-1] - parts[1] < 20 * matrix.data.size * 7 / 8 * 1.1


@pytest.fixture
def shards(tmp_path, objects):
    """Return a function that writes the plan, the shards and the targets of a wide matrix."""

    def write(count):
        folder, width, targets = tmp_path / str(count), 5_000, objects[2]
        folder.mkdir()
        inputs = {n: folder / n for n in ("population", "geography", "frozen", "targets")}
        write_targets(targets, inputs["targets"])
        with h5py.File(inputs["geography"], "w") as file:
            file.create_dataset("household", shape=(count * width,), dtype=np.int8)
        for name in ("population", "frozen"):
            inputs[name].write_text(name)
        plan = folder / "plan.json"
        write_plan(plan, MatrixInputs(**inputs), count * width, width)
        paths = [folder / f"chunk_{chunk:06}.h5" for chunk in range(count)]
        for chunk, path in enumerate(paths):
            matrix = scipy.sparse.random_array(
                (len(targets), width), density=0.05, format="csr", rng=chunk, dtype=np.float32
            )
            matrix.sort_indices()
            columns = {"column_start": chunk * width, "column_stop": (chunk + 1) * width}
            write_csr(path, matrix, read_plan(plan).digests | columns | {"engine": "none"})
        return plan, paths, inputs["targets"]

    return write


def peak_of_assembly(plan, paths, targets) -> int:
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    assemble_matrix(plan, paths, targets, plan.parent / "m.h5", plan.parent / "s.json")
    return tracemalloc.get_traced_memory()[1] - before


def test_assembly_holds_one_block_whatever_the_matrix(shards, traced, monkeypatch):
    monkeypatch.setattr(localcal.matrix.assemble, "BLOCK_ENTRIES", 20_000)
    small, large = shards(10), shards(40)
    peak_of_assembly(*small)  # what is imported or cached at the first use
    peaks = [peak_of_assembly(*small), peak_of_assembly(*large)]
    # What every shard adds is its own row pointers and attributes.
    assert peaks[1] < peaks[0] + 30 * 60_000
    assert peaks[1] < sum(path.stat().st_size for path in large[1]) / 3


def test_assembly_leaves_no_shard_open(shards):
    plan, paths, targets = shards(5)
    assemble_matrix(plan, paths, targets, plan.parent / "m.h5", plan.parent / "s.json")
    gc.collect()
    process = psutil.Process()
    held = {file.path for file in process.open_files()} | {m.path for m in process.memory_maps()}
    assert not held & {str(path) for path in paths}
