"""What SuperPoint learns from: two views of a photograph, where its keypoints went, and which of them are in both.

The keypoints are found once, on the clean photograph, and carried through the known homographies into the harmed views, as in
SuperPoint's homographic adaptation (DeTone et al., CVPR workshop 2018): the network learns where a keypoint truly is, whatever
light, noise and viewpoint do. They are fractions of a pixel, and the labels keep them.
"""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from training.matcher_scenes import harmed, inside
from training.pictures import read_photograph
from training.warps import LARGE, MEDIUM, SMALL, random_homography, transformed
from workbench.matching.superpoint import CELL, parabola_peaks, suppressed

LONG_SIDE = 500  # px, of the photograph
NEIGHBOURHOOD = 8.0  # px, standard deviation of the window of the local contrast
BLOB = 2.5  # px: smaller blobs move with the noise, of larger ones there are few
APART = 3  # px between two keypoints, at least, in x or in y
AREA = 160  # px a keypoint: of a photograph, the strongest ones are labels
SPREAD = 0.7  # px, standard deviation of a label
MARGIN = 4  # px from the border of a view, where a keypoint cannot be told
JITTER = 0.5  # px, how far from the keypoint its descriptor is taken in training, as a detector is not exact either


@dataclass(frozen=True)
class Batch:
    """B pairs of views: first all the first ones, then all the second ones.

    images: (2B, 1, h, w) float32 grey, 0 to 1. labels: (2B, 65, h / 8, w / 8) float32, the probability of every pixel of a
    cell to be the keypoint and, last, of none; they sum to 1. known: (2B, h / 8, w / 8) bool, False beyond the border of the
    photograph. points: (2B, N, 2) float32, px: row n of a first view and of its second one is one point. shared: (B, N) bool,
    False where a row only fills up.
    """

    images: Tensor
    labels: Tensor
    known: Tensor
    points: Tensor
    shared: Tensor


def blobs(grey: np.ndarray) -> np.ndarray:
    """Keypoints of an (h, w) uint8 picture: (K, 2) float64 x, y in px, strongest first, one for every 160 px at most.

    Maxima of the determinant of the Hessian (Lindeberg, IJCV 1998) at one scale, after the local contrast was made even so
    that shadows have as many as sunlight. Under homographies and light they were found again more often than Shi-Tomasi
    corners or SIFT keypoints (64 % within 3 px against 50 to 55 %).
    """
    values = grey.astype(np.float32)
    values -= cv2.GaussianBlur(values, (0, 0), NEIGHBOURHOOD)
    values /= np.sqrt(cv2.GaussianBlur(values * values, (0, 0), NEIGHBOURHOOD) + 16)
    values = cv2.GaussianBlur(values, (0, 0), BLOB)
    xx, yy, xy = (cv2.Sobel(values, cv2.CV_32F, *order) for order in ((2, 0), (0, 2), (1, 1)))
    strength = np.maximum(xx * yy - xy * xy, 0)
    y, x = np.nonzero(suppressed(strength, APART) & (strength > 0))
    strongest = np.argsort(-strength[y, x], kind="stable")[: grey.size // AREA]
    return parabola_peaks(strength, np.column_stack([x, y])[strongest])


def label_map(points: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(65, h / 8, w / 8) float32 labels of (K, 2) keypoints in a view of ``size`` = (width, height), multiples of 8.

    A keypoint is a Gaussian of mass 1 over the pixels around it, so that the peak of what is learned shows the fraction of the
    pixel. Where a cell gets less than a whole one the rest is "none"; where it gets more they share it.
    """
    width, height = size
    reach = np.arange(-2, 3)
    steps = np.stack(np.meshgrid(reach, reach), axis=-1).reshape(-1, 2)
    pixels = np.rint(points).astype(int)[:, None] + steps
    mass = np.exp(-((pixels - points[:, None]) ** 2).sum(axis=2) / (2 * SPREAD**2))
    mass /= mass.sum(axis=1, keepdims=True)
    seen = ((pixels >= 0) & (pixels < size)).all(axis=2)
    drawn = np.zeros((height, width), np.float32)
    np.add.at(drawn, (pixels[seen][:, 1], pixels[seen][:, 0]), mass[seen])
    cells = drawn.reshape(height // CELL, CELL, width // CELL, CELL).transpose(1, 3, 0, 2)
    cells = cells.reshape(CELL * CELL, height // CELL, width // CELL)
    whole = cells.sum(axis=0, keepdims=True)
    return np.concatenate([cells / np.maximum(whole, 1), np.maximum(1 - whole, 0)])


def make_batch(paths: list[Path], pairs: int, size: tuple[int, int], count: int, rng: np.random.Generator) -> Batch:
    """``pairs`` pairs of views of ``size`` = (width, height), multiples of 8, with up to ``count`` shared points each."""
    views: list[list[np.ndarray]] = [[], [], []]  # grey pictures, labels, known
    shared = np.zeros((pairs, count), bool)
    points = np.zeros((2, pairs, count, 2), np.float32)
    for row, number in enumerate(rng.integers(len(paths), size=pairs)):
        picture, keypoints = _scene(paths[number], size, rng)
        places = []
        # A view of the photograph about a random place, in random light.
        corner = rng.uniform(0, np.array(picture.shape[1::-1]) - size + 1)
        for viewpoint in (SMALL, (SMALL, MEDIUM, LARGE, LARGE)[rng.integers(4)]):
            homography = random_homography(size, viewpoint, rng) @ [[1, 0, -corner[0]], [0, 1, -corner[1]], [0, 0, 1]]
            view = cv2.warpPerspective(picture, homography, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
            places.append(transformed(keypoints, homography))
            grey = cv2.cvtColor(harmed(view, rng), cv2.COLOR_RGB2GRAY)
            for part, value in zip(views, (grey, label_map(places[-1], size), _known(homography, picture, size)), strict=True):
                part.append(value)
        both = np.flatnonzero(np.logical_and(*(inside(place - MARGIN, np.array(size) - 2 * MARGIN) for place in places)))
        chosen = rng.permutation(both)[:count]
        shared[row, : len(chosen)] = True
        for side, place in enumerate(places):
            points[side, row, : len(chosen)] = place[chosen] + rng.normal(0, JITTER, (len(chosen), 2))
    images, labels, known = (np.stack([*part[::2], *part[1::2]]) for part in views)
    return Batch(
        images=torch.from_numpy(images)[:, None] / np.float32(255),
        labels=torch.from_numpy(labels),
        known=torch.from_numpy(known),
        points=torch.from_numpy(points.reshape(2 * pairs, count, 2)),
        shared=torch.from_numpy(shared),
    )


def _scene(path: Path, size: tuple[int, int], rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A photograph, (h, w, 3) uint8 RGB at a random scale but not below ``size``, and its keypoints."""
    picture = read_photograph(path, LONG_SIDE)
    least = max(size[0] / picture.shape[1], size[1] / picture.shape[0])
    scale = max(least, np.exp(rng.uniform(min(0, np.log(least)), 0))) + 1e-2
    picture = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return picture, blobs(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY))


def _known(homography: np.ndarray, picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(h / 8, w / 8) bool: whether the middle of a cell of the view shows the picture, and not its reflection."""
    x, y = (np.arange(length // CELL) * CELL + (CELL - 1) / 2 for length in size)
    middles = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    return inside(transformed(middles, np.linalg.inv(homography)), picture.shape[1::-1]).reshape(len(y), len(x))
