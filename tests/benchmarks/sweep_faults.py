"""What a sweep loses when something breaks, fault by fault.

    python tests/benchmarks/sweep_faults.py [--json]

A sweep of ten parameter sets in five batches, over the file of one state of a small run, with the
stand-in engine. Each fault strikes once, in a process of its own, which a kill (-9) really ends;
then the same steps are taken again without it. Every row says:

- what the first try ended with;
- `made`: simulations under a reform that the first try began (and those without one, for what all
  share); `kept`: sets whose results it left; `anew`: simulations under a reform that the second
  try began;
- whether files that were whole after the first try kept their bytes in the second, and whether the
  tables that were collected in the end have the bytes of a sweep to which nothing happened.

Mark: `kept` and `anew` are ten together, but where the user's own outcome is another in the second
try, so that all ten are asked again. That the model cannot calculate a set is a result, too.
"""

import errno
import itertools
import multiprocessing
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from common import parser, report, temporary_folder

from localcal.errors import InputError
from localcal.files import parquet
from localcal.files.atomic import atomic_path
from localcal.sweeps import batch as batches
from localcal.sweeps import collect, simulate
from localcal.sweeps.cells import Store
from tests.areas_case import make_run
from tests.sweep_case import Case, Watched, unusable

# A process of its own each, which begins with what is imported here.
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["tests.sweep_case"])

OUTCOME = """
from localcal.sweeps.context import Row
from localcal.sweeps.outcomes import requires

@requires("snap")
def shaky(context):
    total, base = (context.total(values, "snap") for values in context.sides)
    if total > 1.5 * base:
        {what}
    yield Row("", total, base)
"""


class Counting(Watched):
    """Notes every simulation in a file, which outlives the process."""

    def __init__(self, notes: Path) -> None:
        super().__init__()
        self.notes = notes

    def simulate(self, population, common=None, units=None):
        value = next((change.value for change in self.changes), None)
        with self.notes.open("a") as file:
            file.write("shared\n" if value is None else f"{value}\n")
        return super().simulate(population, common, units)

    def noted(self) -> tuple[int, int]:
        """Return how many simulations there were under a reform, and without one."""
        lines = self.notes.read_text().split() if self.notes.exists() else []
        self.notes.unlink(missing_ok=True)
        shared = lines.count("shared")
        return len(lines) - shared, shared


class Fault(NamedTuple):
    """Something that breaks.

    Attributes:
        name: what it is.
        strike: has it happen, given a sweep and what patches modules.
        outcome: what an outcome of the user's own does for some sets until it is corrected.
        tolerated: how many sets may fail.
        lasts: whether it strikes in every try, also in the sweep to which nothing else happened.
    """

    name: str
    strike: Callable[[Case, pytest.MonkeyPatch], None] = lambda case, patch: None
    outcome: str = ""
    tolerated: int = 0
    lasts: bool = False


def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def full() -> None:
    raise InputError(str(OSError(errno.ENOSPC, "No space left on device")))


def raise_from(value: float, error: BaseException) -> Callable:
    """Have the simulation under a value raise."""

    def strike(case: Case, patch: pytest.MonkeyPatch) -> None:
        case.engine.broken_at = {value: error}

    return strike


def at_call(owner: object, name: str, number: int, what: Callable[[], None]) -> Callable:
    """Have something happen at the so many-th call of a function."""

    def strike(case: Case, patch: pytest.MonkeyPatch) -> None:
        original, calls = getattr(owner, name), itertools.count(1)

        def struck(*arguments):
            if next(calls) == number:
                what()
            return original(*arguments)

        patch.setattr(owner, name, struck)

    return strike


def within(part: str, number: int, what: Callable[[], None]) -> Callable:
    """Have something happen while the so many-th file of a folder is being written."""

    def strike(case: Case, patch: pytest.MonkeyPatch) -> None:
        calls = itertools.count(1)

        def struck(path, suffix=".part"):
            if part in str(path) and next(calls) == number:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.with_name(path.name + suffix).write_bytes(b"half of it")
                what()
            return atomic_path(path, suffix)

        patch.setattr(parquet, "atomic_path", struck)

    return strike


