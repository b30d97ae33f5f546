"""A fit that is cut off goes on to the bytes it would have had."""

import json
import logging

import numpy as np
import pytest

from localcal.weights.checkpoint import Checkpoint
from localcal.weights.solver import PREFIT_PATH
from tests.fit_case import make_case


class CutOff(Exception):
    """What a test cuts a fit off with."""


class Cutting(Checkpoint):
    """Writes at every chance and cuts the fit off after some of them."""

    def __init__(self, path, writes: int | None) -> None:
        super().__init__(path, "this fit", seconds=0.0)
        self.left = writes

    def offer(self, stage, position) -> None:
        super().offer(stage, position)
        if self.left is not None:
            self.left -= 1
            if self.left == 0:
                raise CutOff


# Weak enough for descents of some length.
PENALTY = 0.001
SETTINGS = {
    "all": {"penalty": PENALTY},
    "drawn": {"records": 200, "max_sweeps": 25, "penalty": PENALTY},
    "swapped": {"records": 60, "max_sweeps": 25, "penalty": PENALTY},
}


@pytest.mark.parametrize("kind", SETTINGS)
def test_wherever_it_is_cut_off_a_fit_goes_on_to_the_same_bytes(tmp_path, kind):
    case = make_case(3, households=40, clones=6)
    case.targets.loc[30, "value"] *= 3.0
    settings = SETTINGS[kind] | {"harmonize": False}
    expected = case.fit(**settings)
    assert expected.report["huber"]["rounds"] > 0
    path = tmp_path / "checkpoint.npz"
    cuts = 0
    while True:
        cuts += 1
        path.unlink(missing_ok=True)
        try:
            case.fit(checkpoint=Cutting(path, cuts), **settings)
        except CutOff:
            result = case.fit(checkpoint=Cutting(path, None), **settings)
            assert result.weights.tobytes() == expected.weights.tobytes(), cuts
            assert json.dumps(result.report) == json.dumps(expected.report), cuts
        else:
            break
    assert cuts >= 8


def test_a_fit_cut_off_again_and_again_still_ends_with_the_same_bytes(tmp_path):
    case = make_case(3, households=40, clones=6)
    expected = case.fit(records=60, max_sweeps=25, penalty=PENALTY)
    path = tmp_path / "checkpoint.npz"
    lives = 0
    while True:
        lives += 1
        try:
            # Two positions a life: the one it went on from, and one more.
            result = case.fit(
                checkpoint=Cutting(path, 2), records=60, max_sweeps=25, penalty=PENALTY
            )
        except CutOff:
            continue
        break
    assert lives > 8
    assert result.weights.tobytes() == expected.weights.tobytes()


def test_a_fit_that_goes_on_repeats_little(tmp_path, caplog):
    case = make_case(3, households=40, clones=6)
    path = tmp_path / "checkpoint.npz"
    with caplog.at_level(logging.INFO), pytest.raises(CutOff):
        case.fit(checkpoint=Cutting(path, 4), penalty=PENALTY)
    whole = caplog.text
    caplog.clear()
    with caplog.at_level(logging.INFO):
        fitted = case.fit(checkpoint=Cutting(path, None), penalty=PENALTY).report["n_fitted"]
    assert "goes on after 0 finished descents" in caplog.text
    first = f"mu {PREFIT_PATH[0][0] * fitted:g}:"
    assert first in whole and first not in caplog.text


def test_the_checkpoint_of_another_fit_and_a_damaged_one_are_not_used(tmp_path, caplog):
    case = make_case(3, households=40, clones=6)
    expected = case.fit()
    path = tmp_path / "checkpoint.npz"
    with pytest.raises(CutOff):
        case.fit(checkpoint=Cutting(path, 3))
    with caplog.at_level(logging.INFO):
        other = Checkpoint(path, "another fit")
    assert "of another fit" in caplog.text
    assert case.fit(checkpoint=other).weights.tobytes() == expected.weights.tobytes()
    with np.load(path) as file:
        content = dict(file.items())
    whole = path.read_bytes()
    for damage in (lambda: path.write_bytes(whole[:1000]), lambda: np.savez(path, **content)):
        content.pop("order", None)
        damage()
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            damaged = Checkpoint(path, "this fit")
        assert "damaged" in caplog.text
    assert case.fit(checkpoint=damaged).weights.tobytes() == expected.weights.tobytes()
    damaged.remove()
    assert not path.exists()
    damaged.remove()


def test_nothing_is_written_before_it_is_time(tmp_path):
    checkpoint = Checkpoint(tmp_path / "checkpoint.npz", "a fit", seconds=3600.0)
    result = make_case(3, households=40, clones=6).fit(checkpoint=checkpoint)
    assert not list(tmp_path.iterdir()) and np.isfinite(result.weights).all()
