"""The UMAP of the embeddings as an interactive figure: colours by scene, truth, distance or order; hover and lasso."""

import html
import textwrap
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import ipywidgets
import numpy as np
import plotly.graph_objects as go

from workbench.embedding.images import thumbnail
from workbench.errors import RunError
from workbench.evaluation.files import OUTLIER, find_truth, read_truth
from workbench.run import Run
from workbench.scenes.dbscan import Distances, by_size
from workbench.scenes.eps import k_distances
from workbench.viz.pictures import OUTLIER_COLOUR, SCENE_COLOURS, scene_marker
from workbench.widgets.frames import gallery, jpeg, scene_legend

# Plotly's symbol numbers for matplotlib's markers.
SYMBOLS = {"x": 4, "o": 0, "s": 1, "^": 5, "D": 2, "v": 6, "<": 7, "h": 14}
MAX_SVG_POINTS = 2000  # more points are drawn with WebGL, by the graphics card
TITLE_LETTER = 8  # px, width of a letter of the title
_LABEL_COLOURS = (OUTLIER_COLOUR, *SCENE_COLOURS)
# Every colour stands at the lower and at the upper end of its step, so that no colours are blended.
_SCENE_SCALE = [(edge / len(_LABEL_COLOURS), colour) for k, colour in enumerate(_LABEL_COLOURS) for edge in (k, k + 1)]


