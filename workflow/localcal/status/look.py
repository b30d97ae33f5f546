"""What became of a run: its state, how far it is, what it took, and why it failed."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from localcal.errors import InputError, one_line
from localcal.files.made import FOLDER as RECORDS
from localcal.files.made import SUFFIX
from localcal.geography.areas import Area
from localcal.run.configuration import wanted_areas
from localcal.run.expected import STAGES, Job, jobs, stage_of
from localcal.run.lock import LOCK_FILE
from localcal.run.provenance import (
    HISTORY_FILE,
    PRODUCT_FOLDERS,
    RUN_FILE,
    config_of,
    parse_history,
    parse_record,
    state_of,
)
from localcal.run.sessions import FAILED as SESSION_FAILED
from localcal.run.sessions import SESSIONS_FILE, STOPPED, SUCCEEDED, Session, parse_sessions
from localcal.run.since import SINCE_FILE
from localcal.status import logs
from localcal.status.folder import LOCKS, File, Runs
from localcal.status.logs import Log, LogReader
from localcal.status.receipts import Release, read_release
from localcal.status.words import in_words

# States of a run.
ACTIVE = "active"
"""A process works on it."""
STALLED = "stalled"
"""Nobody works on it, or nothing comes of it, and it is not complete."""
COMPLETED = "completed"
"""All that `all` asks for is there and recorded."""
PARTIAL = "partial"
"""All that was asked for was made, which was not everything."""
FAILED = "failed"
"""The last session ended with jobs that failed."""
DAMAGED = "damaged"
"""Its own record cannot be read."""
UNKNOWN = "unknown"
"""What it should have made cannot be told."""
FOREIGN = "foreign"
"""What lies there is no run."""

STATES = (ACTIVE, STALLED, COMPLETED, PARTIAL, FAILED, DAMAGED, UNKNOWN, FOREIGN)

# Jobs log every few seconds what they do; only a fit computes for longer without a word.
QUIET_SECONDS = 1800.0
SECONDS_PER_HOUR = 3600.0
MB_PER_GB = 1000.0
CHUNK_RULE = "build_chunk"

# What a run's folder may hold besides products.
OWN_FOLDERS = (RECORDS, "logs", "benchmarks", "release")
OWN_FILES = (LOCK_FILE, RUN_FILE, HISTORY_FILE, SINCE_FILE, SESSIONS_FILE)

# Returns the areas of the table with a SHA-256, of which a run's record knows the path.
AreaTables = Callable[[str | None, str | None], Sequence[Area]]


@dataclass(frozen=True)
class Stage:
    """How far a stage of a run is, and what its jobs took.

    Attributes:
        name: of the stage, see `localcal.run.expected.STAGES`.
        done: files that are there and recorded.
        expected: files that there will be.
        at_work: its jobs that are at work.
        seconds: from the beginning of the first of its jobs whose logs remain to the end of the
            last one; None without one. A run that was interrupted was so in this time.
        cpu_hours: of the jobs that say so; None where none does.
        gb_hours: memory (10^9 bytes) times time, of the jobs that say so; None where none does.
        peak_mb: of the largest job, 10^6 bytes; None where none says so.
        per_hour: jobs that are finished in an hour, reckoned as for chunks; None if not known.
        seconds_left: until the last one is done; None if not known.
    """

    name: str
    done: int
    expected: int
    at_work: int
    seconds: float | None
    cpu_hours: float | None
    gb_hours: float | None
    peak_mb: int | None
    per_hour: float | None = None
    seconds_left: float | None = None


@dataclass(frozen=True)
class Chunks:
    """How far the matrix is.

    Attributes:
        done: chunks that are there.
        expected: chunks that there will be.
        at_work: chunks that are being built.
        mean_seconds: that a finished chunk took; None without one.
        per_hour: chunks that are finished in an hour by those at work, or by as many as worked on
            average in this session; None where that is not known.
        seconds_left: until the last one is done; None where that is not known.
    """

    done: int
    expected: int
    at_work: int
    mean_seconds: float | None
    per_hour: float | None
    seconds_left: float | None


@dataclass(frozen=True)
class Cost:
    """What the jobs of a run took, warm processes and failed attempts whose logs remain included.

    Attributes:
        cpu_hours: of the jobs that say so; None where none does.
        gb_hours: memory (10^9 bytes) times time, of the jobs that say so; None where none does.
        jobs: how many say so.
        without_figures: how many do not: they are at work, were killed, or their logs are gone.
    """

    cpu_hours: float | None
    gb_hours: float | None
    jobs: int
    without_figures: int


@dataclass(frozen=True)
class Failure:
    """Why the newest of a run's failed jobs failed.

    Attributes:
        log: its path below the run's folder.
        message: the line that says it.
    """

    log: str
    message: str


@dataclass(frozen=True)
class RunStatus:
    """What became of one run.

    Attributes:
        run: its name.
        state: one of STATES.
        reason: why, where the state alone does not say it.
        created: when its record was written, as the record has it.
        begun: when the last session began, seconds since 1970; None where nothing says so.
        holder: the process and machine of that session.
        written: when anything in it was last written, seconds since 1970.
        size: of all its files, bytes.
        done: files that are there and recorded.
        expected: files that there will be; None where that cannot be told.
        release: what was published of it; None for nothing.
        problems: of its own records, one line each.
        stages: one after the other; empty where what is expected cannot be told.
        chunks: of the matrix; None where logs were not read.
        cost: None where logs were not read.
        last_error: None without one, or where logs were not read.
    """

    run: str
    state: str
    reason: str = ""
    created: str | None = None
    begun: float | None = None
    holder: str | None = None
    written: float | None = None
    size: int = 0
    done: int = 0
    expected: int | None = None
    release: Release | None = None
    problems: tuple[str, ...] = ()
    stages: tuple[Stage, ...] = ()
    chunks: Chunks | None = None
    cost: Cost | None = None
    last_error: Failure | None = None


@dataclass
class _Found:
    """What is read of a run before anything is concluded."""

    run: str
    files: Mapping[str, File]
    held: bool | None
    record: Mapping[str, Any] = field(default_factory=dict)
    state: Mapping[str, Any] = field(default_factory=dict)
    damage: str = ""
    problems: list[str] = field(default_factory=list)
    sessions: list[Session] = field(default_factory=list)
    jobs: list[Job] | None = None
    unknown: str = ""

    @property
    def written(self) -> float | None:
        return max((file.mtime for file in self.files.values()), default=None)

    @property
    def session(self) -> Session | None:
        return self.sessions[-1] if self.sessions else None

    def has(self, file: str) -> bool:
        """Say whether a file is there and recorded; the run's record has no record."""
        recorded = file == RUN_FILE or f"{RECORDS}/{file}{SUFFIX}" in self.files
        return recorded and file in self.files

    def is_done(self, job: Job) -> bool:
        return all(map(self.has, job.files))


