"""The commands of the documentation's site, run: with the stand-in model, or with -n."""

import io
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from localcal import command
from tests import site
from tests.held import How, held, in_small_run
from tests.workflow.conftest import Checkout

RUN = "runs/small"
SHOWN = {found.words: lines for found, lines in site.shown()}
# What may be typed once for several pages.
DONE: dict[tuple[str, ...], str] = {}
AUTHOR = ("-c", "user.name=a", "-c", "user.email=a@b")


def those(how: How) -> list[tuple[str, ...]]:
    return list(dict.fromkeys(found.words for found in site.commands() if held(found).how == how))


@pytest.fixture(scope="module")
def run(finished, tmp_path_factory) -> Checkout:
    """The small run, another beside it, and an environment, all in a repository."""
    checkout = finished.copy(tmp_path_factory.mktemp("documentation") / "checkout")
    shutil.copytree(checkout.folder / RUN, checkout.folder / "runs/another")
    for words in (["init", "-qb", "main"], ["add", "."], [*AUTHOR, "commit", "-qm", "all"]):
        subprocess.run(["git", *words], cwd=checkout.folder, check=True)
    subprocess.run(
        [sys.executable, "-m", "venv", "--without-pip", ".venv"], cwd=checkout.folder, check=True
    )
    return checkout


@pytest.mark.parametrize("words", those(How.RUN), ids=" ".join)
def test_what_a_page_tells_to_type_does_it(words, run, monkeypatch):
    how = held(site.Command("", words))
    monkeypatch.chdir(run.folder)
    told = (*in_small_run(words), *how.more)
    if told not in DONE:
        gone = {run.folder / RUN / file: b"" for file in how.gone}
        for path in gone:
            gone[path] = path.read_bytes()
            path.unlink()
        status, said = typed(told, run, monkeypatch)
        assert status == 0, said
        for path, content in gone.items():
            assert path.read_bytes() == content
        DONE[told] = said
    shows = [] if how.own else SHOWN.get(words, [])
    assert site.unlike(map(small, shows), DONE[told]) == []


def small(line: str) -> str:
    """What a page shows of its run, of the small one."""
    return re.sub(r"\bdemo\b", "small", line)


def typed(words: tuple[str, ...], run: Checkout, monkeypatch) -> tuple[int, str]:
    """Run a command and return its exit status and what it says."""
    program, *told = words
    if program == "snakemake":
        done = run.snakemake(*told)
        return done.returncode, done.stdout
    if program == "localcal" and told[0] != "run":
        return localcal(told, monkeypatch)
    if "|" in words:
        pattern, _, _, *told = told
        logs = "".join(path.read_text() for path in sorted(Path().glob(pattern)))
        return localcal(told, monkeypatch, logs)
    if program == "source":
        words = ("bash", "-c", f"source {told[0]} && test $VIRTUAL_ENV -ef .venv")
    elif program == "localcal":
        head = subprocess.check_output(["git", "rev-parse", "HEAD"], text=True).strip()
        words = (sys.executable, "-m", "localcal.command", *told)
        words = tuple(head if word == "SHA" else word for word in words)
    elif program == "python3.12":
        # pip would take seconds, and is not what is typed here.
        words = (sys.executable, *told, "--without-pip")
    else:
        assert program == "python"
        words = (sys.executable, *told)
    done = subprocess.run(
        words,
        env=run.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )
    return done.returncode, done.stdout


def localcal(told: list[str], monkeypatch, given: str = "") -> tuple[int, str]:
    """Run it in this process, which has imported what it needs."""
    output = io.StringIO()
    with monkeypatch.context() as patched:
        patched.setattr(sys, "stdin", io.StringIO(given))
        patched.setattr(sys, "stdout", output)
        patched.setattr(sys, "stderr", output)
        return command.main(told), output.getvalue()


def test_what_the_commands_above_have_written_is_what_was_there(run):
    changed = subprocess.check_output(
        ["git", "status", "--porcelain", "--untracked-files=no"], cwd=run.folder, text=True
    )
    assert changed == ""


@pytest.mark.parametrize("words", those(How.DRY), ids=" ".join)
def test_snakemake_would_do_what_a_page_tells_to_type(words, sources):
    result = sources.snakemake("-n", *words[1:])
    assert result.returncode == 0 and "Job stats:" in result.stdout, result.stdout
    for file in words:
        assert not file.startswith("runs/") or f"output: {file}" in result.stdout
