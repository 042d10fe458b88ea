"""Figures of restored scenes: their order against the truth, the confidence of their links, the alignment of their frames.

Images are (N, h, w, 3) uint8 RGB working copies; transforms are those of the originals, as the alignment gives them.
"""

from collections.abc import Sequence

import cv2
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from workbench.ordering.confidence import WEAK_CONFIDENCE
from workbench.registration.pair import in_pixels_of
from workbench.viz.pictures import (
    OUTLIER_COLOUR,
    SCENE_COLOURS,
    evenly,
    figure_of,
    new_axes,
    scene_colour,
    scene_marker,
    scene_name,
)

MAX_PANELS = 12  # scenes drawn as panels
MAX_CLIP_LETTERS = 18  # of the name of a clip in a title
SCENE_NAME_SHARE = 0.09  # of the width of the axes that the name of a scene takes
MAX_OVERLAID_FRAMES = 60  # a median needs all of them in memory


def order_against_truth(
    places: np.ndarray,
    true_frames: np.ndarray,
    labels: np.ndarray,
    clips: Sequence[str] | np.ndarray | None = None,
    title: str = "Restored place versus true frame",
) -> Figure:
    """Plot the restored place of frames against their true index, one panel per scene.

    A good order is a straight line, up or down.

    Parameters
    ----------
    places : (N,) int array
        Restored place inside the scene.
    true_frames : (N,) int array
        True index in the clip.
    labels : (N,) int array
        Scene of every frame; outliers (-1) are not shown.
    clips : (N,) array of str, optional
        Names of the true clips. Frames that are not of the main clip of their scene become grey crosses.
    title : str
        Title of the figure.

    Returns
    -------
    Figure
        A new figure.
    """
    places, true_frames, labels = (np.asarray(values) for values in (places, true_frames, labels))
    scenes = np.unique(labels[labels >= 0])
    shown = scenes[:MAX_PANELS]
    columns = min(max(len(shown), 1), 4)
    rows = max(1, -(-len(shown) // columns))
    size = (10 if columns > 1 else 5, 2.9 * rows + 0.5)
    fig, axes = plt.subplots(rows, columns, figsize=size, squeeze=False, layout="constrained")
    for ax in axes.flat[len(shown) :]:
        ax.set_axis_off()
    for ax, scene in zip(axes.flat, shown, strict=False):
        here = np.flatnonzero(labels == scene)
        own = np.ones(len(here), dtype=bool)
        name = ""
        if clips is not None:
            names, counts = np.unique(np.asarray(clips)[here], return_counts=True)
            clip = str(names[counts.argmax()])
            name = f": {clip}" if len(clip) <= MAX_CLIP_LETTERS else f": {clip[: MAX_CLIP_LETTERS - 1]}…"
            own = np.asarray(clips)[here] == clip
        colour, marker = scene_colour(scene), scene_marker(scene)
        ax.plot(true_frames[here][own], places[here][own], marker, color=colour, markersize=3.5)
        if not own.all():
            others = ax.plot(true_frames[here][~own], places[here][~own], "x", color=OUTLIER_COLOUR, markersize=6)
            ax.legend(others, [f"of other clips ({(~own).sum()})"], fontsize=8, loc="best")
        ax.set_title(f"{scene_name(scene)}{name}\n{own.sum()} frame{'' if own.sum() == 1 else 's'}", fontsize=9)
        ax.set_xlabel("true frame", fontsize=9)
        ax.grid(alpha=0.3)
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_major_locator(MaxNLocator(4, integer=True))
    for ax in axes[:, 0]:
        ax.set_ylabel("restored place", fontsize=9)
    more = len(scenes) - len(shown)
    fig.suptitle(title + (f" ({more} more scenes not shown)" if more else ""), fontsize=12)
    return fig


def link_confidence_plot(table: pd.DataFrame, title: str = "Confidence of every link", ax: Axes | None = None) -> Figure:
    """Plot the confidence of every link along the restored video, scene after scene; guessed links stand out.

    Parameters
    ----------
    table : DataFrame
        The rows of ``order.csv`` with the columns ``scene``, ``order`` and ``confidence``. The figure reports it when there is
        no confidence: orders other than the shortest path through the fused distance have none.
    title : str
        Title of the axes.
    ax : Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    Figure
        The figure that was drawn into.
    """
    ax = new_axes(ax, (10, 3.2))
    kept = table[table["scene"] >= 0].sort_values(["scene", "order"])
    confidence = kept["confidence"].to_numpy(dtype=float)
    place = np.arange(len(kept)) + 0.5  # a link lies between two frames
    rated, weak = np.isfinite(confidence), confidence < WEAK_CONFIDENCE
    sure = rated & ~weak
    ax.vlines(place[sure], 0, confidence[sure], color=OUTLIER_COLOUR, linewidth=1, alpha=0.6)
    ax.plot(place[sure], confidence[sure], ".", color=OUTLIER_COLOUR, markersize=4, label=f"sure ({sure.sum()})")
    ax.vlines(place[weak], 0, confidence[weak], color=SCENE_COLOURS[5], linewidth=1.2)
    ax.plot(place[weak], confidence[weak], "o", color=SCENE_COLOURS[5], markersize=5, label=f"guessed ({weak.sum()})")
    ax.axhline(WEAK_CONFIDENCE, color="black", linewidth=0.8, linestyle="--", label=f"below {WEAK_CONFIDENCE}: worth a look")
    starts = np.flatnonzero(np.diff(kept["scene"].to_numpy(), prepend=-1))
    free_from = 0.0  # of many short scenes, only those are named whose names do not overlap
    for scene, start in enumerate(starts.tolist()):
        if start:
            ax.axvline(start, color="black", linewidth=0.8)
        if start >= free_from:
            ax.annotate(
                scene_name(scene),
                (start, 1.0),
                (4, 3),
                xycoords=("data", "axes fraction"),
                textcoords="offset points",
                fontsize=9,
            )
            free_from = start + SCENE_NAME_SHARE * len(kept)
    if not rated.any():
        message = "this kind of order has no confidence"
        ax.text(0.5, 0.5, message, ha="center", va="center", transform=ax.transAxes, backgroundcolor="white")
    ax.set(xlim=(0, max(1, len(kept))), ylim=(0, 1.03), xlabel="place in the restored video", ylabel="confidence")
    ax.set_title(title, pad=18)
    ax.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    ax.legend(loc="upper left", bbox_to_anchor=(1.01, 1), fontsize=9, frameon=False, borderaxespad=0)
    return figure_of(ax)


def overlay(
    images: Sequence[np.ndarray] | np.ndarray, transforms: np.ndarray, image_size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Compute the mean and the median of aligned frames.

    Parameters
    ----------
    images : sequence of (h, w, 3) uint8 arrays
        The n working copies. Of more than :data:`MAX_OVERLAID_FRAMES` as many are used, evenly spaced.
    transforms : (n, 2, 3) float64 array
        Where every frame goes, in px of the original.
    image_size : tuple of int
        Width and height of the original, px.

    Returns
    -------
    mean, median : (h, w, 3) uint8 arrays
        Of the frames that cover a pixel; pixels that no frame covers are black.

    Raises
    ------
    ValueError
        Without any image.
    """
    chosen = evenly(len(images), MAX_OVERLAID_FRAMES)
    if not len(chosen):
        raise ValueError("no images to overlay: give at least one")
    height, width = images[int(chosen[0])].shape[:2]
    warped = np.empty((len(chosen), height, width, 3), dtype=np.float32)
    for into, k in zip(warped, chosen.tolist(), strict=True):
        small = in_pixels_of(transforms[k], image_size, (width, height))
        into[:] = cv2.warpAffine(np.ascontiguousarray(images[k]), small, (width, height))
        covered = cv2.warpAffine(np.ones((height, width), np.float32), small, (width, height)) > 0.999
        into[~covered] = np.nan
    nowhere = np.isnan(warped[..., 0]).all(axis=0)
    warped[:, nowhere] = 0
    return np.nanmean(warped, axis=0).round().astype(np.uint8), np.nanmedian(warped, axis=0).round().astype(np.uint8)


def scene_overlay_before_after(
    images: Sequence[np.ndarray] | np.ndarray,
    transforms: np.ndarray,
    image_size: tuple[int, int],
    reference: int | None = None,
    connected: np.ndarray | None = None,
    title: str = "Frames of the scene, overlaid",
) -> Figure:
    """Show the mean and the median image of a scene: above the frames as they are, below aligned.

    What stands still is sharp once the frames are aligned.

    Parameters
    ----------
    images : sequence of (h, w, 3) uint8 arrays
        The n working copies of the scene.
    transforms : (n, 2, 3) float64 array
        From every frame to the reference, in px of the original.
    image_size : tuple of int
        Width and height of the original, px.
    reference : int, optional
        Position of the reference, for the title.
    connected : (n,) bool array, optional
        Frames that are not connected to the reference are left out of the lower row. Default: all are connected.
    title : str
        First line of the title; the second one gives the number of frames.

    Returns
    -------
    Figure
        Two rows of two images.
    """
    inside = np.arange(len(images)) if connected is None else np.flatnonzero(connected)
    unmoved = np.tile(np.eye(2, 3), (len(images), 1, 1))
    aligned = overlay([images[int(k)] for k in inside], np.asarray(transforms)[inside], image_size)
    rows = (("as they are", overlay(images, unmoved, image_size)), ("aligned", aligned))
    height, width = aligned[0].shape[:2]
    down = min(3.6 * height / width, 1.9)  # the figure fits a screen, and a notebook keeps it
    fig, axes = plt.subplots(2, 2, figsize=(2 * down * width / height, 2 * down + 1.1), layout="constrained")
    for line, (name, pictures) in zip(axes, rows, strict=True):
        for ax, kind, picture in zip(line, ("mean", "median"), pictures, strict=True):
            ax.imshow(picture)
            ax.set_axis_off()
            ax.set_title(f"{kind}, {name}", fontsize=10)
    about = f"{len(images)} frame{'' if len(images) == 1 else 's'}"
    about += f" ({MAX_OVERLAID_FRAMES} of them drawn, evenly spaced)" if len(images) > MAX_OVERLAID_FRAMES else ""
    about += f", {len(images) - len(inside)} not connected" if len(inside) < len(images) else ""
    about += "" if reference is None else f"; reference #{reference}"
    fig.suptitle(f"{title}\n{about}", fontsize=11)
    return fig


def alignment_error_plot(
    order: Sequence[int] | np.ndarray,
    error: np.ndarray,
    chained_error: np.ndarray,
    title: str = "Alignment error of every frame",
    ax: Axes | None = None,
) -> Figure:
    """Plot the reprojection error of every frame along the restored order, of all pairs together and of plain chaining.

    Parameters
    ----------
    order : (n,) int array
        Place of every frame in the scene.
    error, chained_error : (n,) float array
        In px of the original, see :class:`~workbench.registration.alignment.Alignment`; NaN for frames without one, which are
        marked on the axis.
    title : str
        Title of the axes.
    ax : Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    Figure
        The figure that was drawn into.
    """
    place = np.asarray(order)
    along = np.argsort(place, kind="stable")
    ax = new_axes(ax, (10, 3.6))
    series = ((chained_error, "chained along the order", OUTLIER_COLOUR), (error, "all pairs together", SCENE_COLOURS[0]))
    for values, name, colour in series:
        values = np.asarray(values, dtype=float)
        finite = np.isfinite(values)
        middle = f"median {np.median(values[finite]):.2f} px" if finite.any() else "unknown"
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
    return figure_of(ax)
