"""What the figures of notebook 02 show, in words: the map of the vectors, and the scenes.

Numbers in, sentences out: every sentence follows from the numbers it is given.
"""

from collections.abc import Sequence

import numpy as np
from sklearn.cluster import DBSCAN
from sklearn.neighbors import NearestNeighbors

from workbench.reports.findings import Findings, count_of, listed, percent

ISLAND_GAP = 0.05  # share of the longer side of the map, above which a gap between frames parts two islands
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


def islands(points: np.ndarray, labels: np.ndarray) -> list[int]:
    """Count the islands that every scene forms on a map.

    Parameters
    ----------
    points : (N, 2) float array
        Where every frame lies on the map; NaN where there is no map.
    labels : (N,) int array
        Scene of every frame, -1 = outlier.

    Returns
    -------
    list of int
        For every scene the number of groups of its frames with gaps between them of more than :data:`ISLAND_GAP` of the longer
        side of the map; empty where there is no map.
    """
    if not len(points) or not np.isfinite(points).all():
        return []
    gap = max(ISLAND_GAP * float(np.ptp(points, axis=0).max()), 1e-9)
    scenes = [points[labels == scene] for scene in range(labels.max() + 1)]
    return [int(DBSCAN(eps=gap, min_samples=1).fit(own).labels_.max()) + 1 for own in scenes]


def map_sentence(share: float, pieces: Sequence[int]) -> str:
    """Say how well a map shows the scenes.

    Parameters
    ----------
    share : float
        From :func:`map_share`.
    pieces : sequence of int
        From :func:`islands`.

    Returns
    -------
    str
        One to three sentences.
    """
    if np.isnan(share):
        return "There is nothing to compare: no map, no scene, or too few frames."
    found = f"Of the {MAP_NEIGHBOURS} frames nearest to a frame on the map, {percent(share)} are of its scene"
    if share >= WELL_MAPPED:
        which = "scene" if len(pieces) == 1 else count_of(len(pieces), "scene")
        found += f": the {which} that DBSCAN finds in the vectors can be seen on the map too."
    else:
        found += ". The map mixes scenes that the vectors keep apart: believe the vectors."
    if max(pieces, default=1) == 1:
        return f"{found} Every scene is one island."
    broken = [f"scene {scene} lies in {count} islands" for scene, count in enumerate(pieces) if count > 1]
    return f"{found} A scene need not be one island: {listed(broken)}. Islands are the map's, scenes are those of the vectors."


def join_distances(embeddings: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Measure how far every outlier is from the nearest frame of a scene.

    Parameters
    ----------
    embeddings : (N, D) float32 array
        Rows of unit length.
    labels : (N,) int array
        Scene of every frame, -1 = outlier.

    Returns
    -------
    (M,) float array
        Cosine distance, 0 to 2, a value per outlier; empty where there is no scene.
    """
    inside, outside = embeddings[labels >= 0], embeddings[labels < 0]
    if not len(inside) or not len(outside):
        return np.zeros(0)
    found, _ = NearestNeighbors(n_neighbors=1, metric="cosine").fit(inside).kneighbors(outside)
    return np.asarray(found[:, 0], dtype=float)


def gap_sentence(distances: np.ndarray, labels: np.ndarray, joining: np.ndarray) -> str:
    """Say whether outliers are farther from everything than frames of scenes are.

    Parameters
    ----------
    distances : (N,) float array
        Cosine distance of every frame to its k-th nearest one, itself included, 0 to 2.
    labels : (N,) int array
        Scene of every frame, -1 = outlier.
    joining : (M,) float array
        From :func:`join_distances`: a radius as large as this brings an outlier into a scene, however lonely it is.

    Returns
    -------
    str
        One to three sentences.
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
    if start <= reach:
        return f"{found}. Both overlap: no radius parts them by this distance alone."
    nearest = float(joining.min())
    found += f". The outlier that is nearest to a scene is {nearest:.3f} away from it"
    end = min(start, nearest)
    if end <= reach:
        return f"{found}: no radius leaves it out and keeps all frames of the scenes."
    return (
        f"{found}. From {reach:.3f} to {end:.3f}, a factor of {end / max(reach, 1e-9):.1f}, any radius sets these outliers "
        "aside, and no frame of a scene."
    )


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
