"""SIFT features on a photograph, and features.h5."""

import os
import subprocess
import sys

import cv2
import h5py
import numpy as np
import pytest
from sklearn.datasets import load_sample_images

from workbench.errors import VideoError
from workbench.matching import keypoints, sift
from workbench.parameters import FeatureParameters
from workbench.storage.blocks import BlockJob
from workbench.storage.hloc import Features

SIZE = (640, 427)


@pytest.fixture(scope="module")
def photograph():
    """scikit-learn's china.jpg, (427, 640, 3) uint8 RGB."""
    return load_sample_images().images[0]


@pytest.fixture(scope="module")
def proxies(photograph):
    """70 working copies 200 px wide, the photograph shifted by one more pixel each; the last one is black."""
    small = cv2.resize(photograph, (200, 133), interpolation=cv2.INTER_AREA)
    return np.stack([np.roll(small, shift, axis=1) for shift in range(69)] + [np.zeros_like(small)])


def test_shapes_types_and_units(photograph):
    found = sift.sift_features(photograph, 300, 0.01, SIZE)
    assert found.keypoints.shape == (300, 2) and found.keypoints.dtype == np.float32
    assert found.scores.shape == (300,) and found.scores.dtype == np.float32
    assert found.descriptors.shape == (128, 300) and found.descriptors.dtype == np.float32
    assert found.image_size.tolist() == [640, 427]
    assert np.allclose(np.linalg.norm(found.descriptors, axis=0), 1, atol=1e-5)
    assert (np.diff(found.scores) <= 0).all()
    assert (found.keypoints >= -0.5).all() and (found.keypoints <= np.array(SIZE) - 0.5).all()


def test_the_strongest_are_kept(photograph):
    many = sift.sift_features(photograph, 8192, 0.01, SIZE)
    few = sift.sift_features(photograph, 50, 0.01, SIZE)
    assert len(many) > 500
    assert np.array_equal(few.keypoints, many.keypoints[:50])


def test_points_that_are_spread_out():
    """Strongest first, radius 3. The place (0, 0) stays with both its points and drops both at (3, 0), which drop nothing then:
    (5, 0) stays. A radius smaller than all distances drops nothing."""
    points = np.array([[0, 0], [0, 0], [3, 0], [3, 0], [5, 0], [1, 0], [5, 2.5], [0, 4]])
    assert sift.spread_out(points, 3).tolist() == [True, True, False, False, True, False, False, True]
    assert sift.spread_out(points, 0.5).all()


@pytest.mark.parametrize("most", [16, 100, 256])
def test_the_strongest_are_those_of_all(photograph, most):
    """OpenCV is asked for so many, and gives all that tie with the last: the first of them are the first of all there are."""
    everything = sift.sift_features(photograph, 8192, 0.01, SIZE)
    some = sift.sift_features(photograph, most, 0.01, SIZE)
    assert len(some) == most < len(everything) / 2
    assert np.array_equal(some.keypoints, everything.keypoints[:most])
    assert np.array_equal(some.descriptors, everything.descriptors[:, :most])


def test_suppression_radius(photograph):
    """No two places are within the radius, and everything that was dropped has something stronger within it. Of a place that
    stays all orientations stay, and the number of keypoints is filled up with weaker ones."""
    everything = sift.sift_features(photograph, 8192, 0.01, SIZE)
    spread = sift.sift_features(photograph, 8192, 0.01, SIZE, nms_radius=6)
    places = np.unique(spread.keypoints, axis=0)
    apart = np.linalg.norm(places[:, None] - places[None], axis=2)
    assert (apart[~np.eye(len(places), dtype=bool)] > 6).all()
    assert len(places) < 0.9 * len(spread), "some places have several orientations"
    kept = {tuple(point) for point in spread.keypoints.tolist()}
    stays = np.array([tuple(point) in kept for point in everything.keypoints.tolist()])
    assert np.array_equal(everything.keypoints[stays], spread.keypoints)
    assert np.array_equal(everything.descriptors[:, stays], spread.descriptors)
    assert 0.2 < stays.mean() < 0.8
    for k in np.flatnonzero(~stays):
        near = np.linalg.norm(spread.keypoints - everything.keypoints[k], axis=1) <= 6.001
        assert spread.scores[near].max() >= everything.scores[k]
    few = keypoints.make_detector(FeatureParameters(max_keypoints=100, nms_radius=6))(photograph, SIZE)
    assert np.array_equal(few.keypoints, spread.keypoints[:100])


