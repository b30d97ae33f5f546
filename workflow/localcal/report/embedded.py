"""All targets and areas of a run as JSON inside the page, of which a script shows what is wanted.

Columns instead of rows, words once, six digits: thirteen thousand targets take about a megabyte.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from localcal.geography.codes import FOLDERS
from localcal.geography.geography import Geography
from localcal.report.elements import rounded
from localcal.report.fits import Fit
from localcal.report.named import REASONS, subjects
from localcal.report.outlines import place_name, read_states
from localcal.report.words import is_money

# Columns of the fits' tables by what the script calls them.
ESTIMATES = {
    "harmonized": "harmonized_value",
    "after": "final_estimate",
    "error": "rel_error",
    "households": "effective_households",
}
# Classes of the factors on the design weight, from bound to bound.
CLASSES = 16


class Words:
    """Texts, each once; a column holds their positions."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self._at: dict[str, int] = {}

    def __call__(self, texts: Iterable[str]) -> list[int]:
        return [self._position(text) for text in texts]

    def _position(self, text: str) -> int:
        if text not in self._at:
            self._at[text] = len(self.texts)
            self.texts.append(text)
        return self._at[text]


def embedded(
    fits: Sequence[Fit], simulated: pd.DataFrame, geography: Geography | None
) -> dict[str, Any]:
    """Return what the page's script reads, JSON-ready.

    Args:
        fits: one per scope.
        simulated: rows of the areas' validation: level, area, name, target_value, simulated.
        geography: places of the columns, for the factors in each area; without it there are none.

    Returns:
        `targets`, by scope, columns of equal length; `words`, `areas_of` and so on, which they
        point to; `areas`, one object each; `edges` of the classes of factors.
    """
    subject, source = Words(), Words()
    verdicts = list(REASONS)
    first = fits[0]
    areas = _areas(first, simulated, geography)
    at = {(area["level"], area["code"]): place for place, area in enumerate(areas)}
    of_file = _simulated(simulated)
    tables = {}
    for fit in fits:
        rows = fit.targets
        if fit is not first:
            # What a fit leaves to another one says nothing.
            rows = rows[rows["verdict"] != "not_fitted"]
        columns: dict[str, list] = {
            "what": subject(subjects(rows)),
            "area": [
                at.get((level, str(code)), -1)
                for level, code in zip(rows["geo_level"], rows["geographic_id"], strict=True)
            ],
            "source": source(rows["source"]),
            "verdict": [
                verdicts.index(text) if text in verdicts else -1 for text in rows["verdict"]
            ],
            "money": [int(is_money(variable)) for variable in rows["variable"]],
            "published": rounded(rows["published_value"]),
            "uprated": rounded(rows["target_value"]),
            "before": rounded(rows["base_estimate"]),
        }
        columns |= {key: rounded(rows[column]) for key, column in ESTIMATES.items()}
        columns["simulated"] = rounded(
            np.array([of_file.get(name, np.nan) for name in rows["name"]], dtype=np.float64)
        )
        tables[fit.scope] = columns
    bounds = first.report["settings"]["bounds"]
    return {
        "targets": tables,
        "what": subject.texts,
        "source": source.texts,
        "verdict": list(REASONS.values()),
        "areas": areas,
        "bounds": bounds,
    }


def _simulated(simulated: pd.DataFrame) -> dict[str, float]:
    """Return what the files of the targets' own areas come to, by the targets' names."""
    own = simulated[simulated["target_value"].notna()]
    return dict(zip(own["name"], own["simulated"].astype(float), strict=True))


def _areas(fit: Fit, simulated: pd.DataFrame, geography: Geography | None) -> list[dict[str, Any]]:
    factors = {} if geography is None else _factors(fit, geography)
    short = {state.code: state.short for state in read_states().values()}
    size = simulated["rel_error"].abs()
    errors = size.groupby([simulated["level"], simulated["area"]]).median()
    found: list[dict[str, Any]] = []
    for row in fit.areas.to_dict("records"):
        level, code = str(row["level"]), str(row["area"])
        name = _file_name(level, code, short)
        area: dict[str, Any] = {"level": level, "code": code, "name": place_name(level, code)}
        area["file"] = f"areas/{FOLDERS[level]}/{name}.h5" if (level, name) in errors.index else ""
        keys = ("effective_households", "sum_of_weights", "largest_share", "median", "p90", "max")
        values = rounded(np.array([row[key] for key in keys], dtype=np.float64))
        area |= dict(zip(("households", "weights", "largest", "median", "p90", "max"), values,
                         strict=True))  # fmt: skip
        area |= {"records": int(row["records"]), "fitted": int(row["fitted"])}
        area["file_error"] = rounded(np.array([errors.get((level, name), np.nan)]))[0]
        area["factors"] = factors.get((level, code), [])
        found.append(area)
    _add_neighbours(found)
    return found


def _file_name(level: str, code: str, short: Mapping[int, str]) -> str:
    """Return what the file of an area is called: US, OH, OH-05."""
    if level == "state":
        return short.get(int(code), code)
    if level == "district":
        state, number = divmod(int(code), 100)
        return f"{short.get(state, state)}-{number:02d}"
    return code


def _add_neighbours(areas: list[dict[str, Any]]) -> None:
    """Add the positions of a state's neighbours and districts, and of a district's state."""
    states = {int(area["code"]): at for at, area in enumerate(areas) if area["level"] == "state"}
    districts: dict[int, list[int]] = {}
    for at, area in enumerate(areas):
        if area["level"] == "district":
            districts.setdefault(int(area["code"]) // 100, []).append(at)
    known = read_states()
    for at, area in enumerate(areas):
        if area["level"] == "state":
            code = int(area["code"])
            beside = known[code].neighbours if code in known else ()
            near = [states[other] for other in beside if other in states]
            area |= {"near": near, "parts": districts.get(code, [])}
        elif area["level"] == "district":
            state = int(area["code"]) // 100
            area["near"] = [other for other in districts[state] if other != at]
            area["part_of"] = states.get(state, -1)


def _factors(fit: Fit, geography: Geography) -> dict[tuple[str, str], list[int]]:
    """Return how many weights of each area have a factor of each class."""
    low, high = np.log(fit.report["settings"]["bounds"])
    place = (np.log(fit.factor) - low) / (high - low) * CLASSES
    of_class = np.clip(place.astype(np.int64), 0, CLASSES - 1)
    found: dict[tuple[str, str], list[int]] = {}
    for level, codes in (
        ("nation", np.zeros(len(of_class), dtype=np.int64)),
        ("state", geography.state[fit.kept].astype(np.int64)),
        ("district", geography.district[fit.kept].astype(np.int64)),
    ):
        flat = np.bincount(codes * CLASSES + of_class)
        counts = np.pad(flat, (0, -len(flat) % CLASSES)).reshape(-1, CLASSES)
        for code in np.flatnonzero(counts.any(axis=1)).tolist():
            name = "US" if level == "nation" else str(code)
            found[level, name] = counts[code].tolist()
    return found


def as_script(content: Mapping[str, Any]) -> str:
    """Return the JSON as an element that no text in it can end."""
    text = json.dumps(content, separators=(",", ":"), allow_nan=False)
    text = text.replace("<", "\\u003c").replace("&", "\\u0026").replace(">", "\\u003e")
    return f'<script type="application/json" id="data">{text}</script>'
