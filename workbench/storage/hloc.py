"""Features, pairs and matches in the file layout of hloc (github.com/cvg/Hierarchical-Localization).

``features.h5`` has one group per frame, ``matches.h5`` one group ``A/B`` per pair, ``pairs.txt`` one line ``nameA nameB``
per pair; names are ``%06d.png`` and A < B, so hloc, COLMAP tools and glue-factory read a run. The file attributes
``format_version``, ``parameters`` (JSON) and ``key`` say what a file was made from: hloc itself reuses stale features
silently. :mod:`workbench.storage.blocks` writes them.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from workbench.errors import MissingStageError, RunError
from workbench.limits import IMAGE_SIDE_PIXELS
from workbench.storage.arrays import damaged_dataset, find_dataset, has_group, read_dataset
from workbench.storage.blocks import FORMAT_VERSION, H5_ERRORS, Entry
from workbench.storage.folder import write_whole


@dataclass(frozen=True, eq=False)
class Features:
    """Keypoints of one frame, strongest first.

    Attributes
    ----------
    keypoints : (K, 2) float32 array
        x and y in pixels of the original image; the centre of the top left pixel is (0, 0).
    scores : (K,) float32 array
        The detector's own strength, larger is better.
    descriptors : (D, K) float32 array
        Columns of unit length; float16 in the file.
    image_size : (2,) int64 array
        Width and height of the original image, px.
    """

    keypoints: np.ndarray
    scores: np.ndarray
    descriptors: np.ndarray
    image_size: np.ndarray

    def __len__(self) -> int:
        return len(self.keypoints)


def frame_name(frame: int) -> str:
    """Name a frame.

    Parameters
    ----------
    frame : int
        0-based position in the video.

    Returns
    -------
    str
        Six digits at least, such as ``000007.png``.
    """
    return f"{frame:06d}.png"


def pair_name(a: int, b: int) -> str:
    """Name the group of a pair in ``matches.h5``.

    Parameters
    ----------
    a, b : int
        0-based positions of two frames, a < b.

    Returns
    -------
    str
        Both names, such as ``000001.png/000007.png``; as in hloc, ``/`` inside a name would become ``-``.
    """
    return "/".join(frame_name(frame).replace("/", "-") for frame in (a, b))


def checked_pairs(pairs: np.ndarray) -> np.ndarray:
    """Sort pairs, and check them.

    Parameters
    ----------
    pairs : (P, 2) int array
        Positions of two frames each.

    Returns
    -------
    (P, 2) int64 array
        The pairs, sorted ascending by first, then second frame.

    Raises
    ------
    RunError
        Unless a < b in every pair, and no pair is there twice.
    """
    pairs = np.asarray(pairs, dtype=np.int64).reshape(-1, 2)
    if (pairs[:, 0] >= pairs[:, 1]).any():
        raise RunError("pairs must have the lower frame first and two different frames: sort every pair")
    unique = np.unique(pairs, axis=0)
    if len(unique) != len(pairs):
        raise RunError(f"{len(pairs) - len(unique)} pairs are there twice: pass every pair once")
    return unique


def write_pairs(path: Path, pairs: np.ndarray) -> Path:
    """Write ``pairs.txt``, with sorted lines.

    Parameters
    ----------
    path : Path
        The file to write.
    pairs : (P, 2) int array
        Positions of two frames each, a < b.

    Returns
    -------
    Path
        ``path``.

    Raises
    ------
    RunError
        Unless a < b in every pair, and no pair is there twice.
    """
    lines = [f"{frame_name(a)} {frame_name(b)}\n" for a, b in checked_pairs(pairs)]
    return write_whole(path, "".join(lines))


def read_pairs(path: Path) -> np.ndarray:
    """Read ``pairs.txt``.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    (P, 2) int64 array
        Positions of two frames per line; (0, 2) for an empty file.

    Raises
    ------
    MissingStageError
        When the file is not there.
    RunError
        When a line is not a pair of frame names.
    """
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
    """Open a features or matches file for reading, as a context manager.

    Parameters
    ----------
    path : Path
        The file.

    Yields
    ------
    h5py.File
        The open file.

    Raises
    ------
    MissingStageError
        When the file is not there.
    RunError
        When it is damaged, or of another format version.
    """
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
    """Read the features of one frame.

    Parameters
    ----------
    file : h5py.File
        An open ``features.h5``.
    frame : int
        0-based position of the frame.

    Returns
    -------
    Features
        Keypoints, scores, descriptors and image size, all finite.

    Raises
    ------
    RunError
        When the frame is not in the file, or damaged there.
    """
    keypoints, image_size = read_keypoints(file, frame)
    name, count = frame_name(frame), len(keypoints)
    return Features(
        keypoints=keypoints,
        scores=read_dataset(file, name, "scores", "f", (count,)),
        descriptors=read_dataset(file, name, "descriptors", "f", (None, count)).astype(np.float32),
        image_size=image_size,
    )


def read_keypoints(file: h5py.File, frame: int) -> tuple[np.ndarray, np.ndarray]:
    """Read the keypoints of one frame, without its descriptors.

    Parameters
    ----------
    file : h5py.File
        An open ``features.h5``.
    frame : int
        0-based position of the frame.

    Returns
    -------
    keypoints : (K, 2) float32 array
        x and y in pixels of the original image.
    image_size : (2,) int64 array
        Width and height of that image, px.

    Raises
    ------
    RunError
        When the frame is not in the file, or damaged there.
    """
    name = frame_name(frame)
    try:
        image_size = read_dataset(file, name, "image_size", "iu", (2,))
    except RunError:
        if has_group(file, name):
            raise
        raise RunError(f"{name} is not in {file.filename}: run the features stage again") from None
    if not ((image_size > 0) & (image_size <= IMAGE_SIDE_PIXELS)).all():
        raise damaged_dataset(file, name, "image_size")
    return read_dataset(file, name, "keypoints", "f", (None, 2)), image_size


def keypoint_counts(features_h5: Path, frames: int) -> np.ndarray:
    """Count the keypoints of frames, without reading them.

    Parameters
    ----------
    features_h5 : Path
        A features file.
    frames : int
        N: the first so many frames of the video are counted.

    Returns
    -------
    (N,) int array
        How many keypoints each frame has.

    Raises
    ------
    MissingStageError
        When the file is not there.
    RunError
        When it is damaged, or lacks one of the frames.
    """
    with open_h5(features_h5) as file:
        return np.array([find_dataset(file, frame_name(frame), "keypoints").shape[0] for frame in range(frames)], dtype=int)


def has_pair(file: h5py.File, a: int, b: int) -> bool:
    """Check whether a file has the matches of a pair.

    Parameters
    ----------
    file : h5py.File
        An open ``matches.h5``.
    a, b : int
        0-based positions of two frames, a < b.

    Returns
    -------
    bool
        Whether the pair is in the file; it may have no match.

    Raises
    ------
    RunError
        When the file is damaged.
    """
    return has_group(file, pair_name(a, b))


def read_matches(file: h5py.File, a: int, b: int, counts: tuple[int, int] | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Read the matches of a pair.

    Parameters
    ----------
    file : h5py.File
        An open ``matches.h5``.
    a, b : int
        0-based positions of two frames, a < b.
    counts : (int, int), optional
        K_A and K_B, how many keypoints a and b have; without it they are not checked.

    Returns
    -------
    matches : (K_A,) int32 array
        Indices into the keypoints of b, -1 for a keypoint without a match.
    scores : (K_A,) float32 array
        Scores of the matches, 0 without a match.

    Raises
    ------
    RunError
        When the pair is not in the file, or what is there cannot be matches between so many keypoints.
    """
    matches = read_matched(file, a, b, counts)
    return matches, read_dataset(file, pair_name(a, b), "matching_scores0", "f", (len(matches),))


