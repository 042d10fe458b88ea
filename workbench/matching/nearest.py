"""Nearest neighbours between descriptors, by FLANN or by comparing all of them."""

from collections.abc import Sequence
from functools import lru_cache

import cv2
import numpy as np
from threadpoolctl import ThreadpoolController

from workbench.matching.base import CACHED_FRAMES, Matches, as_matches, no_matches
from workbench.parameters import MatchParameters
from workbench.storage.hloc import Features
from workbench.threads import in_threads


class SiftFlann:
    """Nearest neighbours by FLANN's k-d trees, with a ratio test and a mutual check.

    A keypoint of a is matched when its nearest descriptor in b is nearer than ``ratio`` times the second nearest, and when
    it is itself the nearest one to that keypoint of b. A frame with fewer than two keypoints has no matches: the ratio is
    not defined.

    Parameters
    ----------
    parameters : MatchParameters
        Of these, ``ratio``, 0.3 to 1; 1 takes all mutual nearest neighbours.

    Notes
    -----
    k-d trees: Muja and Lowe, "Fast approximate nearest neighbors with automatic algorithm configuration", VISAPP 2009. Ratio
    test: Lowe, "Distinctive image features from scale-invariant keypoints", IJCV 2004, section 7.1.
    """

    TREES, CHECKS = 4, 20  # as many inliers as with 5 trees and 50 checks, in half the time

    def __init__(self, parameters: MatchParameters) -> None:
        self.ratio = parameters.ratio
        # A frame is in several pairs; Features hash by identity.
        self._index = lru_cache(maxsize=CACHED_FRAMES)(self._build)

    def match(self, features_a: Sequence[Features], features_b: Sequence[Features]) -> list[Matches]:
        """Match a batch of pairs.

        Parameters
        ----------
        features_a, features_b : sequence of Features
            The first and the second frame of every pair.

        Returns
        -------
        list of Matches
            One result per pair; scores are the cosine of the two descriptors, 0 to 1.
        """
        return list(in_threads(lambda pair: self._match(*pair), zip(features_a, features_b, strict=True)))

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
        # The trees split at random: with this thread's seed set for every frame, they do not depend on what was built before.
        cv2.setRNGSeed(0)
        rows = np.ascontiguousarray(features.descriptors.T, dtype=np.float32)
        return cv2.flann.Index(rows, {"algorithm": 1, "trees": SiftFlann.TREES}), rows


class SiftExact:
    """Nearest neighbours as in :class:`SiftFlann`, with every descriptor compared: exact, and faster at this size.

    Descriptors of any length and origin will do; all of them are compared in one product of matrices.

    Parameters
    ----------
    parameters : MatchParameters
        Of these, ``ratio``, 0.3 to 1; 1 takes all mutual nearest neighbours.
    """

    def __init__(self, parameters: MatchParameters) -> None:
        self.ratio = parameters.ratio
        self._pools = ThreadpoolController()

    def match(self, features_a: Sequence[Features], features_b: Sequence[Features]) -> list[Matches]:
        """Match a batch of pairs.

        Parameters
        ----------
        features_a, features_b : sequence of Features
            The first and the second frame of every pair.

        Returns
        -------
        list of Matches
            One result per pair; scores are the cosine of the two descriptors, 0 to 1.
        """
        # Cores share the pairs, not the products: these are small, and their sums stay the same on any number of cores.
        with self._pools.limit(limits=1, user_api="blas"):
            return list(in_threads(lambda pair: self._match(*pair), zip(features_a, features_b, strict=True)))

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
