"""Truth and result as files: ``NAME.truth.csv`` and ``order.csv``, read and checked."""

import csv
import math
import os
from collections import Counter
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
import pandas as pd

from workbench.errors import RunError, TruthError, WorkbenchError
from workbench.limits import EXACT_INTEGER, SCENE_OR_PLACE, TRUTH_OR_ORDER_BYTES
from workbench.storage.folder import NAME_BYTES

OUTLIER = "outlier"  # in the truth, in place of a clip's name
TRANSFORM_COLUMNS = ("t00", "t01", "t02", "t10", "t11", "t12")  # of a (2, 3) transform, row by row, px of the original

Record = tuple[int, dict[str, str]]  # number of the line in the file, and its cells by column


class TruthRow(NamedTuple):
    """What is shown at one position of a corrupted video.

    Attributes
    ----------
    position : int
        Place in the video, 0-based, decode order.
    clip : str
        Name of the clip, or ``outlier`` for a foreign picture.
    frame : int
        0-based index in that clip, or among the foreign pictures.
    """

    position: int
    clip: str
    frame: int


class OrderRow(NamedTuple):
    """What a reconstruction says about one position.

    Attributes
    ----------
    position : int
        Place in the video, 0-based, decode order.
    scene : int
        0, 1, ...; -1 for an outlier.
    order : int
        0-based place inside its scene; -1 for an outlier.
    """

    position: int
    scene: int
    order: int


Row = TypeVar("Row", TruthRow, OrderRow)


def read_truth(path: str | Path, frames: int | None = None) -> list[TruthRow]:
    """Read ``NAME.truth.csv``.

    Parameters
    ----------
    path : str or Path
        A CSV file with the columns ``position,clip,frame``; further columns are ignored, see :func:`read_true_transforms`.
    frames : int, optional
        How many frames the video has; without it any number of rows is accepted.

    Returns
    -------
    list of TruthRow
        Its rows, sorted by position: one for every position from 0 on.

    Raises
    ------
    TruthError
        When the file is missing, a column or value is, a position is there twice or left out, or the number of rows is not
        ``frames``.
    """
    rows = []
    for line, record in _records(path, TruthRow._fields, TruthError):
        clip = record["clip"].strip()
        if not clip:
            raise TruthError(f"{path} line {line}: clip is empty, give the name of a clip or {OUTLIER}")
        position, frame = (_number(path, line, name, record[name], TruthError) for name in ("position", "frame"))
        if min(position, frame) < 0:
            raise TruthError(f"{path} line {line}: position and frame count from 0, {min(position, frame)} is negative")
        rows.append(TruthRow(position, clip, frame))
    rows = _by_position(path, rows, TruthError)
    if frames is not None and len(rows) != frames:
        raise TruthError(f"{path} has {len(rows)} rows and the video {frames} frames: give the truth of this video")
    return rows


def read_true_transforms(path: str | Path) -> np.ndarray | None:
    """Read the true transforms of the frames from ``NAME.truth.csv``.

    Parameters
    ----------
    path : str or Path
        A CSV file that :func:`read_truth` accepts. Its columns ``t00`` to ``t12`` may be missing, and empty in some rows.

    Returns
    -------
    (N, 2, 3) float64 array or None
        Row i maps x and y of the frame at position i onto the background of its clip, in px of the original: NaN where the
        truth does not say. Frames of one clip share one background. None when the file has no such columns.

    Raises
    ------
    TruthError
        When a transform is incomplete, is no number, or cannot be inverted.
    """
    records = _records(path, TruthRow._fields, TruthError)
    if not records or any(name not in records[0][1] for name in TRANSFORM_COLUMNS):
        return None
    transforms = np.full((len(records), 2, 3), np.nan)
    for line, record in records:
        cells = [(record[name] or "").strip() for name in TRANSFORM_COLUMNS]
        if any(cells):
            transform = np.array([_float(cell) for cell in cells]).reshape(2, 3)
            if not np.isfinite(transform).all() or not np.linalg.det(transform[:, :2]):
                raise TruthError(f"{path} line {line}: t00 to t12 are no transform, give six numbers or leave all six empty")
            transforms[_number(path, line, "position", record["position"], TruthError)] = transform
    return transforms


