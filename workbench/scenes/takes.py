"""Takes of one place: where a camera that stands still was stopped and started again, and single frames from yet another take.

Along the order of a scene neighbours differ by what moves. Where the camera stands still, a pixel changes when an edge passes
over it, and different pixels change at different times. Between two takes all pixels of what stands elsewhere now change at
once, and for good. So the links of an order are searched for such steps. The way from PySceneDetect's adaptive detector is
taken here too: a step counts against those around it, not by itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from workbench.embedding.distances import levelled_thumbnail

WINDOW = 5  # frames on either side of a link in which a pixel must not change
BLUR = 1.5  # px of the working copy, sigma of a blur before frames are made small
STEADY = 10  # grey levels that a pixel may vary by, in every channel, and count as unchanged
CHANGED = 15  # grey levels by which it differs after a step, in some channel

MIN_STEP = 0.02  # share of the pixels that change for good at the end of a take
MIN_STEP_RATIO = 4.0  # to the largest such share at the links around it
MIN_STEP_PRODUCT = 0.2  # of both: the larger the step, the less it must stand out; inside of takes at most 0.16
LEAST_SHARE = 0.0035  # what these shares count as at least: a handful of pixels is no measure
MAX_JOINT_STEP = 0.01  # share of the pixels that change between two parts of one take that an order has apart
MIN_TAKE_FRAMES = 12  # frames of a take at least
# Share of the pixels in which a single frame differs from those around it, which agree; inside of takes at most 0.047.
MIN_INTRUDER = 0.07


@dataclass(frozen=True, eq=False)
class Take:
    """A take that is not the first one of an order.

    Attributes
    ----------
    frames : (n,) int array
        Positions of its frames, in their order.
    between : (int, int)
        Positions of the two frames between which it begins.
    step, around : float
        Share of the picture that changes for good there, and at most at the links around, 0 to 1.
    """

    frames: np.ndarray
    between: tuple[int, int]
    step: float
    around: float


@dataclass(frozen=True, eq=False)
class Takes:
    """What an order is made of.

    Attributes
    ----------
    others : list of Take
        The takes but for the first one.
    intruders : (i,) int array
        Positions of single frames from elsewhere.
    differing : (i,) float array
        Share of the picture in which each of these differs from the frames around it, 0 to 1.
    """

    others: list[Take]
    intruders: np.ndarray
    differing: np.ndarray


def find_takes(images: Sequence[np.ndarray], order: np.ndarray, closed: bool = False) -> Takes:
    """Find the takes that an order is made of, where the camera stands still.

    Parameters
    ----------
    images : (N, h, w, 3) uint8 sequence
        RGB frames.
    order : (n,) int array
        Positions of the frames of a scene in their restored order.
    closed : bool
        Whether the order is a loop that may begin anywhere.

    Returns
    -------
    Takes
        The takes and the intruders; one take in an order of fewer than 24 frames. Where the camera moves no pixel stays
        unchanged, and nothing is found. An order may leave a take and come back to it: what follows on without a step is one.
    """
    if len(order) < 2 * MIN_TAKE_FRAMES:
        return Takes([], order[:0], np.zeros(0))
    blurred = (cv2.GaussianBlur(np.asarray(images[frame]), (0, 0), BLUR) for frame in order.tolist())
    # Channels before rows: the largest of three numbers that lie side by side takes NumPy ten times as long.
    levels = np.moveaxis(np.stack([levelled_thumbnail(image) for image in blurred]), -1, 1).copy()
    differing = np.array([_differing(levels, place) for place in range(len(levels))])
    intruders = np.flatnonzero(differing >= MIN_INTRUDER)
    kept = np.delete(np.arange(len(order)), intruders)
    cuts, steps, around = _cuts(levels[kept])
    if closed and len(cuts):
        # The order begins where a take does, not in the middle of one.
        kept = np.roll(kept, -cuts[0] - 1)
        cuts, steps, around = _cuts(levels[kept])
    parts = np.split(kept, cuts + 1)
    take = list(range(len(parts)))
    for one in range(len(parts)):
        for other in range(one + 2, len(parts)):
            joints = ((parts[a], parts[b]) for a, b in ((one, other), (other, one)))
            if min(_step(levels[np.concatenate(joint)], len(joint[0]) - 1) for joint in joints) < MAX_JOINT_STEP:
                take[other] = take[one]
                break
    others = []
    for number in sorted(set(take) - {0}):
        first = take.index(number)
        frames = order[np.concatenate([part for part, own in zip(parts, take, strict=True) if own == number])]
        link = cuts[first - 1]
        between = int(order[kept[link]]), int(order[kept[link + 1]])
        others.append(Take(frames, between, float(steps[link]), float(around[link])))
    return Takes(others, order[intruders], differing[intruders])


def _cuts(levels: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The links at which takes end, (c,) int; the steps at all links, (n - 1,), and the largest around each, (n - 1,)."""
    steps = np.array([_step(levels, link) for link in range(len(levels) - 1)])
    around = np.array([_largest_around(steps, link) for link in range(len(steps))])
    cuts: list[int] = []
    for link in np.argsort(-steps, kind="stable").tolist():
        far = all(abs(link - other) >= MIN_TAKE_FRAMES for other in (-1, len(steps), *cuts))
        ratio = steps[link] / max(LEAST_SHARE, around[link])
        if far and steps[link] >= MIN_STEP and ratio >= MIN_STEP_RATIO and steps[link] * ratio >= MIN_STEP_PRODUCT:
            cuts.append(link)
    return np.sort(np.array(cuts, dtype=int)), steps, around


def _steady(window: np.ndarray) -> np.ndarray:
    """(h, w) bool: the pixels that do not change over some frames, (m, 3, h, w)."""
    return (window.max(axis=0) - window.min(axis=0)).max(axis=0) <= STEADY


def _step(levels: np.ndarray, link: int) -> float:
    """Share of the pixels that do not change before a link, nor after it, but at it; 0 near the ends of the order."""
    before, after = levels[max(0, link - WINDOW + 1) : link + 1], levels[link + 1 : link + 1 + WINDOW]
    if min(len(before), len(after)) < WINDOW:
        return 0.0
    apart = np.abs(before.mean(axis=0) - after.mean(axis=0)).max(axis=0)
    return float((_steady(before) & _steady(after) & (apart > CHANGED)).mean())


def _largest_around(steps: np.ndarray, link: int) -> float:
    """The largest step at the links around one, up to two windows away."""
    return float(np.delete(steps[max(0, link - 2 * WINDOW) : link + 2 * WINDOW + 1], min(link, 2 * WINDOW)).max(initial=0))


def _differing(levels: np.ndarray, place: int) -> float:
    """Share of the pixels that do not change over the frames around a place, and are different in the frame at it."""
    around = np.concatenate([levels[max(0, place - WINDOW) : place], levels[place + 1 : place + 1 + WINDOW]])
    apart = np.abs(around.mean(axis=0) - levels[place]).max(axis=0)
    return float((_steady(around) & (apart > CHANGED)).mean())
