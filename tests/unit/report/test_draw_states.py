"""How that table is made."""

import numpy as np

from localcal.report import draw_states


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
