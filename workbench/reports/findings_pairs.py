"""What the figures of notebook 04 show, in words: pairs of frames, their matches and transforms, and matchers side by side.

Numbers in, sentences out: every sentence follows from the numbers it is given.
"""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from workbench.ordering.scene import STILL_DISPLACEMENT
from workbench.registration.pair import UNMOVED_SHARE, UNRELATED
from workbench.reports.changes import NOTHING
from workbench.reports.findings import Findings, count_of, listed, percent

MOST = 0.9  # share of the pairs inside scenes that register in a clip without trouble
TIE = 1.05  # ratio up to which two counts are called equal


def pairs_sentence(inside: np.ndarray, outside: np.ndarray, frames: int) -> str:
    """Say how many pairs were compared, and which of them register.

    Parameters
    ----------
    inside, outside : (P,) and (Q,) bool arrays
        For every compared pair inside a scene, and for every other one, whether it registers.
    frames : int
        Number of frames of the video.

    Returns
    -------
    str
        One to three sentences.
    """
    count, possible = len(inside) + len(outside), frames * (frames - 1) // 2
    found = [f"{count_of(count, 'pair')} of {possible:,} ({percent(count / max(1, possible))}) were compared."]
    if len(inside):
        found.append(f"Inside scenes {percent(inside.mean())} of {count_of(len(inside), 'pair')} register.")
    if len(outside):
        across = f"{outside.sum()}" if outside.any() else "none"
        found.append(f"Of {count_of(len(outside), 'pair')} with an outlier or between scenes {across} did.")
    return " ".join(found)


def pair_sentence(
    matches: int, inliers: int, registered: bool, still: bool, displacement: float, before: float, after: float, together: int
) -> str:
    """Say what registration did to a pair of frames.

    Parameters
    ----------
    matches, inliers : int
        How many matches there are, and how many agree with the transform.
    registered : bool
        Whether a transform was found.
    still : bool
        Whether the transform leaves the picture where it is.
    displacement : float
        Mean distance by which the inliers move, px of the original; NaN where none was found.
    before, after : float
        Difference of the ranks of both frames as they are and once they are registered, 0 to 1; NaN without overlap.
    together : int
        How many of the matches that do not agree with the transform agree with another one.

    Returns
    -------
    str
        Two to four sentences.
    """
    scale = f"(0: the same; {UNRELATED:.2f}: nothing in common)"
    if not registered:
        return (
            f"No transform is found that six of {count_of(matches, 'match', 'matches')} agree with: it does not register. "
            f"As they are, the ranks of the frames differ by {before:.3f} {scale}."
        )
    found = f"{inliers} of {count_of(matches, 'match', 'matches')} agree with one transform"
    if still:
        return (
            f"{found}, which leaves the picture where it is: the camera stood still. The ranks of the frames differ by "
            f"{after:.3f} {scale}; this is what moved by itself.{_others(matches - inliers, together)}"
        )
    found += f", and move by {displacement:.1f} px in the mean. By registration the difference of the ranks "
    if before < UNMOVED_SHARE * after:
        found += f"rises from {before:.3f} to {after:.3f} {scale}: the transform follows a thing that moves, not the camera."
    elif after < UNMOVED_SHARE * before:
        found += f"falls from {before:.3f} to {after:.3f} {scale}: most of the picture moved together, as by a camera."
    else:
        found += f"stays about the same, {before:.3f} and {after:.3f} {scale}: this pair says little about the camera."
    return found + _others(matches - inliers, together)


def _others(others: int, together: int) -> str:
    """Say what the matches are that do not agree with the transform."""
    if not others:
        return ""
    if 2 * together >= others:
        return (
            f" Of the other {count_of(others, 'match', 'matches')} {together} agree with each other on another movement: that "
            "of things at another depth, or of a thing that moves by itself."
        )
    return f" The other {count_of(others, 'match', 'matches')} have no movement in common: on things that move apart, or wrong."


def matchers_sentence(table: pd.DataFrame) -> str:
    """Compare two matchers on the same pairs.

    Parameters
    ----------
    table : DataFrame
        Two rows, from :func:`workbench.notebooks.pairview.compare_matchers`.

    Returns
    -------
    str
        Three sentences.
    """
    (first, second), (one, other) = table.index, table.to_dict("records")
    words = []
    for column in ("matches", "inliers"):
        more, less = one[column], other[column]
        if max(more, less) <= TIE * min(more, less):
            words.append(f"as many {column}")
        else:
            words.append(
                f"{more / max(less, 0.01):.2f} times as many {column}"
                if less
                else f"{more:.0f} {column} per pair where there are none"
            )
    precision = [percent(row["inliers per match"]) for row in (one, other)]
    shares = f"of its matches {precision[0]} agree with the transform, against {precision[1]}"
    pairs = f"It registers {percent(one['registered'])} of the pairs, {second} {percent(other['registered'])}."
    more, exact = (one[column] - other[column] for column in ("inliers", "inliers per match"))
    most, precise = first if more > 0 else second, first if exact >= 0 else second
    if max(one["inliers"], other["inliers"]) <= TIE * min(one["inliers"], other["inliers"]):
        weighed = f"So {precise} is the more precise of the two"
    elif most == precise:
        weighed = f"So {most} finds more that agrees, and is more precise too"
    else:
        weighed = f"So {most} finds more that agrees, and {precise} is more precise"
    return f"Compared with {second}, {first} finds {words[0]} and {words[1]}; {shares}. {weighed}. {pairs}"


