"""What looks how far apart: distances between any frames of a clip, worked out when they are asked for.

A matrix over all frames of a long clip would not fit into memory. A *view* gives the part that is wanted: called with frames
(r,) and (c,), int positions, it returns their (r, c) distances.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from workbench.embedding.descriptors import rank_grey_thumbnails
from workbench.embedding.distances import cosine_distances, fine_distances, row_distances

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
    """The distances of :func:`workbench.embedding.distances.fine_distances` between some of (N, h, w, 3) uint8 RGB images."""
    return lambda frames: fine_distances(images[frame] for frame in frames)


def blocks(frames: np.ndarray) -> Iterator[np.ndarray]:
    """``frames`` (n,) in pieces of at most :data:`BLOCK`."""
    return (frames[start : start + BLOCK] for start in range(0, len(frames), BLOCK))


DENSE = 3000  # frames up to which all distances are kept
NEAREST = 32  # frames, itself included, that a frame of a longer clip is joined to at least
LEAST = 1e-6  # cosine distance: identical frames must not be taken for frames without a distance


def frame_distances(embeddings: np.ndarray, least_neighbours: int = 0) -> np.ndarray | csr_array:
    """Cosine distances of (N, D) float32 embeddings of unit length: (N, N) float32, of more than 3,000 frames sparse.

    least_neighbours: how many nearest frames, itself included, every frame must have, if more than 32.
    """
    if len(embeddings) <= DENSE:
        return cosine_distances(embeddings)
    return neighbour_graph(embeddings, max(NEAREST, least_neighbours))


def neighbour_graph(embeddings: np.ndarray, nearest: int) -> csr_array:
    """(N, N) sparse symmetric float64 cosine distances, above 0: of every frame to its ``nearest`` frames, itself included, and
    of parts that these do not join to the part nearest to them, until all frames are one part (Borůvka's way).

    embeddings: (N, D) float32 of unit length, N >= nearest. Exact, in blocks: 10,000 frames take a second or two.
    """
    count = len(embeddings)
    near = np.concatenate([_nearest(embeddings, frames, nearest) for frames in blocks(np.arange(count))])
    graph = _joined(count, np.repeat(np.arange(count), nearest), near["frame"].ravel(), near["distance"].ravel())
    parts, part = connected_components(graph, directed=False)
    while parts > 1:
        links = np.concatenate([_ways_out(embeddings, frames, part) for frames in blocks(np.arange(count))])
        # The nearest way out of every part.
        order = np.lexsort((links["distance"], part))
        first = order[np.flatnonzero(np.diff(part[order], prepend=-1))]
        graph = graph.maximum(_joined(count, first, links["frame"][first], links["distance"][first]))
        parts, part = connected_components(graph, directed=False)
    return graph


_LINK = np.dtype([("frame", np.int64), ("distance", np.float64)])


def _nearest(embeddings: np.ndarray, frames: np.ndarray, nearest: int) -> np.ndarray:
    """The nearest frames of some frames, (n, nearest) links; a frame is its own nearest one."""
    distances = cosine_distances(embeddings[frames], embeddings)
    distances[np.arange(len(frames)), frames] = -1
    links = np.empty((len(distances), nearest), _LINK)
    links["frame"] = np.argpartition(distances, nearest - 1, axis=1)[:, :nearest]
    links["distance"] = np.take_along_axis(distances, links["frame"], axis=1)
    return links


def _ways_out(embeddings: np.ndarray, frames: np.ndarray, part: np.ndarray) -> np.ndarray:
    """For each of some frames the nearest frame of another part, (n,) links."""
    distances = cosine_distances(embeddings[frames], embeddings)
    distances[part[frames, None] == part[None]] = np.inf
    links = np.empty(len(distances), _LINK)
    links["frame"] = distances.argmin(axis=1)
    links["distance"] = distances.min(axis=1)
    return links


def _joined(count: int, first: np.ndarray, second: np.ndarray, distances: np.ndarray) -> csr_array:
    graph = csr_array((np.maximum(distances, LEAST), (first, second)), shape=(count, count))
    return graph.maximum(graph.T)
