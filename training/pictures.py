"""The photographs and clips that models are trained on, and which of them are kept out for validation."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from workbench.errors import UsageError
from workbench.video.decode import decode
from workbench.video.proxies import rgb

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
CLIP_SUFFIXES = (".mp4", ".mkv", ".mov", ".avi", ".webm")


def photographs(folder: str | Path, held_out_tenth: bool = False) -> list[Path]:
    """Paths of the training photographs in a folder, sorted by name, or of the tenth kept out for validation.

    A hash of the file's name decides, so that a picture stays on its side when others are added or taken away. Raises
    :class:`~workbench.errors.UsageError` when the folder has none.
    """
    paths = sorted(path for path in Path(folder).iterdir() if path.suffix.lower() in SUFFIXES)
    chosen = [path for path in paths if (int(hashlib.sha256(path.name.encode()).hexdigest(), 16) % 10 == 0) == held_out_tenth]
    if not chosen:
        raise UsageError(f"{folder} has no photographs for this side of the split: give a folder of .jpg or .png files")
    return chosen


def clips(folder: str | Path, held_out: Sequence[str]) -> list[Path]:
    """Paths of the training clips in a folder, sorted by name; ``held_out`` are file names without suffix.

    Raises :class:`~workbench.errors.UsageError` when nothing is left, or a held-out name is not there (a misspelt name
    would train on the validation clip).
    """
    paths = sorted(path for path in Path(folder).iterdir() if path.suffix.lower() in CLIP_SUFFIXES)
    missing = set(held_out) - {path.stem for path in paths}
    if missing:
        raise UsageError(f"{folder} has no clip called {', '.join(sorted(missing))}: mend held_out_clips")
    chosen = [path for path in paths if path.stem not in held_out]
    if not chosen:
        raise UsageError(f"{folder} has no clips to train on: give a folder of .mp4 or .mkv files")
    return chosen


def shrunk(image: np.ndarray, long_side: int) -> np.ndarray:
    """(h, w, 3) uint8 with its long side at most ``long_side`` px."""
    scale = long_side / max(image.shape[:2])
    if scale >= 1:
        return image
    return cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)


def read_photograph(path: Path, long_side: int) -> np.ndarray:
    """(h, w, 3) uint8 RGB, long side at most ``long_side`` px; raises when the file is no picture."""
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise UsageError(f"{path} is not a picture that OpenCV reads: remove it from the folder")
    return np.ascontiguousarray(shrunk(image, long_side)[:, :, ::-1])


def read_clip(path: Path, long_side: int, step: int = 1) -> np.ndarray:
    """Every ``step``-th frame of a clip in its order: (N, h, w, 3) uint8 RGB, long side at most ``long_side`` px."""
    return np.stack([shrunk(rgb(frame), long_side) for index, frame in decode(path) if index % step == 0])
