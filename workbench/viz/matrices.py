"""Matrices of frames by frames as images: similarities, before and after ordering, and counts of matches.

Everything is available through :mod:`workbench.viz`. Large matrices are averaged in blocks before they are drawn; the
axes count frames all the same.
"""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.ticker import MaxNLocator

from workbench.viz.pictures import figure_of, new_axes

MAX_MATRIX = 600  # rows and columns that are drawn; more are averaged in blocks


def _shrunk(matrix: np.ndarray, max_side: int = MAX_MATRIX) -> np.ndarray:
    """A matrix averaged in blocks to at most ``max_side`` rows and columns; NaN only where a whole block is NaN."""
    steps = [-(-side // max_side) for side in matrix.shape]
    if max(steps, default=1) <= 1:
        return matrix
    filled = ~np.isnan(matrix)
    total, count = np.where(filled, matrix, 0.0), filled.astype(float)
    for axis, step in enumerate(steps):
        starts = np.arange(0, matrix.shape[axis], step)
        total, count = np.add.reduceat(total, starts, axis=axis), np.add.reduceat(count, starts, axis=axis)
    return np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)


def _draw_matrix(
    ax: Axes,
    matrix: np.ndarray,
    title: str,
    axis_name: str,
    boundaries: Sequence[int],
    limits: tuple[float, float],
    lines: str = "white",
) -> AxesImage:
    """Draw ``matrix`` into ``ax`` with frame numbers on its axes, however far it is shrunk; return the drawn image."""
    rows, columns = matrix.shape
    drawn = ax.imshow(
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
    return drawn


def _off_diagonal(matrix: np.ndarray) -> np.ndarray:
    rows, columns = matrix.shape
    return np.eye(rows, columns) == 0


def _limits(matrix: np.ndarray) -> tuple[float, float]:
    """Colour limits: all finite values off the diagonal (a frame is always like itself)."""
    off = matrix[_off_diagonal(matrix) & np.isfinite(matrix)]
    if not off.size:
        return 0.0, 1.0
    low, high = float(off.min()), float(off.max())
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def similarity_matrix(
    matrix: np.ndarray,
    title: str = "Similarity of frames",
    boundaries: Sequence[int] = (),
    ax: Axes | None = None,
) -> Figure:
    """Draw a matrix of cosine similarities with a colour bar.

    Parameters
    ----------
    matrix : (N, N) float array
        Similarities, NaN where unknown; a matrix of more than 600 frames is averaged in blocks.
    title : str
        Title of the axes.
    boundaries : sequence of int
        First frame of every scene after the first, drawn as white lines, for matrices sorted by scene.
    ax : Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    Figure
        The figure that was drawn into.
    """
    matrix = np.asarray(matrix, dtype=float)
    ax = new_axes(ax, (6.5, 5.5))
    drawn = _draw_matrix(ax, matrix, title, "frame, input order", boundaries, _limits(matrix))
    ax.figure.colorbar(drawn, ax=ax, label="cosine similarity", shrink=0.9)
    return figure_of(ax)


def similarity_before_after(
    matrix: np.ndarray,
    order: Sequence[int] | np.ndarray,
    boundaries: Sequence[int] = (),
    label: str = "cosine similarity",
) -> Figure:
    """Draw the same similarities in input order and in restored order, on one colour scale.

    Parameters
    ----------
    matrix : (N, N) float array
        Similarities in input order.
    order : (M,) int array
        Positions in restored order, scene after scene; outliers may be left out.
    boundaries : sequence of int
        Places in ``order`` where the next scene begins.
    label : str
        Name of the matrix: the title, and the label of the colour bar.

    Returns
    -------
    Figure
        Two matrices side by side.
    """
    matrix, order = np.asarray(matrix, dtype=float), np.asarray(order, dtype=int)
    fig, axes = plt.subplots(1, 2, figsize=(8, 4.1), layout="constrained")
    limits = _limits(matrix)
    _draw_matrix(axes[0], matrix, f"Input order ({len(matrix)} frames)", "frame, input order", (), limits)
    restored = matrix[np.ix_(order, order)]
    name = f"Restored order ({len(order)} frames)"
    drawn = _draw_matrix(axes[1], restored, name, "frame, restored order", boundaries, limits)
    fig.colorbar(drawn, ax=axes, label=label, shrink=0.8)
    fig.suptitle(f"{label[:1].upper()}{label[1:]}")
    return fig


def match_counts_matrix(
    counts: np.ndarray, title: str = "Matches between frames", boundaries: Sequence[int] = (), ax: Axes | None = None
) -> Figure:
    """Draw how many matches each compared pair has; pairs that were not compared stay light grey.

    Parameters
    ----------
    counts : (N, N) float array
        Number of matches, NaN where a pair was not compared; a matrix of more than 600 frames is averaged in blocks.
    title : str
        First line of the title; the second one gives the number of pairs.
    boundaries : sequence of int
        First frame of every scene after the first, drawn as grey lines.
    ax : Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    Figure
        The figure that was drawn into.
    """
    counts = np.asarray(counts, dtype=float)
    ax = new_axes(ax, (6.5, 5.5))
    ax.set_facecolor("#E8E8E8")
    limits = (0.0, max(_limits(counts)[1], 1.0))
    drawn = _draw_matrix(ax, counts, title, "frame", boundaries, limits, lines="#555555")
    compared = int((np.isfinite(counts) & _off_diagonal(counts))[np.triu_indices(len(counts), 1)].sum())
    pairs = len(counts) * (len(counts) - 1) // 2
    ax.set_title(f"{title}\n{compared} of {pairs} pairs compared (the rest is grey)", fontsize=11)
    ax.figure.colorbar(drawn, ax=ax, label="matches", shrink=0.9)
    return figure_of(ax)
