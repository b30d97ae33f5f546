"""The matrix as the package that PolicyEngine's calibration tools read.

A pickle of one dictionary with a JSON file of its metadata beside it. Columns are in the order of
those tools, `clone * n_households + household`. Everything is in memory at once, as it is for who
reads it.
"""

import json
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse

from localcal.files.atomic import atomic_path
from localcal.files.csr import open_csr
from localcal.files.documents import read_json
from localcal.files.origins import record, refuse_other_files
from localcal.geography.geography import Geography, clone_order, read_geography
from localcal.targets.table import as_databases_spell, read_targets

TARGET_COLUMNS = [
    "target_id",
    "stratum_id",
    "variable",
    "reform_id",
    "value",
    "period",
    "geo_level",
    "geographic_id",
    "domain_variable",
    "original_value",
    "uprating_factor",
]
# The newest that every Python of those tools reads.
PROTOCOL = 4


@dataclass(frozen=True)
class PackageInputs:
    """What a package is made from."""

    run: Path
    matrix: Path
    targets: Path
    geography: Path
    population: Path
    database: Path


def export_package(
    inputs: PackageInputs, settings: Mapping[str, Any], package: Path, metadata: Path
) -> None:
    """Write the package and its metadata.

    Args:
        inputs: files of one run.
        settings: seed, chunk_columns and the rules that chose the targets.
        package: the pickle to write, renamed last.
        metadata: the JSON file to write.

    Raises:
        InputError: a file is damaged, or the matrix was made from others than these.
    """
    csr = open_csr(inputs.matrix)
    made_from = {name: getattr(inputs, name) for name in ("targets", "geography", "population")}
    digests = refuse_other_files(inputs.matrix, csr.attributes, made_from)
    digests |= record({"database": inputs.database})
    places, targets = read_geography(inputs.geography), read_targets(inputs.targets)
    order = clone_order(places)
    about = _metadata(inputs, settings, places, digests)
    content = {
        "X_sparse": reordered(csr.matrix(), order),
        "targets_df": _frame(targets),
        "target_names": targets["name"].tolist(),
        "metadata": about,
        "initial_weights": places.design_weight[order].astype(np.float64),
        "cd_geoid": places.district[order].astype(str),
        "block_geoid": places.block[order].astype("U15"),
    }
    # Not as files of the run are written: those carry a seal, which is no part of this layout.
    with atomic_path(metadata) as part:
        part.write_text(json.dumps(about, indent=2) + "\n")
    with atomic_path(package) as part, part.open("wb") as file:
        pickle.dump(content, file, protocol=PROTOCOL)


def reordered(matrix: scipy.sparse.csr_array, order: np.ndarray) -> scipy.sparse.csr_matrix:
    """Return a matrix with its columns in another order, column indices sorted in every row.

    Args:
        matrix: (m, n).
        order: (n,) the column of `matrix` at each position.
    """
    position = np.empty(order.size, dtype=matrix.indices.dtype)
    position[order] = np.arange(order.size, dtype=position.dtype)
    found = scipy.sparse.csr_matrix(
        (matrix.data.copy(), position[matrix.indices], matrix.indptr), shape=matrix.shape
    )
    found.has_sorted_indices = False
    found.sort_indices()
    return found


def _frame(targets: pd.DataFrame) -> pd.DataFrame:
    frame = as_databases_spell(targets)[TARGET_COLUMNS]
    # Plain objects: pandas' own texts are pickled in ways that older versions do not read.
    texts = frame.select_dtypes(exclude="number").columns
    return frame.astype(dict.fromkeys(texts, object))


def _metadata(
    inputs: PackageInputs,
    settings: Mapping[str, Any],
    places: Geography,
    digests: Mapping[str, str],
) -> dict[str, Any]:
    """Return what those tools print before they use a package; what does not apply here is null."""
    run = read_json(inputs.run, ("created", "run_id"))
    rules = {name: settings[name] for name in ("include", "exclude")}
    return {
        "dataset_path": str(inputs.population),
        "db_path": str(inputs.database),
        "n_clones": places.n_clones,
        "n_records": int(places.household.size),
        "base_n_records": places.n_households,
        "seed": settings["seed"],
        "created_at": run["created"],
        "target_config_path": json.dumps(rules) if any(rules.values()) else None,
        "package_scope": "minimal",
        "matrix_builder": "localcal",
        "chunk_size": settings["chunk_columns"],
        "chunk_dir": None,
        "git_commit": None,
        "git_branch": None,
        "git_dirty": None,
        "package_version": version("localcal"),
        "dataset_sha256": digests["population"],
        "db_sha256": digests["database"],
        "target_config_sha256": None,
        "run_id": run["run_id"],
    }
