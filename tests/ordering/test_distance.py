"""Weights of distances from the order they belong to, and orders from weighted distances: points along lines whose true order
is compared, beside distances that are noise. Frames are numbered by their true place unless they are shuffled."""

import numpy as np
import pytest

from workbench.embedding.distances import Halved
from workbench.ordering.distance import (
    Proposal,
    consistency,
    consistent_weights,
    evidence,
    fuse_and_order,
    is_agreed,
    odds_of,
    weighted,
)
from workbench.ordering.parts import ALIGNED, IN_PLACE, INLIERS, Part
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


def halved(family, first, second):
    """A part measured by two halves of the pixels, whose squares add up."""
    return Part.of_pixels(family, Halved(np.hypot(first, second), first, second))


def by_first(parts):
    """The orders along either half of every part."""
    return [Proposal.along(part.first, part.second) for part in parts]


def adjacent(order):
    """Share of links that join true neighbours."""
    return float((np.abs(np.diff(order)) == 1).mean())


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
    parts = [line(60, 0.05, seed), line(60, 0.5, seed + 10), noise(60, seed)]
    odds = odds_of(parts, [every(60)] * 3, np.arange(60))
    well, badly, nothing = consistent_weights(odds, np.array(["a", "b", "c"]))
    assert nothing == 0 and 0 < badly < well / 3


def test_odds_are_right_to_wrong_cases_of_the_measured_pairs():
    """A line in true order: 334 cases and the two that are added; with pairs up to two places apart measured, 116 and two."""
    found = odds_of([line(60, 0)] * 3, [every(60), near(60, 2), near(60, 1)], np.arange(60))
    assert found == pytest.approx([2 * (58 + 57 + 56) + 1, 2 * 58 + 1, 1])


def test_equal_weights_when_no_distance_agrees():
    """Three distances that are noise; and frames too few for any case."""
    odds = odds_of([noise(50, seed) for seed in range(3)], [every(50)] * 3, np.arange(50))
    assert consistent_weights(odds, np.array(["a", "b", "b"])).tolist() == [1, 1, 1]
    odds = odds_of([line(2), line(2)], [every(2)] * 2, np.arange(2))
    assert consistent_weights(odds, np.array(["a", "b"])).tolist() == [1, 1]


def test_weights_are_sharp_within_a_family_and_even_between_them():
    """Odds of 22, 12 and 1 in one family and of 22 and 5 alone in others, worked out by hand: the family of three weighs what
    its best member does, 20, of which the second, half as much above 2, gets a sixteenth of what the first does."""
    found = consistent_weights(np.array([22.0, 5.0, 12.0, 22.0, 1.0]), np.array(["a", "b", "a", "c", "a"]))
    assert found == pytest.approx([20 * 16 / 17, 3, 20 / 17, 20, 0])


def test_three_members_speak_for_a_family():
    """Evidence is the sum over families of the mean of the three best odds less 2: a fourth member adds nothing, one alone
    counts for a third, and a family at chance or below takes nothing away."""
    families = np.array([IN_PLACE, IN_PLACE, IN_PLACE, IN_PLACE, ALIGNED, INLIERS])
    assert evidence(np.array([12.0, 11.0, 10.0, 9.0, 1.0, 0.3]), families) == pytest.approx(9)
    assert evidence(np.array([32.0, 0.2, 0.5, 1.0, 8.0, 8.0]), families) == pytest.approx(10 + 2 + 2)


def test_a_part_that_is_much_surer_outvotes_all_others():
    """Eighty frames: three distances follow one order with noise, a fourth follows another one nearly exactly, and is taken;
    with as much noise as the others have, the order of the three is."""
    places, others = np.random.default_rng(3).permutation(80), np.random.default_rng(4).permutation(80)
    three = [halved(IN_PLACE, line(80, 0.7, seed)[np.ix_(others, others)], line(80, 0.7, seed + 1)[np.ix_(others, others)])
             for seed in (5, 7, 9)]  # fmt: skip
    for noise, order in ((0.1, places), (0.7, others)):
        shuffled = np.ix_(places, places)
        parts = [*three, halved(IN_PLACE, line(80, noise, 11)[shuffled], line(80, noise, 12)[shuffled])]
        assert adjacent(order[fuse_and_order(parts, by_first(parts)).order]) > 0.8


