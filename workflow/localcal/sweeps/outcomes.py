"""What a policy comes to: its cost, poverty, inequality, winners and losers.

Every outcome is one function of a `Context`, which yields rows: a value with the reform and one
without it. A user's own is a function of the same kind in a file of theirs, which says by
`requires` what it reads:

    from localcal.sweeps.outcomes import Row, requires

    @requires("household_net_income")
    def poorest(context):
        incomes = (context.of_households(values, "household_net_income")
                   for values in context.sides)
        yield Row("", *(income.min() for income in incomes))

What it is given is for reading only, since other outcomes and other sets get it too. A part that
nobody is in, or whose denominator is nothing, is NaN on both sides; anything else that is no number
is a mistake. It has to say the same whenever it is asked, so it draws no random numbers of its own
without a seed, and a sweep knows of a change in its file only, not in what that imports.
"""

import importlib.util
import math
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeGuard

import numpy as np

from localcal.engine.protocol import Variable
from localcal.errors import InputError, near, one_line
from localcal.sweeps.context import HOUSEHOLD, Context, Row, weighted_mean
from localcal.sweeps.settings import LARGEST

type Function = Callable[[Context], Iterable[Row]]

STATE = "state"
# Kinds of variables that have numbers.
NUMBERS = ("float", "int", "bool")

LONGEST_MESSAGE = 500

# Relative changes of income between which winners and losers are told apart, and what they are
# called from the largest loss up.
CHANGES = np.array([-0.05, -0.001, 0.001, 0.05])
NO_CHANGE = "no change"
WINNERS_LOSERS = (
    "lose more than 5%",
    "lose less than 5%",
    NO_CHANGE,
    "gain less than 5%",
    "gain more than 5%",
)


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


def evaluate(outcome: Outcome, context: Context, by: str = "") -> list[Result]:
    """Return an outcome's rows: one per group and weight vector, those that fail among them.

    Args:
        outcome: what to evaluate.
        context: the simulations.
        by: `state` for rows of every state besides those of all; '' for the latter alone.
    """
    results = _of_group(outcome, context, "")
    if by == STATE:
        for state in np.unique(context.state).tolist():
            results += _of_group(outcome, context.within(state), state)
    names = Counter((result.group, result.vector) for result in results)
    if twice := [group for (group, _), count in names.items() if count > 1]:
        return [_failed("", -1, ValueError(f"it yields group '{twice[0]}' twice"))]
    return results


def _of_group(outcome: Outcome, context: Context, group: str) -> list[Result]:
    vectors = context.weights.shape[1]
    try:
        rows = [_checked(row, vectors) for row in outcome.function(context)]
        if not rows:
            raise ValueError("it yields no rows")
    except MemoryError:
        raise  # the whole simulation's, which whoever runs it has to hear of
    except (Exception, SystemExit) as error:  # noqa: BLE001 - becomes a row of this outcome alone
        # Which as a row's error says that nobody is in its group.
        own = RuntimeError(str(error)) if type(error) is ArithmeticError else error
        return [_failed(group, -1, own)]
    results = []
    for row in rows:
        name = "/".join(part for part in (group, row.group) if part)
        pairs = zip(row.value, row.baseline, strict=True)
        results += [_result(name, vector, *pair) for vector, pair in enumerate(pairs)]
    return results


class _Numbers(NamedTuple):
    """A row with one number per weight vector, (vectors,) float64."""

    group: str
    value: np.ndarray
    baseline: np.ndarray


def _checked(row: Row, vectors: int) -> _Numbers:
    """Return a row with one number per vector.

    Raises:
        ValueError: a value is neither one number nor one per vector, or the group is no text.
    """
    if not isinstance(row.group, str) or not row.group.isprintable():
        raise ValueError(f"group {row.group!a}: expected text that can be printed")
    given = [np.asarray(values) for values in (row.value, row.baseline)]
    if other := [values for values in given if values.dtype.kind not in "biuf"]:
        raise ValueError(f"group '{row.group}': expected a number, found {other[0].item(0)!r}")
    both = [values.astype(np.float64) for values in given]
    if bad := [values.shape for values in both if values.shape not in ((), (vectors,))]:
        raise ValueError(
            f"group '{row.group}': expected one number or {vectors}, found an array of {bad[0]}"
        )
    return _Numbers(row.group, *(np.broadcast_to(values, vectors) for values in both))


def _result(group: str, vector: int, value: float, baseline: float) -> Result:
    value, baseline = float(value), float(baseline)
    if math.isnan(value) and math.isnan(baseline):
        words = "with and without the reform: a share of nobody or of nothing"
        return _failed(group, vector, ArithmeticError(f"it is nan {words}"))
    if not (abs(value) <= LARGEST and abs(baseline) <= LARGEST):
        words = f"it is {value} with the reform and {baseline} without"
        error = ValueError(f"{words}; expected finite numbers, none beyond {LARGEST:g}")
        return _failed(group, vector, error)
    return Result(group, vector, value, baseline, value - baseline)


