"""Read what stages left in a run directory: arrays and tables, each checked before anything is computed with it.

A file may have been damaged, or come from a stranger. Whatever is wrong with it is reported as a
:class:`~workbench.errors.RunError` of one line; sizes are checked against the file before memory is taken, and no pickle is
ever loaded.
"""

import math
import threading
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import h5py
import numpy as np
import pandas as pd
from numpy.typing import DTypeLike

from workbench.errors import RunError
from workbench.limits import DATASET_ENTRIES, RUN_TABLE_BYTES
from workbench.storage.blocks import H5_ERRORS

# What NumPy, pandas and zipfile raise for files that are not what their names say.
UNREADABLE = (OSError, ValueError, KeyError, EOFError, OverflowError, MemoryError, NotImplementedError, zipfile.BadZipFile)
READ_AGAIN = (
    "the video was read again meanwhile; in a notebook, run all cells again"  # why working copies changed, and the remedy
)
# NumPy reads a header with Python's own parser, which in Python 3.11 may fail when several threads are in it
# (python/cpython issue 106905).
_HEADER_LOCK = threading.Lock()
Shape = tuple[int | None, ...]  # None: any length
Limits = dict[str, tuple[float, float]]  # least and greatest value of a column


def damaged(file: Path, reason: object) -> RunError:
    """Make the error for a file of a run that is not what it should be.

    Parameters
    ----------
    file : Path
        The file.
    reason : object
        What is wrong with it: an exception or a text; its first 200 characters are shown, in one line.

    Returns
    -------
    RunError
        To be raised; it says how to make the file again.
    """
    text = " ".join(str(reason).split())[:200]
    return RunError(f"{file} is damaged ({text}): delete it, and run `workbench reconstruct VIDEO` again")


def read_array(file: Path, kind: type[np.generic], shape: Shape) -> np.ndarray:
    """Map a ``.npy`` file into memory, for reading.

    Parameters
    ----------
    file : Path
        The file.
    kind : numpy dtype
        The dtype that the array must have.
    shape : tuple of (int or None)
        The shape that it must have; None stands for any length of that axis.

    Returns
    -------
    ndarray
        The array, memory-mapped and read-only. Floats are all finite.

    Raises
    ------
    RunError
        When the file cannot be read, or holds an array of another dtype or shape, or numbers that are not finite.
    """
    try:
        found = np.lib.format.open_memmap(file, mode="r")  # loads no pickles, and checks the shape against the file's size
    except UNREADABLE as error:
        raise damaged(file, error) from error
    if found.dtype != kind or not _fits(found.shape, shape):
        wanted = ", ".join("any" if side is None else str(side) for side in shape)
        raise damaged(file, f"{found.dtype} {found.shape} where {np.dtype(kind)} ({wanted}) should be")
    if found.dtype.kind == "f" and not np.isfinite(found).all():
        raise damaged(file, "not all of it are finite numbers")
    return found


def read_table(
    file: Path, whole: Limits, real: Sequence[str] = (), empty: Sequence[str] = (), rows: int | None = None
) -> pd.DataFrame:
    """Read a CSV table of a run.

    Parameters
    ----------
    file : Path
        The file.
    whole : dict of str to (float, float)
        Columns that must hold whole numbers, with the least and greatest value allowed.
    real : sequence of str, optional
        Columns that must hold finite numbers.
    empty : sequence of str, optional
        Columns, of these two kinds, in which cells may be empty.
    rows : int, optional
        How many rows there must be, with a column ``position`` that counts them from 0; without it any number.

    Returns
    -------
    DataFrame
        All columns of the file. Those in ``whole`` are int64, or Int64 with NA where they may be empty; those in ``real`` are
        float64.

    Raises
    ------
    RunError
        When the file cannot be read or is too large, or a column or value is not as demanded.
    """
    try:
        if file.stat().st_size > RUN_TABLE_BYTES:
            raise ValueError("it is far too large")
        # A file may be called 001, or NA. A column of a long table has one type, whichever part of it is empty.
        table = pd.read_csv(file, converters={"name": str}, low_memory=False)
    except UNREADABLE as error:
        raise damaged(file, error) from error
    missing = [name for name in (*whole, *real) if name not in table]
    if missing:
        raise damaged(file, f"it has no column {', '.join(missing)}")
    for name in (*whole, *real):
        values = pd.to_numeric(table[name], errors="coerce").astype(np.float64)
        if (values.isna() & ~(table[name].isna() & (name in empty))).any():
            raise damaged(file, f"not all of column {name} are numbers")
        if name in whole:
            low, high = whole[name]
            if not (values.isna() | ((values >= low) & (values <= high) & (values % 1 == 0))).all():
                raise damaged(file, f"not all of column {name} are whole numbers from {low:.0f} to {high:.0f}")
            table[name] = values.astype("Int64" if name in empty else np.int64)
        elif np.isinf(values).any():
            raise damaged(file, f"not all of column {name} are finite numbers")
        else:
            table[name] = values
    if rows is not None and not np.array_equal(table["position"], np.arange(rows)):
        raise damaged(file, f"it does not have a row for each of the {rows} frames")
    return table


