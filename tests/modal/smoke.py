"""What is tried on the real Modal by whoever has an account, and on the emulator by the tests."""

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import modal
from modal_proto import api_pb2

# The first attempt takes more than it asked for; the second one asks for enough.
TOO_LARGE = """
rule large:
    output: "out/large.txt"
    resources: mem_mb=lambda wildcards, attempt: 250 * attempt
    run:
        import time
        block = bytearray(350 * 2**20)
        time.sleep(2)
        with open(output[0], "w") as file:
            file.write(str(len(block)))
"""

# Long enough for its container to be stopped by somebody.
STOPPED = """
rule stopped:
    output: "out/stopped.txt"
    resources: mem_mb=250
    shell: "sleep 20; echo done > {output}"
"""

Start = Callable[..., subprocess.Popen]


def options(volume: str) -> list[str]:
    """Return options for a small project with its files on `volume`."""
    return [
        *("--executor", "modal", "--jobs", "2", "--latency-wait", "10"),
        *("--default-storage-provider", "modal"),
        *("--default-storage-prefix", f"modal://{volume}", "--storage-modal-create", volume),
        *("--modal-max-containers", "2", "--modal-memory-classes", "250", "500"),
        *("--modal-scaledown-window", "2", "--modal-app", f"app-{volume}"),
    ]


def check_faults(start: Start, folder: Path, volume: str) -> None:
    """Let a job run out of memory, and stop the container of another."""
    (folder / "Snakefile").write_text(TOO_LARGE + STOPPED)
    large = start("large", "--retries", "1", *options(volume))
    output, _ = large.communicate(timeout=1800)
    assert large.returncode == 0, output
    assert "out of memory" in output, output
    stored = modal.Volume.from_name(volume, version=2)
    assert read(stored, "out/large.txt") == str(350 * 2**20).encode()

    stopped = start("stopped", *options(volume))
    while not [entry for entry in stored.iterdir("/", recursive=True) if entry.path.endswith("/n")]:
        assert stopped.poll() is None, stopped.communicate()[0]
        time.sleep(1)
    (task,) = containers(modal.App.lookup(f"app-{volume}"))
    ask("ContainerStop", api_pb2.ContainerStopRequest(task_id=task))
    output, _ = stopped.communicate(timeout=1800)
    assert stopped.returncode == 0, output
    assert read(stored, "out/stopped.txt") == b"done\n"


def read(volume: modal.Volume, path: str) -> bytes:
    """Return the content of a file on a volume."""
    return b"".join(volume.read_file(path))


def remove(volume: str) -> list[str]:
    """Stop the app, delete the volume, and return the containers that are left, by their ids."""
    app = modal.App.lookup(f"app-{volume}")
    app.stop()
    modal.Volume.objects.delete(volume)
    return containers(app)


def containers(app: modal.App) -> list[str]:
    """Return the containers of an app that are alive, by their ids."""
    tasks = ask("TaskList", api_pb2.TaskListRequest(app_id=app.app_id)).tasks
    return [task.task_id for task in tasks]


def ask(name: str, request: object) -> object:
    """Ask Modal what its package has no function for; its command line asks the same way."""
    from modal._utils.async_utils import synchronizer

    async def asking(client):
        return await getattr(client._stub, name)(request)

    return synchronizer.create_blocking(asking)(modal.Client.from_env())
