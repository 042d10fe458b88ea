"""The order of a scene: what is fused, the path through it, and how sure it is."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from workbench.matching.pairs import pair_matrix
from workbench.ordering.confidence import DOUBTFUL, agreed_links, doubt_about, link_confidence, share_alike
from workbench.ordering.distance import ZERO_WEIGHT_ODDS, FusedOrder, Proposal, evidence, fuse_and_order, is_agreed, weighted
from workbench.ordering.frames import Scene
from workbench.ordering.loops import cut_loop, find_loop_cut, is_loop, rotate_order
from workbench.ordering.parts import ALIGNED, IN_PLACE, INLIERS, Part, compared_pairs, matched_distances
from workbench.ordering.path import blend, greedy_chain, refine, shortest_path
from workbench.parameters import OrderParameters

STILL_DISPLACEMENT = 0.002  # of the image diagonal, about 1 px on the working copy


@dataclass(frozen=True, eq=False)
class OrderedScene:
    """The order of a scene and what led to it.

    Attributes
    ----------
    order : (n,) int array
        Indices into the frames of the scene.
    confidence : (n - 1,) float array
        Confidence of the link from each frame to the next, 0 to 1. NaN where the order is not the shortest path through the
        fused distance: there is a confidence for that one alone.
    closed : bool
        Whether the scene comes back to its start, so that the place where it begins was not chosen by the length of the path.
    shown : (m,) int array
        The frames that ``weights`` and ``matrices`` belong to, sorted ascending: all n, or a stretch of a long scene.
    weights : dict of float
        Share of every part of the fused distance, by name; their sum is 1.
    matrices : dict of (m, m) float arrays
        By name: counts, similarity, blend, the parts (scaled), fused.
    doubt : str
        Why the order as a whole is not in the pictures, see :func:`~workbench.ordering.confidence.doubt_about`; else empty.
    """

    order: np.ndarray
    confidence: np.ndarray
    closed: bool
    shown: np.ndarray
    weights: dict[str, float]
    matrices: dict[str, np.ndarray]
    doubt: str = ""


def scene_parts(scene: Scene, table: pd.DataFrame, compared: np.ndarray, align: bool = True) -> dict[str, Part]:
    """Collect the distances that are fused.

    Parameters
    ----------
    scene : Scene
        The frames and the distances that need no matching.
    table : DataFrame
        As for :func:`~workbench.ordering.parts.compared_pairs`.
    compared : (n, n) bool array
        The pairs that were compared, from :func:`~workbench.ordering.parts.compared_pairs`.
    align : bool
        Whether the frames are aligned too, where the camera moves.

    Returns
    -------
    dict of Part
        ``residual``, ``missing_inliers``, ``thumbnail`` and the fine distances. Where the camera stands still also
        ``principal``, the first eight principal components of the colours: there, neighbours differ more by noise than by what
        happens; under a moving camera those components only follow the movement. Where it moves, the distances of the aligned
        frames, ``aligned_ranks`` and the like.
    """
    still = bool(scene.fine) and is_still(scene.frames, table)
    aligned = scene.aligned(table) if align and scene.aligned and not still else {}
    ranks = aligned["ranks"].whole if aligned else None
    residual, missing = matched_distances(scene.frames, table, compared, ranks)
    parts = {
        "residual": Part.of_matches(IN_PLACE if still else ALIGNED, residual, compared),
        "missing_inliers": Part.of_matches(INLIERS, missing, compared),
        **scene.in_place,
    }
    if still and "colours" in scene.fine:
        parts["principal"] = scene.principal
    every_other = ~np.eye(len(scene.frames), dtype=bool)
    both = {name: np.isfinite(part.first) & np.isfinite(part.second) for name, part in aligned.items()}
    known = {name: part for name, part in aligned.items() if both[name].any(where=every_other)}
    return parts | {f"aligned_{name}": Part.of_pixels(ALIGNED, part) for name, part in known.items()}


def is_still(frames: np.ndarray, table: pd.DataFrame) -> bool:
    """Whether the camera of a scene hardly moves: half of its compared pairs are shifted by less than 0.2 % of the diagonal.

    Parameters
    ----------
    frames : (n,) int array
        Positions of the frames of the scene.
    table : DataFrame
        As for :func:`~workbench.ordering.parts.compared_pairs`, with the column ``displacement`` (a share of the image
        diagonal).

    Returns
    -------
    bool
        True for a still camera; False also where no pair is registered.
    """
    own = table[table["a"].isin(frames) & table["b"].isin(frames)]
    return bool(own["displacement"].median() < STILL_DISPLACEMENT)


def fuse_scene(
    scene: Scene, table: pd.DataFrame, compared: np.ndarray, start: Proposal | None = None, draft: bool = False
) -> tuple[dict[str, Part], FusedOrder]:
    """Bring the order and the weights of the parts into agreement, see :func:`~workbench.ordering.distance.fuse_and_order`.

    Parameters
    ----------
    scene : Scene
        The frames and the distances that need no matching.
    table : DataFrame
        As for :func:`~workbench.ordering.parts.compared_pairs`.
    compared : (n, n) bool array
        From :func:`~workbench.ordering.parts.compared_pairs`.
    start : Proposal, optional
        An order to begin with.
    draft : bool
        As for :func:`~workbench.ordering.distance.fuse_and_order`.

    Returns
    -------
    parts : dict of Part
        What was fused. The frames are aligned only where the order is in doubt without it.
    found : FusedOrder
        The order, the weights and the fused distance.
    """
    parts = scene_parts(scene, table, compared, align=False)
    if start is None:
        alike = np.ones(len(parts))
        first, second = (weighted(half, alike) for half in _halves(parts))
        start = Proposal.along(first, second, draft)
    found = fuse_and_order(list(parts.values()), [start], draft)
    if is_agreed(found.odds, [part.family for part in parts.values()]):
        return parts, found
    parts = scene_parts(scene, table, compared)
    others = [part for name, part in parts.items() if name not in scene.in_place and name != "principal"]
    proposals = [Proposal(found.order, found.order), *scene.proposals]
    proposals += [Proposal.along(part.first, part.second, draft) for part in others]
    return parts, fuse_and_order(list(parts.values()), proposals, draft)


def _halves(parts: dict[str, Part]) -> tuple[list[np.ndarray], list[np.ndarray]]:
    return [part.first for part in parts.values()], [part.second for part in parts.values()]


def order_scene(scene: Scene, table: pd.DataFrame, parameters: OrderParameters) -> OrderedScene:
    """Order a scene from its compared pairs.

    Parameters
    ----------
    scene : Scene
        The frames and the distances that need no matching.
    table : DataFrame
        As for :func:`~workbench.ordering.parts.compared_pairs`.
    parameters : OrderParameters
        The method, the distance and the ``alpha`` of the blend.

    Returns
    -------
    OrderedScene
        The order and what led to it.
    """
    compared = compared_pairs(scene.frames, table)
    parts, fused_order = fuse_scene(scene, table, compared)
    weights, matrices = fused_matrices(scene, table, parts, fused_order, parameters.alpha)
    blended = matrices["blend"]
    confidence, closed, doubt = np.full(max(0, len(scene.frames) - 1), np.nan), False, ""
    if parameters.method == "greedy":
        order = greedy_chain(blended if parameters.distance == "blend" else -fused_order.fused)
    elif parameters.distance == "blend":
        order = shortest_path(1 - blended)
    else:
        gap = find_loop_cut(fused_order.order, fused_order.fused)
        if gap is not None:
            order, closed = rotate_order(fused_order.order, gap + 1), True
        else:
            order = fused_order.order
            closed = is_loop(order, fused_order.fused) and is_loop(order, scene.thumbnails)
            if closed and _follows_the_camera(parts, fused_order):
                # A camera that moves hardly comes back to the very place where it began.
                order = cut_loop(order, scene.thumbnails)
        order = refine(order, fused_order.fused)
        confidence, doubt = judge_order(order, parts, fused_order, compared, scene.thumbnails, closed)
    return OrderedScene(order, confidence, closed, np.arange(len(order)), weights, matrices, doubt)


def judge_order(
    order: np.ndarray,
    parts: dict[str, Part],
    found: FusedOrder,
    compared: np.ndarray,
    appearance: np.ndarray,
    closed: bool = False,
) -> tuple[np.ndarray, str]:
    """Say how sure an order is, link by link and as a whole.

    Parameters
    ----------
    order : (n,) int array
        Each frame once.
    parts : dict of Part
        From :func:`fuse_scene`.
    found : FusedOrder
        From :func:`fuse_scene`.
    compared : (n, n) bool array
        From :func:`~workbench.ordering.parts.compared_pairs`.
    appearance : (n, n) float array
        Distances of the coarse rank thumbnails.
    closed : bool
        Whether the order is a loop that was cut open somewhere.

    Returns
    -------
    confidence : (n - 1,) float array
        From :func:`~workbench.ordering.confidence.link_confidence`; never above 0.79 where there is a doubt.
    doubt : str
        From :func:`~workbench.ordering.confidence.doubt_about`.
    """
    speaks_for_it = evidence(found.odds, np.array([part.family for part in parts.values()]))
    first, second = (weighted(half, found.weights) for half in _halves(parts))
    halves = Proposal.along(first, second)
    doubt = doubt_about(halves, speaks_for_it)
    confidence = link_confidence(
        order, found.fused, compared, appearance, closed, agreed_links(order, halves), share_alike(halves)
    )
    return np.minimum(confidence, DOUBTFUL) if doubt else confidence, doubt


def _follows_the_camera(parts: dict[str, Part], found: FusedOrder) -> bool:
    """Whether the camera moves, and steadily: frames as they lie agree with the order, which they do not under shake."""
    in_place = [odds for part, odds in zip(parts.values(), found.odds, strict=True) if part.family == IN_PLACE]
    return parts["residual"].family == ALIGNED and max(in_place) > ZERO_WEIGHT_ODDS


def fused_matrices(
    scene: Scene, table: pd.DataFrame, parts: dict[str, Part], fused_order: FusedOrder, alpha: float
) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """Collect the weights and the matrices of :class:`OrderedScene`.

    Parameters
    ----------
    scene : Scene
        The frames and the distances that need no matching.
    table : DataFrame
        As for :func:`~workbench.ordering.parts.compared_pairs`.
    parts : dict of Part
        From :func:`fuse_scene`.
    fused_order : FusedOrder
        From :func:`fuse_scene`.
    alpha : float
        Weight of the match counts in the blend, 0 to 1.

    Returns
    -------
    weights : dict of float
        Share of every part, by name; their sum is 1.
    matrices : dict of (n, n) float arrays
        By name: counts, similarity, blend, the parts (scaled), fused.
    """
    counts = pair_matrix(scene.frames, table[["a", "b"]].to_numpy(), table["matches"].to_numpy(), 0)
    similarity = 1 - scene.embedded
    matrices = {"counts": counts, "similarity": similarity, "blend": blend(counts, similarity, alpha)}
    whole = {name: part.whole for name, part in parts.items()}
    return dict(zip(parts, fused_order.weights.tolist(), strict=True)), matrices | whole | {"fused": fused_order.fused}
