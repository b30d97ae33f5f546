"""Parts of the detached coordinator that need no emulator."""

import io
import subprocess
import tarfile
from pathlib import Path

import pytest

from snakemake_executor_plugin_modal import coordinator, records, snapshot
from snakemake_executor_plugin_modal.errors import ModalPluginError


def git(folder: Path, *words: str) -> str:
    identity = ("-c", "user.name=a", "-c", "user.email=a@b")
    return subprocess.check_output(["git", *identity, *words], cwd=folder, text=True)


@pytest.fixture
def checkout(tmp_path):
    """A Git checkout with one commit, one change since, and files of every other kind."""
    folder = tmp_path / "checkout"
    (folder / "rules").mkdir(parents=True)
    (folder / "given").mkdir()
    (folder / "Snakefile").write_text("rule all:\n")
    (folder / "rules/a.smk").write_text("# first\n")
    (folder / "gone.txt").write_text("")
    (folder / "link").symlink_to("rules/a.smk")
    (folder / ".gitignore").write_text("given/\nruns/\n")
    git(folder, "init", "-q", "-b", "work")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "first")
    git(folder, "remote", "add", "origin", "https://user:secret-token@example.org/x.git")
    (folder / "rules/a.smk").write_text("# second\n")
    (folder / "gone.txt").unlink()
    (folder / "new.py").write_text("")
    (folder / "given/table.csv").write_text("1\n")
    return folder


def unpacked(archive: bytes, folder: Path) -> Path:
    with tarfile.open(fileobj=io.BytesIO(archive)) as packed:
        packed.extractall(folder, filter="data")
    return folder


def test_the_archive_is_the_checkout_as_it_is_with_its_commit_and_no_password(checkout, tmp_path):
    archive = snapshot.pack(checkout, ["given"])
    there = unpacked(archive, tmp_path / "there")
    files = {str(one.relative_to(there)) for one in there.rglob("*") if not one.is_dir()}
    assert {name for name in files if not name.startswith(".git/")} == {
        ".gitignore",
        "Snakefile",
        "given/table.csv",
        "link",
        "new.py",
        "rules/a.smk",
    }
    assert (there / "rules/a.smk").read_text() == "# second\n"
    assert (there / "link").readlink() == Path("rules/a.smk")
    for words in (["rev-parse", "HEAD"], ["branch", "--show-current"], ["status", "--porcelain"]):
        assert git(there, *words) == git(checkout, *words)
    assert not [one for one in (there / ".git").rglob("*") if b"secret-token" in read(one)]
    assert git(there, "remote") == ""
    at = (checkout / "Snakefile").stat().st_mtime
    assert (there / "Snakefile").stat().st_mtime == int(at)


def read(path: Path) -> bytes:
    return path.read_bytes() if path.is_file() else b""


