"""The summary of all areas' validation."""

import json

import numpy as np
import pandas as pd
import pytest

from localcal.errors import InputError
from localcal.geography.areas import Area
from localcal.targets.table import read_targets
from localcal.validation.across import Comparisons
from localcal.validation.summary import SummaryOutputs, summarize_validation
from localcal.validation.totals import rows_of_area
from tests.areas_case import ALABAMA, CITY, FIRST, NATION, validated


def summarize(run, folder, tables, areas, files=None):
    files = files or Comparisons({}, None, {}, run["targets"])
    names = {"districts": "districts.csv", "states": "states.csv", "summary": "summary.json"}
    outputs = SummaryOutputs(**{name: folder / file for name, file in names.items()})
    summarize_validation(tables, areas, files, outputs)


def test_the_summary_counts_rows_and_refuses_a_missing_one(run, tmp_path):
    tables = {}
    for area, parent in ((NATION, NATION), (FIRST, ALABAMA)):
        validated(run, tmp_path, area, parent)
        tables[f"{area.folder}/{area.area}"] = tmp_path / f"{area.area}.csv"
    summarize(run, tmp_path, tables, [NATION, FIRST])
    assert '"rows": 36' in (tmp_path / "summary.json").read_text()
    lines = tables["districts/AL-01"].read_text().splitlines(keepends=True)
    tables["districts/AL-01"].write_text("".join(lines[:-1]))
    with pytest.raises(InputError, match=r"AL-01\.csv: has 17 rows for 18 targets"):
        summarize(run, tmp_path, tables, [NATION, FIRST])


def test_the_summary_says_how_large_errors_are_and_where(run, tmp_path):
    targets = read_targets(run["targets"])
    errors = {"AL": 0.1, "CA": -0.3, "US": 0.0, "NYC": np.nan}
    areas = [NATION, ALABAMA, Area("state", "CA", "California", "6", 6, ()), CITY]
    tables = {}
    for area in areas:
        rows = rows_of_area(area, targets)
        error = np.full(rows.size, errors[area.area])
        if area.area == "AL":
            error[0] = 7.0
        if area.area == "CA":
            error[5] = np.nan  # as for a target of zero
        table = pd.DataFrame({"level": area.level, "area": area.area, "rel_error": error})
        table["name"] = targets["name"].to_numpy()[rows]
        table["sane"] = error != 7.0
        tables[f"{area.folder}/{area.area}"] = tmp_path / f"{area.area}.csv"
        table.to_csv(tables[f"{area.folder}/{area.area}"], index=False)
    summarize(run, tmp_path, tables, areas)
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert (summary["areas"], summary["rows"]) == (4, 72)
    first = targets["name"].iloc[rows_of_area(ALABAMA, targets)[0]]
    assert summary["insane"] == [f"AL/{first}"]
    assert summary["levels"]["city"] == {"rows": 18, "with_target": 0}
    states = summary["levels"]["state"]
    assert (states["rows"], states["with_target"]) == (36, 35)
    assert states["median_abs_rel_error"] == pytest.approx(0.3)
    assert states["p90_abs_rel_error"] == pytest.approx(0.3)
    assert states["largest_abs_rel_error"] == 7.0
    assert states["mean_rel_error"] == pytest.approx((17 * 0.1 + 7.0 - 17 * 0.3) / 35)
    assert states["worst_areas"] == [
        {"area": "CA", "median": pytest.approx(0.3)},
        {"area": "AL", "median": pytest.approx(0.1)},
    ]
    assert summary["levels"]["nation"]["worst_areas"] == [{"area": "US", "median": 0.0}]
