"""Read the photographs and clips that models are trained on, and choose those kept out for validation."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from workbench.errors import UsageError
from workbench.video.decode import decode
from workbench.video.proxies import rgb

PHOTOGRAPH_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
CLIP_SUFFIXES = (".mp4", ".mkv", ".mov", ".avi", ".webm")


def photographs(folder: str | Path, held_out_tenth: bool = False) -> list[Path]:
    """List the training photographs of a folder, or the tenth that is kept out for validation.

    A hash of the file name decides, so that a picture stays on its side of the split when others are added or removed.

    Parameters
    ----------
    folder : str or Path
        Folder of pictures.
    held_out_tenth : bool
        Which side of the split to list.

    Returns
    -------
    list of Path
        Sorted by name.

    Raises
    ------
    ~workbench.errors.UsageError
        The folder has no photograph on this side of the split.
    """
    paths = sorted(path for path in Path(folder).iterdir() if path.suffix.lower() in PHOTOGRAPH_SUFFIXES)
    chosen = [path for path in paths if (int(hashlib.sha256(path.name.encode()).hexdigest(), 16) % 10 == 0) == held_out_tenth]
    if not chosen:
        raise UsageError(f"{folder} has no photographs for this side of the split: give a folder of .jpg or .png files")
    return chosen


def clips(folder: str | Path, held_out: Sequence[str]) -> list[Path]:
    """List the training clips of a folder.

    Parameters
    ----------
    folder : str or Path
        Folder of videos.
    held_out : sequence of str
        File names, without suffix, of the clips to leave out.

    Returns
    -------
    list of Path
        Sorted by name.

    Raises
    ------
    ~workbench.errors.UsageError
        No clip is left, or a held-out name does not exist: with a misspelt name, the validation clip would be trained on.
    """
    paths = sorted(path for path in Path(folder).iterdir() if path.suffix.lower() in CLIP_SUFFIXES)
    missing = set(held_out) - {path.stem for path in paths}
    if missing:
        raise UsageError(f"{folder} has no clip called {', '.join(sorted(missing))}: correct held_out_clips")
    chosen = [path for path in paths if path.stem not in held_out]
    if not chosen:
        raise UsageError(f"{folder} has no clips to train on: give a folder of .mp4 or .mkv files")
    return chosen


def shrunk(image: np.ndarray, long_side: int) -> np.ndarray:
    """Shrink an (h, w, 3) uint8 picture so that its long side is at most ``long_side`` px."""
    scale = long_side / max(image.shape[:2])
    if scale >= 1:
        return image
    return cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)


def read_photograph(path: Path, long_side: int) -> np.ndarray:
    """Read a picture as (h, w, 3) uint8 RGB, its long side at most ``long_side`` px.

    Raises
    ------
    ~workbench.errors.UsageError
        OpenCV cannot read the file.
    """
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise UsageError(f"{path} is not a picture that OpenCV can read: remove it from the folder")
    return np.ascontiguousarray(shrunk(image, long_side)[:, :, ::-1])


def read_clip(path: Path, long_side: int) -> np.ndarray:
    """Read the frames of a clip in order: (N, h, w, 3) uint8 RGB, long side at most ``long_side`` px."""
    return np.stack([shrunk(rgb(frame), long_side) for _, frame in decode(path)])
