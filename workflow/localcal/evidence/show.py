"""What a run's jobs took, as text and as JSON."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict

from localcal.evidence.figures import (
    Away,
    OfRule,
    Spread,
    away_from_data,
    by_phase,
    by_rule,
    of_attempts,
    payloads,
    spread,
)
from localcal.evidence.findings import Finding, find
from localcal.evidence.lines import Reading
from localcal.jobs.usage import COLD, WARM
from localcal.status.words import aligned

FORMAT = 1
"""What a reader of the JSON can rely on; it counts up when a key goes or changes its meaning."""

# So many cases of a threshold are shown as text; all are in the JSON.
SHOWN = 10
MB = 1e6


def as_json(reading: Reading) -> str:
    """Return everything as JSON; what is not known is null there, and counted beside it."""
    content = {
        "format": FORMAT,
        "jobs": {
            "with_figures": len(reading.attempts),
            "without_figures": sorted(reading.silent),
            "failed": sorted(reading.failed),
            "damaged_lines": sorted(reading.damaged),
        },
        "wall_seconds": asdict(of_attempts(reading.attempts, lambda one: one.usage.wall_seconds)),
        "cpu_seconds": asdict(of_attempts(reading.attempts, lambda one: one.usage.cpu_seconds)),
        "phases": {name: asdict(one) for name, one in by_phase(reading.attempts).items()},
        "simulations": asdict(spread((one.job, one.seconds) for one in reading.simulated)),
        "aggregations": asdict(spread((one.job, one.seconds) for one in reading.aggregated)),
        "payload_bytes": {name: asdict(one) for name, one in payloads(reading).items()},
        "away_from_data": asdict(away_from_data(reading.attempts)),
        "starts": starts(reading),
        "rules": [asdict(one) for one in by_rule(reading.attempts)],
        "findings": [asdict(one) for one in find(reading)],
    }
    return json.dumps(content, indent=1, sort_keys=True, allow_nan=False) + "\n"


def starts(reading: Reading) -> dict[str, int]:
    """Return how many jobs found the model loaded, or waited until it was."""
    found = [one.usage.start for one in reading.attempts]
    return {name: found.count(name) for name in (WARM, COLD)}


def as_text(reading: Reading) -> str:
    """Return what people want to know: figures first, then the verdicts."""
    attempts = reading.attempts
    return (
        "\n\n".join(
            [
                _jobs(reading),
                _spreads("PHASE", by_phase(attempts) | _timings(reading), "s", _seconds),
                _spreads("PAYLOAD", payloads(reading), "MB", _megabytes),
                _rules(by_rule(attempts)),
                "\n".join(map(_told, find(reading))),
            ]
        )
        + "\n"
    )


def _jobs(reading: Reading) -> str:
    total = of_attempts(reading.attempts, lambda one: one.usage.wall_seconds).total
    count = starts(reading)
    lines = [
        ("jobs", f"{len(reading.attempts)} say what they took: {_seconds(total)} s of work"),
        ("without", f"{len(reading.silent)} are at work, were killed, or failed at once"),
        ("damaged", f"{len(reading.damaged)} lines that should hold figures"),
        ("models", f"{count[WARM]} jobs found one loaded, {count[COLD]} waited for it"),
        ("locality", _locality(away_from_data(reading.attempts))),
    ]
    return "\n".join(f"{name:9} {text}" for name, text in lines)


def _locality(away: Away) -> str:
    if away.seconds_share is None:
        return f"not known of any of {away.unknown} jobs"
    return (
        f"{away.seconds_share:.0%} of the work was done away from its data ({away.away} of "
        f"{away.jobs} jobs, {_megabytes(away.bytes_away)} MB); not known of {away.unknown} jobs"
    )


def _timings(reading: Reading) -> dict[str, Spread]:
    return {
        "(a simulation)": spread((one.job, one.seconds) for one in reading.simulated),
        "(an aggregation)": spread((one.job, one.seconds) for one in reading.aggregated),
    }


def _spreads(
    title: str,
    found: dict[str, Spread],
    unit: str,
    say: Callable[[float | None], str],
) -> str:
    head = (
        title,
        "HAVE IT",
        "UNKNOWN",
        f"MEDIAN {unit}",
        f"P95 {unit}",
        f"TOTAL {unit}",
        f"LARGEST {unit}",
        "OF",
    )
    rows = [
        (
            name,
            str(one.jobs),
            str(one.unknown),
            *map(say, (one.median, one.p95, one.total, one.largest)),
            one.largest_job or "",
        )
        for name, one in found.items()
    ]
    return aligned([head, *rows])


def _rules(rules: Sequence[OfRule]) -> str:
    head = (
        "RULE",
        "JOBS",
        "MEDIAN s",
        "P95 s",
        "TOTAL s",
        "LARGEST MB",
        "ASKED MB",
        "USED",
        "UNKNOWN",
    )
    rows = [
        (
            one.rule,
            str(one.seconds.jobs),
            *map(_seconds, (one.seconds.median, one.seconds.p95, one.seconds.total)),
            _count(one.peak_mb.largest),
            _count(one.asked_mb.largest),
            "-" if (share := one.used_of_asked.largest) is None else f"{share:.0%}",
            str(one.used_of_asked.unknown),
        )
        for one in rules
    ]
    return aligned([head, *rows])


def _told(finding: Finding) -> str:
    unknown = f"; not known of {finding.unknown} jobs" if finding.unknown else ""
    lines = [f"{finding.verdict:8} {finding.name} ({finding.threshold}{unknown})"]
    for case in finding.cases[:SHOWN]:
        lines += [f"         {case.job}: {case.said}", f"             {case.change}"]
    if (more := len(finding.cases) - SHOWN) > 0:
        lines.append(f"         and {more} more, see --json")
    return "\n".join(lines)


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:,.2f}"


def _megabytes(value: float | None) -> str:
    return "-" if value is None else f"{value / MB:,.3f}"


def _count(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f}"
