"""How far apart two frames look once both are aligned: for all pairs of a scene, also for those that were never compared.

Under a shaken camera frames tell nothing of their order before they are aligned, and everything afterwards. A few registered
pairs per frame are enough to align all frames of a scene; then any two can be compared, where they overlap. Of a pair that was
compared itself there are two alignments, its own and that of the whole scene. The one under which less remains different is
the better one: what was registered to something that moves, or chained over a wrong pair, leaves more.
"""

import cv2
import numpy as np
import pandas as pd

from workbench.embedding.distances import Copies, Halved, chessboard
from workbench.embedding.views import CopiesView
from workbench.matching.pairs import places_of
from workbench.registration.alignment import Alignment, PairPoints, align_scene
from workbench.registration.pair import MIN_OVERLAP, WHOLLY_INSIDE, in_pixels_of
from workbench.registration.tables import TRANSFORM

GRID = 3  # points a side that stand for the registration of a pair
GRID_MARGIN = 0.1  # share of the frame outside of the grid, on every side
MAX_CANVAS_PIXELS = 20_000_000  # of all copies together: bounds memory, for cameras that pan far
REALIGNED = 1.25  # times as many pairs as before
KINDS = ("ranks", "colours", "pixels")


class AlignedDistances:
    """The distances of the frames of a scene, each pair aligned; the more pairs are registered, the better.

    Parameters
    ----------
    copies : CopiesView
        The small copies of the frames.
    frames : (n,) int array
        Positions of the frames, sorted ascending.
    image_size : (int, int)
        Width and height of the original, px.
    """

    def __init__(self, copies: CopiesView, frames: np.ndarray, image_size: tuple[int, int]) -> None:
        self.copies, self.frames, self.image_size = copies, frames, image_size
        self._pairs: dict[tuple[int, int], dict[str, list[float]]] = {}  # what was computed before: pairs do not change
        self._whole: dict[str, np.ndarray] = {}  # of the whole scene, as it was aligned from so many pairs
        self._aligned_from = 0

    def __call__(self, table: pd.DataFrame) -> dict[str, Halved]:
        """Compute the distances from the pairs registered so far.

        The whole scene is aligned anew when there are a quarter more pairs than it was aligned from.

        Parameters
        ----------
        table : DataFrame
            Rows of :func:`~workbench.registration.tables.register_pairs`, which may include those of other scenes.

        Returns
        -------
        dict of str to Halved
            ``ranks`` and ``colours``: standard deviation of the difference, in grey levels of 255, the root of the sum of
            squares over the channels; ``pixels``: its root mean square. NaN where two frames overlap by less than a fifth of
            the frame, or are not joined by registered pairs.
        """
        copies, frames, image_size = self.copies(self.frames), self.frames, self.image_size
        rows = table[table["model"] != "none"]
        places = places_of(frames, rows[["a", "b"]].to_numpy())
        inside = np.all(places >= 0, axis=1)
        pairs, transforms = places[inside], rows[TRANSFORM].to_numpy(dtype=np.float64)[inside].reshape(-1, 2, 3)
        if not self._whole or len(pairs) > REALIGNED * self._aligned_from:
            points = _grid_points(pairs, transforms, rows, inside, image_size)
            self._whole = _whole_scene(copies, align_scene(np.arange(len(frames)), points, image_size), image_size)
            self._aligned_from = len(pairs)
        found = {kind: distances.copy() for kind, distances in self._whole.items()}
        for row, (a, b) in enumerate(pairs.tolist()):
            if (a, b) not in self._pairs:
                self._pairs[a, b] = _pair(copies, a, b, transforms[row], image_size)
            for kind, apart in self._pairs[a, b].items():
                if not found[kind][0, a, b] <= apart[0]:
                    found[kind][:, a, b] = found[kind][:, b, a] = apart
        every = np.arange(len(frames))
        for distances in found.values():
            distances[:, every, every] = 0
        return {kind: Halved(*distances) for kind, distances in found.items()}


def _grid_points(
    pairs: np.ndarray, transforms: np.ndarray, rows: pd.DataFrame, inside: np.ndarray, image_size: tuple[int, int]
) -> PairPoints:
    """Points on a grid in place of the matched ones: the transforms of the pairs are known, and need no matches."""
    along = np.linspace(GRID_MARGIN, 1 - GRID_MARGIN, GRID)
    grid = np.stack(np.meshgrid(along, along), axis=-1).reshape(-1, 2) * image_size
    moved = np.einsum("pij,gj->pgi", transforms[:, :, :2], grid) + transforms[:, None, :, 2]
    inliers = rows["inliers"].to_numpy(dtype=np.int64)[inside]
    pair = np.repeat(np.arange(len(pairs)), len(grid))
    return PairPoints(pairs, transforms, inliers, pair, np.tile(grid, (len(pairs), 1)), moved.reshape(-1, 2))


def _whole_scene(copies: Copies, alignment: Alignment, image_size: tuple[int, int]) -> dict[str, np.ndarray]:
    """The distances by kind, (3, n, n) with NaN, of all pairs of frames on the canvas of the whole scene.

    By all pixels of the canvas, and by those of the dark and of the light squares of a chessboard.
    """
    count = len(alignment.frames)
    found = {kind: np.full((3, count, count), np.nan) for kind in KINDS}
    if count and _canvas(copies.ranks, alignment, image_size) is not None:
        for kind, pictures in (("ranks", copies.ranks), ("colours", copies.levelled), ("pixels", copies.grey)):
            warped, inside = _on_canvas(pictures, alignment, image_size)
            found[kind] = _spread_of_differences(warped, inside, keep_mean=kind == "pixels")
    for distances in found.values():
        distances[:, ~alignment.connected] = np.nan
        distances[:, :, ~alignment.connected] = np.nan
    return found


