"""What was left out of the picture and what the matches changed in the scenes, in plain sentences.

They are made from what a run recorded: ``scenes.csv`` has every decision, with its odds and its reason, and the record of the
match stage the doubts. The page has them with their reasons, a terminal in one line each.
"""

import numpy as np
import pandas as pd

from workbench.embedding.overlay import MIN_DISSIMILAR
from workbench.pipeline.decision_edits import describe_undo
from workbench.pipeline.order_edits import describe
from workbench.run import Run
from workbench.scenes.decisions import VERDICTS, in_words
from workbench.scenes.evidence import MAX_ODDS

NOTHING = "The matches changed nothing in the scenes."
SHOWN_FRAMES = 5  # positions that a sentence names
MAX_DOUBTS = 10  # that are written out


def read_decisions(run: Run) -> pd.DataFrame:
    """Read which frames the matches moved, and why.

    Parameters
    ----------
    run : Run
        A run whose match stage is finished.

    Returns
    -------
    DataFrame
        The rows of :meth:`~workbench.run.contents.Contents.scenes_table` with a decision.

    Raises
    ------
    MissingStageError, StaleStageError
        When the match stage is not finished.
    RunError
        When the table is damaged.
    """
    table = run.scenes_table()
    table = table[table["decision"].notna()]
    return table.assign(odds=table["odds"].clip(1 / MAX_ODDS, MAX_ODDS))


def change_sentences(decisions: pd.DataFrame, joined: int = 0, parted: int = 0) -> list[str]:
    """Say what the matches changed, with reasons.

    Parameters
    ----------
    decisions : DataFrame
        From :func:`read_decisions`.
    joined : int
        How many of the clusterer's scenes became part of another one.
    parted : int
        How many scenes were part of another one of the clusterer's.

    Returns
    -------
    list of str
        For every verdict how many frames it moved, the first of them, and why: for the decision that is least sure, where
        there are several. Then what became of the scenes. One sentence when nothing was changed.
    """
    found = []
    for verdict in VERDICTS:
        rows = decisions[decisions["verdict"] == verdict]
        if len(rows):
            found.append(f"{in_words(verdict, len(rows))}: {_named(rows['position'])}. {_why(rows)}")
    ends = [f"{_count(joined, 'scene')} of the clusterer became part of another one"] if joined else []
    ends += [f"{_count(parted, 'scene')} came out of another one"] if parted else []
    found += [f"In all, {' and '.join(ends)}."] if ends else []
    return found or [NOTHING]


def short_sentences(decisions: pd.DataFrame, doubts: int, overlay_share: float = 0.0) -> list[str]:
    """Say what the matches changed, for a terminal.

    Parameters
    ----------
    decisions : DataFrame
        From :func:`read_decisions`.
    doubts : int
        How many doubts the match stage recorded.
    overlay_share : float
        Share of the picture that is drawn over every frame, 0 to 1.

    Returns
    -------
    list of str
        A line for the overlay, if there is one, for every verdict that there is, and for the number of doubts.
    """
    overlay = (
        [f"{_percent(overlay_share)} of the picture is drawn over every frame, and does not count."] if overlay_share else []
    )
    moved = []
    for verdict in VERDICTS:
        rows = decisions[decisions["verdict"] == verdict]
        if len(rows):
            moved.append(f"{in_words(verdict, len(rows))}: {_named(rows['position'])}.")
    left = [f"{_count(doubts, 'doubt')} about what was left as it was: see the doubts in run.json."] if doubts else []
    return [*overlay, *(moved or [NOTHING]), *left]


def overlay_sentence(share: float, sought_in: int, kept: bool) -> str:
    """Say what is drawn over every frame.

    Parameters
    ----------
    share : float
        Share of the picture, 0 to 1.
    sought_in : int
        Number of dissimilar frames in which it was sought.
    kept : bool
        Whether it was asked to be kept as picture.

    Returns
    -------
    str
        A sentence.
    """
    if kept:
        return "What is drawn over every frame, if anything, was kept as picture (overlay = keep)."
    if share:
        return (
            f"{_percent(share)} of the picture is drawn over every frame (a logo, a caption or bars, for example) and does not "
            "count: it was filled in before frames were compared, and no keypoint lies on it."
        )
    if sought_in < MIN_DISSIMILAR:
        return (
            f"Whether something is drawn over every frame cannot be told: fewer than {MIN_DISSIMILAR} frames have little in "
            "common with each other."
        )
    return "No overlay was found: nothing is drawn over every frame."


