"""Orders as tables, computed or after the edits of :mod:`workbench.pipeline.order_edits`."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd

from workbench.errors import UsageError
from workbench.evaluation.files import frames_of_scenes
from workbench.pipeline.order_edits import Edit, changed_scenes, describe
from workbench.storage.arrays import read_arrays


def computed_order(distances: Path, frames: int, names: Sequence[str] = ()) -> pd.DataFrame:
    """Give the order as it was computed, before any edit.

    Parameters
    ----------
    distances : Path
        The folder with ``scene00.npz`` and so on.
    frames : int
        Number of frames of the video.
    names : sequence of str
        Files of the frames; none for one video.

    Returns
    -------
    DataFrame
        Rows as in ``order.csv``: position, scene, order (<NA> for outliers), confidence, 0 to 1, of the link to the next
        frame, and with names the column ``name``.
    """
    scenes: list[list[int]] = []
    links: dict[tuple[int, int], float] = {}
    for file in sorted(distances.glob("scene[0-9]*.npz"), key=lambda path: (len(path.name), path.name)):
        numbers, order, confidence = read_arrays(file, frames, "frames", "order", "confidence")
        ordered = numbers[order].tolist()
        scenes.append(ordered)
        links |= dict(zip(map(_pair, pairwise(ordered)), confidence.round(4).tolist(), strict=True))
    return _table(scenes, links, frames, names)


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
            scenes = changed_scenes(scenes, edit, len(computed))
        except UsageError as reason:
            left_out.append(f"{describe(edit)}: left out, {reason}")
    return _table(scenes, link_confidences(computed), len(computed), _names(computed)), left_out


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
    scenes = changed_scenes(frame_lists(table), edit, len(table))
    return _table(scenes, link_confidences(table), len(table), _names(table))


def frame_lists(table: pd.DataFrame) -> list[list[int]]:
    """List the frames of every scene in their order.

    Parameters
    ----------
    table : DataFrame
        Rows as in ``order.csv``.

    Returns
    -------
    list of list of int
        Positions of the frames of scene 0, 1, ...; scenes without frames are left out.
    """
    return [frames.tolist() for frames in frames_of_scenes(table) if len(frames)]


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


def _pair(link: tuple[int, int]) -> tuple[int, int]:
    return min(link), max(link)


def _names(table: pd.DataFrame) -> list[str]:
    """Files of the frames; none for one video."""
    return table["name"].tolist() if "name" in table else []


def _table(
    scenes: list[list[int]], links: dict[tuple[int, int], float], frames: int, names: Sequence[str] = ()
) -> pd.DataFrame:
    """Rows as in ``order.csv``. links: confidence by positions, the lower one first. names: files of the frames, if any."""
    number, place, confidence = np.full(frames, -1), np.full(frames, -1), np.full(frames, np.nan)
    for scene, ordered in enumerate(scenes):
        number[ordered], place[ordered] = scene, np.arange(len(ordered))
        confidence[ordered[:-1]] = [links.get(_pair(link), np.nan) for link in pairwise(ordered)]
    table = pd.DataFrame({"position": np.arange(frames), "scene": number, "order": place, "confidence": confidence})
    table = table.assign(order=table["order"].astype("Int64").mask(table["scene"] < 0))
    return table.assign(name=list(names)) if names else table
