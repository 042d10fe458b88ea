"""Scenes too long for matrices over all of their frames: ordered stretch by stretch, along a rough order.

A few key frames stand for all others, each of which is registered to one of them. The key frames are a scene of their own: it
is searched and ordered like any other when it is short enough, or else treated in the same way again. Their order shows
roughly where every frame belongs. Along it the frames are taken in stretches that overlap, and each stretch is searched and
ordered like a short scene.
"""

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pandas as pd

from workbench.embedding.views import blocks
from workbench.errors import ParameterError
from workbench.matching.pairs import nearest_pairs, not_among, places_of
from workbench.ordering.frames import FrameDistances, Scene
from workbench.ordering.parts import compared_pairs
from workbench.ordering.path import refine, shortest_path
from workbench.ordering.scene import (
    OrderedScene,
    fuse_scene,
    fused_matrices,
    judge_order,
    order_scene,
)
from workbench.ordering.search import FIRST_PAIRS_PER_FRAME, Compare, search
from workbench.parameters import OrderParameters

LONG_SCENE_FRAMES = 1500  # scenes of at most so many frames are ordered as a whole
STRETCH_FRAMES, OVERLAP_FRAMES = 1000, 250  # frames of a stretch, and those that it shares with the next one
NEXT_KEY_FRAMES = 2  # places in the order of the key frames within which registered frames count as beside each other


def search_long(
    frames: np.ndarray,
    frame_distances: FrameDistances,
    compare: Compare,
    pairs_per_frame: int,
    table: pd.DataFrame,
) -> tuple[pd.DataFrame, np.ndarray]:
    """Compare those pairs of a long scene that tell most about its order.

    Parameters
    ----------
    frames : (n,) int array
        Positions of the frames of the scene, sorted ascending.
    frame_distances : FrameDistances
        The distances that need no matching.
    compare : callable
        As for :func:`~workbench.ordering.search.search`.
    pairs_per_frame : int
        How many pairs per frame may be compared in every stretch.
    table : DataFrame
        The rows of the pairs compared so far.

    Returns
    -------
    table : DataFrame
        All rows.
    rough : (n,) int array
        The positions of the frames in a rough order.
    """
    key_frames, key_frame_of = _choose_key_frames(frames, table)
    if len(key_frames) <= LONG_SCENE_FRAMES:
        scene = frame_distances.scene(key_frames)
        table = _with_nearest_pairs(table, key_frames, frame_distances, compare)
        table = search([key_frames], lambda _: scene, compare, pairs_per_frame, table)
        ordered = key_frames[order_scene(scene, table, OrderParameters()).order]
    elif len(key_frames) < len(frames):
        table = _with_nearest_pairs(table, key_frames, frame_distances, compare)
        table, ordered = search_long(key_frames, frame_distances, compare, pairs_per_frame, table)
    else:  # hardly any frame registers to another one: there is nothing to go by but the appearance
        ordered = key_frames
    rough = _rough_order(frames, key_frame_of, ordered, table)
    for part in stretches(len(rough)):
        table = search([np.sort(rough[part])], frame_distances.scene, compare, pairs_per_frame, table)
    return table, rough


def join_rough(
    frames: np.ndarray, part_of: np.ndarray, places: np.ndarray, frame_distances: FrameDistances, table: pd.DataFrame
) -> np.ndarray:
    """Order the frames of a long scene roughly when it was put together by hand.

    Parameters
    ----------
    frames : (n,) int array
        Positions of the frames of the scene, sorted ascending.
    part_of : (n,) int array
        The scene that each was in before, -1 = none. Parts follow each other, the largest first.
    places : (n,) float array
        Place of every frame in the rough order of that scene; NaN where it was a short one.
    frame_distances : FrameDistances
        The distances that need no matching.
    table : DataFrame
        The rows of the pairs compared.

    Returns
    -------
    (n,) int array
        The positions of the frames in a rough order; a frame that was in no scene is beside the one most like it.
    """
    numbers, sizes = np.unique(part_of[part_of >= 0], return_counts=True)
    parts = []
    for number in numbers[np.argsort(-sizes, kind="stable")]:
        own, order = frames[part_of == number], np.argsort(places[part_of == number])
        if np.isnan(places[part_of == number]).any():
            order = order_scene(frame_distances.scene(own), table, OrderParameters()).order
        parts.append(own[order])
    if not parts:
        return frames
    ordered, alone = np.concatenate(parts), frames[part_of < 0]
    beside = [frame_distances.embedded(some, ordered).argmin(axis=1) for some in blocks(alone, len(ordered))]
    return np.insert(ordered, np.concatenate([np.zeros(0, int), *beside]) + 1, alone)


