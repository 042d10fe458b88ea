"""Correspondences between frames: nearest descriptors, SuperGlue or LightGlue, written to ``matches.h5``."""

import hashlib
from collections.abc import Iterator, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from threadpoolctl import ThreadpoolController

from workbench.errors import ParameterError, RunError
from workbench.parameters import MATCHERS, MatchParameters
from workbench.storage.blocks import Each, Entry, Loaded, Progress, write_in_blocks
from workbench.storage.hloc import Features, checked_pairs, has_pair, match_entry, open_h5, read_features, read_matches

BLOCK = 512  # pairs a block: what a killed run loses at most
BATCH = 16  # pairs handed to the matcher at once
CACHED_FRAMES = 256  # features (and FLANN indices) kept in memory

Matches = tuple[np.ndarray, np.ndarray]  # matches0 (K_A,) int32, index into b or -1; scores (K_A,) float32, 0 for none


class Matcher(Protocol):
    """Matches batches of pairs; a match is mutual: no keypoint of b is given to two keypoints of a."""

    def match(self, features_a: Sequence[Features], features_b: Sequence[Features]) -> list[Matches]:
        """One result a pair; the result of a pair does not depend on the other pairs or on earlier calls."""
        ...


class SiftFlann:
    """Nearest by FLANN's k-d trees (Muja and Lowe, VISAPP 2009), ratio test (Lowe, IJCV 2004), mutual check.

    A keypoint of a is matched when its nearest descriptor in b is nearer than ``ratio`` times the second nearest, and
    when it is itself the nearest one to that keypoint of b. Scores are the cosine of the two descriptors, 0 to 1. A
    frame with fewer than two keypoints has no matches: the ratio is not defined.
    """

    TREES, CHECKS = 4, 20  # as many inliers as with 5 trees and 50 checks, in half the time

    def __init__(self, ratio: float) -> None:
        self.ratio = ratio
        # A frame is in several pairs; Features hash by identity.
        self._index = lru_cache(maxsize=CACHED_FRAMES)(self._build)

    def match(self, features_a: Sequence[Features], features_b: Sequence[Features]) -> list[Matches]:
        """Matches of every pair."""
        return [self._match(a, b) for a, b in zip(features_a, features_b, strict=True)]

    def _match(self, a: Features, b: Features) -> Matches:
        if len(a) < 2 or len(b) < 2:
            return no_matches(a)
        (index_a, rows_a), (index_b, rows_b) = self._index(a), self._index(b)
        found, squared = index_b.knnSearch(rows_a, 2, params={"checks": self.CHECKS})
        # Squared distances, so the ratio is squared too. Only what passes is searched for backwards.
        passed = np.flatnonzero(squared[:, 0] < self.ratio**2 * squared[:, 1])
        if not len(passed):
            return no_matches(a)
        target = found[passed, 0]
        back, _ = index_a.knnSearch(rows_b[target], 1, params={"checks": self.CHECKS})
        mutual = back[:, 0] == passed
        return as_matches(a, passed[mutual], target[mutual], 1 - squared[passed[mutual], 0] / 2)

    @staticmethod
    def _build(features: Features) -> tuple[cv2.flann.Index, np.ndarray]:
        # The trees split at random: with the seed set for every frame, they do not depend on what was built before.
        cv2.setRNGSeed(0)
        rows = np.ascontiguousarray(features.descriptors.T, dtype=np.float32)
        return cv2.flann.Index(rows, {"algorithm": 1, "trees": SiftFlann.TREES}), rows


class SiftExact:
    """As :class:`SiftFlann`, with every descriptor compared (one matrix product): exact, and faster at this size.

    Descriptors of any length and origin do; with a ``ratio`` of 1 the matches are the mutual nearest neighbours.
    """

    def __init__(self, ratio: float) -> None:
        self.ratio = ratio
        self._pools = ThreadpoolController()

    def match(self, features_a: Sequence[Features], features_b: Sequence[Features]) -> list[Matches]:
        """Matches of every pair."""
        # One thread: products this small only lose by sharing, and their sums stay the same on any number of cores.
        with self._pools.limit(limits=1, user_api="blas"):
            return [self._match(a, b) for a, b in zip(features_a, features_b, strict=True)]

    def _match(self, a: Features, b: Features) -> Matches:
        if len(a) < 2 or len(b) < 2:
            return no_matches(a)
        cosine = a.descriptors.T @ b.descriptors
        rows, nearest = np.arange(len(a)), cosine.argmax(axis=1)
        mutual = cosine.argmax(axis=0)[nearest] == rows
        best = cosine[rows, nearest]
        cosine[rows, nearest] = -1
        # For unit vectors the squared distance is 2 - 2 cosine.
        good = mutual & (1 - best < self.ratio**2 * (1 - cosine.max(axis=1)))
        return as_matches(a, rows[good], nearest[good], best[good])


