"""Who lives together: persons by household, with age, sex and what else they were born with."""

from typing import NamedTuple

import numpy as np

HEAD, SPOUSE, PARTNER, CHILD, GROWN, PARENT, ROOMMATE = range(7)


class Arrangement(NamedTuple):
    """One way of living together; `share` of households, the rest per household of this kind."""

    share: float
    head_age: tuple[float, float, int, int]  # mean, standard deviation, lowest, highest
    female_head: float = 0.5
    spouse: float = 0.0
    partner: float = 0.0
    children: tuple[float, ...] = (1.0,)  # probability of 0, 1, 2, ... persons under 18
    grown: tuple[float, ...] = (1.0,)
    parents: tuple[float, ...] = (1.0,)
    roommates: tuple[float, ...] = (1.0,)


ARRANGEMENTS = (
    # living alone: of working age, and old
    Arrangement(0.165, (49, 16, 19, 64)),
    Arrangement(0.120, (75, 9.5, 65, 98), female_head=0.65),
    # couples without children: of working age, and old
    Arrangement(0.122, (57, 10, 22, 64), spouse=1.0),
    Arrangement(0.118, (71, 7, 65, 95), spouse=1.0),
    # couples with children
    Arrangement(
        0.153,
        (39.5, 9, 20, 62),
        spouse=1.0,
        children=(0.0, 0.36, 0.40, 0.17, 0.05, 0.02),
        grown=(0.71, 0.21, 0.08),
    ),
    # one parent with children
    Arrangement(
        0.065,
        (37, 9, 19, 60),
        female_head=0.8,
        children=(0.0, 0.48, 0.33, 0.14, 0.05),
        grown=(0.72, 0.21, 0.07),
    ),
    # three generations
    Arrangement(
        0.035,
        (40, 8, 22, 58),
        female_head=0.6,
        spouse=0.6,
        children=(0.0, 0.45, 0.35, 0.15, 0.05),
        parents=(0.0, 0.75, 0.25),
    ),
    # parents with grown children only
    Arrangement(0.110, (58, 8, 40, 82), spouse=0.70, grown=(0.0, 0.48, 0.36, 0.16)),
    # unmarried couples
    Arrangement(0.055, (37, 13, 19, 75), partner=1.0, children=(0.68, 0.18, 0.10, 0.04)),
    # unrelated adults
    Arrangement(0.057, (28, 8, 18, 70), roommates=(0.0, 0.56, 0.26, 0.18)),
)


class People(NamedTuple):
    """Persons in household order; every field has one entry per person."""

    household: np.ndarray  # int64, position of the household, ascending
    role: np.ndarray
    age: np.ndarray
    female: np.ndarray
    skill: np.ndarray  # standard normal: what lifts earnings, saving and coverage together
    disabled: np.ndarray
    student: np.ndarray

    def subset(self, chosen: np.ndarray) -> "People":
        """Return the persons at the positions `chosen`."""
        return People(*(field[chosen] for field in self))


# --- who lives together -----------------------------------------------------------------------


def draw_people(rng: np.random.Generator, count: int) -> People:
    """Draw the members of `count` households."""
    kind = rng.choice(len(ARRANGEMENTS), size=count, p=[kind.share for kind in ARRANGEMENTS])
    members = _draw_members(rng, kind)
    role = np.repeat(np.tile(np.arange(members.shape[1]), count), members.ravel())
    household = np.repeat(np.arange(count), members.sum(axis=1))
    female = _draw_sex(rng, kind, household, role)
    age = _draw_ages(rng, kind, household, role)
    common = rng.standard_normal(count)[household]
    skill = 0.55 * common + np.sqrt(1 - 0.55**2) * rng.standard_normal(len(role))
    frail = np.interp(age, [0, 17, 20, 40, 55, 64, 70, 95], [3, 5, 5, 7, 13, 18, 20, 50]) / 100
    disabled = rng.random(len(role)) < np.clip(frail * np.exp(-0.4 * skill - 0.08), 0, 0.9)
    studying = np.where(role == GROWN, 0.5, 0.2)
    student = (age >= 18) & (age < 24) & (rng.random(len(role)) < studying)
    return People(household, role, age, female, skill, disabled, student)


def _draw_members(rng: np.random.Generator, kind: np.ndarray) -> np.ndarray:
    """Return how many persons of each role (columns) every household (rows) has."""
    members = np.zeros((len(kind), ROOMMATE + 1), dtype=np.int64)
    members[:, HEAD] = 1
    for index, arrangement in enumerate(ARRANGEMENTS):
        rows = np.flatnonzero(kind == index)
        chances = {
            SPOUSE: (1 - arrangement.spouse, arrangement.spouse),
            PARTNER: (1 - arrangement.partner, arrangement.partner),
            CHILD: arrangement.children,
            GROWN: arrangement.grown,
            PARENT: arrangement.parents,
            ROOMMATE: arrangement.roommates,
        }
        for role, chance in chances.items():
            members[rows, role] = rng.choice(len(chance), size=len(rows), p=chance)
    return members


def _draw_sex(
    rng: np.random.Generator, kind: np.ndarray, household: np.ndarray, role: np.ndarray
) -> np.ndarray:
    chance = np.array([arrangement.female_head for arrangement in ARRANGEMENTS])
    head = rng.random(len(kind)) < chance[kind]
    female = rng.random(len(role)) < np.where(role == PARENT, 0.62, 0.49)
    same_sex = rng.random(len(role)) < 0.015
    female = np.where(role == HEAD, head[household], female)
    paired = (role == SPOUSE) | (role == PARTNER)
    return np.where(paired, head[household] == same_sex, female)


def _draw_ages(
    rng: np.random.Generator, kind: np.ndarray, household: np.ndarray, role: np.ndarray
) -> np.ndarray:
    """Return whole years, int64; relatives follow the age of the household's head."""
    bounds = np.array([arrangement.head_age for arrangement in ARRANGEMENTS])[kind]
    mean, deviation, low, high = bounds.T
    drawn = rng.normal(mean, deviation)
    # A draw beyond the bounds is spread over them: piled up on a bound it would be a spike.
    outside = (drawn < low) | (drawn > high)
    drawn = np.where(outside, low + (high - low) * rng.random(len(kind)), drawn)
    head = drawn[household]
    normal, uniform = rng.standard_normal(len(role)), rng.random(len(role))
    age = np.select(
        [role == HEAD, role == SPOUSE, role == PARTNER, role == CHILD, role == GROWN],
        [
            head,
            np.clip(head - 0.5 + 3.5 * normal, 18, 97),
            np.clip(head - 0.5 + 5 * normal, 18, 97),
            np.minimum(18, head - 17) * uniform**0.86,
            18 + np.clip(head - 17 - 18, 0, 22) * uniform**1.15,
        ],
        np.where(
            role == PARENT,
            np.clip(head + 27 + 4 * normal, 45, 97),
            np.clip(head + 5 * normal, 18, 80),
        ),
    )
    return np.floor(age).astype(np.int64)
