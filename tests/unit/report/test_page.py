"""The report's tables and pictures."""

import html
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from localcal.report.fits import read_fit
from localcal.report.page import write_report
from localcal.report.tables import errors_by_area, families, worst_targets
from localcal.weights.fit import FitOutputs, write_fit
from tests.fit_case import make_case


@pytest.fixture
def fit(tmp_path):
    """A fit whose worst state target is 90 % off, with a group held out."""
    case = make_case()
    targets = case.targets.assign(tolerance=np.nan)
    targets.loc[0, "value"] *= 1.9
    held_out = {"geo_level": "district", "variable": "adjusted_gross_income", "hold_out": True}
    result = replace(case, targets=targets).fit(groups=(held_out,), records=150, harmonize=False)
    names = ("fit.json", "diagnostics.csv", "areas.csv", "trace.h5", "weights.npy")
    outputs = {Path(name).stem: tmp_path / name for name in names}
    write_fit(result, {}, FitOutputs(**outputs))
    return read_fit("local", tmp_path)


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
    assert len(table) == 20 and set(table["scope"]) == {"local"}
    assert table["rel_error"].abs().is_monotonic_decreasing
    fitted = fit.targets[fit.targets["role"] == "fitted"]
    assert table["rel_error"].abs().max() == fitted["rel_error"].abs().max() > 0.05


def test_families_show_held_out_targets_beside_fitted_ones_and_the_start(fit):
    table = families([fit])
    assert set(table["role"]) == {"fitted", "held_out"}
    row = table[table["role"] == "held_out"].iloc[0]
    assert row["geo_level"] == "district" and row["count"] == 6
    assert row["median"] > 0 and row["base_median"] > 0


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
    names = ("errors.png", "sizes.png", "weights.png", "simulated.png", "families.csv")
    names += ("worst.csv", "areas.csv", "index.html")
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
    assert page.count("data:image/png;base64,") == 4
    assert "1 totals beyond what is possible" in page
    for line in fit.report["findings"]:
        assert html.escape(line) in page
