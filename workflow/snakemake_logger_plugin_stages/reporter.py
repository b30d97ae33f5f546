"""What becomes of Snakemake's messages: a line per stage, what failed and why, and little else."""

import os
import re
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from logging import ERROR, WARNING, Handler, LogRecord
from pathlib import Path
from typing import Any, Protocol

import snakemake
from snakemake.logging import ColorizingTextHandler, DefaultFilter, DefaultFormatter
from snakemake.settings.enums import Quietness
from snakemake_interface_common.exceptions import WorkflowError
from snakemake_interface_logger_plugins.common import LogEvent
from snakemake_interface_logger_plugins.settings import OutputSettingsLoggerInterface

from snakemake_logger_plugin_stages import LogHandlerSettings, failures, words
from snakemake_logger_plugin_stages.screen import Above, File, Screen, Writer, is_terminal
from snakemake_logger_plugin_stages.stages import Stage, Stages

SNAKEMAKE = Path(snakemake.__file__).parent
# In the environment of jobs while stages are shown: they need not say how far they are, nor why
# they failed, since both are said here.
SHOWN = "SNAKEMAKE_STAGES_SHOWN"
# What Snakemake itself says while it works on jobs that is not in the stages' lines.
KEPT = ("Nothing to be done", "Shutting down", "Terminating processes", "Will exit after")
# What it says before, of every run.
DROPPED = ("Assuming unrestricted shared filesystem usage",)
AGAIN = re.compile(r"Trying to restart job (\d+)")
COMPLETE_LOG = re.compile(r"Complete log\(s\): (.+)")
# Said at the end by the stages' own last line, where jobs have failed.
FAILED = ("Exiting because a job execution failed", "At least one job did not complete")
SECONDS_BETWEEN_DRAWINGS = 1.0


class Taker(Protocol):
    """Something that takes what Snakemake says."""

    def take(self, record: LogRecord) -> None:
        """Take one message."""

    def close(self) -> None:
        """There are no more."""


def reporter(common: OutputSettingsLoggerInterface, settings: LogHandlerSettings) -> Taker:
    """What shows messages: Snakemake's own display where details, or nothing, are asked for.

    Raises:
        WorkflowError: a setting is wrong.
    """
    groups = parse_groups(settings.groups)
    memory = parse_pattern("memory", settings.memory, "the MB")
    progress = parse_pattern("progress", settings.progress, "how far a job is")
    stream = sys.stdout if common.stdout else sys.stderr
    quiet = set(common.quiet or ())
    if (
        common.dryrun
        or common.verbose
        or common.debug_dag
        or common.printshellcmds
        or quiet & {Quietness.ALL, Quietness.PROGRESS}
    ):
        return Plain(default_handler(common, stream))
    writer: Writer
    if is_terminal(stream):
        writer = screen = Screen(stream)
        # Now, while this is the only thread.
        screen.stand_between()
    else:
        writer = File(stream)
    own = default_handler(common, Above(writer, stream))
    os.environ[SHOWN] = "1"
    return Reporter(writer, own, Stages(groups), memory, progress, settings.every)


def parse_groups(texts: list[str]) -> dict[str, list[str]]:
    """The rules of each stage of several.

    Raises:
        WorkflowError: a text is not of the form NAME=RULE,RULE, or a rule is in two stages.
    """
    groups: dict[str, list[str]] = {}
    seen: set[str] = set()
    for text in texts:
        name, equals, rules = text.partition("=")
        listed = rules.split(",")
        if not equals or not name or not all(listed):
            raise WorkflowError(
                f"--logger-stages-groups: {text!r} is not of the form NAME=RULE,RULE"
            )
        twice = [rule for rule in listed if rule in seen or listed.count(rule) > 1]
        if twice or name in groups:
            raise WorkflowError(
                f"--logger-stages-groups: {text!r}: {(twice or [name])[0]} is in two stages"
            )
        groups[name] = listed
        seen.update(listed)
    return groups


def parse_pattern(setting: str, text: str | None, found: str) -> re.Pattern[str] | None:
    """The expression of a setting that finds something in log files.

    Raises:
        WorkflowError: it is none, or has not one group.
    """
    if text is None:
        return None
    try:
        pattern = re.compile(text, re.MULTILINE)
    except re.error as error:
        raise WorkflowError(f"--logger-stages-{setting}: {text!r}: {error}") from error
    if pattern.groups != 1:
        raise WorkflowError(
            f"--logger-stages-{setting}: {text!r} has {pattern.groups} groups; "
            f"it needs one, {found}"
        )
    return pattern


