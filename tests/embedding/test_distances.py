"""Distances between the looks of frames: exact, and hardly changed by light, noise and odd sizes."""

import numpy as np
import pytest

from workbench.embedding.descriptors import rank_grey_thumbnails
from workbench.embedding.distances import fine_distances, principal_distances, row_distances, value_distances


def test_value_distances_are_exact():
    """Against the plain formula in float64, for a size that is no multiple of a block; equal frames are at exactly 0."""
    images = np.random.default_rng(0).integers(0, 256, (6, 37, 41, 3), dtype=np.uint8)
    images[4], images[5] = images[1], 255 - images[1]
    rows = images.reshape(6, -1).astype(np.float64)
    expected = np.linalg.norm(rows[:, None] - rows[None], axis=2)
    found = value_distances(images)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert found[1, 4] == 0


def test_true_neighbours_are_near_in_every_distance(sample_clips):
    """Thirty frames of each scene of the sample: frames one apart are nearer than frames five and fifteen apart."""
    for clip in ("pagoda", "toys", "dahlia"):
        images = sample_clips[clip][:30]
        distances = {"thumbnails": row_distances(rank_grey_thumbnails(images)), **fine_distances(images)}
        assert list(distances) == ["thumbnails", "ranks", "colours"]
        for name, found in distances.items():
            assert found.shape == (30, 30) and np.allclose(found, found.T) and np.isfinite(found).all()
            assert np.diagonal(found) == pytest.approx(0, abs=1e-3)
            one, five, fifteen = (np.diagonal(found, gap).mean() for gap in (1, 5, 15))
            assert one < five < fifteen, (clip, name)


def test_a_change_of_light_counts_little(sample_clips):
    """A frame made darker, with another gamma: it is nearer to itself than the frame five on is, in every distance."""
    first, later = sample_clips["pagoda"][[0, 5]]
    darker = np.round(255 * (first / 255.0) ** 1.5 * 0.6).astype(np.uint8)
    images = np.stack([first, darker, later])
    for found in (*fine_distances(images).values(), row_distances(rank_grey_thumbnails(images))):
        assert found[0, 1] < 0.5 * found[0, 2]


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
    for found in (row_distances(rank_grey_thumbnails(images)), *fine_distances(images).values()):
        assert found.shape == shape[:1] * 2 and (found == 0).all()
