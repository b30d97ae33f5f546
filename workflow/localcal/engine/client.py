"""Work in a process that has the model loaded already.

The first job that needs the model starts a server (`localcal.engine.server`). It belongs to one
version of the code and of the environment on one host, and lives as long as a coordinator
(Snakemake) that uses it. A scheduler ends all processes of a job with it, so under one that we know
every job has a server of its own. In a container, where a Snakemake comes and goes with each job,
one lives as long as the container (`localcal.keep_warm`).

A job of a second that needs no model runs in that process too, where there is one: it has imported
what such a job would import first.
"""

import contextlib
import fcntl
import hashlib
import logging
import os
import pickle
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from importlib import import_module
from importlib.metadata import distributions
from importlib.util import find_spec
from multiprocessing.connection import Connection
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from typing import NamedTuple

import psutil

from localcal import timing
from localcal.errors import InputError
from localcal.files.origins import known_digests
from localcal.jobs.job import COORDINATOR_VARIABLE, KEEPER_VARIABLE, same_arithmetic
from localcal.jobs.supervisor import Watch
from localcal.jobs.usage import WARM_WORK

logger = logging.getLogger(__name__)


# What schedulers tell their jobs: the number of the job.
JOB_VARIABLES = ("SLURM_JOB_ID",)
# What the kernel allows for the path of a socket, the last zero not counted.
SOCKET_PATH_BYTES = 107 if sys.platform == "linux" else 103
KEY_CHARACTERS = 16
# Its path is always short enough.
LAST_RESORT = "/tmp"
# In a folder that everybody writes into, somebody else may have taken a name.
FOLDERS_TO_TRY = 10

SECONDS_BETWEEN_LOOKS = 0.2
SECONDS_TO_BIND = 60.0
# A server can stop just when a client comes; then the client starts another one.
TRIES = 3
# For who else would do the work itself: a server that loads or warms up lets it wait for longer.
SECONDS_TO_ACCEPT = 1.0


class Job(NamedTuple):
    """What a client asks a server for.

    Attributes:
        folder: where to work.
        function: what to call, or its name as `module:function`.
        arguments: for the function.
        with_engine: whether the engine is one of its arguments.
        digests: of files that the client has read (`localcal.files.origins.compared`).
    """

    folder: str
    function: str | Callable
    arguments: dict[str, object]
    with_engine: bool
    digests: Mapping[str, str]


class Took(NamedTuple):
    """What a server's child took for a job.

    Attributes:
        seconds: from its beginning to the end of the work.
        cpu_seconds: that it used.
        peak_mb: the most memory it had, in 10^6 bytes, with what it shares with its server.
        ready: when the server had loaded and warmed up all that the job needs, by the clock that
            all processes of a machine share (`time.monotonic`).
        figures: what it counted.
    """

    seconds: float
    cpu_seconds: float
    peak_mb: int
    ready: float
    figures: timing.Figures


def run_with_engine(
    engine: str,
    function: str | Callable,
    *,
    calculated: Collection[str] = (),
    limit_mb: int | None = None,
    **arguments: object,
) -> object:
    """Call `function(engine=<the loaded engine>, **arguments)` in a warm process.

    Args:
        engine: the engine as `module:Class`.
        function: a function of a module, or its name as `module:function`, which spares this
            process the import.
        calculated: variables that the function and later ones will calculate; the process fills
            the model's caches for them once.
        limit_mb: what the job may take: this process and the one that works for it, with its share
            of the loaded model, or with all of it where the model is loaded for this job alone; the
            work is ended when it takes more.
        arguments: anything that can be pickled.

    Raises:
        InputError: what the function raised, or the engine cannot be loaded.
        MemoryError: the function raised it, or its process was killed from outside or took more
            than its limit.
        WorkerError: the function raised something else, or its process died.
    """
    asked = time.monotonic()
    with timing.phase(timing.LOAD):
        key = server_key(engine)
    for _ in range(TRIES):
        job = _job(function, arguments, with_engine=True)
        with timing.phase(timing.LOAD):
            connection = _connect(key, engine)
            child = _accepted(connection, key, calculated, job)
        if child is not None:
            with connection:
                return _follow(connection, child, limit_mb, asked)
        connection.close()
    raise WorkerError(f"the process that holds {engine} ended {TRIES} times before it answered")


def run_where_warm(
    engine: str, function: str, *, limit_mb: int | None = None, **arguments: object
) -> object:
    """Call `function(**arguments)` in a warm process if one answers at once, else here.

    Args:
        engine: the engine of that process, as `module:Class`; the function does not get it.
        function: its name as `module:function`.
        limit_mb: what the work may take in a warm process, as `run_with_engine` has it.
        arguments: anything that can be pickled.

    Raises:
        InputError: the function raised it.
        MemoryError: the function raised it, or its process was killed from outside or took more
            than its limit.
        WorkerError: the function raised something else, or its process died.
    """
    key = server_key(engine)
    connection = _try_to_connect(_folder() / key)
    if connection is not None:
        with connection:
            job = _job(function, arguments, with_engine=False)
            child = _accepted(connection, key, (), job, SECONDS_TO_ACCEPT)
            if child is not None:
                return _follow(connection, child, limit_mb)
    return named(function)(**arguments)


