"""An interactive view of a sweep's table: choose the metric and two parameters, and the figures follow."""

import html
import io

import ipywidgets
import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from workbench.sweep.effects import axes, pivot
from workbench.sweep.figures import best_settings_plot, heat_map, main_effects_plot
from workbench.sweep.table import best_settings, metrics, varied, verdict


def sweep_browser(table: pd.DataFrame, metric: str, rows: str = "", columns: str = "") -> ipywidgets.Widget:
    """Browse a sweep: menus for the metric and for two parameters, above their figures.

    The figures are the heat map of the two parameters, the effect of each of them alone, and the best settings. Choosing for
    one axis the parameter of the other exchanges the two.

    Parameters
    ----------
    table : pandas.DataFrame
        From :func:`~workbench.sweep.table.read_table`.
    metric : str
        Metric shown at first.
    rows, columns : str
        Parameters shown at first, down and across; empty for those that :func:`~workbench.sweep.effects.axes` chooses.

    Returns
    -------
    ipywidgets.Widget
        The menus and figures.

    Raises
    ------
    UsageError
        As :func:`~workbench.sweep.effects.axes` raises it.
    """
    return SweepBrowser(table, metric, rows, columns).widget


class SweepBrowser:
    """The menus and figures of :func:`sweep_browser`.

    Parameters
    ----------
    table : pandas.DataFrame
        From :func:`~workbench.sweep.table.read_table`.
    metric : str
        Metric shown at first.
    rows, columns : str
        Parameters shown at first, down and across.

    Attributes
    ----------
    widget : ipywidgets.Widget
        What a notebook displays.
    """

    def __init__(self, table: pd.DataFrame, metric: str, rows: str, columns: str) -> None:
        self._table = table
        self._shown = axes(table, rows, columns)
        axis_names = [*varied(table), "video"]
        self.metric = ipywidgets.Dropdown(options=metrics(table), value=metric, description="metric")
        self.rows, self.columns = (
            ipywidgets.Dropdown(options=axis_names, value=value, description=description)
            for value, description in zip(self._shown, ("down", "across"), strict=True)
        )
        self.verdict = ipywidgets.HTML()
        self.pictures = [ipywidgets.Image(format="png", layout={"max_width": "100%"}) for _ in range(3)]
        for name, control in (("wb-metric", self.metric), ("wb-down", self.rows), ("wb-across", self.columns)):
            control.add_class(name)
        self._draw()
        self.metric.observe(self._draw, "value")
        self.rows.observe(self._moved, "value")
        self.columns.observe(self._moved, "value")
        menus = ipywidgets.HBox([self.metric, self.rows, self.columns])
        self.widget = ipywidgets.VBox([menus, self.verdict, *self.pictures])
        self.widget.add_class("wb-sweep")

    def _moved(self, _: object) -> None:
        chosen = self.rows.value, self.columns.value
        if chosen == self._shown:
            return
        if chosen[0] == chosen[1]:  # the other menu takes the previous value of this one, which calls this function again
            touched = 0 if chosen[0] != self._shown[0] else 1
            (self.columns, self.rows)[touched].value = self._shown[touched]
            return
        self._shown = chosen
        self._draw()

    def _draw(self, _: object = None) -> None:
        metric, best = self.metric.value, best_settings(self._table, self.metric.value)
        self.verdict.value = html.escape(verdict(best, metric))
        figures = (
            heat_map(pivot(self._table, *self._shown, metric), metric),
            main_effects_plot(self._table, self._shown, metric),
            best_settings_plot(best, metric),
        )
        for picture, figure in zip(self.pictures, figures, strict=True):
            picture.value = _png(figure)


def _png(figure: Figure) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=80)
    plt.close(figure)  # an open figure would be shown by the notebook once more
    return file.getvalue()
