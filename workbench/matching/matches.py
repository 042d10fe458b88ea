"""Correspondences between frames: nearest descriptors, SuperGlue or LightGlue, written to ``matches.h5``."""

import hashlib
from collections.abc import Iterator, Sequence
from functools import lru_cache, partial
from pathlib import Path

import numpy as np

from workbench.errors import ParameterError, RunError
from workbench.matching.base import CACHED_FRAMES, Matcher
from workbench.matching.nearest import SiftExact, SiftFlann
from workbench.parameters import MATCHERS, MatchParameters
from workbench.storage.blocks import Each, Entry, Loaded, Progress, write_in_blocks
from workbench.storage.hloc import checked_pairs, has_pair, match_entry, open_h5, read_features, read_matches

BLOCK = 512  # pairs a block: what a killed run loses at most
BATCH = 16  # pairs handed to the matcher at once


def make_matcher(parameters: MatchParameters) -> Matcher:
    """The matcher of these parameters; raises :class:`~workbench.errors.ModelError` when weights cannot be loaded."""
    if parameters.matcher == "sift-flann":
        return SiftFlann(parameters.ratio)
    if parameters.matcher == "sift-exact":
        return SiftExact(parameters.ratio)
    if parameters.matcher == "superglue":
        from workbench.matching.superglue import SuperGlue

        return SuperGlue(parameters)
    if parameters.matcher == "lightglue":
        from workbench.matching.lightglue import LightGlue

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

    features_h5: from :func:`workbench.matching.keypoints.extract`. pairs: (P, 2) int frame positions with a < b, each pair once, in
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
