"""Tables of transforms: one of matched pairs, and one of where every frame lies on the reference frame of its scene.

The table of pairs holds each pair's transform, its inliers, and the difference that remains once the pair is aligned.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd

from workbench.embedding.images import rank_thumbnail
from workbench.evaluation.files import TRANSFORM_COLUMNS
from workbench.progress import Progress, Steps
from workbench.registration.alignment import Alignment
from workbench.registration.pair import MIN_INLIERS, UNRELATED, Registration, register_pair, residual
from workbench.storage.hloc import Features, open_h5, read_keypoints, read_matched
from workbench.storage.opened import OpenedFeatures
from workbench.threads import in_threads

TRANSFORM = list(TRANSFORM_COLUMNS)
CACHED_KEYPOINTS, CACHED_THUMBNAILS = 4096, 1024  # frames whose keypoints, or rank thumbnails, stay in memory


def register_features(
    a: Features,
    b: Features,
    matches0: np.ndarray,
    threshold: float,
    images: tuple[np.ndarray, np.ndarray] | None = None,
    min_inliers: int = MIN_INLIERS,
) -> Registration:
    """Register two frames from their features and matches.

    Parameters
    ----------
    a, b : Features
        Keypoints of the two frames, and the size of the original.
    matches0 : (K_A,) int array
        For every keypoint of a its index in b, or -1.
    threshold : float
        How far an inlier may lie off, as a share of the long side.
    images : two (h, w, 3) uint8 arrays, optional
        RGB working copies of the two frames, without which only the matches decide; see
        :func:`~workbench.registration.pair.register_pair`.
    min_inliers : int
        Matches that must agree with the transform; :data:`~workbench.parameters.METHODS` has the number of each matcher.

    Returns
    -------
    Registration
        The transform from a to b; its ``inliers`` are in the order of the matches that are not -1.
    """
    ranks = None if images is None else (rank_thumbnail(images[0]), rank_thumbnail(images[1]))
    return _register(a.keypoints, b.keypoints, a.image_size, matches0, threshold, ranks, min_inliers)


def _register(
    a: np.ndarray,
    b: np.ndarray,
    image_size: np.ndarray,
    matches0: np.ndarray,
    threshold: float,
    ranks: tuple[np.ndarray, np.ndarray] | None,
    min_inliers: int,
) -> Registration:
    matched = np.flatnonzero(matches0 >= 0)
    width, height = (int(side) for side in image_size)
    points = a[matched], b[matches0[matched]]
    return register_pair(*points, min(len(a), len(b)), (width, height), threshold, ranks, min_inliers)


class KeptFrames(OpenedFeatures):
    """What registering needs of single frames; those used last stay in memory, for tables that are made one after another.

    Parameters
    ----------
    features_h5 : Path
        The file of keypoints.
    images : (N, h, w, 3) uint8 array, or N (h, w, 3) arrays
        RGB working copies.

    Attributes
    ----------
    long_side : int
        Of the working copies, px.
    keypoints : callable
        Position of a frame -> its keypoints, (K, 2), and the size of the original, (2,); inside of ``opened``.
    ranks : callable
        Position of a frame -> its :func:`~workbench.embedding.images.rank_thumbnail`.
    """

    def __init__(self, features_h5: Path, images: Sequence[np.ndarray]) -> None:
        super().__init__(features_h5)
        self.long_side = max(images[0].shape[:2])
        self.keypoints = lru_cache(maxsize=CACHED_KEYPOINTS)(self._read_keypoints)
        self.ranks = lru_cache(maxsize=CACHED_THUMBNAILS)(lambda frame: rank_thumbnail(images[frame]))

    def _read_keypoints(self, frame: int) -> tuple[np.ndarray, np.ndarray]:
        return read_keypoints(self._file, frame)


def register_pairs(
    features_h5: Path,
    matches_h5: Path,
    pairs: np.ndarray,
    images: Sequence[np.ndarray],
    threshold: float,
    progress: Progress = True,
    min_inliers: int = MIN_INLIERS,
    kept: KeptFrames | None = None,
) -> pd.DataFrame:
    """Register every pair of frames from its matches.

    Parameters
    ----------
    features_h5, matches_h5 : Path
        The files of keypoints and of matches.
    pairs : (P, 2) int array
        Positions a < b.
    images : (N, h, w, 3) uint8 array, or N (h, w, 3) arrays
        RGB working copies.
    threshold : float
        How far an inlier may lie off, px of the working copy.
    progress : bool or callable
        As for :class:`~workbench.progress.Steps`.
    min_inliers : int
        Matches that must agree with a transform; :data:`~workbench.parameters.METHODS` has the number of each matcher.
    kept : KeptFrames, optional
        Of the same files, where several tables are made of them.

    Returns
    -------
    pandas.DataFrame
        A row per pair: ``a``, ``b``; ``matches``, ``inliers`` (counts); ``inlier_share`` (of the smaller keypoint count, 0 to
        1); ``model`` ("similarity", or "none" where the pair does not register); ``displacement`` (mean, share of the image
        diagonal; empty for "none"); ``residual`` (difference of ranks after alignment, 0 to 1; that of unrelated frames for
        "none" or hardly any overlap); the transform from a to b, ``t00`` to ``t12``, px of the original.

    Raises
    ------
    MissingStageError
        If one of the files does not exist.
    RunError
        If a pair has not been matched.
    """
    frames, columns = kept or KeptFrames(features_h5, images), _columns(len(pairs))
    registered = partial(_row, threshold=threshold / frames.long_side, min_inliers=min_inliers)
    with frames.opened(), open_h5(matches_h5) as matches_file:
        read = (_read_pair(frames, matches_file, a, b) for a, b in pairs.tolist())
        rows = Steps(progress, len(pairs), "register", "pair").over(in_threads(registered, read))
        for row, found in enumerate(rows):
            for name, value in found.items():
                columns[name][row] = value
    return pd.DataFrame({"a": pairs[:, 0].astype(np.int64), "b": pairs[:, 1].astype(np.int64), **columns})


@dataclass(frozen=True, eq=False)
class _Pair:
    """What is read of two frames: keypoints (K, 2), the size of the original, matches, ranks."""

    points_a: np.ndarray
    points_b: np.ndarray
    size: np.ndarray
    matches: np.ndarray
    ranks: tuple[np.ndarray, np.ndarray]


def _read_pair(frames: KeptFrames, matches_file: h5py.File, a: int, b: int) -> _Pair:
    (points_a, size), (points_b, _) = frames.keypoints(a), frames.keypoints(b)
    matches = read_matched(matches_file, a, b, (len(points_a), len(points_b)))
    return _Pair(points_a, points_b, size, matches, (frames.ranks(a), frames.ranks(b)))


def _row(pair: _Pair, threshold: float, min_inliers: int) -> dict[str, Any]:
    """The row of a pair in the table of :func:`register_pairs`, without the frames."""
    aligned = _register(pair.points_a, pair.points_b, pair.size, pair.matches, threshold, pair.ranks, min_inliers)
    remaining = residual(*pair.ranks, aligned.transform, pair.size.tolist()) if aligned.model != "none" else np.nan
    return {
        "matches": len(aligned.inliers),
        "inliers": aligned.inliers.sum(),
        "inlier_share": aligned.inlier_share,
        "model": aligned.model,
        "displacement": aligned.displacement_share,
        "residual": UNRELATED if np.isnan(remaining) else remaining,
        **dict(zip(TRANSFORM, np.asarray(aligned.transform)[:2].ravel(), strict=True)),
    }


def _columns(count: int) -> dict[str, np.ndarray]:
    """Empty columns of the table of :func:`register_pairs`, but for the frames: of a long clip there are many rows."""
    kinds = dict.fromkeys(("matches", "inliers"), np.int64) | {"inlier_share": np.float64, "model": object}
    kinds |= dict.fromkeys(("displacement", "residual", *TRANSFORM), np.float64)
    return {name: np.empty(count, kind) for name, kind in kinds.items()}


def match_figures(table: pd.DataFrame) -> dict[str, float]:
    """Measure how good matches are without a ground truth.

    Parameters
    ----------
    table : pandas.DataFrame
        From :func:`register_pairs`.

    Returns
    -------
    dict of str to float
        ``matches_per_pair``, ``inliers_per_pair`` (means over all pairs compared, including those with foreign frames);
        ``inlier_ratio`` (share of all matches that agree with the transform of their pair, 0 to 1); ``registered_share`` (of
        the pairs, 0 to 1). All are 0 without pairs.
    """
    pairs, matches, inliers = len(table), int(table["matches"].sum()), int(table["inliers"].sum())
    return {
        "matches_per_pair": round(matches / max(1, pairs), 3),
        "inliers_per_pair": round(inliers / max(1, pairs), 3),
        "inlier_ratio": round(inliers / max(1, matches), 4),
        "registered_share": round(int((table["model"] != "none").sum()) / max(1, pairs), 4),
    }


def alignment_table(labels: np.ndarray, alignments: Sequence[Alignment]) -> pd.DataFrame:
    """Make the table of where every frame lies on the reference frame of its scene.

    Parameters
    ----------
    labels : (N,) int array
        Scene of every frame, -1 = outlier.
    alignments : sequence of Alignment
        Of scene 0, 1, ...

    Returns
    -------
    pandas.DataFrame
        A row per frame, in the order of the video: ``position``, ``scene``; ``reference``, position of the scene's reference
        frame (empty for outliers); ``connected``, 1 or 0; ``error_px`` and ``chained_error_px``, see
        :class:`~workbench.registration.alignment.Alignment` (empty where there are none); the transform to the reference,
        ``t00`` to ``t12``, px of the original, the identity for outliers.
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
    """Take the alignment of a scene from the table of all frames.

    Parameters
    ----------
    table : pandas.DataFrame
        From :func:`alignment_table`.
    frames : (n,) int array
        Positions of the scene's frames, in the restored order.

    Returns
    -------
    Alignment
        As it was put into the table.
    """
    rows = table.set_index("position").loc[frames]
    transforms = rows[TRANSFORM].to_numpy(dtype=np.float64).reshape(-1, 2, 3)
    reference = int(rows["reference"].iloc[0]) if len(rows) else -1
    errors = (rows[name].to_numpy(dtype=np.float64) for name in ("error_px", "chained_error_px"))
    return Alignment(np.asarray(frames), transforms, reference, rows["connected"].to_numpy() == 1, *errors)
