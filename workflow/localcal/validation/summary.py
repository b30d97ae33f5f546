"""The validation of all areas in one page's worth of figures."""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from localcal.errors import InputError
from localcal.files.atomic import atomic_path, write_json
from localcal.files.origins import record
from localcal.files.table import read_table
from localcal.geography.areas import Area
from localcal.targets.table import read_targets
from localcal.validation.across import Comparisons, compare_districts, compare_states
from localcal.validation.totals import rows_of_area

logger = logging.getLogger(__name__)

# The columns of an area's table that the summary is made from.
SUMMARIZED = ("level", "area", "name", "rel_error", "sane")


@dataclass(frozen=True)
class SummaryOutputs:
    """The files that sum up."""

    districts: Path
    """A sample of districts: their own simulations beside their states'."""
    states: Path
    """What the national file says of each state, beside the state's file."""
    summary: Path
    """The summary, written last."""


def summarize_validation(
    table_paths: Mapping[str, Path],
    areas: Sequence[Area],
    files: Comparisons,
    outputs: SummaryOutputs,
) -> None:
    """Write errors by level over all areas, and how files that speak of one place agree.

    Args:
        table_paths: "{folder}/{area}" to the area's table.
        areas: every area of the run.
        files: the simulations to compare with each other, and the targets.
        outputs: the files to write, the summary last.

    Raises:
        InputError: a table has another number of rows than its area has targets, or a district's
            own simulation is not what its state's says of it.
    """
    targets = read_targets(files.targets)
    tables = []
    for area in areas:
        name = f"{area.folder}/{area.area}"
        table = read_table(table_paths[name], SUMMARIZED, texts=["level", "area", "name"])
        expected = rows_of_area(area, targets).size
        if len(table) != expected:
            raise InputError(
                f"{table_paths[name]}: has {len(table)} rows for {expected} targets; remove it "
                "and run the same command again"
            )
        tables.append(table)
    everything = pd.concat(tables, ignore_index=True)
    pairs = {
        "districts": compare_districts(files, targets),
        "states": compare_states(files, targets),
    }
    beside = {"districts": outputs.districts, "states": outputs.states}
    for name, table in pairs.items():
        with atomic_path(beside[name]) as part:
            table.to_csv(part, index=False)
    summary = {
        "areas": len(areas),
        "rows": len(everything),
        "digests": record({**table_paths, **beside}),
        "simulated_districts": [area.area for area in files.districts],
        "insane": everything.loc[~everything["sane"], ["area", "name"]]
        .agg("/".join, axis=1)
        .tolist()
        if not everything["sane"].all()
        else [],
        "levels": {
            level: _level_summary(table) for level, table in everything.groupby("level", sort=True)
        },
    }
    write_json(outputs.summary, json.loads(json.dumps(summary)))
    logger.info("%d areas, %d rows", len(areas), len(everything))


def _level_summary(table: pd.DataFrame) -> dict[str, object]:
    error = table["rel_error"].dropna()
    summary: dict[str, object] = {"rows": len(table), "with_target": len(error)}
    if len(error):
        size = error.abs()
        by_area = size.groupby(table["area"]).median().sort_values(ascending=False)
        summary |= {
            "median_abs_rel_error": float(size.median()),
            "p90_abs_rel_error": float(size.quantile(0.9)),
            "largest_abs_rel_error": float(size.max()),
            "mean_rel_error": float(error.mean()),
            "worst_areas": [{"area": str(a), "median": float(e)} for a, e in by_area[:5].items()],
        }
    return summary
