"""Stages as lines of text."""

from collections.abc import Iterable, Sequence

from snakemake_logger_plugin_stages.stages import Stage, Stages

BAR = 20
FULL, EMPTY = "━", "─"


def in_words(seconds: float) -> str:
    """A time as people say it: 40 s, 12 min, 3.5 h, 2 days."""
    if seconds < 100:
        return f"{max(seconds, 0):.0f} s"
    if seconds < 100 * 60:
        return f"{seconds / 60:.0f} min"
    if seconds < 48 * 3600:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 86400:.0f} days"


def rate(per_second: float) -> str:
    """Jobs in the unit of time in which there is more than one: 2.5/s, 12/min, 40/h."""
    for seconds, unit in ((1, "s"), (60, "min")):
        if per_second * seconds >= 1:
            return f"{_short(per_second * seconds)}/{unit}"
    return f"{_short(per_second * 3600)}/h"


def _short(count: float) -> str:
    return f"{count:,.0f}" if count >= 10 else f"{count:.1f}"


def bar(done: int, total: int, width: int = BAR) -> str:
    """A bar that is full only if all is done, and empty only if nothing is."""
    full = width if done >= total else min(max(done * width // total, done > 0), width - 1)
    return FULL * full + EMPTY * (width - full)


def facts(stage: Stage, now: float) -> list[str]:
    """What there is to say of a stage besides its counts; empty texts for what is not known."""
    pace = stage.per_second()
    left = stage.seconds_left(now)
    # Nothing is left to wait for in a stage whose jobs need one that failed.
    time = f"{in_words(left)} left" if left is not None and not stage.failed else ""
    if stage.took is not None:
        time = f"took {in_words(stage.took)}"
    return [
        f"{stage.failed} failed" if stage.failed else "",
        f"{stage.at_work} at work" if stage.at_work else "",
        rate(pace) if pace is not None and stage.total > 1 else "",
        time,
        f"{stage.peak_mb:,} MB" if stage.peak_mb is not None else "",
    ]


def as_line(stage: Stage, now: float, job: str = "") -> str:
    """A stage in one line by itself, with how far a job of it is."""
    said = ", ".join(filter(None, [f"{stage.done}/{stage.total}", *facts(stage, now), job]))
    return f"{stage.name}: {said}"


def as_block(stages: Iterable[Stage], now: float, jobs: Sequence[str] = ()) -> list[str]:
    """Stages below each other, with bars, and with how far a job of each is."""
    rows = [
        (
            stage.name,
            bar(stage.done, stage.total),
            f"{stage.done}/{stage.total}",
            *facts(stage, now),
        )
        for stage in stages
    ]
    said = jobs or [""] * len(rows)
    lines = zip(aligned(rows), said, strict=True)
    return [f"{line}  {job}" if job else line for line, job in lines]


def of_all(stages: Stages, began: float, now: float) -> str:
    """How far the whole run is."""
    said = [f"{stages.done} of {stages.total} jobs", f"{in_words(now - began)} so far"]
    if stages.failed:
        said.append(f"{stages.failed} failed")
    elif stages.done < stages.total:
        left, known = stages.seconds_left(now)
        if known or left >= 1:
            said.append(f"{'about' if known else 'at least'} {in_words(left)} left")
    return ", ".join(said)


def folded(stages: Sequence[Stage], most: int) -> tuple[list[Stage], int]:
    """The stages to show where there is room for so many, and how many are left out.

    Complete ones go first, from the beginning, then those that have not begun, from the end.
    """
    shown = list(stages)
    for expendable in (
        [stage for stage in stages if stage.is_complete],
        [stage for stage in reversed(stages) if not stage.at_work and not stage.failed],
    ):
        for stage in expendable:
            if len(shown) > max(most, 1) and stage in shown:
                shown.remove(stage)
    return shown[: max(most, 1)], len(stages) - len(shown[: max(most, 1)])


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows of text with their columns below each other, the counts and all after them to the right.

    Columns in which there is nothing take no room.
    """
    columns = [column for column in zip(*rows, strict=True) if any(column)]
    widths = [max(map(len, column)) for column in columns]
    lines = []
    for row in zip(*columns, strict=True):
        cells = [
            f"{text:<{width}}" if number < 2 else f"{text:>{width}}"
            for number, (text, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return lines
