"""A fit and a validation to report on."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from localcal.files.atomic import write_json
from localcal.report.earlier import VALIDATED
from localcal.report.fits import read_fit
from localcal.weights.fit import FitOutputs, write_fit
from tests.fit_case import make_case


@pytest.fixture
def fit(tmp_path):
    """A fit whose worst state target is 90 % off, with a group held out."""
    case = make_case()
    targets = case.targets.assign(tolerance=np.nan)
    targets.loc[0, "value"] *= 1.9
    held_out = {"geo_level": "district", "variable": "adjusted_gross_income", "hold_out": True}
    result = replace(case, targets=targets).fit(
        groups=(held_out,), records=150, harmonize=False, penalty="auto"
    )
    names = ("fit.json", "diagnostics.csv", "areas.csv", "trace.h5", "weights.npy")
    outputs = {Path(name).stem: tmp_path / name for name in names}
    write_fit(result, {}, FitOutputs(**outputs))
    return read_fit("local", tmp_path)


@pytest.fixture
def simulated():
    """Two areas; the city has no targets of its own."""
    return pd.DataFrame(
        {
            "level": ["state", "state", "city"],
            "area": ["CA", "CA", "NYC"],
            "name": ["state_6/agi", "state_6/snap", "national/snap"],
            "target_value": [10.0, 20.0, np.nan],
            "simulated": [11.0, 15.0, 3.0],
            "rel_error": [0.1, -0.25, np.nan],
            "sane": [True, False, True],
        }
    )


@pytest.fixture
def recorded_run(tmp_path):
    """Make a validated run of a day of November."""

    def make(name, day, validated=True):
        folder = tmp_path / "runs" / name
        (folder / VALIDATED).parent.mkdir(parents=True)
        if validated:
            (folder / VALIDATED).write_text("{}")
        record = {"run_id": name, "created": f"2026-11-{day:02d}T00:00:00+00:00"}
        record |= {"config": {"seed": "<3>"}, "code": {}, "commit": "c" * 40, "clean": True}
        record |= {"inputs": {}, "versions": {"numpy": "2"}, "branch": "main"}
        write_json(folder / "run.json", record)
        return folder

    return make
