"""Features, pairs and matches in the file layout of hloc (github.com/cvg/Hierarchical-Localization).

``features.h5`` has a group a frame, ``matches.h5`` a group ``A/B`` a pair, ``pairs.txt`` a line ``nameA nameB`` a
pair; names are ``%06d.png`` and A < B, so hloc, COLMAP tools and glue-factory read a run. The file attributes
``format_version``, ``parameters`` (JSON) and ``key`` say what made a file: hloc itself reuses stale features
silently. :mod:`workbench.storage.blocks` writes them.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from workbench.errors import MissingStageError, RunError
from workbench.limits import DATASET_ENTRIES, IMAGE_SIDE_PIXELS
from workbench.storage.blocks import FORMAT_VERSION, H5_ERRORS, Entry
from workbench.storage.folder import write_whole


@dataclass(frozen=True, eq=False)
class Features:
    """Keypoints of one frame, strongest first.

    keypoints: (K, 2) float32, x and y in pixels of the original image; the centre of the top left pixel is (0, 0).
    scores: (K,) float32, the detector's own strength, larger is better.
    descriptors: (D, K) float32, unit length columns; float16 in the file.
    image_size: (2,) int64, width and height of the original image, px.
    """

    keypoints: np.ndarray
    scores: np.ndarray
    descriptors: np.ndarray
    image_size: np.ndarray

    def __len__(self) -> int:
        return len(self.keypoints)


def frame_name(frame: int) -> str:
    """Name of the frame at a 0-based position: ``000007.png``."""
    return f"{frame:06d}.png"


def pair_name(a: int, b: int) -> str:
    """Group of a pair in ``matches.h5``: ``000001.png/000007.png``; hloc replaces ``/`` inside a name by ``-``."""
    return "/".join(frame_name(frame).replace("/", "-") for frame in (a, b))


def checked_pairs(pairs: np.ndarray) -> np.ndarray:
    """``pairs`` (P, 2) as int64, sorted; raises :class:`RunError` unless every a < b and no pair is there twice."""
    pairs = np.asarray(pairs, dtype=np.int64).reshape(-1, 2)
    if (pairs[:, 0] >= pairs[:, 1]).any():
        raise RunError("pairs must have the lower frame first and two different frames: sort every pair")
    unique = np.unique(pairs, axis=0)
    if len(unique) != len(pairs):
        raise RunError(f"{len(pairs) - len(unique)} pairs are there twice: pass every pair once")
    return unique


def write_pairs(path: Path, pairs: np.ndarray) -> Path:
    """Write ``pairs.txt`` from (P, 2) int frame positions with a < b; lines are sorted."""
    lines = [f"{frame_name(a)} {frame_name(b)}\n" for a, b in checked_pairs(pairs)]
    return write_whole(path, "".join(lines))


def read_pairs(path: Path) -> np.ndarray:
    """Frame positions (P, 2) int64 from ``pairs.txt``; an empty file gives (0, 2)."""
    if not path.is_file():
        raise MissingStageError(f"{path} is missing: run the match stage first")
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        names = line.split()
        if len(names) != 2 or not all(name.endswith(".png") and name[:-4].isdigit() for name in names):
            raise RunError(f"{path} line {number} is not a pair of frame names: run the match stage again")
        rows.append([int(name[:-4]) for name in names])
    return np.array(rows, dtype=np.int64).reshape(-1, 2)


@contextmanager
def open_h5(path: Path) -> Iterator[h5py.File]:
    """Open a features or matches file for reading; raises when it is missing, damaged, or of another format version."""
    if not path.is_file():
        raise MissingStageError(f"{path} is missing: run the stage that writes it first")
    try:
        file = h5py.File(path, "r")
        version = file.attrs.get("format_version")
    except H5_ERRORS as error:
        raise RunError(f"{path} is damaged: delete it and run its stage again") from error
    with file:
        if not np.isscalar(version) or version != FORMAT_VERSION:
            raise RunError(f"{path} is not of format version {FORMAT_VERSION}: delete it and run its stage again")
        yield file


def read_features(file: h5py.File, frame: int) -> Features:
    """Features of one frame from an open ``features.h5``; raises :class:`RunError` when the frame is not in it."""
    keypoints, image_size = read_keypoints(file, frame)
    name, count = frame_name(frame), len(keypoints)
    return Features(
        keypoints=keypoints,
        scores=_read(file, name, "scores", "f", (count,)),
        descriptors=_read(file, name, "descriptors", "f", (None, count)).astype(np.float32),
        image_size=image_size,
    )


def read_keypoints(file: h5py.File, frame: int) -> tuple[np.ndarray, np.ndarray]:
    """Keypoints (K, 2) float32 and image size (2,) int64 of one frame, without its descriptors; raises as above."""
    name = frame_name(frame)
    if not _holds(file, name):
        raise RunError(f"{name} is not in {file.filename}: run the features stage again")
    image_size = _read(file, name, "image_size", "iu", (2,))
    if not ((image_size > 0) & (image_size <= IMAGE_SIDE_PIXELS)).all():
        raise _damaged(file, name, "image_size")
    return _read(file, name, "keypoints", "f", (None, 2)), image_size


def keypoint_counts(features_h5: Path, frames: int) -> np.ndarray:
    """(N,) int: how many keypoints each of the first ``frames`` frames of a features file has; raises as above."""
    with open_h5(features_h5) as file:
        return np.array([len(_dataset(file, frame_name(frame), "keypoints")) for frame in range(frames)], dtype=int)


def has_pair(file: h5py.File, a: int, b: int) -> bool:
    """Whether an open ``matches.h5`` has matches of a pair (a < b); raises :class:`RunError` when it is damaged."""
    return _holds(file, pair_name(a, b))


def _holds(file: h5py.File, group: str) -> bool:
    try:
        return group in file
    except H5_ERRORS as error:
        raise _damaged(file, group, "index") from error


def _dataset(file: h5py.File, group: str, name: str) -> h5py.Dataset:
    """A dataset of an open file. Links that lead to other files, and data that lie in them, are refused: a file may come from a
    stranger. Raises :class:`RunError`.
    """
    place: h5py.Group | h5py.Dataset = file
    try:
        for part in (*group.split("/"), name):
            # Through h5py's low level: group.get(part, getlink=True) says the same and takes as long as all the rest.
            if not isinstance(place, h5py.Group) or place.id.links.get_info(part.encode()).type != h5py.h5l.TYPE_HARD:
                raise _damaged(file, group, name)
            place = place[part]
        if not isinstance(place, h5py.Dataset) or place.external or place.is_virtual:
            raise _damaged(file, group, name)
    except H5_ERRORS as error:
        raise _damaged(file, group, name) from error
    return place


def _read(file: h5py.File, group: str, name: str, kinds: str, shape: tuple[int | None, ...]) -> np.ndarray:
    """A dataset in memory, of one of these kinds ("f", "iu") and this shape; floats are finite. Raises :class:`RunError`."""
    try:
        found = _dataset(file, group, name)
        fits = len(found.shape) == len(shape) and all(want in (None, got) for want, got in zip(shape, found.shape, strict=True))
        if found.dtype.kind not in kinds or not fits or found.size > DATASET_ENTRIES:
            raise _damaged(file, group, name)
        values = found[()]
    except H5_ERRORS as error:
        raise _damaged(file, group, name) from error
    if kinds == "f" and not np.isfinite(values).all():
        raise _damaged(file, group, name)
    return values


def _damaged(file: h5py.File, group: str, name: str) -> RunError:
    return RunError(f"{name} of {group} in {file.filename} is damaged: delete the file and run its stage again")


def read_matches(file: h5py.File, a: int, b: int, counts: tuple[int, int] | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Matches of a pair (a < b) from an open ``matches.h5``. counts: how many keypoints a and b have, when known.

    Returns (K_A,) int32 indices into the keypoints of b, -1 for none, and (K_A,) float32 scores, 0 for none. Raises
    :class:`RunError` when the pair is not in the file, or what is there are no matches between so many keypoints.
    """
    name = pair_name(a, b)
    if not _holds(file, name):
        raise RunError(f"pair {name} is not in {file.filename}: run the match stage again")
    matches = _read(file, name, "matches0", "iu", (counts[0] if counts else None,))
    if counts and len(matches) and not -1 <= matches.min() <= matches.max() < counts[1]:
        raise _damaged(file, name, "matches0")
    return matches, _read(file, name, "matching_scores0", "f", (len(matches),))


def feature_entry(frame: int, features: Features) -> Entry:
    """One frame as it is stored; only descriptors are float16 (float16 keypoints would lose pixels above 1,024)."""
    return frame_name(frame), {
        "keypoints": features.keypoints.astype(np.float32),
        "scores": features.scores.astype(np.float32),
        "descriptors": features.descriptors.astype(np.float16),
        "image_size": features.image_size.astype(np.int64),
    }


def match_entry(a: int, b: int, matches: np.ndarray, scores: np.ndarray) -> Entry:
    """One pair as it is stored."""
    return pair_name(a, b), {
        "matches0": matches.astype(np.int32),
        "matching_scores0": scores.astype(np.float32),
    }
