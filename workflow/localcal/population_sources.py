"""The base population of a run: synthetic, a given dataset, or one from Hugging Face."""

import logging
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from localcal.engine import Engine, Variable
from localcal.errors import InputError
from localcal.files import atomic_path
from localcal.population import (
    PERSON,
    Population,
    assemble,
    clone_households,
    id_names,
    read_arrays,
    write_population,
)

logger = logging.getLogger(__name__)

# Households to keep per bracket of adjusted gross income (dollars, lower bound inclusive) when
# the sample has REFERENCE_SAMPLE households: the tail carries dollars that a uniform sample of
# this size would miss. The counts are those of PolicyEngine's stratified CPS.
HIGH_INCOME_CAPS = {500e3: 400, 1e6: 400, 2e6: 400, 5e6: 300, 10e6: 300}
REFERENCE_SAMPLE = 12_000

_SAMPLING_STREAM = 1


def build_population(
    section: Mapping[str, object],
    period: int,
    seed: int,
    engine: Engine,
    population_path: Path,
    households_path: Path,
) -> None:
    """Write the run's base population and one row per household about it.

    Args:
        section: the config's `population`.
        period: the run's year.
        seed: the run's seed.
        engine: the model, which says what variables there are and computes incomes.
        population_path: the dataset to write, renamed last.
        households_path: the table to write: household_id, household_weight, persons,
            adjusted_gross_income (dollars).

    Raises:
        InputError: the dataset is not one the model can use, or holds too few households.
    """
    download = population_path.with_name("downloaded.h5")
    source, arrays = _load(section, period, seed, download)
    download.unlink(missing_ok=True)
    arrays = _without(source, arrays, section["drop"])
    population = check_dataset(source, arrays, period, engine.variables())
    wanted = section["households"]
    income = household_income(population, engine)
    if wanted != population.count("household"):
        logger.info("sampling %d of %d households", wanted, population.count("household"))
        population, income = stratified_sample(source, population, income, wanted, seed)
    table = pd.DataFrame(
        {
            "household_id": population.ids["household"],
            "household_weight": population.values["household_weight"].astype(np.float64),
            "persons": np.diff(population.starts[PERSON]).astype(np.int32),
            "adjusted_gross_income": income,
        }
    )
    with atomic_path(households_path) as part:
        table.to_parquet(part, index=False)
    write_population(population_path, population)


def _load(
    section: Mapping[str, object], period: int, seed: int, download: Path
) -> tuple[str, dict[str, np.ndarray]]:
    if section["source"] == "synthetic":
        from localcal.synthetic import synthetic_households

        households = synthetic_households(section["households"], period, seed)
        return "the synthetic population", households
    path = section["path"]
    if section["source"] == "huggingface":
        from localcal.huggingface import fetch_file

        path = download
        names = {key: section[key] for key in ("repo_id", "repo_type", "filename", "revision")}
        fetch_file(path=path, **names)
    arrays, found = read_arrays(path)
    if found != period:
        raise InputError(
            f"{path}: is about {found}, the run about {period}; set period: {found} or give "
            "another dataset"
        )
    return str(path), arrays


def _without(
    source: str, arrays: Mapping[str, np.ndarray], drop: list[str]
) -> dict[str, np.ndarray]:
    absent = [name for name in drop if name not in arrays]
    if absent:
        raise InputError(f"population.drop: {source} has no '{absent[0]}'")
    return {name: array for name, array in arrays.items() if name not in drop}


def check_dataset(
    source: str,
    arrays: Mapping[str, np.ndarray],
    period: int,
    variables: Mapping[str, Variable],
) -> Population:
    """Return the dataset as a population if the model can use all of it.

    Weights other than the household's are left out: the model derives them.

    Raises:
        InputError: an id, a link, a length, a variable or a value is wrong.
    """
    derived = {"person_weight", "tax_unit_weight", "spm_unit_weight"}
    derived |= {"family_weight", "marital_unit_weight"}
    names = sorted(arrays.keys() - id_names() - derived)
    for name in names:
        if name not in variables:
            raise InputError(
                f"{source}: the model has no variable '{name}'; rename it or list it under "
                "population.drop"
            )
        if variables[name].refused:
            raise InputError(
                f"{source}: the model computes '{name}' itself and refuses it as data; list it "
                "under population.drop"
            )
    if "household_weight" not in names:
        raise InputError(f"{source}: lacks household_weight")
    overriding = [name for name in names if variables[name].computed]
    if overriding:
        logger.warning(
            "%s stores variables that the model could compute, and the stored values win: %s "
            "(population.drop lets the model compute them)",
            source,
            ", ".join(overriding),
        )
    for name in names:
        _check_values(source, name, arrays[name])
    kept = {name: arrays[name] for name in arrays if name in names or name in id_names()}
    return assemble(source, kept, period, {name: variables[name].entity for name in names})


