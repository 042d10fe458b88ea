"""Frame descriptors that need no training: the plain colour thumbnail, and ranks with local gradients (``rank-vlad``).

``rank-vlad`` joins three views of a frame, all of one weight, none of which a change of exposure, gamma or white balance
moves far: a grey thumbnail of ranks, a colour thumbnail of ranks for each channel, and VLAD (Jégou et al., CVPR 2010) of
dense gradient patches, which says what textures are there whatever the camera's shift or rotation.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from workbench.embedding.images import rank_transform

CELL = 8  # px, side of a gradient cell
BINS = 8  # gradient directions
GRADIENT_SIZE = 160  # px, long side of the picture whose gradients are taken
PATCH = 4  # cells, side of a patch: 4 x 4 cells of 8 directions, as in SIFT
WORDS, WORD_LENGTH = 16, 24  # codebook of VLAD; length of a patch after PCA
FIT_FRAMES, FIT_PATCHES = 200, 20_000  # what the codebook is learned from


def thumbnails(images: Sequence[np.ndarray], progress: bool = True) -> np.ndarray:
    """(N, h, w, 3) uint8 RGB -> (N, 576) float32, unit length: 16 x 12 colour thumbnails, the plainest comparison."""
    shrunk = [_shrink(image, (16, 12)) for image in tqdm(images, "embed", disable=not progress)]
    return unit_length(np.stack(shrunk).reshape(len(shrunk), -1).astype(np.float32))


def rank_vlad(images: Sequence[np.ndarray], seed: int = 0, progress: bool = True) -> np.ndarray:
    """(N, h, w, 3) uint8 RGB -> (N, 721) float32, unit length; see the module for what the numbers are.

    The codebook is learned from the clip itself (200 frames at most, evenly spaced), so vectors of two clips do not compare.
    The last number is 1 for frames without any structure (one flat colour), else 0. At N frames this costs about 3 ms a frame.
    """
    rows = []
    with threadpool_limits(1):  # sums that threads share have other last digits on another number of cores
        codebook = _Codebook(images[:: max(1, len(images) // FIT_FRAMES)], seed)
        for image in tqdm(images, "embed", disable=not progress):
            ranks = [unit_length(view[None])[0] for view in (_rank_grey(image), _rank_colour(image))]
            joined = np.concatenate([*ranks, codebook.vlad(_patches(image))])
            rows.append(np.append(joined, float(not joined.any())))
    return unit_length(np.stack(rows).astype(np.float32))


def rank_grey_thumbnails(images: Sequence[np.ndarray]) -> np.ndarray:
    """(N, h, w, 3) uint8 RGB -> (N, 192) float32, unit length: centred 16 x 12 thumbnails of ranks, one row a frame."""
    return unit_length(np.stack([_rank_grey(image) for image in images]))


def unit_length(rows: np.ndarray) -> np.ndarray:
    """(N, D) -> (N, D): every row divided by its Euclidean length; rows of zeros stay."""
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(length > 1e-9, length, 1)


def _shrink(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return cv2.resize(np.ascontiguousarray(image), size, interpolation=cv2.INTER_AREA)


def _rank_grey(image: np.ndarray) -> np.ndarray:
    grey = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY)
    return _shrink(rank_transform(grey), (16, 12)).ravel() - 0.5


def _rank_colour(image: np.ndarray) -> np.ndarray:
    # Ranks in every channel by itself: white balance is a monotone change of each channel.
    small = _shrink(image, (32, 24))
    ranks = np.stack([rank_transform(np.ascontiguousarray(small[..., channel])) for channel in range(3)], axis=-1)
    return _shrink(ranks, (8, 6)).ravel() - 0.5


def _patches(image: np.ndarray) -> np.ndarray:
    """(P, 128) float32: gradient histograms of all 4 x 4 cell patches of the rank image, square-rooted (RootSIFT)."""
    shrink = GRADIENT_SIZE / max(image.shape[:2])
    rows, columns = (max(PATCH, round(side * shrink / CELL)) for side in image.shape[:2])
    grey = _shrink(cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY), (columns * CELL, rows * CELL))
    smooth = cv2.GaussianBlur(rank_transform(grey), (0, 0), 1.0)
    magnitude, angle = cv2.cartToPolar(cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1))
    place = angle * (BINS / (2 * np.pi))
    lower = np.floor(place).astype(int)
    share = place - lower
    histogram = np.zeros((*grey.shape, BINS), np.float32)
    y, x = np.indices(grey.shape)
    # Each gradient is shared by the two directions beside it, so that a small turn of the camera changes little.
    histogram[y, x, lower % BINS] += magnitude * (1 - share)
    histogram[y, x, (lower + 1) % BINS] += magnitude * share
    cells = histogram.reshape(rows, CELL, columns, CELL, BINS).sum(axis=(1, 3))
    windows = np.lib.stride_tricks.sliding_window_view(cells, (PATCH, PATCH), axis=(0, 1))
    flat = windows.transpose(0, 1, 3, 4, 2).reshape(-1, PATCH * PATCH * BINS)
    # Weak patches are left short rather than blown up to unit length: their directions are noise.
    clipped = np.minimum(flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 0.5), 0.2)
    return np.sqrt(unit_length(clipped))


class _Codebook:
    """Words of gradient patches: PCA, then k-means, learned from the given frames."""

    def __init__(self, images: Sequence[np.ndarray], seed: int) -> None:
        patches = np.concatenate([_patches(image) for image in images])
        sample = patches[np.random.default_rng(seed).permutation(len(patches))[:FIT_PATCHES]]
        # More words than different patches would only make empty ones.
        words = min(WORDS, len(np.unique(sample.round(6), axis=0)))
        self.empty = words < 2  # frames of one flat colour: there is nothing to learn
        if self.empty:
            return
        self.pca = PCA(min(WORD_LENGTH, len(sample)), svd_solver="full").fit(sample)
        sample = self.pca.transform(sample)
        self.kmeans = KMeans(words, n_init=1, random_state=seed, max_iter=20).fit(sample)
        self.spread = np.sqrt(self.kmeans.inertia_ / len(sample))  # RMS distance of a patch from its word

    def vlad(self, patches: np.ndarray) -> np.ndarray:
        """(P, 128) -> (384,) float64, at most of unit length: how the frame's patches deviate from their words, summed.

        Each word counts alike. A sum that is no longer than that of as many random deviations says nothing, and is left
        short: in a clip of one still picture only the coding noise deviates.
        """
        sums = np.zeros((WORDS, WORD_LENGTH))
        if self.empty or not patches.any():  # a flat frame deviates from no word: it has no texture
            return sums.ravel()
        short = self.pca.transform(patches)
        word = self.kmeans.predict(short)
        np.add.at(sums[:, : short.shape[1]], word, short - self.kmeans.cluster_centers_[word])
        patches_of = np.bincount(word, minlength=WORDS)
        length = np.linalg.norm(sums, axis=1)
        by_chance = self.spread * np.sqrt(patches_of)
        return (sums / np.maximum(np.maximum(length, by_chance), 1e-9)[:, None] / np.sqrt(np.count_nonzero(patches_of))).ravel()
