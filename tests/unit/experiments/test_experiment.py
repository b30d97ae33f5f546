"""Arms in turn: the order, what counts, and what is found of a planted slowdown."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from localcal.errors import InputError
from localcal.experiments import experiment
from localcal.experiments.experiment import INPUTS, PLAN, find_source, make, orders
from localcal.experiments.refusal import NoData, Refused
from localcal.experiments.settings import design
from localcal.experiments.stored import arms_compared
from tests.experiment_case import ENGINE, make_run, taken


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("experiment"))


class Planted:
    """A bench on which work takes what is planted, times noise that drifts from round to round."""

    def __init__(self, seconds, seed):
        self.seconds, self.random = seconds, np.random.default_rng(seed)
        self.drift, self.asked = 1.0, []

    def __call__(self, engine, calculated, digests):
        self.digests = digests
        return self

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def version(self):
        return "planted 1"

    def take(self, setting, pieces):
        self.asked.append((setting, pieces))
        self.drift *= self.random.lognormal(0, 0.005)
        noise = self.random.lognormal(0, 0.02)
        return taken(self.seconds(setting, pieces) * self.drift * noise)


def measured(run, monkeypatch, words, seconds, seed=0, **options):
    bench = Planted(seconds, seed)
    monkeypatch.setattr(experiment, "Bench", bench)
    source = find_source(run)
    said = []
    wanted = design(source.plan, [words], seed=seed, **options)
    return make(source, wanted, ENGINE, said.append), bench, said


def test_a_planted_slowdown_is_found_and_equal_arms_are_not_called_different(run, monkeypatch):
    def slow(setting, _):
        return 2.0 if setting.work == "simulate+evaluate" else 1.0

    monkeypatch.setattr(experiment, "code", dict)
    different = 0
    for seed in range(8):
        for second in ("simulate+evaluate", "simulate"):
            words = ["work", "simulate", second]
            result, *_ = measured(run, monkeypatch, words, slow, seed, repeat=12)
            cpu, wall, peak = arms_compared(result)
            assert not peak.ratio.is_different and peak.ratio.ratio == 1
            if second == "simulate":
                assert result.design.is_noise
                different += cpu.ratio.is_different
            else:
                assert cpu.ratio.is_different and wall.ratio.is_different
                assert cpu.ratio.low < 2 < cpu.ratio.high and 1.9 < cpu.ratio.ratio < 2.1
    # Of twelve pairs two are left out on each side: 1 in 26 by chance.
    assert different <= 2


def test_each_arm_is_first_as_often_as_the_other_in_an_order_that_is_drawn():
    for repeat in (1, 4, 5, 12):
        for seed in range(20):
            found = orders(repeat, seed)
            assert len(found) == repeat and found == orders(repeat, seed)
            firsts = Counter(first for first, _ in found)
            assert abs(firsts["A"] - firsts["B"]) == repeat % 2
            assert {frozenset(pair) for pair in found} == {frozenset("AB")}
    drawn = {tuple(orders(12, seed)) for seed in range(20)}
    assert len(drawn) > 15


def test_arms_are_measured_in_turn_after_a_round_that_does_not_count(run, monkeypatch):
    words = ["chunk-columns", "30", "100"]
    result, bench, said = measured(run, monkeypatch, words, lambda _, pieces: len(pieces))
    asked = [
        (setting.chunk_columns, [one.columns for one in pieces]) for setting, pieces in bench.asked
    ]
    small = 30, [(0, 30), (30, 60), (60, 90), (90, 100)]
    large = 100, [(0, 100)]
    assert len(asked) == 12 and asked[:2] == [small, large]
    for pair in range(6):
        assert sorted(asked[2 * pair : 2 * pair + 2]) == [small, large]
    assert [len(result.counted(arm)) for arm in "AB"] == [5, 5]
    assert [(one.round, one.turn) for one in result.measurements] == [
        (number, turn) for number in range(6) for turn in (0, 1)
    ]
    # Which arm it was is told by what it took.
    for one in result.measurements:
        assert (one.taken.cpu_seconds > 2) == (one.arm == "A")
    assert said[0] == "loading the model" and said[1].startswith("not counted: A took ")
    assert said[-1].startswith("pair 5 of 5: ")


def test_a_cold_start_is_not_made_where_it_does_not_count(run, monkeypatch):
    words = ["process", "cold", "warm"]
    result, bench, _ = measured(run, monkeypatch, words, lambda *_: 1.0)
    assert [setting.process for setting, _ in bench.asked].count("cold") == 3
    assert [len(result.counted(arm)) for arm in "AB"] == [3, 3]
    assert result.measurements[0].arm == "B" and result.measurements[0].round == 0


def test_everything_that_is_equal_is_recorded_and_so_is_what_differs(run, monkeypatch):
    result, bench, _ = measured(run, monkeypatch, ["targets", "3", "all"], lambda *_: 1.0)
    source = find_source(run)
    conditions = result.conditions
    assert conditions["population"] == source.plan.digests["population"]
    assert conditions["run_targets"] == source.plan.digests["targets"]
    # 50 columns are seven clones of seven households, and one of the eighth.
    assert (conditions["columns"], conditions["households"]) == (50, 8)
    assert (conditions["engine"], conditions["engine_version"]) == (ENGINE, "planted 1")
    assert {"host", "cpu", "cores", "python", "code", "package.numpy", "seed"} <= conditions.keys()
    assert (result.arms["A"]["targets"], result.arms["A"]["columns_done"]) == (3, 50)
    differing = {
        name for name in result.arms["A"] if result.arms["A"][name] != result.arms["B"][name]
    }
    assert differing == {"targets", "targets_chosen"}
    assert len(bench.asked[0][1][0].rows) == 3 and bench.asked[1][1][0].rows is None
    # The model's process is told which digests the files have.
    assert bench.digests[str(run / INPUTS.frozen)] == source.plan.digests["frozen"]


def test_more_targets_than_there_are_are_refused_before_anything_is_measured(run, monkeypatch):
    with pytest.raises(Refused, match="targets: 9,999 are asked for, the run has 270"):
        measured(run, monkeypatch, ["targets", "1", "9999"], pytest.fail)


def test_arms_that_would_differ_in_more_are_refused_before_anything_is_measured(run, monkeypatch):
    monkeypatch.setitem(experiment.VARYING, "chunk-columns", {"chunk_columns"})
    with pytest.raises(Refused, match="^chunks: 4 in A, 1 in B$"):
        measured(run, monkeypatch, ["chunk-columns", "30", "100"], pytest.fail)


def test_conditions_that_change_meanwhile_are_refused_with_both(run, monkeypatch):
    found = iter([{"code": "1", "package.a": "1"}, {"code": "2"}])
    monkeypatch.setattr(experiment, "code", lambda: next(found))
    with pytest.raises(Refused) as refused:
        measured(run, monkeypatch, ["work", "simulate", "simulate"], lambda *_: 1.0)
    assert refused.value.reasons == [
        "code: '1' in the beginning, '2' in the end; measure again",
        "package.a: '1' in the beginning, not said in the end; measure again",
    ]


@pytest.mark.parametrize("missing", [PLAN, *vars(INPUTS).values()], ids=str)
def test_a_run_that_is_not_so_far_has_no_data(run, missing):
    kept = run / missing
    away = kept.rename(kept.with_suffix(".away"))
    try:
        with pytest.raises(NoData, match=f"{missing}: no such file; .*snakemake --cores 1 .*plan"):
            find_source(run)
    finally:
        away.rename(kept)


def test_files_of_another_plan_are_refused(run):
    path = run / INPUTS.targets
    content = path.read_bytes()
    path.write_bytes(content + b" ")
    try:
        with pytest.raises(InputError, match="made from another targets than the run has now"):
            find_source(run)
    finally:
        path.write_bytes(content)


def test_the_design_of_a_result_is_the_one_that_was_asked_for(run, monkeypatch):
    result, *_ = measured(run, monkeypatch, ["workers", "1", "2"], lambda *_: 1.0, repeat=6)
    assert result.design.repeat == 6 and result.design.columns == 100
    assert replace(result.design.arms["A"], workers=2) == result.design.arms["B"]
