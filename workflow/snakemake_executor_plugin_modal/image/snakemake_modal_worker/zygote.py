"""A process that imports Snakemake and other modules once, and forks a child for each command.

Talks in lines of JSON over the socket given as its first argument; further arguments name the
modules to import. First it says {"error": null or text}. For {"command", "cwd", "env", "log"} it
forks, says {"pid"}, and when the child has ended {"exit"}. The command is a list of words; if it
calls Snakemake, the child goes on as Snakemake itself, with everything imported.
"""

import importlib
import json
import os
import shlex
import socket
import sys
import traceback
from typing import TextIO

SNAKEMAKE = ["python", "-m", "snakemake"]


def main(descriptor: int, modules: list[str]) -> None:
    with socket.socket(fileno=descriptor) as connection, connection.makefile("rw") as channel:
        error = preload(["snakemake.cli", *modules])
        say(channel, error=error)
        if error:
            return
        for line in channel:
            # A child must not write again what is in the buffers.
            sys.stdout.flush()
            sys.stderr.flush()
            pid = os.fork()
            if pid == 0:
                channel.detach()
                os.close(descriptor)
                run(json.loads(line))
            say(channel, pid=pid)
            _, status = os.waitpid(pid, 0)
            say(channel, exit=os.waitstatus_to_exitcode(status))


def preload(modules: list[str]) -> str | None:
    """Import the modules; gives what went wrong, whatever it was."""
    for name in modules:
        try:
            importlib.import_module(name)
        except Exception as error:  # noqa: BLE001  (reported to the coordinator, which stops)
            return f"import {name}: {type(error).__name__}: {error}"
    return None


def run(request: dict) -> None:
    """Become the command; never returns."""
    code = 1
    try:
        os.setsid()
        log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.chdir(request["cwd"])
        os.environ.update(request["env"])
        command = request["command"]
        if command[:3] != SNAKEMAKE:
            os.execvp("/bin/sh", ["/bin/sh", "-c", shlex.join(command)])
        sys.argv = ["snakemake", *command[3:]]
        sys.modules["snakemake.cli"].main(command[3:])
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001  (a forked child must not go on as the zygote)
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def say(channel: TextIO, **message: object) -> None:
    channel.write(json.dumps(message) + "\n")
    channel.flush()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
