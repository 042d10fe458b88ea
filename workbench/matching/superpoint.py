"""Keypoints and descriptors from a SuperPoint's maps: as transformers finds them, in less time, to a fraction of a pixel."""

from typing import Any

import cv2
import numpy as np
import torch

from workbench.matching.base import as_features, checked_image
from workbench.models.pretrained import load_pretrained, network_device
from workbench.parameters import FeatureParameters
from workbench.storage.hloc import Features

CELL = 8  # px: a cell of the network's maps is 8 x 8 pixels


class SuperPoint:
    """SuperPoint through transformers, to a fraction of a pixel, as a :class:`~workbench.matching.base.Detector`.

    Parameters
    ----------
    parameters : FeatureParameters
        Of these, ``superpoint_model`` (of transformers' SuperPointForKeypointDetection), ``max_keypoints``, and
        ``keypoint_threshold`` and ``nms_radius``, of which 0 leaves what the configuration of the weights says.
    device : str, optional
        PyTorch's name of a device; default a GPU if there is one. Probabilities on a GPU differ by rounding.

    Raises
    ------
    ModelError
        When the weights cannot be loaded.

    Notes
    -----
    DeTone, Malisiewicz and Rabinovich, "SuperPoint: self-supervised interest point detection and description", CVPR workshop on
    deep learning for visual SLAM, 2018.
    """

    threads = 1  # PyTorch brings its own

    def __init__(self, parameters: FeatureParameters, device: str | None = None) -> None:
        model = load_pretrained("SuperPointForKeypointDetection", parameters.superpoint_model, "--features.superpoint_model")
        # In this layout the convolutions take a third less time.
        self.model = model.to(device or network_device(), memory_format=torch.channels_last)
        # The decoder copies its settings when it is made, so the configuration alone would change nothing.
        decoder = self.model.keypoint_decoder
        decoder.max_keypoints = parameters.max_keypoints
        decoder.keypoint_threshold = parameters.keypoint_threshold or decoder.keypoint_threshold
        decoder.nms_radius = parameters.nms_radius or decoder.nms_radius

    def __call__(self, image: np.ndarray, original_size: tuple[int, int]) -> Features:
        """Find the features of one frame; scores are probabilities, 0 to 1."""
        return superpoint_features(self.model, image, original_size)


def superpoint_features(model: Any, image: np.ndarray, original_size: tuple[int, int]) -> Features:
    """Find the features of a frame by a SuperPoint that is loaded, with the model's own settings.

    Parameters
    ----------
    model : transformers.SuperPointForKeypointDetection
        The network in evaluation mode.
    image : (h, w, 3) uint8 array
        RGB working copy.
    original_size : tuple of int
        Width and height of the original, px.

    Returns
    -------
    Features
        The keypoints, strongest first; scores are probabilities, 0 to 1.
    """
    # Grey as transformers' image processor makes it (ITU-R 601), 0 to 1.
    gray = (checked_image(image).astype(np.float32) / 255) @ np.array([0.2989, 0.587, 0.114], dtype=np.float32)
    points, scores, descriptors = find(model, gray)
    return as_features(points, scores, descriptors, image, original_size)


