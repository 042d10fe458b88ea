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

from workbench.embedding.images import thumbnail

WINDOW = 5  # frames on either side of a link in which a pixel must not change
LEVELS_SIZE, LEVELS_BLUR = 100, 1.5  # px: long side of the images that are compared; px of the working copy, sigma of a blur before
CHANNEL_STD, MIN_CHANNEL_STD = 40, 4  # grey levels that the standard deviation of a channel is brought to, and that it has at least
STEADY = 10  # grey levels that a pixel may vary by, in every channel, and count as unchanged
CHANGED = 15  # grey levels by which it differs after a step, in some channel

MIN_STEP = 0.025  # share of the pixels that change for good at the end of a take; inside of takes at most 0.009 at such ratios
MIN_STEP_RATIO = 7.0  # to the largest such share at the links around it
LEAST_SHARE = 0.0035  # what these shares count as at least: a handful of pixels is no measure
MIN_TAKE_FRAMES = 12  # frames of a take at least
MIN_INTRUDER = 0.07  # share of the pixels in which one frame differs from those around it, which agree; inside of takes at most 0.047


@dataclass(frozen=True, eq=False)
class Takes:
    """Where an order is made of several takes.

    Attributes
    ----------
    cuts : (c,) int array
        Places in the order: a take ends there, and the next place belongs to another one.
    steps : (c,) float array
        Share of the picture that changes for good at each of them, 0 to 1.
    around : (c,) float array
        The largest such share at the links around each.
    intruders : (i,) int array
        Places of single frames from elsewhere.
    differing : (i,) float array
        Share of the picture in which each of these differs from the frames around it, 0 to 1.
    """

    cuts: np.ndarray
    steps: np.ndarray
    around: np.ndarray
    intruders: np.ndarray
    differing: np.ndarray


def find_takes(images: Sequence[np.ndarray], order: np.ndarray) -> Takes:
    """Find the takes that an order is made of, where the camera stands still.

    Parameters
    ----------
    images : (N, h, w, 3) uint8 sequence
        RGB frames.
    order : (n,) int array
        Positions of the frames of a scene in their restored order.

    Returns
    -------
    Takes
        Its cuts and intruders; none in an order of fewer than 24 frames. Where the camera moves no pixel stays unchanged, and
        nothing is found.
    """
    nothing = Takes(*(np.zeros(0, dtype=kind) for kind in (int, float, float, int, float)))
    if len(order) < 2 * MIN_TAKE_FRAMES:
        return nothing
    levels = np.stack([_levels(np.asarray(images[frame])) for frame in order.tolist()])
    differing = np.array([_differing(levels, place) for place in range(len(levels))])
    intruders = np.flatnonzero(differing >= MIN_INTRUDER)
    rest = np.setdiff1d(np.arange(len(levels)), intruders)
    levels = levels[rest]
    if len(rest) < 2 * MIN_TAKE_FRAMES:
        return nothing
    steps = np.array([_step(levels, link) for link in range(len(levels) - 1)])
    around = np.array([_largest_around(steps, link) for link in range(len(steps))])
    cuts = []
    for link in np.argsort(-steps, kind="stable").tolist():
        far = all(abs(link - other) >= MIN_TAKE_FRAMES for other in (-1, len(steps), *cuts))
        if far and steps[link] >= MIN_STEP and steps[link] >= MIN_STEP_RATIO * max(LEAST_SHARE, around[link]):
            cuts.append(link)
    cuts = np.sort(np.array(cuts, dtype=int))
    return Takes(rest[cuts], steps[cuts], around[cuts], intruders, differing[intruders])


def _levels(image: np.ndarray) -> np.ndarray:
    """(h, w, 3) uint8: a small copy with the same mean and standard deviation in every channel, which undoes most of a flicker."""
    small = thumbnail(cv2.GaussianBlur(np.ascontiguousarray(image), (0, 0), LEVELS_BLUR), LEVELS_SIZE, LEVELS_SIZE).astype(np.float32)
    spread = np.maximum(small.std(axis=(0, 1)), MIN_CHANNEL_STD)
    return np.clip(np.round(128 + CHANNEL_STD * (small - small.mean(axis=(0, 1))) / spread), 0, 255).astype(np.uint8)


def _steady(window: np.ndarray) -> np.ndarray:
    """(h, w) bool: the pixels that do not change over some frames, (m, h, w, 3) uint8."""
    return (window.max(axis=0) - window.min(axis=0)).max(axis=-1) <= STEADY


def _step(levels: np.ndarray, link: int) -> float:
    """Share of the pixels that do not change before a link, nor after it, but at it; 0 near the ends of the order."""
    before, after = levels[max(0, link - WINDOW + 1) : link + 1], levels[link + 1 : link + 1 + WINDOW]
    if min(len(before), len(after)) < WINDOW:
        return 0.0
    apart = np.abs(before.mean(axis=0) - after.mean(axis=0)).max(axis=-1)
    return float((_steady(before) & _steady(after) & (apart > CHANGED)).mean())


def _largest_around(steps: np.ndarray, link: int) -> float:
    """The largest step at the links around one, up to two windows away."""
    return float(np.delete(steps[max(0, link - 2 * WINDOW) : link + 2 * WINDOW + 1], min(link, 2 * WINDOW)).max(initial=0))


def _differing(levels: np.ndarray, place: int) -> float:
    """Share of the pixels that do not change over the frames around a place, and are different in the frame at it."""
    around = np.concatenate([levels[max(0, place - WINDOW) : place], levels[place + 1 : place + 1 + WINDOW]])
    apart = np.abs(around.mean(axis=0) - levels[place]).max(axis=-1)
    return float((_steady(around) & (apart > CHANGED)).mean())
