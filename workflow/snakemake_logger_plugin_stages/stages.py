"""How far the stages of a run are, by what became of their jobs. Times are given, not asked for."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

# By custom the rule that has everything as its input and does nothing.
NO_STAGE = "all"


@dataclass
class Stage:
    """The jobs of a stage.

    Attributes:
        name: of the group of rules, or of the rule.
        total: jobs that there are; it grows if Snakemake finds more.
        done: jobs that have ended well; it never falls.
        failed: jobs whose last attempt failed.
        began: when each job at work began, by its number.
        first, last: when its first job began, and when the last one ended so far.
        seconds: what the jobs that are done took, all together.
        widest: the most jobs that were at work at a time.
        peak_mb: the most memory that a job is known to have taken; None if none is known.
    """

    name: str
    total: int = 0
    done: int = 0
    failed: int = 0
    began: dict[int, float] = field(default_factory=dict)
    first: float | None = None
    last: float | None = None
    seconds: float = 0.0
    widest: int = 0
    peak_mb: int | None = None

    @property
    def at_work(self) -> int:
        return len(self.began)

    @property
    def is_complete(self) -> bool:
        return self.done >= self.total

    @property
    def took(self) -> float | None:
        """Seconds from its first job's begin to its last one's end; None before it is complete."""
        if self.first is None or self.last is None or not self.is_complete:
            return None
        return self.last - self.first

    @property
    def waiting(self) -> int:
        """Jobs that have not begun, and may still begin."""
        return max(self.total - self.done - self.failed - self.at_work, 0)

    @property
    def each(self) -> float | None:
        """Seconds that a job took, on average; None before one has ended."""
        return self.seconds / self.done if self.done else None

    def work_left(self, now: float) -> float | None:
        """Seconds of work that is left, if one job did it; None if no job has ended yet.

        A job at work is taken to be as long as those before, and if it is longer, to end now.
        """
        if self.is_complete:
            return 0.0
        if self.each is None:
            return None
        going = (max(self.each - (now - start), 0.0) for start in self.began.values())
        return self.waiting * self.each + sum(going)

    def seconds_left(self, now: float) -> float | None:
        """Seconds until the stage is complete, with as many jobs at a time as now, or as before."""
        work = self.work_left(now)
        return None if work is None else work / max(self.at_work or self.widest, 1)

    def per_second(self) -> float | None:
        """Jobs a second at this width; None before one has ended or where they took no time."""
        if self.each is None or not self.seconds:
            return None
        return max(self.at_work or self.widest, 1) / self.each


class Stages:
    """All stages of a run, in the order in which Snakemake comes to them.

    Args:
        groups: the rules of each stage that has several; any other rule is a stage of its own.
    """

    def __init__(self, groups: Mapping[str, Iterable[str]]) -> None:
        self._stage_of = {rule: name for name, rules in groups.items() for rule in rules}
        self._stages: dict[str, Stage] = {}
        self._jobs: dict[int, str] = {}
        self._done: set[int] = set()
        self._failed: set[int] = set()
        self._widest = 0

    def __iter__(self) -> Iterator[Stage]:
        return iter(self._stages.values())

    def plan(self, counts: Mapping[str, int]) -> None:
        """Take in how many jobs each rule has, in their order; what was there before only grows."""
        totals: dict[str, int] = {}
        for rule, count in counts.items():
            if rule != NO_STAGE:
                name = self._stage_of.get(rule, rule)
                totals[name] = totals.get(name, 0) + count
        for name, total in totals.items():
            stage = self._stages.setdefault(name, Stage(name))
            stage.total = max(stage.total, total)

    def begin(self, job: int, rule: str, now: float) -> Stage | None:
        """A job begins, for the first time or again; returns its stage, None if it has none."""
        if rule == NO_STAGE or job in self._done:
            return None
        name = self._stage_of.get(rule, rule)
        stage = self._stages.setdefault(name, Stage(name))
        self._jobs[job] = name
        self._take_back(job, stage)
        stage.began[job] = now
        stage.first = now if stage.first is None else stage.first
        stage.total = max(stage.total, stage.done + stage.failed + stage.at_work)
        stage.widest = max(stage.widest, stage.at_work)
        self._widest = max(self._widest, self.at_work)
        return stage

    def end(self, job: int, now: float, peak_mb: int | None = None) -> Stage | None:
        """A job has ended well; returns its stage, None if it has none or was counted before."""
        if job not in self._jobs or job in self._done:
            return None
        stage = self._stages[self._jobs[job]]
        self._take_back(job, stage)
        self._done.add(job)
        stage.seconds += now - stage.began.pop(job, now)
        stage.last = now
        stage.done += 1
        if peak_mb is not None:
            stage.peak_mb = max(stage.peak_mb or 0, peak_mb)
        return stage

    def fail(self, job: int) -> Stage | None:
        """An attempt has failed; whether there is another one shows when it begins."""
        if job not in self._jobs or job in self._done or job in self._failed:
            return None
        stage = self._stages[self._jobs[job]]
        stage.began.pop(job, None)
        self._failed.add(job)
        stage.failed += 1
        return stage

    def _take_back(self, job: int, stage: Stage) -> None:
        """Forget that an attempt at a job failed."""
        if job in self._failed:
            self._failed.remove(job)
            stage.failed -= 1

    @property
    def total(self) -> int:
        return sum(stage.total for stage in self._stages.values())

    @property
    def done(self) -> int:
        return sum(stage.done for stage in self._stages.values())

    @property
    def failed(self) -> int:
        return sum(stage.failed for stage in self._stages.values())

    @property
    def at_work(self) -> int:
        return sum(stage.at_work for stage in self._stages.values())

    def seconds_left(self, now: float) -> tuple[float, bool]:
        """Seconds until all is done, as far as stages have shown how long their jobs take.

        The second value says whether all have; if not, it will take longer.
        """
        left = [stage.work_left(now) for stage in self._stages.values()]
        known = sum(work for work in left if work is not None)
        return known / max(self.at_work or self._widest, 1), None not in left
