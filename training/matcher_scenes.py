"""Make the scenes that SuperGlue is trained on: several views of one subject, with features and true correspondences.

Here are three kinds: a photograph seen through homographies or a smooth deformation; two photographs as layers at different
depths, which move relative to each other (parallax); and two frames of a clip. :mod:`training.matcher_planes` has a fourth, and
:mod:`training.matcher_files` writes them.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np

from training.light import blurred, compressed, motion_blurred, noisy, relit
from training.warps import LARGE, MEDIUM, SMALL, Warp, random_bend, random_homography, sampled
from workbench.matching.sift import sift_features
from workbench.storage.hloc import Features

SAME_POINT_RADIUS = 3.0  # px: keypoints of two views closer than this show the same point
MAX_KEYPOINTS = 512  # per view
CONTRAST_THRESHOLD = 0.01  # of SIFT, the default of the workbench
VIEW_SIZES = ((320, 240), (320, 240), (320, 180), (400, 225), (240, 320), (400, 300))


@dataclass(frozen=True)
class View:
    """One view of a scene.

    Attributes
    ----------
    features : Features
        Keypoints, px of the view, and descriptors.
    places : dict of (K, 2) float64 array
        By the number of another view, where the keypoints lie in it, px; infinite where they are hidden or outside there, NaN
        where their place is unknown.
    """

    features: Features
    places: dict[int, np.ndarray]


def photograph_views(pictures: list[np.ndarray], count: int, rng: np.random.Generator) -> list[View]:
    """Make random views of a photograph, or of two photographs at different depths (parallax).

    Parameters
    ----------
    pictures : list of (h, w, 3) uint8 array
        One photograph, RGB, or the far one and the near one.
    count : int
        Number of views.
    rng : numpy.random.Generator
        Source of the random values.

    Returns
    -------
    list of View
        Every view with the places of its keypoints in all views.
    """
    size = VIEW_SIZES[rng.integers(len(VIEW_SIZES))]
    layers = [scaled_and_cropped(picture, size) for picture in pictures]
    mask = _blob(size, rng) if len(layers) == 2 else None
    bends = rng.random() < 0.3
    warps = []
    for number in range(count):
        viewpoint = (SMALL, MEDIUM, LARGE, LARGE)[rng.integers(4)] if number else SMALL
        homography = random_homography(size, viewpoint, rng)
        warp = Warp(homography, random_bend(size, 8.0, rng) if bends else None)
        # The near layer moves by up to an eighth of the picture relative to the far one, with a slightly different homography.
        apart = random_homography(size, replace(SMALL, shift=0.12), rng)
        warps.append([warp, replace(warp, homography=homography @ apart)][: len(layers)])
    rendered = [_render(layers, mask, view, size) for view in warps]
    found = [sift(augmented(image, rng)) for image, _ in rendered]
    views = []
    for number, features in enumerate(found):
        near = _layer_at(rendered[number][1], features.keypoints)
        places = {}
        for other in range(count):
            place = np.full((len(features), 2), np.nan)
            for layer, (here, there) in enumerate(zip(warps[number], warps[other], strict=True)):
                mine = near == layer
                place[mine] = there.to_view(here.to_picture(features.keypoints[mine]))
            hidden = ~inside(place, size) | (_layer_at(rendered[other][1], np.nan_to_num(place)) != near)
            places[other] = np.where(hidden[:, None], np.inf, place)
        views.append(View(features, places))
    return views


def clip_views(first: np.ndarray, second: np.ndarray, rng: np.random.Generator) -> list[View]:
    """Make two views of two frames of a clip, each under its own light and a small homography.

    Parameters
    ----------
    first, second : (h, w, 3) uint8 array
        The frames, RGB.
    rng : numpy.random.Generator
        Source of the random values.

    Returns
    -------
    list of View
        The two views.

    Notes
    -----
    Motion is dense optical flow (DIS; Kroeger et al., ECCV 2016). It is trusted only where following it forwards and backwards
    ends within a pixel of the start.
    """
    size = (first.shape[1], first.shape[0])
    grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in (first, second)]
    flow = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    flows = [flow.calc(*grey, None), flow.calc(*grey[::-1], None)]
    warps = [Warp(random_homography(size, (SMALL, MEDIUM)[rng.integers(2)], rng)) for _ in range(2)]
    views = []
    for number, frame in enumerate((first, second)):
        image = cv2.remap(frame, warps[number].map(size), None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
        features = sift(augmented(image, rng))
        start = warps[number].to_picture(features.keypoints)
        end = start + sampled(flows[number], start)
        back = end + sampled(flows[1 - number], end)
        place = warps[1 - number].to_view(end)
        is_consistent = (np.linalg.norm(back - start, axis=1) < 1) & inside(start, size) & inside(end, size)
        place[is_consistent & ~inside(place, size)] = np.inf
        place[~is_consistent] = np.nan
        views.append(View(features, {1 - number: place}))
    return views


def same_points(a: View, b: View, numbers: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Find the keypoints of two views that show the same point: those within :data:`SAME_POINT_RADIUS` px in both views.

    Parameters
    ----------
    a, b : View
        The views.
    numbers : tuple of int
        Their numbers in the scene.

    Returns
    -------
    points : (C, 2) int array
        Indices of the keypoints in the two views.
    costs : (C,) float32 array
        The larger of the two distances, px, plus the cosine distance of the descriptors, which distinguishes the keypoints
        that SIFT places at the same point with several orientations.
    """
    there, back = a.places[numbers[1]], b.places[numbers[0]]
    with np.errstate(invalid="ignore"):
        forward = np.linalg.norm(there[:, None] - b.features.keypoints[None], axis=2)
        backward = np.linalg.norm(back[None] - a.features.keypoints[:, None], axis=2)
        distance = np.maximum(forward, backward)
        close = distance < SAME_POINT_RADIUS  # False for NaN
    similarity = a.features.descriptors.T @ b.features.descriptors
    return np.argwhere(close), (distance[close] + 1 - similarity[close]).astype(np.float32)


