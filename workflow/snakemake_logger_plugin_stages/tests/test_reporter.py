"""What is shown of Snakemake's messages, from messages as it makes them."""

import io
import logging
import os
import re
import sys
import time
from types import SimpleNamespace

import pytest
import snakemake
from snakemake.settings.enums import Quietness
from snakemake_interface_common.exceptions import WorkflowError
from snakemake_interface_logger_plugins.common import LogEvent
from snakemake_interface_logger_plugins.tests import TestLogHandlerBase

from snakemake_logger_plugin_stages import LogHandler, LogHandlerSettings, failures, words
from snakemake_logger_plugin_stages import reporter as reporters
from snakemake_logger_plugin_stages.reporter import Plain, Reporter, parse_groups, parse_pattern
from snakemake_logger_plugin_stages.screen import Above, File, Screen

CORE = os.path.join(os.path.dirname(snakemake.__file__), "workflow.py")  # noqa: PTH118, PTH120


class TestHandler(TestLogHandlerBase):
    """Snakemake's own tests of logger plugins."""

    __test__ = True

    def get_log_handler_cls(self):
        return LogHandler

    def get_log_handler_settings(self):
        return LogHandlerSettings(groups=["a=b,c"])


@pytest.fixture(autouse=True)
def _environment(monkeypatch):
    """Nothing is drawn by the clock, and what a reporter that is not closed sets is gone after."""
    monkeypatch.setattr(reporters, "SECONDS_BETWEEN_DRAWINGS", 3600.0)
    yield
    os.environ.pop(reporters.SHOWN, None)


def common(**changed):
    settings = {
        "printshellcmds": False,
        "nocolor": True,
        "quiet": None,
        "debug_dag": False,
        "verbose": False,
        "show_failed_logs": True,
        "stdout": False,
        "dryrun": False,
    }
    return SimpleNamespace(**settings | changed)


class Told:
    """A reporter with a stream in memory, told of messages."""

    def __init__(self, every=30.0, memory=None, progress=None, **groups):
        self.stream = io.StringIO()
        writer = File(self.stream)
        own = reporters.default_handler(common(), Above(writer, self.stream))
        patterns = [
            parse_pattern(name, text, "it")
            for name, text in (("memory", memory), ("progress", progress))
        ]
        self.reporter = Reporter(writer, own, reporters.Stages(groups), *patterns, every)
        self.seen = 0

    def tell(self, event=None, text="", level=logging.INFO, at=0.0, path=CORE, **attributes):
        record = logging.LogRecord("snakemake", level, path, 1, text, (), None)
        record.created = at
        record.__dict__.update(attributes, event=event) if event else None
        self.reporter.take(record)

    def start(self, **stats):
        self.tell(text="Assuming unrestricted shared filesystem usage.")
        self.tell(LogEvent.WORKFLOW_STARTED)
        self.tell(text="Building DAG of jobs...")
        self.tell(LogEvent.RUN_INFO, stats={**stats, "total": sum(stats.values())})

    def begin(self, job, rule, at=0.0, logs=(), **wildcards):
        self.tell(text="Select jobs to execute...", at=at)
        self.tell(LogEvent.JOB_STARTED, jobs=[job], at=at)
        self.tell(
            LogEvent.JOB_INFO, at=at, jobid=job, rule_name=rule, wildcards=wildcards, log=list(logs)
        )
        self.tell(LogEvent.SHELLCMD, at=at)

    def finish(self, job, at):
        self.tell(LogEvent.JOB_FINISHED, at=at, job_id=job)
        self.tell(LogEvent.PROGRESS, at=at, done=1, total=9)

    def fail(self, job, rule, logs=(), said=None, raised=None, **aux):
        if raised:
            error = logging.ERROR
            self.tell(LogEvent.ERROR, raised, level=error, exception="RuleException")
        attributes = {"jobid": job, "rule_name": rule, "rule_msg": said, "log": list(logs)}
        self.tell(LogEvent.JOB_ERROR, level=logging.ERROR, **attributes, aux=aux)

    @property
    def new(self):
        """Lines since the last call."""
        lines = self.stream.getvalue().splitlines()[self.seen :]
        self.seen += len(lines)
        return lines


def test_what_snakemake_says_of_every_run_is_not_shown_but_the_jobs_are():
    told = Told(count=("part", "sum"))
    told.start(load=1, part=3, sum=1, all=1)
    assert told.new == ["5 jobs: load 1, count 4"]


