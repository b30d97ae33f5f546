"""Which records keep a weight: a draw by importance, and an exchange of weak ones by price."""

from dataclasses import dataclass

import numpy as np

from localcal.weights.problem import Problem

# Half the inclusion probability by weight (little dispersion), half by influence on the targets.
INFLUENCE_SHARE = 0.5
# A target that can expect fewer sampled columns gets its most important ones for certain ...
EXPECTED_COLUMNS = 5.0
# ... up to this share of the budget: more, and too few records are left for all the others.
FORCED_SHARE = 0.05


@dataclass
class Draw:
    """A subset of records with what a design-based refit needs; n records."""

    probability: np.ndarray
    """float64 (n,): inclusion probability, above zero; sums to the number drawn."""
    chosen: np.ndarray
    """bool (n,)."""
    forced: int
    """Records included for certain for the sake of a target with few columns."""


def district_shares(weights: np.ndarray, district: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Return the share of each record's district's weight that the chosen records hold.

    It stands in for the inclusion probability of records that were not drawn but given: divided
    by it, the chosen records of a district weigh as much as all of them. 1 for other records.

    Args:
        weights: float64 (n,), all positive.
        district: int32 (n,).
        chosen: bool (n,).
    """
    place = np.unique(district, return_inverse=True)[1]
    share = np.bincount(place, weights * chosen) / np.bincount(place, weights)
    return np.where(chosen, share[place], 1.0)


def draw_records(
    problem: Problem, weights: np.ndarray, count: int, rng: np.random.Generator
) -> Draw:
    """Choose exactly `count` records by importance, spread over the districts."""
    norm = problem.norm
    influence = norm / np.mean(norm)
    size = weights * ((1.0 - INFLUENCE_SHARE) + INFLUENCE_SHARE * influence)
    probability = inclusion_probabilities(size, count, np.zeros(len(size), dtype=bool))
    forced = _needed_records(problem, probability, int(count * FORCED_SHARE))
    if forced.any():
        probability = inclusion_probabilities(size, count, forced)
    return Draw(probability, systematic_sample(probability, rng), int(forced.sum()))


def inclusion_probabilities(size: np.ndarray, count: int, forced: np.ndarray) -> np.ndarray:
    """Return probabilities proportional to `size`, at most 1, that sum to `count`.

    Args:
        size: float64 (n,), all positive.
        count: at most n.
        forced: bool (n,), records with probability 1; at most `count`.
    """
    certain = forced.copy()
    while True:
        free = count - int(certain.sum())
        probability = np.ones(len(size))
        probability[~certain] = size[~certain] * (free / np.sum(size[~certain]))
        beyond = ~certain & (probability >= 1.0)
        # The second case is rounding: a few records hold all the size there is.
        if not beyond.any() or beyond.sum() >= free:
            return np.minimum(probability, 1.0)
        certain |= beyond


def _needed_records(problem: Problem, probability: np.ndarray, limit: int) -> np.ndarray:
    """Return as bool (n,) the records to include for certain, at most `limit`.

    Targets that can expect fewer than EXPECTED_COLUMNS sampled columns get their most probable
    ones, those that expect least first.
    """
    forced = np.zeros(len(probability), dtype=bool)
    expected = problem.expected_columns(probability)
    short = expected < EXPECTED_COLUMNS
    records, numbers = problem.entries_of(short)
    by_target = np.lexsort((records, -probability[records], numbers))
    records, numbers = records[by_target], numbers[by_target]
    wanting = np.flatnonzero(short)
    for number in wanting[np.argsort(expected[wanting], kind="stable")]:
        low, high = np.searchsorted(numbers, [number, number + 1])
        mine = records[low:high]
        gain = np.where(forced[mine], 0.0, 1.0 - probability[mine])
        reached = np.sum(np.where(forced[mine], 1.0, probability[mine])) + np.cumsum(gain)
        enough = int(np.searchsorted(reached, EXPECTED_COLUMNS)) + 1
        new = mine[:enough][gain[:enough] > 0.0]
        if np.count_nonzero(forced) + len(new) > limit:
            break
        forced[new] = True
    return forced


def systematic_sample(probability: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw as many records as the probabilities sum to; bool (n,).

    One random number places equidistant points along the records' order, so that every stretch
    of it, hence every district and state, gets its share to within one record.
    """
    chosen = probability >= 1.0
    left = np.flatnonzero(~chosen)
    count = int(round(float(np.sum(probability)))) - int(chosen.sum())
    start = rng.random()
    if count == 0:
        return chosen
    ends = np.cumsum(probability[left])
    points = (start + np.arange(count)) * (ends[-1] / count)
    place = np.searchsorted(ends, points, side="right")
    # Rounding could let two points share a record or leave the end: keep places apart.
    steps = np.arange(count)
    place = np.maximum.accumulate(place - steps) + steps
    chosen[left[np.minimum(place, len(left) - count + steps)]] = True
    return chosen


def exchange_records(
    problem: Problem, weights: np.ndarray, movable: np.ndarray, penalty: float, share: float
) -> bool:
    """Replace the kept records that are easiest to do without, in place.

    A newcomer enters, highest price first, as long as it still lowers the objective beside those
    before it; places nobody earns go back to their owners. Returns False if nothing changed.
    """
    before, norm = weights.copy(), problem.norm
    residual = problem.residual(weights)
    leaving = np.flatnonzero((weights > 0) & movable)
    count = min(int(share * np.count_nonzero(weights)), len(leaving))
    loss = problem.removal_loss(weights, residual, penalty)[leaving]
    leaving = leaving[np.argsort(loss, kind="stable")[:count]]
    weights[leaving] = 0.0
    residual = problem.residual(weights)
    price = np.divide(problem.slopes(residual), norm, out=np.zeros(len(norm)), where=norm > 0)
    waiting = np.flatnonzero((weights == 0) & (price > 0))
    waiting = waiting[np.argsort(-price[waiting], kind="stable")]
    entered = problem.admit(waiting, count, weights, residual, penalty)
    back = leaving[weights[leaving] == 0][::-1][: count - entered]
    weights[back] = before[back]
    return not np.array_equal(weights > 0, before > 0)
