"""Results as JSON: what was measured under which conditions, and how two of them compare."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from localcal.errors import InputError, one_of
from localcal.experiments.bench import Taken
from localcal.experiments.conditions import COLUMNS, GROUPS, PACKAGES, Conditions, under_test
from localcal.experiments.experiment import VARYING, WARM_UP, Result
from localcal.experiments.ratios import Ratio, of_groups, of_pairs
from localcal.experiments.refusal import Refused
from localcal.experiments.settings import ARMS, refuse_others, said
from localcal.files.documents import read_json

FORMAT = 1
"""What a reader of the JSON can rely on; it counts up when a key goes or changes its meaning."""
KEYS = ("format", "variable", "values", "conditions", "arms", "measurements")

FIGURES: Mapping[str, str] = {
    "cpu_seconds": "CPU",
    "wall_seconds": "wall time",
    "peak_mb": "peak memory",
}
"""What is compared, and what it is called."""
SECONDS = "seconds"
PER = 1_000
"""Where columns differ, seconds are of so many."""


@dataclass(frozen=True)
class Compared:
    """How a figure of one side compares with that of the other.

    Attributes:
        subject: what the sides are called, the first one first.
        figure: one of FIGURES.
        first: what was measured of the first side.
        second: of the second one.
        ratio: second by first.
        unit: what is counted: pairs, or measurements.
    """

    subject: tuple[str, str]
    figure: str
    first: Sequence[float]
    second: Sequence[float]
    ratio: Ratio
    unit: str

    @property
    def verdict(self) -> str:
        """Say in words what follows."""
        first, second = self.subject
        name, ratio = FIGURES[self.figure], self.ratio
        if ratio.ratio is None:
            return f"{name}: no ratio, for a measurement is zero"
        times = in_words(ratio)
        if not ratio.is_enough:
            return (
                f"{second} took {times} {first}'s {name} in {ratio.count} {self.unit}: fewer than "
                "5 give no verdict"
            )
        if ratio.is_different:
            return f"{second} takes {times} {first}'s {name}"
        return f"no difference in {name} seen beyond the noise: {times}"


def in_words(ratio: Ratio) -> str:
    """Return a ratio with its interval."""
    assert ratio.ratio is not None and ratio.low is not None and ratio.high is not None
    digits = 2 if abs(ratio.ratio - 1) >= 0.1 else 3
    return f"{ratio.ratio:.{digits}f}x ({ratio.low:.{digits}f}-{ratio.high:.{digits}f})"


def arms_compared(result: Result) -> list[Compared]:
    """Return how B compares with A, figure by figure, pair by pair."""
    found = []
    for figure in FIGURES:
        first, second = ([getattr(one, figure) for one in result.counted(arm)] for arm in ARMS)
        ratio = of_pairs(first, second)
        found.append(Compared(ARMS, figure, first, second, ratio, "pairs"))
    return found


def disturbances(result: Result) -> list[str]:
    """Return what casts doubt on an experiment, in words."""
    counted = [taken for arm in ARMS for taken in result.counted(arm)]
    cores = result.conditions["cores"]
    assert isinstance(cores, int)
    return [*_throttling(counted), *_load(counted, cores)]


def _throttling(counted: Sequence[Taken]) -> list[str]:
    if any(one.throttled_seconds is None for one in counted):
        return ["whether the processor was throttled is not known: the system does not say"]
    throttled = [one.throttled_seconds for one in counted if one.throttled_seconds]
    if not throttled:
        return []
    return [
        f"the control group was kept from the processor for {sum(throttled):.2f} s in "
        f"{len(throttled)} of {len(counted)} measurements; raise its limit and measure again"
    ]


def _load(counted: Sequence[Taken], cores: int) -> list[str]:
    load = max(one.load for one in counted)
    if load <= cores:
        return []
    return [
        f"the machine's load was up to {load:.1f} with {cores} cores: others worked on it, and "
        "look at wall time with doubt"
    ]


def content(result: Result) -> dict[str, Any]:
    """Return all of an experiment for a JSON file."""
    return {
        "format": FORMAT,
        "variable": result.design.variable,
        "values": {
            arm: said(setting, result.design.variable)
            for arm, setting in result.design.arms.items()
        },
        "repeat": result.design.repeat,
        "conditions": result.conditions,
        "arms": result.arms,
        "measurements": [
            {"arm": one.arm, "round": one.round, "turn": one.turn, **asdict(one.taken)}
            for one in result.measurements
        ],
        "comparisons": list(map(told, arms_compared(result))),
        "disturbances": disturbances(result),
    }


def told(one: Compared) -> dict[str, Any]:
    """Return a comparison for JSON."""
    return {
        "first": one.subject[0],
        "second": one.subject[1],
        "figure": one.figure,
        **asdict(one.ratio),
        "verdict": one.verdict,
    }


@dataclass(frozen=True)
class Stored:
    """A result that was read.

    Attributes:
        name: its file.
        variable: what was varied.
        conditions: those of the experiment and of its arms, by name.
        counted: what was measured that counts, by arm.
    """

    name: str
    variable: str
    conditions: Conditions
    counted: Mapping[str, Sequence[Mapping[str, Any]]]


def read_result(path: Path) -> Stored:
    """Read a result that `--output` wrote.

    Raises:
        InputError: it is missing, damaged or no result.
    """
    found = read_json(path, KEYS)
    if found["format"] != FORMAT or not _is_result(found):
        raise InputError(f"{path}: not a result as this localcal writes it; measure again")
    conditions = dict(found["conditions"])
    for arm, own in found["arms"].items():
        conditions |= {f"{arm}.{name}": value for name, value in own.items()}
    counted = {
        arm: [one for one in found["measurements"] if one["arm"] == arm and one["round"] != WARM_UP]
        for arm in ARMS
    }
    return Stored(str(path), found["variable"], conditions, counted)


def _is_result(found: Mapping[str, Any]) -> bool:
    """Say whether all is there that is read of a result."""
    if not all(isinstance(found["conditions"].get(name), int) for name in ("cores", COLUMNS)):
        return False
    maps = (found["conditions"], found["arms"], *found["measurements"])
    needed = {"arm", "round", "throttled_seconds", "load", *FIGURES}
    return (
        all(isinstance(one, dict) for one in maps)
        and all(isinstance(found["arms"].get(arm), dict) for arm in ARMS)
        and all(needed <= one.keys() for one in found["measurements"])
        and {one["arm"] for one in found["measurements"] if one["round"] != WARM_UP} == set(ARMS)
    )


def results_compared(
    first: Path, second: Path, vary: str | None
) -> tuple[list[Compared], list[str]]:
    """Return how two results compare, arm by arm, and why something is not compared.

    Args:
        first: a result's file.
        second: another one's.
        vary: the one condition that is under test, or a name for several that change together;
            None to see whether two results agree.

    Raises:
        Refused: a condition differs that is not under test, or the processor was throttled.
        InputError: one of them cannot be read.
    """
    results = read_result(first), read_result(second)
    names = [one.name for one in results]
    sides: list[Conditions] = [{"variable": one.variable, **one.conditions} for one in results]
    about = (
        "; --vary CONDITION names the one that is under test"
        if vary is None
        else f"; {vary} is under test"
    )
    refuse_others(sides[0], sides[1], _allowed(vary, sides), names, about)
    _refuse_throttled(results)
    busy = _busy(results)
    scales = [PER / _number(one, "columns") if vary == COLUMNS else 1.0 for one in results]
    found = []
    for arm in ARMS:
        subject = (f"{arm} of {names[0]}", f"{arm} of {names[1]}")
        for figure in FIGURES:
            # In turn both have the same of what others do; at different times they do not.
            if figure == "wall_seconds" and busy:
                continue
            one, other = (
                [taken[figure] * (scale if figure.endswith(SECONDS) else 1) for taken in counted]
                for counted, scale in zip((s.counted[arm] for s in results), scales, strict=True)
            )
            ratio = of_groups(one, other)
            found.append(Compared(subject, figure, one, other, ratio, "measurements"))
    per = [f"seconds are of {PER:,} columns of each"] if vary == COLUMNS else []
    return found, per + busy


def _number(one: Stored, condition: str) -> int:
    value = one.conditions[condition]
    assert isinstance(value, int)  # as `read_result` has seen
    return value


def _busy(results: Sequence[Stored]) -> list[str]:
    """Return why wall time cannot be compared, nothing where it can."""
    notes = []
    for one in results:
        cores = _number(one, "cores")
        load = max(taken["load"] for arm in ARMS for taken in one.counted[arm])
        if load > cores:
            notes.append(
                f"wall time is not compared: {one.name} was measured with a load of up to "
                f"{load:.1f} on {cores} cores"
            )
    return notes


def _allowed(vary: str | None, sides: Sequence[Mapping[str, object]]) -> set[str]:
    """Return the conditions that may differ.

    Raises:
        Refused: none has that name.
    """
    if vary is None:
        return set()
    known = sorted(sides[0].keys() | sides[1].keys())
    if vary in VARYING:
        return {f"{arm}.{name}" for arm in ARMS for name in VARYING[vary]}
    if vary not in (*known, *GROUPS, PACKAGES):
        raise Refused([f"--vary {vary}: no such condition; there is {one_of(vary, known)}"])
    return under_test(vary, dict.fromkeys(known))


def _refuse_throttled(results: Sequence[Stored]) -> None:
    reasons = []
    for one in results:
        taken = [number for arm in ARMS for number in one.counted[arm]]
        throttled = sum(number["throttled_seconds"] or 0.0 for number in taken)
        if throttled:
            reasons.append(
                f"{one.name}: the processor was throttled for {throttled:.2f} s while it was "
                "measured; measure again"
            )
    if reasons:
        raise Refused(reasons)
