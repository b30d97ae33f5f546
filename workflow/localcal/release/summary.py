"""A run in figures that the next release is compared with, published with its diagnostics."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
from pydantic import ValidationError

from localcal.errors import REMAKE, InputError, one_line
from localcal.files.atomic import sha256_file
from localcal.files.documents import read_json
from localcal.files.table import read_table
from localcal.geography.areas import Area, read_areas
from localcal.run.configuration import wanted_areas
from localcal.run.expected import SCOPES, jobs
from localcal.run.provenance import RUN_FILE, config_of, read_record, read_state

# Of what the figures say and are called; another number is not compared.
FORMAT = 1
# Verdicts of targets that were met, and roles of those that an estimate may be judged by.
MET = ("met", "met_moved")
JUDGED = ("fitted", "merged", "held_out")
# Of the levels that have totals worth a look; districts have the state's records.
TOTALLED = ("nation", "state")

_ROWS = ("level", "area", "target_id", "name", "variable", "domain_variable", "simulated")
_TEXTS = ("level", "area", "name", "variable", "domain_variable")


class Asked(NamedTuple):
    """What a run was asked for."""

    config: Mapping[str, Any]
    """As its record has it, changes included."""
    table: list[Area]
    """All areas there are."""
    areas: list[Area]
    """Those that get files."""


def asked_of(run: Path) -> Asked:
    """Return what a run was asked for, by its own record.

    Raises:
        InputError: the record is damaged or of another version, or the table of areas is not the
            one that the run was made with.
    """
    source = run / RUN_FILE
    state, given = read_state(run), read_record(run).get("inputs", {}).get("areas.path", {})
    config = config_of(state)
    if "path" not in given:
        raise InputError(f"{source}: does not say which areas there are; name a finished run")
    table = read_areas(given["path"])
    if sha256_file(given["path"]) != state.get("inputs.areas.path"):
        raise InputError(
            f"{given['path']}: is not the table of areas that {run} was made with; restore it"
        )
    try:
        asked = Asked(config, table, wanted_areas(config["areas"], table, [(str(source), config)]))
        # Whatever else they say of it.
        jobs(*asked)
    except (KeyError, TypeError, ValidationError) as error:
        raise InputError(
            f"{source}: its config is of another version ({one_line(error)}); release the run with "
            "the localcal that made it"
        ) from error
    return asked


def summarize(run: str | Path) -> dict[str, Any]:
    """Return what a run comes to, JSON-ready.

    Errors are absolute and relative. Keys:

    - format, run_id, period
    - areas: the files of areas, such as states/CA
    - targets: how many there are
    - fits: by scope, `weights` (records, sum_of_weights, design_effect, effective_households, and
      the share of areas by level that have too few to be published), and `levels`, of each of which
      count, median and largest error, share met and largest's name of fitted targets, and count and
      median of held-out ones
    - validated: by level, rows, rows with a target and the median error of the simulated files
    - totals: by area of nation and states, what its file comes to in the model, by the target's
      name; of targets that a fit fitted or held out, and that are not one of several of the same
      variable and domain, such as brackets of income

    Raises:
        InputError: a file is missing or damaged.
    """
    run = Path(run)
    config, _, areas = asked_of(run)
    tables = {scope: _diagnostics(run, scope) for scope in SCOPES}
    validation = read_json(run / "validation" / "summary.json", ("levels",))
    return {
        "format": FORMAT,
        "run_id": run.name,
        "period": config.get("period"),
        "areas": sorted(f"{area.folder}/{area.area}" for area in areas),
        "targets": len(tables["local"]),
        "fits": {scope: _fit(run, scope, table) for scope, table in tables.items()},
        "validated": {
            level: {
                "rows": found["rows"],
                "with_target": found["with_target"],
                "median": found.get("median_abs_rel_error"),
            }
            for level, found in validation["levels"].items()
        },
        "totals": {
            f"{area.folder}/{area.area}": _totals(run, area, tables[area.scope])
            for area in areas
            if area.level in TOTALLED
        },
    }


def _diagnostics(run: Path, scope: str) -> pd.DataFrame:
    texts = ("name", "geo_level", "role", "verdict")
    path = run / "weights" / scope / "diagnostics.csv"
    table = read_table(path, ("target_id", *texts, "rel_error"), texts)
    # Fitted and held-out targets have an error; a target without one would pass every limit.
    judged = table[table["role"].isin(JUDGED)]
    lacking = judged[judged["rel_error"].isna()]
    if len(lacking):
        raise InputError(
            f"{path}: {lacking['name'].iloc[0]} has no error ({len(lacking)} of {len(judged)}); "
            f"{REMAKE}"
        )
    return table


def _fit(run: Path, scope: str, table: pd.DataFrame) -> dict[str, Any]:
    path = run / "weights" / scope / "fit.json"
    report = read_json(path, ("weights", "n_targets"))
    if report["n_targets"] != len(table):
        raise InputError(
            f"{path}: is about {report['n_targets']} targets, but diagnostics.csv beside it has "
            f"{len(table)}; {REMAKE}"
        )
    weights = report["weights"]
    return {
        "weights": {
            "records": weights["records"],
            "sum_of_weights": weights["sum_of_weights"],
            "design_effect": weights["design_effect"],
            "effective_households": weights["effective_size_households"],
            "unpublishable": _unpublishable(run, scope, report.get("not_publishable", {})),
        },
        "levels": {
            str(level): _level(rows)
            for level, rows in table[table["role"].isin(JUDGED)].groupby("geo_level", sort=True)
        },
    }


def _unpublishable(run: Path, scope: str, levels: Collection[str]) -> dict[str, float]:
    """Return, by level that the fit is about, the share of areas that are not publishable."""
    columns = ("level", "is_publishable")
    table = read_table(run / "weights" / scope / "areas.csv", columns, ["level"])
    found = table[table["level"].isin(list(levels))].groupby("level", sort=True)["is_publishable"]
    return {str(level): 1.0 - float(rows.mean()) for level, rows in found}


def _level(table: pd.DataFrame) -> dict[str, Any]:
    fitted = table[table["role"] == "fitted"]
    held_out = table[table["role"] == "held_out"]["rel_error"].abs()
    size = fitted["rel_error"].abs()
    found: dict[str, Any] = {"fitted": len(fitted), "held_out": len(held_out)}
    if len(fitted):
        found |= {
            "median": float(size.median()),
            "largest": float(size.max()),
            "largest_of": str(fitted["name"].iloc[int(size.to_numpy().argmax())]),
            "share_met": float(fitted["verdict"].isin(MET).mean()),
        }
    if len(held_out):
        found["median_held_out"] = float(held_out.median())
    return found


def _totals(run: Path, area: Area, diagnostics: pd.DataFrame) -> dict[str, float]:
    path = run / "validation" / area.folder / f"{area.area}.csv"
    table = read_table(path, _ROWS, _TEXTS)
    judged = diagnostics.loc[diagnostics["role"].isin(JUDGED), "target_id"]
    alone = ~table.fillna({"domain_variable": ""}).duplicated(
        ["variable", "domain_variable"], keep=False
    )
    rows = table[alone & table["target_id"].isin(judged)]
    return dict(zip(rows["name"], rows["simulated"].astype(float), strict=True))
