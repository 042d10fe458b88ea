"""Correspondences between the frames of many pairs, by the matcher that is chosen, written to ``matches.h5``."""

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache, partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from workbench.errors import ParameterError, RunError
from workbench.matching.base import Matcher
from workbench.matching.cascade import NearestFirst
from workbench.matching.pairs import pairs_by_part
from workbench.parameters import MATCHERS, METHODS, NETWORK_MATCHERS, MatchParameters, load_class
from workbench.storage.blocks import BlockJob, Entry, Loaded, write_in_blocks
from workbench.storage.hloc import Features, checked_pairs, has_pair, match_entry, open_h5, read_features, read_matches
from workbench.storage.opened import OpenedFeatures

BLOCK_PAIRS = 128  # pairs per block: what a killed run, or a worker that dies, loses at most; a second or two
BATCH_PAIRS = 16  # pairs handed to the matcher at once
KEPT_FRAMES = 512  # frames whose features stay in memory, 130 kB each: those of a scene, for pairs that come scene by scene


def make_matcher(parameters: MatchParameters) -> Matcher:
    """Make the matcher of these parameters.

    Parameters
    ----------
    parameters : MatchParameters
        Of these, ``matcher`` names the matcher.

    Returns
    -------
    Matcher
        What matches pairs of frames.

    Raises
    ------
    ParameterError
        When no matcher has this name.
    ModelError
        When weights cannot be loaded.
    """
    if parameters.matcher not in MATCHERS:
        raise ParameterError(f"no matcher is called {parameters.matcher}: choose {', '.join(MATCHERS)}")
    matcher: Matcher = load_class(METHODS[parameters.matcher].matcher)(parameters)
    return matcher


def make_cascade(parameters: MatchParameters, make: Callable[[MatchParameters], Matcher] = make_matcher) -> Matcher:
    """Make what matches the pairs of a run.

    Parameters
    ----------
    parameters : MatchParameters
        Of these, ``matcher`` names the matcher; ``nearest_inliers`` says which pairs a network is spared, 0 for none.
    make : callable
        Makes the matcher.

    Returns
    -------
    Matcher
        The matcher, for a network behind :class:`NearestFirst`.

    Raises
    ------
    ParameterError
        When no matcher has this name.
    ModelError
        When weights cannot be loaded.
    """
    matcher = make(parameters)
    if parameters.matcher not in NETWORK_MATCHERS or not parameters.nearest_inliers:
        return matcher
    return NearestFirst(matcher, parameters.nearest_inliers)


class KeptFeatures(OpenedFeatures):
    """Reads the features of frames; those read last stay in memory, from block to block and from call to call.

    It is pickled as the path of the file: another process reads them itself.

    Parameters
    ----------
    features_h5 : Path
        From :func:`~workbench.matching.keypoints.extract`.

    Attributes
    ----------
    read : callable
        Position of a frame -> its :class:`~workbench.storage.hloc.Features`; inside of ``opened``.
    """

    def __init__(self, features_h5: Path) -> None:
        super().__init__(features_h5)
        self.read = lru_cache(maxsize=KEPT_FRAMES)(self._read)

    def __reduce__(self) -> tuple[type["KeptFeatures"], tuple[Path]]:
        return KeptFeatures, (self.features_h5,)

    def _read(self, frame: int) -> Features:
        return read_features(self._file, frame)


