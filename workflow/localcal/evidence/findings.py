"""What is conspicuous in the figures of a run: thresholds, a verdict on each, and what to change.

The thresholds are ours, not a standard: each is a figure beyond which a run is worth looking at.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from localcal.evidence.figures import away_from_data, quantile, used_of_asked
from localcal.evidence.lines import Attempt, Reading
from localcal.jobs.usage import COLD
from localcal.timing import CHECK, IMPORT, LOAD, WRITE

FINE, LOOK, UNKNOWN = "fine", "look", "unknown"

# A straggler took so many times the median of its rule, and so many seconds more than that.
STRAGGLER_TIMES, STRAGGLER_SECONDS = 2.0, 10.0
# A payload is too large from here on, or where it has so many times the bytes of its rule's median.
HANDED_BYTES = RESULT_BYTES = 100e6
PAYLOAD_TIMES, PAYLOAD_BYTES = 10.0, 1e6
# Fewer than these say nothing of what is usual for their rule.
USUAL_JOBS = 4
# Of the memory that was asked for.
NEAR_LIMIT, FAR_BELOW = 0.9, 0.3
# What is asked for where the largest job is known, and below which it is not worth asking less.
ROOM, SMALL_MB, LEAST_MB, STEP_MB = 1.25, 2000, 500, 100
# Of the work.
AWAY_SHARE = OVERHEAD_SHARE = 0.5
THROTTLED_SHARE = COLD_SHARE = 0.1
# So many jobs that waited for a model are named for each worker.
SHOWN_COLD = 5
OVERHEAD = (IMPORT, LOAD, WRITE, CHECK)
MB = 1e6


@dataclass(frozen=True)
class Case:
    """Something that is worth looking at.

    Attributes:
        job: the job, or a rule where all of its jobs are meant.
        said: what about it.
        change: what would mend it.
    """

    job: str
    said: str
    change: str


@dataclass(frozen=True)
class Finding:
    """A threshold and what it says of a run.

    Attributes:
        name: what was looked at.
        threshold: beyond what something is worth looking at, in words.
        verdict: FINE, LOOK where there are cases, UNKNOWN where no job says what is needed.
        unknown: jobs that do not say what is needed.
        cases: what is worth looking at, the worst first.
    """

    name: str
    threshold: str
    verdict: str
    unknown: int
    cases: tuple[Case, ...]


def find(reading: Reading) -> list[Finding]:
    """Return all thresholds with what each says of a run."""
    attempts = reading.attempts
    return [
        _stragglers(attempts),
        _retries(attempts),
        _failures(reading),
        _memory_short(attempts),
        _memory_idle(attempts),
        _payloads(reading),
        _away(attempts),
        _cold_starts(attempts),
        _overhead(attempts),
        _throttled(attempts),
    ]


def _finding(name: str, threshold: str, known: int, unknown: int, cases: Iterable[Case]) -> Finding:
    cases = tuple(cases)
    verdict = LOOK if cases else FINE if known else UNKNOWN
    return Finding(name, threshold, verdict, unknown, cases)


def _groups(attempts: Iterable[Attempt]) -> list[list[Attempt]]:
    """Return attempts by rule."""
    ordered = sorted(attempts, key=lambda one: one.rule)
    return [list(group) for _, group in groupby(ordered, key=lambda one: one.rule)]


def _median(group: Iterable[Attempt], figure: Callable[[Attempt], float | None]) -> float:
    """Return the median of a figure, nan where fewer jobs have it than say what is usual."""
    values = sorted(value for one in group if (value := figure(one)) is not None)
    return quantile(values, 0.5) if len(values) >= USUAL_JOBS else math.nan


def _stragglers(attempts: Sequence[Attempt]) -> Finding:
    found: list[tuple[float, Case]] = []
    compared = 0
    for group in _groups(attempts):
        median = _median(group, lambda one: one.usage.wall_seconds)
        if math.isnan(median):
            continue
        compared += len(group)
        for one in group:
            more = one.usage.wall_seconds - median
            if more > STRAGGLER_SECONDS and one.usage.wall_seconds > STRAGGLER_TIMES * median:
                said = f"{one.usage.wall_seconds:.1f} s, the median of its rule is {median:.1f} s"
                cause, change = _cause(one, group)
                found.append((more, Case(one.job, f"{said}{cause}", change)))
    return _finding(
        "stragglers",
        f"over {STRAGGLER_TIMES:g} times the median of the rule's jobs, and {STRAGGLER_SECONDS:g} "
        f"s more; of rules with {USUAL_JOBS} jobs",
        compared,
        len(attempts) - compared,
        (case for _, case in sorted(found, key=lambda one: (-one[0], one[1].job))),
    )


def _cause(one: Attempt, group: Sequence[Attempt]) -> tuple[str, str]:
    """Return what took a straggler most of its time more, and what would mend that."""
    where = f" on {one.usage.worker}" if one.usage.worker else ""
    machine = f"see what else was at work{where} at that time; run fewer jobs at once there"
    if one.usage.phases is None:
        return where, machine
    usual = {
        name: quantile(values, 0.5)
        for name in one.usage.phases
        if (
            values := sorted(
                other.usage.phases.get(name, 0.0)
                for other in group
                if other.usage.phases is not None
            )
        )
    }
    more = {name: spent - usual[name] for name, spent in one.usage.phases.items()}
    # The rest of the time was spent in no phase: the job waited.
    waited = one.usage.wall_seconds - sum(one.usage.phases.values())
    worst = max(sorted(more), key=lambda name: more[name], default=None)
    if worst is None or more[worst] < waited:
        return f"; {waited:.1f} s in no phase{where}", machine
    said = f"; {worst} {one.usage.phases[worst]:.1f} s against {usual[worst]:.1f} s{where}"
    if worst == LOAD:
        return said, "it waited for a model: see cold starts"
    if worst in (WRITE, CHECK):
        return said, f"the disk was slow: see what else wrote there{where}, or use a faster one"
    if one.usage.throttled_seconds:
        return said, "its processor was limited: see throttling"
    return said, f"cut its work smaller (matrix.chunk_columns, batch_size of a sweep), or {machine}"


def _retries(attempts: Sequence[Attempt]) -> Finding:
    known = [one for one in attempts if one.usage.attempt is not None]
    cases = []
    for one in sorted(known, key=lambda one: (-(one.usage.attempt or 0), one.job)):
        if (one.usage.attempt or 0) < 2:
            continue
        asked = one.usage.asked_mb
        change = "see why the attempt before failed: `localcal status RUN`, or the executor's logs"
        if asked is not None:
            change += (
                f"; if it was memory, --set-resources {one.rule}:mem_mb={asked} asks for as much "
                "in the first attempt"
            )
        cases.append(Case(one.job, f"attempt {one.usage.attempt}", change))
    return _finding(
        "retries", "any attempt after the first", len(known), len(attempts) - len(known), cases
    )


def _failures(reading: Reading) -> Finding:
    cases = [
        Case(job, "its last attempt failed", "`localcal status RUN` says why the newest one did")
        for job in reading.failed
    ]
    return _finding("failures", "any", len(reading.attempts), len(reading.silent), cases)


def _memory_short(attempts: Sequence[Attempt]) -> Finding:
    known = [one for one in attempts if one.usage.asked_mb]
    found = [one for one in known if (used_of_asked(one) or 0.0) > NEAR_LIMIT]
    cases = [
        Case(
            one.job,
            f"{one.usage.peak_mb:,} MB of {one.usage.asked_mb:,} MB",
            f"--set-resources {one.rule}:mem_mb={_room_for(one.usage.peak_mb)}",
        )
        for one in sorted(found, key=lambda one: (-(used_of_asked(one) or 0.0), one.job))
    ]
    return _finding(
        "memory too short",
        f"over {NEAR_LIMIT:.0%} of what was asked for",
        len(known),
        len(attempts) - len(known),
        cases,
    )


def _memory_idle(attempts: Sequence[Attempt]) -> Finding:
    known = [one for one in attempts if one.usage.asked_mb]
    found = []
    for group in _groups(known):
        peak = max(one.usage.peak_mb for one in group)
        asked = max(one.usage.asked_mb or 0 for one in group)
        if asked >= SMALL_MB and peak < FAR_BELOW * asked:
            rule = group[0].rule
            change = (
                f"--set-resources {rule}:mem_mb={max(_room_for(peak), LEAST_MB)} for runs of this "
                "size, so that more jobs run side by side"
            )
            said = f"at most {peak:,} MB of {asked:,} MB {_in_jobs(group)}"
            found.append((peak - asked, Case(rule, said, change)))
    return _finding(
        "memory left idle",
        f"no job of a rule uses {FAR_BELOW:.0%} of the {SMALL_MB:,} MB or more asked for",
        len(known),
        len(attempts) - len(known),
        (case for _, case in sorted(found, key=lambda one: (one[0], one[1].job))),
    )


def _in_jobs(group: Sequence[Attempt]) -> str:
    return "in its only job" if len(group) == 1 else f"in {len(group)} jobs"


def _room_for(peak_mb: float) -> int:
    return STEP_MB * math.ceil(ROOM * peak_mb / STEP_MB)


def _payloads(reading: Reading) -> Finding:
    found: list[tuple[float, Case]] = []
    known = 0
    for group in _groups(reading.attempts):
        for verb, figure, limit in _PAYLOADS:
            median = _median(group, figure)
            sizes = [(one, size) for one in group if (size := figure(one)) is not None]
            known += len(sizes)
            found += [
                (size, Case(one.job, f"{verb} {_mb(size)}{_against(median)}", _SMALLER[verb]))
                for one, size in sizes
                if size > limit or _is_unusual(size, median)
            ]
    known += len(reading.aggregated)
    found += [
        (
            one.largest_bytes,
            Case(
                one.job,
                f"one of {one.results} results put together to {one.target} has "
                f"{_mb(one.largest_bytes)}",
                _SMALLER["handed over"],
            ),
        )
        for one in reading.aggregated
        if one.largest_bytes > RESULT_BYTES
    ]
    silent = sum(one.usage.read_bytes is None for one in reading.attempts)
    return _finding(
        "oversized payloads",
        f"over {_mb(HANDED_BYTES)} handed over or in one result, or over {PAYLOAD_TIMES:g} times "
        f"the median of the rule's jobs and {_mb(PAYLOAD_BYTES)}",
        known,
        silent,
        (case for _, case in sorted(found, key=lambda one: (-one[0], one[1].job, one[1].said))),
    )


_PAYLOADS: tuple[tuple[str, Callable[[Attempt], float | None], float], ...] = (
    ("read", lambda one: one.usage.read_bytes, math.inf),
    ("made", lambda one: one.usage.made_bytes, math.inf),
    ("handed over", lambda one: one.usage.handed_bytes, HANDED_BYTES),
)
_SMALLER = {
    "read": "see which of the files that it read is large (its log names them), and why",
    "made": "see why it has more than the others; cut its work smaller (matrix.chunk_columns)",
    "handed over": "hand over the path of a file instead of what is in it, or cut the work smaller "
    "(matrix.chunk_columns, batch_size of a sweep)",
}


def _is_unusual(size: float, median: float) -> bool:
    # Comparisons with nan, where nothing is usual, are false.
    return size > PAYLOAD_BYTES and size > PAYLOAD_TIMES * median


def _against(median: float) -> str:
    return "" if math.isnan(median) else f", the median of its rule is {_mb(median)}"


def _mb(n_bytes: float) -> str:
    return f"{n_bytes / MB:,.3g} MB"


def _away(attempts: Sequence[Attempt]) -> Finding:
    found = away_from_data(attempts)
    cases = []
    if found.seconds_share is not None and found.seconds_share > AWAY_SHARE:
        cases.append(
            Case(
                f"{found.away} of {found.jobs} jobs",
                f"{found.seconds_share:.0%} of the work was done elsewhere than where what it "
                f"needed was made, {_mb(found.bytes_away or 0.0)}",
                "use fewer and larger workers, or let jobs that read each other's files share one: "
                "Snakemake's --groups and --group-components",
            )
        )
    return _finding(
        "work away from its data",
        f"over {AWAY_SHARE:.0%} of the work",
        found.jobs,
        found.unknown,
        cases,
    )


def _cold_starts(attempts: Sequence[Attempt]) -> Finding:
    needed = [one for one in attempts if one.usage.start is not None]
    # A job that says nothing of its phases may have needed a model.
    unknown = sum(one.usage.start is None and one.usage.phases is None for one in attempts)
    work = sum(one.usage.wall_seconds for one in needed)
    cases = []
    for worker in sorted({one.usage.worker or "" for one in needed}):
        cold = [
            one for one in needed if one.usage.start == COLD and (one.usage.worker or "") == worker
        ]
        waited = sum(map(_waited, cold))
        if (loads := _loads(cold)) > 1 and waited > COLD_SHARE * work:
            named = ", ".join(one.job for one in cold[:SHOWN_COLD])
            more = f" and {len(cold) - SHOWN_COLD} more" if len(cold) > SHOWN_COLD else ""
            cases.append(
                Case(
                    worker or "an unknown worker",
                    f"loaded models {loads} times, for which {len(cold)} jobs waited {waited:.1f} "
                    f"s: {named}{more}",
                    "keep workers alive between jobs (modal-scaledown-window), and make what is "
                    "wanted in one call of Snakemake, which keeps a loaded model until it ends",
                )
            )
    return _finding(
        "cold starts",
        f"more than one on a worker, and over {COLD_SHARE:.0%} of the time of all jobs with a "
        "model went to waiting there",
        len(needed),
        unknown,
        cases,
    )


def _waited(one: Attempt) -> float:
    return (one.usage.phases or {}).get(LOAD, 0.0)


def _loads(cold: Sequence[Attempt]) -> int:
    """Return how often a worker loaded a model: jobs that waited at the same time shared one."""
    loads, until = 0, -math.inf
    for one in sorted(cold, key=lambda one: one.usage.begun or 0.0):
        begun = one.usage.begun
        if begun is None or begun > until:
            loads += 1
        spent = one.usage.phases or {}
        until = max(until, (begun or 0.0) + spent.get(IMPORT, 0.0) + spent.get(LOAD, 0.0))
    return loads


def _overhead(attempts: Sequence[Attempt]) -> Finding:
    known = [one for one in attempts if one.usage.phases is not None]
    found = []
    for group in _groups(known):
        if len(group) < USUAL_JOBS:
            continue
        work = sum(one.usage.wall_seconds for one in group)
        spent = {
            name: sum((one.usage.phases or {}).get(name, 0.0) for one in group) for name in OVERHEAD
        }
        beside = sum(spent.values())
        if beside > OVERHEAD_SHARE * work:
            worst = max(OVERHEAD, key=lambda name: spent[name])
            said = (
                f"{beside:.1f} s of {work:.1f} s in {len(group)} jobs went beside the work, most "
                f"of it to {worst} ({spent[worst]:.1f} s)"
            )
            found.append((-beside, Case(group[0].rule, said, _LESS[worst])))
    return _finding(
        "time beside the work",
        f"over {OVERHEAD_SHARE:.0%} of a rule's time to {', '.join(OVERHEAD)}; of rules with "
        f"{USUAL_JOBS} jobs",
        len(known),
        len(attempts) - len(known),
        (case for _, case in sorted(found, key=lambda one: (one[0], one[1].job))),
    )


_FEWER = "make fewer and larger jobs (matrix.chunk_columns, batch_size of a sweep, modal-batches)"
_LESS = {
    IMPORT: _FEWER,
    LOAD: "see cold starts",
    WRITE: f"use a faster disk, or {_FEWER}",
    CHECK: f"use a faster disk, or {_FEWER}",
}


def _throttled(attempts: Sequence[Attempt]) -> Finding:
    known = [one for one in attempts if one.usage.throttled_seconds is not None]

    def share(one: Attempt) -> float:
        wall = one.usage.wall_seconds
        return (one.usage.throttled_seconds or 0.0) / wall if wall else 0.0

    found = sorted(
        (one for one in known if share(one) > THROTTLED_SHARE),
        key=lambda one: (-share(one), one.job),
    )
    cases = [
        Case(
            one.job,
            f"kept from the processor for {one.usage.throttled_seconds:.1f} s in "
            f"{one.usage.wall_seconds:.1f} s",
            "give the container more processors, or run fewer jobs at once in it",
        )
        for one in found
    ]
    return _finding(
        "throttling",
        f"over {THROTTLED_SHARE:.0%} of a job's time; other jobs in the same control group count",
        len(known),
        len(attempts) - len(known),
        cases,
    )
