"""Random camera motion: homographies, with or without a smooth deformation, that map points of a picture into a view."""

from dataclasses import dataclass

import cv2
import numpy as np


@dataclass(frozen=True)
class Viewpoint:
    """How far a random view may differ from the picture: maxima of values that are drawn uniformly (zoom log-uniformly).

    Attributes
    ----------
    rotation : float
        Degrees, to either side.
    zoom : float
        Factor, drawn from 1 / zoom to zoom.
    shift : float
        Translation, as a share of the longer side.
    perspective : float
        Displacement of every corner, as a share of the longer side.
    """

    rotation: float
    zoom: float
    shift: float
    perspective: float


SMALL = Viewpoint(rotation=5, zoom=1.08, shift=0.05, perspective=0.03)
MEDIUM = Viewpoint(rotation=18, zoom=1.25, shift=0.10, perspective=0.08)
LARGE = Viewpoint(rotation=40, zoom=1.5, shift=0.15, perspective=0.16)


def random_homography(size: tuple[int, int], viewpoint: Viewpoint, rng: np.random.Generator) -> np.ndarray:
    """Draw a (3, 3) float64 homography, in px, from a picture of ``size`` = (width, height) to a view of the same size."""
    width, height = size
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], dtype=np.float64) - [width / 2, height / 2]
    angle = np.deg2rad(rng.uniform(-viewpoint.rotation, viewpoint.rotation))
    zoom = np.exp(rng.uniform(-1, 1) * np.log(viewpoint.zoom))
    turn = zoom * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    shift = rng.uniform(-viewpoint.shift, viewpoint.shift, 2) * max(size)
    jitter = rng.uniform(-viewpoint.perspective, viewpoint.perspective, (4, 2)) * max(size)
    moved = corners @ turn.T + shift + jitter
    middle = [width / 2, height / 2]
    return cv2.getPerspectiveTransform((corners + middle).astype(np.float32), (moved + middle).astype(np.float32))


def random_bend(size: tuple[int, int], max_shift: float, rng: np.random.Generator) -> np.ndarray:
    """Draw a smooth (h, w, 2) float32 displacement field of up to about ``max_shift`` px, like that of cloth or a moving body.

    It is interpolated bicubically between 5 x 4 random control points, which looks like a thin-plate spline through a grid
    and is faster.
    """
    coarse = rng.uniform(-max_shift, max_shift, (4, 5, 2)).astype(np.float32)
    return cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC)


@dataclass(frozen=True)
class Warp:
    """A map from px of a picture to px of a view: first the deformation, if there is one, then the homography.

    Attributes
    ----------
    homography : (3, 3) float64 array
        From the deformed picture to the view.
    bend : (h, w, 2) float32 array or None
        Displacement of every pixel of the picture, px.
    """

    homography: np.ndarray
    bend: np.ndarray | None = None

    def to_view(self, points: np.ndarray) -> np.ndarray:
        """Map (K, 2) points x, y of the picture to (K, 2) float64 points of the view, px."""
        points = points.astype(np.float64)
        return transformed(points + self._bent(points), self.homography)

    def to_picture(self, points: np.ndarray) -> np.ndarray:
        """Map (K, 2) points of the view to (K, 2) float64 points of the picture; fixed-point iteration inverts the bend."""
        straight = transformed(points.astype(np.float64), np.linalg.inv(self.homography))
        points = straight
        if self.bend is not None:
            for _ in range(8):  # the bend changes by a few tenths of a pixel per pixel: 8 steps leave under 0.01 px
                points = straight - self._bent(points)
        return points

    def map(self, size: tuple[int, int]) -> np.ndarray:
        """The position in the picture, px, of every pixel of a view of ``size`` = (width, height): (h, w, 2) float32."""
        grid = np.stack(np.meshgrid(np.arange(size[0]), np.arange(size[1])), axis=-1).reshape(-1, 2)
        return self.to_picture(grid).astype(np.float32).reshape(size[1], size[0], 2)

    def _bent(self, points: np.ndarray) -> np.ndarray:
        if self.bend is None:
            return np.zeros_like(points)
        return sampled(self.bend, points)


def transformed(points: np.ndarray, homography: np.ndarray) -> np.ndarray:
    """Map (K, 2) points by a (3, 3) homography: (K, 2) float64. A point at infinity becomes a very distant one."""
    projected = np.column_stack([points, np.ones(len(points))]) @ homography.T
    depth = projected[:, 2:]
    return projected[:, :2] / np.where(np.abs(depth) < 1e-9, 1e-9, depth)


def sampled(field: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Sample an (h, w, C) float32 field bilinearly at (K, 2) points, repeating the border outside: (K, C) float64.

    The points are arranged in rows of 4,096, because OpenCV's remap accepts no side above 32,767 and none of 0.
    """
    padded = np.zeros(((len(points) // 4096 + 1) * 4096, 2), np.float32)
    padded[: len(points)] = points
    found = cv2.remap(field, padded.reshape(-1, 4096, 2), None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return found.reshape(len(padded), -1)[: len(points)].astype(np.float64)
