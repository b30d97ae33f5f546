"""What arms do: the job itself, and the same simulations whatever is made of them."""

import os
from collections import Counter

import pytest

from localcal.experiments.experiment import find_source
from localcal.experiments.refusal import Refused
from localcal.experiments.settings import EVALUATE, SIMULATE, WORKS, WRITE
from localcal.experiments.work import Piece, chosen, do
from localcal.files.csr import open_csr
from localcal.matrix.chunk import build_chunk
from localcal.targets.table import read_targets
from tests.experiment_case import make_run
from tests.standin_engine import StandIn


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return find_source(make_run(tmp_path_factory.mktemp("work")))


def piece(source, path, work=WRITE, rows=None, columns=(0, 50)):
    return Piece(source.plan_path, source.inputs, columns, work, rows, path)


class Counting(StandIn):
    """Counts what the model is asked for, each variable once per simulation."""

    def __init__(self):
        self.asked = Counter()

    def simulate(self, population, common=None, units=None):
        return Counted(super().simulate(population, common, units), self.asked, "")


class Counted:
    def __init__(self, inner, asked, neutralized):
        self.inner, self.asked, self.neutralized = inner, asked, neutralized
        self.seen = set()

    def calculate(self, variable, year=None):
        if variable not in self.seen:
            self.asked[variable, self.neutralized] += 1
        self.seen.add(variable)
        return self.inner.calculate(variable, year)

    def neutralize(self, variable):
        return Counted(self.inner.neutralize(variable), self.asked, variable)

    def __getattr__(self, name):
        return getattr(self.inner, name)


def test_the_whole_work_writes_the_bytes_of_the_job(source, tmp_path):
    build_chunk(0, source.plan_path, source.inputs, StandIn(), tmp_path / "job.h5")
    done = do(StandIn(), piece(source, tmp_path / "arm.h5"))
    assert (tmp_path / "arm.h5").read_bytes() == (tmp_path / "job.h5").read_bytes()
    assert done.cpu_seconds > 0 and done.peak_mb > 10
    assert done.server == os.getppid()


@pytest.mark.parametrize("work", [SIMULATE, EVALUATE])
def test_less_work_writes_nothing(source, tmp_path, work):
    do(StandIn(), piece(source, tmp_path / "arm.h5", work))
    assert not (tmp_path / "arm.h5").exists()


# With 1 all clones of a household in a state take over what one of them has.
@pytest.mark.parametrize("share", [0.4, 1.0])
def test_the_model_is_asked_for_the_same_whatever_is_made_of_it(
    source, tmp_path, monkeypatch, share
):
    monkeypatch.setattr("localcal.matrix.alike.LARGEST_SHARE", share)
    targets = read_targets(source.inputs.targets)
    plain = (targets["reform_id"] == 0).to_numpy().nonzero()[0]
    reforms = (targets["reform_id"] > 0).to_numpy().nonzero()[0]
    assert plain.size and reforms.size
    job = Counting()
    build_chunk(0, source.plan_path, source.inputs, job, tmp_path / "job.h5")
    asked = [job.asked]
    for work, rows in [
        *((work, None) for work in WORKS),
        (EVALUATE, (int(plain[0]),)),
        (EVALUATE, (int(reforms[0]),)),
        (EVALUATE, (int(plain[1]), int(reforms[-1]))),
    ]:
        engine = Counting()
        do(engine, piece(source, tmp_path / "arm.h5", work, rows))
        asked.append(engine.asked)
    assert any(neutralized for _, neutralized in asked[0])
    for other in asked[1:]:
        assert other == asked[0]


def test_chosen_targets_are_the_rows_of_the_whole(source, tmp_path):
    rows = (3, 17, 200)
    do(StandIn(), piece(source, tmp_path / "some.h5", rows=rows, columns=(20, 120)))
    do(StandIn(), piece(source, tmp_path / "all.h5", columns=(20, 120)))
    some, whole = (open_csr(tmp_path / f"{name}.h5").matrix() for name in ("some", "all"))
    assert some.shape == (3, 100) and some.nnz
    assert (some != whole[list(rows)]).nnz == 0


def test_targets_are_drawn_by_seed_and_fewer_are_among_more():
    few, more = chosen(100, 3, seed=1), chosen(100, 20, seed=1)
    assert few == chosen(100, 3, seed=1) != chosen(100, 3, seed=2)
    assert len(few) == 3 and list(few) == sorted(few) and set(few) <= set(more)
    assert chosen(100, None, seed=1) is None and chosen(3, 3, seed=1) == (0, 1, 2)
    with pytest.raises(Refused, match="targets: 101 are asked for, the run has 100"):
        chosen(100, 101, seed=1)
