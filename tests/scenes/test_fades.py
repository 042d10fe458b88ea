"""Fades found by their patterns: thumbnails of textures, with less contrast and under another light, by hand."""

import numpy as np
import pytest

from workbench.scenes.fades import find_fades

LENGTH = 24 * 16 * 3


def textures(count, seed=0):
    """Thumbnails of unlike pictures, (count, 1152), levels 0 to 1 with a standard deviation of 0.15 about 0.5."""
    return 0.5 + 0.15 * np.random.default_rng(seed).standard_normal((count, LENGTH)).clip(-3, 3)


def faded(picture, contrast, mean):
    """The pattern of a picture with so much of its contrast, about another mean level."""
    return mean + contrast * (picture - picture.mean())


def noisy(picture, level, seed=1):
    return picture + level * np.random.default_rng(seed).standard_normal(LENGTH)


def test_outliers_with_the_pattern_of_a_frame_are_its_fades():
    """Three scenes of two frames each, and six outliers: fades of frames 1, 2 and 5, towards black, white and black, one of
    them with little more than the least of a pattern; a foreign picture; a black and a white frame."""
    pictures = textures(7)
    fades = [faded(pictures[1], 0.5, 0.25), faded(pictures[2], 0.2, 0.9), faded(pictures[5], 0.04, 0.02)]
    thumbnails = np.stack([*pictures[:6], *fades, pictures[6], np.zeros(LENGTH), np.ones(LENGTH)])
    found = find_fades(thumbnails, np.array([0, 0, 1, 1, 2, 2, *[-1] * 6]))
    assert found.frames.tolist() == [6, 7, 8] and found.sources.tolist() == [1, 2, 5]
    assert found.contrast == pytest.approx([0.5, 0.2, 0.04])


@pytest.mark.parametrize(("contrast", "is_fade"), [(0.69, True), (0.71, False), (1.0, False), (1.4, False), (-0.5, False)])
def test_more_contrast_is_another_light(contrast, is_fade):
    """And a negative picture is no fade."""
    pictures = textures(3)
    found = find_fades(np.stack([*pictures, faded(pictures[1], contrast, 0.5)]), np.array([0, 0, 0, -1]))
    assert found.frames.tolist() == ([3] if is_fade else [])


@pytest.mark.parametrize(("share", "is_fade"), [(0.97, True), (0.95, True), (0.93, False), (0.5, False)])
def test_the_pattern_must_be_the_same(share, is_fade):
    """A pattern that correlates so much with that of a frame, at half of its contrast."""
    picture, other = textures(2)
    pattern, across = picture - picture.mean(), other - other.mean()
    across -= pattern * (across @ pattern) / (pattern @ pattern)
    across *= np.linalg.norm(pattern) / np.linalg.norm(across)
    mixed = 0.3 + 0.5 * (share * pattern + np.sqrt(1 - share**2) * across)
    found = find_fades(np.stack([picture, mixed]), np.array([0, -1]))
    assert found.frames.tolist() == ([1] if is_fade else [])


@pytest.mark.parametrize(("grey_levels", "seen"), [(0.9, False), (1.2, True)])
def test_less_than_a_grey_level_is_no_pattern(grey_levels, seen):
    """A frame that is black but for so many grey levels of the pattern of its scene."""
    picture = textures(1)[0]
    found = find_fades(np.stack([picture, faded(picture, grey_levels / 255 / picture.std(), 0.01)]), np.array([0, -1]))
    assert found.frames.tolist() == ([1] if seen else [])


def test_frames_without_a_pattern_are_no_source():
    """A scene of one picture and one black frame: neither divides by zero, and a black outlier is not given to it."""
    picture = textures(1)[0]
    thumbnails = np.stack([np.zeros(LENGTH), picture, faded(picture, 0.3, 0.2), np.full(LENGTH, 0.1)])
    found = find_fades(thumbnails, np.array([0, 0, -1, -1]))
    assert found.frames.tolist() == [2] and found.sources.tolist() == [1]


def test_of_two_frames_the_more_alike_is_the_source():
    """The same picture three times with its own noise; the fade is of the second. Of two outliers alike neither is a source."""
    picture = textures(1)[0]
    scene = [noisy(picture, 0.03, seed) for seed in (1, 2, 3)]
    fade = faded(scene[1], 0.4, 0.3)
    found = find_fades(np.stack([fade, *scene, fade]), np.array([-1, 0, 0, 0, -1]))
    assert found.frames.tolist() == [0, 4] and found.sources.tolist() == [2, 2]


@pytest.mark.parametrize("labels", [[0, 0, 0], [-1, -1, -1], []])
def test_nothing_where_there_are_no_outliers_or_no_scenes(labels):
    picture = textures(1)[0]
    thumbnails = np.array([faded(picture, contrast, 0.5) for contrast in (1, 0.5, 0.3)])[: len(labels)].reshape(-1, LENGTH)
    found = find_fades(thumbnails, np.array(labels, dtype=int))
    assert found.frames.shape == found.sources.shape == found.contrast.shape == (0,)
    assert found.frames.dtype.kind == found.sources.dtype.kind == "i"
