"""Scenes and outliers checked against the matches: frames of one scene register to each other, directly or through a chain.

Embeddings tell what looks alike; matches tell what shows the same place. On twelve real clips no two frames of different scenes
registered, and hardly a frame registered to none of its own scene. So the matches correct DBSCAN: a foreign frame in a scene is
expelled, a frame that was left out is taken back, a scene that fell to pieces is joined, and scenes that were thrown together
are split.

A *piece* is a set of frames of one DBSCAN scene that register to each other through a chain of pairs; a *single frame* is in
no piece. :func:`pieces_of` finds the pieces, :func:`probing_pairs` names the pairs that are still to be matched, and
:func:`verify` decides.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from workbench.embedding.views import View, blocks
from workbench.scenes.dbscan import by_size

MIN_PIECE_FRAMES = 3  # frames of a piece at least; fewer are single frames
STRONG_INLIERS = 12  # inliers from which a pair counts as strong: a clear sign against DBSCAN's labels

# Which pairs are probed.
PROBES_PER_FRAME = 3  # frames of pieces that each single frame is compared with
NEIGHBOUR_PIECES = 3  # nearest pieces that each piece is compared with
BRIDGES = 8  # pairs by which two pieces are compared
MAX_BRIDGES_PER_FRAME = 2  # of the pairs between two pieces that one frame takes part in
MAX_FACING_FRAMES = 1024  # frames of a piece among which these pairs are sought, the ones nearest to the other piece

# How the matches decide.
RESCUE_PAIRS = 2  # strong pairs with one scene that bring a single frame into it
JOIN_PAIRS = 3  # strong pairs that join two pieces of different DBSCAN scenes
MIN_SPLIT_FRAMES = 5  # frames that a piece needs to become a scene of its own when DBSCAN saw one scene
REGISTERING_SHARE = 0.8  # of a scene's frames in pieces; from this share on, a frame that registers to nothing is foreign
SMALL_SCENE_SHARE = 0.1  # of all frames; a scene up to this size in which nothing registers is a heap of foreign frames
TEXTURED_KEYPOINTS = 50  # a frame with fewer keypoints may belong to its scene and still not register


@dataclass(frozen=True, eq=False)
class Verified:
    """Scenes and outliers after the check, and what it changed.

    Attributes
    ----------
    labels : (N,) int array
        Scene of every frame, by size, 0 = largest, -1 = outlier.
    rescued, expelled : (n,) int array
        Positions of the frames that were taken into a scene and out of one.
    joined : int
        DBSCAN's scenes that became part of another one.
    split : int
        Scenes that were part of another one of DBSCAN's.
    """

    labels: np.ndarray
    rescued: np.ndarray
    expelled: np.ndarray
    joined: int
    split: int

    def counts(self) -> dict[str, int]:
        """Count the frames and scenes that were changed, for the record.

        Returns
        -------
        dict of str to int
            ``rescued_frames``, ``expelled_frames``, ``joined_scenes``, ``split_scenes``.
        """
        moved = {"rescued_frames": len(self.rescued), "expelled_frames": len(self.expelled)}
        return moved | {"joined_scenes": self.joined, "split_scenes": self.split}


def scenes_table(labels: np.ndarray, verified: Verified) -> pd.DataFrame:
    """Make the table of scenes before and after the check.

    Parameters
    ----------
    labels : (N,) int array
        DBSCAN's scene of every frame, -1 = outlier.
    verified : Verified
        From :func:`verify`.

    Returns
    -------
    pandas.DataFrame
        A row per frame: ``position``; ``scene``, -1 = outlier; ``clustered``, the scene by DBSCAN; ``verdict``, "rescued",
        "expelled" or empty.
    """
    table = pd.DataFrame({"position": np.arange(len(labels)), "scene": verified.labels, "clustered": labels, "verdict": ""})
    table.loc[verified.rescued, "verdict"] = "rescued"
    table.loc[verified.expelled, "verdict"] = "expelled"
    return table


def pieces_of(labels: np.ndarray, table: pd.DataFrame) -> np.ndarray:
    """Find the pieces of scenes: frames of a scene that register to each other through a chain of pairs.

    Parameters
    ----------
    labels : (N,) int array
        DBSCAN's scene of every frame, -1 = outlier.
    table : pandas.DataFrame
        Rows of :func:`~workbench.registration.tables.register_pairs`.

    Returns
    -------
    (N,) int array
        Piece of every frame, by size, 0 = largest; -1 for outliers and for frames in chains of fewer than three.
    """
    pairs = table.loc[table["model"] != "none", ["a", "b"]].to_numpy()
    inside = pairs[(labels[pairs[:, 0]] == labels[pairs[:, 1]]) & (labels[pairs[:, 0]] >= 0)]
    graph = coo_array((np.ones(len(inside)), (inside[:, 0], inside[:, 1])), shape=(len(labels), len(labels)))
    _, chain = connected_components(graph, directed=False)
    sizes = np.bincount(chain)
    return by_size(np.where((labels >= 0) & (sizes[chain] >= MIN_PIECE_FRAMES), chain, -1))


def probing_pairs(pieces: np.ndarray, view: View) -> np.ndarray:
    """Choose the pairs whose matches tell what belongs together.

    Parameters
    ----------
    pieces : (N,) int array
        From :func:`pieces_of`.
    view : View
        Distances of the embeddings.

    Returns
    -------
    (P, 2) int array
        Pairs a < b, sorted: every single frame with the three nearest frames of pieces, and every piece with its three nearest
        pieces by their eight nearest pairs, no frame in more than two of these eight.
    """
    in_pieces, pairs = np.flatnonzero(pieces >= 0), []
    for frames in blocks(np.flatnonzero(pieces < 0)):
        near = in_pieces[np.argsort(view(frames, in_pieces), axis=1, kind="stable")[:, :PROBES_PER_FRAME]]
        pairs += [(int(frame), int(other)) for frame, row in zip(frames, near, strict=True) for other in row]
    groups = [np.flatnonzero(pieces == piece) for piece in range(pieces.max(initial=-1) + 1)]
    gaps = _gaps(groups, view)
    for one in range(len(groups)):
        for other in [near for near in np.argsort(gaps[one], kind="stable") if near != one][:NEIGHBOUR_PIECES]:
            pairs += _bridges(groups[one], groups[other], view)
    return np.unique(np.sort(np.array(pairs, dtype=int).reshape(-1, 2), axis=1), axis=0)


def _gaps(groups: list[np.ndarray], view: View) -> np.ndarray:
    """(groups, groups) distances between the nearest frames of any two groups."""
    gaps = np.full((len(groups), len(groups)), np.inf)
    grouped = np.concatenate([*groups, np.zeros(0, dtype=int)])
    starts = np.cumsum([0, *(len(group) for group in groups[:-1])])
    for number, group in enumerate(groups):
        for frames in blocks(group):
            nearest = view(frames, grouped).min(axis=0)
            gaps[number] = np.minimum(gaps[number], np.minimum.reduceat(nearest, starts))
    return gaps


def _bridges(one: np.ndarray, other: np.ndarray, view: View) -> list[tuple[int, int]]:
    """The nearest pairs between two groups of frames."""
    # All pairs of two long pieces would be too many to sort: the frames that face each other are enough.
    one, other = _nearest_to(one, other, view), _nearest_to(other, one, view)
    used: dict[int, int] = {}
    chosen: list[tuple[int, int]] = []
    for index in np.argsort(view(one, other), axis=None, kind="stable"):
        a, b = int(one[index // len(other)]), int(other[index % len(other)])
        if used.get(a, 0) < MAX_BRIDGES_PER_FRAME and used.get(b, 0) < MAX_BRIDGES_PER_FRAME:
            used[a], used[b] = used.get(a, 0) + 1, used.get(b, 0) + 1
            chosen.append((a, b))
        if len(chosen) == BRIDGES:
            break
    return chosen


def _nearest_to(frames: np.ndarray, others: np.ndarray, view: View) -> np.ndarray:
    """Those of ``frames`` (n,) that are nearest to any of ``others``, at most :data:`MAX_FACING_FRAMES`, sorted ascending."""
    if len(frames) <= MAX_FACING_FRAMES:
        return frames
    nearest = np.concatenate([view(some, others).min(axis=1) for some in blocks(frames)])
    return np.sort(frames[np.argsort(nearest, kind="stable")[:MAX_FACING_FRAMES]])


@dataclass(frozen=True, eq=False)
class _Evidence:
    """The clustering of a clip and what its matches show.

    labels, pieces, keypoints: (N,) int, as :func:`verify` is given them. compared: (N,) int, pairs that each frame was matched
    in. a, b: (R,) int, frames of the pairs that register. strong: (R,) bool, which of these have enough inliers.
    """

    labels: np.ndarray
    pieces: np.ndarray
    keypoints: np.ndarray
    compared: np.ndarray
    a: np.ndarray
    b: np.ndarray
    strong: np.ndarray

    def partners(self, frame: int, only_strong: bool) -> np.ndarray:
        """Frames that a frame registers to, (n,) int; by strong pairs only, or by any pair."""
        taken = self.strong | (not only_strong)
        return np.concatenate([self.b[(self.a == frame) & taken], self.a[(self.b == frame) & taken]])


def verify(labels: np.ndarray, pieces: np.ndarray, table: pd.DataFrame, keypoints: np.ndarray) -> Verified:
    """Correct scenes and outliers by which frames register to which.

    Parameters
    ----------
    labels : (N,) int array
        DBSCAN's scene of every frame, -1 = outlier.
    pieces : (N,) int array
        From :func:`pieces_of`.
    table : pandas.DataFrame
        Rows of :func:`~workbench.registration.tables.register_pairs`, those of :func:`probing_pairs` among them.
    keypoints : (N,) int array
        How many keypoints every frame has.

    Returns
    -------
    Verified
        The corrected scenes, and what was changed.

    Notes
    -----
    DBSCAN's labels stay where the matches show nothing clear. The rules:

    - an outlier joins a scene if at least two of its pairs with it have twelve inliers;
    - a frame of a scene becomes an outlier if it registers to nothing although it was compared three times and has 50
      keypoints, in a scene of which four fifths register, or in a small one in which none does;
    - two pieces of one scene stay together if a single pair of them registers, or if one has fewer than five frames;
    - pieces of two scenes are joined if at least three pairs of them have twelve inliers.
    """
    registered = table[table["model"] != "none"]
    evidence = _Evidence(
        labels=labels,
        pieces=pieces,
        keypoints=keypoints,
        compared=np.bincount(table[["a", "b"]].to_numpy().ravel(), minlength=len(labels)),
        a=registered["a"].to_numpy(),
        b=registered["b"].to_numpy(),
        strong=registered["inliers"].to_numpy() >= STRONG_INLIERS,
    )
    scene_of_piece = _join_pieces(evidence)
    # Scene of every frame that is in a piece, -1 for single frames.
    piece_scenes = np.where(pieces >= 0, scene_of_piece[np.maximum(pieces, 0)], -1) if len(scene_of_piece) else pieces.copy()
    _return_small_pieces(labels, piece_scenes)
    scenes = piece_scenes.copy()
    for frame in np.flatnonzero(pieces < 0).tolist():
        scenes[frame] = _scene_of_single_frame(frame, piece_scenes, len(scene_of_piece), evidence)
    return _compared_with(labels, by_size(scenes))


def _compared_with(before: np.ndarray, after: np.ndarray) -> Verified:
    """The corrected labels (N,) with what differs from DBSCAN's, ``before`` (N,)."""
    parts_before = [len(np.unique(after[(before == scene) & (after >= 0)])) for scene in range(before.max(initial=-1) + 1)]
    parts_after = [len(np.unique(before[(after == scene) & (before >= 0)])) for scene in range(after.max(initial=-1) + 1)]
    return Verified(
        labels=after,
        rescued=np.flatnonzero((before < 0) & (after >= 0)),
        expelled=np.flatnonzero((before >= 0) & (after < 0)),
        joined=sum(max(0, parts - 1) for parts in parts_after),
        split=sum(max(0, parts - 1) for parts in parts_before),
    )


