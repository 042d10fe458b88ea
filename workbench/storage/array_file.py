"""Arrays that are put aside on disk while a program runs, where recomputing them costs more than reading them."""

import os
import tempfile
import weakref
from collections.abc import Iterable
from pathlib import Path

import numpy as np


class ArrayFile:
    """A temporary file of arrays, which is gone with the object.

    Parameters
    ----------
    folder : Path or None
        Where it lies; it has no name there where the system allows that. None for the system's folder of temporary files.
    """

    def __init__(self, folder: Path | None) -> None:
        self._file = tempfile.TemporaryFile(dir=folder, prefix=".arrays-")  # noqa: SIM115 (closed with the object)
        weakref.finalize(self, self._file.close)

    def append(self, arrays: Iterable[np.ndarray]) -> int:
        """Write arrays at the end of the file.

        Parameters
        ----------
        arrays : iterable of arrays
            Of any shape and type of number.

        Returns
        -------
        int
            Where they lie, for :meth:`read`.
        """
        place = self._file.seek(0, os.SEEK_END)
        for array in arrays:
            np.save(self._file, array, allow_pickle=False)
        return place

    def read(self, place: int, count: int) -> list[np.ndarray]:
        """Read arrays that were written together.

        Parameters
        ----------
        place : int
            From :meth:`append`.
        count : int
            How many there are.

        Returns
        -------
        list of arrays
            As they were written.
        """
        self._file.seek(place)
        return [np.load(self._file, allow_pickle=False) for _ in range(count)]
