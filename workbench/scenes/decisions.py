"""What was decided about the scenes of a clip after the clusterer: every decision with its frames, its odds and its reason."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from workbench.scenes.dbscan import by_size

# What a decision may be, in words: "12 frames were taken back".
VERDICTS = {
    "rescued": "taken back into a scene",
    "expelled": "set aside as foreign",
    "joined": "joined with another scene",
    "split": "parted from their scene",
    "blend": "recognised as cross-fades and given to the scene that weighs more",
    "fade": "recognised as fades and given to their scene",
    "take": "parted from their scene as another take of the same place",
}
# The same words for one frame.
_OF_ONE = {"their": "its", "cross-fades": "a cross-fade", "as fades": "as a fade"}
# Counts in the record of the match stage, each with the verdict whose decisions it counts.
COUNTED = {"blended_frames": "blend", "faded_frames": "fade", "takes": "take"}


@dataclass(frozen=True, eq=False)
class Decision:
    """A decision about some frames.

    Attributes
    ----------
    verdict : str
        One of :data:`VERDICTS`.
    frames : (n,) int array
        Their positions.
    reason : str
        Why, in words.
    odds : float
        How many times likelier what was found is if the decision is right than if it is wrong; NaN where that is not known.
    """

    verdict: str
    frames: np.ndarray
    reason: str
    odds: float = float("nan")


def decisions_table(clustered: np.ndarray, labels: np.ndarray, decisions: Sequence[Decision]) -> pd.DataFrame:
    """Write scenes and decisions as a table with a row per frame.

    Parameters
    ----------
    clustered : (N,) int array
        Scene of every frame by the clusterer, -1 = outlier.
    labels : (N,) int array
        Scene of every frame after all decisions, -1 = outlier.
    decisions : sequence of Decision
        The decisions in the order in which they were made; where two concern one frame, the later one is named.

    Returns
    -------
    pandas.DataFrame
        Columns ``position``, ``scene``, ``clustered``, ``verdict`` (empty where nothing was decided), ``decision`` (number of
        the decision from 0, NA for none), ``odds`` (NA where they are not known) and ``reason``.
    """
    table = pd.DataFrame({"position": np.arange(len(labels)), "scene": labels, "clustered": clustered, "verdict": ""})
    table["decision"], table["odds"], table["reason"] = pd.Series(pd.NA, table.index, dtype="Int64"), np.nan, ""
    for number, decision in enumerate(decisions):
        table.loc[decision.frames, "verdict"] = decision.verdict
        table.loc[decision.frames, "decision"] = number
        table.loc[decision.frames, "odds"] = float(f"{decision.odds:.3g}")
        table.loc[decision.frames, "reason"] = decision.reason
    return table


def smaller_parts(members: np.ndarray, scenes: np.ndarray) -> list[np.ndarray]:
    """List the parts of a scene that came apart, without the largest one.

    Parameters
    ----------
    members : (N,) bool array
        Its frames, all of them in a scene now.
    scenes : (N,) int array
        Scene of every frame now.

    Returns
    -------
    list of (n,) int arrays
        Positions of the frames of every other part.
    """
    sizes = np.bincount(scenes[members], minlength=1)
    return [np.flatnonzero(members & (scenes == part)) for part in np.flatnonzero(sizes) if part != sizes.argmax()]


def changed_counts(clustered: np.ndarray, labels: np.ndarray) -> dict[str, int]:
    """Count what differs from the clusterer's scenes.

    Parameters
    ----------
    clustered, labels : (N,) int array
        Scene of every frame before and after, -1 = outlier.

    Returns
    -------
    dict of str to int
        ``rescued_frames``, ``expelled_frames``; ``joined_scenes``, the clusterer's scenes that became part of another one;
        ``split_scenes``, scenes that were part of another one of the clusterer's.
    """
    before, after = (range(some.max(initial=-1) + 1) for some in (clustered, labels))
    parts_before = [len(np.unique(labels[(clustered == scene) & (labels >= 0)])) for scene in before]
    parts_after = [len(np.unique(clustered[(labels == scene) & (clustered >= 0)])) for scene in after]
    return {
        "rescued_frames": int(((clustered < 0) & (labels >= 0)).sum()),
        "expelled_frames": int(((clustered >= 0) & (labels < 0)).sum()),
        "joined_scenes": sum(max(0, parts - 1) for parts in parts_after),
        "split_scenes": sum(max(0, parts - 1) for parts in parts_before),
    }


def undo(clustered: np.ndarray, labels: np.ndarray, frames: np.ndarray) -> np.ndarray:
    """Take a decision back: its frames go where the clusterer had them.

    Parameters
    ----------
    clustered, labels : (N,) int array
        Scene of every frame by the clusterer, and now; -1 = outlier.
    frames : (n,) int array
        The frames of the decision.

    Returns
    -------
    (N,) int array
        The new scenes, by size. A frame is with most of the others that were in its scene by the clusterer, or in a scene of
        its own where there are none; the clusterer's outliers are outliers again.
    """
    scenes, others = labels.copy(), np.ones(len(labels), dtype=bool)
    others[frames] = False
    for cluster in np.unique(clustered[frames]).tolist():
        members = clustered == cluster
        now = labels[members & others & (labels >= 0)]
        home = -1 if cluster < 0 else int(np.bincount(now).argmax()) if len(now) else int(scenes.max()) + 1
        scenes[members & ~others] = home
    return by_size(scenes)


def in_words(verdict: str, count: int) -> str:
    """Say what was decided.

    Parameters
    ----------
    verdict : str
        One of :data:`VERDICTS`; another word stands as it is.
    count : int
        Number of frames that it was decided about.

    Returns
    -------
    str
        Such as "12 frames were taken back into a scene".
    """
    words = VERDICTS.get(verdict, verdict)
    if count != 1:
        return f"{count} frames were {words}"
    for many, one in _OF_ONE.items():
        words = words.replace(many, one)
    return f"1 frame was {words}"


def frames_beside(clustered: np.ndarray, labels: np.ndarray, frames: np.ndarray) -> dict[str, np.ndarray]:
    """Find the frames that a decision is to be seen beside: the others of the scenes that it concerns.

    Parameters
    ----------
    clustered, labels : (N,) int array
        Scene of every frame by the clusterer, and after all decisions; -1 = outlier.
    frames : (n,) int array
        The frames of the decision.

    Returns
    -------
    dict of str to (m,) int array
        Positions by a heading, the frames of the decision first; of the others only what is not empty.
    """
    beside = {"decided about": frames}
    for name, scenes in (("the clusterer", clustered), ("the matches", labels)):
        own = np.unique(scenes[frames])
        others = np.isin(scenes, own[own >= 0])
        others[frames] = False
        beside[f"in one scene with {'it' if len(frames) == 1 else 'them'} by {name}"] = np.flatnonzero(others)
    return {heading: positions for heading, positions in beside.items() if len(positions)}
