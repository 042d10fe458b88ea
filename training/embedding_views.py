"""Pairs of augmented views for contrastive training: a photograph twice, or two close frames of a clip.

The augmentations are what can happen to a frame of a shuffled video: the camera shakes, the light changes, the picture is out
of focus, noisy, cropped, compressed or has something drawn over it. Each view is augmented independently.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from training.light import blurred, compressed, motion_blurred, noisy, relit

CACHE_SIDE = 160  # px, long side of the pictures that views are cut from


@dataclass(frozen=True)
class Shake:
    """How far the camera of a view may move.

    Attributes
    ----------
    rotation : float
        Maximum rotation to either side, degrees.
    zoom : tuple of float
        Range of the zoom factor, drawn log-uniformly.
    shift : float
        Maximum translation, as a share of the sides of the frame.
    cropped : float
        Share of the views, 0 to 1, of which up to a quarter of one side is cut off and the rest is stretched.
    """

    rotation: float = 8.0
    zoom: tuple[float, float] = (0.95, 1.5)
    shift: float = 0.12
    cropped: float = 0.2


@dataclass(frozen=True)
class Pairs:
    """Two views of each of N pictures.

    Attributes
    ----------
    first, second : (N, S, S, 3) uint8 array
        The views, RGB.
    group : (N,) int array
        Equal for the pairs of one clip, different for photographs.
    """

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
    """Draw pairs of views.

    Half of the pairs are mirrored, both views alike: a mirrored picture is as good to train on, but a different one.

    Parameters
    ----------
    photographs : sequence of (h, w, 3) uint8 array
        The photographs, RGB; each is drawn at most once.
    clips : sequence of (N, h, w, 3) uint8 array
        The clips, RGB.
    count : int
        Number of pairs.
    photograph_share : float
        Share of the pairs made from photographs, 0 to 1; the others are made from clips.
    frame_gap : int
        Maximum distance in frames between the two frames of a clip.
    size : int
        Side of the views, px.
    rng : numpy.random.Generator
        Source of the random values.

    Returns
    -------
    Pairs
        The views.
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
    """Augment an (h, w, 3) uint8 RGB picture at random: (size, size, 3) uint8, the whole picture squeezed to a square."""
    image = shaken(picture, size, rng, Shake())
    if rng.random() < 0.15:
        image = motion_blurred(image, rng, max_length=max(4, size // 14))
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
    """Rotate, zoom and shift a picture and squeeze it to (size, size, 3) in one step; borders are mirrored."""
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
    """Draw one overlay on an (S, S, 3) uint8 picture: a caption bar, a logo (a filled rectangle) or a time stamp."""
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
