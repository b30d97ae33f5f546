"""The function that is deployed: one call checks the container, the others run a job each."""

import functools
import importlib.metadata
import platform
import shutil
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

import modal
from snakemake_modal_worker.code import refusal
from snakemake_modal_worker.processes import MARK
from snakemake_modal_worker.runner import CannotStart, Limits, Zygote, python_environment
from snakemake_modal_worker.starts import MAX_STARTS, Starts

CHECKED = [
    "snakemake",
    "snakemake-interface-common",
    "snakemake-interface-executor-plugins",
    "snakemake-interface-storage-plugins",
]
"""Distributions whose versions must be the same in the image and on the coordinator."""

TAIL = 4000
"""Characters of a log that are sent back."""

zygote: Zygote | None = None


def run(payload: dict) -> dict:
    """Do what the coordinator asks, see `check` and `run_job`.

    `payload`: packages (the digests of local packages on the coordinator), preload, kind, and more.
    """
    global zygote
    other = refusal(payload["packages"])
    if other:
        return {"versions": versions(), "error": other} | failed("code", other)
    zygote = zygote or Zygote(payload["preload"])
    return check(payload) if payload["kind"] == "check" else run_job(payload)


def made_zygote() -> Zygote:
    """The zygote that `run` has made."""
    assert zygote is not None
    return zygote


def versions() -> dict[str, str]:
    """Versions that must agree between coordinator and image; a missing one is ""."""
    found = {"python": ".".join(platform.python_version_tuple()[:2])}
    for name in CHECKED:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = ""
    return found


def check(payload: dict) -> dict:
    """{"versions", "error"}: error is None if everything could be imported, and the command ran.

    `payload`: command (one list of arguments; empty for none), env, memory_mb, hard_limit_mb,
    seconds.
    """
    error = None
    try:
        made_zygote().start()
        if payload["command"]:
            error = check_command(payload)
    except CannotStart as reason:
        error = str(reason)
    return {"versions": versions(), "error": error}


def check_command(payload: dict) -> str | None:
    """What went wrong with the command of the start-up check."""
    deadline = time.monotonic() + payload["seconds"]
    limits = Limits(payload["memory_mb"], payload["hard_limit_mb"], deadline)
    with tempfile.TemporaryDirectory(prefix="check-") as folder:
        code, log = run_commands([payload["command"]], payload["env"], Path(folder), limits)
    if not code:
        return None
    reasons = {"memory": "it ran out of memory", "time": "it took too long"}
    reason = reasons.get(limits.exceeded or "", "it failed")
    return f"{' '.join(payload['command'])}: {reason}\n{log}"


def run_job(payload: dict) -> dict:
    """Run the commands of a job and publish what it wrote to the volume.

    `payload`: volume, environment, mount, commands (lists of arguments), outside (contents of text
    files by their paths from the job's folder), env, memory_mb, hard_limit_mb, seconds, files and
    logs (paths on the volume), anew (whether files are removed before).
    Gives: ok, failure (None, "error", "memory", "time", "died", "code"), log, anew, stored ([path,
    size, mtime] of each file), seconds, peak_mb, imports.
    """
    started = time.monotonic()
    mount = Path(payload["mount"])
    volume = mounted_volume(payload["volume"], payload["environment"])
    volume.reload()
    call_id = modal.current_function_call_id()
    assert call_id is not None  # this runs in a call
    starts = Starts(mount, call_id, volume.commit)
    if not starts.enter():
        text = f"the container died {MAX_STARTS} times while it ran this job"
        return failed("died", text)
    deadline = started + payload["seconds"]
    limits = Limits(payload["memory_mb"], payload["hard_limit_mb"], deadline)
    try:
        if payload["anew"]:
            remove(mount / path for path in payload["files"])
        with tempfile.TemporaryDirectory(prefix="job-") as folder:
            write_files(Path(folder) / "work", payload["outside"])
            code, log = run_commands(payload["commands"], payload["env"], Path(folder), limits)
        starts.leave()
        volume.commit()
    except BaseException:
        # A preemption or a cancellation, or an error of ours; not the container's death.
        made_zygote().kill()
        starts.take_back()
        raise
    failure = limits.exceeded or ("error" if code else None)
    if failure == "error":
        log += "".join(tail(mount / path, f"\n{path}:\n") for path in payload["logs"])
    return {
        "ok": failure is None,
        "failure": failure,
        "log": log,
        "anew": payload["anew"],
        "stored": stored(mount, payload["files"] + payload["logs"]),
        "seconds": time.monotonic() - started,
        "peak_mb": limits.peak_mb,
        "imports": made_zygote().imports,
    }


def failed(why: str, text: str) -> dict:
    """What is said of a job that was not run."""
    return {"ok": False, "failure": why, "log": text, "stored": []}


@functools.cache
def mounted_volume(name: str, environment: str | None) -> modal.Volume:
    """The same object for all jobs, so that Modal is asked for its id once."""
    return modal.Volume.from_name(name, environment_name=environment)


def run_commands(
    commands: list[list[str]], env: dict[str, str], folder: Path, limits: Limits
) -> tuple[int, str]:
    """Run commands one after the other until one fails; its exit code and the end of the log."""
    work, log = folder / "work", folder / "log"
    work.mkdir(exist_ok=True)
    env = python_environment() | env | {MARK: "1"}
    code = 0
    for command in commands:
        code = made_zygote().run(command, str(work), env, log, limits)
        if code:
            break
    text = tail(log)
    shutil.rmtree(work, ignore_errors=True)
    return code, text


def write_files(folder: Path, contents: dict[str, str]) -> None:
    """Write text files at paths as they are seen from a folder, which is made."""
    folder.mkdir()
    for name, text in contents.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def remove(paths: Iterable[Path]) -> None:
    """Remove files and folders that are there."""
    for path in paths:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def tail(path: Path, title: str = "") -> str:
    """The last characters of a text file, "" if there is none or nothing in it."""
    if not path.is_file() or not path.stat().st_size:
        return ""
    with path.open("rb") as file:
        file.seek(-min(TAIL, path.stat().st_size), 2)
        return title + file.read().decode(errors="replace")


def stored(mount: Path, paths: list[str]) -> list[list]:
    """[path, size, time in whole seconds] of each file, also of those inside folders."""
    found = []
    for path in paths:
        here = mount / path
        inside = sorted(one for one in here.rglob("*") if one.is_file()) if here.is_dir() else []
        for file in inside or ([here] if here.is_file() else []):
            stat = file.stat()
            found.append([str(file.relative_to(mount)), stat.st_size, int(stat.st_mtime)])
    return found
