"""Times, sizes and tables as people read them."""

from collections.abc import Iterable, Sequence


def in_words(seconds: float) -> str:
    """Return a time as people say it: 40 s, 12 min, 3.5 h, 2 days."""
    if seconds < 100:
        return f"{max(seconds, 0):.0f} s"
    if seconds < 100 * 60:
        return f"{seconds / 60:.0f} min"
    if seconds < 48 * 3600:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 86400:.0f} days"


def megabytes(size: int) -> str:
    """Return a size in MB, 10^6 bytes."""
    return f"{size / 1e6:,.1f} MB"


def ago(written: float | None, now: float) -> str:
    """Return how long ago something was written."""
    return "" if written is None else f"{in_words(now - written)} ago"


def bar(done: int, expected: int, width: int = 20) -> str:
    """Return a bar as Snakemake's has it: full only with all, empty only without any."""
    full = width if done >= expected else min(max(done * width // expected, done > 0), width - 1)
    return "━" * full + "─" * (width - full)


def per_time(per_hour: float) -> str:
    """Return how many there are in the unit of time in which there is one: 2.5/s, 12/min, 40/h."""
    for unit, seconds in (("s", 1), ("min", 60)):
        if per_hour * seconds >= 3600:
            return f"{_short(per_hour * seconds / 3600)}/{unit}"
    return f"{_short(per_hour)}/h"


def _short(count: float) -> str:
    return f"{count:,.0f}" if count >= 10 else f"{count:.1f}"


def aligned(rows: Iterable[Sequence[str]]) -> str:
    """Return rows of text with their columns below each other."""
    rows = list(rows)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(f"{text:{width}}" for text, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
