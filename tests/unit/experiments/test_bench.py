"""A bench has processes of its own: warm ones are kept, cold ones are not, and none is left."""

import os

import psutil
import pytest

from localcal.errors import InputError
from localcal.experiments import bench as module
from localcal.experiments.bench import Bench, _together
from localcal.experiments.experiment import find_source
from localcal.experiments.refusal import Refused
from localcal.experiments.settings import COLD, WARM, Setting
from localcal.experiments.work import Done, Piece
from tests.experiment_case import ENGINE, make_run
from tests.served_work import own_folder

__all__ = ["own_folder"]


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return find_source(make_run(tmp_path_factory.mktemp("bench")))


def setting(process=WARM, workers=1):
    return Setting("simulate+evaluate+write", None, 50, process, workers)


def pieces(source, folder, count=1):
    return [
        Piece(source.plan_path, source.inputs, (at, at + 50), "simulate", None, folder / f"{at}.h5")
        for at in range(0, 50 * count, 50)
    ]


def children():
    """Return the processes that this one started to have the model."""
    found = psutil.Process().children()
    return {one.pid for one in found if "localcal.engine.server" in one.cmdline()}


def test_a_warm_process_is_kept_a_cold_one_is_another_and_none_is_left(source, tmp_path):
    before, environment = children(), dict(os.environ)
    with Bench(ENGINE, [], {}) as bench:
        assert bench.version() == "stand-in 1"
        [warm] = children() - before
        took = [bench.take(setting(), pieces(source, tmp_path)) for _ in range(2)]
        assert children() - before == {warm}
        cold = bench.take(setting(COLD), pieces(source, tmp_path))
        both = bench.take(setting(workers=2), pieces(source, tmp_path, count=2))
        assert children() - before == {warm}
    assert children() == before and dict(os.environ) == environment
    # To start Python and import numpy is half a second of CPU at the least.
    assert cold.cpu_seconds > 0.3 > 2 * min(one.cpu_seconds for one in took)
    for one in (*took, cold, both):
        assert one.wall_seconds > 0 and one.peak_mb > 10 and one.phases["simulate"] > 0


def test_who_cannot_have_the_model_is_told_and_nothing_is_left():
    before, environment = children(), dict(os.environ)
    with pytest.raises(InputError, match="no_such_engine"), Bench("no_such_engine:X", [], {}) as it:
        it.version()
    assert children() == before and dict(os.environ) == environment


def test_a_model_that_was_killed_meanwhile_is_not_taken_for_another(source, tmp_path):
    with Bench(ENGINE, [], {}) as bench:
        bench.version()
        [server] = bench._servers()
        server.kill()
        while server.status() != psutil.STATUS_ZOMBIE:
            pass
        assert bench._servers() == []
        # Another one is started, which had to be loaded: that is no warm start.
        with pytest.raises(Refused, match="is another one than before"):
            bench.take(setting(), pieces(source, tmp_path))
        server.wait(10)


def done(**changes):
    return Done(**({"cpu_seconds": 1.0, "peak_mb": 1.0, "phases": {}, "server": 1} | changes))


def test_work_of_another_process_than_the_bench_has_is_refused(monkeypatch):
    monkeypatch.setattr(module, "run_with_engine", lambda *_, **__: done(server=os.getpid()))
    with Bench(ENGINE, [], {}) as bench, pytest.raises(Refused, match="is another one than before"):
        bench.take(setting(), [None])


@pytest.mark.parametrize(
    ("peaks", "workers", "model", "together"),
    [
        ([900.0], 1, 800.0, 900.0),
        # Of three chunks one after the other, the largest.
        ([900.0, 1_000.0, 850.0], 1, 800.0, 1_000.0),
        # Of two side by side, the model once.
        ([900.0, 1_000.0], 2, 800.0, 800.0 + 100.0 + 200.0),
        # The two largest of three.
        ([900.0, 1_000.0, 850.0], 2, 800.0, 1_100.0),
        # No more is shared than the smaller one has.
        ([500.0, 600.0], 2, 800.0, 600.0),
    ],
)
def test_memory_counts_the_model_once(peaks, workers, model, together):
    assert _together([done(peak_mb=peak) for peak in peaks], workers, model) == together
