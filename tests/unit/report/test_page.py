"""The report's page, with its pictures and tables."""

import html
import json
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from localcal.errors import InputError
from localcal.files.atomic import write_json
from localcal.files.origins import record
from localcal.report.named import finding_in_words, names
from localcal.report.page import ReportInputs, ReportOutputs, write_report
from tests.unit.report.test_document import Page


def write(folder: Path, fit, simulated: pd.DataFrame, errors=()) -> dict[str, Path]:
    """Write a report and return its files."""
    folder.mkdir()
    tables = {}
    for (level, area), rows in simulated.groupby(["level", "area"], sort=False):
        tables[f"{level}/{area}"] = folder / level / f"{area}.csv"
        tables[f"{level}/{area}"].parent.mkdir()
        rows.to_csv(tables[f"{level}/{area}"], index=False)
    states = folder / "states.csv"
    states.write_text(
        "area,name,target_value,national_file,state_file,rel_difference\n"
        "CA,households,,14.9,15.5,-0.0387\n"
        "CA,persons,,39.0,40.0,-0.025\n"
        "CA,state_6/snap,3.0,2.0,4.0,-0.5\n"
    )
    summary = {"areas": 2, "rows": 3, "insane": ["CA/b"], "simulated_districts": ["CA-12"]}
    summary["digests"] = record(tables | {"states": states})
    write_json(folder / "validation.json", summary)
    (folder / "matrix.json").write_text('{"shape": [4, 4], "nnz": 9, "impossible": []}')
    names = ("errors.png", "sizes.png", "weights.png", "simulated.png", "families.csv")
    names += ("worst.csv", "totals.csv", "areas.csv", "index.html")
    outputs = {Path(name).stem: folder / name for name in names}
    write_report(
        [fit, replace(fit, scope="national")],
        ReportInputs(
            list(tables.values()),
            folder / "validation.json",
            states,
            folder / "matrix.json",
            errors,
        ),
        ReportOutputs(**outputs),
    )
    return outputs


def test_pictures_tables_and_page_are_written_and_come_out_the_same_twice(tmp_path, fit, simulated):
    first = write(tmp_path / "first", fit, simulated)
    second = write(tmp_path / "second", fit, simulated)
    for name, path in first.items():
        assert path.stat().st_size > 0
        assert path.read_bytes() == second[name].read_bytes(), name
    page = first["index"].read_text()
    assert page.count("data:image/png;base64,") == 6
    assert "How the penalty was chosen" in page
    assert ">distance</th>" in page and "least squares" in page
    assert "CA-12" in page
    assert "1 totals beyond what is possible" in page
    for line in fit.report["findings"]:
        assert html.escape(finding_in_words(line, names(fit.targets))) in page
    assert "How sure" not in page


def test_margins_are_shown_where_there_are_replicates(tmp_path, fit, simulated):
    path = tmp_path / "local" / "standard_errors.csv"
    path.parent.mkdir()
    targets = fit.targets[["name", "geo_level", "variable"]].assign(kind="target")
    errors = targets.assign(estimate=100.0, margin_90=12.25)
    errors.to_csv(path, index=False)
    simulated["name"] = [*errors["name"][:2], errors["name"][0]]
    outputs = write(tmp_path / "report", fit, simulated, [path])
    page = outputs["index"].read_text()
    assert "How sure" in page and "12\u00a0%" in page
    totals, worst, areas = (pd.read_csv(outputs[name]) for name in ("totals", "worst", "areas"))
    assert (totals["local_margin_90"] == 12.25).all() and "±" in page
    # The other fit has no replicates.
    assert "national_margin_90" not in totals
    assert set(worst.loc[worst["scope"] == "local", "margin_90"]) == {12.25}
    assert worst.loc[worst["scope"] == "national", "margin_90"].isna().all()
    # Half way between 12.25 / 11 and 12.25 / 15; the city has no targets.
    assert areas["median_margin_90"].tolist()[0] == pytest.approx(12.25 * (1 / 11 + 1 / 15) / 2)
    assert areas["median_margin_90"].isna().tolist() == [False, True]
    errors[1:].to_csv(path, index=False)
    with pytest.raises(InputError, match="standard_errors.csv: its targets are not those"):
        write(tmp_path / "other", fit, simulated, [path])


def test_a_run_without_areas_has_a_report_too(tmp_path, fit, simulated):
    outputs = write(tmp_path / "report", fit, simulated[:0])
    page = outputs["index"].read_text()
    assert "What the areas&#x27; files come to in the model: none." in page
    assert pd.read_csv(outputs["areas"]).empty


def test_no_text_of_a_run_is_read_as_part_of_the_page(tmp_path, fit, simulated):
    def evil(text):
        return "/".join([text.split("/")[0], f"<script>{'x' * 3000}", *text.split("/")[2:]])

    written = json.dumps(fit.report)
    for name in sorted(fit.targets["name"], key=len, reverse=True):
        written = written.replace(json.dumps(name), json.dumps(evil(name)))
    targets = fit.targets.assign(
        name=fit.targets["name"].map(evil),
        source="</script><img src=x onerror=alert(1)>",
        constraints='[["<b>age</b>", ">", "<i>5</i>"]]',
    )
    hostile = replace(fit, targets=targets, report=json.loads(written))
    page = Page(write(tmp_path / "report", hostile, simulated)["index"].read_text())
    tags = [tag for tag, _ in page.tags]
    # The data, the library that sorts, and the page's own.
    assert [tags.count(name) for name in ("script", "img", "b", "i")] == [3, 6, 0, 0]
    assert json.loads(page.data)["source"] == ["</script><img src=x onerror=alert(1)>"]
