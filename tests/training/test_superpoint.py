"""The training of SuperPoint: keypoints, their labels, views whose geometry is known, and a run from start to end."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from tests import ROOT
from tests.helpers.killed_training import check_killed_training
from training.configuration import SuperPointConfig, read_config
from training.evaluate_matchers import Pair
from training.pictures import photographs
from training.superpoint import losses, new_network, repeated, train
from training.superpoint_views import blobs, label_map, make_batch
from workbench.errors import UsageError
from workbench.matching.superpoint import SuperPoint, parabola_peaks, suppressed
from workbench.parameters import FeatureParameters
from workbench.storage.hloc import Features

TINY = {"encoder": [8, 8, 8, 16], "decoder": 16, "descriptor": 16, "steps": 12, "pairs": 2, "size": [64, 48], "points": 20}
TINY |= {"temperature": 0.1, "learning_rate": 5e-3, "warm_up": 2, "weight_decay": 0.01, "keypoint_threshold": 0.0}
TINY |= {"nms_radius": 3, "seed": 0, "validate_every": 6}


def picture(seed: int) -> np.ndarray:
    """(180, 240, 3) uint8: smoothed colour noise, textured everywhere."""
    noise = cv2.GaussianBlur(np.random.default_rng(seed).random((180, 240, 3)).astype(np.float32), (0, 0), 2.5)
    return np.clip(128 + 50 * (noise - noise.mean()) / noise.std(), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photographs on both sides of the split: the hash of the names decides."""
    folder = tmp_path_factory.mktemp("photographs")
    for number in range(12):
        cv2.imwrite(str(folder / f"{number}.png"), picture(number))
    assert photographs(folder) and photographs(folder, held_out_tenth=True)
    return folder


