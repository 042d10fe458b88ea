"""Matching and registering pairs in rounds: what a search asks for next depends on what the pairs before have shown."""

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from workbench.matching.matches import make_matcher, match_pairs, pairs_key, split_known
from workbench.matching.pairs import not_among
from workbench.parameters import MatchParameters, RegisterParameters
from workbench.registration.tables import register_pairs
from workbench.storage.blocks import Each, Loaded, is_made_from, join_files


class PairComparer:
    """Compares pairs of frames, round after round, each kept in a file of its own until all are joined.

    A killed run that asks for the same pairs again finds finished rounds as they were.
    features_h5: from :func:`workbench.matching.keypoints.extract`. images: (N, h, w, 3) uint8 RGB working copies. key: fingerprint of the
    features and the weights. parts: folder for the rounds. each: goes through blocks of pairs as ``map`` does, perhaps in other
    processes; then all paths are absolute. known: files with matches of the same features by the same matcher, which are not
    looked for again; ``taken`` counts the pairs found there. Raises :class:`~workbench.errors.ModelError` when weights cannot
    be loaded.
    """

    def __init__(
        self,
        features_h5: Path,
        images: Sequence[np.ndarray],
        parameters: MatchParameters,
        key: str,
        parts: Path,
        progress: bool = True,
        each: Each = map,
        known: Sequence[Path] = (),
    ) -> None:
        self.features_h5, self.images, self.parameters, self.key = features_h5, images, parameters, key
        self.parts, self.progress, self.each, self.known = parts, progress, each, known
        self.matcher = Loaded(make_matcher, parameters, key)
        self.files: list[Path] = []
        self.parts.mkdir(parents=True, exist_ok=True)
        self._continued = any(self.parts.iterdir())
        self.taken, self._matched, self._seconds = 0, 0, 0.0

    def compare(self, pairs: np.ndarray) -> pd.DataFrame:
        """Match and register pairs, (P, 2) int, a < b: the rows of :func:`workbench.registration.tables.register_pairs`."""
        file = self.parts / f"matches-round{len(self.files) + 1}.h5"
        if not is_made_from(file, self.parameters.as_dict(), pairs_key(self.key, pairs)):
            given = self.features_h5, pairs, self.parameters, file, self.key, self.progress, self.matcher
            new, start = len(split_known(self.known, pairs)[1]), time.perf_counter()
            match_pairs(*given, each=self.each, known=self.known)
            self.taken, self._matched = self.taken + len(pairs) - new, self._matched + new
            self._seconds += time.perf_counter() - start
        self.files.append(file)
        # Which pairs come next is a question of the default threshold; the register stage may look with another one.
        return register_pairs(self.features_h5, file, pairs, self.images, RegisterParameters().threshold, progress=False)

    @property
    def seconds_each(self) -> float | None:
        """What a pair took to match, s; None when some were known, or matched before a kill, and it cannot be told."""
        return self._seconds / self._matched if self._matched and not self.taken and not self._continued else None

    def compare_more(self, table: pd.DataFrame, pairs: np.ndarray) -> pd.DataFrame:
        """The rows of ``table`` and those of ``pairs`` that are not among them, sorted by pair."""
        new = not_among(pairs, table)
        rows = self.compare(new) if len(new) else table[:0]
        return pd.concat([table, rows], ignore_index=True).sort_values(["a", "b"], ignore_index=True)

    def join(self, out: Path, pairs: np.ndarray) -> Path:
        """All rounds in one file, as if ``pairs``, all that were compared, had been matched at once; returns ``out``."""
        return join_files(out, self.files, self.parameters.as_dict(), pairs_key(self.key, pairs))
