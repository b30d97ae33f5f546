"""From a population to the matrix: the cut into chunks must not show."""

import json
import random

import h5py
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st

import localcal.matrix.assemble
from localcal.errors import InputError
from localcal.files.csr import open_csr
from localcal.matrix.assemble import assemble_matrix
from localcal.targets.table import write_targets
from tests.matrix_case import build, make_inputs


@pytest.fixture(scope="module")
def inputs_once(tmp_path_factory):
    """Return the same for tests that only read them."""
    return make_inputs(tmp_path_factory.mktemp("inputs"))


@pytest.fixture(scope="module")
def whole(inputs_once, tmp_path_factory):
    """Return the bytes of the matrix in one piece."""
    return build(tmp_path_factory.mktemp("whole") / "m", inputs_once, 210).read_bytes()


def shuffled(items):
    return random.Random(5).sample(items, len(items))


@pytest.mark.parametrize("chunk_columns", [1, 13, 70, 209, 500])
def test_the_matrix_has_the_same_bytes_for_every_chunk_size(tmp_path, inputs, chunk_columns):
    whole = build(tmp_path / "whole", inputs, 210)
    cut = build(tmp_path / "cut", inputs, chunk_columns, order=shuffled)
    assert cut.read_bytes() == whole.read_bytes()


@settings(max_examples=15, deadline=None)
@given(st.data())
def test_no_cut_no_order_and_no_block_size_shows(tmp_path_factory, inputs_once, whole, data):
    chunk_columns = data.draw(st.integers(1, 230))
    block_entries = data.draw(st.sampled_from([1, 50, 400, 10**6]))
    folder = tmp_path_factory.mktemp("cut") / "m"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(localcal.matrix.assemble, "BLOCK_ENTRIES", block_entries)
        order = lambda chunks: data.draw(st.permutations(chunks))  # noqa: E731
        cut = build(folder, inputs_once, chunk_columns, order=order)
    assert cut.read_bytes() == whole


def test_the_matrix_is_the_same_with_blocks_of_one_row(tmp_path, inputs, monkeypatch):
    whole = build(tmp_path / "whole", inputs, 50)
    monkeypatch.setattr(localcal.matrix.assemble, "BLOCK_ENTRIES", 1)
    assert build(tmp_path / "rows", inputs, 50).read_bytes() == whole.read_bytes()


def test_the_assembled_matrix_is_what_scipy_stacks(tmp_path, inputs):
    path = build(tmp_path / "m", inputs, 40)
    shards = sorted((tmp_path / "m").glob("chunk_*.h5"))
    stacked = scipy.sparse.hstack([open_csr(shard).matrix() for shard in shards], format="csr")
    ours = open_csr(path).matrix()
    assert ours.has_sorted_indices
    assert (ours != stacked).nnz == 0
    assert ours.nnz == stacked.nnz > 1_000


def test_the_summary_lists_impossible_and_hardest_targets(tmp_path, inputs):
    from localcal.targets.table import read_targets

    targets = read_targets(inputs["targets"])
    targets.loc[4, "geographic_id"] = "72"
    targets.loc[4, "geo_level"] = "state"
    targets.loc[9, "value"] = 1e15
    write_targets(targets, inputs["targets"])
    build(tmp_path / "m", inputs, 100)
    summary = json.loads((tmp_path / "m" / "summary.json").read_text())
    assert targets.loc[4, "name"] in summary["impossible"]
    assert summary["hardest"][0]["name"] == targets.loc[9, "name"]
    assert summary["shape"] == [len(targets), 210]


def break_shard(kind, shard, inputs, tmp_path):
    if kind == "truncated":
        shard.write_bytes(shard.read_bytes()[:-50])
    elif kind == "empty":
        shard.write_bytes(b"")
    elif kind == "missing":
        shard.unlink()
    elif kind == "altered":
        with h5py.File(shard, "r+") as file:
            file["matrix/data"][0] += 1
    elif kind == "another plan":
        other = build(tmp_path / "other", inputs, 53).parent / "chunk_000001.h5"
        shard.write_bytes(other.read_bytes())
    elif kind == "another population":
        with h5py.File(shard, "r+") as file:
            file.attrs["population"] = "0" * 64
    elif kind == "another model":
        with h5py.File(shard, "r+") as file:
            file.attrs["engine"] = "older"


@pytest.mark.parametrize(
    "kind",
    [
        "truncated",
        "empty",
        "missing",
        "altered",
        "another plan",
        "another population",
        "another model",
    ],
)
def test_an_unusable_shard_is_named_with_what_to_do(tmp_path, inputs, kind):
    folder = build(tmp_path / "m", inputs, 60).parent
    before = (folder / "matrix.h5").read_bytes()
    shards = sorted(folder.glob("chunk_*.h5"))
    break_shard(kind, shards[1], inputs, tmp_path)
    with pytest.raises(
        InputError, match=rf"^{shards[1]}: .*; (remove it and )?run the same command again$"
    ):
        assemble_matrix(
            folder / "plan.json", shards, inputs["targets"], folder / "matrix.h5", folder / "s.json"
        )
    assert (folder / "matrix.h5").read_bytes() == before
