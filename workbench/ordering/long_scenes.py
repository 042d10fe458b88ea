"""Scenes too long for matrices over all of their frames: ordered stretch by stretch, along a rough order.

A few frames stand for all others, each registered to one of them; they are a scene of their own, short enough to be searched
and ordered as any other, or are treated in the same way again. Their order says roughly where every frame belongs. Along it the
frames are taken in stretches that overlap, and each stretch is searched and ordered as a short scene is.
"""

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pandas as pd

from workbench.errors import ParameterError
from workbench.matching.pairs import nearest_pairs, not_among, places_of
from workbench.ordering.confidence import link_confidence
from workbench.ordering.path import refine, shortest_path
from workbench.ordering.scene import (
    FrameDistances,
    OrderedScene,
    Scene,
    fuse_parts,
    fused_matrices,
    known_pairs,
    order_scene,
    scene_parts,
)
from workbench.ordering.search import FIRST, Compare, search
from workbench.parameters import OrderParameters

LONG = 1500  # frames of a scene that is still ordered as a whole
STRETCH, OVERLAP = 1000, 250  # frames


def search_long(
    frames: np.ndarray,
    frame_distances: FrameDistances,
    compare: Compare,
    pairs_per_frame: int,
    table: pd.DataFrame,
) -> tuple[pd.DataFrame, np.ndarray]:
    """Compare pairs of a long scene where they tell most: all rows, and the frames (n,) in a rough order.

    frames: (n,) int positions, rising. compare, pairs_per_frame, table: as for :func:`workbench.ordering.search.search`.
    """
    heads, head = _heads(frames, table)
    if len(heads) <= LONG:
        scene = frame_distances.scene(heads)
        table = search([scene], compare, pairs_per_frame, _more(table, heads, frame_distances, compare))
        ordered = heads[order_scene(scene, table, OrderParameters()).order]
    elif len(heads) < len(frames):
        table, ordered = search_long(
            heads, frame_distances, compare, pairs_per_frame, _more(table, heads, frame_distances, compare)
        )
    else:  # hardly any frame registers to another one: there is nothing to go by but how they look
        ordered = heads
    rough = _along(frames, head, ordered, table)
    for part in stretches(len(rough)):
        table = search([frame_distances.scene(np.sort(rough[part]))], compare, pairs_per_frame, table)
    return table, rough


