"""A process that has the model, for one experiment alone, and what work takes in it.

It is the warm machinery of the jobs (`localcal.engine.client`) with a folder for sockets of its
own: so no run's process is used or ended by it, and one that is cold is cold.
"""

import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Self

import psutil

from localcal.engine.client import LAST_RESORT, run_with_engine
from localcal.experiments.refusal import Refused
from localcal.experiments.settings import COLD, Setting
from localcal.experiments.work import Done, Piece
from localcal.files.origins import compared
from localcal.jobs.job import KEEPER_VARIABLE
from localcal.jobs.usage import throttled_seconds

SOCKETS_VARIABLE = "XDG_RUNTIME_DIR"
PREFIX = "lcx-"
SECONDS_TO_END = 60.0
OTHER = (
    "the process that has the model is another one than before: code, packages or environment "
    "changed while it was measured, or it was killed; measure again"
)


@dataclass(frozen=True)
class Taken:
    """What an arm took once.

    Attributes:
        wall_seconds: from asking for the work to having the last of it, loading the model included
            where that is not there.
        cpu_seconds: of the processes that worked, and of the one that has the model, which is
            loading it where that is not there.
        peak_mb: the most memory of each worker, added up, the loaded model once; 10^6 bytes.
        phases: seconds by phase (`localcal.timing`), of all workers.
        throttled_seconds: for which the control group was kept from the processor; None where the
            system does not say.
        load: the machine's average over the minute before.
    """

    wall_seconds: float
    cpu_seconds: float
    peak_mb: float
    phases: Mapping[str, float]
    throttled_seconds: float | None
    load: float


class Bench:
    """Does arms' work; to be used in a `with`, at whose end no process is left.

    Args:
        engine: the model as `module:Class`.
        calculated: the variables for which the model gets ready when it is loaded.
        digests: of the files that are read, by path.
    """

    def __init__(self, engine: str, calculated: Sequence[str], digests: Mapping[str, str]) -> None:
        self._engine = engine
        self._calculated = calculated
        self._digests = digests
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._folder = self._stack.enter_context(_own_sockets())
        self._stack.callback(self._end)
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def version(self) -> str:
        """Load the model; return its version.

        Raises:
            InputError: it cannot be loaded.
        """
        found = self._ask("localcal.load_model:version")
        assert isinstance(found, str)
        return found

    def take(self, setting: Setting, pieces: Sequence[Piece]) -> Taken:
        """Do an arm's work once and return what that took.

        Args:
            setting: how; where it is warm, the model has to be loaded (`version`).
            pieces: its chunks.

        Raises:
            Refused: the process that has the model is not the one that it should be.
            InputError: the work cannot be done.
            MemoryError: it ran out of memory.
        """
        if setting.process == COLD:
            with Bench(self._engine, self._calculated, self._digests) as another:
                return another._take(setting, pieces)
        return self._take(setting, pieces)

    def _take(self, setting: Setting, pieces: Sequence[Piece]) -> Taken:
        load, throttled = os.getloadavg()[0], throttled_seconds()
        before = {process.pid: _cpu_seconds(process) for process in self._servers()}
        start = time.monotonic()
        with ThreadPoolExecutor(setting.workers) as pool:
            done = list(pool.map(self._do, pieces))
        wall = time.monotonic() - start
        server = self._one_server(done)
        if (server.pid not in before) != (setting.process == COLD):
            raise Refused([OTHER])
        throttled_after = throttled_seconds()
        return Taken(
            wall_seconds=wall,
            cpu_seconds=_cpu_seconds(server)
            - before.get(server.pid, 0.0)
            + sum(one.cpu_seconds for one in done),
            peak_mb=_together(done, setting.workers, server.memory_info().rss / 1e6),
            phases=_added(done),
            throttled_seconds=None
            if throttled is None or throttled_after is None
            else throttled_after - throttled,
            load=load,
        )

    def _do(self, piece: Piece) -> Done:
        found = self._ask("localcal.experiments.work:do", piece=piece)
        assert isinstance(found, Done)
        return found

    def _servers(self) -> list[psutil.Process]:
        """Return the processes of this bench that have the model; one, or none yet."""
        return [one for one in psutil.Process().children() if self._folder in _command(one)]

    def _one_server(self, done: Sequence[Done]) -> psutil.Process:
        """Return the process that had the model for all of some work."""
        found = self._servers()
        if len(found) != 1 or {one.server for one in done} != {found[0].pid}:
            raise Refused([OTHER])
        return found[0]

    def _ask(self, function: str, piece: Piece | None = None) -> object:
        given = {} if piece is None else {"piece": piece}
        # In each thread, of which none knows what another has been told.
        with compared(self._digests):
            return run_with_engine(
                self._engine, function, calculated=self._calculated, limit_mb=None, **given
            )

    def _end(self) -> None:
        for server in self._servers():
            server.terminate()
            server.wait(SECONDS_TO_END)


@contextmanager
def _own_sockets() -> Iterator[str]:
    """Have processes with the model be started in a folder of their own, and live with this one."""
    folder = tempfile.mkdtemp(prefix=PREFIX, dir=LAST_RESORT)
    before = {name: os.environ.get(name) for name in (SOCKETS_VARIABLE, KEEPER_VARIABLE)}
    os.environ.update({SOCKETS_VARIABLE: folder, KEEPER_VARIABLE: str(os.getpid())})
    try:
        yield folder
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
        shutil.rmtree(folder)


def _command(process: psutil.Process) -> str:
    """Return what a process was called with; nothing where it has ended."""
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:  # also one that nobody has buried yet
        return ""


def _cpu_seconds(process: psutil.Process) -> float:
    """Return what a process used so far, its children not counted."""
    used = process.cpu_times()
    return float(used.user + used.system)


def _together(done: Sequence[Done], workers: int, model_mb: float) -> float:
    """Return the memory of workers as if all had been largest at the same time."""
    largest = sorted((one.peak_mb for one in done), reverse=True)[:workers]
    # Of what a worker has, at most all of the model is shared with the others.
    shared = min(model_mb, largest[-1])
    return shared + sum(peak - shared for peak in largest)


def _added(done: Sequence[Done]) -> dict[str, float]:
    names = sorted({name for one in done for name in one.phases})
    return {name: sum(one.phases.get(name, 0.0) for one in done) for name in names}