def read_arrays(file: Path, frames: int, *names: str) -> list[np.ndarray]:
    """Read arrays that belong to the matrices of a scene, ``distances/sceneNN.npz``.

    Parameters
    ----------
    file : Path
        The file of the scene.
    frames : int
        How many frames the video has.
    *names : str
        The arrays to read: ``frames`` (n,) int, positions of the scene's frames in the video; ``order`` (n,) int, the indices
        into ``frames`` in restored order; ``confidence`` (n - 1,) float, of the links of that order, NaN where it is unknown;
        ``shown`` (m,) int, indices into ``frames`` of those that the matrices are about; any other name is an (m, m) float
        matrix of finite numbers.

    Returns
    -------
    list of ndarray
        The arrays, in the order of ``names``.

    Raises
    ------
    RunError
        When the file cannot be read, is compressed, or an array is missing or not as described.
    """
    try:
        with zipfile.ZipFile(file) as packed:
            if any(item.compress_type != zipfile.ZIP_STORED for item in packed.infolist()):
                raise ValueError("it is compressed")  # and might unpack to any size
        with np.load(file, allow_pickle=False) as content:
            found = {name: content[name] for name in dict.fromkeys(("frames", "shown", *names))}
    except UNREADABLE as error:
        raise damaged(file, error) from error
    count, side = found["frames"].size, found["shown"].size
    one_dimensional = {"frames": (count,), "order": (count,), "confidence": (max(0, count - 1),), "shown": (side,)}
    for name, values in found.items():
        shape = one_dimensional.get(name, (side, side))
        if values.shape != shape or values.dtype.kind not in ("iu" if name in ("frames", "order", "shown") else "f"):
            raise damaged(file, f"{name} is {values.dtype} {values.shape}")
        if name != "confidence" and not np.isfinite(values).all():
            raise damaged(file, f"not all of {name} are finite numbers")
    if not np.isin(found["shown"], np.arange(count)).all():
        raise damaged(file, "shown are not places of frames")
    places = found.get("order", np.arange(count))
    if not np.isin(found["frames"], np.arange(frames)).all() or len(set(found["frames"].tolist())) < count:
        raise damaged(file, "frames are not frames of the video, each once")
    if not np.array_equal(np.sort(places), np.arange(count)):
        raise damaged(file, "order does not have every frame once")
    return [found[name] for name in names]


def has_group(file: h5py.File, group: str) -> bool:
    """Check whether an HDF5 file has a group.

    Parameters
    ----------
    file : h5py.File
        An open file.
    group : str
        Name of the group, with ``/`` between its parts.

    Returns
    -------
    bool
        Whether it is there.

    Raises
    ------
    RunError
        When the index of the file is damaged.
    """
    try:
        return group in file
    except H5_ERRORS as error:
        raise damaged_dataset(file, group, "index") from error


def find_dataset(file: h5py.File, group: str, name: str) -> h5py.h5d.DatasetID:
    """Find a dataset of an HDF5 file, without reading it.

    Parameters
    ----------
    file : h5py.File
        An open file.
    group, name : str
        Names of the group, with ``/`` between its parts, and of the dataset in it.

    Returns
    -------
    h5py.h5d.DatasetID
        The dataset; it lies in this file.

    Raises
    ------
    RunError
        When it is not there, is damaged, or is a link to another file or keeps its data there.

    Notes
    -----
    Through h5py's low level: of a small dataset, its groups, links and datasets take as long to make as all the rest.
    """
    parts = f"{group}/{name}".encode().split(b"/")
    paths = [b"/".join(parts[: depth + 1]) for depth in range(len(parts))]
    try:
        if any(file.id.links.get_info(path).type != h5py.h5l.TYPE_HARD for path in paths):
            raise damaged_dataset(file, group, name)
        found = h5py.h5d.open(file.id, paths[-1])
        made = found.get_create_plist()
        if made.get_layout() == h5py.h5d.VIRTUAL or made.get_external_count():
            raise damaged_dataset(file, group, name)
    except H5_ERRORS as error:
        raise damaged_dataset(file, group, name) from error
    return found


