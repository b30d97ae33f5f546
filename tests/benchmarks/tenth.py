"""A whole production run, all rules, measured on a tenth of its columns.

    python tests/benchmarks/tenth.py [--folder FOLDER] [--json]

In a temporary copy of the sources, `snakemake --configfile config/production.yaml` makes everything
for 1,200 instead of 12,000 households: five chunks of 103,200 columns, every area's file with as
many records as the whole run's has, and some 17,000 targets (`crossed.py`). With --folder the copy
and the run are there and stay, and the same command goes on with a run that was interrupted.

CPU seconds, wall seconds and memory are what the jobs say themselves (`localcal.jobs.usage`). The
kernel says what all processes of the run took; what of it no job took is listed, too: loading and
warming the model, and Snakemake with the shells that it starts scripts by.

From this, what the whole run would take (GROWTH, below, says how each rule grows), by giving its
jobs in the order in which they could begin to workers with one core each. A worker loads the model
before its first job that needs it, and each job waits for its files (--mb-per-second). Snakemake
itself is beside the workers and starts one job after the other.

`--json` prints one line: `cpu_hours` of all rules, Snakemake and loading once; `peak_mb` of the
largest job measured; `minutes_on_50` workers; and the `table`, by rule and by number of workers.
"""

import heapq
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import yaml
from common import parser, report, temporary_folder
from crossed import write_crossed_database
from whole_run import Command, Job, jobs_of, run

from localcal.files.arrays import read_weights
from localcal.files.atomic import sha256_file
from localcal.geography.areas import Area, read_areas
from localcal.geography.geography import find_columns, read_geography
from localcal.population.dataset import read_population
from localcal.report.figures import draw_weights
from localcal.report.fits import read_fit
from localcal.run.expected import SCOPES
from tests.workflow.conftest import Checkout, copy_sources

CONFIG = "config/production.yaml"
RUN_ID = "tenth"
WORKERS = (1, 8, 50)
# Files that are as long as there are households or columns.
GROWING = ("population/", "matrix/matrix.h5", "weights/")


def in_proportion(job: Job, times: float, reading: float) -> float:
    """The work is as long as there are households or columns; so, to be safe, are the imports."""
    return times * job.usage.cpu_seconds


def unchanged(job: Job, times: float, reading: float) -> float:
    """Neither households nor columns are looked at."""
    return job.usage.cpu_seconds


def reads_more(job: Job, times: float, reading: float) -> float:
    """As many columns are worked on, but those are looked for among more."""
    # What is validated of nation, states and cities are rows as long as they have columns.
    if job.rule == "validate_area" and "/districts/" not in job.name:
        return in_proportion(job, times, reading)
    return job.usage.cpu_seconds + (times - 1) * reading


# How the CPU seconds of one job grow with the households.
GROWTH: dict[str, Callable[[Job, float, float], float]] = {
    "freeze_run": unchanged,
    "copy_take_up": unchanged,
    "copy_tables": unchanged,
    "build_database": unchanged,
    "validate_database": unchanged,
    "resolve_targets": unchanged,
    # All households of the survey are looked at, however few are kept.
    "build_population": unchanged,
    "assign_geography": in_proportion,
    # They simulate so many columns of each state, however many there are.
    "freeze_values": reads_more,
    "follow_values": reads_more,
    "write_preflight": in_proportion,
    "plan_chunks": in_proportion,
    # Not longer, but more of them.
    "build_chunk": unchanged,
    "assemble_matrix": in_proportion,
    "fit_weights": in_proportion,
    "estimate_totals": in_proportion,
    # The config says how many records are kept, and the tenth keeps as many.
    "write_area": reads_more,
    "simulate_area": unchanged,
    "validate_area": reads_more,
    "summarize_validation": unchanged,
    # It reads all weights and draws them once; the rest has a part per target and per area.
    "write_report": reads_more,
}
MORE_OF_THEM = ("build_chunk",)


@dataclass(frozen=True)
class Overhead:
    """What no job took, in CPU seconds.

    Attributes:
        snakemake: Snakemake itself and the shells that it starts scripts by.
        loading: loading and warming the model, once.
    """

    snakemake: float
    loading: float


