"""Pieces of scenes, and the pairs that are to be matched before it can be told what belongs together.

A *piece* is a set of frames of one scene of the clusterer that register to each other through a chain of pairs; a *single
frame* is in no piece.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from workbench.embedding.views import View, blocks
from workbench.scenes.dbscan import by_size

MIN_PIECE_FRAMES = 3  # frames of a piece at least; fewer are single frames
MIN_SPLIT_FRAMES = 5  # frames that a piece needs to become a scene of its own when the clusterer saw one scene

# Which pairs are probed.
PROBES_PER_FRAME = 3  # frames of pieces that each single frame is compared with
NEIGHBOUR_PIECES = 3  # nearest pieces that each piece is compared with
BRIDGES = 8, 4  # pairs by which two pieces are compared: nearest by the embeddings, and by the thumbnails
MORE_BRIDGES = 64, 32  # the same for two pieces of one scene before it is split
MAX_BRIDGES_PER_FRAME = 2  # of the pairs between two pieces that one frame takes part in
MAX_FACING_FRAMES = 1024  # frames of a piece among which these pairs are sought, the ones nearest to the other piece


def pieces_of(labels: np.ndarray, table: pd.DataFrame, without: Sequence[int] | np.ndarray = ()) -> np.ndarray:
    """Find the pieces of scenes: frames of a scene that register to each other through a chain of pairs.

    Parameters
    ----------
    labels : (N,) int array
        Scene of every frame by the clusterer, -1 = outlier.
    table : pandas.DataFrame
        Rows of :func:`~workbench.registration.tables.register_pairs`.
    without : (n,) int array, optional
        Frames through which no chain leads: blends of two scenes, which register to both.

    Returns
    -------
    (N,) int array
        Piece of every frame, by size, 0 = largest; -1 for outliers, for frames in chains of fewer than three and for those
        ``without``.
    """
    pairs = table.loc[table["model"] != "none", ["a", "b"]].to_numpy()
    pairs = pairs[~np.isin(pairs, without).any(axis=1)]
    inside = pairs[(labels[pairs[:, 0]] == labels[pairs[:, 1]]) & (labels[pairs[:, 0]] >= 0)]
    graph = coo_array((np.ones(len(inside)), (inside[:, 0], inside[:, 1])), shape=(len(labels), len(labels)))
    _, chain = connected_components(graph, directed=False)
    sizes = np.bincount(chain)
    return by_size(np.where((labels >= 0) & (sizes[chain] >= MIN_PIECE_FRAMES), chain, -1))


def probing_pairs(pieces: np.ndarray, embedded: View, thumbnails: View) -> np.ndarray:
    """Choose the pairs whose matches tell what belongs together.

    Parameters
    ----------
    pieces : (N,) int array
        From :func:`pieces_of`.
    embedded, thumbnails : View
        Distances of the embeddings, and of the thumbnails.

    Returns
    -------
    (P, 2) int array
        Pairs a < b, sorted: every single frame with the three nearest frames of pieces, and every piece with its three nearest
        pieces by their eight nearest pairs and the four nearest by the thumbnails, no frame in more than two of either. Which
        is nearest is a question of the embeddings.
    """
    in_pieces, pairs = np.flatnonzero(pieces >= 0), []
    for frames in blocks(np.flatnonzero(pieces < 0), len(in_pieces)):
        near = in_pieces[np.argsort(embedded(frames, in_pieces), axis=1, kind="stable")[:, :PROBES_PER_FRAME]]
        pairs += [(int(frame), int(other)) for frame, row in zip(frames, near, strict=True) for other in row]
    pairs += _bridging_pairs(_groups(pieces), BRIDGES, embedded, thumbnails)
    return _sorted_pairs(pairs)


def pairs_before_splits(labels: np.ndarray, pieces: np.ndarray, embedded: View, thumbnails: View) -> np.ndarray:
    """Choose the pairs to match before a scene is split: where the camera moves fast, few pairs lead across a step.

    Parameters
    ----------
    labels : (N,) int array
        Scene of every frame by the clusterer, -1 = outlier.
    pieces : (N,) int array
        From :func:`pieces_of`, with the pairs of :func:`probing_pairs` compared.
    embedded, thumbnails : View
        Distances of the embeddings, and of the thumbnails.

    Returns
    -------
    (P, 2) int array
        Pairs a < b, sorted: between each two near pieces of one scene the 64 nearest ones by the embeddings and the 32 nearest
        by the thumbnails, no frame in more than two of either. Pieces of fewer than five frames are never split off.
    """
    pairs = []
    for scene in range(labels.max(initial=-1) + 1):
        groups = _groups(np.where(labels == scene, pieces, -1))
        large = [group for group in groups if len(group) >= MIN_SPLIT_FRAMES]
        pairs += _bridging_pairs(large, MORE_BRIDGES, embedded, thumbnails)
    return _sorted_pairs(pairs)


def _groups(numbers: np.ndarray) -> list[np.ndarray]:
    """The frames that have each number, without those of -1."""
    return [np.flatnonzero(numbers == number) for number in np.unique(numbers[numbers >= 0])]


def _bridging_pairs(
    groups: list[np.ndarray], counts: tuple[int, int], embedded: View, thumbnails: View
) -> list[tuple[int, int]]:
    """The nearest pairs between every group and its nearest groups, by the embeddings and by the thumbnails."""
    gaps, pairs = _gaps(groups, embedded), []
    for one in range(len(groups)):
        for other in [near for near in np.argsort(gaps[one], kind="stable") if near != one][:NEIGHBOUR_PIECES]:
            for view, count in zip((embedded, thumbnails), counts, strict=True):
                pairs += _bridges(groups[one], groups[other], view, count)
    return pairs


def _sorted_pairs(pairs: list[tuple[int, int]]) -> np.ndarray:
    return np.unique(np.sort(np.array(pairs, dtype=int).reshape(-1, 2), axis=1), axis=0)


def _gaps(groups: list[np.ndarray], view: View) -> np.ndarray:
    """(groups, groups) distances between the nearest frames of any two groups."""
    gaps = np.full((len(groups), len(groups)), np.inf)
    grouped = np.concatenate([*groups, np.zeros(0, dtype=int)])
    starts = np.cumsum([0, *(len(group) for group in groups[:-1])])
    for number, group in enumerate(groups):
        for frames in blocks(group, len(grouped)):
            nearest = view(frames, grouped).min(axis=0)
            gaps[number] = np.minimum(gaps[number], np.minimum.reduceat(nearest, starts))
    return gaps


def _bridges(one: np.ndarray, other: np.ndarray, view: View, count: int) -> list[tuple[int, int]]:
    """The ``count`` nearest pairs between two groups of frames."""
    # All pairs of two long pieces would be too many to sort: the frames that face each other are enough.
    one, other = _nearest_to(one, other, view), _nearest_to(other, one, view)
    used: dict[int, int] = {}
    chosen: list[tuple[int, int]] = []
    for index in np.argsort(view(one, other), axis=None, kind="stable"):
        a, b = int(one[index // len(other)]), int(other[index % len(other)])
        if used.get(a, 0) < MAX_BRIDGES_PER_FRAME and used.get(b, 0) < MAX_BRIDGES_PER_FRAME:
            used[a], used[b] = used.get(a, 0) + 1, used.get(b, 0) + 1
            chosen.append((a, b))
        if len(chosen) == count:
            break
    return chosen


def _nearest_to(frames: np.ndarray, others: np.ndarray, view: View) -> np.ndarray:
    """Those of ``frames`` (n,) that are nearest to any of ``others``, at most :data:`MAX_FACING_FRAMES`, sorted ascending."""
    if len(frames) <= MAX_FACING_FRAMES:
        return frames
    nearest = np.concatenate([view(some, others).min(axis=1) for some in blocks(frames, len(others))])
    return np.sort(frames[np.argsort(nearest, kind="stable")[:MAX_FACING_FRAMES]])
