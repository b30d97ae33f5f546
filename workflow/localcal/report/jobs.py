"""When a run's jobs worked, what they took, and what waited for what.

All of it is read of logs and records and differs from one execution to the next; only the page
shows it.
"""

import html
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from localcal.files.made import Made, read_records
from localcal.report.elements import Cell, number, paragraph, percent, seconds, table
from localcal.run.expected import STAGES, stage_of
from localcal.status.folder import LocalRuns
from localcal.status.logs import FAILED, LogReader

# Longer times without any job are cut out of the picture: nobody worked on the run.
LONGEST_PAUSE = 60.0
COLOURS = (
    "#6b7280", "#b45309", "#15803d", "#1d4ed8", "#7c3aed", "#be123c", "#0f766e", "#a16207",
    "#4b5563", "#9333ea",
)  # fmt: skip
COLOUR_OF = dict(zip(STAGES, COLOURS, strict=True))

WIDTH = 960.0
_LANE = 14.0
_TEXT = 11.0
_TICKS = 6
# Of a worker's name, as many characters as leave room for the bars.
_NAME = 28
# Of a box of the graph, and from one to the next.
_BOX = (136.0, 34.0)
_STEP = (150.0, 58.0)


@dataclass(frozen=True)
class Job:
    """What one job's log says.

    Attributes:
        rule: what it ran.
        name: rule and wildcards.
        begun: seconds since 1970.
        wall: seconds.
        cpu: seconds.
        peak_mb: largest memory, 10^6 bytes.
        asked_mb: memory that it was given, 10^6 bytes; None where its log does not say.
        worker: where it ran; None where its log does not say.
        failed: whether it failed.
    """

    rule: str
    name: str
    begun: float
    wall: float
    cpu: float
    peak_mb: float
    asked_mb: float | None
    worker: str | None
    failed: bool


def read_jobs(run: Path) -> list[Job]:
    """Return the jobs of a run whose logs say what they took, the first first."""
    runs = LocalRuns(run.parent)
    found = []
    for log in LogReader(runs).read(run.name, runs.files(run.name)):
        if log.usage is None or log.begun is None:
            continue
        job = Job(
            rule=log.rule,
            name="/".join(dict.fromkeys(log.file.removesuffix(".log").split("/")[1:])),
            # Of older logs, which do not say it, by when they were written.
            begun=log.begun if log.usage.begun is None else log.usage.begun,
            wall=log.usage.wall_seconds,
            cpu=log.usage.cpu_seconds,
            peak_mb=log.usage.peak_mb,
            asked_mb=log.usage.asked_mb,
            worker=log.usage.worker,
            failed=log.outcome == FAILED,
        )
        found.append(job)
    return sorted(found, key=lambda job: (job.begun, job.name))


def sum_up(jobs: Sequence[Job]) -> str:
    """Return a sentence about all jobs, and a table of each rule's."""
    if not jobs:
        return paragraph("The logs of this run's jobs are not beside it.")
    end = max(job.begun + job.wall for job in jobs)
    worked = sum(job.wall for job in jobs)
    pauses = sum(length for _, length in _pauses(jobs))
    passed = end - jobs[0].begun - pauses
    said = (
        f"{len(jobs):,} jobs in {seconds(passed).text}: {seconds(worked).text} of work, "
        f"{worked / (passed or 1):.1f} jobs at a time, "
        f"{seconds(sum(job.cpu for job in jobs)).text} of CPU; at most "
        f"{max(job.peak_mb for job in jobs):,.0f} MB in one."
    )
    if failed := sum(job.failed for job in jobs):
        said += f" {failed:,} failed in their last attempt."
    by_rule: dict[str, list[Job]] = defaultdict(list)
    for job in jobs:
        by_rule[job.rule].append(job)
    order = [rule for rules in STAGES.values() for rule in rules]
    rules = sorted(by_rule, key=lambda rule: (order + [rule]).index(rule))
    rows = [_of_rule(rule, by_rule[rule]) for rule in rules]
    columns = ["Rule", "Stage", "Jobs", "Longest", "All together", "CPU", "Largest memory"]
    columns += ["Memory asked for", "Used of it"]
    return paragraph(said) + table("Time and memory by rule", columns, rows)


