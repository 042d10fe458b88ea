"""Drawn clips whose order or whose scenes are not in their pictures, each for another reason.

The photographs are those that come with scikit-learn; everything else is drawn from a seed.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from sklearn.datasets import load_sample_image

SIZE = 240, 180  # px, width and height
NOISE = 1.5  # standard deviation of the sensor, grey levels
TURN = 12  # frames of one turn of the wheel


@dataclass(frozen=True, eq=False)
class DrawnClip:
    """A clip that cannot be restored from its pictures alone.

    Attributes
    ----------
    name : str
        What it is, in one or two words, for names of files too.
    about : str
        What it shows, and why that is hard, in one sentence.
    scenes : dict of str to (n, 180, 240, 3) uint8 array
        Its true scenes in their true order, RGB.
    """

    name: str
    about: str
    scenes: dict[str, np.ndarray]


def drawn_clips(seed: int = 0) -> list[DrawnClip]:
    """Draw the clips.

    Parameters
    ----------
    seed : int
        Of the noise.

    Returns
    -------
    list of DrawnClip
        ``wheel``, ``still``, ``loop`` and ``takes``.
    """
    rng = np.random.default_rng(seed)
    return [
        DrawnClip(
            "wheel", "A wheel turns three times, evenly: frames of one phase are the same picture.", {"wheel": _wheel(rng)}
        ),
        DrawnClip("still", "Nothing moves: frames differ by the noise of the sensor alone.", {"still": _still(rng)}),
        DrawnClip("loop", "The camera comes back to where it began: any frame could be the first.", {"loop": _loop(rng)}),
        DrawnClip(
            "takes",
            "Two takes before one background: whether they are one scene or two is a matter of purpose.",
            {"first": _take(rng, 0), "second": _take(rng, 1)},
        ),
    ]


def _wheel(rng: np.random.Generator) -> np.ndarray:
    board, disc = _photo("china.jpg", 20, 240), _photo("flower.jpg", 90, 200)
    return np.stack([_noisy(_with_disc(board, disc, (120, 96), 360 / TURN * k, 70), rng) for k in range(3 * TURN)])


def _still(rng: np.random.Generator) -> np.ndarray:
    photo = _photo("china.jpg", 60, 120)
    return np.stack([_noisy(photo, rng) for _ in range(30)])


def _loop(rng: np.random.Generator) -> np.ndarray:
    photo, count = load_sample_image("china.jpg"), 40
    frames = []
    for k in range(count):
        x, y = 180 + 110 * np.cos(2 * np.pi * k / count), 110 + 70 * np.sin(2 * np.pi * k / count)
        frames.append(_noisy(cv2.getRectSubPix(photo, SIZE, (x + SIZE[0] / 2 - 30, y + SIZE[1] / 2)), rng))
    return np.stack(frames)


def _take(rng: np.random.Generator, number: int) -> np.ndarray:
    """A disc goes through the picture: in the first take a flower from left to right, in the second another one, downwards."""
    wall, disc = _photo("china.jpg", 150, 60), _photo("flower.jpg", *((90, 200), (150, 330))[number])
    frames, count = [], 24
    for k in range(count):
        along = 30 + 5 * k
        middle = (30 + along, 70) if number == 0 else (170, along)
        frames.append(_noisy(_with_disc(wall, disc, middle, 4.0 * k, 44), rng))
    return np.stack(frames)


def _photo(name: str, top: int, left: int) -> np.ndarray:
    width, height = SIZE
    return np.ascontiguousarray(load_sample_image(name)[top : top + height, left : left + width])


def _with_disc(picture: np.ndarray, disc: np.ndarray, middle: tuple[float, float], degrees: float, radius: float) -> np.ndarray:
    """A picture with a turned disc in front, cut from the middle of another picture."""
    width, height = SIZE
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, radius / (height / 2))
    matrix[:, 2] += np.array([middle[0] - (width - 1) / 2, middle[1] - (height - 1) / 2])
    turned = cv2.warpAffine(disc, matrix, SIZE, flags=cv2.INTER_LINEAR)
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    cover = np.clip(radius - np.hypot(x - middle[0], y - middle[1]), 0, 1)[..., None]
    return np.asarray(cover * turned + (1 - cover) * picture)


def _noisy(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.clip(np.round(picture + rng.normal(0, NOISE, picture.shape)), 0, 255).astype(np.uint8)
