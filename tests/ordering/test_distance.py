"""Weights of distances from the order they belong to, and orders from weighted distances: points along lines whose true order
is compared, beside distances that are noise. Frames are numbered by their true place unless they are shuffled."""

import numpy as np
import pytest

from workbench.ordering.distance import consistency, consistent_weights, fuse_and_order, scaled
from workbench.ordering.path import shortest_path


def line(count, noise=0.05, seed=0):
    """Distances of ``count`` points about one apart along a line in space, off it by normal noise in three dimensions."""
    points = np.c_[np.arange(count), np.zeros((count, 2))] + np.random.default_rng(seed).normal(0, noise, (count, 3))
    return np.linalg.norm(points[:, None] - points[None], axis=2)


def noise(count, seed=0, low=0.0):
    """Symmetric random distances, uniform from ``low`` to 1, which have nothing to do with any order."""
    upper = np.triu(np.random.default_rng(seed).uniform(low, 1, (count, count)), 1)
    return upper + upper.T


def every(count):
    return np.ones((count, count), dtype=bool)


def near(count, reach):
    """The pairs up to ``reach`` places apart were compared."""
    return np.abs(np.subtract.outer(np.arange(count), np.arange(count))) <= reach


def adjacent(order):
    """Share of links that join true neighbours."""
    return float((np.abs(np.diff(order)) == 1).mean())


# --- one scale ------------------------------------------------------------------------------------------------------------


def test_the_median_frame_is_one_unit_from_its_nearest():
    """Whatever the unit of a distance, and although one pair of frames is a hundred times nearer than the others."""
    distances = line(31)
    distances[3, 4] = distances[4, 3] = 0.01
    for unit in (1e-3, 1, 300):
        found = scaled(unit * distances)
        assert np.allclose(found, scaled(distances)) and np.allclose(found, found.T)
        assert (np.diagonal(found) == 0).all()
        assert np.median((found + 1e9 * np.eye(31)).min(axis=1)) == pytest.approx(1)


def test_the_scale_comes_from_the_pairs_that_were_compared():
    """Pairs that were not compared stand at 0.4, nearer than true neighbours: they do not count, but are scaled too."""
    compared = near(20, 2)
    distances = np.where(compared, 2.0 * line(20, noise=0), 0.4)
    found = scaled(distances, compared)
    assert found[4, 5] == pytest.approx(1) and found[4, 9] == pytest.approx(0.2)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_identical_frames_stay_at_zero(count):
    assert (scaled(np.zeros((count, count))) == 0).all()


def test_mostly_identical_frames_stay_finite():
    """Eight of ten frames are the same: the distance to the nearest is 0, so the mean is the scale."""
    distances = np.zeros((10, 10))
    distances[8:] = distances[:, 8:] = 1
    np.fill_diagonal(distances, 0)
    found = scaled(distances)
    assert np.isfinite(found).all() and 0 < found.max() < 100


def test_nothing_compared_leaves_the_distance_as_it_is():
    assert np.allclose(scaled(line(6), np.eye(6, dtype=bool)), line(6))


# --- how well a distance agrees with an order -------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [12, 40])
def test_consistency_of_right_wrong_and_tied_distances(count):
    """A line always agrees, a negated one never, and equal distances in half of the cases, apart from the two cases that are
    added."""
    places = np.arange(count)
    cases = 2 * sum(count - step for step in (2, 3, 4))
    assert consistency(line(count, 0), every(count), places) == pytest.approx((cases + 1) / (cases + 2))
    assert consistency(-line(count, 0), every(count), places) == pytest.approx(1 / (cases + 2))
    assert consistency(np.ones((count, count)), every(count), places) == 0.5


@pytest.mark.parametrize("seed", range(5))
def test_noise_agrees_by_chance_with_any_order_but_its_own(seed):
    rng = np.random.default_rng(seed)
    found = noise(80, seed)
    assert consistency(found, every(80), rng.permutation(80)) == pytest.approx(0.5, abs=0.1)
    assert (
        consistency(found, every(80), shortest_path(found)) > 0.8
    )  # with its own order it agrees: only another distance can tell


def test_direction_and_unit_do_not_matter():
    distances = line(30, noise=0.8)
    order = shortest_path(distances)
    found = consistency(distances, every(30), order)
    assert consistency(distances, every(30), order[::-1]) == pytest.approx(found)
    assert consistency(1000 * distances, every(30), order) == pytest.approx(found)


@pytest.mark.parametrize("compared", [np.eye(9, dtype=bool), near(9, 1)])
def test_cases_need_two_compared_pairs(compared):
    """Without a pair two places apart there is no case, so the share is that of chance, however right the distance is."""
    assert consistency(line(9), compared, np.arange(9)) == 0.5


