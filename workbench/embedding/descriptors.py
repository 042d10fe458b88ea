"""Frame descriptors that need no training: the plain colour thumbnail, and ranks with local gradients (``rank-vlad``).

``rank-vlad`` joins three views of a frame with equal weight: a grey thumbnail of ranks, a colour thumbnail of the ranks of
each channel, and VLAD (Jégou et al., CVPR 2010) of dense gradient patches, which describes the textures of a frame however
the camera shifts or turns. A change of exposure, gamma or white balance moves none of the three far.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from threadpoolctl import threadpool_limits

from workbench.embedding.images import rank_transform
from workbench.progress import Progress, Steps
from workbench.threads import in_threads

THUMBNAIL_SIZE = (16, 12)  # px, width and height of the colour thumbnail and of the grey thumbnail of ranks
COLOUR_RANK_SIZE, COLOUR_THUMBNAIL_SIZE = (32, 24), (8, 6)  # px: ranks are taken at the first size, then averaged to the second
GRADIENT_SIZE = 160  # px, long side of the image whose gradients are taken
GRADIENT_CELL = 8  # px, side of a cell over which gradients are summed
DIRECTIONS = 8  # directions that gradients are sorted into
PATCH_CELLS = 4  # cells, side of a patch: 4 x 4 cells of 8 directions, as in SIFT
WEAK_PATCH_NORM = 0.5  # a gradient histogram shorter than this is not brought to unit length: its directions are noise
MAX_HISTOGRAM_SHARE = 0.2  # at which an entry of a normalised gradient histogram is clipped, as in SIFT
CODEBOOK_WORDS, WORD_LENGTH = 16, 24  # words of VLAD's codebook; numbers of a patch after PCA
FIT_FRAMES, FIT_PATCHES = 200, 20_000  # the codebook is learned from at least so many frames (or all), at most so many patches


def thumbnails(images: Sequence[np.ndarray], progress: Progress = True) -> np.ndarray:
    """Describe frames by their 16 x 12 px colour thumbnails, the plainest comparison.

    Parameters
    ----------
    images : (N, h, w, 3) uint8 array, or N (h, w, 3) arrays
        RGB frames.
    progress : bool or callable
        As for :class:`~workbench.progress.Steps`.

    Returns
    -------
    (N, 576) float32 array
        Rows of unit length.
    """
    shrunk = [_shrink(image, THUMBNAIL_SIZE) for image in Steps(progress, len(images), "embed").over(images)]
    return unit_length(np.stack(shrunk).reshape(len(shrunk), -1).astype(np.float32))


def rank_vlad(images: Sequence[np.ndarray], seed: int = 0, progress: Progress = True) -> np.ndarray:
    """Describe frames by ranks and gradient patches; see the module for what the numbers are.

    Parameters
    ----------
    images : (N, h, w, 3) uint8 array, or N (h, w, 3) arrays
        RGB frames of one clip.
    seed : int
        Of the sample of patches and of k-means, from which the codebook is made.
    progress : bool or callable
        As for :class:`~workbench.progress.Steps`.

    Returns
    -------
    (N, 721) float32 array
        Rows of unit length. The last number of a frame without any structure (one flat colour) is 1, of any other frame 0.

    Notes
    -----
    The codebook is learned from the clip itself (200 to 400 frames, evenly spaced, or all of a shorter clip), so the vectors of
    two clips cannot be compared. The cost is about 3 ms per frame.
    """
    with threadpool_limits(1):  # sums that threads share have other last digits on another number of cores
        codebook = _Codebook(images[:: max(1, len(images) // FIT_FRAMES)], seed)

        def _row(image: np.ndarray) -> np.ndarray:
            ranks = [unit_length(view[None])[0] for view in (_rank_grey(image), _rank_colour(image))]
            joined = np.concatenate([*ranks, codebook.vlad(_patches(image))])
            return np.append(joined, float(not joined.any())).astype(np.float32)

        rows = list(Steps(progress, len(images), "embed").over(in_threads(_row, images)))
    return unit_length(np.stack(rows))


def rank_grey_thumbnails(images: Sequence[np.ndarray]) -> np.ndarray:
    """Make centred 16 x 12 px grey thumbnails of ranks.

    Parameters
    ----------
    images : (N, h, w, 3) uint8 array, or N (h, w, 3) arrays
        RGB frames.

    Returns
    -------
    (N, 192) float32 array
        One row of unit length per frame; zeros for a frame of one flat colour.
    """
    return unit_length(np.stack([_rank_grey(image) for image in images]))


def unit_length(rows: np.ndarray) -> np.ndarray:
    """Divide every row by its Euclidean length.

    Parameters
    ----------
    rows : (N, D) float array
        Vectors.

    Returns
    -------
    (N, D) float array
        Rows of unit length; rows of zeros stay as they are.
    """
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(length > 1e-9, length, 1)


def _shrink(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return cv2.resize(np.ascontiguousarray(image), size, interpolation=cv2.INTER_AREA)


def _rank_grey(image: np.ndarray) -> np.ndarray:
    grey = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY)
    return _shrink(rank_transform(grey), THUMBNAIL_SIZE).ravel() - 0.5


def _rank_colour(image: np.ndarray) -> np.ndarray:
    # Each channel has its own ranks: white balance is a monotone change of each channel.
    small = _shrink(image, COLOUR_RANK_SIZE)
    ranks = np.stack([rank_transform(np.ascontiguousarray(small[..., channel])) for channel in range(3)], axis=-1)
    return _shrink(ranks, COLOUR_THUMBNAIL_SIZE).ravel() - 0.5


def _patches(image: np.ndarray) -> np.ndarray:
    """Gradient histograms of all patches of 4 x 4 cells of the rank image, square-rooted (RootSIFT): (P, 128) float32."""
    shrink = GRADIENT_SIZE / max(image.shape[:2])
    rows, columns = (max(PATCH_CELLS, round(side * shrink / GRADIENT_CELL)) for side in image.shape[:2])
    size = columns * GRADIENT_CELL, rows * GRADIENT_CELL
    grey = _shrink(cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY), size)
    smooth = cv2.GaussianBlur(rank_transform(grey), (0, 0), 1.0)
    magnitude, angle = cv2.cartToPolar(cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1))
    place = angle * (DIRECTIONS / (2 * np.pi))
    lower = np.floor(place).astype(int)
    share = place - lower
    histogram = np.zeros((*grey.shape, DIRECTIONS), np.float32)
    y, x = np.indices(grey.shape)
    # Each gradient is shared by the two directions beside it, so that a small turn of the camera changes little.
    histogram[y, x, lower % DIRECTIONS] += magnitude * (1 - share)
    histogram[y, x, (lower + 1) % DIRECTIONS] += magnitude * share
    cells = histogram.reshape(rows, GRADIENT_CELL, columns, GRADIENT_CELL, DIRECTIONS).sum(axis=(1, 3))
    windows = np.lib.stride_tricks.sliding_window_view(cells, (PATCH_CELLS, PATCH_CELLS), axis=(0, 1))
    flat = windows.transpose(0, 1, 3, 4, 2).reshape(-1, PATCH_CELLS * PATCH_CELLS * DIRECTIONS)
    length = np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), WEAK_PATCH_NORM)
    clipped = np.minimum(flat / length, MAX_HISTOGRAM_SHARE)
    return np.sqrt(unit_length(clipped))


class _Codebook:
    """The words of gradient patches, learned from the given frames by PCA, then k-means."""

    def __init__(self, images: Sequence[np.ndarray], seed: int) -> None:
        patches = np.concatenate([_patches(image) for image in images])
        sample = patches[np.random.default_rng(seed).permutation(len(patches))[:FIT_PATCHES]]
        # More words than there are different patches would only be empty.
        words = min(CODEBOOK_WORDS, len(np.unique(sample.round(6), axis=0)))
        self.empty = words < 2  # frames of one flat colour: there is nothing to learn
        if self.empty:
            return
        from sklearn.cluster import KMeans  # with what it needs, as slow to load as a short clip is to restore
        from sklearn.decomposition import PCA

        self.pca = PCA(min(WORD_LENGTH, len(sample)), svd_solver="full").fit(sample)
        sample = self.pca.transform(sample)
        self.kmeans = KMeans(words, n_init=1, random_state=seed, max_iter=20).fit(sample)
        self.spread = np.sqrt(self.kmeans.inertia_ / len(sample))  # RMS distance of a patch from its word

    def vlad(self, patches: np.ndarray) -> np.ndarray:
        """Sum, for each word, how the patches of a frame deviate from it: (P, 128) to (384,) float64, of unit length at most.

        Every word has the same weight. A sum that is no longer than that of as many random deviations means nothing and is
        left short: in a clip of one still picture only the coding noise deviates.
        """
        sums = np.zeros((CODEBOOK_WORDS, WORD_LENGTH))
        if self.empty or not patches.any():  # a flat frame deviates from no word: it has no texture
            return sums.ravel()
        short = self.pca.transform(patches)
        word = self.kmeans.predict(short)
        np.add.at(sums[:, : short.shape[1]], word, short - self.kmeans.cluster_centers_[word])
        patches_of = np.bincount(word, minlength=CODEBOOK_WORDS)
        length = np.linalg.norm(sums, axis=1)
        by_chance = self.spread * np.sqrt(patches_of)
        return (sums / np.maximum(np.maximum(length, by_chance), 1e-9)[:, None] / np.sqrt(np.count_nonzero(patches_of))).ravel()
