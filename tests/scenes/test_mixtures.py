"""Mixtures of two references among hundreds, as many as a film of dozens of scenes has."""

from functools import partial

import numpy as np
import pytest

from workbench.scenes.mixtures import NEAREST_REFERENCES, mixtures

SCENES, EACH, LENGTH = 40, 5, 300


def drawn(seed, noise=0.1):
    """Two hundred references, five of each of forty scenes, and eighty more frames.

    Scenes are points at random, the frames of one some 0.4 apart for 24 between scenes. Forty of the further frames are
    mixtures of references of two scenes, the heavier one of weight 0.5 to 0.85, plus noise; the others are frames of a scene.

    Returns all thumbnails, the scenes of the references, and of every mixture its heavier and lighter reference and the weight.
    """
    rng = np.random.default_rng(seed)
    centres = rng.normal(0, 1, (SCENES, LENGTH))
    scene = np.repeat(np.arange(SCENES), EACH)
    references = centres[scene] + rng.normal(0, 0.4 / np.sqrt(2 * LENGTH), (len(scene), LENGTH))
    both = rng.permuted(np.tile(np.arange(SCENES), (40, 1)), axis=1)[:, :2]  # scenes, never the same one twice
    pairs, weights = EACH * both + rng.integers(EACH, size=both.shape), rng.uniform(0.5, 0.85, 40)
    mixed = weights[:, None] * references[pairs[:, 0]] + (1 - weights[:, None]) * references[pairs[:, 1]]
    mixed += rng.normal(0, noise / np.sqrt(LENGTH), mixed.shape)
    single = centres + rng.normal(0, 0.4 / np.sqrt(2 * LENGTH), centres.shape)
    return np.concatenate([references, mixed, single]).astype(np.float32), scene, pairs, weights


@pytest.mark.parametrize("seed", range(3))
def test_mixtures_among_hundreds_of_references(seed):
    """All forty are found, with their scenes and their weights, and nothing else is."""
    thumbnails, scene, pairs, weights = drawn(seed)
    references = np.arange(len(scene))
    assert len(references) > 3 * NEAREST_REFERENCES
    found = mixtures(thumbnails, references, scene[:, None] != scene, partial(np.not_equal, references), 0.15)
    assert found.frames.tolist() == list(range(len(scene), len(scene) + 40))
    clear = weights > 0.55  # below, noise may decide which of the two is the heavier one
    ends, expected = scene[[found.heavier, found.lighter]], scene[pairs.T]
    assert (ends == expected)[:, clear].all() and (np.sort(ends, axis=0) == np.sort(expected, axis=0)).all()
    assert np.abs(found.weight - weights)[clear].max() < 0.03


def test_the_nearest_references_are_enough(monkeypatch):
    """The same frames, references and weights as when all pairs of references are tried."""
    thumbnails, scene, _, _ = drawn(9, noise=3)
    references = np.arange(len(scene))
    given = thumbnails, references, scene[:, None] != scene, partial(np.not_equal, references), 0.15
    some = mixtures(*given)
    monkeypatch.setattr("workbench.scenes.mixtures.NEAREST_REFERENCES", len(references))
    everything = mixtures(*given)
    assert len(everything.frames) >= 30
    for name in ("frames", "heavier", "lighter"):
        np.testing.assert_array_equal(getattr(some, name), getattr(everything, name))
    np.testing.assert_allclose(some.weight, everything.weight, rtol=1e-9)


def test_references_that_do_not_count():
    """Without the scene of its lighter reference a mixture is none."""
    thumbnails, scene, pairs, _ = drawn(2)
    references, lighter = np.arange(len(scene)), dict(enumerate(scene[pairs[:, 1]], len(scene)))
    found = mixtures(thumbnails, references, scene[:, None] != scene, lambda frame: scene != lighter.get(frame, -1), 0.15)
    assert not len(np.intersect1d(found.frames, list(lighter)))