def _check_values(source: str, name: str, values: np.ndarray) -> None:
    if values.ndim != 1:
        raise InputError(f"{source}: '{name}' has {values.ndim} dimensions instead of one")
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        bad = int(np.flatnonzero(~np.isfinite(values))[0])
        raise InputError(f"{source}: '{name}' is {values[bad]} in row {bad}; fill or remove it")
    if name == "household_weight" and ((values < 0).any() or values.sum() <= 0):
        raise InputError(f"{source}: household_weight has to be non-negative with a positive sum")


def household_income(population: Population, engine: Engine) -> np.ndarray:
    """Return each household's adjusted gross income in dollars, (households,) float64."""
    logger.info("computing incomes of %d households", population.count("household"))
    income = engine.simulate(population).calculate("adjusted_gross_income")
    return np.bincount(
        population.household_of["tax_unit"],
        weights=income.astype(np.float64),
        minlength=population.count("household"),
    )


def stratified_sample(
    source: str, population: Population, income: np.ndarray, wanted: int, seed: int
) -> tuple[Population, np.ndarray]:
    """Draw exactly `wanted` households, most of the high-income ones among them.

    Below the first bracket of `HIGH_INCOME_CAPS` the households are split at the quartile of
    their incomes and sampled at one rate. Weights are scaled so that every stratum keeps its sum.

    Raises:
        InputError: there are fewer households than wanted.
    """
    total = population.count("household")
    if wanted > total:
        raise InputError(
            f"{source}: holds {total} households; population.households asks for {wanted}"
        )
    weight = population.values["household_weight"].astype(np.float64)
    stratum = income_strata(income)
    sizes = _sample_sizes(stratum, wanted)
    random = np.random.default_rng(np.random.SeedSequence([seed, _SAMPLING_STREAM]))
    chosen, scale = [], np.ones(total)
    for number, size in enumerate(sizes):
        members = np.flatnonzero(stratum == number)
        shuffled = random.permutation(members)
        # Records without weight are templates for imputation: taken only where others run out.
        preferred = shuffled[np.argsort(weight[shuffled] <= 0, kind="stable")][:size]
        kept = weight[preferred].sum()
        scale[preferred] = weight[members].sum() / kept if kept > 0 else 1.0
        chosen.append(preferred)
    households = np.sort(np.concatenate(chosen))
    ids = population.ids["household"][households]
    sample = clone_households(population, households, dict.fromkeys(population.ids, 1))
    weights = (weight * scale)[households].astype(np.float32)
    sample = sample.with_values("household", {"household_weight": weights})
    sample.ids["household"][:] = ids
    return sample, income[households]


def income_strata(income: np.ndarray) -> np.ndarray:
    """Return each household's stratum: 0 bottom quarter, 1 middle, 2.. the high brackets."""
    bounds = np.array(sorted(HIGH_INCOME_CAPS))
    bracket = np.searchsorted(bounds, income, side="right")
    rest = income[bracket == 0]
    quartile = np.quantile(rest, 0.25) if rest.size else 0.0
    return np.where(bracket > 0, bracket + 1, np.where(income < quartile, 0, 1))


def _sample_sizes(stratum: np.ndarray, wanted: int) -> np.ndarray:
    """Return how many households to draw per stratum; the sum is exactly `wanted`."""
    counts = np.bincount(stratum, minlength=2 + len(HIGH_INCOME_CAPS))
    share = min(1.0, wanted / REFERENCE_SAMPLE)
    caps = np.array([HIGH_INCOME_CAPS[bound] for bound in sorted(HIGH_INCOME_CAPS)])
    sizes = np.concatenate([[0, 0], np.minimum(counts[2:], np.floor(caps * share))]).astype(int)
    below = counts[:2].sum()
    if wanted - sizes.sum() > below:  # then the tail has to give more than its caps
        sizes[:2] = counts[:2]
        return _fill(sizes, counts, wanted)
    rate = (wanted - sizes.sum()) / max(below, 1)
    sizes[:2] = np.floor(counts[:2] * rate)
    return _fill(sizes, counts, wanted)


def _fill(sizes: np.ndarray, counts: np.ndarray, wanted: int) -> np.ndarray:
    """Hand out what rounding left over, to the strata with the most room."""
    while (left := wanted - sizes.sum()) > 0:
        room = counts - sizes
        widest = int(np.argmax(room))
        sizes[widest] += min(left, room[widest])
    return sizes
