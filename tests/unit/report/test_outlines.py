"""The table that the maps are drawn from."""

import re

from localcal.geography.codes import STATES
from localcal.report.outlines import place_name, read_states


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