def default_handler(common: OutputSettingsLoggerInterface, stream: Any) -> Handler:
    """Snakemake's own handler, as without a plugin."""
    handler: Handler = ColorizingTextHandler(
        nocolor=common.nocolor,
        stream=stream,
        formatter=DefaultFormatter(common.quiet, common.show_failed_logs),
    )
    shown = DefaultFilter(
        common.quiet, common.debug_dag, common.verbose, common.dryrun, common.printshellcmds
    )
    handler.addFilter(shown.filter)
    return handler


class Plain:
    """Shows all that Snakemake shows without a plugin."""

    def __init__(self, own: Handler) -> None:
        self._own = own

    def take(self, record: LogRecord) -> None:
        self._own.handle(record)

    def close(self) -> None:
        self._own.flush()


@dataclass(frozen=True)
class Job:
    """What is known of a job that has begun."""

    rule: str
    wildcards: Mapping[str, str]
    logs: tuple[str, ...]

    def __str__(self) -> str:
        values = ", ".join(f"{name}={value}" for name, value in self.wildcards.items())
        return f"{self.rule} ({values})" if values else self.rule


class Reporter:
    """Shows stages, failures and warnings.

    Args:
        writer: where to.
        own: Snakemake's own handler, for what is shown as it is.
        stages: the stages, of which nothing is known yet.
        memory: finds memory in a finished job's log files; None for not to look.
        progress: finds how far a job at work is in its log files; None for not to look.
        every: seconds between two lines of a stage that goes on, where nothing can be drawn over.
    """

    def __init__(
        self,
        writer: Writer,
        own: Handler,
        stages: Stages,
        memory: re.Pattern[str] | None,
        progress: re.Pattern[str] | None,
        every: float,
    ) -> None:
        self._writer, self._own, self._stages = writer, own, stages
        self._memory, self._progress, self._every = memory, progress, every
        self._jobs: dict[int, Job] = {}
        # What a rule's script ended with, until the message on its job says it better.
        self._raised: list[LogRecord] = []
        self._log = ""
        self._running = self._planned = False
        self._began = self._last = 0.0
        self._lock = threading.RLock()
        self._ended = threading.Event()
        self._events = {
            LogEvent.WORKFLOW_STARTED: self._start,
            LogEvent.RUN_INFO: self._plan,
            LogEvent.JOB_INFO: self._begin,
            LogEvent.JOB_FINISHED: self._finish,
            LogEvent.JOB_ERROR: self._fail,
            LogEvent.ERROR: self._error,
        }

    def take(self, record: LogRecord) -> None:
        with self._lock:
            event = getattr(record, "event", None)
            if event in self._events:
                self._events[event](record)
            elif event is None:
                self._say(record)
            elif event == LogEvent.GROUP_ERROR or record.levelno >= WARNING:
                self._own.handle(record)

    def close(self) -> None:
        self._ended.set()
        os.environ.pop(SHOWN, None)
        with self._lock:
            for record in self._raised:
                self._own.handle(record)
            self._raised.clear()
            if not self._planned:
                self._writer.end([])
            else:
                now = time.time()
                where = f"; all that Snakemake said: {self._log}" if self._stages.failed else ""
                said = words.of_all(self._stages, self._began, now) + where
                self._writer.end(words.as_block(self._stages, now))
                self._writer.above(f"{said}\n")
                self._planned = False

    def draw(self) -> None:
        """Show how far stages are now."""
        with self._lock:
            if self._planned and not self._ended.is_set():
                now = time.time()
                if isinstance(self._writer, Screen):
                    self._draw(now)
                elif now - self._last >= self._every:
                    self._tell_of_all_at_work(now)

    def _start(self, record: LogRecord) -> None:
        self._running, self._began = True, record.created

    def _plan(self, record: LogRecord) -> None:
        stats = _of(record, "stats") or {}
        self._stages.plan({rule: count for rule, count in stats.items() if rule != "total"})
        if not self._stages.total:
            return
        self._planned, self._last = True, record.created
        self._began = self._began or record.created
        threading.Thread(target=self._draw_on, name="stages", daemon=True).start()
        if isinstance(self._writer, Screen):
            self._draw(record.created)
        else:
            listed = ", ".join(f"{stage.name} {stage.total}" for stage in self._stages)
            self._writer.above(f"{self._stages.total} jobs: {listed}\n")

    def _draw_on(self) -> None:
        while not self._ended.wait(SECONDS_BETWEEN_DRAWINGS):
            self.draw()

    def _draw(self, now: float) -> None:
        if not isinstance(self._writer, Screen):
            return
        # Above the block is an empty line, below it the line of all, and the cursor's.
        shown, others = words.folded(list(self._stages), self._writer.size().lines - 4)
        lines = words.as_block(shown, now, [self._said(stage) for stage in shown])
        more = f"; {others} more stages" if others else ""
        self._writer.draw([*lines, words.of_all(self._stages, self._began, now) + more])

    def _begin(self, record: LogRecord) -> None:
        number = _of(record, "jobid")
        job = Job(
            _of(record, "rule_name"),
            dict(_of(record, "wildcards") or {}),
            tuple(_of(record, "log") or ()),
        )
        self._jobs[number] = job
        stage = self._stages.begin(number, job.rule, record.created)
        self._tell(stage, record.created)

    def _finish(self, record: LogRecord) -> None:
        job = self._jobs.get(_of(record, "job_id"))
        peak = failures.memory(job.logs, self._memory) if job and self._memory else None
        stage = self._stages.end(_of(record, "job_id"), record.created, peak)
        self._tell(stage, record.created, always=stage is not None and stage.is_complete)

    def _tell(self, stage: Stage | None, now: float, always: bool = False) -> None:
        """Say how far a stage is, where that is seen at once or was not said for a while."""
        if stage is None:
            return
        if isinstance(self._writer, Screen):
            self._draw(now)
        elif always or now - self._last >= self._every:
            self._last = now
            self._writer.above(f"{words.as_line(stage, now, self._said(stage))}\n")

    def _tell_of_all_at_work(self, now: float) -> None:
        for stage in self._stages:
            if stage.at_work:
                self._tell(stage, now, always=True)

    def _said(self, stage: Stage) -> str:
        """How far the job that has been at work longest says it is; empty if that is not known."""
        if self._progress is None or not stage.began:
            return ""
        oldest = min(stage.began, key=lambda number: stage.began[number])
        return failures.progress(self._jobs[oldest].logs, self._progress)

    def _fail(self, record: LogRecord) -> None:
        number = _of(record, "jobid")
        logs = tuple(_of(record, "log") or ())
        job = self._jobs.get(number, Job(_of(record, "rule_name"), {}, logs))
        said = str(_of(record, "rule_msg") or "").strip().splitlines()
        raised = self._raised.pop(0).getMessage().splitlines()[-1:] if self._raised else []
        reason = failures.reason(logs)
        # What an executor says of a job is more than its log only where that is not here.
        lines = [*reason, *said[:1]] if reason else said or raised
        lines += [f"{name}: {value}" for name, value in (_of(record, "aux") or {}).items()]
        lines += [f"log: {path}" for path in logs]
        stage = self._stages.fail(number)
        first, *others = lines or ["it does not say why"]
        self._writer.above("\n    ".join([f"failed: {job}\nerror: {first}", *others]) + "\n")
        self._tell(stage, record.created)

    def _error(self, record: LogRecord) -> None:
        if getattr(record, "exception", None) == "RuleException":
            self._raised.append(record)
        elif not self._is_said(record):
            self._own.handle(record)

    def _say(self, record: LogRecord) -> None:
        text = str(record.msg)
        own = Path(record.pathname).is_relative_to(SNAKEMAKE)
        if own and (again := AGAIN.match(text)):
            self._writer.above(f"again: {self._jobs.get(int(again[1]), again[1])}\n")
        elif own and (log := COMPLETE_LOG.match(text)):
            self._log = log[1]
        elif own and text.startswith(DROPPED):
            return
        elif record.levelno >= WARNING:
            if not self._is_said(record):
                self._own.handle(record)
        elif not own or not self._running or text.startswith(KEPT):
            self._own.handle(record)

    def _is_said(self, record: LogRecord) -> bool:
        """Whether a message says no more than the last line will."""
        said = any(text in record.getMessage() for text in FAILED)
        return record.levelno >= ERROR and said and self._stages.failed > 0


def _of(record: LogRecord, name: str) -> Any:
    """What a message of Snakemake's carries beside its text; these are no attributes of others."""
    return getattr(record, name, None)
