"""Distances between frames as they look: exact, and what each of them survives."""

import numpy as np
import pytest

from workbench.appearance import fine_distances, thumbnail_distances, value_distances


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
        distances = {"thumbnails": thumbnail_distances(images), **fine_distances(images)}
        assert list(distances) == ["thumbnails", "ranks", "colours"]
        for name, found in distances.items():
            assert found.shape == (30, 30) and np.allclose(found, found.T) and np.isfinite(found).all()
            assert np.diagonal(found) == pytest.approx(0, abs=1e-3)
            one, five, fifteen = (np.diagonal(found, gap).mean() for gap in (1, 5, 15))
            assert one < five < fifteen, (clip, name)


def test_ranks_survive_a_change_of_light_and_colours_do_not(sample_clips):
    """A frame made darker, with another gamma: by ranks it is nearer to itself than the frame five on is, by colours not."""
    first, later = sample_clips["pagoda"][[0, 5]]
    darker = np.round(255 * (first / 255.0) ** 1.5 * 0.6).astype(np.uint8)
    images = np.stack([first, darker, later])
    fine = fine_distances(images)
    assert fine["ranks"][0, 1] < 0.5 * fine["ranks"][0, 2]
    assert thumbnail_distances(images)[0, 1] < 0.5 * thumbnail_distances(images)[0, 2]
    assert fine["colours"][0, 1] > fine["colours"][0, 2]


@pytest.mark.parametrize("shape", [(1, 48, 64, 3), (3, 1, 1, 3), (2, 7, 300, 3)])
def test_odd_sizes_and_flat_frames(shape):
    """Without any structure, coarse ranks have no direction and are as far apart as unrelated ones; but never beyond 2."""
    images = np.full(shape, 90, np.uint8)
    for found in fine_distances(images).values():
        assert found.shape == shape[:1] * 2 and (found == 0).all()
    coarse = thumbnail_distances(images)
    assert coarse.shape == shape[:1] * 2 and (np.diagonal(coarse) == 0).all() and coarse.max() <= 2
