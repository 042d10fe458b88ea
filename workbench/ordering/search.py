"""Which pairs of a scene to compare, and its order, found together: compare a few, order, compare more where it matters.

Comparing all pairs of 100 frames takes 50 pairs per frame; most of them only show that two frames have little in common. A
search begins with near neighbours in the embeddings and the thumbnails, and goes on around the order found so far until
every link is sure and the order does not change, or until its budget is spent.
"""

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence

import numpy as np
import pandas as pd

from workbench.embedding.views import View
from workbench.matching.pairs import nearest_pairs, sorted_pairs
from workbench.ordering.confidence import WEAK_CONFIDENCE, link_confidence
from workbench.ordering.distance import FusedOrder
from workbench.ordering.scene import Scene, compared_pairs, fuse_parts, is_cyclic, scene_parts

NEAR_PLACES = 3  # frames at most so many places apart in the order are compared
NEAREST_FRAMES = 4  # frames by way of which two-hop pairs are found
MAX_DETOUR = 2.0  # times the distances of two frames to their second nearest; frames further apart are not worth comparing

FIRST_PAIRS_PER_FRAME = 4  # pairs per frame to begin with
TWO_HOP_PAIRS_PER_FRAME = 1 / 3  # two-hop pairs per frame that a round adds; pairs of ends are half as many
RESERVED_PAIRS_PER_FRAME = 1  # pairs per frame kept for the end, when every link of the order is compared
MAX_ROUNDS = 12  # most scenes need four to eight
MAX_UNCHANGED_ROUNDS = 4  # rounds that leave the order as it was before a search with doubtful links gives up
MAX_MATRIX_ENTRIES = 2_000_000  # pairs of frames whose distances are in memory at once, roughly: 40 bytes each and more

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


def search(scenes: Iterable[Scene], compare: Compare, pairs_per_frame: int, table: pd.DataFrame) -> pd.DataFrame:
    """Compare those pairs of every scene that tell most about its order.

    Parameters
    ----------
    scenes : iterable of Scene
        The scenes; as many as fit into memory are searched together.
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
    for group in _groups(scenes):
        own = table[table["a"].isin(np.concatenate([scene.frames for scene in group]))]
        requests = _next_requests([_search_scene(scene, pairs_per_frame, own) for scene in group], None)
        while requests:
            tables.append(compare(sorted_pairs(requests.values())))
            own = pd.concat([own, tables[-1]], ignore_index=True)
            requests = _next_requests(list(requests), own)
    return pd.concat(tables).sort_values(["a", "b"], ignore_index=True)


def _groups(scenes: Iterable[Scene]) -> Iterator[list[Scene]]:
    """Scenes that are searched together: as many as fit into memory, one at least."""
    group: list[Scene] = []
    for scene in scenes:
        group.append(scene)
        if sum(len(member.frames) ** 2 for member in group) >= MAX_MATRIX_ENTRIES:
            yield group
            group = []
    if group:
        yield group


def _next_requests(searches: list[Search], table: pd.DataFrame | None) -> dict[Search, np.ndarray]:
    """The next pairs of every search that goes on, when each is sent all rows so far (None starts them)."""
    requests = {}
    for running in searches:
        try:
            requests[running] = next(running) if table is None else running.send(table)
        except StopIteration:  # this scene needs no more
            continue
    return requests


def _search_scene(scene: Scene, pairs_per_frame: int, table: pd.DataFrame) -> Search:
    """The search of one scene: yields the pairs to compare next and is sent all rows so far."""
    frames, count, unchanged_rounds = scene.frames, len(scene.frames), 0
    compared, found = _order_so_far(scene, table, None, 5)
    for _ in range(MAX_ROUNDS):
        budget = max(0, _pairs_left(compared, pairs_per_frame) - RESERVED_PAIRS_PER_FRAME * count)
        along = pairs_along(found.order, compared)[:budget]
        if (
            unchanged_rounds
            and not len(along)
            and (unchanged_rounds >= MAX_UNCHANGED_ROUNDS or _is_sure(scene, compared, found))
        ):
            break
        _mark_compared(compared, along)
        max_two_hop = min((budget - len(along)) // 3, int(TWO_HOP_PAIRS_PER_FRAME * count))
        two_hop = two_hop_pairs(found.fused, compared, max_two_hop)
        _mark_compared(compared, two_hop)
        pairs = np.concatenate([along, two_hop, pairs_of_ends(found.order, found.fused, compared, max_two_hop // 2)])
        if not len(pairs):
            break
        table = yield _positions(frames, pairs)
        before = found
        compared, found = _order_so_far(scene, table, before.weights, 1)
        unchanged_rounds = unchanged_rounds + 1 if np.array_equal(before.order, found.order) else 0
    # In the end every link of the order is compared, and also the one that would close it to a loop.
    for _ in range(MAX_ROUNDS):
        links = np.stack([found.order, np.roll(found.order, -1)], axis=1)
        new = links[~compared[links[:, 0], links[:, 1]]][: max(0, _pairs_left(compared, pairs_per_frame))]
        if not len(new):
            return
        table = yield _positions(frames, new)
        compared, found = _order_so_far(scene, table, found.weights, 2)


def _order_so_far(scene: Scene, table: pd.DataFrame, weights: np.ndarray | None, rounds: int) -> tuple[np.ndarray, FusedOrder]:
    """The pairs that were compared, (n, n) bool, and the order they lead to; see :func:`fuse_parts`."""
    compared = compared_pairs(scene.frames, table)
    return compared, fuse_parts(scene_parts(scene, table, compared), compared, weights, rounds)


def _pairs_left(compared: np.ndarray, pairs_per_frame: int) -> int:
    """How many pairs the budget still allows; below 0 when the first pairs alone exceed it."""
    return pairs_per_frame * len(compared) - (int(np.count_nonzero(compared)) - len(compared)) // 2


def _is_sure(scene: Scene, compared: np.ndarray, found: FusedOrder) -> bool:
    """Whether no link of the order is doubtful."""
    confidence = link_confidence(found.order, found.fused, compared, scene.thumbnails, is_cyclic(found))
    return bool((confidence >= WEAK_CONFIDENCE).all())


def _mark_compared(compared: np.ndarray, pairs: np.ndarray) -> None:
    """Mark pairs, (P, 2) indices into the scene, in the symmetric matrix ``compared``, in place."""
    compared[pairs[:, 0], pairs[:, 1]] = compared[pairs[:, 1], pairs[:, 0]] = True


def _positions(frames: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Pairs of indices into ``frames`` as pairs of positions, (P, 2) int, a < b, each once."""
    return np.unique(np.sort(frames[pairs], axis=1), axis=0)


