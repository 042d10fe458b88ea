"""Keypoints and descriptors from a SuperPoint's maps: as transformers finds them, in less time, to a fraction of a pixel."""

from typing import Any

import cv2
import numpy as np
import torch

from workbench.matching.base import as_features, checked_image
from workbench.storage.hloc import Features

CELL = 8  # px: a cell of the network's maps is 8 x 8 pixels


def find(model: Any, grey: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points (K, 2) float64 px, scores (K,) float32 and descriptors (K, D) float32 of length 1, strongest first.

    model: transformers' SuperPointForKeypointDetection, whose settings (radius of suppression, threshold, border, number of
    keypoints) are kept. grey: (h, w) float32, 0 to 1. The keypoints are those of the model's own ``forward``, without the 20 to
    30 ms that it spends on suppression at 320 x 240, and not at whole pixels: descriptors are taken where the keypoints are.
    """
    with torch.inference_mode():
        encoded = model.encoder(torch.from_numpy(grey)[None, None])[0]
        scores = probabilities(model.keypoint_decoder, encoded)
        pixels, found = _strongest(scores, model.keypoint_decoder)
        points = parabola_peaks(np.log(np.maximum(scores, 1e-12)), pixels)
        descriptors = model.descriptor_decoder(encoded, torch.from_numpy(points).float()[None])
    return points, found, descriptors.numpy()


def probabilities(decoder: Any, encoded: torch.Tensor) -> np.ndarray:
    """(h, w) float32, the probability of every pixel to be the keypoint of its cell; encoded: (1, C, h / 8, w / 8)."""
    logits = decoder.conv_score_b(decoder.relu(decoder.conv_score_a(encoded)))
    return torch.nn.functional.pixel_shuffle(logits.softmax(dim=1)[:, :-1], CELL)[0, 0].numpy()


def suppressed(scores: np.ndarray, radius: int) -> np.ndarray:
    """(h, w) bool: the pixels of (h, w) float32 scores that stay after non-maximum suppression within ``radius`` px.

    The same as transformers' ``simple_nms``: maxima, then twice the maxima of what no kept one is near. Its maximum over a
    square is OpenCV's dilation, which does rows and columns one after the other.
    """
    square = np.ones((2 * radius + 1, 2 * radius + 1), np.uint8)
    kept = scores == cv2.dilate(scores, square)
    for _ in range(2):
        near = cv2.dilate(kept.astype(np.uint8), square) > 0
        rest = np.where(near, np.float32(0), scores)
        kept |= (rest == cv2.dilate(rest, square)) & ~near
    return kept


def parabola_peaks(values: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """(K, 2) float64 peaks near (K, 2) int x, y: of the parabolas through the pixel and its two neighbours, in x and in y.

    values: (h, w) float32; a pixel's centre is at a whole number. A peak is at most half a pixel away, and at the pixel itself
    where the three values have none. On the logarithm of a Gaussian it is exact.
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


class SuperPoint:
    """SuperPoint (DeTone, Malisiewicz and Rabinovich, CVPR workshop 2018) through transformers, to a fraction of a pixel.

    name: bundled name, hub name or local folder of transformers' SuperPointForKeypointDetection. keypoint_threshold: the
    probability a keypoint needs, 0 to 1; nms_radius: px of the picture; 0 leaves what the weights' configuration says.
    Raises :class:`~workbench.errors.ModelError` when the weights cannot be loaded.
    """

    def __init__(self, name: str, max_keypoints: int, keypoint_threshold: float = 0.0, nms_radius: int = 0) -> None:
        from workbench.models.pretrained import load_pretrained

        model = load_pretrained("SuperPointForKeypointDetection", name, "--features.superpoint_model")
        self.model = model.to(memory_format=torch.channels_last)  # the convolutions take a third less time
        # The decoder copies its settings when it is made, so the configuration alone would change nothing.
        decoder = self.model.keypoint_decoder
        decoder.max_keypoints = max_keypoints
        decoder.keypoint_threshold = keypoint_threshold or decoder.keypoint_threshold
        decoder.nms_radius = nms_radius or decoder.nms_radius

    def __call__(self, image: np.ndarray, original_size: tuple[int, int]) -> Features:
        """Features of an (h, w, 3) uint8 RGB image, strongest first; scores are probabilities, 0 to 1."""
        return superpoint_features(self.model, image, original_size)


def superpoint_features(model: Any, image: np.ndarray, original_size: tuple[int, int]) -> Features:
    """Features of an (h, w, 3) uint8 RGB image by a SuperPoint model that is loaded, with the model's own settings."""
    # Grey as transformers' image processor makes it (ITU-R 601), 0 to 1.
    gray = (checked_image(image).astype(np.float32) / 255) @ np.array([0.2989, 0.587, 0.114], dtype=np.float32)
    points, scores, descriptors = find(model, gray)
    return as_features(points, scores, descriptors, image, original_size)
