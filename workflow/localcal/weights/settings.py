"""How one scope is fitted: the settings, and the rules for groups of targets."""

import json
import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass, fields
from numbers import Real

import numpy as np
import pandas as pd

from localcal.errors import InputError
from localcal.targets.table import RULE_KEYS, match_rule
from localcal.weights.harmonize import LEVELS

METHODS = ("descent", "newton", "l0")
THIN_RULES = ("drop", "keep", "merge")

# A target's weight by the size of its group. Roots and quotients are exact to the last bit on
# every processor; powers are not.
GROUP_WEIGHTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "sqrt": lambda size: 1.0 / np.sqrt(size),
    "equal": np.ones_like,
    "group": lambda size: 1.0 / size,
}

# What a rule for a group of targets may set, and whether it is a switch or a positive number.
GROUP_SETTINGS = {
    "weight": Real,
    "tolerance": Real,
    "zero_floor": Real,
    "harmonize": bool,
    "hold_out": bool,
}


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How one scope is fitted; refused with InputError where a value makes no sense."""

    method: str = "descent"
    """descent = coordinate descent; newton = dual Newton, for few targets with many columns;
    l0 = descent with the records that l0-python keeps."""
    levels: tuple[str, ...] = LEVELS
    """Geographic levels whose targets are fitted."""
    records: int | None = None
    """Columns that keep a weight; None = all."""
    bounds: tuple[float, float] = (0.1, 10.0)
    """Smallest and largest weight as factors on the scaled design weight."""
    penalty: float = 1.0
    """Final strength mu of the pull towards the design weights."""
    group_weight: str = "sqrt"
    """Weight of a target by the size n of its group: sqrt = 1/sqrt(n), equal = 1, group = 1/n."""
    groups: tuple[Mapping, ...] = ()
    """Rules for groups of targets, see `GroupRules`."""
    harmonize: bool = True
    """Make the levels agree before fitting."""
    thin: str = "drop"
    """What happens to thin targets: drop = left out, keep = fitted, merge = fitted in a sum."""
    minimum_columns: int = 5
    """Targets carried by fewer columns are thin."""
    minimum_households: int = 5
    """Targets carried by fewer distinct households are thin."""
    huber: float | None = 0.05
    """Relative error that a contradicted target (missed by more than twice this) pulls with at
    most; None = no limit."""
    strict: bool = False
    """Refuse targets that no weights within the bounds reach, instead of leaving them out."""
    max_sweeps: int = 150
    """Sweeps at the final penalty, at most."""
    tolerance: float = 0.0025
    """rms gap at which the fit ends."""
    l0: Mapping | None = None
    """Settings of l0-python, only to be reported; None for other methods."""

    @classmethod
    def from_config(cls, config: Mapping) -> "Settings":
        """Read a `weights.<scope>` section of the config.

        Raises:
            InputError: an unknown key, or a value that makes no sense.
        """
        known = {item.name for item in fields(cls)}
        unknown = sorted(set(config) - known)
        if unknown:
            raise InputError(
                f"weights.{unknown[0]}: unknown key; known are {', '.join(sorted(known))}"
            )
        values = dict(config)
        for key in ("levels", "bounds", "groups"):
            if key in values:
                values[key] = tuple(values[key])
        if values.get("records") == "all":
            values["records"] = None
        if values.get("method", cls.method) != "l0":
            values.pop("l0", None)
        return cls(**values)

    def __post_init__(self) -> None:
        unknown = [level for level in self.levels if level not in LEVELS]
        if unknown or not self.levels or len(set(self.levels)) < len(self.levels):
            raise InputError(
                f"weights.levels: {list(self.levels)} must name each fitted level once, out of "
                f"{', '.join(LEVELS)}"
            )
        self._check_choice("method", METHODS)
        if self.method == "l0" and self.records is not None:
            raise InputError(
                f"weights.records: {self.records} with method: l0; l0-python cannot be asked for "
                "a number of records: set 'all', and l0.lambda_l0 higher to keep fewer"
            )
        self._check_choice("group_weight", GROUP_WEIGHTS)
        self._check_choice("thin", THIN_RULES)
        if len(self.bounds) != 2 or not 0 < self.bounds[0] <= 1 <= self.bounds[1] < math.inf:
            raise InputError(
                f"weights.bounds: {list(self.bounds)} must be two factors above zero around 1, "
                "or the design weight itself is excluded; the usual ones are [0.1, 10]"
            )
        self._check_least("records", 1, allow_none=True)
        self._check_least("minimum_columns", 1)
        self._check_least("minimum_households", 1)
        self._check_least("max_sweeps", 1)
        for key in ("penalty", "tolerance", "huber"):
            value = getattr(self, key)
            if not (key == "huber" and value is None) and not 0 < value < math.inf:
                raise InputError(f"weights.{key}: {value} must be above zero")
        for rule in self.groups:
            _check_rule(rule)

    def _check_choice(self, key: str, choices: Collection[str]) -> None:
        if getattr(self, key) not in choices:
            raise InputError(
                f"weights.{key}: {getattr(self, key)!r} is not known; choose one of "
                f"{', '.join(choices)}"
            )

    def _check_least(self, key: str, least: int, allow_none: bool = False) -> None:
        value = getattr(self, key)
        if allow_none and value is None:
            return
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise InputError(
                f"weights.{key}: {value!r} must be a whole number of at least {least}"
                + (" or 'all'" if allow_none else "")
            )

    def for_json(self) -> dict:
        """Return the settings as the config writes them."""
        values = asdict(self)
        values["levels"], values["bounds"] = list(self.levels), list(self.bounds)
        values["groups"] = [dict(rule) for rule in self.groups]
        values["records"] = "all" if self.records is None else self.records
        return values


def _check_rule(rule: Mapping) -> None:
    label = _label(rule)
    wanted = [key for key in rule if key not in RULE_KEYS]
    unknown = [key for key in wanted if key not in GROUP_SETTINGS]
    if unknown:
        raise InputError(
            f"{label} has the unknown key {unknown[0]!r}; use {', '.join(RULE_KEYS)} to choose "
            f"targets and {', '.join(GROUP_SETTINGS)} to say what is different for them"
        )
    if not wanted:
        raise InputError(f"{label} changes nothing; give it one of {', '.join(GROUP_SETTINGS)}")
    for key in wanted:
        value, is_switch = rule[key], GROUP_SETTINGS[key] is bool
        if is_switch and not isinstance(value, bool):
            raise InputError(f"{label}: {key} is {value!r}; use true or false")
        is_number = isinstance(value, Real) and not isinstance(value, bool)
        if not is_switch and not (is_number and 0 < value < math.inf):
            raise InputError(f"{label}: {key} is {value!r}; it must be a number above zero")


def _label(rule: Mapping) -> str:
    return f"weights.groups: rule {json.dumps(dict(rule), default=str)}"


@dataclass(frozen=True)
class GroupRules:
    """What the rules for groups say about each target; arrays of (m,).

    A rule chooses targets by variable, geo_level and domain_variable like those of
    `targets.include`. Of several rules that set the same for a target the last one counts.
    """

    weight: np.ndarray
    """float64: factor on the target's weight; 1 by default."""
    tolerance: np.ndarray
    """float64: the target's own relative uncertainty; by default that of targets.parquet, where
    it is a percentage, else 0."""
    zero_floor: np.ndarray
    """float64, in the target's unit: what counts as an error of 1 where the target is zero; NaN
    by default, and zero targets are left out."""
    harmonize: np.ndarray
    """bool: takes part in harmonizing; True by default."""
    hold_out: np.ndarray
    """bool: not fitted, only looked at afterwards; False by default."""


