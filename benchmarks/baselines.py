"""Two earlier ways to restore a video, made again from their descriptions, to measure the workbench against.

Arrays in, labels and order out. Both are given what makes them faster or better than they were, and each says where.
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

RATIO = 0.7  # Lowe's ratio
TREES, CHECKS = 5, 50  # FLANN, as in OpenCV's tutorial
SIFT_LENGTH = 128


@dataclass
class Result:
    """What a method found: ``labels`` (N,) int, scene of every frame, -1 = outlier; ``places`` (N,) int, place in the
    scene, -1 for outliers; ``pairs``, how many were matched by keypoints; ``seconds`` of every step.
    """

    labels: np.ndarray
    places: np.ndarray
    pairs: int = 0
    seconds: dict[str, float] = field(default_factory=dict)

    def timed(self, step: str, work: Callable[..., Any], *arguments: Any) -> Any:
        """``work(*arguments)``, its time added to ``seconds[step]``."""
        start = time.perf_counter()
        value = work(*arguments)
        self.seconds[step] = self.seconds.get(step, 0) + time.perf_counter() - start
        return value

    def positions(self) -> np.ndarray:
        """Kept frames as they follow each other in the restored video, scene by scene."""
        kept = np.flatnonzero(self.labels >= 0)
        return kept[np.lexsort((self.places[kept], self.labels[kept]))]

    def rows(self) -> list[OrderRow]:
        """The result as ``order.csv`` has it."""
        both = zip(self.labels.tolist(), self.places.tolist(), strict=True)
        return [OrderRow(position, scene, place) for position, (scene, place) in enumerate(both)]


def raw_pixels(images: np.ndarray) -> Result:
    """The way of the best public tools for shuffled videos: raw pixels and a travelling-salesman path.

    images: (N, h, w, 3) uint8 RGB. Frames are compared by the Euclidean distance of their pixels, all with all. A frame is
    foreign when its mean distance to the others lies above Q3 + 1.5 IQR of all frames; what is left is one scene, along
    the shortest open path. Such tools hold all full-size frames in memory; working copies are kinder in time and memory.
    """
    result = Result(np.zeros(len(images), dtype=int), np.full(len(images), -1))
    distances = result.timed("distances", value_distances, images)
    result.labels[far_off(distances)] = -1
    kept = np.flatnonzero(result.labels == 0)
    order = result.timed("order", shortest_path, distances[np.ix_(kept, kept)])
    result.places[kept[order]] = np.arange(len(kept))
    return result


def far_off(distances: np.ndarray) -> np.ndarray:
    """(N, N) distances -> (N,) bool: the mean distance to the others is above Q3 + 1.5 IQR of all (Tukey's rule)."""
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
    """The workbench's first design: SIFT matches of all pairs, blended with embeddings, and a greedy chain.

    images: (N, h, w, 3) uint8 RGB. labels: (N,) int from DBSCAN on embeddings, -1 = outlier: the design's own way to
    find scenes, so the workbench's labels serve here too. similarity: (N, N) cosine similarity of the embeddings, which
    weighs 1 - ``alpha`` beside the match counts; 1 leaves the counts alone.

    OpenCV's SIFT as it comes (contrast threshold 0.04), FLANN with k-d trees, Lowe's ratio, no mutual check, no
    geometry; then from the most central frame always on to the most similar one that is left. Kinder than the original
    in three ways: keypoints and trees are made once a frame, not once a pair; at most ``max_keypoints`` on working
    copies, where the original took 1,024 at 640 px; pairs only inside scenes.
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
    """(h, w, 3) uint8 RGB -> (K, 128) float32, SIFT descriptors (Lowe, IJCV 2004) of the strongest keypoints."""
    points, found = cv2.SIFT_create().detectAndCompute(cv2.cvtColor(np.asarray(image), cv2.COLOR_RGB2GRAY), None)
    if not points:
        return np.zeros((0, SIFT_LENGTH), np.float32)
    strength = np.array([point.response for point in points])
    return found[np.argsort(-strength, kind="stable")[:max_keypoints]]


def match_counts(descriptors: list[np.ndarray]) -> np.ndarray:
    """Descriptors of n frames, (K, 128) float32 each -> (n, n) matches of every pair by FLANN and Lowe's ratio.

    A pair is searched once, from the earlier frame to the later one; a frame with fewer than two keypoints matches none.
    """
    cv2.setRNGSeed(0)  # the trees split at random
    trees = [cv2.flann.Index(rows, {"algorithm": 1, "trees": TREES}) if len(rows) > 1 else None for rows in descriptors]
    counts = np.zeros((len(descriptors), len(descriptors)))
    for a in range(len(descriptors)):
        for b in range(a + 1, len(descriptors)):
            if trees[a] is not None and trees[b] is not None:
                _, squared = trees[b].knnSearch(descriptors[a], 2, params={"checks": CHECKS})
                counts[a, b] = counts[b, a] = np.count_nonzero(squared[:, 0] < RATIO**2 * squared[:, 1])
    return counts
