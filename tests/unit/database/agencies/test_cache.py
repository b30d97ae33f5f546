"""Raw files from the cache, by hand or by download; the agencies' own servers where asked for."""

import hashlib
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from localcal.database.agencies import cache as module
from localcal.database.agencies.cache import cache_folder, fetch_raw, read_raw_files
from localcal.database.agencies.sources import SOURCES, write_source
from localcal.errors import InputError
from tests.web_server import Answer, serving

REPOSITORY = Path(__file__).parents[4]
TABLE = REPOSITORY / "config" / "raw_files.csv"
DATA = b"state,people\n01,5024279\n"
DIGEST = hashlib.sha256(DATA).hexdigest()


@pytest.fixture
def server(monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    with serving() as server:
        server.answers = [Answer(DATA)]
        yield server


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "cache"


def write_table(folder, *rows):
    table = folder / "raw_files.csv"
    table.write_text("\n".join(["file,url,sha256,max_mb,source", *rows]) + "\n")
    return table


def fetch(server, folder, run="x", sha256="", url=None):
    """Return what a run gets."""
    url = f"{server.url}/data.csv" if url is None else url
    table = write_table(folder.parent, f"a.csv,{url},{sha256},1,the agency's page")
    path = folder.parent / "runs" / run / "a.csv"
    fetch_raw("a.csv", table, str(folder), path)
    return path.read_bytes()


def names(folder):
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_what_is_missing_is_asked_for_once_and_every_run_has_the_same_bytes(server, folder):
    assert fetch(server, folder, "x") == fetch(server, folder, "y") == DATA
    assert server.requests == ["/data.csv"]
    assert names(folder) == ["a.csv", "a.csv.sha256"]
    assert (folder / "a.csv").read_bytes() == DATA


def test_the_note_of_a_download_is_one_that_sha256sum_understands(server, folder):
    fetch(server, folder)
    assert (folder / "a.csv.sha256").read_text() == f"{DIGEST}  a.csv\n"


@pytest.mark.parametrize("sha256", ["", DIGEST])
def test_what_somebody_put_there_at_any_depth_is_taken_without_a_request(server, folder, sha256):
    by_hand = folder / "irs" / "2022" / "a.csv"
    by_hand.parent.mkdir(parents=True)
    by_hand.write_bytes(DATA)
    assert fetch(server, folder, sha256=sha256) == DATA
    assert server.requests == []
    assert names(folder) == ["a.csv"]


def test_what_is_there_twice_is_refused(server, folder):
    for part in ("one", "two"):
        (folder / part).mkdir(parents=True)
        (folder / part / "a.csv").write_bytes(DATA)
    with pytest.raises(InputError, match=r"a\.csv: is there 2 times below .*one.*two.*remove all"):
        fetch(server, folder)


def test_a_file_that_is_not_the_tables_is_refused_by_name(server, folder):
    folder.mkdir()
    (folder / "a.csv").write_bytes(b"other")
    found = hashlib.sha256(b"other").hexdigest()
    with pytest.raises(InputError) as caught:
        fetch(server, folder, sha256=DIGEST)
    assert str(caught.value) == (
        f"{folder}/a.csv: has SHA-256 {found}, expected {DIGEST} by {folder.parent}/raw_files.csv; "
        "remove the file to have it downloaded again, or correct it there"
    )
    assert not (folder.parent / "runs" / "x" / "a.csv").exists()
    (folder / "a.csv").unlink()
    assert fetch(server, folder, sha256=DIGEST) == DATA


def test_a_download_that_is_not_the_tables_does_not_reach_the_cache(server, folder):
    server.answers = [Answer(b"revised")]
    found = hashlib.sha256(b"revised").hexdigest()
    with pytest.raises(InputError, match=f"has SHA-256 {found}, expected {DIGEST} by .*raw_files"):
        fetch(server, folder, sha256=DIGEST)
    assert names(folder) == []


def test_a_downloaded_file_that_changed_is_refused(server, folder):
    fetch(server, folder)
    (folder / "a.csv").write_bytes(DATA[:-1])
    with pytest.raises(InputError, match=rf"expected {DIGEST} by .*a\.csv\.sha256; remove the"):
        fetch(server, folder)
    # What the table says counts for more than what was downloaded once.
    assert fetch(server, folder, sha256=hashlib.sha256(DATA[:-1]).hexdigest()) == DATA[:-1]
    (folder / "a.csv").unlink()
    assert fetch(server, folder) == DATA


def test_a_file_without_an_address_has_to_be_put_there(server, folder):
    with pytest.raises(InputError) as caught:
        fetch(server, folder, url="")
    assert str(caught.value) == (
        f"a.csv: is not below {folder}, and {folder.parent}/raw_files.csv has no url for it; put "
        "it there by hand (the agency's page), or leave the source that reads it out of "
        "targets.agencies"
    )


def test_what_failed_leaves_nothing_and_says_where_the_file_may_be_put(server, folder):
    server.answers = [Answer(DATA, length=len(DATA) + 1)]
    with pytest.raises(InputError, match=f"IncompleteRead.*or put it below {folder} by hand"):
        fetch(server, folder)
    assert names(folder) == []
    assert names(folder.parent) == ["raw_files.csv"]


def test_a_killed_download_leaves_nothing_under_the_files_name(server, folder):
    started, over = threading.Event(), threading.Event()

    def halfway():
        started.set()
        over.wait(60)

    # Larger than what is held back before it is written.
    server.answers = [Answer(DATA * 30_000, halfway=halfway), Answer(DATA)]
    table = write_table(folder.parent, f"a.csv,{server.url}/data.csv,,1,")
    code = (
        "from pathlib import Path\n"
        "from localcal.database.agencies.cache import fetch_raw\n"
        f"fetch_raw('a.csv', Path({str(table)!r}), {str(folder)!r}, Path({str(folder)!r}, 'x'))\n"
    )
    with subprocess.Popen([sys.executable, "-c", code]) as process:
        assert started.wait(60)
        # What was sent may still be on its way.
        while not any(path.stat().st_size for path in folder.glob("*.part-*")):
            assert process.poll() is None
            over.wait(0.01)
        process.send_signal(signal.SIGKILL)
    over.set()
    (left,) = names(folder)
    assert left.startswith("a.csv.part-")
    assert fetch(server, folder) == DATA
    # Perhaps another one's; after a day certainly not.
    assert names(folder) == ["a.csv", left, "a.csv.sha256"]
    (folder / "a.csv").unlink()
    os.utime(folder / left, (0, 0))
    assert fetch(server, folder) == DATA
    assert names(folder) == ["a.csv", "a.csv.sha256"]


def test_runs_that_begin_together_do_not_disturb_each_other(server, folder):
    together = threading.Barrier(4)
    data = DATA * 30_000
    server.answers = [Answer(data, halfway=lambda: together.wait(60))]
    write_table(folder.parent, f"a.csv,{server.url}/data.csv,,1,")

    def one(run):
        path = folder.parent / "runs" / run / "a.csv"
        fetch_raw("a.csv", folder.parent / "raw_files.csv", str(folder), path)
        return path.read_bytes()

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(one, "abcd")) == {data}
    assert names(folder) == ["a.csv", "a.csv.sha256"]


