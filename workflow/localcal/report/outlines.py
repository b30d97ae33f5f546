"""The states' outlines and the tiles of their districts, which the report's maps are drawn of."""

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ASSETS = Path(__file__).parent / "assets"
TABLE = ASSETS / "states.csv"
COLUMNS = ("code", "short", "name", "neighbours", "tile_x", "tile_y", "tiles_across", "path")
# The plane of the outlines, in their units.
SIZE = (975, 610)


@dataclass(frozen=True)
class State:
    """How a state is drawn.

    Attributes:
        code: its FIPS code.
        short: OH.
        name: as people say it.
        neighbours: FIPS codes of the states that it has a border with.
        tile: upper left corner of its districts' tiles, in tiles.
        tiles_across: how many tiles stand in a row.
        path: its outline, as an SVG path.
    """

    code: int
    short: str
    name: str
    neighbours: tuple[int, ...]
    tile: tuple[float, float]
    tiles_across: int
    path: str


@cache
def read_states() -> dict[int, State]:
    """Return the states by FIPS code; `draw_states` says what the table is made of."""
    with TABLE.open(newline="") as file:
        rows = list(csv.DictReader(file))
    states = [
        State(
            code=int(row["code"]),
            short=row["short"],
            name=row["name"],
            neighbours=tuple(map(int, row["neighbours"].split())),
            tile=(float(row["tile_x"]), float(row["tile_y"])),
            tiles_across=int(row["tiles_across"]),
            path=row["path"],
        )
        for row in rows
    ]
    return {state.code: state for state in states}


def place_name(level: str, code: str) -> str:
    """Return a place as people say it: `Ohio`, `Ohio, district 5`.

    Args:
        level: nation, state or district; anything else is named by its code.
        code: US, a FIPS code, or `state * 100 + number`.
    """
    if level == "nation":
        return "United States"
    number = int(code) if code.isdigit() else -1
    state = read_states().get(number // 100 if level == "district" else number)
    if level not in ("state", "district") or state is None:
        return code
    return state.name if level == "state" else f"{state.name}, district {number % 100}"
