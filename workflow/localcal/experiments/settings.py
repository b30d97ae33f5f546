"""What an experiment varies and what it holds: one arm differs from the other in one thing."""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from localcal.errors import one_of
from localcal.experiments.refusal import Refused
from localcal.jobs.usage import COLD, WARM
from localcal.matrix.plan import Plan

SIMULATE = "simulate"
"""The model is asked for all that targets read, and nothing is made of it."""
EVALUATE = "simulate+evaluate"
"""And every target is evaluated, and the columns' part of the matrix put together."""
WRITE = "simulate+evaluate+write"
"""And the shard is written: all that the job does."""
WORKS = (SIMULATE, EVALUATE, WRITE)
PROCESSES = (WARM, COLD)
ALL = "all"

ARMS = ("A", "B")
REPEAT = 5
# To load the model takes longer than the work, so of that there are fewer, and no verdict.
REPEAT_COLD = 3
MOST_WORKERS = 64


@dataclass(frozen=True)
class Setting:
    """How an arm does the work.

    Attributes:
        work: one of WORKS.
        targets: how many are evaluated; None for all. The model is asked for what all read.
        chunk_columns: columns of a chunk.
        process: WARM where the model is loaded already, COLD where it has to be loaded first.
        workers: chunks that are made side by side.
    """

    work: str
    targets: int | None
    chunk_columns: int
    process: str
    workers: int


@dataclass(frozen=True)
class Design:
    """Two arms and what they work on.

    Attributes:
        variable: what differs, one of VARIABLES.
        arms: both settings, by name.
        columns: the columns that both do, from the first one on.
        repeat: how many pairs are measured.
        seed: of the order of the arms, and of which targets are chosen.
    """

    variable: str
    arms: Mapping[str, Setting]
    columns: int
    repeat: int
    seed: int

    @property
    def is_noise(self) -> bool:
        """Say whether both arms are the same, so that nothing but noise is measured."""
        return self.arms["A"] == self.arms["B"]

    @property
    def is_cold(self) -> bool:
        """Say whether the model is loaded again and again."""
        return any(arm.process == COLD for arm in self.arms.values())


def _one_of(names: Sequence[str]) -> Callable[[str, str], str]:
    def read(variable: str, text: str) -> str:
        if text not in names:
            raise Refused([f"{variable}: {text!r} is not allowed; allowed: {one_of(text, names)}"])
        return text

    return read


def _count(variable: str, text: str) -> int:
    if not (text.isascii() and text.isdigit()) or int(text) < 1:
        raise Refused([f"{variable}: {text!r} is not allowed; allowed: an integer, at least 1"])
    return int(text)


def _count_or_all(variable: str, text: str) -> int | None:
    if text == ALL:
        return None
    if not text.isdigit():
        raise Refused([f"{variable}: {text!r} is not allowed; allowed: {ALL}, or how many"])
    return _count(variable, text)


VARIABLES: Mapping[str, Callable[[str, str], Any]] = {
    "work": _one_of(WORKS),
    "targets": _count_or_all,
    "chunk-columns": _count,
    "process": _one_of(PROCESSES),
    "workers": _count,
}
"""What may differ between arms, or be held at another value, and how it is read."""


def field_of(variable: str) -> str:
    """Return the field of a setting that a variable is."""
    return variable.replace("-", "_")


def said(setting: Setting, variable: str) -> str:
    """Return a variable's value as it is written in a call."""
    value = getattr(setting, field_of(variable))
    return ALL if value is None else str(value)


def design(
    plan: Plan,
    vary: Sequence[Sequence[str]],
    hold: Sequence[str] = (),
    columns: int | None = None,
    repeat: int | None = None,
    seed: int = 0,
) -> Design:
    """Return the arms of an experiment on a run.

    Args:
        plan: the run's plan.
        vary: variable, value in A and value in B; one of these.
        hold: `variable=value` for other values than those of the run's own jobs.
        columns: how many both arms do; None for as many as it takes.
        repeat: how many pairs; None for as many as there are by default.
        seed: of everything drawn.

    Raises:
        Refused: the arms would differ in something else than one thing, or cannot be.
    """
    variable, values = _varied(vary)
    base = replace(
        Setting(WRITE, None, plan.chunk_columns, WARM, 1), **_held(hold, forbidden=variable)
    )
    arms = {
        arm: replace(base, **{field_of(variable): VARIABLES[variable](variable, value)})
        for arm, value in zip(ARMS, values, strict=True)
    }
    found = Design(
        variable=variable,
        arms=arms,
        columns=_columns(plan, arms, columns),
        repeat=repeat
        or (REPEAT_COLD if COLD in {one.process for one in arms.values()} else REPEAT),
        seed=seed,
    )
    first, second = (asdict(arm) for arm in arms.values())
    refuse_others(first, second, allowed={field_of(variable)})
    _refuse_idle(found)
    return found


