"""The command knows its subcommands and loads nothing heavy to say so."""

import os
import subprocess
import sys

import pytest

from localcal.command import COMMANDS, main


def test_every_command_has_its_own_name_and_says_what_it_does(capsys):
    names = [command.NAME for command in COMMANDS]
    assert len(set(names)) == len(names)
    with pytest.raises(SystemExit) as end:
        main(["--help"])
    assert end.value.code == 0
    said = capsys.readouterr().out
    for command in COMMANDS:
        assert command.NAME in said
        assert command.__name__ == f"localcal.commands.{command.NAME}"


@pytest.mark.parametrize("arguments", [[], ["vrify"], ["verify"]])
def test_a_bad_call_is_refused(arguments, capsys):
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 2
    assert "usage: localcal" in capsys.readouterr().err


def test_help_waits_for_nothing_heavy():
    heavy = ("numpy", "pandas", "h5py", "scipy", "pydantic", "snakemake", "modal", "requests")
    code = f"import sys, localcal.command; print([m for m in {heavy!r} if m in sys.modules])"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=True, text=True
    )
    assert loaded.stdout.strip() == "[]"


def test_nobody_who_listens_is_no_failure_of_the_program(tmp_path):
    (tmp_path / "runs").mkdir()
    listening, spoken = os.pipe()
    os.close(listening)
    command = [sys.executable, "-m", "localcal.command", "status"]
    done = subprocess.run(
        command, cwd=tmp_path, stdout=spoken, stderr=subprocess.PIPE, check=False, text=True
    )
    os.close(spoken)
    assert (done.returncode, done.stderr) == (141, "")


def test_an_interrupted_command_shows_no_traceback(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("localcal.status.watch.say", interrupted)
    assert main(["status"]) == 130