def pairs_along(order: np.ndarray, compared: np.ndarray) -> np.ndarray:
    """List the pairs within three places of each other that were not compared so far.

    Parameters
    ----------
    order : (n,) int array
        Each frame once.
    compared : (n, n) bool array
        The pairs that were compared.

    Returns
    -------
    (P, 2) int array
        Indices into the scene.
    """
    near = [np.stack([order[:-gap], order[gap:]], axis=1) for gap in range(1, min(NEAR_PLACES, len(order) - 1) + 1)]
    pairs = np.concatenate([*near, np.zeros((0, 2), dtype=int)])
    return pairs[~compared[pairs[:, 0], pairs[:, 1]]]


def pairs_of_ends(order: np.ndarray, distances: np.ndarray, compared: np.ndarray, max_pairs: int) -> np.ndarray:
    """List pairs that were not compared among the frames at which an order may have been joined wrongly.

    These are the two ends of the order, then the frames on both sides of its longest links.

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
        Indices into the scene, the most doubtful pair first.
    """
    links = np.argsort(-distances[order[:-1], order[1:]], kind="stable")
    places = np.concatenate([[0, len(order) - 1], np.stack([links, links + 1], axis=1).ravel()])
    ends = order[list(dict.fromkeys(places.tolist()))]
    pairs: list[tuple[int, int]] = []
    for index, later in enumerate(ends):
        if len(pairs) >= max_pairs:
            break
        pairs += [(later, earlier) for earlier in ends[:index] if not compared[later, earlier]]
    return np.array(pairs[: max(0, max_pairs)], dtype=int).reshape(-1, 2)


def two_hop_pairs(distances: np.ndarray, compared: np.ndarray, max_pairs: int) -> np.ndarray:
    """List pairs of frames that were not compared but are both near to a third frame.

    So wrongly joined pieces of an order find their true ends, wherever these lie. The way through the third frame, which is
    one of the four nearest of either, must be at most twice as long as the distances of both to their second nearest frames
    together.

    Parameters
    ----------
    distances : (n, n) float array
        Symmetric distances in any unit.
    compared : (n, n) bool array
        The pairs that were compared.
    max_pairs : int
        How many pairs are returned at most.

    Returns
    -------
    (P, 2) int array
        Indices into the scene, the most promising pair first.

    Notes
    -----
    A neighbour of a neighbour is likely a neighbour (Dong, Moses and Li, WWW 2011).
    """
    count = len(distances)
    if count < 3:
        return np.zeros((0, 2), dtype=int)
    ways = np.where(compared, distances, np.inf)
    np.fill_diagonal(ways, np.inf)
    nearest = np.argsort(ways, axis=1, kind="stable")[:, : min(NEAREST_FRAMES, count - 1)]
    detour = np.full((count, count), np.inf)
    for column in range(nearest.shape[1]):
        third = nearest[:, column]
        detour = np.minimum(detour, ways[np.arange(count), third][:, None] + ways[third])
    detour = np.minimum(detour, detour.T)
    second = np.sort(ways, axis=1)[:, 1]
    with np.errstate(invalid="ignore", divide="ignore"):
        relative = np.where(compared | ~np.triu(np.ones_like(compared), 1), np.inf, detour / (second[:, None] + second[None]))
    best = np.argsort(relative, axis=None, kind="stable")[: max(0, max_pairs)]
    best = best[relative.flat[best] < MAX_DETOUR]
    return np.stack(np.unravel_index(best, relative.shape), axis=1)