def _failed(group: str, vector: int, error: BaseException) -> Result:
    # Only what a table can hold.
    words = one_line(error).encode("utf-8", "backslashreplace").decode()
    kind, message = type(error).__name__, words[:LONGEST_MESSAGE]
    return Result(group, vector, None, None, None, "error", kind, message)


@requires("household_benefits", "household_tax")
def cost(context: Context) -> Iterator[Row]:
    """Yield what households cost governments: benefits less taxes, dollars a year.

    The difference is the reform's net cost, before anybody changes what they do; its negative is
    what PolicyEngine calls the budgetary impact (`household_tax` less `household_benefits`).
    Federal, state and local governments together; taxes net of refundable credits, without what
    employers pay.
    """
    of_side = [
        context.total(values, "household_benefits") - context.total(values, "household_tax")
        for values in context.sides
    ]
    yield Row("", *of_side)


@requires("income_tax", "state_income_tax")
def revenue(context: Context) -> Iterator[Row]:
    """Yield income tax net of refundable credits, dollars a year: the federal one, the states'."""
    for group, variable in (("federal", "income_tax"), ("states", "state_income_tax")):
        yield Row(group, *(context.total(values, variable) for values in context.sides))


@requires("spm_unit_is_in_spm_poverty")
def poverty_rate(context: Context) -> Iterator[Row]:
    """Yield the share of persons whose SPM unit has less than its threshold.

    Source: Supplemental Poverty Measure of the US Census Bureau (P60-283): a person is poor if the
    resources of the SPM unit are below its threshold.
    """
    yield _share_of_persons(context, "spm_unit_is_in_spm_poverty")


@requires("spm_unit_is_in_deep_spm_poverty")
def deep_poverty_rate(context: Context) -> Iterator[Row]:
    """Yield the share of persons whose SPM unit has less than half of its threshold."""
    yield _share_of_persons(context, "spm_unit_is_in_deep_spm_poverty")


def _share_of_persons(context: Context, variable: str) -> Row:
    weights = context.person_weights(context.units.entity_of[variable])
    with np.errstate(invalid="ignore"):  # of nobody, which becomes an error row
        shares = [weighted_mean(values[variable], weights) for values in context.sides]
    return Row("", *shares)


@requires("poverty_gap")
def poverty_gap(context: Context) -> Iterator[Row]:
    """Yield what SPM units in poverty lack to their thresholds, dollars a year.

    Source: the aggregate income deficit of the US Census Bureau, with SPM resources.
    """
    yield Row("", *(context.total(values, "poverty_gap") for values in context.sides))


@requires("household_net_income")
def mean_change(context: Context) -> Iterator[Row]:
    """Yield the mean net income of households, for all and by decile, dollars a year.

    The difference is the mean change. Deciles are those of `Context.decile`, so they stay where
    they were without the reform.
    """
    incomes = [context.of_households(values, "household_net_income") for values in context.sides]
    for group, chosen in _deciles(context):
        weights = context.weights * chosen
        with np.errstate(invalid="ignore"):
            yield Row(group, *(weighted_mean(income, weights) for income in incomes))


@requires("household_net_income")
def winners_losers(context: Context) -> Iterator[Row]:
    """Yield shares of persons by what the reform does to their household's net income.

    For all and by decile. Bounds as PolicyEngine has them: 5 percent, and a tenth of a percent for
    no change; of the income without the reform, which counts as one dollar where it is less.
    Without the reform nothing changes for anybody.
    """
    reformed, baseline = (
        context.of_households(values, "household_net_income") for values in context.sides
    )
    change = (reformed - baseline) / np.maximum(baseline, 1)
    kind = np.searchsorted(CHANGES, change)
    for group, chosen in _deciles(context):
        weights = context.person_weights(HOUSEHOLD) * chosen
        with np.errstate(invalid="ignore"):
            for number, name in enumerate(WINNERS_LOSERS):
                share = weighted_mean(kind == number, weights)
                label = "/".join(part for part in (group, name) if part)
                before = np.where(np.isnan(share), np.nan, float(name == NO_CHANGE))
                yield Row(label, share, before)


def _deciles(context: Context) -> Iterator[tuple[str, np.ndarray]]:
    """Yield '' with everybody, then each decile with who is in it, (households, vectors) bool."""
    yield "", np.ones(context.weights.shape, dtype=bool)
    for decile in range(1, 11):
        yield f"decile {decile}", context.decile == decile