class Looker:
    """Looks at the runs of a folder, as often as one likes.

    Args:
        runs: the folder.
        tables: reads tables of areas.
        quiet: seconds after which a run of which nothing is written counts as stalled.
    """

    def __init__(self, runs: Runs, tables: AreaTables, quiet: float = QUIET_SECONDS) -> None:
        self._runs = runs
        self._tables = tables
        self._quiet = quiet
        self._logs = LogReader(runs)

    def look(self, run: str, now: float, with_logs: bool) -> RunStatus:
        """Return what became of a run; whatever is wrong with it is said in there.

        Args:
            run: its name.
            now: seconds since 1970.
            with_logs: whether to read the logs of its jobs. Those of its chunks are read of a run
                that is active.
        """
        try:
            found = self._find(run)
        except InputError as error:
            return RunStatus(run, DAMAGED, str(error))
        if not _is_run(found):
            return RunStatus(run, FOREIGN, f"no run: holds no {RUN_FILE}", written=found.written)
        state, reason = _state(found, now, self._quiet)
        release, problems = read_release(self._runs, run, found.files)
        read: list[Log] = []
        if with_logs or state == ACTIVE:
            read = self._logs.read(run, found.files, "" if with_logs else CHUNK_RULE)
        session = found.session
        return RunStatus(
            run=run,
            state=state,
            reason=reason,
            created=found.record.get("created"),
            begun=None if session is None else session.begun,
            holder=None if session is None else session.holder,
            written=found.written,
            size=sum(file.size for file in found.files.values()),
            done=sum(found.has(file) for job in found.jobs or () for file in job.files),
            expected=None if found.jobs is None else sum(len(job.files) for job in found.jobs),
            release=release,
            problems=(*found.problems, *problems),
            stages=_stages(found, read, state),
            chunks=_chunks(found, read, state) if with_logs or state == ACTIVE else None,
            cost=_cost(found, read) if with_logs else None,
            last_error=_last_error(found, read, state) if with_logs else None,
        )

    def _find(self, run: str) -> _Found:
        found = _Found(run, self._runs.files(run), self._runs.is_held(run))
        if SESSIONS_FILE in found.files:
            text = self._runs.read(run, SESSIONS_FILE).decode(errors="replace")
            found.sessions, damaged = parse_sessions(text)
            found.problems += [f"{SESSIONS_FILE}: line {number} is damaged" for number in damaged]
        if RUN_FILE not in found.files:
            return found
        try:
            found.record = parse_record(RUN_FILE, self._text(run, RUN_FILE))
            changes = []
            if HISTORY_FILE in found.files:
                changes = parse_history(HISTORY_FILE, self._text(run, HISTORY_FILE))
            found.state = state_of(found.record, changes)
        except InputError as error:
            found.damage = str(error)
            return found
        try:
            found.jobs = self._jobs(found)
        except InputError as error:
            found.unknown = str(error)
        return found

    def _text(self, run: str, file: str) -> str:
        try:
            return self._runs.read(run, file).decode()
        except UnicodeDecodeError as error:
            raise InputError(f"{file}: cannot be read ({one_line(error)}); restore it") from error

    def _jobs(self, found: _Found) -> list[Job]:
        """Return the jobs of everything a run is to have, as its own record says."""
        recorded = found.record["inputs"].get("areas.path", {}).get("path")
        table = self._tables(recorded, found.state.get("inputs.areas.path"))
        config = config_of(found.state)
        try:
            wanted = wanted_areas(config["areas"], table, [(RUN_FILE, config)])
            return jobs(config, table, wanted)
        except (KeyError, TypeError, ValidationError) as error:
            raise InputError(
                f"{RUN_FILE}: its config is of another version ({one_line(error)}); what the run "
                "should have made cannot be told"
            ) from error