def read_order(path: str | Path, frames: int | None = None) -> list[OrderRow]:
    """Read the places of all frames from ``order.csv``.

    Parameters
    ----------
    path : str or Path
        A CSV file with the columns ``position,scene,order``; further columns are ignored. Scene -1 or empty means an
        outlier, whose ``order`` is not read. Whole numbers may be written as ``3.0``.
    frames : int, optional
        How many frames the video has; without it any number of rows is accepted.

    Returns
    -------
    list of OrderRow
        Its rows, sorted by position: one for every position from 0 on.

    Raises
    ------
    RunError
        When the file is missing, a column or value is, a position is there twice or left out, two frames of a scene have
        the same place, a place is negative or beyond the number of frames, or the number of rows is not ``frames``.
    """
    return _order_rows(path, _records(path, OrderRow._fields, RunError), frames)


def read_order_table(path: str | Path, frames: int | None = None) -> pd.DataFrame:
    """Read ``order.csv`` with all its columns.

    Parameters
    ----------
    path : str or Path
        A file as for :func:`read_order`; further columns are kept.
    frames : int, optional
        How many frames the video has; without it any number of rows is accepted.

    Returns
    -------
    DataFrame
        A row per frame, sorted by position. ``position`` and ``scene`` (-1 for outliers) are int64, ``order`` is Int64 with
        NA for outliers. A further column is float64, with NaN where it is empty, when it holds nothing but numbers, as
        ``confidence`` must; any other stays as text, and so does ``name``, the file of the frame.

    Raises
    ------
    RunError
        Whenever :func:`read_order` does, and when a ``confidence`` is not a finite number.
    """
    records = _records(path, OrderRow._fields, RunError)
    table = pd.DataFrame(_order_rows(path, records, frames), columns=list(OrderRow._fields))
    table["order"] = table["order"].astype("Int64").mask(table["scene"] < 0)
    for line, record in records:
        text = record.get("confidence") or "0"
        if not math.isfinite(_float(text)):
            raise RunError(f"{path} line {line}: confidence is {text!r}, give a number or nothing")
    records.sort(key=lambda found: float(found[1]["position"]))
    for name in records[0][1]:
        if name is not None and name not in OrderRow._fields:  # None: cells beyond the last column
            cells = [record[name] for _, record in records]
            table[name] = cells if name == "name" else _numbers_or_texts(cells)  # a file may be called 001
    return table


def frames_of_scenes(table: pd.DataFrame) -> list[np.ndarray]:
    """List the frames of every scene of an order.

    Parameters
    ----------
    table : DataFrame
        Rows as in ``order.csv``.

    Returns
    -------
    list of (n,) int array
        Positions of the frames of scene 0, 1, ... in their order; empty for a scene that has none.
    """
    kept = table[table["scene"] >= 0].sort_values(["scene", "order"])
    scene = kept["scene"].to_numpy()
    count = scene.max(initial=-1) + 1
    return np.split(kept["position"].to_numpy(), np.searchsorted(scene, np.arange(1, count)))[:count]  # no scene: one, empty


def _order_rows(path: str | Path, records: list[Record], frames: int | None) -> list[OrderRow]:
    rows = []
    taken: set[tuple[int, int]] = set()
    for line, record in records:
        position = _number(path, line, "position", record["position"], RunError)
        scene = _number(path, line, "scene", record["scene"] or "-1", RunError)
        order = _number(path, line, "order", record["order"], RunError) if scene >= 0 else -1
        if scene >= 0 > order:
            raise RunError(f"{path} line {line}: places in a scene count from 0, {order} is negative, write the order again")
        if scene >= 0 and (scene, order) in taken:
            raise RunError(f"{path} line {line}: place {order} of scene {scene} is taken twice, write the order again")
        taken.add((scene, order))
        rows.append(OrderRow(position, max(scene, -1), order))
    last = SCENE_OR_PLACE if frames is None else frames - 1
    beyond = [row for row in rows if max(row.scene, row.order) > last]
    if beyond:
        raise RunError(f"{path}: scene {beyond[0].scene}, place {beyond[0].order} is beyond {last:,}, write the order again")
    rows = _by_position(path, rows, RunError)
    if frames is not None and len(rows) != frames:
        raise RunError(f"{path} has {len(rows)} rows and the video {frames} frames: write the order again")
    return rows


