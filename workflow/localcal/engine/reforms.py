"""Checks of parameter changes that need no model, only what it says of its parameters."""

import datetime
import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from localcal.engine.protocol import Parameter, ParameterChange, ParameterError
from localcal.errors import InputError, near

EARLIEST, LATEST = "0001-01-01", "9999-12-31"


def checked_changes(
    known: Mapping[str, Parameter], changes: Sequence[ParameterChange], period: int | None = None
) -> list[ParameterChange]:
    """Return changes as the model can take them: numbers and booleans of Python's own kinds.

    Args:
        known: the model's parameters by path.
        changes: what is to be changed.
        period: the year that is simulated, if every change has to touch it.

    Raises:
        ParameterError: there is no such parameter, its value is of another kind, or its dates are
            none, end before they start, or lie outside the period.
    """
    for change in changes:
        _refuse_bad_dates(change, period)
    return [_with_value(known, change) for change in changes]


def refuse_unknown(known: Mapping[str, Parameter], paths: Iterable[str]) -> None:
    """Stop at the first path that is no parameter's.

    Raises:
        InputError: there is no such parameter.
    """
    for path in paths:
        if path not in known:
            raise InputError(_unknown(path, known))


def _refuse_bad_dates(change: ParameterChange, period: int | None) -> None:
    for date in (change.start, change.stop):
        if date is not None and not _is_date(date):
            raise ParameterError(
                f"{change.path}: '{date}' is not a date; write one as 2026-01-01", change
            )
    start, stop = change.start or EARLIEST, change.stop or LATEST
    if stop < start:
        raise ParameterError(
            f"{change.path}: its dates end on {stop}, before they start on {start}; exchange them",
            change,
        )
    if period is not None and (stop < f"{period}-01-01" or start > f"{period}-12-31"):
        raise ParameterError(
            f"{change.path}: {change.start or 'ever'} to {change.stop or 'ever'} lies outside "
            f"{period}, the year that is simulated; give dates that touch it, or none",
            change,
        )


def _is_date(text: str) -> bool:
    try:
        return datetime.date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _with_value(known: Mapping[str, Parameter], change: ParameterChange) -> ParameterChange:
    """Return a change with a value of its parameter's kind."""
    parameter = known.get(change.path)
    if parameter is None:
        raise ParameterError(_unknown(change.path, known), change)
    value = change.value.item() if isinstance(change.value, np.generic) else change.value
    if parameter.kind == "number":
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            return change._replace(value=value)
        expected = "a finite number"
    elif parameter.kind == "bool":
        # Samplers and tables know numbers only.
        if isinstance(value, bool | int | float) and value in (0, 1):
            return change._replace(value=bool(value))
        expected = "true or false"
    elif parameter.kind == "text":
        if isinstance(value, str):
            return change._replace(value=value)
        expected = "a text"
    else:
        raise ParameterError(
            f"{change.path}: holds a {parameter.kind}, which a parameter set cannot change; "
            "choose a parameter that is a number, a text, or true or false",
            change,
        )
    raise ParameterError(f"{change.path}: expected {expected}, found {change.value!r}", change)


def _unknown(path: str, known: Mapping[str, Parameter]) -> str:
    return f"{path}: the model has no such parameter{_nearest(path, known)}; mend the path"


def _nearest(path: str, known: Mapping[str, Parameter]) -> str:
    """Return a question about the nearest path, or what there is below the part that exists.

    To compare with a hundred thousand paths takes a minute, so those that share the last name, or
    else the longest beginning, come first.
    """
    if below := sorted(name for name in known if name.startswith((f"{path}.", f"{path}["))):
        return f" of its own; below it are {', '.join(below[:3])}{' …' if below[3:] else ''}"
    last = path.rpartition(".")[2]
    alike = [name for name in known if name.rpartition(".")[2] == last]
    parent = path
    while parent and not (within := [n for n in known if n.startswith(f"{parent}.")]):
        parent = parent.rpartition(".")[0]
    return near(path, [*alike, *(within if parent else ())]) or near(path, alike)
