"""A run of the real workflow in a folder of its own, and what each of its jobs took."""

import ctypes
import json
import os
import subprocess
import sys
import time
from collections import defaultdict
from dataclasses import asdict, dataclass, field
from pathlib import Path

from localcal.files.made import read_records
from localcal.jobs.usage import Usage, read_usage
from tests.workflow.conftest import Checkout

_PR_SET_CHILD_SUBREAPER = 36
COMMANDS = "commands.jsonl"


@dataclass(frozen=True)
class Command:
    """What one command of Snakemake took, all its processes together.

    Attributes:
        wall_seconds: from its start to its end.
        snakemake_cpu_seconds: of Snakemake, and of what it started and waited for: the scripts.
        detached_cpu_seconds: of what outlived whoever started it: the process with the model, and
            the work in its children.
        finished: whether everything was made.
        jobs: the logs of the jobs that it finished.
    """

    wall_seconds: float
    snakemake_cpu_seconds: float
    detached_cpu_seconds: float
    finished: bool
    jobs: list[str]


@dataclass
class Job:
    """One job of a run.

    Attributes:
        name: its log's path below logs/, without the ending.
        rule: of the workflow.
        usage: what it took.
        after: the names of the jobs whose files it reads.
        reads: bytes of each file it reads, by path.
        writes: bytes of each file it makes, by path.
    """

    name: str
    rule: str
    usage: Usage
    after: set[str] = field(default_factory=set)
    reads: dict[str, int] = field(default_factory=dict)
    writes: dict[str, int] = field(default_factory=dict)


def run(checkout: Checkout, arguments: list[str], run_id: str) -> list[Command]:
    """Run Snakemake unless it is done already; return all commands that it took so far.

    Raises:
        SystemExit: a job failed.
    """
    record = checkout.folder.parent / COMMANDS
    commands = [Command(**json.loads(line)) for line in _lines(record)]
    if commands and commands[-1].finished:
        return commands
    command = _measured(checkout, arguments, checkout.folder / "runs" / run_id)
    with record.open("a") as file:
        file.write(json.dumps(asdict(command)) + "\n")
    if not command.finished:
        raise SystemExit(
            f"error: the run failed, see {checkout.folder.parent / 'snakemake.log'}; the same "
            "command with --folder goes on with it"
        )
    return [*commands, command]


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def _measured(checkout: Checkout, arguments: list[str], run_folder: Path) -> Command:
    """Run Snakemake and wait for all its processes, also those it has left alone."""
    if sys.platform != "linux" or ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1):
        raise SystemExit("error: only Linux says what processes took that were left alone")
    start, began = time.perf_counter(), time.time()
    with (checkout.folder.parent / "snakemake.log").open("a") as output:
        process = subprocess.Popen(
            checkout.command(*arguments),
            cwd=checkout.folder,
            env=checkout.environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.perf_counter() - start
    detached = 0.0
    while True:
        try:
            _, _, left_alone = os.wait3(0)
        except ChildProcessError:
            break
        detached += left_alone.ru_utime + left_alone.ru_stime
    return Command(
        wall_seconds=wall,
        snakemake_cpu_seconds=used.ru_utime + used.ru_stime,
        detached_cpu_seconds=detached,
        finished=process.returncode == 0,
        jobs=[name for name, path in logs(run_folder).items() if path.stat().st_mtime >= began],
    )


def logs(run_folder: Path) -> dict[str, Path]:
    """Return the logs of a run by the names of their jobs."""
    folder = run_folder / "logs"
    return {
        str(path.relative_to(folder).with_suffix("")): path
        for path in sorted(folder.rglob("*.log"))
    }


def jobs_of(run_folder: Path) -> dict[str, Job]:
    """Return all jobs of a finished run by name, from their logs and their files' records."""
    jobs = {
        name: Job(name, name.partition("/")[0], read_usage(path))
        for name, path in logs(run_folder).items()
    }
    names = defaultdict(list)
    for job in jobs.values():
        names[job.rule].append(job.name)
    records = read_records(run_folder)
    maker = {path: maker_of(path, names[made.rule]) for path, made in records.items()}
    for path, made in records.items():
        job = jobs[maker[path]]
        job.writes[path] = made.size
        for read in made.inputs:
            job.after.add(maker[read])
            job.reads[read] = records[read].size
    return jobs


def maker_of(path: str, names: list[str]) -> str:
    """Return which of a rule's jobs made a file: they are named by its wildcards."""
    if len(names) == 1:
        return names[0]
    # The longest: CA is in CA-12, too.
    fitting = [name for name in names if name.partition("/")[2] in path]
    return max(fitting, key=len)
