"""Training data for SuperPoint: two views of a photograph, the places of its keypoints in both, and which are visible in both.

The keypoints are detected once, on the clean photograph, and mapped by the true homographies into the augmented views, as in
SuperPoint's homographic adaptation (DeTone et al., CVPR workshop 2018): the network learns the true place of a keypoint under
any light, noise and viewpoint. Places have sub-pixel accuracy, and the labels keep it.
"""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from training.matcher_scenes import augmented, inside
from training.pictures import read_photograph
from training.warps import LARGE, MEDIUM, SMALL, random_homography, transformed
from workbench.matching.superpoint import CELL, parabola_peaks, suppressed

PHOTOGRAPH_LONG_SIDE = 500  # px
CONTRAST_SIGMA = 8.0  # px, standard deviation of the window of the local contrast
BLOB_SIGMA = 2.5  # px, scale of the blobs: smaller ones move with the noise, larger ones are few
MIN_KEYPOINT_DISTANCE = 3  # px, in x or in y
AREA_PER_KEYPOINT = 160  # px of the photograph per keypoint; the strongest ones become labels
LABEL_SIGMA = 0.7  # px, standard deviation of the label of a keypoint
BORDER_MARGIN = 4  # px from the border of a view, where keypoints cannot be detected
DESCRIPTOR_JITTER = 0.5  # px, standard deviation of where a descriptor is sampled, because a detector is not exact either


@dataclass(frozen=True)
class Batch:
    """B pairs of views: first all first views, then all second views.

    Attributes
    ----------
    images : (2B, 1, h, w) float32 tensor
        Grey levels, 0 to 1.
    labels : (2B, 65, h / 8, w / 8) float32 tensor
        Probabilities that each pixel of a cell is the keypoint and, last, that none is; they sum to 1.
    visible : (2B, h / 8, w / 8) bool tensor
        False for cells beyond the border of the photograph.
    points : (2B, N, 2) float32 tensor
        Points, px; row n of a first view and row n of its second view are the same point.
    shared : (B, N) bool tensor
        False for rows that only fill up ``points``.
    """

    images: Tensor
    labels: Tensor
    visible: Tensor
    points: Tensor
    shared: Tensor


