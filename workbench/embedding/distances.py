"""How far apart two frames look before any registration, by coarse ranks, fine ranks and colours.

Coarse ranks survive changes of light and small shifts and are computed for every pair; fine ranks and colours tell more where
the camera stands still, and nothing where it shakes. Which of them counts is decided for every scene by itself
(:mod:`workbench.ordering.distance`).
"""

from collections.abc import Iterable

import numpy as np
from scipy.spatial.distance import cdist
from threadpoolctl import threadpool_limits

from workbench.embedding.images import rank_thumbnail, thumbnail

FINE_SIZE, FINE_BLUR = 160, 1.0  # px: long side of the fine ranks, sigma of their blur
COLOUR_SIZE = 100  # px, long side of the colour images
CHANNEL_STD = 40  # grey levels of 255, standard deviation that each colour channel is brought to
MIN_CHANNEL_STD = 4  # grey levels; a channel that varies less is not stretched further, which would only enlarge its noise
VALUES_PER_BLOCK = 1024  # of a frame that are multiplied at once: 128² * 1024 = 2^24, so their sums are exact in float32


def row_distances(rows: np.ndarray, others: np.ndarray | None = None) -> np.ndarray:
    """Compute the Euclidean distances of grey rank thumbnails.

    Parameters
    ----------
    rows : (N, D) float32 array
        From :func:`~workbench.embedding.descriptors.rank_grey_thumbnails`.
    others : (M, D) float32 array, optional
        The thumbnails to compare with; by default ``rows``.

    Returns
    -------
    (N, N) or (N, M) float32 array
        Distances, 0 to 2.
    """
    distances = np.sqrt(2 * np.maximum(0, cosine_distances(rows, others)))
    flat, flat_others = (~some.any(axis=1) for some in (rows, rows if others is None else others))
    distances[np.ix_(flat, flat_others)] = 0  # a frame of one colour has no direction, but two of them are alike
    return distances


def fine_distances(images: Iterable[np.ndarray]) -> dict[str, np.ndarray]:
    """Compute the Euclidean distances of frames by their fine ranks and by their colours.

    Parameters
    ----------
    images : iterable of N (h, w, 3) uint8 arrays
        RGB frames of one size.

    Returns
    -------
    dict of str to (N, N) float64 array
        ``ranks`` (grey, 160 px) and ``colours`` (100 px, every channel brought to the same mean and standard deviation, which
        removes most of a flicker).
    """
    ranks, colours = [], []
    for image in images:
        ranks.append(np.round(255 * rank_thumbnail(image, FINE_SIZE, FINE_BLUR)).astype(np.uint8))
        colours.append(levelled_thumbnail(image))
    return {"ranks": value_distances(np.stack(ranks)), "colours": value_distances(np.stack(colours))}


def levelled_thumbnail(image: np.ndarray) -> np.ndarray:
    """Make a small colour copy whose channels have one mean and standard deviation, which undoes most of a flicker.

    Parameters
    ----------
    image : (H, W, 3) uint8 array
        RGB frame.

    Returns
    -------
    (h, w, 3) uint8 array
        At most 100 px on its long side.
    """
    small = thumbnail(image, COLOUR_SIZE, COLOUR_SIZE).astype(np.float32)
    spread = np.maximum(small.std(axis=(0, 1)), MIN_CHANNEL_STD)
    levelled = np.round(128 + CHANNEL_STD * (small - small.mean(axis=(0, 1))) / spread)
    return np.clip(levelled, 0, 255).astype(np.uint8)


def value_distances(images: np.ndarray) -> np.ndarray:
    """Compute the exact Euclidean distances of images: identical ones are 0 apart.

    Parameters
    ----------
    images : (N, ...) uint8 array
        Images of any shape.

    Returns
    -------
    (N, N) float64 array
        Distances between all their values, in grey levels.
    """
    rows = images.reshape(len(images), -1)
    products = np.zeros((len(rows), len(rows)))
    # One thread: sharing products this small costs more than it saves, many times over when other work holds the cores.
    with threadpool_limits(1, user_api="blas"):
        for start in range(0, rows.shape[1], VALUES_PER_BLOCK):
            block = rows[:, start : start + VALUES_PER_BLOCK].astype(np.float32) - 128
            products += block @ block.T
    squares = np.diag(products)
    return np.sqrt(squares[:, None] + squares[None] - 2 * products)


def principal_distances(distances: np.ndarray, components: int = 8) -> np.ndarray:
    """Reduce Euclidean distances to those in the first principal components.

    Parameters
    ----------
    distances : (n, n) float array
        Euclidean distances between frames.
    components : int
        How many principal components are kept.

    Returns
    -------
    (n, n) float64 array
        Distances in these components alone, in the unit of ``distances``.

    Notes
    -----
    By classical scaling (Torgerson, Psychometrika 1952). Noise is spread over all components, so most of it is left out.
    """
    count = len(distances)
    centring = np.eye(count) - 1 / max(1, count)
    values, vectors = np.linalg.eigh(-0.5 * centring @ distances**2 @ centring)
    points = vectors[:, -components:] * np.sqrt(np.maximum(values[-components:], 0))
    return cdist(points, points)


def similarity_matrix(embeddings: np.ndarray) -> np.ndarray:
    """Compute the cosine similarity of all pairs of embeddings.

    Parameters
    ----------
    embeddings : (N, D) float32 array
        Rows of unit length.

    Returns
    -------
    (N, N) float32 array
        Similarities, -1 to 1: symmetric, exactly 1 on the diagonal.
    """
    similarity = np.clip(embeddings @ embeddings.T, -1, 1).astype(np.float32)
    similarity = (similarity + similarity.T) / 2
    np.fill_diagonal(similarity, 1)
    return similarity


def cosine_distances(embeddings: np.ndarray, others: np.ndarray | None = None) -> np.ndarray:
    """Compute cosine distances of embeddings, the scale on which eps is given.

    Parameters
    ----------
    embeddings : (N, D) float32 array
        Rows of unit length.
    others : (M, D) float32 array, optional
        Rows of unit length to compare with; by default ``embeddings``.

    Returns
    -------
    (N, N) or (N, M) float32 array
        1 - cosine similarity, 0 (the same direction) to 2.
    """
    if others is None:
        return 1 - similarity_matrix(embeddings)
    return 1 - np.clip(embeddings @ others.T, -1, 1).astype(np.float32)
