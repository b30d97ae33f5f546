"""Figures taken from an agency's file, and the table of them."""

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from localcal.files.atomic import atomic_path


class Published(NamedTuple):
    """One row of a table that a target database is built from."""

    geo_level: str
    code: str
    variable: str
    period: int
    constraints: str
    value: float
    source: str
    tolerance: float | None = None
    reform_id: int = 0
    notes: str = ""
    active: int = 1


def write_figures(figures: Iterable[Published], path: Path) -> None:
    """Write the table; the same figures give the same bytes."""
    with atomic_path(path) as part, part.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(Published._fields)
        table.writerows(figures)
