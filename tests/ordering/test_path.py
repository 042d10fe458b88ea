"""Orders from distances: points on a line whose true order is known, and small matrices worked out by hand."""

import sys
import time

import fast_tsp
import numpy as np
import pytest

from workbench.matching.pairs import pair_matrix
from workbench.ordering.path import DRAFT, PROPOSAL, blend, greedy_chain, shortest_path


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


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not count the work of a thread finely enough")
def test_a_search_without_a_processor_is_repeated(monkeypatch):
    """A busy machine: while the clock of the first two searches runs, other programs have the processor."""
    solve, seconds = fast_tsp.find_tour, []

    def _starved(distances, duration_seconds, **options):
        seconds.append(duration_seconds)
        if len(seconds) > 2:
            return solve(distances, duration_seconds, **options)
        time.sleep(1.1 * duration_seconds)
        return list(range(len(distances)))

    monkeypatch.setattr(fast_tsp, "find_tour", _starved)
    distances, places = line(60)
    assert np.abs(np.diff(places[shortest_path(distances, searches=DRAFT)])).tolist() == [1] * 59
    assert seconds[1:3] == [2 * seconds[0], 4 * seconds[0]]


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
