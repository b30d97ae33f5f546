"""Draws that depend on nothing but what they are for."""

import hashlib

import numpy as np


def keyed_uniform(seed: int, name: str, *keys: np.ndarray) -> np.ndarray:
    """Return one number in [0, 1) per row of integer keys, the same wherever it is asked for.

    The keys are absorbed one after the other by SplitMix64's finalizer (Steele, Lea and Flood,
    "Fast splittable pseudorandom number generators", OOPSLA 2014).
    """
    digest = hashlib.sha256(f"{seed}:{name}".encode()).digest()
    state = np.full(keys[0].shape, int.from_bytes(digest[:8], "little"), dtype=np.uint64)
    for key in keys:
        state = _mix(state ^ _mix(key.astype(np.int64).view(np.uint64)))
    return (state >> np.uint64(11)) * 2.0**-53


def _mix(state: np.ndarray) -> np.ndarray:
    state = state + np.uint64(0x9E3779B97F4A7C15)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))
