"""Candidate pairs, on frames that lie on a line: which pairs are near is clear from the numbers."""

import numpy as np
import pytest

from workbench.embedding.views import matrix_view
from workbench.matching.pairs import all_pairs, nearest_pairs
from workbench.ordering.search import pairs_along, pairs_of_ends, two_hop_pairs


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


# --- pairs that an order asks for -----------------------------------------------------------------------------------------


def nothing_compared(count):
    """A frame and itself count as compared."""
    return np.eye(count, dtype=bool)


def unordered(pairs):
    return [tuple(sorted(pair)) for pair in pairs.tolist()]


@pytest.mark.parametrize("count", [4, 5, 30])
def test_pairs_along_are_those_up_to_three_places_apart(count):
    """Of an order that says nothing about the numbers of its frames; those compared before are left out."""
    order = np.random.default_rng(0).permutation(count)
    place = np.argsort(order)
    compared = nothing_compared(count)
    pairs = pairs_along(order, compared)
    assert len(set(unordered(pairs))) == len(pairs) == 3 * count - 6
    assert set(np.abs(place[pairs[:, 0]] - place[pairs[:, 1]])) == {1, 2, 3}
    compared[pairs[::2, 0], pairs[::2, 1]] = compared[pairs[::2, 1], pairs[::2, 0]] = True
    assert pairs_along(order, compared).tolist() == pairs[1::2].tolist()


@pytest.mark.parametrize(("count", "pairs"), [(0, 0), (1, 0), (2, 1), (3, 3)])
def test_pairs_along_few_frames(count, pairs):
    found = pairs_along(np.arange(count), nothing_compared(count))
    assert found.shape == (pairs, 2) and found.dtype.kind == "i"
    assert len(pairs_along(np.arange(count), np.ones((count, count), dtype=bool))) == 0


def test_the_ends_of_wrongly_joined_pieces_are_compared():
    """Thirty frames of a line, in an order of three pieces: the second and third exchanged, the last one reversed.
    Frame 9 belongs to 10, and 19 to 20: they are ends of pieces, and all fifteen pairs of the six ends are requested."""
    places = np.arange(30)
    order = np.r_[0:10, 29:19:-1, 10:20]
    distances = np.abs(places[:, None] - places[None]).astype(float)
    pairs = pairs_of_ends(order, distances, nothing_compared(30), 15)
    assert len(pairs) == 15
    assert {(9, 10), (19, 20)} <= set(unordered(pairs))
    assert unordered(pairs[:1]) == [(0, 19)]  # the two ends of the whole order come first
    ends = {0, 9, 29, 20, 10, 19}
    assert set(pairs.ravel().tolist()) <= ends


def test_pairs_of_ends_leave_out_compared_pairs_and_keep_to_their_number():
    distances = line(20)[1]
    order = np.random.default_rng(3).permutation(20)
    compared = np.random.default_rng(4).random((20, 20)) < 0.5
    compared |= compared.T | nothing_compared(20)
    for most in (0, 1, 7, 1000):
        pairs = pairs_of_ends(order, distances, compared, most)
        assert len(pairs) <= most and not compared[pairs[:, 0], pairs[:, 1]].any()
        assert len(set(unordered(pairs))) == len(pairs)
    assert len(pairs) == np.count_nonzero(~compared) // 2  # with room enough, every pair that is left
    assert pairs_of_ends(order, distances, compared, -3).shape == (0, 2)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_pairs_of_ends_of_few_frames(count):
    pairs = pairs_of_ends(np.arange(count), np.zeros((count, count)), nothing_compared(count), 10)
    assert len(pairs) == count * (count - 1) // 2


def test_a_neighbour_of_a_neighbour_comes_first():
    """Forty frames on a line, shuffled, each compared with the two beside it: what is proposed are frames two places
    apart, the only ones with a short way through a third, and nothing that was compared."""
    places, distances = line(40)
    rank = np.argsort(np.argsort(places))
    compared = np.abs(np.subtract.outer(rank, rank)) <= 1
    pairs = two_hop_pairs(distances, compared, 38)
    assert len(set(unordered(pairs))) == len(pairs) == 38
    assert (np.abs(rank[pairs[:, 0]] - rank[pairs[:, 1]]) == 2).all()


def test_nothing_far_is_proposed_however_much_room_there_is():
    """Two groups of ten frames each, compared inside and by one pair 30 steps long across: frames of both are never near."""
    places = np.r_[np.arange(10.0), 40 + np.arange(10.0)]
    distances = np.abs(places[:, None] - places[None])
    compared = (distances < 3) | (distances > 1000)
    compared[9, 10] = compared[10, 9] = True
    pairs = two_hop_pairs(distances, compared, 1000)
    assert len(pairs) and ((pairs < 10).sum(axis=1) != 1).all()
    assert not compared[pairs[:, 0], pairs[:, 1]].any()


def test_values_of_pairs_not_compared_do_not_matter():
    places, distances = line(40)
    rank = np.argsort(np.argsort(places))
    compared = np.abs(np.subtract.outer(rank, rank)) <= 2
    wanted = two_hop_pairs(distances, compared, 20)
    for fill in (0.0, 99.0):
        assert np.array_equal(two_hop_pairs(np.where(compared, distances, fill), compared, 20), wanted)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 5])
def test_two_hop_pairs_of_few_frames_or_with_all_compared(count):
    distances = line(count)[1] if count else np.zeros((0, 0))
    assert two_hop_pairs(distances, np.ones((count, count), dtype=bool), 10).shape == (0, 2)
    assert two_hop_pairs(distances, np.eye(count, dtype=bool), 10).shape == (0, 2)  # no way leads anywhere
    assert two_hop_pairs(distances, np.eye(count, dtype=bool), -1).shape == (0, 2)


def test_two_hop_pairs_among_identical_frames():
    """All distances zero: whatever is proposed is a pair that was not compared."""
    compared = np.abs(np.subtract.outer(np.arange(8), np.arange(8))) <= 1
    pairs = two_hop_pairs(np.zeros((8, 8)), compared, 5)
    assert pairs.shape[1] == 2 and not compared[pairs[:, 0], pairs[:, 1]].any()
