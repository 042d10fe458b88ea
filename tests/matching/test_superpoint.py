"""Keypoints of a SuperPoint: transformers' own, with the fraction of the pixel, at seeded random weights."""

# ruff: noqa: E402 (torchvision must be prepared before transformers is imported)
from functools import partial

import cv2
import numpy as np
import pytest
import torch
from sklearn.datasets import load_sample_images

from tests.matching.test_superglue import clear_threshold, liven, save_tiny, tiny_detector
from workbench.models.backbones import torchvision

torchvision()
from transformers import SuperPointForKeypointDetection
from transformers.models.superpoint.modeling_superpoint import simple_nms

from workbench.matching.keypoints import make_detector
from workbench.matching.superpoint import find, parabola_peaks, suppressed
from workbench.parameters import FeatureParameters


@pytest.fixture(scope="module")
def grey():
    """China.jpg, (203, 324) float32, 0 to 1: sides that are no multiple of 8."""
    picture = cv2.resize(load_sample_images().images[0], (324, 203), interpolation=cv2.INTER_AREA)
    return cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32) / 255


@pytest.mark.parametrize("levels", [3, 2**16])
def test_suppression_is_that_of_transformers(levels):
    """On noise, and on noise of three values, most of which are tied."""
    scores = np.random.default_rng(0).integers(0, levels, (60, 83)).astype(np.float32) / levels
    for radius in (1, 3, 4):
        expected = simple_nms(torch.from_numpy(scores)[None], radius)[0].numpy()
        assert np.array_equal(np.where(suppressed(scores, radius), scores, 0), expected)


def test_a_parabola_finds_the_middle_of_a_gaussian():
    """On the logarithm exactly; on a slope and on a plain there is no peak, and beside the pixel it is half a pixel away."""
    x, y = np.meshgrid(np.arange(20), np.arange(15))
    squared = (x - 7.3) ** 2 + (y - 4.8) ** 2
    assert np.allclose(parabola_peaks((-squared / 2).astype(np.float32), np.array([[7, 5]])), [[7.3, 4.8]], atol=1e-4)
    assert np.allclose(parabola_peaks((-squared / 2).astype(np.float32), np.array([[6, 5]])), [[6.5, 4.8]], atol=1e-4)
    corners = np.array([[0, 0], [19, 14], [5, 5]])
    assert np.array_equal(parabola_peaks(np.ones((15, 20), np.float32), corners), corners)
    assert np.array_equal(parabola_peaks(x.astype(np.float32), corners[2:]), corners[2:])


def test_keypoints_are_those_of_the_public_forward(grey):
    """The same hundred, moved by less than a pixel, as strong, and with almost the same descriptors."""
    torch.manual_seed(0)
    model = SuperPointForKeypointDetection(tiny_detector(32)).eval()
    liven(model)
    with torch.inference_mode():
        public = model(torch.from_numpy(grey)[None, None].expand(1, 3, *grey.shape))
    expected = np.rint(public.keypoints[0].double().numpy() * grey.shape[::-1])
    points, scores, descriptors = find(model, grey)
    assert points.shape == (100, 2) and descriptors.shape == (100, 32)
    nearest = np.abs(points[:, None] - expected[None]).max(axis=2)
    same = nearest.argmin(axis=1)
    assert sorted(same) == list(range(100)) and nearest.min(axis=1).max() <= 0.5
    assert np.abs(points - expected[same]).mean() > 0.05
    assert np.allclose(scores, public.scores[0].numpy()[same])
    assert (descriptors * public.descriptors[0].numpy()[same]).sum(axis=1).min() > 0.98
    assert np.allclose(np.linalg.norm(descriptors, axis=1), 1, atol=1e-5)


def test_threshold_and_radius(tmp_path):
    """0 is what the weights' configuration says (threshold 0, radius 3); other values take its place."""
    save_tiny(tmp_path, 32)
    picture = cv2.resize(load_sample_images().images[0], (320, 200), interpolation=cv2.INTER_AREA)
    chosen = partial(FeatureParameters, "superpoint", 8192, superpoint_model=str(tmp_path / "superpoint"))
    own, same, wide = (make_detector(chosen(nms_radius=radius))(picture, (320, 200)) for radius in (0, 3, 10))
    assert own.keypoints.tobytes() == same.keypoints.tobytes()
    middle = clear_threshold(own.scores)
    strong = make_detector(chosen(keypoint_threshold=middle))(picture, (320, 200))
    assert np.array_equal(strong.keypoints, own.keypoints[own.scores > middle])
    assert 0 < len(strong) < 0.6 * len(own)
    assert 0 < len(wide) < 0.5 * len(own)
    pixels = np.rint(wide.keypoints)
    apart = np.abs(pixels[:, None] - pixels[None]).max(axis=2)
    assert apart[~np.eye(len(pixels), dtype=bool)].min() >= 10


def test_no_keypoints(grey):
    """Above the highest score there are none: empty arrays of the right shapes."""
    model = SuperPointForKeypointDetection(tiny_detector(32)).eval()
    model.keypoint_decoder.keypoint_threshold = 1.0
    assert [part.shape for part in find(model, grey)] == [(0, 2), (0,), (0, 32)]
