"""Distances between the looks of frames: exact, and hardly changed by light, noise and odd sizes."""

import numpy as np
import pytest

from workbench.embedding.descriptors import rank_grey_thumbnails
from workbench.embedding.distances import (
    changed_counts,
    chessboard,
    fine_distances,
    level_to_median,
    levelled_thumbnail,
    principal_distances,
    row_distances,
    small_copies,
    value_distances,
)
from workbench.embedding.images import thumbnail


def test_value_distances_are_exact():
    """Against the plain formula in float64, for a size that is no multiple of a block; equal frames are at exactly 0."""
    images = np.random.default_rng(0).integers(0, 256, (6, 37, 41, 3), dtype=np.uint8)
    images[4], images[5] = images[1], 255 - images[1]
    rows = images.reshape(6, -1).astype(np.float64)
    expected = np.linalg.norm(rows[:, None] - rows[None], axis=2)
    found = value_distances(images)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert found[1, 4] == 0


NAMES = ["thumbnail", "ranks", "colours", "pixels", "changed_2", "changed_8"]


def test_true_neighbours_are_near_in_every_distance(sample_clips):
    """Thirty frames of each scene of the sample: frames one apart are nearer than frames five and fifteen apart, by all pixels
    and by either half."""
    for clip in ("pagoda", "toys", "dahlia"):
        images = sample_clips[clip][:30]
        distances = fine_distances(small_copies(images))
        assert list(distances) == NAMES
        coarse = row_distances(rank_grey_thumbnails(images))
        np.testing.assert_allclose(distances["thumbnail"].whole, coarse, atol=1e-3)
        for name, halved in distances.items():
            for found in (halved.whole, halved.first, halved.second):
                assert found.shape == (30, 30) and np.allclose(found, found.T) and np.isfinite(found).all()
                assert np.diagonal(found) == pytest.approx(0, abs=1e-3)
                one, five, fifteen = (np.diagonal(found, gap).mean() for gap in (1, 5, 15))
                assert one < five < fifteen, (clip, name)


def test_a_change_of_light_counts_little(sample_clips):
    """A frame made darker, with another gamma: it is nearer to itself than the frame five on is."""
    first, later = sample_clips["pagoda"][[0, 5]]
    darker = np.round(255 * (first / 255.0) ** 1.5 * 0.6).astype(np.uint8)
    found = fine_distances(small_copies([first, darker, later]))
    for name in ("thumbnail", "ranks", "colours", "pixels"):
        assert found[name].whole[0, 1] < 0.5 * found[name].whole[0, 2]


def test_halves_add_up_and_share_no_pixel():
    """Six pictures of noise, of which the last differs from the first in one square of the chessboard only. Squares of
    Euclidean distances add up, and so do numbers of changed values; the one square shows in one half alone."""
    pictures = np.random.default_rng(0).integers(0, 256, (6, 96, 160, 3), dtype=np.uint8)
    pictures[5] = pictures[0]
    pictures[5, 20:30, 40:50] = 255 - pictures[5, 20:30, 40:50]
    assert chessboard(96, 160)[20:30, 40:50].all()
    copies = small_copies(pictures)
    for name, found in fine_distances(copies).items():
        power = 1 if name.startswith("changed") else 2
        np.testing.assert_allclose(found.first**power + found.second**power, found.whole**power, rtol=1e-5)
        share = (found.first / np.maximum(found.whole, 1e-9))[np.triu_indices(5, 1)] ** power
        assert (share > 0.4).all() and (share < 0.6).all(), name
    for name, whole in (
        ("ranks", copies.ranks),
        ("colours", copies.levelled),
        ("pixels", level_to_median(copies.grey[..., None])),
    ):
        np.testing.assert_allclose(fine_distances(copies)[name].whole, value_distances(whole), rtol=1e-5)
    only = fine_distances(copies)["pixels"]
    assert only.first[0, 5] == only.whole[0, 5] > 0 == only.second[0, 5]


@pytest.mark.parametrize(("height", "width", "side"), [(96, 160, 10), (160, 90, 10), (12, 16, 2), (7, 300, 19)])
def test_squares_of_a_chessboard(height, width, side):
    """A sixteenth of the longer side, two pixels at least: within a square all is alike, beside it all is not, and both colours
    cover about a half."""
    board = chessboard(height, width)
    assert board.shape == (height, width) and board.dtype == bool
    rows, columns = np.indices((height, width)) // side
    assert np.array_equal(board, (rows % 2) == (columns % 2))
    assert board.mean() == pytest.approx(0.5, abs=0.05)


