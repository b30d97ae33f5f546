"""The status of runs as text and as JSON."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime

from localcal.status.look import ACTIVE, RunStatus, Stage
from localcal.status.words import ago, aligned, bar, in_words, megabytes, per_time

FORMAT = 1
"""What a reader of the JSON can rely on; it counts up when a key goes or changes its meaning."""


def as_json(runs: Sequence[RunStatus]) -> str:
    """Return the status of runs as JSON: an object per run, with the same keys whatever it is."""
    content = {"format": FORMAT, "runs": [asdict(run) for run in runs]}
    return json.dumps(content, indent=1, sort_keys=True, allow_nan=False) + "\n"


def as_table(runs: Sequence[RunStatus], now: float) -> str:
    """Return one line per run: its name, state, files, last sign of life, and what else to know."""
    if not runs:
        return "no runs"
    rows = [("RUN", "STATE", "FILES", "WRITTEN", "")]
    rows += [(run.run, run.state, _files(run), ago(run.written, now), _more(run)) for run in runs]
    return aligned(rows)


def as_line(run: RunStatus) -> str:
    """Return what one line can say of a run."""
    return "  ".join(filter(None, [run.run, run.state, _files(run), _more(run)]))


def as_page(run: RunStatus, now: float) -> str:
    """Return all that is known of a run."""
    state = f"{run.state}: {run.reason}" if run.reason else run.state
    lines = [("run", run.run), ("state", state)]
    if run.release is not None:
        lines.append(("release", str(run.release)))
    if run.created is not None:
        lines.append(("created", run.created))
    if run.begun is not None:
        at = datetime.fromtimestamp(run.begun, UTC).isoformat()
        lines.append(("last session", f"{at} ({run.holder})"))
    if run.written is not None:
        lines.append(("last written", f"{ago(run.written, now)}, {megabytes(run.size)}"))
    if run.chunks is not None:
        lines.append(("chunks", _chunks(run)))
    if run.cost is not None:
        lines.append(("cost", _cost(run)))
    if run.last_error is not None:
        lines += [("last error", run.last_error.message), ("", f"see {run.last_error.log}")]
    lines += [("problem", problem) for problem in run.problems]
    parts = ["\n".join(f"{name:13} {text}" for name, text in lines)]
    if run.stages:
        parts.append(_stages(run))
    return "\n\n".join(parts)


def _stages(run: RunStatus) -> str:
    rows = [
        (
            "STAGE",
            "",
            "FILES",
            "AT WORK",
            "RATE",
            "LEFT",
            "TOOK",
            "CPU HOURS",
            "GB-HOURS",
            "LARGEST",
        )
    ]
    rows += [
        (
            stage.name,
            bar(stage.done, stage.expected),
            f"{stage.done}/{stage.expected}",
            str(stage.at_work or ""),
            per_time(stage.per_hour) if stage.per_hour and _goes_on(stage) else "",
            in_words(stage.seconds_left) if stage.seconds_left and _goes_on(stage) else "",
            "" if stage.seconds is None else in_words(stage.seconds),
            _hours(stage.cpu_hours),
            _hours(stage.gb_hours),
            "" if stage.peak_mb is None else f"{stage.peak_mb:,} MB",
        )
        for stage in run.stages
        # Sweeps are asked for by name, and most runs have none.
        if stage.expected or stage.seconds is not None
    ]
    # What nothing is known of takes no room: of a run that has ended, what is left.
    columns = [column for column in zip(*rows, strict=True) if any(column[1:])]
    return aligned(zip(*columns, strict=True))


def _goes_on(stage: Stage) -> bool:
    return stage.done < stage.expected


def _chunks(run: RunStatus) -> str:
    chunks = run.chunks
    assert chunks is not None
    words = [f"{chunks.done} of {chunks.expected}"]
    if chunks.at_work:
        words.append(f"{chunks.at_work} at work")
    if chunks.mean_seconds is not None:
        words.append(f"{in_words(chunks.mean_seconds)} each")
    if chunks.per_hour is not None:
        words.append(f"{chunks.per_hour:,.0f} an hour")
    if chunks.seconds_left is not None and chunks.done < chunks.expected:
        words.append(f"about {in_words(chunks.seconds_left)} left for them")
    return ", ".join(words)


def _cost(run: RunStatus) -> str:
    cost = run.cost
    assert cost is not None
    if not cost.jobs:
        return f"no figures of {cost.without_figures} jobs"
    words = f"{_hours(cost.cpu_hours)} CPU hours, {_hours(cost.gb_hours)} GB-hours"
    words += f" of {cost.jobs} jobs"
    if cost.without_figures:
        words += f"; {cost.without_figures} more have no figures"
    return words


def _hours(hours: float | None) -> str:
    """Return hours of a second in a small run, of months in a large one."""
    if hours is None:
        return ""
    if 0 < hours < 0.0001:
        return "<0.0001"
    return f"{hours:.4f}" if hours < 10 else f"{hours:,.1f}"


def _files(run: RunStatus) -> str:
    if run.expected is None:
        return f"{run.done}/?" if run.created or run.state == ACTIVE else ""
    return f"{run.done}/{run.expected}"


def _progress(run: RunStatus) -> str:
    """Return what an active run is about: its chunks, or the first stage that is not complete."""
    stage = next((stage for stage in run.stages if stage.done < stage.expected), None)
    if stage is None:
        return ""
    if stage.name == "chunks" and run.chunks is not None:
        return f"chunks: {_chunks(run)}"
    return f"{stage.name}: {stage.done} of {stage.expected}"


def _more(run: RunStatus) -> str:
    words = [run.reason]
    if run.state == ACTIVE:
        words.append(_progress(run))
    if run.release is not None:
        words.append(str(run.release))
    if run.problems:
        words.append(f"problem: {run.problems[0]}")
    return "; ".join(filter(None, words))
