"""Which files a given folder has, where a run reads several from one.

Imported while the Snakefile is parsed, so nothing here is slow to import.
"""

from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

# The tables of a population, one per entity, and what their names may end in.
TABLES = ("person", "household", "tax_unit", "spm_unit", "family", "marital_unit")
TABLE_ENDINGS = (".csv", ".parquet")

# By source of the population: the files that are read of its folder.
FILES_IN: dict[str, Sequence[str]] = {
    "tables": [table + ending for table in TABLES for ending in TABLE_ENDINGS],
}


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
