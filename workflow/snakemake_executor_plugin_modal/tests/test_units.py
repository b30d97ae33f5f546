"""Parts of the executor that need no emulator."""

import asyncio
import json
import logging
import subprocess
import sys

import modal.exception
import pytest

from snakemake_executor_plugin_modal import api, batches, jobs, records
from snakemake_executor_plugin_modal.classes import Class, Needs, choose, parse_classes
from snakemake_executor_plugin_modal.deployment import digest_of, not_code
from snakemake_executor_plugin_modal.errors import ModalPluginError


def test_classes_come_smallest_first_with_the_bound_that_they_were_given():
    assert parse_classes(["16000x4:4", "16000@T4:1", "2000", "4000"]) == [
        Class(2000),
        Class(4000),
        Class(16000, 4, containers=4),
        Class(16000, gpu="T4", containers=1),
    ]


@pytest.mark.parametrize(
    ("texts", "says"),
    [
        (["much"], "not of the form"),
        (["400000"], "outside of what Modal sells"),
        (["1000x65"], "outside of what Modal sells"),
        (["1000:2", "1000:3"], "twice"),
    ],
)
def test_wrong_classes_are_refused(texts, says):
    with pytest.raises(ModalPluginError, match=says):
        parse_classes(texts)


def test_a_job_goes_to_the_smallest_class_that_has_what_it_needs():
    classes = parse_classes(["2000", "8000x4", "16000@A10G"])
    assert choose(classes, Needs(None, 1)).memory_mb == 2000
    assert choose(classes, Needs(2001, 1)).memory_mb == 8000
    assert choose(classes, Needs(100, 2)).cpus == 4
    assert choose(classes, Needs(100, 1, gpus=1)).gpu == "A10G"


@pytest.mark.parametrize(
    ("needs", "says"),
    [
        (Needs(9000, 1), "no class of containers"),
        (Needs(100, 8), "no class of containers"),
        (Needs(100, 1, gpus=1, gpu_model="H100"), "no class of containers"),
        (Needs(100, 1, gpus=2), "one is the most"),
        (Needs(400_000, 1), "Modal sells at most"),
        (Needs(100, 65), "Modal sells at most"),
        (Needs(100, 1, seconds=25 * 3600), "Modal sells at most"),
    ],
)
def test_a_job_that_fits_nowhere_is_refused(needs, says):
    with pytest.raises(ModalPluginError, match=says):
        choose([Class(8000, 4), Class(8000, 1, "A10G")], needs)


def test_the_hard_limit_leaves_room_for_the_guard():
    assert Class(1000).hard_limit_mb == 2024
    assert Class(20000).hard_limit_mb == 22000


def test_a_shell_line_becomes_commands():
    line = "python -m snakemake --deploy-sources a b && python -m snakemake --config 'x=a && b' && "
    assert jobs.commands(line) == [
        ["python", "-m", "snakemake", "--deploy-sources", "a", "b"],
        ["python", "-m", "snakemake", "--config", "x=a && b"],
    ]


def test_patience_counts_errors_and_forgets_them_after_an_answer(monkeypatch):
    monkeypatch.setattr(api, "PAUSES", (0,))
    patience = api.Patience(60, logging.getLogger("test"))
    left = 3

    async def call():
        nonlocal left
        left -= 1
        if left >= 0:
            raise modal.exception.ServiceError("not now")
        return "answer"

    assert asyncio.run(patience.ask(call, "a question")) == "answer"
    assert patience.errors == 0


def test_patience_ends(monkeypatch):
    monkeypatch.setattr(api, "PAUSES", (0.01,))
    patience = api.Patience(0.05, logging.getLogger("test"))

    async def call():
        raise modal.exception.ConnectionError("no network")

    with pytest.raises(ModalPluginError, match=r"has not answered for .* a question: no network"):
        asyncio.run(patience.ask(call, "a question"))


def test_other_errors_are_not_waited_for():
    patience = api.Patience(60, logging.getLogger("test"))

    async def call():
        raise modal.exception.NotFoundError("gone")

    with pytest.raises(modal.exception.NotFoundError):
        asyncio.run(patience.ask(call, "a question"))


def test_a_refused_token_is_said_at_once():
    patience = api.Patience(60, logging.getLogger("test"))

    async def call():
        raise modal.exception.AuthError("bad token")

    with pytest.raises(ModalPluginError, match="refused the token"):
        asyncio.run(patience.ask(call, "a question"))


@pytest.mark.parametrize(
    ("change", "dead"),
    [
        ({"pid": 2**22 + 1}, True),
        ({"pid": 1}, False),
        ({"host": "elsewhere", "pid": 2**22 + 1}, False),
        ({"host": "elsewhere", "pid": 1, "time": 0}, True),
    ],
)
def test_a_coordinator_is_dead_if_its_process_is_gone_or_it_is_silent(change, dead):
    record = json.loads(records.Record(None, [], None)._text()) | change
    assert records.is_dead(record) == dead


def test_importing_the_plugin_does_not_import_modal():
    code = "import sys, snakemake_executor_plugin_modal; assert 'modal' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_sizes_of_batches_are_read_and_other_forms_refused():
    assert batches.parse_sizes(["part=3", "other=1"]) == {"part": 3, "other": 1}
    for text in ("part", "part=", "=3", "part=0", "part=many"):
        with pytest.raises(ModalPluginError, match="not of the form RULE=JOBS"):
            batches.parse_sizes([text])


def test_commands_that_differ_only_in_their_target_become_one():
    def one(target, *more):
        last = ["snakemake", "--target-jobs", target, "--cores", "1", *more]
        return [["snakemake", "--deploy-sources"], last]

    assert batches.merged([one("part:i=0"), one("part:i=1")]) == [
        ["snakemake", "--deploy-sources"],
        *[["snakemake", "--target-jobs", "part:i=0", "part:i=1", "--cores", "1", "--keep-going"]],
    ]
    assert batches.merged([one("part:i=0"), one("part:i=1", "--unneeded-temp-files", "t")]) is None


def test_a_job_is_done_if_all_its_files_and_folders_came():
    stored = [["out/0.txt", 2, 1], ["out/folder/a", 2, 1]]
    assert batches.made(["out/0.txt", "out/folder"], stored)
    assert not batches.made(["out/0.txt", "out/0"], stored)


def test_what_lies_beside_the_code_of_a_project_is_no_other_code(tmp_path):
    """A new text or test deploys nothing anew; in a container, without them, it is the same."""
    code = {"__init__.py": "one = 1", "part/tests.py": "", "part/docs/a.py": ""}
    beside = {"pyproject.toml": "", "README.md": "", "docs/intro.md": "", "tests/test_a.py": ""}
    for name, text in code.items():
        write(tmp_path / "there" / name, text)
        write(tmp_path / "here" / name, text)
    for name, text in beside.items():
        write(tmp_path / "here" / name, text)
    assert digest_of(tmp_path / "here") == digest_of(tmp_path / "there")
    assert set(not_code(tmp_path / "here")) >= {"docs", "tests"} and not not_code(
        tmp_path / "there"
    )
    # Where a folder is no project, all that is in it counts.
    for name, changed in (("here/part/docs/a.py", True), ("here/tests/test_a.py", False)):
        before = digest_of(tmp_path / "here")
        write(tmp_path / name, "two = 2")
        assert (digest_of(tmp_path / "here") != before) == changed
    before = digest_of(tmp_path / "there")
    write(tmp_path / "there/docs/a.txt", "")
    assert digest_of(tmp_path / "there") != before


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
