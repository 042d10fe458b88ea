"""Distances between any frames of a clip, computed when they are asked for.

A matrix over all frames of a long clip would not fit into memory. A *view* computes the part that is wanted: called with frames
(r,) and (c,), int positions, it returns their (r, c) distances. For clustering, which needs the whole clip at once, the
distances of a long clip are reduced to a sparse graph of near frames.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields
from functools import lru_cache

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from workbench.embedding.descriptors import rank_grey_thumbnails
from workbench.embedding.distances import Copies, Halved, cosine_distances, row_distances, small_copies

View = Callable[[np.ndarray, np.ndarray], np.ndarray]
FineView = Callable[[np.ndarray], dict[str, Halved]]  # frames (n,) -> (n, n) distances by name
CopiesView = Callable[[np.ndarray], Copies]  # frames (n,) -> their small copies

FRAMES_PER_BLOCK = 1024  # frames whose distances to all others are held in memory at once
CACHED_COPIES = 2048  # frames whose small copies stay in memory, about 85 kB each
MAX_DENSE_FRAMES = 3000  # up to this many frames all distances are kept
MIN_GRAPH_NEIGHBOURS = 32  # frames, itself included, that each frame of a longer clip is joined to at least
MIN_GRAPH_DISTANCE = 1e-6  # cosine distance: a sparse matrix would drop the zeros between identical frames


def matrix_view(distances: np.ndarray) -> View:
    """Make a view of distances that have been computed already.

    Parameters
    ----------
    distances : (N, N) float array
        Distances between all frames, of any unit.

    Returns
    -------
    View
        Gives the distances between some of the frames.
    """
    return lambda rows, columns: distances[np.ix_(rows, columns)]


def embedded_view(embeddings: np.ndarray) -> View:
    """Make a view of the cosine distances of embeddings.

    Parameters
    ----------
    embeddings : (N, D) float32 array
        Rows of unit length.

    Returns
    -------
    View
        Gives the cosine distances between some of the frames, 0 to 2.
    """
    return lambda rows, columns: cosine_distances(embeddings[rows], None if columns is rows else embeddings[columns])


def thumbnail_view(images: Sequence[np.ndarray]) -> View:
    """Make a view of the distances of coarse rank thumbnails.

    Parameters
    ----------
    images : (N, h, w, 3) uint8 array, or N (h, w, 3) arrays
        RGB frames.

    Returns
    -------
    View
        Gives the Euclidean distances between some of the frames, 0 to 2.
    """
    thumbnails = rank_grey_thumbnails(images)
    return lambda rows, columns: row_distances(thumbnails[rows], None if columns is rows else thumbnails[columns])


def copies_view(images: Sequence[np.ndarray]) -> CopiesView:
    """Make a view of the small copies of frames.

    Parameters
    ----------
    images : (N, h, w, 3) uint8 array, or N (h, w, 3) arrays
        RGB frames.

    Returns
    -------
    CopiesView
        Gives the :func:`~workbench.embedding.distances.small_copies` of some of the frames.
    """
    one = lru_cache(maxsize=CACHED_COPIES)(lambda frame: small_copies([images[frame]]))

    def _some(frames: np.ndarray) -> Copies:
        made = [one(frame) for frame in frames.tolist()]
        return Copies(*(np.concatenate([getattr(of, field.name) for of in made]) for field in fields(Copies)))

    return _some


def blocks(frames: np.ndarray) -> Iterator[np.ndarray]:
    """Cut frames into blocks of at most :data:`FRAMES_PER_BLOCK`.

    Parameters
    ----------
    frames : (n,) int array
        Positions.

    Returns
    -------
    iterator of (m,) int array
        The blocks, in the order of ``frames``.
    """
    return (frames[start : start + FRAMES_PER_BLOCK] for start in range(0, len(frames), FRAMES_PER_BLOCK))


def frame_distances(embeddings: np.ndarray, least_neighbours: int = 0) -> np.ndarray | csr_array:
    """Compute cosine distances over a whole clip, for clustering.

    Parameters
    ----------
    embeddings : (N, D) float32 array
        Rows of unit length.
    least_neighbours : int
        How many nearest frames, itself included, every frame of a long clip must have, if more than
        :data:`MIN_GRAPH_NEIGHBOURS`.

    Returns
    -------
    (N, N) float32 array, or sparse (N, N) float64 array
        All distances up to :data:`MAX_DENSE_FRAMES` frames; beyond, :func:`neighbour_graph`.
    """
    if len(embeddings) <= MAX_DENSE_FRAMES:
        return cosine_distances(embeddings)
    return neighbour_graph(embeddings, max(MIN_GRAPH_NEIGHBOURS, least_neighbours))


def neighbour_graph(embeddings: np.ndarray, nearest: int) -> csr_array:
    """Join every frame to its nearest frames, and all frames to one connected graph.

    Parameters
    ----------
    embeddings : (N, D) float32 array
        Rows of unit length, N >= ``nearest``.
    nearest : int
        How many nearest frames, itself included, each frame is joined to.

    Returns
    -------
    sparse (N, N) float64 array
        Symmetric cosine distances, above 0, of the pairs that are joined.

    Notes
    -----
    Parts of the graph that the nearest frames do not join are each joined to the part nearest to them, again and again until
    one part is left (Borůvka's algorithm). The distances are exact, computed in blocks: 10,000 frames take a second or two.
    """
    count = len(embeddings)
    near = np.concatenate([_nearest(embeddings, frames, nearest) for frames in blocks(np.arange(count))])
    graph = _symmetric_graph(count, np.repeat(np.arange(count), nearest), near["frame"].ravel(), near["distance"].ravel())
    parts, part = connected_components(graph, directed=False)
    while parts > 1:
        links = np.concatenate([_links_out(embeddings, frames, part) for frames in blocks(np.arange(count))])
        # Of every part, the shortest link to another part.
        order = np.lexsort((links["distance"], part))
        first = order[np.flatnonzero(np.diff(part[order], prepend=-1))]
        graph = graph.maximum(_symmetric_graph(count, first, links["frame"][first], links["distance"][first]))
        parts, part = connected_components(graph, directed=False)
    return graph


_LINK = np.dtype([("frame", np.int64), ("distance", np.float64)])


def _nearest(embeddings: np.ndarray, frames: np.ndarray, nearest: int) -> np.ndarray:
    """Links of some frames to their nearest frames, (n, nearest); a frame is the nearest one of itself."""
    distances = cosine_distances(embeddings[frames], embeddings)
    distances[np.arange(len(frames)), frames] = -1
    links = np.empty((len(distances), nearest), _LINK)
    links["frame"] = np.argpartition(distances, nearest - 1, axis=1)[:, :nearest]
    links["distance"] = np.take_along_axis(distances, links["frame"], axis=1)
    return links


def _links_out(embeddings: np.ndarray, frames: np.ndarray, part: np.ndarray) -> np.ndarray:
    """Links of some frames to the nearest frame of another part, (n,)."""
    distances = cosine_distances(embeddings[frames], embeddings)
    distances[part[frames, None] == part[None]] = np.inf
    links = np.empty(len(distances), _LINK)
    links["frame"] = distances.argmin(axis=1)
    links["distance"] = distances.min(axis=1)
    return links


def _symmetric_graph(count: int, first: np.ndarray, second: np.ndarray, distances: np.ndarray) -> csr_array:
    graph = csr_array((np.maximum(distances, MIN_GRAPH_DISTANCE), (first, second)), shape=(count, count))
    return graph.maximum(graph.T)
