"""Which pairs of frames are worth matching before any order is known, and values of pairs as matrices."""

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from workbench.embedding.views import View, blocks


def all_pairs(labels: np.ndarray) -> np.ndarray:
    """List every pair inside every scene.

    Parameters
    ----------
    labels : (N,) int array
        Scene of every frame, -1 = outlier.

    Returns
    -------
    (P, 2) int array
        Positions a < b, sorted.
    """
    return sorted_pairs([_pairs_of(np.flatnonzero(labels == scene)) for scene in range(labels.max(initial=-1) + 1)])


def nearest_pairs(labels: np.ndarray, views: Sequence[View], pairs_per_frame: int) -> np.ndarray:
    """List the pairs inside scenes that are near in any of several views.

    In every scene these are the pairs that are among the k nearest of one of their frames, in one view, with the largest k that
    keeps them within ``pairs_per_frame`` times the frames of the scene; k is at least 2, so that every frame has a neighbour on
    both sides.

    Parameters
    ----------
    labels : (N,) int array
        Scene of every frame, -1 = outlier.
    views : sequence of View
        Distances between frames, see :mod:`workbench.embedding.views`.
    pairs_per_frame : int
        The budget, at least 2.

    Returns
    -------
    (P, 2) int array
        Positions a < b, sorted.
    """
    return sorted_pairs(
        [_nearest(np.flatnonzero(labels == scene), views, pairs_per_frame) for scene in range(labels.max(initial=-1) + 1)]
    )


def not_among(pairs: np.ndarray, table: pd.DataFrame) -> np.ndarray:
    """Leave out the pairs that a table has a row for.

    Parameters
    ----------
    pairs : (P, 2) int array
        Positions a < b.
    table : DataFrame
        With columns ``a`` and ``b``.

    Returns
    -------
    (Q, 2) int array
        The other pairs, in their order.
    """
    compared = set(zip(table["a"], table["b"], strict=True))
    return np.array([pair for pair in pairs.tolist() if tuple(pair) not in compared], dtype=int).reshape(-1, 2)


def sorted_pairs(groups: Iterable[np.ndarray]) -> np.ndarray:
    """Join groups of pairs and sort them.

    Parameters
    ----------
    groups : iterable of (P, 2) int array
        Positions of frames.

    Returns
    -------
    (Q, 2) int array
        All pairs, sorted; no groups give (0, 2).
    """
    pairs = np.concatenate([*groups, np.zeros((0, 2), dtype=int)]).astype(int)
    return pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]


def pairs_by_part(pairs: np.ndarray) -> np.ndarray:
    """Bring pairs together whose frames are joined by pairs, as those of a scene are.

    What is read of a frame is then needed again soon, and need not be kept for long.

    Parameters
    ----------
    pairs : (P, 2) int array
        Positions of frames.

    Returns
    -------
    (P, 2) int array
        The same pairs, part by part; those of a part are in the order in which they were.
    """
    frames, places = np.unique(pairs, return_inverse=True)
    first, second = places.reshape(-1, 2).T
    graph = coo_array((np.ones(len(pairs)), (first, second)), shape=(len(frames), len(frames)))
    part = connected_components(graph, directed=False)[1]
    return pairs[np.argsort(part[first], kind="stable")]


def pair_matrix(frames: np.ndarray, pairs: np.ndarray, values: np.ndarray, missing: float) -> np.ndarray:
    """Write values of pairs as a symmetric matrix over the frames of a scene.

    Parameters
    ----------
    frames : (n,) int array
        Positions of the frames.
    pairs : (P, 2) int array
        Positions; pairs with a frame that is not among ``frames`` are left out.
    values : (P,) array
        One value per pair.
    missing : float
        The value of a pair that was not compared.

    Returns
    -------
    (n, n) float64 array
        The matrix.
    """
    places = places_of(frames, pairs)
    inside = (places >= 0).all(axis=1)
    first, second = places[inside].T
    matrix = np.full((len(frames), len(frames)), missing, dtype=np.float64)
    matrix[first, second] = matrix[second, first] = np.asarray(values)[inside]
    return matrix


def places_of(frames: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Find where in a list of frames both frames of every pair stand.

    Parameters
    ----------
    frames : (n,) int array
        Positions, each once.
    pairs : (P, 2) int array
        Positions.

    Returns
    -------
    (P, 2) int array
        Indices into ``frames``; -1 for a frame that is not among them.
    """
    place = np.full(max(frames.max(initial=-1), pairs.max(initial=-1)) + 1, -1)
    place[frames] = np.arange(len(frames))
    return place[pairs]


def _nearest(frames: np.ndarray, views: Sequence[View], pairs_per_frame: int) -> np.ndarray:
    count = len(frames)
    if count * (count - 1) // 2 <= pairs_per_frame * count:
        return _pairs_of(frames)
    # So many nearest frames of each are more pairs than wanted, even when all of them are mutual.
    reach = min(count - 1, 2 * pairs_per_frame + 1)
    ranked = np.concatenate([_ranked_pairs(frames, view, reach) for view in views])
    # A pair enters at its lowest rank, over both of its frames and all views.
    ranked = ranked[np.lexsort((ranked[:, 2], ranked[:, 1], ranked[:, 0]))]
    ranked = ranked[np.diff(ranked[:, :2], axis=0, prepend=-1).any(axis=1)]
    growth = np.cumsum(np.bincount(ranked[:, 2]))
    k = max(2, int(np.searchsorted(growth, pairs_per_frame * count, side="right")) - 1)
    return frames[ranked[ranked[:, 2] <= k, :2]]


def _ranked_pairs(frames: np.ndarray, view: View, reach: int) -> np.ndarray:
    """(n * reach, 3) int: the nearest frames of every frame, as pairs of indices a < b, and how near: 1 is the nearest."""
    found, ranks = [], np.tile(np.arange(1, reach + 1), (len(frames), 1))
    for rows in blocks(np.arange(len(frames)), len(frames)):
        near = view(frames[rows], frames).astype(np.float64)
        near[np.arange(len(rows)), rows] = -np.inf  # first is the frame itself, also where others are identical to it
        nearest = np.argsort(near, axis=1, kind="stable")[:, 1 : reach + 1]
        first = np.repeat(rows, reach)
        pairs = np.sort(np.stack([first, nearest.ravel()], axis=1), axis=1)
        found.append(np.column_stack([pairs, ranks[rows].ravel()]))
    return np.concatenate(found)


def _pairs_of(frames: np.ndarray) -> np.ndarray:
    """All pairs of (n,) int positions, (n * (n - 1) / 2, 2) int."""
    first, second = np.triu_indices(len(frames), 1)
    return np.stack([frames[first], frames[second]], axis=1)
