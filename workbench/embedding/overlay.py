"""What a film has drawn over every frame: logos, captions, tickers, letterbox bars, watermarks, viewfinder frames.

An overlay makes frames that have nothing in common look alike, and its keypoints match between any two of them. It is found
from the clip itself, as that which stays the same in frames that otherwise differ, and filled in from what surrounds it: so it
counts neither in embeddings nor in thumbnails and residuals, and no keypoint lies on it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np

from workbench.embedding.descriptors import rank_grey_thumbnails

MAX_DISSIMILAR = 32  # frames among which the overlay is sought, at most
MIN_DISSIMILAR = 5  # frames that are needed: fewer agree by chance
SAMPLED_FRAMES = 1000  # of a longer clip, evenly spaced, among which dissimilar ones are sought
SAME_RANK = 0.08  # ranks, 0 to 1, within which two cells of a thumbnail count as the same
MAX_SAME_CELLS = 0.5  # share of the cells of a thumbnail that are the same in two dissimilar frames

SAME_LEVEL = 10  # grey levels of 255 that a pixel of an overlay may lie off its median, in every channel
OPAQUE_SHARE = 0.8  # of the dissimilar frames in which a pixel has that colour
WEAK_OPAQUE_SHARE = 0.4  # the same for a pixel beside such pixels: between the moving letters of a ticker
MIN_OPAQUE_PART = 0.5  # of a group, that has this colour so often: of signs 0.64 or more, of a sky or a wall at most 0.34
MIN_EDGE_FRAMES = 12  # frames in which steady edges are sought: in fewer of one moving scene some agree by chance
MIN_GRADIENT = 3.0  # grey levels per px: the median gradient at the edge of something half transparent
EDGE_SHARE = 0.9  # of the dissimilar frames in which the gradient points the same way, at least half as strong
WEAK_EDGE_SHARE = 0.6  # the same for a pixel beside such pixels
MIN_EDGE_AREA = 12  # px of a group: fewer are chance
MIN_HOLE = 200  # px: smaller holes, as in letters, are closed too
CLOSED_GAP = 9  # px: gaps between letters that are closed
MARGIN = 2  # px around the overlay: blurred by coding


@dataclass(frozen=True, eq=False)
class Overlay:
    """What never changes in a clip.

    Attributes
    ----------
    mask : (h, w) bool array
        True on the overlay, in px of the working copies.
    frames : (n,) int array
        The dissimilar frames that it was found in.
    """

    mask: np.ndarray
    frames: np.ndarray


def find_overlay(images: Sequence[np.ndarray]) -> Overlay:
    """Find the pixels that are the same in frames that otherwise have nothing in common.

    Parameters
    ----------
    images : (N, h, w, 3) uint8 array, or N (h, w, 3) arrays
        RGB working copies.

    Returns
    -------
    Overlay
        The mask, which is empty without an overlay, and also with fewer than five dissimilar frames.

    Notes
    -----
    A pixel is on the overlay where four fifths of the dissimilar frames have one and the same colour (opaque), or where nine
    tenths of them have a gradient in one and the same direction (half transparent, after Dekel et al., "On the effectiveness of
    visible watermarks", CVPR 2017). The frames of one moving scene may all be dissimilar, and a sky or a wall has one colour in
    many of them. But most of such a surface has it in fewer than four fifths, which tells it from an overlay; and edges are
    sought in twelve frames or more. On 23 clips without an overlay not one pixel passed the first test.
    """
    frames = dissimilar_frames(images)
    if len(frames) < MIN_DISSIMILAR:
        return replace(no_overlay(images), frames=frames)
    some = np.stack([np.asarray(images[frame]) for frame in frames.tolist()])
    # Channels before rows: the largest of three numbers that lie side by side takes NumPy ten times as long.
    channels = np.moveaxis(some, -1, 1).copy()
    opaque = (np.abs(channels - np.median(channels, axis=0)).max(axis=1) <= SAME_LEVEL).mean(axis=0)
    marked = _groups_with(opaque >= WEAK_OPAQUE_SHARE, opaque >= OPAQUE_SHARE, 1, MIN_OPAQUE_PART)
    if len(frames) >= MIN_EDGE_FRAMES:
        marked |= _groups_with(*_steady_edges(some), MIN_EDGE_AREA)
    if not marked.any():
        return Overlay(marked, frames)
    closed = cv2.morphologyEx(
        np.pad(marked.astype(np.uint8), CLOSED_GAP), cv2.MORPH_CLOSE, np.ones((CLOSED_GAP, CLOSED_GAP), np.uint8)
    )
    _, hole, figures, _ = cv2.connectedComponentsWithStats(1 - closed)
    closed[(hole > 0) & (figures[:, cv2.CC_STAT_AREA] < MIN_HOLE)[hole]] = 1
    grown = cv2.dilate(
        closed[CLOSED_GAP:-CLOSED_GAP, CLOSED_GAP:-CLOSED_GAP], np.ones((2 * MARGIN + 1, 2 * MARGIN + 1), np.uint8)
    )
    return Overlay(grown.astype(bool), frames)


def no_overlay(images: Sequence[np.ndarray]) -> Overlay:
    """Give the empty overlay: everything in the frames counts.

    Parameters
    ----------
    images : (N, h, w, 3) uint8 array, or N (h, w, 3) arrays
        RGB working copies.

    Returns
    -------
    Overlay
        An empty mask, sought in no frame.
    """
    return Overlay(np.zeros(np.asarray(images[0]).shape[:2], dtype=bool), np.zeros(0, dtype=int))


def dissimilar_frames(images: Sequence[np.ndarray]) -> np.ndarray:
    """Choose frames that have little in common with each other, wherever they are in the clip.

    Parameters
    ----------
    images : (N, h, w, 3) uint8 array, or N (h, w, 3) arrays
        RGB working copies.

    Returns
    -------
    (n,) int array
        Positions, at most 32: each is the one least like those before it (farthest point sampling). No two of them have the
        same rank in more than half of the cells of their thumbnails. Frames of one flat colour are left out.
    """
    sampled = np.arange(0, len(images), -(-len(images) // SAMPLED_FRAMES))
    thumbnails = rank_grey_thumbnails([np.asarray(images[frame]) for frame in sampled.tolist()])
    sampled, thumbnails = sampled[thumbnails.any(axis=1)], thumbnails[thumbnails.any(axis=1)]
    if not len(sampled):
        return sampled
    ranks = thumbnails / thumbnails.std(axis=1, keepdims=True) * 12**-0.5  # the standard deviation of ranks from 0 to 1

    def _same_cells(frame: int) -> np.ndarray:
        return (np.abs(ranks - ranks[frame]) < SAME_RANK).mean(axis=1)

    chosen = [int(np.abs(ranks - np.median(ranks, axis=0)).mean(axis=1).argmax())]
    most = _same_cells(chosen[0])
    while len(chosen) < MAX_DISSIMILAR and most.min() <= MAX_SAME_CELLS:
        chosen.append(int(most.argmin()))
        most = np.maximum(most, _same_cells(chosen[-1]))
    return sampled[chosen]


def _steady_edges(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where (n, h, w, 3) dissimilar frames have an edge in one and the same direction: (h, w) bool, perhaps and surely."""
    grey = [cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32) for image in images]
    # A Sobel filter weighs the differences over two pixels by four in all: an eighth of it is grey levels per px.
    x, y = (np.stack([cv2.Sobel(image, cv2.CV_32F, *axes) / 8 for image in grey]) for axes in ((1, 0), (0, 1)))
    median_x, median_y = np.median(x, axis=0), np.median(y, axis=0)
    strength = np.hypot(median_x, median_y)
    along = (x * median_x + y * median_y) / np.maximum(strength, 1e-6)
    share = np.where(strength >= MIN_GRADIENT, (along >= strength / 2).mean(axis=0), 0)
    return share >= WEAK_EDGE_SHARE, share >= EDGE_SHARE


