"""The frames as small pictures on disk, read when they are asked for."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from workbench.errors import RunError

AGAIN = "the video was read again meanwhile; in a notebook, run all cells again"


class WorkingCopies(Sequence[np.ndarray]):
    """(N, h, w, 3) uint8 RGB in a ``.npy`` file. ``copies[3]``, ``copies[5:9]``, ``copies[[4, 1]]`` are ordinary arrays in
    memory, ``np.asarray(copies)`` is all of them at once. Raises :class:`~workbench.errors.RunError` when the file was replaced
    by that of other frames since it was opened.

    Nothing stays mapped: a mapped file counts as memory of the process, and that of a long clip is larger than all else.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self.shape: tuple[int, ...] = np.lib.format.open_memmap(file, mode="r").shape

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> np.ndarray:
        try:
            found = np.lib.format.open_memmap(self.file, mode="r")  # knows no pickles, and holds the shape against the size
        except (OSError, ValueError) as error:
            raise RunError(f"{self.file} cannot be read any more: {AGAIN}") from error
        if found.shape != self.shape:
            raise RunError(f"{self.file} has other frames than before: {AGAIN}")
        return np.array(found[key])

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> np.ndarray:
        if copy is False:
            raise ValueError("working copies lie on disk: without a copy there is no array of them")
        whole = np.load(self.file)  # not self[:], which for a moment has the mapped file beside its copy
        return whole if dtype is None else whole.astype(dtype)
