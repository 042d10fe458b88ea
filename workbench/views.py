"""What looks how far apart: distances between any frames of a clip, worked out when they are asked for.

A matrix over all frames of a long clip would not fit into memory. A *view* gives the part that is wanted: called with frames
(r,) and (c,), int positions, it returns their (r, c) distances.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from workbench.appearance import fine_distances, row_distances
from workbench.descriptors import rank_grey_thumbnails
from workbench.embed import cosine_distances

View = Callable[[np.ndarray, np.ndarray], np.ndarray]
FineView = Callable[[np.ndarray], dict[str, np.ndarray]]  # frames (n,) -> (n, n) distances by name

BLOCK = 1024  # frames whose distances to all others are held at once


def matrix_view(distances: np.ndarray) -> View:
    """The view of (N, N) distances that are known."""
    return lambda rows, columns: distances[np.ix_(rows, columns)]


def embedded_view(embeddings: np.ndarray) -> View:
    """Cosine distances of (N, D) float32 embeddings of unit length."""
    return lambda rows, columns: cosine_distances(embeddings[rows], None if columns is rows else embeddings[columns])


def thumbnail_view(images: Sequence[np.ndarray]) -> View:
    """Distances of the coarse rank thumbnails of (N, h, w, 3) uint8 RGB images, 0 to 2."""
    thumbnails = rank_grey_thumbnails(images)
    return lambda rows, columns: row_distances(thumbnails[rows], None if columns is rows else thumbnails[columns])


def fine_view(images: Sequence[np.ndarray]) -> FineView:
    """The distances of :func:`workbench.appearance.fine_distances` between some of (N, h, w, 3) uint8 RGB images."""
    return lambda frames: fine_distances(images[frame] for frame in frames)


def blocks(frames: np.ndarray) -> Iterator[np.ndarray]:
    """``frames`` (n,) in pieces of at most :data:`BLOCK`."""
    return (frames[start : start + BLOCK] for start in range(0, len(frames), BLOCK))
