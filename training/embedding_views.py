"""Pairs of views for contrastive training: a photograph with itself, or two close frames of a clip, each harmed on its own.

The harms are those a frame of a shuffled video meets: the camera shakes, the light changes, the picture is out of focus,
noisy, cropped, compressed or written over.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from training.light import blurred, compressed, motion_blurred, noisy, relit

CACHE_SIDE = 160  # px, long side of the pictures that views are cut from


@dataclass(frozen=True)
class Shake:
    """How far a view's camera moves: rotation in degrees, zoom as a range, shift as a share of the frame's sides.

    cropped: share of the views of which up to a quarter of one side is cut off and the rest stretched.
    """

    rotation: float = 8.0
    zoom: tuple[float, float] = (0.95, 1.5)
    shift: float = 0.12
    cropped: float = 0.2


@dataclass(frozen=True)
class Pairs:
    """Two views of each of N pictures. first, second: (N, S, S, 3) uint8 RGB. group: (N,) int, equal for one clip's pairs."""

    first: np.ndarray
    second: np.ndarray
    group: np.ndarray


def draw_pairs(
    photographs: Sequence[np.ndarray],
    clips: Sequence[np.ndarray],
    count: int,
    photograph_share: float,
    frame_gap: int,
    size: int,
    rng: np.random.Generator,
) -> Pairs:
    """``count`` pairs of views of ``size`` x ``size`` px: the share of photographs, no photograph twice, the rest from clips.

    photographs: each (h, w, 3) uint8. clips: each (N, h, w, 3) uint8; the two frames are at most ``frame_gap`` apart. One
    pair in two is mirrored, both views alike: a mirrored frame is another frame, but as good a picture.
    """
    of_photographs = round(count * photograph_share)
    pictures, group = [], []
    for index in rng.choice(len(photographs), of_photographs, replace=False):
        pictures.append((photographs[index], photographs[index]))
        group.append(len(clips) + int(index))
    for index in rng.integers(len(clips), size=count - of_photographs):
        frames = clips[index]
        one = int(rng.integers(len(frames)))
        two = int(np.clip(one + rng.integers(-frame_gap, frame_gap + 1), 0, len(frames) - 1))
        pictures.append((frames[one], frames[two]))
        group.append(int(index))
    views = np.empty((2, count, size, size, 3), np.uint8)
    for index, pair in enumerate(pictures):
        mirrored = rng.random() < 0.5
        for side, picture in enumerate(pair):
            views[side, index] = view(picture[:, ::-1] if mirrored else picture, size, rng)
    return Pairs(views[0], views[1], np.array(group))


def view(picture: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """(h, w, 3) uint8 RGB -> (size, size, 3) uint8: the whole picture squeezed to a square, shaken and harmed at random."""
    image = shaken(picture, size, rng, Shake())
    if rng.random() < 0.15:
        image = motion_blurred(image, rng, greatest=max(4, size // 14))
    elif rng.random() < 0.35:
        image = blurred(image, rng)
    image = relit(image, rng)
    if rng.random() < 0.25:
        image = overlaid(image, rng)
    if rng.random() < 0.4:
        image = noisy(image, rng)
    if rng.random() < 0.25:
        image = compressed(image, rng)
    return image


def shaken(picture: np.ndarray, size: int, rng: np.random.Generator, shake: Shake) -> np.ndarray:
    """(h, w, 3) -> (size, size, 3): rotated, zoomed, shifted and squeezed to a square in one step, borders mirrored."""
    height, width = picture.shape[:2]
    angle = np.deg2rad(rng.uniform(-shake.rotation, shake.rotation))
    zoom = np.exp(rng.uniform(*np.log(shake.zoom)))
    shift = rng.uniform(-shake.shift, shake.shift, 2) * size
    stretch = np.ones(2)
    if rng.random() < shake.cropped:
        stretch[rng.integers(2)] = 1 / rng.uniform(0.75, 1)
    turn = zoom * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    squeeze = np.diag(stretch * size / np.array([width, height]))
    matrix = squeeze @ turn
    middle = np.array([width - 1, height - 1]) / 2
    offset = (size - 1) / 2 + shift - matrix @ middle
    return cv2.warpAffine(
        picture, np.column_stack([matrix, offset]), (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
    )


def overlaid(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(S, S, 3) uint8 with one thing laid over it: a caption bar, a logo (a filled rectangle) or a time stamp."""
    image, size = np.ascontiguousarray(image).copy(), len(image)
    colour = tuple(int(value) for value in rng.integers(0, 256, 3))
    kind = rng.integers(3)
    if kind == 0:
        height = int(size * rng.uniform(0.08, 0.2))
        if rng.random() < 0.5:
            image[-height:] = colour
        else:
            image[:height] = colour
        return image
    if kind == 1:
        sides = (size * rng.uniform(0.1, 0.3, 2)).astype(int)
        x, y = (int(rng.integers(0, size - side)) for side in sides)
        cv2.rectangle(image, (x, y), (x + int(sides[0]), y + int(sides[1])), colour, cv2.FILLED)
        return image
    text = "{:02d}:{:02d}:{:02d}".format(*rng.integers(0, 60, 3))
    corner = int(rng.integers(0, size // 2)), int(rng.integers(size // 8, size))
    cv2.putText(image, text, corner, cv2.FONT_HERSHEY_SIMPLEX, size / 320, colour, 1, cv2.LINE_AA)
    return image
