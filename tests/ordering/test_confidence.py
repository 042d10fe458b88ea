"""Confidence of links, on points along a noisy line in space whose true order is known, and on small matrices by brute force.

In all scenes the frames are numbered by their true place, so a link is right when its two numbers differ by 1.
"""

from itertools import pairwise, permutations

import numpy as np
import pandas as pd
import pytest

from workbench.ordering.confidence import (
    WEAK_CONFIDENCE,
    _local_rise,
    _path_rise,
    agreed_links,
    doubt_about,
    link_confidence,
    roughness,
    weak_links,
)
from workbench.ordering.distance import Proposal
from workbench.ordering.path import shortest_path


def between(points):
    return np.linalg.norm(points[:, None] - points[None], axis=2)


def line(steps, noise, seed):
    """Distances of points along a line, ``steps`` apart, with normal noise in three dimensions."""
    rng = np.random.default_rng(seed)
    places = np.concatenate([[0], np.cumsum(steps)])
    return between(np.c_[places, np.zeros((len(places), 2))] + rng.normal(0, noise, (len(places), 3)))


def judged(order, distances, compared, appearance, closed=False):
    """The confidence of the links of a scene of which there is no doubt: both halves lead to every link."""
    agreed = np.ones(max(0, len(order) - 1), dtype=bool)
    return link_confidence(order, distances, compared, appearance, closed, agreed, 1.0)


def confidence(distances, order=None):
    """The confidence of the links when all pairs were compared."""
    order = np.arange(len(distances)) if order is None else order
    return judged(order, distances, np.ones(distances.shape, dtype=bool), distances)


def chance(right, wrong):
    """Share of pairs of a right and a wrong link in which the right one has more confidence (ROC AUC)."""
    gap = np.asarray(right)[:, None] - np.asarray(wrong)[None]
    return ((gap > 0) + 0.5 * (gap == 0)).mean()


@pytest.mark.parametrize("seed", range(3))
def test_even_steps_are_certain(seed):
    assert confidence(line(np.ones(59), 0.05, seed)).min() > 0.95


def test_long_links_of_a_fast_stretch_stay_certain():
    """A pan four times as fast in the middle: length alone says nothing."""
    steps = np.r_[np.ones(20), 4 * np.ones(20), np.ones(20)]
    assert confidence(line(steps, 0.05, 0)).min() > WEAK_CONFIDENCE


def test_two_frames_that_could_change_places():
    """Frames 20 and 21 lie beside the line, one on each side, equally near to both their neighbours."""
    points = np.c_[np.arange(40.0), np.zeros((40, 2))]
    points[20:22] = [[20.5, 0.5, 0], [20.5, -0.5, 0]]
    distances = between(points)
    for order in (np.arange(40), np.r_[0:20, 21, 20, 22:40]):
        found = confidence(distances, order)
        assert set(np.argsort(found)[:2]) == {19, 21}
        assert found[[19, 21]].max() < 0.7
        assert np.delete(found, [19, 21]).min() > WEAK_CONFIDENCE


def test_a_jump_between_two_halves_that_have_nothing_in_common():
    distances = np.full((50, 50), 6.0)
    distances[:25, :25], distances[25:, 25:] = line(np.ones(24), 0.05, 1), line(np.ones(24), 0.05, 2)
    found = confidence(distances)
    assert found.argmin() == 24
    assert found[24] < 0.7
    assert np.delete(found, 24).min() > WEAK_CONFIDENCE


def test_two_frames_exchanged():
    """Frames 10 and 40 of a sure line exchanged, as by hand: the four wrong links are doubted (those between them may be)."""
    order = np.arange(60)
    order[[10, 40]] = 40, 10
    assert confidence(line(np.ones(59), 0.05, 0), order)[[9, 10, 39, 40]].max() < 0.5


def test_a_reversed_stretch():
    found = confidence(line(np.ones(59), 0.05, 0), np.r_[0:20, 34:19:-1, 35:60])
    assert found[[19, 34]].max() < 0.5
    assert np.r_[found[:18], found[36:]].min() > WEAK_CONFIDENCE


def test_a_held_shot_is_guessed():
    """Ten frames of a still, apart only by noise, inside a moving stretch: so their order is chance."""
    distances = line(np.r_[np.ones(20), np.zeros(9), np.ones(20)], 0.05, 3)
    order = shortest_path(distances)
    order = order if order[0] < order[-1] else order[::-1]
    found = confidence(distances, order)
    assert np.median(found[20:29]) < 0.85
    assert found[:19].min() > 0.95
    assert found[30:].min() > 0.95


def noisy_scenes():
    """Twelve scenes of 80 frames with steps from 0.1 to 2 in slow waves: distances sqrt(1 + way²) with a normal error of 15 %,
    and the orders that the solver finds. About one link in ten is wrong."""
    for seed in range(12):
        rng = np.random.default_rng(seed)
        steps = np.exp(np.convolve(rng.normal(0, 1, 90), np.ones(12) / 4, "valid")).clip(0.1, 2)
        error = np.triu(rng.normal(0, 0.15, (80, 80)), 1)
        distances = np.sqrt(1 + line(steps, 0, 0) ** 2) * (1 + error + error.T)
        np.fill_diagonal(distances, 0)
        order = shortest_path(distances)
        yield distances, order, np.abs(np.diff(order)) == 1


