"""The process that has the model loaded, and the children it forks for jobs.

Loading policyengine-us takes half a minute, as long as a chunk's own work. So a server loads it
once and then forks one child per job; the child's memory is gone when its job ends. A child sends
its client the log lines, and in the end the function's result or its error. It ends when its client
is gone, and when the server is.
"""

import contextlib
import gc
import logging
import os
import resource
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Collection, Iterator
from multiprocessing.connection import Connection
from pathlib import Path

from localcal import timing
from localcal.engine.client import SECONDS_BETWEEN_LOOKS, Job, Took, keeper, named
from localcal.engine.protocol import Engine, load_engine
from localcal.engine.timed import timed
from localcal.errors import InputError, one_line
from localcal.files.limits import limit_of
from localcal.files.origins import compared
from localcal.jobs.processes import die_with_parent, is_alive


class Server:
    """Holds a loaded engine and forks a child for each job."""

    def __init__(self, path: Path, engine: str) -> None:
        self._path = path
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(64)
        self._listener.settimeout(SECONDS_BETWEEN_LOOKS)
        self._children: dict[int, Connection] = {}
        # Whoever starts a server uses it; until it said so, the starting client stands for it.
        self._coordinators = {keeper(os.getppid())}
        self._failure = ""
        with self._ending_early(), _keeping_all():
            try:
                self._engine: Engine | None = load_engine(engine)
            except InputError as error:
                self._engine, self._failure = None, str(error)
        self._warm: set[str] = set()
        self._settle()
        self._ready = time.monotonic()

    def _settle(self) -> None:
        """Have children share what is loaded; a collection in one would copy all of it."""
        gc.collect()
        gc.freeze()

    def _warm_up(self, variables: Collection[str]) -> None:
        """Fill the model's caches for variables that no job has calculated before."""
        new = set(variables) - self._warm
        if self._engine is None or not new:
            return
        self._warm |= new
        with contextlib.suppress(InputError):  # whoever asks for such a variable is told
            self._engine.warm_up(new)
        self._settle()
        self._ready = time.monotonic()

    @contextlib.contextmanager
    def _ending_early(self) -> Iterator[None]:
        """End the process in the middle of loading or warming up if nobody is left to do it for."""
        loaded = threading.Event()

        def watch() -> None:
            while not loaded.wait(SECONDS_BETWEEN_LOOKS):
                if not self._has_coordinator():
                    self._leave()
                    os._exit(1)

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            yield
        finally:
            # No thread may be left when children are forked.
            loaded.set()
            watcher.join()

    def serve(self) -> None:
        """Answer clients until the last coordinator is gone."""
        try:
            while self._is_needed():
                with contextlib.suppress(TimeoutError):
                    client, _ = self._listener.accept()
                    client.setblocking(True)
                    self._answer(Connection(client.detach()))
                self._reap()
        finally:
            self._leave()

    def _leave(self) -> None:
        # The folder stays: another client may be about to start a server in it.
        self._path.unlink(missing_ok=True)

    def _is_needed(self) -> bool:
        return bool(self._has_coordinator() or self._children)

    def _has_coordinator(self) -> bool:
        self._coordinators = {process for process in self._coordinators if is_alive(process)}
        return bool(self._coordinators)

    def _answer(self, connection: Connection) -> None:
        try:
            key, coordinator, calculated, job = connection.recv()
        except (EOFError, ConnectionError):
            connection.close()
            return
        if key != self._path.name:
            connection.close()
            return
        self._coordinators.add(coordinator)
        with self._ending_early():
            self._warm_up(calculated)
        child = os.fork()
        if child == 0:
            self._listener.close()
            for other in self._children.values():
                other.close()
            try:
                _work(connection, self._engine, self._failure, job, self._ready)
            finally:
                # Its client may be gone by now; what a server does at its end is not the child's.
                os._exit(1)
        self._children[child] = connection

    def _reap(self) -> None:
        """Bury children; say how they ended, for those that could not say so themselves."""
        for child, connection in list(self._children.items()):
            process, status = os.waitpid(child, os.WNOHANG)
            if not process:
                continue
            with contextlib.suppress(ConnectionError):  # its client has all it wants, or is gone
                connection.send(("ended", os.waitstatus_to_exitcode(status)))
            connection.close()
            del self._children[child]


@contextlib.contextmanager
def _keeping_all() -> Iterator[None]:
    """Look for no garbage where millions of objects are made to stay: a third of loading's time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _work(
    connection: Connection, engine: Engine | None, failure: str, job: Job, ready: float
) -> None:
    """Do one job's work in a forked child, which never returns."""
    die_with_parent()
    os.chdir(job.folder)
    connection.send(os.getpid())
    threading.Thread(target=_die_with_client, args=(connection,), daemon=True).start()
    handler = _SendingHandler(connection)
    logging.getLogger().addHandler(handler)
    logging.getLogger().setLevel(logging.INFO)
    logging.captureWarnings(True)
    status = 1
    start = time.monotonic()
    counted = timing.begin()
    try:
        try:
            if job.with_engine and engine is None:
                raise InputError(failure)
            given = {"engine": timed(engine)} if job.with_engine and engine is not None else {}
            with timing.phase(timing.IMPORT):
                function = named(job.function)
            with compared(job.digests):
                result = function(**given, **job.arguments)
        finally:
            # Also of work that fails.
            handler.send(("figures", _took(start, ready, counted)))
        handler.send(("result", result))
        status = 0
    except InputError as error:
        handler.send(("input error", str(error)))
    except MemoryError as error:
        handler.send(("memory error", str(error)))
    except OSError as error:
        limit = limit_of(error)
        found = traceback.format_exc() if limit is None else f"{one_line(error)}: {limit}"
        handler.send(("error" if limit is None else "input error", found))
    except Exception:  # noqa: BLE001 - handed to the client, which fails with it
        handler.send(("error", traceback.format_exc()))
    finally:
        # Not sys.exit: what the server would do at its end is not the child's to do.
        os._exit(status)


def _took(start: float, ready: float, counted: timing.Figures) -> Took:
    """Return what this process took since it began to work."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return Took(
        seconds=time.monotonic() - start,
        cpu_seconds=used.ru_utime + used.ru_stime,
        # In kibibytes, and with what it shares with its server.
        peak_mb=used.ru_maxrss * 1024 // 10**6,
        ready=ready,
        figures=counted,
    )


class _SendingHandler(logging.Handler):
    """Sends log lines to the client, whose log file and terminal they belong to."""

    def __init__(self, connection: Connection) -> None:
        super().__init__()
        self._connection = connection

    def emit(self, record: logging.LogRecord) -> None:
        self._connection.send(("log", (record.name, record.levelno, record.getMessage())))

    def send(self, message: tuple[str, object]) -> None:
        """Send what the job took, or its outcome, never in the middle of a log line."""
        assert self.lock is not None  # logging.Handler makes one
        with self.lock:
            self._connection.send(message)


def _die_with_client(connection: Connection) -> None:
    """End this process when the client closes its side; it sends nothing more before that."""
    with contextlib.suppress(EOFError, OSError):
        connection.recv()
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    Server(Path(sys.argv[1]), sys.argv[2]).serve()
