"""The figure of a sweep that changes one parameter at a time."""

from collections.abc import Sequence
from typing import cast

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from workbench.viz.pictures import SCENE_COLOURS, scene_marker

DEFAULT_COLOUR = "#e9e2cc"  # shade behind the default value


def one_at_a_time_plot(found: pd.DataFrame, groups: Sequence[Sequence[str]], title: str = "One parameter at a time") -> Figure:
    """Plot figures and seconds against the values of each parameter, one row of panels per parameter.

    The values of a parameter are evenly spaced, and the default is shaded. The panels of a column share their scale, so that
    parameters can be compared.

    Parameters
    ----------
    found : pandas.DataFrame
        From :func:`~workbench.sweep.effects.effects`.
    groups : sequence of sequences of str
        Figures of it, one group per panel; the figures of a group share a scale.
    title : str
        Title of the figure.

    Returns
    -------
    matplotlib.figure.Figure
        The figure.
    """
    columns, names = [*map(list, groups), ["seconds"]], list(dict.fromkeys(found["parameter"]))
    size = (3.1 * len(columns) + 0.4, 1.5 * len(names) + 1.1)
    fig, axes = plt.subplots(len(names), len(columns), figsize=size, squeeze=False, sharey="col", layout="constrained")
    for row, name in zip(axes, names, strict=True):
        cells = found[found["parameter"] == name]
        places = np.arange(len(cells))
        for ax, figures in zip(row, columns, strict=True):
            for number, figure in enumerate(figures):
                style = {"color": SCENE_COLOURS[number], "marker": scene_marker(number), "markersize": 4, "linewidth": 1.2}
                ax.plot(places, cells[figure], label=figure, **style)
            ax.axvspan(*(places[cells["default"]][0] + [-0.4, 0.4]), color=DEFAULT_COLOUR, linewidth=0, zorder=0)
            ax.set_xticks(places, [f"{value:g}" if not isinstance(value, str) else value for value in cells["value"]])
            ax.set_xlim(-0.5, len(cells) - 0.5)
            ax.yaxis.set_major_locator(MaxNLocator(4))
            ax.tick_params(labelsize=8)
            ax.grid(alpha=0.3)
        row[0].set_ylabel(name.replace(".", "\n"), fontsize=9)
    for ax, figures in zip(axes[0], columns, strict=True):
        ax.set_title(", ".join(figures) if figures != ["seconds"] else "seconds, features and match", fontsize=9)
        if len(figures) > 1:
            ax.legend(fontsize=7, loc="best", frameon=True, framealpha=0.8)
    for ax, figures in zip(axes[0, :-1], columns[:-1], strict=True):
        low, high = cast(float, found[figures].min(axis=None)), cast(float, found[figures].max(axis=None))
        if high <= 1:  # shares: a value slightly below 1 must not look like a drop
            ax.set_ylim(min(low, 0.9) - 0.02, 1.02)
    axes[0, -1].set_ylim(bottom=0)
    fig.suptitle(f"{title} (the default is shaded)", fontsize=11)
    return fig
