"""How far a weight is from its base: least squares, raking (entropy), or logit.

With the factor g = weight / base, a record's distance is base * G(g), and F is the inverse of G':

    least squares   G(g) = (g - 1)^2 / 2
                    F(u) = 1 + u
    raking          G(g) = g log g - g + 1
                    F(u) = exp(u)
    logit           G(g) = ((g - L) log((g - L) / (1 - L)) + (U - g) log((U - g) / (U - 1))) / A
                    F(u) = (L (U - 1) + U (1 - L) exp(A u)) / (U - 1 + (1 - L) exp(A u))

with A = (U - L) / ((1 - L) (U - 1)), and L < 1 < U the bounds: cases 1, 2 and 6 of Deville &
Särndal (1992), "Calibration estimators in survey sampling", JASA 87, 376-382, which R's
`survey::calibrate` calls linear, raking and logit. All have G(1) = G'(1) = 0 and G''(1) = 1: near
the base they are the same, and a penalty means the same. Weights are cut at their bounds, which
those of logit do not reach.

Logarithms and exponentials are computed here, from sums and products alone: those of a system's
library differ in the last bit from processor to processor, and the weights would with them.
"""

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from localcal.weights.compiled import compiled

if TYPE_CHECKING:
    from localcal.weights.problem import Problem

LEAST_SQUARES, RAKING, LOGIT = range(3)
KINDS = {"least_squares": LEAST_SQUARES, "raking": RAKING, "logit": LOGIT}


class Distance(NamedTuple):
    """One of the distances."""

    kind: int
    low: float
    """L, the least factor that it has; 0 but for logit."""
    high: float
    """U, the greatest."""


PLAIN = Distance(LEAST_SQUARES, 0.0, math.inf)


def distance_named(name: str, bounds: tuple[float, ...]) -> Distance:
    """Return the distance that a config names.

    Args:
        name: least_squares, raking or logit.
        bounds: on the factor. L and U are these whatever the base: weights that are pulled towards
            those of another fit may be beside its bounds, where a logit that never reached them
            would not pull at all.
    """
    kind = KINDS[name]
    low, high = bounds if kind == LOGIT else (0.0, math.inf)
    return Distance(kind, float(low), float(high))


# ln 2 in two parts; the first has so few bits that multiples of it are exact (fdlibm).
_LN2_HIGH, _LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10
_SQRT_HALF = 0.7071067811865476
# Beyond these, results leave the range of 64 bits.
_LARGEST_EXPONENT = 700.0
# Of artanh(s) / s by s^2 and of e^x by x: what follows is less than a last place.
_LOG_SERIES = np.array([1.0 / (2 * k + 1) for k in range(10)])
_EXP_SERIES = np.array([1.0 / math.factorial(k) for k in range(14)])

# What divisions may leave of a factor at the end of its range.
_ROUNDING = 1e-12
# Where a search ends: Newton's next step would be about the square of this.
_SMALL = 1e-6
_MOST_STEPS = 100


@compiled
def logarithm(x):
    """Return ln x of a positive number, within two units of the last place."""
    fraction, exponent = math.frexp(x)
    if fraction < _SQRT_HALF:
        fraction *= 2.0
        exponent -= 1
    s = (fraction - 1.0) / (fraction + 1.0)
    return exponent * _LN2_HIGH + (_twice_artanh(s) + exponent * _LN2_LOW)


@compiled
def _log_of_ratio(part, whole, away):
    """Return ln (part / whole) with whole = part - away, as exactly as `away` is known."""
    if abs(away) < 0.25 * whole:
        return _twice_artanh(away / (2.0 * whole + away))
    return logarithm(part / whole)


@compiled
def _twice_artanh(s):
    # ln ((1 + s) / (1 - s)), for |s| < 0.172.
    square = s * s
    total = 0.0
    for k in range(9, 0, -1):
        total = (total + _LOG_SERIES[k]) * square
    return 2.0 * s + 2.0 * s * total


@compiled
def exponential(x):
    """Return e^x, within two units of the last place; the end of the range beyond it."""
    x = min(max(x, -_LARGEST_EXPONENT), _LARGEST_EXPONENT)
    power = np.floor(x / (_LN2_HIGH + _LN2_LOW) + 0.5)
    rest = (x - power * _LN2_HIGH) - power * _LN2_LOW
    total = 0.0
    for k in range(13, -1, -1):
        total = total * rest + _EXP_SERIES[k]
    return math.ldexp(total, int(power))


@compiled
def factor_at(distance, u):
    """Return F(u) and its derivative."""
    low, high = distance.low, distance.high
    if distance.kind == LEAST_SQUARES:
        return 1.0 + u, 1.0
    if distance.kind == RAKING:
        factor = exponential(u)
        return factor, factor
    a = (high - low) / ((1.0 - low) * (high - 1.0))
    # Both parts over the larger exponential, so that nothing leaves the range.
    e = exponential(-a * abs(u))
    below, above = (high - 1.0, (1.0 - low) * e) if u < 0.0 else ((high - 1.0) * e, 1.0 - low)
    whole = below + above
    span = (high - low) / whole
    return (low * below + high * above) / whole, span * span * e


@compiled
def slope_at(distance, factor):
    """Return G'(factor); above 0 for raking, inside the range for logit."""
    if distance.kind == LEAST_SQUARES:
        return factor - 1.0
    if distance.kind == RAKING:
        return logarithm(factor)
    up, down = _logit_slopes(distance, factor)
    return (up - down) * _logit_unit(distance)