def read_dataset(file: h5py.File, group: str, name: str, kinds: str, shape: Shape) -> np.ndarray:
    """Read a dataset of an HDF5 file into memory.

    Parameters
    ----------
    file : h5py.File
        An open file.
    group, name : str
        Names of the group, with ``/`` between its parts, and of the dataset in it.
    kinds : {"f", "iu"}
        The kind of number it must hold: floats, or integers with a sign or without.
    shape : tuple of (int or None)
        The shape that it must have; None stands for any length of that axis.

    Returns
    -------
    ndarray
        Its values. Floats are all finite.

    Raises
    ------
    RunError
        When it is not there, or not as demanded.
    """
    try:
        found = find_dataset(file, group, name)
        kind, sides = found.dtype, found.shape
        if kind.kind not in kinds or not _fits(sides, shape) or math.prod(sides) > DATASET_ENTRIES:
            raise damaged_dataset(file, group, name)
        values = np.empty(sides, kind)
        found.read(h5py.h5s.ALL, h5py.h5s.ALL, values)
    except H5_ERRORS as error:
        raise damaged_dataset(file, group, name) from error
    if kinds == "f" and not np.isfinite(values).all():
        raise damaged_dataset(file, group, name)
    return values


def damaged_dataset(file: h5py.File, group: str, name: str) -> RunError:
    """Make the error for a dataset that is not what it should be.

    Parameters
    ----------
    file : h5py.File
        The open file.
    group, name : str
        Names of the group, with ``/`` between its parts, and of the dataset in it.

    Returns
    -------
    RunError
        To be raised; it says how to make the file again.
    """
    return RunError(f"{name} of {group} in {file.filename} is damaged: delete the file and run its stage again")


def _fits(found: tuple[int, ...], demanded: Shape) -> bool:
    return len(found) == len(demanded) and all(want in (None, got) for want, got in zip(demanded, found, strict=True))


class WorkingCopies(Sequence[np.ndarray]):
    """Small copies of all frames of a video, read from a ``.npy`` file when they are asked for.

    ``copies[3]``, ``copies[5:9]`` and ``copies[[4, 1]]`` are ordinary arrays in memory, ``np.asarray(copies)`` is all of them
    at once. Any of these raises :class:`~workbench.errors.RunError` when the file was replaced by that of other frames since
    it was opened.

    Parameters
    ----------
    file : Path
        The file, (N, h, w, 3) uint8 RGB.

    Attributes
    ----------
    file : Path
        The file.
    shape : tuple of int
        (N, h, w, 3).

    Notes
    -----
    Nothing stays mapped: a mapped file counts as memory of the process, and that of a long clip is larger than all else.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        with _HEADER_LOCK:
            found = np.lib.format.open_memmap(file, mode="r")  # no pickles; checks the shape against the size
        self.shape: tuple[int, ...] = found.shape
        self._dtype = found.dtype
        self._order: Literal["C", "F"] = "C" if found.flags.c_contiguous else "F"
        with file.open("rb") as opened:
            self._header = opened.read(found.offset)  # read once: it takes longer to understand than a frame to read

    def __len__(self) -> int:
        return self.shape[0]

    # Unlike in Sequence, a slice gives one array, not a sequence of arrays.
    def __getitem__(self, key: Any) -> np.ndarray:  # type: ignore[override]
        try:
            with self.file.open("rb") as file:
                if file.read(len(self._header)) != self._header:
                    raise RunError(f"{self.file} has other frames than before: {READ_AGAIN}")
                found = np.memmap(file, self._dtype, "r", len(self._header), self.shape, self._order)  # checks the size
        except (OSError, ValueError) as error:
            raise RunError(f"{self.file} cannot be read any more: {READ_AGAIN}") from error
        return np.array(found[key])

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> np.ndarray:
        if copy is False:
            raise ValueError("working copies lie on disk: without a copy there is no array of them")
        whole = np.load(self.file)  # not self[:], which for a moment has the mapped file beside its copy
        return whole if dtype is None else whole.astype(dtype)
