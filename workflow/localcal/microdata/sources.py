"""The base population of a run: of a survey, synthetic, a given dataset, or from Hugging Face."""

import logging
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from localcal.engine.protocol import Engine, naming_households
from localcal.errors import InputError
from localcal.files.atomic import atomic_path
from localcal.microdata.check import check_dataset, refuse_misplaced, warn_of_unusable_units
from localcal.microdata.sample import stratified_sample
from localcal.population.dataset import read_arrays, write_population
from localcal.population.entity_tables import has_entity_tables, read_entity_tables
from localcal.population.population import PERSON, Population

logger = logging.getLogger(__name__)

STATE = "state_fips"


def build_population(
    section: Mapping[str, Any],
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
            adjusted_gross_income (dollars), and synthetic: whether it is made up.

    Raises:
        InputError: the dataset is not one the model can use, or holds too few households.
    """
    download = population_path.with_name("downloaded.h5")
    source, arrays, table_of, made_up = _load(section, period, seed, download)
    download.unlink(missing_ok=True)
    arrays = _without(source, arrays, section["drop"])
    places = engine.place_variables()
    arrays = _without_places(source, arrays, places)
    refuse_misplaced(source, arrays, table_of, engine.variables())
    population = check_dataset(source, arrays, period, engine.variables())
    warn_of_unusable_units(source, population, engine)
    wanted = section["households"]
    income = household_income(source, population, engine)
    if wanted != population.count("household"):
        logger.info("sampling %d of %d households", wanted, population.count("household"))
        population, income = stratified_sample(source, population, income, wanted, seed)
    table = pd.DataFrame(
        {
            "household_id": population.ids["household"],
            "household_weight": population.values["household_weight"].astype(np.float64),
            "persons": np.diff(population.starts[PERSON]).astype(np.int32),
            "adjusted_gross_income": income,
            "synthetic": np.isin(population.ids["household"], made_up),
        }
    )
    logger.info("%d of %d households are made up", table["synthetic"].sum(), len(table))
    with atomic_path(households_path) as part:
        table.to_parquet(part, index=False)
    write_population(population_path, population.without(places))


class _Loaded(NamedTuple):
    """What a source gave.

    Attributes:
        source: what to call it.
        arrays: {variable: array}.
        table_of: variable to the entity whose table it is in, if there are tables.
        made_up: ids of households that nobody surveyed.
    """

    source: str
    arrays: Mapping[str, np.ndarray]
    table_of: Mapping[str, str]
    made_up: np.ndarray


def _load(section: Mapping[str, Any], period: int, seed: int, download: Path) -> _Loaded:
    nobody = np.zeros(0, dtype=np.int64)
    if section["source"] == "synthetic":
        from localcal.microdata.synthetic.households import synthetic_households

        arrays = synthetic_households(section["households"], period, seed)
        return _Loaded("the synthetic population", arrays, {}, arrays["household_id"])
    if section["source"] == "survey":
        from localcal.microdata.survey.households import survey_households

        arrays, synthetic = survey_households(Path(section["survey"]), period, seed)
        return _Loaded(section["survey"], arrays, {}, arrays["household_id"][synthetic])
    path = section["path"]
    if section["source"] == "huggingface":
        from localcal.files.huggingface import fetch_file

        path = download
        names = {key: section[key] for key in ("repo_id", "repo_type", "filename", "revision")}
        fetch_file(path=path, **names)
    table_of: Mapping[str, str] = {}
    if has_entity_tables(path, "correct population.path, or give another dataset"):
        arrays, table_of, found = read_entity_tables(path, period)
    else:
        arrays, found = read_arrays(path)
    if found != period:
        raise InputError(
            f"{path}: is about {found}, the run about {period}; set period: {found} or give "
            "another dataset"
        )
    return _Loaded(str(path), arrays, table_of, nobody)


def _without(
    source: str, arrays: Mapping[str, np.ndarray], drop: list[str]
) -> dict[str, np.ndarray]:
    absent = [name for name in drop if name not in arrays]
    if absent:
        raise InputError(f"population.drop: {source} has no '{absent[0]}'")
    return {name: array for name, array in arrays.items() if name not in drop}


def _without_places(
    source: str, arrays: Mapping[str, np.ndarray], places: Collection[str]
) -> dict[str, np.ndarray]:
    """Leave behind where the households live, but for the state, which their incomes depend on."""
    left = sorted(arrays.keys() & places)
    if left:
        logger.info(
            "%s: where its households live is left behind, since their clones live elsewhere: %s",
            source,
            ", ".join(left),
        )
    return {name: array for name, array in arrays.items() if name not in left or name == STATE}


def household_income(source: str, population: Population, engine: Engine) -> np.ndarray:
    """Return each household's adjusted gross income in dollars, (households,) float64.

    Raises:
        InputError: the model cannot calculate it; names the household where the model does.
    """
    logger.info("computing incomes of %d households", population.count("household"))
    with naming_households(population.ids["household"], source):
        income = engine.simulate(population).calculate("adjusted_gross_income")
    return np.bincount(
        population.household_of["tax_unit"],
        weights=income.astype(np.float64),
        minlength=population.count("household"),
    )
