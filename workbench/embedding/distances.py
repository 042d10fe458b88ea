"""How alike two frames look as they are, before any registration: coarse ranks, fine ranks, colours.

Coarse ranks survive changes of light and small shifts and are there for every pair; fine ranks and colours say more where the
camera stands still, and nothing where it shakes. Which of them counts, every scene decides for itself
(:mod:`workbench.ordering.distance`).
"""

from collections.abc import Iterable

import numpy as np
from scipy.spatial.distance import cdist
from threadpoolctl import threadpool_limits

from workbench.embedding.images import rank_thumbnail, thumbnail

FINE_SIZE, FINE_BLUR = 160, 1.0  # px: long side of the fine ranks, sigma of their blur
COLOUR_SIZE = 100  # px, long side of the colour pictures
CONTRAST = 40  # standard deviation that each colour channel is brought to, of 255
FLAT = 4  # a channel that varies less than this is not stretched further: it would be noise
BLOCK = 1024  # values of a frame: 128² * 1024 = 2^24, so a block's sums of products are exact in float32


def row_distances(rows: np.ndarray, others: np.ndarray | None = None) -> np.ndarray:
    """Rows (N, D) of :func:`workbench.embedding.descriptors.rank_grey_thumbnails` -> (N, N) Euclidean distances, 0 to 2.

    others: (M, D), for the (N, M) distances to them.
    """
    distances = np.sqrt(2 * np.maximum(0, cosine_distances(rows, others)))
    flat, flat_others = (~some.any(axis=1) for some in (rows, rows if others is None else others))
    distances[np.ix_(flat, flat_others)] = 0  # a frame of one colour has no direction, but two of them are alike
    return distances


def fine_distances(images: Iterable[np.ndarray]) -> dict[str, np.ndarray]:
    """N images (h, w, 3) uint8 RGB -> (N, N) float64 Euclidean distances by name: ``ranks`` (grey, 160 px), ``colours``
    (100 px, every channel brought to the same mean and standard deviation, which takes most of a flicker away).
    """
    ranks, colours = [], []
    for image in images:
        ranks.append(np.round(255 * rank_thumbnail(image, FINE_SIZE, FINE_BLUR)).astype(np.uint8))
        small = thumbnail(image, COLOUR_SIZE, COLOUR_SIZE).astype(np.float32)
        spread = np.maximum(small.std(axis=(0, 1)), FLAT)
        colours.append(np.clip(np.round(128 + CONTRAST * (small - small.mean(axis=(0, 1))) / spread), 0, 255).astype(np.uint8))
    return {"ranks": value_distances(np.stack(ranks)), "colours": value_distances(np.stack(colours))}


def value_distances(images: np.ndarray) -> np.ndarray:
    """(N, ...) uint8 -> (N, N) float64 Euclidean distances between frames, exact: identical frames are 0 apart."""
    rows = images.reshape(len(images), -1)
    products = np.zeros((len(rows), len(rows)))
    # One thread: products this small only lose by sharing, many times over when other work holds the cores.
    with threadpool_limits(1, user_api="blas"):
        for start in range(0, rows.shape[1], BLOCK):
            block = rows[:, start : start + BLOCK].astype(np.float32) - 128
            products += block @ block.T
    squares = np.diag(products)
    return np.sqrt(squares[:, None] + squares[None] - 2 * products)


def principal_distances(distances: np.ndarray, components: int = 8) -> np.ndarray:
    """(n, n) Euclidean distances -> (n, n) those in the first principal components alone (classical scaling; Torgerson,
    Psychometrika 1952): noise, which is spread over all components, is left behind.
    """
    count = len(distances)
    centring = np.eye(count) - 1 / max(1, count)
    values, vectors = np.linalg.eigh(-0.5 * centring @ distances**2 @ centring)
    points = vectors[:, -components:] * np.sqrt(np.maximum(values[-components:], 0))
    return cdist(points, points)


def similarity_matrix(embeddings: np.ndarray) -> np.ndarray:
    """(N, D) unit length -> (N, N) float32 cosine similarity, -1 to 1, symmetric, exactly 1 on the diagonal."""
    similarity = np.clip(embeddings @ embeddings.T, -1, 1).astype(np.float32)
    similarity = (similarity + similarity.T) / 2
    np.fill_diagonal(similarity, 1)
    return similarity


def cosine_distances(embeddings: np.ndarray, others: np.ndarray | None = None) -> np.ndarray:
    """(N, D) unit length -> (N, N) float32, 1 - cosine similarity, 0 (same) to 2; the scale on which eps lives.

    others: (M, D), for the (N, M) distances to them.
    """
    if others is None:
        return 1 - similarity_matrix(embeddings)
    return 1 - np.clip(embeddings @ others.T, -1, 1).astype(np.float32)
