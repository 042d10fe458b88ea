"""Which pairs of frames are worth matching: near neighbours inside a scene, then what the order of the moment asks for."""

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from workbench.embedding.views import View, blocks

BAND = 3  # places; frames so near in the order are compared
FAR = 2.0  # times the distance to their second nearest frames: two frames further apart are not worth a look


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


def pairs_along(order: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Pairs within three places of each other that were not compared so far: (P, 2) int, indices into the scene.

    order: (n,) int. known: (n, n) bool, the pairs that were compared.
    """
    near = [np.stack([order[:-gap], order[gap:]], axis=1) for gap in range(1, min(BAND, len(order) - 1) + 1)]
    pairs = np.concatenate([*near, np.zeros((0, 2), dtype=int)])
    return pairs[~known[pairs[:, 0], pairs[:, 1]]]


def pairs_of_ends(order: np.ndarray, distances: np.ndarray, known: np.ndarray, most: int) -> np.ndarray:
    """Pairs that were not compared among the frames at which an order may have been joined wrongly: its two ends, then those
    on both sides of the longest links. (P, 2) int, the most doubtful first, P <= ``most``.

    order: (n,) int. distances, known: (n, n); known says which pairs were compared.
    """
    links = np.argsort(-distances[order[:-1], order[1:]], kind="stable")
    places = np.concatenate([[0, len(order) - 1], np.stack([links, links + 1], axis=1).ravel()])
    ends = order[list(dict.fromkeys(places.tolist()))]
    pairs: list[tuple[int, int]] = []
    for index, later in enumerate(ends):
        if len(pairs) >= most:
            break
        pairs += [(later, earlier) for earlier in ends[:index] if not known[later, earlier]]
    return np.array(pairs[: max(0, most)], dtype=int).reshape(-1, 2)


def pairs_by_way_of_another(distances: np.ndarray, known: np.ndarray, most: int) -> np.ndarray:
    """Pairs that were not compared but are both near to a third frame: (P, 2) int, the most promising first, P <= ``most``.

    A neighbour of a neighbour is likely a neighbour (Dong, Moses and Li, WWW 2011). So wrongly joined pieces of an order find
    their true ends, wherever these lie. distances: (n, n). known: (n, n) bool, the pairs that were compared. The way through
    the third frame, which is one of the four nearest of either, must be at most twice as long as the distances of both to
    their second nearest frames together.
    """
    count = len(distances)
    if count < 3:
        return np.zeros((0, 2), dtype=int)
    ways = np.where(known, distances, np.inf)
    np.fill_diagonal(ways, np.inf)
    nearest = np.argsort(ways, axis=1, kind="stable")[:, : min(4, count - 1)]
    detour = np.full((count, count), np.inf)
    for column in range(nearest.shape[1]):
        third = nearest[:, column]
        detour = np.minimum(detour, ways[np.arange(count), third][:, None] + ways[third])
    detour = np.minimum(detour, detour.T)
    second = np.sort(ways, axis=1)[:, 1]
    with np.errstate(invalid="ignore", divide="ignore"):
        relative = np.where(known | ~np.triu(np.ones_like(known), 1), np.inf, detour / (second[:, None] + second[None]))
    best = np.argsort(relative, axis=None, kind="stable")[: max(0, most)]
    best = best[relative.flat[best] < FAR]
    return np.stack(np.unravel_index(best, relative.shape), axis=1)


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
