"""The frames as small pictures on disk, read when they are asked for."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike


class WorkingCopies(Sequence[np.ndarray]):
    """(N, h, w, 3) uint8 RGB in a ``.npy`` file. ``copies[3]``, ``copies[5:9]``, ``copies[[4, 1]]`` are ordinary arrays in
    memory, ``np.asarray(copies)`` is all of them at once.

    Nothing stays mapped: a mapped file counts as memory of the process, and that of a long clip is larger than all else.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self.shape: tuple[int, ...] = self._mapped().shape

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> np.ndarray:
        return np.array(self._mapped()[key])

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> np.ndarray:
        if copy is False:
            raise ValueError("working copies lie on disk: without a copy there is no array of them")
        return np.array(self._mapped(), dtype=dtype)

    def _mapped(self) -> np.memmap:
        return np.lib.format.open_memmap(self.file, mode="r")  # knows no pickles, and holds the shape against the file's size
