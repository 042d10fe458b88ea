"""Which pairs of frames are worth matching: near neighbours inside a scene, within a budget of pairs a frame."""

import numpy as np


def all_pairs(labels: np.ndarray) -> np.ndarray:
    """Every pair inside every scene: (P, 2) int, a < b, sorted. labels: (N,) int, -1 = outlier."""
    return _sorted_pairs([_pairs_of(np.flatnonzero(labels == scene)) for scene in range(labels.max(initial=-1) + 1)])


def nearest_pairs(labels: np.ndarray, views: list[np.ndarray], pairs_per_frame: int) -> np.ndarray:
    """Pairs inside scenes that are near in any of several views: (P, 2) int, a < b, sorted.

    labels: (N,) int, -1 = outlier. views: (N, N) distances each. In every scene the pairs that are among the k nearest of
    one of their frames, in one view, are taken, with the largest k that keeps them within ``pairs_per_frame`` times the
    frames of the scene; k is at least 2, so that every frame has a neighbour on both sides.
    """
    return _sorted_pairs(
        [_nearest(np.flatnonzero(labels == scene), views, pairs_per_frame) for scene in range(labels.max(initial=-1) + 1)]
    )


def _nearest(frames: np.ndarray, views: list[np.ndarray], pairs_per_frame: int) -> np.ndarray:
    count = len(frames)
    if count * (count - 1) // 2 <= pairs_per_frame * count:
        return _pairs_of(frames)
    # rank[i, j]: how near j is to i, best of all views; a pair enters at the k at which the first of its frames wants it.
    rank = np.full((count, count), count)
    for view in views:
        near = view[np.ix_(frames, frames)].astype(np.float64)
        np.fill_diagonal(near, -np.inf)  # rank 0 is the frame itself, also where others are identical to it
        rank = np.minimum(rank, np.argsort(np.argsort(near, axis=1, kind="stable"), axis=1))
    wanted = np.minimum(rank, rank.T)
    upper = np.triu(np.ones_like(wanted, dtype=bool), 1)
    growth = np.cumsum(np.bincount(wanted[upper], minlength=count))
    k = max(2, int(np.searchsorted(growth, pairs_per_frame * count, side="right")) - 1)
    first, second = np.nonzero(upper & (wanted <= k))
    return np.stack([frames[first], frames[second]], axis=1)


def _pairs_of(frames: np.ndarray) -> np.ndarray:
    first, second = np.triu_indices(len(frames), 1)
    return np.stack([frames[first], frames[second]], axis=1)


def _sorted_pairs(groups: list[np.ndarray]) -> np.ndarray:
    pairs = np.concatenate([*groups, np.zeros((0, 2), dtype=int)]).astype(int)
    return pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]
