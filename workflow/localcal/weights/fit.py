"""Fit weights to targets: from matrix, targets and columns to weights and all there is to say.

1. The levels are made to agree (`localcal.weights.harmonize`).
2. Design weights are scaled by one factor, so that the median target / estimate is 1.
3. Targets that no weights within the bounds can reach, that too few columns carry, or that are
   zero, are left out or merged, and listed (`localcal.weights.preparation`).
4. Bounded coordinate descent (`localcal.weights.descent`) along a falling penalty, with all
   records or with a draw of them (`localcal.weights.solver`).
5. Every target, every area and the weights are described (`localcal.weights.diagnostics`).
"""

import io
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from localcal.errors import InputError
from localcal.files.atomic import atomic_path, sha256_file, write_json
from localcal.files.csr import CsrFile, CsrLike
from localcal.files.origins import record
from localcal.geography.geography import Geography
from localcal.targets.table import read_targets
from localcal.timing import WRITE, phase
from localcal.weights.checkpoint import Checkpoint
from localcal.weights.columns import Columns
from localcal.weights.firm import ContradictionError, firmed, refuse_contradictions
from localcal.weights.given import read_given_weights
from localcal.weights.l0.exchange import read_l0_weights
from localcal.weights.l0.refit import describe_refit
from localcal.weights.matching import Matched
from localcal.weights.penalty import MIDDLE, choose_penalty
from localcal.weights.pose import check_input, content_of, open_matrix
from localcal.weights.preparation import (
    Preparation,
    make_problem,
    prepare,
)
from localcal.weights.prior import read_prior
from localcal.weights.report import FitResult, describe_fit, describe_given
from localcal.weights.settings import Settings
from localcal.weights.solver import Prior, Start, solve
from localcal.weights.trace import Trace, write_trace

# Of targets that contradict each other, so many are named.
NAMED = 10


def fit_weights(
    matrix: CsrLike,
    targets: pd.DataFrame,
    columns: Columns,
    settings: Settings,
    seed: int,
    prior: Trace | Matched | None = None,
    checkpoint: Checkpoint | None = None,
    support: np.ndarray | None = None,
) -> FitResult:
    """Fit one weight per column to the targets.

    Args:
        matrix: CSR (m x J), float32; its arrays may be memory maps.
        targets: targets.parquet, m rows in the order of the matrix.
        columns: what is known about the J columns.
        settings: see `Settings`.
        seed: the run's seed; the same inputs and seed give the same bytes.
        prior: another fit of the same columns and number of records to begin from: its factors
            and its selection take the place of the first stages. Or what a fit of other columns
            says about these: where the fit of all records begins.
        checkpoint: where to keep, and perhaps find, how far the fit has come; the bytes are the
            same with and without.
        support: columns to keep and no others, bool (J,) or column numbers; None = as `settings`
            say. The probability of a kept record is then its district's share of kept weight.

    Raises:
        InputError: nothing that could be fitted, or input that contradicts itself.
    """
    check_input(matrix, targets, columns, settings)
    if support is not None:
        if prior is not None:
            raise InputError("weights.prior: a fit of given records has no other to begin from")
        support = _checked_support(support, columns, settings)
    prepared = prepare(matrix, targets, columns, settings, seed)
    known = None if prior is None else _as_prior(prior, prepared, settings)
    problem = make_problem(matrix, prepared, columns, settings)
    chosen = None if support is None else support[prepared.records]
    try:
        refuse_contradictions(problem)
        problem = firmed(problem, problem.pull(MIDDLE))
        penalty, path = choose_penalty(problem, prepared.equations.identity, settings, seed)
        fitted = solve(problem, settings, penalty, seed, known, checkpoint, chosen)
    except ContradictionError as error:
        raise InputError(_contradiction(error, prepared, targets, settings)) from error
    del problem
    result = describe_fit(matrix, targets, columns, settings, seed, prepared, fitted, path)
    if prior is not None:
        result = replace(result, report=result.report | {"prior": _described(prior)})
    return result


def _contradiction(
    error: ContradictionError, prepared: Preparation, targets: pd.DataFrame, settings: Settings
) -> str:
    equations = prepared.equations
    rows = np.flatnonzero(np.isin(equations.slot, error.equations))
    names = [
        f"{name} ({value:.10g})"
        for name, value in zip(
            targets["name"].to_numpy()[rows], prepared.harmonized.values[rows], strict=True
        )
    ]
    kept = "" if settings.records == "all" else f" of {settings.records} kept records"
    return (
        f"weights.groups: exact: no weights{kept} within the bounds {list(settings.bounds)} meet "
        f"these {len(names)} targets at once: {', '.join(names[:NAMED])}"
        f"{', ...' if len(names) > NAMED else ''}; take exact from one of them, correct it, widen "
        f"the bounds{', keep more records' if kept else ''}"
    )


@dataclass(frozen=True)
class FitInputs:
    """The files that a fit is made from."""

    matrix: Path
    targets: Path
    geography: Path
    l0: Path | None = None
    """What l0-python made of the problem, where the settings ask for that."""
    prior: Path | None = None
    """The trace of another fit to begin from."""
    population: Path | None = None
    """This run's households, where it begins from a fit of other columns."""
    given: Path | None = None
    """Weights to take instead of fitting any, where the settings ask for that."""


@dataclass(frozen=True)
class FitOutputs:
    """The files of a fit."""

    fit: Path
    diagnostics: Path
    areas: Path
    trace: Path
    weights: Path
    """Written last: area files depend on it."""


