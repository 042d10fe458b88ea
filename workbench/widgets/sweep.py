"""A sweep's table looked at by hand: choose the metric and two parameters, and the figures follow."""

import html
import io

import ipywidgets
import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from workbench.sweep.figures import best_settings_plot, heat_map, main_effects_plot
from workbench.sweep.table import axes, best_settings, metrics, pivot, varied, verdict


def sweep_browser(table: pd.DataFrame, metric: str, rows: str = "", columns: str = "") -> ipywidgets.Widget:
    """Three menus, metric and the parameters down and across, over the heat map, what the two do alone, and the best settings.

    table: from :func:`workbench.sweep.table.read_table`. metric, rows, columns: what is chosen to begin with, as for
    :func:`workbench.sweep.table.axes`, and raising as it. Choosing the other's parameter exchanges the two.
    """
    return SweepBrowser(table, metric, rows, columns).widget


class SweepBrowser:
    """The menus and figures; arguments as for :func:`sweep_browser`."""

    def __init__(self, table: pd.DataFrame, metric: str, rows: str, columns: str) -> None:
        self._table = table
        self._shown = axes(table, rows, columns)
        known = [*varied(table), "video"]
        self.metric = ipywidgets.Dropdown(options=metrics(table), value=metric, description="metric")
        self.rows, self.columns = (
            ipywidgets.Dropdown(options=known, value=value, description=words)
            for value, words in zip(self._shown, ("down", "across"), strict=True)
        )
        self.told = ipywidgets.HTML()
        self.pictures = [ipywidgets.Image(format="png", layout={"max_width": "100%"}) for _ in range(3)]
        for name, control in (("wb-metric", self.metric), ("wb-down", self.rows), ("wb-across", self.columns)):
            control.add_class(name)
        self._draw()
        self.metric.observe(self._draw, "value")
        self.rows.observe(self._moved, "value")
        self.columns.observe(self._moved, "value")
        menus = ipywidgets.HBox([self.metric, self.rows, self.columns])
        self.widget = ipywidgets.VBox([menus, self.told, *self.pictures])
        self.widget.add_class("wb-sweep")

    def _moved(self, _: object) -> None:
        chosen = self.rows.value, self.columns.value
        if chosen == self._shown:
            return
        if chosen[0] == chosen[1]:  # the menu that was not touched takes what the other had; which calls this again
            touched = 0 if chosen[0] != self._shown[0] else 1
            (self.columns, self.rows)[touched].value = self._shown[touched]
            return
        self._shown = chosen
        self._draw()

    def _draw(self, _: object = None) -> None:
        metric, best = self.metric.value, best_settings(self._table, self.metric.value)
        self.told.value = html.escape(verdict(best, metric))
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
    plt.close(figure)  # or the notebook would show it once more
    return file.getvalue()
