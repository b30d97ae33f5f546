"""Work in a process that has the model loaded already.

Loading policyengine-us takes half a minute, as long as a chunk's own work. So the first job that
needs the model starts a server, which loads it once and then forks one child per job; the child's
memory is gone when its job ends. The server belongs to one version of the code and of the
environment on one host, and lives as long as a coordinator (Snakemake) that uses it. A scheduler
ends all processes of a job with it, so under one that we know every job has a server of its own. In
a container, where a Snakemake comes and goes with each job, one lives as long as the container
(`localcal.keep_warm`).

A client sends a function and its arguments; it gets back the child's log lines, and in the end
the function's result or its error. A child ends when its client is gone, and when the server is.
"""

import contextlib
import fcntl
import gc
import hashlib
import logging
import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Collection, Iterator
from importlib import import_module
from importlib.metadata import distributions
from importlib.util import find_spec
from multiprocessing.connection import Connection
from pathlib import Path

from localcal.engine import Engine, load_engine
from localcal.errors import InputError
from localcal.job import COORDINATOR_VARIABLE, KEEPER_VARIABLE
from localcal.processes import die_with_parent, is_alive

logger = logging.getLogger(__name__)

# What schedulers tell their jobs: the number of the job.
JOB_VARIABLES = ("SLURM_JOB_ID",)
# What the kernel allows for the path of a socket, the last zero not counted.
SOCKET_PATH_BYTES = 107 if sys.platform == "linux" else 103
KEY_CHARACTERS = 16
# Its path is always short enough.
LAST_RESORT = "/tmp"

SECONDS_BETWEEN_LOOKS = 0.2
SECONDS_TO_BIND = 60.0
# A server can stop just when a client comes; then the client starts another one.
TRIES = 3


def run_with_engine(
    engine: str, function: str | Callable, *, calculated: Collection[str] = (), **arguments: object
) -> object:
    """Call `function(engine=<the loaded engine>, **arguments)` in a warm process.

    Args:
        engine: the engine as `module:Class`.
        function: a function of a module, or its name as `module:function`, which spares this
            process the import.
        calculated: variables that the function and later ones will calculate; the process fills
            the model's caches for them once.
        arguments: anything that can be pickled.

    Raises:
        InputError: what the function raised, or the engine cannot be loaded.
        MemoryError: the function raised it, or its process was killed from outside.
        WorkerError: the function raised something else, or its process died.
    """
    key = server_key(engine)
    for _ in range(TRIES):
        connection = _connect(key, engine)
        try:
            job = (str(Path.cwd()), function, arguments)
            connection.send((key, _keeper(os.getpid()), frozenset(calculated), job))
            connection.recv()
        except (EOFError, ConnectionError):
            connection.close()
            continue
        with connection:
            return _follow(connection)
    raise WorkerError(f"the process that holds {engine} ended {TRIES} times before it answered")


class WorkerError(RuntimeError):
    """The work failed in another process; the message holds that process's traceback."""


def _follow(connection: Connection) -> object:
    """Repeat the child's log lines here until it delivers its result."""
    while True:
        try:
            kind, content = connection.recv()
        except EOFError as error:
            raise WorkerError(
                "the process that did this job's work died without a word; was it killed for "
                "its memory?"
            ) from error
        if kind == "log":
            name, level, message = content
            logging.getLogger(name).log(level, "%s", message)
        elif kind == "result":
            result, seconds, cpu_seconds, peak_mb = content
            logger.info(
                "the work took %.1f s (%.1f s of CPU) and at most %d MB",
                seconds,
                cpu_seconds,
                peak_mb,
            )
            return result
        elif kind == "input error":
            raise InputError(content)
        elif kind == "memory error":
            raise MemoryError(content)
        elif kind == "killed" and content == signal.SIGKILL:
            raise MemoryError(
                "the process that did this job's work was killed from outside (SIGKILL), most "
                "likely because the machine or the scheduler had no more memory for it"
            )
        elif kind == "killed":
            raise WorkerError(
                f"the process that did this job's work died of {signal.Signals(content).name}"
            )
        else:
            raise WorkerError(content)


def _keeper(default: int) -> int:
    """Return the process that a server lives as long as."""
    keeper = os.environ.get(KEEPER_VARIABLE) or os.environ.get(COORDINATOR_VARIABLE)
    return int(keeper or default)


def server_key(engine: str) -> str:
    """Return what a server and its clients must have in common.

    That is code, packages and interpreter; and the host and the scheduler's job, because the
    folder for sockets may be one that other hosts see too.
    """
    digest = hashlib.sha256()
    try:
        spec = find_spec(engine.partition(":")[0])
    except ModuleNotFoundError as error:
        raise InputError(f"engine: cannot find '{engine}' ({error})") from error
    own = sorted(Path(__file__).parent.glob("*.py"))
    for path in [*own, *([Path(spec.origin)] if spec and spec.origin else [])]:
        digest.update(path.read_bytes())
    # Each once: a folder may be on the path several times.
    installed = sorted({f"{item.name}=={item.version}" for item in distributions()})
    # Not sys.executable: one interpreter goes by several names.
    python = [sys.prefix, sys.version, os.environ.get("PYTHONPATH", ""), engine]
    place = [socket.gethostname(), *(os.environ.get(name, "") for name in JOB_VARIABLES)]
    digest.update("\n".join([*python, *place, *installed]).encode())
    return digest.hexdigest()[:KEY_CHARACTERS]


