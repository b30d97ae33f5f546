"""Files to l0-python and back."""

import h5py
import numpy as np
import pytest

from localcal.errors import InputError
from localcal.weights.fit import fit_weights
from localcal.weights.l0.exchange import ABOUT, read_l0_weights
from localcal.weights.settings import Settings
from tests.fit_case import MATRIX, make_case, pose


def test_the_problem_file_holds_the_scaled_rows_the_goal_and_the_start(tmp_path):
    case = make_case(1)
    weight = case.design_weight.copy()
    weight[::4] = 0.0
    case.design_weight = weight
    columns = pose(case, tmp_path / "problem.h5")
    assert sorted(columns) == np.flatnonzero(weight).tolist()
    report = fit_weights(**case.arguments(), settings=Settings(), seed=0)
    with h5py.File(tmp_path / "problem.h5") as file:
        arrays = {name: file[name][:] for name in file}
    np.testing.assert_allclose(arrays["base"], weight[columns] * report.report["base_factor"])
    # The relative errors at the start, weighted by the size of the targets' groups.
    entry = arrays["data"] * np.repeat(arrays["base"], np.diff(arrays["indptr"]))
    product = np.bincount(arrays["indices"], entry, len(arrays["goal"]))
    table = report.diagnostics
    base_error = table["base_estimate"] / table["harmonized_value"] - 1.0
    expected = np.sqrt(table["rho"]) * -base_error
    np.testing.assert_allclose(arrays["goal"] - product, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("weights", "columns", "message"),
    [
        ([1.0, np.nan], [0, 1], "not finite"),
        ([1.0, -1.0], [0, 1], "not finite"),
        ([0.0, 0.0], [0, 1], "keeps no record; lower weights.<scope>.l0.lambda_l0"),
        ([1.0, 1.0], [0, 600], "another matrix"),
    ],
)
def test_useless_weights_are_refused(tmp_path, weights, columns, message):
    with h5py.File(tmp_path / "weights.h5", "w") as file:
        file["weights"], file["columns"] = np.array(weights, dtype=np.float32), columns
        file.attrs.update(MATRIX | dict.fromkeys(ABOUT, 0))
    with pytest.raises(InputError, match=message):
        read_l0_weights(tmp_path / "weights.h5", 600, MATRIX)
