"""Matrix x weights, for all areas at once."""

import numpy as np
import pytest

from localcal.errors import InputError
from localcal.files.csr import open_csr
from localcal.geography.geography import read_geography
from localcal.targets.table import read_targets
from localcal.validation import estimates
from localcal.validation.estimates import estimate_totals, read_estimates
from localcal.validation.totals import rows_of_area
from tests.areas_case import ALABAMA, CITY, FIRST, NATION, estimate_inputs


def dense(run):
    return open_csr(run["matrix"]).matrix().toarray().astype(np.float64)


def read(run, area, path=None):
    rows = rows_of_area(area, read_targets(run["targets"]))
    files = {"targets": run["targets"], "weights": run["weights"]}
    return rows, read_estimates(path or run["estimates"], area, rows, files)


@pytest.mark.parametrize("area", [NATION, ALABAMA, FIRST])
def test_an_area_s_estimates_are_its_rows_times_the_weights(run, area):
    rows, found = read(run, area)
    weights = np.load(run["weights"]).astype(np.float64)
    assert found.estimate == pytest.approx(dense(run)[rows] @ weights, rel=1e-12)
    assert found.mass == pytest.approx(np.abs(dense(run)[rows]) @ weights, rel=1e-12)
    assert found.estimate.any()


def test_a_city_s_estimates_are_those_of_its_columns(run):
    rows, found = read(run, CITY)
    inside = read_geography(run["geography"]).county == b"36001"
    weights = np.load(run["weights"]).astype(np.float64) * inside
    assert found.estimate == pytest.approx(dense(run)[rows] @ weights, rel=1e-12)
    assert found.estimate.any()


def test_how_much_is_in_memory_changes_no_byte(run, tmp_path, monkeypatch):
    monkeypatch.setattr(estimates, "ENTRIES", 100)
    estimate_totals(estimate_inputs(run), [CITY], tmp_path / "again.h5")
    assert (tmp_path / "again.h5").read_bytes() == run["estimates"].read_bytes()


def test_weights_of_another_run_are_refused(run, tmp_path):
    np.save(tmp_path / "weights.npy", np.ones(7, dtype=np.float32))
    inputs = estimate_inputs(run, weights=tmp_path / "weights.npy")
    with pytest.raises(InputError, match=r"weights\.npy: has 7 weights, the matrix 240 columns"):
        estimate_totals(inputs, [], tmp_path / "estimates.h5")


def test_estimates_of_other_weights_or_without_the_area_are_refused(run, tmp_path):
    estimate_totals(estimate_inputs(run), [], tmp_path / "no_city.h5")
    with pytest.raises(InputError, match=r"no_city\.h5"):
        read(run, CITY, tmp_path / "no_city.h5")
    np.save(tmp_path / "weights.npy", np.load(run["weights"]) * 2)
    other = {**run, "weights": tmp_path / "weights.npy"}
    with pytest.raises(InputError, match=r"made from another weights than"):
        read(other, NATION)
