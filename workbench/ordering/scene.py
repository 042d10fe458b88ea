"""One scene: its frames, the distances between them, and their order with a confidence for every link."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd

from workbench.embedding.distances import Halved, fine_distances, principal_distances
from workbench.embedding.views import FineView, View, copies_view, embedded_view, thumbnail_view
from workbench.matching.pairs import pair_matrix
from workbench.ordering.confidence import link_confidence
from workbench.ordering.distance import ZERO_WEIGHT_ODDS, FusedOrder, fuse_and_order, is_agreed, weighted
from workbench.ordering.parts import ALIGNED, IN_PLACE, INLIERS, Part, compared_pairs, matched_distances
from workbench.ordering.path import blend, cut_loop, find_loop_cut, greedy_chain, is_loop, refine, rotate_order, shortest_path
from workbench.parameters import OrderParameters
from workbench.registration.aligned import aligned_distances

AlignedOf = Callable[[pd.DataFrame], dict[str, Halved]]  # rows of register_pairs -> distances of the aligned frames by name
AlignedView = Callable[[np.ndarray], AlignedOf]  # frames (n,) -> what aligns them

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
    fine : dict of Halved
        Distances by name from :func:`~workbench.embedding.distances.fine_distances`. They count only as far as they agree
        with an order.
    aligned : callable or None
        Takes the rows of the compared pairs, and gives :func:`~workbench.registration.aligned.aligned_distances`. None where
        there are no pictures.
    """

    frames: np.ndarray
    embedded: np.ndarray
    thumbnails: np.ndarray
    fine: dict[str, Halved] = field(default_factory=dict)
    aligned: AlignedOf | None = None

    @cached_property
    def in_place(self) -> dict[str, Part]:
        """The distances of the frames as they lie: they do not change with what is matched.

        Returns
        -------
        dict of Part
            ``thumbnail`` and the fine distances, by name.
        """
        whole = {"thumbnail": Halved(self.thumbnails, self.thumbnails, self.thumbnails)}
        return {name: Part.of_pixels(IN_PLACE, part) for name, part in (whole | self.fine).items()}

    @cached_property
    def principal(self) -> Part:
        """The distances of the first eight principal components of the colours.

        Returns
        -------
        Part
            Distances without a unit; identical frames stay 0 apart.
        """
        colours = self.fine["colours"]
        each = (np.where(some == 0, 0, principal_distances(some)) for some in (colours.whole, colours.first, colours.second))
        return Part.of_pixels(IN_PLACE, Halved(*each))

    @cached_property
    def proposals(self) -> list[np.ndarray]:
        """The orders along the distances of the frames as they lie, each by itself.

        Returns
        -------
        list of (n,) int arrays
            One order for each of :attr:`in_place`, and for :attr:`principal` where there are colours.
        """
        parts = [*self.in_place.values(), *([self.principal] if "colours" in self.fine else [])]
        return [shortest_path(part.first, quick=True) for part in parts]


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
    aligned : AlignedView or None
        What aligns the frames of a scene, see :class:`Scene`.
    """

    embedded: View
    thumbnails: View
    fine: FineView
    aligned: AlignedView | None = None

    @classmethod
    def of_pictures(cls, embeddings: np.ndarray, images: Sequence[np.ndarray], image_size: tuple[int, int]) -> "FrameDistances":
        """Make the distances of a clip.

        Parameters
        ----------
        embeddings : (N, D) float32 array
            Rows of unit length.
        images : (N, h, w, 3) uint8 sequence
            RGB working copies.
        image_size : (int, int)
            Width and height of the original, px.

        Returns
        -------
        FrameDistances
            They are computed when they are asked for.
        """
        copies = copies_view(images)

        def aligned(frames: np.ndarray) -> AlignedOf:
            return lambda table: aligned_distances(copies(frames), frames, table, image_size)

        return cls(embedded_view(embeddings), thumbnail_view(images), lambda frames: fine_distances(copies(frames)), aligned)

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
        aligned = self.aligned(frames) if self.aligned else None
        return Scene(frames, self.embedded(frames, frames), self.thumbnails(frames, frames), self.fine(frames), aligned)


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
    scene: Scene, table: pd.DataFrame, compared: np.ndarray, start: np.ndarray | None = None
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
    start : (n,) int array, optional
        An order to begin with.

    Returns
    -------
    parts : dict of Part
        What was fused. The frames are aligned only where the order is in doubt without it.
    found : FusedOrder
        The order, the weights and the fused distance.
    """
    parts = scene_parts(scene, table, compared, align=False)
    if start is None:
        start = shortest_path(weighted([part.first for part in parts.values()], np.ones(len(parts))), quick=True)
    found = fuse_and_order(list(parts.values()), [start])
    if is_agreed(found.odds, [part.family for part in parts.values()]):
        return parts, found
    parts = scene_parts(scene, table, compared)
    others = [part for part in parts.values() if part.family != IN_PLACE or part.measured is not None]
    proposals = [found.order, *scene.proposals, *(shortest_path(part.first, quick=True) for part in others)]
    return parts, fuse_and_order(list(parts.values()), proposals)


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
    confidence, closed = np.full(max(0, len(scene.frames) - 1), np.nan), False
    if parameters.method == "greedy":
        order = greedy_chain(blended if parameters.distance == "blend" else -fused_order.fused)
    elif parameters.distance == "blend":
        order = shortest_path(1 - blended)
    else:
        gap = find_loop_cut(fused_order.order, fused_order.fused)
        if gap is not None:
            order, closed = rotate_order(fused_order.order, gap + 1), True
        else:
            order, closed = fused_order.order, is_loop(fused_order.order, fused_order.fused)
            if closed and _follows_the_camera(parts, fused_order):
                # A camera that moves hardly comes back to the very place where it began.
                order = cut_loop(order, scene.thumbnails)
        order = refine(order, fused_order.fused)
        confidence = link_confidence(order, fused_order.fused, compared, scene.thumbnails, closed)
    return OrderedScene(order, confidence, closed, np.arange(len(order)), weights, matrices)


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
    shares = fused_order.weights / fused_order.weights.sum()
    whole = {name: part.whole for name, part in parts.items()}
    return dict(zip(parts, shares.tolist(), strict=True)), matrices | whole | {"fused": fused_order.fused}
