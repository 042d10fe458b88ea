"""A clickable matrix of frames by frames: a click on a cell picks the pair of its two frames."""

from collections.abc import Callable, Sequence
from typing import Any

import ipywidgets
import numpy as np
import plotly.graph_objects as go

from workbench.embedding.images import thumbnail
from workbench.matching.pairs import places_of
from workbench.viz.matrices import MAX_MATRIX
from workbench.widgets.frames import jpeg

Picked = Callable[[int, int], None]  # takes the input positions of two frames, row first


def clickable_matrix(
    values: np.ndarray,
    on_pick: Picked,
    title: str,
    frames: np.ndarray | None = None,
    side: int = 480,
    pair: tuple[int, int] | None = None,
) -> go.FigureWidget:
    """Draw a matrix that calls ``on_pick`` when a cell is clicked.

    Parameters
    ----------
    values : (N, N) float array
        The matrix; NaN is left blank, and can be clicked all the same.
    on_pick : callable
        Called with the input positions of the two frames of the cell, int, row first.
    title : str
        Title above the matrix.
    frames : (N,) int array, optional
        Input position of the frame of every row and column, 0 to N - 1 by default.
    side : int
        Height of the figure, px.
    pair : tuple of two int, optional
        Input positions of the pair that is marked at first.

    Returns
    -------
    plotly.graph_objects.FigureWidget
        The matrix. With more than 600 rows, every cell stands for a block of frames: it shows the largest value of the block
        and picks the pair with that value.
    """
    frames = np.arange(len(values)) if frames is None else np.asarray(frames, dtype=int)
    shown, rows, columns = largest_of_blocks(np.asarray(values, dtype=np.float32), MAX_MATRIX)
    figure = go.Figure(
        [
            go.Heatmap(
                z=np.where(np.isnan(shown), np.array(None), shown),  # JSON has no NaN
                colorscale="Viridis", customdata=np.stack([frames[rows], frames[columns]], axis=-1),
                hovertemplate="frame %{customdata[0]} and frame %{customdata[1]}: %{z:.3g}<extra></extra>",
                colorbar={"thickness": 12},
            ),
            go.Scatter(mode="markers", hoverinfo="skip", **_mark(frames, len(shown), pair),
                       marker={"symbol": "square-open", "size": 14, "color": "#d62728", "line": {"width": 3}}),
        ]
    )  # fmt: skip
    axis = {"constrain": "domain", "showticklabels": False, "ticks": ""}  # the ranges are fixed: a mark must not move the cells
    figure.update_layout(
        title={"text": title, "font": {"size": 14}}, width=side + 60, height=side, margin={"l": 40, "r": 10, "t": 40, "b": 30},
        xaxis=axis | {"range": [-0.5, len(shown) - 0.5]}, showlegend=False, plot_bgcolor="white",
        yaxis=axis | {"range": [len(shown) - 0.5, -0.5], "scaleanchor": "x"},
    )  # fmt: skip
    # Everything is set before the figure becomes a widget: a page that is still loading plotly misses later changes.
    figure = go.FigureWidget(figure)
    figure.add_class("wb-matrix")

    def _clicked(_trace: object, points: Any, _state: object) -> None:
        row, column = points.point_inds[0]
        figure.data[1].update(x=[column], y=[row])
        on_pick(int(frames[rows[row, column]]), int(frames[columns[row, column]]))

    figure.data[0].on_click(_clicked)
    return figure


def mark_pair(figure: go.FigureWidget, frames: np.ndarray, pair: tuple[int, int]) -> None:
    """Mark the two cells of a pair in a clickable matrix.

    Parameters
    ----------
    figure : plotly.graph_objects.FigureWidget
        From :func:`clickable_matrix`; changed in place.
    frames : (N,) int array
        As it was passed to :func:`clickable_matrix`.
    pair : tuple of two int
        Input positions of the two frames.
    """
    figure.data[1].update(_mark(frames, len(figure.data[0].z), pair))


def _mark(frames: np.ndarray, shown: int, pair: tuple[int, int] | None) -> dict[str, list[int]]:
    """Coordinates of the two cells of a pair in a matrix of ``shown`` cells per side; empty without a pair."""
    if pair is None:
        return {"x": [], "y": []}
    step = -(-len(frames) // shown)
    first, second = (places_of(frames, np.array([pair]))[0] // step).tolist()
    return {"x": [second, first], "y": [first, second]}


def largest_of_blocks(values: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Reduce a matrix to the largest value of every square block.

    Parameters
    ----------
    values : (N, N) float array
        The matrix. NaN counts as less than any number.
    most : int
        Number of blocks per side at most; it decides the size of the blocks.

    Returns
    -------
    largest : (n, n) float array
        Largest value of every block, NaN where a block has nothing else.
    rows, columns : (n, n) int array
        Row and column of that value in ``values``.
    """
    count = len(values)
    step = max(1, -(-count // most))
    blocks = -(-count // step)
    padded = np.full((blocks * step, blocks * step), -np.inf, dtype=values.dtype)
    padded[:count, :count] = np.where(np.isnan(values), -np.inf, values)
    flat = padded.reshape(blocks, step, blocks, step).swapaxes(1, 2).reshape(blocks, blocks, step * step)
    best = flat.argmax(axis=2)
    largest = np.take_along_axis(flat, best[..., None], axis=2)[..., 0]
    starts = np.arange(blocks) * step
    rows, columns = starts[:, None] + best // step, starts[None] + best % step
    return np.where(np.isneginf(largest), np.nan, largest), rows, columns


def similarity_browser(
    images: Sequence[np.ndarray], similarity: np.ndarray, frames: np.ndarray | None = None
) -> ipywidgets.Widget:
    """Show the similarity matrix and, beside it, the two frames of the cell that was clicked last.

    Parameters
    ----------
    images : sequence of N (h, w, 3) uint8 arrays
        All frames, RGB, in input order.
    similarity : (N, N) float array
        Cosine similarity, -1 to 1.
    frames : (N,) int array, optional
        Input positions in the order of the rows and columns, by default the input order.

    Returns
    -------
    ipywidgets.Widget
        The matrix and the two frames; at first the most similar pair of different frames. A line of text when there are fewer
        than two frames.
    """
    if len(images) < 2:
        return ipywidgets.HTML("no two frames to compare")
    frames = np.arange(len(images)) if frames is None else np.asarray(frames, dtype=int)
    caption = ipywidgets.HTML()
    caption.add_class("wb-pair")
    pictures = [ipywidgets.Image(format="jpeg", layout={"align_self": "flex-start"}) for _ in range(2)]

    def _show(a: int, b: int) -> None:
        caption.value = f"frame {a} and frame {b}: cosine similarity {similarity[a, b]:.3f}"
        for picture, frame in zip(pictures, (a, b), strict=True):
            picture.value = jpeg(thumbnail(images[frame], 360, 360))

    values = similarity[np.ix_(frames, frames)]
    apart = np.where(np.eye(len(images), dtype=bool), -np.inf, similarity)
    a, b = map(int, np.unravel_index(apart.argmax(), apart.shape))
    matrix = clickable_matrix(values, _show, "Cosine similarity: click a cell", frames, pair=(a, b))
    _show(a, b)
    return ipywidgets.HBox([matrix, ipywidgets.VBox([caption, *pictures])])
