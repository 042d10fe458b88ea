"""Two views of a drawn room, with the true place in the second view of every pixel of the first.

The room has a floor and two walls with a photograph on each, and a box stands in it; photographs are those that come with
scikit-learn. Everything is a plane, so that geometry is exact: a pixel of one view is a point of the room, and that point is a
pixel of the other view, or is hidden there.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from sklearn.datasets import load_sample_image

from workbench.evaluation.effects import flicker_frame

SIZE = 400, 300  # px, width and height of a view
FOCAL_PX = 360.0
TARGET = np.array([1.9, 0.9, 1.9])  # where the cameras look, m; y points up, the walls are x = 0 and z = 0
TEXTURE_PX = 560  # long side of the photographs on the planes
SUPERSAMPLED = 2  # views are drawn twice as large and averaged down
GRAIN = 14.0  # standard deviation of the grain of walls and floor, grey levels
SEEN = 0.02  # share of the distance by which a point may lie behind what is seen, and still counts as seen


@dataclass(frozen=True, eq=False)
class DrawnPair:
    """Two views of the room.

    Attributes
    ----------
    name : str
        What makes the pair hard.
    first, second : (300, 400, 3) uint8 arrays
        RGB.
    truth : (300, 400, 2) float64 array
        For every pixel of the first view its x, y in the second one, px; NaN where the second one does not show it.
    """

    name: str
    first: np.ndarray
    second: np.ndarray
    truth: np.ndarray


@dataclass(frozen=True, eq=False)
class _Plane:
    """A textured rectangle: a corner and two edges in m, and its (h, w, 3) uint8 picture, whose rows run along ``down``."""

    corner: np.ndarray
    across: np.ndarray
    down: np.ndarray
    picture: np.ndarray


@dataclass(frozen=True, eq=False)
class _View:
    """A camera: its place in m, and the rotation from the room to the camera, whose z looks ahead and whose y looks down."""

    place: np.ndarray
    rotation: np.ndarray


def drawn_pairs(seed: int = 0) -> list[DrawnPair]:
    """Draw the pairs that matchers are shown on.

    Parameters
    ----------
    seed : int
        Of the grain and of the flicker.

    Returns
    -------
    list of DrawnPair
        ``wide-baseline``, two cameras 70 degrees apart as seen from what they look at; and ``flickering``, cameras 8 degrees
        apart, and each view under another light.
    """
    rng = np.random.default_rng(seed)
    planes = _room(rng)
    left, middle, right, beside = (_view(degrees) for degrees in (10, 41, 80, 49))
    wide = _pair("wide-baseline", planes, left, right)
    near = _pair("flickering", planes, middle, beside)
    lit = [flicker_frame(image, rng, 1.0) for image in (near.first, near.second)]
    return [wide, DrawnPair(near.name, lit[0], lit[1], near.truth)]


def is_right(pair: DrawnPair, points_a: np.ndarray, points_b: np.ndarray, most: float = 3.0) -> np.ndarray:
    """Tell which matches are right.

    Parameters
    ----------
    pair : DrawnPair
        The pair.
    points_a, points_b : (M, 2) float arrays
        Matched x, y in the first and in the second view, px.
    most : float
        How far a match may lie from its true place, px.

    Returns
    -------
    (M,) bool array
        True where the match is within ``most`` px; False too where the second view does not show the point.
    """
    width, height = SIZE
    x, y = np.clip(np.asarray(points_a, dtype=float).reshape(-1, 2).round().astype(int), 0, (width - 1, height - 1)).T
    off = np.linalg.norm(pair.truth[y, x] - np.asarray(points_b, dtype=float).reshape(-1, 2), axis=1)
    return np.asarray(off <= most)  # NaN is not


def _room(rng: np.random.Generator) -> list[_Plane]:
    """Two walls and a floor of 4 m with grain, photographs 1 cm before them, and a box that shows both on its sides."""
    china, flower = (_grown(load_sample_image(name)) for name in ("china.jpg", "flower.jpg"))
    along_x, up, along_z = np.eye(3)
    grey, brown, blue = (_grain(rng, colour) for colour in ((176, 170, 160), (150, 118, 84), (150, 164, 178)))
    nothing, lifted = np.zeros(3), 0.01
    return [
        _Plane(4 * up, 4 * along_z, -4 * up, grey),  # the wall x = 0
        _Plane(4 * up, 4 * along_x, -4 * up, blue),  # the wall z = 0
        _Plane(nothing, 4 * along_x, 4 * along_z, brown),
        _Plane(np.array([lifted, 2.1, 0.5]), 2.4 * along_z, -1.6 * up, china),
        _Plane(np.array([0.5, 2.1, lifted]), 2.4 * along_x, -1.6 * up, flower[:, ::-1]),
        _Plane(np.array([1.0, lifted, 1.0]), 2.6 * along_x, 1.8 * along_z, china[::-1]),
        _Plane(np.array([1.6, 0.7, 2.2]), 0.6 * along_x, -0.7 * up, flower[60:260, 200:420]),  # the box: front,
        _Plane(np.array([2.2, 0.7, 2.2]), -0.6 * along_z, -0.7 * up, china[60:260, 100:320]),  # side
        _Plane(np.array([1.6, 0.7, 1.6]), 0.6 * along_x, 0.6 * along_z, flower[100:300, 100:320]),  # and lid
    ]


def _grown(photo: np.ndarray) -> np.ndarray:
    scale = TEXTURE_PX / max(photo.shape[:2])
    return cv2.resize(photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)


def _grain(rng: np.random.Generator, colour: tuple[int, int, int]) -> np.ndarray:
    """A surface of one colour with grain of several sizes, so that it is not bare of keypoints."""
    grain = sum(
        cv2.resize(rng.normal(0, GRAIN, (side, side)).astype(np.float32), (512, 512), interpolation=cv2.INTER_CUBIC)
        for side in (24, 64, 160)
    )
    return np.clip(np.array(colour) + np.asarray(grain)[..., None], 0, 255).astype(np.uint8)


def _view(degrees: float) -> _View:
    """A camera 3.4 m away from the target at the height of eyes; at 0 degrees it looks along x, at 90 along z."""
    angle = np.deg2rad(degrees)
    place = TARGET + np.array([3.4 * np.cos(angle), 0.9, 3.4 * np.sin(angle)])
    ahead = (TARGET - place) / np.linalg.norm(TARGET - place)
    right = np.cross(ahead, [0, 1, 0])
    right /= np.linalg.norm(right)
    return _View(place, np.stack([right, np.cross(ahead, right), ahead]))


def _pair(name: str, planes: list[_Plane], one: _View, other: _View) -> DrawnPair:
    (first, points), (second, _) = _look(planes, one), _look(planes, other)
    depths = _depths(planes, other)
    width, height = SIZE
    seen = (points.reshape(-1, 3) - other.place) @ other.rotation.T
    with np.errstate(divide="ignore", invalid="ignore"):
        truth = FOCAL_PX * seen[:, :2] / seen[:, 2:] + np.array([(width - 1) / 2, (height - 1) / 2])
        x, y = np.nan_to_num(truth, nan=-1.0, posinf=-1.0, neginf=-1.0).round().astype(int).T
    inside = (seen[:, 2] > 0) & (x >= 0) & (x < width) & (y >= 0) & (y < height)
    here = depths[np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)]
    hidden = ~inside | ~(seen[:, 2] <= here * (1 + SEEN))
    truth[hidden] = np.nan
    return DrawnPair(name, first, second, truth.reshape(height, width, 2))


def _look(planes: list[_Plane], view: _View) -> tuple[np.ndarray, np.ndarray]:
    """What a camera sees: (h, w, 3) uint8 RGB, and the point of the room in every pixel, (h, w, 3) float, NaN for none."""
    width, height = SIZE
    large = np.zeros((height * SUPERSAMPLED, width * SUPERSAMPLED, 3), np.uint8)
    nearest = np.full(large.shape[:2], np.inf)
    for plane in planes:
        depth, u, v = _hit(plane, view, SUPERSAMPLED)
        rows, columns = plane.picture.shape[:2]
        maps = ((u * columns - 0.5).astype(np.float32), (v * rows - 0.5).astype(np.float32))
        picture = cv2.GaussianBlur(np.ascontiguousarray(plane.picture), (0, 0), 0.6)
        drawn = cv2.remap(picture, *maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        closer = depth < nearest
        large[closer], nearest[closer] = drawn[closer], depth[closer]
    points = np.full((height, width, 3), np.nan)
    depths = _depths(planes, view)
    found = np.isfinite(depths)
    points[found] = view.place + (_rays(view, 1) * depths[..., None])[found]
    return cv2.resize(large, SIZE, interpolation=cv2.INTER_AREA), points


def _depths(planes: list[_Plane], view: _View) -> np.ndarray:
    """(h, w) float: distance along the axis of the camera to what is seen in every pixel, m; infinite for nothing."""
    return np.asarray(np.min([_hit(plane, view, 1)[0] for plane in planes], axis=0))


def _rays(view: _View, scale: int) -> np.ndarray:
    """(h, w, 3) float: the direction of every pixel in the room, 1 m along the axis of the camera."""
    width, height = SIZE
    x, y = np.meshgrid(np.arange(width * scale), np.arange(height * scale))
    centred = [((place + 0.5) / scale - side / 2) / FOCAL_PX for place, side in ((x, width), (y, height))]
    return np.asarray(np.dstack([*centred, np.ones_like(centred[0])]) @ view.rotation)


def _hit(plane: _Plane, view: _View, scale: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where rays meet a plane: (h, w) float depth, infinite where they miss it, and the place in its picture, 0 to 1."""
    rays, normal = _rays(view, scale), np.cross(plane.across, plane.down)
    with np.errstate(divide="ignore", invalid="ignore"):
        depth = ((plane.corner - view.place) @ normal) / (rays @ normal)
    hit = view.place + rays * depth[..., None] - plane.corner
    u, v = (hit @ edge / (edge @ edge) for edge in (plane.across, plane.down))
    on = np.isfinite(depth) & (depth > 0) & (u >= 0) & (u <= 1) & (v >= 0) & (v <= 1)
    return np.where(on, depth, np.inf), np.nan_to_num(u), np.nan_to_num(v)