@pytest.mark.parametrize(
    ("odds", "agreed"),
    [((20, 20, 1), True), ((25, 1, 20), True), ((19, 40, 40), False), ((99, 19, 19), False), ((1, 1, 1), False)],
)
def test_agreement_takes_the_frames_as_they_lie_and_one_more_family(odds, agreed):
    """The best of two distances in place, one of aligned frames and the share of inliers; 20 right cases to one wrong one."""
    in_place, aligned, inliers = odds
    assert is_agreed(np.array([in_place, 0.5, aligned, inliers]), [IN_PLACE, IN_PLACE, ALIGNED, INLIERS]) is agreed


# --- both together ----------------------------------------------------------------------------------------------------------


def two_views_and_noise(seed, count=60):
    """Two distances of points along a line, each about a fifth of a step off, and one that is noise: 60 shuffled
    frames, with noise of their own in both halves. Returns the parts and the true place of every frame."""
    rng = np.random.default_rng(1000 + seed)
    places = rng.permutation(count)
    shuffled = np.ix_(places, places)
    pairs = [
        (IN_PLACE, line(count, 0.2, seed), line(count, 0.2, seed + 50)),
        (ALIGNED, line(count, 0.2, seed + 100), line(count, 0.2, seed + 150)),
        (IN_PLACE, noise(count, seed), noise(count, seed + 50)),
    ]
    return [halved(family, first[shuffled], second[shuffled]) for family, first, second in pairs], places


def test_noise_among_the_distances_is_found_and_left_out():
    """Ten scenes. With equal weights many links are wrong; fused, the noise weighs nothing and the order is as good as if the
    noise had been left out from the start."""
    alike, found, without, weight = [], [], [], []
    for seed in range(10):
        parts, places = two_views_and_noise(seed)
        fused_order = fuse_and_order(parts, by_first(parts))
        whole = [part.whole for part in parts]
        alike.append(adjacent(places[shortest_path(sum(whole))]))
        without.append(adjacent(places[shortest_path(whole[0] + whole[1])]))
        found.append(adjacent(places[fused_order.order]))
        weight.append(fused_order.weights[2] / fused_order.weights.sum())
    assert np.mean(alike) < 0.75
    assert np.mean(without) > 0.99 and np.mean(found) > 0.99
    assert np.max(weight) == 0


@pytest.mark.parametrize("seed", range(5))
def test_noise_does_not_praise_itself(seed):
    """Sixty frames, a view of their line more than half a step off, and noise that agrees with its own order better than the
    view does with the true one. Proposed by one half and judged by the other it is at chance."""
    places = np.random.default_rng(seed).permutation(60)
    shuffled = np.ix_(places, places)
    view = halved(IN_PLACE, line(60, 0.6, seed)[shuffled], line(60, 0.6, seed + 50)[shuffled])
    nothing = halved(ALIGNED, noise(60, seed), noise(60, seed + 50))
    by_itself = consistency(nothing.whole, every(60), shortest_path(nothing.whole))
    assert by_itself > consistency(view.second, every(60), np.argsort(places)) > 0.9
    found = fuse_and_order([view, nothing], by_first([view, nothing]))
    assert found.weights[1] == 0 and found.odds[1] < 2
    unhalved = Part.of_pixels(ALIGNED, Halved(*[nothing.whole] * 3))
    assert fuse_and_order([view, unhalved], by_first([view, unhalved])).odds[1] > found.odds[1]


def test_what_is_measured_once_praises_itself_and_is_trusted_half():
    """A line of 60 frames: where both halves are one measurement, the odds that it gives its own order are halved."""
    twice = halved(IN_PLACE, line(60, 0.001, 1), line(60, 0.001, 2))
    once = Part.of_pixels(IN_PLACE, Halved(*[line(60, 0)] * 3))
    whole, half = (fuse_and_order([part], [Proposal(np.arange(60), np.arange(60))]).odds[0] for part in (twice, once))
    assert whole == pytest.approx(2 * half)