@dataclass(frozen=True)
class Planned:
    """One job of the whole run: CPU seconds and seconds with its files, and what it waits for."""

    rule: str
    cpu_seconds: float
    seconds: float
    needs_model: bool
    after: Sequence[str] = ()


@dataclass(frozen=True)
class Scheduled:
    """A run by so many workers.

    Attributes:
        seconds: until the last job ends.
        loads: workers that loaded the model.
        chain: the jobs that the last one waited for, one after the other, and when each ends.
    """

    seconds: float
    loads: int
    chain: Sequence[tuple[str, float]]


def main() -> None:
    given = _options()
    with nullcontext(given.folder) if given.folder else temporary_folder() as folder:
        checkout = prepare(folder, given)
        run_folder = checkout.folder / "runs" / RUN_ID
        configs = [CONFIG, "tenth.yaml"]
        commands = run(checkout, ["--cores", str(given.cores), "--configfile", *configs], RUN_ID)
        jobs = jobs_of(run_folder)
        reading = {
            rule: cpu_seconds_to_read(checkout, run_folder, rule)
            for rule, grows in GROWTH.items()
            if grows is reads_more
        }
    overhead = overhead_of(commands, jobs)
    planned = plan(jobs, given.times, reading, given.mb_per_second)
    snakemake = overhead.snakemake * len(planned) / len(jobs)
    per_start = snakemake / len(planned)
    workers = {}
    for number in WORKERS:
        found = schedule(planned, number, overhead.loading, per_start)
        loads = found.loads * overhead.loading
        cpu = snakemake + loads + sum(job.cpu_seconds for job in planned.values())
        workers[number] = {
            "minutes": found.seconds / 60,
            "cpu_hours": cpu / 3600,
            "loads": found.loads,
            "chain": found.chain,
        }
    rules = {rule: row_of(rule, jobs, planned) for rule in GROWTH if _of_rule(jobs, rule)}
    rules["loading the model"] = _without_jobs(overhead.loading, overhead.loading)
    rules["Snakemake and starts"] = _without_jobs(overhead.snakemake, snakemake)
    figures = {
        "cpu_hours": workers[1]["cpu_hours"],
        "peak_mb": max(job.usage.peak_mb for job in jobs.values()),
        "minutes_on_50": workers[50]["minutes"],
        "table": {"rules": rules, "workers": workers},
    }
    _print(given, figures, commands)


def _options():
    options = parser(__doc__)
    options.add_argument("--households", type=int, default=1200, help="(default: 1200)")
    options.add_argument("--clones", type=int, default=430, help="(default: 430)")
    options.add_argument(
        "--times", type=float, default=10, help="as many columns has the whole run (default: 10)"
    )
    options.add_argument("--config", type=Path, help="laid over config/production.yaml")
    options.add_argument("--cores", type=int, default=2, help="jobs at a time (default: 2)")
    options.add_argument("--folder", type=Path, help="where the run is kept and can be resumed")
    options.add_argument(
        "--mb-per-second", type=float, default=100, help="of files to and from workers (100)"
    )
    return options.parse_args()


def prepare(folder: Path, given) -> Checkout:
    """Return a copy of the sources with the run's config and target database, made only once."""
    ready = folder / "ready"
    if ready.exists():
        return Checkout(folder / "checkout")
    checkout = copy_sources(folder / "checkout")
    config = checkout.folder / "config"
    write_crossed_database(config, checkout.folder / "policy_data.db", given.seed)
    overlay = {
        "run_id": RUN_ID,
        "population": {"households": given.households},
        "geography": {"clones": given.clones},
        "targets": {"source": "file", "path": "policy_data.db"},
        # Chunks as large as those of the whole run.
        "matrix": {"workers": max(1, round(WORKERS[-1] / given.times))},
    }
    more = yaml.safe_load(given.config.read_text()) if given.config else {}
    for section, keys in more.items():
        known = overlay.get(section)
        overlay[section] = known | keys if isinstance(known, dict) else keys
    (checkout.folder / "tenth.yaml").write_text(yaml.safe_dump(overlay))
    ready.touch()
    return checkout


