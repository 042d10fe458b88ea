"""Steady scenes: how to move every frame of an aligned scene so that the shake is gone and the camera's own way is kept.

A scene that hardly travels is locked: every frame is laid on the reference frame. Where the camera goes somewhere (a pan, an
orbit) that would push frames off the canvas, so the camera follows a steady path instead, within :data:`REACH` of its own:
still, even, or evenly accelerated stretches (Grundmann, Kwatra and Essa, Auto-Directed Video Stabilization with Robust L1
Optimal Camera Paths, CVPR 2011). No frame ever moves further than that, however wrong its alignment may be.
"""

import cv2
import numpy as np
from scipy.optimize import linprog
from scipy.sparse import bmat, csr_matrix, eye

from workbench.align import Alignment

# How far a frame may move: share of its width and height, radians, and log scale. Beyond 8 degrees or 15 % shaking hands
# are a moving camera.
REACH = 0.15
SPEED, ACCELERATION, JERK = 10.0, 1.0, 100.0  # what a path costs, in the proportions of the paper
NEARNESS = 0.01  # what being away from the camera's own path costs: decides among equally steady paths


def steady_path(path: np.ndarray, reach: np.ndarray) -> np.ndarray:
    """(n,) float, the steadiest path that stays within ``reach`` (n,) of ``path`` (n,), of any unit.

    All zeros (the reference) where that is within reach everywhere; else the least sum of absolute first, second and third
    differences, a linear program.
    """
    path, reach = np.asarray(path, dtype=np.float64), np.asarray(reach, dtype=np.float64)
    if (np.abs(path) <= reach).all():
        return np.zeros_like(path)
    count, unit = len(path), reach.mean()
    path, reach = path / unit, reach / unit
    steps = [_differences(count, order) for order in (1, 2, 3) if order < count]
    rows = [*steps, eye(count, format="csr")]
    prices = [SPEED, ACCELERATION, JERK][: len(steps)] + [NEARNESS]
    sizes = [row.shape[0] for row in rows]
    stacked, slack = bmat([[row] for row in rows], format="csr"), eye(sum(sizes), format="csr")
    own = np.concatenate([np.zeros(sum(sizes[:-1])), path])
    # |rows @ s - own| <= slack, and the slacks are what is paid for.
    found = linprog(
        np.concatenate([np.zeros(count), np.repeat(prices, sizes)]),
        A_ub=bmat([[stacked, -slack], [-stacked, -slack]], format="csr"),
        b_ub=np.concatenate([own, -own]),
        bounds=np.concatenate([np.stack([path - reach, path + reach], axis=1), [[0, np.inf]] * sum(sizes)]),
        method="highs",
    )
    return unit * found.x[:count]


def _differences(count: int, order: int) -> csr_matrix:
    """(count - order, count) matrix of the differences of an order."""
    whole = eye(count, format="csr")
    for _ in range(order):
        whole = whole[1:] - whole[:-1]
    return whole


def steady_transforms(alignment: Alignment, image_size: tuple[int, int]) -> np.ndarray:
    """(n, 2, 3) float64: where every frame goes on a canvas of its own size, px of the original, in the restored order.

    image_size: width and height of the original, px. The path has four numbers, smoothed one by one: where the centre of
    the frame lies on the reference (x, y), log scale, and rotation. Frames that are not connected stay as they are.
    """
    moves = np.tile(np.eye(2, 3), (len(alignment.frames), 1, 1))
    inside = alignment.connected
    if not inside.any():
        return moves
    width, height = image_size
    centre = complex(width - 1, height - 1) / 2
    turns, shifts = alignment.transforms[inside, :, 0] @ [1, 1j], alignment.transforms[inside, :, 2] @ [1, 1j]
    way, size = turns * centre + shifts - centre, np.abs(turns)
    growth, rotation = np.log(size), np.unwrap(np.angle(turns))
    rotation -= 2 * np.pi * np.round(rotation[alignment.frames[inside] == alignment.reference] / (2 * np.pi))
    reach = np.full(len(turns), REACH)
    steady_way = steady_path(way.real, REACH * width * size) + 1j * steady_path(way.imag, REACH * height * size)
    steady_turn = np.exp(steady_path(growth, reach) + 1j * steady_path(rotation, reach))
    turn = turns / steady_turn
    shift = centre + (way - steady_way) / steady_turn - turn * centre
    moves[inside] = np.stack([turn.real, -turn.imag, shift.real, turn.imag, turn.real, shift.imag], axis=1).reshape(-1, 2, 3)
    return moves


def moved(frame: np.ndarray, transform: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8 moved by a (2, 3) transform in its pixels, on a canvas of its size; black where it does not reach."""
    return cv2.warpAffine(frame, np.asarray(transform, dtype=np.float64), frame.shape[1::-1], flags=cv2.INTER_LINEAR)
