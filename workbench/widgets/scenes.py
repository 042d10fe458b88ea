"""Tuning the scenes by hand: move eps, see scenes and outliers change at once, and keep the right value for the next run."""

import html
from typing import Any, NamedTuple

import ipywidgets
import numpy as np
import pandas as pd
import plotly.graph_objects as go

from workbench.errors import WorkbenchError
from workbench.models.backbones import typical_eps
from workbench.notebooks.commands import papermill_command
from workbench.parameters import CLUSTERERS, ClusterParameters
from workbench.pipeline.stages import run_stage
from workbench.run import Run
from workbench.run.kept import forget_stages, keep
from workbench.scenes.dbscan import Distances, find_labels
from workbench.scenes.eps import EpsSweep, k_distances, knee, plateaus, sweep_eps
from workbench.viz.pictures import SCENE_COLOURS
from workbench.widgets.frames import gallery, scene_legend
from workbench.widgets.map import paint_scenes, point_map

EPS_HEADROOM = 4.0  # upper end of the slider, as a multiple of the larger of the first and the suggested eps
EPS_STEP_DECADES = 0.005  # step of the slider, in log10 of eps
MAX_CHANGED_FRAMES = 8  # pictures shown of the frames that joined or left the scenes
_WIDE = {"layout": {"width": "520px"}, "style": {"description_width": "120px"}}
_HEADINGS = ("eps from, to", "scenes", "outliers", "silhouette", "")


def scene_tuner(run: Run, distances: Distances, sweep: EpsSweep, parameters: ClusterParameters) -> ipywidgets.Widget:
    """Choose the clusterer and its parameters; see scenes, outliers and the frames that just changed, and keep the choice.

    Keeping writes ``kept.yaml`` and computes the run's scenes again. An error of the workbench is shown in one line.

    Parameters
    ----------
    run : Run
        A run with a map.
    distances : (N, N) float32 array or sparse array
        Cosine distances, from :func:`~workbench.embedding.views.frame_distances`.
    sweep : EpsSweep
        From :func:`~workbench.scenes.eps.sweep_eps`.
    parameters : ClusterParameters
        Where the controls start.

    Returns
    -------
    ipywidgets.Widget
        The controls and figures.

    Raises
    ------
    MissingStageError
        If the run has no map.
    """
    return SceneTuner(run, distances, sweep, parameters).widget


class _Plateau(NamedTuple):
    """A range of eps with the same scenes, a row of :func:`~workbench.scenes.eps.plateaus`."""

    low: float
    high: float
    scenes: int
    outliers: int
    silhouette: float


