"""Draws by key."""

import hashlib

import numpy as np

from localcal.population.draws import keyed_uniform


def test_draws_are_uniform_and_unrelated_between_neighbouring_keys():
    household, clone = np.divmod(np.arange(200_000), 100)
    draws = keyed_uniform(0, "snap", household, clone)
    # Kolmogorov-Smirnov distance; 1.95 / sqrt(n) is its 0.1 % point.
    distance = np.abs(np.sort(draws) - (np.arange(draws.size) + 0.5) / draws.size).max()
    assert distance < 1.95 / np.sqrt(draws.size)
    for lag in (1, 100):
        assert abs(np.corrcoef(draws[:-lag], draws[lag:])[0, 1]) < 0.01
    other = keyed_uniform(0, "ssi", household, clone)
    assert abs(np.corrcoef(draws, other)[0, 1]) < 0.01


def plainly_mixed(state: int) -> int:
    """SplitMix64's step and finalizer, in Python's unbounded integers."""
    mask = 2**64 - 1
    state = (state + 0x9E3779B97F4A7C15) & mask
    state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & mask
    state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & mask
    return state ^ (state >> 31)


def test_draws_are_those_of_the_published_generator_on_every_machine():
    """A run repeated elsewhere, or with another NumPy, has the same people take up."""
    household, clone = np.array([0, 7, 123_456]), np.array([3, 0, 429])
    expected = []
    for keys in zip(household.tolist(), clone.tolist(), strict=True):
        state = int.from_bytes(hashlib.sha256(b"5:snap").digest()[:8], "little")
        for key in keys:
            state = plainly_mixed(state ^ plainly_mixed(key))
        expected.append((state >> 11) / 2**53)
    assert keyed_uniform(5, "snap", household, clone).tolist() == expected