def test_without_a_terminal_a_stage_is_told_of_when_complete_and_now_and_then():
    told = Told(every=30.0)
    told.start(part=3, sum=1, all=1)
    assert told.new
    told.begin(1, "part", 1.0)
    told.finish(1, 21.0)
    assert told.new == []
    told.begin(2, "part", 21.0)
    told.finish(2, 41.0)
    assert told.new == ["part: 2/3, 3.0/min, 20 s left"]
    told.begin(3, "part", 42.0)
    told.finish(3, 62.0)
    assert told.new == ["part: 3/3, 3.0/min, took 61 s"]
    told.begin(4, "sum", 62.0)
    told.finish(4, 63.0)
    told.begin(0, "all", 63.0)
    told.finish(0, 63.0)
    assert told.new == ["sum: 1/1, took 1 s"]
    told.tell(text="Complete log(s): /a/b.log")
    told.tell(text="Elapsed time: 0:01:03")
    told.reporter.close()
    assert [re.sub("[0-9]+ days", "", line) for line in told.new] == ["4 of 4 jobs,  so far"]


def test_memory_comes_from_the_logs_of_finished_jobs(tmp_path):
    log = tmp_path / "a.log"
    log.write_text("took 5 MB\ntook 1471 MB\n")
    told = Told(memory=r"took (\d+) MB")
    told.start(part=1, sum=1, all=1)
    told.begin(1, "part", logs=[str(log)])
    told.finish(1, 2.0)
    told.begin(2, "sum", logs=["modal://volume/elsewhere.log (send to storage)"])
    told.finish(2, 2.0)
    assert told.new[1:] == ["part: 1/1, took 2 s, 1,471 MB", "sum: 1/1, took 2 s"]


def test_of_jobs_at_work_is_said_what_the_one_of_longest_standing_says(tmp_path):
    first, second = tmp_path / "a.log", tmp_path / "b.log"
    told = Told(every=0.0, progress=r"(?:all done|(step \d+ of \d+))")
    told.start(part=3, sum=1, all=1)
    told.begin(1, "part", 1.0, logs=[str(first)])
    told.begin(2, "part", 2.0, logs=[str(second)])
    assert told.new[-2:] == ["part: 0/3, 1 at work", "part: 0/3, 2 at work"]
    second.write_text("step 1 of 4\n")
    first.write_text("step 1 of 9\nstep 2 of 9\n")
    told.reporter.draw()
    assert told.new == ["part: 0/3, 2 at work, step 2 of 9"]
    first.write_text("step 1 of 9\nall done\n")
    told.reporter.draw()
    assert told.new == ["part: 0/3, 2 at work"]
    told.finish(1, time.time() + 9)
    assert told.new[-1].endswith(" left, step 1 of 4")


def test_without_a_terminal_a_stage_at_work_is_told_of_where_nothing_happens(monkeypatch):
    monkeypatch.setattr(reporters, "SECONDS_BETWEEN_DRAWINGS", 0.01)
    told = Told(every=0.05)
    told.start(part=3, sum=1, all=1)
    told.begin(1, "part", time.time())
    until = time.monotonic() + 60
    lines = []
    while len(lines) < 3 and time.monotonic() < until:
        lines += [line for line in told.new if line.startswith("part")]
    told.reporter.close()
    assert lines[:3] == 3 * ["part: 0/3, 1 at work"]


def test_on_a_terminal_it_is_behind_the_figures():
    parts = reporters.Stages({})
    parts.plan({"part": 2, "sum": 11})
    parts.begin(1, "part", 0.0)
    lines = words.as_block(list(parts), 1.0, ["step 2 of 9", ""])
    assert lines[0].endswith("   0/2  1 at work  step 2 of 9")
    assert lines[1].endswith("  0/11")


def test_a_failure_is_told_once_with_its_reason_its_log_and_its_attempts(tmp_path):
    log = tmp_path / "a.log"
    log.write_text(
        "INFO began\nerror: an old one\nTraceback\nValueError: x\nerror: no age; add it\n"
    )
    told = Told()
    told.start(part=2, all=1)
    assert told.new
    told.begin(1, "part", logs=[log], i="17", j="a")
    told.fail(1, "part", [log], raised='RuleException:\nCommand "python" returned 1')
    assert told.new == ["failed: part (i=17, j=a)", "error: no age; add it", f"    log: {log}"]
    told.tell(text="Trying to restart job 1.")
    told.begin(1, "part", logs=[log], i="17", j="a")
    told.fail(1, "part", [log], external_jobid="4711")
    assert told.new == [
        "again: part (i=17, j=a)",
        "failed: part (i=17, j=a)",
        "error: no age; add it",
        "    external_jobid: 4711",
        f"    log: {log}",
    ]
    told.tell(text="Shutting down, this might take some time.")
    ended = "Exiting because a job execution failed. Look above for error messages"
    told.tell(text=ended, level=logging.ERROR)
    told.tell(text="Complete log(s): /a/b.log")
    last = "WorkflowError:\nAt least one job did not complete successfully."
    told.tell(LogEvent.ERROR, last, level=logging.ERROR, exception="WorkflowError")
    told.reporter.close()
    said = told.new
    assert said[0] == "Shutting down, this might take some time." and len(said) == 2
    assert "1 failed; all that Snakemake said: /a/b.log" in said[1]


