"""The map of the embeddings as a figure to point at: coloured by scene, truth, distance or order; frames on hover and lasso."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

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

# Plotly's numbers for matplotlib's markers.
SYMBOLS = {"x": 4, "o": 0, "s": 1, "^": 5, "D": 2, "v": 6, "<": 7, "h": 14}
CRISP = 2000  # points; more are drawn by the graphics card
_STEPS = (OUTLIER_COLOUR, *SCENE_COLOURS)
# Every colour twice, from the lower to the upper end of its step: nothing is blended.
_SCENE_SCALE = [(edge / len(_STEPS), colour) for k, colour in enumerate(_STEPS) for edge in (k, k + 1)]


def point_map(points: np.ndarray, title: str = "", width: int = 560, height: int = 420) -> go.Figure:
    """Frames as points on UMAP's plane, not coloured yet; frames are chosen with a lasso. points: (N, 2) float.

    Colour it before it becomes a ``FigureWidget``: a page that is still loading plotly misses what is changed meanwhile.
    """
    kind = go.Scatter if len(points) <= CRISP else go.Scattergl
    trace = kind(
        x=points[:, 0], y=points[:, 1], mode="markers", customdata=np.arange(len(points)),
        hovertemplate="frame %{customdata}<extra></extra>", marker={"size": 8 if len(points) <= CRISP else 5},
        unselected={"marker": {"opacity": 0.25}},
    )  # fmt: skip
    figure = go.Figure([trace])
    figure.update_layout(
        title={"text": title, "font": {"size": 14}}, width=width, height=height, dragmode="lasso",
        margin={"l": 10, "r": 10, "t": 40, "b": 10}, showlegend=False, plot_bgcolor="#fafafa", hovermode="closest",
        xaxis={"showticklabels": False, "showgrid": False, "zeroline": False},
        yaxis={"showticklabels": False, "showgrid": False, "zeroline": False, "scaleanchor": "x"},
    )  # fmt: skip
    return figure


def paint_scenes(figure: go.Figure, labels: np.ndarray) -> None:
    """Colours and markers by scene, as in every other figure; outliers are grey crosses. labels: (N,) int, -1 outlier."""
    colours = np.where(labels < 0, -1, labels % len(SCENE_COLOURS))
    symbols = {int(scene): SYMBOLS[scene_marker(scene)] for scene in np.unique(labels)}
    marker = {
        "color": colours, "symbol": [symbols[scene] for scene in labels.tolist()], "colorscale": _SCENE_SCALE,
        "cmin": -1.5, "cmax": len(SCENE_COLOURS) - 0.5, "showscale": False,
    }  # fmt: skip
    with figure.batch_update():
        figure.data[0].marker.update(marker)


def paint_values(figure: go.Figure, values: np.ndarray, name: str) -> None:
    """Colours by a number a frame, with a colour bar; grey crosses where there is none. values: (N,) float, NaN = none."""
    known = np.isfinite(values)
    low, high = (values[known].min(), values[known].max()) if known.any() else (0.0, 1.0)
    grey = (high - low) / 50 or 1.0  # a step below the lowest value
    marker = {
        "color": np.where(known, values, low - grey), "symbol": np.where(known, SYMBOLS["o"], SYMBOLS["x"]),
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
    """The map with a choice of colours: by scene, and by every one of ``views``. Pointing at a frame shows it; a lasso around
    frames shows them as a gallery.

    images: (N, h, w, 3) uint8. points: (N, 2) float. labels: (N,) int, -1 outlier. views: by name, (N,) int as labels, or
    (N,) float, NaN where a frame has no value.
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

    def recolour(_: object = None) -> None:
        values = views[choice.value]
        if values.dtype.kind == "f":
            paint_values(figure, values, choice.value)
            legend.value = f"grey crosses: {np.isnan(values).sum()} frames without a value" if np.isnan(values).any() else ""
        else:
            paint_scenes(figure, values)
            legend.value = scene_legend(values)

    def point_at(frame: int) -> None:
        told = [f"{name} {_told(values[frame])}" for name, values in views.items()]
        caption.value = f"<b>frame {frame}</b>: {', '.join(told)}"
        picture.value = jpeg(thumbnail(images[frame], 320, 320))

    def lasso(frames: np.ndarray) -> None:
        head = f"<b>{len(frames)} frames chosen</b>"
        chosen.value = f"{head}<br/>{gallery(images, frames, labels)}" if len(frames) else "<i>no frame inside the lasso</i>"

    on_frames(figure, point_at, lasso)
    choice.observe(recolour, "value")
    if len(images):
        point_at(0)
    beside = ipywidgets.VBox([caption, picture])
    return ipywidgets.VBox([choice, legend, ipywidgets.HBox([figure, beside]), chosen])


def views_of(run: Run, distances: Distances, min_samples: int) -> dict[str, np.ndarray]:
    """What a run knows of every frame beside its scene, for :func:`map_browser`: the true clip, if a truth lies beside the
    video; the distance to the ``min_samples``-th nearest frame, itself included; the place in the restored video, if it is
    ordered.

    distances: from :func:`workbench.embedding.views.frame_distances`.
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
    """Call ``point_at`` with the frame that is pointed at or clicked, and ``lasso`` with the frames (M,) chosen together."""

    def pointed(_trace: object, points: object, _state: object) -> None:
        if points.point_inds:
            point_at(int(points.point_inds[0]))

    figure.data[0].on_hover(pointed)
    figure.data[0].on_click(pointed)
    figure.data[0].on_selection(lambda _trace, points, _selector: lasso(np.array(points.point_inds, dtype=int)))


def _told(value: np.generic) -> str:
    if isinstance(value, np.floating):
        return "none" if np.isnan(value) else f"{value:.3g}"
    return "outlier" if value < 0 else str(value)
