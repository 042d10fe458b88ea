"""Which parameters of a sweep matter: the importance of each by Optuna's fANOVA, and the trials themselves, as figures."""

from collections.abc import Sequence
from typing import Any, cast

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from workbench.errors import UsageError
from workbench.run.stages import defaults
from workbench.sweep.search import Range, distribution
from workbench.sweep.table import DONE, varied
from workbench.viz.pictures import OUTLIER_COLOUR, SCENE_COLOURS, new_axes, scene_marker

DRAWS = 20  # times that the trials are drawn anew, for the spread of an importance
SPREAD_PERCENT = (5, 95)  # of these draws, that the spread covers
DEFAULT_COLOUR = "#e9e2cc"  # line at the default value


def trial_means(table: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Average a metric over the videos of every set of parameters.

    Parameters
    ----------
    table : pandas.DataFrame
        From :func:`~workbench.sweep.table.read_table`.
    metric : str
        A column of numbers.

    Returns
    -------
    pandas.DataFrame
        A row per set of which every video is done, in the order of the table: the varied parameters, and the metric.

    Raises
    ------
    UsageError
        If the table does not have the metric.
    """
    if metric not in table:
        raise UsageError(f"the table has no {metric}: choose a column of numbers of it")
    names = varied(table)
    if not names:
        return table[[metric]].dropna()[:0]
    values = table[metric].where(table["status"] == DONE).astype("Float64")
    means = values.groupby([table[name] for name in names], sort=False).agg(lambda cells: cells.mean(skipna=False))
    return means.dropna().astype(float).reset_index()


def importances(table: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Measure how much of the variance of a metric each parameter explains alone, over everything that was tried.

    Parameters
    ----------
    table : pandas.DataFrame
        From :func:`~workbench.sweep.table.read_table`; of a search, or of any other sweep.
    metric : str
        A column of numbers.

    Returns
    -------
    pandas.DataFrame
        A row per varied parameter, the most important first. Columns: share, 0 to 1; low and high, its 5th and 95th percentile
        when the sets of parameters are drawn anew, with replacement. What the shares leave to 1 is explained by several
        parameters together. All are 0 where the metric is the same everywhere.

    Raises
    ------
    UsageError
        If the table does not have the metric, or Optuna is not installed.

    Notes
    -----
    By functional ANOVA of a random forest (Hutter, Hoos and Leyton-Brown, ICML 2014). A search tries more sets near the best
    than elsewhere, so the shares are about what was tried.
    """
    try:
        from optuna import logging
    except ImportError as error:
        raise UsageError("importances are computed by Optuna, which is not installed: pip install optuna") from error
    logging.set_verbosity(logging.WARNING)
    trials = trial_means(table, metric)
    choices = {name: _tried(name, trials[name]) for name in varied(table)}
    whole = _shares(trials, metric, choices)
    rng, count = np.random.default_rng(0), len(trials)
    draws = [_shares(trials.iloc[rng.integers(0, count, count)], metric, choices) for _ in range(DRAWS if count else 0)]
    low, high = np.percentile(draws or [whole], SPREAD_PERCENT, axis=0)
    found = pd.DataFrame({"share": whole, "low": low, "high": high}, index=pd.Index(list(choices), name="parameter"))
    return found.sort_values("share", ascending=False, kind="stable")


def _tried(name: str, values: pd.Series) -> Range | list[Any]:
    """The range of the numbers that were tried for a parameter, or what else was tried."""
    found = sorted(values.unique().tolist())
    return Range(found[0], found[-1]) if type(defaults()[name]) in (int, float) and len(found) > 1 else found


def _shares(trials: pd.DataFrame, metric: str, choices: dict[str, Range | list[Any]]) -> np.ndarray:
    """The share of the variance that each parameter explains in some trials."""
    from optuna import create_study
    from optuna.importance import FanovaImportanceEvaluator
    from optuna.trial import create_trial

    if trials.empty or np.ptp(trials[metric].to_numpy(dtype=float)) == 0:
        return np.zeros(len(choices))
    distributions = {name: distribution(name, found) for name, found in choices.items()}
    study = create_study()
    for row in trials.to_dict("records"):
        values = {name: row[name] for name in choices}
        study.add_trial(create_trial(params=values, distributions=distributions, value=row[metric]))
    shares = FanovaImportanceEvaluator(seed=0).evaluate(study, params=list(choices))
    return np.array([shares[name] for name in choices])


def importance_plot(found: pd.DataFrame, metric: str, ax: Axes | None = None) -> Figure:
    """Draw how much of the variance of a metric each parameter explains, the most important on top.

    Parameters
    ----------
    found : pandas.DataFrame
        From :func:`importances`.
    metric : str
        The metric.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib.figure.Figure
        The figure: bars, and lines for the spread when the trials are drawn anew.
    """
    ax = new_axes(ax, (10, 1.4 + 0.4 * max(1, len(found))))
    places = np.arange(len(found))
    ax.barh(places, found["share"], color=SCENE_COLOURS[0], height=0.6, alpha=0.75)
    ax.hlines(places, found["low"], found["high"], color=OUTLIER_COLOUR, linewidth=1.5)
    ax.set_yticks(places, [in_words(name) for name in found.index])
    ax.set_ylim(len(found) - 0.4, -0.6)
    ax.set_xlim(0, max(1.0, float(found["high"].max())) if len(found) else 1.0)
    for place, share in zip(places, found["share"], strict=True):
        ax.annotate(f"{share:.2f}", (1, place), (6, 0), ("axes fraction", "data"), textcoords="offset points", va="center")
    ax.set_xlabel(f"share of the variance of {metric} that the parameter explains alone (line: 5 to 95 % of redrawn trials)")
    ax.set_title(f"What decides {metric}", fontsize=12)
    ax.grid(alpha=0.3, axis="x")
    return cast(Figure, ax.figure)


def trials_plot(table: pd.DataFrame, parameters: Sequence[str], metric: str) -> Figure:
    """Draw the metric of every cell against the value of each parameter, a marker per video.

    Parameters
    ----------
    table : pandas.DataFrame
        From :func:`~workbench.sweep.table.read_table`.
    parameters : sequence of str
        Dotted names of parameters.
    metric : str
        A column of numbers.

    Returns
    -------
    matplotlib.figure.Figure
        A panel per parameter; the default is shaded.
    """
    rows = -(-len(parameters) // 3)
    fig, axes = plt.subplots(rows, 3, figsize=(10, 2.6 * rows + 0.5), squeeze=False, sharey=True, layout="constrained")
    done = table[table["status"] == DONE]
    for ax in axes.flat[len(parameters) :]:
        ax.set_axis_off()
    for ax, name in zip(axes.flat, parameters, strict=False):
        numbers = type(defaults()[name]) in (int, float)
        values = sorted(done[name].unique().tolist())
        for k, (video, cells) in enumerate(done.groupby("video", sort=False)):
            places = cells[name].astype(float) if numbers else [values.index(value) for value in cells[name]]
            ax.plot(places, cells[metric], scene_marker(k), color=SCENE_COLOURS[k], alpha=0.5, markersize=6, label=video)
        default = defaults()[name]
        if numbers or default in values:
            ax.axvline(default if numbers else values.index(default), color=DEFAULT_COLOUR, linewidth=6, zorder=0)
        if not numbers:
            ax.set_xticks(range(len(values)), [str(value) for value in values])
        ax.set_xlabel(in_words(name))
        ax.grid(alpha=0.3)
    for ax in axes[:, 0]:
        ax.set_ylabel(metric)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    fig.legend(handles, labels, loc="outside upper right", ncols=3, fontsize=9, frameon=False)
    fig.suptitle(f"{metric} of every trial (the default is shaded)", x=0.01, ha="left", fontsize=12)
    return fig


def in_words(name: str) -> str:
    """Write the name of a parameter in words, as ``match threshold``.

    Parameters
    ----------
    name : str
        Dotted name.

    Returns
    -------
    str
        The name without its stage and without underscores.
    """
    return name.split(".")[-1].replace("_", " ")
