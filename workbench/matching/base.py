"""What the matchers with weights share: pairs of cached features, checked and matched one at a time."""

import copy
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol, Self

import numpy as np

from workbench.errors import ModelError, VideoError
from workbench.parameters import MatchParameters
from workbench.storage.hloc import Features

CACHED_FRAMES = 256  # features (and FLANN indices) kept in memory
Matches = tuple[np.ndarray, np.ndarray]  # matches0 (K_A,) int32, index into b or -1; scores (K_A,) float32, 0 for none


class NetworkMatcher:
    """A network as a :class:`workbench.matching.base.Matcher`; a subclass says how one pair is matched.

    parameters: name of the model and thresholds. length: of the descriptors the network takes. each: goes through the pairs
    as ``map`` does.
    """

    each: Callable[..., Iterable[Matches]] = map

    def __init__(self, parameters: MatchParameters, length: int) -> None:
        self.parameters, self.length = parameters, length

    def tuned(self, parameters: MatchParameters) -> Self:
        """The same network with other thresholds, those of ``parameters``; no weights are read again."""
        tuned = copy.copy(self)
        tuned.parameters = parameters
        return tuned

    def forward(self, a: Features, b: Features) -> Matches:
        """Matches of two frames of one size, both with keypoints."""
        raise NotImplementedError

    def match(self, features_a: Sequence[Features], features_b: Sequence[Features]) -> list[Matches]:
        """Matches of every pair; a pair in which a frame has no keypoints has none.

        Raises :class:`~workbench.errors.ModelError` when the descriptors are not of the model's length or the two
        frames of a pair differ in size.
        """
        pairs = list(zip(features_a, features_b, strict=True))
        for a, b in pairs:
            self._check(a, b)
        return list(self.each(lambda pair: self.forward(*pair) if all(map(len, pair)) else no_matches(pair[0]), pairs))

    def _check(self, a: Features, b: Features) -> None:
        for features in (a, b):
            found = features.descriptors.shape[0]
            if found != self.length:
                other = f"superpoint with a {self.length}-long superpoint_model"
                choice = {128: "sift", 256: "superpoint"}.get(self.length, other)
                raise ModelError(
                    f"{self.parameters.model} takes descriptors of {self.length} numbers, these features have {found}: "
                    f"choose --features.keypoints {choice}, or another --match.model"
                )
        if not np.array_equal(a.image_size, b.image_size):
            raise ModelError(f"{self.parameters.model} takes two frames of one size: match frames of one video only")


class Matcher(Protocol):
    """Matches batches of pairs; a match is mutual: no keypoint of b is given to two keypoints of a."""

    def match(self, features_a: Sequence[Features], features_b: Sequence[Features]) -> list[Matches]:
        """One result a pair; the result of a pair does not depend on the other pairs or on earlier calls."""
        ...


def no_matches(a: Features) -> Matches:
    """The result of a pair without any match."""
    return as_matches(a, np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))


def as_matches(a: Features, chosen: np.ndarray, target: np.ndarray, scores: np.ndarray) -> Matches:
    """Keypoints ``chosen`` of a, their ``target`` in b and scores, clipped to 0 to 1; the rest of a has no match."""
    matches0, scores0 = np.full(len(a), -1, dtype=np.int32), np.zeros(len(a), dtype=np.float32)
    matches0[chosen], scores0[chosen] = target, np.clip(scores, 0, 1)
    return matches0, scores0


def checked_image(image: np.ndarray) -> np.ndarray:
    """``image`` if it is (h, w, 3) uint8 RGB; raises :class:`~workbench.errors.VideoError` otherwise."""
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise VideoError(f"a frame must be (h, w, 3) uint8 RGB, not {image.shape} {image.dtype}: decode the video again")
    return image


def as_features(
    points: np.ndarray, scores: np.ndarray, descriptors: np.ndarray, image: np.ndarray, original_size: tuple[int, int]
) -> Features:
    """Points (K, 2) in working copy pixels, descriptors (K, D) -> :class:`Features` in pixels of the original."""
    scale = np.asarray(original_size, dtype=np.float64) / [image.shape[1], image.shape[0]]
    # hloc's convention: pixel centres are at whole numbers, so half a pixel is added before scaling, taken off after.
    keypoints = (points + 0.5) * scale - 0.5
    return Features(
        keypoints=keypoints.astype(np.float32),
        scores=np.asarray(scores, dtype=np.float32),
        descriptors=np.ascontiguousarray(descriptors.T, dtype=np.float32),
        image_size=np.asarray(original_size, dtype=np.int64),
    )
