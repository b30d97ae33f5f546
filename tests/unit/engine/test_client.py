"""Finding or starting the process that has the model, and what comes back from it."""

import os
import re
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest

import localcal.engine.client
from localcal.engine.client import WorkerError, run_where_warm, run_with_engine, server_key
from localcal.engine.server import Server
from localcal.errors import InputError
from localcal.files.origins import compared
from tests.served_work import (
    ENGINE,
    REPOSITORY,
    hoard,
    known_to,
    open_too_much,
    refuse,
    servers,
    stumble,
    talk,
    who,
)

pytestmark = pytest.mark.usefixtures("own_folder")


def test_errors_arrive_as_what_they_are():
    with pytest.raises(InputError, match=r"^given\.h5: is wrong; mend it$"):
        run_with_engine(ENGINE, refuse)
    with pytest.raises(InputError, match=r"Too many open files.*; raise it with ulimit -n and run"):
        run_with_engine(ENGINE, open_too_much)
    with pytest.raises(WorkerError, match=r"Traceback(.|\n)*something nobody thought of"):
        run_with_engine(ENGINE, stumble)
    with pytest.raises(MemoryError, match="no more"):
        run_with_engine(ENGINE, hoard)


def test_log_lines_come_to_the_client(caplog):
    caplog.set_level("INFO")
    run_with_engine(ENGINE, talk)
    assert ("localcal.somewhere", 20, "halfway") in caplog.record_tuples
    assert re.search(r"the work took \d+\.\d s .* at most \d+ MB", caplog.text)


def test_work_without_the_model_goes_to_a_warm_process_where_there_is_one(own_folder):
    whereabouts = "tests.served_work:whereabouts"
    assert run_where_warm(ENGINE, whereabouts, note="cold") == (os.getpid(), "cold")
    assert not servers(own_folder)
    server = run_with_engine(ENGINE, who)[1]
    pid, note = run_where_warm(ENGINE, whereabouts, note="warm")
    assert pid not in (os.getpid(), server) and note == "warm"
    with pytest.raises(InputError, match=r"^given\.h5: is wrong; mend it$"):
        run_where_warm(ENGINE, "tests.served_work:refuse")


def test_work_without_the_model_does_not_wait_until_it_is_loaded(own_folder, monkeypatch):
    monkeypatch.setattr(localcal.engine.client, "SECONDS_TO_ACCEPT", 0.1)
    path = localcal.engine.client._folder() / server_key(ENGINE)
    with socket.socket(socket.AF_UNIX) as loading:
        loading.bind(str(path))
        loading.listen()
        assert run_where_warm(ENGINE, "tests.served_work:whereabouts")[0] == os.getpid()
    path.unlink()


def test_a_warm_process_takes_digests_from_its_client(own_folder):
    with compared({"places.h5": "0123"}):
        assert run_with_engine(ENGINE, known_to) == {"places.h5": "0123"}
    assert run_with_engine(ENGINE, known_to) == {}


def test_other_code_gets_another_server(monkeypatch):
    before = server_key(ENGINE)
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    assert server_key(ENGINE) != before


def test_an_upgraded_library_gets_another_server(monkeypatch):
    """Or jobs would go on with the model that was there before."""

    def key(*versions):
        found = [SimpleNamespace(name="policyengine-us", version=version) for version in versions]
        monkeypatch.setattr(localcal.engine.client, "distributions", lambda: found)
        return server_key(ENGINE)

    assert key("2.68.0") != key("2.69.0")
    # A folder may be on the path several times.
    assert key("2.68.0", "2.68.0") == key("2.68.0")


def test_an_edited_module_gets_another_server_however_deep_it_lies(monkeypatch, tmp_path):
    package = tmp_path / "localcal"
    shutil.copytree(REPOSITORY / "workflow" / "localcal", package)
    monkeypatch.setattr(localcal.engine.client, "__file__", str(package / "engine" / "client.py"))
    keys = [server_key(ENGINE)]
    for module in ("errors.py", "targets/evaluate.py", "weights/l0/run.py"):
        with (package / module).open("a") as file:
            file.write("EDITED = True\n")
        keys.append(server_key(ENGINE))
    (package / "targets" / "evaluate.py").touch()
    assert len(set(keys)) == 4 and server_key(ENGINE) == keys[-1]


