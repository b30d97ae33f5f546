"""A run or an address from somebody else does no harm to whoever starts it."""

import json
import os

import pytest

from tests.workflow.conftest import Checkout

SMALL = ("--configfile", "small.yaml")
RUN = "runs/small"
SECRET = "s3cret"


@pytest.fixture
def run(finished, tmp_path) -> Checkout:
    """A finished run that somebody else has made."""
    return finished.copy(tmp_path / "checkout")


def replace_by_link(path, victim):
    """Put a link to a file, or to a folder of the same names, where a run's file was."""
    if path.is_dir():
        path.rename(f"{path}.old")
    else:
        path.unlink(missing_ok=True)
    path.symlink_to(victim)


@pytest.mark.parametrize(
    "name",
    [".lock", "since.jsonl", "logs", "report/index.html.part", "benchmarks/write_report/x.tsv"],
)
def test_nothing_is_written_through_a_link_out_of_the_run(run, tmp_path, name):
    victims = tmp_path / "victims"
    victims.mkdir()
    victim = victims / "mine"
    record = run.folder / RUN / "run.json"
    victim.write_bytes(record.read_bytes())
    before = victim.read_bytes()
    (run.folder / RUN / "report/index.html").unlink()
    replace_by_link(run.folder / RUN / name, victims if name == "logs" else victim)
    result = run.snakemake("--cores", "1", *SMALL)
    assert result.returncode == 1
    last = result.stdout.splitlines()[-1]
    assert last.startswith(f"error: {RUN}/{name}: is a link to {victims}")
    assert last.endswith("remove it and run the same command again")
    assert victim.read_bytes() == before
    assert [path.name for path in victims.iterdir()] == ["mine"]
    assert run.snakemake("-n", *SMALL).returncode == 0


def test_a_record_that_is_no_file_is_refused_and_hangs_nobody(run):
    history = run.folder / RUN / "history.jsonl"
    history.unlink(missing_ok=True)
    os.mkfifo(history)
    for arguments in (("-n",), ("--cores", "1")):
        result = run.snakemake(*arguments, *SMALL)
        assert result.returncode == 1
        assert result.stdout.splitlines()[-1].startswith(f"error: {RUN}/history.jsonl: ")


def everything_written(folder):
    """Yield the text of every file below a run's folder and Snakemake's logs."""
    for root in (folder / "runs", folder / ".snakemake/log"):
        for path in root.rglob("*"):
            if path.is_file():
                yield path.read_bytes().decode(errors="replace")


def test_credentials_of_an_address_are_shown_and_kept_nowhere(finished, tmp_path, monkeypatch):
    run = finished.copy(tmp_path / "checkout")
    address = f"http://user:{SECRET}@127.0.0.1:9"
    monkeypatch.setattr(
        type(run), "environment", run.environment | {"HF_ENDPOINT": address, "HF_HUB_OFFLINE": "0"}
    )
    source = {"source": "huggingface", "repo_id": "me/data", "filename": "x.db", "revision": "v1"}
    target = f"{RUN}/targets/policy_data.db"
    chosen = json.dumps(source).replace('"', "")
    result = run.snakemake(
        "--cores", "1", target, *SMALL, "--config", "amend=true", f"targets={chosen}"
    )
    assert result.returncode == 1
    assert "error: dataset me/data, file x.db" in result.stdout
    typed = json.dumps(source | {"repo_id": address}).replace('"', "'")
    refused = run.snakemake("--cores", "1", target, *SMALL, "--config", f"targets={typed}")
    assert refused.returncode == 1
    assert "targets.repo_id: http://***@127.0.0.1:9 holds credentials" in refused.stdout
    for text in (result.stdout, refused.stdout, *everything_written(run.folder)):
        assert SECRET not in text


def test_a_folder_for_runs_that_cannot_be_used_is_one_line(checkout):
    target = "runs/demo/population/take_up.csv"
    runs = checkout.folder / "runs"
    runs.write_text("")
    taken = checkout.snakemake("--cores", "1", target)
    runs.unlink()
    runs.mkdir()
    # Not even the administrator can write into it.
    (runs / "demo").symlink_to("/proc/1/fdinfo")
    closed = checkout.snakemake("--cores", "1", target)
    for result in (taken, closed):
        assert result.returncode == 1
        assert "Traceback" not in result.stdout
        (line,) = [line for line in result.stdout.splitlines() if line.startswith("error: ")]
        assert "runs/demo" in line
        assert line.endswith("and run the same command again")
