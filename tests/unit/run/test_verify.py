"""What becomes of a run's files is found without Snakemake."""

import json
from pathlib import Path

import pytest

from localcal.errors import InputError
from localcal.files.made import record_outputs, record_path, refuse_changed_inputs
from localcal.files.seal import sealed
from localcal.run.verify import table, verify

RUN = "runs/x"
PLAN, SHARD, MATRIX = "matrix/plan.json", "matrix/chunks/chunk_000000.h5", "matrix/matrix.h5"


def make(name: str, content: str, *inputs: str) -> None:
    path = Path(RUN, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    read = [f"{RUN}/{item}" for item in inputs]
    digests = refuse_changed_inputs([*read, *(record_path(item, RUN) for item in read)], RUN)
    record_outputs([str(path), record_path(path, RUN)], RUN, "rule", {}, digests)


@pytest.fixture(autouse=True)
def run(tmp_path, monkeypatch):
    """A run of three files."""
    monkeypatch.chdir(tmp_path)
    make(PLAN, "plan")
    make(SHARD, "shard", PLAN)
    make(MATRIX, "matrix", PLAN, SHARD)
    Path(RUN, "run.json").write_text(json.dumps({"config": {}, "inputs": {}, "code": {}}))


def wrong() -> dict[str, str]:
    return {name: verdict for name, verdict in verify(RUN) if verdict != "as made"}


def test_a_whole_run_is_whole():
    assert dict(verify(f"{RUN}/")).keys() == {"run.json", PLAN, SHARD, MATRIX}
    assert wrong() == {}
    assert table(list(verify(RUN))) == "4 as made"


def test_each_file_is_told_by_itself():
    Path(RUN, SHARD).write_text("Shard")
    Path(RUN, MATRIX).unlink()
    Path(RUN, "weights").mkdir()
    Path(RUN, "weights/mine.npy").write_text("")
    expected = {SHARD: "damaged", MATRIX: "missing", "weights/mine.npy": "without a record"}
    assert wrong() == expected
    lines = table(list(verify(RUN))).splitlines()
    assert lines[-1] == "2 as made, 1 damaged, 1 missing, 1 without a record"
    for name, verdict in expected.items():
        assert any(line.startswith(name) and f"  {verdict}; " in line for line in lines)


def test_what_was_made_from_another_file_than_there_is_now_is_told():
    make(PLAN, "another plan")
    assert wrong() == {SHARD: "made from other files", MATRIX: "made from other files"}


def test_a_damaged_record_is_told_and_its_file_is_nobody_s():
    record = record_path(f"{RUN}/{PLAN}", RUN)
    Path(record).write_text(Path(record).read_text().replace("plan", "plam", 1))
    assert wrong() == {f"made/{PLAN}.json": "damaged"}


@pytest.mark.parametrize("folder", ["runs", "runs/y", "elsewhere"])
def test_what_is_no_run_is_refused(folder):
    with pytest.raises(InputError, match=f"^{folder}: holds no run.json; name a run's folder"):
        list(verify(folder))


def test_a_damaged_run_json_is_refused():
    content = sealed({"config": {"seed": 12}, "inputs": {}, "code": {}})
    path = Path(RUN, "run.json")
    path.write_text(json.dumps(content))
    assert wrong() == {}
    path.write_text(json.dumps(content).replace("12", "13", 1))
    with pytest.raises(InputError, match=r"run\.json: is damaged, it is not what was written"):
        list(verify(RUN))
