"""Median, 95th percentile and total of what jobs took, with what is not known counted."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from localcal.evidence.lines import Attempt, Reading
from localcal.timing import PHASES

P95 = 0.95


@dataclass(frozen=True)
class Spread:
    """Some figure of several jobs; None where none of them has it.

    Attributes:
        jobs: how many have it.
        unknown: how many do not say it.
        median: in the figure's unit, as all below.
        p95: the 95th percentile, interpolated between the two figures next to it.
        total: of all that have it.
        largest: of them.
        largest_job: the job that has the largest.
    """

    jobs: int
    unknown: int
    median: float | None
    p95: float | None
    total: float | None
    largest: float | None
    largest_job: str | None


@dataclass(frozen=True)
class OfRule:
    """What the jobs of one rule took.

    Attributes:
        rule: its name.
        seconds: from the beginning of a job to its end.
        peak_mb: memory, 10^6 bytes.
        asked_mb: memory that was asked for, 10^6 bytes.
        used_of_asked: the first over the second, job by job, since another attempt asks for more.
    """

    rule: str
    seconds: Spread
    peak_mb: Spread
    asked_mb: Spread
    used_of_asked: Spread


@dataclass(frozen=True)
class Away:
    """How much work was done on another worker than the one that made what it needed.

    Attributes:
        jobs: of which it is known where they worked and where most of what they read was made.
        away: those of them that read more bytes from elsewhere than from their own worker.
        unknown: jobs of which it is not known, without those that read nothing of the run.
        seconds_share: of the work of `jobs`, that of `away`; None without any.
        bytes_share: of what `jobs` read, what others made; None where they read nothing.
        bytes_away: what others made.
    """

    jobs: int
    away: int
    unknown: int
    seconds_share: float | None
    bytes_share: float | None
    bytes_away: float | None


def spread(figures: Iterable[tuple[str, float | None]]) -> Spread:
    """Return the spread of a figure.

    Args:
        figures: a job's name and its figure; None where it does not say.
    """
    figures = list(figures)
    known = sorted((value, job) for job, value in figures if value is not None)
    values = [value for value, _ in known]
    unknown = len(figures) - len(known)
    if not values:
        return Spread(0, unknown, None, None, None, None, None)
    return Spread(
        jobs=len(values),
        unknown=unknown,
        median=quantile(values, 0.5),
        p95=quantile(values, P95),
        total=sum(values),
        largest=values[-1],
        largest_job=known[-1][1],
    )


def quantile(values: Sequence[float], share: float) -> float:
    """Return a quantile of sorted figures, interpolated linearly between the two next to it.

    Hyndman and Fan (1996), type 7, which is numpy's too.
    """
    place = share * (len(values) - 1)
    low = int(place)
    high = min(low + 1, len(values) - 1)
    return values[low] + (place - low) * (values[high] - values[low])


def of_attempts(attempts: Iterable[Attempt], figure: Callable[[Attempt], float | None]) -> Spread:
    """Return the spread of something that attempts say."""
    return spread((attempt.job, figure(attempt)) for attempt in attempts)


def by_phase(attempts: Iterable[Attempt]) -> dict[str, Spread]:
    """Return seconds by phase, of the jobs that had it; a job that had none of it is no zero."""
    attempts = list(attempts)
    return {
        phase: spread(
            (attempt.job, None if phases is None else phases[phase])
            for attempt in attempts
            if (phases := attempt.usage.phases) is None or phase in phases
        )
        for phase in PHASES
    }


def by_rule(attempts: Iterable[Attempt]) -> list[OfRule]:
    """Return what the jobs of each rule took, the rule with the most work first."""
    groups: dict[str, list[Attempt]] = {}
    for attempt in attempts:
        groups.setdefault(attempt.rule, []).append(attempt)
    rules = [
        OfRule(
            rule=rule,
            seconds=of_attempts(group, lambda one: one.usage.wall_seconds),
            peak_mb=of_attempts(group, lambda one: one.usage.peak_mb),
            asked_mb=of_attempts(group, lambda one: one.usage.asked_mb),
            used_of_asked=of_attempts(group, used_of_asked),
        )
        for rule, group in groups.items()
    ]
    return sorted(rules, key=lambda one: (-(one.seconds.total or 0.0), one.rule))


def used_of_asked(attempt: Attempt) -> float | None:
    """Return the share that a job used of the memory that it asked for."""
    asked = attempt.usage.asked_mb
    return attempt.usage.peak_mb / asked if asked else None


def payloads(reading: Reading) -> dict[str, Spread]:
    """Return bytes that jobs read, made, and handed to another process, and that of results."""
    attempts = reading.attempts
    return {
        "read": of_attempts(attempts, lambda one: one.usage.read_bytes),
        "made": of_attempts(attempts, lambda one: one.usage.made_bytes),
        # Most jobs hand nothing over, and only later versions say so at all.
        "handed over": of_attempts(
            (one for one in attempts if one.usage.handed_bytes is not None or _says_nothing(one)),
            lambda one: one.usage.handed_bytes,
        ),
        "put together": spread((one.job, one.n_bytes) for one in reading.aggregated),
        "largest result": spread(
            (one.job, one.largest_bytes) for one in reading.aggregated if one.results
        ),
    }


def _says_nothing(attempt: Attempt) -> bool:
    return attempt.usage.phases is None


def away_from_data(attempts: Sequence[Attempt]) -> Away:
    """Return how much work was done away from what it needed."""
    maker = {path: attempt.usage.worker for attempt in attempts for path in attempt.made or ()}
    jobs = away = unknown = 0
    seconds = seconds_away = read = read_away = 0.0
    for attempt in attempts:
        if attempt.read is not None and not attempt.read:
            continue
        worker = attempt.usage.worker
        known = {path: size for path, size in (attempt.read or {}).items() if maker.get(path)}
        if worker is None or 2 * sum(known.values()) <= sum((attempt.read or {}).values()):
            unknown += 1
            continue
        elsewhere = sum(size for path, size in known.items() if maker[path] != worker)
        jobs += 1
        seconds += attempt.usage.wall_seconds
        read += sum(known.values())
        read_away += elsewhere
        if 2 * elsewhere > sum(known.values()):
            away += 1
            seconds_away += attempt.usage.wall_seconds
    return Away(
        jobs=jobs,
        away=away,
        unknown=unknown,
        seconds_share=seconds_away / seconds if seconds else None,
        bytes_share=read_away / read if read else None,
        bytes_away=read_away if jobs else None,
    )
