"""Maps of the vectors: frames in the place of points, values and several clusterings side by side; and nearest frames.

Everything is available through :mod:`workbench.viz`. Images are (N, h, w, 3) uint8 RGB, arrays or working copies on disk.
"""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.offsetbox import AnnotationBbox, OffsetImage

from workbench.embedding.images import thumbnail
from workbench.viz.charts import umap_scatter
from workbench.viz.pictures import OUTLIER_COLOUR, SCENE_COLOURS, figure_of, new_axes

MAX_PICTURES = 60  # frames drawn as pictures on a map
PICTURE_PX = 44  # long side of one
ACROSS = 12  # pictures along the longer side of what is drawn
PICTURE_RATIO = 0.75  # height of a picture to its width


def picture_map(images: Sequence[np.ndarray], points: np.ndarray, title: str = "Frames on the map") -> Figure:
    """Draw frames as small pictures where they lie on a map, as many as do not overlap.

    Parameters
    ----------
    images : sequence of (h, w, 3) uint8 arrays
        The N RGB images.
    points : (N, 2) float array
        Coordinates of UMAP, which have no unit; all NaN where there is no map.
    title : str
        Title of the axes.

    Returns
    -------
    Figure
        A new figure; frames without a picture are grey points.
    """
    points = np.asarray(points, dtype=float).reshape(-1, 2)
    ax = new_axes(None, (10, 5))
    ax.scatter(points[:, 0], points[:, 1], s=8, color=OUTLIER_COLOUR, alpha=0.5, linewidth=0)
    for frame in _spread(points):
        small = thumbnail(images[frame], PICTURE_PX, PICTURE_PX)
        ax.add_artist(AnnotationBbox(OffsetImage(small, zoom=0.6), points[frame], frameon=False, pad=0))
    _without_ticks(ax, title)
    return figure_of(ax)


def _spread(points: np.ndarray) -> list[int]:
    """Frames that cover a map, in the middle of its fullest parts first, so that no two of their pictures overlap."""
    if not len(points) or not np.isfinite(points).all():
        return []
    places = ACROSS * (points - points.min(axis=0)) / max(np.ptp(points, axis=0).max(), 1e-9)
    _, cell, counts = np.unique(places.round().astype(int), axis=0, return_inverse=True, return_counts=True)
    middles = np.stack([np.bincount(cell, axis) / counts for axis in places.T], axis=1)
    off = np.abs(places - middles[cell]).max(axis=1)
    chosen: list[int] = []
    for frame in np.lexsort((off, -counts[cell])).tolist():
        if len(chosen) < MAX_PICTURES and (np.abs(places[chosen] - places[frame]) >= (1.0, PICTURE_RATIO)).any(axis=1).all():
            chosen.append(frame)
    return chosen


def value_map(points: np.ndarray, values: np.ndarray, label: str, title: str = "Frames on the map") -> Figure:
    """Draw frames as points on a map, coloured by a value, on a log scale.

    Parameters
    ----------
    points : (N, 2) float array
        Coordinates of UMAP, which have no unit; all NaN where there is no map.
    values : (N,) float array
        Values > 0.
    label : str
        What the values are, with their unit.
    title : str
        Title of the axes.

    Returns
    -------
    Figure
        A new figure.
    """
    points, values = np.asarray(points, dtype=float).reshape(-1, 2), np.asarray(values, dtype=float)
    ax = new_axes(None, (10, 5))
    low = max(values.min(initial=np.inf), 1e-6) if len(values) else 1e-6
    high = max(values.max(initial=0.0), 1.01 * low)
    drawn = ax.scatter(points[:, 0], points[:, 1], s=16, c=np.maximum(values, low), norm=LogNorm(low, high), cmap="viridis")
    ax.figure.colorbar(drawn, ax=ax, label=label, shrink=0.9)
    _without_ticks(ax, title)
    return figure_of(ax)


def scene_maps(points: np.ndarray, labels: Mapping[str, np.ndarray], title: str) -> Figure:
    """Draw several clusterings side by side on the same map.

    Parameters
    ----------
    points : (N, 2) float array
        Coordinates of UMAP, which have no unit; all NaN where there is no map.
    labels : mapping of str to (N,) int array
        Scene of every frame, -1 = outlier, by the title of its map.
    title : str
        Title of the figure.

    Returns
    -------
    Figure
        A new figure.
    """
    fig, axes = plt.subplots(1, len(labels), figsize=(10, 3.6), layout="constrained", squeeze=False)
    for ax, (name, found) in zip(axes[0], labels.items(), strict=True):
        scenes, outliers = int(found.max(initial=-1)) + 1, int((found < 0).sum())
        umap_scatter(points, found, f"{name}:\n{scenes} scenes, {outliers} outliers", ax)
        ax.title.set_fontsize(10)
        ax.set(xlabel="", ylabel="")
        if ax.get_legend():
            ax.get_legend().remove()
    fig.suptitle(title, fontsize=12)
    return fig


def nearest_frames(images: Sequence[np.ndarray], distances: Mapping[int, np.ndarray], far: float, count: int = 5) -> Figure:
    """Draw frames, each followed by those that are nearest to it, with their distances.

    Parameters
    ----------
    images : sequence of (h, w, 3) uint8 arrays
        The N RGB images.
    distances : mapping of int to (N,) float array
        For every frame that begins a row, its cosine distances to all frames.
    far : float
        Cosine distance above which a frame has nothing in common with the one that begins the row.
    count : int
        How many near frames follow.

    Returns
    -------
    Figure
        A new figure, one row per frame. Distances above ``far`` are red.
    """
    columns = min(count + 1, len(images))
    height, width = images[0].shape[:2]
    down = 10 / columns * height / width + 0.28
    fig, axes = plt.subplots(len(distances), columns, figsize=(10, down * len(distances)), squeeze=False, layout="constrained")
    for line, (frame, own) in zip(axes, distances.items(), strict=True):
        others = np.argsort(own, kind="stable")
        near = [frame, *others[others != frame][: columns - 1].tolist()]
        for place, (ax, other) in enumerate(zip(line, near, strict=True)):
            ax.imshow(thumbnail(images[other], 150, 150))
            ax.set_axis_off()
            name = f"#{other}" if not place else f"#{other}, {own[other]:.4f}"
            colour = SCENE_COLOURS[5] if place and own[other] > far else "black"
            ax.set_title(name, fontsize=9, color=colour, fontweight="normal" if place else "bold")
    return fig


def _without_ticks(ax: Axes, title: str) -> None:
    ax.set_title(title, wrap=True, parse_math=False)
    ax.set(xlabel="UMAP 1 (no unit)", ylabel="UMAP 2 (no unit)", xticks=[], yticks=[])
    ax.set_aspect("equal", "datalim")
