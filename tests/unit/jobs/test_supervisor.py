"""Why a process died, and what follows."""

import os
import signal
import subprocess
import sys

import pytest

from localcal.errors import OutOfMemory, OverLimit
from localcal.jobs.supervisor import (
    MOST_DEATHS,
    MOST_GUILTY_AT_FIRST,
    MOST_HALVINGS,
    Watch,
    death_of,
    in_halves,
    memory_of,
    work_through,
)


@pytest.mark.parametrize(
    "command", [["sh", "-c", "kill -9 $$"], ["sh", "-c", "sh -c 'kill -9 $$'; exit $?"]]
)
def test_a_kill_is_told_from_other_ends_also_behind_a_shell(command):
    status = subprocess.run(command, check=False).returncode
    assert status in (-9, 137)
    death = death_of(status, peak_mb=15_800, limit_mb=16_000)
    assert death.of_memory
    assert f"(SIGKILL, {status}) at 15,800 MB of 16,000 MB" in death.words


@pytest.mark.parametrize(
    ("status", "words"),
    [(-11, "SIGSEGV"), (139, "SIGSEGV"), (1, "exit status 1"), (-15, "SIGTERM"), (3, "status 3")],
)
def test_no_other_end_is_taken_for_one_of_memory(status, words):
    assert not death_of(status).of_memory
    assert words in death_of(status).words


def test_a_process_that_takes_too_much_is_ended():
    code = "held = b'x' * (150 * 10**6); print('there', flush=True); input()"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", code], **pipes) as process:
        process.stdout.readline()
        assert memory_of(process.pid) > 145
        with Watch(process.pid, limit_mb=100).watching() as watch:
            status = process.wait(timeout=10)
    assert status == -signal.SIGKILL and watch.ended
    death = watch.death(status)
    assert death.of_memory
    assert death.words == f"was ended since it took {watch.peak_mb} MB of the 100 MB it may have"


def test_what_is_there_for_a_process_counts_and_is_not_ended():
    code = "held = b'x' * (100 * 10**6); print('there', flush=True); input()"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    held = [subprocess.Popen([sys.executable, "-c", code], **pipes) for _ in range(2)]
    try:
        for process in held:
            process.stdout.readline()
        with Watch(held[0].pid, 150, [held[1].pid]).watching() as watch:
            status = held[0].wait(timeout=10)
        assert watch.ended and watch.peak_mb > 190 and held[1].poll() is None
        error = watch.error(status, "it")
        assert isinstance(error, OverLimit) and "150 MB it may have" in str(error)
    finally:
        for process in held:
            process.kill()
            process.communicate()


def test_a_process_within_its_limit_goes_on_and_one_that_is_gone_has_no_memory():
    with Watch(os.getpid(), limit_mb=10**6).watching() as watch:
        pass
    assert not watch.ended and watch.peak_mb > 0
    process = subprocess.Popen(["true"])
    process.wait()
    assert memory_of(process.pid) == 0


class Worker:
    """Does items until memory is short: after so many, or at one that is too large."""

    def __init__(self, n_items, after=10**6, too_large=(), always=False):
        self.items = list(range(n_items))
        self.after, self.too_large, self.always = after, set(too_large), always
        self.done, self.given_up, self.tried, self.processes = [], [], [], 0

    def work(self, items):
        self.processes += 1
        for number, item in enumerate(items):
            self.tried.append(item)
            if self.always or item in self.too_large or number >= self.after:
                raise MemoryError("killed from outside (SIGKILL, -9)")
            self.done.append(item)

    def through(self, remedy="split"):
        return work_through(
            self.items,
            self.work,
            lambda item: item in self.done,
            lambda item, why: self.given_up.append((item, why)),
            remedy,
            "raise memory_mb, now 100",
        )


def test_work_that_fits_is_done_in_one_process():
    worker = Worker(50)
    assert worker.through() == 0
    assert (worker.done, worker.processes) == (worker.items, 1)


