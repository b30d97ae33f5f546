"""Saying what became of runs, once or until they have ended."""

import shutil
import sys
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from localcal.errors import InputError, near
from localcal.status.folder import LocalRuns, Runs
from localcal.status.look import ACTIVE, COMPLETED, QUIET_SECONDS, STALLED, Looker, RunStatus
from localcal.status.receipts import STAGED
from localcal.status.show import as_json, as_line, as_page, as_table
from localcal.status.tables import LocalTables
from localcal.status.volume import runs_at

# Seconds between two looks. A file that grows by a line with each of them is to stay readable.
ON_TERMINAL, IN_FILE = 5.0, 60.0


@dataclass(frozen=True)
class Question:
    """What somebody wants to know.

    Attributes:
        folder: the folder of runs.
        run: the one to say everything about, perhaps with its folder; None for all of them.
        states: only runs in one of these; in any where there is none.
        promoted: only runs of which a release was made.
        json: whether to answer in JSON.
    """

    folder: str
    run: str | None = None
    states: frozenset[str] = frozenset()
    promoted: bool = False
    json: bool = False


class Answers:
    """Answers a question, as often as one likes.

    Args:
        question: what somebody wants to know.

    Raises:
        InputError: there is no such folder, or no such run in it.
    """

    def __init__(self, question: Question) -> None:
        self._question = question
        self._name: str | None = None
        if question.run is None:
            self._runs = runs_at(question.folder)
        else:
            self._runs, self._name = find_run(question.folder, question.run)
        is_here = isinstance(self._runs, LocalRuns)
        # Runs that are elsewhere were started from a checkout like the one here.
        here = Path(question.folder).resolve().parent if is_here else Path.cwd()
        tables = LocalTables(here)
        self._looker = Looker(self._runs, tables, QUIET_SECONDS)

    def now(self, watched: Collection[str] = ()) -> list[RunStatus]:
        """Return the runs as they are now; those that were watched whatever is asked for."""
        return list(self._now(watched))

    def _now(self, watched: Collection[str]) -> Iterator[RunStatus]:
        if self._name is not None:
            yield self._looker.look(self._name, time.time(), with_logs=True)
            return
        for name in self._runs.names():
            found = self._looker.look(name, time.time(), with_logs=False)
            if name in watched or self._is_wanted(found):
                yield found

    def _is_wanted(self, found: RunStatus) -> bool:
        states = self._question.states
        if states and found.state not in states:
            return False
        released = found.release is not None and found.release.state != STAGED
        return released or not self._question.promoted

    def text(self, found: list[RunStatus]) -> str:
        """Return an answer as text."""
        if self._question.json:
            return as_json(found)
        now = time.time()
        return f"{as_table(found, now) if self._name is None else as_page(found[0], now)}\n"

    def goes_on(self, found: RunStatus) -> bool:
        """Say whether there is more to come of a run: also of one that is quiet but held."""
        is_quiet = found.state == STALLED and bool(self._runs.is_held(found.run))
        return found.state == ACTIVE or is_quiet


def find_run(folder: str, run: str) -> tuple[Runs, str]:
    """Return a folder of runs, and the name of a run in it.

    Args:
        folder: the folder of runs, here or elsewhere.
        run: the run, perhaps with its folder.

    Raises:
        InputError: there is no such folder, or no such run in it.
    """
    runs = runs_at(folder)
    if isinstance(runs, LocalRuns):
        _refuse_elsewhere(run, folder)
    name = Path(run).name
    names = runs.names()
    if name not in names:
        raise InputError(f"{runs.name}/{name}: no such run{near(name, names)}")
    return runs, name


def _refuse_elsewhere(run: str, folder: str) -> None:
    """Refuse a run of another folder, whose namesake here would be told of instead."""
    parent = Path(run).parent
    if parent != Path() and parent.resolve() != Path(folder).resolve():
        raise InputError(f"{run}: does not lie in {folder}; add --runs {parent}")


def say(question: Question) -> None:
    """Answer a question once.

    Raises:
        InputError: it is about what is not there.
    """
    answers = Answers(question)
    sys.stdout.write(answers.text(answers.now()))


def watch(question: Question, every: float | None) -> bool:
    """Answer a question until nothing goes on any more; return whether all ended well.

    On a terminal an answer is written over the last one; else a line is written whenever a run has
    something new to say.

    Args:
        question: what somebody wants to know. If it is about all runs, those count that were active
            once it was asked.
        every: seconds between two looks; None for the usual ones.

    Raises:
        InputError: it is about what is not there.
    """
    answers = Answers(question)
    in_place = sys.stdout.isatty() and not question.json
    every = every or (ON_TERMINAL if in_place else IN_FILE)
    watched: set[str] = set()
    last: list[str] = []
    while True:
        found = answers.now(watched)
        watched |= {one.run for one in found if one.state == ACTIVE or question.run is not None}
        if in_place:
            _write_over(answers.text(found))
        else:
            lines = [as_json(found)] if question.json else [f"{as_line(one)}\n" for one in found]
            sys.stdout.write("".join(line for line in lines if line not in last))
            sys.stdout.flush()
            last = lines
        if not any(map(answers.goes_on, found)):
            return all(one.state == COMPLETED for one in found if one.run in watched)
        time.sleep(every)


def _write_over(text: str) -> None:
    """Write over the terminal from its top left, with what it has room for."""
    size = shutil.get_terminal_size()
    lines = [line[: size.columns] for line in text.splitlines()[: size.lines - 1]]
    sys.stdout.write("\x1b[H" + "".join(f"{line}\x1b[K\n" for line in lines) + "\x1b[J")
    sys.stdout.flush()
