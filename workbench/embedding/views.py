"""Distances between any frames of a clip, computed when they are asked for.

A matrix over all frames of a long clip would not fit into memory. A *view* computes the part that is wanted: called with frames
(r,) and (c,), int positions, it returns their (r, c) distances. For clustering, which needs the whole clip at once, the
distances of a long clip are reduced to a sparse graph of near frames.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields
from functools import cached_property, lru_cache, partial

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from workbench.embedding.descriptors import rank_grey_thumbnails
from workbench.embedding.distances import Copies, Halved, cosine_distances, row_distances, small_copies
from workbench.threads import at_once

View = Callable[[np.ndarray, np.ndarray], np.ndarray]
FineView = Callable[[np.ndarray], dict[str, Halved]]  # frames (n,) -> (n, n) distances by name
CopiesView = Callable[[np.ndarray], Copies]  # frames (n,) -> their small copies

MAX_BLOCK_FRAMES = 1024  # frames whose distances to others are held in memory at once
MAX_BLOCK_ENTRIES = 10_000_000  # of these distances; some 20 bytes each while they are sorted
MIN_SHARED_FRAMES = 32  # of a block where cores share these entries: products of fewer rows are slow
CACHED_COPIES = 1536  # frames whose small copies stay in memory, about 85 kB each
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


def blocks(frames: np.ndarray, others: int) -> Iterator[np.ndarray]:
    """Cut frames into blocks whose distances to others fit into memory, of at most :data:`MAX_BLOCK_FRAMES`.

    Parameters
    ----------
    frames : (n,) int array
        Positions.
    others : int
        How many frames each is compared with.

    Returns
    -------
    iterator of (m,) int array
        The blocks, in the order of ``frames``.
    """
    most = max(1, min(MAX_BLOCK_FRAMES, MAX_BLOCK_ENTRIES // max(1, others)))
    return (frames[start : start + most] for start in range(0, len(frames), most))


class ClusteringDistances:
    """Cosine distances over a clip, for clustering: of all its frames, or of some, for which little is computed anew.

    Parameters
    ----------
    embeddings : (N, D) float32 array
        Rows of unit length.
    least_neighbours : int
        How many nearest frames, itself included, every frame of a long clip must have, if more than
        :data:`MIN_GRAPH_NEIGHBOURS`.
    """

    def __init__(self, embeddings: np.ndarray, least_neighbours: int = 0) -> None:
        self.embeddings, self.nearest = embeddings, max(MIN_GRAPH_NEIGHBOURS, least_neighbours)

    def among(self, frames: np.ndarray | None = None) -> np.ndarray | csr_array:
        """Give the distances between some frames.

        Parameters
        ----------
        frames : (n,) int array, optional
            Positions, sorted ascending. Default: all.

        Returns
        -------
        (n, n) float32 array, or sparse (n, n) float64 array
            All distances up to :data:`MAX_DENSE_FRAMES` frames; beyond, :func:`neighbour_graph`.
        """
        vectors = self.embeddings if frames is None else self.embeddings[frames]
        if len(vectors) <= MAX_DENSE_FRAMES:
            return cosine_distances(vectors)
        if frames is None:
            return neighbour_graph(vectors, self.nearest, self._links)
        place = np.full(len(self.embeddings), -1)
        place[frames] = np.arange(len(frames))
        links = self._links[frames]
        links["frame"] = place[links["frame"]]
        fewer = np.flatnonzero((links["frame"] < 0).any(axis=1))  # some of their nearest frames are left out
        if len(fewer):
            links[fewer] = _nearest(vectors, fewer, self.nearest)
        return neighbour_graph(vectors, self.nearest, links)

    @cached_property
    def _links(self) -> np.ndarray:
        return _nearest(self.embeddings, np.arange(len(self.embeddings)), self.nearest)


def frame_distances(embeddings: np.ndarray, least_neighbours: int = 0) -> np.ndarray | csr_array:
    """Compute cosine distances over a whole clip, for clustering.

    Parameters
    ----------
    embeddings, least_neighbours
        As for :class:`ClusteringDistances`.

    Returns
    -------
    (N, N) float32 array, or sparse (N, N) float64 array
        All distances up to :data:`MAX_DENSE_FRAMES` frames; beyond, :func:`neighbour_graph`.
    """
    return ClusteringDistances(embeddings, least_neighbours).among()


def neighbour_graph(embeddings: np.ndarray, nearest: int, links: np.ndarray | None = None) -> csr_array:
    """Join every frame to its nearest frames, and all frames to one connected graph.

    Parameters
    ----------
    embeddings : (N, D) float32 array
        Rows of unit length, N >= ``nearest``.
    nearest : int
        How many nearest frames, itself included, each frame is joined to.
    links : (N, nearest) array, optional
        The ``frame`` and the ``distance`` of each of these frames, where they are known.

    Returns
    -------
    sparse (N, N) float64 array
        Symmetric cosine distances, above 0, of the pairs that are joined.

    Notes
    -----
    Parts of the graph that the nearest frames do not join are each joined to the part nearest to them, but for the largest one,
    again and again until one part is left (Borůvka's algorithm). The distances are exact, computed in blocks: 10,000 frames
    take a second or two.
    """
    count = len(embeddings)
    near = _nearest(embeddings, np.arange(count), nearest) if links is None else links
    graph = _symmetric_graph(count, np.repeat(np.arange(count), nearest), near["frame"].ravel(), near["distance"].ravel())
    parts, part = connected_components(graph, directed=False)
    while parts > 1:
        seeking = np.flatnonzero(part != np.bincount(part).argmax())
        out = np.concatenate(at_once(partial(_links_out, embeddings, part), _shared_blocks(seeking, count)))
        # Of every part, the shortest link to another part.
        order = np.lexsort((out["distance"], part[seeking]))
        first = order[np.flatnonzero(np.diff(part[seeking[order]], prepend=-1))]
        graph = graph.maximum(_symmetric_graph(count, seeking[first], out["frame"][first], out["distance"][first]))
        parts, part = connected_components(graph, directed=False)
    return graph


_LINK = np.dtype([("frame", np.int64), ("distance", np.float64)])


def _shared_blocks(frames: np.ndarray, others: int) -> list[np.ndarray]:
    """Blocks of which as many as there are cores fit into memory together, in place of one."""
    shared = min(others * (os.cpu_count() or 1), MAX_BLOCK_ENTRIES // MIN_SHARED_FRAMES)
    return list(blocks(frames, max(others, shared)))


def _nearest(embeddings: np.ndarray, frames: np.ndarray, nearest: int) -> np.ndarray:
    """Links of some frames to their nearest frames, (n, nearest); a frame is the nearest one of itself."""

    def _of_block(some: np.ndarray) -> np.ndarray:
        distances = cosine_distances(embeddings[some], embeddings)
        distances[np.arange(len(some)), some] = -1
        links = np.empty((len(some), nearest), _LINK)
        links["frame"] = np.argpartition(distances, nearest - 1, axis=1)[:, :nearest]
        links["distance"] = np.take_along_axis(distances, links["frame"], axis=1)
        return links

    return np.concatenate(at_once(_of_block, _shared_blocks(frames, len(embeddings))))


def _links_out(embeddings: np.ndarray, part: np.ndarray, frames: np.ndarray) -> np.ndarray:
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
