"""Why a process died, and what to do about it.

Memory is what work dies of, and it shows in several ways: as a MemoryError, as a signal from the
kernel (-9, or 137 where a shell reports it), or as a limit of ours that was reached first. All are
one kind of death, for which another try with less work or more memory can help; for any other it
cannot.
"""

import contextlib
import logging
import os
import re
import signal
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import psutil

from localcal.errors import OutOfMemory, OverLimit

logger = logging.getLogger(__name__)

SECONDS_BETWEEN_LOOKS = 0.5
# Where it is only to be known how far a process had come.
SECONDS_WITHOUT_LIMIT = 5.0
# A shell says 128 more than the number of the signal that its child died of.
SHELL_OFFSET = 128
# Of one list of work; whoever dies more often needs a person.
MOST_DEATHS = 16
# So many parts of the work that cannot be done even alone, without one that can.
MOST_GUILTY_AT_FIRST = 3
# Of one piece of work: what does not fit with 3 % of it has too little memory for anything.
MOST_HALVINGS = 5

type Remedy = Literal["split", "more_memory", "fail"]


class Death(NamedTuple):
    """How a process ended that should have gone on.

    Attributes:
        of_memory: whether memory was, or most likely was, the reason.
        words: what was seen.
    """

    of_memory: bool
    words: str


def death_of(status: int, peak_mb: int = 0, limit_mb: int | None = None) -> Death:
    """Return what an exit status says.

    Args:
        status: as subprocess has it: minus the signal's number, or what a shell or a container
            returns.
        peak_mb: the most memory that was seen, in 10^6 bytes; 0 where nobody looked.
        limit_mb: what the process was allowed.
    """
    seen = _in_words(peak_mb, limit_mb)
    if status in (-signal.SIGKILL, SHELL_OFFSET + signal.SIGKILL):
        return Death(
            True,
            f"was killed from outside (SIGKILL, {status}){seen}, most likely because the "
            "machine or the scheduler had no more memory for it",
        )
    number = -status if status < 0 else status - SHELL_OFFSET
    with contextlib.suppress(ValueError):
        return Death(False, f"was ended by {signal.Signals(number).name}{seen}")
    return Death(False, f"left with exit status {status}{seen}")


def over_limit(peak_mb: int, limit_mb: int) -> Death:
    """Return the death of a process that we ended because it took more than its limit."""
    return Death(True, f"was ended since it took {peak_mb:,} MB of the {limit_mb:,} MB it may have")


def _in_words(peak_mb: int, limit_mb: int | None) -> str:
    if not peak_mb:
        return ""
    return f" at {peak_mb:,} MB{f' of {limit_mb:,} MB' if limit_mb else ''}"


def memory_of(process: int) -> int:
    """Return a process's memory in 10^6 bytes; of what it shares with others, its share.

    A forked child shares the model with its parent and its siblings: counted once for each of
    them, as resident memory is, it would fill a machine that is half empty. 0 if it has ended.
    """
    try:
        found = re.search(
            r"^Pss:\s+(\d+) kB$", Path(f"/proc/{process}/smaps_rollup").read_text(), re.MULTILINE
        )
        if found is not None:
            return int(found[1]) * 1024 // 10**6
    except OSError:
        # Gone, or a system that does not say.
        pass
    try:
        return int(psutil.Process(process).memory_info().rss) // 10**6
    except psutil.NoSuchProcess:
        return 0