def test_a_failure_without_a_log_is_told_with_what_the_executor_or_snakemake_says():
    told = Told()
    told.start(part=2, all=1)
    told.begin(1, "part", logs=["gone.log"])
    told.fail(
        1, "part", ["gone.log"], said="out of memory: 9 MB\nask for more\n", raised="x\nexit 1"
    )
    told.begin(2, "part")
    told.fail(2, "part", raised='RuleException:\nCommand "python" returned 1')
    assert told.new[1:] == [
        "failed: part",
        "error: out of memory: 9 MB",
        "    ask for more",
        "    log: gone.log",
        "failed: part",
        'error: Command "python" returned 1',
    ]


def test_other_errors_and_warnings_are_shown_as_ever():
    told = Told()
    told.start(part=1, all=1)
    assert told.new
    told.tell(LogEvent.ERROR, "MissingOutputException: x", logging.ERROR, exception="Missing")
    told.tell(text="a warning", level=logging.WARNING)
    told.tell(text="Deploying the app", path="/plugins/executor.py")
    told.tell(text="Provided cores: 2")
    # No job failed, so this is the only thing that says so.
    told.tell(LogEvent.ERROR, "At least one job did not complete", logging.ERROR, exception="W")
    assert told.new == [
        "MissingOutputException: x",
        "a warning",
        "Deploying the app",
        "At least one job did not complete",
    ]
    told.tell(LogEvent.ERROR, "RuleException:\nin a rule", logging.ERROR, exception="RuleException")
    assert told.new == []
    told.reporter.close()
    assert told.new[:2] == ["RuleException:", "in a rule"]


def test_where_there_are_no_jobs_all_is_shown():
    told = Told()
    told.tell(text="Unlocked working directory.")
    told.tell(LogEvent.WORKFLOW_STARTED)
    told.tell(text="Nothing to be done (all requested files are present and up to date).")
    told.reporter.close()
    assert [line.split(" (")[0] for line in told.new] == [
        "Unlocked working directory.",
        "Nothing to be done",
    ]


@pytest.mark.parametrize(
    "asked",
    [
        {"dryrun": True},
        {"verbose": True},
        {"printshellcmds": True},
        {"debug_dag": True},
        {"quiet": {Quietness.ALL}},
        {"quiet": {Quietness.PROGRESS, Quietness.RULES}},
    ],
)
def test_where_details_or_nothing_is_asked_for_snakemake_shows_what_it_shows(asked, capsys):
    made = reporters.reporter(common(**asked), LogHandlerSettings())
    assert isinstance(made, Plain)
    record = logging.LogRecord("snakemake", logging.INFO, CORE, 1, "Building DAG", (), None)
    made.take(record)
    made.close()
    silent = asked.get("quiet") == {Quietness.ALL}
    assert capsys.readouterr().err == ("" if silent else "Building DAG\n")


def test_jobs_know_while_stages_are_shown(monkeypatch):
    monkeypatch.delenv(reporters.SHOWN, raising=False)
    made = reporters.reporter(common(), LogHandlerSettings())
    assert os.environ[reporters.SHOWN]
    made.close()
    assert reporters.SHOWN not in os.environ
    reporters.reporter(common(verbose=True), LogHandlerSettings()).close()
    assert reporters.SHOWN not in os.environ


def test_reasons_are_short(tmp_path):
    def of(text):
        (tmp_path / "log").write_text(text)
        return failures.reason([str(tmp_path / "log")])

    assert of("a\nTraceback:\n  x\nkeras.errors.FitError: 5 > 4\n") == [
        "keras.errors.FitError: 5 > 4"
    ]
    assert of("\n".join("abcdefg")) == list("cdefg")
    assert of("") == [] and failures.reason([str(tmp_path / "none")]) == []


@pytest.mark.parametrize("texts", ["a", "=b", "a=", "a=b,,c", "a=b c=b", "a=b a=c", "a=b,b"])
def test_wrong_groups_are_refused(texts):
    with pytest.raises(WorkflowError, match="--logger-stages-groups: '"):
        parse_groups(texts.split())


@pytest.mark.parametrize("text", ["(", r"\d+ MB", r"(\d)(\d) MB"])
def test_a_wrong_expression_is_refused(text):
    with pytest.raises(WorkflowError, match="--logger-stages-memory: "):
        parse_pattern("memory", text, "the MB")


def test_a_dumb_terminal_gets_lines(monkeypatch):
    stream = io.StringIO()
    stream.isatty = lambda: True
    monkeypatch.setattr("sys.stderr", stream)
    monkeypatch.setattr("sys.stdout", io.StringIO())
    for term, kind in (("xterm", Screen), ("dumb", File)):
        monkeypatch.setenv("TERM", term)
        made = reporters.reporter(common(), LogHandlerSettings())
        assert isinstance(made._writer, kind)
        made._writer.end([])
        assert sys.stderr is stream
