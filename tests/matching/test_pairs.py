"""Candidate pairs, on frames that lie on a line: which pairs are near is clear from the numbers."""

import numpy as np
import pytest

from workbench.embedding.views import matrix_view
from workbench.matching.pairs import all_pairs, nearest_pairs, pairs_by_part


def line(count, seed=0):
    """``count`` frames one step apart on a line (each off by up to a tenth), shuffled: places (count,), distances."""
    rng = np.random.default_rng(seed)
    places = rng.permutation(np.arange(count) + rng.uniform(-0.1, 0.1, count))
    return places, np.abs(places[:, None] - places[None])


def well_formed(pairs, labels):
    """Int rows a < b, sorted, each once, both of one scene."""
    assert pairs.dtype.kind == "i" and pairs.shape[1:] == (2,)
    assert (pairs[:, 0] < pairs[:, 1]).all()
    assert np.array_equal(pairs, np.unique(pairs, axis=0))
    scenes = np.asarray(labels)[pairs]
    assert (scenes[:, 0] == scenes[:, 1]).all() and (scenes >= 0).all()


def partners(pairs, count):
    return np.bincount(pairs.ravel(), minlength=count)


@pytest.mark.parametrize("budget", [2, 3, 6, 10])
def test_pairs_on_a_line_are_the_nearest(budget):
    """Of 80 frames on a line: every true neighbour is a pair, and no pair is further apart than the nearest frames of
    one at the end of the line."""
    places, distances = line(80)
    pairs = nearest_pairs(np.zeros(80, int), [matrix_view(distances)], budget)
    well_formed(pairs, np.zeros(80, int))
    apart = np.abs(np.rint(places[pairs[:, 0]]) - np.rint(places[pairs[:, 1]]))
    assert (apart == 1).sum() == 79
    assert apart.max() <= 2 * budget
    assert len(pairs) <= budget * 80 and partners(pairs, 80).min() >= 2


def test_more_budget_gives_more_pairs():
    _, distances = line(80)
    counts = [len(nearest_pairs(np.zeros(80, int), [matrix_view(distances)], budget)) for budget in (2, 4, 8, 16, 39, 40)]
    assert counts == sorted(set(counts))[: len(counts)] and counts[-1] == 80 * 79 // 2
    assert all(count > 0.7 * budget * 80 for count, budget in zip(counts[1:], (4, 8, 16, 39), strict=False))


def test_each_of_several_views_proposes():
    """Two unrelated lines through the same 60 frames: neighbours on either line are pairs, within the budget."""
    (one, first), (two, second) = line(60, seed=1), line(60, seed=2)
    pairs = nearest_pairs(np.zeros(60, int), [matrix_view(first), matrix_view(second)], 10)
    well_formed(pairs, np.zeros(60, int))
    assert len(pairs) <= 600 and partners(pairs, 60).min() >= 2
    found = set(map(tuple, pairs.tolist()))
    for places in (one, two):
        order = np.argsort(places)
        assert {tuple(sorted(pair)) for pair in zip(order.tolist(), order[1:].tolist(), strict=False)} <= found


def test_pairs_stay_inside_scenes():
    """Three scenes of 30, 20 and 3 frames dealt out along one line, and 5 outliers."""
    labels = np.random.default_rng(0).permutation(np.repeat([0, 1, 2, -1], [30, 20, 3, 5]))
    _, distances = line(len(labels))
    for pairs in (nearest_pairs(labels, [matrix_view(distances)], 4), all_pairs(labels)):
        well_formed(pairs, labels)
        assert (partners(pairs, len(labels))[labels >= 0] >= 2).all()
        assert (partners(pairs, len(labels))[labels < 0] == 0).all()
    assert len(all_pairs(labels)) == 30 * 29 // 2 + 20 * 19 // 2 + 3
    for scene, count in ((0, 30), (1, 20)):
        chosen = nearest_pairs(labels, [matrix_view(distances)], 4)
        assert (labels[chosen[:, 0]] == scene).sum() <= 4 * count


def test_identical_frames():
    """All distances zero: any pairs will do, but every frame has two, and no frame is paired with itself."""
    pairs = nearest_pairs(np.zeros(50, int), [matrix_view(np.zeros((50, 50)))], 6)
    well_formed(pairs, np.zeros(50, int))
    assert partners(pairs, 50).min() >= 2


def test_budgets_too_small_for_all_views_still_give_two_neighbours():
    """Four unrelated views choose up to eight pairs per frame; with a budget of 2 each frame still has its nearest in each."""
    views = [line(40, seed)[1] for seed in range(4)]
    pairs = nearest_pairs(np.zeros(40, int), [matrix_view(view) for view in views], 2)
    assert partners(pairs, 40).min() >= 2
    found = set(map(tuple, pairs.tolist()))
    for view in views:
        nearest = (view + 1e9 * np.eye(40)).argmin(axis=1)
        assert {tuple(sorted(pair)) for pair in enumerate(nearest.tolist())} <= found


@pytest.mark.parametrize("labels", [[0], [-1], [-1, -1, -1], []])
def test_no_pairs(labels):
    labels = np.array(labels, dtype=int)
    distances = np.zeros((len(labels), len(labels)))
    assert nearest_pairs(labels, [matrix_view(distances)], 10).shape == all_pairs(labels).shape == (0, 2)


def test_two_frames_are_a_pair():
    assert nearest_pairs(np.zeros(2, int), [matrix_view(np.zeros((2, 2)))], 10).tolist() == [[0, 1]]


def test_pairs_by_part():
    """Frames 0, 2, 4 and 1, 3, 5 are joined by two pairs each, in turn: afterwards each part has its pairs side by side."""
    pairs = np.array([[0, 2], [1, 3], [2, 4], [3, 5]])
    assert pairs_by_part(pairs).tolist() == [[0, 2], [2, 4], [1, 3], [3, 5]]
    assert pairs_by_part(np.array([[7, 9], [2, 3]])).tolist() == [[2, 3], [7, 9]]
    assert pairs_by_part(np.zeros((0, 2), int)).shape == (0, 2)
