"""The table of registered pairs: for every matched pair its transform, its inliers, and what differs once it is aligned."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from workbench.hloc import Features, open_h5, read_features, read_matches
from workbench.register import UNRELATED, Registration, rank_thumbnail, register_pair, residual

# Row-major entries of the (2, 3) transform from a to b, in pixels of the original.
TRANSFORM = ["t00", "t01", "t02", "t10", "t11", "t12"]


def register_features(a: Features, b: Features, matches0: np.ndarray, threshold: float) -> Registration:
    """Register two frames from their features and matches; inliers are those of the matches there are, in their order.

    matches0: (K_A,) int, index into b or -1. threshold: how far an inlier may lie off, as a share of the long side.
    """
    found = np.flatnonzero(matches0 >= 0)
    size = tuple(int(side) for side in a.image_size)
    return register_pair(a.keypoints[found], b.keypoints[matches0[found]], min(len(a), len(b)), size, threshold)


def register_pairs(
    features_h5: Path,
    matches_h5: Path,
    pairs: np.ndarray,
    images: Sequence[np.ndarray],
    threshold: float,
    progress: bool = True,
) -> pd.DataFrame:
    """Register every pair from its matches: one row a pair.

    pairs: (P, 2) int, a < b. images: (N, h, w, 3) uint8 RGB working copies. threshold: px on the working copy within which
    a match agrees with the transform. Columns: ``a, b``; ``matches``, ``inliers`` (counts); ``inlier_share`` (of the smaller
    keypoint count, 0 to 1); ``model`` ("similarity", or "none" where the pair does not register); ``displacement`` (mean,
    share of the image diagonal; empty for "none"); ``residual`` (rank difference after alignment, RMS, 0 to 1; that of
    unrelated frames for "none" or hardly any overlap); the transform ``t00`` to ``t12``.
    """
    rows = []
    rank = lru_cache(maxsize=1024)(lambda frame: rank_thumbnail(images[frame]))
    with open_h5(features_h5) as features_file, open_h5(matches_h5) as matches_file:
        features = lru_cache(maxsize=256)(lambda frame: read_features(features_file, frame))
        for a, b in tqdm(pairs.tolist(), "register", unit="pair", disable=not progress):
            matches, _ = read_matches(matches_file, a, b)
            size = tuple(int(side) for side in features(a).image_size)
            aligned = register_features(features(a), features(b), matches, threshold / max(images[a].shape[:2]))
            left = residual(rank(a), rank(b), aligned.transform, size) if aligned.model != "none" else np.nan
            rows.append(
                {
                    "a": a,
                    "b": b,
                    "matches": len(aligned.inliers),
                    "inliers": int(aligned.inliers.sum()),
                    "inlier_share": aligned.inlier_share,
                    "model": aligned.model,
                    "displacement": aligned.displacement_share,
                    "residual": UNRELATED if np.isnan(left) else left,
                    **dict(zip(TRANSFORM, np.asarray(aligned.transform)[:2].ravel(), strict=True)),
                }
            )
    columns = ["a", "b", "matches", "inliers", "inlier_share", "model", "displacement", "residual", *TRANSFORM]
    return pd.DataFrame(rows, columns=columns)
