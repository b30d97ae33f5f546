"""Files made of many pieces."""

import contextlib
import weakref

import numpy as np
import pytest

from localcal.files.pieces import Pieces


class Piece:
    """Can be looked at by a weak reference."""

    values = np.zeros(10)


def opened(calls):
    @contextlib.contextmanager
    def sink():
        calls.append("open")
        yield lambda piece: calls.append("write")
        calls.append("close")

    return sink


def test_they_go_to_a_sink_or_into_a_list_and_that_is_settled_before_any_work():
    with pytest.raises(ValueError, match="not to both"):
        Pieces(sink=opened([]), into=[])
    with pytest.raises(ValueError, match="go nowhere"):
        Pieces()
    kept = []
    with Pieces(into=kept) as pieces:
        pieces.write(1)
        pieces.write(2)
    assert kept == [1, 2]


def test_a_sink_is_opened_once_by_the_first_piece():
    calls = []
    with Pieces(sink=opened(calls)) as pieces:
        assert calls == []
        pieces.write(1)
        pieces.write(2)
    assert calls == ["open", "write", "write", "close"]
    assert pieces.written == 2
    calls.clear()
    with Pieces(sink=opened(calls)):
        pass
    assert calls == []


def test_a_piece_is_not_kept():
    with Pieces(sink=opened([])) as pieces:
        piece = Piece()
        seen = weakref.ref(piece)
        pieces.write(piece)
        del piece
        assert seen() is None
