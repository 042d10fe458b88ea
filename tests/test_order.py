"""Orders from distances: points on a line whose true order is known, and small matrices worked out by hand."""

import numpy as np
import pytest

from workbench.order import blend, cut_loop, fused_distance, greedy_chain, pair_matrix, shortest_path


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
    """Distances of ``count`` frames on a circle, the same from each to the next, and how their pictures look: they change by 1
    a frame, and by ``step`` from the last one of the clip to the first, which is frame ``start``."""
    angles = np.linspace(0, 2 * np.pi, count, endpoint=False)
    points = np.c_[np.cos(angles), np.sin(angles)]
    looks = np.roll(np.arange(count) * (step / (count - 1)), start)
    return np.linalg.norm(points[:, None] - points[None], axis=2), np.abs(looks[:, None] - looks[None])


@pytest.mark.parametrize("start", [0, 1, 7, 19])
def test_a_loop_starts_where_the_pictures_change_most(start):
    """Twenty frames of a full orbit; the path may have been cut open anywhere."""
    distances, appearance = loop_of(20, start, 5.0)
    for opened in (np.roll(np.arange(20), 4), np.roll(np.arange(20), 13)[::-1]):
        found = cut_loop(opened, distances, appearance)
        assert {found[0], found[-1]} == {start, (start - 1) % 20}
        assert set(np.diff(found) % 20) in ({1}, {19})
        assert found[0] < found[-1]


def test_a_path_with_ends_far_apart_is_no_loop():
    """A line, an arc that leaves a gap of three links, and five frames, which are too few to tell."""
    distances, places = line(30)
    order = np.argsort(places)
    assert np.array_equal(cut_loop(order, distances, np.random.default_rng(0).random((30, 30))), order)
    distances, appearance = loop_of(20, 7, 5.0)
    assert np.array_equal(cut_loop(np.arange(18), distances, appearance), np.arange(18))
    assert np.array_equal(cut_loop(np.arange(5), distances[:5, :5], appearance[:5, :5]), np.arange(5))


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
    """The chain starts in the middle, runs to one end and jumps across: about half of the pairs are the wrong way round."""
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


def test_fused_distance_does_not_depend_on_the_units_of_its_parts():
    """Three noisy views of one line; one of them is stretched a hundredfold."""
    views = [line(30, noise)[0] / 100 for noise in (0.1, 0.2, 0.3)]
    fused = fused_distance(views[0], 1 - views[1], views[2])
    assert np.allclose(fused, fused_distance(views[0], 1 - views[1], 100 * views[2]))
    assert np.allclose(fused, fused.T) and (np.diagonal(fused) == 0).all()


def test_each_part_of_the_fused_distance_weighs_alike():
    """By the scale of each, the median frame is one unit from its nearest in every part."""
    distances = line(31)[0] / 100
    np.fill_diagonal(distances, 0)
    nothing = np.zeros_like(distances)
    parts = [fused_distance(distances, 1 - nothing, nothing), fused_distance(nothing, 1 - 3 * distances, nothing)]
    for part in parts:
        np.fill_diagonal(part, np.inf)
        assert np.median(part.min(axis=1)) == pytest.approx(1)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_fused_distance_of_identical_frames(count):
    fused = fused_distance(np.zeros((count, count)), np.ones((count, count)), np.zeros((count, count)))
    assert (fused == 0).all()
