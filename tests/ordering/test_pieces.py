"""Files whose order inside is known. Frames are numbered so that the true order of a scene is plain to see."""

import numpy as np
import pytest

from workbench.ordering.pieces import keep_pieces, pieces_of
from workbench.ordering.scene import OrderedScene


def scene(order: list[int], closed: bool = False) -> OrderedScene:
    """A scene in this order, all of whose links have the confidence 0.5."""
    return OrderedScene(np.array(order), np.full(max(0, len(order) - 1), 0.5), closed, np.arange(len(order)), {}, {})


def test_pieces_of_names():
    names = ["a.mp4#0", "a.mp4#1", "b.mp4#0", "b.mp4#0", "b.mp4#1", "c.png", "c.png", "d#1.png", "x#y#0", "x#y#3"]
    assert pieces_of(names).tolist() == [0, 0, 1, 2, 2, 3, 4, 5, 6, 6]
    assert pieces_of([]).tolist() == []


@pytest.mark.parametrize("backwards", [False, True])
def test_pieces_are_put_in_order_and_their_frames_stay(backwards):
    """Truth: frames 4 to 7, then 0 to 3, then 8 and 9. The order that was found has two frames swapped, or runs backwards."""
    found = [4, 6, 5, 7, 0, 1, 2, 3, 8, 9]
    kept = keep_pieces(scene(found[::-1] if backwards else found), np.repeat([0, 1, 2], [4, 4, 2]))
    assert kept.order.tolist() == [4, 5, 6, 7, 0, 1, 2, 3, 8, 9]
    assert kept.confidence.tolist() == [1, 1, 1, 0.5, 1, 1, 1, 0.5, 1]


def test_a_new_link_has_no_confidence():
    """Truth: pieces 1, 0. The order that was found mixes them at the seam, so that their ends were no neighbours."""
    kept = keep_pieces(scene([3, 4, 0, 5, 1, 2]), np.repeat([0, 1], 3))
    assert kept.order.tolist() == [3, 4, 5, 0, 1, 2]
    assert kept.confidence[[0, 1, 3, 4]].tolist() == [1, 1, 1, 1] and kept.confidence[2] == 0.5
    assert np.isnan(keep_pieces(scene([3, 0, 4, 1, 5, 2]), np.repeat([0, 1], 3)).confidence).sum() == 1


def test_a_closed_scene_may_begin_inside_a_piece():
    """A loop of three pieces that was cut in the second: 5 6 7 | 8 9 | 0 1 2 | 3 4, with pieces 0-2, 3-7, 8-9."""
    kept = keep_pieces(scene([5, 6, 7, 8, 9, 0, 1, 2, 3, 4], closed=True), np.repeat([0, 1, 2], [3, 5, 2]))
    assert kept.order.tolist() == [8, 9, 0, 1, 2, 3, 4, 5, 6, 7]


def test_single_frames_and_one_piece():
    assert keep_pieces(scene([2, 0, 1]), np.arange(3)).order.tolist() == [2, 0, 1]
    assert keep_pieces(scene([2, 1, 0]), np.zeros(3, int)).order.tolist() == [0, 1, 2]
    assert keep_pieces(scene([0]), np.zeros(1, int)).order.tolist() == [0]
