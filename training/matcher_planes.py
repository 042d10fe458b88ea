"""Views of textured planes in space, which SuperGlue learns wide baselines from: boxes, walls and the ground, seen by cameras.

Every surface is a plane, so where a point of one view lies in another is known exactly, and what hides it too. Photographs are
the textures. The cameras stand on an arc around the middle, up to 70 degrees and a factor of two of the distance apart.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from training.matcher_scenes import View, augmented, inside, sift
from training.warps import transformed

PLANE_VIEW_SIZES = ((320, 240), (400, 300), (300, 400), (400, 225), (480, 360), (360, 480))
PLANE_KEYPOINTS = 768  # per view at most
NOTHING = -1  # number of the plane where a view shows none
MAX_AZIMUTH = 35.0  # degrees, of a camera on its arc, to either side
CAMERA_DISTANCE = (5.0, 10.0)  # from the middle; boxes are 1.5 to 4 wide
REPEATED_SHARE = 0.2  # of the planes that show one part of a photograph several times, like the windows of a front


@dataclass(frozen=True)
class Plane:
    """A rectangle in space that shows a picture.

    Attributes
    ----------
    corner : (3,) float array
        Where the upper left corner of the picture lies: x to the right, y down, z away from the cameras.
    across, down : (3,) float array
        From there to the upper right and to the lower left corner.
    texture : (h, w, 3) uint8 array
        The picture, RGB.
    """

    corner: np.ndarray
    across: np.ndarray
    down: np.ndarray
    texture: np.ndarray

    def homography(self, camera: np.ndarray) -> np.ndarray:
        """From px of the texture to px of the view of a (3, 4) camera; the third coordinate is the depth."""
        height, width = self.texture.shape[:2]
        columns = [
            camera[:, :3] @ self.across / width,
            camera[:, :3] @ self.down / height,
            camera[:, :3] @ self.corner + camera[:, 3],
        ]
        return np.column_stack(columns)


def plane_views(pictures: list[np.ndarray], count: int, rng: np.random.Generator) -> list[View]:
    """Make random views of a world of planes.

    Parameters
    ----------
    pictures : list of (h, w, 3) uint8 array
        Photographs, RGB, for the textures; each may be used several times.
    count : int
        Number of views.
    rng : numpy.random.Generator
        Source of the random values.

    Returns
    -------
    list of View
        Every view with the places of its keypoints in all views.
    """
    size = PLANE_VIEW_SIZES[rng.integers(len(PLANE_VIEW_SIZES))]
    planes = random_planes(pictures, rng)
    cameras = [random_camera(size, rng) for _ in range(count)]
    rendered = [render(planes, camera, size, rng) for camera in cameras]
    found = [sift(augmented(image, rng), PLANE_KEYPOINTS) for image, _ in rendered]
    homographies = [[plane.homography(camera) for plane in planes] for camera in cameras]
    views = []
    for number, features in enumerate(found):
        mine = plane_at(rendered[number][1], features.keypoints)
        places = {}
        for other in range(count):
            place = np.full((len(features), 2), np.inf)
            for plane in np.unique(mine[mine != NOTHING]):
                here, there = homographies[number][plane], homographies[other][plane]
                place[mine == plane] = transformed(features.keypoints[mine == plane], there @ np.linalg.inv(here))
            seen = inside(place, size) & (plane_at(rendered[other][1], place) == mine)
            places[other] = np.where(seen[:, None], place, np.inf)
        views.append(View(features, places))
    return views


def random_planes(pictures: list[np.ndarray], rng: np.random.Generator) -> list[Plane]:
    """A far wall, the ground, two to four boxes, and up to three boards that stand alone."""

    def picture() -> np.ndarray:
        chosen = pictures[rng.integers(len(pictures))]
        if rng.random() < REPEATED_SHARE:
            height, width = chosen.shape[0] // 3, chosen.shape[1] // 3
            top, left = rng.integers(2 * height), rng.integers(2 * width)
            chosen = np.tile(chosen[top : top + height, left : left + width], (3, 3, 1))
        return chosen

    def mosaic(rows: int, columns: int) -> np.ndarray:
        return np.vstack([np.hstack([cv2.resize(picture(), (320, 240)) for _ in range(columns)]) for _ in range(rows)])

    far, ground = rng.uniform(4, 9), rng.uniform(1.0, 2.2)
    planes = [
        Plane(np.array([-16.0, -9.0, far]), np.array([32.0, 0, 0]), np.array([0, 18.0, 0]), mosaic(3, 4)),
        Plane(np.array([-12.0, ground, far]), np.array([24.0, 0, 0]), np.array([0, 0, -14.0]), mosaic(3, 4)),
    ]
    for _ in range(rng.integers(2, 5)):
        width, height, depth = rng.uniform(1.5, 4, 3)
        middle = np.array([rng.uniform(-3.5, 3.5), ground - height, rng.uniform(-1.5, 3.5)])
        x, z = _turned(rng.uniform(-45, 45))
        corners = [middle + (-x * width - z * depth) / 2, middle + (x * width - z * depth) / 2]
        down = np.array([0, height, 0])
        planes.append(Plane(corners[0], x * width, down, picture()))
        planes.append(Plane(corners[1], z * depth, down, picture()))
        planes.append(Plane(corners[0] + z * depth, -z * depth, down, picture()))
        planes.append(Plane(corners[0] + z * depth, x * width, -z * depth, picture()))
    for _ in range(rng.integers(4)):
        x, _ = _turned(rng.uniform(-50, 50))
        width, height = rng.uniform(0.8, 2.5, 2)
        middle = np.array([rng.uniform(-3, 3), rng.uniform(-2, ground - height / 2), rng.uniform(-2.5, 2)])
        planes.append(Plane(middle - x * width / 2, x * width, np.array([0, height, 0]), picture()))
    return planes


def random_camera(size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """A (3, 4) camera on the arc, that looks at about the middle: from the world to px, times the depth."""
    azimuth, elevation = np.deg2rad(rng.uniform(-MAX_AZIMUTH, MAX_AZIMUTH)), np.deg2rad(rng.uniform(-3, 18))
    distance = np.exp(rng.uniform(*np.log(CAMERA_DISTANCE)))
    away = np.array([-np.sin(azimuth) * np.cos(elevation), -np.sin(elevation), -np.cos(azimuth) * np.cos(elevation)])
    place = away * distance
    forward = rng.uniform(-0.9, 0.9, 3) - place
    forward /= np.linalg.norm(forward)
    roll = np.deg2rad(rng.normal(0, 7))
    right = np.cross([np.sin(roll), np.cos(roll), 0], forward)
    right /= np.linalg.norm(right)
    rotation = np.stack([right, np.cross(forward, right), forward])
    focal = max(size) / 2 / np.tan(np.deg2rad(rng.uniform(40, 70)) / 2)
    lens = np.array([[focal, 0, size[0] / 2], [0, focal, size[1] / 2], [0, 0, 1]])
    return lens @ np.column_stack([rotation, -rotation @ place])


def render(
    planes: list[Plane], camera: np.ndarray, size: tuple[int, int], rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """The view of a camera, (h, w, 3) uint8 RGB, and the number of the plane that every pixel shows, (h, w) int."""
    columns, rows = np.meshgrid(*(np.arange(side, dtype=np.float32) for side in size))
    grid = np.stack([columns, rows, np.ones_like(rows)])
    image = np.full((*size[::-1], 3), rng.integers(60, 256, 3), np.uint8)  # the sky
    depth, shown = np.full(size[::-1], np.inf, np.float32), np.full(size[::-1], NOTHING)
    for number, plane in enumerate(planes):
        x, y, inverse_depth = np.tensordot(np.linalg.inv(plane.homography(camera)).astype(np.float32), grid, axes=1)
        if not (inverse_depth > 0).any():
            continue
        with np.errstate(divide="ignore", invalid="ignore"):
            away = 1 / inverse_depth
            x, y = x * away, y * away
        height, width = plane.texture.shape[:2]
        visible = (inverse_depth > 0) & (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1) & (away < depth)
        if not visible.any():
            continue
        # Texture pixels per pixel of the view: from a texture that is much finer, a smaller copy is taken.
        step = max(1.0, float(np.sqrt(_area_ratio(x, y, visible))))
        texture = cv2.resize(plane.texture, None, fx=1 / step, fy=1 / step, interpolation=cv2.INTER_AREA)
        places = ((np.stack([x, y], axis=-1) + 0.5) / step - 0.5).astype(np.float32)
        colours = cv2.remap(texture, np.nan_to_num(places), None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        image[visible], depth[visible], shown[visible] = colours[visible], away[visible], number
    return image, shown


def plane_at(shown: np.ndarray, points: np.ndarray) -> np.ndarray:
    """The number of the plane at (K, 2) points, (K,) int; :data:`NOTHING` outside the view."""
    size = (shown.shape[1], shown.shape[0])
    within = inside(points, size)
    x, y = np.rint(points[within]).astype(int).T
    found = np.full(len(points), NOTHING)
    found[within] = shown[y, x]
    return found


def _turned(degrees: float) -> tuple[np.ndarray, np.ndarray]:
    """The directions to the right and away of a box that is turned about the vertical."""
    angle = np.deg2rad(degrees)
    return np.array([np.cos(angle), 0, np.sin(angle)]), np.array([-np.sin(angle), 0, np.cos(angle)])


def _area_ratio(x: np.ndarray, y: np.ndarray, visible: np.ndarray) -> float:
    """Median number of texture pixels that a visible pixel of the view covers."""
    rows, columns = (slice(None, -1), slice(1, None)), (slice(1, None), slice(None, -1))
    corner = (slice(None, -1), slice(None, -1))
    with np.errstate(invalid="ignore"):
        area = (x[rows] - x[corner]) * (y[columns] - y[corner]) - (x[columns] - x[corner]) * (y[rows] - y[corner])
    found = np.abs(area[visible[corner]])
    found = found[np.isfinite(found)]
    return float(np.median(found)) if len(found) else 1.0
