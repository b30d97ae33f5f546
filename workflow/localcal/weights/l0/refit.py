"""What a fit on l0-python's records has to say about l0-python's own weights."""

from dataclasses import replace

import numpy as np

from localcal.files.csr import CsrLike
from localcal.weights.l0.exchange import L0Weights
from localcal.weights.report import FitResult
from localcal.weights.rows import summarize_rows
from localcal.weights.verdicts import scaled_error


def describe_refit(result: FitResult, matrix: CsrLike, raw: L0Weights) -> FitResult:
    """Add to a fit on l0-python's support what l0-python's own weights come to.

    The losses are sums of squared relative errors of the fitted targets.
    """
    table = result.diagnostics
    fitted = (table["role"] == "fitted").to_numpy()
    estimate = summarize_rows(matrix, raw.weights).estimate
    error = scaled_error(estimate, table["harmonized_value"].to_numpy(), table["scale"].to_numpy())
    section = raw.origin | {
        "records": int(np.count_nonzero(raw.weights)),
        "loss_before_refit": float(np.sum(error[fitted] ** 2)),
        "loss_after_refit": result.report["loss"],
    }
    return replace(result, report=result.report | {"l0": section})
