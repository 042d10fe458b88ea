"""The drawn room: its geometry is exact, so the same point has the same colour in both views."""

import cv2
import numpy as np
import pytest

from workbench.evaluation.drawn_pairs import SIZE, drawn_pairs, is_right


@pytest.fixture(scope="module")
def pairs():
    """The wide-baseline pair and the flickering one, as they are drawn by default."""
    return drawn_pairs()


def test_the_same_point_has_the_same_colour(pairs):
    """In the wide pair, which has no flicker, but for what resampling leaves at edges; 70 degrees apart, a third is hidden."""
    wide, flickering = pairs
    seen = np.isfinite(wide.truth[..., 0])
    assert 0.4 < seen.mean() < 0.8 < np.isfinite(flickering.truth[..., 0]).mean()
    x, y = np.nan_to_num(wide.truth, nan=-9).astype(np.float32).transpose(2, 0, 1)
    off = np.abs(cv2.remap(wide.second, x, y, cv2.INTER_LINEAR).astype(int) - wide.first)[seen].max(axis=1)
    assert np.median(off) < 10
    shifted = np.abs(cv2.remap(wide.second, x + 12, y, cv2.INTER_LINEAR).astype(int) - wide.first)[seen].max(axis=1)
    assert np.median(shifted) > 20


def test_the_light_differs_in_the_flickering_pair(pairs):
    means = [image.mean() for image in (pairs[1].first, pairs[1].second)]
    assert abs(means[0] - means[1]) > 30


def test_the_same_seed_draws_the_same(pairs):
    again, other = drawn_pairs(), drawn_pairs(1)
    assert all(
        (one.first == two.first).all() and (one.second == two.second).all() for one, two in zip(pairs, again, strict=True)
    )
    assert (pairs[1].second != other[1].second).any()


def test_which_matches_are_right(pairs):
    """True places, the same 2.9 and 3.1 px beside them, and points that the second view does not show."""
    pair = pairs[0]
    y, x = (places[::500] for places in np.nonzero(np.isfinite(pair.truth[..., 0])))
    points, true = np.stack([x, y], axis=1), pair.truth[y, x]
    assert is_right(pair, points, true).all()
    assert is_right(pair, points, np.add(true, [2.9, 0])).all()
    assert not is_right(pair, points, np.subtract(true, [0, 3.1])).any()
    y, x = (places[::500] for places in np.nonzero(np.isnan(pair.truth[..., 0])))
    assert len(x) and not is_right(pair, np.stack([x, y], axis=1), np.zeros((len(x), 2))).any()
    assert is_right(pair, np.zeros((0, 2)), np.zeros((0, 2))).shape == (0,)
    width, height = SIZE
    assert pair.first.shape == pair.second.shape == (height, width, 3)
