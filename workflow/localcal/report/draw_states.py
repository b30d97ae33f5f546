"""Makes the table of the states' outlines that the report's maps are drawn from.

    python -m localcal.report.draw_states states-albers-10m.json config/areas.tsv

`states-albers-10m.json` is of the package us-atlas 3.0.1 (ISC licence), which is made of the Census
Bureau's cartographic boundary files of 2017 (public domain): the states on a plane of 975 by 610
units, Alaska and Hawaii moved below the others.
"""

import csv
import json
import math
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from localcal.geography.areas import read_areas
from localcal.geography.codes import STATES
from localcal.report.outlines import COLUMNS, TABLE

# A line may leave the outline by as much, in units of the plane: about a pixel of a wide screen.
TOLERANCE = 0.8
# Islands smaller than this are left out, but for a state's largest piece; square units.
SMALLEST = 12.0
# Between the states' blocks of tiles, in tiles: room for a label.
GAP = 0.9
# The tiles' plane is that wide for the states' middles, in tiles.
WIDTH = 40.0
ROUNDS = 600
PULL = 0.05

Arc = np.ndarray


def arcs_of(topology: Mapping[str, Any]) -> list[Arc]:
    """Return the lines of a quantized topology, float64 (n, 2) each."""
    scale, translate = (np.array(topology["transform"][key]) for key in ("scale", "translate"))
    return [np.cumsum(arc, axis=0) * scale + translate for arc in topology["arcs"]]


def simplified(line: Arc, tolerance: float = TOLERANCE) -> Arc:
    """Return fewer points of a line, none of whose points is farther than that (Douglas, Peucker).

    A line that ends where it begins keeps the point farthest from there, too.
    """
    if len(line) < 3:
        return line
    start, end = line[0], line[-1]
    along = end - start
    length = math.hypot(*along)
    away = line - start
    distance = np.hypot(*away.T)
    if length > 0:
        distance = np.abs(along[0] * away[:, 1] - along[1] * away[:, 0]) / length
    far = int(distance.argmax())
    if distance[far] <= tolerance:
        return line[[0, -1]]
    first = simplified(line[: far + 1], tolerance)
    return np.concatenate([first[:-1], simplified(line[far:], tolerance)])


def rings_of(geometry: Mapping[str, Any], arcs: Sequence[Arc]) -> list[Arc]:
    """Return the closed lines around a state's pieces, the largest first; holes are left out."""
    polygons = geometry["arcs"] if geometry["type"] == "MultiPolygon" else [geometry["arcs"]]
    rings = []
    for polygon in polygons:
        parts = [arcs[i] if i >= 0 else arcs[~i][::-1] for i in polygon[0]]
        rings.append(np.concatenate([part[:-1] for part in parts]))
    rings.sort(key=lambda ring: -area_of(ring))
    return rings


def area_of(ring: Arc) -> float:
    """Return the area inside a closed line."""
    x, y = ring.T
    return abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2


def path_of(rings: Sequence[Arc]) -> str:
    """Return closed lines as an SVG path of whole units."""
    texts = []
    for ring in rings:
        points = np.rint(ring).astype(int)
        steps = np.diff(points, axis=0)
        steps = steps[np.any(steps != 0, axis=1)]
        line = "".join(f"{x},{y} " for x, y in steps).strip()
        texts.append(f"M{points[0, 0]},{points[0, 1]}l{line}z")
    return "".join(texts)


def neighbours_of(geometries: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Return the states that share a line with each, by their ids."""

    def used(arcs: Any) -> set[int]:
        if isinstance(arcs, int):
            return {arcs if arcs >= 0 else ~arcs}
        return set().union(*map(used, arcs))

    lines = {geometry["id"]: used(geometry["arcs"]) for geometry in geometries}
    return {
        one: sorted(other for other in lines if other != one and lines[one] & lines[other])
        for one in lines
    }


def blocks(middles: np.ndarray, counts: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Place a block of equal tiles for each state near its middle, so that none covers another.

    Args:
        middles: (n, 2), in tiles.
        counts: how many tiles each has.

    Returns:
        The upper left corners (n, 2) and the widths (n,) in tiles.
    """
    width = np.array([math.ceil(math.sqrt(count)) for count in counts])
    height = np.ceil(np.array(counts) / width)
    half = np.stack([width, height], axis=1) / 2 + GAP / 2
    place = middles.copy()
    away = middles[None] - middles[:, None]
    apart = half[None] + half[:, None]
    # Which two stand beside or above each other, and in which order, is as on the map.
    axis = np.argmax(np.abs(away) / apart, axis=2)
    pairs = [(a, b, axis[a, b]) for a in range(len(place)) for b in range(a)]
    for step in range(ROUNDS):
        # Ever less back to where it should be.
        place += (middles - place) * PULL * max(0.0, 1 - 1.5 * step / ROUNDS)
        for a, b, along in pairs:
            sign = 1.0 if away[a, b, along] >= 0 else -1.0
            lacking = apart[a, b, along] - sign * (place[b, along] - place[a, along])
            other = apart[a, b, 1 - along] - abs(place[b, 1 - along] - place[a, 1 - along])
            if lacking > 0 and other > 0:
                place[b, along] += sign * lacking / 2
                place[a, along] -= sign * lacking / 2
    corner = place - half + GAP / 2
    return np.round(corner - corner.min(axis=0), 2), width


def states(
    topology: Mapping[str, Any], districts: Mapping[int, int], short: Mapping[int, str]
) -> list[dict[str, Any]]:
    """Return the rows of the table.

    Args:
        topology: of the states.
        districts: how many each state has, by its FIPS code.
        short: the states' short names, by FIPS code.
    """
    arcs = arcs_of(topology)
    found = {
        int(geometry["id"]): geometry
        for geometry in topology["objects"]["states"]["geometries"]
        if int(geometry["id"]) in STATES
    }
    neighbours = neighbours_of(list(found.values()))
    simple = [simplified(arc) for arc in arcs]
    outer = {code: rings_of(geometry, arcs) for code, geometry in found.items()}
    middle = np.array(
        [(outer[code][0].min(axis=0) + outer[code][0].max(axis=0)) / 2 for code in STATES]
    )
    corner, width = blocks(middle * WIDTH / 975.0, [districts[code] for code in STATES])
    rows = []
    for code, (x, y), tiles in zip(STATES, corner, width, strict=True):
        rings = [ring for ring in rings_of(found[code], simple) if area_of(ring) >= SMALLEST]
        rings = rings or rings_of(found[code], arcs)[:1]
        near = " ".join(str(int(name)) for name in neighbours[found[code]["id"]])
        name = found[code]["properties"]["name"]
        row = (code, short[code], name, near, x, y, tiles, path_of(rings))
        rows.append(dict(zip(COLUMNS, row, strict=True)))
    return rows


def main(topology: str, areas: str) -> None:
    """Write the table."""
    table = read_areas(areas)
    districts = Counter(area.state for area in table if area.level == "district" and area.state)
    short = {area.state: area.area for area in table if area.level == "state" and area.state}
    rows = states(json.loads(Path(topology).read_text()), districts, short)
    with TABLE.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main(*sys.argv[1:])
