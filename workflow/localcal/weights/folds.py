"""Which targets are left out at random, by what they are and not by where they stand."""

import hashlib

import numpy as np
import pandas as pd

# Keep the random numbers of one purpose apart from those of another.
HOLD_OUT = "hold_out"
FOLDS = "folds"


def identities(targets: pd.DataFrame) -> np.ndarray:
    """Return a number for each target that depends on its id and name alone, uint64 (m,)."""
    names = zip(targets["target_id"].tolist(), targets["name"].tolist(), strict=True)
    return np.array([_digest(f"{number} {name}") for number, name in names], dtype=np.uint64)


def uniform(identity: np.ndarray, seed: int, purpose: str) -> np.ndarray:
    """Return a random number in [0, 1) for each identity, float64 (m,).

    Adding or reordering targets changes no other's number.
    """
    words = [_digest(f"{seed} {purpose} {number}") >> 11 for number in identity.tolist()]
    return np.array(words, dtype=np.float64) / 2.0**53


def deal(identity: np.ndarray, seed: int, folds: int) -> np.ndarray:
    """Return the fold of each identity, int64 (p,); sizes differ by one at most."""
    order = np.lexsort((identity, uniform(identity, seed, FOLDS)))
    fold = np.empty(len(identity), dtype=np.int64)
    fold[order] = np.arange(len(identity)) % folds
    return fold


def _digest(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])
