"""Steady scenes: how to move every frame of an aligned scene so that the shake is gone and the camera's own way is kept.

A scene that hardly travels is locked: every frame is laid on the reference frame. Where the camera goes somewhere (a pan, an
orbit) that would push frames off the canvas. There only the shake is taken away, as stabilisers such as vid.stab do: the
camera's path along the restored order is smoothed, and every frame is moved from its own place on the path to the smooth one.

On two shaken clips this took the median jitter (change of the motion from frame to frame, working copies of 400 px) from 18
and 27 px to 0.2 and 0.6; the L1-optimal path of Grundmann, Kwatra and Essa (CVPR 2011) did no better, with up to three times
the black, because it stays still until it must move.
"""

import cv2
import numpy as np

from workbench.registration.alignment import Alignment, similarity_matrices

LEAST_COVER = 0.8  # share of the canvas that every frame must cover for the scene to be locked
SMOOTHING = 10.0  # frames, sigma: shaking is faster, a camera that is moved on purpose slower
# A frame that would move further than this is badly aligned: share of width and height, radians, log scale.
REACH = 0.25


def smooth_path(path: np.ndarray, sigma: float = SMOOTHING) -> np.ndarray:
    """(n,) float, local straight lines through ``path`` (n,), of any unit, under a Gaussian of ``sigma`` frames.

    An even pan stays as it is up to its ends, where a plain mean would lag behind (Cleveland, Robust Locally Weighted
    Regression, JASA 1979, without the robustness).
    """
    path = np.asarray(path, dtype=np.float64)
    if not len(path):
        return path
    reach = int(np.ceil(4 * sigma))
    away = np.arange(-reach, reach + 1)
    kernel = np.exp(-0.5 * (away / sigma) ** 2)

    def moment(values: np.ndarray, power: int) -> np.ndarray:
        return np.correlate(np.pad(values, reach), kernel * away**power, mode="valid")

    one = np.ones_like(path)
    total, first, second = (moment(one, power) for power in (0, 1, 2))
    spread = total * second - first**2
    mean = moment(path, 0) / total
    line = second * moment(path, 0) - first * moment(path, 1)
    return np.divide(line, spread, out=mean, where=spread > 1e-9)


def steady_transforms(alignment: Alignment, image_size: tuple[int, int]) -> np.ndarray:
    """(n, 2, 3) float64: where every frame goes on a canvas of its own size, px of the original, in the restored order.

    image_size: width and height of the original, px. The scene is locked on its reference where every frame then still covers
    :data:`LEAST_COVER` of the canvas. Else its path is smoothed: where the centre of the frame lies on the reference (x, y),
    log scale, and rotation, each by :func:`smooth_path`; a frame moves by :data:`REACH` at most. Frames that are not
    connected stay as they are.
    """
    moves, inside = np.tile(np.eye(2, 3), (len(alignment.frames), 1, 1)), alignment.connected
    if not inside.any():
        return moves
    if min(_cover(transform, image_size) for transform in alignment.transforms[inside]) >= LEAST_COVER:
        return alignment.transforms.copy()
    width, height = image_size
    centre = complex(width - 1, height - 1) / 2
    turns, shifts = alignment.transforms[inside, :, 0] @ [1, 1j], alignment.transforms[inside, :, 2] @ [1, 1j]
    way, growth, rotation = turns * centre + shifts - centre, np.log(np.abs(turns)), np.unwrap(np.angle(turns))
    larger, rotate_order = (np.clip(own - smooth_path(own), -REACH, REACH) for own in (growth, rotation))
    off = (way - smooth_path(way.real) - 1j * smooth_path(way.imag)) * np.exp(larger + 1j * rotate_order) / turns
    off = np.clip(off.real, -REACH * width, REACH * width) + 1j * np.clip(off.imag, -REACH * height, REACH * height)
    turn = np.exp(larger + 1j * rotate_order)
    moves[inside] = similarity_matrices(turn, centre + off - turn * centre)
    return moves


def _cover(transform: np.ndarray, image_size: tuple[int, int]) -> float:
    """Share of the canvas that a frame covers, 0 to 1."""
    width, height = image_size
    canvas = np.array([[0, 0], [width, 0], [width, height], [0, height]], dtype=np.float32)
    laid = (canvas - 0.5) @ transform[:, :2].T + transform[:, 2] + 0.5  # pixel centres are whole numbers
    return float(cv2.intersectConvexConvex(canvas, laid.astype(np.float32))[0]) / (width * height)


def moved(frame: np.ndarray, transform: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8 moved by a (2, 3) transform in its pixels, on a canvas of its size; black where it does not reach."""
    return cv2.warpAffine(frame, np.asarray(transform, dtype=np.float64), frame.shape[1::-1], flags=cv2.INTER_LINEAR)
