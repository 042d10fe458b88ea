"""What the figures of notebook 05 show, in words: the order, the distances it rests on, its links, and the alignment.

Numbers in, sentences out: every sentence follows from the numbers it is given.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from workbench.ordering.confidence import WEAK_CONFIDENCE
from workbench.reports.findings import Findings, count_of, percent
from workbench.reports.findings_clip import JUMP

BESIDE = 2  # places within which the nearest frame counts as a neighbour
NEAR_PX = 1.0  # median distance of matched points, px of the original, of an alignment that holds
RIGHT = 0.98  # |Kendall tau| from which an order counts as that of the truth


def restored_sentence(labels: np.ndarray) -> str:
    """Say what was put in order.

    Parameters
    ----------
    labels : (N,) int array
        Scene of every frame, -1 = outlier.

    Returns
    -------
    str
        A sentence.
    """
    scenes, kept = int(labels.max(initial=-1)) + 1, int((labels >= 0).sum())
    aside = f"{count_of(len(labels) - kept, 'frame')} {'is' if len(labels) - kept == 1 else 'are'} set aside as foreign"
    return f"{kept} of {count_of(len(labels), 'frame')} are in order, in {count_of(scenes, 'scene')}; {aside}."


def beside_share(similarity: np.ndarray, order: np.ndarray) -> float:
    """Measure how often the most similar frame stands beside a frame in an order.

    Parameters
    ----------
    similarity : (M, M) float array
        Similarities; the most similar frame has the largest.
    order : (n,) int array
        Rows of the frames of one scene, in their order.

    Returns
    -------
    float
        Share of the frames whose most similar one of the scene is at most two places away, 0 to 1; NaN for fewer than four
        frames, of which any order would do.
    """
    if len(order) < BESIDE + 2:
        return float("nan")
    own = np.array(similarity[np.ix_(order, order)], dtype=float)
    np.fill_diagonal(own, -np.inf)
    return float((np.abs(own.argmax(axis=1) - np.arange(len(order))) <= BESIDE).mean())


def similarity_sentence(similarity: np.ndarray, orders: Sequence[np.ndarray]) -> str:
    """Say whether the similarities follow the order that was found.

    Parameters
    ----------
    similarity : (M, M) float array
        Cosine similarities of frames in input order.
    orders : sequence of (n,) int arrays
        For every scene the rows of its frames, in restored order.

    Returns
    -------
    str
        One or two sentences.
    """
    links = [similarity[order[:-1], order[1:]] for order in orders if len(order) > 1]
    shares = [(beside_share(similarity, order), len(order)) for order in orders]
    known = [(share, count) for share, count in shares if np.isfinite(share)]
    if not links or not known:
        return "The scenes are too short for the similarities to tell anything."
    beside, before = float(np.median(np.concatenate(links))), float(np.median(np.diag(similarity, 1)))
    share = float(np.average([share for share, _ in known], weights=[count for _, count in known]))
    found = (
        f"Frames that follow each other have a cosine similarity of {beside:.3f} in the median, in the file {before:.3f}. "
        f"For {percent(share)} of the frames the most similar one of their scene is at most {BESIDE} places away"
    )
    if share > 0.5:
        return f"{found}: the vectors agree with the order."
    return f"{found}: the vectors tell scenes apart, but not the places in them; the order rests on finer distances."


def distance_sentence(blend: np.ndarray, fused: np.ndarray, counts: np.ndarray, order: np.ndarray) -> str:
    """Compare what the greedy baseline and the fused distance say of an order.

    Parameters
    ----------
    blend : (n, n) float array
        Match counts blended with similarities; larger is more similar.
    fused : (n, n) float array
        The fused distance, no unit; larger is farther.
    counts : (n, n) float array
        Number of matches; 0 for pairs that were not compared.
    order : (n,) int array
        The rows in their order.

    Returns
    -------
    str
        Four sentences.
    """
    by_blend, by_fused = beside_share(blend, order), beside_share(-fused, order)
    if not np.isfinite(by_fused):
        return "The scene is too short to compare the two."
    links = float(np.median(fused[order[:-1], order[1:]]))
    all_pairs = float(np.median(fused[np.triu_indices(len(fused), 1)]))
    found = (
        f"The nearest frame is at most {BESIDE} places away for {percent(by_fused)} of the frames by the fused distance, for "
        f"{percent(by_blend)} by the blend. In the median a link of the order has the distance {links:.2f}, and any two frames "
        f"have {all_pairs:.2f}"
    )
    if all_pairs > 2 * links:
        found += ": the dark band along the diagonal is narrow, so the order is well determined."
    else:
        found += ": the band along the diagonal hardly stands out, so other orders are nearly as short."
    matched = float((counts[np.triu_indices(len(counts), 1)] > 0).mean())
    if matched == 1:
        return f"{found} All pairs of the scene were matched."
    return (
        f"{found} {percent(matched)} of the pairs of the scene were matched. What matches would say of the others is inferred, "
        "from the alignment of the whole scene where the order needed one, else from frames that both were matched with, which "
        "makes the patches away from the diagonal. Where nothing is known, they count as having nothing in common, which makes "
        "the even surface between the patches."
    )


def smoothness_sentence(before: np.ndarray, after: Sequence[np.ndarray]) -> str:
    """Say whether a restored video runs smoothly.

    Parameters
    ----------
    before : (N - 1,) float array
        Change of ranks from frame to frame in the file, 0 to 1; see :func:`workbench.viz.charts.frame_changes`.
    after : sequence of float arrays
        The same in the restored order of every scene.

    Returns
    -------
    str
        One or two sentences.
    """
    steps = np.concatenate([np.zeros(0), *after])
    if not len(steps) or not len(before):
        return "There is nothing to compare: no scene has two frames."
    now, once = np.median(steps), np.median(before)
    found = f"From frame to frame the ranks change by {now:.3f} in the median, in the file by {once:.3f}. "
    jumps = {scene: int((values > JUMP).sum()) for scene, values in enumerate(after) if (values > JUMP).any()}
    if not jumps:
        return f"{found}No step inside a scene is a jump (above {JUMP:.2f})."
    where = ", ".join(f"{count} in scene {scene}" for scene, count in jumps.items())
    return f"{found}Jumps (above {JUMP:.2f}): {where}. There the motion is fast, frames are missing, or the order is wrong."


def links_sentence(confidence: np.ndarray, order: pd.DataFrame) -> str:
    """Say how sure the links of an order are.

    Parameters
    ----------
    confidence : (L,) float array
        Confidence of every link, 0 to 1; NaN where it is not known.
    order : DataFrame
        The weakest links first, with ``scene``, ``first``, ``second`` and ``confidence``, as
        :func:`workbench.ordering.confidence.weak_links` lists them.

    Returns
    -------
    str
        One or two sentences.
    """
    known = confidence[np.isfinite(confidence)]
    if not len(known):
        return "This kind of order has no confidence."
    weak = known < WEAK_CONFIDENCE
    if not weak.any():
        return f"All {count_of(len(known), 'link')} are at {known.min():.2f} or above: none is a guess."
    scenes = count_of(order["scene"].nunique(), "scene")
    first, second, scene = (order[name].iloc[0] for name in ("first", "second", "scene"))
    return (
        f"{weak.sum()} of {count_of(len(known), 'link')} are guesses (below {WEAK_CONFIDENCE}), in {scenes}. The least certain "
        f"one, {order['confidence'].iloc[0]:.2f}, joins frames {first} and {second} of scene {scene}."
    )


def alignment_sentence(error: np.ndarray, chained: np.ndarray) -> str:
    """Say how well the frames of a scene fit onto each other.

    Parameters
    ----------
    error, chained : (n,) float arrays
        Median distance of the matched points of every frame, px of the original, once all pairs are solved together, and once
        neighbours are chained; NaN for frames without one.

    Returns
    -------
    str
        One or two sentences.
    """
    together, one_by_one = (values[np.isfinite(values)] for values in (error, chained))
    if not len(together):
        return "No frame is joined to the reference by registered pairs: there is no alignment."
    found = f"Matched points are {np.median(together):.2f} px apart in the median once all pairs are solved together"
    if len(one_by_one):
        found += f", and {np.median(one_by_one):.2f} px once transforms are chained"
    holds = (
        "so what is blurred moved by itself, or lies at another depth"
        if np.median(together) <= NEAR_PX
        else "more than a pixel, so expect blur"
    )
    lost = count_of(len(error) - len(together), "frame")
    return f"{found}: {holds}." if len(together) == len(error) else f"{found}: {holds}. Not joined to the reference: {lost}."


def truth_sentence(measured: dict[str, float], foreign: int, baseline: dict[str, float] | None = None) -> str:
    """Say how right an order is.

    Parameters
    ----------
    measured : dict
        Of ``metrics.json``: ``outlier_f1``, ``scene_f1``, ``tau``, ``tau_loop``, ``adjacent``, 0 to 1, and the number of
        ``outliers``; without a truth it has no ``tau``.
    foreign : int
        Number of foreign frames in the truth.
    baseline : dict, optional
        The same of the greedy baseline.

    Returns
    -------
    str
        One to three sentences.
    """
    if "tau" not in measured:
        return "No truth is known for this video: only the confidence of the links tells how reliable the order is."
    tau, adjacent = measured["tau"], measured["adjacent"]
    found = f"|Kendall tau| is {tau:.3f}, and {percent(adjacent)} of the true neighbours are neighbours: "
    if tau >= RIGHT and adjacent >= RIGHT:
        found += "the order is that of the truth, up to its direction."
    elif tau >= RIGHT:
        found += "the whole is right, up to its direction, and some neighbours are exchanged."
    elif measured.get("tau_loop", tau) >= RIGHT:
        found += "the order is right but for where a loop begins."
    elif adjacent > tau:
        found += "pieces are right, and were joined wrongly."
    else:
        found += "the whole is about right, and neighbours are mixed up."
    if measured["scene_f1"] < 1:
        found += f" The scenes are not those of the truth (F1 {measured['scene_f1']:.3f})."
    # Without foreign frames there is no such F1, and metrics.json has 0.
    if (foreign or measured["outliers"]) and measured["outlier_f1"] < 1:
        found += f" Not just the foreign frames, or not all of them, were set aside (F1 {measured['outlier_f1']:.3f})."
    if baseline is not None:
        found += f" The greedy baseline comes to {baseline['tau']:.3f} and {percent(baseline['adjacent'])}."
    return found


def order_findings(labels: np.ndarray, weak: int, doubts: Sequence[str], steps: Sequence[np.ndarray], truth: str) -> Findings:
    """Sum up what the video was.

    Parameters
    ----------
    labels : (N,) int array
        Scene of every frame, -1 = outlier.
    weak : int
        Number of guessed links.
    doubts : sequence of str
        Scenes whose order is not in the pictures, a sentence each.
    steps : sequence of float arrays
        Change of ranks from frame to frame in the restored order of every scene, 0 to 1.
    truth : str
        How right the order is, from :func:`truth_sentence`.

    Returns
    -------
    Findings
        The findings of notebook 05.
    """
    learnt, doubtful, following = [restored_sentence(labels), truth], list(doubts), []
    if weak:
        doubtful.append(f"{count_of(weak, 'link')} {'is a guess' if weak == 1 else 'are guesses'}.")
        following.append("Look at the guessed links under *Explore*, and move what is wrong.")
    jumps = sum(int((values > JUMP).sum()) for values in steps)
    if jumps:
        doubtful.append(f"{count_of(jumps, 'step')} inside scenes {'is a jump' if jumps == 1 else 'are jumps'}.")
    doubtful.append("No distance has a direction of time: any scene may run backwards.")
    return Findings(learnt, doubtful, [*following, "Play every scene, and flip those that run backwards."])