class Watch:
    """Looks at a process's memory now and then, and ends it when it takes more than it may.

    Args:
        process: its number.
        limit_mb: what it may take, in 10^6 bytes; None for no limit.
        beside: the processes that are there for its sake, whose memory counts as its own.

    Attributes:
        peak_mb: the most that was seen.
        ended: whether it was ended for its memory.
    """

    def __init__(self, process: int, limit_mb: int | None, beside: Collection[int] = ()) -> None:
        self.peak_mb = 0
        self.ended = False
        self._process = process
        self._counted = (process, *beside)
        self._limit_mb = limit_mb
        self._over = threading.Event()

    @contextlib.contextmanager
    def watching(self) -> Iterator["Watch"]:
        """Look as long as the context lasts."""
        thread = threading.Thread(target=self._look, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._over.set()
            thread.join()

    def _look(self) -> None:
        limit = self._limit_mb
        while True:
            self.peak_mb = max(self.peak_mb, sum(map(memory_of, self._counted)))
            if limit is not None and self.peak_mb > limit:
                # Before the kernel ends one, which might choose another.
                self.ended = True
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self._process, signal.SIGKILL)
                return
            if self._over.wait(SECONDS_WITHOUT_LIMIT if limit is None else SECONDS_BETWEEN_LOOKS):
                return

    def death(self, status: int) -> Death:
        """Return why the process ended with this status."""
        if self.ended and self._limit_mb is not None:
            return over_limit(self.peak_mb, self._limit_mb)
        return death_of(status, self.peak_mb, self._limit_mb)

    def error(self, status: int, subject: str) -> MemoryError | None:
        """Return what to raise where the process ended for its memory; None where it did not.

        Args:
            status: its exit status.
            subject: what to call it.
        """
        death = self.death(status)
        kind = OverLimit if self.ended else MemoryError
        return kind(f"{subject} {death.words}") if death.of_memory else None


def work_through[Item](
    items: Sequence[Item],
    work: Callable[[Sequence[Item]], None],
    is_done: Callable[[Item], bool],
    give_up: Callable[[Item, str], None],
    remedy: Remedy,
    advice: str,
) -> int:
    """Do work on items in processes that may run out of memory; return how often one did.

    After a death the rest goes to a fresh process, in parts of half as many items as were done
    before it. An item that dies as the first of a fresh process is too large by itself: it is given
    up, and the rest goes on.

    Args:
        items: what there is to do, in order.
        work: does items in a process of their own, one after the other; raises MemoryError where
            that ran out of memory.
        is_done: whether an item's result is there.
        give_up: records that an item cannot be done, and why.
        remedy: `split` as above; otherwise the first death is the end.
        advice: which number to change.

    Raises:
        OutOfMemory: the remedy is another, or there were too many deaths.
    """
    waiting = [item for item in items if not is_done(item)]
    together, deaths, guilty, done = max(len(waiting), 1), 0, 0, 0
    while waiting:
        part = waiting[:together]
        try:
            work(part)
            finished, death = len(part), ""
        except MemoryError as error:
            finished, death = sum(map(is_done, part)), str(error)
        done += finished
        if not death:
            waiting = waiting[len(part) :]
            continue
        deaths += 1
        if remedy != "split" or deaths >= MOST_DEATHS:
            raise OutOfMemory(f"{death}, after {done} of {len(items)} were done; {advice}")
        left = [item for item in part if not is_done(item)]
        if finished == 0:
            guilty += 1
            if guilty >= MOST_GUILTY_AT_FIRST and not done:
                raise OutOfMemory(f"{death}; {guilty} in a row could not be done alone; {advice}")
            give_up(left[0], death)
            logger.warning("%s; it was alone, so it is given up; %s", death, advice)
            # It was the one, so that the others need not be split for it.
            left, together = left[1:], len(waiting)
        else:
            together = max(1, finished // 2)
            logger.warning(
                "%s, after %d were done; the rest goes to fresh processes, %d at a time; %s",
                death,
                finished,
                together,
                advice,
            )
        waiting = left + waiting[len(part) :]
    return deaths


def in_halves(
    start: int, stop: int, work: Callable[[int, int], None], unit: str, advice: str
) -> list[tuple[int, int]]:
    """Do work on a range in processes that may run out of memory; return how it was cut.

    After a death that part and all that follow are half as large.

    Args:
        start: the first of the range.
        stop: the one after the last.
        work: does a part of the range in a process of its own; raises MemoryError where that ran
            out of memory.
        unit: what the range is of.
        advice: which number to change.

    Raises:
        OutOfMemory: there were too many deaths, or one cannot be done even alone.
    """
    size, deaths, done = stop - start, 0, []
    while start < stop:
        end = min(start + size, stop)
        try:
            work(start, end)
        except MemoryError as error:
            deaths += 1
            if end - start == 1 or deaths > MOST_HALVINGS:
                raise OutOfMemory(f"{error}, also with {end - start} {unit}; {advice}") from error
            size = -(-(end - start) // 2)
            logger.warning("%s, with %d %s; going on with %d", error, end - start, unit, size)
            continue
        done.append((start, end))
        start = end
    return done
