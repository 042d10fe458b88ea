"""The parts of a fused distance: one scale, and what is predicted for pairs that were not compared. Frames are numbered by
their true place on a line."""

import numpy as np
import pandas as pd
import pytest

from workbench.embedding.distances import Halved
from workbench.ordering.parts import (
    ALIGNED,
    IN_PLACE,
    Part,
    compared_pairs,
    detours,
    matched_distances,
    predict,
    predicted_by_partners,
    scaled,
)
from workbench.registration.pair import UNRELATED


def line(count, noise=0.05, seed=0):
    """Distances of ``count`` points about one apart along a line in space, off it by normal noise in three dimensions."""
    points = np.c_[np.arange(count), np.zeros((count, 2))] + np.random.default_rng(seed).normal(0, noise, (count, 3))
    return np.linalg.norm(points[:, None] - points[None], axis=2)


def steps(count):
    """How many places two of ``count`` frames are apart, (count, count)."""
    return np.abs(np.subtract.outer(np.arange(count), np.arange(count)))


def near(count, reach):
    """The pairs up to ``reach`` places apart were compared."""
    return steps(count) <= reach


def some_of(pairs, share, seed=0):
    """A symmetric choice of about that share of the pairs; a frame and itself are always among them."""
    chosen = np.triu(np.random.default_rng(seed).random(pairs.shape) < share, 1)
    return pairs & (chosen | chosen.T) | np.eye(len(pairs), dtype=bool)


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


# --- parts ----------------------------------------------------------------------------------------------------------------


def test_frames_that_do_not_overlap_are_as_far_as_any():
    """Twenty frames on a line, of which those more than ten places apart could not be compared in pictures; each half has a
    unit of its own. All are scaled alike, and nothing is nearer for not being known."""
    known = np.where(near(20, 10), line(20, 0), np.nan)
    part = Part.of_pixels(ALIGNED, Halved(5 * known, 3 * known, 4 * known))
    assert part.family == ALIGNED and part.measured is None
    for some in (part.whole, part.first, part.second):
        np.testing.assert_allclose(some, np.minimum(line(20, 0), 10))


def test_what_matches_say_is_scaled_by_the_compared_pairs_and_has_no_halves():
    compared = near(12, 3)
    part = Part.of_matches(IN_PLACE, 7 * line(12, 0), compared)
    np.testing.assert_allclose(part.whole, line(12, 0))
    assert part.first is part.second is part.whole and part.measured is compared


# --- predictions ----------------------------------------------------------------------------------------------------------


def test_predictions_rise_and_are_clipped():
    """Distances that are 0.1 times another one less 0.2, with little noise, known for the pairs two and three places apart of
    forty frames: predicted to within the noise nearby, never above the largest value or below 0, and the largest where nothing
    is known."""
    rng = np.random.default_rng(0)
    by = line(40, 0.3)
    wrong = np.triu(rng.normal(0, 0.01, (40, 40)), 1)
    distances, measured = 0.1 * by - 0.2 + wrong + wrong.T, near(40, 3) & ~near(40, 1)
    by[0, 39] = by[39, 0] = np.nan
    found = predict(distances, measured, by, 2.0)
    assert found.min() == 0 and found.max() == 2 and found[0, 39] == 2
    expected = np.clip(0.1 * np.nan_to_num(by, nan=99) - 0.2, 0, 2)
    assert np.abs(found - expected).max() < 0.3 and np.abs(found - expected)[near(40, 6)].max() < 0.05
    ascending = np.argsort(by[0, :39])
    assert (np.diff(found[0, ascending]) >= 0).all()


@pytest.mark.parametrize("slope", [0.0, -0.1])
def test_nothing_is_predicted_when_no_line_rises(slope):
    by = line(20)
    assert (predict(1 + slope * by, near(20, 2), by, 3.0) == 3).all()
    assert (predict(by, near(20, 2), np.ones((20, 20)), 3.0) == 3).all()  # all alike
    assert (predict(by, np.eye(20, dtype=bool), by, 3.0) == 3).all()  # nothing measured
    assert (predict(by, near(20, 2), np.full((20, 20), np.nan), 3.0) == 3).all()