def _folder() -> Path:
    """Return this user's folder for sockets; nobody else may look into it.

    Not in the checkout: the path of a socket may only have some hundred characters. And not where
    the environment of another machine, which a scheduler hands to its jobs, says without a look.
    """
    name = f"localcal-{os.getuid()}"
    for parent in (os.environ.get("XDG_RUNTIME_DIR", ""), tempfile.gettempdir(), LAST_RESORT):
        folder = Path(parent) / name
        fits = len(os.fsencode(folder / ("0" * KEY_CHARACTERS))) <= SOCKET_PATH_BYTES
        if parent and fits and os.access(parent, os.W_OK | os.X_OK):
            break
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.stat()
    if status.st_uid != os.getuid() or status.st_mode & 0o077:
        raise InputError(f"{folder}: belongs to or is open to somebody else; remove it")
    return folder


def _connect(key: str, engine: str) -> Connection:
    """Return a connection to the server, which is started if there is none."""
    path = _folder() / key
    deadline = time.monotonic() + SECONDS_TO_BIND
    with _locked(path.parent):
        if (connection := _try_to_connect(path)) is not None:
            return connection
        path.unlink(missing_ok=True)
        logger.info("starting a process that loads %s (half a minute)", engine)
        server = subprocess.Popen(
            [sys.executable, "-m", "localcal.warm", str(path), engine],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            env=os.environ | {"PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path))},
            start_new_session=True,
        )
        while time.monotonic() < deadline and server.poll() is None:
            if (connection := _try_to_connect(path)) is not None:
                # It outlives this process; nobody here will wait for its end.
                server.returncode = 0
                return connection
            time.sleep(SECONDS_BETWEEN_LOOKS)
    raise WorkerError(f"no process could be started to hold {engine} ({path})")


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Let one client at a time look for a server and start one."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _try_to_connect(path: Path) -> Connection | None:
    client = socket.socket(socket.AF_UNIX)
    try:
        client.connect(str(path))
    except (FileNotFoundError, ConnectionRefusedError):
        client.close()
        return None
    return Connection(client.detach())


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
        self._coordinators = {_keeper(os.getppid())}
        self._failure = ""
        with self._ending_early():
            try:
                self._engine: Engine | None = load_engine(engine)
            except InputError as error:
                self._engine, self._failure = None, str(error)
        self._warm: set[str] = set()
        self._settle()

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
        self._path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # another server's socket is in it
            self._path.parent.rmdir()

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
            _work(connection, self._engine, self._failure, *job)
        self._children[child] = connection

    def _reap(self) -> None:
        """Bury children; speak for those that were killed and could not say so themselves."""
        for child, connection in list(self._children.items()):
            process, status = os.waitpid(child, os.WNOHANG)
            if not process:
                continue
            if os.WIFSIGNALED(status):
                with contextlib.suppress(ConnectionError):  # its client is gone too
                    connection.send(("killed", os.WTERMSIG(status)))
            connection.close()
            del self._children[child]


def _work(
    connection: Connection,
    engine: Engine | None,
    failure: str,
    folder: str,
    function: str | Callable,
    arguments: dict[str, object],
) -> None:
    """Do one job's work in a forked child, which never returns."""
    die_with_parent()
    os.chdir(folder)
    connection.send("accepted")
    threading.Thread(target=_die_with_client, args=(connection,), daemon=True).start()
    handler = _SendingHandler(connection)
    logging.getLogger().addHandler(handler)
    logging.getLogger().setLevel(logging.INFO)
    logging.captureWarnings(True)
    status = 1
    start = time.monotonic()
    try:
        if engine is None:
            raise InputError(failure)
        if isinstance(function, str):
            module, _, name = function.partition(":")
            function = getattr(import_module(module), name)
        result = function(engine=engine, **arguments)
        used = resource.getrusage(resource.RUSAGE_SELF)
        cpu_seconds = used.ru_utime + used.ru_stime
        # In kibibytes, and with what it shares with this server.
        peak_mb = used.ru_maxrss * 1024 // 10**6
        handler.send(("result", (result, time.monotonic() - start, cpu_seconds, peak_mb)))
        status = 0
    except InputError as error:
        handler.send(("input error", str(error)))
    except MemoryError as error:
        handler.send(("memory error", str(error)))
    except Exception:  # noqa: BLE001 - handed to the client, which fails with it
        handler.send(("error", traceback.format_exc()))
    finally:
        # Not sys.exit: what the server would do at its end is not the child's to do.
        os._exit(status)


class _SendingHandler(logging.Handler):
    """Sends log lines to the client, whose log file and terminal they belong to."""

    def __init__(self, connection: Connection) -> None:
        super().__init__()
        self._connection = connection

    def emit(self, record: logging.LogRecord) -> None:
        self._connection.send(("log", (record.name, record.levelno, record.getMessage())))

    def send(self, message: tuple[str, object]) -> None:
        """Send the job's outcome, never in the middle of a log line."""
        with self.lock:
            self._connection.send(message)


def _die_with_client(connection: Connection) -> None:
    """End this process when the client closes its side; it sends nothing more before that."""
    with contextlib.suppress(EOFError, OSError):
        connection.recv()
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    Server(Path(sys.argv[1]), sys.argv[2]).serve()