def cpu_seconds_to_read(checkout: Checkout, run_folder: Path, rule: str) -> float:
    """Measure what of one job grows with the columns: comparing, reading and searching files."""
    population, geography, frozen = (
        run_folder / "population" / name for name in ("population.h5", "geography.h5", "frozen.h5")
    )
    weights = run_folder / "weights/local/weights.npy"
    more = {"write_area": [frozen, weights], "validate_area": [weights]}
    area = _any_district(checkout.folder / "config/areas.tsv")
    start = time.process_time()
    if rule == "write_report":
        draw_weights([read_fit(scope, run_folder / "weights" / scope) for scope in SCOPES])
        read_geography(geography)
        return time.process_time() - start
    for path in (population, geography, *more.get(rule, [])):
        sha256_file(path)
    read_population(population)
    if rule in ("freeze_values", "follow_values"):
        read_geography(geography)
    else:
        find_columns(geography, area, read_weights(weights) > 0)
    return time.process_time() - start


def _any_district(areas: Path) -> Area:
    return next(area for area in read_areas(areas) if area.level == "district")


def overhead_of(commands: Sequence[Command], jobs: dict[str, Job]) -> Overhead:
    """Return what the processes of a run took and no job says it took.

    Jobs of a command that never told what it took stand for as much as others. What is told of one
    that was stopped holds the work of jobs that did not end, too, so the least is the loading.
    """
    snakemake, loading, measured = 0.0, [], 0
    for command in commands:
        own = [jobs[name].usage for name in command.jobs if name in jobs]
        warm = sum(usage.warm_cpu_seconds for usage in own)
        scripts = sum(usage.cpu_seconds for usage in own) - warm
        snakemake += command.snakemake_cpu_seconds - scripts
        if warm:
            loading.append(command.detached_cpu_seconds - warm)
        measured += len(own)
    return Overhead(snakemake * len(jobs) / measured, min(loading, default=0.0))


def plan(
    jobs: dict[str, Job], times: float, reading: dict[str, float], mb_per_second: float
) -> dict[str, Planned]:
    """Return the jobs of a run with so many times the households, by name."""
    copies = {
        name: [f"{name} {number}" for number in range(round(times))]
        if job.rule in MORE_OF_THEM
        else [name]
        for name, job in jobs.items()
    }
    planned = {}
    for name, job in jobs.items():
        cpu_seconds = GROWTH[job.rule](job, times, reading.get(job.rule, 0.0))
        after = [copy for before in sorted(job.after) for copy in copies[before]]
        mb = sum(_moved(job, copies, times)) / 1e6
        for copy in copies[name]:
            planned[copy] = Planned(
                rule=job.rule,
                cpu_seconds=cpu_seconds,
                seconds=cpu_seconds + mb / mb_per_second,
                needs_model=job.usage.warm_cpu_seconds > 0,
                after=after,
            )
    return planned


def _moved(job: Job, copies: dict[str, list[str]], times: float) -> Iterator[float]:
    """Yield the bytes of each file that one job of the whole run reads or writes."""
    for path, size in [*job.reads.items(), *job.writes.items()]:
        grows = path.startswith(GROWING) or (path in job.reads and "chunks/" in path)
        yield size * times if grows else size


