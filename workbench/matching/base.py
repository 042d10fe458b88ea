"""What detectors and matchers have in common: what goes in, what comes out, and the checks that all of them need."""

import copy
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol, Self

import numpy as np

from workbench.errors import ModelError, VideoError
from workbench.parameters import MatchParameters
from workbench.storage.hloc import Features

CACHED_FRAMES = 256  # frames whose features, or search trees over them, are kept in memory
Matches = tuple[np.ndarray, np.ndarray]  # matches0 (K_A,) int32, index into b or -1; scores (K_A,) float32, 0 for none


class Detector(Protocol):
    """Finds the keypoints of a frame and describes them. Made from the parameters of the features stage.

    Attributes
    ----------
    threads : int or None
        How many frames may be worked on at once; None for as many as there are cores.
    """

    threads: int | None

    def __call__(self, image: np.ndarray, original_size: tuple[int, int]) -> Features:
        """Find the features of one frame.

        Parameters
        ----------
        image : (h, w, 3) uint8 array
            RGB working copy.
        original_size : tuple of int
            Width and height of the original, px; keypoints are in its pixels.

        Returns
        -------
        Features
            The keypoints, strongest first.
        """
        ...


class Matcher(Protocol):
    """Matches pairs of frames. Made from the parameters of the match stage."""

    def match(self, features_a: Sequence[Features], features_b: Sequence[Features]) -> list[Matches]:
        """Match a batch of pairs.

        Parameters
        ----------
        features_a, features_b : sequence of Features
            The first and the second frame of every pair.

        Returns
        -------
        list of Matches
            One result per pair. It is mutual: no keypoint of b is given to two keypoints of a. It does not depend on the other
            pairs or on earlier calls.
        """
        ...


class NetworkMatcher:
    """A network as a :class:`Matcher`: checks the features and matches one pair at a time. A subclass matches the pair.

    Parameters
    ----------
    parameters : MatchParameters
        Name of the model and thresholds.
    length : int
        Length of the descriptors that the network takes.

    Attributes
    ----------
    map_pairs : callable
        Goes through the pairs as ``map`` does.
    takes_any_sizes : bool
        Whether the two frames of a pair may differ in size.
    """

    map_pairs: Callable[..., Iterable[Matches]] = map
    takes_any_sizes = True

    def __init__(self, parameters: MatchParameters, length: int) -> None:
        self.parameters, self.length = parameters, length

    def tuned(self, parameters: MatchParameters) -> Self:
        """Give the same network other thresholds; no weights are read again.

        Parameters
        ----------
        parameters : MatchParameters
            The new thresholds.

        Returns
        -------
        NetworkMatcher
            A matcher that shares the weights with this one.
        """
        tuned = copy.copy(self)
        tuned.parameters = parameters
        return tuned

    def forward(self, a: Features, b: Features) -> Matches:
        """Match one pair.

        Parameters
        ----------
        a, b : Features
            Two frames, both with keypoints.

        Returns
        -------
        Matches
            The matches and their scores.
        """
        raise NotImplementedError

    def match(self, features_a: Sequence[Features], features_b: Sequence[Features]) -> list[Matches]:
        """Match a batch of pairs; a pair in which a frame has no keypoints has no matches.

        Parameters
        ----------
        features_a, features_b : sequence of Features
            The first and the second frame of every pair.

        Returns
        -------
        list of Matches
            One result per pair.

        Raises
        ------
        ModelError
            When the descriptors are not of the model's length, or the two frames of a pair differ in size and may not.
        """
        pairs = list(zip(features_a, features_b, strict=True))
        for a, b in pairs:
            self._check(a, b)
        return list(self.map_pairs(lambda pair: self.forward(*pair) if all(map(len, pair)) else no_matches(pair[0]), pairs))

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
        if not self.takes_any_sizes and not np.array_equal(a.image_size, b.image_size):
            raise ModelError(f"{self.parameters.model} takes two frames of one size: match frames of one video only")


def no_matches(a: Features) -> Matches:
    """Give the result of a pair without any match.

    Parameters
    ----------
    a : Features
        The first frame of the pair.

    Returns
    -------
    Matches
        -1 and a score of 0 for each of its keypoints.
    """
    return as_matches(a, np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))


def as_matches(a: Features, chosen: np.ndarray, target: np.ndarray, scores: np.ndarray) -> Matches:
    """Write matched keypoints as one entry per keypoint of a.

    Parameters
    ----------
    a : Features
        The first frame of the pair.
    chosen : (M,) int array
        Its keypoints that are matched.
    target : (M,) int array
        The keypoint of b that each of them is matched with.
    scores : (M,) float array
        Their scores, clipped to 0 to 1.

    Returns
    -------
    Matches
        ``target`` and ``scores`` at ``chosen``; -1 and 0 for the other keypoints.
    """
    matches0, scores0 = np.full(len(a), -1, dtype=np.int32), np.zeros(len(a), dtype=np.float32)
    matches0[chosen], scores0[chosen] = target, np.clip(scores, 0, 1)
    return matches0, scores0


def checked_image(image: np.ndarray) -> np.ndarray:
    """Check that a frame is an RGB image.

    Parameters
    ----------
    image : (h, w, 3) uint8 array
        The frame.

    Returns
    -------
    (h, w, 3) uint8 array
        The same frame.

    Raises
    ------
    VideoError
        When it has another shape or type.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise VideoError(f"a frame must be (h, w, 3) uint8 RGB, not {image.shape} {image.dtype}: decode the video again")
    return image


def as_features(
    points: np.ndarray, scores: np.ndarray, descriptors: np.ndarray, image: np.ndarray, original_size: tuple[int, int]
) -> Features:
    """Bring what a detector found on a working copy into the form that is stored.

    Parameters
    ----------
    points : (K, 2) float array
        x and y, px of the working copy; the centre of the top left pixel is (0, 0).
    scores : (K,) float array
        The strength of every keypoint.
    descriptors : (K, D) float array
        Descriptors of length 1.
    image : (h, w, 3) uint8 array
        The working copy.
    original_size : tuple of int
        Width and height of the original, px.

    Returns
    -------
    Features
        The keypoints in pixels of the original.
    """
    scale = np.asarray(original_size, dtype=np.float64) / [image.shape[1], image.shape[0]]
    # hloc's convention: pixel centres are at whole numbers, so half a pixel is added before scaling, taken off after.
    keypoints = (points + 0.5) * scale - 0.5
    return Features(
        keypoints=keypoints.astype(np.float32),
        scores=np.asarray(scores, dtype=np.float32),
        descriptors=np.ascontiguousarray(descriptors.T, dtype=np.float32),
        image_size=np.asarray(original_size, dtype=np.int64),
    )
