"""Two earlier methods to restore a video, reimplemented from their descriptions as baselines for the workbench.

They take arrays and return labels and order. Each has some advantage over the original method, which its docstring names.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np

from workbench.embedding.distances import value_distances
from workbench.evaluation.files import OrderRow
from workbench.ordering.path import blend, greedy_chain, shortest_path

LOWE_RATIO = 0.7
FLANN_TREES, FLANN_CHECKS = 5, 50  # as in OpenCV's tutorial
SIFT_LENGTH = 128  # of a descriptor


@dataclass
class Result:
    """What a method found.

    Attributes
    ----------
    labels : (N,) int array
        Scene of every frame, -1 for outliers.
    places : (N,) int array
        Place of every frame in its scene, -1 for outliers.
    pairs : int
        Number of pairs of frames that were matched by keypoints.
    seconds : dict of float
        Time of every step, by name.
    """

    labels: np.ndarray
    places: np.ndarray
    pairs: int = 0
    seconds: dict[str, float] = field(default_factory=dict)

    def timed(self, step: str, work: Callable[..., Any], *arguments: Any) -> Any:
        """Return ``work(*arguments)``, and add the time it takes to ``seconds[step]``."""
        start = time.perf_counter()
        value = work(*arguments)
        self.seconds[step] = self.seconds.get(step, 0) + time.perf_counter() - start
        return value

    def positions(self) -> np.ndarray:
        """The positions of the kept frames in the order of the restored video, scene by scene."""
        kept = np.flatnonzero(self.labels >= 0)
        return kept[np.lexsort((self.places[kept], self.labels[kept]))]

    def rows(self) -> list[OrderRow]:
        """The result in the form of ``order.csv``, one row per frame."""
        both = zip(self.labels.tolist(), self.places.tolist(), strict=True)
        return [OrderRow(position, scene, place) for position, (scene, place) in enumerate(both)]


def raw_pixels(images: np.ndarray) -> Result:
    """Restore a video as the best public tools for shuffled videos do: raw pixels and a travelling-salesman path.

    All pairs of frames are compared by the Euclidean distance of their pixels. A frame is foreign when its mean distance to the
    others lies above Q3 + 1.5 IQR of all frames; the others are one scene, ordered by the shortest open path.

    Parameters
    ----------
    images : (N, h, w, 3) uint8 array
        Working copies of the frames, RGB. The original tools hold all full-size frames in memory, so working copies are an
        advantage in time and memory.

    Returns
    -------
    Result
        One scene and the outliers.
    """
    result = Result(np.zeros(len(images), dtype=int), np.full(len(images), -1))
    distances = result.timed("distances", value_distances, images)
    result.labels[tukey_outliers(distances)] = -1
    kept = np.flatnonzero(result.labels == 0)
    order = result.timed("order", shortest_path, distances[np.ix_(kept, kept)])
    result.places[kept[order]] = np.arange(len(kept))
    return result


def tukey_outliers(distances: np.ndarray) -> np.ndarray:
    """Apply Tukey's rule to (N, N) distances: (N,) bool, whether the mean distance to the others is above Q3 + 1.5 IQR."""
    means = distances.sum(axis=1) / max(1, len(distances) - 1)
    low, high = np.percentile(means, [25, 75])
    return means > high + 1.5 * (high - low)


def greedy_baseline(
    images: Sequence[np.ndarray],
    labels: np.ndarray,
    similarity: np.ndarray,
    alpha: float = 0.5,
    max_keypoints: int = 300,
) -> Result:
    """Order scenes by the greedy baseline: SIFT + FLANN matches of all pairs, blended with embeddings, and a greedy chain.

    SIFT runs with OpenCV's defaults (contrast threshold 0.04), FLANN with k-d trees and Lowe's ratio, without a mutual check or
    a geometric one. The chain starts at the most central frame and always continues with the most similar remaining one.

    Parameters
    ----------
    images : sequence of (h, w, 3) uint8 array
        Working copies of the N frames, RGB.
    labels : (N,) int array
        Scenes found by DBSCAN on embeddings, -1 for outliers. The original method finds scenes in this way, so the labels of
        the workbench are used.
    similarity : (N, N) array
        Cosine similarity of the embeddings.
    alpha : float
        Weight of the match counts, 0 to 1; the similarity has the rest.
    max_keypoints : int
        Maximum per frame.

    Returns
    -------
    Result
        The given labels, and the place of every frame in its scene.

    Notes
    -----
    It has three advantages over the original: keypoints and search trees are computed once per frame instead of once per pair;
    there are at most ``max_keypoints`` on working copies instead of 1,024 at 640 px; only pairs inside scenes are matched.
    """
    result = Result(labels, np.full(len(labels), -1))
    descriptors = result.timed("features", lambda: [sift(image, max_keypoints) for image in images])
    for scene in range(labels.max(initial=-1) + 1):
        frames = np.flatnonzero(labels == scene)
        counts = result.timed("match", match_counts, [descriptors[frame] for frame in frames])
        result.pairs += len(frames) * (len(frames) - 1) // 2
        chain = result.timed("order", greedy_chain, blend(counts, similarity[np.ix_(frames, frames)], alpha))
        result.places[frames[chain]] = np.arange(len(frames))
    return result


def sift(image: np.ndarray, max_keypoints: int) -> np.ndarray:
    """SIFT descriptors (Lowe, IJCV 2004), (K, 128) float32, of the strongest keypoints of an (h, w, 3) uint8 RGB picture."""
    points, found = cv2.SIFT_create().detectAndCompute(cv2.cvtColor(np.asarray(image), cv2.COLOR_RGB2GRAY), None)
    if not points:
        return np.zeros((0, SIFT_LENGTH), np.float32)
    strength = np.array([point.response for point in points])
    return found[np.argsort(-strength, kind="stable")[:max_keypoints]]


def match_counts(descriptors: list[np.ndarray]) -> np.ndarray:
    """Count the matches of all pairs of n frames by FLANN and Lowe's ratio.

    A pair is searched once, from the earlier frame to the later one; a frame with fewer than two keypoints has no matches.

    Parameters
    ----------
    descriptors : list of (K, 128) float32 array
        SIFT descriptors of every frame.

    Returns
    -------
    (n, n) float array
        Numbers of matches, symmetric, 0 on the diagonal.
    """
    cv2.setRNGSeed(0)  # the trees split at random
    trees = [cv2.flann.Index(rows, {"algorithm": 1, "trees": FLANN_TREES}) if len(rows) > 1 else None for rows in descriptors]
    counts = np.zeros((len(descriptors), len(descriptors)))
    for a in range(len(descriptors)):
        for b in range(a + 1, len(descriptors)):
            if trees[a] is not None and trees[b] is not None:
                _, squared = trees[b].knnSearch(descriptors[a], 2, params={"checks": FLANN_CHECKS})
                counts[a, b] = counts[b, a] = np.count_nonzero(squared[:, 0] < LOWE_RATIO**2 * squared[:, 1])
    return counts
