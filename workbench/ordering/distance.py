"""Distances between the frames of a scene: several, brought to one scale and weighted by how well each agrees with the order.

No single distance is best everywhere: under camera shake only what remains after registration counts, a still camera needs
thumbnails, a moving animal the share of inliers. Which of them to trust can be seen without a truth: in a right order,
frames that follow each other are nearer than frames further apart, and a distance that often contradicts this is noise. But
every distance agrees with the order that it leads to itself. So each of them proposes an order by one half of the pixels, which
is judged by the other half, and the order is taken with which the most *families* of distances agree.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from workbench.ordering.parts import IN_PLACE, Part
from workbench.ordering.path import DRAFT, PROPOSAL, THOROUGH, shortest_path

CONSISTENCY_PLACES = 4  # neighbours are compared with the frames two to so many places away
ZERO_WEIGHT_ODDS = 2.0  # right to wrong cases of a distance that gets no weight: two right to one wrong
SHARPNESS = 4  # power of the weights within a family: its distances hold the same, the best one with the least noise
SELF_PRAISE = 2.0  # by which odds are too high where the same measurement proposes and judges
AGREED_ODDS = 20.0  # right to wrong cases of two families that leave no doubt about an order
WITNESSES = 3  # members of a family that must agree with an order before it speaks for it in full
MUCH_SURER = 1.6  # times the odds at which a single distance outvotes all others
MAX_PROPOSALS = 3  # orders that are followed up


@dataclass(frozen=True, eq=False)
class FusedOrder:
    """An order and the distances behind it, in agreement.

    Attributes
    ----------
    order : (n,) int array
        The frames along the shortest path.
    weights : (P,) float array
        One weight per part, >= 0; their sum is 1.
    odds : (P,) float array
        Right to wrong cases of every part in the order that gave the weights, see :func:`consistency`.
    fused : (n, n) float array
        The weighted sum of the parts, no unit.
    """

    order: np.ndarray
    weights: np.ndarray
    odds: np.ndarray
    fused: np.ndarray


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
    right, cases = 1.0, 2.0
    beside_each = order[:-1], order[1:]
    near, near_compared = distances[beside_each], compared[beside_each]
    for step in range(2, min(CONSISTENCY_PLACES, len(order) - 1) + 1):
        apart = order[:-step], order[step:]
        far, far_compared = distances[apart], compared[apart]
        # From frame i on to i + 1 and i + step; and from frame i + step back to i + step - 1 and i.
        sides = ((near[: len(far)], near_compared[: len(far)]), (near[step - 1 :], near_compared[step - 1 :]))
        for beside, beside_compared in sides:
            both = far_compared & beside_compared
            right += np.count_nonzero(both & (beside < far)) + 0.5 * np.count_nonzero(both & (beside == far))
            cases += np.count_nonzero(both)
    return right / cases


class Proposal(NamedTuple):
    """An order that is proposed twice, by either half of the pixels.

    Attributes
    ----------
    first, second : (n,) int arrays
        The order by the first half, and by the second one.
    """

    first: np.ndarray
    second: np.ndarray

    @classmethod
    def along(cls, first: np.ndarray, second: np.ndarray, draft: bool = False) -> "Proposal":
        """Propose the shortest paths along distances.

        Parameters
        ----------
        first, second : (n, n) float arrays
            Distances by either half of the pixels; only one path is sought where they are the same array.
        draft : bool
            Whether pairs are chosen by it, and nothing else.

        Returns
        -------
        Proposal
            Both paths.
        """
        searches = DRAFT if draft else PROPOSAL
        path = shortest_path(first, searches=searches)
        return cls(path, path if second is first else shortest_path(second, searches=searches))


def odds_of(parts: Sequence[np.ndarray], measured: Sequence[np.ndarray], order: np.ndarray) -> np.ndarray:
    """Compute the odds that distances agree with an order.

    Parameters
    ----------
    parts : sequence of (n, n) arrays
        One distance each.
    measured : sequence of (n, n) bool arrays
        The pairs for which each was measured.
    order : (n,) int array
        Each frame once.

    Returns
    -------
    (P,) float array
        Right to wrong cases of every part, see :func:`consistency`.
    """
    share = np.array([consistency(part, pairs, order) for part, pairs in zip(parts, measured, strict=True)])
    return share / (1 - share)


def consistent_weights(odds: np.ndarray, families: np.ndarray) -> np.ndarray:
    """Weigh distances by their odds of agreeing with an order.

    Parameters
    ----------
    odds : (P,) float array
        From :func:`odds_of`.
    families : (P,) array
        The family of every distance.

    Returns
    -------
    (P,) float array
        One weight per distance, >= 0. A family weighs what its best member does: odds less 2, so that one that is wrong in one
        case out of three or more weighs 0. Within a family the weights are as the fourth power of that. When all are 0, all
        get 1.
    """
    above, weights = np.maximum(0.0, odds - ZERO_WEIGHT_ODDS), np.zeros(len(odds))
    for family in np.unique(families):
        own = families == family
        best = above[own].max()
        if best > 0:
            shares = (above[own] / best) ** SHARPNESS
            weights[own] = best * shares / shares.sum()
    return weights if weights.any() else np.ones(len(odds))


def evidence(odds: np.ndarray, families: np.ndarray) -> float:
    """How much speaks for an order: over the families, the mean of what their three best members weigh.

    Parameters
    ----------
    odds : (P,) float array
        From :func:`odds_of`.
    families : (P,) array
        The family of every distance.

    Returns
    -------
    float
        At least 0. One member alone counts for a third: what it follows may be the noise of a codec, or a fade.
    """
    above, total = np.maximum(0.0, odds - ZERO_WEIGHT_ODDS), 0.0
    for family in np.unique(families):
        total += np.sort(above[families == family])[-WITNESSES:].sum() / WITNESSES
    return float(total)


def is_agreed(odds: np.ndarray, families: Sequence[str]) -> bool:
    """Whether the frames as they lie and one more family leave no doubt about an order.

    Pairs are compared where frames are near, so what matches say alone is not enough.

    Parameters
    ----------
    odds : (P,) float array
        From :func:`odds_of`.
    families : sequence of P str
        The family of every distance.

    Returns
    -------
    bool
        True when the best members of the two are right in twenty cases out of twenty-one.
    """
    agreed = {family for family, right in zip(families, odds, strict=True) if right >= AGREED_ODDS}
    return IN_PLACE in agreed and len(agreed) >= 2


def fuse_and_order(parts: Sequence[Part], proposals: Sequence[Proposal], draft: bool = False) -> FusedOrder:
    """Find the order that most families of distances agree with, and the weights that follow from it.

    Parameters
    ----------
    parts : sequence of Part
        Distances between the frames of a scene.
    proposals : sequence of Proposal
        Orders to choose from, at least one.
    draft : bool
        Whether pairs are chosen by it, and nothing else; then paths are not sought for long.

    Returns
    -------
    FusedOrder
        The order, the weights and the fused distance.

    Notes
    -----
    Orders are proposed by one half of the pixels and judged by the other one, so that noise does not praise the order that it
    led to. The three proposals with the most evidence are followed up once, each by the paths along the parts as they agree
    with it. The one with the most evidence is taken, unless a single part is much surer of another one than any part is of
    this: where motion repeats itself, most parts agree on a wrong order, and one knows better. The path is the shortest by all
    pixels.
    """
    families = np.array([part.family for part in parts])
    every = np.ones_like(parts[0].whole, dtype=bool)
    measured = [every if part.measured is None else part.measured for part in parts]
    first, second = [part.first for part in parts], [part.second for part in parts]
    praise = np.array([SELF_PRAISE if part.first is part.second else 1.0 for part in parts])

    def _judged(proposal: Proposal) -> tuple[float, np.ndarray]:
        odds = np.sqrt(odds_of(second, measured, proposal.first) * odds_of(first, measured, proposal.second)) / praise
        return evidence(odds, families), odds

    found = sorted((_judged(proposal) for proposal in proposals), key=lambda one: -one[0])
    for _, odds in found[:MAX_PROPOSALS]:
        weights = consistent_weights(odds, families)
        halves = weighted(first, weights), weighted(second, weights)
        found.append(_judged(Proposal.along(*halves, draft)))
    odds, surest = max(found, key=lambda one: one[0])[1], max(found, key=lambda one: one[1].max())[1]
    if surest.max() >= MUCH_SURER * odds.max():
        odds = surest
    weights = consistent_weights(odds, families)
    weights /= weights.sum()
    distances = weighted([part.whole for part in parts], weights)
    return FusedOrder(shortest_path(distances, searches=DRAFT if draft else THOROUGH), weights, odds, distances)


def weighted(parts: Sequence[np.ndarray], weights: np.ndarray) -> np.ndarray:
    """Add distances up.

    Parameters
    ----------
    parts : sequence of (n, n) arrays
        Distances from :func:`~workbench.ordering.parts.scaled`.
    weights : (P,) float array
        One weight per part.

    Returns
    -------
    (n, n) float array
        The weighted sum, no unit.
    """
    total = np.zeros(parts[0].shape)
    for weight, part in zip(weights, parts, strict=True):
        if weight > 0:
            total += weight * part
    return total
