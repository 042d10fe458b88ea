"""Matching and registering pairs in rounds: what a search asks for next depends on what the pairs before have shown."""

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from workbench.matching.matches import KeptFeatures, make_cascade, match_pairs, pairs_key, split_matched
from workbench.matching.pairs import pairs_by_part
from workbench.parameters import METHODS, MatchParameters, RegisterParameters
from workbench.registration.tables import KeptFrames, register_pairs
from workbench.storage.blocks import BlockJob, Loaded, is_made_from, join_files


class PairComparer:
    """Compares pairs of frames, round after round, and keeps every round in a file of its own until all are joined.

    A killed run that asks for the same pairs again finds finished rounds as they were.

    Parameters
    ----------
    features_h5 : Path
        From :func:`~workbench.matching.keypoints.extract`.
    images : (N, h, w, 3) uint8 sequence
        RGB working copies.
    parameters : MatchParameters
        Which matcher, with which thresholds.
    parts : Path
        Folder for the rounds.
    job : BlockJob
        Its key is a fingerprint of the features and the weights; ``reuse`` names files with matches of the same features by the
        same matcher, which are not computed again.

    Attributes
    ----------
    files : list of Path
        The files of the rounds so far.
    threshold : float
        How far an inlier may lie off, px of the working copy.
    reused : int
        How many pairs were found in the files of ``job.reuse``.

    Raises
    ------
    ModelError
        When weights cannot be loaded.
    """

    def __init__(
        self, features_h5: Path, images: Sequence[np.ndarray], parameters: MatchParameters, parts: Path, job: BlockJob
    ) -> None:
        self.features_h5, self.images, self.parameters, self.parts = features_h5, images, parameters, parts
        self._features, self._frames = KeptFeatures(features_h5), KeptFrames(features_h5, images)
        # Which pairs come next is a question of the default threshold; the register stage may take another one.
        self.threshold = RegisterParameters().threshold
        self.job = replace(job, parts=None)  # a round has its blocks beside its own file
        self.matcher = Loaded(make_cascade, parameters, job.key)
        self.files: list[Path] = []
        self.parts.mkdir(parents=True, exist_ok=True)
        self._continued = any(self.parts.iterdir())
        self.reused, self._matched, self._seconds = 0, 0, 0.0
        self._compared, self._found = 0, 0  # pairs of all rounds before; those of them that a killed run left

    def compare(self, pairs: np.ndarray) -> pd.DataFrame:
        """Match and register pairs.

        Parameters
        ----------
        pairs : (P, 2) int array
            Positions a < b, sorted, none of them twice.

        Returns
        -------
        DataFrame
            The rows of :func:`~workbench.registration.tables.register_pairs`.
        """
        file = self.parts / f"matches-round{len(self.files) + 1}.h5"
        if is_made_from(file, self.parameters.as_dict(), pairs_key(self.job.key, pairs)):
            self._found += len(pairs)
        else:
            new, start = len(split_matched(self.job.reuse, pairs)[1]), time.perf_counter()
            match_pairs(self.features_h5, pairs, self.parameters, file, self._round_job(), self.matcher, self._features)
            self.reused, self._matched = self.reused + len(pairs) - new, self._matched + new
            self._seconds += time.perf_counter() - start
        self._compared += len(pairs)
        self.files.append(file)
        least = METHODS[self.parameters.matcher].min_inliers
        parted = pairs_by_part(pairs)
        rows = register_pairs(self.features_h5, file, parted, self.images, self.threshold, False, least, self._frames)
        return rows.sort_values(["a", "b"], ignore_index=True)

    def _round_job(self) -> BlockJob:
        """The job of the next round. A function is told the pairs of all rounds; how many more come, nobody knows."""
        told, compared, found = self.job.progress, self._compared, self._found
        if not callable(told):
            return self.job
        return replace(self.job, progress=lambda done, before, _total: told(compared + done, found + before, 0))

    @property
    def seconds_per_pair(self) -> float | None:  # numpydoc ignore=RT01
        """What a pair took to match, s; None when some were reused, or matched before a kill, and it cannot be known."""
        return self._seconds / self._matched if self._matched and not self.reused and not self._continued else None

    def join(self, out: Path, pairs: np.ndarray) -> Path:
        """Join all rounds in one file, as if all pairs had been matched at once.

        Parameters
        ----------
        out : Path
            The file to write.
        pairs : (P, 2) int array
            All pairs that were compared, sorted.

        Returns
        -------
        Path
            ``out``.
        """
        return join_files(out, self.files, self.parameters.as_dict(), pairs_key(self.job.key, pairs))
