"""The config's sections about a fit, `weights.local` and `weights.national`.

Alone in its module: the rules that fit import it, and an edit remakes what they made.
"""

from typing import Annotated, Literal, TypedDict

from pydantic import AfterValidator, ConfigDict, Field, ValidationInfo, WrapValidator, with_config

from localcal.geography.codes import TARGET_LEVELS
from localcal.run.values import (
    AS_TUPLE,
    AS_WRITTEN,
    EACH_ONCE,
    FINITE,
    UNIQUE,
    Count,
    GivenFile,
    Level,
    Positive,
    Section,
    TargetRule,
    allowing,
    as_one,
    complaint,
    not_allowed,
)


class L0Section(Section):
    """l0-python, for `method: l0`."""

    python: GivenFile = None
    """An interpreter with l0-python, for instance `.venv-l0/bin/python`; null for the running one.
    May change without remaking anything."""
    lambda_l0: Positive = 1e-2
    """Price of keeping a record; higher keeps fewer. With `method: l0`, `records` must be `all`."""
    lambda_l2: Annotated[float, FINITE, Field(ge=0), AS_WRITTEN] = 1e-12
    """Price of the sum of squared weights."""
    beta: Positive = 0.65
    """Temperature of the gates."""
    learning_rate: Positive = 0.15
    """Adam's learning rate."""
    epochs: Count = 1000
    """Epochs in all."""


class GroupSettings(TypedDict, total=False):
    """What a rule may set for the targets that it chooses."""

    weight: Positive
    """Factor on the targets' weight."""
    tolerance: Positive
    """The targets' own relative uncertainty, 0.05 for 5 %; their weight is divided by
    1 + (tolerance / 0.01)^2, and they count as met within it."""
    zero_floor: Positive
    """Fit zero targets too, their errors divided by this floor in the target's unit."""
    harmonize: bool
    """false leaves the targets' families as they were published."""
    hold_out: bool
    """true does not fit the targets and reports their errors."""
    exact: bool
    """true makes the weights meet the targets, up to the rounding of 32-bit weights."""


@with_config(
    ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={
            "minProperties": 2,
            "anyOf": [{"required": [name]} for name in TargetRule.__annotations__],
            "x-allowed": "variable, geo_level, domain_variable, constraints, at least one of them, "
            "and at least one setting",
        },
    )
)
class GroupRule(TargetRule, GroupSettings, total=False):
    """Chooses targets, and says what is different for them."""


def _chooses_and_sets(rule: GroupRule) -> GroupRule:
    if not rule.keys() & TargetRule.__annotations__.keys():
        raise not_allowed()
    if not rule.keys() & GroupSettings.__annotations__.keys():
        raise not_allowed()
    return rule


def _around_one(bounds: tuple[float, ...]) -> tuple[float, ...]:
    low, high = bounds
    if not low <= 1 <= high:
        raise complaint(f"[{low}, {high}] is not allowed; allowed: a range that contains 1")
    return bounds


def _within_bounds(distance: str, info: ValidationInfo) -> str:
    if distance == "least_squares":
        return distance
    if info.data.get("method") == "given":
        raise complaint(
            f"{distance} is not allowed with method: given, which fits nothing; allowed: "
            "least_squares"
        )
    low, high = info.data.get("bounds", (0.0, 2.0))
    if distance == "logit" and not low < 1 < high:
        raise complaint(
            f"logit is not allowed with bounds: [{low}, {high}], since no weight reaches them and "
            "all begin at 1; allowed: the first below 1 and the second above"
        )
    return distance


def _not_one(replicates: int) -> int:
    if replicates == 1:
        raise not_allowed()
    return replicates


def _all_of_some_methods(records: str | int, info: ValidationInfo) -> str | int:
    if info.data.get("method") == "l0" and records != "all":
        raise complaint(
            f"{records} is not allowed with method: l0, which cannot be asked for a number of "
            "records; allowed: all, and l0.lambda_l0 higher to keep fewer"
        )
    if info.data.get("method") == "given" and records != "all":
        raise complaint(
            f"{records} is not allowed with method: given, which keeps the records that the given "
            "weights keep; allowed: all"
        )
    return records


