"""Refinement of an order, on points along a line whose true order is known."""

from itertools import permutations

import numpy as np
import pytest

from workbench.ordering.path import REFINE_TWO_STEP_WEIGHT, refine


def line(count, noise=0.0, seed=0):
    """Distances of ``count`` points one apart along a line in space, off it by normal noise in three dimensions."""
    points = np.c_[np.arange(count), np.zeros((count, 2))] + np.random.default_rng(seed).normal(0, noise, (count, 3))
    return np.linalg.norm(points[:, None] - points[None], axis=2)


def cost(order, distances):
    order = np.asarray(order)
    return distances[order[:-1], order[1:]].sum() + REFINE_TWO_STEP_WEIGHT * distances[order[:-2], order[2:]].sum()


def adjacent(order):
    return float((np.abs(np.diff(order)) == 1).mean())


@pytest.mark.parametrize("count", [0, 1, 2, 3, 8, 60])
def test_a_right_order_stays(count):
    for order in (np.arange(count), np.arange(count)[::-1]):
        assert refine(order, line(count)).tolist() == order.tolist()


@pytest.mark.parametrize("width", [2, 3, 4, 5, 6])
def test_reversed_neighbours_are_put_right(width):
    """At the start, in the middle and at the end of thirty frames."""
    for start in (0, 11, 30 - width):
        order = np.arange(30)
        order[start : start + width] = order[start : start + width][::-1]
        given = order.copy()
        assert refine(order, line(30)).tolist() == list(range(30))
        assert np.array_equal(order, given)  # the argument is not changed


def test_a_frame_a_few_places_off_comes_back():
    """Frame 12 stands behind 16."""
    order = np.r_[0:12, 13:17, 12, 17:30]
    assert refine(order, line(30)).tolist() == list(range(30))


def test_frames_two_places_apart_decide_where_links_do_not():
    """Distances along a line that are the same over one place and over two: as far as links go, frames 9 and 10 could be
    exchanged."""
    apart = np.abs(np.subtract.outer(np.arange(20), np.arange(20))).astype(float)
    distances = np.where(apart <= 2, np.minimum(apart, 1), apart - 1)
    order = np.r_[0:9, 10, 9, 11:20]
    assert distances[order[:-1], order[1:]].sum() == distances[np.arange(19), np.arange(1, 20)].sum()
    assert refine(order, distances).tolist() == list(range(20))


@pytest.mark.parametrize("seed", range(5))
def test_the_cost_never_rises_and_frames_are_kept(seed):
    """Random orders of noisy lines: better by far, and every frame is there once."""
    distances = line(40, 0.5, seed)
    order = np.random.default_rng(seed).permutation(40)
    found = refine(order, distances)
    assert sorted(found.tolist()) == list(range(40))
    assert cost(found, distances) < 0.8 * cost(order, distances)
    assert refine(found, distances).tolist() == found.tolist()  # nothing is left to be done


def test_of_few_frames_the_best_order_is_found():
    """Five noisy points, from each of their 120 orders: the same least cost, or very near it, for most."""
    distances = line(5, 0.3, 1)
    orders = [np.array(order) for order in permutations(range(5))]
    least = min(cost(order, distances) for order in orders)
    reached = [cost(refine(order, distances), distances) for order in orders]
    assert np.isclose(reached, least).mean() > 0.8


def test_near_duplicates_are_put_right_more_often_than_not():
    """Thirty scenes of 40 frames with neighbours exchanged at five places, positions off by a quarter of a step: nearly all of
    these are set right, and hardly a right one is undone."""
    before, after = [], []
    for seed in range(30):
        rng, order = np.random.default_rng(seed), np.arange(40)
        for place in rng.choice(np.arange(2, 36, 4), 5, replace=False):
            order[[place, place + 1]] = order[[place + 1, place]]
        before.append(adjacent(order))
        after.append(adjacent(refine(order, line(40, 0.25, seed))))
    assert np.mean(before) < 0.8 and np.mean(after) > 0.95


def test_identical_frames_stay_in_their_order():
    assert refine(np.arange(9), np.zeros((9, 9))).tolist() == list(range(9))
