"""Which pairs of a scene to compare, and its order, found together: compare a few, order, look again where it matters.

Comparing all pairs of 100 frames takes 50 pairs a frame; most of them only tell that two frames have little in common. A
search begins with near neighbours in the embeddings and the thumbnails, and goes on around the order of the moment until
nothing new comes up or its budget is spent.
"""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from workbench.candidates import nearest_pairs, pairs_along, pairs_by_way_of_another, pairs_of_ends
from workbench.confidence import WEAK, link_confidence
from workbench.distance import Settled, scaled, settle
from workbench.order import closes, pair_matrix
from workbench.register import UNRELATED

PARTS = ("residual", "missing_inliers", "thumbnail")
FIRST = 4  # pairs a frame to begin with
STEP = 1 / 3  # pairs a frame that a round adds by way of a third frame; half as many at the ends of pieces
RESERVE = 1  # pairs a frame kept for the end, when every link of the order is looked at
ROUNDS = 12  # at most; most scenes need four to eight

Compare = Callable[[np.ndarray], pd.DataFrame]  # (P, 2) int positions, a < b -> the rows of register_pairs


@dataclass(frozen=True, eq=False)
class Scene:
    """The frames of a scene and what is known of them without matching.

    frames: (n,) int positions, rising. embedded, thumbnails: (n, n) distances of embeddings and of rank thumbnails.
    """

    frames: np.ndarray
    embedded: np.ndarray
    thumbnails: np.ndarray


def known_pairs(frames: np.ndarray, table: pd.DataFrame) -> np.ndarray:
    """(n, n) bool: which pairs of a scene were compared; a frame and itself count as compared."""
    pairs = table[["a", "b"]].to_numpy()
    known = pair_matrix(frames, pairs, np.ones(len(pairs)), 0) > 0
    np.fill_diagonal(known, True)
    return known


def scene_parts(frames: np.ndarray, table: pd.DataFrame, thumbnails: np.ndarray) -> dict[str, np.ndarray]:
    """The distances that are fused, (n, n) each, scaled: residual, missing inliers, thumbnails.

    Pairs that were not compared count as unrelated: the residual of unrelated frames, and no inliers. table: from
    :func:`workbench.transforms.register_pairs`. thumbnails: (n, n) distances.
    """
    pairs, known = table[["a", "b"]].to_numpy(), known_pairs(frames, table)
    residual = pair_matrix(frames, pairs, table["residual"].to_numpy(), UNRELATED)
    missing = pair_matrix(frames, pairs, 1 - table["inlier_share"].to_numpy(), 1)
    return dict(zip(PARTS, (scaled(residual, known), scaled(missing, known), scaled(thumbnails)), strict=True))


def search(scenes: Sequence[Scene], compare: Compare, pairs_per_frame: int) -> pd.DataFrame:
    """Compare at most ``pairs_per_frame`` pairs a frame in every scene, where they tell most about its order.

    compare: called once a round with the pairs of all scenes, sorted, each pair once. Returns all its rows, sorted by pair.
    """
    searches = [_search_scene(scene, pairs_per_frame) for scene in scenes]
    wanted = {index: next(search) for index, search in enumerate(searches)}
    rounds: list[pd.DataFrame] = []
    while wanted:
        pairs = np.concatenate(list(wanted.values()))
        rounds.append(compare(pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]))
        table = pd.concat(rounds, ignore_index=True)
        wanted = _next_wanted({index: searches[index] for index in wanted}, table)
    table = pd.concat(rounds, ignore_index=True) if rounds else compare(np.zeros((0, 2), dtype=int))
    return table.sort_values(["a", "b"], ignore_index=True)


Search = Generator[np.ndarray, pd.DataFrame, None]  # gives pairs of positions, is sent all rows so far


def _next_wanted(searches: dict[int, Search], table: pd.DataFrame) -> dict[int, np.ndarray]:
    wanted = {}
    for index, search in searches.items():
        try:
            wanted[index] = search.send(table)
        except StopIteration:  # this scene needs no more
            continue
    return wanted


def _search_scene(scene: Scene, pairs_per_frame: int) -> Search:
    frames, count = scene.frames, len(scene.frames)
    views = [scene.embedded, scene.thumbnails]
    table = yield frames[nearest_pairs(np.zeros(count, dtype=int), views, min(FIRST, pairs_per_frame))]

    def settled(weights: np.ndarray | None, rounds: int) -> Settled:
        parts = list(scene_parts(frames, table, scene.thumbnails).values())
        return settle(parts, known_pairs(frames, table), weights, rounds, seconds=max(0.05, count / 1000))

    def left() -> int:
        return pairs_per_frame * count - (np.count_nonzero(known_pairs(frames, table)) - count) // 2

    found, stayed = settled(None, 5), False
    for _ in range(ROUNDS):
        known, room = known_pairs(frames, table), max(0, left() - RESERVE * count)
        along = pairs_along(found.order, known)[:room]
        closed = closes(found.order, found.fused)
        sure = link_confidence(found.order, found.fused, known, scene.thumbnails, closed) >= WEAK
        if stayed and not len(along) and sure.all():
            break
        _note(known, along)
        most = min((room - len(along)) // 3, int(STEP * count))
        beside = pairs_by_way_of_another(found.fused, known, most)
        _note(known, beside)
        pairs = np.concatenate([along, beside, pairs_of_ends(found.order, found.fused, known, most // 2)])
        if not len(pairs):
            break
        table = yield positions(frames, pairs)
        before, found = found, settled(found.weights, 1)
        stayed = np.array_equal(before.order, found.order)
    # Every link of the order, and the one that would close it to a loop, is looked at in the end.
    for _ in range(ROUNDS):
        links, known = np.stack([found.order, np.roll(found.order, -1)], axis=1), known_pairs(frames, table)
        unseen = links[~known[links[:, 0], links[:, 1]]][: max(0, left())]
        if not len(unseen):
            return
        table = yield positions(frames, unseen)
        found = settled(found.weights, 2)


def _note(known: np.ndarray, pairs: np.ndarray) -> None:
    known[pairs[:, 0], pairs[:, 1]] = known[pairs[:, 1], pairs[:, 0]] = True


def positions(frames: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Pairs of indices into ``frames`` as pairs of positions, (P, 2) int, a < b, each once."""
    return np.unique(np.sort(frames[pairs], axis=1), axis=0)