def test_a_full_disk_is_a_line_of_its_own(server, folder, monkeypatch):
    def full(order, path):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "download", full)
    with pytest.raises(InputError, match=rf"{folder}/a\.csv: no space left on the disk; free some"):
        fetch(server, folder)


def test_the_log_says_where_a_file_came_from(server, folder, caplog):
    caplog.set_level(logging.INFO)
    fetch(server, folder)
    assert f"{folder}/a.csv: downloaded from {server.url}/data.csv, SHA-256 {DIGEST}" in caplog.text
    caplog.clear()
    fetch(server, folder)
    assert f"{folder}/a.csv: taken from the cache, no request" in caplog.text


def test_a_file_that_the_table_lacks_is_named(tmp_path):
    table = write_table(tmp_path, "22incd.csv,,,1,")
    with pytest.raises(InputError, match=r"no row for 22inc\.csv \(did you mean 22incd\.csv\?\)"):
        fetch_raw("22inc.csv", table, str(tmp_path), tmp_path / "x")


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ("../a.csv,,,1,", r"line 2: file is '\.\./a\.csv', expected a name"),
        (",,,1,", "line 2: file is '', expected a name"),
        ("a.csv,file:///a.csv,,1,", "url is 'file:///a.csv', expected an address that begins"),
        ("a.csv,http://,,1,", "url is 'http://', expected an address"),
        ("a.csv,http://[/a,,1,", r"url is 'http://\[/a', expected an address"),
        ("a.csv,http://x.gov/a b,,1,", "url is 'http://x.gov/a b', expected an address"),
        ("a.csv,http://me:secret@x.gov/,,1,", r"http://\*\*\*@x\.gov/ holds credentials"),
        (f"a.csv,,{DIGEST.upper()},1,", "sha256 is '.*', expected 64 hexadecimal digits in lower"),
        ("a.csv,,abc,1,", "sha256 is 'abc', expected"),
        ("a.csv,,,0,", "max_mb is '0', expected a whole number, at least 1"),
        ("a.csv,,,,", "max_mb is '', expected"),
        ("a.csv,,,1.5,", "max_mb is '1.5', expected"),
        ("a.csv,,,1,\na.csv,,,1,", "line 3: file a.csv is there twice"),
        ("a.csv,,1,", "line 2 does not have 5 fields"),
    ],
)
def test_a_table_with_a_mistake_is_refused_by_its_line(tmp_path, row, complaint):
    with pytest.raises(InputError, match=complaint):
        read_raw_files(write_table(tmp_path, row))


def test_every_source_has_its_raw_files_in_the_table():
    known = read_raw_files(TABLE)
    wanted = {file for source in SOURCES.values() for file in source.files}
    assert wanted <= known.keys()
    for raw in known.values():
        assert raw.url.startswith(("https://", "")), raw
        assert raw.source, raw


def test_the_users_cache_is_where_the_system_says(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    if sys.platform == "linux":
        assert cache_folder(None) == tmp_path / "localcal"
    assert cache_folder("raw") == Path("raw")


@pytest.mark.network
@pytest.mark.parametrize("name", sorted(SOURCES))
def test_the_agencies_have_the_files_and_they_can_be_read(name, tmp_path):
    """In a cache of its own, so that nothing but a download can do it."""
    known = read_raw_files(TABLE)
    files = SOURCES[name].files
    if by_hand := [file for file in files if not known[file].url]:
        pytest.skip(f"{by_hand[0]} cannot be downloaded")
    for file in files:
        fetch_raw(file, TABLE, str(tmp_path / "cache"), tmp_path / "raw" / file)
    table = tmp_path / f"{name}.csv"
    write_source(name, tmp_path / "raw", REPOSITORY / "config" / "areas.tsv", table)
    assert table.stat().st_size
