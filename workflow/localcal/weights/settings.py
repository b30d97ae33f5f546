"""How one scope is fitted: the settings, and the rules for groups of targets."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd
from pydantic import ValidationError

from localcal.errors import InputError
from localcal.run.complaints import problems
from localcal.run.fit_section import FitSection, GroupSettings
from localcal.run.values import plain
from localcal.targets.table import RULE_KEYS, match_rule

# A target's weight by the size of its group. Roots and quotients are exact to the last bit on
# every processor; powers are not.
GROUP_WEIGHTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "sqrt": lambda size: 1.0 / np.sqrt(size),
    "equal": np.ones_like,
    "group": lambda size: 1.0 / size,
}


class Settings(FitSection):
    """How one scope is fitted: a section `weights.<scope>` of the config.

    Raises:
        InputError: an unknown key, or a value that makes no sense.
    """

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            found = problems(error, FitSection)
            lines = [f"weights.{'.'.join(key)}: {complaint}" for key, complaint in found]
            raise InputError("; ".join(lines)) from error

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Read a `weights.<scope>` section of the config.

        Raises:
            InputError: an unknown key, or a value that makes no sense.
        """
        return cls(**config)

    def for_json(self) -> dict[str, Any]:
        """Return the settings as the config writes them, without the places of files."""
        values: dict[str, Any] = plain(self)
        # What does not change the fit is not said of it.
        del values["path"], values["prior"], values["l0"]["python"]
        del values["replicates"], values["replicate_method"]
        if self.method != "l0":
            values["l0"] = None
        return values


def _label(rule: Mapping[str, Any]) -> str:
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
    """bool: not fitted, only looked at afterwards; by default that of targets.parquet, where it
    has one."""
    exact: np.ndarray
    """bool: must be met; False by default."""


def _held_out(targets: pd.DataFrame) -> np.ndarray:
    if "hold_out" not in targets:
        return np.zeros(len(targets), dtype=bool)
    return targets["hold_out"].to_numpy(dtype=bool, copy=True)


def apply_rules(
    targets: pd.DataFrame, rules: tuple[Mapping[str, Any], ...], levels: tuple[str, ...]
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
        hold_out=_held_out(targets),
        exact=np.zeros(len(targets), dtype=bool),
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
        for key in GroupSettings.__annotations__:
            if key in rule:
                getattr(found, key)[matches] = rule[key]
    return found
