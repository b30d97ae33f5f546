"""From a Snakemake job to what is sent to a container."""

import hashlib
import os
import shlex
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

from snakemake_executor_plugin_modal.classes import MOST_SECONDS, Class, Needs
from snakemake_executor_plugin_modal.errors import ModalPluginError
from snakemake_executor_plugin_modal.settings import ExecutorSettings


class Job(Protocol):
    """The part of a job, or of a group of jobs, of Snakemake that is used here."""

    name: str
    threads: int
    attempt: int
    resources: Mapping[str, Any]
    output: Iterable[Any]
    log: Iterable[Any]
    is_local: bool

    def is_group(self) -> bool: ...

    def get_target_spec(self) -> object: ...


def needs(job: Job) -> Needs:
    """What a job asks for, as far as its resources are known yet."""
    resources = job.resources
    minutes = resources.get("runtime")
    memory = resources.get("mem_mb")
    gpus = resources.get("gpu", 0)
    return Needs(
        memory_mb=memory if isinstance(memory, int) else None,
        cpus=job.threads if isinstance(job.threads, int) else 1,
        gpus=gpus if isinstance(gpus, int) else 0,
        gpu_model=str(resources.get("gpu_model", "")),
        seconds=minutes * 60 if isinstance(minutes, int) else MOST_SECONDS,
    )


def commands(shell_command: str) -> list[list[str]]:
    """The commands of a line of the form `a b && c d`, each as a list of arguments."""
    found: list[list[str]] = [[]]
    for word in shlex.split(shell_command):
        if word == "&&":
            found.append([])
        else:
            found[-1].append(word)
    return [command for command in found if command]


def digest_of_files(paths: Iterable[str | Path]) -> str:
    """SHA-256 of the names and contents of files, in whatever order they are named."""
    digest = hashlib.sha256()
    for path in sorted(set(paths)):
        if Path(path).is_file():
            content = hashlib.sha256(Path(path).read_bytes()).hexdigest()
            digest.update(f"{path} {content}\n".encode())
    return digest.hexdigest()


def files_outside(paths: Iterable[str | Path]) -> dict[str, str]:
    """The contents of text files that are not below this folder, by their names in commands.

    Snakemake sends jobs what is below it, and names config files relative to it.
    """
    found = {}
    for path in paths:
        relative = os.path.relpath(path)
        if relative.startswith(".."):
            found[relative] = Path(path).read_text()
            if Path(path).is_absolute():
                found[str(path)] = found[relative]
    return found


def single_jobs(job: Any) -> list[Any]:
    return list(job.jobs) if job.is_group() else [job]


def volume_paths(files: Iterable[Any], volume: str) -> list[str]:
    """Paths on the volume of those files that are stored there."""
    prefix = f"modal://{volume}/"
    queries = [file.storage_object.query for file in files if getattr(file, "is_storage", False)]
    return [query.removeprefix(prefix) for query in queries if query.startswith(prefix)]


def outputs(job: Job, volume: str) -> list[str]:
    """Paths on the volume of what a job makes."""
    return [path for one in single_jobs(job) for path in volume_paths(one.output, volume)]


def files(job: Job, volume: str) -> list[str]:
    """Paths on the volume of what a job makes, benchmarks included."""
    benchmarks = [one.benchmark for one in single_jobs(job) if one.benchmark]
    return outputs(job, volume) + volume_paths(benchmarks, volume)


def payload(
    together: list[Job],
    job_commands: list[list[str]],
    env: dict[str, str],
    one: Class,
    settings: ExecutorSettings,
    outside: dict[str, str],
    packages: dict[str, str],
) -> dict:
    """What the function in the container gets, see snakemake_modal_worker.main."""
    asked = [needs(job) for job in together]
    volume = settings.volume_name
    logs = [log for job in together for part in single_jobs(job) for log in part.log]
    return {
        "kind": "job",
        "packages": packages,
        "volume": settings.volume,
        "environment": settings.environment,
        "mount": settings.mount,
        "preload": settings.preload,
        "commands": job_commands,
        "outside": outside,
        "env": env | {"SMK_MODAL_MOUNTS": f"{settings.volume}={settings.mount}"},
        "memory_mb": max(each.memory_mb or one.memory_mb for each in asked),
        "hard_limit_mb": one.hard_limit_mb,
        "seconds": min(sum(each.seconds for each in asked), MOST_SECONDS),
        "files": [path for job in together for path in files(job, volume)],
        "logs": volume_paths(logs, volume),
        # One job removes by itself what it is to make; of several it must be seen which came to it.
        "anew": len(together) > 1,
    }


def explain(result: dict, job: Job) -> str:
    """Why a job failed, and the end of its log."""
    if result["failure"] == "memory":
        asked = needs(job).memory_mb
        return (
            f"out of memory: it used {result['peak_mb']:.0f} MB of mem_mb={asked}. Ask for more, "
            f"or for more at each attempt (mem_mb=lambda wildcards, attempt: {asked} * attempt, "
            f"with `retries` in the profile). The end of its log:\n{result['log']}"
        )
    if result["failure"] == "time":
        return f"out of time: it ran longer than its runtime. The end of its log:\n{result['log']}"
    if result["failure"] == "died":
        return f"{result['log']}: it crashes, or takes memory faster than the guard can see"
    if result["failure"] in ("call", "code"):
        return result["log"]
    return f"the end of its log:\n{result['log']}"


def version_differences(image: dict[str, str], here: dict[str, str]) -> list[str]:
    return [
        f"{name} is {image[name] or 'missing'} in the image and {here[name]} here"
        for name in here
        if image[name] != here[name]
    ]


def refuse_impossible(jobs: Iterable[Job], choose: Callable[[Needs], object]) -> None:
    """Raises ModalPluginError if a job asks for what no container has, before any is sent."""
    for job in jobs:
        if job.is_local:
            continue
        try:
            choose(needs(job))
        except ModalPluginError as error:
            raise ModalPluginError(f"job {job.name} {error}") from None
