"""Figures of whole-scene alignment: a scene's frames laid on each other, and how well each of them lies.

Images are (N, h, w, 3) uint8 RGB working copies; transforms are those of the originals, as the alignment has them.
"""

from collections.abc import Sequence

import cv2
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from workbench.registration.pair import in_pixels_of
from workbench.viz.pictures import OUTLIER_COLOUR, SCENE_COLOURS, evenly, new_axes

MAX_FRAMES = 60  # laid on each other: a median needs them all in memory


def overlay(
    images: Sequence[np.ndarray] | np.ndarray, transforms: np.ndarray, image_size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and median of frames laid on each other, each (h, w, 3) uint8; every pixel of the frames that reach it.

    images: (n, h, w, 3) uint8 working copies. transforms: (n, 2, 3) float64 in px of the original, whose width and height
    ``image_size`` gives. Pixels that no frame reaches are black. Of more than :data:`MAX_FRAMES` as many are taken, evenly.
    """
    chosen = evenly(len(images), MAX_FRAMES)
    if not len(chosen):
        raise ValueError("no images to lay on each other: give at least one")
    height, width = images[int(chosen[0])].shape[:2]
    laid = np.empty((len(chosen), height, width, 3), dtype=np.float32)
    for into, k in zip(laid, chosen.tolist(), strict=True):
        small = in_pixels_of(transforms[k], image_size, (width, height))
        into[:] = cv2.warpAffine(np.ascontiguousarray(images[k]), small, (width, height))
        reached = cv2.warpAffine(np.ones((height, width), np.float32), small, (width, height)) > 0.999
        into[~reached] = np.nan
    nowhere = np.isnan(laid[..., 0]).all(axis=0)
    laid[:, nowhere] = 0
    return tuple(found.round().astype(np.uint8) for found in (np.nanmean(laid, axis=0), np.nanmedian(laid, axis=0)))


def scene_overlay_before_after(
    images: Sequence[np.ndarray] | np.ndarray,
    transforms: np.ndarray,
    image_size: tuple[int, int],
    reference: int | None = None,
    connected: np.ndarray | None = None,
    title: str = "The scene's frames laid on each other",
) -> Figure:
    """Mean and median image of a scene, above as the frames are, below aligned: what stands still becomes sharp.

    images: (n, h, w, 3) uint8 working copies of the scene. transforms: (n, 2, 3) float64 to the reference, px of the
    original; image_size: its width and height, px. reference: position of the reference, for the title. connected: (n,)
    bool; frames that are not are left out of the lower row.
    """
    inside = np.arange(len(images)) if connected is None else np.flatnonzero(connected)
    unmoved = np.tile(np.eye(2, 3), (len(images), 1, 1))
    aligned = overlay([images[int(k)] for k in inside], np.asarray(transforms)[inside], image_size)
    rows = (("as they are", overlay(images, unmoved, image_size)), ("aligned", aligned))
    height, width = aligned[0].shape[:2]
    down = min(3.6 * height / width, 2.9)  # the figure fits a screen, and a notebook keeps it
    fig, axes = plt.subplots(2, 2, figsize=(2 * down * width / height, 2 * down + 1.1), layout="constrained")
    for line, (name, pictures) in zip(axes, rows, strict=True):
        for ax, kind, picture in zip(line, ("mean", "median"), pictures, strict=True):
            ax.imshow(picture)
            ax.set_axis_off()
            ax.set_title(f"{kind}, {name}", fontsize=10)
    about = f"{len(images)} frame{'' if len(images) == 1 else 's'}"
    about += f" ({MAX_FRAMES} of them drawn)" if len(images) > MAX_FRAMES else ""
    about += f", {len(images) - len(inside)} not connected" if len(inside) < len(images) else ""
    about += "" if reference is None else f"; reference #{reference}"
    fig.suptitle(f"{title}\n{about}", fontsize=11)
    return fig


def alignment_error_plot(
    order: Sequence[int] | np.ndarray,
    error: np.ndarray,
    chained_error: np.ndarray,
    title: str = "How well every frame lies on the reference",
    ax: Axes | None = None,
) -> Figure:
    """Reprojection error of every frame along the restored order, of all pairs together and of plain chaining.

    order: (n,) int, place of every frame in the scene. error, chained_error: (n,) float, px of the original, see
    :class:`workbench.registration.alignment.Alignment`; frames without one (NaN) are marked on the axis.
    """
    place = np.asarray(order)
    along = np.argsort(place, kind="stable")
    ax = new_axes(ax, (10, 3.6))
    series = ((chained_error, "chained along the order", OUTLIER_COLOUR), (error, "all pairs together", SCENE_COLOURS[0]))
    for values, name, colour in series:
        values = np.asarray(values, dtype=float)
        known = np.isfinite(values)
        middle = f"median {np.median(values[known]):.2f} px" if known.any() else "not known"
        ax.plot(place[along], values[along], ".-", color=colour, markersize=3, linewidth=1.2, label=f"{name} ({middle})")
    lost = ~np.isfinite(np.asarray(error, dtype=float))
    ax.set_ylim(bottom=0)
    if lost.any():
        name = f"not connected ({lost.sum()})"
        ax.plot(place[lost], np.zeros(lost.sum()), "x", color=SCENE_COLOURS[5], label=name, clip_on=False, zorder=3)
    ax.set(title=title, xlabel="place in the restored order", ylabel="median distance of matched\npoints, px of the original")
    ax.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    ax.grid(alpha=0.3)
    ax.legend(loc="upper left", bbox_to_anchor=(1.01, 1), fontsize=9, frameon=False, borderaxespad=0)
    return ax.figure