Levels = Annotated[tuple[Level, ...], AS_TUPLE, Field(min_length=1), UNIQUE, EACH_ONCE]
Records = Annotated[
    Literal["all"] | Count,
    WrapValidator(as_one),
    AfterValidator(_all_of_some_methods),
    allowing("all, or an integer of at least 1"),
]
Replicates = Annotated[
    int, Field(ge=0), AfterValidator(_not_one), allowing("0, or an integer of at least 2")
]
Penalty = Annotated[
    Literal["auto"] | Positive, WrapValidator(as_one), allowing("auto, or a number above 0")
]
Distance = Annotated[Literal["least_squares", "raking", "logit"], AfterValidator(_within_bounds)]
Share = Annotated[float, FINITE, Field(ge=0, lt=1), AS_WRITTEN]
Bounds = Annotated[
    tuple[Positive, ...],
    AS_TUPLE,
    Field(min_length=2, max_length=2),
    AfterValidator(_around_one),
    allowing("two numbers above 0, the first at most 1, the second at least 1"),
]
GroupRules = Annotated[
    tuple[Annotated[GroupRule, AfterValidator(_chooses_and_sets)], ...], AS_TUPLE
]


class FitSection(Section):
    """The fit whose weights states, districts and cities use."""

    model_config = ConfigDict(json_schema_extra={"x-renamed": {"start": "prior"}})

    method: Literal["descent", "newton", "l0", "given"] = "descent"
    """Coordinate descent; a dual Newton method for at most 4,000 targets that many columns carry,
    which minimises the same objective; l0-python (an environment of its own), which chooses the
    records, and then coordinate descent with those; or no fit, but the weights at `path`."""
    path: GivenFile = None
    """For `method: given`: PolicyEngine's `calibration_weights.npy` of the same households, clones
    and places, one number of households for each, in the order `clone * households + household`.
    Its errors are described as those of a fit are."""
    levels: Levels = TARGET_LEVELS
    """Levels whose targets are fitted."""
    records: Records = "all"
    """Columns that keep a weight, exactly; `all` for all of them."""
    bounds: Bounds = (0.1, 10.0)
    """Smallest and largest weight as factors on the scaled design weight."""
    distance: Distance = "least_squares"
    """How far a weight is from its base, by their ratio g: (g - 1)^2 / 2, g log g - g + 1, or the
    logit distance, whose weights stay between the `bounds` by themselves; the others are cut there.
    With `exact: true` for all targets they are the linear, raking and logit calibration of R's
    survey and of ReGenesees."""
    penalty: Penalty = "auto"
    """Strength of the pull towards the design weights: one unit of the mean squared relative change
    of the weights (of twice their mean distance, with another `distance`) counts as much as this
    mean squared relative error of the targets, however many there are. `auto` chooses it by how
    well targets that are left out are estimated; of fewer than five it is 0.01."""
    hold_out: Share = 0.0
    """Share of the targets, drawn by the seed, that is not fitted and whose errors are reported."""
    group_weight: Literal["sqrt", "equal", "group"] = "sqrt"
    """A target's weight by the size n of its group (level, variable and domain): 1/sqrt(n), 1, or
    1/n."""
    groups: GroupRules = ()
    """Rules for groups of targets, chosen by `variable`, `geo_level` and `domain_variable`; each
    sets one or more of `weight`, `tolerance`, `zero_floor`, `harmonize`, `hold_out`, `exact`, see
    below."""
    harmonize: bool = True
    """Make the levels agree before fitting, nation over states over districts."""
    thin: Literal["drop", "keep", "merge"] = "drop"
    """Thin targets: left out and reported, fitted all the same, or fitted as one sum with others of
    their family and state."""
    minimum_columns: Count = 5
    """Targets carried by fewer columns are thin."""
    minimum_households: Count = 5
    """Targets carried by fewer distinct households are thin."""
    huber: Annotated[Positive | None, allowing("a number above 0, or null")] = 0.05
    """Relative error that a contradicted target, missed by more than twice this, may pull with at
    most; null for no limit."""
    strict: bool = False
    """Refuse targets that no weights within the bounds reach, instead of leaving them out and
    reporting them."""
    prior: GivenFile = None
    """The `trace.h5` of another fit to begin from: of the same columns, or, where it lies in the
    folder of its run, of another year's, which are matched by household and place."""
    max_sweeps: Count = 400
    """Sweeps at the final penalty, at most; a fit of up to 1,000 targets that is not within the
    tolerance by then is finished by Newton's method."""
    tolerance: Positive = 0.0025
    """The rms gap at which the fit ends."""
    replicates: Replicates = 0
    """Replicates of the fit with other households, which standard errors are made from; 0 for none.
    May change without another fit."""
    replicate_method: Literal["bootstrap", "jackknife"] = "bootstrap"
    """Households weighted at random, or as many groups of households as there are replicates, each
    left out once. May change without another fit."""
    l0: L0Section = Field(default_factory=L0Section)


class NationalFit(FitSection):
    """The fit whose weights the nation's file uses."""

    levels: Levels = ("nation",)
