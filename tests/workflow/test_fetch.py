"""Raw files of the agencies are asked for once, whatever runs need them."""

import pytest

from localcal.database.agencies.sources import SOURCES
from localcal.files.made import read_records
from tests.web_server import Answer, serving

FILES = sorted({file for source in SOURCES.values() for file in source.files})
DATA = b"state,people\n01,5024279\n"
CONFIG = "targets={source: agencies, raw_files: raw_files.csv}"


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serving() as server:
        server.answers = [Answer(DATA)]
        yield server


@pytest.fixture
def agencies(checkout, server, monkeypatch):
    """A checkout whose raw files come from the server."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(checkout.folder / "home"))
    rows = [f"{file},{server.url}/{file},,1,test" for file in FILES]
    table = "\n".join(["file,url,sha256,max_mb,source", *rows])
    (checkout.folder / "raw_files.csv").write_text(table + "\n")
    return checkout


def raw(run):
    return [f"runs/{run}/targets/raw/{file}" for file in FILES]


def test_a_second_run_asks_for_nothing_and_has_the_same_bytes(agencies, server):
    dry = agencies.jobs(*raw("x"), "--config", "run_id=x", CONFIG)
    assert dry == {"freeze_run": 1, "fetch_raw": len(FILES)}
    assert server.requests == []
    for run in ("x", "y"):
        result = agencies.snakemake("--cores", "2", *raw(run), "--config", f"run_id={run}", CONFIG)
        assert result.returncode == 0, result.stdout
        assert sorted(server.requests) == [f"/{file}" for file in FILES]
        for path in raw(run):
            assert (agencies.folder / path).read_bytes() == DATA
    again = agencies.snakemake("--cores", "2", *raw("x"), "--config", "run_id=x", CONFIG)
    assert "Nothing to be done" in again.stdout
    assert len(server.requests) == len(FILES)
    digests = [
        {name: made.sha256 for name, made in read_records(agencies.folder / "runs" / run).items()}
        for run in ("x", "y")
    ]
    assert digests[0] == digests[1]
    assert digests[0].keys() == {f"targets/raw/{file}" for file in FILES}


def test_what_the_agency_revises_does_not_reach_a_run_that_has_the_file(agencies, server):
    asked = ("--cores", "1", raw("x")[0], "--config", "run_id=x", CONFIG)
    assert agencies.snakemake(*asked).returncode == 0
    server.answers = [Answer(b"revised")]
    for path in (agencies.folder / "home" / "localcal").iterdir():
        path.unlink()
    assert "Nothing to be done" in agencies.snakemake(*asked).stdout
    assert (agencies.folder / raw("x")[0]).read_bytes() == DATA
    assert len(server.requests) == 1


def test_a_file_that_cannot_be_had_is_one_line_that_says_where_to_put_it(agencies, server):
    server.answers = [Answer(status=404)]
    file = FILES[0]
    asked = ("--cores", "1", raw("x")[0], "--config", "run_id=x", CONFIG)
    result = agencies.snakemake(*asked)
    assert result.returncode == 1
    folder = agencies.folder / "home" / "localcal"
    assert (
        f"error: {file}: {server.url}/{file}: the server answered 404, the agency may have moved "
        f"the file; correct the url, or put it below {folder} by hand"
    ) in result.stdout.splitlines()
    (folder / "by hand").mkdir(parents=True)
    (folder / "by hand" / file).write_bytes(DATA)
    assert agencies.snakemake(*asked).returncode == 0
    assert len(server.requests) == 1


def test_another_table_of_raw_files_is_another_run(agencies, server):
    asked = ("--cores", "1", raw("x")[0], "--config", "run_id=x", CONFIG)
    assert agencies.snakemake(*asked).returncode == 0
    table = agencies.folder / "raw_files.csv"
    table.write_text(table.read_text().replace(",1,test", ",2,test"))
    refused = agencies.snakemake(*asked)
    assert refused.returncode == 1
    assert "inputs.targets.raw_files" in refused.stdout
    amended = agencies.snakemake(*asked, "amend=true")
    assert amended.returncode == 0, amended.stdout
    # From the cache, so that not even then a request is made.
    assert len(server.requests) == 1