def _is_run(found: _Found) -> bool:
    """Say whether a folder is a run's: it has its record, or nothing but what comes before it."""
    if RUN_FILE in found.files:
        return True
    folders = (*PRODUCT_FOLDERS, *OWN_FOLDERS)
    return any(lock in found.files for lock in LOCKS) and all(
        name in OWN_FILES or name.partition("/")[0] in folders for name in found.files
    )


def _state(found: _Found, now: float, quiet: float) -> tuple[str, str]:
    if found.damage:
        return DAMAGED, found.damage
    session = found.session
    age = now - (found.written or now)
    # Snakemake tidies up for a while after it has said how it ended; a new one has a new lock.
    ended = False
    if session is not None and session.ended is not None:
        locks = [found.files[lock].mtime for lock in LOCKS if lock in found.files]
        ended = int(max(locks, default=0.0)) <= session.ended
    if found.held and not ended:
        if age > quiet:
            return STALLED, f"a process holds it, but nothing was written for {in_words(age)}"
        return ACTIVE, ""
    if found.jobs is not None and all(map(found.is_done, found.jobs)):
        return COMPLETED, ""
    if session is not None and session.outcome == SESSION_FAILED:
        return FAILED, _names(session.failed)
    if found.held is None and age <= quiet and not ended:
        return ACTIVE, ""
    if found.unknown:
        return UNKNOWN, found.unknown
    if session is not None and session.outcome == SUCCEEDED:
        return PARTIAL, "what was asked for was made, not everything"
    if session is not None and session.outcome == STOPPED:
        return STALLED, "it was stopped; the same command goes on with it"
    return STALLED, "nobody works on it; the same command goes on with it"


def _names(failed: Sequence[str]) -> str:
    """Return some of the failed jobs by rule and name."""
    names = [file.removeprefix(logs.FOLDER).removesuffix(".log") for file in failed]
    few = ", ".join(dict.fromkeys(_label(name) for name in names[:3]))
    return few if len(names) <= 3 else f"{few} and {len(names) - 3} more"


def _label(name: str) -> str:
    """Return a job's name without what it says twice: build_chunk/000003, freeze_run."""
    return "/".join(dict.fromkeys(name.split("/")))


def _at_work(found: _Found, read: Sequence[Log], state: str) -> list[Log]:
    """Return the logs of jobs at work: unfinished ones that were begun in this session."""
    if state != ACTIVE:
        return []
    since = _since(found)
    return [log for log in read if log.outcome == logs.OPEN and log.written >= since]


def _since(found: _Found) -> float:
    """Return when the last session began, as its record or else the lock says."""
    if found.session is not None:
        return found.session.begun
    lock = found.files.get(LOCK_FILE)
    return lock.mtime if lock else 0.0