def named(function: str | Callable) -> Callable:
    """Return the function that `module:name` says, or the one that is given."""
    if not isinstance(function, str):
        return function
    module, _, name = function.partition(":")
    return getattr(import_module(module), name)


def _job(function: str | Callable, arguments: dict[str, object], with_engine: bool) -> Job:
    return Job(str(Path.cwd()), function, arguments, with_engine, dict(known_digests()))


def _accepted(
    connection: Connection,
    key: str,
    calculated: Collection[str],
    job: Job,
    seconds: float | None = None,
) -> int | None:
    """Ask for a job; return the child that begins it, within some seconds if any are given."""
    try:
        request = ForkingPickler.dumps((key, keeper(os.getpid()), frozenset(calculated), job))
        connection.send_bytes(request)
        _count_handed(len(request))
        if not connection.poll(seconds):
            return None
        child: int = connection.recv()
    except (EOFError, ConnectionError):
        return None
    return child


class WorkerError(RuntimeError):
    """The work failed in another process; the message holds that process's traceback."""


def _count_handed(n_bytes: int) -> None:
    figures = timing.figures()
    figures.handed_bytes = (figures.handed_bytes or 0) + n_bytes


def _count(took: Took, asked: float | None) -> None:
    """Count what a child took as this process's work."""
    logger.info(WARM_WORK, took.seconds, took.cpu_seconds, took.peak_mb)
    figures = timing.figures()
    figures.take_over(took.figures)
    if asked is not None:
        # A job that asks several times waited if it did once.
        figures.cold = bool(figures.cold) or took.ready > asked


def _follow(
    connection: Connection, child: int, limit_mb: int | None = None, asked: float | None = None
) -> object:
    """Repeat the child's log lines here until it delivers its result.

    Args:
        connection: to the child.
        child: its number.
        limit_mb: what it may take.
        asked: when the model was asked for, by `time.monotonic`; None where the work needs none.
    """
    with Watch(child, limit_mb, _beside(child)).watching() as watch:
        while True:
            try:
                message = connection.recv_bytes()
                kind, content = pickle.loads(message)
            except EOFError as error:
                # The server too, which would have told of its child's end.
                raise WorkerError(
                    "the process that holds the model died without a word, and with it the one "
                    "that did this job's work; was it killed for its memory?"
                ) from error
            if kind == "log":
                name, level, message = content
                logging.getLogger(name).log(level, "%s", message)
            elif kind == "result":
                _count_handed(len(message))
                return content
            elif kind == "figures":
                _count(content, asked)
            else:
                raise _failure(kind, content, watch)


def _beside(child: int) -> list[int]:
    """Return the processes that are there for a child's job alone: this one, and its own server."""
    found = [os.getpid()]
    if any(name in os.environ for name in JOB_VARIABLES):
        with contextlib.suppress(psutil.NoSuchProcess):
            found.append(psutil.Process(child).ppid())
    return found


def _failure(kind: str, content: str | int, watch: Watch) -> Exception:
    """Return the error that a child's last message stands for, or its server's about its end."""
    if kind == "input error":
        return InputError(content)
    if kind == "memory error":
        return MemoryError(content)
    if kind == "ended":
        assert isinstance(content, int)  # the exit status
        subject = "the process that did this job's work"
        return watch.error(content, subject) or WorkerError(
            f"{subject} {watch.death(content).words} before that was done"
        )
    return WorkerError(content)


def keeper(default: int) -> int:
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
    own = sorted(Path(__file__).parents[1].rglob("*.py"))
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
    refused = []
    for parent in (os.environ.get("XDG_RUNTIME_DIR", ""), tempfile.gettempdir(), LAST_RESORT):
        if not parent or not os.access(parent, os.W_OK | os.X_OK):
            continue
        for number in range(FOLDERS_TO_TRY):
            folder = Path(parent) / f"localcal-{os.getuid()}{f'-{number}' if number else ''}"
            if len(os.fsencode(folder / ("0" * KEY_CHARACTERS))) > SOCKET_PATH_BYTES:
                break
            if _is_ours(folder):
                return folder
            refused.append(folder)
    if not refused:
        raise InputError(
            f"{tempfile.gettempdir()}: no folder for sockets can be made here; set TMPDIR to a "
            "folder with a short path that you can write into"
        )
    raise InputError(f"{refused[0]}: belongs to or is open to somebody else; remove it")


def _is_ours(folder: Path) -> bool:
    """Make a folder if need be; say whether it is one, no link, and nobody else's."""
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.lstat()
    except OSError:
        return False
    mine = status.st_uid == os.getuid() and not status.st_mode & 0o077
    return mine and stat.S_ISDIR(status.st_mode)


def _connect(key: str, engine: str) -> Connection:
    """Return a connection to the server, which is started if there is none."""
    path = _folder() / key
    deadline = time.monotonic() + SECONDS_TO_BIND
    with _locked(path.parent):
        if (connection := _try_to_connect(path)) is not None:
            return connection
        path.unlink(missing_ok=True)
        logger.info("starting a process that loads %s (half a minute)", engine)
        path_of_modules = os.pathsep.join(map(os.path.abspath, sys.path))
        server = subprocess.Popen(
            [sys.executable, "-m", "localcal.engine.server", str(path), engine],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            env=os.environ | same_arithmetic() | {"PYTHONPATH": path_of_modules},
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
