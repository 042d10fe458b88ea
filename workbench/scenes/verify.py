"""Scenes and outliers checked against the matches: frames of one scene register to each other, directly or through a chain.

Embeddings tell what looks alike; matches tell what shows the same place. On real clips hardly a frame registers to none of its
own scene. So the matches correct the clusterer: a foreign frame in a scene is expelled, a frame that was left out is taken
back, a scene that fell to pieces is joined, and scenes that were thrown together are split. What is the same place need not be
the same scene, though: where two people stand before one wall, the wall registers. So frames are joined only if what remains
different after registration is no more than is usual inside the scenes (:mod:`workbench.scenes.evidence`).

:mod:`workbench.scenes.pieces` finds the pieces into which scenes fall, and names the pairs that are still to be matched;
:func:`verify` decides.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from workbench.embedding.views import View, blocks
from workbench.scenes.dbscan import by_size
from workbench.scenes.decisions import Decision, smaller_parts
from workbench.scenes.evidence import MAX_ODDS, Evidence, foreign_odds, gather_evidence, together_odds
from workbench.scenes.pieces import MIN_SPLIT_FRAMES, PROBES_PER_FRAME

# How the matches decide.
RESCUE_PAIRS = 2  # strong pairs with one scene that bring a single frame into it
JOIN_PAIRS = 3  # strong pairs that join two pieces of different scenes
FEW_PAIRS = 64  # between two pieces of one scene; one of so many that registers keeps them together, however badly
MIN_ODDS_RESCUE, MIN_ODDS_JOIN = 1.0, 2.0  # that they belong together; a whole scene is joined on firmer ground than one frame
ALIKE_ODDS = 1e3  # that frames which look alike belong together, before any match is seen: on real clips hardly one does not
REGISTERING_SHARE = 0.8  # of a scene's frames in pieces; from this share on, a frame that registers to nothing is foreign
SMALL_SCENE_SHARE = 0.1  # of all frames; a scene up to this size in which nothing registers is a heap of foreign frames
TEXTURED_KEYPOINTS = 50  # a frame with fewer keypoints may belong to its scene and still not register
USUAL_LOOKS = 0.05  # share of a scene's frames; one that looks more like its scene than so many others do is not set aside
LOOKED_AT = 256  # frames of a scene at most of which the distance to the nearest one is found
CHAIN_NEIGHBOURS = 3  # nearest frames of its scene that a frame without texture hangs together with


@dataclass(frozen=True, eq=False)
class Verified:
    """Scenes and outliers after the check, and why they differ.

    Attributes
    ----------
    labels : (N,) int array
        Scene of every frame, by size, 0 = largest, -1 = outlier.
    decisions : list of Decision
        What was changed.
    doubts : list of str
        What was left as it was although the matches say something else, a sentence each.
    """

    labels: np.ndarray
    decisions: list[Decision]
    doubts: list[str]


def verify(
    labels: np.ndarray,
    pieces: np.ndarray,
    table: pd.DataFrame,
    keypoints: np.ndarray,
    embedded: View,
    alike: float,
    blends: Sequence[int] | np.ndarray = (),
    apart: Collection[tuple[int, int]] = (),
    same_place: str = "split",
    min_scene_frames: int = 1,
) -> Verified:
    """Correct scenes and outliers by which frames register to which, and how well.

    Parameters
    ----------
    labels : (N,) int array
        Scene of every frame by the clusterer, -1 = outlier.
    pieces : (N,) int array
        From :func:`~workbench.scenes.pieces.pieces_of`.
    table : pandas.DataFrame
        Rows of :func:`~workbench.registration.tables.register_pairs`, those of
        :func:`~workbench.scenes.pieces.probing_pairs` among them.
    keypoints : (N,) int array
        How many keypoints every frame has.
    embedded : View
        Distances of the embeddings.
    alike : float
        Distance of the embeddings up to which frames look alike.
    blends : (n,) int array, optional
        Frames that say nothing of what belongs together, and stay in their scene.
    apart : collection of (int, int), optional
        Scenes, the lower number first, that are never joined.
    same_place : {"split", "join"}
        Whether takes of one place are scenes apart when what is in front differs.
    min_scene_frames : int
        Frames of a scene at least, where there is a larger one.

    Returns
    -------
    Verified
        The corrected scenes, and what was changed.

    Notes
    -----
    The clusterer's labels stay where the matches show nothing clear. The rules:

    - an outlier joins a scene if at least two of its pairs with it have twelve inliers, and it more likely belongs there than
      that it is another take of the same place (:func:`~workbench.scenes.evidence.together_odds`, times a thousand if
      the embeddings say that it looks like a frame of the scene);
    - a frame of a scene becomes an outlier if it registers to nothing although it was compared three times and has 50
      keypoints, in a scene of which four fifths register, or in a small one in which none does; but not if the embeddings say
      that it looks as much like a frame of its scene as the others do, since every matcher fails on some frames;
    - two pieces of one scene stay together if a single pair of them registers; of more than 64 pairs, one in some hundred
      registers by chance, and the odds of an outlier must be met too. They also stay together if one has fewer than five
      frames, or if frames with fewer than 50 keypoints, which may not register, lead from one to the other;
    - pieces of two scenes are joined if at least three pairs of them have twelve inliers, and it is twice as likely, with the
      same prior, that they belong together as that they do not;
    - a scene of fewer than ``min_scene_frames`` frames, if another has as many, goes to the scene that it looks like, and is
      set aside if no other frame looks like it.
    """
    clear = np.flatnonzero(~np.isin(table[["a", "b"]].to_numpy(), blends).any(axis=1))
    evidence = gather_evidence(labels, pieces, table.iloc[clear], keypoints)
    decisions: list[Decision] = []
    doubts: list[str] = []
    looks = _Looks(embedded, alike)
    scene_of_piece = _join_pieces(evidence, looks, apart, same_place, doubts)
    # Scene of every frame that is in a piece, -1 for single frames.
    piece_scenes = np.where(pieces >= 0, scene_of_piece[np.maximum(pieces, 0)], -1) if len(scene_of_piece) else pieces.copy()
    _return_small_pieces(labels, piece_scenes)
    scenes = piece_scenes.copy()
    is_blend = np.isin(np.arange(len(labels)), blends)
    left = np.flatnonzero((pieces < 0) & ~is_blend).tolist()
    while True:  # a frame that was rescued may look like one that is left
        votes = {frame: _vote(frame, piece_scenes, scenes, evidence, looks, same_place) for frame in left}
        rescued = {frame: vote for frame, vote in votes.items() if vote and vote.odds >= MIN_ODDS_RESCUE}
        if not rescued:
            break
        for frame, vote in rescued.items():
            scenes[frame] = vote.scene
            if labels[frame] < 0:
                decisions.append(Decision("rescued", np.array([frame]), vote.reason, vote.odds))
        left = [frame for frame in left if frame not in rescued]
    for frame in np.flatnonzero((pieces < 0) & is_blend).tolist():
        scenes[frame] = _home(frame, piece_scenes, len(scene_of_piece), labels)
    for frame in left:
        scenes[frame] = _home(frame, piece_scenes, len(scene_of_piece), labels)
        if doubtful := votes[frame]:
            doubts.append(f"frame {frame} was left: {doubtful.reason}")
        elif scenes[frame] >= 0 and (decision := _expel(frame, evidence)):
            members = np.flatnonzero(labels == labels[frame])
            if (pieces[members] >= 0).any() and looks.usual(frame, members):
                doubts.append(f"frame {frame} was left: it {decision.reason}, but it looks like a frame of the scene")
                continue
            decisions.append(decision)
            scenes[frame] = -1
    decisions += _scene_decisions(labels, scenes, evidence, looks)
    decisions += _dissolve_small_scenes(scenes, min_scene_frames, looks)
    return Verified(by_size(scenes), decisions, doubts)


@dataclass(frozen=True, eq=False)
class _Looks:
    """What the embeddings say of frames, whatever eps the clusterer took."""

    embedded: View
    alike: float

    def nearest(self, frames: np.ndarray, others: np.ndarray) -> tuple[float, int]:
        """Least distance of any of ``frames`` to ``others``, and the frame of the latter that has it."""
        found = []
        for some in blocks(frames, len(others)):
            distances = self.embedded(some, others)
            found.append((float(distances.min()), int(others[distances.min(axis=0).argmin()])))
        return min(found)

    def usual(self, frame: int, members: np.ndarray) -> bool:
        """Whether a frame of a scene is as near to another one of it as all but the most unusual frames are."""
        others = members[members != frame]
        some = others[np.linspace(0, len(others) - 1, min(len(others), LOOKED_AT)).round().astype(int)]
        distances = np.where(some[:, None] == others, np.inf, self.embedded(some, others)).min(axis=1)
        limit = min(self.alike, float(np.quantile(distances, 1 - USUAL_LOOKS)))
        return self.nearest(np.array([frame]), others)[0] <= limit

    def odds(self, ratio: float, frames: np.ndarray, others: np.ndarray) -> float:
        """Odds that frames belong to others, by the smallest ratio of their pairs and by their looks."""
        prior = ALIKE_ODDS if self.nearest(frames, others)[0] <= self.alike else 1.0
        return min(MAX_ODDS, together_odds(ratio) * prior)


def _join_pieces(
    evidence: Evidence, looks: _Looks, apart: Collection[tuple[int, int]], same_place: str, doubts: list[str]
) -> np.ndarray:
    """(pieces,) int: a number for each piece; pieces that belong to one scene have the same."""
    labels, pieces, a, b = evidence.labels, evidence.pieces, evidence.a, evidence.b
    count = pieces.max(initial=-1) + 1
    if not count:
        return np.zeros(0, int)
    across = (pieces[a] >= 0) & (pieces[b] >= 0) & (pieces[a] != pieces[b])
    strong = across & evidence.strong
    one, other = np.minimum(pieces[a], pieces[b]), np.maximum(pieces[a], pieces[b])
    links, strong_links = np.zeros((count, count), int), np.zeros((count, count), int)
    ratio = np.full((count, count), np.inf)
    np.add.at(links, (one[across], other[across]), 1)
    np.add.at(strong_links, (one[strong], other[strong]), 1)
    np.minimum.at(ratio, (one[strong], other[strong]), evidence.ratio[strong])
    scene = np.array([labels[pieces == piece][0] for piece in range(count)], dtype=int)
    same_scene = scene[:, None] == scene[None]
    compared = np.zeros((count, count), int)
    ends = np.sort(pieces[evidence.pairs], axis=1)
    np.add.at(compared, tuple(ends[ends[:, 0] >= 0].T), 1)
    least = np.full((count, count), np.inf)
    np.minimum.at(least, (one[across], other[across]), evidence.ratio[across])
    linked = links >= 1
    for first, second in np.argwhere(same_scene & linked & (compared > FEW_PAIRS)).tolist():
        frames = [np.flatnonzero(pieces == piece) for piece in (first, second)]
        linked[first, second] = looks.odds(least[first, second], *frames) >= MIN_ODDS_RESCUE
    together = same_scene & (linked | _chained(evidence, looks))
    for first, second in np.argwhere(~same_scene & (strong_links >= JOIN_PAIRS)).tolist():
        if tuple(sorted((int(scene[first]), int(scene[second])))) in apart:
            continue
        frames = [np.flatnonzero(pieces == piece) for piece in (first, second)]
        odds = looks.odds(ratio[first, second], *frames)
        together[first, second] = same_place == "join" or odds >= MIN_ODDS_JOIN
        if not together[first, second]:
            doubts.append(
                f"{len(frames[0])} and {len(frames[1])} frames show the same place and stay apart: "
                f"{strong_links[first, second]} of their pairs register, but what remains different is "
                f"{ratio[first, second]:.1f} times what is usual"
            )
    return connected_components(coo_array(together), directed=False)[1]


def _chained(evidence: Evidence, looks: _Looks) -> np.ndarray:
    """(pieces, pieces) bool: pieces of one scene between which frames without texture lead.

    Each of these hangs together with the three frames of its scene most like it, if they look alike. That it does not register
    says nothing.
    """
    labels, pieces = evidence.labels, evidence.pieces
    count = pieces.max() + 1
    first, second = [np.zeros(0, int)], [np.zeros(0, int)]
    for scene in range(labels.max() + 1):
        members = np.flatnonzero(labels == scene)
        bare = members[(pieces[members] < 0) & (evidence.keypoints[members] < TEXTURED_KEYPOINTS)]
        for frames in blocks(bare, len(members)):
            distances = looks.embedded(frames, members)
            near = np.argsort(distances, axis=1, kind="stable")[:, : CHAIN_NEIGHBOURS + 1]  # itself among them
            row, column = np.nonzero(np.take_along_axis(distances, near, axis=1) <= looks.alike)
            first.append(frames[row])
            second.append(members[near[row, column]])
    # The frames of a piece are one node, and so is each frame outside.
    node = np.where(pieces >= 0, pieces, count + np.arange(len(pieces)))
    ends = node[np.concatenate(first)], node[np.concatenate(second)]
    size = count + len(pieces)
    chain = connected_components(coo_array((np.ones(len(ends[0])), ends), shape=(size, size)), directed=False)[1][:count]
    return chain[:, None] == chain[None]


def _return_small_pieces(labels: np.ndarray, piece_scenes: np.ndarray) -> None:
    """Give frames of scenes that are too small to stand alone back to the largest part of their own scene, in place."""
    sizes = np.bincount(piece_scenes[piece_scenes >= 0])
    for scene in range(labels.max(initial=-1) + 1):
        inside = (labels == scene) & (piece_scenes >= 0)
        if not inside.any():
            continue
        largest = np.bincount(piece_scenes[inside]).argmax()
        piece_scenes[inside & (sizes[piece_scenes] < MIN_SPLIT_FRAMES)] = largest


@dataclass(frozen=True)
class _Vote:
    """The scene that a single frame registers to by strong pairs, why, and the odds that it belongs there."""

    scene: int
    reason: str
    odds: float


def _vote(
    frame: int, piece_scenes: np.ndarray, scenes: np.ndarray, evidence: Evidence, looks: _Looks, same_place: str
) -> _Vote | None:
    """The vote of the strong pairs of a frame that is in no piece; None if fewer than two of them are with one scene."""
    pairs = evidence.of_frame(frame)
    pairs = pairs[evidence.strong[pairs]]
    found = piece_scenes[evidence.partners(frame, pairs)]
    if not (found >= 0).any():
        return None
    scene = int(np.bincount(found[found >= 0]).argmax())
    pairs = pairs[found == scene]
    if len(pairs) < RESCUE_PAIRS:
        return None
    ratio = float(evidence.ratio[pairs].min())
    odds = looks.odds(ratio, np.array([frame]), np.flatnonzero(scenes == scene))
    reason = (
        f"{len(pairs)} pairs register with up to {int(evidence.inliers[pairs].max())} inliers, and what remains different is "
        f"{ratio:.1f} times what is usual in the scene"
    )
    return _Vote(scene, reason, MAX_ODDS if same_place == "join" else odds)


def _home(frame: int, piece_scenes: np.ndarray, scene_count: int, labels: np.ndarray) -> int:
    """Where a single frame stays: in the largest part of its scene, or in a scene none of whose frames is in a piece."""
    scene = int(labels[frame])
    parts = piece_scenes[(labels == scene) & (piece_scenes >= 0)]
    return -1 if scene < 0 else int(np.bincount(parts).argmax()) if len(parts) else scene_count + scene


def _expel(frame: int, evidence: Evidence) -> Decision | None:
    """The decision that a single frame of a scene is foreign: it registers to nothing although it could, as its scene does."""
    pieces = evidence.pieces
    if (pieces[evidence.partners(frame, evidence.of_frame(frame))] >= 0).any():
        return None
    compared, keypoints = int((evidence.pairs == frame).sum()), int(evidence.keypoints[frame])
    if compared < PROBES_PER_FRAME or keypoints < TEXTURED_KEYPOINTS:
        return None
    members = evidence.labels == evidence.labels[frame]
    in_pieces = pieces[members] >= 0
    reason = f"registers to none of {compared} frames, though it has {keypoints} keypoints"
    if in_pieces.mean() >= REGISTERING_SHARE:
        reason += f" and {100 * in_pieces.mean():.0f} % of its scene register"
        return Decision("expelled", np.array([frame]), reason, foreign_odds(evidence, members, compared))
    # Frames of water or smoke register to nothing and still are a scene, unless it is a small one while other scenes register.
    if len(in_pieces) <= SMALL_SCENE_SHARE * len(pieces) and not in_pieces.any() and (pieces >= 0).any():
        return Decision("expelled", np.array([frame]), f"{reason}, nor does any of the {len(in_pieces)} that look like it")
    return None


def _scene_decisions(labels: np.ndarray, scenes: np.ndarray, evidence: Evidence, looks: _Looks) -> list[Decision]:
    """The decisions behind scenes that were joined or split: the frames that are not in the largest part."""
    decisions = []
    same = evidence.strong & (scenes[evidence.a] == scenes[evidence.b]) & (labels[evidence.a] != labels[evidence.b])
    for scene in np.unique(scenes[scenes >= 0]).tolist():
        members = (scenes == scene) & (labels >= 0)
        for part in np.unique(labels[members])[1:].tolist() if members.any() else []:
            frames = np.flatnonzero(members & (labels == part))
            pairs = np.flatnonzero(same & (np.isin(evidence.a, frames) | np.isin(evidence.b, frames)))
            if not len(pairs):
                decisions.append(Decision("joined", frames, "frames that register to both lead from one to the other"))
                continue
            ratio = float(evidence.ratio[pairs].min())
            odds = looks.odds(ratio, frames, np.flatnonzero(members & (labels != part)))
            reason = f"{len(pairs)} pairs register strongly, and what remains different is {ratio:.1f} times what is usual"
            decisions.append(Decision("joined", frames, reason, odds))
    for scene in range(labels.max(initial=-1) + 1):
        members = (labels == scene) & (scenes >= 0)
        for frames in smaller_parts(members, scenes):
            rest = members & (scenes != scenes[frames[0]])
            pairs = np.isin(evidence.pairs, frames).any(axis=1) & rest[evidence.pairs].any(axis=1)
            odds = foreign_odds(evidence, labels == scene, int(pairs.sum()))
            reason = f"none of {int(pairs.sum())} pairs with the other frames of their scene registers"
            decisions.append(Decision("split", frames, reason, odds))
    return decisions


def _dissolve_small_scenes(scenes: np.ndarray, least: int, looks: _Looks) -> list[Decision]:
    """Give scenes of fewer than ``least`` frames to the one that they look like, or set them aside, in place; the decisions."""
    sizes = np.bincount(scenes[scenes >= 0], minlength=1)
    small, decisions = np.flatnonzero((sizes > 0) & (sizes < least)).tolist(), []
    while small and sizes.max() >= least:  # the nearest first: another small one may look like it
        large = np.flatnonzero((scenes >= 0) & ~np.isin(scenes, small))
        nearest = {scene: looks.nearest(np.flatnonzero(scenes == scene), large) for scene in small}
        scene = min(small, key=lambda one: nearest[one])
        frames, (distance, like) = np.flatnonzero(scenes == scene), nearest[scene]
        few = f"only {len(frames)} frames, fewer than the {least} of a scene,"
        if distance <= looks.alike:
            decisions.append(Decision("joined", frames, f"{few} and frame {like} looks like them", ALIKE_ODDS))
            scenes[frames] = scenes[like]
        elif looks.nearest(frames, np.setdiff1d(np.arange(len(scenes)), frames))[0] > looks.alike:
            decisions.append(Decision("expelled", frames, f"{few} look alike, and no other frame looks like them: a burst"))
            scenes[frames] = -1
        small.remove(scene)
    return decisions
