"""Truth and result as files: ``NAME.truth.csv`` and ``order.csv``, read and checked."""

import csv
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from workbench.errors import RunError, TruthError, WorkbenchError
from workbench.limits import EXACT_INTEGER, SCENE_OR_PLACE, TRUTH_OR_ORDER_BYTES

OUTLIER = "outlier"


class TruthRow(NamedTuple):
    """What stands at one position of a corrupted video."""

    position: int  # 0-based, decode order
    clip: str  # name of the clip, or "outlier"
    frame: int  # 0-based index in that clip, or among the foreign pictures


class OrderRow(NamedTuple):
    """What a reconstruction says about one position."""

    position: int  # 0-based, decode order
    scene: int  # 0, 1, ...; -1 = outlier
    order: int  # place inside its scene; -1 for outliers


def read_truth(path: str | Path, frames: int | None = None) -> list[TruthRow]:
    """The rows of ``NAME.truth.csv`` (``position,clip,frame``), sorted by position.

    ``frames``: how many frames the video has, when known. Raises :class:`TruthError` when the file is missing, a column
    or value is, a position stands twice or is left out, or the number of rows is not ``frames``.
    """
    rows = []
    for line, record in _records(path, TruthRow._fields, TruthError):
        clip = record["clip"].strip()
        if not clip:
            raise TruthError(f"{path} line {line}: clip is empty, give the name of a clip or {OUTLIER}")
        numbers = [_number(path, line, name, record[name], TruthError) for name in ("position", "frame")]
        if min(numbers) < 0:
            raise TruthError(f"{path} line {line}: position and frame count from 0, {min(numbers)} is negative")
        rows.append(TruthRow(numbers[0], clip, numbers[1]))
    rows = _by_position(path, rows, TruthError)
    if frames is not None and len(rows) != frames:
        raise TruthError(f"{path} has {len(rows)} rows and the video {frames} frames: give the truth of this video")
    return rows


def read_order(path: str | Path) -> list[OrderRow]:
    """The rows of ``order.csv`` (``position,scene,order``, more columns are ignored), sorted by position.

    Scene -1 or empty = outlier, whose ``order`` is not read. Raises :class:`RunError` when the file is missing, a
    column or value is, a position stands twice or is left out, or two frames of a scene have the same place.
    """
    rows = []
    taken: set[tuple[int, int]] = set()
    for line, record in _records(path, OrderRow._fields, RunError):
        position = _number(path, line, "position", record["position"], RunError)
        scene = _number(path, line, "scene", record["scene"] or "-1", RunError)
        order = _number(path, line, "order", record["order"], RunError) if scene >= 0 else -1
        if scene >= 0 and (scene, order) in taken:
            raise RunError(f"{path} line {line}: place {order} of scene {scene} is taken twice, write the order again")
        taken.add((scene, order))
        rows.append(OrderRow(position, max(scene, -1), order))
    beyond = [row for row in rows if max(row.scene, row.order) > SCENE_OR_PLACE]
    if beyond:
        raise RunError(f"{path}: scene {beyond[0].scene}, place {beyond[0].order} is beyond {SCENE_OR_PLACE:,}, write it again")
    return _by_position(path, rows, RunError)


def _records(path: str | Path, columns: tuple[str, ...], error: type[WorkbenchError]) -> list[tuple[int, dict[str, str]]]:
    """(line number, record) of a CSV file that must have ``columns``; raises ``error`` with the remedy."""
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


def _number(path: str | Path, line: int, name: str, text: str, error: type[WorkbenchError]) -> int:
    """A whole number; ``3.0`` is taken too, for tables that were written with missing values between them."""
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not value.is_integer() or abs(value) > EXACT_INTEGER:
        raise error(f"{path} line {line}: {name} is {text!r}, give a whole number")
    return int(value)


def _by_position(path: str | Path, rows: list, error: type[WorkbenchError]) -> list:
    """``rows`` sorted; raises ``error`` unless every position from 0 stands there exactly once."""
    if not rows:
        raise error(f"{path} has no rows: give the file of a whole video")
    counts = Counter(row.position for row in rows)
    twice = sorted(position for position, count in counts.items() if count > 1)
    if twice:
        raise error(f"{path}: position {twice[0]} stands there {counts[twice[0]]} times, every frame has one row")
    left_out = sorted(set(range(len(rows))) - counts.keys())
    if left_out:
        raise error(f"{path}: position {left_out[0]} is left out, every frame from 0 on has one row")
    return sorted(rows)


def truth_path(video: Path) -> Path:
    """Where the truth of ``NAME.mp4`` lies: ``NAME.truth.csv``."""
    return video.with_name(f"{video.stem}.truth.csv")


def find_truth(video: str | Path, given: str | Path = "") -> Path | None:
    """The truth of a video: the one that is given, else ``NAME.truth.csv`` beside ``NAME.mp4``, else None.

    Raises :class:`~workbench.errors.TruthError` when the given file is not there.
    """
    if str(given):
        if not Path(given).is_file():
            raise TruthError(f"{given} is not there: give the path of a truth.csv, or leave --truth out")
        return Path(given)
    beside = truth_path(Path(video))
    return beside if beside.is_file() else None
