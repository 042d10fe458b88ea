"""Orders from distances: points on a line whose true order is known, and small matrices worked out by hand."""

import numpy as np
import pytest

from workbench.matching.pairs import pair_matrix
from workbench.ordering.path import (
    DRAFT,
    PROPOSAL,
    blend,
    cut_loop,
    find_loop_cut,
    greedy_chain,
    is_loop,
    rotate_order,
    shortest_path,
)


def line(count, noise=0.05, seed=0):
    """``count`` points about one apart along a noisy line in space, shuffled: distances (count, count), true places."""
    rng = np.random.default_rng(seed)
    points = np.c_[np.arange(count), np.zeros((count, 2))] + rng.normal(0, noise, (count, 3))
    places = rng.permutation(count)
    points = points[places]
    return np.linalg.norm(points[:, None] - points[None], axis=2), places


def length(distances, order):
    return distances[order[:-1], order[1:]].sum()


def tau(places):
    """|Kendall's tau| of a sequence without ties."""
    later = np.triu(np.sign(places[None] - places[:, None]), 1).sum()
    return abs(later) / (len(places) * (len(places) - 1) / 2)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 8, 21, 60])
def test_the_order_of_a_line_is_found(count):
    distances, places = line(count)
    order = shortest_path(distances)
    assert sorted(order.tolist()) == list(range(count))
    assert np.abs(np.diff(places[order])).tolist() == [1] * (count - 1)
    assert order[0] <= order[-1]  # of the two directions, the one that starts with the earlier frame


@pytest.mark.parametrize("count", [1, 3, 21, 60])
@pytest.mark.parametrize("searches", [PROPOSAL, DRAFT])
def test_a_short_search_finds_a_line_too(count, searches):
    distances, places = line(count, 0.2)
    assert np.abs(np.diff(places[shortest_path(distances, searches=searches)])).tolist() == [1] * (count - 1)


def test_no_frames():
    assert shortest_path(np.zeros((0, 0))).tolist() == []


@pytest.mark.parametrize("count", [30, 120])
def test_repeated_calls_give_the_same(count):
    """Points of a random walk in space, whose shortest path is not obvious: three calls, one order."""
    points = np.cumsum(np.random.default_rng(count).normal(size=(count, 3)), axis=0)
    distances = np.linalg.norm(points[:, None] - points[None], axis=2)
    first, *others = (shortest_path(distances) for _ in range(3))
    assert all(np.array_equal(first, other) for other in others)
    assert length(distances, first) <= length(distances, np.arange(count))


def test_no_better_path_among_all():
    """Seven random points: the shortest of all 5,040 orders, by trying them."""
    from itertools import permutations

    points = np.random.default_rng(5).uniform(size=(7, 2))
    distances = np.linalg.norm(points[:, None] - points[None], axis=2)
    best = min(length(distances, np.array(order)) for order in permutations(range(7)))
    assert length(distances, shortest_path(distances)) == pytest.approx(best, rel=1e-3)


def test_the_path_is_open():
    """Ten points on a circle with one gap: the path must break at the gap, not anywhere else."""
    angles = np.linspace(0, 1.6 * np.pi, 10)
    points = np.c_[np.cos(angles), np.sin(angles)]
    order = shortest_path(np.linalg.norm(points[:, None] - points[None], axis=2))
    assert order.tolist() == list(range(10))


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


def test_paths_of_one_length_are_always_the_same_one():
    """A grid of 6 x 6 points has very many shortest paths, of 35 steps: one of them is found, the same one in five calls."""
    points = np.stack(np.meshgrid(np.arange(6.0), np.arange(6.0)), axis=-1).reshape(-1, 2)
    distances = np.linalg.norm(points[:, None] - points[None], axis=2)
    first, *others = (shortest_path(distances) for _ in range(5))
    assert length(distances, first) == pytest.approx(35)
    assert all(np.array_equal(first, other) for other in others)