def match_pairs(
    features_h5: Path,
    pairs: np.ndarray,
    parameters: MatchParameters,
    out: Path,
    job: BlockJob,
    matcher: Loaded[Matcher] | None = None,
    kept: KeptFeatures | None = None,
) -> Path:
    """Match pairs of frames and write their matches in hloc's layout.

    A killed call goes on from its last finished block, when ``parameters``, ``job.key`` and ``pairs`` are the same, and ends
    with the same bytes.

    Parameters
    ----------
    features_h5 : Path
        From :func:`~workbench.matching.keypoints.extract`.
    pairs : (P, 2) int array
        Positions of frames with a < b, each pair once, in any order; no pairs give a file without groups.
    parameters : MatchParameters
        Which matcher, with which thresholds.
    out : Path
        The file to write.
    job : BlockJob
        Its key is a fingerprint of the features and the weights; ``reuse`` names files with matches of the same features by the
        same matcher.
    matcher : Loaded, optional
        The matcher, when it is loaded already; default the one of ``parameters``.
    kept : KeptFeatures, optional
        Of the same file, where several calls read it.

    Returns
    -------
    Path
        ``out``.

    Raises
    ------
    RunError
        For a bad pair, or a frame that is not in the file.
    ModelError
        When weights cannot be loaded or do not fit the descriptors.
    """
    pairs = checked_pairs(pairs)
    if matcher is None and len(pairs):
        matcher = Loaded(make_cascade, parameters, job.key)
    compute = partial(_block_matches, kept or KeptFeatures(features_h5), matcher, job.reuse)
    keyed = BlockJob(pairs_key(job.key, pairs), job.parts, job.progress, job.map_blocks)
    return write_in_blocks(out, pairs_by_part(pairs).tolist(), BLOCK_PAIRS, compute, parameters.as_dict(), keyed)


def _block_matches(
    features: KeptFeatures, matcher: Loaded[Matcher] | None, reuse: Sequence[Path], some: Sequence[list[int]]
) -> Iterator[Entry]:
    matched, new = split_matched(reuse, np.array(some, dtype=np.int64).reshape(-1, 2))
    for path, pairs in matched:
        with open_h5(path) as file:
            for a, b in pairs.tolist():
                yield match_entry(a, b, *read_matches(file, a, b))
    if matcher is None or not len(new):
        return
    with features.opened():
        yield from _new_matches(features, matcher.value, new)


def _new_matches(features: KeptFeatures, matcher: Matcher, pairs: np.ndarray) -> Iterator[Entry]:
    for first in range(0, len(pairs), BATCH_PAIRS):
        batch: list[Any] = pairs[first : first + BATCH_PAIRS].tolist()
        left, right = [features.read(a) for a, _ in batch], [features.read(b) for _, b in batch]
        if len({len(some.descriptors) for some in (*left, *right)}) > 1:
            raise RunError(f"{features.features_h5} has descriptors of different lengths: delete it and run its stage again")
        for (a, b), (matches, scores) in zip(batch, matcher.match(left, right), strict=True):
            yield match_entry(a, b, matches, scores)


def split_matched(files: Sequence[Path], pairs: np.ndarray) -> tuple[list[tuple[Path, np.ndarray]], np.ndarray]:
    """Split pairs into those that files with matches hold, and the rest.

    Parameters
    ----------
    files : sequence of Path
        Files in hloc's layout.
    pairs : (P, 2) int array
        Positions of frames with a < b.

    Returns
    -------
    matched : list of (Path, (Q, 2) int array)
        Every file with the pairs that it holds and the files before do not.
    new : (R, 2) int array
        The pairs that no file holds.
    """
    matched = []
    for path in files:
        with open_h5(path) as file:
            found = np.array([has_pair(file, a, b) for a, b in pairs.tolist()], dtype=bool)
        matched.append((path, pairs[found]))
        pairs = pairs[~found]
    return matched, pairs


def pairs_key(key: str, pairs: np.ndarray) -> str:
    """Give a fingerprint that also covers which pairs are matched, in their order.

    Parameters
    ----------
    key : str
        Fingerprint of the features and the weights.
    pairs : (P, 2) int array
        Positions of frames.

    Returns
    -------
    str
        ``key`` and 16 hexadecimal digits.
    """
    return f"{key} {sha256(np.ascontiguousarray(pairs, dtype='<i8').tobytes()).hexdigest()[:16]}"
