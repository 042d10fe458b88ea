"""Scenes and outliers held against the matches: frames of one scene register to each other, directly or through a chain.

Embeddings say what looks alike; matches say what shows the same place. On twelve real clips no two frames of different scenes
registered, and hardly a frame registered to none of its own scene. So a foreign frame that slipped in is told apart, a frame
that was thrown out is taken back, a scene that fell to pieces is joined, and scenes that were thrown together come apart.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from workbench.embedding.views import View, blocks
from workbench.scenes.dbscan import by_size

SMALLEST = 3  # frames that make a piece of a scene; fewer are single frames
SPLIT = 5  # frames a piece needs to be a scene of its own when DBSCAN saw none
ENOUGH = 12  # inliers of a pair that counts against DBSCAN's word
PROBES = 3  # frames that a single frame is held against
BRIDGES = 8  # pairs by which two pieces are compared
NEAREST = 3  # pieces that each piece is compared with
FACING = 1024  # frames of a piece that are looked at for that, the nearest ones
SMALL_SCENE_SHARE = 0.1  # share of all frames; a scene up to this size in which nothing registers is a heap of foreign frames
TEXTURED = 50  # keypoints; a frame with fewer may belong to its scene and not show it


@dataclass(frozen=True, eq=False)
class Verified:
    """labels: (N,) int, scenes by size, -1 = outlier. rescued, expelled: (n,) int positions, taken back and thrown out.

    joined: scenes of DBSCAN that became part of another one. split: scenes that were part of another one.
    """

    labels: np.ndarray
    rescued: np.ndarray
    expelled: np.ndarray
    joined: int
    split: int

    def counts(self) -> dict[str, int]:
        """How many frames and scenes were changed, for the record."""
        moved = {"rescued_frames": len(self.rescued), "expelled_frames": len(self.expelled)}
        return moved | {"joined_scenes": self.joined, "split_scenes": self.split}


def scenes_table(labels: np.ndarray, verified: Verified) -> pd.DataFrame:
    """A row a frame: ``position``; ``scene``, -1 = outlier; ``clustered``, DBSCAN's own; ``verdict``: rescued, expelled or
    empty. labels: (N,) int from DBSCAN.
    """
    table = pd.DataFrame({"position": np.arange(len(labels)), "scene": verified.labels, "clustered": labels, "verdict": ""})
    table.loc[verified.rescued, "verdict"] = "rescued"
    table.loc[verified.expelled, "verdict"] = "expelled"
    return table


def pieces_of(labels: np.ndarray, table: pd.DataFrame) -> np.ndarray:
    """(N,) int: frames of a scene that register to each other, through a chain of pairs, have the same number; outliers and
    frames in chains of fewer than three have -1.

    labels: (N,) int from DBSCAN. table: rows of :func:`workbench.registration.tables.register_pairs`.
    """
    pairs = table.loc[table["model"] != "none", ["a", "b"]].to_numpy()
    inside = pairs[(labels[pairs[:, 0]] == labels[pairs[:, 1]]) & (labels[pairs[:, 0]] >= 0)]
    graph = coo_array((np.ones(len(inside)), (inside[:, 0], inside[:, 1])), shape=(len(labels), len(labels)))
    _, chain = connected_components(graph, directed=False)
    sizes = np.bincount(chain)
    return by_size(np.where((labels >= 0) & (sizes[chain] >= SMALLEST), chain, -1))


def probing_pairs(pieces: np.ndarray, view: View) -> np.ndarray:
    """Pairs that tell what belongs together: (P, 2) int, a < b, sorted. Every single frame with the three nearest frames of
    pieces, and every piece with its three nearest pieces by the eight nearest pairs, no frame in more than two of them.

    pieces: (N,) int from :func:`pieces_of`. view: of the embeddings.
    """
    held, pairs = np.flatnonzero(pieces >= 0), []
    for frames in blocks(np.flatnonzero(pieces < 0)):
        near = held[np.argsort(view(frames, held), axis=1, kind="stable")[:, :PROBES]]
        pairs += [(int(frame), int(other)) for frame, row in zip(frames, near, strict=True) for other in row]
    groups = [np.flatnonzero(pieces == piece) for piece in range(pieces.max(initial=-1) + 1)]
    gaps = _gaps(groups, view)
    for one in range(len(groups)):
        for other in [near for near in np.argsort(gaps[one], kind="stable") if near != one][:NEAREST]:
            pairs += _bridges(groups[one], groups[other], view)
    return np.unique(np.sort(np.array(pairs, dtype=int).reshape(-1, 2), axis=1), axis=0)


def _gaps(groups: list[np.ndarray], view: View) -> np.ndarray:
    """(groups, groups) distances between the nearest frames of any two groups."""
    gaps = np.full((len(groups), len(groups)), np.inf)
    held = np.concatenate([*groups, np.zeros(0, dtype=int)])
    starts = np.cumsum([0, *(len(group) for group in groups[:-1])])
    for number, group in enumerate(groups):
        for frames in blocks(group):
            nearest = view(frames, held).min(axis=0)
            gaps[number] = np.minimum(gaps[number], np.minimum.reduceat(nearest, starts))
    return gaps


def _bridges(one: np.ndarray, other: np.ndarray, view: View) -> list[tuple[int, int]]:
    # Enough of the nearest frames on both sides; all pairs of two long pieces would be too many to sort.
    one, other = _nearest_to(one, other, view), _nearest_to(other, one, view)
    used: dict[int, int] = {}
    chosen: list[tuple[int, int]] = []
    for index in np.argsort(view(one, other), axis=None, kind="stable"):
        a, b = int(one[index // len(other)]), int(other[index % len(other)])
        if used.get(a, 0) < 2 and used.get(b, 0) < 2:
            used[a], used[b] = used.get(a, 0) + 1, used.get(b, 0) + 1
            chosen.append((a, b))
        if len(chosen) == BRIDGES:
            break
    return chosen


def _nearest_to(frames: np.ndarray, others: np.ndarray, view: View) -> np.ndarray:
    """Those of ``frames`` (n,) that are nearest to any of ``others``, at most :data:`FACING`, rising as they are."""
    if len(frames) <= FACING:
        return frames
    nearest = np.concatenate([view(some, others).min(axis=1) for some in blocks(frames)])
    return np.sort(frames[np.argsort(nearest, kind="stable")[:FACING]])


def verify(labels: np.ndarray, pieces: np.ndarray, table: pd.DataFrame, keypoints: np.ndarray) -> Verified:
    """Scenes and outliers by what registers to what. DBSCAN's word stands where the matches say nothing clear:

    - an outlier joins a scene when at least two of its pairs with it have twelve inliers;
    - a frame of a scene becomes an outlier when it registers to nothing and has keypoints enough, in a scene whose other frames
      do register, or in a small one in which none does;
    - two pieces of one scene stay together when a single pair of them registers, or when one is too small to tell;
    - pieces of two scenes are joined when at least three pairs of them have twelve inliers.

    labels: (N,) int from DBSCAN. pieces: (N,) from :func:`pieces_of`. table: rows of
    :func:`workbench.registration.tables.register_pairs`, those of :func:`probing_pairs` among them. keypoints: (N,) int, of every frame.
    """
    registered = table[table["model"] != "none"]
    a, b = registered["a"].to_numpy(), registered["b"].to_numpy()
    strong = registered["inliers"].to_numpy() >= ENOUGH
    found = _joined(labels, pieces, a, b, strong)
    groups = np.where(pieces >= 0, found[np.maximum(pieces, 0)], -1) if len(found) else pieces.copy()
    _keep_small_pieces(labels, groups)
    singles = np.flatnonzero(pieces < 0)
    fused_order = groups.copy()
    for frame in singles:
        beside = np.concatenate([b[(a == frame) & strong], a[(b == frame) & strong]])
        votes = groups[beside][groups[beside] >= 0]
        most = np.bincount(votes).argmax() if len(votes) else -1
        if len(votes) and (votes == most).sum() >= 2:
            fused_order[frame] = most
        elif labels[frame] >= 0 and not _foreign(frame, labels, pieces, a, b, table, keypoints):
            mates = groups[(labels == labels[frame]) & (groups >= 0)]
            fused_order[frame] = np.bincount(mates).argmax() if len(mates) else len(found) + labels[frame]
    after = by_size(fused_order)
    whole = [len(np.unique(after[(labels == scene) & (after >= 0)])) for scene in range(labels.max(initial=-1) + 1)]
    parts = [len(np.unique(labels[(after == scene) & (labels >= 0)])) for scene in range(after.max(initial=-1) + 1)]
    return Verified(
        labels=after,
        rescued=np.flatnonzero((labels < 0) & (after >= 0)),
        expelled=np.flatnonzero((labels >= 0) & (after < 0)),
        joined=sum(max(0, part - 1) for part in parts),
        split=sum(max(0, part - 1) for part in whole),
    )


def _joined(labels: np.ndarray, pieces: np.ndarray, a: np.ndarray, b: np.ndarray, strong: np.ndarray) -> np.ndarray:
    """(pieces,) int: pieces that belong to one scene have the same number."""
    count = pieces.max(initial=-1) + 1
    across = (pieces[a] >= 0) & (pieces[b] >= 0) & (pieces[a] != pieces[b])
    links, strong_links = np.zeros((count, count), int), np.zeros((count, count), int)
    np.add.at(links, (pieces[a[across]], pieces[b[across]]), 1)
    np.add.at(strong_links, (pieces[a[across & strong]], pieces[b[across & strong]]), 1)
    scene = np.array([labels[pieces == piece][0] for piece in range(count)], dtype=int)
    same = scene[:, None] == scene[None]
    together = (same & (links + links.T >= 1)) | (strong_links + strong_links.T >= 3)
    return connected_components(coo_array(together), directed=False)[1] if count else np.zeros(0, int)


def _keep_small_pieces(labels: np.ndarray, groups: np.ndarray) -> None:
    """Groups of fewer than five frames go back to the largest group of their scene, in place: too small to tell."""
    sizes = np.bincount(groups[groups >= 0])
    for scene in range(labels.max(initial=-1) + 1):
        inside = (labels == scene) & (groups >= 0)
        if not inside.any():
            continue
        home = np.bincount(groups[inside]).argmax()
        groups[inside & (sizes[groups] < SPLIT)] = home


def _foreign(
    frame: int,
    labels: np.ndarray,
    pieces: np.ndarray,
    a: np.ndarray,
    b: np.ndarray,
    table: pd.DataFrame,
    keypoints: np.ndarray,
) -> bool:
    """Whether a single frame of a scene registers to nothing although it could: compared often enough, and well textured."""
    mates = np.flatnonzero(labels == labels[frame])
    compared = ((table["a"] == frame) | (table["b"] == frame)).sum()
    # Frames of water or smoke register to nothing and still are a scene: only a small one, beside others, is not believed.
    others_do = (pieces[mates] >= 0).mean() >= 0.8
    crumb = (pieces[mates] < 0).all() and (pieces >= 0).any() and len(mates) <= SMALL_SCENE_SHARE * len(labels)
    partners = np.concatenate([b[a == frame], a[b == frame]])
    alone = not (pieces[partners] >= 0).any()
    return bool(alone and (others_do or crumb) and compared >= PROBES and keypoints[frame] >= TEXTURED)