def test_wrong_links_of_noisy_scenes_have_less_confidence_and_length_does_not_tell():
    found, short, right = [], [], []
    for distances, order, truth in noisy_scenes():
        found.append(confidence(distances, order))
        short.append(-distances[order[:-1], order[1:]])
        right.append(truth)
    found, short, right = map(np.concatenate, (found, short, right))
    assert 0.05 < 1 - right.mean() < 0.2
    assert chance(found[right], found[~right]) > 0.9
    assert chance(short[right], short[~right]) < 0.6
    assert right[found > 0.95].mean() > 0.99
    assert (found[~right] < WEAK_CONFIDENCE).mean() > 0.8


def test_pairs_that_were_not_compared_count_as_far_apart_as_they_look():
    """Two halves of a line, 3 apart, whose frames were compared up to three places on. Whether the second half could be
    reversed depends on frames 24 and 49, which were not compared."""
    distances = line(np.r_[np.ones(24), 3, np.ones(24)], 0.05, 0)
    compared = np.abs(np.subtract.outer(np.arange(50), np.arange(50))) <= 3
    appearance = distances / 7 + 0.1
    alike = appearance.copy()
    alike[24, 49] = alike[49, 24] = alike[24, 25]
    for fill in (0.0, 1e6):  # the values of pairs that were not compared do not matter
        filled = np.where(compared, distances, fill)
        assert judged(np.arange(50), filled, compared, appearance).min() > WEAK_CONFIDENCE
        found = judged(np.arange(50), filled, compared, alike)
        assert found.argmin() == 24
        assert found[24] < 0.7
        assert np.delete(found, 24).min() > WEAK_CONFIDENCE


@pytest.mark.parametrize("compared", [np.eye(6, dtype=bool), np.eye(6, k=1, dtype=bool) | np.eye(6, k=-1, dtype=bool)])
def test_too_few_pairs_for_a_line_leave_the_distances_alone(compared):
    """No pair compared, or all compared ones look equally alike."""
    distances, even = line(np.ones(5), 0.05, 0), np.ones((6, 6))
    assert judged(np.arange(6), distances, compared, even) == pytest.approx(confidence(distances))


def length(along, order):
    return sum(along[a, b] for a, b in pairwise(order))


def local_cost(along, order):
    return length(along, order) + 0.5 * sum(along[a, b] for a, b in zip(order[:-2], order[2:], strict=True))


@pytest.mark.parametrize("cost, rises", [(length, _path_rise), (local_cost, _local_rise)])
@pytest.mark.parametrize("count", [3, 4, 6])
def test_rises_are_those_of_orders_that_lack_the_link(cost, rises, count):
    """None is below the best of all orders without the link (brute force), and each is that of one of them."""
    along = between(np.random.default_rng(count).random((count, 2)))
    for k, found in enumerate(rises(along, False)):
        others = [p for p in permutations(range(count)) if all({a, b} != {k, k + 1} for a, b in pairwise(p))]
        possible = np.array([cost(along, other) for other in others]) - cost(along, range(count))
        assert np.isinf(found) or np.abs(possible - found).min() < 1e-12
    assert np.isfinite(rises(along, False)).all()


def test_direction_and_unit_do_not_matter():
    distances, order, _ = next(noisy_scenes())
    assert confidence(distances, order)[::-1] == pytest.approx(confidence(distances, order[::-1]))
    assert confidence(1000 * distances, order) == pytest.approx(confidence(distances, order))


def ring(count, noise, seed):
    """Distances of points about one apart around a circle, with normal noise in three dimensions."""
    angles, radius = np.linspace(0, 2 * np.pi, count, endpoint=False), count / (2 * np.pi)
    points = radius * np.c_[np.cos(angles), np.sin(angles), np.zeros(count)]
    return between(points + np.random.default_rng(seed).normal(0, noise, (count, 3)))


@pytest.mark.parametrize("seed", range(3))
def test_links_of_a_ring_are_sure_once_it_is_closed(seed):
    """Fifty frames of an orbit. Taken for a path, it could be cut open at any other link as well, so every link is doubted.
    Taken for a loop, no link is, wherever the cut is and in both directions."""
    distances, compared = ring(50, 0.02, seed), np.ones((50, 50), dtype=bool)
    for order in (np.arange(50), np.roll(np.arange(50), 17)[::-1]):
        as_path, as_loop = (judged(order, distances, compared, distances, closed) for closed in (False, True))
        assert as_path.max() < 0.9 and np.median(as_path) < WEAK_CONFIDENCE
        assert as_loop.min() > 0.95