def _of_rule(rule: str, jobs: Sequence[Job]) -> list[Cell | str]:
    peak = max(job.peak_mb for job in jobs)
    # Compared job by job: a retry asks for more.
    shares = [job.peak_mb / job.asked_mb for job in jobs if job.asked_mb]
    asked = max((job.asked_mb for job in jobs if job.asked_mb), default=math.nan)
    return [
        _words(rule),
        stage_of(rule) or "",
        number(len(jobs)),
        seconds(max(job.wall for job in jobs)),
        seconds(sum(job.wall for job in jobs)),
        seconds(sum(job.cpu for job in jobs)),
        Cell(f"{peak:,.0f} MB", peak),
        Cell(f"{asked:,.0f} MB" if shares else "not known", asked),
        Cell(percent(max(shares)) if shares else "", max(shares, default=math.nan)),
    ]


def _words(rule: str) -> str:
    return rule.replace("_", " ")


def _pauses(jobs: Sequence[Job]) -> list[tuple[float, float]]:
    """Return when nobody worked for long: begin and length."""
    found, until = [], jobs[0].begun
    for job in jobs:
        if job.begun - until > LONGEST_PAUSE:
            found.append((until, job.begun - until))
        until = max(until, job.begun + job.wall)
    return found


def lanes(jobs: Sequence[Job]) -> list[tuple[str, list[Job]]]:
    """Return jobs by the worker that did them, or, where none is known, by lanes that are free.

    A worker that does several at a time has several lanes.
    """
    found: list[tuple[str, list[Job]]] = []
    for job in jobs:
        worker = job.worker or ""
        for name, lane in found:
            if name == worker and lane[-1].begun + lane[-1].wall <= job.begun + 0.5:
                lane.append(job)
                break
        else:
            found.append((worker, [job]))
    return sorted(found, key=lambda lane: lane[0])


def draw_timeline(jobs: Sequence[Job]) -> str:
    """Return a bar per job over time, a line per worker, in the colours of the stages."""
    if not jobs:
        return ""
    start, pauses = jobs[0].begun, _pauses(jobs)

    def passed(when: float) -> float:
        return when - start - sum(length for begin, length in pauses if begin < when)

    end = max(passed(job.begun + job.wall) for job in jobs) or 1.0
    left = 8.0 + 6.5 * max(len(_short(job.worker or "")) for job in jobs)
    scale = (WIDTH - left - 8.0) / end
    rows = lanes(jobs)
    height = _LANE * len(rows) + 2 * _TEXT + 6
    parts = []
    for at in range(_TICKS + 1):
        x = left + scale * end * at / _TICKS
        anchor = "end" if at == _TICKS else "middle" if at else "start"
        parts.append(f'<line x1="{x:.1f}" y1="0" x2="{x:.1f}" y2="{_LANE * len(rows):.1f}"/>')
        label = html.escape(seconds(end * at / _TICKS).text)
        parts.append(
            f'<text x="{x:.1f}" y="{height - _TEXT:.1f}" text-anchor="{anchor}">{label}</text>'
        )
    for row, (worker, lane) in enumerate(rows):
        y = row * _LANE
        if worker:
            name = html.escape(_short(worker))
            title = f"<title>{html.escape(worker)}</title>" if _short(worker) != worker else ""
            parts.append(f'<text x="0" y="{y + _TEXT:.1f}">{name}{title}</text>')
        for job in lane:
            parts.append(_bar(job, left + scale * passed(job.begun), y, scale * job.wall))
    stages = rank_stages(jobs)
    legend = "".join(
        f'<li><span style="background:{COLOUR_OF[stage]}"></span>{html.escape(stage)}</li>'
        for stage in stages
    )
    cut = f" {len(pauses)} pauses without any job are left out." if pauses else ""
    by = "worker" if any(job.worker for job in jobs) else "job at a time"
    return (
        f'<figure><ul class="legend" aria-label="Colours of stages">{legend}</ul>'
        f'<div class="wide" role="region" aria-label="Timeline" tabindex="0">'
        f'<svg class="chart" viewBox="0 0 {WIDTH:g} {height:g}" role="img" '
        f'aria-label="Timeline of {len(jobs)} jobs; the table by rule says the same in figures">'
        f"{''.join(parts)}</svg></div><figcaption>When each job worked, a line per {by}; point at "
        f"a bar for its name.{cut}</figcaption></figure>"
    )


def _short(worker: str) -> str:
    return worker if len(worker) <= _NAME else f"{worker[: _NAME - 1]}…"


def rank_stages(jobs: Iterable[Job]) -> list[str]:
    """Return the stages that have jobs, in their order."""
    found = {stage_of(job.rule) for job in jobs}
    return [stage for stage in STAGES if stage in found]


