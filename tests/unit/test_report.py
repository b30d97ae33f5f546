"""The report's tables and pictures."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from localcal.report import errors_by_area, read_fit, worst_targets, write_report


@pytest.fixture
def fit(tmp_path):
    """A fit of four targets, three of them aimed at."""
    targets = pd.DataFrame(
        {
            "name": ["a", "b", "c", "d"],
            "geo_level": ["national", "state", "state", "district"],
            "geographic_id": ["US", "6", "6", "601"],
            "variable": ["snap", "snap", "person_count", "snap"],
            "domain_variable": ["snap", "snap", "", "snap"],
            "state": ["met", "missed", "met", "thin"],
            "harmonized_value": [10.0, 10.0, 10.0, 10.0],
            "final_estimate": [10.0, 5.0, 11.0, 90.0],
            "rel_error": [0.0, -0.5, 0.1, 8.0],
            "columns": [5, 5, 5, 1],
        }
    )
    targets.to_csv(tmp_path / "diagnostics.csv", index=False)
    report = {"n_targets": 4, "n_fitted": 3, "sweeps": 9, "stopped_by": "tolerance", "rms_gap": 0.1}
    (tmp_path / "fit.json").write_text(json.dumps(report))
    np.save(tmp_path / "weights.npy", np.array([0, 1, 2, 5], dtype=np.float32))
    names = ("fit.json", "diagnostics.csv", "weights.npy")
    return read_fit("local", *(tmp_path / name for name in names))


@pytest.fixture
def simulated():
    """Two areas; the city has no targets of its own."""
    return pd.DataFrame(
        {
            "level": ["states", "states", "cities"],
            "area": ["CA", "CA", "NYC"],
            "target": [10.0, 20.0, np.nan],
            "simulated": [11.0, 15.0, 3.0],
            "rel_error": [0.1, -0.25, np.nan],
            "sane": [True, False, True],
        }
    )


def test_the_worst_are_the_fitted_targets_missed_most(fit):
    table = worst_targets([fit])
    assert list(table["name"]) == ["b", "c", "a"]
    assert set(table["scope"]) == {"local"}


def test_errors_are_summed_up_by_area(simulated):
    table = errors_by_area(simulated).set_index("area")
    assert table.loc["CA", "median_abs_rel_error"] == pytest.approx(0.175)
    assert table.loc["CA", "largest_abs_rel_error"] == pytest.approx(0.25)
    assert list(table["targets"]) == [2, 0]
    assert list(table["insane"]) == [1, 0]


def write(folder: Path, fit, simulated: pd.DataFrame) -> dict[str, Path]:
    """Write a report and return its files."""
    folder.mkdir()
    for area, rows in simulated.groupby("area"):
        rows.to_csv(folder / f"{area}.csv", index=False)
    (folder / "validation.json").write_text('{"areas": 2, "rows": 3, "insane": ["CA/b"]}')
    (folder / "matrix.json").write_text('{"shape": [4, 4], "nnz": 9, "impossible": []}')
    names = ("errors.png", "weights.png", "simulated.png", "worst.csv", "areas.csv", "index.html")
    outputs = {Path(name).stem: folder / name for name in names}
    write_report(
        [fit, fit],
        [folder / "CA.csv", folder / "NYC.csv"],
        folder / "validation.json",
        folder / "matrix.json",
        outputs,
    )
    return outputs


def test_pictures_tables_and_page_are_written_and_come_out_the_same_twice(tmp_path, fit, simulated):
    first = write(tmp_path / "first", fit, simulated)
    second = write(tmp_path / "second", fit, simulated)
    for name, path in first.items():
        assert path.stat().st_size > 0
        assert path.read_bytes() == second[name].read_bytes(), name
    page = first["index"].read_text()
    assert page.count("data:image/png;base64,") == 3
    assert "1 totals beyond what is possible" in page