@requires("household_net_income")
def gini(context: Context) -> Iterator[Row]:
    """Yield the Gini index of persons' equivalised household net income, from 0 to 1.

    The mean difference between two persons' incomes over twice the mean income. Incomes below zero
    count as zero, as in PolicyEngine's own analyses.
    Source: Sen, On Economic Inequality (1973), 2.8; with weights as in Lerman and Yitzhaki,
    Journal of Econometrics 42 (1989).
    """
    weights = context.person_weights(HOUSEHOLD)
    incomes = [np.maximum(context.equivalised(values), 0) for values in context.sides]
    of_side = [weighted_gini(income, weights) for income in incomes]
    # Where one side has no income at all, there is no difference to speak of either.
    undefined = np.isnan(of_side).any(axis=0)
    yield Row("", *(np.where(undefined, np.nan, index) for index in of_side))


def weighted_gini(income: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the Gini index of incomes under each weight vector, (vectors,).

    One less twice the area under the Lorenz curve, which joins the sums by straight lines.

    Args:
        income: (n,), none below zero.
        weights: (n, vectors).
    """
    order = np.argsort(income, kind="stable")
    # A row per vector, which is added by itself however many there are.
    persons = np.ascontiguousarray(weights[order].T)
    received = np.cumsum(persons * income[order], axis=1)
    before = np.hstack([np.zeros((len(received), 1)), received[:, :-1]])
    area = (persons * (received + before)).sum(axis=1)
    with np.errstate(invalid="ignore"):
        # Where all have the same, rounding may leave a little less than nothing.
        return np.maximum(0, 1 - area / (persons.sum(axis=1) * received[:, -1]))


BUILT_IN: Mapping[str, Function] = {
    function.__name__: function
    for function in (
        cost,
        deep_poverty_rate,
        gini,
        mean_change,
        poverty_gap,
        poverty_rate,
        revenue,
        winners_losers,
    )
}


def find_outcome(name: str, folder: Path) -> Outcome:
    """Return the outcome that a config names: one of `BUILT_IN`, or `module.py:function`.

    Args:
        name: its name.
        folder: where the path of a user's own file starts.

    Raises:
        InputError: there is no such outcome, or it does not say what it requires.
    """
    if name in BUILT_IN:
        return Outcome(name, BUILT_IN[name], BUILT_IN[name].requires)  # type: ignore[attr-defined]
    path, colon, attribute = name.rpartition(":")
    if not colon:
        raise InputError(
            f"outcome '{name}': expected one of {', '.join(BUILT_IN)}{near(name, BUILT_IN)}, or a "
            "function of your own as module.py:function"
        )
    source = folder / path
    function = getattr(_module(name, source), attribute, None)
    if not callable(function):
        raise InputError(f"outcome '{name}': {source} has no function '{attribute}'; name one")
    required = getattr(function, "requires", None)
    if not _are_names(required):
        raise InputError(
            f"outcome '{name}': does not say which variables it reads; put "
            '@requires("household_net_income") or the like above it'
        )
    return Outcome(name, function, tuple(required), source)


def _are_names(required: object) -> TypeGuard[Collection[str]]:
    """Say whether something is one or more names, and not just text."""
    if isinstance(required, str) or not isinstance(required, Collection):
        return False
    return bool(required) and all(isinstance(name, str) for name in required)


def _module(name: str, source: Path) -> object:
    """Return a user's own file as a module, loaded anew each time."""
    if not source.is_file():
        raise InputError(f"outcome '{name}': there is no file {source}; mend its path")
    spec = importlib.util.spec_from_file_location(f"localcal_outcome_{source.stem}", source)
    if spec is None or spec.loader is None:
        raise InputError(f"outcome '{name}': {source} is no Python file; name one that ends in .py")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        kind = type(error).__name__
        raise InputError(
            f"outcome '{name}': {source} cannot be loaded ({kind}: {one_line(error)}); mend it"
        ) from error
    return module


def refuse_unknown_variables(
    outcomes: Sequence[Outcome], variables: Mapping[str, Variable]
) -> None:
    """Stop before any work if an outcome reads what is no number of the model.

    Raises:
        InputError: there is no such variable, or it is text.
    """
    for outcome in outcomes:
        for variable in outcome.requires:
            if variable not in variables:
                raise InputError(
                    f"outcome '{outcome.name}': the model has no variable "
                    f"'{variable}'{near(variable, variables)}; mend what it requires"
                )
            if variables[variable].kind not in NUMBERS:
                raise InputError(
                    f"outcome '{outcome.name}': '{variable}' is {variables[variable].kind}, of "
                    "which there are no numbers; mend what it requires"
                )
