"""One scene: its frames, what is known of them, and their order with how sure each of its links is."""

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

STILL = 0.002  # of the image diagonal, about 1 px on the working copy


@dataclass(frozen=True, eq=False)
class Scene:
    """The frames of a scene and what is known of them without matching.

    frames: (n,) int positions, rising. embedded, thumbnails: (n, n) distances of embeddings and of rank thumbnails. fine:
    (n, n) distances by name from :func:`workbench.embedding.distances.fine_distances`; they count once an order speaks for them.
    """

    frames: np.ndarray
    embedded: np.ndarray
    thumbnails: np.ndarray
    fine: dict[str, np.ndarray] = field(default_factory=dict)

    @cached_property
    def principal(self) -> np.ndarray:
        """(n, n) distances of the colours' first eight principal components; identical frames stay 0 apart."""
        return np.where(self.fine["colours"] == 0, 0, principal_distances(self.fine["colours"]))


@dataclass(frozen=True, eq=False)
class OrderedScene:
    """The order of a scene and what led to it.

    order: (n,) int, indices into the frames. confidence: (n - 1,) float, 0 to 1, of the link from each frame to the next; NaN
    where the order is not the shortest path through the fused distance, for which alone it is known. closed: whether the scene
    comes back to its start, so that where it begins was chosen by other signs than its length. shown: (m,) int, the frames,
    rising, that ``weights`` and ``matrices`` are of: all n, but of a long scene a stretch. weights: of every part of the fused
    distance, by name, their sum 1. matrices: (m, m) each, by name: counts, similarity, blend, the parts (scaled), fused.
    """

    order: np.ndarray
    confidence: np.ndarray
    closed: bool
    shown: np.ndarray
    weights: dict[str, float]
    matrices: dict[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class FrameDistances:
    """What is known of the frames of a clip without matching, for as many of them as are asked for."""

    embedded: View
    thumbnails: View
    fine: FineView

    def scene(self, frames: np.ndarray) -> Scene:
        """The scene of these frames, (n,) int, rising."""
        return Scene(frames, self.embedded(frames, frames), self.thumbnails(frames, frames), self.fine(frames))


def frames_of(labels: np.ndarray) -> list[np.ndarray]:
    """The frames of every scene, (n,) int positions, rising; scene 0 first. labels: (N,) int, -1 = outlier."""
    return [np.flatnonzero(labels == scene) for scene in range(labels.max(initial=-1) + 1)]


def known_pairs(frames: np.ndarray, table: pd.DataFrame) -> np.ndarray:
    """(n, n) bool: which pairs of a scene were compared; a frame and itself count as compared.

    table: rows of :func:`workbench.registration.tables.register_pairs`, those of other scenes too.
    """
    pairs = table[["a", "b"]].to_numpy()
    known = pair_matrix(frames, pairs, np.ones(len(pairs)), 0) > 0
    np.fill_diagonal(known, True)
    return known


def scene_parts(scene: Scene, table: pd.DataFrame, known: np.ndarray) -> dict[str, np.ndarray]:
    """The distances that are fused, (n, n) each, scaled, by name: residual, missing_inliers, thumbnail, the fine
    ones, and where the camera stands still ``principal``: the colours' first eight principal components. There neighbours
    differ by noise more than by what happens; under a moving camera those components only follow the movement.

    Pairs that were not compared count as unrelated: the residual of unrelated frames, and no inliers. table: as for
    :func:`known_pairs`. known: (n, n) bool, its result.
    """
    pairs = table[["a", "b"]].to_numpy()
    residual = pair_matrix(scene.frames, pairs, table["residual"].to_numpy(), UNRELATED)
    missing = pair_matrix(scene.frames, pairs, 1 - table["inlier_share"].to_numpy(), 1)
    parts = {"residual": scaled(residual, known), "missing_inliers": scaled(missing, known)}
    parts |= {"thumbnail": scaled(scene.thumbnails)} | {name: scaled(part) for name, part in scene.fine.items()}
    if "colours" in scene.fine and is_still(scene.frames, table):
        parts["principal"] = scaled(scene.principal)
    return parts


def is_still(frames: np.ndarray, table: pd.DataFrame) -> bool:
    """Whether the camera of a scene hardly moves: half of its compared pairs are shifted by less than 0.2 % of the diagonal."""
    own = table[table["a"].isin(frames) & table["b"].isin(frames)]
    return bool(own["displacement"].median() < STILL)


def fuse_parts(
    parts: dict[str, np.ndarray], known: np.ndarray, weights: np.ndarray | None = None, rounds: int = 5
) -> FusedOrder:
    """Order and weights of the parts in agreement, see :func:`workbench.ordering.distance.fuse_and_order`. At first, fine parts have no say.

    parts: from :func:`scene_parts`. known: from :func:`known_pairs`. weights: those of an earlier call to go on from.
    """
    start = np.zeros(len(parts))
    if weights is not None:
        shared = min(len(weights), len(parts))  # the last part, principal, may have come or gone with new pairs
        start[:shared] = weights[:shared]
    if not start.any():
        start[:3] = 1
    return fuse_and_order(list(parts.values()), known, start, rounds)


def is_cyclic(found: FusedOrder) -> bool:
    """Whether the ends of an order follow each other, so that it may begin elsewhere."""
    return find_loop_cut(found.order, found.fused) is not None or is_loop(found.order, found.fused)


def order_scene(scene: Scene, table: pd.DataFrame, parameters: OrderParameters) -> OrderedScene:
    """The order of a scene from its compared pairs. table: as for :func:`known_pairs`."""
    known = known_pairs(scene.frames, table)
    parts = scene_parts(scene, table, known)
    fused_order = fuse_parts(parts, known)
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
        confidence = link_confidence(order, fused_order.fused, known, scene.thumbnails, closed)
    return OrderedScene(order, confidence, closed, np.arange(len(order)), weights, matrices)


def fused_matrices(
    scene: Scene, table: pd.DataFrame, parts: dict[str, np.ndarray], fused_order: FusedOrder, alpha: float
) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """The weights and the matrices of :class:`OrderedScene`. alpha: of the blend."""
    counts = pair_matrix(scene.frames, table[["a", "b"]].to_numpy(), table["matches"].to_numpy(), 0)
    similarity = 1 - scene.embedded
    matrices = {"counts": counts, "similarity": similarity, "blend": blend(counts, similarity, alpha)}
    shares = fused_order.weights / fused_order.weights.sum()
    return dict(zip(parts, shares.tolist(), strict=True)), matrices | parts | {"fused": fused_order.fused}
