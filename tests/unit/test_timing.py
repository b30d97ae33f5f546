"""What a process counts of its own work."""

import threading
import time

import pytest

from localcal import timing
from localcal.files.atomic import write_json
from localcal.timing import EVALUATE, IMPORT, SIMULATE, WRITE, Aggregated, Figures, phase


@pytest.fixture
def clock(monkeypatch):
    """Return a function that lets time pass; nothing else does."""
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])

    def passes(seconds):
        now[0] += seconds

    yield passes
    monkeypatch.undo()
    timing.begin()


@pytest.fixture
def figures(clock):
    return timing.begin()


def test_a_phase_within_another_has_its_time_alone(figures, clock):
    clock(50)
    with phase(EVALUATE):
        clock(1)
        for _ in range(2):
            with phase(SIMULATE):
                clock(10)
        clock(2)
    clock(50)
    assert figures.seconds == {EVALUATE: 3, SIMULATE: 20}


def test_a_phase_that_fails_took_its_time_but_what_was_not_written_has_none(figures, clock):
    for name in (SIMULATE, WRITE):
        with pytest.raises(OSError, match="full"), phase(name):
            clock(3)
            raise OSError("full")
    assert figures.seconds == {SIMULATE: 3}
    # And the next one begins from nothing.
    with phase(EVALUATE):
        clock(1)
    assert figures.seconds == {SIMULATE: 3, EVALUATE: 1}


def test_other_threads_do_not_count(figures, clock):
    def work():
        with phase(SIMULATE):
            clock(5)

    with phase(EVALUATE):
        other = threading.Thread(target=work)
        other.start()
        other.join()
    assert figures.seconds == {EVALUATE: 5}


def test_a_function_can_be_a_phase(figures, clock):
    @phase(SIMULATE)
    def work(seconds):
        clock(seconds)
        return seconds

    assert work(2) + work(3) == 5
    assert figures.seconds == {SIMULATE: 5}


def test_what_files_take_to_be_safe_is_written(tmp_path):
    figures = timing.begin()
    write_json(tmp_path / "a.json", {})
    assert figures.seconds[WRITE] > 0


def test_a_simulation_counts_when_it_is_done(figures, clock):
    with timing.simulating("set_1", 42):
        clock(2)
    with pytest.raises(MemoryError), timing.simulating("set_2"):
        raise MemoryError
    assert figures.simulated == [timing.Simulated("set_1", 42, 2)]


def test_what_is_put_together_says_how_much_it_was(figures, clock):
    with timing.aggregating("cost") as payload:
        payload.sizes += [100, 300]
        payload.outputs = 7
        clock(1)
    with timing.aggregating("nothing"):
        pass
    expected = Aggregated("cost", results=2, outputs=7, n_bytes=400, largest_bytes=300, seconds=1)
    assert figures.aggregated == [expected, Aggregated("nothing", 0, 0, 0, 0, 0)]
    assert figures.seconds == {"aggregate": 1}


def test_a_job_takes_over_what_its_process_counted():
    mine = Figures({SIMULATE: 1.0})
    theirs = Figures({SIMULATE: 2.0, WRITE: 3.0}, [timing.Simulated("a", None, 1.0)])
    mine.take_over(theirs)
    assert mine.seconds == {SIMULATE: 3.0, WRITE: 3.0}
    assert mine.simulated == theirs.simulated


def test_imports_count_wherever_they_are(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "slow_to_import.py").write_text("import time\ntime.sleep(0.05)\n")
    figures = timing.begin()
    original = __import__
    with timing.counting_imports(), phase(EVALUATE):
        import slow_to_import  # noqa: F401
    assert __import__ is original
    assert figures.seconds[IMPORT] >= 0.05 > figures.seconds[EVALUATE]
