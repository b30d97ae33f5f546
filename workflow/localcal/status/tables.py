"""The tables of areas that runs were made with, found by what is in them."""

from collections.abc import Sequence
from pathlib import Path

from localcal.errors import InputError
from localcal.files.atomic import sha256_file
from localcal.geography.areas import Area, read_areas

# Where a checkout has its own.
USUAL = "config/areas.tsv"


class LocalTables:
    """Finds tables of areas on this machine.

    Args:
        here: the folder that paths of given files are relative to: where Snakemake is started.
    """

    def __init__(self, here: str | Path) -> None:
        self._here = Path(here)
        self._known: dict[str | None, Sequence[Area]] = {}

    def __call__(self, path: str | None, sha256: str | None) -> Sequence[Area]:
        """Return the areas of a table.

        Args:
            path: what a run's record says the table was called.
            sha256: the table's digest when the run was made.

        Raises:
            InputError: there is no such table here, or it is none.
        """
        if sha256 not in self._known:
            self._known[sha256] = self._read(path, sha256)
        return self._known[sha256]

    def _read(self, path: str | None, sha256: str | None) -> Sequence[Area]:
        for name in dict.fromkeys([path or USUAL, USUAL]):
            found = self._here / name
            if found.is_file() and sha256_file(found) == sha256:
                return read_areas(found)
        raise InputError(
            f"{self._here / (path or USUAL)}: not the table of areas that the run was made with; "
            "what it should have made cannot be told"
        )
