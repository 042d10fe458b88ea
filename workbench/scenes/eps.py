"""The choice of DBSCAN's radius eps: DBSCAN over a range of eps, and where its labels stay the same."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd

from workbench.embedding.distances import cosine_distances
from workbench.evaluation.partitions import adjusted_rand_index
from workbench.scenes.dbscan import DbscanTree, Distances, nearest_frames, silhouette

SWEEP = np.geomspace(0.005, 1.0, 100)  # values of eps that are tried, cosine distance
SAME_CLUSTERING = 0.98  # adjusted Rand index from which two clusterings count as the same
PRIOR_WIDTH = 0.6  # how far a suggestion tends to lie from a backbone's typical eps: standard deviation of log eps
MAX_EPS_RATIO = 1.42  # to the typical eps, beyond which no eps is suggested
SILHOUETTE_FRAMES = 1000  # frames that a silhouette is computed over at most
MIN_SCORED_WIDTH = 1e-3  # of log eps, so that the logarithm of a range of a single eps exists


@dataclass(frozen=True)
class EpsSweep:
    """The outcome of DBSCAN at E values of eps, and the value that is suggested.

    Attributes
    ----------
    eps : (E,) float array
        Values of eps, cosine distance, sorted ascending.
    scenes, outliers : (E,) int array
        How many scenes and how many outliers DBSCAN finds.
    width : (E,) float array
        Width of the range of eps around each value in which the clustering stays the same, as a natural logarithm.
    score : (E,) float array
        The score that the suggestion maximises; -inf where an eps is never suggested.
    suggested : float
        The eps with the best score.
    low, high : float
        Ends of the range around it in which the clustering stays the same.
    tree : DbscanTree
        Gives DBSCAN's labels at any eps.
    """

    eps: np.ndarray
    scenes: np.ndarray
    outliers: np.ndarray
    width: np.ndarray
    score: np.ndarray
    suggested: float
    low: float
    high: float
    tree: DbscanTree


def k_distances(distances: Distances, k: int) -> np.ndarray:
    """Find the distance at which each frame has ``k`` neighbours, itself included, as DBSCAN counts.

    Parameters
    ----------
    distances : (N, N) array or sparse array
        Distances between frames.
    k : int
        Number of neighbours; N if it is larger.

    Returns
    -------
    (N,) float array
        Distances, in the unit of ``distances``.
    """
    return nearest_frames(distances, min(k, distances.shape[0]))[1].max(axis=1)


def knee(values: np.ndarray) -> float:
    """Find where a rising curve turns up: the value furthest below the line from its first point to its last.

    Parameters
    ----------
    values : (N,) float array
        Values at even steps, sorted ascending, N > 0.

    Returns
    -------
    float
        The value at the knee.

    Notes
    -----
    As Kneedle (Satopaa et al., 2011), without smoothing.
    """
    return float(values[np.argmax(np.linspace(values[0], values[-1], len(values)) - values)])


def plateaus(sweep: EpsSweep, embeddings: np.ndarray, most: int = 12) -> pd.DataFrame:
    """List the widest ranges of eps over which the numbers of scenes and of outliers stay the same.

    Parameters
    ----------
    sweep : EpsSweep
        From :func:`sweep_eps`.
    embeddings : (N, D) float32 array
        Rows of unit length, of which the sweep was made.
    most : int
        How many ranges are listed at most.

    Returns
    -------
    pandas.DataFrame
        A row per range, by ascending eps: ``low``, ``high`` (its ends), ``scenes``, ``outliers``, ``silhouette`` (of at most
        1,000 frames, evenly spaced; NaN with fewer than two scenes).
    """
    starts = np.flatnonzero(np.diff(sweep.scenes, prepend=-1) | np.diff(sweep.outliers, prepend=-1))
    ends = np.append(starts[1:], len(sweep.eps)) - 1
    widest = np.sort(np.argsort(sweep.eps[starts] / sweep.eps[ends], kind="stable")[:most])
    some = np.linspace(0, len(embeddings) - 1, min(len(embeddings), SILHOUETTE_FRAMES)).astype(int)
    distances = cosine_distances(embeddings[some])
    rows = []
    for start, end in zip(starts[widest], ends[widest], strict=True):
        labels = sweep.tree.labels(sweep.eps[(start + end) // 2])
        score = silhouette(distances, labels[some])
        rows.append((sweep.eps[start], sweep.eps[end], sweep.scenes[start], sweep.outliers[start], score))
    return pd.DataFrame(rows, columns=["low", "high", "scenes", "outliers", "silhouette"])


def sweep_eps(distances: Distances, min_samples: int, typical_eps: float = 0.0) -> EpsSweep:
    """Run DBSCAN over a hundred values of eps from 0.005 to 1, and suggest one.

    Parameters
    ----------
    distances : (N, N) array or sparse array
        Cosine distances.
    min_samples : int
        Frames, itself included, that the neighbourhood of a core frame holds at least.
    typical_eps : float
        Cosine distance that usually separates scenes for these embeddings; 0 where none has been determined.

    Returns
    -------
    EpsSweep
        The sweep and the suggestion.

    Notes
    -----
    A good eps lies where the clustering does not depend on it: in the gap between the distances of neighbours in a scene and
    the distances of everything else. So the score of an eps is the width of the range of log eps around it in which the
    clustering stays the same: an adjusted Rand index of at least 0.98 with the clustering at eps, where every outlier counts as
    a scene of its own, and at most one frame in a hundred that is an outlier in one of the two only.

    A typical eps enters the score as a log-normal prior. It decides in three cases: clips with several such ranges; clips
    without any foreign frame, whose widest range has no upper end; and clips of foreign frames alone, because no eps above 1.42
    times the typical one is suggested.
    """
    tree = DbscanTree(distances, min_samples)
    labels = [tree.labels(eps) for eps in SWEEP]
    low, high = stable_ranges(labels)
    scenes = np.array([label.max() + 1 for label in labels])
    width = np.log(SWEEP[high] / SWEEP[low])
    # Nothing but outliers, and (without a prior) everything in one scene, stay the same over any range: they do not count.
    trivial = (scenes == 0) | ((typical_eps == 0) & np.array([(label == 0).all() for label in labels]))
    score = width
    if typical_eps:
        # So far beyond the typical eps, frames that have nothing in common are joined, as in a clip of foreign frames alone.
        trivial |= typical_eps * MAX_EPS_RATIO < SWEEP
        score = np.log(np.maximum(width, MIN_SCORED_WIDTH)) - 0.5 * (np.log(SWEEP / typical_eps) / PRIOR_WIDTH) ** 2
    score = np.where(trivial, -np.inf, score)
    best = int(np.argmax(score))
    if trivial.all():
        best = int(np.abs(np.log(SWEEP / typical_eps)).argmin()) if typical_eps else int(np.argmax(scenes > 0))
    suggested = SWEEP[best]
    if not typical_eps and not trivial.all():
        # All eps of a range have the same score; without a prior its middle is taken, as far from both ends as possible.
        suggested = np.sqrt(SWEEP[low[best]] * SWEEP[high[best]])
    outliers = np.array([(label < 0).sum() for label in labels])
    ends = float(SWEEP[low[best]]), float(SWEEP[high[best]])
    return EpsSweep(SWEEP, scenes, outliers, width, score, float(suggested), *ends, tree)


def stable_ranges(labels: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Find the range around every clustering of a sweep in which the clustering stays the same.

    Parameters
    ----------
    labels : sequence of E (N,) int arrays
        Scene of every frame, -1 = outlier, at E values of a parameter, sorted.

    Returns
    -------
    low, high : (E,) int array
        Indices of the first and the last clustering around each that are the same: see :func:`sweep_eps`.
    """
    count = len(labels)
    low, high = np.zeros(count, int), np.zeros(count, int)
    alike = cache(lambda a, b: _agreement(labels[a], labels[b]) >= SAME_CLUSTERING)
    for middle in range(count):
        if middle and np.array_equal(labels[middle], labels[middle - 1]):
            low[middle], high[middle] = low[middle - 1], high[middle - 1]
            continue
        start = end = middle
        while start > 0 and alike(start - 1, middle):
            start -= 1
        while end < count - 1 and alike(middle, end + 1):
            end += 1
        low[middle], high[middle] = start, end
    return low, high


def _agreement(a: np.ndarray, b: np.ndarray) -> float:
    """How alike two clusterings are, at most 1: the worse of their scenes' agreement and their outliers' agreement."""
    if np.array_equal(a, b):
        return 1.0
    same_outliers = 1 - 2 * float(np.mean((a < 0) != (b < 0)))
    return min(adjusted_rand_index(_outliers_alone(a), _outliers_alone(b)), same_outliers)


def _outliers_alone(labels: np.ndarray) -> np.ndarray:
    """Labels in which every outlier is a scene of its own."""
    alone, outlier = labels.copy(), labels < 0
    alone[outlier] = labels.max() + 1 + np.arange(outlier.sum())
    return alone
