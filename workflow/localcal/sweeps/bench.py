"""An area's households on the bench: who they are, whom they stand for, and what they take up."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from localcal.clones.frozen import Frozen, read_frozen
from localcal.clones.take_up import takes_up
from localcal.errors import REMAKE, InputError, near
from localcal.files.arrays import refuse_bad_weights
from localcal.files.hdf5 import open_h5
from localcal.population.dataset import read_population
from localcal.population.population import Population, take_households
from localcal.sweeps.plan import Draw

CALIBRATED = "calibrated"
WEIGHT = "household_weight"
REPLICATE = f"{WEIGHT}_rep_"


@dataclass(frozen=True)
class AreaFiles:
    """The files of an area that a sweep reads.

    Attributes:
        area: its dataset.
        replicates: its replicate weights; None without them.
        baseline: its values without a reform; None while they are made.
    """

    area: Path
    replicates: Path | None = None
    baseline: Path | None = None


@dataclass(frozen=True)
class RunFiles:
    """What draws are made from.

    Attributes:
        population: the base population.
        frozen: the run's take-up rates.
        clones: how many clones the run has of each household.
    """

    population: Path
    frozen: Path
    clones: int


@dataclass(frozen=True)
class Bench:
    """The households of an area's file, as a simulation gets them.

    Attributes:
        population: they, with the take-up of one draw.
        weights: (households, 1 + K) float64, the calibrated ones and then the K replicates.
        weight_names: what each is called.
    """

    population: Population
    weights: np.ndarray
    weight_names: tuple[str, ...]

    @cached_property
    def ids(self) -> np.ndarray:
        """Return the households' ids."""
        return self.population.ids["household"]

    def pieces(self, together: int) -> list[Population]:
        """Return the households in pieces that are simulated one after the other.

        Each entity is sorted by household, so what the pieces come to, one after the other, has
        the order of the whole.
        """
        count = self.population.count("household")
        if count <= together:
            return [self.population]
        return [
            take_households(self.population, np.arange(start, min(start + together, count)))
            for start in range(0, count, together)
        ]


def set_up(files: AreaFiles, run: RunFiles, draw: Draw) -> Bench:
    """Read an area's file and weights, and draw take-up anew if it is to be.

    Raises:
        InputError: a file is damaged, they do not belong together, or nothing can be drawn.
    """
    population = read_population(files.area)
    weight = population.values[WEIGHT].astype(np.float64)
    refuse_bad_weights(files.area, weight)
    vectors = {CALIBRATED: weight}
    if files.replicates is not None:
        vectors |= read_replicate_weights(files.replicates, population)
    if draw.variables != ():
        base, frozen = read_population(run.population, only=[]), read_frozen(run.frozen)
        population = drawn(population, base, frozen, run.clones, draw)
    return Bench(population, np.column_stack(list(vectors.values())), tuple(vectors))


def read_replicate_weights(path: Path, population: Population) -> dict[str, np.ndarray]:
    """Return the replicate weights of an area's households by number, (households,) float64.

    Raises:
        InputError: the file is damaged, or of other households.
    """
    period = str(population.period)
    with open_h5(path) as file:
        ids = file[f"household_id/{period}"][:]
        if not np.array_equal(ids, population.ids["household"]):
            raise InputError(f"{path}: of other households than the area's file; {REMAKE}")
        found = {
            name.removeprefix(REPLICATE).lstrip("0"): file[f"{name}/{period}"][:].astype(np.float64)
            for name in sorted(file)
            if name.startswith(REPLICATE)
        }
    for values in found.values():
        refuse_bad_weights(path, values)
    return found


def drawn(
    population: Population, base: Population, frozen: Frozen, clones: int, draw: Draw
) -> Population:
    """Return an area's households with take-up drawn by another seed, as `locate` draws it.

    Args:
        population: the area's.
        base: the base population.
        frozen: the run's rates.
        clones: how many clones the run has of each household.
        draw: the seed and what it draws.

    Raises:
        InputError: the run draws no take-up, or not that of a variable.
    """
    rates = _chosen(frozen, draw.variables)
    # Ids count through all columns of the run, a household's clones after one another.
    column = population.ids["household"] - 1
    household, clone = column // clones, column % clones
    if household.max(initial=0) >= base.count("household"):
        raise InputError(
            f"household {int(population.ids['household'].max())} is no clone of the base "
            f"population's {base.count('household')}; {REMAKE}"
        )
    household_id = base.ids["household"][household]
    state = population.values["state_fips"]
    taking: dict[str, dict[str, np.ndarray]] = {}
    for rate in rates:
        first = base.starts[rate.entity][household]
        found = takes_up(population, rate, household_id, clone, state, draw.seed, first)
        of_entity = taking.setdefault(rate.entity, {})
        of_entity[rate.variable] = found | of_entity.get(rate.variable, False)
    for entity, values in taking.items():
        population = population.with_values(entity, values)
    return population


def _chosen(frozen: Frozen, variables: Sequence[str] | None) -> list:
    known = sorted({rate.variable for rate in frozen.take_up})
    if not known:
        raise InputError(
            "seeds.count: the run draws no take-up, so that every seed would give the same; set it "
            "to 0, or give the run take_up.rates"
        )
    for name in variables or ():
        if name not in known:
            raise InputError(
                f"seeds.variables: the run does not draw '{name}'{near(name, known)}; it draws "
                f"{', '.join(known)}"
            )
    return [rate for rate in frozen.take_up if variables is None or rate.variable in variables]


def states_of(population: Population, names: Mapping[int, str]) -> np.ndarray:
    """Return what each household's state is called, (households,) of text."""
    codes = population.values["state_fips"]
    found = {int(code): names.get(int(code), str(int(code))) for code in np.unique(codes)}
    return np.array([found[code] for code in codes.tolist()])