def _join_pieces(evidence: _Evidence) -> np.ndarray:
    """(pieces,) int: a number for each piece; pieces that belong to one scene have the same."""
    labels, pieces, a, b = evidence.labels, evidence.pieces, evidence.a, evidence.b
    count = pieces.max(initial=-1) + 1
    across = (pieces[a] >= 0) & (pieces[b] >= 0) & (pieces[a] != pieces[b])
    across_strong = across & evidence.strong
    links, strong_links = np.zeros((count, count), int), np.zeros((count, count), int)
    np.add.at(links, (pieces[a[across]], pieces[b[across]]), 1)
    np.add.at(strong_links, (pieces[a[across_strong]], pieces[b[across_strong]]), 1)
    scene = np.array([labels[pieces == piece][0] for piece in range(count)], dtype=int)
    same_scene = scene[:, None] == scene[None]
    together = (same_scene & (links + links.T >= 1)) | (strong_links + strong_links.T >= JOIN_PAIRS)
    return connected_components(coo_array(together), directed=False)[1] if count else np.zeros(0, int)


def _return_small_pieces(labels: np.ndarray, piece_scenes: np.ndarray) -> None:
    """Give frames of scenes that are too small to stand alone back to the largest part of their DBSCAN scene, in place."""
    sizes = np.bincount(piece_scenes[piece_scenes >= 0])
    for scene in range(labels.max(initial=-1) + 1):
        inside = (labels == scene) & (piece_scenes >= 0)
        if not inside.any():
            continue
        largest = np.bincount(piece_scenes[inside]).argmax()
        piece_scenes[inside & (sizes[piece_scenes] < MIN_SPLIT_FRAMES)] = largest