def sift(image: np.ndarray, keypoints: int = MAX_KEYPOINTS) -> Features:
    """SIFT features as the workbench computes them at its default threshold, at most ``keypoints``."""
    return sift_features(image, keypoints, CONTRAST_THRESHOLD, (image.shape[1], image.shape[0]))


def augmented(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Augment a view by light, blur, noise and compression, each with its own probability."""
    chance = rng.random(5)
    if chance[0] < 0.8:
        image = relit(image, rng)
    if chance[1] < 0.2:
        image = blurred(image, rng)
    if chance[2] < 0.1:
        image = motion_blurred(image, rng, 6)
    if chance[3] < 0.4:
        image = noisy(image, rng, 6)
    if chance[4] < 0.4:
        image = compressed(image, rng, (30, 90))
    return image


def scaled_and_cropped(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Scale a picture and crop it about its centre to ``size`` = (width, height)."""
    scale = max(size[0] / picture.shape[1], size[1] / picture.shape[0])
    scaled = cv2.resize(picture, None, fx=scale + 1e-3, fy=scale + 1e-3, interpolation=cv2.INTER_AREA)
    left, top = (scaled.shape[1] - size[0]) // 2, (scaled.shape[0] - size[1]) // 2
    return scaled[top : top + size[1], left : left + size[0]]


def inside(points: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(K,) bool: whether (K, 2) points lie in a picture of ``size`` = (width, height); False for NaN."""
    return ((points >= 0) & (points <= np.array(size) - 1)).all(axis=1)


def _blob(size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """An (h, w) uint8 mask: 255 on a random polygon that covers a tenth to a half of the picture."""
    angles = np.sort(rng.uniform(0, 2 * np.pi, 9))
    reach = rng.uniform(0.2, 0.45, 9)[:, None] * size
    points = np.column_stack([np.cos(angles), np.sin(angles)]) * reach + np.array(size) * rng.uniform(0.35, 0.65, 2)
    mask = np.zeros(size[::-1], np.uint8)
    cv2.fillPoly(mask, [points.astype(np.int32)], 255)
    return mask


def _render(
    layers: list[np.ndarray], mask: np.ndarray | None, warps: list[Warp], size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """The view, and the number of the layer of every pixel, (h, w) uint8. Beyond its border a picture is mirrored."""
    maps = [warp.map(size) for warp in warps]
    far = cv2.remap(layers[0], maps[0], None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    if mask is None:
        return far, np.zeros(size[::-1], np.uint8)
    near = cv2.remap(layers[1], maps[1], None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    shape = cv2.remap(mask, maps[1], None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)[..., None] / np.float32(255)
    return (far * (1 - shape) + near * shape).astype(np.uint8), (shape[..., 0] > 0.5).astype(np.uint8)


def _layer_at(layers: np.ndarray, points: np.ndarray) -> np.ndarray:
    """The number of the layer at (K, 2) points, (K,); the border is repeated outside."""
    x, y = (np.clip(np.rint(points[:, axis]), 0, layers.shape[1 - axis] - 1).astype(int) for axis in (0, 1))
    return layers[y, x]