def read_matched(file: h5py.File, a: int, b: int, counts: tuple[int, int] | None = None) -> np.ndarray:
    """Read which keypoints of a pair match, without their scores.

    Parameters
    ----------
    file, a, b, counts : h5py.File, int, int, (int, int)
        As for :func:`read_matches`.

    Returns
    -------
    (K_A,) int32 array
        Indices into the keypoints of b, -1 for a keypoint without a match.

    Raises
    ------
    RunError
        When the pair is not in the file, or what is there cannot be matches between so many keypoints.
    """
    name = pair_name(a, b)
    try:
        matches = read_dataset(file, name, "matches0", "iu", (counts[0] if counts else None,))
    except RunError:
        if has_group(file, name):
            raise
        raise RunError(f"pair {name} is not in {file.filename}: run the match stage again") from None
    if counts and len(matches) and not -1 <= matches.min() <= matches.max() < counts[1]:
        raise damaged_dataset(file, name, "matches0")
    return matches


def feature_entry(frame: int, features: Features) -> Entry:
    """Describe one frame as it is stored.

    Parameters
    ----------
    frame : int
        0-based position of the frame.
    features : Features
        Its features.

    Returns
    -------
    (str, dict of str to array)
        Name of the group, and its datasets. Only descriptors are float16: float16 keypoints would lose pixels above 1,024.
    """
    return frame_name(frame), {
        "keypoints": features.keypoints.astype(np.float32),
        "scores": features.scores.astype(np.float32),
        "descriptors": features.descriptors.astype(np.float16),
        "image_size": features.image_size.astype(np.int64),
    }


def match_entry(a: int, b: int, matches: np.ndarray, scores: np.ndarray) -> Entry:
    """Describe one pair as it is stored.

    Parameters
    ----------
    a, b : int
        0-based positions of two frames, a < b.
    matches : (K_A,) int array
        Indices into the keypoints of b, -1 for a keypoint without a match.
    scores : (K_A,) float array
        Scores of the matches, 0 without a match.

    Returns
    -------
    (str, dict of str to array)
        Name of the group, and its datasets: int32 matches and float32 scores.
    """
    return pair_name(a, b), {
        "matches0": matches.astype(np.int32),
        "matching_scores0": scores.astype(np.float32),
    }