def test_order_weights_and_fused_distance_agree():
    parts, _ = two_views_and_noise(0)
    fused_order = fuse_and_order(parts, by_first(parts))
    assert np.allclose(fused_order.fused, weighted([part.whole for part in parts], fused_order.weights))
    assert np.array_equal(fused_order.order, shortest_path(fused_order.fused))
    weights = consistent_weights(fused_order.odds, np.array([part.family for part in parts]))
    assert np.allclose(fused_order.weights, weights / weights.sum())
    again = fuse_and_order(parts, [Proposal(fused_order.order, fused_order.order)])  # nothing changes any more
    assert np.array_equal(again.order, fused_order.order)


def test_the_order_that_more_families_agree_with_is_taken():
    """Forty frames with two orders: places as they lie follow one (as under a shaken camera), more exactly than both the
    aligned frames and the inliers follow the other. Two families outvote one, whichever is proposed first."""
    rng = np.random.default_rng(1)
    shake, places = rng.permutation(40), rng.permutation(40)
    by_shake, by_place = np.ix_(shake, shake), np.ix_(places, places)
    parts = [
        halved(IN_PLACE, line(40, 0.5, 1)[by_shake], line(40, 0.5, 2)[by_shake]),
        halved(ALIGNED, line(40, 0.6, 3)[by_place], line(40, 0.6, 4)[by_place]),
        Part.of_matches(INLIERS, line(40, 0.4, 5)[by_place], every(40)),
    ]
    proposals = by_first(parts)
    assert adjacent(shake[proposals[0].first]) > adjacent(places[proposals[1].first])
    for given in (proposals, proposals[::-1]):
        found = fuse_and_order(parts, given)
        assert adjacent(places[found.order]) > 0.9 and found.weights[0] == 0


def test_a_clock_tells_the_rounds_of_a_circle_apart():
    """A hundred frames of five equal rounds, with noise in either half: by their distance the rounds are mixed up. A clock that
    both halves read well goes through them once; the circle agrees with its order too, and no other proposal is as good."""
    places = np.random.default_rng(2).permutation(100)
    turn, shuffled = 2 * np.pi * np.arange(100) / 20, np.ix_(places, places)

    def circle(seed):
        points = 3 * np.c_[np.cos(turn), np.sin(turn)] + np.random.default_rng(seed).normal(0, 0.15, (100, 2))
        return np.linalg.norm(points[:, None] - points[None], axis=2)[shuffled]

    parts = [
        halved(IN_PLACE, circle(0), circle(1)),
        halved(IN_PLACE, line(100, 0.05, 3)[shuffled], line(100, 0.05, 4)[shuffled]),
    ]
    assert adjacent(places[shortest_path(parts[0].whole)]) < 0.3
    found = fuse_and_order(parts, by_first(parts))
    assert adjacent(places[found.order]) > 0.97 and found.weights[1] > 0
    alone = fuse_and_order(parts[:1], by_first(parts[:1]))
    assert found.odds[1] > 20 > alone.odds[0]


@pytest.mark.parametrize("count", [1, 2, 3])
def test_few_frames(count):
    parts = [halved(IN_PLACE, line(count), line(count, seed=1)), halved(INLIERS, noise(count), noise(count, 1))]
    fused_order = fuse_and_order(parts, by_first(parts))
    assert sorted(fused_order.order.tolist()) == list(range(count))
    assert np.isfinite(fused_order.weights).all() and fused_order.weights.sum() > 0


def test_identical_frames_are_in_the_order_of_the_input():
    parts = [halved(family, np.zeros((7, 7)), np.zeros((7, 7))) for family in (IN_PLACE, ALIGNED, INLIERS)]
    fused_order = fuse_and_order(parts, by_first(parts))
    assert fused_order.order.tolist() == list(range(7)) and (fused_order.fused == 0).all()
