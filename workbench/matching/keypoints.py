"""Keypoints and descriptors of every frame, found once and written to ``features.h5``.

A matcher that finds keypoints anew for every pair of frames, as transformers' public ``forward`` does, spends most of its time
on them. Here every frame is looked at once.
"""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np

from workbench.matching.base import Detector
from workbench.parameters import METHODS, FeatureParameters, load_class
from workbench.storage.blocks import BlockJob, Entry, Loaded, write_in_blocks
from workbench.storage.hloc import Features, feature_entry

BLOCK_FRAMES = 64  # frames per block: what a killed run loses at most


def extract(
    images: Sequence[np.ndarray],
    original_size: tuple[int, int],
    parameters: FeatureParameters,
    out: Path,
    job: BlockJob,
    overlay: np.ndarray | None = None,
) -> Path:
    """Find the features of every image and write them in hloc's layout.

    A killed call goes on from its last finished block, when ``parameters`` and ``job.key`` are the same, and ends with the same
    bytes.

    Parameters
    ----------
    images : (N, h, w, 3) uint8 sequence
        RGB working copies, read one at a time. For other processes they lie on disk
        (:class:`~workbench.storage.arrays.WorkingCopies`).
    original_size : tuple of int
        Width and height of the original frames, px.
    parameters : FeatureParameters
        Which keypoints, and how many.
    out : Path
        The file to write.
    job : BlockJob
        Its key is a fingerprint of the images and the weights.
    overlay : (h, w) bool array, optional
        Where keypoints do not count, px of the working copies.

    Returns
    -------
    Path
        ``out``.

    Raises
    ------
    ModelError
        When weights cannot be loaded.
    """
    detect = Loaded(make_detector, parameters, job.key)
    compute = partial(_block_features, images, original_size, detect, overlay)
    return write_in_blocks(out, range(len(images)), BLOCK_FRAMES, compute, parameters.as_dict(), job)


def _block_features(
    images: Sequence[np.ndarray],
    original_size: tuple[int, int],
    detect: Loaded[Detector],
    overlay: np.ndarray | None,
    frames: Sequence[int],
) -> Iterator[Entry]:
    def entry(frame: int) -> Entry:
        found = detect.value(np.asarray(images[frame]), original_size)
        return feature_entry(frame, found if overlay is None else _off_overlay(found, overlay))

    with ThreadPoolExecutor(detect.value.threads or os.cpu_count()) as pool:
        yield from pool.map(entry, frames)


def _off_overlay(features: Features, overlay: np.ndarray) -> Features:
    """The features whose keypoints do not lie on the overlay, (h, w) bool."""
    scale = np.array(overlay.shape[::-1]) / features.image_size
    column, row = np.floor((features.keypoints + 0.5) * scale).astype(int).T
    off = ~overlay[np.clip(row, 0, overlay.shape[0] - 1), np.clip(column, 0, overlay.shape[1] - 1)]
    return Features(features.keypoints[off], features.scores[off], features.descriptors[:, off], features.image_size)


def make_detector(parameters: FeatureParameters) -> Detector:
    """Make the detector of these parameters.

    Parameters
    ----------
    parameters : FeatureParameters
        Of these, ``keypoints`` names the detector.

    Returns
    -------
    Detector
        What finds the features of a frame.

    Raises
    ------
    ModelError
        When weights cannot be loaded.
    """
    detector: Detector = load_class(METHODS[parameters.keypoints].keypoints)(parameters)
    return detector
