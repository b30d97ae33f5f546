import json
from pathlib import Path

import numpy as np
import pytest

from localcal.errors import InputError
from localcal.files.atomic import write_json
from localcal.release.summary import summarize
from tests.gates_case import TOTAL, change_json, change_table, gates_of, set_where


def test_a_fitted_target_without_an_error_is_an_error(run):
    change = set_where("state", "rel_error", np.nan, 2)
    change_table(run, "weights/local/diagnostics.csv", change)
    with pytest.raises(InputError, match=r"state_1/person_count/0 has no error \(2 of 270\)"):
        gates_of(run)


def test_a_fit_of_other_targets_is_an_error(run):
    change_json(run, "weights/local/fit.json", lambda report: report.update(n_targets=271))
    with pytest.raises(InputError, match="is about 271 targets, but diagnostics.csv beside"):
        gates_of(run)


def test_other_areas_than_the_run_was_made_with_are_an_error(run, tmp_path):
    other = tmp_path / "other.tsv"
    record = json.loads((run / "run.json").read_text())
    given = Path(record["inputs"]["areas.path"]["path"])
    other.write_text(given.read_text() + "\n")
    change_json(
        run, "run.json", lambda record: record["inputs"]["areas.path"].update(path=str(other))
    )
    with pytest.raises(InputError, match="other.tsv: is not the table of areas"):
        gates_of(run)


def test_a_run_of_another_version_is_an_error(run):
    change_json(run, "run.json", lambda record: record["config"].pop("matrix"))
    with pytest.raises(InputError, match=r"run.json: its config is of another version"):
        gates_of(run)


def test_the_summary_is_json_and_the_same_each_time(run, tmp_path):
    summary = summarize(run)
    write_json(tmp_path / "a.json", summary)
    write_json(tmp_path / "b.json", summarize(run))
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    # Of 18 measures, those that no other has the variable of.
    assert set(summary["totals"]) == {"national/US", "states/AL"}
    assert TOTAL in summary["totals"]["states/AL"]
    assert "state_1/snap/12" not in summary["totals"]["states/AL"]