def refuse_others(
    first: Mapping[str, object],
    second: Mapping[str, object],
    allowed: Collection[str],
    names: Sequence[str] = ARMS,
    about: str = "",
) -> None:
    """Refuse two sides that differ in something that is not under test.

    Args:
        first: conditions, by name.
        second: those of the other side.
        allowed: the conditions that may differ since they are what is under test.
        names: what to call the sides.
        about: what to say behind each difference.

    Raises:
        Refused: names each condition with both values.
    """
    reasons = [
        f"{name}: {_value(first, name)} in {names[0]}, {_value(second, name)} in {names[1]}{about}"
        for name in sorted(first.keys() | second.keys())
        if name not in allowed
        # What one side does not say is no condition that both have.
        and (name not in first or name not in second or first[name] != second[name])
    ]
    if reasons:
        raise Refused(reasons)


def _value(conditions: Mapping[str, object], name: str) -> str:
    if name not in conditions:
        return "not said"
    value = conditions[name]
    is_digest = isinstance(value, str) and len(value) == 64 and value.isalnum()
    return f"{value[:12]}..." if is_digest and isinstance(value, str) else repr(value)


def _varied(vary: Sequence[Sequence[str]]) -> tuple[str, tuple[str, str]]:
    known = tuple(VARIABLES)
    if not vary:
        raise Refused(
            [f"nothing to compare; add --vary VARIABLE A B, VARIABLE {one_of('', known)}"]
        )
    for words in vary:
        if words[0] not in VARIABLES:
            raise Refused(
                [f"--vary {words[0]}: no such variable; there is {one_of(words[0], known)}"]
            )
        if len(words) != 1 + len(ARMS):
            raise Refused(
                [f"--vary {' '.join(words)}: write the variable, A's value and B's, nothing else"]
            )
    if len(vary) > 1:
        names = " and ".join(words[0] for words in vary)
        raise Refused(
            [f"the arms would differ in {names}; vary one of them, and give the other to --hold"]
        )
    [(variable, first, second)] = vary
    return variable, (first, second)


def _held(hold: Sequence[str], forbidden: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for text in hold:
        variable, is_set, value = text.partition("=")
        if variable not in VARIABLES or not is_set:
            known = one_of(variable, tuple(VARIABLES))
            raise Refused([f"--hold {text}: write VARIABLE=VALUE, VARIABLE {known}"])
        if variable == forbidden or field_of(variable) in found:
            other = "varied" if variable == forbidden else "held"
            raise Refused([f"--hold {text}: {variable} is {other} already"])
        found[field_of(variable)] = VARIABLES[variable](variable, value)
    return found


def _columns(plan: Plan, arms: Mapping[str, Setting], asked: int | None) -> int:
    """Return how many columns both arms do: a whole number of chunks for each, if none is asked."""
    chunks = math.lcm(*(arm.workers for arm in arms.values()))
    wanted = asked or chunks * max(arm.chunk_columns for arm in arms.values())
    is_planned = asked is None and chunks == 1 and wanted == plan.chunk_columns
    if wanted > plan.n_columns and not is_planned:
        raise Refused(
            [
                f"columns: the arms need {wanted:,}, the run has {plan.n_columns:,}; take smaller "
                "chunks, or fewer workers or --columns"
            ]
        )
    return min(wanted, plan.n_columns)


def _refuse_idle(found: Design) -> None:
    """Refuse workers that would have nothing to do, or numbers that cannot be meant."""
    for name, arm in found.arms.items():
        chunks = -(-found.columns // arm.chunk_columns)
        if arm.workers > min(chunks, MOST_WORKERS):
            raise Refused(
                [
                    f"workers: {arm.workers} in {name}, but {found.columns:,} columns are {chunks} "
                    f"chunks of {arm.chunk_columns:,} (and at most {MOST_WORKERS} are started); "
                    "add --hold chunk-columns=... or --columns"
                ]
            )
