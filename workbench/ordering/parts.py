"""The distances between the frames of a scene that are fused: each is a *part*, and parts that measure alike are a *family*.

Parts that measure in the same way agree with each other also where all of them are wrong: under a shaken camera all distances
of unaligned frames follow the shake. So families are weighed against each other, and within one the best part counts most.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from workbench.embedding.distances import Halved
from workbench.matching.pairs import pair_matrix
from workbench.registration.pair import UNRELATED

IN_PLACE, ALIGNED, INLIERS = "in place", "aligned", "inliers"  # families
MIN_RESIDUAL = 0.01  # below this a residual is noise; it bounds the weight of a common partner


@dataclass(frozen=True, eq=False)
class Part:
    """A distance between the n frames of a scene.

    Attributes
    ----------
    family : str
        What it is measured with: one of the families above.
    whole, first, second : (n, n) float arrays
        Scaled distances, see :func:`scaled`, finite for all pairs: by all pixels and by either half of them. All three are the
        same where it is not a matter of pixels.
    measured : (n, n) bool array or None
        The pairs for which it was measured; it was predicted for the others. None for all of them.
    """

    family: str
    whole: np.ndarray
    first: np.ndarray
    second: np.ndarray
    measured: np.ndarray | None = None

    @classmethod
    def of_pixels(cls, family: str, distances: Halved) -> "Part":
        """Make a part of distances that were measured for all pairs, but where frames do not overlap.

        Parameters
        ----------
        family : str
            Its family.
        distances : Halved
            Distances in any unit; NaN counts as the largest one.

        Returns
        -------
        Part
            The part.
        """
        whole, first, second = (
            scaled(np.nan_to_num(some, nan=np.nanmax(some))) for some in (distances.whole, distances.first, distances.second)
        )
        return cls(family, whole, first, first if distances.first is distances.second else second)

    @classmethod
    def of_matches(cls, family: str, distances: np.ndarray, compared: np.ndarray) -> "Part":
        """Make a part of distances that were measured for the compared pairs alone.

        Parameters
        ----------
        family : str
            Its family.
        distances : (n, n) float array
            Distances in any unit.
        compared : (n, n) bool array
            The pairs that were compared.

        Returns
        -------
        Part
            The part.
        """
        whole = scaled(distances, compared)
        return cls(family, whole, whole, whole, compared)


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
    (n, n) float32 array
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
    result = (distances / scale).astype(np.float32)
    np.fill_diagonal(result, 0)
    return result


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


def matched_distances(
    frames: np.ndarray, table: pd.DataFrame, compared: np.ndarray, aligned_ranks: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Collect what the matches of pairs say, and predict it for the pairs that were not compared.

    Parameters
    ----------
    frames : (n,) int array
        Positions of the frames of the scene.
    table : DataFrame
        As for :func:`compared_pairs`.
    compared : (n, n) bool array
        From :func:`compared_pairs`.
    aligned_ranks : (n, n) float array or None
        From :func:`~workbench.registration.aligned.AlignedDistances`, NaN where unknown.

    Returns
    -------
    residual : (n, n) float array
        Difference of ranks that remains after registration, 0 to 1. Where it was not measured it is predicted from what remains
        different when the whole scene is aligned, and where this is unknown, it is the way through a common partner.
    missing : (n, n) float array
        Share of the keypoints that are no inliers, 0 to 1; where it was not measured, predicted from the residual.
    """
    pairs = table[["a", "b"]].to_numpy()
    residual = pair_matrix(frames, pairs, table["residual"].to_numpy(), UNRELATED)
    missing = pair_matrix(frames, pairs, 1 - table["inlier_share"].to_numpy(), 1)
    predicted = np.minimum(detours(residual, compared), UNRELATED)
    if aligned_ranks is not None:
        known = np.isfinite(aligned_ranks)
        by_alignment = predict(residual, compared & known, np.where(known, aligned_ranks, 0), UNRELATED)
        predicted = np.where(known, by_alignment, predicted)
    residual = np.where(compared, residual, predicted)
    return residual, np.where(compared, missing, predict(missing, compared, residual, 1))


def predict(distances: np.ndarray, measured: np.ndarray, by: np.ndarray, most: float) -> np.ndarray:
    """Predict distances from others by the line fitted to the pairs for which both are known.

    Parameters
    ----------
    distances : (n, n) float array
        The distances to predict.
    measured : (n, n) bool array
        Where they are known.
    by : (n, n) float array
        Distances that are known for all pairs; NaN where they are not.
    most : float
        The prediction where ``by`` is NaN, and the largest one.

    Returns
    -------
    (n, n) float array
        Predictions, 0 to ``most``; ``most`` everywhere when no line rises through the known pairs.
    """
    known = np.triu(measured & np.isfinite(by), 1)
    values, targets = by[known], distances[known]
    if len(values) < 3 or np.ptp(values) == 0:
        return np.full(distances.shape, most)
    slope, start = np.polyfit(values, targets, 1)
    if slope <= 0:
        return np.full(distances.shape, most)
    return np.nan_to_num(np.clip(start + slope * by, 0, most), nan=most)


def detours(residual: np.ndarray, compared: np.ndarray) -> np.ndarray:
    """Measure the shortest way between two frames through a third one that both were compared with.

    Parameters
    ----------
    residual : (n, n) float array
        Residuals of the compared pairs.
    compared : (n, n) bool array
        The pairs that were compared.

    Returns
    -------
    (n, n) float array
        The least sum of the two residuals; inf for pairs without a common partner.
    """
    shortest = np.full(residual.shape, np.inf)
    for partner in range(len(residual)):
        near = np.flatnonzero(compared[partner])
        apart = residual[partner, near]
        block = np.ix_(near, near)
        shortest[block] = np.minimum(shortest[block], apart[:, None] + apart)
    return shortest


def predicted_by_partners(residual: np.ndarray) -> np.ndarray:
    r"""Predict how far apart two frames are from the frames that both were compared with.

    Two frames that are alike are equally far from every third frame: the prediction is the mean of \|r(a, c) - r(b, c)\| over
    their common partners c, where those near to one of the two count most, plus half of the shortest way through one of them.
    Without the second term, frames that lie to both sides of their only common partner would look alike, however far it is.

    Parameters
    ----------
    residual : (n, n) float array
        Residuals of the compared pairs, NaN elsewhere.

    Returns
    -------
    (n, n) float array
        Predictions, which tell the pairs worth comparing from others; NaN for pairs without a common partner.
    """
    count = len(residual)
    sums, weights = np.zeros((count, count)), np.zeros((count, count))
    for partner in range(count):
        near = np.flatnonzero(np.isfinite(residual[partner]))
        apart = residual[partner, near]
        weight = 1 / np.maximum(np.minimum(apart[:, None], apart), MIN_RESIDUAL)
        block = np.ix_(near, near)
        sums[block] += weight * np.abs(apart[:, None] - apart)
        weights[block] += weight
    shortest = detours(residual, np.isfinite(residual))
    return np.where(weights > 0, sums / np.maximum(weights, 1e-9) + shortest / 2, np.nan)