@compiled
def distance_at(distance, factor):
    """Return G(factor); infinity outside the range of logit."""
    low, high = distance.low, distance.high
    if distance.kind == LEAST_SQUARES:
        return 0.5 * (factor - 1.0) * (factor - 1.0)
    if distance.kind == RAKING:
        return (factor * logarithm(factor) if factor > 0.0 else 0.0) - factor + 1.0
    if not low * (1.0 - _ROUNDING) <= factor <= high * (1.0 + _ROUNDING):
        return np.inf
    up, down = _logit_slopes(distance, factor)
    return ((factor - low) * up + (high - factor) * down) * _logit_unit(distance)


@compiled
def _logit_unit(distance):
    low, high = distance.low, distance.high
    return (1.0 - low) * (high - 1.0) / (high - low)


@compiled
def _logit_slopes(distance, factor):
    # The two logarithms of G; 0 at their end of the range, where 0 log 0 is 0.
    low, high = distance.low, distance.high
    up = down = 0.0
    if factor > low:
        up = _log_of_ratio(factor - low, 1.0 - low, factor - 1.0)
    if factor < high:
        down = _log_of_ratio(high - factor, high - 1.0, 1.0 - factor)
    return up, down


@compiled
def plain_weight(old, slope, squared_norm, ridge, base, lower, upper):
    """Return `best_weight` of least squares: short enough to become part of a sweep."""
    pull = ridge / base
    new = old + (slope - pull * (old - base)) / (squared_norm + pull)
    return min(max(new, lower), upper)


@compiled
def best_weight(distance, old, slope, squared_norm, ridge, base, lower, upper):
    """Return the weight that is best for one record while all others stay.

    It minimises |a|^2 (x - old)^2 / 2 - slope (x - old) + ridge base G(x / base). In u = G'(g),
    with q = |a|^2 base / ridge and s = slope / ridge, the optimum has

        q (F(u) - old / base) + u = s.

    The left side grows by at least 1 per u, so that there is one solution; it is found by Newton,
    within a bracket that is halved where a step leaves it. Cut at the bounds it is the best within
    them. Least squares has a formula.
    """
    if distance.kind == LEAST_SQUARES:
        return plain_weight(old, slope, squared_norm, ridge, base, lower, upper)
    q, s, now = squared_norm * base / ridge, slope / ridge, old / base
    # F(u) is never below the range; above, it is at most 1 where u is not positive.
    end = s + q * (now - distance.low)
    begin = min(0.0, s + q * (now - 1.0))
    u = slope_at(distance, now) if distance.low < now < distance.high else 0.0
    u = min(max(u, begin), end)
    for _ in range(_MOST_STEPS):
        factor, derivative = factor_at(distance, u)
        above = q * (factor - now) + u - s
        if above > 0.0:
            end = u
        else:
            begin = u
        new = u - above / (1.0 + q * derivative)
        # Also where it is no number.
        if not begin <= new <= end:
            new = 0.5 * (begin + end)
        step, u = abs(new - u), new
        if step <= _SMALL + _ROUNDING * abs(u):
            break
    factor, _ = factor_at(distance, u)
    return min(max(base * factor, lower), upper)


def best_weights(problem: "Problem", pulls: np.ndarray) -> np.ndarray:
    """Return base * F(pull), within the bounds, float64 (n,).

    `pulls` has each record's slope over mu / N, float64 (n,).
    """
    return _best_weights(problem.distance, pulls, problem.base, problem.lower, problem.upper)


def movements(problem: "Problem", weights: np.ndarray) -> np.ndarray:
    """Return base * F' where each weight is, 0 at the bounds, float64 (n,)."""
    return _movements(problem.distance, weights, problem.base, problem.lower, problem.upper)


def pulls_of(problem: "Problem", weights: np.ndarray) -> np.ndarray:
    """Return G'(weight / base), float64 (n,); 0 at the bounds, where it says nothing."""
    return _pulls(problem.distance, weights, problem.base, problem.lower, problem.upper)


def distances(problem: "Problem", weights: np.ndarray) -> np.ndarray:
    """Return base * G(weight / base), float64 (n,)."""
    return _distances(problem.distance, weights, problem.base)


@compiled
def _best_weights(distance, pulls, base, lower, upper):
    weights = np.empty(len(base))
    for i in range(len(base)):
        factor, _ = factor_at(distance, pulls[i])
        weights[i] = min(max(base[i] * factor, lower[i]), upper[i])
    return weights


@compiled
def _movements(distance, weights, base, lower, upper):
    low, high = distance.low, distance.high
    found = np.zeros(len(base))
    for i in range(len(base)):
        if not lower[i] < weights[i] < upper[i]:
            continue
        # F' is 1 / G''.
        factor = weights[i] / base[i]
        if distance.kind == LEAST_SQUARES:
            found[i] = base[i]
        elif distance.kind == RAKING:
            found[i] = weights[i]
        elif low < factor < high:
            found[i] = base[i] * ((factor - low) * (high - factor) / ((1.0 - low) * (high - 1.0)))
    return found


@compiled
def _pulls(distance, weights, base, lower, upper):
    found = np.zeros(len(base))
    for i in range(len(base)):
        factor = weights[i] / base[i]
        if lower[i] < weights[i] < upper[i] and distance.low < factor < distance.high:
            found[i] = slope_at(distance, factor)
    return found


@compiled
def _distances(distance, weights, base):
    found = np.empty(len(base))
    for i in range(len(base)):
        found[i] = base[i] * distance_at(distance, weights[i] / base[i])
    return found