def _scene_of_single_frame(frame: int, piece_scenes: np.ndarray, scene_count: int, evidence: _Evidence) -> int:
    """Scene of a frame that is in no piece, -1 = outlier.

    piece_scenes: (N,) int, scene of the frames in pieces, numbers below ``scene_count``.
    """
    votes = piece_scenes[evidence.partners(frame, only_strong=True)]
    votes = votes[votes >= 0]
    if len(votes):
        most_voted = int(np.bincount(votes).argmax())
        if (votes == most_voted).sum() >= RESCUE_PAIRS:
            return most_voted
    scene = int(evidence.labels[frame])
    if scene < 0 or _is_foreign(frame, evidence):
        return -1
    # The frame stays with its DBSCAN scene: with the largest part of it, or in a scene none of whose frames is in a piece.
    parts = piece_scenes[(evidence.labels == scene) & (piece_scenes >= 0)]
    return int(np.bincount(parts).argmax()) if len(parts) else scene_count + scene


def _is_foreign(frame: int, evidence: _Evidence) -> bool:
    """Whether a single frame of a scene registers to nothing although it could, and so could its scene."""
    pieces = evidence.pieces
    if (pieces[evidence.partners(frame, only_strong=False)] >= 0).any():
        return False
    if evidence.compared[frame] < PROBES_PER_FRAME or evidence.keypoints[frame] < TEXTURED_KEYPOINTS:
        return False
    scene_in_pieces = pieces[evidence.labels == evidence.labels[frame]] >= 0
    if scene_in_pieces.mean() >= REGISTERING_SHARE:
        return True
    # Frames of water or smoke register to nothing and still are a scene, unless it is a small one while other scenes register.
    small = len(scene_in_pieces) <= SMALL_SCENE_SHARE * len(evidence.labels)
    return bool(small and not scene_in_pieces.any() and (pieces >= 0).any())
