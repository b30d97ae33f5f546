"""What validation makes of area files, on the stand-in model."""

import h5py
import numpy as np
import pytest

import localcal.areas.write
from localcal.errors import InputError
from localcal.targets.table import read_targets
from localcal.validation.compare import summarize_validation, validate_area
from localcal.validation.totals import rows_of_area
from tests.areas_case import ALABAMA, CITY, FIRST, NATION, validated


@pytest.mark.parametrize(
    ("area", "parent"), [(NATION, NATION), (ALABAMA, ALABAMA), (FIRST, ALABAMA), (CITY, CITY)]
)
def test_the_files_say_what_the_matrix_promised(run, tmp_path, area, parent):
    table = validated(run, tmp_path, area, parent)
    assert len(table) == rows_of_area(area, read_targets(run["targets"])).size > 0
    assert (table["simulated"].abs() > 0).sum() > 10
    np.testing.assert_allclose(table["simulated"], table["estimate"], rtol=2e-6, atol=1e-3)


def test_other_weights_than_the_file_s_are_noticed(run, tmp_path):
    weights = np.load(run["weights"])
    weights[np.flatnonzero(weights)[5]] *= 1.01
    np.save(tmp_path / "other.npy", weights)
    with pytest.raises(InputError, match="do not belong together"):
        validated(run, tmp_path, NATION, NATION, tmp_path / "other.npy")


def test_a_record_that_differs_from_the_state_s_is_noticed(run, tmp_path, monkeypatch):
    original = localcal.areas.write._append

    def altered(file, clones, first, totals):
        if file.attrs["level"] == "districts":
            older = clones.values["age"] + (np.arange(clones.count("person")) == 1)
            clones = clones.with_values("person", {"age": older.astype(np.int32)})
        original(file, clones, first, totals)

    monkeypatch.setattr(localcal.areas.write, "_append", altered)
    with pytest.raises(InputError, match=r"AL-01\.h5: 'age' differs from the records"):
        validated(run, tmp_path, FIRST, ALABAMA)


def test_totals_of_another_file_are_refused(run, tmp_path):
    validated(run, tmp_path, ALABAMA, ALABAMA)
    file = tmp_path / "AL.h5"
    with h5py.File(file, "r+") as content:
        content.attrs["note"] = "changed"
    inputs = {name: run[name] for name in ("matrix", "weights", "targets", "geography")}
    inputs |= {"totals": tmp_path / "AL.totals.h5", "parent": file, "area": file}
    with pytest.raises(InputError, match=r"AL\.totals\.h5: not made from"):
        validate_area(ALABAMA, inputs, tmp_path / "AL.csv")


def test_the_summary_counts_rows_and_refuses_a_missing_one(run, tmp_path):
    tables = {}
    for area, parent in ((NATION, NATION), (FIRST, ALABAMA)):
        validated(run, tmp_path, area, parent)
        tables[f"{area.level}/{area.area}"] = tmp_path / f"{area.area}.csv"
    summary = tmp_path / "summary.json"
    summarize_validation(tables, [NATION, FIRST], run["targets"], summary)
    assert '"rows": 36' in summary.read_text()
    lines = tables["districts/AL-01"].read_text().splitlines(keepends=True)
    tables["districts/AL-01"].write_text("".join(lines[:-1]))
    with pytest.raises(InputError, match=r"AL-01\.csv: has 17 rows for 18 targets"):
        summarize_validation(tables, [NATION, FIRST], run["targets"], summary)
