"""The tutorial, typed from top to bottom in a fresh checkout, with the model: some ten minutes."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests import site
from tests.record import record, screen

PAGE = "tutorial.md"
# Of these, what the page shows is the same in every default run.
SAME = ("python", "localcal verify")


def between() -> list[list[str]]:
    """Texts of the page that are not directly below what shows them: of a run at work."""
    shown = [lines for found, lines in site.shown() if found.page == PAGE]
    fences = site.FENCE.finditer(site.pages()[PAGE])
    texts = [found[3].splitlines() for found in fences if found[2] == "text"]
    texts = [[line for line in lines if line.strip()] for lines in texts]
    return [lines for lines in texts if lines not in shown]


def test_all_that_the_tutorial_shows_can_be_seen_somewhere():
    (lines,) = between()
    assert len(lines) > 3 and len([one for one, _ in site.shown() if one.page == PAGE]) > 5


@pytest.mark.slow
def test_the_tutorial_shows_what_there_is_to_see(checkout, tmp_path, monkeypatch):
    folder = checkout.folder
    monkeypatch.chdir(folder)
    for name, text in checkout.environment.items():
        monkeypatch.setenv(name, text)
    # The environment that runs the tests is the one that `make run` would make.
    (folder / ".venv").symlink_to(sys.prefix)
    shown = {found.words: lines for found, lines in site.shown() if found.page == PAGE}
    typed = [found.words for found in site.commands() if found.page == PAGE]
    assert typed[0] == ("make", "run") and set(shown) <= set(typed)

    cast = tmp_path / "run.cast"
    assert record(cast, ["make", "run", "--old-file", ".venv/installed"]) == 0
    seen = {typed[0]: "\n".join(screen(cast))}
    events = [json.loads(line) for line in cast.read_text().splitlines()[1:]]
    drawn = re.sub(r"\x1b\[\d*[A-Z]", "", "".join(text for _, _, text in events))
    for words in typed[1:]:
        line = f"source .venv/bin/activate && {shlex.join(words)}"
        done = subprocess.run(
            ["bash", "-c", line],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=3600,
            check=False,
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}"
        seen[words] = done.stdout

    for words, lines in shown.items():
        assert site.unlike(lines, seen[words]) == [], words
        if " ".join(words).startswith(SAME):
            there = seen[words].splitlines()
            assert [line for line in lines if line not in (*there, "...")] == [], words
    # And what the page shows of the time between.
    for lines in between():
        assert [line for line in lines if site.unlike([line], drawn)] == []
    assert Path("runs/demo/report/index.html").exists() and Path("runs/seed_1").is_dir()