def _heads(frames: np.ndarray, table: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Frames that stand for all: no two of them register to each other, and every other frame registers to one of them.

    Returns their positions, rising, and for each of ``frames`` the position of the one it is most like: itself for a head.
    """
    pairs = _registered(frames, table)
    near: list[list[int]] = [[] for _ in frames]
    for a, b in pairs[["a", "b"]].to_numpy():
        near[a].append(b)
        near[b].append(a)
    is_head, taken = np.zeros(len(frames), dtype=bool), np.zeros(len(frames), dtype=bool)
    for frame in range(len(frames)):
        if not taken[frame]:
            is_head[frame] = True
            taken[[frame, *near[frame]]] = True
    head, least = np.where(is_head, np.arange(len(frames)), -1), np.where(is_head, -1.0, np.inf)
    for a, b, residual in pairs[["a", "b", "residual"]].itertuples(index=False):
        for one, other in ((a, b), (b, a)):
            if is_head[other] and residual < least[one]:
                head[one], least[one] = other, residual
    return frames[is_head], frames[head]


def _registered(frames: np.ndarray, table: pd.DataFrame) -> pd.DataFrame:
    """The registered pairs inside a scene, ``a`` and ``b`` as places in ``frames``."""
    rows = table[table["model"] != "none"]
    places = places_of(frames, rows[["a", "b"]].to_numpy())
    inside = (places >= 0).all(axis=1)
    return pd.DataFrame({"a": places[inside, 0], "b": places[inside, 1], "residual": rows["residual"].to_numpy()[inside]})


def _more(table: pd.DataFrame, frames: np.ndarray, frame_distances: FrameDistances, compare: Compare) -> pd.DataFrame:
    """``table`` with the nearest pairs among ``frames``, which were chosen to have none so far."""
    labels = np.full(frames.max() + 1, -1)
    labels[frames] = 0
    new = not_among(nearest_pairs(labels, [frame_distances.embedded, frame_distances.thumbnails], FIRST), table)
    return pd.concat([table, compare(new)], ignore_index=True) if len(new) else table


def _along(frames: np.ndarray, head: np.ndarray, ordered: np.ndarray, table: pd.DataFrame) -> np.ndarray:
    """``frames`` roughly in order: every frame beside its head, on the side of the other frames it registers to.

    head: (n,) int, the head of every frame. ordered: the heads in their order.
    """
    place = np.full(frames.max() + 1, -1)
    place[ordered] = np.arange(len(ordered))
    own = place[head].astype(float)
    pairs = _registered(frames, table)
    sums, counts = np.zeros(len(frames)), np.zeros(len(frames))
    for one, other in ((pairs["a"], pairs["b"]), (pairs["b"], pairs["a"])):
        # A pair that leads far away is a wrong one, or the scene came by here before.
        beside = np.abs(own[other] - own[one]) <= 2
        np.add.at(sums, one[beside], own[other[beside]])
        np.add.at(counts, one[beside], 1)
    return frames[np.argsort(own + (sums + own) / (counts + 1), kind="stable")]


def stretches(count: int) -> Iterator[slice]:
    """Overlapping stretches of ``count`` places, from the first to the last one; all of about the same length."""
    parts = max(1, -(-(count - OVERLAP) // (STRETCH - OVERLAP)))
    starts = np.linspace(0, count - OVERLAP, parts + 1).astype(int)
    for start, stop in pairwise(starts):
        yield slice(int(start), int(stop) + OVERLAP)


def order_long(
    rough: np.ndarray, frame_distances: FrameDistances, table: pd.DataFrame, parameters: OrderParameters
) -> OrderedScene:
    """The order of a long scene, stretch after stretch, each along the shortest path from where it meets the one before.

    rough: (n,) int positions in a rough order, from :func:`search_long`. table: as for :func:`workbench.ordering.scene.known_pairs`.
    The matrices are those of the stretch in the middle. Raises :class:`~workbench.errors.ParameterError` when another order
    than the shortest path through the fused distance is asked for: those need all pairs of frames at once.
    """
    if (parameters.method, parameters.distance) != ("path", "fused"):
        raise ParameterError(
            f"a scene has {len(rough)} frames: above {LONG} frames only --order.method path with --order.distance fused works"
        )
    order, confidence, parts = rough.copy(), np.full(len(rough) - 1, np.nan), list(stretches(len(rough)))
    for number, part in enumerate(parts):
        scene = frame_distances.scene(np.sort(order[part]))
        first = int(np.searchsorted(scene.frames, order[part.start])) if number else None
        found = _order_stretch(scene, table, first, parameters.alpha)
        if not number and _leads_back(scene.frames[found.order], rough):
            found = replace(found, order=found.order[::-1], confidence=found.confidence[::-1])
        order[part], confidence[part.start : part.stop - 1] = scene.frames[found.order], found.confidence
        if number == len(parts) // 2:
            shown, middle = scene.frames, found
    if order[0] > order[-1]:
        order, confidence = order[::-1], confidence[::-1]
    frames = np.sort(rough)
    # The ends meet when frames of both were seen to show the same.
    ends = table["a"].isin(order[:OVERLAP]) & table["b"].isin(order[-OVERLAP:])
    ends |= table["b"].isin(order[:OVERLAP]) & table["a"].isin(order[-OVERLAP:])
    closed = bool((table.loc[ends, "model"] != "none").any())
    places = np.searchsorted(frames, order)
    return OrderedScene(places, confidence, closed, np.searchsorted(frames, shown), middle.weights, middle.matrices)


def _order_stretch(scene: Scene, table: pd.DataFrame, first: int | None, alpha: float) -> OrderedScene:
    """The order of a stretch, begun with the frame ``first`` where one is given; it neither closes nor begins elsewhere."""
    known = known_pairs(scene.frames, table)
    parts = scene_parts(scene, table, known)
    fused_order = fuse_parts(parts, known)
    order = fused_order.order if first is None else shortest_path(fused_order.fused, first)
    order = refine(order, fused_order.fused, 0 if first is None else 1)
    confidence = link_confidence(order, fused_order.fused, known, scene.thumbnails)
    return OrderedScene(
        order, confidence, False, np.arange(len(order)), *fused_matrices(scene, table, parts, fused_order, alpha)
    )


def _leads_back(found: np.ndarray, rough: np.ndarray) -> bool:
    """Whether a stretch, (n,) positions in order, was found the other way round."""
    place = np.empty(rough.max() + 1)
    place[rough] = np.arange(len(rough))
    half = len(found) // 2
    return bool(place[found[:half]].mean() > place[found[half:]].mean())
