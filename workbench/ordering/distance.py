"""Distances between the frames of a scene: several, brought to one scale and weighted by what the order says of each.

No single distance is best everywhere: under camera shake only what remains after registration counts, a still camera wants
thumbnails, a moving animal the share of inliers. Which of them to trust can be seen without a truth: in a right order,
frames that follow each other are nearer than frames further apart, and a distance that is often wrong about this is noise.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from workbench.ordering.path import shortest_path

REACH = 4  # places; neighbours are held against the frames two to so many places away
CHANCE = 2.0  # odds of a distance that is given no weight: two right to one wrong


@dataclass(frozen=True, eq=False)
class FusedOrder:
    """An order and the distances behind it, in agreement.

    order: (n,) int. weights: (P,) float, >= 0, one a part. fused: (n, n) float, the weighted sum of the parts.
    """

    order: np.ndarray
    weights: np.ndarray
    fused: np.ndarray


def scaled(distances: np.ndarray, known: np.ndarray | None = None) -> np.ndarray:
    """(n, n) distances divided by their median distance to the nearest frame, zero on the diagonal.

    So every part weighs alike in every scene. known: (n, n) bool, the pairs to take the scale from; default all.
    """
    apart = distances.astype(np.float64).copy()
    if known is not None:
        apart[~known] = np.inf
    np.fill_diagonal(apart, np.inf)
    nearest = apart.min(axis=1, initial=np.inf)
    nearest = nearest[np.isfinite(nearest)]
    scale = float(np.median(nearest)) if len(nearest) else 1.0
    # Scenes of identical frames have no scale of their own; the mean keeps the part finite.
    scale = scale if scale > 1e-9 else max(float(distances.mean()), 1e-9)
    result = distances / scale
    np.fill_diagonal(result, 0)
    return result


def consistency(distances: np.ndarray, known: np.ndarray, order: np.ndarray) -> float:
    """How often a distance agrees with an order, 0 to 1 (0.5 is chance): of all frames and steps of two to four places to
    one side, the share in which the next frame on that side is nearer than the one further on.

    distances: (n, n). known: (n, n) bool; only cases of two known pairs count. order: (n,) int. Ties count half, and one case
    each way is added (Laplace's rule), so few cases say little.
    """
    along, seen = distances[np.ix_(order, order)], known[np.ix_(order, order)]
    right, cases = 1.0, 2.0
    for step in range(2, min(REACH, len(order) - 1) + 1):
        far, far_seen = np.diagonal(along, step), np.diagonal(seen, step)
        near, near_seen = np.diagonal(along, 1), np.diagonal(seen, 1)
        # From frame i on to i + 1 and i + step; and from frame i + step back to i + step - 1 and i.
        for beside, beside_seen in ((near[: len(far)], near_seen[: len(far)]), (near[step - 1 :], near_seen[step - 1 :])):
            both = far_seen & beside_seen
            right += np.count_nonzero(both & (beside < far)) + 0.5 * np.count_nonzero(both & (beside == far))
            cases += np.count_nonzero(both)
    return right / cases


def consistent_weights(parts: Sequence[np.ndarray], known: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Weights (P,) of distances by their odds of agreeing with an order; one that agrees in two cases of three has none.

    parts: (n, n) each. When none of them deserves any weight, all get the same.
    """
    share = np.array([consistency(part, known, order) for part in parts])
    weights = np.maximum(0.0, share / (1 - share) - CHANCE)
    return weights if weights.any() else np.ones(len(parts))


def fuse_and_order(parts: Sequence[np.ndarray], known: np.ndarray, weights: np.ndarray, rounds: int = 5) -> FusedOrder:
    """The order along the shortest path, and weights that agree with it: each is found anew from the other, up to ``rounds``
    times, until the order stays.

    parts: (n, n) scaled distances. known: (n, n) bool, the pairs that were compared. weights: (P,) to start from.
    """
    fused = _sum(parts, weights)
    order = shortest_path(fused)
    for _ in range(rounds):
        weights = consistent_weights(parts, known, order)
        fused = _sum(parts, weights)
        before, order = order, shortest_path(fused)
        if np.array_equal(order, before):
            break
    return FusedOrder(order, weights, fused)


def _sum(parts: Sequence[np.ndarray], weights: np.ndarray) -> np.ndarray:
    return sum(weight * part for weight, part in zip(weights, parts, strict=True))
