"""An area's replicate weights, beside its dataset."""

from dataclasses import replace

import h5py
import numpy as np
import pytest

from localcal.areas.replicates import AreaReplicateInputs, write_area_replicates
from localcal.errors import InputError
from localcal.files.origins import record
from localcal.files.replicates import write_replicates
from localcal.geography.areas import Area
from tests.areas_case import ALABAMA, FIRST, written


@pytest.fixture
def inputs(run, tmp_path):
    """Replicates in which the weight of column j in replicate k is its own times k + 2."""
    weights = np.load(run["weights"])
    # In another order than the matrix, as a fit has them.
    kept = np.flatnonzero(weights)[::-1].copy()
    made = [(weights[kept] * (number + 2), 3, 0.001) for number in range(2)]
    path = tmp_path / "replicates.h5"
    about = record({name: run[name] for name in ("population", "geography")})
    about |= {"method": "bootstrap", "variance_factor": 0.5, "n_columns": len(weights)}
    write_replicates(kept, made, 2, about, path)
    return AreaReplicateInputs(run["population"], run["geography"], run["weights"], path)


@pytest.mark.parametrize("area", [ALABAMA, FIRST])
def test_they_have_the_households_of_the_dataset_in_its_order(run, inputs, tmp_path, area):
    path = tmp_path / f"{area.area}_replicates.h5"
    write_area_replicates(area, inputs, path)
    with h5py.File(path) as file, h5py.File(written(run, tmp_path, area)) as dataset:
        names = ["household_id", "household_weight"]
        reps = ["household_weight_rep_001", "household_weight_rep_002"]
        assert sorted(file) == sorted(names + reps)
        for name in names:
            assert np.array_equal(file[f"{name}/2024"][:], dataset[f"{name}/2024"][:])
            assert file[f"{name}/2024"].dtype == dataset[f"{name}/2024"].dtype
        weight = dataset["household_weight/2024"][:]
        for times, name in enumerate(reps, start=2):
            assert np.array_equal(file[f"{name}/2024"][:], weight * times)
        assert (file.attrs["method"], file.attrs["variance_factor"]) == ("bootstrap", 0.5)


def test_an_area_of_nobody_and_replicates_of_another_run_are_refused(inputs, tmp_path):
    nowhere = Area("district", "AL-09", "Alabama 9", "109", 1, ())
    with pytest.raises(InputError, match="AL-09: no household has a positive weight"):
        write_area_replicates(nowhere, inputs, tmp_path / "out.h5")
    other = tmp_path / "weights.npy"
    weights = np.load(inputs.weights)
    weights[np.flatnonzero(weights == 0)[:30]] = 1.0
    np.save(other, weights)
    with pytest.raises(InputError, match="of a fit that keeps other columns"):
        write_area_replicates(ALABAMA, replace(inputs, weights=other), tmp_path / "out.h5")
    np.save(other, weights[:-1])
    with pytest.raises(InputError, match="weights.npy: has 239 weights, its fit in .* 240 columns"):
        write_area_replicates(ALABAMA, replace(inputs, weights=other), tmp_path / "out.h5")
    with h5py.File(inputs.replicates, "a") as file:
        file.attrs["geography"] = "0" * 64
    with pytest.raises(InputError, match="geography"):
        write_area_replicates(ALABAMA, inputs, tmp_path / "out.h5")
    assert not (tmp_path / "out.h5").exists()