def schedule(
    planned: dict[str, Planned], workers: int, loading: float, per_start: float
) -> Scheduled:
    """Give each job, when it can begin, to the worker that finishes it first.

    A job's predecessor in the chain is the one before it on its worker, if that let it wait, or
    else the last of those whose files it reads.
    """
    waiting_for = {name: len(job.after) for name, job in planned.items()}
    followers: dict[str, list[str]] = {name: [] for name in planned}
    for name, job in planned.items():
        for before in job.after:
            followers[before].append(name)
    order = count()
    ready = [(0.0, next(order), name) for name, missing in waiting_for.items() if not missing]
    free, has_model = [0.0] * workers, [False] * workers
    on: list[str | None] = [None] * workers
    can_begin = dict.fromkeys(planned, 0.0)
    ended: dict[str, float] = {}
    last_file: dict[str, str] = {}
    waited_for: dict[str, str | None] = {}
    started = 0.0
    while ready:
        time_ready, _, name = heapq.heappop(ready)
        job = planned[name]
        started = max(started, time_ready) + per_start
        ends = [
            max(started, free[worker])
            + job.seconds
            + (loading if job.needs_model and not has_model[worker] else 0.0)
            for worker in range(workers)
        ]
        worker = ends.index(min(ends))
        waited_for[name] = on[worker] if free[worker] > started else last_file.get(name)
        on[worker], free[worker] = name, ends[worker]
        has_model[worker] |= job.needs_model
        ended[name] = free[worker]
        for follower in followers[name]:
            waiting_for[follower] -= 1
            if free[worker] >= can_begin[follower]:
                can_begin[follower], last_file[follower] = free[worker], name
            if not waiting_for[follower]:
                heapq.heappush(ready, (can_begin[follower], next(order), follower))
    return Scheduled(max(ended.values(), default=0.0), sum(has_model), _chain(ended, waited_for))


def _chain(ended: dict[str, float], waited_for: dict[str, str | None]) -> list[tuple[str, float]]:
    """Return what the job that ended last waited for, from the first on, and when each ended."""
    found: list[tuple[str, float]] = []
    name = max(ended, key=lambda name: ended[name], default=None)
    while name is not None:
        found.append((name, ended[name]))
        name = waited_for[name]
    return found[::-1]


def _of_rule(jobs: dict[str, Job], rule: str) -> list[Job]:
    return [job for job in jobs.values() if job.rule == rule]


def row_of(rule: str, jobs: dict[str, Job], planned: dict[str, Planned]) -> dict[str, float]:
    """Return the figures of one rule."""
    usages = [job.usage for job in _of_rule(jobs, rule)]
    cpu_seconds = sum(usage.cpu_seconds for usage in usages)
    whole = [job.cpu_seconds for job in planned.values() if job.rule == rule]
    return {
        "jobs": len(usages),
        "cpu_seconds": cpu_seconds,
        "cpu_seconds_per_job": cpu_seconds / len(usages),
        "peak_mb": max(usage.peak_mb for usage in usages),
        "wall_seconds": sum(usage.wall_seconds for usage in usages),
        "whole_jobs": len(whole),
        "whole_cpu_seconds": sum(whole),
    }


def _without_jobs(cpu_seconds: float, whole: float) -> dict[str, float]:
    return {"cpu_seconds": cpu_seconds, "whole_cpu_seconds": whole}


def _print(given, figures: dict, commands: Iterable[Command]) -> None:
    titles = ["rule", "jobs", "CPU s", "per job", "peak MB", "wall s", "whole: jobs", "CPU s"]
    names = ["jobs", "cpu_seconds", "cpu_seconds_per_job", "peak_mb", "wall_seconds"]
    names += ["whole_jobs", "whole_cpu_seconds"]
    rules = figures["table"]["rules"]
    rows = [[rule, *(_cell(row.get(name)) for name in names)] for rule, row in rules.items()]
    totals = [sum(row[name] for row in rules.values()) for name in ("cpu_seconds", names[-1])]
    rows.append(["all", "", _cell(totals[0]), "", "", "", "", _cell(totals[1])])
    wall = sum(command.wall_seconds for command in commands)
    notes = [f"{wall / 60:.0f} min of wall time on {given.cores} cores"]
    notes += [
        f"the whole run on {number} workers: {found['minutes']:.1f} min, "
        f"{found['cpu_hours']:.2f} CPU hours, the model loaded {found['loads']} times"
        for number, found in figures["table"]["workers"].items()
    ]
    chain = figures["table"]["workers"][WORKERS[-1]]["chain"]
    notes.append(f"what the last job on {WORKERS[-1]} workers waited for, and when each ended:")
    notes += [f"    {seconds:6.1f} s  {name}" for name, seconds in chain]
    notes.append(f"assumed: files at {given.mb_per_second:g} MB/s, workers as fast as this core")
    report(given.json, figures, titles, rows, notes)


def _cell(value: float | None) -> str:
    if value is None:
        return ""
    return str(value) if isinstance(value, int) else f"{value:.1f}"


if __name__ == "__main__":
    main()
