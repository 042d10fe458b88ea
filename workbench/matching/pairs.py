"""Which pairs of frames are worth matching: near neighbours inside a scene, then what the order of the moment asks for."""

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from workbench.embedding.views import View, blocks


def all_pairs(labels: np.ndarray) -> np.ndarray:
    """Every pair inside every scene: (P, 2) int, a < b, sorted. labels: (N,) int, -1 = outlier."""
    return sorted_pairs([_pairs_of(np.flatnonzero(labels == scene)) for scene in range(labels.max(initial=-1) + 1)])


def nearest_pairs(labels: np.ndarray, views: Sequence[View], pairs_per_frame: int) -> np.ndarray:
    """Pairs inside scenes that are near in any of several views: (P, 2) int, a < b, sorted.

    labels: (N,) int, -1 = outlier. views: see :mod:`workbench.embedding.views`. In every scene the pairs that are among the k nearest of
    one of their frames, in one view, are taken, with the largest k that keeps them within ``pairs_per_frame`` times the
    frames of the scene; k is at least 2, so that every frame has a neighbour on both sides.
    """
    return sorted_pairs(
        [_nearest(np.flatnonzero(labels == scene), views, pairs_per_frame) for scene in range(labels.max(initial=-1) + 1)]
    )


def not_among(pairs: np.ndarray, table: pd.DataFrame) -> np.ndarray:
    """Those of ``pairs`` (P, 2) int that are no row of ``table``, by its columns ``a`` and ``b``."""
    known = set(zip(table["a"], table["b"], strict=True))
    return np.array([pair for pair in pairs.tolist() if tuple(pair) not in known], dtype=int).reshape(-1, 2)


def sorted_pairs(groups: Iterable[np.ndarray]) -> np.ndarray:
    """The pairs of all groups, (P, 2) int each, as one array, sorted; no groups give (0, 2)."""
    pairs = np.concatenate([*groups, np.zeros((0, 2), dtype=int)]).astype(int)
    return pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]


def _nearest(frames: np.ndarray, views: Sequence[View], pairs_per_frame: int) -> np.ndarray:
    count = len(frames)
    if count * (count - 1) // 2 <= pairs_per_frame * count:
        return _pairs_of(frames)
    # So many nearest frames of each are more pairs than wanted, even when all of them are mutual.
    reach = min(count - 1, 2 * pairs_per_frame + 1)
    wishes = np.concatenate([_wishes(frames, view, reach) for view in views])
    # A pair enters at the k at which the first of its frames wants it, in the first of the views.
    wishes = wishes[np.lexsort((wishes[:, 2], wishes[:, 1], wishes[:, 0]))]
    wishes = wishes[np.diff(wishes[:, :2], axis=0, prepend=-1).any(axis=1)]
    growth = np.cumsum(np.bincount(wishes[:, 2]))
    k = max(2, int(np.searchsorted(growth, pairs_per_frame * count, side="right")) - 1)
    return frames[wishes[wishes[:, 2] <= k, :2]]


def _wishes(frames: np.ndarray, view: View, reach: int) -> np.ndarray:
    """(n * reach, 3) int: the nearest frames of every frame, as pairs of indices a < b, and how near: 1 is the nearest."""
    wishes, ranks = [], np.tile(np.arange(1, reach + 1), (len(frames), 1))
    for rows in blocks(np.arange(len(frames))):
        near = view(frames[rows], frames).astype(np.float64)
        near[np.arange(len(rows)), rows] = -np.inf  # first is the frame itself, also where others are identical to it
        nearest = np.argsort(near, axis=1, kind="stable")[:, 1 : reach + 1]
        first = np.repeat(rows, reach)
        pairs = np.sort(np.stack([first, nearest.ravel()], axis=1), axis=1)
        wishes.append(np.column_stack([pairs, ranks[rows].ravel()]))
    return np.concatenate(wishes)


def _pairs_of(frames: np.ndarray) -> np.ndarray:
    first, second = np.triu_indices(len(frames), 1)
    return np.stack([frames[first], frames[second]], axis=1)


def pair_matrix(frames: np.ndarray, pairs: np.ndarray, values: np.ndarray, missing: float) -> np.ndarray:
    """Values of pairs as a symmetric (n, n) matrix over ``frames``; ``missing`` where a pair was not compared.

    frames: (n,) int positions. pairs: (P, 2) int positions; pairs with a frame that is not among them are left out.
    """
    places = places_of(frames, pairs)
    inside = (places >= 0).all(axis=1)
    first, second = places[inside].T
    matrix = np.full((len(frames), len(frames)), missing, dtype=np.float64)
    matrix[first, second] = matrix[second, first] = np.asarray(values)[inside]
    return matrix


def places_of(frames: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """(P, 2) int: where in ``frames``, (n,) int positions, both frames of every pair stand; -1 for a frame not among them."""
    place = np.full(max(frames.max(initial=-1), pairs.max(initial=-1)) + 1, -1)
    place[frames] = np.arange(len(frames))
    return place[pairs]