def drawn_sentence(table: pd.DataFrame, left_out: Sequence[str] = ()) -> str:
    """Say how matchers do on drawn pairs, whose true matches are known.

    Parameters
    ----------
    table : DataFrame
        A row per pair and method: ``pair`` and ``method``, their names; ``matches``, and how many of them are ``right``.
    left_out : sequence of str
        Names of the methods whose weights are not on this machine.

    Returns
    -------
    str
        A sentence per pair, and one on what is left out.
    """
    sentences = []
    for pair, rows in table.groupby("pair", sort=False):
        ordered = rows.sort_values("right", ascending=False, kind="stable").to_dict("records")
        best, worst = ordered[0], ordered[-1]
        found = f"On the {pair} pair {best['method']} has the most right matches, {_right(best)}"
        if len(ordered) > 1 and best["right"] <= TIE * worst["right"]:
            found = f"On the {pair} pair all find about as many right matches; {best['method']} {_right(best)}"
        elif len(ordered) > 1:
            found += f", and {worst['method']} the fewest, {_right(worst)}"
        sentences.append(f"{found}.")
    if left_out:
        sentences.append(f"Not shown, since their weights are not on this machine: {listed(left_out)}.")
    return " ".join(sentences)


def _right(row: Mapping[Hashable, Any]) -> str:
    return f"{row['right']} of {row['matches']} ({percent(row['right'] / max(1, row['matches']))})"


def blocks_sentence(counts: np.ndarray, labels: np.ndarray) -> str:
    """Say where the compared pairs lie in a matrix of frames sorted by scene.

    Parameters
    ----------
    counts : (N, N) float array
        Number of matches, NaN where a pair was not compared.
    labels : (N,) int array
        Scene of every row, -1 = outlier.

    Returns
    -------
    str
        Two sentences.
    """
    compared = np.isfinite(counts) & ~np.eye(len(counts), dtype=bool)
    if not compared.any():
        return "No pair was compared."
    own = (labels[:, None] == labels) & (labels >= 0)
    share = percent(float((compared & own).sum() / compared.sum()))
    inside = compared.sum(axis=1)[labels >= 0]
    return (
        f"{share} of the compared pairs lie in the blocks of the scenes along the diagonal. A frame of a scene was compared "
        f"with {np.median(inside) if len(inside) else 0:.0f} others in the median."
    )


def camera_sentence(moved: Mapping[int, float], diagonal: float) -> str:
    """Say in which scenes the camera moved.

    Parameters
    ----------
    moved : mapping of int to float
        For every scene by how much the matches of its registered pairs move, median over the pairs, as a share of the diagonal.
    diagonal : float
        Of the picture, px of the original.

    Returns
    -------
    str
        One or two sentences.
    """
    moving = [f"scene {scene} ({share * diagonal:.1f} px)" for scene, share in moved.items() if share >= STILL_DISPLACEMENT]
    still = [f"scene {scene}" for scene, share in moved.items() if share < STILL_DISPLACEMENT]
    found = [f"Between compared frames the camera moved in {listed(moving)}, in the median over the pairs."] if moving else []
    found += [f"{'It' if moving else 'The camera'} stood still in {listed(still)}."] if still else []
    return " ".join(found) or "No pair registers, so how the camera moved is not known."


def match_findings(
    inside: np.ndarray,
    outside: np.ndarray,
    unmoved: np.ndarray,
    few_agree: int,
    camera: str,
    matchers: str,
    changes: Sequence[str],
    doubts: Sequence[str],
) -> Findings:
    """Sum up whether the matches show how the camera moved.

    Parameters
    ----------
    inside, outside : (P,) and (Q,) bool arrays
        For every compared pair inside a scene, and for every other one, whether it registers.
    unmoved : (P,) bool array
        Pairs inside scenes whose frames fit clearly better without their transform.
    few_agree : int
        Registered pairs inside scenes of whose matches fewer than a quarter agree.
    camera : str
        How the camera moved, from :func:`camera_sentence`.
    matchers : str
        How two matchers compare, from :func:`matchers_sentence`.
    changes : sequence of str
        What the matches changed in the scenes.
    doubts : sequence of str
        What the matches left as it was although they say something else.

    Returns
    -------
    Findings
        The findings of notebook 04.
    """
    learnt, doubtful, following = (
        [camera, matchers, *changes],
        [f"{text[:1].upper()}{text[1:].rstrip('.')}." for text in doubts],
        [],
    )
    if len(inside):
        learnt.insert(0, f"{percent(inside.mean())} of the pairs inside scenes register.")
        if inside.mean() < MOST:
            doubtful.append("So many pairs do not register that the order rests on what needs no matches, or on few pairs.")
            following.append("Try more keypoints or another matcher on the worst pairs under *Explore*.")
    else:
        doubtful.append("There is no pair inside a scene: nothing was registered.")
    if outside.any():
        doubtful.append(f"{count_of(int(outside.sum()), 'pair')} across scenes registered: see whether these show one place.")
    if few_agree:
        doubtful.append(
            f"{count_of(few_agree, 'pair')} inside scenes registered although fewer than a quarter of the matches agree: look "
            "at the worst, above."
        )
    if unmoved.any():
        doubtful.append(f"{count_of(int(unmoved.sum()), 'pair')} fitted better unmoved: their transform follows what moves.")
    if list(changes) != [NOTHING]:
        following.append("Look at the decisions under *Explore*, and undo what is wrong.")
    return Findings(learnt, doubtful, [*following, "Notebook 05 puts the frames of every scene in order."])