def _bar(job: Job, x: float, y: float, width: float) -> str:
    colour = COLOUR_OF.get(stage_of(job.rule) or "", "#000")
    told = f"{job.name}: {seconds(job.wall).text}, {job.peak_mb:,.0f} MB"
    told += ", failed" if job.failed else ""
    outline = ' stroke="#dc2626" stroke-width="2"' if job.failed else ""
    return (
        f'<rect x="{x:.1f}" y="{y + 1:.1f}" width="{max(width, 0.8):.1f}" height="{_LANE - 2:g}" '
        f'fill="{colour}"{outline}><title>{html.escape(told)}</title></rect>'
    )


def read_graph(run: Path, last: str, read: Iterable[Path]) -> dict[str, set[str]]:
    """Return which rules each rule waited for.

    Args:
        run: the run's folder.
        last: the rule whose files have no record yet.
        read: what it reads.
    """
    records = read_records(run)
    graph: dict[str, set[str]] = defaultdict(set)
    for made in records.values():
        graph[made.rule] |= _makers(made.inputs, records) - {made.rule}
    files = [path.relative_to(run).as_posix() for path in read if path.is_relative_to(run)]
    graph[last] = _makers(files, records) - {last}
    return dict(graph)


def _makers(files: Iterable[str], records: Mapping[str, Made]) -> set[str]:
    return {records[file].rule for file in files if file in records}


def layers(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """Return rules in rows, each rule below all that it waits for."""
    depth: dict[str, int] = {}

    def of(rule: str) -> int:
        if rule not in depth:
            depth[rule] = 1 + max(map(of, sorted(graph.get(rule, ()))), default=-1)
        return depth[rule]

    for rule in graph:
        of(rule)
    order = [rule for rules in STAGES.values() for rule in rules]
    rows: list[list[str]] = [[] for _ in range(max(depth.values(), default=-1) + 1)]
    for rule in sorted(depth, key=lambda name: ((order + [name]).index(name), name)):
        rows[depth[rule]].append(rule)
    return rows


def direct(graph: Mapping[str, set[str]]) -> list[tuple[str, str]]:
    """Return what waits for what, without what follows from the rest."""

    def above(rule: str) -> set[str]:
        waited = graph.get(rule, set())
        return waited.union(*map(above, waited))

    return sorted(
        (before, rule)
        for rule, waited in graph.items()
        for before in waited
        if not any(before in above(other) for other in waited - {before})
    )


def draw_graph(graph: Mapping[str, set[str]], jobs: Sequence[Job]) -> str:
    """Return the rules as boxes below those that they wait for, with jobs and durations."""
    rows = layers(graph)
    if not rows:
        return ""
    widest = max(map(len, rows))
    width, height = widest * _STEP[0], len(rows) * _STEP[1]
    place = {
        rule: ((at + (widest - len(row)) / 2) * _STEP[0] + 7, down * _STEP[1] + 4)
        for down, row in enumerate(rows)
        for at, rule in enumerate(row)
    }
    parts = []
    for before, after in direct(graph):
        (x1, y1), (x2, y2) = place[before], place[after]
        x1, y1, x2 = x1 + _BOX[0] / 2, y1 + _BOX[1], x2 + _BOX[0] / 2
        bend = (y2 - y1) / 2
        parts.append(
            f'<path d="M{x1:g},{y1:g}C{x1:g},{y1 + bend:g} {x2:g},{y2 - bend:g} {x2:g},{y2:g}"/>'
        )
    for rule, (x, y) in place.items():
        took = [job.wall for job in jobs if job.rule == rule]
        said = "no log" if not took else seconds(sum(took)).text
        said = f"{len(took):,} jobs, {said}" if len(took) > 1 else said
        colour = COLOUR_OF.get(stage_of(rule) or "", "#000")
        parts.append(
            f'<g><rect x="{x:g}" y="{y:g}" width="{_BOX[0]:g}" height="{_BOX[1]:g}" rx="4" '
            f'stroke="{colour}"/><text x="{x + 7:g}" y="{y + 14:g}">{html.escape(_words(rule))}'
            f'</text><text class="small" x="{x + 7:g}" y="{y + 27:g}">{html.escape(said)}</text>'
            "</g>"
        )
    return (
        '<figure><div class="wide" role="region" aria-label="What waits for what" tabindex="0">'
        f'<svg class="graph" viewBox="0 0 {width:g} {height:g}" '
        f'style="width:{width:g}px;max-width:none" role="img" '
        f'aria-label="Graph of {len(graph)} rules; the table by rule has their durations">'
        f"{''.join(parts)}</svg></div><figcaption>What waits for what, from top to "
        "bottom, with the time of all jobs together.</figcaption></figure>"
    )
