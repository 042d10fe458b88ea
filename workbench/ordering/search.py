"""Which pairs of a scene to compare, and its order, found together: compare a few, order, compare more where it matters.

Comparing all pairs of 100 frames takes 50 pairs per frame; most of them only show that two frames have little in common. A
search begins with near neighbours in the embeddings and the thumbnails, and goes on around the order found so far until
every frame was compared with those nearest to it and the order does not change, or until its budget is spent.
"""

from collections.abc import Callable, Generator, Sequence

import numpy as np
import pandas as pd

from workbench.embedding.views import View
from workbench.matching.pairs import nearest_pairs, pair_matrix, sorted_pairs
from workbench.ordering.distance import FusedOrder, Proposal
from workbench.ordering.frames import Scene, groups_of_scenes
from workbench.ordering.parts import compared_pairs, predicted_by_partners
from workbench.ordering.scene import fuse_scene
from workbench.threads import at_once

NEAR_PLACES = 3  # frames at most so many places apart in the order are compared
NEAREST_FRAMES = 3  # every frame is compared with so many frames that are nearest to it, measured or predicted
FIRST_PAIRS_PER_FRAME = 4  # pairs per frame to begin with
ALIKE_NEAREST = 6  # a pair is worth a guess if it is predicted to be nearer than so many frames are
GUESSES_PER_FRAME = 1 / 2  # pairs per frame that a round adds: alike to their common partners, and of reversals
WEAK_LINKS = 4  # the longest links of an order, between which pieces of it may be turned round
RESERVED_PAIRS_PER_FRAME = 1  # pairs per frame kept for the end, when every link of the order is compared
MAX_ROUNDS = 6  # most scenes need two to four

Compare = Callable[[np.ndarray], pd.DataFrame]  # (P, 2) int positions, a < b -> the rows of register_pairs
Search = Generator[np.ndarray, pd.DataFrame, None]  # yields pairs of positions, is sent all rows so far


def first_pairs(labels: np.ndarray, views: Sequence[View], pairs_per_frame: int) -> np.ndarray:
    """Choose the pairs that a search begins with: nearest neighbours inside the scenes.

    Parameters
    ----------
    labels : (N,) int array
        Scene of every frame, -1 for outliers.
    views : sequence of View
        Distances of the embeddings and of the rank thumbnails.
    pairs_per_frame : int
        The budget of the search; at most four pairs per frame are chosen.

    Returns
    -------
    (P, 2) int array
        Pairs of positions, a < b, sorted.
    """
    return nearest_pairs(labels, views, min(FIRST_PAIRS_PER_FRAME, pairs_per_frame))


def search(
    scenes: Sequence[np.ndarray],
    scene_of: Callable[[np.ndarray], Scene],
    compare: Compare,
    pairs_per_frame: int,
    table: pd.DataFrame,
) -> pd.DataFrame:
    """Compare those pairs of every scene that tell most about its order.

    Parameters
    ----------
    scenes : sequence of (n,) int arrays
        The frames of every scene, sorted ascending; as many scenes as fit into memory are searched together.
    scene_of : callable
        Gives the scene of some frames with its distances. It is called from several threads.
    compare : callable
        Takes (P, 2) int positions, a < b, and returns their rows of :func:`~workbench.registration.tables.register_pairs`.
        It is called once per round with new pairs of several scenes, sorted, each once.
    pairs_per_frame : int
        How many pairs per frame may be compared in a scene, those in ``table`` included.
    table : DataFrame
        The rows of the pairs compared so far, those of :func:`first_pairs` among them.

    Returns
    -------
    DataFrame
        All rows, sorted by pair.
    """
    tables = [table]
    for group in groups_of_scenes(scenes):
        own = table[table["a"].isin(np.concatenate(group))]
        requests = _next_requests([_search_scene(frames, scene_of, pairs_per_frame, own) for frames in group], None)
        while requests:
            tables.append(compare(sorted_pairs(requests.values())))
            own = pd.concat([own, tables[-1]], ignore_index=True)
            requests = _next_requests(list(requests), own)
    return pd.concat(tables).sort_values(["a", "b"], ignore_index=True)


def _next_requests(searches: list[Search], table: pd.DataFrame | None) -> dict[Search, np.ndarray]:
    """The next pairs of every search that goes on, when each is sent all rows so far (None starts them)."""

    def _request(running: Search) -> np.ndarray | None:
        try:
            return next(running) if table is None else running.send(table)
        except StopIteration:  # this scene needs no more
            return None

    found = zip(searches, at_once(_request, searches), strict=True)
    return {running: pairs for running, pairs in found if pairs is not None}