def overlay_of(run: Run) -> str:
    """Say what is drawn over every frame of a run.

    Parameters
    ----------
    run : Run
        A run whose video stage is finished.

    Returns
    -------
    str
        From :func:`overlay_sentence`.
    """
    kept = run.parameters("video").get("overlay") == "keep"
    return overlay_sentence(_overlay_share(run), _recorded(run, "video", "overlay_sought_in"), kept)


def changes_of(run: Run) -> list[str]:
    """Say what the matches of a run changed, with reasons.

    Parameters
    ----------
    run : Run
        A run whose match stage is finished.

    Returns
    -------
    list of str
        From :func:`change_sentences`.
    """
    counts = (_recorded(run, "match", name) for name in ("joined_scenes", "split_scenes"))
    return change_sentences(read_decisions(run), *counts)


def lines_of(run: Run) -> list[str]:
    """Say what the matches of a run changed, for a terminal.

    Parameters
    ----------
    run : Run
        A run whose match stage is finished.

    Returns
    -------
    list of str
        From :func:`short_sentences`.
    """
    return short_sentences(read_decisions(run), len(doubts_of(run)), _overlay_share(run))


def edits_of(run: Run) -> list[str]:
    """Say what was changed by hand.

    Parameters
    ----------
    run : Run
        A run.

    Returns
    -------
    list of str
        A line for every edit, those of the scenes first.
    """
    return [*map(describe_undo, run.edits("match")), *map(describe, run.edits("order"))]


def doubts_of(run: Run, stage: str = "match") -> list[str]:
    """List the doubts that a stage recorded: what the match stage left as it was although the matches say something else.

    Parameters
    ----------
    run : Run
        A run whose stage is finished.
    stage : str
        The stage; those of "order" are about the order of whole scenes.

    Returns
    -------
    list of str
        A sentence each.
    """
    doubts = run.info(stage).get("doubts")
    return [str(doubt) for doubt in doubts] if isinstance(doubts, list) else []


def _overlay_share(run: Run) -> float:
    """Share of the picture that is drawn over every frame; bars beside frames of another shape are no part of it."""
    value = run.info("video").get("overlay_share")
    return float(value) if isinstance(value, int | float) else 0.0


def _recorded(run: Run, stage: str, name: str) -> int:
    """A count that a stage recorded about itself; 0 for what is none."""
    value = run.info(stage).get(name)
    return value if isinstance(value, int) else 0


def _named(positions: pd.Series) -> str:
    """``frames 3, 7, 8 and 12 more``; the first ones by position."""
    names = [str(position) for position in sorted(positions.tolist())]
    if len(names) == 1:
        return f"frame {names[0]}"
    shown = names if len(names) <= SHOWN_FRAMES + 1 else [*names[:SHOWN_FRAMES], f"{len(names) - SHOWN_FRAMES} more"]
    return f"frames {', '.join(shown[:-1])} and {shown[-1]}"


def _why(rows: pd.DataFrame) -> str:
    """The reason of the least sure decision among some, or of the first one where odds are not known."""
    odds = rows["odds"].to_numpy()
    known = bool(np.isfinite(odds).any())
    place = int(np.nanargmin(odds)) if known else 0
    sure, reason = f" (odds {_odds(odds[place])})" if known else "", rows["reason"].iloc[place]
    same = rows["decision"] == rows["decision"].iloc[place]
    if same.all():
        return f"Why{sure}: {reason}."
    return f"{'The least sure,' if known else 'For example'} {_named(rows['position'][same])}{sure}: {reason}."


def _odds(odds: float) -> str:
    if odds < 1:
        return f"1 to {_odds(1 / odds).removesuffix(' to 1')}"
    return f"{odds:,.0f} to 1" if odds >= 10 else f"{odds:.2g} to 1"


def _percent(share: float) -> str:
    return "less than 0.1 %" if share < 0.001 else f"{100 * share:.1f} %"


def _count(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
