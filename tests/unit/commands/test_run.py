"""A run gets a name once, says it first and last, and hands everything else on."""

import re
from pathlib import Path

import pytest

from localcal.command import main
from localcal.commands import run as running
from localcal.run.identity import Checkout
from localcal.run.launch import Ended

COMMIT = "a1b2c3d4" + 32 * "0"


@pytest.fixture(autouse=True)
def started(tmp_path, monkeypatch):
    """Return what Snakemake and the detached command are told, in a folder with one run."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SNAKEMAKE_PROFILE", raising=False)
    Path("runs/demo").mkdir(parents=True)
    Path("runs/demo/.lock").write_text("")
    told = []

    def snakemake(arguments):
        told.append(list(arguments))
        return 3 if "fail" in arguments else 0

    def detach(run_id, arguments):
        told.append([run_id, *arguments])
        return (
            Ended(3, f"run {run_id}\nerror: no\nrun {run_id}: x\n") if "fail" in arguments else None
        )

    monkeypatch.setattr(running, "snakemake", snakemake)
    monkeypatch.setattr(running, "snakemake_of", lambda run_id: run_id)
    monkeypatch.setattr(running, "detach", detach)
    monkeypatch.setattr(running, "read_checkout", lambda: Checkout(COMMIT, True, "main"))
    monkeypatch.setattr(running, "version_of", lambda: "1.57.0")
    return told


def test_a_run_without_a_name_gets_one_and_says_it_first_and_last(started, capsys):
    options = ["--profile", "modal", "-n", "x.h5", "--resources", "mem_mb=5", "-j4"]
    assert main(["run", *options]) == 0
    first, last = capsys.readouterr().out.splitlines()
    name = first.removeprefix("run ")
    assert re.fullmatch(r"1\.57\.0_a1b2c3d4_\d{8}_\d{6}", name)
    assert last == f"run {name}: Snakemake ended with status 0"
    assert started == [[*options, "--config", f"run_id={name}"]]


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("--config seed=1 run_id=demo -n", "--config seed=1 run_id=demo -n"),
        ("--resume demo -n", "-n --config run_id=demo"),
        ("-n --resume=demo --config seed=1", "-n --config seed=1 run_id=demo"),
        ("--resume demo --config run_id=demo", "--config run_id=demo"),
        ("--resume demo -n -- runs/demo/x", "-n --config run_id=demo -- runs/demo/x"),
        ("--config run_id=demo -- --resume", "--config run_id=demo -- --resume"),
        ("--branch main --commit a1b2c3d --resume demo", "--config run_id=demo"),
        # Not ours, although it begins like one of ours.
        ("--resume demo --com --bra --det", "--com --bra --det --config run_id=demo"),
    ],
)
def test_everything_but_our_own_is_handed_on(started, typed, told, capsys):
    assert main(["run", *typed.split()]) == 0
    assert started == [told.split()]
    assert capsys.readouterr().out.startswith("run demo\n")


def test_the_status_is_snakemake_s_and_a_run_that_began_can_go_on(started, capsys):
    assert main(["run", "fail", "--resume", "demo"]) == 3
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("run demo: Snakemake ended with status 3; `localcal run --resume demo`")
    assert main(["run", "fail", "--config", "run_id=new"]) == 3
    assert capsys.readouterr().out.splitlines()[-1] == "run new: Snakemake ended with status 3"


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("--resume dem", r"runs/dem: no such run.*demo.*; name one that is there"),
        ("--resume ../demo", "is no run id"),
        ("--config run_id=a/b", "is no run id"),
        ("--resume demo --config run_id=new", "--resume: demo is not new"),
        ("--branch dev", "is on branch main, not on dev"),
        ("--commit 0000000", "is at commit a1b2c3d40000, not 0000000"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_starts(started, typed, said, capsys):
    assert main(["run", *typed.split()]) == 1
    captured = capsys.readouterr()
    assert re.search(said, captured.err)
    assert captured.out == ""
    assert started == []


def test_the_run_that_a_profile_names_is_the_run(started, capsys):
    Path("mine").mkdir()
    Path("mine/config.yaml").write_text("config: [run_id=demo, seed=1]\n")
    assert main(["run", "--profile", "mine"]) == 0
    assert capsys.readouterr().out.startswith("run demo\n")
    # Nor is a run that is not there begun because of a profile.
    assert main(["run", "--profile", "mine", "--resume", "other"]) == 1
    Path("runs/other").mkdir()
    assert main(["run", "--profile", "mine", "--resume", "other"]) == 0
    added = ["--config", "seed=1", "run_id=other"]
    assert started == [["--profile", "mine"], ["--profile", "mine", *added]]


def test_of_a_run_in_a_storage_snakemake_knows(started, monkeypatch):
    assert main(["run", "--profile", "modal", "--resume", "other"]) == 0
    monkeypatch.setenv("SNAKEMAKE_PROFILE", "modal")
    assert main(["run", "--resume", "other"]) == 0
    assert [told[-1] for told in started] == ["run_id=other"] * 2


def test_a_detached_run_says_how_to_follow_end_and_resume_it(started, capsys):
    assert main(["run", "--detach", "--cores", "2", "--config", "run_id=new"]) == 0
    assert started == [["new", "run", "--cores", "2", "--config", "run_id=new"]]
    lines = capsys.readouterr().out.splitlines()
    assert (lines[0], lines[-1][:9]) == ("run new", "run new: ")
    for words in (
        "runs/new/logs/coordinator.log",
        "status new --watch",
        "stop new",
        "--resume new",
    ):
        assert sum(words in line for line in lines) == 1


def test_a_detached_run_that_ends_at_once_says_what_it_said(started, capsys):
    assert main(["run", "--detach", "fail", "--config", "run_id=new"]) == 3
    assert capsys.readouterr().out == "run new\nerror: no\nrun new: x\n"


def test_commands_that_hand_nothing_on_refuse_what_they_do_not_know(capsys):
    with pytest.raises(SystemExit) as end:
        main(["verify", "runs/demo", "--cores", "2"])
    assert end.value.code == 2
    assert "unrecognized arguments: --cores 2" in capsys.readouterr().err
