"""A small problem with the weights that R's package survey calibrates.

`r_survey/calibrate.R` says how they are made, the first line of `r_survey/weights.csv` by which
versions, within the bounds BOUNDS where a way has bounds. The records are made up; for each way
some come to a bound.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import scipy.sparse

from tests.fit_case import Case

FOLDER = Path(__file__).parent / "r_survey"
SCRIPT = FOLDER / "calibrate.R"
BOUNDS = (0.55, 1.7)
UNBOUNDED = (1e-9, 1e9)

# What each of R's ways is called here. Its bounds on least squares must be above 0 here, and those
# of `linear` are not met.
WAYS = {
    "linear": ("least_squares", UNBOUNDED),
    "linear_bounded": ("least_squares", BOUNDS),
    "raking": ("raking", UNBOUNDED),
    "raking_bounded": ("raking", BOUNDS),
    "logit": ("logit", BOUNDS),
}
EXACT = ({"geo_level": "nation", "exact": True},)


def r_case() -> Case:
    """The problem as a fit takes it: one total is met at once, so that the base stays as it is."""
    records, totals = (pd.read_csv(FOLDER / name) for name in ("records.csv", "totals.csv"))
    return national_case(
        records["base"].to_numpy(), records[list(totals)].to_numpy(), totals.iloc[0]
    )


def national_case(base: np.ndarray, values: np.ndarray, totals: pd.Series) -> Case:
    """National totals (m) of values (n, m) of records that are households of their own."""
    number = np.arange(len(totals))
    targets = pd.DataFrame(
        {
            "geo_level": "nation", "geographic_id": "US", "variable": totals.index,
            "domain_variable": "", "constraints": "[]", "value": totals.to_numpy(np.float64),
            "reform_id": 0, "tolerance": np.nan, "target_id": number, "name": totals.index,
        }
    )  # fmt: skip
    household = np.arange(len(base), dtype=np.int32)
    place = np.ones(len(base), dtype=np.int32)
    matrix = scipy.sparse.csr_array(values.T.astype(np.float32))
    return Case(matrix, targets, base, household, place, place * 101)


def r_weights() -> pd.DataFrame:
    """R's weights, a column per way."""
    return pd.read_csv(FOLDER / "weights.csv", comment="#")
