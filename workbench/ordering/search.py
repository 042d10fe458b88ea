"""Which pairs of a scene to compare, and its order, found together: compare a few, order, look again where it matters.

Comparing all pairs of 100 frames takes 50 pairs a frame; most of them only tell that two frames have little in common. A
search begins with near neighbours in the embeddings and the thumbnails, and goes on around the order of the moment until
every link is sure and nothing new comes up, or its budget is spent.
"""

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence

import numpy as np
import pandas as pd

from workbench.embedding.views import View
from workbench.matching.pairs import nearest_pairs, sorted_pairs
from workbench.ordering.confidence import WEAK, link_confidence
from workbench.ordering.distance import FusedOrder
from workbench.ordering.scene import Scene, fuse_parts, is_cyclic, known_pairs, scene_parts

BAND = 3  # places; frames so near in the order are compared
FAR = 2.0  # times the distance to their second nearest frames: two frames further apart are not worth a look

FIRST = 4  # pairs a frame to begin with
STEP = 1 / 3  # pairs a frame that a round adds by way of a third frame; half as many at the ends of pieces
RESERVE = 1  # pairs a frame kept for the end, when every link of the order is looked at
ROUNDS = 12  # at most; most scenes need four to eight
HELD = 2_000_000  # pairs of frames whose distances are held at once, about: 40 bytes each and more
PATIENCE = 4  # rounds that leave the order as it was before a search with doubtful links gives up

Compare = Callable[[np.ndarray], pd.DataFrame]  # (P, 2) int positions, a < b -> the rows of register_pairs
Search = Generator[np.ndarray, pd.DataFrame, None]  # gives pairs of positions, is sent all rows so far


def first_pairs(labels: np.ndarray, views: Sequence[View], pairs_per_frame: int) -> np.ndarray:
    """The pairs a search begins with, (P, 2) int positions, a < b, sorted: at most four a frame.

    labels: (N,) int, -1 = outlier. views: of embeddings and of rank thumbnails.
    """
    return nearest_pairs(labels, views, min(FIRST, pairs_per_frame))


def search(scenes: Iterable[Scene], compare: Compare, pairs_per_frame: int, table: pd.DataFrame) -> pd.DataFrame:
    """Compare at most ``pairs_per_frame`` pairs a frame in every scene, where they tell most about its order.

    table: rows of :func:`workbench.registration.tables.register_pairs` of the pairs compared so far, those of :func:`first_pairs` among
    them. compare: called once a round with new pairs of several scenes, sorted, each once. Returns all rows, sorted by pair.
    """
    tables = [table]
    for group in _groups(scenes):
        own = table[table["a"].isin(np.concatenate([scene.frames for scene in group]))]
        wanted = _wanted([_search_scene(scene, pairs_per_frame, own) for scene in group], None)
        while wanted:
            tables.append(compare(sorted_pairs(wanted.values())))
            own = pd.concat([own, tables[-1]], ignore_index=True)
            wanted = _wanted(list(wanted), own)
    return pd.concat(tables).sort_values(["a", "b"], ignore_index=True)


def _groups(scenes: Iterable[Scene]) -> Iterator[list[Scene]]:
    """Scenes that are searched together: as many as fit into memory, one at least."""
    group: list[Scene] = []
    for scene in scenes:
        group.append(scene)
        if sum(len(member.frames) ** 2 for member in group) >= HELD:
            yield group
            group = []
    if group:
        yield group


def _wanted(searches: list[Search], table: pd.DataFrame | None) -> dict[Search, np.ndarray]:
    """The next pairs of every search that goes on, when each is sent what is known now."""
    wanted = {}
    for search in searches:
        try:
            wanted[search] = search.send(table)
        except StopIteration:  # this scene needs no more
            continue
    return wanted


def _search_scene(scene: Scene, pairs_per_frame: int, table: pd.DataFrame) -> Search:
    frames, count, stayed = scene.frames, len(scene.frames), 0
    known, found = _look(scene, table, None, 5)
    for _ in range(ROUNDS):
        room = max(0, _left(known, pairs_per_frame) - RESERVE * count)
        along = pairs_along(found.order, known)[:room]
        if stayed and not len(along) and (stayed >= PATIENCE or _is_sure(scene, known, found)):
            break
        _note(known, along)
        most = min((room - len(along)) // 3, int(STEP * count))
        beside = two_hop_pairs(found.fused, known, most)
        _note(known, beside)
        pairs = np.concatenate([along, beside, pairs_of_ends(found.order, found.fused, known, most // 2)])
        if not len(pairs):
            break
        table = yield _positions(frames, pairs)
        before = found
        known, found = _look(scene, table, before.weights, 1)
        stayed = stayed + 1 if np.array_equal(before.order, found.order) else 0
    # Every link of the order, and the one that would close it to a loop, is looked at in the end.
    for _ in range(ROUNDS):
        links = np.stack([found.order, np.roll(found.order, -1)], axis=1)
        unseen = links[~known[links[:, 0], links[:, 1]]][: max(0, _left(known, pairs_per_frame))]
        if not len(unseen):
            return
        table = yield _positions(frames, unseen)
        known, found = _look(scene, table, found.weights, 2)


def _look(scene: Scene, table: pd.DataFrame, weights: np.ndarray | None, rounds: int) -> tuple[np.ndarray, FusedOrder]:
    """The pairs that were compared, (n, n) bool, and the order they lead to; see :func:`workbench.ordering.scene.fuse_parts`."""
    known = known_pairs(scene.frames, table)
    return known, fuse_parts(scene_parts(scene, table, known), known, weights, rounds)


def _left(known: np.ndarray, pairs_per_frame: int) -> int:
    """How many pairs the budget still allows; below 0 when the first pairs alone exceed it."""
    return pairs_per_frame * len(known) - (np.count_nonzero(known) - len(known)) // 2


def _is_sure(scene: Scene, known: np.ndarray, found: FusedOrder) -> bool:
    """Whether no link of the order is doubtful."""
    return bool((link_confidence(found.order, found.fused, known, scene.thumbnails, is_cyclic(found)) >= WEAK).all())


def _note(known: np.ndarray, pairs: np.ndarray) -> None:
    known[pairs[:, 0], pairs[:, 1]] = known[pairs[:, 1], pairs[:, 0]] = True


def _positions(frames: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Pairs of indices into ``frames`` as pairs of positions, (P, 2) int, a < b, each once."""
    return np.unique(np.sort(frames[pairs], axis=1), axis=0)


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


def two_hop_pairs(distances: np.ndarray, known: np.ndarray, most: int) -> np.ndarray:
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
