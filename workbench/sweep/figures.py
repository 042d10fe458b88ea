"""Figures of a sweep's table: what every parameter does, two of them together, what accuracy costs, and the best settings."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from workbench.sweep.table import QUALITY, main_effect, pareto_front, setting_names, settings, value_name
from workbench.viz.pictures import OUTLIER_COLOUR, SCENE_COLOURS, new_axes, scene_marker

LONG = 22  # letters; a longer name stands in two lines
MAX_NAMED = 10  # settings on the front that are named
_BAR = {"color": SCENE_COLOURS[0], "linewidth": 5, "alpha": 0.35, "solid_capstyle": "butt"}
_WHISKER = {"color": OUTLIER_COLOUR, "linewidth": 1}


def main_effects_plot(table: pd.DataFrame, parameters: Sequence[str], metric: str) -> Figure:
    """A panel a parameter: mean of a metric at each of its values over all else that varies, with std and range.

    table: of a sweep, as :func:`workbench.sweep.table.read_table` gives it. Numbers are laid out to scale, from left to right;
    names stand below each other, for they may be long. The metric has the same limits in all panels.
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
        plt.Line2D([], [], color=SCENE_COLOURS[0], marker="o", label="mean"),
        plt.Line2D([], [], label="± std", **_BAR),
        plt.Line2D([], [], label="least to most", **_WHISKER),
    ]
    fig.legend(handles=handles, loc="outside upper right", ncols=3, fontsize=9, frameon=False)
    fig.suptitle(f"{metric} by every parameter, over all others", x=0.01, ha="left", fontsize=12)
    return fig


def heat_map(means: pd.DataFrame, metric: str, ax: Axes | None = None) -> Figure:
    """Mean of a metric over two parameters, with the values written in; what has none is grey.

    means: from :func:`workbench.sweep.table.pivot`. The names of its index and columns name the axes.
    """
    values = means.to_numpy(dtype=float, na_value=np.nan)
    ax = new_axes(ax, (10, max(2.4, 1.3 + 0.45 * len(means))))
    known = values[np.isfinite(values)]
    low, high = (known.min(), known.max()) if known.size else (0.0, 1.0)
    same = high - low < 1e-9
    ax.set_facecolor("#E8E8E8")
    colours = "viridis" if QUALITY[metric] else "viridis_r"
    # One value alone has the colour of the middle.
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
    rotate_order = max(map(len, across)) * len(across) > 90
    ax.set_xticks(range(len(across)), [broken(name) for name in across] if rotate_order else across)
    ax.set_yticks(range(len(down)), [broken(name) for name in down])
    if rotate_order:
        ax.tick_params("x", labelrotation=30)
        plt.setp(ax.get_xticklabels(), ha="right", rotation_mode="anchor")
    ax.set(xlabel=means.columns.name, ylabel=means.index.name)
    ax.set_title(f"Mean {metric}" + (": the same everywhere" if same and known.size else ""), fontsize=12)
    if not same:
        ax.figure.colorbar(picture, ax=ax, label=metric)
    return ax.figure