def test_without_git_every_file_but_hidden_ones_is_sent(tmp_path):
    folder = tmp_path / "plain"
    for name in ("Snakefile", ".secret", ".snakemake/log", "a/b.py", "a/__pycache__/b.pyc"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("")
    there = unpacked(snapshot.pack(folder, []), tmp_path / "there")
    assert {str(one.relative_to(there)) for one in there.rglob("*")} == {"Snakefile", "a", "a/b.py"}


def test_the_same_files_are_the_same_bytes(tmp_path):
    (tmp_path / "Snakefile").write_text("")
    assert snapshot.pack(tmp_path, []) == snapshot.pack(tmp_path, [])


def test_a_link_that_leads_out_is_refused(tmp_path):
    (tmp_path / "data").symlink_to("/etc/hostname")
    with pytest.raises(ModalPluginError, match="data is a link to /etc/hostname, which is outside"):
        snapshot.pack(tmp_path, [])


def test_too_much_is_refused_with_what_is_largest(tmp_path, monkeypatch):
    monkeypatch.setattr(snapshot, "MOST_MB", 1)
    (tmp_path / "large.bin").write_bytes(b"\0" * 2**20)
    (tmp_path / "small.bin").write_bytes(b"\0" * 2**19)
    with pytest.raises(ModalPluginError, match=r"the largest are large.bin \(1 MB\), small.bin"):
        snapshot.pack(tmp_path, [])


def test_files_that_the_config_names_are_taken_along_and_those_outside_refused(checkout):
    named = snapshot.named_files
    found = named(
        checkout,
        [
            ("a.yaml", {"path": "given/table.csv", "name": "demo", "not": "given/other.csv"}),
            ("b.yaml", {"tables": ["rules", {"deep": "new.py"}], "here": ".", "above": ".."}),
            ("c.yaml", {"python": "/bin/sh", "number": 1, "nothing": None}),
        ],
    )
    assert found == ["given/table.csv", "new.py", "rules"]
    outside = checkout.parent / "outside.csv"
    outside.write_text("")
    for text in (str(outside), "../outside.csv"):
        with pytest.raises(ModalPluginError, match=r"a.yaml: data.path: .*is outside of"):
            named(checkout, [("a.yaml", {"data": {"path": text}})])


def test_configs_come_from_the_snakefile_from_files_and_from_the_command_line(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "Snakefile").write_text('configfile: "own.yaml"\n')
    (tmp_path / "own.yaml").write_text("a: 1\n")
    (tmp_path / "more.yaml").write_text("b: 2\n")
    found = snapshot.configs_of(Path("Snakefile"), ["more.yaml"], ["c={d: e}", "run_id=2026_01"])
    assert list(found) == [
        ("own.yaml", {"a": 1}),
        ("more.yaml", {"b": 2}),
        ("--config c", {"c": {"d": "e"}}),
        ("--config run_id", {"run_id": 202601}),
    ]
    with pytest.raises(ModalPluginError, match="absent.yaml cannot be read"):
        list(snapshot.configs_of(Path("Snakefile"), ["absent.yaml"], []))


def test_own_options_come_before_those_of_snakemake():
    words = ["demo", "--memory", "4000", "--env", "A,B", "--profile", "modal", "--cpu", "9"]
    wish = coordinator.parse_start(words)
    assert (wish.name, wish.memory, wish.env) == ("demo", 4000, ("A", "B"))
    assert wish.arguments == ["--profile", "modal", "--cpu", "9"]
    assert coordinator.parse_start(["demo", "--", "out.txt"]).arguments == ["out.txt"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "Give the coordinator a name"),
        (["--profile", "modal"], "Give the coordinator a name"),
        (["../x"], "cannot be a coordinator's name"),
        (["demo", "--memory", "much"], "--memory much: expected a number"),
        (["demo", "--cpu"], "--cpu : expected a number"),
        (["demo", "--hours", "24"], "less than 24"),
    ],
)
def test_a_wrong_start_is_refused(words, says):
    with pytest.raises(ModalPluginError, match=says):
        coordinator.parse_start(words)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--cores", "1"], "the executor local"),
        (["--executor", "modal", "-n"], "--dryrun is nothing for a coordinator"),
    ],
)
def test_options_with_which_nothing_would_run_there_are_refused(words, says, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MODAL_TOKEN_ID", "ak-none")
    monkeypatch.setenv("MODAL_TOKEN_SECRET", "as-none")
    with pytest.raises(ModalPluginError, match=says):
        coordinator.snakemake_options(words)


def test_what_snakemake_is_started_with_has_to_be_in_the_folder(tmp_path):
    (tmp_path / "inside.yaml").write_text("")
    assert coordinator.inside(["inside.yaml"], tmp_path) == ["inside.yaml"]
    for path in ("../outside.yaml", "absent.yaml", "/etc/hostname"):
        with pytest.raises(ModalPluginError, match="which is all that is sent to Modal"):
            coordinator.inside([path], tmp_path)


def test_names_of_apps_are_short_enough_for_modal_and_differ_between_volumes():
    names = {coordinator.app_name(volume, "x" * 100) for volume in ("a", "b")}
    assert len(names) == 2 and all(len(name + coordinator.JOBS) <= 64 for name in names)


def test_one_that_replaces_a_coordinator_need_not_wait_for_its_silence(monkeypatch):
    silent = {"host": "elsewhere", "pid": 1, "identity": "one", "time": records.time.time()}
    assert not records.is_dead(silent)
    monkeypatch.setenv(records.IDENTITY, "two")
    assert not records.is_dead(silent)
    monkeypatch.setenv(records.IDENTITY, "one")
    assert records.is_dead(silent)
    # Where there is none, no identity is the same as another.
    monkeypatch.setenv(records.IDENTITY, "")
    assert not records.is_dead(silent | {"identity": ""})


def test_containers_are_told_apart_though_they_bear_the_same_name(monkeypatch):
    here = records.host()
    monkeypatch.setenv("MODAL_TASK_ID", "ta-1")
    assert records.host() == "ta-1" != here