def _records(path: str | Path, columns: tuple[str, ...], error: type[WorkbenchError]) -> list[Record]:
    """The lines of a CSV file that must have ``columns``; raises ``error`` with the remedy."""
    try:
        if Path(path).stat().st_size > TRUTH_OR_ORDER_BYTES:
            raise error(f"{path} is far too large: give a CSV file with {','.join(columns)}")
        with Path(path).open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            records = [(reader.line_num, record) for record in reader]
            header = reader.fieldnames or []
    except (OSError, UnicodeDecodeError, csv.Error) as reason:
        raise error(f"{path} cannot be read ({reason}): give a CSV file with {','.join(columns)}") from reason
    missing = [name for name in columns if name not in header]
    if missing:
        raise error(f"{path} has no column {', '.join(missing)}: its header must be {','.join(columns)}")
    for line, record in records:
        if any(record[name] is None for name in columns):
            raise error(f"{path} line {line} is too short: it needs {','.join(columns)}")
    return records


def _float(text: str) -> float:
    """The number a text stands for; NaN when it stands for none."""
    try:
        return float(text)
    except ValueError:
        return math.nan


def _number(path: str | Path, line: int, name: str, text: str, error: type[WorkbenchError]) -> int:
    """A whole number; ``3.0`` is accepted too, for tables that were written with missing values between them."""
    value = _float(text)
    if not value.is_integer() or abs(value) > EXACT_INTEGER:
        raise error(f"{path} line {line}: {name} is {text!r}, give a whole number")
    return int(value)


def _numbers_or_texts(cells: list[str]) -> list[float] | list[str]:
    """The cells of a column as numbers, NaN where they are empty; as they are when one is something else."""
    try:
        return [float(cell or "nan") for cell in cells]
    except ValueError:
        return cells


def _by_position(path: str | Path, rows: list[Row], error: type[WorkbenchError]) -> list[Row]:
    """``rows`` sorted; raises ``error`` unless every position from 0 is there exactly once."""
    if not rows:
        raise error(f"{path} has no rows: give the file of a whole video")
    counts = Counter(row.position for row in rows)
    twice = sorted(position for position, count in counts.items() if count > 1)
    if twice:
        raise error(f"{path}: position {twice[0]} is there {counts[twice[0]]} times, give every frame one row")
    left_out = sorted(set(range(len(rows))) - counts.keys())
    if left_out:
        raise error(f"{path}: position {left_out[0]} is left out, give every frame from 0 on one row")
    return sorted(rows)


def truth_path(video: Path) -> Path:
    """Name the truth file that belongs to a video.

    Parameters
    ----------
    video : Path
        The video, ``NAME.mp4``; it need not be there.

    Returns
    -------
    Path
        ``NAME.truth.csv`` in the same folder.
    """
    return video.with_name(f"{video.stem}.truth.csv")


def find_truth(video: str | Path, given: str | Path = "") -> Path | None:
    """Find the truth of a video.

    Parameters
    ----------
    video : str or Path
        The video, ``NAME.mp4``, or the folder, list or archive of pictures.
    given : str or Path, default ""
        The truth that a person chose; empty when none was chosen.

    Returns
    -------
    Path or None
        The chosen truth, else ``NAME.truth.csv`` beside the video, else None.

    Raises
    ------
    TruthError
        When the chosen file is not there.
    """
    if str(given):
        if not Path(given).is_file():
            raise TruthError(f"{given} is not there: give the path of a truth.csv, or leave --truth out")
        return Path(given)
    path = Path(video) if Path(video).name else Path(video).resolve()  # "." is a folder of pictures like any other
    if not path.name:  # the root of the disk
        return None
    beside = truth_path(path)
    if len(os.fsencode(beside.name)) > NAME_BYTES:  # no file can have that name
        return None
    return beside if beside.is_file() else None