def blobs(grey: np.ndarray) -> np.ndarray:
    """Detect the keypoints of a picture that become labels.

    Parameters
    ----------
    grey : (h, w) uint8 array
        The picture.

    Returns
    -------
    (K, 2) float64 array
        x and y, px, strongest first; at most one for every 160 px of the picture.

    Notes
    -----
    Maxima of the determinant of the Hessian (Lindeberg, IJCV 1998) at one scale, after normalising the local contrast so that
    shadows have as many keypoints as sunlit areas. Under homographies and changes of light they were found again more often
    (64 % within 3 px) than Shi-Tomasi corners or SIFT keypoints (50 to 55 %).
    """
    values = grey.astype(np.float32)
    values -= cv2.GaussianBlur(values, (0, 0), CONTRAST_SIGMA)
    values /= np.sqrt(cv2.GaussianBlur(values * values, (0, 0), CONTRAST_SIGMA) + 16)
    values = cv2.GaussianBlur(values, (0, 0), BLOB_SIGMA)
    xx, yy, xy = (cv2.Sobel(values, cv2.CV_32F, *order) for order in ((2, 0), (0, 2), (1, 1)))
    strength = np.maximum(xx * yy - xy * xy, 0)
    y, x = np.nonzero(suppressed(strength, MIN_KEYPOINT_DISTANCE) & (strength > 0))
    strongest = np.argsort(-strength[y, x], kind="stable")[: grey.size // AREA_PER_KEYPOINT]
    return parabola_peaks(strength, np.column_stack([x, y])[strongest])


def label_map(points: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Draw the labels of keypoints.

    A keypoint is a Gaussian of mass 1 over the pixels around it, so that the network learns a peak with sub-pixel accuracy.

    Parameters
    ----------
    points : (K, 2) array
        Keypoints, px.
    size : tuple of int
        Width and height of the view, px, multiples of 8.

    Returns
    -------
    (65, h / 8, w / 8) float32 array
        Probabilities that each pixel of a cell is the keypoint and, last, that none is. In a cell with a mass above 1 the
        keypoints share the probability.
    """
    width, height = size
    offsets = np.arange(-2, 3)
    steps = np.stack(np.meshgrid(offsets, offsets), axis=-1).reshape(-1, 2)
    pixels = np.rint(points).astype(int)[:, None] + steps
    mass = np.exp(-((pixels - points[:, None]) ** 2).sum(axis=2) / (2 * LABEL_SIGMA**2))
    mass /= mass.sum(axis=1, keepdims=True)
    seen = ((pixels >= 0) & (pixels < size)).all(axis=2)
    drawn = np.zeros((height, width), np.float32)
    np.add.at(drawn, (pixels[seen][:, 1], pixels[seen][:, 0]), mass[seen])
    cells = drawn.reshape(height // CELL, CELL, width // CELL, CELL).transpose(1, 3, 0, 2)
    cells = cells.reshape(CELL * CELL, height // CELL, width // CELL)
    whole = cells.sum(axis=0, keepdims=True)
    return np.concatenate([cells / np.maximum(whole, 1), np.maximum(1 - whole, 0)])


def make_batch(paths: list[Path], pairs: int, size: tuple[int, int], count: int, rng: np.random.Generator) -> Batch:
    """Make a batch of random views.

    Parameters
    ----------
    paths : list of Path
        Photographs.
    pairs : int
        Number of pairs of views.
    size : tuple of int
        Width and height of the views, px, multiples of 8.
    count : int
        Maximum number of shared points per pair.
    rng : numpy.random.Generator
        Source of the random values.

    Returns
    -------
    Batch
        The views and their labels.
    """
    views: list[list[np.ndarray]] = [[], [], []]  # grey pictures, labels, visible cells
    shared = np.zeros((pairs, count), bool)
    points = np.zeros((2, pairs, count, 2), np.float32)
    for row, number in enumerate(rng.integers(len(paths), size=pairs)):
        picture, keypoints = _scene(paths[number], size, rng)
        places = []
        # Both views show the photograph around the same random place, each in its own light.
        corner = rng.uniform(0, np.array(picture.shape[1::-1]) - size + 1)
        for viewpoint in (SMALL, (SMALL, MEDIUM, LARGE, LARGE)[rng.integers(4)]):
            homography = random_homography(size, viewpoint, rng) @ [[1, 0, -corner[0]], [0, 1, -corner[1]], [0, 0, 1]]
            view = cv2.warpPerspective(picture, homography, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
            places.append(transformed(keypoints, homography))
            grey = cv2.cvtColor(augmented(view, rng), cv2.COLOR_RGB2GRAY)
            values = grey, label_map(places[-1], size), _visible_cells(homography, picture, size)
            for part, value in zip(views, values, strict=True):
                part.append(value)
        inner = np.array(size) - 2 * BORDER_MARGIN
        both = np.flatnonzero(np.logical_and(*(inside(place - BORDER_MARGIN, inner) for place in places)))
        chosen = rng.permutation(both)[:count]
        shared[row, : len(chosen)] = True
        for side, place in enumerate(places):
            points[side, row, : len(chosen)] = place[chosen] + rng.normal(0, DESCRIPTOR_JITTER, (len(chosen), 2))
    images, labels, visible = (np.stack([*part[::2], *part[1::2]]) for part in views)
    return Batch(
        images=torch.from_numpy(images)[:, None] / np.float32(255),
        labels=torch.from_numpy(labels),
        visible=torch.from_numpy(visible),
        points=torch.from_numpy(points.reshape(2 * pairs, count, 2)),
        shared=torch.from_numpy(shared),
    )


def _scene(path: Path, size: tuple[int, int], rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A photograph, (h, w, 3) uint8 RGB, at a random scale at which it still covers ``size``, and its keypoints."""
    picture = read_photograph(path, PHOTOGRAPH_LONG_SIDE)
    least = max(size[0] / picture.shape[1], size[1] / picture.shape[0])
    scale = max(least, np.exp(rng.uniform(min(0, np.log(least)), 0))) + 1e-2
    picture = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return picture, blobs(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY))


def _visible_cells(homography: np.ndarray, picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(h / 8, w / 8) bool: whether the centre of a cell of the view shows the picture and not its mirrored continuation."""
    x, y = (np.arange(length // CELL) * CELL + (CELL - 1) / 2 for length in size)
    middles = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    return inside(transformed(middles, np.linalg.inv(homography)), picture.shape[1::-1]).reshape(len(y), len(x))
