"""Figures of a sweep's table: the effect of every parameter, of two together, quality against time, and the best settings."""

from collections.abc import Sequence
from typing import Any, cast

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from workbench.sweep.effects import main_effect
from workbench.sweep.table import QUALITY, pareto_front, setting_names, settings, value_name
from workbench.viz.pictures import OUTLIER_COLOUR, SCENE_COLOURS, new_axes

MAX_LINE_LETTERS = 22  # a longer name is broken into two lines
MAX_FRONT_NAMES = 10  # settings named on the Pareto front
LABEL_STEP = 16  # points between the numbers of points that lie close together
_BAR: dict[str, Any] = {"color": SCENE_COLOURS[0], "linewidth": 5, "alpha": 0.35, "solid_capstyle": "butt"}
_WHISKER: dict[str, Any] = {"color": OUTLIER_COLOUR, "linewidth": 1}


def main_effects_plot(table: pd.DataFrame, parameters: Sequence[str], metric: str) -> Figure:
    """Plot a metric against every parameter alone: its mean over everything else that varies, with std and range.

    Numbers are drawn to scale from left to right; names, which may be long, stand below each other.

    Parameters
    ----------
    table : pandas.DataFrame
        From :func:`~workbench.sweep.table.read_table`.
    parameters : sequence of str
        Dotted names of parameters.
    metric : str
        One of :func:`~workbench.sweep.table.metrics`.

    Returns
    -------
    matplotlib.figure.Figure
        One panel per parameter; the metric has the same limits in all panels.

    Raises
    ------
    UsageError
        If the table does not have the metric.
    """
    effects = [main_effect(table, parameter, metric) for parameter in parameters]
    heights = [3.0 if _is_numeric(effect) else 0.9 + 0.42 * len(effect) for effect in effects]
    rows = [max(heights[start : start + 2]) for start in range(0, len(heights), 2)] or [2.0]
    columns = min(2, max(1, len(effects)))
    fig, axes = plt.subplots(
        len(rows), columns, figsize=(10, sum(rows) + 0.6), height_ratios=rows, squeeze=False, layout="constrained"
    )
    for ax in axes.flat[len(effects) :]:
        ax.set_axis_off()
    limits = _limits([value for effect in effects for value in (*effect["min"], *effect["max"])])
    for ax, parameter, effect in zip(axes.flat, parameters, effects, strict=False):
        if _is_numeric(effect):
            _numbers(ax, effect)
            ax.set(xlabel=parameter, ylabel=metric, ylim=limits)
            ax.xaxis.set_major_locator(MaxNLocator(6))
        else:
            _spread(ax, effect, [f"{broken(value_name(value))} ({effect['count'][value]})" for value in effect.index])
            ax.set(title=parameter, xlabel=metric, xlim=limits)
        ax.title.set_fontsize(10)
        ax.grid(alpha=0.3)
    handles = [
        Line2D([], [], color=SCENE_COLOURS[0], marker="o", label="mean"),
        Line2D([], [], label="± std", **_BAR),
        Line2D([], [], label="least to most", **_WHISKER),
    ]
    fig.legend(handles=handles, loc="outside upper right", ncols=3, fontsize=9, frameon=False)
    fig.suptitle(f"{metric} by every parameter, over all others", x=0.01, ha="left", fontsize=12)
    return fig


def heat_map(means: pd.DataFrame, metric: str, ax: Axes | None = None) -> Figure:
    """Draw the mean of a metric over two parameters, with the values written in; pairs without a value are grey.

    Parameters
    ----------
    means : pandas.DataFrame
        From :func:`~workbench.sweep.effects.pivot`; the names of its index and columns label the axes.
    metric : str
        Its metric.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib.figure.Figure
        The figure.
    """
    values = means.to_numpy(dtype=float, na_value=np.nan)
    ax = new_axes(ax, (10, max(2.4, 1.3 + 0.45 * len(means))))
    finite = values[np.isfinite(values)]
    low, high = (finite.min(), finite.max()) if finite.size else (0.0, 1.0)
    same = high - low < 1e-9
    ax.set_facecolor("#E8E8E8")
    colours = "viridis" if QUALITY[metric] else "viridis_r"
    # A single value gets the middle colour.
    picture = ax.imshow(values, cmap=colours, aspect="auto", vmin=low - 0.5 * same, vmax=high + 0.5 * same)
    size = 9 if values.shape[1] <= 12 else 7
    for (row, column), value in np.ndenumerate(values):
        if not np.isfinite(value):
            ax.text(column, row, "none", ha="center", va="center", fontsize=size, color="#555555")
            continue
        red, green, blue, _ = picture.cmap(picture.norm(value))
        dark = 0.3 * red + 0.59 * green + 0.11 * blue < 0.55
        ax.text(column, row, f"{value:.3f}", ha="center", va="center", fontsize=size, color="white" if dark else "black")
    across, down = ([value_name(value) for value in index] for index in (means.columns, means.index))
    rotated = max(map(len, across)) * len(across) > 90
    ax.set_xticks(range(len(across)), [broken(name) for name in across] if rotated else across)
    ax.set_yticks(range(len(down)), [broken(name) for name in down])
    if rotated:
        ax.tick_params("x", labelrotation=30)
        plt.setp(ax.get_xticklabels(), ha="right", rotation_mode="anchor")
    ax.set(xlabel=means.columns.name, ylabel=means.index.name)
    ax.set_title(f"Mean {metric}" + (": the same everywhere" if same and finite.size else ""), fontsize=12)
    if not same:
        ax.figure.colorbar(picture, ax=ax, label=metric)
    return cast(Figure, ax.figure)


