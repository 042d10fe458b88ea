"""Distances between the frames of a scene: several, brought to one scale and weighted by how well each agrees with the order.

No single distance is best everywhere: under camera shake only what remains after registration counts, a still camera needs
thumbnails, a moving animal the share of inliers. Which of them to trust can be seen without a truth: in a right order,
frames that follow each other are nearer than frames further apart, and a distance that often contradicts this is noise.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from workbench.ordering.path import shortest_path

CONSISTENCY_PLACES = 4  # neighbours are compared with the frames two to so many places away
ZERO_WEIGHT_ODDS = 2.0  # right to wrong cases of a distance that gets no weight: two right to one wrong


@dataclass(frozen=True, eq=False)
class FusedOrder:
    """An order and the distances behind it, in agreement.

    Attributes
    ----------
    order : (n,) int array
        The frames along the shortest path.
    weights : (P,) float array
        One weight per part, >= 0.
    fused : (n, n) float array
        The weighted sum of the parts, no unit.
    """

    order: np.ndarray
    weights: np.ndarray
    fused: np.ndarray


def scaled(distances: np.ndarray, compared: np.ndarray | None = None) -> np.ndarray:
    """Divide distances by their median distance to the nearest frame, so that every part weighs alike in every scene.

    Parameters
    ----------
    distances : (n, n) array
        Symmetric distances in any unit.
    compared : (n, n) bool array, optional
        The pairs to take the scale from. Default: all.

    Returns
    -------
    (n, n) float array
        Distances without a unit, zero on the diagonal.
    """
    apart = distances.astype(np.float64).copy()
    if compared is not None:
        apart[~compared] = np.inf
    np.fill_diagonal(apart, np.inf)
    nearest = apart.min(axis=1, initial=np.inf)
    nearest = nearest[np.isfinite(nearest)]
    scale = float(np.median(nearest)) if len(nearest) else 1.0
    # Scenes of identical frames have no scale of their own; the mean keeps the part finite.
    scale = scale if scale > 1e-9 else max(float(distances.mean()), 1e-9)
    result = distances / scale
    np.fill_diagonal(result, 0)
    return result


def consistency(distances: np.ndarray, compared: np.ndarray, order: np.ndarray) -> float:
    """How often a distance agrees with an order.

    A case is a frame and a step of two to four places to one side of it. The distance agrees when the next frame on that side
    is nearer than the one further on.

    Parameters
    ----------
    distances : (n, n) array
        Symmetric distances in any unit.
    compared : (n, n) bool array
        The pairs that were compared; only cases in which both pairs were compared count.
    order : (n,) int array
        Each frame once.

    Returns
    -------
    float
        Share of the cases that agree, 0 to 1; 0.5 is chance. Ties count half, and one case each way is added (Laplace's rule of
        succession), so few cases stay near 0.5.
    """
    along, along_compared = distances[np.ix_(order, order)], compared[np.ix_(order, order)]
    right, cases = 1.0, 2.0
    for step in range(2, min(CONSISTENCY_PLACES, len(order) - 1) + 1):
        far, far_compared = np.diagonal(along, step), np.diagonal(along_compared, step)
        near, near_compared = np.diagonal(along, 1), np.diagonal(along_compared, 1)
        # From frame i on to i + 1 and i + step; and from frame i + step back to i + step - 1 and i.
        sides = ((near[: len(far)], near_compared[: len(far)]), (near[step - 1 :], near_compared[step - 1 :]))
        for beside, beside_compared in sides:
            both = far_compared & beside_compared
            right += np.count_nonzero(both & (beside < far)) + 0.5 * np.count_nonzero(both & (beside == far))
            cases += np.count_nonzero(both)
    return right / cases


def consistent_weights(parts: Sequence[np.ndarray], compared: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Weigh distances by their odds of agreeing with an order.

    Parameters
    ----------
    parts : sequence of (n, n) arrays
        One distance each.
    compared : (n, n) bool array
        The pairs that were compared.
    order : (n,) int array
        Each frame once.

    Returns
    -------
    (P,) float array
        One weight per part, >= 0. A part that agrees in two cases out of three or fewer gets 0; when that is true of all of
        them, all get 1.
    """
    share = np.array([consistency(part, compared, order) for part in parts])
    weights = np.maximum(0.0, share / (1 - share) - ZERO_WEIGHT_ODDS)
    return weights if weights.any() else np.ones(len(parts))


def fuse_and_order(parts: Sequence[np.ndarray], compared: np.ndarray, weights: np.ndarray, rounds: int = 5) -> FusedOrder:
    """Find the order along the shortest path and the weights that agree with it, each anew from the other.

    Parameters
    ----------
    parts : sequence of (n, n) arrays
        Distances from :func:`scaled`.
    compared : (n, n) bool array
        The pairs that were compared.
    weights : (P,) float array
        The weights to start from, >= 0.
    rounds : int
        How often the weights are found anew at most; the search ends earlier when the order does not change any more.

    Returns
    -------
    FusedOrder
        The order, the weights and the fused distance.
    """
    fused = _sum(parts, weights)
    order = shortest_path(fused)
    for _ in range(rounds):
        weights = consistent_weights(parts, compared, order)
        fused = _sum(parts, weights)
        before, order = order, shortest_path(fused)
        if np.array_equal(order, before):
            break
    return FusedOrder(order, weights, fused)


def _sum(parts: Sequence[np.ndarray], weights: np.ndarray) -> np.ndarray:
    return sum(weight * part for weight, part in zip(weights, parts, strict=True))
