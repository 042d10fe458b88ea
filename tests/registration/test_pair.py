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


@pytest.fixture(scope="module")
def disc_in_front():
    """Two frames of a still camera, 320 x 240: leaves of noise all over, and before them a disc of finer noise.

    The disc has a radius of 45 px; from the first frame to the second it moves by 25 px to the right and 10 down, and turns by
    20 degrees. Of the points that match, 20 are on the background and stay where they are, 60 are on the disc.
    """
    rng = np.random.default_rng(5)
    background, texture = (
        cv2.normalize(cv2.GaussianBlur(rng.random(size), (0, 0), blur), None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)
        for size, blur in (((240, 320), 5), ((240, 320), 2))
    )
    move = cv2.getRotationMatrix2D((130, 110), 20, 1)
    move[:, 2] += 25, 10
    disc = cv2.circle(np.zeros_like(background), (130, 110), 45, 255, -1)
    frames = [np.where(disc > 0, texture, background)]
    frames.append(np.where(cv2.warpAffine(disc, move, (320, 240)) > 0, cv2.warpAffine(texture, move, (320, 240)), background))
    angle, radius = rng.uniform(0, 2 * np.pi, 60), 42 * np.sqrt(rng.random(60))
    on_disc = np.stack([130 + radius * np.cos(angle), 110 + radius * np.sin(angle)], axis=1)
    still = np.stack([rng.uniform(0, 319, 20), np.tile([10.0, 225.0], 10)], axis=1)
    a, b = np.vstack([still, on_disc]), np.vstack([still, on_disc @ move[:, :2].T + move[:, 2]])
    ranks = tuple(images.rank_thumbnail(np.repeat(frame[..., None], 3, axis=2)) for frame in frames)
    return a, b + rng.normal(0, 0.3, b.shape), move, ranks


def test_a_still_camera_is_not_moved_by_what_moves_before_it(disc_in_front):
    """Three in four matches are on the disc; most of the picture is not."""
    a, b, move, ranks = disc_in_front
    by_matches = pair.register_pair(a, b, 100, (320, 240))
    assert np.abs(by_matches.transform - move).max() < 1 and by_matches.inliers[20:].all()
    found = pair.register_pair(a, b, 100, (320, 240), ranks=ranks)
    assert np.array_equal(found.transform, np.eye(2, 3)) and found.model == "similarity"
    assert found.inliers[:20].all() and found.inliers[20:].sum() <= 2
    assert found.inlier_share == pytest.approx(found.inliers.sum() / 100)
    assert found.displacement < 1 and found.scale == 1 and found.rotation == 0


def test_five_matches_are_too_few_for_the_identity(disc_in_front):
    a, b, _, ranks = disc_in_front
    found, other = (pair.register_pair(a[15:], b[15:], 100, (320, 240), ranks=given) for given in (ranks, None))
    assert np.array_equal(found.transform, other.transform) and np.array_equal(found.inliers, other.inliers)


def test_a_moving_camera_stays_moved(disc_in_front):
    """The picture moves as the disc did; 20 matches that stay, as on dirt on the lens, do not hold it."""
    a, b, move, (rank, _) = disc_in_front
    small = pair.in_pixels_of(move, (320, 240), rank.shape[::-1])
    moved = cv2.warpAffine(rank, small, rank.shape[::-1], borderMode=cv2.BORDER_REFLECT_101)
    found = pair.register_pair(a, b, 100, (320, 240), ranks=(rank, moved))
    assert np.abs(found.transform - move).max() < 1 and found.inliers[20:].all()


def test_noise_does_not_choose_the_identity(disc_in_front):
    """Frames that nothing tells apart: the transform that more matches agree with stays."""
    a, b, move, _ = disc_in_front
    grey = np.full((120, 160), 0.5, np.float32)
    found = pair.register_pair(a, b, 100, (320, 240), ranks=(grey, grey))
    assert np.abs(found.transform - move).max() < 1