def pareto_plot(best: pd.DataFrame, metric: str) -> Figure:
    """Mean of a metric against mean seconds, a point a setting. The front is drawn, its settings are numbered, the best first,
    and named below.

    best: from :func:`workbench.sweep.table.best_settings`. A setting of which a cell is not done is a grey cross.
    """
    measured, front = best[best["count"] > 0], pareto_front(best, metric)[::-1]
    names = setting_names(front)[:MAX_NAMED]
    columns = 2 if max(map(len, names), default=0) <= 50 else 1
    fig, ax = plt.subplots(figsize=(10, 4.2 + 0.2 * -(-len(names) // columns)), layout="constrained")
    whole = measured["count"] == measured["cells"]
    ax.plot(*_xy(measured[whole]), "o", color=SCENE_COLOURS[0], alpha=0.4, markersize=6, label=f"settings ({whole.sum()})")
    if not whole.all():
        label = f"not done in all cells ({(~whole).sum()})"
        ax.plot(*_xy(measured[~whole]), "x", color=OUTLIER_COLOUR, markersize=6, label=label)
    seconds, means = _xy(front)
    ax.plot(seconds, means, "o-", color=SCENE_COLOURS[5], markersize=7, drawstyle="steps-pre", label="front: none is better")
    near, below = 0.03 * np.ptp(measured["seconds"].to_numpy(dtype=float)), False
    for number, (x, y) in enumerate(zip(seconds[: len(names)], means, strict=False), start=1):
        below = number > 1 and seconds[number - 2] - x < near and not below  # numbers of close points stand apart
        place = {"xytext": (5, -13) if below else (-4, 5), "ha": "left" if below else "right"}
        ax.annotate(str(number), (x, y), textcoords="offset points", fontsize=10, weight="bold", **place)
    ax.set(title=f"{metric} against seconds", xlabel="seconds of all stages", ylabel=f"mean {metric}")
    ax.margins(x=0.06, y=0.2)
    ax.grid(alpha=0.3)
    ax.legend(fontsize=9)
    lines = [plt.Line2D([], [], linestyle="", label=f"{number}  {name}") for number, name in enumerate(names, start=1)]
    title = f"On the front ({_told(best)})" + (f", the best {len(names)} of {len(front)}" if len(names) < len(front) else "")
    legend = fig.legend(
        handles=lines, loc="outside lower left", ncols=columns, fontsize=9, frameon=False, title=title, handlelength=0
    )
    legend.set_alignment("left")
    return fig


def best_settings_plot(best: pd.DataFrame, metric: str, count: int = 12, ax: Axes | None = None) -> Figure:
    """The best settings, the first above: mean of a metric with its std and range over videos and seeds, and mean seconds.

    best: from :func:`workbench.sweep.table.best_settings`. count: of settings shown.
    """
    shown = best[best["count"] > 0][:count]
    ax = new_axes(ax, (10, 1.3 + 0.36 * max(1, len(shown))))
    _spread(ax, shown, [broken(name, 2 * LONG) for name in setting_names(shown)])
    _, mean, low, high, std = _plain(shown)
    ax.set_xlim(_limits([*low, *high, *(mean - std), *(mean + std)]))
    for row, (seconds, done, cells) in enumerate(zip(shown["seconds"], shown["count"], shown["cells"], strict=True)):
        text = f"{seconds:.1f} s" + (f", {done} of {cells} cells" if done < cells else "")
        ax.annotate(
            text, (1, row), (6, 0), xycoords=("axes fraction", "data"), textcoords="offset points", va="center", fontsize=9
        )
    how = "mean, ± std, least to most" if (shown["count"] > 1).any() else "one cell each"
    ax.set_title(f"The best {len(shown)} of {len(best)} settings: {how}", fontsize=12)
    ax.set(xlabel=metric, ylabel=_told(best))
    ax.grid(alpha=0.3)
    return ax.figure


def broken(name: str, long: int = LONG) -> str:
    """A long name in two lines, broken at a comma, else a slash, else between words; one of up to ``long`` letters as it
    is.
    """
    for letters in (",", "/", "-_ "):
        places = [at + 1 for at, letter in enumerate(name[:-1]) if letter in letters and at]
        if len(name) > long and places:
            at = min(places, key=lambda place: abs(place - len(name) / 2))
            return f"{name[:at]}\n{name[at:].lstrip()}"
    return name


def _told(best: pd.DataFrame) -> str:
    """Which parameters the names of settings are made of."""
    return ", ".join(name.split(".")[1] for name in settings(best))


def _numbers(ax: Axes, effect: pd.DataFrame) -> None:
    """Values to scale from left to right."""
    at, mean, low, high, std = _plain(effect)
    ax.vlines(at, low, high, **_WHISKER)
    for x, middle, spread in zip(at, mean, std, strict=True):
        ax.plot([x, x], [middle - spread, middle + spread], **_BAR)
    ax.plot(at, mean, "o-", color=SCENE_COLOURS[0], markersize=5, linewidth=1.2)


def _spread(ax: Axes, rows: pd.DataFrame, names: Sequence[str]) -> None:
    """A row each, the first above."""
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


def _xy(rows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    return rows["seconds"].to_numpy(dtype=float), rows["mean"].to_numpy(dtype=float)


def _is_numeric(effect: pd.DataFrame) -> bool:
    return pd.api.types.is_numeric_dtype(effect.index.dtype) and not pd.api.types.is_bool_dtype(effect.index.dtype)


def _limits(values: Sequence[float]) -> tuple[float, float]:
    """Limits of an axis with room at both ends, also where all values are the same."""
    known = [float(value) for value in values if not pd.isna(value)] or [0.0, 1.0]
    low, high = min(known), max(known)
    room = 0.06 * (high - low) or 0.05
    return low - room, high + room


DEFAULT_COLOUR = "#e9e2cc"


def one_at_a_time_plot(found: pd.DataFrame, groups: Sequence[Sequence[str]], title: str = "One parameter at a time") -> Figure:
    """A row of panels a parameter, a panel for each group of figures and one for the seconds, against the parameter's values.

    found: of :func:`workbench.sweep.one_at_a_time.effects`. groups: its columns, those of one scale together. Values stand at even
    distances; the default is shaded. The panels of a column have one scale, so that parameters can be compared.
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
        low, high = found[figures].min(axis=None), found[figures].max(axis=None)
        if high <= 1:  # shares: a hair below 1 is not to look like a fall
            ax.set_ylim(min(low, 0.9) - 0.02, 1.02)
    axes[0, -1].set_ylim(bottom=0)
    fig.suptitle(f"{title} (the default is shaded)", fontsize=11)
    return fig
