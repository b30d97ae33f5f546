"""The maps, and the table they are drawn from."""

import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from localcal.geography.codes import STATES
from localcal.report import draw_states, maps
from localcal.report.outlines import place_name, read_states


class Links(HTMLParser):
    """Collects the links of a page, with their labels."""

    def __init__(self, text):
        super().__init__()
        self.found = {}
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        of = dict(attrs)
        if tag == "a":
            self.found[of["href"]] = of


@pytest.fixture
def areas():
    rows = [("state", str(code), 0.0004, 80.0) for code in STATES]
    rows += [("district", "612", 0.2, 3.5), ("district", "601", np.nan, 40.0)]
    return pd.DataFrame(rows, columns=["level", "area", "p90", "effective_households"])


def test_the_maps_have_every_state_and_district_with_its_page_and_figures(areas):
    found = Links(maps.draw_maps(areas)).found
    assert {f"#area/state/{code}" for code in STATES} < found.keys()
    assert len(found) == len(STATES) + 2
    label = found["#area/district/612"]["aria-label"]
    assert label == (
        "California, district 12: 9 of 10 targets within 20\u00a0%, 3.5 effective households"
    )
    assert maps.WORST_ERROR in found["#area/district/612"]["style"]
    assert "not known" in found["#area/district/601"]["aria-label"]
    assert f"--error:{maps.UNKNOWN}" in found["#area/district/601"]["style"]


def test_neighbours_are_mutual_and_blocks_of_tiles_do_not_cover_each_other():
    states = read_states()
    assert tuple(states) == STATES
    for code, state in states.items():
        assert all(code in states[other].neighbours for other in state.neighbours)
        assert re.fullmatch(r"(M[\d,.-]+l[\d, .-]+z)+", state.path)
    assert states[39].neighbours == (18, 21, 26, 42, 54) and states[2].neighbours == ()
    corners = sorted(state.tile for state in states.values())
    assert len(set(corners)) == len(STATES)


def test_places_are_called_as_people_call_them():
    assert place_name("nation", "US") == "United States"
    assert place_name("state", "39") == "Ohio"
    assert place_name("district", "3905") == "Ohio, district 5"
    assert place_name("city", "NYC") == "NYC"


def test_a_line_keeps_what_is_far_from_it_and_no_more():
    line = np.array([[0.0, 0.0], [1.0, 0.1], [2.0, 0.0], [3.0, 5.0], [4.0, 0.0]])
    kept = draw_states.simplified(line, 0.5).tolist()
    assert kept == [[0.0, 0.0], [2.0, 0.0], [3.0, 5.0], [4.0, 0.0]]
    ring = np.array([[0.0, 0.0], [4.0, 0.0], [4.0, 4.0], [0.0, 4.0]])
    assert draw_states.area_of(ring) == 16.0
    assert draw_states.path_of([ring]) == "M0,0l4,0 0,4 -4,0z"


def test_blocks_stand_apart_and_in_the_order_of_their_middles():
    corner, width = draw_states.blocks(np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]), [9, 4, 1])
    assert width.tolist() == [3, 2, 1]
    assert corner[1, 0] >= corner[0, 0] + 3 + draw_states.GAP - 0.02
    assert corner[2, 1] >= corner[0, 1] + 3 + draw_states.GAP - 0.02