def find(model: Any, grey: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Find keypoints and describe them.

    The keypoints are those of the model's own ``forward``, without the 20 to 30 ms that it spends on suppression at 320 x
    240, and not at whole pixels: descriptors are taken where the keypoints are.

    Parameters
    ----------
    model : transformers.SuperPointForKeypointDetection
        Its settings (radius of suppression, threshold, border, number of keypoints) are kept.
    grey : (h, w) float32 array
        The image, 0 to 1.

    Returns
    -------
    points : (K, 2) float64 array
        x and y, px, strongest first.
    scores : (K,) float32 array
        Probabilities, 0 to 1.
    descriptors : (K, D) float32 array
        Descriptors of length 1.
    """
    with torch.inference_mode():
        encoded = model.encoder(torch.from_numpy(grey)[None, None].to(model.device))[0]
        scores = probabilities(model.keypoint_decoder, encoded)
        pixels, found = _strongest(scores, model.keypoint_decoder)
        points = parabola_peaks(np.log(np.maximum(scores, 1e-12)), pixels)
        descriptors = model.descriptor_decoder(encoded, torch.from_numpy(points).float()[None].to(model.device))
    return points, found, descriptors.cpu().numpy()


def probabilities(decoder: Any, encoded: torch.Tensor) -> np.ndarray:
    """Compute how probable every pixel is the keypoint of its cell.

    Parameters
    ----------
    decoder : module
        The model's keypoint decoder.
    encoded : (1, C, h / 8, w / 8) tensor
        The model's encoded image.

    Returns
    -------
    (h, w) float32 array
        Probabilities, 0 to 1.
    """
    logits = decoder.conv_score_b(decoder.relu(decoder.conv_score_a(encoded)))
    return torch.nn.functional.pixel_shuffle(logits.softmax(dim=1)[:, :-1], CELL)[0, 0].cpu().numpy()


def suppressed(scores: np.ndarray, radius: int) -> np.ndarray:
    """Suppress what is not a maximum.

    The same as transformers' ``simple_nms``: maxima, then twice the maxima of what no kept one is near. Its maximum over a
    square is OpenCV's dilation, which does rows and columns one after the other.

    Parameters
    ----------
    scores : (h, w) float32 array
        The score of every pixel.
    radius : int
        Half the side of the square in which a pixel must be the largest, px.

    Returns
    -------
    (h, w) bool array
        The pixels that stay.
    """
    square = np.ones((2 * radius + 1, 2 * radius + 1), np.uint8)
    kept = scores == cv2.dilate(scores, square)
    for _ in range(2):
        near = cv2.dilate(kept.astype(np.uint8), square) > 0
        rest = np.where(near, np.float32(0), scores)
        kept |= (rest == cv2.dilate(rest, square)) & ~near
    return kept


def parabola_peaks(values: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """Find peaks to a fraction of a pixel, by parabolas through a pixel and its two neighbours, in x and in y.

    On the logarithm of a Gaussian this is exact.

    Parameters
    ----------
    values : (h, w) float32 array
        What has the peaks; a pixel's centre is at a whole number.
    pixels : (K, 2) int array
        x and y of the pixels that are larger than their neighbours.

    Returns
    -------
    (K, 2) float64 array
        x and y, px: at most half a pixel away, and at the pixel itself where the three values have no peak.
    """
    x, y = pixels.T
    around = np.pad(values, 1, mode="edge")
    middle = values[y, x].astype(np.float64)
    peaks = pixels.astype(np.float64)
    for axis, (before, after) in enumerate(
        ((around[y + 1, x], around[y + 1, x + 2]), (around[y, x + 1], around[y + 2, x + 1])),
    ):
        bend = before + after - 2 * middle
        rise = (after - before.astype(np.float64)) / 2
        peaks[:, axis] += np.clip(np.divide(-rise, bend, out=np.zeros_like(bend), where=bend < 0), -0.5, 0.5)
    return peaks


def _strongest(scores: np.ndarray, decoder: Any) -> tuple[np.ndarray, np.ndarray]:
    """Pixels (K, 2) int x, y and scores (K,) by the decoder's settings, strongest first (ties by position)."""
    y, x = np.nonzero(suppressed(scores, decoder.nms_radius) & (scores > decoder.keypoint_threshold))
    # transformers multiplies the size by 8 once too often, so that it clears the left and upper border only; so do we,
    # for matchers were trained on, and are tested against, what it finds.
    within = (x >= decoder.border_removal_distance) & (y >= decoder.border_removal_distance)
    x, y = x[within], y[within]
    order = np.lexsort((x, y, -scores[y, x]))
    if decoder.max_keypoints >= 0:
        order = order[: decoder.max_keypoints]
    return np.column_stack([x, y])[order], scores[y, x][order]
