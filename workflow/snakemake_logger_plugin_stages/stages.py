"""How far the stages of a run are, by what became of their jobs. Times are given, not asked for."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

# By custom the rule that has everything as its input and does nothing.
NO_STAGE = "all"


@dataclass
class Kind:
    """The jobs of a rule, which are taken to be about as long as each other.

    Attributes:
        total: jobs that there are; it grows if Snakemake finds more.
        done: jobs that have ended well; it never falls.
        failed: jobs whose last attempt failed.
        began: when each job at work began, by its number.
        seconds: what the jobs that are done took, all together.
    """

    total: int = 0
    done: int = 0
    failed: int = 0
    began: dict[int, float] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def at_work(self) -> int:
        return len(self.began)

    @property
    def waiting(self) -> int:
        """Jobs that have not begun, and may still begin."""
        return max(self.total - self.done - self.failed - self.at_work, 0)

    @property
    def to_end(self) -> int:
        """Jobs that wait or are at work."""
        return self.waiting + self.at_work

    @property
    def each(self) -> float | None:
        """Seconds that a job took, on average; None before one has ended."""
        return self.seconds / self.done if self.done else None

    def work_left(self, now: float) -> float | None:
        """Seconds of work that is left, if one job did it; None if no job has ended yet.

        A job at work is taken to be as long as those before, and if it is longer, to end now.
        """
        if not self.to_end:
            return 0.0
        if self.each is None:
            return None
        going = (max(self.each - (now - start), 0.0) for start in self.began.values())
        return self.waiting * self.each + sum(going)


class Counts:
    """How many jobs there are of several parts together, and what became of them."""

    def _parts(self) -> Iterable["Kind | Stage"]:
        raise NotImplementedError

    @property
    def total(self) -> int:
        return sum(part.total for part in self._parts())

    @property
    def done(self) -> int:
        return sum(part.done for part in self._parts())

    @property
    def failed(self) -> int:
        return sum(part.failed for part in self._parts())

    @property
    def at_work(self) -> int:
        return sum(part.at_work for part in self._parts())


@dataclass
class Stage(Counts):
    """The jobs of one rule or of several.

    Attributes:
        name: of the group of rules, or of the rule.
        kinds: the jobs of each rule.
        first, last: when its first job began, and when the last one ended so far.
        widest: the most jobs that were at work at a time.
        peak_mb: the most memory that a job is known to have taken; None if none is known.
    """

    name: str
    kinds: dict[str, Kind] = field(default_factory=dict)
    first: float | None = None
    last: float | None = None
    widest: int = 0
    peak_mb: int | None = None

    def _parts(self) -> Iterable[Kind]:
        return self.kinds.values()

    @property
    def waiting(self) -> int:
        return sum(kind.waiting for kind in self.kinds.values())

    @property
    def began(self) -> dict[int, float]:
        """When each job at work began, by its number."""
        return {job: at for kind in self.kinds.values() for job, at in kind.began.items()}

    @property
    def is_complete(self) -> bool:
        return self.done >= self.total

    @property
    def took(self) -> float | None:
        """Seconds from its first job's begin to its last one's end; None before it is complete."""
        if self.first is None or self.last is None or not self.is_complete:
            return None
        return self.last - self.first

    def seconds_left(self, now: float) -> float | None:
        """Seconds until the stage is complete, with as many jobs at a time as now, or as before.

        None while a rule of it has not shown how long its jobs are.
        """
        left = [kind.work_left(now) for kind in self.kinds.values()]
        known = [work for work in left if work is not None]
        return sum(known) / self._width if len(known) == len(left) else None

    def per_second(self) -> float | None:
        """Jobs a second at this width, as long as those to come, or as all where none are to come.

        None while a rule with jobs to come has not shown how long they are, or where they took no
        time.
        """
        to_come = [kind for kind in self.kinds.values() if kind.to_end]
        if any(kind.each is None for kind in to_come):
            return None
        seconds = sum((kind.each or 0.0) * kind.to_end for kind in to_come)
        jobs = sum(kind.to_end for kind in to_come)
        if not to_come:
            seconds, jobs = sum(kind.seconds for kind in self.kinds.values()), self.done
        return self._width * jobs / seconds if seconds else None

    @property
    def _width(self) -> int:
        return max(self.at_work or self.widest, 1)


class Stages(Counts):
    """All stages of a run, in the order in which Snakemake comes to them.

    Args:
        groups: the rules of each stage that has several; any other rule is a stage of its own.
    """

    def __init__(self, groups: Mapping[str, Iterable[str]]) -> None:
        self._stage_of = {rule: name for name, rules in groups.items() for rule in rules}
        self._stages: dict[str, Stage] = {}
        self._jobs: dict[int, tuple[Stage, Kind]] = {}
        self._done: set[int] = set()
        self._failed: set[int] = set()
        self._widest = 0

    def __iter__(self) -> Iterator[Stage]:
        return iter(self._stages.values())

    def plan(self, counts: Mapping[str, int]) -> None:
        """Take in how many jobs each rule has, in their order; what was there before only grows."""
        for rule, count in counts.items():
            if rule != NO_STAGE:
                _, kind = self._of(rule)
                kind.total = max(kind.total, count)

    def begin(self, job: int, rule: str, now: float) -> Stage | None:
        """A job begins, for the first time or again; returns its stage, None if it has none."""
        if rule == NO_STAGE or job in self._done:
            return None
        stage, kind = self._jobs[job] = self._of(rule)
        self._take_back(job, kind)
        kind.began[job] = now
        stage.first = now if stage.first is None else stage.first
        kind.total = max(kind.total, kind.done + kind.failed + kind.at_work)
        stage.widest = max(stage.widest, stage.at_work)
        self._widest = max(self._widest, self.at_work)
        return stage

    def end(self, job: int, now: float, peak_mb: int | None = None) -> Stage | None:
        """A job has ended well; returns its stage, None if it has none or was counted before."""
        if job not in self._jobs or job in self._done:
            return None
        stage, kind = self._jobs[job]
        self._take_back(job, kind)
        self._done.add(job)
        kind.seconds += now - kind.began.pop(job, now)
        kind.done += 1
        stage.last = now
        if peak_mb is not None:
            stage.peak_mb = max(stage.peak_mb or 0, peak_mb)
        return stage

    def fail(self, job: int) -> Stage | None:
        """An attempt has failed; whether there is another one shows when it begins."""
        if job not in self._jobs or job in self._done or job in self._failed:
            return None
        stage, kind = self._jobs[job]
        kind.began.pop(job, None)
        self._failed.add(job)
        kind.failed += 1
        return stage

    def _of(self, rule: str) -> tuple[Stage, Kind]:
        """The stage of a rule, and its jobs there."""
        name = self._stage_of.get(rule, rule)
        stage = self._stages.setdefault(name, Stage(name))
        return stage, stage.kinds.setdefault(rule, Kind())

    def _take_back(self, job: int, kind: Kind) -> None:
        """Forget that an attempt at a job failed."""
        if job in self._failed:
            self._failed.remove(job)
            kind.failed -= 1

    def _parts(self) -> Iterable[Stage]:
        return self._stages.values()

    def seconds_left(self, now: float) -> tuple[float, bool]:
        """Seconds until all is done, as far as rules have shown how long their jobs take.

        The second value says whether all have; if not, it will take longer.
        """
        kinds = (kind for stage in self._stages.values() for kind in stage.kinds.values())
        left = [kind.work_left(now) for kind in kinds]
        known = sum(work for work in left if work is not None)
        return known / max(self.at_work or self._widest, 1), None not in left
