"""Compare a reconstruction with the truth: outliers, scenes, order.

Positions are 0-based places in the corrupted video. A *true frame* is one whose truth is a clip, not ``outlier``; a
frame is *kept* when the result gives it a scene >= 0, else *set aside*. A clip's *main scene* is the one that holds
most of its frames. Shares and F1 scores are 0 to 1, higher is better.
"""

import csv
import itertools
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from sklearn.metrics import adjusted_rand_score
from sklearn.metrics.cluster import pair_confusion_matrix

from workbench.errors import RunError, TruthError, WorkbenchError

OUTLIER = "outlier"
TABLE_BYTES = 2**28  # far more than a row for every frame of any video
LARGEST = 10_000_000  # number of a scene or of a place; work that grows with it must end


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
    beyond = [row for row in rows if max(row.scene, row.order) > LARGEST]
    if beyond:
        raise RunError(f"{path}: scene {beyond[0].scene}, place {beyond[0].order} is beyond {LARGEST:,}, write it again")
    return _by_position(path, rows, RunError)


def evaluate(truth: Sequence[TruthRow], result: Sequence[OrderRow]) -> dict[str, float]:
    """All figures of a reconstruction, as a flat dictionary of floats in 0 to 1 (``scene_ari``: -0.5 to 1).

    - ``outlier_precision`` = foreign frames among those set aside / frames set aside
    - ``outlier_recall`` = foreign frames set aside / foreign frames
    - ``outlier_f1`` = 2 * foreign frames set aside / (frames set aside + foreign frames).
      All three are 0 where the divisor is 0: a video without foreign frames has outlier_f1 = 0.
    - ``scene_f1`` = 2 B / (C + S) over all pairs of true frames: C pairs of the same clip, S pairs of the same scene,
      B pairs of both; a frame set aside is in no pair of the same scene. 0 where C + S = 0.
    - ``scene_ari``: adjusted Rand index between clips and scenes over the true frames, where every frame set aside is a
      scene of its own.
    - ``tau``, ``adjacent``, ``coverage``: means over the clips weighted by their length, see :func:`evaluate_clips`.

    Truth and result must have the same positions, every frame of the video once.
    Raises :class:`TruthError` when truth and result are not about the same positions, or the truth has no clip.
    """
    scenes = _scenes(truth, result)
    foreign = {row.position for row in truth if row.clip == OUTLIER}
    aside = {position for position, scene in scenes.items() if scene < 0}
    hits = len(foreign & aside)
    kept = [row for row in truth if row.clip != OUTLIER]
    clips = [row.clip for row in kept]
    # Frames set aside become scenes of one frame, numbered apart from the real ones: no pair of theirs is together.
    single = [scenes[row.position] if scenes[row.position] >= 0 else -1 - row.position for row in kept]
    (_, scene_only), (clip_only, both) = _pairs(clips, single)
    rows = evaluate_clips(truth, result)
    weights = [row["frames"] for row in rows]
    means = {name: float(np.average([row[name] for row in rows], weights=weights)) for name in ("tau", "adjacent", "coverage")}
    return {
        "outlier_precision": hits / max(1, len(aside)),
        "outlier_recall": hits / max(1, len(foreign)),
        "outlier_f1": 2 * hits / max(1, len(foreign) + len(aside)),
        "scene_f1": 2 * both / max(1, 2 * both + clip_only + scene_only),
        "scene_ari": float(adjusted_rand_score(clips, single)),
        **means,
    }


def evaluate_clips(truth: Sequence[TruthRow], result: Sequence[OrderRow]) -> list[dict[str, str | int | float]]:
    """One row for each true clip, sorted by name, for a table.

    - ``clip``; ``frames`` = n, its length; ``scene``: its main scene, -1 when all its frames were set aside
    - ``kept`` = k, its frames in the main scene; ``aside``: its frames set aside; ``elsewhere``: the rest
    - ``coverage`` = k / n
    - ``tau`` = |K| * k / n with Kendall's K = (pairs in true order - pairs in reverse order) / (k (k - 1) / 2) over
      the k frames in the order of the main scene; K = 1 for k = 1, tau = 0 for k = 0. Distances know no direction of
      time, hence the modulus.
    - ``adjacent`` = a / (n - 1), 0 for n = 1: a of the pairs that follow each other directly in the main scene, foreign
      frames and other clips' frames counted as they stand, are frames of this clip with true indices 1 apart

    Raises :class:`TruthError` as :func:`evaluate` does.
    """
    scenes = _scenes(truth, result)
    known = {row.position: row for row in truth}
    contents: dict[int, list[TruthRow]] = {}
    for row in sorted(result, key=lambda row: (row.order, row.position)):
        if row.scene >= 0:
            contents.setdefault(row.scene, []).append(known[row.position])
    table = []
    for clip in sorted({row.clip for row in truth} - {OUTLIER}):
        found = [scenes[row.position] for row in truth if row.clip == clip]
        inside = [scene for scene in found if scene >= 0]
        # The way a set of ints iterates decides ties, as in the reference scorer; a tie has no better answer.
        main = max(set(inside), key=Counter(inside).__getitem__) if inside else -1
        sequence = contents.get(main, [])
        own = [row.frame for row in sequence if row.clip == clip]
        together = sum(
            one.clip == two.clip == clip and abs(one.frame - two.frame) == 1 for one, two in itertools.pairwise(sequence)
        )
        table.append(
            {
                "clip": clip,
                "frames": len(found),
                "scene": main,
                "kept": len(own),
                "aside": len(found) - len(inside),
                "elsewhere": len(inside) - len(own),
                "coverage": len(own) / len(found),
                "tau": kendall(own) * len(own) / len(found),
                "adjacent": together / max(1, len(found) - 1),
            }
        )
    return table


def kendall(sequence: Sequence[int]) -> float:
    """|Kendall's tau| of ``sequence`` against its sorted order, 0 to 1, ties counted as neither; 1 for fewer than two."""
    if len(sequence) < 2:
        return 1.0
    values = np.asarray(sequence)
    # One row at a time: the whole matrix of pairs would not fit for a long clip.
    surplus = sum(int(np.sign(values[k + 1 :] - values[k]).sum()) for k in range(len(values) - 1))
    return abs(surplus) / (len(values) * (len(values) - 1) / 2)


def _pairs(one: list, two: list) -> list[list[int]]:
    """Unordered pairs by (together in ``one``, together in ``two``): ``[[neither, two only], [one only, both]]``."""
    return (pair_confusion_matrix(one, two) // 2).tolist()


def _scenes(truth: Sequence[TruthRow], result: Sequence[OrderRow]) -> dict[int, int]:
    """Position -> scene, after checking that both are about the same video."""
    scenes = {row.position: row.scene for row in result}
    if len(scenes) != len(result) or scenes.keys() != {row.position for row in truth} or len(truth) != len(result):
        raise TruthError(
            f"the truth has {len(truth)} frames and the result {len(result)}, or their positions differ: "
            "give the truth of this very video"
        )
    if all(row.clip == OUTLIER for row in truth):
        raise TruthError("the truth has no frame of any clip: there is nothing to evaluate")
    return scenes


def _records(path: str | Path, columns: tuple[str, ...], error: type[WorkbenchError]) -> list[tuple[int, dict[str, str]]]:
    """(line number, record) of a CSV file that must have ``columns``; raises ``error`` with the remedy."""
    try:
        if Path(path).stat().st_size > TABLE_BYTES:
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
    if not value.is_integer() or abs(value) > 2**53:
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
