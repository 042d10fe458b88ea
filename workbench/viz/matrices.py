"""Matrices of frames by frames as pictures: similarities, before and after ordering, and counts of matches.

Everything is reachable through :mod:`workbench.viz`. Large matrices are averaged in blocks before they are drawn; the
axes count frames all the same.
"""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.ticker import MaxNLocator

from workbench.viz.pictures import new_axes

MAX_MATRIX = 600  # rows and columns that are drawn; more are averaged in blocks


def _shrunk(matrix: np.ndarray, most: int = MAX_MATRIX) -> np.ndarray:
    """(N, M) float averaged in blocks to at most ``most`` a side; NaN only where a whole block is NaN."""
    steps = [-(-side // most) for side in matrix.shape]
    if max(steps, default=1) <= 1:
        return matrix
    known = ~np.isnan(matrix)
    total, count = np.where(known, matrix, 0.0), known.astype(float)
    for axis, step in enumerate(steps):
        starts = np.arange(0, matrix.shape[axis], step)
        total, count = np.add.reduceat(total, starts, axis=axis), np.add.reduceat(count, starts, axis=axis)
    return np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)


def _draw(
    ax: Axes,
    matrix: np.ndarray,
    title: str,
    axis_name: str,
    boundaries: Sequence[int],
    limits: tuple[float, float],
    lines: str = "white",
) -> AxesImage:
    """``matrix`` drawn into ``ax`` with frame numbers on its axes, however far it was shrunk; returns the picture."""
    rows, columns = matrix.shape
    picture = ax.imshow(
        _shrunk(matrix), cmap="viridis", vmin=limits[0], vmax=limits[1], interpolation="nearest",
        extent=(-0.5, columns - 0.5, rows - 0.5, -0.5),
    )  # fmt: skip
    for boundary in boundaries:
        for line in (ax.axhline, ax.axvline):
            line(boundary - 0.5, color=lines, linewidth=0.9)
    ax.set(title=title, xlabel=axis_name, ylabel=axis_name)
    ax.title.set_fontsize(11)
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(MaxNLocator(6, integer=True))
    return picture


def _limits(matrix: np.ndarray) -> tuple[float, float]:
    """Colour limits: all known values without the diagonal (a frame is always like itself)."""
    off = matrix[~np.eye(*matrix.shape, dtype=bool) & np.isfinite(matrix)]
    if not off.size:
        return 0.0, 1.0
    low, high = float(off.min()), float(off.max())
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def similarity_matrix(
    matrix: np.ndarray,
    title: str = "Similarity of frames",
    boundaries: Sequence[int] = (),
    label: str = "cosine similarity",
    axis_name: str = "frame, input order",
    ax: Axes | None = None,
) -> Figure:
    """A matrix of similarities as a picture with a colour bar.

    matrix: (N, N) float, NaN = unknown; beyond 600 frames it is averaged in blocks. boundaries: first frame of every
    scene after the first, drawn as white lines, for matrices sorted by scene. label: of the colour bar.
    """
    matrix = np.asarray(matrix, dtype=float)
    ax = new_axes(ax, (6.5, 5.5))
    picture = _draw(ax, matrix, title, axis_name, boundaries, _limits(matrix))
    ax.figure.colorbar(picture, ax=ax, label=label, shrink=0.9)
    return ax.figure


def similarity_before_after(
    matrix: np.ndarray,
    order: Sequence[int] | np.ndarray,
    boundaries: Sequence[int] = (),
    label: str = "cosine similarity",
) -> Figure:
    """The same similarities in input order and in restored order, on one colour scale.

    matrix: (N, N) float. order: (M,) int, positions in restored order, scene after scene; outliers may be left out.
    boundaries: places in ``order`` where the next scene begins.
    """
    matrix, order = np.asarray(matrix, dtype=float), np.asarray(order, dtype=int)
    fig, axes = plt.subplots(1, 2, figsize=(10, 4.6), layout="constrained")
    limits = _limits(matrix)
    _draw(axes[0], matrix, f"Input order ({len(matrix)} frames)", "frame, input order", (), limits)
    restored = matrix[np.ix_(order, order)]
    name = f"Restored order ({len(order)} frames)"
    picture = _draw(axes[1], restored, name, "frame, restored order", boundaries, limits)
    fig.colorbar(picture, ax=axes, label=label, shrink=0.8)
    return fig


def match_counts_matrix(
    counts: np.ndarray, title: str = "Matches between frames", boundaries: Sequence[int] = (), ax: Axes | None = None
) -> Figure:
    """How many matches each compared pair has; pairs that were not compared stay light grey.

    counts: (N, N) float, NaN where a pair was not compared. Beyond 600 frames it is averaged in blocks.
    """
    counts = np.asarray(counts, dtype=float)
    ax = new_axes(ax, (6.5, 5.5))
    ax.set_facecolor("#E8E8E8")
    limits = (0.0, max(_limits(counts)[1], 1.0))
    picture = _draw(ax, counts, title, "frame", boundaries, limits, lines="#555555")
    off = ~np.eye(*counts.shape, dtype=bool)
    compared = int((np.isfinite(counts) & off)[np.triu_indices(len(counts), 1)].sum())
    pairs = len(counts) * (len(counts) - 1) // 2
    ax.set_title(f"{title}\n{compared} of {pairs} pairs compared (the rest is grey)", fontsize=11)
    ax.figure.colorbar(picture, ax=ax, label="matches", shrink=0.9)
    return ax.figure
