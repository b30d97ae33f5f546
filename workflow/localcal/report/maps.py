"""Maps of the states and districts by error and by effective households, as SVG.

A place carries a colour for each measure, and the page shows those of the chosen one, so that the
maps need no script.
"""

import html
import math
from collections.abc import Callable, Mapping, Sequence

import pandas as pd

from localcal.report.elements import number, percent
from localcal.report.outlines import SIZE, place_name, read_states
from localcal.weights.verdicts import MISSED_ABOVE, UNPUBLISHABLE_BELOW

# Light to dark, also for who does not see red and green apart; the last ones cannot be published.
ERRORS = ((0.001, "#c3d9ee"), (0.005, "#f8e3a0"), (0.01, "#fdb863"), (MISSED_ABOVE, "#e66101"))
WORST_ERROR = "#7f2704"
SIZES = ((UNPUBLISHABLE_BELOW, "#7f2704"), (30.0, "#a6cee3"), (100.0, "#5f9fd0"), (300, "#2f6fb0"))
LARGEST_SIZE = "#08306b"
UNKNOWN = "#d9d9d9"

# Units of the drawing per tile.
TILE = 20.0
_LABEL = 4.0


def colour_of_error(error: float) -> str:
    """Return the colour of an absolute relative error."""
    if not math.isfinite(error):
        return UNKNOWN
    return next((colour for limit, colour in ERRORS if error < limit), WORST_ERROR)


def colour_of_size(households: float) -> str:
    """Return the colour of an effective number of households."""
    if not math.isfinite(households):
        return UNKNOWN
    return next((colour for limit, colour in SIZES if households < limit), LARGEST_SIZE)


def draw_maps(areas: pd.DataFrame) -> str:
    """Return both maps, what is chosen between, and what the colours mean.

    Args:
        areas: rows of a fit's areas.csv: level, area (code), p90 and effective_households.
    """
    found = {
        (str(level), str(code)): (float(error), float(households))
        for level, code, error, households in areas[
            ["level", "area", "p90", "effective_households"]
        ].itertuples(index=False)
    }
    return (
        '<div class="maps"><fieldset><legend>Colour by</legend>'
        '<label><input type="radio" name="measure" value="error" checked> error: what 9 of 10 '
        "targets of the place are within</label> "
        '<label><input type="radio" name="measure" value="size"> effective households: how many '
        "equal ones its estimates would rest on</label></fieldset>"
        f"{_legend()}"
        f"<figure>{_states(found)}<figcaption>States. Each leads to its page.</figcaption></figure>"
        f"<figure>{_districts(found)}<figcaption>Congressional districts, a tile each, in the "
        "order of their numbers where their state lies. Each leads to its page.</figcaption>"
        "</figure></div>"
    )


def _legend() -> str:
    errors = _classes(ERRORS, WORST_ERROR, percent)
    sizes = _classes(SIZES, LARGEST_SIZE, lambda limit: f"{limit:,.0f}")
    return (
        f'<ul class="legend by-error" aria-label="Colours of errors">{errors}</ul>'
        f'<ul class="legend by-size" aria-label="Colours of effective households">{sizes}</ul>'
    )


def _classes(limits: Sequence[tuple[float, str]], last: str, said: Callable[[float], str]) -> str:
    texts = [(colour, f"below {said(limit)}") for limit, colour in limits]
    texts += [(last, f"{said(limits[-1][0])} or more"), (UNKNOWN, "not known")]
    return "".join(
        f'<li><span style="background:{colour}"></span>{html.escape(text)}</li>'
        for colour, text in texts
    )


def _link(level: str, code: str, found: Mapping, shape: str) -> str:
    error, households = found.get((level, code), (math.nan, math.nan))
    told = (
        f"{place_name(level, code)}: 9 of 10 targets within {percent(error) or 'not known'}, "
        f"{number(households, 1).text or 'not known'} effective households"
    )
    colours = f"--error:{colour_of_error(error)};--size:{colour_of_size(households)}"
    if (level, code) not in found:
        # Without a page that it could lead to.
        told = f"{place_name(level, code)}: not in this run"
        return f'<g style="{colours}"><title>{html.escape(told)}</title>{shape}</g>'
    return (
        f'<a href="#area/{level}/{code}" style="{colours}" aria-label="{html.escape(told)}">'
        f"<title>{html.escape(told)}</title>{shape}</a>"
    )


def _states(found: Mapping) -> str:
    shapes = "\n".join(
        _link("state", str(state.code), found, f'<path d="{state.path}"/>')
        for state in read_states().values()
    )
    width, height = SIZE
    return (
        f'<svg class="map" viewBox="0 0 {width} {height}" role="group" '
        f'aria-label="Map of the states">\n{shapes}\n</svg>'
    )


def _districts(found: Mapping) -> str:
    numbers: dict[int, list[int]] = {}
    for level, code in found:
        if level == "district":
            numbers.setdefault(int(code) // 100, []).append(int(code))
    parts, right, bottom = [], 0.0, 0.0
    for state in read_states().values():
        codes = sorted(numbers.get(state.code, ()))
        left, top = (place * TILE for place in state.tile)
        for at, code in enumerate(codes):
            down, across = divmod(at, state.tiles_across)
            x, y = left + across * TILE, top + down * TILE
            right, bottom = max(right, x + TILE), max(bottom, y + TILE)
            shape = f'<rect x="{x:g}" y="{y:g}" width="{TILE - 1:g}" height="{TILE - 1:g}"/>'
            parts.append(_link("district", str(code), found, shape))
        if codes:
            parts.append(f'<text x="{left:g}" y="{top - _LABEL:g}">{state.short}</text>')
    shapes = "\n".join(parts)
    return (
        f'<svg class="map" viewBox="-2 -{TILE:g} {right + 4:g} {bottom + TILE + 2:g}" '
        f'role="group" aria-label="Map of the districts">\n{shapes}\n</svg>'
    )
