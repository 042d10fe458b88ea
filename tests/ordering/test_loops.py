"""Scenes that come back to where they began: frames on circles and lines whose true order is known."""

import numpy as np
import pytest

from tests.ordering.test_path import line, tau
from workbench.ordering.loops import cut_loop, find_loop_cut, is_loop, rotate_order
from workbench.ordering.path import shortest_path


def loop_of(count, start, step):
    """Distances of ``count`` frames on a circle, the same from each to the next, and distances of their appearance: from the
    first frame of the clip, which is ``start``, to the last one it changes evenly, by ``step`` in all."""
    angles = np.linspace(0, 2 * np.pi, count, endpoint=False)
    points = np.c_[np.cos(angles), np.sin(angles)]
    appearance = np.roll(np.arange(count) * (step / (count - 1)), start)
    return np.linalg.norm(points[:, None] - points[None], axis=2), np.abs(appearance[:, None] - appearance[None])


@pytest.mark.parametrize("start", [0, 1, 7, 19])
def test_a_loop_starts_where_the_pictures_change_most(start):
    """Twenty frames of a full orbit; the path may have been cut open anywhere."""
    distances, appearance = loop_of(20, start, 5.0)
    for opened in (np.roll(np.arange(20), 4), np.roll(np.arange(20), 13)[::-1]):
        assert is_loop(opened, distances)
        found = cut_loop(opened, appearance)
        assert {found[0], found[-1]} == {start, (start - 1) % 20}
        assert set(np.diff(found) % 20) in ({1}, {19})
        assert found[0] < found[-1]


def test_a_path_with_ends_far_apart_is_no_loop():
    """A line, an arc that leaves a gap of three links, and five frames of a circle, which are too few to tell."""
    distances, places = line(30)
    assert not is_loop(np.argsort(places), distances)
    distances, _ = loop_of(20, 7, 5.0)
    assert not is_loop(np.arange(18), distances)
    assert not is_loop(np.arange(5), loop_of(5, 0, 5.0)[0])
    assert is_loop(np.arange(6), loop_of(6, 0, 5.0)[0])


@pytest.mark.parametrize("count", [10, 60])
def test_frames_that_are_all_equally_far_are_no_loop(count):
    """On a line where frames two places apart are already nearly as far as any, the ends are near enough, but so are all."""
    apart = 1.45 - 0.45 * np.exp(1 - np.abs(np.subtract.outer(np.arange(count), np.arange(count))))
    np.fill_diagonal(apart, 0)
    assert apart[0, -1] < 1.5 * np.diagonal(apart, 1).max()
    assert not is_loop(np.arange(count), apart)


def test_one_long_link_does_not_make_a_line_a_loop():
    """Thirty frames of a bent line whose ends are as far apart as one jump along it: still no loop, by the median link."""
    angles = np.linspace(0, 1.8 * np.pi, 30)
    angles[15:] += 0.15 * np.pi
    points = np.c_[np.cos(angles), np.sin(angles)]
    distances = np.linalg.norm(points[:, None] - points[None], axis=2)
    distances[0, 29] = distances[29, 0] = distances[14, 15]
    assert not is_loop(np.arange(30), distances)


def ring(steps):
    """Distances of frames around a loop with these steps from each to the next, by the shorter way; the last step closes it."""
    places = np.concatenate([[0.0], np.cumsum(steps)[:-1]])
    along = np.abs(places[:, None] - places[None])
    return np.minimum(along, sum(steps) - along)


@pytest.mark.parametrize(
    ("closing", "longest", "loop"), [(1.4, 1, True), (1.6, 1, False), (2.9, 2, True), (3.1, 2.5, False), (3.1, 2, False)]
)
def test_how_near_the_ends_of_a_loop_are(closing, longest, loop):
    """Twenty frames one apart, one link of them longer: the ends may be 1.5 times the longest and 3 times the median apart."""
    steps = np.ones(20)
    steps[7], steps[-1] = longest, closing
    assert is_loop(np.arange(20), ring(steps)) is loop


def rest_move_rest(count=60, seed=0):
    """Distances of frames of someone who rests, moves fast, and rests again nearly as before: once around a circle, slow at
    both ends, with noise and a small step between the last pose and the first. The true order is 0, 1, 2, ..."""
    rng = np.random.default_rng(seed)
    turn = np.pi * (1 - np.cos(np.linspace(0, np.pi, count)))  # 0 to 2 pi, slow at both ends
    points = 20 * np.c_[np.cos(turn), np.sin(turn), np.zeros(count)] + rng.normal(0, 0.02, (count, 3))
    points[:, 2] += np.linspace(0, 0.6, count)
    return np.linalg.norm(points[:, None] - points[None], axis=2)


@pytest.mark.parametrize("seed", range(3))
def test_a_movement_that_ends_where_it_began_starts_at_rest(seed):
    """The shortest path cuts the movement in two, for its links are the longest; the gap is found where the poses differ."""
    distances = rest_move_rest(seed=seed)
    path = shortest_path(distances)
    assert tau(path) < 0.5
    gap = find_loop_cut(path, distances)
    assert gap is not None and tau(rotate_order(path, gap + 1)) > 0.99


@pytest.mark.parametrize("count", [5, 30, 60])
def test_no_gap_elsewhere_in_a_line_or_an_even_circle(count):
    """The ends of a line are far apart; on a circle of even steps, no link stands out."""
    distances, _ = line(count)
    assert find_loop_cut(shortest_path(distances), distances) is None
    circle, _ = loop_of(count, 0, 5)
    assert find_loop_cut(shortest_path(circle), circle) is None
