"""Edits: changes by hand to an order.

They name frames by their position in the input, so that they can be applied again to an order that was computed anew.

An edit is one of

- ``{"flip": [a, b]}``: frame a comes before frame b; their scene is reversed where it has them the other way round;
- ``{"move": p, "after": q}`` or ``{"move": p, "before": q}``: frame p goes right beside frame q, into q's scene, from wherever
  it was, also from among the outliers;
- ``{"drop": p}``: frame p is set aside, as an outlier.

Scenes keep their numbers, whatever size edits give them, and at least one frame each.
"""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from workbench.errors import UsageError
from workbench.storage.arrays import read_arrays

Edit = dict[str, Any]


def computed_order(distances: Path, frames: int) -> pd.DataFrame:
    """Give the order as it was computed, before any edit.

    Parameters
    ----------
    distances : Path
        The folder with ``scene00.npz`` and so on.
    frames : int
        Number of frames of the video.

    Returns
    -------
    DataFrame
        Rows as in ``order.csv``: position, scene, order (<NA> for outliers) and confidence, 0 to 1, of the link to the next
        frame.
    """
    scenes: list[list[int]] = []
    links: dict[tuple[int, int], float] = {}
    for file in sorted(distances.glob("scene[0-9]*.npz"), key=lambda path: (len(path.name), path.name)):
        numbers, order, confidence = read_arrays(file, frames, "frames", "order", "confidence")
        ordered = numbers[order].tolist()
        scenes.append(ordered)
        links |= dict(zip(map(_pair, pairwise(ordered)), confidence.round(4).tolist(), strict=True))
    return _table(scenes, links, frames)


def apply_edits(computed: pd.DataFrame, edits: Sequence[Edit]) -> tuple[pd.DataFrame, list[str]]:
    """Apply edits to an order, one after the other.

    Parameters
    ----------
    computed : DataFrame
        Rows as in ``order.csv``.
    edits : sequence of dict
        The edits.

    Returns
    -------
    table : DataFrame
        The order after them. A link, two neighbouring frames, keeps its confidence, whichever of them comes first now; a new
        link has none.
    left_out : list of str
        One message for every edit that could not be applied.
    """
    scenes, left_out = frame_lists(computed), []
    for edit in edits:
        try:
            scenes = _changed(scenes, edit, len(computed))
        except UsageError as reason:
            left_out.append(f"{describe(edit)}: left out, {reason}")
    return _table(scenes, link_confidences(computed), len(computed)), left_out


def apply_edit(table: pd.DataFrame, edit: Edit) -> pd.DataFrame:
    """Apply one edit to an order.

    Parameters
    ----------
    table : DataFrame
        Rows as in ``order.csv``.
    edit : dict
        The edit.

    Returns
    -------
    DataFrame
        The order after it.

    Raises
    ------
    UsageError
        When it cannot be applied.
    """
    scenes = _changed(frame_lists(table), edit, len(table))
    return _table(scenes, link_confidences(table), len(table))


def frame_lists(table: pd.DataFrame) -> list[list[int]]:
    """List the frames of every scene in their order.

    Parameters
    ----------
    table : DataFrame
        Rows as in ``order.csv``.

    Returns
    -------
    list of list of int
        Positions of the frames of scene 0, 1, ...
    """
    scene, order = table["scene"].to_numpy(), table["order"].to_numpy(dtype=float, na_value=-1)
    kept = np.flatnonzero(scene >= 0)
    kept = kept[np.lexsort((order[kept], scene[kept]))]
    ends = np.flatnonzero(np.diff(scene[kept])) + 1
    return [frames.tolist() for frames in np.split(table["position"].to_numpy()[kept], ends) if len(frames)]


def link_confidences(table: pd.DataFrame) -> dict[tuple[int, int], float]:
    """Give the confidence of every link.

    Parameters
    ----------
    table : DataFrame
        Rows as in ``order.csv``.

    Returns
    -------
    dict of (int, int) to float
        Confidence, 0 to 1, NaN where there is none, by the positions of the two frames, the lower one first.
    """
    confidence = dict(zip(table["position"].tolist(), table["confidence"].tolist(), strict=True))
    return {_pair(link): confidence[link[0]] for frames in frame_lists(table) for link in pairwise(frames)}


def describe(edit: Edit) -> str:
    """Describe an edit in words.

    Parameters
    ----------
    edit : dict
        The edit.

    Returns
    -------
    str
        What it does.

    Raises
    ------
    UsageError
        When it is neither a flip, nor a move, nor a drop.
    """
    match edit:
        case {"flip": [first, last]}:
            return f"flip the scene so that frame {first} comes before frame {last}"
        case {"move": frame, "after": beside}:
            return f"move frame {frame} to after frame {beside}"
        case {"move": frame, "before": beside}:
            return f"move frame {frame} to before frame {beside}"
        case {"drop": frame}:
            return f"set frame {frame} aside"
    raise UsageError(f"{edit} is no edit: give a flip, a move or a drop")


def _changed(scenes: list[list[int]], edit: Edit, frames: int) -> list[list[int]]:
    """The scenes after an edit, as new lists."""
    describe(edit)  # raises for what is no edit
    named = [*edit["flip"]] if "flip" in edit else list(edit.values())
    unknown = [frame for frame in named if frame not in range(frames)]
    if unknown:
        raise UsageError(f"there is no frame {unknown[0]}: the video has frames 0 to {frames - 1}")
    home = {frame: number for number, scene in enumerate(scenes) for frame in scene}
    scenes = [list(scene) for scene in scenes]
    if "flip" in edit:
        first, last = named
        if home.get(first, -1) != home.get(last, -2):
            raise UsageError(f"frames {first} and {last} are not in one scene any more: choose two of one scene")
        scene = scenes[home[first]]
        if scene.index(first) > scene.index(last):
            scene.reverse()
        return scenes
    frame: int = named[0]
    beside: int | None = edit.get("after", edit.get("before"))
    if beside == frame:
        raise UsageError(f"frame {frame} cannot stand beside itself: name another frame")
    if beside is not None and beside not in home:
        raise UsageError(f"frame {beside} is set aside: name a frame of a scene")
    if frame in home:
        if len(scenes[home[frame]]) == 1 and (beside is None or home[beside] != home[frame]):
            raise UsageError(f"frame {frame} is the last one of scene {home[frame]}: move another frame there first")
        scenes[home[frame]].remove(frame)
    if beside is not None:
        scene = scenes[home[beside]]
        scene.insert(scene.index(beside) + ("after" in edit), frame)
    return scenes


def _pair(link: tuple[int, int]) -> tuple[int, int]:
    return min(link), max(link)


def _table(scenes: list[list[int]], links: dict[tuple[int, int], float], frames: int) -> pd.DataFrame:
    """Rows as in ``order.csv``. links: confidence by positions, the lower one first."""
    number, place, confidence = np.full(frames, -1), np.full(frames, -1), np.full(frames, np.nan)
    for scene, ordered in enumerate(scenes):
        number[ordered], place[ordered] = scene, np.arange(len(ordered))
        confidence[ordered[:-1]] = [links.get(_pair(link), np.nan) for link in pairwise(ordered)]
    table = pd.DataFrame({"position": np.arange(frames), "scene": number, "order": place, "confidence": confidence})
    return table.assign(order=table["order"].astype("Int64").mask(table["scene"] < 0))