FAULTS = [
    Fault("batch 3 of 5 raises", raise_from(6000, ZeroDivisionError("nobody thought of it"))),
    Fault("killed: reading files", at_call(simulate, "set_up", 3, kill)),
    Fault("killed: simulating what is shared", at_call(simulate._Stand, "_unreached", 3, kill)),
    Fault("killed: simulating", at_call(simulate, "simulated", 6, kill)),
    Fault("killed: evaluating", at_call(simulate, "evaluate", 11, kill)),
    Fault("killed: writing a set", within("/sets/", 6, kill)),
    Fault("killed: between two sets", at_call(simulate, "add_stats", 6, kill)),
    Fault("killed: reading sets for a table", at_call(Store, "read", 5, kill)),
    Fault("killed: writing a batch's table", within("/batches/", 3, kill)),
    Fault("killed: planning", at_call(batches, "write_plan", 1, kill)),
    Fault("killed: collecting", within("/outcomes/", 2, kill)),
    Fault("killed: counting up", at_call(collect, "write_json", 1, kill)),
    Fault("a set never fits", raise_from(7000, MemoryError("killed (SIGKILL, -9)")), tolerated=1),
    Fault("an outcome is NaN", outcome="total = float('nan')", tolerated=10),
    Fault("an outcome raises", outcome="raise KeyError('no')", tolerated=10),
    Fault("the first set fails", raise_from(1000, unusable()), tolerated=1, lasts=True),
    Fault("disk full: a set", within("/sets/", 6, full)),
    Fault("disk full: a batch's table", within("/batches/", 3, full)),
    Fault("disk full: a collected table", within("/outcomes/", 1, full)),
]


def made_case(run: dict[str, Path], folder: Path, fault: Fault, patch: pytest.MonkeyPatch) -> Case:
    """Return the sweep in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    case = Case(run, folder, patch, batch_size=2, tolerate_failed_sets=fault.tolerated)
    case.engine = Counting(folder / "notes")
    if fault.outcome:
        case.settings["outcomes"] = ("cost", "own.py:shaky")
    return case


def attempt(run: dict[str, Path], folder: Path, number: int, strikes: bool) -> None:
    """Make the whole sweep, with a fault or without it, and write what it ended with."""
    fault = FAULTS[number]
    os.chdir(folder)
    with pytest.MonkeyPatch.context() as patch:
        case = made_case(run, folder, fault, patch)
        what = fault.outcome if strikes else "pass"
        (folder / "own.py").write_text(OUTCOME.format(what=what or "pass"))
        case.files("AL")
        try:
            if strikes:
                fault.strike(case, patch)
            text = case.all()["status"]
        except Exception as error:  # noqa: BLE001 - what a fault ends with is what is told
            text = f"{type(error).__name__}: {error}".replace(f"{folder}/", "")
    (folder / "said").write_text(text[:50])


def attempted(run: dict[str, Path], folder: Path, number: int, strikes: bool) -> str:
    """Do that in a process of its own; return what it ended with."""
    said = folder / "said"
    said.unlink(missing_ok=True)
    process = FORKS.Process(target=attempt, args=(run, folder, number, strikes))
    process.start()
    process.join()
    return said.read_text() if process.exitcode == 0 else f"exit {process.exitcode}"


def finished_files(case: Case) -> dict[Path, bytes]:
    """Return what is finished: sets and tables of batches."""
    found = [*case.finished(), *(path for path in case.batch_paths if path.exists())]
    return {path: path.read_bytes() for path in found}


def suffer(run: dict[str, Path], folder: Path, number: int) -> dict[str, object]:
    """Let a fault strike a sweep, go on without it, and return what was seen."""
    fault = FAULTS[number]
    with pytest.MonkeyPatch.context() as patch:
        struck, clean = (
            made_case(run, folder / name, fault, patch) for name in ("struck", "clean")
        )
        first = attempted(run, struck.folder, number, strikes=True)
        before, kept = finished_files(struck), len(struck.finished())
        made, shared = struck.engine.noted()
        second = attempted(run, struck.folder, number, strikes=fault.lasts)
        anew, _ = struck.engine.noted()
        undisturbed = attempted(run, clean.folder, number, strikes=fault.lasts)
        now = finished_files(struck)
        # A table of failures is made again; what was finished without one is not.
        unchanged = {path for path in before if fault.tolerated == 0 or path in struck.finished()}
        return {
            "first": first,
            "made": made,
            "shared": shared,
            "kept": kept,
            "anew": anew,
            "unchanged": all(now[path] == before[path] for path in unchanged),
            "same": (second, struck.views()) == (undisturbed, clean.views()),
        }


def main() -> None:
    given = parser(__doc__).parse_args()
    figures: dict[str, object] = {}
    rows = []
    with temporary_folder() as folder:
        run = make_run(folder)
        for number, fault in enumerate(FAULTS):
            found = suffer(run, folder / str(number), number)
            figures |= {f"{fault.name}: {name}": value for name, value in found.items()}
            made = f"{found['made']} ({found['shared']})"
            counts = [made, *(str(found[name]) for name in ("kept", "anew"))]
            marks = ["yes" if found[name] else "NO" for name in ("unchanged", "same")]
            rows.append([fault.name, found["first"], *counts, *marks])
    titles = ["fault", "first try ends with", "made (shared)", "kept", "anew"]
    titles += ["finished unchanged", "tables as if nothing"]
    report(given.json, figures, titles, rows, ["ten sets in five batches, one state"])


if __name__ == "__main__":
    main()
