"""Figures of an embedding on cases with a ground truth: how well it separates scenes, and finds neighbours in time."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from workbench.embedding.distances import cosine_distances
from workbench.evaluation.files import OUTLIER, OrderRow, TruthRow
from workbench.evaluation.metrics import evaluate
from workbench.parameters import ClusterParameters
from workbench.scenes.cluster import cluster
from workbench.scenes.eps import SWEEP

NEAREST_FRAMES = 8  # frames among which a temporal neighbour is searched, as many as the first candidates of the matcher


@dataclass(frozen=True)
class Clustered:
    """What DBSCAN finds at one eps.

    Attributes
    ----------
    eps : float
        Cosine distance.
    outliers, scenes : float
        Outlier F1 and scene pair F1, 0 to 1.
    """

    eps: float
    outliers: float
    scenes: float

    @property
    def perfect(self) -> bool:
        """Whether every frame is where it belongs."""
        return self.outliers == self.scenes == 1


@dataclass(frozen=True)
class CaseScores:
    """Figures of one backbone on one case. F1 scores and recall are 0 to 1, eps are cosine distances.

    Attributes
    ----------
    truth : sequence of TruthRow
        What every frame is.
    distances : (N, N) float32 array
        Cosine distances of all frames.
    outliers, scenes : (E,) float array
        Outlier F1 and scene pair F1 at every eps of the workbench's sweep.
    recall : float
        See :func:`neighbour_recall`.
    seconds : float
        CPU time to embed all frames, in one thread.
    """

    truth: Sequence[TruthRow]
    distances: np.ndarray
    outliers: np.ndarray
    scenes: np.ndarray
    recall: float
    seconds: float

    @property
    def perfect(self) -> np.ndarray:
        """(E,) bool: at which eps of the sweep both F1 scores are 1."""
        return (self.outliers == 1) & (self.scenes == 1)

    @property
    def best(self) -> Clustered:
        """At the best eps: the middle one of those with the largest product of both F1 scores."""
        product = self.outliers * self.scenes
        places = np.flatnonzero(product == product.max())
        place = int(places[len(places) // 2])
        return Clustered(float(SWEEP[place]), float(self.outliers[place]), float(self.scenes[place]))

    def suggested(self, typical_eps: float) -> Clustered:
        """At the eps that the workbench suggests for a backbone with this typical eps; 0 where it has none."""
        labels, eps, _ = cluster(self.distances, ClusterParameters(), typical_eps)
        return Clustered(eps, *f1_scores(self.truth, labels))


def f1_scores(truth: Sequence[TruthRow], labels: np.ndarray) -> tuple[float, float]:
    """Outlier F1 and scene pair F1, 0 to 1, of (N,) labels, -1 for outliers.

    :func:`~workbench.evaluation.metrics.evaluate` defines both.
    """
    rows = [OrderRow(position, int(label), position if label >= 0 else -1) for position, label in enumerate(labels)]
    found = evaluate(truth, rows)
    return found["outlier_f1"], found["scene_f1"]


def neighbour_recall(truth: Sequence[TruthRow], distances: np.ndarray, neighbours: int = NEAREST_FRAMES) -> float:
    """Share of scene frames that have a temporal neighbour among the frames nearest to them.

    A temporal neighbour is a frame of the same clip, 1 or 2 frames away. Frames that have none in the video do not count.

    Parameters
    ----------
    truth : sequence of TruthRow
        What every frame is.
    distances : (N, N) array
        Distances of all frames, in the order of ``truth``.
    neighbours : int
        How many of the nearest frames are searched, foreign frames among them.

    Returns
    -------
    float
        The share, 0 to 1.
    """
    clips, frames = np.array([row.clip for row in truth]), np.array([row.frame for row in truth])
    apart = np.abs(frames[:, None] - frames[None])
    close = (clips[:, None] == clips[None]) & (apart >= 1) & (apart <= 2) & (clips != OUTLIER)[:, None]
    others = distances.astype(np.float64)
    np.fill_diagonal(others, np.inf)
    nearest = np.argsort(others, axis=1, kind="stable")[:, :neighbours]
    found = np.take_along_axis(close, nearest, axis=1).any(axis=1)
    return float(found[close.any(axis=1)].mean())


def score(truth: Sequence[TruthRow], embeddings: np.ndarray, seconds: float) -> CaseScores:
    """Compute the figures of a case.

    Parameters
    ----------
    truth : sequence of TruthRow
        What every frame is.
    embeddings : (N, D) float32 array
        Vectors of unit length, in the order of ``truth``.
    seconds : float
        CPU time to embed all frames, in one thread.

    Returns
    -------
    CaseScores
        The figures.
    """
    distances = cosine_distances(embeddings)
    _, _, sweep = cluster(distances, ClusterParameters())
    scores = np.array([f1_scores(truth, sweep.tree.labels(eps)) for eps in SWEEP])
    return CaseScores(truth, distances, scores[:, 0], scores[:, 1], neighbour_recall(truth, distances), seconds)


def common_eps(cases: Sequence[CaseScores]) -> tuple[float, float, int]:
    """The eps at which the most cases are perfect: lower end and upper end of their range, and the number of these cases."""
    counts = np.sum([scores.perfect for scores in cases], axis=0)
    best = SWEEP[counts == counts.max()]
    return float(best.min()), float(best.max()), int(counts.max())


def middle_eps(cases: Sequence[CaseScores]) -> float:
    """The typical eps of a backbone, cosine distance: the middle of :func:`common_eps` on a logarithmic scale."""
    low, high, _ = common_eps(cases)
    return float(np.sqrt(low * high))


def left_out(cases: Sequence[CaseScores]) -> list[Clustered]:
    """For every case, what the workbench finds with the typical eps of all other cases: what a new clip can expect."""
    others = ([case for case in cases if case is not own] for own in cases)
    return [own.suggested(middle_eps(rest)) for own, rest in zip(cases, others, strict=True)]