def _groups_with(weak: np.ndarray, strong: np.ndarray, least: int, part: float = 0.0) -> np.ndarray:
    """(h, w) bool: the connected groups of weak pixels of which at least ``least``, and this part, are strong (hysteresis)."""
    _, group = cv2.connectedComponents(weak.astype(np.uint8), connectivity=8)
    found = np.bincount(group[strong], minlength=group.max() + 1)
    kept = (found >= least) & (found >= part * np.bincount(group.ravel()))
    kept[0] = False  # the first group is what is not even weak
    return kept[group]


class WithoutOverlay(Sequence[np.ndarray]):
    """Frames with their overlay filled in, one at a time, when they are asked for.

    Parameters
    ----------
    images : (N, h, w, 3) uint8 sequence
        RGB working copies.
    mask : (h, w) bool array
        The overlay, not empty and not the whole frame.

    Attributes
    ----------
    shape : tuple of int
        (N, h, w, 3).
    """

    def __init__(self, images: Sequence[np.ndarray], mask: np.ndarray) -> None:
        self.images, self.mask = images, mask
        self.shape = (len(images), *mask.shape, 3)

    def __len__(self) -> int:
        return len(self.images)

    # As for working copies, a slice gives one array, not a sequence of arrays.
    def __getitem__(self, index: Any) -> np.ndarray:  # type: ignore[override]
        images = np.asarray(self.images[index])
        return fill(images, self.mask) if images.ndim == 3 else np.stack([fill(image, self.mask) for image in images])

    def __iter__(self) -> Iterator[np.ndarray]:
        return (fill(np.asarray(image), self.mask) for image in self.images)


def without_overlay(images: Sequence[np.ndarray], mask: np.ndarray) -> Sequence[np.ndarray]:
    """Fill the overlay of frames in.

    Parameters
    ----------
    images : (N, h, w, 3) uint8 sequence
        RGB working copies.
    mask : (h, w) bool array
        The overlay.

    Returns
    -------
    (N, h, w, 3) uint8 sequence
        The frames without it; ``images`` themselves where there is no overlay, or nothing but one.
    """
    return WithoutOverlay(images, mask) if mask.any() and not mask.all() else images


def fill(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Fill a part of an image in with the colours around it, smoothly.

    Parameters
    ----------
    image : (h, w, 3) uint8 array
        The image.
    mask : (h, w) bool array
        True where it is filled in.

    Returns
    -------
    (h, w, 3) uint8 array
        The image, unchanged outside of the mask; a mask that is everywhere leaves nothing to fill it in with, and changes
        nothing.

    Notes
    -----
    By the pull-push algorithm (Gortler et al., "The lumigraph", SIGGRAPH 1996): averages of the known pixels over ever larger
    cells, until every cell has some, and back.
    """
    if mask.all():
        return image
    known: np.ndarray = (~mask).astype(np.float32)
    colours: np.ndarray = image * known[..., None]
    levels = [(colours, known)]
    while known.min() == 0:
        size = (known.shape[1] + 1) // 2, (known.shape[0] + 1) // 2
        colours, known = (cv2.resize(part, size, interpolation=cv2.INTER_AREA) for part in (colours, known))
        levels.append((colours, known))
    colours, known = levels.pop()
    filled = colours / known[..., None]
    for colours, known in reversed(levels):
        coarse = cv2.resize(filled, known.shape[::-1], interpolation=cv2.INTER_LINEAR)
        filled = colours + (1 - known[..., None]) * coarse
    return np.clip(np.round(filled), 0, 255).astype(np.uint8)