def test_suppression_radius_is_in_pixels_of_the_copy(photograph):
    """The same picture as the copy of an original of twice the size: the same keypoints stay."""
    single = sift.sift_features(photograph, 300, 0.01, SIZE, nms_radius=5)
    double = sift.sift_features(photograph, 300, 0.01, (1280, 854), nms_radius=5)
    assert np.allclose((double.keypoints + 0.5) / 2 - 0.5, single.keypoints, atol=1e-3)
    assert np.array_equal(double.descriptors, single.descriptors)


def test_keypoints_are_in_pixels_of_the_original(photograph):
    """Keypoints of a half-size copy lie on those of the original: half pixels are counted as hloc counts them."""
    half = cv2.resize(photograph[:426], (320, 213), interpolation=cv2.INTER_AREA)
    small = sift.sift_features(half, 200, 0.01, (640, 426)).keypoints
    full = sift.sift_features(photograph[:426], 8192, 0.0, (640, 426)).keypoints
    distance = np.linalg.norm(small[:, None] - full[None], axis=2)
    close = distance.min(axis=1) < 1.5
    assert close.mean() > 0.6
    shift = small[close] - full[distance.argmin(axis=1)[close]]
    assert np.abs(np.median(shift, axis=0)).max() < 0.1


def test_same_bytes_every_time(photograph):
    first, second = (sift.sift_features(photograph, 400, 0.01, SIZE) for _ in range(2))
    assert first.keypoints.tobytes() == second.keypoints.tobytes()
    assert first.descriptors.tobytes() == second.descriptors.tobytes()


def test_an_image_without_keypoints():
    found = sift.sift_features(np.full((60, 80, 3), 127, np.uint8), 100, 0.01, (160, 120))
    assert found.keypoints.shape == (0, 2) and found.scores.shape == (0,) and found.descriptors.shape == (128, 0)


@pytest.mark.parametrize("image", [np.zeros((9, 9), np.uint8), np.zeros((9, 9, 3), np.float32)])
def test_not_an_image(image):
    with pytest.raises(VideoError, match="uint8 RGB"):
        sift.sift_features(image, 100, 0.01, (9, 9))


def test_file_layout(proxies, tmp_path):
    parameters = FeatureParameters(max_keypoints=60)
    out = keypoints.extract(proxies, (1280, 851), parameters, tmp_path / "features.h5", BlockJob("inputs", progress=False))
    with h5py.File(out) as file:
        assert list(file) == [f"{frame:06d}.png" for frame in range(70)]
        group = file["000003.png"]
        assert group["keypoints"].shape == (60, 2) and group["descriptors"].shape == (128, 60)
        assert group["keypoints"][()].max() > 640  # pixels of the original, not of the copy
        assert group["image_size"][()].tolist() == [1280, 851]
        assert file["000069.png/keypoints"].shape == (0, 2) and file["000069.png/descriptors"].shape == (128, 0)
        assert '"max_keypoints": 60' in file.attrs["parameters"] and file.attrs["key"] == "inputs"


def test_opencvs_own_threshold(photograph, tmp_path):
    """The preset is a contrast threshold of 0.04, whatever the parameter says: fewer keypoints, the same where both are."""
    found = {}
    for name, chosen in {
        "weak": FeatureParameters(max_keypoints=8192),
        "preset": FeatureParameters(keypoints="sift-opencv", max_keypoints=8192, contrast_threshold=0.0),
        "by hand": FeatureParameters(max_keypoints=8192, contrast_threshold=0.04),
    }.items():
        out = keypoints.extract(photograph[None], SIZE, chosen, tmp_path / f"{name}.h5", BlockJob("inputs", progress=False))
        with h5py.File(out) as file:
            found[name] = file["000000.png/keypoints"][()]
    assert np.array_equal(found["preset"], found["by hand"])
    assert 100 < len(found["preset"]) < 0.9 * len(found["weak"])
    assert {tuple(point) for point in found["preset"].tolist()} <= {tuple(point) for point in found["weak"].tolist()}