def fit_from_files(
    inputs: FitInputs, outputs: FitOutputs, settings: Settings, seed: int, made_from: object
) -> None:
    """Fit weights and write everything about them; goes on where an earlier try was cut off.

    Or take given ones, with `method: given`.

    Args:
        inputs: the files read.
        outputs: the files written.
        settings: see `Settings`.
        seed: the run's.
        made_from: JSON-ready description of all else that decides the result.

    Raises:
        InputError: see `fit_weights`; or files that do not belong together.
    """
    matrix, places = open_matrix(inputs.matrix, inputs.targets, inputs.geography)
    if settings.method == "given":
        _take_given(inputs, outputs, matrix, places, settings, seed)
        return
    raw = prior = None
    if inputs.l0 is not None:
        raw = read_l0_weights(inputs.l0, matrix.shape[1], content_of(matrix))
    if inputs.prior is not None:
        geography = str(matrix.attributes["geography"])
        prior = read_prior(inputs.prior, geography, places, inputs.population)
    others = {name: path for name, path in vars(inputs).items() if name in ("l0", "prior") and path}
    checkpoint = Checkpoint(
        outputs.weights.with_name("checkpoint.npz"),
        [made_from, matrix.attributes, record(others)],
    )
    result = fit_weights(
        matrix=matrix,
        targets=read_targets(inputs.targets),
        columns=Columns.at(places),
        settings=settings,
        seed=seed,
        prior=prior,
        checkpoint=checkpoint,
        support=raw.support if raw else None,
    )
    if raw:
        result = describe_refit(result, matrix, raw)
    write_fit(result, matrix.origins(), outputs)
    checkpoint.remove()


def _take_given(
    inputs: FitInputs,
    outputs: FitOutputs,
    matrix: CsrFile,
    places: Geography,
    settings: Settings,
    seed: int,
) -> None:
    """Write given weights and everything about them, as those of a fit are written."""
    if inputs.given is None:
        raise InputError("weights.<scope>.path: names no file, but method: given needs one")
    weights = read_given_weights(inputs.given, places)
    targets, columns = read_targets(inputs.targets), Columns.at(places)
    check_input(matrix, targets, columns, settings)
    prepared = prepare(matrix, targets, columns, settings, seed)
    result = describe_given(matrix, targets, columns, settings, seed, prepared, weights)
    write_fit(result, matrix.origins(), outputs)


def _checked_support(support: np.ndarray, columns: Columns, settings: Settings) -> np.ndarray:
    """Return a support as bool (J,)."""
    n_columns = len(columns.design_weight)
    support = np.asarray(support)
    if support.dtype != bool:
        if support.ndim != 1 or (
            len(support) and not 0 <= support.min() <= support.max() < n_columns
        ):
            raise InputError(
                f"support: column numbers must be within 0..{n_columns - 1}; both must come from "
                "the same run"
            )
        numbers, support = support, np.zeros(n_columns, dtype=bool)
        support[numbers] = True
    if support.shape != (n_columns,):
        raise InputError(
            f"support: it has shape {support.shape} but the matrix has {n_columns} columns; both "
            "must come from the same run"
        )
    if not support.any() or (columns.design_weight[support] == 0.0).any():
        raise InputError(
            "support: it must hold at least one column, and none without design weight"
        )
    if settings.records not in ("all", int(support.sum())):
        raise InputError(
            f"weights.records: {settings.records} asked for, but the support holds "
            f"{int(support.sum())} columns; ask for 'all'"
        )
    return support


@phase(WRITE)
def write_fit(result: FitResult, origins: Mapping[str, object], outputs: FitOutputs) -> None:
    """Write everything about a fit, the weights last.

    Area files depend on the weights; the report holds their digest, those of trace and tables,
    and those of what the weights were fitted to.

    Args:
        result: of `fit_weights`.
        origins: what the matrix was made from, by name.
        outputs: the files to write.
    """
    with atomic_path(outputs.weights) as part:
        # Through memory: NumPy's own writer does not say when the disk is full.
        content = io.BytesIO()
        np.save(content, result.weights)
        part.write_bytes(content.getvalue())
        digests = {**origins, "weights": sha256_file(part)}
        write_trace(result.trace, digests, outputs.trace)
        for table, path in (
            (result.diagnostics, outputs.diagnostics),
            (result.areas, outputs.areas),
        ):
            with atomic_path(path) as table_part:
                table.to_csv(table_part, index=False)
        beside = {name: getattr(outputs, name) for name in ("trace", "diagnostics", "areas")}
        write_json(outputs.fit, result.report | {"digests": digests | record(beside)})


def _as_prior(prior: Trace | Matched, prepared: Preparation, settings: Settings) -> Start | None:
    """Return where the records begin; None where the other fit says nothing about any."""
    records = prepared.records
    if isinstance(prior, Matched):
        return None if prior.is_empty else Start(prior.dense_factor[records])
    kept = int(np.count_nonzero(prior.factor))
    wanted = len(records) if settings.records == "all" else settings.records
    if kept != wanted or np.count_nonzero(prior.factor[records]) != kept:
        raise InputError(
            f"weights.prior: that fit keeps {kept} columns, this one {wanted}; start from one "
            "with as many, or set prior to null"
        )
    return Prior(prior.dense_factor[records], prior.probability[records], prior.factor[records])


def _described(prior: Trace | Matched) -> dict[str, object]:
    """Return what fit.json says about where the fit began."""
    if not isinstance(prior, Matched):
        return {"households": None, "matched": None}
    return {"households": prior.households, "matched": prior.columns}
