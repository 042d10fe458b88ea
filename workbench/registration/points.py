"""The matched points of registered pairs, scene by scene, as whole-scene alignment reads them."""

from collections.abc import Callable
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd

from workbench.registration.alignment import PairPoints
from workbench.registration.tables import CACHED_KEYPOINTS, TRANSFORM
from workbench.storage.hloc import open_h5, read_keypoints, read_matched

MAX_POINTS_PER_PAIR = 60  # correspondences that whole-scene alignment uses: bounds its memory


def registered_pairs(table: pd.DataFrame, labels: np.ndarray) -> list[pd.DataFrame]:
    """Part the registered pairs by scene.

    Parameters
    ----------
    table : pandas.DataFrame
        From :func:`~workbench.registration.tables.register_pairs`.
    labels : (N,) int array
        Scene of every frame, -1 = outlier.

    Returns
    -------
    list of pandas.DataFrame
        Of scene 0, 1, ...: the rows of the pairs that register and both of whose frames are in it.
    """
    a, b = (labels[table[name].to_numpy()] for name in ("a", "b"))
    scene = np.where((a == b) & (table["model"] != "none"), a, -1)
    order = np.argsort(scene, kind="stable")
    first = np.searchsorted(scene[order], np.arange(labels.max(initial=-1) + 2))
    return [table.iloc[order[start:stop]] for start, stop in pairwise(first)]


def registered_points(
    features_h5: Path, matches_h5: Path, registered: pd.DataFrame, threshold: float, step: Callable[[], None] = lambda: None
) -> PairPoints:
    """Read the matches that agree with the transforms of registered pairs.

    Parameters
    ----------
    features_h5, matches_h5 : Path
        The files of keypoints and of matches.
    registered : pandas.DataFrame
        Rows of :func:`~workbench.registration.tables.register_pairs`, none of model "none".
    threshold : float
        How far an inlier may lie off, as a share of the long side.
    step : callable
        Called after every pair.

    Returns
    -------
    PairPoints
        Pairs with their points. At most :data:`MAX_POINTS_PER_PAIR` of a pair are kept, evenly spaced over the keypoints of a,
        which are sorted strongest first.

    Notes
    -----
    A match agrees if the transform of the table maps one point to the other: RANSAC need not run again.
    """
    transforms = registered[TRANSFORM].to_numpy(dtype=np.float64).reshape(-1, 2, 3)
    pairs, points = registered[["a", "b"]].to_numpy(dtype=np.int64), [np.zeros((0, 4), np.float32)]
    with open_h5(features_h5) as features_file, open_h5(matches_h5) as matches_file:
        keypoints = lru_cache(maxsize=CACHED_KEYPOINTS)(lambda frame: read_keypoints(features_file, frame))
        for (a, b), transform in zip(pairs.tolist(), transforms, strict=True):
            matches = read_matched(matches_file, a, b, (len(keypoints(a)[0]), len(keypoints(b)[0])))
            matched = np.flatnonzero(matches >= 0)
            both = np.hstack([keypoints(a)[0][matched], keypoints(b)[0][matches[matched]]])
            off = np.linalg.norm(both[:, :2] @ transform[:, :2].T + transform[:, 2] - both[:, 2:], axis=1)
            inliers = np.flatnonzero(off <= threshold * max(keypoints(a)[1]))
            kept = np.linspace(0, len(inliers) - 1, min(len(inliers), MAX_POINTS_PER_PAIR)).round().astype(int)
            points.append(both[inliers[kept]])
            step()
    counts = np.array([len(some) for some in points[1:]], dtype=int)
    keep, both = counts > 0, np.concatenate(points)
    pair = np.repeat(np.arange(keep.sum()), counts[keep])
    inliers = registered["inliers"].to_numpy(dtype=np.int64)[keep]
    return PairPoints(pairs[keep], transforms[keep], inliers, pair, both[:, :2], both[:, 2:])