def test_a_wrong_link_of_a_ring_is_still_doubted():
    """Two frames of a ring exchanged: only the links around them are doubted, in the middle and across the cut alike."""
    distances, compared = ring(50, 0.05, 0), np.ones((50, 50), dtype=bool)
    for shift in (0, 20):
        order = np.r_[0:25, 26, 25, 27:50]
        order = np.roll(order, shift + 24)  # with shift 0 the exchanged frames stand at both ends
        found = judged(order, distances, compared, distances, True)
        wrong = np.isin(np.abs(np.diff(order)), [1, 49], invert=True)
        assert found[wrong].max() < 0.5
        beside = np.convolve(wrong, np.ones(5), "same") > 0
        assert found[~beside][4:-4].min() > WEAK_CONFIDENCE


def test_rises_of_a_ring_do_not_depend_on_where_it_is_cut():
    """A loop of twelve random points, cut open at two places: the links that both orders have, have the same rise."""
    along = between(np.random.default_rng(0).random((12, 2)))
    rotated = np.roll(np.arange(12), -5)
    first, second = _path_rise(along, True), _path_rise(along[np.ix_(rotated, rotated)], True)
    by_link = {(int(rotated[k]), int(rotated[k + 1])): rise for k, rise in enumerate(second)}
    for k in range(11):
        if k != 4:
            assert first[k] == pytest.approx(by_link[k, k + 1])


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 5, 8, 9])
def test_few_frames_and_identical_ones(count):
    for distances in (np.zeros((count, count)), line(np.ones(max(count - 1, 0)), 0.05, 0)[:count, :count]):
        for closed in (False, True):
            compared = np.ones(distances.shape, dtype=bool)
            found = judged(np.arange(count), distances, compared, distances, closed)
            assert found.shape == (max(count - 1, 0),)
            assert ((found > 0) & (found < 1)).all()
    assert (confidence(np.zeros((9, 9))) < WEAK_CONFIDENCE).all()


def test_weak_links_are_listed_with_their_places_and_frames():
    """Scene 0 is 4, 0, 2; scene 1 is 5, 1; frame 3 is foreign. The weak links are 0 to 2 and 5 to 1, the weakest first."""
    columns = {"position": range(6), "scene": [0, 1, 0, -1, 0, 1], "order": [1, 1, 2, pd.NA, 0, 0]}
    table = pd.DataFrame(columns | {"confidence": [0.3, np.nan, np.nan, np.nan, 0.9, 0.2]}).astype({"order": "Int64"})
    found = weak_links(table)
    assert found[["scene", "place", "first", "second"]].to_numpy().tolist() == [[1, 0, 5, 1], [0, 1, 0, 2]]
    assert found["confidence"].tolist() == [0.2, 0.3]
    assert len(weak_links(table.assign(confidence=0.99))) == len(weak_links(table[table["scene"] < 0])) == 0


def test_halves_that_differ_make_links_less_sure():
    """Forty frames in even steps: a link is surer when both halves lead to it, and when they have more links in common."""
    distances, every = line(np.ones(39), 0.05, 0), np.ones((40, 40), dtype=bool)

    def found(agreed, alike):
        return link_confidence(np.arange(40), distances, every, distances, False, np.full(39, agreed), alike)

    assert (found(False, 1.0) < found(True, 1.0)).all() and (found(True, 0.7) < found(True, 1.0)).all()
    assert found(True, 1.0).min() > 0.95 and found(True, 0.6).max() < WEAK_CONFIDENCE


def test_two_periods_sorted_into_one_are_doubted():
    """Eighty frames of a pendulum, three and a half periods, in the order of the angle: every link is the shortest one, but the
    lengths of links in a row differ at random. In their true order they change smoothly."""
    angle = np.cos(np.arange(80) * 2 * np.pi * 3.5 / 80 + 0.3)
    apart = np.abs(angle[:, None] - angle)
    by_angle = np.argsort(angle)
    assert roughness(np.diff(angle[by_angle])) > 0.45 > 0.25 > roughness(np.abs(np.diff(angle)))
    assert confidence(apart, by_angle).max() < 0.95


def test_links_that_both_halves_lead_to():
    """Of the order 0 1 2 3 4 5 one half swaps 2 and 3, the other turns all round: the links 0-1, 2-3 and 4-5 are agreed."""
    halves = Proposal(np.array([0, 1, 3, 2, 4, 5]), np.arange(6)[::-1])
    assert agreed_links(np.arange(6), halves).tolist() == [True, False, True, False, True]


def test_an_order_that_is_not_in_the_pictures_says_why():
    """Halves that lead to random orders, and halves that agree with hardly any evidence; short scenes are not judged."""
    rng = np.random.default_rng(0)
    noise = Proposal(rng.permutation(40), rng.permutation(40))
    alike = Proposal(np.arange(40), np.arange(40))
    assert "another order" in doubt_about(noise, 100.0)
    assert "hardly more alike" in doubt_about(alike, 1.0)
    assert doubt_about(alike, 100.0) == ""
    assert doubt_about(Proposal(np.arange(8), rng.permutation(8)), 1.0) == ""