def test_what_is_done_is_not_done_again():
    worker = Worker(10)
    worker.done = [0, 1, 5]
    worker.through()
    assert worker.tried == [2, 3, 4, 6, 7, 8, 9]


def test_an_item_that_is_too_large_by_itself_is_given_up_and_no_other():
    worker = Worker(50, too_large=[20])
    assert worker.through() == 2
    assert worker.given_up == [(20, "killed from outside (SIGKILL, -9)")]
    assert sorted(worker.done) == [item for item in worker.items if item != 20]
    assert worker.tried.count(20) == 2
    assert len(worker.tried) == len(worker.items) + 1


def test_the_first_item_may_be_the_one():
    worker = Worker(5, too_large=[0])
    assert worker.through() == 1
    assert [item for item, _ in worker.given_up] == [0]
    assert worker.done == [1, 2, 3, 4]


def test_work_that_leaks_is_split():
    worker = Worker(100, after=30)
    assert worker.through() == 1
    assert worker.done == worker.items and not worker.given_up
    # 30 before the death, then 15 at a time.
    assert worker.processes == 1 + 5


def test_where_nothing_fits_it_ends_soon_and_says_what_to_change():
    worker = Worker(500, always=True)
    with pytest.raises(OutOfMemory, match="3 in a row could not be done alone; raise memory_mb"):
        worker.through()
    assert worker.processes == MOST_GUILTY_AT_FIRST
    worker = Worker(500, too_large=range(1, 500, 2))
    with pytest.raises(OutOfMemory, match="raise memory_mb, now 100"):
        worker.through()
    assert worker.processes <= 2 * MOST_DEATHS


@pytest.mark.parametrize("remedy", ["more_memory", "fail"])
def test_with_another_remedy_the_first_death_is_the_end(remedy):
    worker = Worker(50, too_large=[20])
    with pytest.raises(OutOfMemory, match="after 20 of 50 were done; raise memory_mb, now 100"):
        worker.through(remedy)
    assert worker.processes == 1 and not worker.given_up


def test_another_failure_is_not_taken_for_one_of_memory():
    worker = Worker(5)
    worker.work = lambda items: 1 / 0
    with pytest.raises(ZeroDivisionError):
        worker.through()


class Ranges:
    """Does ranges of up to so many."""

    def __init__(self, most):
        self.most, self.tried = most, []

    def work(self, start, stop):
        self.tried.append((start, stop))
        if stop - start > self.most:
            raise MemoryError("killed from outside (SIGKILL, -9)")

    def through(self, start, stop):
        return in_halves(start, stop, self.work, "columns", "make chunks smaller")


@pytest.mark.parametrize(("most", "size"), [(100, 100), (99, 50), (40, 25), (4, 4), (7, 7)])
def test_a_range_that_does_not_fit_is_done_in_halves_that_cover_it_once(most, size):
    ranges = Ranges(most)
    parts = ranges.through(1000, 1100)
    assert [number for part in parts for number in range(*part)] == list(range(1000, 1100))
    assert max(stop - start for start, stop in parts) == size
    # What is done is not done again, and no part as large as one that died is tried again.
    assert len(ranges.tried) == len(parts) + len(
        [1 for start, stop in ranges.tried if stop - start > most]
    )
    assert len({stop - start for start, stop in ranges.tried if stop - start > most}) == len(
        ranges.tried
    ) - len(parts)


@pytest.mark.parametrize(("columns", "least"), [(10_000, 313), (3, 1), (1, 1)])
def test_halves_end_soon_where_nothing_fits(columns, least):
    ranges = Ranges(0)
    words = rf"SIGKILL, -9\), also with {least} columns; make chunks smaller"
    with pytest.raises(OutOfMemory, match=words):
        ranges.through(0, columns)
    assert len(ranges.tried) <= MOST_HALVINGS + 1


def test_another_failure_is_not_halved():
    ranges = Ranges(100)
    ranges.work = lambda start, stop: 1 / 0
    with pytest.raises(ZeroDivisionError):
        ranges.through(0, 10)
