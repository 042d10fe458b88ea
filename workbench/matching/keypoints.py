"""Keypoints and descriptors, once a frame: SIFT with RootSIFT descriptors, or SuperPoint.

The first design found keypoints anew for every pair of frames; here each frame is looked at once and the matcher reads
``features.h5``.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np

from workbench.matching.sift import OPENCV_CONTRAST_THRESHOLD, sift_features
from workbench.parameters import FeatureParameters
from workbench.storage.blocks import Each, Entry, Loaded, Progress, write_in_blocks
from workbench.storage.hloc import Features, feature_entry

BLOCK = 64  # frames a block: what a killed run loses at most

Detector = Callable[[np.ndarray, tuple[int, int]], Features]


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
        from workbench.matching.superpoint import SuperPoint  # torch is imported only when it is used

        return SuperPoint(parameters.superpoint_model, most, parameters.keypoint_threshold, radius)
    threshold = OPENCV_CONTRAST_THRESHOLD if parameters.keypoints == "sift-opencv" else parameters.contrast_threshold
    return lambda image, size: sift_features(image, most, threshold, size, radius)