class SceneTuner:
    """The controls of :func:`scene_tuner`, above the k-distance curve, the map and the table of eps ranges.

    Parameters
    ----------
    run : Run
        A run with a map.
    distances : (N, N) float32 array or sparse array
        Cosine distances, from :func:`~workbench.embedding.views.frame_distances`.
    sweep : EpsSweep
        From :func:`~workbench.scenes.eps.sweep_eps`.
    parameters : ClusterParameters
        Where the controls start.

    Attributes
    ----------
    widget : ipywidgets.Widget
        What a notebook displays.
    labels : (N,) int array
        Scene of every frame by the parameters of the controls, -1 for an outlier.
    """

    def __init__(self, run: Run, distances: Distances, sweep: EpsSweep, parameters: ClusterParameters) -> None:
        self._run, self._distances, self._sweep, self._images = run, distances, sweep, run.images()
        start = parameters.eps or sweep.suggested
        # Whole steps below and above the start: the page would move a value between two steps to one of them.
        below = int(np.ceil(np.log10(10 * start / min(start, sweep.suggested)) / EPS_STEP_DECADES))
        above = int(np.log10(min(2.0, EPS_HEADROOM * max(start, sweep.suggested)) / start) / EPS_STEP_DECADES)
        low, high = np.log10(start) - below * EPS_STEP_DECADES, np.log10(start) + above * EPS_STEP_DECADES

        self.clusterer = ipywidgets.ToggleButtons(
            options=CLUSTERERS, value=parameters.clusterer, description="clusterer",
            style={"description_width": "120px", "button_width": "90px"},
        )  # fmt: skip
        self.eps = ipywidgets.FloatLogSlider(
            start, min=low, max=high, step=EPS_STEP_DECADES, description="eps", readout_format=".4f", **_WIDE
        )
        self.min_samples = _slider(ipywidgets.IntSlider, "min_samples", parameters.min_samples, 2, 20)
        self.min_cluster_size = _slider(ipywidgets.IntSlider, "min_cluster_size", parameters.min_cluster_size, 2, 100)
        self.xi = _slider(ipywidgets.FloatSlider, "xi", parameters.xi, 0.01, 0.9, step=0.001, readout_format=".3f")
        self.keep = ipywidgets.Button(description="Keep this", button_style="primary", icon="check")
        self.suggest = ipywidgets.Button(description="Back to the suggestion", icon="undo", layout={"width": "190px"})
        self.found, self.changes, self.status = (ipywidgets.HTML() for _ in range(3))
        self.ranges = ipywidgets.GridBox(
            layout={
                "grid_template_columns": "170px 60px 60px 75px 80px",
                "grid_gap": "2px 12px",
                "width": "520px",
                "flex": "0 0 auto",
            }
        )
        self.map = point_map(run.map_points(), run.no_map or "Scenes on the map", width=460, height=340)
        self.curve = _k_distance_figure()
        named = {
            "wb-clusterer": self.clusterer, "wb-eps": self.eps, "wb-min-samples": self.min_samples, "wb-keep": self.keep,
            "wb-suggest": self.suggest, "wb-scenes-found": self.found, "wb-gallery": self.changes, "wb-status": self.status,
            "wb-ranges": self.ranges,
        }  # fmt: skip
        for name, control in named.items():
            control.add_class(name)

        self.labels = self._cluster()
        self._draw_levels()
        self._draw()
        # The figures become widgets only now: a page that is still loading plotly misses later changes.
        self.map, self.curve = go.FigureWidget(self.map), go.FigureWidget(self.curve)
        self.map.add_class("wb-map")
        for control in (self.clusterer, self.eps, self.min_cluster_size, self.xi):
            control.observe(self._moved, "value")
        self.min_samples.observe(self._sweep_again, "value")
        self.keep.on_click(self._keep)
        self.suggest.on_click(self._suggest)
        controls = [self.clusterer, self.eps, self.min_samples, self.min_cluster_size, self.xi, self.found]
        buttons = ipywidgets.HBox([self.keep, self.suggest])
        figures, below = ipywidgets.HBox([self.curve, self.map]), ipywidgets.HBox([self.ranges, self.changes])
        self.widget = ipywidgets.VBox([*controls, buttons, self.status, figures, below])
        self.widget.add_class("wb-scenes")

    @property
    def parameters(self) -> ClusterParameters:
        """The parameters that the controls are set to.

        Returns
        -------
        ClusterParameters
            ``eps`` is rounded to four digits, as it is displayed, and 0 where the clusterer does not use it.
        """
        eps = float(f"{self.eps.value:.4g}") if self.clusterer.value == "dbscan" else 0.0
        return ClusterParameters(
            self.clusterer.value, eps, self.min_samples.value, self.min_cluster_size.value, round(self.xi.value, 3)
        )

    def _cluster(self) -> np.ndarray:
        return find_labels(self._distances, self.parameters, self._sweep.tree)

    def _moved(self, _: object) -> None:
        before, self.labels = self.labels, self._cluster()
        self._draw()
        went, came = np.flatnonzero((before >= 0) & (self.labels < 0)), np.flatnonzero((before < 0) & (self.labels >= 0))
        parts = [("just became outliers", went), ("just joined a scene", came)]
        self.changes.value = "".join(
            f"<b>{len(frames)} {what}</b><br/>{gallery(self._images, frames, self.labels, MAX_CHANGED_FRAMES)}"
            for what, frames in parts
            if len(frames)
        )

    def _draw(self) -> None:
        scenes, outliers = int(self.labels.max(initial=-1)) + 1, int((self.labels < 0).sum())
        self.found.value = f"<b>scenes {scenes}, outliers {outliers}</b> &emsp; {scene_legend(self.labels)}"
        paint_scenes(self.map, self.labels)
        kind = self.clusterer.value
        self.eps.layout.display = "" if kind == "dbscan" else "none"
        self.min_cluster_size.layout.display = "none" if kind == "dbscan" else ""
        self.xi.layout.display = "" if kind == "optics" else "none"
        eps = self.parameters.eps
        with self.curve.batch_update():
            self.curve.data[1].update(y=[eps, eps], visible=kind == "dbscan")
        for button, low, high in self._rows:
            button.button_style = "info" if low <= eps <= high else ""

    def _draw_levels(self) -> None:
        """Draw the curve and the table, which depend on min_samples alone."""
        levels = np.sort(k_distances(self._distances, self.min_samples.value))
        turn = knee(levels)
        with self.curve.batch_update():
            self.curve.data[0].update(x=np.arange(1, len(levels) + 1), y=np.maximum(levels, 1e-4))
            self.curve.data[1].x = [1, len(levels)]
            self.curve.data[2].update(x=[int(np.searchsorted(levels, turn)) + 1], y=[turn], name=f"knee, {turn:.3f}")
            self.curve.layout.title.text = f"Distance to the k-th nearest frame, k = {self.min_samples.value}"
        table = plateaus(self._sweep, self._run.embeddings())
        ranges = [_Plateau(*row) for row in table.itertuples(index=False, name=None)]
        self._rows = [(self._range_button(row), row.low, row.high) for row in ranges]
        cells = [ipywidgets.HTML(f"<b>{name}</b>") for name in _HEADINGS]
        for (button, _, _), row in zip(self._rows, ranges, strict=True):
            silhouette = "none" if pd.isna(row.silhouette) else f"{row.silhouette:.2f}"
            note = "suggested" if row.low <= self._sweep.suggested <= row.high else ""
            cells += [button, *(ipywidgets.Label(str(value)) for value in (row.scenes, row.outliers, silhouette, note))]
        self.ranges.children = cells

    def _range_button(self, row: _Plateau) -> ipywidgets.Button:
        button = ipywidgets.Button(
            description=f"{row.low:.4f} to {row.high:.4f}",
            tooltip="set eps to the middle of this range",
            layout={"width": "165px"},
        )
        button.on_click(lambda _: self._set_eps(np.sqrt(row.low * row.high)))
        return button

    def _set_eps(self, eps: float) -> None:
        """Set eps; the slider grows by whole steps where its range is too short."""
        self.clusterer.value, place = "dbscan", np.log10(eps)
        self.eps.min -= EPS_STEP_DECADES * max(0, np.ceil((self.eps.min - place) / EPS_STEP_DECADES))
        self.eps.max += EPS_STEP_DECADES * max(0, np.ceil((place - self.eps.max) / EPS_STEP_DECADES))
        self.eps.value = float(eps)

    def _sweep_again(self, _: object) -> None:
        self.status.value = "trying a hundred values of eps with this min_samples ..."
        self._sweep = sweep_eps(self._distances, self.min_samples.value, typical_eps(self._run.parameters("embed")["backbone"]))
        self.status.value = ""
        self._draw_levels()
        self._moved(None)

    def _suggest(self, _: object) -> None:
        """Go back to the defaults and keep nothing: eps is the one that the sweep suggests."""
        default = ClusterParameters()
        self.clusterer.value, self.min_samples.value = default.clusterer, default.min_samples
        self.min_cluster_size.value, self.xi.value = default.min_cluster_size, default.xi
        self._set_eps(self._sweep.suggested)
        self._apply(default, keeping=False)

    def _keep(self, _: object) -> None:
        self._apply(self.parameters, keeping=True)

    def _apply(self, parameters: ClusterParameters, keeping: bool) -> None:
        """Write or delete the kept parameters and compute the run's scenes with them; the status shows what to do next."""
        self.status.value = "finding the scenes ..."
        try:
            keep(self._run, parameters) if keeping else forget_stages(self._run, "cluster")
            found = run_stage(self._run, parameters)["info"]
        except (WorkbenchError, OSError) as error:  # OSError: the disk may be full
            self.status.value = f"<b>{html.escape(str(error))}</b>"
            return
        done = "Kept" if keeping else "The suggestion is used again, no parameter of this notebook is kept"
        self.status.value = (
            f"<b>{done}: {found['scenes']} scenes, {found['outliers']} outliers.</b> The run has these scenes now. "
            "Next: open 04_inspect_matches and 05_order_frames, and run all cells of each. The same without clicking:"
            f"<pre style='white-space:pre-wrap'>{html.escape(papermill_command(self._run, parameters))}</pre>"
        )


def _slider(kind: type, name: str, value: float, low: float, high: float, **options: Any) -> ipywidgets.Widget:
    """A slider that responds when it is released; its range always includes the value it starts at."""
    return kind(value, min=min(low, value), max=max(high, value), description=name, continuous_update=False, **options, **_WIDE)


def _k_distance_figure() -> go.Figure:
    """Three traces: the sorted distances, the line at eps, the knee."""
    styles = {
        "frames, sorted": {"mode": "lines", "line": {"color": SCENE_COLOURS[0]}},
        "eps": {"mode": "lines", "line": {"color": SCENE_COLOURS[5], "dash": "dash"}},
        "knee": {"mode": "markers", "marker": {"color": "black", "size": 9, "symbol": "diamond"}},
    }
    figure = go.Figure([go.Scatter(name=name, **style) for name, style in styles.items()])
    figure.update_layout(
        title={"font": {"size": 14}}, width=500, height=340, margin={"l": 60, "r": 10, "t": 40, "b": 40},
        yaxis={"type": "log", "title": "cosine distance", "dtick": 1}, xaxis={"title": "frames, sorted"},
        legend={"x": 0.02, "y": 0.98}, plot_bgcolor="#fafafa",
    )  # fmt: skip
    return figure