def test_every_job_of_a_scheduler_has_a_server_of_its_own(own_folder, monkeypatch):
    found = set()
    for number in ("7", "8", "7"):
        monkeypatch.setenv("SLURM_JOB_ID", number)
        found.add(run_with_engine(ENGINE, who)[1])
    assert len(found) == 2


def test_hosts_that_share_a_folder_do_not_share_a_server(monkeypatch):
    before = server_key(ENGINE)
    monkeypatch.setattr(socket, "gethostname", lambda: "another")
    assert server_key(ENGINE) != before


def test_sockets_have_a_place_where_the_environment_names_none(own_folder, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(own_folder))
    name = f"localcal-{os.getuid()}"
    for runtime in ("", str(tmp_path / "of-another-machine")):
        monkeypatch.setenv("XDG_RUNTIME_DIR", runtime)
        assert run_with_engine(ENGINE, who)[2] == "stand-in 1"
        assert (own_folder / name).exists()
    # Where not even the temporary folder's path is short enough.
    long = tmp_path / ("x" * 100)
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    monkeypatch.setattr(localcal.engine.client, "LAST_RESORT", str(own_folder))
    assert localcal.engine.client._folder() == own_folder / name


def test_a_server_does_not_answer_a_client_of_another_version(monkeypatch):
    run_with_engine(ENGINE, who)
    key = server_key(ENGINE)
    original = localcal.engine.client._connect
    monkeypatch.setattr(localcal.engine.client, "server_key", lambda engine: "0" * 16)
    monkeypatch.setattr(localcal.engine.client, "_connect", lambda _, engine: original(key, engine))
    with pytest.raises(WorkerError, match="ended 3 times before it answered"):
        run_with_engine(ENGINE, who)


def test_an_engine_that_cannot_be_loaded_is_named():
    with pytest.raises(InputError, match="tests.standin_engine:Nothing"):
        run_with_engine("tests.standin_engine:Nothing", who)
    with pytest.raises(InputError, match="no_such_module"):
        run_with_engine("no_such_module.deep:Engine", who)


def squat(kind, folder, tmp_path):
    """Take a folder's name as somebody else could."""
    if kind == "open":
        folder.mkdir()
        folder.chmod(0o755)
    elif kind == "file":
        folder.write_text("")
    else:
        (tmp_path / "private").mkdir(mode=0o700)
        folder.symlink_to(tmp_path / ("private" if kind == "link" else "nowhere"))


def test_a_server_may_start_while_another_one_ends(own_folder, monkeypatch):
    other = Server.__new__(Server)
    start = subprocess.Popen

    def start_late(command, **options):
        other._path = Path(command[3]).parent / "other"
        other._leave()
        return start(command, **options)

    monkeypatch.setattr(localcal.engine.client.subprocess, "Popen", start_late)
    assert run_with_engine(ENGINE, who)[2] == "stand-in 1"
    assert len(servers(own_folder)) == 1


@pytest.mark.parametrize("kind", ["open", "file", "link", "dangling link"])
def test_where_somebody_took_the_folder_another_one_is_used(own_folder, tmp_path, kind):
    name = f"localcal-{os.getuid()}"
    squat(kind, own_folder / name, tmp_path)
    assert run_with_engine(ENGINE, who)[2] == "stand-in 1"
    assert list((own_folder / f"{name}-1").iterdir())
    assert not (tmp_path / "private").exists() or not list((tmp_path / "private").iterdir())


def test_a_folder_of_another_user_is_not_used(own_folder, monkeypatch):
    folder = localcal.engine.client._folder()
    somebody = os.getuid() + 1
    monkeypatch.setattr(os, "getuid", lambda: somebody)
    assert not localcal.engine.client._is_ours(folder)


def test_where_every_folder_is_taken_one_is_named(own_folder, tmp_path, monkeypatch):
    monkeypatch.setattr(localcal.engine.client, "FOLDERS_TO_TRY", 1)
    monkeypatch.setattr(tempfile, "tempdir", str(own_folder))
    monkeypatch.setattr(localcal.engine.client, "LAST_RESORT", str(own_folder))
    squat("open", own_folder / f"localcal-{os.getuid()}", tmp_path)
    with pytest.raises(InputError, match="open to somebody else; remove it"):
        localcal.engine.client._folder()
