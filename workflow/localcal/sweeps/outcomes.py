"""What a policy comes to: its cost, poverty, inequality, winners and losers.

Every outcome is one function of a `Context`, which yields rows: a value with the reform and one
without it. A user's own is a function of the same kind in a file of theirs, which says by
`requires` what it reads:

    from localcal.sweeps.outcomes import requires, Row

    @requires("household_net_income")
    def poorest(context):
        values = (context.of_household(v, "household_net_income").min()
                  for v in (context.reformed, context.baseline))
        yield Row("", *values)
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from localcal.sweeps.context import Context, Row

type Function = Callable[[Context], Iterable[Row]]

STATE = "state"


class Result(NamedTuple):
    """One row of a sweep's tables, but for what says which simulation it is about.

    Attributes:
        group: what part it is about, `CA/decile 1` or '' for all.
        vector: the position of the weight vector, -1 for all of them where there is no value.
        value: with the reform; None where there is none, as are the next two.
        baseline: without it.
        delta: the difference.
        status: ok or error.
        error_type: the name of the exception; '' where all is well.
        error_message: one line.
    """

    group: str
    vector: int
    value: float | None
    baseline: float | None
    delta: float | None
    status: str = "ok"
    error_type: str = ""
    error_message: str = ""


@dataclass(frozen=True)
class Outcome:
    """A function of a context, with what it reads.

    Attributes:
        name: what the config calls it.
        function: yields its rows.
        requires: the variables that it reads.
        source: the file of a user's own.
    """

    name: str
    function: Function
    requires: tuple[str, ...]
    source: Path | None = None


def requires(*variables: str) -> Callable[[Function], Function]:
    """Say of an outcome function which variables it reads."""

    def declare(function: Function) -> Function:
        function.requires = variables  # type: ignore[attr-defined]
        return function

    return declare
