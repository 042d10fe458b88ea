"""Tables of transforms: for every matched pair its transform, its inliers, and what differs once it is aligned; and for every
frame where it lies on its scene's reference frame.
"""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from workbench.embedding.images import rank_thumbnail
from workbench.registration.alignment import Alignment, PairPoints
from workbench.registration.pair import UNRELATED, Registration, register_pair, residual
from workbench.storage.hloc import Features, open_h5, read_keypoints, read_matches

# Row-major entries of the (2, 3) transform from a to b, in pixels of the original.
TRANSFORM = ["t00", "t01", "t02", "t10", "t11", "t12"]
CACHED_KEYPOINTS = 4096  # frames whose keypoints stay in memory
MAX_POINTS = 60  # correspondences of a pair that whole-scene alignment uses: bounds its memory


def register_features(a: Features, b: Features, matches0: np.ndarray, threshold: float) -> Registration:
    """Register two frames from their features and matches; inliers are those of the matches there are, in their order.

    matches0: (K_A,) int, index into b or -1. threshold: how far an inlier may lie off, as a share of the long side.
    """
    return _register(a.keypoints, b.keypoints, a.image_size, matches0, threshold)


def _register(a: np.ndarray, b: np.ndarray, image_size: np.ndarray, matches0: np.ndarray, threshold: float) -> Registration:
    found = np.flatnonzero(matches0 >= 0)
    size = tuple(int(side) for side in image_size)
    return register_pair(a[found], b[matches0[found]], min(len(a), len(b)), size, threshold)


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
    long_side = max(images[0].shape[:2])
    rank = lru_cache(maxsize=1024)(lambda frame: rank_thumbnail(images[frame]))
    with open_h5(features_h5) as features_file, open_h5(matches_h5) as matches_file:
        keypoints = lru_cache(maxsize=CACHED_KEYPOINTS)(lambda frame: read_keypoints(features_file, frame))
        for a, b in tqdm(pairs.tolist(), "register", unit="pair", disable=not progress):
            (points_a, size), (points_b, _) = keypoints(a), keypoints(b)
            matches, _ = read_matches(matches_file, a, b, (len(points_a), len(points_b)))
            aligned = _register(points_a, points_b, size, matches, threshold / long_side)
            left = residual(rank(a), rank(b), aligned.transform, size.tolist()) if aligned.model != "none" else np.nan
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
    # Without any row, pandas would not know which columns hold numbers.
    return pd.DataFrame(rows, columns=columns).astype(dict.fromkeys(["a", "b", "matches", "inliers"], np.int64))


def match_figures(table: pd.DataFrame) -> dict[str, float]:
    """How good the matches of a table from :func:`register_pairs` are, without any truth; all 0 without pairs.

    ``matches_per_pair``, ``inliers_per_pair``: means over the pairs compared, those with foreign frames among them.
    ``inlier_ratio``: share of all matches that agree with the transform of their pair, 0 to 1. ``registered_share``: of the
    pairs, 0 to 1.
    """
    pairs, matches, inliers = len(table), int(table["matches"].sum()), int(table["inliers"].sum())
    return {
        "matches_per_pair": round(matches / max(1, pairs), 3),
        "inliers_per_pair": round(inliers / max(1, pairs), 3),
        "inlier_ratio": round(inliers / max(1, matches), 4),
        "registered_share": round(int((table["model"] != "none").sum()) / max(1, pairs), 4),
    }


def registered_points(
    features_h5: Path, matches_h5: Path, table: pd.DataFrame, threshold: float, progress: bool = True
) -> PairPoints:
    """The registered pairs of a table from :func:`register_pairs` with the matches that agree with their transforms.

    threshold: how far an inlier may lie off, as a share of the long side. A match agrees when the transform of the table
    takes it there: RANSAC need not run again. At most :data:`MAX_POINTS` of a pair are kept, evenly from the keypoints of a,
    strongest first. Pairs with model "none" are left out.
    """
    found = table[table["model"] != "none"]
    transforms = found[TRANSFORM].to_numpy(dtype=np.float64).reshape(-1, 2, 3)
    pairs, points = found[["a", "b"]].to_numpy(dtype=np.int64), [np.zeros((0, 4), np.float32)]
    with open_h5(features_h5) as features_file, open_h5(matches_h5) as matches_file:
        keypoints = lru_cache(maxsize=CACHED_KEYPOINTS)(lambda frame: read_keypoints(features_file, frame))
        bar = tqdm(pairs.tolist(), "align", unit="pair", disable=not progress)
        for (a, b), transform in zip(bar, transforms, strict=True):
            matches, _ = read_matches(matches_file, a, b, (len(keypoints(a)[0]), len(keypoints(b)[0])))
            matched = np.flatnonzero(matches >= 0)
            both = np.hstack([keypoints(a)[0][matched], keypoints(b)[0][matches[matched]]])
            off = np.linalg.norm(both[:, :2] @ transform[:, :2].T + transform[:, 2] - both[:, 2:], axis=1)
            inliers = np.flatnonzero(off <= threshold * max(keypoints(a)[1]))
            points.append(both[inliers[np.linspace(0, len(inliers) - 1, min(len(inliers), MAX_POINTS)).round().astype(int)]])
    counts = np.array([len(some) for some in points[1:]], dtype=int)
    keep, both = counts > 0, np.concatenate(points)
    pair = np.repeat(np.arange(keep.sum()), counts[keep])
    return PairPoints(
        pairs[keep], transforms[keep], found["inliers"].to_numpy(dtype=np.int64)[keep], pair, both[:, :2], both[:, 2:]
    )


def alignment_table(labels: np.ndarray, alignments: Sequence[Alignment]) -> pd.DataFrame:
    """A row a frame, in the order of the video: where it lies on its scene's reference frame.

    labels: (N,) int scene of every frame, -1 outlier. alignments: of scene 0, 1, ... Columns: ``position, scene``;
    ``reference``, the position of the scene's reference frame (empty for outliers); ``connected``, 1 or 0; ``error_px`` and
    ``chained_error_px``, see :class:`~workbench.registration.alignment.Alignment` (empty where not known); the transform to the reference,
    ``t00`` to ``t12``, the identity for outliers.
    """
    count = len(labels)
    reference, connected = np.full(count, -1), np.zeros(count, dtype=int)
    errors, transforms = np.full((2, count), np.nan), np.tile(np.eye(2, 3), (count, 1, 1))
    for found in alignments:
        reference[found.frames], connected[found.frames] = found.reference, found.connected
        errors[:, found.frames] = found.error, found.chained_error
        transforms[found.frames] = found.transforms
    table = pd.DataFrame({"position": np.arange(count), "scene": labels, "reference": reference, "connected": connected})
    table["reference"] = table["reference"].astype("Int64").mask(table["reference"] < 0)
    table[["error_px", "chained_error_px"]] = errors.T
    table[TRANSFORM] = transforms.reshape(count, 6)
    return table


def scene_alignment(table: pd.DataFrame, frames: np.ndarray) -> Alignment:
    """A scene's alignment from its rows of :func:`alignment_table`; frames: (n,) int positions in the restored order."""
    rows = table.set_index("position").loc[frames]
    transforms = rows[TRANSFORM].to_numpy(dtype=np.float64).reshape(-1, 2, 3)
    reference = int(rows["reference"].iloc[0]) if len(rows) else -1
    errors = (rows[name].to_numpy(dtype=np.float64) for name in ("error_px", "chained_error_px"))
    return Alignment(np.asarray(frames), transforms, reference, rows["connected"].to_numpy() == 1, *errors)
