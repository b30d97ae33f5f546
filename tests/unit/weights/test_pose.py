"""Input of a fit that is refused before anything is computed."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.optimize
import scipy.sparse

from localcal.errors import InputError
from tests.fit_case import Case, make_case


def spoil(case: Case, what: str) -> Case:
    """Return `case` with one thing wrong."""
    if what == "NaN target":
        return replace(case, targets=case.targets.assign(value=np.nan))
    if what == "negative target":
        return replace(case, targets=case.targets.assign(value=-case.targets["value"]))
    if what == "missing target":
        return replace(case, targets=case.targets[1:])
    if what == "empty matrix":
        return replace(case, matrix=scipy.sparse.csr_array(case.matrix.shape, dtype=np.float32))
    if what == "short state":
        return replace(case, state=case.state[1:])
    if what == "NaN weight":
        return replace(case, design_weight=np.where(case.household == 1, np.nan, 1.0))
    if what == "negative weight":
        return replace(case, design_weight=-case.design_weight)
    if what == "no weight":
        return replace(case, design_weight=0.0 * case.design_weight)
    if what == "NaN entry":
        matrix = case.matrix.copy()
        matrix.data[5] = np.nan
        return replace(case, matrix=matrix)
    return replace(case, targets=case.targets.assign(value=0.0))


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("NaN target", "not a finite number"),
        ("negative target", "no column contributes a negative amount"),
        ("missing target", "50 rows but there are 49 targets"),
        ("empty matrix", "no entry in any row"),
        ("short state", r"state: it has shape \(599,\)"),
        ("NaN weight", "design_weight: weights must be finite"),
        ("negative weight", "design_weight"),
        ("no weight", "design_weight"),
        ("NaN entry", "NaN or infinite entry"),
        ("zero targets", "none left to fit.*50 zero"),
    ],
)
def test_bad_input_is_refused_with_its_reason(what, message):
    with pytest.raises(InputError, match=message) as caught:
        spoil(make_case(14), what).fit()
    assert "\n" not in str(caught.value) and ";" in str(caught.value)
