"""Which files a given folder has, where a run reads several from one.

Imported while the Snakefile is parsed, so nothing here is slow to import.
"""

from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

# The tables of a population, one per entity, and what their names may end in.
TABLES = ("person", "household", "tax_unit", "spm_unit", "family", "marital_unit")
TABLE_ENDINGS = (".csv", ".parquet")

# Two digits, as file names have them.
YEAR = "[0-9][0-9]"

# By source of the population: the files that are read of its folder.
FILES_IN: dict[str, Sequence[str]] = {
    "tables": [table + ending for table in TABLES for ending in TABLE_ENDINGS],
    # Persons, families and households of a CPS ASEC.
    "cps": [f"{prefix}pub{YEAR}.csv" for prefix in ("pp", "ff", "hh")],
}


def names_in(source: str) -> str:
    """Return what the files of a population's folder are called, for a message."""
    return ", ".join(FILES_IN[source]).replace(YEAR, "YY")


def files_in(folder: str | Path, source: str) -> list[Path]:
    """Return the files of a population's folder that are read, sorted by name.

    Args:
        folder: the folder.
        source: the population's.

    Raises:
        OSError: there is no such folder, or it cannot be read.
    """
    return sorted(
        path
        for path in Path(folder).iterdir()
        if any(fnmatchcase(path.name, pattern) for pattern in FILES_IN[source])
    )
