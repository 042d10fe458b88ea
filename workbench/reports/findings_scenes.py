"""What the figures of notebook 02 show, in words: the map of the vectors, and the scenes.

Numbers in, sentences out: every sentence follows from the numbers it is given.
"""

import numpy as np
from sklearn.neighbors import NearestNeighbors

from workbench.reports.findings import Findings, count_of, listed, percent

MAP_NEIGHBOURS = 5  # frames around each frame on the map
WELL_MAPPED = 0.95  # share of these that are of the same scene, on a map that shows the scenes


def map_share(points: np.ndarray, labels: np.ndarray) -> float:
    """Measure how well a map shows scenes.

    Parameters
    ----------
    points : (N, 2) float array
        Where every frame lies on the map; NaN where there is no map.
    labels : (N,) int array
        Scene of every frame, -1 = outlier.

    Returns
    -------
    float
        Of the five nearest frames around every frame of a scene, the share that is of the same scene, 0 to 1; NaN where there
        is no map, no scene, or too few frames.
    """
    inside = np.flatnonzero(labels >= 0)
    if len(points) <= MAP_NEIGHBOURS or not np.isfinite(points).all() or not len(inside):
        return float("nan")
    # The nearest one is the frame itself.
    near = NearestNeighbors(n_neighbors=MAP_NEIGHBOURS + 1).fit(points).kneighbors(points[inside], return_distance=False)[:, 1:]
    return float((labels[near] == labels[inside, None]).mean())


def map_sentence(share: float, scenes: int) -> str:
    """Say how well a map shows the scenes.

    Parameters
    ----------
    share : float
        From :func:`map_share`.
    scenes : int
        Number of scenes.

    Returns
    -------
    str
        One or two sentences.
    """
    if np.isnan(share):
        return "There is nothing to compare: no map, no scene, or too few frames."
    found = f"Of the {MAP_NEIGHBOURS} frames nearest to a frame on the map, {percent(share)} are of its scene"
    if share >= WELL_MAPPED:
        return f"{found}: the {count_of(scenes, 'scene')} that DBSCAN finds in the vectors can be seen on the map too."
    return f"{found}. The map mixes scenes that the vectors keep apart: believe the vectors."


def gap_sentence(distances: np.ndarray, labels: np.ndarray) -> str:
    """Say whether outliers are farther from everything than frames of scenes are.

    Parameters
    ----------
    distances : (N,) float array
        Cosine distance of every frame to its k-th nearest one, itself included, 0 to 2.
    labels : (N,) int array
        Scene of every frame, -1 = outlier.

    Returns
    -------
    str
        One or two sentences.
    """
    inside, outside = distances[labels >= 0], distances[labels < 0]
    if not len(outside):
        return f"No frame is set aside; the loneliest frame of a scene has its neighbours within {inside.max():.3f}."
    if not len(inside):
        return f"All frames are set aside: none has enough neighbours within {outside.min():.3f}."
    reach, start = float(inside.max()), float(outside.min())
    found = (
        f"The frames of scenes have their neighbours within a cosine distance of {reach:.3f}, the "
        f"{count_of(len(outside), 'outlier')} have theirs at {start:.3f} and more"
    )
    if start > reach:
        return (
            f"{found}. Between both is a gap of a factor of {start / max(reach, 1e-9):.1f}, where any radius tells them apart."
        )
    return f"{found}. Both overlap: no radius parts them by this distance alone."


def lonely_sentence(labels: np.ndarray) -> str:
    """Say whether the loneliest frames are outliers.

    Parameters
    ----------
    labels : (M,) int array
        Scene of the loneliest frames, the loneliest first, -1 = outlier.

    Returns
    -------
    str
        A sentence.
    """
    outliers, inside = int((labels < 0).sum()), np.flatnonzero(labels >= 0)
    first = f"the first frame of a scene comes at place {inside[0] + 1}" if len(inside) else "none is of a scene"
    return f"Outliers among the {len(labels)} loneliest frames: {outliers}; {first}."


def map_findings(labels: np.ndarray, share: float, distances: np.ndarray) -> Findings:
    """Sum up how many scenes there are.

    Parameters
    ----------
    labels : (N,) int array
        Scene of every frame, -1 = outlier.
    share : float
        From :func:`map_share`.
    distances : (N,) float array
        Cosine distance of every frame to its k-th nearest one, 0 to 2.

    Returns
    -------
    Findings
        The findings of notebook 02.
    """
    inside, outside = distances[labels >= 0], distances[labels < 0]
    doubtful = []
    if share < WELL_MAPPED:
        doubtful.append("The map does not show the scenes as the vectors have them.")
    if len(inside) and len(outside) and outside.min() <= inside.max():
        doubtful.append("Some outliers are no lonelier than some frames of scenes.")
    return Findings(
        [scenes_sentence(labels)], doubtful, ["Notebook 03 shows for which radius this holds, and lets you move it."]
    )


def scenes_sentence(labels: np.ndarray) -> str:
    """Say how large the scenes are.

    Parameters
    ----------
    labels : (N,) int array
        Scene of every frame, -1 = outlier.

    Returns
    -------
    str
        A sentence.
    """
    sizes, outliers = np.bincount(labels[labels >= 0]), int((labels < 0).sum())
    aside = f"{count_of(outliers, 'outlier')} ({percent(outliers / max(1, len(labels)))})"
    if not len(sizes):
        return f"No scene was found: {aside}."
    return f"{count_of(len(sizes), 'scene')} of {listed(sizes.tolist())} frames; {aside}.".capitalize()
