"""The matrix in one call, for notebooks and tests: planned, computed and assembled in one process.

The same kernels on the same files as the workflow's rules, so the same bytes, where numpy was
imported under `localcal.jobs.job.same_arithmetic()`.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pandas as pd

from localcal.clones.freeze import FreezeInputs, freeze_from_files
from localcal.clones.frozen import Frozen, write_frozen
from localcal.clones.locate import GIVEN_PLACES
from localcal.engine.protocol import Engine, load_engine
from localcal.errors import InputError
from localcal.files.csr import CsrFile, open_csr
from localcal.geography.geography import Geography, read_geography, write_geography
from localcal.matrix.assemble import assemble_matrix
from localcal.matrix.chunk import build_chunk
from localcal.matrix.plan import MatrixInputs, read_plan, write_plan
from localcal.population.dataset import write_population
from localcal.population.population import Population
from localcal.targets.table import write_targets


def build_matrix(  # noqa: PLR0913 - keywords that notebooks use
    population: Population | str | Path,
    geography: Geography | str | Path,
    targets: pd.DataFrame | str | Path,
    folder: str | Path,
    *,
    frozen: Frozen | str | Path | None = None,
    take_up: str | Path | None = None,
    seed: int = 0,
    engine: Engine | str = "localcal.engine:PolicyEngineUS",
    chunk_columns: int | None = None,
) -> CsrFile:
    """Return the matrix of targets x columns, written to `folder/matrix.h5`.

    Whatever is given as a file is used where it lies; what is given as an object is written to the
    folder first. Anything of an earlier call in that folder is replaced.

    Args:
        population: the base households.
        geography: the place of every column.
        targets: the targets, one per row, as `targets.parquet` has them.
        folder: where to put plan, shards and matrix; made if it is missing.
        frozen: take-up rates and whole-population variables; computed if left out.
        take_up: the table of take-up rates to freeze, None for none; not together with `frozen`.
        seed: the key of the take-up draws, where `frozen` is computed.
        engine: the model, or its name as `module:Class`.
        chunk_columns: columns per chunk; all at once if left out. It changes no byte.

    Raises:
        InputError: an input is unusable, a target cannot be evaluated, or both `frozen` and
            `take_up` are given.
    """
    if frozen is not None and take_up is not None:
        raise InputError("build_matrix: give either frozen or take_up; frozen holds the rates")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    engine = load_engine(engine) if isinstance(engine, str) else engine
    if isinstance(population, Population):
        population = population.without(engine.place_variables() - set(GIVEN_PLACES))
    population = _as_file(population, folder / "population.h5", write_population)
    geography = _as_file(
        geography, folder / "geography.h5", partial(write_geography, attributes={})
    )
    targets = _as_file(
        targets, folder / "targets.parquet", lambda path, frame: write_targets(frame, path)
    )
    if frozen is None:
        rates = Path(take_up) if take_up else None
        frozen = folder / "frozen.h5"
        freeze_from_files(FreezeInputs(population, geography, targets, rates), seed, engine, frozen)
    else:
        frozen = _as_file(frozen, folder / "frozen.h5", write_frozen)
    inputs = MatrixInputs(population, geography, frozen, targets)
    columns = read_geography(geography).household.size
    if chunk_columns is not None and chunk_columns < 1:
        raise InputError(f"build_matrix: chunk_columns is {chunk_columns}; it has to be at least 1")
    plan_path = folder / "plan.json"
    write_plan(plan_path, inputs, columns, min(chunk_columns or columns, columns))
    shards = []
    for chunk in range(read_plan(plan_path).n_chunks):
        shards.append(folder / f"chunk_{chunk:06}.h5")
        build_chunk(chunk, plan_path, inputs, engine, shards[-1])
    assemble_matrix(plan_path, shards, targets, folder / "matrix.h5", folder / "summary.json")
    return open_csr(folder / "matrix.h5")


def _as_file[T](given: T | str | Path, path: Path, write: Callable[[Path, T], None]) -> Path:
    if isinstance(given, str | Path):
        return Path(given)
    write(path, given)
    return path
