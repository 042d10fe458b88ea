"""Which pairs of a scene to compare, and its order, found together: compare a few, order, look again where it matters.

Comparing all pairs of 100 frames takes 50 pairs a frame; most of them only tell that two frames have little in common. A
search begins with near neighbours in the embeddings and the thumbnails, and goes on around the order of the moment until
every link is sure and nothing new comes up, or its budget is spent.
"""

from collections.abc import Callable, Generator, Sequence

import numpy as np
import pandas as pd

from workbench.candidates import nearest_pairs, pairs_along, pairs_by_way_of_another, pairs_of_ends
from workbench.confidence import WEAK, link_confidence
from workbench.distance import Settled
from workbench.scenes import Scene, is_ring, known_pairs, settle_scene

FIRST = 4  # pairs a frame to begin with
STEP = 1 / 3  # pairs a frame that a round adds by way of a third frame; half as many at the ends of pieces
RESERVE = 1  # pairs a frame kept for the end, when every link of the order is looked at
ROUNDS = 12  # at most; most scenes need four to eight
PATIENCE = 4  # rounds that leave the order as it was before a search with doubtful links gives up

Compare = Callable[[np.ndarray], pd.DataFrame]  # (P, 2) int positions, a < b -> the rows of register_pairs
Search = Generator[np.ndarray, pd.DataFrame, None]  # gives pairs of positions, is sent all rows so far


def first_pairs(labels: np.ndarray, views: list[np.ndarray], pairs_per_frame: int) -> np.ndarray:
    """The pairs a search begins with, (P, 2) int positions, a < b, sorted: at most four a frame.

    labels: (N,) int, -1 = outlier. views: (N, N) distances, of embeddings and of rank thumbnails.
    """
    return nearest_pairs(labels, views, min(FIRST, pairs_per_frame))


def search(scenes: Sequence[Scene], compare: Compare, pairs_per_frame: int, table: pd.DataFrame) -> pd.DataFrame:
    """Compare at most ``pairs_per_frame`` pairs a frame in every scene, where they tell most about its order.

    table: rows of :func:`workbench.transforms.register_pairs` of the pairs compared so far, those of :func:`first_pairs` among
    them. compare: called once a round with new pairs of all scenes, sorted, each once. Returns all rows, sorted by pair.
    """
    searches = [_search_scene(scene, pairs_per_frame, table) for scene in scenes]
    wanted = _wanted(searches, None)
    while wanted:
        pairs = np.concatenate(list(wanted.values()))
        new = compare(pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))])
        table = pd.concat([table, new], ignore_index=True)
        wanted = _wanted(list(wanted), table)
    return table.sort_values(["a", "b"], ignore_index=True)


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
    frames, count = scene.frames, len(scene.frames)

    def settled(weights: np.ndarray | None, rounds: int) -> Settled:
        return settle_scene(scene, table, weights, rounds)

    def left() -> int:
        return pairs_per_frame * count - (np.count_nonzero(known_pairs(frames, table)) - count) // 2

    found, stayed = settled(None, 5), 0
    for _ in range(ROUNDS):
        known, room = known_pairs(frames, table), max(0, left() - RESERVE * count)
        along = pairs_along(found.order, known)[:room]
        sure = link_confidence(found.order, found.fused, known, scene.thumbnails, is_ring(found)) >= WEAK
        if not len(along) and (stayed >= PATIENCE or (stayed and sure.all())):
            break
        _note(known, along)
        most = min((room - len(along)) // 3, int(STEP * count))
        beside = pairs_by_way_of_another(found.fused, known, most)
        _note(known, beside)
        pairs = np.concatenate([along, beside, pairs_of_ends(found.order, found.fused, known, most // 2)])
        if not len(pairs):
            break
        table = yield _positions(frames, pairs)
        before, found = found, settled(found.weights, 1)
        stayed = stayed + 1 if np.array_equal(before.order, found.order) else 0
    # Every link of the order, and the one that would close it to a loop, is looked at in the end.
    for _ in range(ROUNDS):
        links, known = np.stack([found.order, np.roll(found.order, -1)], axis=1), known_pairs(frames, table)
        unseen = links[~known[links[:, 0], links[:, 1]]][: max(0, left())]
        if not len(unseen):
            return
        table = yield _positions(frames, unseen)
        found = settled(found.weights, 2)


def _note(known: np.ndarray, pairs: np.ndarray) -> None:
    known[pairs[:, 0], pairs[:, 1]] = known[pairs[:, 1], pairs[:, 0]] = True


def _positions(frames: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Pairs of indices into ``frames`` as pairs of positions, (P, 2) int, a < b, each once."""
    return np.unique(np.sort(frames[pairs], axis=1), axis=0)