def test_changed_values_are_counted():
    """Against plain numpy in int, for five pictures of noise, two of which are the same and one of which differs from it by
    exactly the limit, which does not count."""
    pictures = np.random.default_rng(1).integers(0, 250, (5, 11, 13, 3), dtype=np.uint8)
    pictures[3], pictures[4] = pictures[0], pictures[0] + 4
    plain = pictures.astype(int)
    for least in (2, 4, 8):
        expected = (np.abs(plain[:, None] - plain[None]) > least).sum(axis=(2, 3, 4))
        np.testing.assert_array_equal(changed_counts(pictures, least), expected)
    assert changed_counts(pictures, 4)[0, 4] == 0 < changed_counts(pictures, 3)[0, 4]
    assert changed_counts(pictures[:1], 2).tolist() == [[0]]


def test_a_gain_of_every_colour_is_removed():
    """Nine frames of one picture, every channel brighter or darker by up to two fifths, in which a white patch that covers a
    sixth of the frame moves on. Levelled, what does not move is the same within rounding; the patch is there."""
    rng = np.random.default_rng(2)
    still = np.tile(rng.integers(40, 150, (30, 60, 3)), (9, 1, 1, 1)).astype(np.float64)
    patch = np.zeros((9, 30, 60), bool)
    for frame in range(9):
        patch[frame, 10:, 5 * frame : 5 * frame + 15] = True
    still[patch] = 170
    gains = rng.uniform(0.7, 1.4, (9, 1, 1, 3))
    lit = np.clip(np.round(still * gains), 0, 255).astype(np.uint8)
    found = level_to_median(lit).astype(int)
    outside = ~patch.any(axis=0)
    assert np.ptp(lit[:, outside].astype(int), axis=0).max() > 40
    assert np.ptp(found[:, outside], axis=0).max() <= 3
    assert changed_counts(level_to_median(lit)[:, outside], 3).max() == 0
    moved = found[patch].mean() - found[~patch].mean()
    assert moved > 50
    black = np.zeros_like(lit)
    assert np.array_equal(level_to_median(black), black)


def test_small_copies_are_those_of_single_frames(sample_clips):
    """Sizes and types, the long side at most 160 or 100 px; what one frame gives does not depend on the others."""
    images = sample_clips["pagoda"][:3]
    copies = small_copies(images)
    assert copies.ranks.shape == copies.grey.shape == (3, 120, 160) and copies.colours.shape == (3, 75, 100, 3)
    assert copies.thumbnails.shape == (3, 12, 16)
    np.testing.assert_array_equal(copies.levelled[1], levelled_thumbnail(images[1]))
    np.testing.assert_array_equal(copies.colours[2], thumbnail(images[2], 100, 100))
    np.testing.assert_array_equal(copies.thumbnails.reshape(3, -1), rank_grey_thumbnails(images))
    alone = small_copies(images[1:2])
    for name in ("thumbnails", "ranks", "grey", "colours", "levelled"):
        np.testing.assert_array_equal(getattr(alone, name)[0], getattr(copies, name)[1])


def test_principal_components_leave_noise_behind():
    """Eighty pictures that drift slowly along a line under noise much stronger than a step of the drift: by all their values
    the next frame is hardly nearer than the one eight on; by two principal components it mostly is."""
    rng = np.random.default_rng(0)
    drift, noise = rng.normal(size=400), rng.normal(size=(80, 400))
    rows = np.arange(80)[:, None] * 0.04 * drift + noise
    plain = np.linalg.norm(rows[:, None] - rows[None], axis=2)
    principal = principal_distances(plain, components=2)

    def right(distances):
        return np.mean(np.diagonal(distances, 1)[:-7] < np.diagonal(distances, 8))

    assert right(plain) < 0.7 and right(principal) > 0.85
    np.testing.assert_allclose(principal_distances(plain, components=80), plain, atol=1e-5)  # all of them are the distances


@pytest.mark.parametrize("shape", [(1, 48, 64, 3), (3, 1, 1, 3), (2, 7, 300, 3)])
def test_odd_sizes_and_flat_frames(shape):
    """Frames without any structure are alike in every distance."""
    images = np.full(shape, 90, np.uint8)
    found = fine_distances(small_copies(images))
    assert list(found) == NAMES
    halves = [some for halved in found.values() for some in (halved.whole, halved.first, halved.second)]
    for some in (row_distances(rank_grey_thumbnails(images)), *halves):
        assert some.shape == shape[:1] * 2 and (some == 0).all()