def distances(found: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """(K,) px: how far each wanted point is from the nearest found one."""
    return np.linalg.norm(wanted[:, None] - found[None], axis=2).min(axis=1)


def test_blobs_are_found_where_they_are_in_light_and_shadow() -> None:
    """Bright and dark spots at fractions of a pixel, half of them under a fifth of the light: all within a fifth of a pixel."""
    rng = np.random.default_rng(0)
    spots = np.stack(np.meshgrid(np.arange(20, 220, 25), np.arange(20, 160, 25)), axis=-1).reshape(-1, 2)
    spots = spots + rng.uniform(-0.5, 0.5, spots.shape)
    x, y = np.meshgrid(np.arange(240), np.arange(180))
    image = np.full((180, 240), 120.0)
    for number, spot in enumerate(spots):
        image += (-1) ** number * 70 * np.exp(-((x - spot[0]) ** 2 + (y - spot[1]) ** 2) / 12)
    image[:, 120:] /= 5
    found = blobs(np.clip(image, 0, 255).astype(np.uint8))
    clear = np.abs(spots[:, 0] - 120) > 26  # the edge of the shadow moves what is beside it
    assert distances(found, spots[clear]).max() < 0.2
    assert len(blobs(np.full((64, 64), 90, np.uint8))) == 0


def test_labels_keep_the_fraction_of_a_pixel() -> None:
    """The peaks of a label map, read as the workbench reads the network's, are the keypoints, across the cells' borders too."""
    rng = np.random.default_rng(1)
    keypoints = np.stack(np.meshgrid(np.arange(8, 90, 11), np.arange(8, 70, 11)), axis=-1).reshape(-1, 2)
    keypoints = keypoints + rng.uniform(-0.5, 0.5, keypoints.shape)
    labels = label_map(keypoints, (96, 80))
    assert labels.shape == (65, 10, 12) and labels.dtype == np.float32
    assert np.allclose(labels.sum(axis=0), 1, atol=1e-5) and labels.min() >= 0
    scores = torch.nn.functional.pixel_shuffle(torch.from_numpy(labels[None, :-1]), 8)[0, 0].numpy()
    y, x = np.nonzero(suppressed(scores, 3) & (scores > 0.1))
    found = parabola_peaks(np.log(np.maximum(scores, 1e-12)), np.column_stack([x, y]))
    assert len(found) == len(keypoints)
    assert distances(found, keypoints).max() < 0.02
    crowded = label_map(np.array([[2.0, 2.0], [5.0, 5.0], [2.0, 6.0], [-30.0, 4.0]]), (8, 8))
    assert crowded.sum() == pytest.approx(1) and crowded[64].item() == pytest.approx(0, abs=1e-6)


def test_views_share_what_they_say_they_share(folder: Path) -> None:
    """Around shared points both views look alike, up to their light, and unlike at others; labels peak at them."""
    batch = make_batch(photographs(folder), 6, (96, 80), 30, np.random.default_rng(2))
    again = make_batch(photographs(folder), 6, (96, 80), 30, np.random.default_rng(2))
    assert torch.equal(batch.images, again.images) and torch.equal(batch.points, again.points)
    assert batch.images.shape == (12, 1, 80, 96) and batch.images.min() >= 0 and batch.images.max() <= 1
    assert batch.labels.shape == (12, 65, 10, 12) and batch.known.shape == (12, 10, 12)
    assert batch.known.float().mean() > 0.6 and batch.shared.sum(dim=1).min() > 5
    alike, unlike, mass = [], [], []
    for pair in range(6):
        shared = batch.shared[pair].numpy()
        first, second = (batch.points[side, shared].numpy() for side in (pair, 6 + pair))
        small = [cv2.getRectSubPix(batch.images[pair, 0].numpy(), (7, 7), tuple(point.tolist())) for point in first]
        other = [cv2.getRectSubPix(batch.images[6 + pair, 0].numpy(), (7, 7), tuple(point.tolist())) for point in second]
        correlation = np.corrcoef([patch.ravel() for patch in small + other])[: len(first), len(first) :]
        alike.extend(np.diag(correlation))
        unlike.extend(correlation[~np.eye(len(first), dtype=bool)])
        scores = torch.nn.functional.pixel_shuffle(batch.labels[pair : pair + 1, :-1], 8)[0, 0].numpy()
        near = cv2.boxFilter(scores, -1, (7, 7), normalize=False)
        mass.extend(near[tuple(np.rint(first).astype(int).T[::-1])])
    assert np.median(alike) > np.median(unlike) + 0.5
    assert np.median(mass) > 0.7


def test_losses_of_a_network_that_knows_nothing(folder: Path) -> None:
    """65 equal probabilities and equal descriptors: the logarithms of how many there are to choose from."""
    batch = make_batch(photographs(folder), 2, (64, 48), 20, np.random.default_rng(0))
    network = new_network(SuperPointConfig(**TINY))
    for layer in (network.keypoint_decoder.conv_score_b, network.descriptor_decoder.conv_descriptor_b):
        torch.nn.init.zeros_(layer.weight)
    torch.nn.init.ones_(network.descriptor_decoder.conv_descriptor_b.bias)
    detector, descriptors = losses(network, batch, 0.1)
    assert detector.item() == pytest.approx(np.log(65), rel=1e-3)
    assert descriptors.item() == pytest.approx(np.log(batch.shared.sum().item()), rel=1e-3)


def test_training_lowers_the_loss_and_a_killed_run_ends_the_same(folder: Path, tmp_path: Path, monkeypatch) -> None:
    """12 steps: the loss falls; stopped after 6 and continued, the weights are the same; the folder is a detector."""
    monkeypatch.setattr("training.superpoint.VALIDATION_PAIRS", 1)
    config = SuperPointConfig(**TINY)
    curve = check_killed_training(lambda out: train(config, folder, out), tmp_path, 6, 3, monkeypatch)
    assert all((curve[name] >= 0).all() and (curve[name] <= 1).all() for name in curve.dtype.names[3:])
    found = SuperPoint(FeatureParameters(superpoint_model=str(tmp_path / "whole" / "model"), max_keypoints=50))(
        picture(0), (480, 360)
    )
    assert found.descriptors.shape == (16, 50) and found.keypoints.max() > 240


def test_repeatability_has_known_values() -> None:
    """Under a shift of 10 px: one point is found again, one is 2 px off, one is missing, and one went out of the picture."""
    shift = np.array([[1.0, 0, 10], [0, 1, 0], [0, 0, 1]])
    pair = Pair(np.zeros((240, 320, 3), np.uint8), np.zeros((240, 320, 3), np.uint8), shift, "plain", "small")
    starts, ends = ([[50, 50], [100, 50], [200, 90], [315, 9]], [[60, 50], [112, 50]])
    a, b = (
        Features(np.float32(xy), np.ones(len(xy), np.float32), np.zeros((8, len(xy)), np.float32), np.array([320, 240]))
        for xy in (starts, ends)
    )
    assert repeated(pair, a, b, 3) == pytest.approx(2 / 3) and repeated(pair, a, b, 1) == pytest.approx(1 / 3)


def test_settings_and_errors(tmp_path: Path) -> None:
    """The configuration that is there can be read, and a folder without photographs says so."""
    config = read_config(ROOT / "training/configs/superpoint.yaml", SuperPointConfig)
    assert len(config.encoder) == 4 and all(side % 8 == 0 for side in config.size)
    with pytest.raises(UsageError, match="no photographs"):
        train(config, tmp_path, tmp_path / "out")