def point_map(points: np.ndarray, title: str = "", width: int = 560, height: int = 420) -> go.Figure:
    """Draw the frames as points on UMAP's plane, not coloured yet; a lasso selects frames.

    Parameters
    ----------
    points : (N, 2) float array
        UMAP coordinates of every frame; all NaN where there is no map.
    title : str
        Title above the map; where there is no map and no title, it says that.
    width, height : int
        Size of the figure, px.

    Returns
    -------
    plotly.graph_objects.Figure
        One trace, with the frame numbers as its ``customdata``.

    Notes
    -----
    Colour the figure before it becomes a ``FigureWidget``: a page that is still loading plotly misses later changes.
    """
    if not title and np.isnan(points).any():
        title = "There is no map."
    lines = textwrap.wrap(html.escape(title), width // TITLE_LETTER, break_long_words=False)
    kind = go.Scatter if len(points) <= MAX_SVG_POINTS else go.Scattergl
    trace = kind(
        x=points[:, 0], y=points[:, 1], mode="markers", customdata=np.arange(len(points)),
        hovertemplate="frame %{customdata}<extra></extra>", marker={"size": 8 if len(points) <= MAX_SVG_POINTS else 5},
        unselected={"marker": {"opacity": 0.25}},
    )  # fmt: skip
    figure = go.Figure([trace])
    figure.update_layout(
        title={"text": "<br>".join(lines), "font": {"size": 14}}, width=width, height=height, dragmode="lasso",
        margin={"l": 10, "r": 10, "t": 40, "b": 10}, showlegend=False, plot_bgcolor="#fafafa", hovermode="closest",
        xaxis={"showticklabels": False, "showgrid": False, "zeroline": False},
        yaxis={"showticklabels": False, "showgrid": False, "zeroline": False, "scaleanchor": "x"},
    )  # fmt: skip
    return figure


def paint_scenes(figure: go.Figure, labels: np.ndarray) -> None:
    """Colour and mark the points by scene, as in every other figure; outliers are grey crosses.

    Parameters
    ----------
    figure : plotly.graph_objects.Figure
        From :func:`point_map`; changed in place.
    labels : (N,) int array
        Scene of every frame, -1 for an outlier.
    """
    colours = np.where(labels < 0, -1, labels % len(SCENE_COLOURS))
    symbols = {int(scene): SYMBOLS[scene_marker(scene)] for scene in np.unique(labels)}
    marker = {
        "color": colours, "symbol": [symbols[scene] for scene in labels.tolist()], "colorscale": _SCENE_SCALE,
        "cmin": -1.5, "cmax": len(SCENE_COLOURS) - 0.5, "showscale": False,
    }  # fmt: skip
    with figure.batch_update():
        figure.data[0].marker.update(marker)


def paint_values(figure: go.Figure, values: np.ndarray, name: str) -> None:
    """Colour the points by one number per frame, with a colour bar; frames without a number are grey crosses.

    Parameters
    ----------
    figure : plotly.graph_objects.Figure
        From :func:`point_map`; changed in place.
    values : (N,) float array
        Number of every frame, NaN where it has none.
    name : str
        Title of the colour bar.
    """
    finite = np.isfinite(values)
    low, high = (values[finite].min(), values[finite].max()) if finite.any() else (0.0, 1.0)
    grey = (high - low) / 50 or 1.0  # a step below the lowest value
    marker = {
        "color": np.where(finite, values, low - grey), "symbol": np.where(finite, SYMBOLS["o"], SYMBOLS["x"]),
        "colorscale": [(0, OUTLIER_COLOUR), (0.01, OUTLIER_COLOUR), (0.01, "#440154"), (0.3, "#3b528b"), (0.5, "#21918c"),
                       (0.75, "#5ec962"), (1, "#fde725")],
        "cmin": low - grey, "cmax": high, "showscale": True,
        "colorbar": {"title": {"text": name, "side": "right"}, "thickness": 12},
    }  # fmt: skip
    with figure.batch_update():
        figure.data[0].marker.update(marker)


def map_browser(
    images: Sequence[np.ndarray], points: np.ndarray, labels: np.ndarray, views: Mapping[str, np.ndarray] | None = None
) -> ipywidgets.Widget:
    """Explore the map coloured by scene or by any of ``views``; hovering shows a frame, a lasso shows a gallery of frames.

    Parameters
    ----------
    images : sequence of N (h, w, 3) uint8 arrays
        All frames, RGB, in input order.
    points : (N, 2) float array
        UMAP coordinates of every frame.
    labels : (N,) int array
        Scene of every frame, -1 for an outlier.
    views : mapping of str to (N,) array, optional
        More colourings by name: int arrays are labels, -1 for an outlier; float arrays are numbers, NaN for no value.

    Returns
    -------
    ipywidgets.Widget
        The choice of colours, the map, the frame pointed at and the gallery.
    """
    views = {"scene": np.asarray(labels)} | dict(views or {})
    figure = point_map(points)
    paint_scenes(figure, views["scene"])
    figure = go.FigureWidget(figure)
    figure.add_class("wb-map")
    choice = ipywidgets.ToggleButtons(options=list(views), description="colour by", style={"button_width": "auto"})
    legend = ipywidgets.HTML(scene_legend(views["scene"]))
    caption, picture = ipywidgets.HTML(), ipywidgets.Image(format="jpeg", layout={"align_self": "flex-start"})
    chosen = ipywidgets.HTML("<i>Point at a frame to see it. Draw a lasso around several: they appear here.</i>")
    chosen.add_class("wb-gallery")

    def _recolour(_: object = None) -> None:
        values = views[choice.value]
        if values.dtype.kind == "f":
            paint_values(figure, values, choice.value)
            legend.value = f"grey crosses: {np.isnan(values).sum()} frames without a value" if np.isnan(values).any() else ""
        else:
            paint_scenes(figure, values)
            legend.value = scene_legend(values)

    def _point_at(frame: int) -> None:
        shown = [f"{name} {_value_text(values[frame])}" for name, values in views.items()]
        caption.value = f"<b>frame {frame}</b>: {', '.join(shown)}"
        picture.value = jpeg(thumbnail(images[frame], 320, 320))

    def _lasso(frames: np.ndarray) -> None:
        head = f"<b>{len(frames)} frames chosen</b>"
        chosen.value = f"{head}<br/>{gallery(images, frames, labels)}" if len(frames) else "<i>no frame inside the lasso</i>"

    on_frames(figure, _point_at, _lasso)
    choice.observe(_recolour, "value")
    if len(images):
        _point_at(0)
    beside = ipywidgets.VBox([caption, picture])
    return ipywidgets.VBox([choice, legend, ipywidgets.HBox([figure, beside]), chosen])


def views_of(run: Run, distances: Distances, min_samples: int) -> dict[str, np.ndarray]:
    """Collect the colourings of :func:`map_browser` that a run offers beside its scenes.

    Parameters
    ----------
    run : Run
        A run with embeddings.
    distances : (N, N) float32 array or sparse array
        Cosine distances, from :func:`~workbench.embedding.views.frame_distances`.
    min_samples : int
        The k of the k-distance, counting the frame itself.

    Returns
    -------
    dict of str to (N,) array
        ``true clip``, int, -1 for a foreign frame, if a truth file lies beside the video; ``k-distance``, float, the cosine
        distance to the ``min_samples``-th nearest frame; ``order``, float, the place in the restored video, NaN for outliers,
        if the frames are ordered.
    """
    views = {}
    truth = find_truth(run.source_path)  # the video itself may be gone
    if truth:
        clips = np.array([row.clip for row in read_truth(truth, distances.shape[0])])
        _, numbers = np.unique(clips, return_inverse=True)
        views["true clip"] = by_size(np.where(clips == OUTLIER, -1, numbers))
    views["k-distance"] = k_distances(distances, min_samples)
    with suppress(RunError):  # not ordered yet, or the order is of scenes that were replaced
        table = run.order()
        places = table[table["scene"] >= 0].sort_values(["scene", "order"]).index
        views["order"] = np.full(len(table), np.nan)
        views["order"][places] = np.arange(len(places))
    return views


def on_frames(figure: go.FigureWidget, point_at: Callable[[int], None], lasso: Callable[[np.ndarray], None]) -> None:
    """Call back when frames of a map are hovered over, clicked or selected.

    Parameters
    ----------
    figure : plotly.graph_objects.FigureWidget
        From :func:`point_map`.
    point_at : callable
        Called with the input position, int, of the frame that is hovered over or clicked.
    lasso : callable
        Called with the input positions, (M,) int array, of the frames selected together.
    """

    def _pointed(_trace: object, points: Any, _state: object) -> None:  # plotly's Points, which has no types
        if points.point_inds:
            point_at(int(points.point_inds[0]))

    figure.data[0].on_hover(_pointed)
    figure.data[0].on_click(_pointed)
    figure.data[0].on_selection(lambda _trace, points, _selector: lasso(np.array(points.point_inds, dtype=int)))


def _value_text(value: np.floating | np.integer) -> str:
    if isinstance(value, np.floating):
        return "none" if np.isnan(value) else f"{value:.3g}"
    return "outlier" if value < 0 else str(value)