def apply_rules(
    targets: pd.DataFrame, rules: tuple[Mapping, ...], levels: tuple[str, ...]
) -> GroupRules:
    """Look up what the rules say about each of m targets.

    Raises:
        InputError: a rule matches no target of the fitted levels, or a tolerance in the table is
            negative.
    """
    percent = targets["tolerance"].to_numpy(np.float64)
    if (percent < 0).any():
        name = targets["name"].to_numpy()[percent < 0][0]
        raise InputError(f"target {name}: its tolerance is negative; give a percentage or none")
    found = GroupRules(
        weight=np.ones(len(targets)),
        tolerance=np.nan_to_num(percent / 100.0),
        zero_floor=np.full(len(targets), np.nan),
        harmonize=np.ones(len(targets), dtype=bool),
        hold_out=np.zeros(len(targets), dtype=bool),
    )
    fitted_level = targets["geo_level"].isin(levels).to_numpy()
    for rule in rules:
        chosen = {key: rule[key] for key in RULE_KEYS if key in rule}
        matches = match_rule(targets, chosen, _label(rule)) & fitted_level
        if not matches.any():
            raise InputError(
                f"{_label(rule)} matches no target of the fitted levels, {', '.join(levels)}; "
                "correct it or remove it"
            )
        for key in GROUP_SETTINGS:
            if key in rule:
                getattr(found, key)[matches] = rule[key]
    return found
