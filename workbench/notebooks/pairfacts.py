"""What is measured of compared pairs beside their figures: the difference before and after registration, and who disagrees."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from workbench.embedding.images import rank_thumbnail
from workbench.embedding.overlay import without_overlay
from workbench.ordering.scene import STILL_DISPLACEMENT
from workbench.parameters import METHODS
from workbench.registration.pair import UNMOVED_SHARE, residual
from workbench.registration.tables import CACHED_THUMBNAILS, register_features
from workbench.run import Run
from workbench.storage.hloc import Features, open_h5, read_features, read_matches


def pair_numbers(run: Run, a: int, b: int) -> dict[str, float]:
    """Give the numbers of a compared pair.

    Parameters
    ----------
    run : Run
        A registered run.
    a, b : int
        Input positions of the frames, a < b.

    Returns
    -------
    dict
        ``matches``, ``inliers``; ``registered``, whether a transform was found; ``still``, whether it leaves the picture where
        it is; ``displacement``, mean distance by which the inliers move, px of the original, NaN for none; ``before`` and
        ``after``, the difference of the ranks of both frames as they are and registered, 0 to 1; ``together``, how many of the
        matches that disagree with the transform agree with another one.

    Raises
    ------
    MissingStageError
        If the run is not registered.
    """
    table = run.transforms()
    row = table[(table["a"] == a) & (table["b"] == b)].iloc[0]
    size, pictures = (run.info("video")["width"], run.info("video")["height"]), without_overlay(run.images(), run.overlay())
    with open_h5(run.features_path) as file:
        first, second = read_features(file, a), read_features(file, b)
    with open_h5(run.matches_path) as file:
        matches, _ = read_matches(file, a, b, (len(first), len(second)))
    least, threshold = METHODS[run.parameters("match")["matcher"]].min_inliers, run.ransac_threshold()
    agree = register_features(first, second, matches, threshold, (pictures[a], pictures[b]), least).inliers
    return {
        "matches": int(row["matches"]),
        "inliers": int(row["inliers"]),
        "registered": row["model"] != "none",
        "still": bool(row["displacement"] < STILL_DISPLACEMENT),
        "displacement": float(row["displacement"]) * float(np.hypot(*size)),
        "before": float(_unmoved(run, np.array([[a, b]]))[0]),
        "after": float(row["residual"]),
        "together": agree_apart(first, second, matches, agree, threshold),
    }


def follows_a_thing(run: Run, pair: Sequence[int], transform: np.ndarray) -> bool:
    """Tell whether two frames fit clearly better as they are than under a transform, which then follows a thing that moves.

    Parameters
    ----------
    run : Run
        A run with its working copies.
    pair : sequence of two int
        Input positions a and b of the frames.
    transform : (2, 3) float array
        Takes x, y of a to b, px of the original.

    Returns
    -------
    bool
        True where the residual without any transform is below 0.9 of that with it.
    """
    size, pictures = (run.info("video")["width"], run.info("video")["height"]), without_overlay(run.images(), run.overlay())
    ranks = rank_thumbnail(pictures[pair[0]]), rank_thumbnail(pictures[pair[1]])
    return residual(*ranks, np.eye(2, 3), size) < UNMOVED_SHARE * residual(*ranks, transform, size)


def agree_apart(first: Features, second: Features, matches0: np.ndarray, agree: np.ndarray, threshold: float) -> int:
    """Count the matches that disagree with the transform of a pair and agree with another one.

    Parameters
    ----------
    first, second : Features
        Of the two frames.
    matches0 : (K,) int array
        For every keypoint of the first its index in the second, or -1.
    agree : (M,) bool array
        For the M matches in their order, whether they agree with the transform.
    threshold : float
        How far an inlier may lie off, as a share of the long side.

    Returns
    -------
    int
        Inliers of the transform that most of these matches agree with; 0 if there is none.
    """
    rest = np.array(matches0)
    rest[np.flatnonzero(rest >= 0)[agree]] = -1
    return int(register_features(first, second, rest, threshold).inliers.sum())


def better_unmoved(run: Run, pairs: np.ndarray) -> np.ndarray:
    """Tell for which registered pairs the two frames fit clearly better as they are than after registration.

    Parameters
    ----------
    run : Run
        A registered run.
    pairs : (P, 2) int array
        Input positions a < b of pairs that the run compared.

    Returns
    -------
    (P,) bool array
        True where the residual without any transform is below 0.9 of that of the pair; False where the pair does not register.
    """
    table = run.transforms().set_index(["a", "b"]).loc[[(a, b) for a, b in pairs.tolist()]]
    return (table["model"] != "none").to_numpy() & (_unmoved(run, pairs) < UNMOVED_SHARE * table["residual"].to_numpy())


def _unmoved(run: Run, pairs: np.ndarray) -> np.ndarray:
    """(P,) float: the residual of pairs of frames as they are."""
    size, pictures = (run.info("video")["width"], run.info("video")["height"]), without_overlay(run.images(), run.overlay())
    rank = lru_cache(maxsize=CACHED_THUMBNAILS)(lambda frame: rank_thumbnail(pictures[frame]))
    return np.array([residual(rank(a), rank(b), np.eye(2, 3), size) for a, b in pairs.tolist()])
