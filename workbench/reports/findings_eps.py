"""What the figures of notebook 03 show, in words: how the scenes depend on the radius.

Numbers in, sentences out: every sentence follows from the numbers it is given.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from workbench.reports.findings import Findings, count_of, listed
from workbench.reports.findings_scenes import scenes_sentence
from workbench.scenes.eps import EpsSweep

WIDE_RANGE = 1.5  # factor of eps from which a range is called wide


def eps_sentence(sweep: EpsSweep, used: float | None, clusterer: str, usual: float) -> str:
    """Say how much depends on the radius.

    Parameters
    ----------
    sweep : EpsSweep
        DBSCAN over a range of eps.
    used : float or None
        The eps of the run, cosine distance; None where it was not clustered by DBSCAN.
    clusterer : str
        Name of the clusterer of the run.
    usual : float
        The radius that usually separates scenes for the backbone, cosine distance.

    Returns
    -------
    str
        Two or three sentences.
    """
    labels = sweep.tree.labels(sweep.suggested)
    found = (
        f"From eps {sweep.low:.3g} to {sweep.high:.3g}, a factor of {sweep.high / sweep.low:.1f}, hardly anything changes: "
        f"{count_of(int(labels.max()) + 1, 'scene')} and {_outliers(sweep)}. Suggested is {sweep.suggested:.3g}; the usual "
        f"radius of this backbone, ε₀, is {usual:.3g}. "
    )
    if used is None:
        return f"{found}The run was clustered by {clusterer}, which has no eps."
    inside = sweep.low <= used <= sweep.high
    return f"{found}The eps in use, {used:.3g}, lies {'in' if inside else 'outside of'} this range."


def _outliers(sweep: EpsSweep) -> str:
    """How many outliers there are over the range of the suggestion: one number, or the least and the most."""
    inside = (sweep.eps >= sweep.low) & (sweep.eps <= sweep.high)
    least, most = int(sweep.outliers[inside].min()), int(sweep.outliers[inside].max())
    return count_of(most, "outlier") if least == most else f"{least} to {count_of(most, 'outlier')}"


def knee_sentence(distances: np.ndarray, eps: float | None) -> str:
    """Say where the sorted k-distances jump, and whether eps lies there.

    Parameters
    ----------
    distances : (N,) float array
        Cosine distance of every frame to its k-th nearest one, 0 to 2.
    eps : float or None
        The eps in use; None where there is none.

    Returns
    -------
    str
        One or two sentences.
    """
    rising = np.maximum(np.sort(distances), 1e-6)
    if len(rising) < 2:
        return "There is one frame only."
    place = int(np.argmax(rising[1:] / rising[:-1]))
    low, high = rising[place], rising[place + 1]
    found = f"The curve jumps most, {high / low:.1f} times as high, from {low:.3g} to {high:.3g}"
    if eps is None:
        return f"{found}."
    above = int((distances > eps).sum())
    where = "lies" if low <= eps <= high else "does not lie"
    return f"{found}; eps {where} in this jump. Above eps: {count_of(above, 'frame')}, which cannot be core frames."


def ranges_sentence(ranges: pd.DataFrame, eps: float | None) -> str:
    """Say which range of eps is the widest, and which one separates the scenes best.

    Parameters
    ----------
    ranges : DataFrame
        From :func:`workbench.scenes.eps.plateaus`.
    eps : float or None
        The eps in use; None where there is none.

    Returns
    -------
    str
        One or two sentences.
    """
    parted = ranges[ranges["scenes"] > 1]
    if parted.empty:
        return "At no eps is there more than one scene."
    scores = parted["silhouette"].to_numpy(dtype=float)
    widest = parted.iloc[int((parted["high"] / parted["low"]).to_numpy().argmax())]
    best = parted.iloc[int(np.nanargmax(scores))] if np.isfinite(scores).any() else widest
    found = (
        f"Of the ranges with more than one scene in which both numbers stay the same, the widest, {widest['low']:.3g} to "
        f"{widest['high']:.3g}, has {count_of(int(widest['scenes']), 'scene')}; scenes are separated best (silhouette "
        f"{best['silhouette']:.2f}) with {count_of(int(best['scenes']), 'scene')}, from {best['low']:.3g} to {best['high']:.3g}"
    )
    if best["low"] == widest["low"]:
        found += ": both are the same range."
    elif int(best["scenes"]) == int(widest["scenes"]):
        found += ": as many, but other ones."
    else:
        found += ": the silhouette alone would choose otherwise."
    if eps is None:
        return found
    around = ranges[(ranges["low"] <= eps) & (eps <= ranges["high"])]
    if widest["low"] <= eps <= widest["high"]:
        return f"{found} The eps in use lies in the widest."
    if around.empty:
        return f"{found} The eps in use lies between two of the ranges."
    return f"{found} The eps in use lies in another range, which has {count_of(int(around['scenes'].iloc[0]), 'scene')}."


def radii_sentence(labels: Mapping[str, np.ndarray], reference: str) -> str:
    """Say what DBSCAN finds at several radii, and what became of the scenes of one of them at the others.

    Parameters
    ----------
    labels : mapping of str to (N,) int array
        Scene of every frame, -1 = outlier, by the name of the radius.
    reference : str
        Name of the radius with which the others are compared.

    Returns
    -------
    str
        A sentence, and one for every radius at which the scenes are other ones.
    """
    counts = {name: (int(found.max(initial=-1)) + 1, int((found < 0).sum())) for name, found in labels.items()}
    parts = [
        f"{name} gives {count_of(scenes, 'scene')} and {count_of(outliers, 'outlier')}"
        for name, (scenes, outliers) in counts.items()
    ]
    changes = {name: _changes(found, labels[reference]) for name, found in labels.items() if name != reference}
    told = [f"At {name} {'; '.join(change)}." for name, change in changes.items() if change]
    return " ".join([f"{'; '.join(parts)}.", *(told or ["The scenes do not depend on it."])])


def _changes(found: np.ndarray, reference: np.ndarray) -> list[str]:
    """Say what became of the scenes of a clustering in another one."""
    changes = []
    held = [np.unique(found[(reference == scene) & (found >= 0)]) for scene in range(reference.max(initial=-1) + 1)]
    broken = [f"scene {scene} lies in {len(pieces)} islands" for scene, pieces in enumerate(held) if len(pieces) > 1]
    if broken:
        changes.append(listed(broken))
    joined = [np.unique(reference[(found == scene) & (reference >= 0)]) for scene in range(found.max(initial=-1) + 1)]
    changes += [f"scenes {listed(whole.tolist())} are one" for whole in joined if len(whole) > 1]
    made = [scene for scene, whole in enumerate(joined) if not len(whole)]
    alone = int(np.isin(found, made).sum())
    if made:
        own = "a scene" if len(made) == 1 else f"{len(made)} scenes"
        changes.append(
            f"{count_of(alone, 'outlier')} {'has' if alone == 1 else 'have'} enough neighbours for {own} of their own"
        )
    taken = int(((found >= 0) & (reference < 0)).sum()) - alone
    if taken:
        changes.append(f"{count_of(taken, 'outlier')} {'is' if taken == 1 else 'are'} in scenes of other frames")
    lost = int(((found < 0) & (reference >= 0)).sum())
    if lost:
        changes.append(f"{count_of(lost, 'frame')} of scenes {'is' if lost == 1 else 'are'} set aside")
    return changes


def eps_findings(sweep: EpsSweep, ranges: pd.DataFrame, labels: np.ndarray, used: float | None) -> Findings:
    """Sum up which radius separates the scenes.

    Parameters
    ----------
    sweep : EpsSweep
        DBSCAN over a range of eps.
    ranges : DataFrame
        From :func:`workbench.scenes.eps.plateaus`.
    labels : (N,) int array
        Scenes of the run, -1 = outlier.
    used : float or None
        The eps of the run; None where it was not clustered by DBSCAN.

    Returns
    -------
    Findings
        The findings of notebook 03.
    """
    doubtful = []
    if sweep.high / sweep.low < WIDE_RANGE:
        doubtful.append(
            f"The range in which nothing changes is narrow, {sweep.low:.3g} to {sweep.high:.3g}: a little more or less gives "
            "other scenes."
        )
    if used is not None and not sweep.low <= used <= sweep.high:
        doubtful.append(
            f"The eps in use, {used:.3g}, lies outside of the suggested range, {sweep.low:.3g} to {sweep.high:.3g}."
        )
    scenes, scores = int(labels.max(initial=-1)) + 1, ranges["silhouette"].to_numpy(dtype=float)
    if scenes and np.isfinite(scores).any():
        best = ranges.iloc[int(np.nanargmax(scores))]
        if int(best["scenes"]) != scenes:
            doubtful.append(
                f"The silhouette is best ({best['silhouette']:.2f}) with {count_of(int(best['scenes']), 'scene')} and "
                f"{count_of(int(best['outliers']), 'outlier')}, from eps {best['low']:.3g} to {best['high']:.3g}: there "
                f"{'; '.join(_changes(sweep.tree.labels(best['high']), labels))}. It prefers small tight pieces, which the "
                "frames of a moving camera are not; look at the pictures to decide."
            )
    if not scenes:
        doubtful.append("No scene was found: there will be nothing to order.")
    move = "Where it is in doubt, move eps under *Explore* and keep what is right." if doubtful else ""
    following = [move] if move else []
    return Findings([scenes_sentence(labels)], doubtful, [*following, "Notebook 04 checks these scenes point by point."])