def pareto_plot(best: pd.DataFrame, metric: str) -> Figure:
    """Plot the mean of a metric against mean seconds, one point per setting, with the Pareto front.

    The settings on the front are numbered, the best first, and named below. A setting with a cell that is not done is a grey
    cross.

    Parameters
    ----------
    best : pandas.DataFrame
        From :func:`~workbench.sweep.table.best_settings`.
    metric : str
        The metric they are ranked by.

    Returns
    -------
    matplotlib.figure.Figure
        The figure.
    """
    measured, front = best[best["count"] > 0], pareto_front(best, metric)[::-1]
    names = setting_names(front)[:MAX_FRONT_NAMES]
    columns = 2 if max(map(len, names), default=0) <= 50 else 1
    fig, ax = plt.subplots(figsize=(10, 4.2 + 0.2 * -(-len(names) // columns)), layout="constrained")
    whole = measured["count"] == measured["cells"]
    ax.plot(*_xy(measured[whole]), "o", color=SCENE_COLOURS[0], alpha=0.4, markersize=6, label=f"settings ({whole.sum()})")
    if not whole.all():
        label = f"not done in all cells ({(~whole).sum()})"
        ax.plot(*_xy(measured[~whole]), "x", color=OUTLIER_COLOUR, markersize=6, label=label)
    seconds, means = _xy(front)
    ax.plot(seconds, means, "o-", color=SCENE_COLOURS[5], markersize=7, drawstyle="steps-pre", label="front: none is better")
    _number_points(ax, seconds[: len(names)], means, 0.03 * np.ptp(measured["seconds"].to_numpy(dtype=float)))
    ax.set(title=f"{metric} against seconds", xlabel="seconds, mean over the cells", ylabel=f"mean {metric}")
    ax.margins(x=0.08, y=0.3)
    ax.grid(alpha=0.3)
    ax.legend(fontsize=9)
    lines = [Line2D([], [], linestyle="", label=f"{number}  {name}") for number, name in enumerate(names, start=1)]
    title = f"On the front ({_parameter_names(best)})" + (
        f", the best {len(names)} of {len(front)}" if len(names) < len(front) else ""
    )
    legend = fig.legend(
        handles=lines, loc="outside lower left", ncols=columns, fontsize=9, frameon=False, title=title, handlelength=0
    )
    legend.set_alignment("left")
    return fig


def best_settings_plot(best: pd.DataFrame, metric: str, count: int = 12, ax: Axes | None = None) -> Figure:
    """Plot the best settings, the best on top: mean, std and range of a metric over videos and seeds, and mean seconds.

    Parameters
    ----------
    best : pandas.DataFrame
        From :func:`~workbench.sweep.table.best_settings`.
    metric : str
        The metric they are ranked by.
    count : int
        Number of settings shown at most.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib.figure.Figure
        The figure.
    """
    shown = best[best["count"] > 0][:count]
    ax = new_axes(ax, (10, 1.3 + 0.36 * max(1, len(shown))))
    _spread(ax, shown, [broken(name, 2 * MAX_LINE_LETTERS) for name in setting_names(shown)])
    _, mean, low, high, std = _plain(shown)
    ax.set_xlim(_limits([*low, *high, *(mean - std), *(mean + std)]))
    for row, (seconds, done, cells) in enumerate(zip(shown["seconds"], shown["count"], shown["cells"], strict=True)):
        text = f"{seconds:.1f} s" + (f", {done} of {cells} cells" if done < cells else "")
        ax.annotate(
            text, (1, row), (6, 0), xycoords=("axes fraction", "data"), textcoords="offset points", va="center", fontsize=9
        )
    how = "mean, ± std, least to most" if (shown["count"] > 1).any() else "one cell each"
    ax.set_title(f"The best {len(shown)} of {len(best)} settings: {how}", fontsize=12)
    ax.set(xlabel=metric, ylabel=_parameter_names(best))
    ax.grid(alpha=0.3)
    return cast(Figure, ax.figure)


def broken(name: str, letters: int = MAX_LINE_LETTERS) -> str:
    """Break a long name into two lines: at a comma, else at a slash, else between words.

    Parameters
    ----------
    name : str
        The name.
    letters : int
        Longest name that stays as it is, letters.

    Returns
    -------
    str
        The name, broken as near to its middle as possible; unchanged where it cannot be broken.
    """
    for separators in (",", "/", "-_ "):
        places = [at + 1 for at, letter in enumerate(name[:-1]) if letter in separators and at]
        if len(name) > letters and places:
            at = min(places, key=lambda place: abs(place - len(name) / 2))
            return f"{name[:at]}\n{name[at:].lstrip()}"
    return name


def _parameter_names(best: pd.DataFrame) -> str:
    """The parameters in the names of settings."""
    return ", ".join(name.split(".")[1] for name in settings(best))


def _numbers(ax: Axes, effect: pd.DataFrame) -> None:
    """Draw an effect with its values to scale, from left to right."""
    at, mean, low, high, std = _plain(effect)
    ax.vlines(at, low, high, **_WHISKER)
    for x, middle, spread in zip(at, mean, std, strict=True):
        ax.plot([x, x], [middle - spread, middle + spread], **_BAR)
    ax.plot(at, mean, "o-", color=SCENE_COLOURS[0], markersize=5, linewidth=1.2)


def _spread(ax: Axes, rows: pd.DataFrame, names: Sequence[str]) -> None:
    """Draw mean, std and range, one row each, the first on top."""
    _, mean, low, high, std = _plain(rows)
    places = np.arange(len(rows))
    ax.hlines(places, low, high, **_WHISKER)
    for y, middle, spread in zip(places, mean, std, strict=True):
        ax.plot([middle - spread, middle + spread], [y, y], **_BAR)
    ax.plot(mean, places, "o", color=SCENE_COLOURS[0], markersize=6)
    ax.set_yticks(places, names, fontsize=9)
    ax.set_ylim(len(rows) - 0.5, -0.5)


def _plain(rows: pd.DataFrame) -> list[np.ndarray]:
    """Index, mean, min, max, std as arrays; the std of one cell is 0."""
    columns = [rows[name].to_numpy(dtype=float, na_value=0.0) for name in ("mean", "min", "max", "std")]
    return [rows.index.to_numpy(), *columns]


def _number_points(ax: Axes, x: np.ndarray, y: np.ndarray, near: float) -> None:
    """Write 1, 2, ... above points that are sorted from right to left; those of a crowd side by side, each with a line."""
    crowds = np.split(np.arange(len(x)), np.flatnonzero(x[:-1] - x[1:] >= near) + 1)
    for crowd in crowds:
        line = {"arrowstyle": "-", "linewidth": 0.8, "shrinkA": 0, "shrinkB": 4} if len(crowd) > 1 else None
        for place, point in enumerate(crowd):
            offset = (LABEL_STEP * ((len(crowd) - 1) / 2 - place), 2.0 * LABEL_STEP if line else 6)
            style: dict[str, Any] = {"fontsize": 10, "weight": "bold", "ha": "center", "arrowprops": line}
            ax.annotate(str(point + 1), (x[point], y[point]), offset, textcoords="offset points", **style)


def _xy(rows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    return rows["seconds"].to_numpy(dtype=float), rows["mean"].to_numpy(dtype=float)


def _is_numeric(effect: pd.DataFrame) -> bool:
    return pd.api.types.is_numeric_dtype(effect.index.dtype) and not pd.api.types.is_bool_dtype(effect.index.dtype)


def _limits(values: Sequence[float]) -> tuple[float, float]:
    """Limits of an axis with room at both ends, also where all values are the same."""
    present = [float(value) for value in values if not pd.isna(value)] or [0.0, 1.0]
    low, high = min(present), max(present)
    room = 0.06 * (high - low) or 0.05
    return low - room, high + room