def test_detours_are_the_shortest_ways_through_a_third_frame():
    """Random residuals of a fifth of the pairs of 25 frames, by trying every third frame that both were compared with."""
    upper = np.triu(np.random.default_rng(1).random((25, 25)), 1)
    residual, compared = upper + upper.T, some_of(np.ones((25, 25), dtype=bool), 0.2)
    known = np.where(compared, residual, np.inf)
    expected = np.array([[min(known[a, c] + known[c, b] for c in range(25)) for b in range(25)] for a in range(25)])
    np.testing.assert_array_equal(detours(residual, compared), expected)
    assert np.isinf(expected).any() and np.isfinite(expected[~compared]).any()
    for fill in (0.0, 9.0):  # values of other pairs do not matter
        assert np.array_equal(detours(np.where(compared, residual, fill), compared), expected)


@pytest.mark.parametrize("seed", range(3))
def test_missing_neighbours_are_found_by_common_partners(seed):
    """Eighty frames on a line with a tenth of noise, compared with six in ten of those up to five places away. Of what is
    missing for a frame, up to ten places away, the frames beside it are predicted nearest, also where others lie to both sides
    of their only common partner; without a common partner nothing is predicted."""
    wrong = np.triu(np.random.default_rng(seed).normal(1, 0.1, (80, 80)), 1)
    residual = UNRELATED * (1 - np.exp(-steps(80) / 6)) * (wrong + wrong.T)
    compared = some_of(near(80, 5), 0.6, seed)
    own = compared & ~np.eye(80, dtype=bool)
    predicted = predicted_by_partners(np.where(own, residual, np.nan))
    assert np.array_equal(predicted, predicted.T, equal_nan=True)
    assert np.array_equal(np.isfinite(predicted), own.astype(int) @ own > 0)
    first = []
    for frame in range(80):
        missing = np.flatnonzero(~compared[frame] & np.isfinite(predicted[frame]))
        beside = missing[steps(80)[frame, missing] == 1]
        first += [np.count_nonzero(predicted[frame, missing] < predicted[frame, one]) for one in beside]
    assert len(first) > 40 and np.median(first) <= 1 and np.mean(np.array(first) <= 2) > 0.85


# --- what matches say -----------------------------------------------------------------------------------------------------


def rows_of(pairs, residual, share):
    """Rows of compared pairs (P, 2) from (n, n) matrices of residuals and of shares of inliers."""
    a, b = pairs.T
    return pd.DataFrame({"a": a, "b": b, "residual": residual[a, b], "inlier_share": share[a, b]})


def test_what_was_not_compared_is_predicted_from_the_aligned_pictures():
    """Forty frames on a line, compared up to three places away; what remains different when all are aligned rises with the
    distance, and is unknown for frame 39. Known pairs stay as they are, others are near what they would have been."""
    residual, share = 0.04 * np.minimum(steps(40), 9), np.exp(-steps(40) / 10)
    pairs = np.argwhere(np.triu(near(40, 3), 1))
    frames, table = np.arange(40), rows_of(pairs, residual, share)
    aligned = 50.0 * residual + 3
    aligned[39] = aligned[:, 39] = np.nan
    compared = compared_pairs(frames, table)
    found, missing = matched_distances(frames, table, compared, aligned)
    off = ~np.eye(39, dtype=bool)
    np.testing.assert_allclose(found[:39, :39][off], residual[:39, :39][off], atol=1e-9)
    np.testing.assert_allclose(found[39, 36:39], residual[39, 36:39])
    # Through a common partner, by at most six places; further on frames are unrelated.
    np.testing.assert_allclose(found[39, 33:36], 0.04 * np.array([6, 5, 4]))
    assert (found[39, :33] == UNRELATED).all()
    measured = near(40, 3) & ~near(40, 0)
    np.testing.assert_allclose(missing[measured], (1 - share)[measured])
    assert (np.diff(missing[0, 1:10]) > 0).all() and missing.max() <= 1


def test_nothing_aligned_leaves_the_way_through_a_partner():
    residual, share = 0.04 * np.minimum(steps(12), 9), np.exp(-steps(12) / 10)
    table = rows_of(np.argwhere(np.triu(near(12, 2), 1)), residual, share)
    found, _ = matched_distances(np.arange(12), table, compared_pairs(np.arange(12), table), None)
    expected = np.where(steps(12) <= 4, 0.04 * steps(12), UNRELATED)
    np.testing.assert_allclose(found[~near(12, 0)], expected[~near(12, 0)])
