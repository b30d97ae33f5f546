"""A small run that is finished, as far as a release looks at it."""

import json
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from localcal.files.atomic import sha256_file, write_json
from localcal.files.made import record_outputs, record_path
from localcal.files.origins import record
from localcal.release.gates import check
from localcal.run.expected import jobs
from localcal.run.sections import Gates
from localcal.targets.table import read_targets
from localcal.validation.totals import rows_of_area
from tests.areas_case import ALABAMA, CITY, FIRST, NATION, make_run, validated, written

AREAS = [NATION, ALABAMA, FIRST, CITY]
TABLE = "level\tarea\tname\tcode\tstate_fips\tcounties\n" + "".join(
    f"{area.level}\t{area.area}\t{area.name}\t{area.code}\t{area.state or ''}\t"
    f"{','.join(area.counties)}\n"
    for area in AREAS
)
FIT = {"method": "descent", "replicates": 0}
CONFIG = {
    "period": 2024,
    "seed": 0,
    "population": {"households": 40},
    "geography": {"clones": 6},
    "matrix": {"workers": 2, "chunk_columns": 100},
    "weights": {"local": FIT, "national": FIT},
    "areas": {"national": ["US"], "states": ["AL"], "districts": ["AL-01"], "cities": ["NYC"]},
    "validation": {"simulated_districts": 1},
}
AREA = "areas/states/AL.h5"
# A total of it.
TOTAL = "state_1/medicaid/14"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def finished_run(folder):
    """Make a run in a folder named `runs/demo` below `folder`; return it."""
    scratch = folder / "scratch"
    scratch.mkdir()
    made = make_run(scratch)
    run = folder / "runs" / "demo"
    (run / "targets").mkdir(parents=True)
    (folder / "areas.tsv").write_text(TABLE)
    table = folder / "areas.tsv"
    inputs = {"areas.path": {"path": str(table), "sha256": sha256_file(table)}}
    frozen = {"config": CONFIG, "inputs": inputs, "code": {}, "commit": COMMIT, "clean": True}
    write_json(run / "run.json", frozen)
    made["targets"].rename(run / "targets" / "targets.parquet")
    (scratch / "targets.file").symlink_to(run / "targets" / "targets.parquet")
    for area in AREAS:
        parent = ALABAMA if area.level == "district" else area
        rows = validated(made, scratch, area, parent)
        path = run / "validation" / area.folder / f"{area.area}.csv"
        path.parent.mkdir(parents=True)
        rows.to_csv(path, index=False)
        path = run / "areas" / area.folder / f"{area.area}.h5"
        path.parent.mkdir(parents=True)
        written(made, scratch, area).rename(path)
    targets = read_targets(run / "targets" / "targets.parquet")
    write_validation_summary(run, targets)
    for scope in ("local", "national"):
        (run / "weights" / scope).mkdir(parents=True)
        write_fit(run, scope, targets)
    for name in wanted_of(CONFIG):
        if not (run / name).exists():
            (run / name).parent.mkdir(parents=True, exist_ok=True)
            (run / name).write_text(name)
        keep(run, name)
    return run


def wanted_of(config):
    return [file for job in jobs(config, AREAS, AREAS) for file in job.files if file != "run.json"]


def keep(run, name):
    """Write a file's record anew, as if it had been made so."""
    path = str(run / name)
    record_outputs([path, record_path(path, str(run))], str(run), "rule", {}, {})


def write_validation_summary(run, targets, **changes):
    names = {f"{a.folder}/{a.area}": run / "validation" / a.folder / f"{a.area}.csv" for a in AREAS}
    levels = {
        area.level: {
            "rows": rows_of_area(area, targets).size,
            "with_target": 0 if area.level == "city" else rows_of_area(area, targets).size,
            **({} if area.level == "city" else {"median_abs_rel_error": 0.01}),
        }
        for area in AREAS
    }
    content = {
        "areas": len(AREAS),
        "rows": sum(level["rows"] for level in levels.values()),
        "digests": record(names),
        "insane": [],
        "levels": levels,
    }
    write_json(run / "validation" / "summary.json", content | changes)


def write_fit(run, scope, targets, design_effect=1.5, households=500.0):
    folder = run / "weights" / scope
    rows = pd.DataFrame(
        {
            "target_id": targets["target_id"],
            "name": targets["name"],
            "geo_level": targets["geo_level"],
            "role": "fitted",
            "verdict": "met",
            "rel_error": np.linspace(-0.01, 0.01, len(targets)),
        }
    )
    rows.to_csv(folder / "diagnostics.csv", index=False)
    sizes = pd.DataFrame({"level": ["state"] * 4, "is_publishable": [True, True, True, False]})
    sizes.to_csv(folder / "areas.csv", index=False)
    weights = {
        "records": 200,
        "sum_of_weights": 1e6,
        "design_effect": design_effect,
        "effective_size_households": households,
    }
    report = {"weights": weights, "n_targets": len(targets), "not_publishable": {"state": 1}}
    write_json(folder / "fit.json", report)


def change_table(run, name, change):
    """Change a table of a run as if it had been made so; a test of gates, not of records."""
    table = pd.read_csv(run / name, dtype={"domain_variable": str})
    # In place, or by returning another one.
    table = table if (other := change(table)) is None else other
    table.to_csv(run / name, index=False)
    keep(run, name)


def change_json(run, name, change):
    path = Path(run / name)
    content = json.loads(path.read_text())
    content.pop("seal", None)
    change(content)
    write_json(path, content)
    if name != "run.json":
        keep(run, name)


def gates_of(run, live=None, override=(), **limits):
    return {gate.name: gate for gate in check(run, Gates(**limits), live, override)}


def refused(run, live=None, **limits):
    """Return the one gate that refuses a run."""
    (gate,) = [gate for gate in gates_of(run, live, **limits).values() if not gate.passed]
    return gate


def change_area(run, change):
    with h5py.File(run / AREA, "r+") as file:
        change(file)
    keep(run, AREA)


def set_first(name, value):
    def change(file):
        item = file[f"{name}/2024"]
        values = item[()]
        values[0] = value(values)
        item[...] = values

    return change


def set_where(level, column, value, count=None):
    def change(table):
        rows = table.index[table["geo_level"] == level][:count]
        table.loc[rows, column] = value

    return change
