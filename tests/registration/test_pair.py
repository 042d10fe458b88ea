"""Registration against given transforms, and the residual that remains after it."""

import cv2
import numpy as np
import pytest
from sklearn.datasets import load_sample_images

from workbench.embedding import images
from workbench.matching.nearest import SiftExact
from workbench.matching.sift import sift_features
from workbench.parameters import MatchParameters
from workbench.registration import pair

SIZE = (600, 400)


def similarity(scale, degrees, dx, dy):
    """(2, 3) similarity about the centre of a 600 x 400 image."""
    matrix = cv2.getRotationMatrix2D((300, 200), degrees, scale)
    matrix[:, 2] += dx, dy
    return matrix


def points_moved(transform, count, outliers, noise=0.3):
    """``count`` seeded points and where ``transform`` takes them, the last ``outliers`` anywhere."""
    rng = np.random.default_rng(3)
    a = rng.uniform((0, 0), SIZE, (count, 2))
    b = a @ transform[:, :2].T + transform[:, 2] + rng.normal(0, noise, (count, 2))
    if outliers:
        b[-outliers:] = rng.uniform((0, 0), SIZE, (outliers, 2))
    return a, b


def corner_error(found, truth):
    """Largest distance between where two transforms take the corners, px."""
    corners = np.array([[0, 0, 1], [599, 0, 1], [0, 399, 1], [599, 399, 1]], dtype=float)
    return np.linalg.norm(corners @ (found - truth).T, axis=1).max()


@pytest.fixture(scope="module")
def view():
    """scikit-learn's china.jpg cut to 600 x 400."""
    return np.ascontiguousarray(load_sample_images().images[0][:400, :600])


@pytest.mark.parametrize("truth", [(1, 0, 12, -7), (1.2, 10, 5, 5), (0.7, -20, 0, 40)])
def test_given_transform_among_outliers(truth):
    transform = similarity(*truth)
    a, b = points_moved(transform, 120, outliers=50)
    found = pair.register_pair(a, b, 200, SIZE)
    assert found.model == "similarity" and found.transform.dtype == np.float64
    assert corner_error(found.transform, transform) < 0.5
    assert found.inliers[:70].all() and found.inliers[70:].sum() <= 2
    assert found.inlier_share == pytest.approx(found.inliers.sum() / 200)
    assert found.scale == pytest.approx(truth[0], abs=0.01)
    assert np.degrees(found.rotation) == pytest.approx(-truth[1], abs=0.3)
    assert found.displacement == pytest.approx(np.linalg.norm(b - a, axis=1)[found.inliers].mean())
    assert found.displacement_share == pytest.approx(found.displacement / np.hypot(*SIZE))


def test_a_photograph_warped_and_darkened(view):
    transform = similarity(1.1, 7, 15, -10)
    warped = cv2.warpAffine(view, transform, SIZE)
    darker = (255 * (warped / 255.0) ** 1.6 * 0.8).astype(np.uint8)
    a, b = (sift_features(image, 400, 0.01, SIZE) for image in (view, darker))
    matches, _ = SiftExact(MatchParameters(ratio=0.8)).match([a], [b])[0]
    good = matches >= 0
    found = pair.register_pair(a.keypoints[good], b.keypoints[matches[good]], min(len(a), len(b)), SIZE)
    assert corner_error(found.transform, transform) < 0.5
    assert found.inlier_share > 0.3

    rank_a, rank_b = images.rank_thumbnail(view), images.rank_thumbnail(darker)
    right = pair.residual(rank_a, rank_b, found.transform, SIZE)
    unmoved = pair.residual(rank_a, rank_b, np.eye(2, 3), SIZE)
    assert right < 0.3 * unmoved


def test_transform_is_the_same_every_time():
    a, b = points_moved(similarity(1.05, 3, 2, 2), 300, outliers=200)
    first = pair.register_pair(a, b, 300, SIZE)
    cv2.setRNGSeed(99)
    pair.register_pair(b, a, 300, SIZE)
    second = pair.register_pair(a, b, 300, SIZE)
    assert first.transform.tobytes() == second.transform.tobytes()
    assert np.array_equal(first.inliers, second.inliers)


@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_too_few_matches(count):
    a, b = points_moved(np.eye(2, 3), count, outliers=0)
    found = pair.register_pair(a, b, 100, SIZE)
    assert found.model == "none" and np.array_equal(found.transform, np.eye(2, 3))
    assert found.inliers.shape == (count,) and not found.inliers.any() and found.inlier_share == 0
    assert np.isnan(found.displacement) and np.isnan(found.displacement_share)


def test_absurd_or_degenerate_transforms():
    a, b = points_moved(similarity(5, 0, 0, 0), 50, outliers=0)
    assert pair.register_pair(a, b, 100, SIZE).model == "none"
    assert pair.register_pair(b, a, 100, SIZE).model == "none"
    same = np.full((20, 2), 50.0)
    assert pair.register_pair(same, same, 100, SIZE).model == "none"
    assert pair.register_pair(*points_moved(np.eye(2, 3), 8, outliers=8), 100, SIZE).model == "none"


def test_rank_transform_undoes_exposure_and_gamma():
    gray = np.random.default_rng(0).integers(0, 120, (40, 50), dtype=np.uint8)
    brighter = (gray * 2 + 10).astype(np.uint8)
    rank = images.rank_transform(gray)
    assert rank.dtype == np.float32 and rank.min() > 0 and rank.max() < 1
    assert rank.mean() == pytest.approx(0.5, abs=1e-6)
    assert np.array_equal(rank, images.rank_transform(brighter))
    assert np.all(images.rank_transform(np.full((5, 5), 200, np.uint8)) == 0.5)


def test_rank_thumbnail_shape(view):
    thumbnail = images.rank_thumbnail(view)
    assert thumbnail.shape == (107, 160) and thumbnail.dtype == np.float32
    assert images.rank_thumbnail(view[:50, :80]).shape == (50, 80)


def test_residual_values(view):
    rank = images.rank_thumbnail(view)
    assert pair.residual(rank, rank, np.eye(2, 3), SIZE) == 0
    noise = [np.random.default_rng(seed).random((100, 150), dtype=np.float32) for seed in (0, 1)]
    assert pair.residual(*noise, np.eye(2, 3), SIZE) == pytest.approx(np.sqrt(1 / 6), abs=0.01)
    aside = np.array([[1, 0, 500.0], [0, 1, 0]])
    assert np.isnan(pair.residual(rank, rank, aside, SIZE))
    assert np.isfinite(pair.residual(rank, rank, aside, SIZE, min_overlap=0.1))


def test_residual_counts_half_pixels_right():
    """A transform between originals means the same between small copies: two cuts of one picture, no black borders."""
    picture = load_sample_images().images[0]
    truth = np.array([[1, 0, -30.0], [0, 1, 20.0]])
    ranks = [images.rank_thumbnail(picture[top : top + 400, left : left + 600]) for top, left in ((20, 0), (0, 30))]
    shifts = [np.array([[0, 0, dx], [0, 0, dy]]) for dx, dy in ((0, 0), (2, 0), (-2, 0), (0, 2), (0, -2))]
    right, *wrong = (pair.residual(*ranks, truth + shift, SIZE) for shift in shifts)
    assert right < min(wrong)
