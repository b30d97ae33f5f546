"""A process that has imported Snakemake and forks for each call of it, which saves a second each.

It reads calls from standard input, one line of JSON each, and answers each with its exit status.
What belongs to a checkout is imported after the fork, as by a process of its own.
"""

import atexit
import gc
import json
import os
import signal
import subprocess
import sys
import tempfile
from functools import cache
from importlib import import_module
from pathlib import Path

# What every call of Snakemake imports, however little it does.
IMPORTED = (
    "snakemake.cli",
    "snakemake.executors.dryrun",
    "snakemake.executors.local",
    "snakemake.executors.touch",
    "snakemake.report.html_reporter",
    "snakemake.script",
    "attrs",
    "graphlib",
    "jsonschema",
    "pandas",
    "platformdirs",
    "pygments.lexers",
    "smart_open",
    "yaml",
)
SECONDS = 600


def call(
    arguments: list[str], folder: Path, environment: dict[str, str]
) -> subprocess.CompletedProcess:
    """Run Snakemake to its end; what it writes to both streams is in `stdout`."""
    server = _server()
    with tempfile.NamedTemporaryFile() as output:
        asked = {
            "arguments": arguments,
            "folder": str(folder),
            "environment": environment,
            "output": output.name,
        }
        server.stdin.write(f"{json.dumps(asked)}\n")
        server.stdin.flush()
        status = int(server.stdout.readline())
        text = Path(output.name).read_text()
    return subprocess.CompletedProcess(["snakemake", *arguments], status, text)


@cache
def _server() -> subprocess.Popen:
    server = subprocess.Popen(
        [sys.executable, "-P", __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    atexit.register(server.communicate)
    return server


def serve() -> None:
    """Fork for each call; return in the child, which is to be Snakemake."""
    for name in IMPORTED:
        import_module(name)
    gc.collect()
    gc.freeze()
    for line in sys.stdin:
        asked = json.loads(line)
        child = os.fork()
        if child == 0:
            _become(**asked)
            return
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()
    sys.exit()


def _become(arguments: list[str], folder: str, environment: dict[str, str], output: str) -> None:
    """Make of this process what `python -m snakemake` in a folder is."""
    signal.alarm(SECONDS)
    nothing, written = os.open(os.devnull, os.O_RDONLY), os.open(output, os.O_WRONLY)
    for here, there in ((nothing, 0), (written, 1), (written, 2)):
        os.dup2(here, there)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.path[:0] = [folder, *environment["PYTHONPATH"].split(os.pathsep)]
    sys.argv = ["snakemake", *arguments]


if __name__ == "__main__":
    serve()
    import_module("snakemake.cli").main()
