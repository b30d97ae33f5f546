"""Another fit to begin from: of the same columns, or of those of an earlier run."""

import logging
from pathlib import Path

import numpy as np

from localcal.errors import InputError
from localcal.files.origins import record
from localcal.geography.geography import Geography, read_geography
from localcal.population.dataset import read_population
from localcal.run.priors import files_beside
from localcal.weights.matching import (
    Households,
    Located,
    Matched,
    match_columns,
    match_households,
)
from localcal.weights.trace import Trace, read_trace

logger = logging.getLogger(__name__)

OR_NONE = "or set weights.<scope>.prior to null"


def read_prior(
    path: str | Path, geography: str, places: Geography, population: Path | None
) -> Trace | Matched:
    """Return the trace of another fit to begin from, or what it says about this fit's columns.

    Args:
        path: a trace.h5. Where its columns are others, what they are is read from the run that it
            lies in.
        geography: digest of this run's geography.
        places: of this run's columns.
        population: this run's households, needed where the columns are others.

    Raises:
        InputError: it is no trace, or the columns are others and nothing says which.
    """
    trace, origins = read_trace(path)
    if origins.get("geography") == geography:
        if len(trace.base) != len(places):
            raise InputError(
                f"{path}: has {len(trace.base)} columns and the matrix {len(places)}, though they "
                f"say to be of the same geography; restore the trace, {OR_NONE}"
            )
        return trace
    beside = files_beside(path)
    _refuse_others(path, origins, beside)
    if population is None:
        raise InputError(
            f"{path}: its columns are others, and the fit was not given this run's population.h5 "
            f"to match them by; give it, {OR_NONE}"
        )
    return _match(path, trace, beside, places, population)


def _refuse_others(path: str | Path, origins: dict[str, object], beside: dict[str, Path]) -> None:
    """Refuse files that are not there, or not what a trace was made from."""
    missing = [str(file) for file in beside.values() if not file.is_file()]
    if missing:
        raise InputError(
            f"{path}: its columns are others than this run's, and what they are is not there: no "
            f"{' and no '.join(missing)}; point weights.<scope>.prior at the trace inside the "
            f"folder of its run, or copy these files of that run there, {OR_NONE}"
        )
    digests = record(beside)
    for name, file in beside.items():
        if origins.get(name) != digests[name]:
            raise InputError(
                f"{file}: is not the {name} that {path} was made from, but damaged, of another run "
                f"or remade since; restore that of the trace's run, {OR_NONE}"
            )


def _match(
    path: str | Path,
    trace: Trace,
    beside: dict[str, Path],
    places: Geography,
    population: Path,
) -> Matched:
    wrong = ~(np.isfinite(trace.base) & np.isfinite(trace.dense_factor))
    wrong |= (trace.base < 0.0) | (trace.dense_factor < 0.0)
    if wrong.any():
        raise InputError(
            f"{path}: column {int(np.argmax(wrong))} has no base and dense_factor that weights "
            f"could have; restore it, {OR_NONE}"
        )
    theirs = read_geography(beside["geography"])
    old = _households(beside["population"], beside["geography"], theirs)
    if len(theirs) != len(trace.base):
        raise InputError(
            f"{path}: has {len(trace.base)} columns and {beside['geography']} {len(theirs)}; "
            f"restore both, {OR_NONE}"
        )
    new = _households(population, "this run's geography", places)
    there = match_households(new, old)
    # What has no design weight is in no fit; of given weights its factor is 1 whatever it is.
    base = np.where(theirs.design_weight > 0.0, trace.base, 0.0)
    matched = match_columns(_located(places), _located(theirs), base, trace.dense_factor, there)
    logger.info(
        "prior: %d of %d households are those of %s; columns by %s",
        matched.households, len(new.identity), path,
        ", ".join(f"{level} {count}" for level, count in matched.columns.items()),
    )  # fmt: skip
    if matched.is_empty:
        logger.warning("%s: has no household and no place of this run; the fit begins anew", path)
    return matched


def _households(path: Path, geography: str | Path, places: Geography) -> Households:
    households = Households.of(read_population(path, only=("age",)))
    if len(households.identity) != places.n_households:
        raise InputError(
            f"{path}: has {len(households.identity)} households and {geography} "
            f"{places.n_households}; both must be of one run"
        )
    return households


def _located(places: Geography) -> Located:
    return Located(places.household, places.state, places.district)
