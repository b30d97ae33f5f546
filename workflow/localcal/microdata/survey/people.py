"""Who the members of the survey's tax units are, how old, and who belongs together."""

import numpy as np
import pandas as pd

from localcal.microdata.survey.records import HOUSEHOLD, JOINT, SEPARATE
from localcal.population.draws import keyed_uniform

HEAD, SPOUSE, DEPENDENT = b"HEAD", b"SPOUSE", b"DEPENDENT"

# Ages of dependents, both inclusive, by what the file counts. Those of 21 and more are students,
# but for the old.
RANGES = ((0, 5), (6, 12), (13, 16), (17, 17), (18, 20), (21, 23), (65, 85))
OF_AGE = 18
# From here on a dependent who is no student would not be a qualifying child.
STUDENT_AGES = (19, 23)
# The survey says 80 of everybody between 80 and 84, and 85 of those above.
TOP_AGES = (80, 84)


def people_of(records: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Return the persons of the extract's tax units, in the order of the units.

    A return of somebody who is claimed on another one (DSI), and one of a child alone, belong
    to the household's first other tax unit, of the same family where it has one: their members
    become dependents there. A family is everybody of one `ffpos`; one of several members beside the
    first is a related subfamily and part of the first. Families without an adult join the
    household's first that has one.

    Args:
        records: as of `read_records`.
        seed: of ages and sexes, which are drawn by household and place in it, so that neither
            depends on which other households there are.

    Returns:
        One row per person: `unit`, the position of the own row in `records`; `household`,
        `tax_unit`, `family`, `spm_unit` and `marital_unit`, numbers of units; `role`, in the own
        row; `tax_unit_role_input`; `age`; `is_female`; `is_full_time_college_student`;
        `is_household_head`; `is_separated`.
    """
    counts = member_counts(records)
    unit = np.repeat(np.arange(len(records)), counts.sum(axis=1))
    slot = np.repeat(np.tile(np.arange(counts.shape[1]), len(records)), counts.ravel())
    owner = claiming_units(records)
    draws = _Draws(records, unit, seed)
    age = _ages(records, unit, slot, draws)
    is_claimed = (owner != np.arange(len(records)))[unit]
    role = np.select([slot == 0, slot == 1], [HEAD, SPOUSE], DEPENDENT).astype("S9")
    persons = pd.DataFrame(
        {
            "unit": unit,
            "household": records["household"].to_numpy()[unit],
            "tax_unit": owner[unit],
            "role": role,
            "tax_unit_role_input": np.where(is_claimed, DEPENDENT, role),
            "age": age.astype(np.float64),
            "is_female": _sexes(unit, slot, draws),
        }
    )
    claimed = persons["tax_unit_role_input"] == DEPENDENT
    persons["is_full_time_college_student"] = claimed & persons["age"].between(*STUDENT_AGES)
    separate = (records["MARS"] == SEPARATE).to_numpy()[unit]
    persons["is_separated"] = separate & (persons["tax_unit_role_input"] == HEAD)
    persons["is_household_head"] = _first_heads(persons)
    persons["family"] = persons["spm_unit"] = _families(records, owner, persons)
    couple = np.flatnonzero(slot == 1)
    persons["marital_unit"] = np.arange(len(persons))
    # A spouse follows the head.
    persons.loc[couple, "marital_unit"] = couple - 1
    return persons


def member_counts(records: pd.DataFrame) -> np.ndarray:
    """Return how many heads, spouses and dependents of each of RANGES a unit has, (units, 9).

    `nu18`, `n1820` and `n21` count heads and spouses too; `nu06`, `nu13` and `n24` (below 17) only
    dependents. Where they contradict each other, in 0.4 % of the units, none is below 0.
    """
    joint = (records["MARS"] == JOINT).to_numpy()
    couple = np.stack([records["age_head"], _spouse_ages(records)])
    there = np.stack([np.ones(len(records), dtype=bool), joint])

    def of_the_couple(low: int, high: int) -> np.ndarray:
        return ((couple >= low) & (couple <= high) & there).sum(axis=0)

    grown = records["n21"] - of_the_couple(21, 200)
    old = np.minimum(records["elderly_dependents"], np.maximum(grown, 0))
    counts = [
        np.ones(len(records)),
        joint,
        records["nu06"],
        records["nu13"] - records["nu06"],
        records["n24"] - records["nu13"],
        records["nu18"] - records["n24"] - of_the_couple(0, 17),
        records["n1820"] - of_the_couple(18, 20),
        grown - old,
        old,
    ]
    return np.maximum(np.stack(counts, axis=1), 0).astype(np.int64)


def claiming_units(records: pd.DataFrame) -> np.ndarray:
    """Return, per tax unit, the position of the one that its members belong to: its own or
    another's, (units,) int64."""
    oldest = records[["age_head", "age_spouse"]].max(axis=1)
    alone = (records["DSI"] == 1) | ((oldest < OF_AGE) & (records["MARS"] != JOINT))
    claiming = records[~alone]
    position = pd.Series(np.flatnonzero(~alone), index=claiming.index)
    by_family = position.groupby([claiming["household"], claiming["ffpos"]]).first()
    by_household = position.groupby(claiming["household"]).first()
    family = pd.MultiIndex.from_frame(records[["household", "ffpos"]])
    owner = pd.Series(by_family.reindex(family).to_numpy())
    owner = owner.fillna(pd.Series(by_household.reindex(records["household"]).to_numpy()))
    owner = owner.where(alone.to_numpy()).fillna(pd.Series(np.arange(len(records))))
    return owner.to_numpy().astype(np.int64)


class _Draws:
    """Numbers in [0, 1) for persons, by their household and their place in it."""

    def __init__(self, records: pd.DataFrame, unit: np.ndarray, seed: int) -> None:
        self._seed = seed
        self.year, self.number = (records[name].to_numpy() for name in HOUSEHOLD)
        self.within = records.groupby("household").cumcount().to_numpy()
        self.unit = unit
        first = np.searchsorted(unit, unit)
        self.member = np.arange(unit.size) - first

    def of_persons(self, what: str) -> np.ndarray:
        unit = self.unit
        keys = self.year[unit], self.number[unit], self.within[unit], self.member
        return keyed_uniform(self._seed, f"survey {what}", *keys)

    def of_units(self, what: str) -> np.ndarray:
        keys = self.year, self.number, self.within
        return keyed_uniform(self._seed, f"survey {what}", *keys)


def _spouse_ages(records: pd.DataFrame) -> np.ndarray:
    """Return the spouses' ages; of 103 in the published file it says 0, and they get the head's."""
    return np.where(records["age_spouse"] > 0, records["age_spouse"], records["age_head"])


def _ages(records: pd.DataFrame, unit: np.ndarray, slot: np.ndarray, draws: _Draws) -> np.ndarray:
    """Return each person's age: as the survey says, or drawn inside what it counts."""
    told = np.where(slot == 1, _spouse_ages(records)[unit], records["age_head"].to_numpy()[unit])
    is_top = told == TOP_AGES[0]
    low, high = np.array([(0, 0), (0, 0), *RANGES]).T
    low = np.where(slot > 1, low[slot], told)
    high = np.where(slot > 1, high[slot], np.where(is_top, TOP_AGES[1], told))
    return low + np.floor(draws.of_persons("age") * (high - low + 1)).astype(np.int64)


def _sexes(unit: np.ndarray, slot: np.ndarray, draws: _Draws) -> np.ndarray:
    """Draw who is female, since the file does not say: one half, and of a couple one."""
    female = draws.of_persons("sex") < 0.5
    head = draws.of_units("sex of head") < 0.5
    return np.select([slot == 0, slot == 1], [head[unit], ~head[unit]], female)


def _first_heads(persons: pd.DataFrame) -> np.ndarray:
    """Say who is the head of the first tax unit of the household."""
    heads = persons.index[persons["tax_unit_role_input"] == HEAD]
    first = persons.loc[heads].drop_duplicates("household").index
    return np.isin(persons.index, first)


def _families(records: pd.DataFrame, owner: np.ndarray, persons: pd.DataFrame) -> np.ndarray:
    """Return the number of each person's family: the position of its first tax unit."""
    # Whoever is claimed belongs to the family of those who claim.
    ffpos = records["ffpos"].to_numpy()[owner]
    home = records["household"].to_numpy()
    family = pd.Series(np.arange(len(records))).groupby([home, ffpos]).transform("first").to_numpy()
    unit = persons["unit"].to_numpy()
    members = np.bincount(family[unit], minlength=len(records))
    adults = np.bincount(family[unit], weights=persons["age"] >= OF_AGE, minlength=len(records))
    grown = pd.Series(np.where(adults[family] > 0, family, len(records)))
    first_grown = grown.groupby(home).transform("min").to_numpy()
    is_sub = (ffpos > 1) & (members[family] > 1)
    joins = (is_sub | (adults[family] == 0)) & (first_grown < len(records))
    return np.where(joins, first_grown, family)[unit]