def _canvas(pictures: np.ndarray, alignment: Alignment, image_size: tuple[int, int]) -> tuple[np.ndarray, int, int] | None:
    """Transforms from the small copies to a canvas that holds nearly all of them, (n, 2, 3), and its width and height in px.

    None where the canvas would be too large.
    """
    height, width = pictures.shape[1:3]
    small = np.stack([in_pixels_of(one, image_size, (width, height)) for one in alignment.transforms])
    corners = np.array([[0, 0, 1], [width - 1, 0, 1], [0, height - 1, 1], [width - 1, height - 1, 1]])
    reached = np.einsum("nij,kj->nki", small, corners).reshape(-1, 2)
    low, high = np.floor(np.percentile(reached, 1, axis=0)), np.ceil(np.percentile(reached, 99, axis=0))
    if len(pictures) * np.prod(high - low + 1) > MAX_CANVAS_PIXELS:
        return None
    small[:, :, 2] -= low
    return small, int(high[0] - low[0]) + 1, int(high[1] - low[1]) + 1


def _on_canvas(pictures: np.ndarray, alignment: Alignment, image_size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """The pictures on the canvas, (n, H, W, c) uint8, and which of its pixels each covers, (n, H, W) bool."""
    canvas = _canvas(pictures, alignment, image_size)
    assert canvas is not None  # the caller asked before, and the proportions of all copies are the same
    transforms, width, height = canvas
    warped = [cv2.warpAffine(one, matrix, (width, height)) for one, matrix in zip(pictures, transforms, strict=True)]
    ones = np.ones(pictures.shape[1:3], np.float32)
    inside = [cv2.warpAffine(ones, matrix, (width, height)) > WHOLLY_INSIDE for matrix in transforms]
    return np.stack(warped).reshape(len(pictures), height, width, -1), np.stack(inside)


def _spread_of_differences(pictures: np.ndarray, inside: np.ndarray, keep_mean: bool) -> np.ndarray:
    """Standard deviation (or root mean square) of the difference of any two pictures where both are, (3, n, n) with NaN.

    The sums over shared pixels of a square and of a mean are products of matrices.
    """
    count, channels = len(pictures), pictures.shape[3]
    shared = np.zeros((3, count, count))
    squares, sums = np.zeros((3, channels, count, count)), np.zeros((3, channels, count, count))
    dark = chessboard(*inside.shape[1:])
    for half, squares_of_board in ((1, dark), (2, ~dark)):
        covered = inside[:, squares_of_board].astype(np.float32)
        shared[half] = covered @ covered.T
        for channel in range(channels):
            # Centred, so that sums in float32 are exact enough.
            values = (pictures[:, squares_of_board, channel].astype(np.float32) - 128) * covered
            energy, own = (values * values) @ covered.T, values @ covered.T
            squares[half, channel], sums[half, channel] = energy + energy.T - 2 * (values @ values.T), own - own.T
    for total in (shared, squares, sums):
        total[0] = total[1] + total[2]
    several = np.maximum(shared, 1)[:, None]
    variance = squares / several - (0 if keep_mean else (sums / several) ** 2)
    return np.where(_too_little_overlap(shared), np.nan, np.sqrt(np.maximum(variance, 0).sum(axis=1)))


def _too_little_overlap(shared: np.ndarray) -> np.ndarray:
    """Whether two frames share less than a fifth of the pixels of a frame, (3, n, n) bool."""
    return shared < MIN_OVERLAP * np.diagonal(shared, axis1=1, axis2=2).max(axis=1)[:, None, None]


def _pair(copies: Copies, a: int, b: int, transform: np.ndarray, image_size: tuple[int, int]) -> dict[str, list[float]]:
    """The distances by kind of two frames aligned by a transform of their own, as in ``_whole_scene``.

    Nothing where they hardly overlap.
    """
    masks, warped = {}, {}
    for name, pictures in (("ranks", copies.ranks), ("grey", copies.grey), ("colours", copies.levelled)):
        height, width = pictures.shape[1:3]
        small = in_pixels_of(transform, image_size, (width, height))
        warped[name] = cv2.warpAffine(pictures[a], small, (width, height))
        if name == "grey":  # of the same size as the ranks
            continue
        inside = cv2.warpAffine(np.ones((height, width), np.float32), small, (width, height)) > WHOLLY_INSIDE
        dark = chessboard(height, width)
        masks[name] = [mask.astype(np.uint8) for mask in (inside, inside & dark, inside & ~dark)]
        if min(mask.mean() for mask in masks[name][1:]) < MIN_OVERLAP / 2:
            return {}
    ranks, colours = (
        cv2.subtract(warped[name], pictures[b], dtype=cv2.CV_16S)
        for name, pictures in (("ranks", copies.ranks), ("colours", copies.levelled))
    )
    return {
        "ranks": [cv2.meanStdDev(ranks, mask=mask)[1].item() for mask in masks["ranks"]],
        "colours": [float(np.linalg.norm(cv2.meanStdDev(colours, mask=mask)[1])) for mask in masks["colours"]],
        "pixels": [
            float(cv2.norm(warped["grey"], copies.grey[b], cv2.NORM_L2, mask) / np.sqrt(np.count_nonzero(mask)))
            for mask in masks["ranks"]
        ],
    }
