"""Which eps to take: DBSCAN over a range of eps, and where its labels stay the same."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.metrics import adjusted_rand_score

from workbench.embedding.distances import cosine_distances
from workbench.scenes.dbscan import DbscanTree, Distances, nearest_frames, silhouette

SWEEP = np.geomspace(0.005, 1.0, 100)  # radii that are tried, cosine distance
AGREEMENT = 0.98  # two clusterings this much alike (adjusted Rand index) count as the same
PRIOR_WIDTH = 0.6  # how far from a backbone's typical eps a suggestion may lie, standard deviation of log eps
FARTHEST = 1.42  # times the typical eps, beyond which none is suggested
SOME = 1000  # frames that a silhouette is taken over at most


@dataclass(frozen=True)
class EpsSweep:
    """What DBSCAN gives at every radius, all arrays (E,): eps rising; number of scenes; number of outliers; ``width``, over
    how wide a range of eps (natural logarithm) the clustering stays the same; ``score``, what the suggestion maximises.

    suggested: the eps with the best score. low, high: the range around it in which the clustering stays the same. tree: what
    DBSCAN finds at any eps.
    """

    eps: np.ndarray
    scenes: np.ndarray
    outliers: np.ndarray
    width: np.ndarray
    score: np.ndarray
    suggested: float
    low: float
    high: float
    tree: "DbscanTree"


def k_distances(distances: Distances, k: int) -> np.ndarray:
    """(N,): the distance at which each frame has ``k`` neighbours, itself included, as DBSCAN counts."""
    return nearest_frames(distances, min(k, distances.shape[0]))[1].max(axis=1)


def knee(values: np.ndarray) -> float:
    """Where a rising curve turns up: the value that lies furthest below the line from its first point to its last.

    As Kneedle (Satopaa et al., 2011) without smoothing. values: (N,) rising, N > 0, evenly spaced.
    """
    return float(values[np.argmax(np.linspace(values[0], values[-1], len(values)) - values)])


def plateaus(sweep: EpsSweep, embeddings: np.ndarray, most: int = 12) -> pd.DataFrame:
    """The widest ranges of eps over which the numbers of scenes and of outliers stay the same, by rising eps.

    embeddings: (N, D). At most ``most`` rows: low, high (ends of the range), scenes, outliers, silhouette (of at most a
    thousand frames, evenly picked; NaN with fewer than two scenes).
    """
    starts = np.flatnonzero(np.diff(sweep.scenes, prepend=-1) | np.diff(sweep.outliers, prepend=-1))
    ends = np.append(starts[1:], len(sweep.eps)) - 1
    widest = np.sort(np.argsort(sweep.eps[starts] / sweep.eps[ends], kind="stable")[:most])
    some = np.linspace(0, len(embeddings) - 1, min(len(embeddings), SOME)).astype(int)
    distances = cosine_distances(embeddings[some])
    rows = []
    for start, end in zip(starts[widest], ends[widest], strict=True):
        labels = sweep.tree.labels(sweep.eps[(start + end) // 2])
        score = silhouette(distances, labels[some])
        rows.append((sweep.eps[start], sweep.eps[end], sweep.scenes[start], sweep.outliers[start], score))
    return pd.DataFrame(rows, columns=["low", "high", "scenes", "outliers", "silhouette"])


def sweep_eps(distances: Distances, min_samples: int, typical_eps: float = 0.0) -> EpsSweep:
    """DBSCAN over a hundred radii from 0.005 to 1, and the radius to use.

    The right radius lies where the clustering does not care: there is a gap between how far neighbours in a scene lie apart
    and how far everything else is. So the score of an eps is the width of the range of log eps around it in which the
    clustering stays the same (adjusted Rand index at least 0.98 with the one at eps, outliers counted one by one, and
    hardly a frame set aside or taken in). Where a backbone's typical eps is known, it weighs in as a log-normal prior: it
    settles clips that have several such ranges, clips without any foreign frame, whose widest range has no upper end, and
    clips of foreign frames alone: an eps more than 1.42 times the typical one is never suggested.
    """
    tree = DbscanTree(distances, min_samples)
    labels = [tree.labels(eps) for eps in SWEEP]
    low, high = _stable_ranges(labels)
    scenes = np.array([label.max() + 1 for label in labels])
    width = np.log(SWEEP[high] / SWEEP[low])
    # Nothing found, and (without a prior) everything in one scene, are stable for ever; they are no finding.
    trivial = (scenes == 0) | ((typical_eps == 0) & np.array([(label == 0).all() for label in labels]))
    score = width
    if typical_eps:
        # So far beyond the typical eps, frames are joined that have nothing in common: a clip of foreign frames alone.
        trivial |= typical_eps * FARTHEST < SWEEP
        score = np.log(np.maximum(width, 1e-3)) - 0.5 * (np.log(SWEEP / typical_eps) / PRIOR_WIDTH) ** 2
    score = np.where(trivial, -np.inf, score)
    best = int(np.argmax(score))
    if trivial.all():
        best = int(np.abs(np.log(SWEEP / typical_eps)).argmin()) if typical_eps else int(np.argmax(scenes > 0))
    suggested = SWEEP[best]
    if not typical_eps and not trivial.all():
        # Every eps of a range has its score; without a prior the middle of the range is as far from both ends as can be.
        suggested = np.sqrt(SWEEP[low[best]] * SWEEP[high[best]])
    outliers = np.array([(label < 0).sum() for label in labels])
    ends = float(SWEEP[low[best]]), float(SWEEP[high[best]])
    return EpsSweep(SWEEP, scenes, outliers, width, score, float(suggested), *ends, tree)


def _stable_ranges(labels: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """For every clustering in the sweep, the first and the last one around it that are the same."""
    count = len(labels)
    low, high = np.zeros(count, int), np.zeros(count, int)
    same: dict[tuple[int, int], bool] = {}

    def alike(a: int, b: int) -> bool:
        if (a, b) not in same:
            same[a, b] = _agreement(labels[a], labels[b]) >= AGREEMENT
        return same[a, b]

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
    """How alike two clusterings are, at most 1: both their scenes and what they set aside."""
    if np.array_equal(a, b):
        return 1.0
    set_aside = 1 - 2 * float(np.mean((a < 0) != (b < 0)))
    return min(float(adjusted_rand_score(_alone(a), _alone(b))), set_aside)


def _alone(labels: np.ndarray) -> np.ndarray:
    """Labels in which every outlier is a scene of its own."""
    alone, outlier = labels.copy(), labels < 0
    alone[outlier] = labels.max() + 1 + np.arange(outlier.sum())
    return alone