def test_killed_and_continued_extraction_ends_with_the_same_bytes(proxies, tmp_path, monkeypatch):
    parameters = FeatureParameters(max_keypoints=60)
    whole = keypoints.extract(proxies, SIZE, parameters, tmp_path / "whole.h5", BlockJob("inputs", progress=False))
    seen, detect = [], sift.sift_features

    def killed_at_66(image, *rest):
        seen.append(image)
        if len(seen) == 67:
            raise KeyboardInterrupt
        return detect(image, *rest)

    monkeypatch.setattr(sift, "sift_features", killed_at_66)
    with pytest.raises(KeyboardInterrupt):
        keypoints.extract(proxies, SIZE, parameters, tmp_path / "features.h5", BlockJob("inputs", progress=False))
    out = keypoints.extract(proxies, SIZE, parameters, tmp_path / "features.h5", BlockJob("inputs", progress=False))
    # The first block of 64 was not done again; other threads may have begun a few frames more when one was killed.
    assert 67 + 6 <= len(seen) <= 67 + 6 + 2 * os.cpu_count()
    assert out.read_bytes() == whole.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["features.h5", "whole.h5"]


def test_sift_needs_no_torch():
    modules = "workbench.matching.keypoints, workbench.matching.matches, workbench.registration.pair"
    code = f"import sys, {modules}; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_no_keypoint_lies_on_an_overlay(proxies, tmp_path):
    """Twenty copies of 200 x 133 px of originals of 1,280 x 851 px; the overlay is a band on the left and a bar below. What is
    off it is what is found without an overlay, in the same order and to the last bit."""
    overlay = np.zeros((133, 200), bool)
    overlay[:, :60] = overlay[100:] = True
    found = {}
    for name, mask in {
        "all": None,
        "off": overlay,
        "nothing": np.zeros_like(overlay),
        "everything": np.ones_like(overlay),
    }.items():
        job = BlockJob("inputs", progress=False)
        out = keypoints.extract(
            proxies[:20], (1280, 851), FeatureParameters(max_keypoints=100), tmp_path / f"{name}.h5", job, mask
        )
        with h5py.File(out) as file:
            found[name] = [{part: group[part][()] for part in group} for group in file.values()]
    dropped = 0
    for whole, off, nothing, everything in zip(*found.values(), strict=True):
        x, y = ((whole["keypoints"] + 0.5) * (200 / 1280, 133 / 851)).T
        kept = (x >= 60) & (y < 100)
        dropped += (~kept).sum()
        assert kept.any() and off["image_size"].tolist() == [1280, 851]
        for part, values in whole.items():
            own = values if part == "image_size" else values[..., kept] if part == "descriptors" else values[kept]
            assert off[part].dtype == values.dtype and np.array_equal(off[part], own), part
            assert np.array_equal(nothing[part], values)
        assert everything["keypoints"].shape == (0, 2) and everything["descriptors"].shape == (128, 0)
    assert 200 < dropped < 1800, "of 2,000"


def test_which_pixel_of_the_copy_a_keypoint_lies_on():
    """A copy of 5 x 4 px of an original of 10 x 12 px: two columns and three rows of it are one pixel. The overlay is column 1
    and row 2 of the copy, columns 2 and 3 and rows 6 to 8 of the original, whose first pixel reaches from -0.5 to 0.5; and the
    last pixel of row 0. The last point is on the far edge of the original."""
    overlay = np.zeros((4, 5), bool)
    overlay[:, 1] = overlay[2] = overlay[0, 4] = True
    points = [(-0.5, -0.5), (1.4, 0), (1.6, 0), (3.4, 0), (3.6, 0), (6, 5.4), (9, 0), (6, 8.4), (6, 8.6), (9.5, 11.5), (6, 5.6)]
    count = np.arange(len(points))
    features = Features(np.float32(points), np.float32(count), np.float32([count, -count]), np.array([10, 12]))
    off = keypoints._off_overlay(features, overlay)
    assert off.scores.tolist() == [0, 1, 4, 5, 8, 9]
    assert np.array_equal(off.keypoints, features.keypoints[[0, 1, 4, 5, 8, 9]])
    assert off.descriptors.tolist() == [[0, 1, 4, 5, 8, 9], [0, -1, -4, -5, -8, -9]]