def test_few_cases_stay_near_chance():
    """Three frames give two cases: both right are three of four, by Laplace's rule; sixty frames are nearly sure."""
    assert consistency(line(3), every(3), np.arange(3)) == pytest.approx(0.75)
    assert consistency(line(60), every(60), np.arange(60)) > 0.99


@pytest.mark.parametrize("count", [0, 1, 2])
def test_too_few_frames_for_any_case(count):
    assert consistency(line(count), every(count), np.arange(count)) == 0.5


# --- weights --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_what_agrees_with_the_order_gets_the_weight(seed):
    """A line seen well, the same line seen badly, and noise, for 60 frames in true order: the noise weighs nothing."""
    well, badly, nothing = consistent_weights(
        [line(60, 0.05, seed), line(60, 0.5, seed + 10), noise(60, seed)], every(60), np.arange(60)
    )
    assert nothing == 0 and 0 < badly < well / 3


def test_equal_weights_when_no_distance_agrees():
    """Three distances that are noise; and frames too few for any case."""
    assert consistent_weights([noise(50, seed) for seed in range(3)], every(50), np.arange(50)).tolist() == [1, 1, 1]
    assert consistent_weights([line(2), line(2)], every(2), np.arange(2)).tolist() == [1, 1]


# --- both together ----------------------------------------------------------------------------------------------------------


def two_views_and_noise(seed, count=60):
    """Two distances of points along a line, each about a fifth of a step off, and one that is noise from 0.1 to 1: 60 shuffled
    frames. Returns the parts, at one scale, and the true place of every frame."""
    rng = np.random.default_rng(1000 + seed)
    places = rng.permutation(count)
    parts = [line(count, 0.2, seed), line(count, 0.2, seed + 100), noise(count, seed, 0.1)]
    return [scaled(part[np.ix_(places, places)]) for part in parts], places


def test_noise_among_the_distances_is_found_and_left_out():
    """Ten scenes. With equal weights a quarter of the links and more are wrong; fused, the noise weighs nothing and the order
    is as good as if the noise had been left out from the start."""
    alike, found, without, weight = [], [], [], []
    for seed in range(10):
        parts, places = two_views_and_noise(seed)
        fused_order = fuse_and_order(parts, every(60), np.ones(3))
        alike.append(adjacent(places[shortest_path(sum(parts))]))
        without.append(adjacent(places[shortest_path(parts[0] + parts[1])]))
        found.append(adjacent(places[fused_order.order]))
        weight.append(fused_order.weights[2] / fused_order.weights.sum())
    assert np.mean(alike) < 0.75
    assert np.mean(without) > 0.99 and np.mean(found) > 0.99
    assert np.max(weight) == 0


def test_order_weights_and_fused_distance_agree():
    parts, _ = two_views_and_noise(0)
    fused_order = fuse_and_order(parts, every(60), np.ones(3), rounds=20)
    assert np.allclose(fused_order.fused, sum(weight * part for weight, part in zip(fused_order.weights, parts, strict=True)))
    assert np.array_equal(fused_order.order, shortest_path(fused_order.fused))
    assert np.allclose(fused_order.weights, consistent_weights(parts, every(60), fused_order.order))
    again = fuse_and_order(parts, every(60), fused_order.weights, 1)  # nothing changes any more
    assert np.array_equal(again.order, fused_order.order) and np.allclose(again.weights, fused_order.weights)


def test_weights_to_start_from_are_taken():
    """One view of a line and noise that is far nearer: from equal weights the noise decides, from a hint the line does."""
    places = np.random.default_rng(1).permutation(40)
    view, nothing = scaled(line(40, 0.2)[np.ix_(places, places)]), 30 * noise(40, 1)
    hinted = fuse_and_order([view, nothing], every(40), np.array([1.0, 0.0]))
    assert adjacent(places[hinted.order]) > 0.95 and hinted.weights[1] == 0
    assert adjacent(places[fuse_and_order([view, nothing], every(40), np.ones(2)).order]) < 0.5


@pytest.mark.parametrize("count", [1, 2, 3])
def test_few_frames(count):
    fused_order = fuse_and_order([line(count), noise(count)], every(count), np.ones(2))
    assert sorted(fused_order.order.tolist()) == list(range(count))
    assert np.isfinite(fused_order.weights).all() and fused_order.weights.sum() > 0


def test_identical_frames_are_in_the_order_of_the_input():
    fused_order = fuse_and_order([scaled(np.zeros((7, 7)))] * 3, every(7), np.ones(3))
    assert fused_order.order.tolist() == list(range(7)) and (fused_order.fused == 0).all()