def test_identical_frames_stay_together():
    """Eight places on a line; each frame is there three times, shuffled."""
    places = np.random.default_rng(1).permutation(np.repeat(np.arange(8), 3))
    order = shortest_path(np.abs(places[:, None] - places[None]).astype(float))
    groups = places[order].reshape(8, 3)
    assert (groups == groups[:, :1]).all()
    assert np.abs(np.diff(groups[:, 0])).tolist() == [1] * 7
    assert (np.diff(order.reshape(8, 3), axis=1) > 0).all()  # in the order of the input


@pytest.mark.parametrize("count", [1, 2, 3, 40])
def test_all_identical(count):
    assert shortest_path(np.zeros((count, count))).tolist() == list(range(count))


def test_scale_does_not_matter():
    distances, _ = line(40, noise=0.3)
    assert np.array_equal(shortest_path(distances), shortest_path(1e-4 * distances))


def test_greedy_chain_by_hand():
    """Frame 2 has the largest row sum (0.9 + 0.6 + 0.5); from there 0.9 leads to 1, 0.4 on to 3, and 0 is left."""
    similarity = np.array([[1, 0.3, 0.6, 0.1], [0.3, 1, 0.9, 0.4], [0.6, 0.9, 1, 0.5], [0.1, 0.4, 0.5, 1]])
    assert greedy_chain(similarity).tolist() == [2, 1, 3, 0]
    assert similarity.diagonal().tolist() == [1, 1, 1, 1]


@pytest.mark.parametrize("count", [1, 2, 3])
def test_greedy_chain_of_few(count):
    assert sorted(greedy_chain(np.ones((count, count))).tolist()) == list(range(count))


def test_greedy_chain_loses_to_the_path_on_a_line():
    """The chain starts in the middle, runs to one end and jumps across: about half of the pairs are reversed."""
    distances, places = line(60)
    chain, path = greedy_chain(-distances), shortest_path(distances)
    assert tau(places[path]) == 1 and tau(places[chain]) < 0.7
    assert length(distances, path) < 0.8 * length(distances, chain)


def test_pair_matrix():
    """Frames 5, 2 and 9; the pair (2, 7) has a frame of another scene."""
    matrix = pair_matrix(np.array([5, 2, 9]), np.array([[2, 5], [5, 9], [2, 7]]), np.array([0.1, 0.2, 0.3]), 8.0)
    assert matrix.tolist() == [[8, 0.1, 0.2], [0.1, 8, 8], [0.2, 8, 8]]
    assert pair_matrix(np.array([3]), np.zeros((0, 2), int), np.zeros(0), 1.0).tolist() == [[1]]


def test_blend_is_between_its_parts():
    """Match counts 0 to 40 and cosine similarities -1 to 1 drawn from a seed."""
    rng = np.random.default_rng(0)
    counts, similarity = rng.integers(0, 41, (12, 12)), rng.uniform(-1, 1, (12, 12))
    counts, similarity = counts + counts.T, (similarity + similarity.T) / 2
    np.fill_diagonal(counts, 0)
    only_counts, only_similarity, half = (blend(counts, similarity, alpha) for alpha in (1.0, 0.0, 0.5))
    off = ~np.eye(12, dtype=bool)
    assert np.allclose(only_counts[off], (counts / counts.max())[off]) and only_counts[off].max() == 1
    assert np.allclose(only_similarity[off], np.maximum(similarity, 0)[off])
    assert np.allclose(half, (only_counts + only_similarity) / 2)
    for matrix in (only_counts, only_similarity, half):
        assert matrix.min() >= 0 and matrix.max() <= 1 and np.array_equal(matrix, matrix.T)
        assert (np.diagonal(matrix) == 1).all()


def test_blend_without_any_match():
    assert np.array_equal(blend(np.zeros((3, 3)), np.full((3, 3), 0.4), 0.5), np.where(np.eye(3), 1, 0.2))


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
