"""One scene: its frames, the distances between them, and their order with a confidence for every link."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd

from workbench.embedding.distances import principal_distances
from workbench.embedding.views import FineView, View
from workbench.matching.pairs import pair_matrix
from workbench.ordering.confidence import link_confidence
from workbench.ordering.distance import FusedOrder, fuse_and_order, scaled
from workbench.ordering.path import blend, cut_loop, find_loop_cut, greedy_chain, is_loop, refine, rotate_order, shortest_path
from workbench.parameters import OrderParameters
from workbench.registration.pair import UNRELATED

STILL_DISPLACEMENT = 0.002  # of the image diagonal, about 1 px on the working copy


@dataclass(frozen=True, eq=False)
class Scene:
    """The frames of a scene and the distances between them that need no matching.

    Attributes
    ----------
    frames : (n,) int array
        Positions of the frames in the input, sorted ascending.
    embedded : (n, n) float array
        Cosine distances of the embeddings, 0 to 2.
    thumbnails : (n, n) float array
        Distances of the coarse rank thumbnails, 0 to 2.
    fine : dict of (n, n) float arrays
        Distances by name from :func:`~workbench.embedding.distances.fine_distances`. They count only as far as they agree
        with an order.
    """

    frames: np.ndarray
    embedded: np.ndarray
    thumbnails: np.ndarray
    fine: dict[str, np.ndarray] = field(default_factory=dict)

    @cached_property
    def principal(self) -> np.ndarray:
        """The distances of the first eight principal components of the colours.

        Returns
        -------
        (n, n) float array
            Distances without a unit; identical frames stay 0 apart.
        """
        return np.where(self.fine["colours"] == 0, 0, principal_distances(self.fine["colours"]))


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
    """

    order: np.ndarray
    confidence: np.ndarray
    closed: bool
    shown: np.ndarray
    weights: dict[str, float]
    matrices: dict[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class FrameDistances:
    """The distances between the frames of a clip that need no matching, for as many frames as are asked for.

    Attributes
    ----------
    embedded : View
        Cosine distances of the embeddings, 0 to 2.
    thumbnails : View
        Distances of the coarse rank thumbnails, 0 to 2.
    fine : FineView
        Distances by name, see :func:`~workbench.embedding.distances.fine_distances`.
    """

    embedded: View
    thumbnails: View
    fine: FineView

    def scene(self, frames: np.ndarray) -> Scene:
        """Cut out a scene.

        Parameters
        ----------
        frames : (n,) int array
            Positions of its frames, sorted ascending.

        Returns
        -------
        Scene
            The frames with their distances.
        """
        return Scene(frames, self.embedded(frames, frames), self.thumbnails(frames, frames), self.fine(frames))


def frames_of(labels: np.ndarray) -> list[np.ndarray]:
    """List the frames of every scene.

    Parameters
    ----------
    labels : (N,) int array
        Scene of every frame, -1 for outliers.

    Returns
    -------
    list of (n,) int arrays
        Positions, sorted ascending; scene 0 first.
    """
    return [np.flatnonzero(labels == scene) for scene in range(labels.max(initial=-1) + 1)]


def compared_pairs(frames: np.ndarray, table: pd.DataFrame) -> np.ndarray:
    """Which pairs of a scene were compared.

    Parameters
    ----------
    frames : (n,) int array
        Positions of the frames of the scene.
    table : DataFrame
        Rows of :func:`~workbench.registration.tables.register_pairs`, which may include those of other scenes.

    Returns
    -------
    (n, n) bool array
        True for the pairs in the table; a frame and itself count as compared.
    """
    pairs = table[["a", "b"]].to_numpy()
    compared = pair_matrix(frames, pairs, np.ones(len(pairs)), 0) > 0
    np.fill_diagonal(compared, True)
    return compared


def scene_parts(scene: Scene, table: pd.DataFrame, compared: np.ndarray) -> dict[str, np.ndarray]:
    """Collect the distances that are fused.

    Pairs that were not compared count as unrelated: the residual of unrelated frames, and no inliers.

    Parameters
    ----------
    scene : Scene
        The frames and the distances that need no matching.
    table : DataFrame
        As for :func:`compared_pairs`.
    compared : (n, n) bool array
        The pairs that were compared, from :func:`compared_pairs`.

    Returns
    -------
    dict of (n, n) float arrays
        Scaled distances by name: residual, missing_inliers, thumbnail, the fine ones, and where the camera stands still
        ``principal``, the first eight principal components of the colours. There, neighbours differ more by noise than by what
        happens; under a moving camera those components only follow the movement.
    """
    pairs = table[["a", "b"]].to_numpy()
    residual = pair_matrix(scene.frames, pairs, table["residual"].to_numpy(), UNRELATED)
    missing = pair_matrix(scene.frames, pairs, 1 - table["inlier_share"].to_numpy(), 1)
    parts = {"residual": scaled(residual, compared), "missing_inliers": scaled(missing, compared)}
    parts |= {"thumbnail": scaled(scene.thumbnails)} | {name: scaled(part) for name, part in scene.fine.items()}
    if "colours" in scene.fine and is_still(scene.frames, table):
        parts["principal"] = scaled(scene.principal)
    return parts


def is_still(frames: np.ndarray, table: pd.DataFrame) -> bool:
    """Whether the camera of a scene hardly moves: half of its compared pairs are shifted by less than 0.2 % of the diagonal.

    Parameters
    ----------
    frames : (n,) int array
        Positions of the frames of the scene.
    table : DataFrame
        As for :func:`compared_pairs`, with the column ``displacement`` (a share of the image diagonal).

    Returns
    -------
    bool
        True for a still camera; False also where no pair is registered.
    """
    own = table[table["a"].isin(frames) & table["b"].isin(frames)]
    return bool(own["displacement"].median() < STILL_DISPLACEMENT)


def fuse_parts(
    parts: dict[str, np.ndarray], compared: np.ndarray, weights: np.ndarray | None = None, rounds: int = 5
) -> FusedOrder:
    """Bring the order and the weights of the parts into agreement, see :func:`~workbench.ordering.distance.fuse_and_order`.

    Parameters
    ----------
    parts : dict of (n, n) float arrays
        From :func:`scene_parts`.
    compared : (n, n) bool array
        From :func:`compared_pairs`.
    weights : (P,) float array, optional
        Those of an earlier call, to go on from. Default: the first three parts weigh 1 and the fine ones 0.
    rounds : int
        How often the weights are found anew at most.

    Returns
    -------
    FusedOrder
        The order, the weights and the fused distance.
    """
    start = np.zeros(len(parts))
    if weights is not None:
        shared = min(len(weights), len(parts))  # the last part, principal, may have come or gone with new pairs
        start[:shared] = weights[:shared]
    if not start.any():
        start[:3] = 1
    return fuse_and_order(list(parts.values()), compared, start, rounds)


def is_cyclic(found: FusedOrder) -> bool:
    """Whether the ends of an order follow each other, so that it may begin elsewhere.

    Parameters
    ----------
    found : FusedOrder
        The order and the fused distance.

    Returns
    -------
    bool
        True for a loop.
    """
    return find_loop_cut(found.order, found.fused) is not None or is_loop(found.order, found.fused)


def order_scene(scene: Scene, table: pd.DataFrame, parameters: OrderParameters) -> OrderedScene:
    """Order a scene from its compared pairs.

    Parameters
    ----------
    scene : Scene
        The frames and the distances that need no matching.
    table : DataFrame
        As for :func:`compared_pairs`.
    parameters : OrderParameters
        The method, the distance and the ``alpha`` of the blend.

    Returns
    -------
    OrderedScene
        The order and what led to it.
    """
    compared = compared_pairs(scene.frames, table)
    parts = scene_parts(scene, table, compared)
    fused_order = fuse_parts(parts, compared)
    weights, matrices = fused_matrices(scene, table, parts, fused_order, parameters.alpha)
    blended = matrices["blend"]
    confidence, closed = np.full(max(0, len(scene.frames) - 1), np.nan), False
    if parameters.method == "greedy":
        order = greedy_chain(blended if parameters.distance == "blend" else -fused_order.fused)
    elif parameters.distance == "blend":
        order = shortest_path(1 - blended)
    else:
        gap = find_loop_cut(fused_order.order, fused_order.fused)
        if gap is not None:
            order, closed = rotate_order(fused_order.order, gap + 1), True
        elif is_loop(fused_order.order, fused_order.fused):
            order, closed = cut_loop(fused_order.order, scene.thumbnails), True
        else:
            order = fused_order.order
        order = refine(order, fused_order.fused)
        confidence = link_confidence(order, fused_order.fused, compared, scene.thumbnails, closed)
    return OrderedScene(order, confidence, closed, np.arange(len(order)), weights, matrices)


def fused_matrices(
    scene: Scene, table: pd.DataFrame, parts: dict[str, np.ndarray], fused_order: FusedOrder, alpha: float
) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """Collect the weights and the matrices of :class:`OrderedScene`.

    Parameters
    ----------
    scene : Scene
        The frames and the distances that need no matching.
    table : DataFrame
        As for :func:`compared_pairs`.
    parts : dict of (n, n) float arrays
        From :func:`scene_parts`.
    fused_order : FusedOrder
        From :func:`fuse_parts`.
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
    shares = fused_order.weights / fused_order.weights.sum()
    return dict(zip(parts, shares.tolist(), strict=True)), matrices | parts | {"fused": fused_order.fused}