def _search_scene(
    frames: np.ndarray, scene_of: Callable[[np.ndarray], Scene], pairs_per_frame: int, table: pd.DataFrame
) -> Search:
    """The search of one scene: yields the pairs to compare next and is sent all rows so far."""
    scene, count = scene_of(frames), len(frames)
    compared = compared_pairs(frames, table)
    found = fuse_scene(scene, table, compared, draft=True)[1]
    for _ in range(MAX_ROUNDS):
        budget = max(0, _pairs_left(compared, pairs_per_frame) - RESERVED_PAIRS_PER_FRAME * count)
        near = nearest_left(found, compared)[:budget]
        _mark_compared(compared, near)
        residual = pair_matrix(frames, table[["a", "b"]].to_numpy(), table["residual"].to_numpy(), np.nan)
        most = min(budget - len(near), int(GUESSES_PER_FRAME * count))
        alike = alike_to_partners(residual, compared)[: most // 2]
        _mark_compared(compared, alike)
        folds = pairs_of_weak_links(found.order, found.fused, compared)[: max(0, budget - len(near))]
        _mark_compared(compared, folds)
        turned = pairs_of_reversals(found.order, found.fused, compared, most // 2 - len(folds))
        pairs = np.concatenate([near, alike, folds, turned])
        if not len(pairs):
            break
        table = yield _positions(frames, pairs)
        compared, before = compared_pairs(frames, table), found
        found = fuse_scene(scene, table, compared, Proposal(found.order, found.order), draft=True)[1]
        if not len(near) and np.array_equal(before.order, found.order):
            break
    # In the end every link of the order is compared, and also the one that would close it to a loop.
    for _ in range(MAX_ROUNDS):
        links = np.stack([found.order, np.roll(found.order, -1)], axis=1)
        new = links[~compared[links[:, 0], links[:, 1]]][: max(0, _pairs_left(compared, pairs_per_frame))]
        if not len(new):
            return
        table = yield _positions(frames, new)
        compared = compared_pairs(frames, table)
        found = fuse_scene(scene, table, compared, Proposal(found.order, found.order), draft=True)[1]


def _pairs_left(compared: np.ndarray, pairs_per_frame: int) -> int:
    """How many pairs the budget still allows; below 0 when the first pairs alone exceed it."""
    return pairs_per_frame * len(compared) - (int(np.count_nonzero(compared)) - len(compared)) // 2


def _positions(frames: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Pairs of indices into ``frames`` as pairs of positions, (P, 2) int, a < b, each once."""
    return np.unique(np.sort(frames[pairs], axis=1), axis=0)


def _mark_compared(compared: np.ndarray, pairs: np.ndarray) -> None:
    """Mark pairs, (P, 2) indices into the scene, in the symmetric matrix ``compared``, in place."""
    compared[pairs[:, 0], pairs[:, 1]] = compared[pairs[:, 1], pairs[:, 0]] = True


def nearest_left(found: FusedOrder, compared: np.ndarray) -> np.ndarray:
    """List the pairs that must be compared before every frame was compared with its nearest ones.

    Parameters
    ----------
    found : FusedOrder
        The order so far; its fused distance is predicted where it was not measured.
    compared : (n, n) bool array
        The pairs that were compared.

    Returns
    -------
    (P, 2) int array
        Indices into the scene, the nearest pair first: frames at most three places apart in the order, and every frame with
        the three that are nearest to it.
    """
    apart = found.fused.copy()
    np.fill_diagonal(apart, np.inf)
    nearest = np.argsort(apart, axis=1, kind="stable")[:, : min(NEAREST_FRAMES, len(apart) - 1)]
    every = np.repeat(np.arange(len(apart)), nearest.shape[1])
    gaps = range(1, min(NEAR_PLACES, len(apart) - 1) + 1)
    along = [np.stack([found.order[:-gap], found.order[gap:]], axis=1) for gap in gaps]
    pairs = np.unique(np.sort(np.concatenate([np.stack([every, nearest.ravel()], axis=1), *along]), axis=1), axis=0)
    pairs = pairs[~compared[pairs[:, 0], pairs[:, 1]]]
    return pairs[np.argsort(apart[pairs[:, 0], pairs[:, 1]], kind="stable")]


def alike_to_partners(residual: np.ndarray, compared: np.ndarray) -> np.ndarray:
    """List pairs that were not compared although they differ alike from the frames that both were compared with.

    Parameters
    ----------
    residual : (n, n) float array
        Residuals of the compared pairs, NaN elsewhere.
    compared : (n, n) bool array
        The pairs that were compared.

    Returns
    -------
    (P, 2) int array
        Indices into the scene, the most promising pair first: at most two of every frame, and only pairs that are predicted to
        be nearer than the sixth nearest frame of one of the two.
    """
    apart = np.where(compared, residual, np.nan)
    np.fill_diagonal(apart, np.nan)
    limit = np.sort(np.nan_to_num(apart, nan=np.inf), axis=1)[:, min(ALIKE_NEAREST, len(apart)) - 1]
    predicted = np.where(compared, np.inf, np.nan_to_num(predicted_by_partners(apart), nan=np.inf))
    predicted[predicted >= np.maximum(limit[:, None], limit)] = np.inf
    best = np.argsort(predicted, axis=1, kind="stable")[:, :2]
    every = np.repeat(np.arange(len(apart)), best.shape[1])
    pairs = np.stack([every, best.ravel()], axis=1)
    pairs = np.unique(np.sort(pairs[np.isfinite(predicted[pairs[:, 0], pairs[:, 1]])], axis=1), axis=0)
    return pairs[np.argsort(predicted[pairs[:, 0], pairs[:, 1]], kind="stable")]


def pairs_of_reversals(order: np.ndarray, distances: np.ndarray, compared: np.ndarray, max_pairs: int) -> np.ndarray:
    """List pairs that were not compared and that would follow each other if a piece of the order were turned round.

    Parameters
    ----------
    order : (n,) int array
        Each frame once.
    distances : (n, n) float array
        Symmetric distances in any unit.
    compared : (n, n) bool array
        The pairs that were compared.
    max_pairs : int
        How many pairs are returned at most.

    Returns
    -------
    (P, 2) int array
        Indices into the scene, the pair of the least costly reversal first; each once.

    Notes
    -----
    A reversal replaces two links by two others (2-opt; Croes, Operations Research 1958). One more frame at distance 0 from all
    stands for the ends of the order.
    """
    first, second = np.triu_indices(len(order) + 1, 2)
    return _joined_by_reversals(order, distances, compared, first, second)[: max(0, max_pairs)]


def pairs_of_weak_links(order: np.ndarray, distances: np.ndarray, compared: np.ndarray) -> np.ndarray:
    """List pairs that were not compared and would follow each other if the order were turned round between its weakest links.

    A fold has such a link at its bend: where the path left one way, and took up the other one from its far end. Turned round,
    the links would be no cheaper as long as the frames that belong together were never compared.

    Parameters
    ----------
    order : (n,) int array
        Each frame once.
    distances : (n, n) float array
        Symmetric distances in any unit.
    compared : (n, n) bool array
        The pairs that were compared.

    Returns
    -------
    (P, 2) int array
        Indices into the scene, the pair of the least costly reversal first; each once: at most two for every two of the four
        longest links and the ends.
    """
    count = len(order)
    links = distances[order[:-1], order[1:]]
    cuts = np.sort(np.concatenate([np.argsort(-links, kind="stable")[:WEAK_LINKS], [count - 1, count]]))
    first, second = np.triu_indices(len(cuts), 1)
    return _joined_by_reversals(order, distances, compared, cuts[first], cuts[second])


def _joined_by_reversals(
    order: np.ndarray, distances: np.ndarray, compared: np.ndarray, first: np.ndarray, second: np.ndarray
) -> np.ndarray:
    """The pairs that were not compared and that follow each other once the order is turned round between two of its links.

    ``first`` and ``second`` are the places after which the links begin, from 0; the last two are those of the frame that stands
    for the ends.
    """
    count = len(order)
    tour = np.pad(distances[np.ix_(order, order)], (0, 1))
    after = np.roll(np.arange(count + 1), -1)
    link = tour[np.arange(count + 1), after]
    rise = tour[first, second] + tour[after[first], after[second]] - link[first] - link[second]
    cheapest = np.argsort(rise, kind="stable")
    first, second = first[cheapest], second[cheapest]
    joined = np.stack([np.stack([first, second], axis=1), np.stack([after[first], after[second]], axis=1)], axis=1).reshape(
        -1, 2
    )
    pairs = order[joined[(joined < count).all(axis=1) & (joined[:, 0] != joined[:, 1])]]
    pairs = np.sort(pairs[~compared[pairs[:, 0], pairs[:, 1]]], axis=1)
    places = np.sort(np.unique(pairs, axis=0, return_index=True)[1])
    return pairs[places]