def no_matches(a: Features) -> Matches:
    """The result of a pair without any match."""
    return as_matches(a, np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))


def as_matches(a: Features, chosen: np.ndarray, target: np.ndarray, scores: np.ndarray) -> Matches:
    """Keypoints ``chosen`` of a, their ``target`` in b and scores, clipped to 0 to 1; the rest of a has no match."""
    matches0, scores0 = np.full(len(a), -1, dtype=np.int32), np.zeros(len(a), dtype=np.float32)
    matches0[chosen], scores0[chosen] = target, np.clip(scores, 0, 1)
    return matches0, scores0


def make_matcher(parameters: MatchParameters) -> Matcher:
    """The matcher of these parameters; raises :class:`~workbench.errors.ModelError` when weights cannot be loaded."""
    if parameters.matcher == "sift-flann":
        return SiftFlann(parameters.ratio)
    if parameters.matcher == "sift-exact":
        return SiftExact(parameters.ratio)
    if parameters.matcher == "superglue":
        from workbench.superglue import SuperGlue  # torch and transformers are imported only when they are used

        return SuperGlue(parameters)
    if parameters.matcher == "lightglue":
        from workbench.lightglue import LightGlue

        return LightGlue(parameters)
    raise ParameterError(f"no matcher is called {parameters.matcher}: choose {', '.join(MATCHERS)}")


def match_pairs(
    features_h5: Path,
    pairs: np.ndarray,
    parameters: MatchParameters,
    out: Path,
    key: str,
    progress: bool | Progress = True,
    matcher: Loaded[Matcher] | None = None,
    parts: Path | None = None,
    each: Each = map,
    known: Sequence[Path] = (),
) -> Path:
    """Match pairs of frames and write ``out`` in hloc's layout; returns ``out``.

    features_h5: from :func:`workbench.features.extract`. pairs: (P, 2) int frame positions with a < b, each pair once, in
    any order; no pairs give a file without groups. key: fingerprint of the features and the weights. matcher: default, the one
    of ``parameters``. A killed call goes on from its last finished block of 512 pairs, kept in ``parts``, when
    ``parameters``, ``key`` and ``pairs`` are the same, and ends with the same bytes. each: goes through the blocks as ``map``
    does, perhaps in other processes; then all paths are absolute. known: files with matches of the same features by the same
    matcher; pairs that are in them are taken from there.
    Raises :class:`~workbench.errors.RunError` for a bad pair or a frame that is not in the file, and
    :class:`~workbench.errors.ModelError` when weights cannot be loaded or do not fit the descriptors.
    """
    pairs = checked_pairs(pairs)
    if matcher is None and len(pairs):
        matcher = Loaded(make_matcher, parameters, key)
    compute = partial(_block_matches, features_h5, matcher, known)
    return write_in_blocks(out, pairs, BLOCK, compute, parameters.as_dict(), pairs_key(key, pairs), progress, parts, each)


def _block_matches(features_h5: Path, matcher: Loaded[Matcher], known: Sequence[Path], pairs: np.ndarray) -> Iterator[Entry]:
    there, pairs = split_known(known, pairs)
    for path, some in there:
        with open_h5(path) as file:
            for a, b in some.tolist():
                yield match_entry(a, b, *read_matches(file, a, b))
    with open_h5(features_h5) as file:
        read = lru_cache(maxsize=CACHED_FRAMES)(lambda frame: read_features(file, frame))
        for first in range(0, len(pairs), BATCH):
            batch = pairs[first : first + BATCH].tolist()
            left, right = [read(a) for a, _ in batch], [read(b) for _, b in batch]
            if len({len(some.descriptors) for some in (*left, *right)}) > 1:
                raise RunError(f"{features_h5} has descriptors of different lengths: delete it and run its stage again")
            for (a, b), (matches, scores) in zip(batch, matcher.value.match(left, right), strict=True):
                yield match_entry(a, b, matches, scores)


def split_known(known: Sequence[Path], pairs: np.ndarray) -> tuple[list[tuple[Path, np.ndarray]], np.ndarray]:
    """The pairs (P, 2) that are in files with matches, each with the first file that has it, and the rest."""
    there = []
    for path in known:
        with open_h5(path) as file:
            found = np.array([has_pair(file, a, b) for a, b in pairs.tolist()], dtype=bool)
        there.append((path, pairs[found]))
        pairs = pairs[~found]
    return there, pairs


def pairs_key(key: str, pairs: np.ndarray) -> str:
    """Fingerprint of the features and of the pairs that are matched, in their order."""
    return f"{key} {hashlib.sha256(np.ascontiguousarray(pairs, dtype='<i8').tobytes()).hexdigest()[:16]}"
