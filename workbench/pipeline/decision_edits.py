"""Edits of the scenes: decisions of the matches that a person took back.

An edit is ``{"undo": verdict, "frames": [p, q, ...]}``: the decision with this verdict about just these frames is taken back,
see :mod:`workbench.scenes.decisions`. It names frames by their position in the input, so that it can be applied again when the
matches are computed anew. Scenes are then numbered by their new size.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from workbench.pipeline.order_edits import Edit
from workbench.run.contents import UNDONE, first_positions
from workbench.scenes.decisions import COUNTED, VERDICTS, changed_counts, frames_beside, in_words
from workbench.scenes.decisions import undo as undo_labels


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
