"""Frames that are a blend of two scenes: the cross-fades between the shots of an edited film.

A cross-fade leads from one shot to the next in steps no larger than those inside a shot, so a clusterer that follows chains
joins the two. Its frames are mixtures of two frames that look unlike each other, and hardly any other frame is one. So they are
found, the scenes are found without them, and each is given to the scene that weighs more in it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np
from scipy.special import pdtrc

from workbench.embedding.views import View, blocks
from workbench.scenes.dbscan import by_size
from workbench.scenes.decisions import Decision, smaller_parts
from workbench.scenes.fades import find_fades
from workbench.scenes.mixtures import Blends, mixtures

THUMBNAIL_SIZE = (24, 16)  # px of the colour thumbnails that are mixed
BLUR = 1.0  # px at twice that size, sigma of a blur: less movement between a blend and the frames it is made of
REFERENCES = 96  # frames, as unlike each other as possible, of which mixtures are tried
MIN_REFERENCES = 8  # of these, from every scene at least
UNLIKE, FAR_APART = 1.0, 3.0  # times eps: how far a blend is from the frames it is made of, and these are from each other
MIN_WEIGHT, MIN_SCENE_WEIGHT = 0.2, 0.15  # of the lighter frame, while scenes are not known and when they are
MIN_SCENE_FRAMES = 5  # frames of a scene of which blends are sought
MIN_BLENDS = 2  # of two scenes; a cross-fade has more than one frame
BY_CHANCE = 0.05  # pairs of scenes at most, of all, that as many foreign frames look like blends of
MAX_ROUNDS = 4  # in which further blends are found between the scenes that the ones before part


def blend_thumbnails(images: Sequence[np.ndarray]) -> np.ndarray:
    """Make blurred 24 x 16 px colour thumbnails, in which a mixture of frames is a mixture of numbers.

    Parameters
    ----------
    images : (N, h, w, 3) uint8 sequence
        RGB frames.

    Returns
    -------
    (N, 1152) float32 array
        Levels, 0 to 1.
    """
    width, height = THUMBNAIL_SIZE
    rows = np.empty((len(images), 3 * width * height), np.float32)
    for row, image in zip(rows, images, strict=True):
        small = cv2.resize(np.ascontiguousarray(image), (2 * width, 2 * height), interpolation=cv2.INTER_AREA)
        blurred = cv2.GaussianBlur(small.astype(np.float32) / 255, (0, 0), BLUR)
        row[:] = cv2.resize(blurred, THUMBNAIL_SIZE, interpolation=cv2.INTER_AREA).ravel()
    return rows


def find_blends(
    thumbnails: np.ndarray, view: View, eps: float, labels: np.ndarray, cluster_some: Callable[[np.ndarray], np.ndarray]
) -> tuple[np.ndarray, Blends]:
    """Find the blends of two scenes, and the scenes without them.

    Parameters
    ----------
    thumbnails : (N, D) float array
        From :func:`blend_thumbnails`.
    view : View
        Cosine distances of the embeddings.
    eps : float
        Cosine distance up to which frames look alike.
    labels : (N,) int array
        Scene of every frame when all are clustered, -1 = outlier.
    cluster_some : callable
        Clusters some frames, (n,) int positions, and returns their labels, (n,) int.

    Returns
    -------
    labels : (N,) int array
        Scene of every frame, -1 = outlier; blends are in the scene that weighs more in them.
    blends : Blends
        The blends; without any, ``labels`` are as given.

    Notes
    -----
    Candidates are the frames that a mixture of any two frames explains where no single frame does. Without them a scene that
    was joined by a cross-fade falls apart. A candidate is a blend if frames of two scenes explain it, and there are more such
    frames of the two than happen to look like a mixture of them. One that is none goes to the scene of the frame most like it,
    and so does a frame that was in a scene and no longer is.
    """
    everything = np.arange(len(labels))
    references = unlike_frames(everything, view, REFERENCES)
    unlike = view(everything, references) > UNLIKE * eps
    apart = view(references, references) > FAR_APART * eps
    candidates = mixtures(thumbnails, references, apart, lambda frame: unlike[frame], MIN_WEIGHT).frames
    for _ in range(MAX_ROUNDS):
        kept = np.setdiff1d(everything, candidates)
        parts = cluster_some(kept) if len(candidates) else labels
        large = np.flatnonzero(np.bincount(parts[parts >= 0], minlength=1) >= MIN_SCENE_FRAMES)
        some = [unlike_frames(kept[parts == part], view, max(MIN_REFERENCES, REFERENCES // len(large))) for part in large]
        scene, references = np.repeat(large, [len(frames) for frames in some]), np.concatenate([everything[:0], *some])
        apart = _unlike_scenes(scene, view(references, references), UNLIKE * eps)
        blends = mixtures(thumbnails, references, apart, partial(np.not_equal, references), MIN_SCENE_WEIGHT)  # not itself
        blends = _not_by_chance(blends, references, scene, apart)
        further = np.setdiff1d(blends.frames, candidates)
        if not len(further):
            break
        candidates = np.union1d(candidates, further)
    if not len(blends.frames):
        return labels.copy(), blends
    scenes = np.full(len(labels), -1)
    scenes[kept] = parts
    scenes[candidates] = -1  # those of the last round were still among the frames kept
    lost = np.flatnonzero((scenes < 0) & ((labels >= 0) | np.isin(everything, candidates)))
    inside = np.flatnonzero(scenes >= 0)
    nearest = [view(some, inside).argmin(axis=1) for some in blocks(lost, len(inside))]
    scenes[lost] = scenes[inside[np.concatenate(nearest)]]
    scenes[blends.frames] = scenes[blends.heavier]
    return by_size(scenes), blends


@dataclass(frozen=True, eq=False)
class EditedFilm:
    """A clip without the cross-fades and fades of its edit.

    Attributes
    ----------
    labels : (N,) int array
        Scene of every frame, -1 = outlier.
    alike : float
        Cosine distance of the embeddings up to which frames look alike.
    mixed : (n,) int array
        Positions of the frames that show two scenes at once or hardly anything: they prove nothing about what belongs together.
    apart : set of (int, int)
        Scenes, the lower number first, that a cross-fade joins: they are two, however well frames at its ends register.
    decisions : list of Decision
        What was changed, and why.
    """

    labels: np.ndarray
    alike: float
    mixed: np.ndarray
    apart: set[tuple[int, int]]
    decisions: list[Decision]


def undo_edit(
    thumbnails: np.ndarray, view: View, eps: float, labels: np.ndarray, cluster_some: Callable[[np.ndarray], np.ndarray]
) -> EditedFilm:
    """Find the cross-fades and the fades of a film, and the scenes without them.

    Parameters
    ----------
    thumbnails, view, eps, labels, cluster_some
        As for :func:`find_blends`.

    Returns
    -------
    EditedFilm
        The scenes, with the frames of cross-fades and fades in them.
    """
    scenes, blends = find_blends(thumbnails, view, eps, labels, cluster_some)
    decisions = _parted(labels, scenes, blends.frames)
    decisions += [
        Decision("blend", np.array([frame]), f"{100 * weight:.0f} % of frame {heavier} and the rest of frame {lighter}")
        for frame, heavier, lighter, weight in zip(blends.frames, blends.heavier, blends.lighter, blends.weight, strict=True)
    ]
    fades = find_fades(thumbnails, scenes)
    scenes[fades.frames] = scenes[fades.sources]
    decisions += [
        Decision("fade", np.array([frame]), f"frame {source} with {100 * contrast:.0f} % of its contrast")
        for frame, source, contrast in zip(fades.frames, fades.sources, fades.contrast, strict=True)
    ]
    faded = np.sort(scenes[np.stack([blends.heavier, blends.lighter], axis=1)], axis=1)
    mixed = np.union1d(blends.frames, fades.frames)
    return EditedFilm(scenes, eps, mixed, {(one, other) for one, other in faded.tolist() if one != other}, decisions)


def _parted(before: np.ndarray, after: np.ndarray, blends: np.ndarray) -> list[Decision]:
    """The decisions that scenes come apart without their blends: the frames that are not in the largest part."""
    decisions, pure = [], np.ones(len(before), dtype=bool)
    pure[blends] = False
    for scene in range(before.max(initial=-1) + 1):
        for frames in smaller_parts(pure & (before == scene), after):
            reason = "only frames of a cross-fade lead from them to the rest of their scene"
            decisions.append(Decision("split", frames, reason))
    return decisions


def _unlike_scenes(scene: np.ndarray, distances: np.ndarray, eps: float) -> np.ndarray:
    """(m, m) bool: references of two scenes that look unlike each other; an eps too small leaves one scene in several parts.

    scene: (m,) int, of every reference. distances: (m, m), between the references.
    """
    if not len(scene):
        return np.zeros((0, 0), dtype=bool)
    member = scene[:, None] == np.unique(scene)
    nearest = np.array([distances[one].min(axis=0) for one in member.T])
    gaps = np.array([nearest[:, other].min(axis=1) for other in member.T])
    number = member.argmax(axis=1)
    return (scene[:, None] != scene) & (gaps[np.ix_(number, number)] > eps)


def _not_by_chance(blends: Blends, references: np.ndarray, scene: np.ndarray, apart: np.ndarray) -> Blends:
    """The blends of two scenes of which there are more than foreign frames that happen to look like one.

    references, scene: (m,) int, positions and scenes of the frames that were mixed. apart: (m, m) bool, which were.

    Of many scenes any picture looks like a mixture of some two. Such frames fall on pairs of scenes at random, by a Poisson
    distribution; its mean is the number of pairs that have one frame alone over the number of those that have none.
    """
    place = np.argsort(references)
    found = place[np.searchsorted(references, np.stack([blends.heavier, blends.lighter]), sorter=place)]
    ends = np.sort(scene[found], axis=0)
    _, pair, counts = np.unique(ends, axis=1, return_inverse=True, return_counts=True)
    mixed = np.nonzero(np.triu(apart, 1))
    pairs = len(np.unique(np.sort(scene[np.stack(mixed)], axis=0), axis=1).T)
    mean, least = np.count_nonzero(counts == 1) / max(1, pairs - len(counts)), MIN_BLENDS
    while pairs * pdtrc(least - 1, mean) > BY_CHANCE:
        least += 1
    kept = counts[pair] >= least
    return Blends(blends.frames[kept], blends.heavier[kept], blends.lighter[kept], blends.weight[kept])


def unlike_frames(frames: np.ndarray, view: View, most: int) -> np.ndarray:
    """Choose frames that are as unlike each other as possible, by farthest point sampling.

    Parameters
    ----------
    frames : (n,) int array
        Positions.
    view : View
        Distances between frames.
    most : int
        How many are chosen at most.

    Returns
    -------
    (m,) int array
        The chosen positions, sorted.
    """
    if len(frames) <= most:
        return frames
    chosen = [0]
    nearest = view(frames[:1], frames)[0]
    while len(chosen) < most:
        chosen.append(int(nearest.argmax()))
        nearest = np.minimum(nearest, view(frames[chosen[-1:]], frames)[0])
    return np.sort(frames[np.unique(chosen)])
