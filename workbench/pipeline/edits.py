"""Edits: changes by hand to an order, and to what the matches decided about the scenes.

They name frames by their position in the input, so that they can be applied again to a result that was computed anew.

An edit of an order is one of

- ``{"flip": [a, b]}``: frame a comes before frame b; their scene is reversed where it has them the other way round;
- ``{"move": p, "after": q}`` or ``{"move": p, "before": q}``: frame p goes right beside frame q, into q's scene, from wherever
  it was, also from among the outliers;
- ``{"drop": p}``: frame p is set aside, as an outlier.

Scenes keep their numbers, whatever size edits give them, and at least one frame each.

An edit of the scenes is ``{"undo": verdict, "frames": [p, q, ...]}``: the decision with this verdict about just these frames
is taken back, see :mod:`workbench.scenes.decisions`. Scenes are then numbered by their new size.
"""

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from workbench.errors import UsageError
from workbench.run.contents import UNDONE, first_positions
from workbench.scenes.decisions import COUNTED, VERDICTS, changed_counts, frames_beside, in_words
from workbench.scenes.decisions import undo as undo_labels
from workbench.storage.arrays import read_arrays

Edit = dict[str, Any]


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
            scenes = _changed(scenes, edit, len(computed))
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
    scenes = _changed(frame_lists(table), edit, len(table))
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


def decision_edits(table: pd.DataFrame) -> dict[int, Edit]:
    """Give for every decision about the scenes the edit that takes it back.

    Parameters
    ----------
    table : DataFrame
        Rows as in ``scenes.csv``, from :meth:`~workbench.run.contents.Contents.scenes_table`.

    Returns
    -------
    dict of int to dict
        Edits by the number of the decision.
    """
    return {
        int(own["decision"].iloc[0]): {
            "undo": own["verdict"].iloc[0].removeprefix(UNDONE),
            "frames": own["position"].tolist(),
        }
        for _, own in table.groupby("decision")
    }


def decision_lines(decisions: pd.DataFrame) -> list[str]:
    """Describe decisions about the scenes in a line each.

    Parameters
    ----------
    decisions : DataFrame
        From :meth:`~workbench.run.contents.Contents.decisions`.

    Returns
    -------
    list of str
        Such as ``3: 1 frame was taken back into a scene (17); ...``, in the order of the rows.
    """
    lines = []
    for row in decisions.to_dict("records"):
        odds = "" if np.isnan(row["odds"]) else f"; odds {row['odds']:.3g}"
        start = f"{row['number']}: {'UNDONE, ' * row['undone']}{in_words(row['verdict'], row['frames'])}"
        lines.append(f"{start} ({row['first']}); {row['reason']}{odds}")
    return lines


def decision_strips(table: pd.DataFrame, number: int) -> dict[str, np.ndarray]:
    """Find the frames of a decision about the scenes, and those that it is to be seen beside.

    Parameters
    ----------
    table : DataFrame
        Rows as in ``scenes.csv``.
    number : int
        Number of the decision.

    Returns
    -------
    dict of str to (n,) int array
        Positions by a heading, from :func:`~workbench.scenes.decisions.frames_beside`; whether it was taken back makes no
        difference.
    """
    matched = matched_scenes(table)
    frames = np.flatnonzero(matched["decision"].eq(number).fillna(False))
    return frames_beside(matched["clustered"].to_numpy(), matched["scene"].to_numpy(), frames)


def matched_scenes(table: pd.DataFrame) -> pd.DataFrame:
    """Give the scenes as the matches found them, before any decision was taken back.

    Parameters
    ----------
    table : DataFrame
        Rows as in ``scenes.csv``.

    Returns
    -------
    DataFrame
        Such rows too.
    """
    if "matched" not in table:
        return table.copy()
    return table.assign(scene=table["matched"], verdict=table["verdict"].str.removeprefix(UNDONE)).drop(columns="matched")


def undo_decisions(matched: pd.DataFrame, edits: Sequence[Edit]) -> tuple[pd.DataFrame, list[str]]:
    """Take decisions about the scenes back, one after the other.

    Parameters
    ----------
    matched : DataFrame
        Rows as in ``scenes.csv``, before any decision was taken back.
    edits : sequence of dict
        The edits.

    Returns
    -------
    table : DataFrame
        The rows after them. A verdict that was taken back has :data:`~workbench.run.contents.UNDONE` before it, and ``matched``
        is the scene before all edits. Without an edit that can be applied, the rows are as given.
    left_out : list of str
        One message for every edit whose decision is not there.
    """
    known, undone, left_out = decision_edits(matched), set(), []
    clustered, labels = matched["clustered"].to_numpy(), matched["scene"].to_numpy()
    for edit in edits:
        numbers = [number for number, own in known.items() if own == edit and number not in undone]
        if numbers:
            undone.add(numbers[0])
            labels = undo_labels(clustered, labels, np.array(edit["frames"]))
        else:
            left_out.append(f"{describe_undo(edit)}: left out, the matches do not decide so any more")
    if not undone:
        return matched.copy(), left_out
    verdict = matched["verdict"].mask(matched["decision"].isin(undone), UNDONE + matched["verdict"])
    return matched.assign(scene=labels, verdict=verdict, matched=matched["scene"]), left_out


def describe_undo(edit: Edit) -> str:
    """Describe in words what an edit of the scenes takes back.

    Parameters
    ----------
    edit : dict
        The edit.

    Returns
    -------
    str
        One line; for what is no such edit, the edit itself.
    """
    match edit:
        case {"undo": str(verdict), "frames": [*frames]} if verdict in VERDICTS and {int}.issuperset(map(type, frames)):
            return f"undo that {in_words(verdict, len(frames))} ({first_positions(frames)})"
    return repr(edit)


def recount(info: dict[str, Any], before: pd.DataFrame, after: pd.DataFrame) -> dict[str, Any]:
    """Count anew what the matches changed in the scenes, when decisions were taken back or restored.

    Parameters
    ----------
    info : dict
        The counts before, as the match stage records them.
    before, after : DataFrame
        Rows as in ``scenes.csv``.

    Returns
    -------
    dict
        The counts after, those of them that are counts of scenes, frames and takes.
    """
    more = _undone(before)
    more.subtract(_undone(after))
    counts = {name: info.get(name) for name in COUNTED}
    changed = {name: count + more[COUNTED[name]] for name, count in counts.items() if isinstance(count, int)}
    return changed_counts(after["clustered"].to_numpy(), after["scene"].to_numpy()) | changed


def _undone(table: pd.DataFrame) -> Counter[str]:
    """How many decisions of every verdict are taken back."""
    verdicts = table.groupby("decision")["verdict"].first()
    return Counter(verdict.removeprefix(UNDONE) for verdict in verdicts if verdict.startswith(UNDONE))


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