def _choose_key_frames(frames: np.ndarray, table: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Key frames: no two of them register to each other, and every other frame registers to one of them.

    Returns their positions, sorted ascending, and for each of ``frames`` the position of the key frame it is most like, which
    for a key frame is itself.
    """
    pairs = _registered(frames, table)
    near: list[list[int]] = [[] for _ in frames]
    for a, b in pairs[["a", "b"]].to_numpy():
        near[a].append(b)
        near[b].append(a)
    is_key_frame, covered = np.zeros(len(frames), dtype=bool), np.zeros(len(frames), dtype=bool)
    for frame in range(len(frames)):
        if not covered[frame]:
            is_key_frame[frame] = True
            covered[[frame, *near[frame]]] = True
    nearest = np.where(is_key_frame, np.arange(len(frames)), -1)
    least = np.where(is_key_frame, -1.0, np.inf)
    for a, b, residual in pairs[["a", "b", "residual"]].itertuples(index=False):
        for one, other in ((a, b), (b, a)):
            if is_key_frame[other] and residual < least[one]:
                nearest[one], least[one] = other, residual
    return frames[is_key_frame], frames[nearest]


def _registered(frames: np.ndarray, table: pd.DataFrame) -> pd.DataFrame:
    """The registered pairs inside a scene, with ``a`` and ``b`` as indices into ``frames``."""
    rows = table[table["model"] != "none"]
    places = places_of(frames, rows[["a", "b"]].to_numpy())
    inside = (places >= 0).all(axis=1)
    return pd.DataFrame({"a": places[inside, 0], "b": places[inside, 1], "residual": rows["residual"].to_numpy()[inside]})


def _with_nearest_pairs(
    table: pd.DataFrame, frames: np.ndarray, frame_distances: FrameDistances, compare: Compare
) -> pd.DataFrame:
    """``table`` with the nearest pairs among key frames, which were chosen so that none of their pairs is registered."""
    labels = np.full(frames.max() + 1, -1)
    labels[frames] = 0
    views = [frame_distances.embedded, frame_distances.thumbnails]
    new = not_among(nearest_pairs(labels, views, FIRST_PAIRS_PER_FRAME), table)
    return pd.concat([table, compare(new)], ignore_index=True) if len(new) else table


def _rough_order(frames: np.ndarray, key_frame_of: np.ndarray, ordered: np.ndarray, table: pd.DataFrame) -> np.ndarray:
    """``frames`` roughly in order: every frame beside its key frame, on the side of the other frames it registers to.

    ``key_frame_of``, (n,) int, is the key frame of every frame; ``ordered`` are the key frames in their order.
    """
    place = np.full(frames.max() + 1, -1)
    place[ordered] = np.arange(len(ordered))
    own = place[key_frame_of].astype(float)
    pairs = _registered(frames, table)
    sums, counts = np.zeros(len(frames)), np.zeros(len(frames))
    for one, other in ((pairs["a"], pairs["b"]), (pairs["b"], pairs["a"])):
        # A pair that leads far away is a wrong one, or the scene came by here before.
        beside = np.abs(own[other] - own[one]) <= NEXT_KEY_FRAMES
        np.add.at(sums, one[beside], own[other[beside]])
        np.add.at(counts, one[beside], 1)
    return frames[np.argsort(own + (sums + own) / (counts + 1), kind="stable")]


def stretches(count: int) -> Iterator[slice]:
    """Cut a long scene into overlapping stretches of about the same length.

    Parameters
    ----------
    count : int
        Number of frames of the scene.

    Yields
    ------
    slice
        The places of a stretch, from the first stretch to the last one.
    """
    parts = max(1, -(-(count - OVERLAP_FRAMES) // (STRETCH_FRAMES - OVERLAP_FRAMES)))
    starts = np.linspace(0, count - OVERLAP_FRAMES, parts + 1).astype(int)
    for start, stop in pairwise(starts):
        yield slice(int(start), int(stop) + OVERLAP_FRAMES)


def order_long(
    rough: np.ndarray, frame_distances: FrameDistances, table: pd.DataFrame, parameters: OrderParameters
) -> OrderedScene:
    """Order a long scene, stretch after stretch, each along the shortest path from where it meets the one before.

    Parameters
    ----------
    rough : (n,) int array
        Positions in a rough order, from :func:`search_long`.
    frame_distances : FrameDistances
        The distances that need no matching.
    table : DataFrame
        As for :func:`~workbench.ordering.parts.compared_pairs`.
    parameters : OrderParameters
        The method and the distance must be ``path`` and ``fused``.

    Returns
    -------
    OrderedScene
        The order; its weights, matrices and doubt are those of the stretch in the middle.

    Raises
    ------
    ParameterError
        When another order than the shortest path through the fused distance is asked for: those need all pairs of frames at
        once.
    """
    if (parameters.method, parameters.distance) != ("path", "fused"):
        raise ParameterError(
            f"a scene has {len(rough)} frames: "
            f"above {LONG_SCENE_FRAMES} frames only --order.method path with --order.distance fused works"
        )
    order, confidence, parts = rough.copy(), np.full(len(rough) - 1, np.nan), list(stretches(len(rough)))
    for number, part in enumerate(parts):
        scene = frame_distances.scene(np.sort(order[part]))
        first = int(np.searchsorted(scene.frames, order[part.start])) if number else None
        found = _order_stretch(scene, table, first, parameters.alpha)
        if not number and _is_reversed(scene.frames[found.order], rough):
            found = replace(found, order=found.order[::-1], confidence=found.confidence[::-1])
        order[part], confidence[part.start : part.stop - 1] = scene.frames[found.order], found.confidence
        if number == len(parts) // 2:
            shown, middle = scene.frames, found
    if order[0] > order[-1]:
        order, confidence = order[::-1], confidence[::-1]
    frames = np.sort(rough)
    # The ends meet when a frame of one is registered to a frame of the other.
    ends = table["a"].isin(order[:OVERLAP_FRAMES]) & table["b"].isin(order[-OVERLAP_FRAMES:])
    ends |= table["b"].isin(order[:OVERLAP_FRAMES]) & table["a"].isin(order[-OVERLAP_FRAMES:])
    closed = bool((table.loc[ends, "model"] != "none").any())
    places = np.searchsorted(frames, order)
    return OrderedScene(
        places, confidence, closed, np.searchsorted(frames, shown), middle.weights, middle.matrices, middle.doubt
    )


def _order_stretch(scene: Scene, table: pd.DataFrame, first: int | None, alpha: float) -> OrderedScene:
    """The order of a stretch, begun with the frame ``first`` where one is given; it is never taken for a loop."""
    compared = compared_pairs(scene.frames, table)
    parts, fused_order = fuse_scene(scene, table, compared)
    order = fused_order.order if first is None else shortest_path(fused_order.fused, first)
    order = refine(order, fused_order.fused, 0 if first is None else 1)
    confidence, doubt = judge_order(order, parts, fused_order, compared, scene.thumbnails)
    weights, matrices = fused_matrices(scene, table, parts, fused_order, alpha)
    return OrderedScene(order, confidence, False, np.arange(len(order)), weights, matrices, doubt)


def _is_reversed(found: np.ndarray, rough: np.ndarray) -> bool:
    """Whether a stretch, (n,) positions in order, runs against the rough order."""
    place = np.empty(rough.max() + 1)
    place[rough] = np.arange(len(rough))
    half = len(found) // 2
    return bool(place[found[:half]].mean() > place[found[half:]].mean())