def _stages(found: _Found, read: Sequence[Log], state: str) -> tuple[Stage, ...]:
    if found.jobs is None:
        return ()
    by_stage: dict[str, list[Log]] = defaultdict(list)
    for log in read:
        by_stage[stage_of(log.rule) or ""].append(log)
    working = _at_work(found, read, state)
    return tuple(_stage(name, found, by_stage[name], working, state) for name in STAGES)


def _stage(
    name: str, found: _Found, read: Sequence[Log], working: Sequence[Log], state: str
) -> Stage:
    files = [file for job in found.jobs or () if job.rule in STAGES[name] for file in job.files]
    known = [log for log in read if log.usage is not None]
    begun = [log.begun for log in known if log.begun is not None]
    cpu_hours, gb_hours = _hours(known)
    pace = _pace(found, read, state, STAGES[name])
    return Stage(
        name=name,
        done=sum(map(found.has, files)),
        expected=len(files),
        at_work=sum(log in read for log in working),
        seconds=round(max(log.written for log in known) - min(begun), 2) if begun else None,
        cpu_hours=cpu_hours,
        gb_hours=gb_hours,
        peak_mb=max((log.usage.peak_mb for log in known if log.usage), default=None),
        per_hour=pace.per_hour,
        seconds_left=pace.seconds_left,
    )


def _hours(read: Sequence[Log]) -> tuple[float, float] | tuple[None, None]:
    """Return CPU hours and GB-hours of the jobs that say so; None where none does."""
    known = [log.usage for log in read if log.usage is not None]
    if not known:
        return None, None
    cpu = sum(usage.cpu_seconds for usage in known) / SECONDS_PER_HOUR
    memory = sum(usage.wall_seconds * usage.peak_mb for usage in known)
    return cpu, memory / MB_PER_GB / SECONDS_PER_HOUR


def _cost(found: _Found, read: Sequence[Log]) -> Cost:
    cpu_hours, gb_hours = _hours(read)
    known = {log.file for log in read if log.usage is not None}
    silent = {log.file for log in read if log.usage is None}
    # What was made, but whose log is gone.
    silent |= {job.log for job in found.jobs or () if found.is_done(job)} - known
    return Cost(cpu_hours, gb_hours, len(known), len(silent))


def _chunks(found: _Found, read: Sequence[Log], state: str) -> Chunks | None:
    return None if found.jobs is None else _pace(found, read, state, (CHUNK_RULE,))


def _pace(found: _Found, read: Sequence[Log], state: str, rules: Sequence[str]) -> Chunks:
    """Return how far the jobs of some rules are, and how fast they go."""
    chunks = [job for job in found.jobs or () if job.rule in rules]
    done = {job.log for job in chunks if found.is_done(job)}
    working = [log for log in _at_work(found, read, state) if log.rule in rules]
    finished = [log for log in read if log.usage and log.file in done]
    times = [log.usage.wall_seconds for log in finished if log.usage]
    mean = sum(times) / len(times) if times else None
    # Between two chunks a worker waits for Snakemake; nor do more work than there are chunks left.
    workers = max(len(working), _workers(found, finished) if state == ACTIVE else 0.0)
    workers = min(workers, len(chunks) - len(done))
    # Those at work are half done, on average.
    left = len(chunks) - len(done) - len(working) / 2
    known = mean is not None and mean > 0 and workers > 0
    return Chunks(
        done=len(done),
        expected=len(chunks),
        at_work=len(working),
        mean_seconds=mean,
        per_hour=SECONDS_PER_HOUR * workers / mean if known and mean else None,
        seconds_left=left * mean / workers if known and mean else None,
    )


def _workers(found: _Found, finished: Sequence[Log]) -> float:
    """Return how many chunks were built at a time in this session, on average."""
    since = _since(found)
    spans = [(log.begun, log.written) for log in finished if log.begun and log.begun >= since]
    if not spans:
        return 0.0
    busy = sum(end - begun for begun, end in spans)
    span = max(end for _, end in spans) - min(begun for begun, _ in spans)
    return busy / span if span > 0 else 0.0


def _last_error(found: _Found, read: Sequence[Log], state: str) -> Failure | None:
    """Return the newest reason of a job to fail; a job that is begun again has a new log."""
    failed = [log for log in read if log.outcome == logs.FAILED]
    if failed:
        return Failure(failed[-1].file, failed[-1].message or "")
    session = found.session
    silent = [log.file for log in read if log.outcome == logs.OPEN]
    for file in () if session is None or state != FAILED else session.failed:
        if file in silent:
            words = "ended without a word; was it killed, for instance for lack of memory?"
            return Failure(file, words)
    return None
