"""Keypoints and descriptors, once a frame: SIFT with RootSIFT descriptors, or SuperPoint.

The first design found keypoints anew for every pair of frames; here each frame is looked at once and the matcher reads
``features.h5``.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from scipy.spatial import KDTree

from workbench.errors import VideoError
from workbench.parameters import FeatureParameters
from workbench.storage.blocks import Each, Entry, Loaded, Progress, write_in_blocks
from workbench.storage.hloc import Features, feature_entry

__all__ = ["Features", "SuperPoint", "detector", "extract", "sift_features", "spread_out"]

BLOCK = 64  # frames a block: what a killed run loses at most
SIFT_LENGTH = 128
OPENCV_CONTRAST_THRESHOLD = 0.04  # the first design's choice

Detector = Callable[[np.ndarray, tuple[int, int]], Features]


def sift_features(
    image: np.ndarray, max_keypoints: int, contrast_threshold: float, original_size: tuple[int, int], nms_radius: int = 0
) -> Features:
    """SIFT keypoints (Lowe, IJCV 2004) with RootSIFT descriptors (Arandjelovic and Zisserman, CVPR 2012).

    image: (h, w, 3) uint8 RGB working copy. original_size: width and height of the original, px; keypoints are given
    in its pixels. The ``max_keypoints`` strongest by response are kept, strongest first (ties by position, so the
    order is always the same). A place with several orientations has a keypoint for each of them, as in OpenCV. Scores
    are the absolute responses of the detector. An image without keypoints gives empty arrays of the right shapes.
    nms_radius: px of the working copy, see :func:`spread_out`; 0 drops none.
    """
    gray = cv2.cvtColor(_checked(image), cv2.COLOR_RGB2GRAY)
    # nfeatures=0: OpenCV's own choice of the strongest keeps ties in a way that depends on its threads.
    # enable_precise_upscale: without it every keypoint lies a quarter of a pixel off.
    sift = cv2.SIFT_create(nfeatures=0, contrastThreshold=contrast_threshold, enable_precise_upscale=True)
    found, descriptors = sift.detectAndCompute(gray, None)
    if not found:
        return _features(np.zeros((0, 2)), np.zeros(0), np.zeros((0, SIFT_LENGTH)), image, original_size)
    points = np.array([point.pt for point in found], dtype=np.float64)
    scores = np.array([point.response for point in found], dtype=np.float32)
    angles = np.array([point.angle for point in found], dtype=np.float32)
    sizes = np.array([point.size for point in found], dtype=np.float32)
    strongest = np.lexsort((sizes, angles, points[:, 0], points[:, 1], -scores))
    if nms_radius:
        strongest = strongest[spread_out(points[strongest], nms_radius)]
    strongest = strongest[:max_keypoints]
    # Square root of the L1-normalised histogram: its dot product is the Hellinger kernel, and its length is 1.
    histogram = descriptors[strongest].astype(np.float64)
    root = np.sqrt(histogram / np.maximum(histogram.sum(axis=1, keepdims=True), 1e-12))
    return _features(points[strongest], scores[strongest], root, image, original_size)


def spread_out(points: np.ndarray, radius: float) -> np.ndarray:
    """(K,) bool: the points that stay when each, strongest first, drops the later ones within ``radius`` of it.

    points: (K, 2) float, strongest first, in the unit of ``radius``. Points at one and the same place stay or go together:
    they are one keypoint in several orientations, none of them stronger than the others.
    """
    tree, stays = KDTree(points), np.ones(len(points), dtype=bool)
    for k, point in enumerate(points):
        if stays[k]:
            near = np.array(tree.query_ball_point(point, radius))
            stays[near[(near > k) & (points[near] != point).any(axis=1)]] = False
    return stays


class SuperPoint:
    """SuperPoint (DeTone, Malisiewicz and Rabinovich, CVPR workshop 2018) through transformers, to a fraction of a pixel.

    name: bundled name, hub name or local folder of transformers' SuperPointForKeypointDetection. keypoint_threshold: the
    probability a keypoint needs, 0 to 1; nms_radius: px of the picture; 0 leaves what the weights' configuration says.
    Raises :class:`~workbench.errors.ModelError` when the weights cannot be loaded.
    """

    def __init__(self, name: str, max_keypoints: int, keypoint_threshold: float = 0.0, nms_radius: int = 0) -> None:
        import torch

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
    from workbench.superpoint import find

    # Grey as transformers' image processor makes it (ITU-R 601), 0 to 1.
    gray = (_checked(image).astype(np.float32) / 255) @ np.array([0.2989, 0.587, 0.114], dtype=np.float32)
    points, scores, descriptors = find(model, gray)
    return _features(points, scores, descriptors, image, original_size)


def extract(
    images: Sequence[np.ndarray],
    original_size: tuple[int, int],
    parameters: FeatureParameters,
    out: Path,
    key: str,
    progress: bool | Progress = True,
    parts: Path | None = None,
    each: Each = map,
) -> Path:
    """Features of every image, written to ``out`` in hloc's layout; returns ``out``.

    images: (N, h, w, 3) uint8 RGB, read one at a time. original_size: width and height of the original frames, px. key:
    fingerprint of the images. A killed call goes on from its last finished block of 64 frames, kept in ``parts``, when
    ``parameters`` and ``key`` are the same, and ends with the same bytes. each: goes through the blocks as ``map`` does,
    perhaps in other processes; then all paths are absolute, and ``images`` lie on disk
    (:class:`workbench.storage.arrays.WorkingCopies`).
    Raises :class:`~workbench.errors.ModelError` when SuperPoint is asked for and its weights cannot be loaded.
    """
    detect = Loaded(detector, parameters, key)
    compute = partial(_block_features, images, original_size, parameters, detect)
    return write_in_blocks(out, range(len(images)), BLOCK, compute, parameters.as_dict(), key, progress, parts, each)


def _block_features(
    images: Sequence[np.ndarray],
    original_size: tuple[int, int],
    parameters: FeatureParameters,
    detect: Loaded[Detector],
    frames: Sequence[int],
) -> Iterator[Entry]:
    def found(frame: int) -> Entry:
        return feature_entry(frame, detect.value(np.asarray(images[frame]), original_size))

    # A frame a thread: OpenCV's own threads, inside a frame, leave half of two cores idle. Networks bring theirs.
    with ThreadPoolExecutor(1 if parameters.keypoints == "superpoint" else os.cpu_count()) as pool:
        yield from pool.map(found, frames)


def detector(parameters: FeatureParameters) -> Detector:
    """What finds features as these parameters say, from an (h, w, 3) uint8 RGB working copy and the original's size.

    Raises :class:`~workbench.errors.ModelError` when SuperPoint is asked for and its weights cannot be loaded.
    """
    most, radius = parameters.max_keypoints, parameters.nms_radius
    if parameters.keypoints == "superpoint":
        return SuperPoint(parameters.superpoint_model, most, parameters.keypoint_threshold, radius)
    threshold = OPENCV_CONTRAST_THRESHOLD if parameters.keypoints == "sift-opencv" else parameters.contrast_threshold
    return lambda image, size: sift_features(image, most, threshold, size, radius)


def _checked(image: np.ndarray) -> np.ndarray:
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise VideoError(f"a frame must be (h, w, 3) uint8 RGB, not {image.shape} {image.dtype}: decode the video again")
    return image


def _features(
    points: np.ndarray, scores: np.ndarray, descriptors: np.ndarray, image: np.ndarray, original_size: tuple[int, int]
) -> Features:
    """Points (K, 2) in working copy pixels, descriptors (K, D) -> :class:`Features` in pixels of the original."""
    scale = np.asarray(original_size, dtype=np.float64) / [image.shape[1], image.shape[0]]
    # hloc's convention: pixel centres are at whole numbers, so half a pixel is added before scaling, taken off after.
    keypoints = (points + 0.5) * scale - 0.5
    return Features(
        keypoints=keypoints.astype(np.float32),
        scores=np.asarray(scores, dtype=np.float32),
        descriptors=np.ascontiguousarray(descriptors.T, dtype=np.float32),
        image_size=np.asarray(original_size, dtype=np.int64),
    )
