"""What the figures of notebook 07 say, as sentences computed from what they show."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from workbench.notebooks.pairfacts import follows_a_thing
from workbench.notebooks.pairview import PairMatcher
from workbench.parameters import FeatureParameters, MatchParameters
from workbench.reports.findings import count_of
from workbench.run import Run
from workbench.run.stages import defaults, stage_parameters
from workbench.sweep.importance import in_words, trial_means
from workbench.sweep.sentences_settings import SAME_TIME
from workbench.sweep.table import COMPARED_DECIMALS, QUALITY, setting_names, value_name, varied

CLEAR = 0.05  # share of the variance at least, at the lower end of its spread, of a parameter that matters
SLIGHT = 0.1  # relative change of a figure, up to which it counts as hardly changed


def of_importances(found: pd.DataFrame, metric: str) -> str:
    """Say which parameters decide a metric.

    Parameters
    ----------
    found : pandas.DataFrame
        From :func:`~workbench.sweep.importance.importances`.
    metric : str
        The metric.

    Returns
    -------
    str
        One or two sentences.
    """
    if (found["share"] == 0).all():
        return f"No parameter changes {metric}: it is the same in every trial."
    clear, rest = found[found["low"] >= CLEAR], found[found["low"] < CLEAR]
    shares = [f"{in_words(name)} {share:.0%} ({low:.0%} to {high:.0%})" for name, share, low, high in clear.itertuples()]
    first = (
        f"The variance of {metric} is explained by {_joined(shares)}."
        if shares
        else f"No parameter alone clearly decides {metric}."
    )
    if rest.empty:
        return first
    return f"{first} What {_joined([in_words(name) for name in rest.index])} explain may be chance."


def of_trials(table: pd.DataFrame, metric: str) -> str:
    """Say what the best trial is, and what the defaults come to.

    Parameters
    ----------
    table : pandas.DataFrame
        From :func:`~workbench.sweep.table.read_table`.
    metric : str
        A column of numbers.

    Returns
    -------
    str
        One or two sentences.
    """
    trials = trial_means(table, metric)
    if trials.empty:
        return f"No trial has a value of {metric}."
    values = trials[metric]
    names, worth = varied(table), (values if QUALITY.get(metric, True) else -values).round(COMPARED_DECIMALS)
    best, gained = int(worth.argmax()), gains(table, metric)
    ties = int((worth == worth.max()).sum())
    who = "the best is" if ties == 1 else f"{ties} share the best, among them"
    first = f"{len(trials)} trials come to {metric} {values.min():.3f} to {values.max():.3f}; {who} "
    if len(gained) and gained.max() == 0:
        return f"{first}that of the defaults."
    return f"{first}{setting_names(trials[names])[best]}."


def gains(table: pd.DataFrame, metric: str) -> np.ndarray:
    """Measure how much better than the defaults every trial is.

    Parameters
    ----------
    table : pandas.DataFrame
        From :func:`~workbench.sweep.table.read_table`.
    metric : str
        A column of numbers.

    Returns
    -------
    (T,) float array
        A value per trial, in the unit of the metric and positive where the trial is better, rounded as metrics are compared;
        empty where no trial has the defaults.
    """
    trials, names = trial_means(table, metric), varied(table)
    same = (trials[names] == pd.Series({name: defaults()[name] for name in names})).all(axis=1)
    if trials.empty or not same.any():
        return np.zeros(0)
    worth = (trials[metric] if QUALITY.get(metric, True) else -trials[metric]).to_numpy(dtype=float)
    return np.round(worth - worth[same.to_numpy()][0], COMPARED_DECIMALS)


def of_defaults(table: pd.DataFrame, metric: str) -> str:
    """Say whether the defaults are right, as far as a search can tell.

    Parameters
    ----------
    table : pandas.DataFrame
        From :func:`~workbench.sweep.table.read_table`.
    metric : str
        A column of numbers.

    Returns
    -------
    str
        A sentence.
    """
    gained = gains(table, metric)
    if not len(gained):
        return "Whether the defaults are right cannot be told: they are not among the trials."
    where, others = "on this clip" if table["video"].nunique() == 1 else "on these clips", len(gained) - 1
    if not (gained > 0).any():
        equal = int((gained == 0).sum()) - 1  # without the defaults themselves
        return (
            f"Are the defaults right? Nothing that was tried {where} is better: of {count_of(others, 'other trial')} "
            f"{equal} {'is' if equal == 1 else 'are'} as good, {others - equal} worse."
        )
    better = int((gained > 0).sum())
    return (
        f"Are the defaults right? Not {where}: of {count_of(others, 'other trial')} {better} {'is' if better == 1 else 'are'} "
        f"better, by {'' if better == 1 else 'up to '}{gained.max():.3f}."
    )


def of_changes(found: pd.DataFrame, figure: str) -> str:
    """Say which parameters change a figure and the cost, one at a time, and which hardly do.

    Parameters
    ----------
    found : pandas.DataFrame
        From :func:`~workbench.sweep.effects.effects`.
    figure : str
        One of its figures.

    Returns
    -------
    str
        Two or three sentences. Seconds that differ from those of the defaults by less than
        :data:`~workbench.sweep.sentences_settings.SAME_TIME` count as equal.
    """
    groups = found.groupby("parameter", sort=False)[figure]
    names = [in_words(str(name)) for name in groups.groups]
    low, high = groups.min().to_numpy(dtype=float), groups.max().to_numpy(dtype=float)
    growth = high / np.maximum(low, 1e-9) - 1
    most = int(growth.argmax())
    hardly = [name for name, change in zip(names, growth, strict=True) if change <= SLIGHT]
    sentences = [f"{names[most].capitalize()} changes {in_words(figure)} most, from {low[most]:.0f} to {high[most]:.0f}."]
    if hardly:
        sentences.append(f"{_joined(hardly).capitalize()} change it by a tenth at most.")
    usual = float(found.loc[found["default"], "seconds"].iloc[0])
    costs = []
    for name, cells in found.groupby("parameter", sort=False):
        for value, seconds in zip(cells["value"], cells["seconds"].to_numpy(dtype=float), strict=True):
            if abs(seconds / usual - 1) >= SAME_TIME:
                costs.append(f"{in_words(str(name))} {value_name(value)} ({seconds / usual:.2g} times)")
    sentences.append(
        f"Each value ran once, so seconds that differ by less than {SAME_TIME:.0%} are noise. More apart from those of the "
        f"defaults: {_joined(costs) or 'none'}."
    )
    return " ".join(sentences)


def of_pair(run: Run, pair: Sequence[int] | None, settings: Sequence[Mapping[str, Any]]) -> str:
    """Say how many matches of a pair agree under several settings.

    Parameters
    ----------
    run : Run
        A registered run.
    pair : sequence of two int, or None
        Input positions a < b of the frames; None where no pair registers.
    settings : sequence of mapping
        Feature and match parameters with their values, as ``pairview.settings_figure`` takes them.

    Returns
    -------
    str
        A sentence, and one for each setting whose transform follows a thing that moves, and not the camera.
    """
    if pair is None:
        return "No pair of frames inside a scene registers."
    matcher, texts, notes = PairMatcher(run), [], []
    for values in settings:
        chosen = stage_parameters(dict(values))
        features, matching = chosen["features"], chosen["match"]
        assert isinstance(features, FeatureParameters) and isinstance(matching, MatchParameters)
        aligned = matcher.match(pair[0], pair[1], features, matching).aligned
        agree, named = aligned.inliers, ", ".join(f"{in_words(name)} {value_name(value)}" for name, value in values.items())
        texts.append(f"{named} ({int(agree.sum())} of {len(agree)})")
        if aligned.model != "none" and follows_a_thing(run, pair, aligned.transform):
            notes.append(
                f" With {named} the {int(agree.sum())} that agree lie on a thing that moves: the pair counts as registered, "
                "but the frames fit better as they are."
            )
    return f"Matches that agree on one transform: {_joined(texts)}.{''.join(notes)}"


def findings(table: pd.DataFrame, found: pd.DataFrame, changes: pd.DataFrame, metric: str) -> str:
    """Summarise the notebook: what was learnt, what is in doubt, and what to do next.

    Parameters
    ----------
    table : pandas.DataFrame
        From :func:`~workbench.sweep.table.read_table`.
    found : pandas.DataFrame
        From :func:`~workbench.sweep.importance.importances`, of that table.
    changes : pandas.DataFrame
        From :func:`~workbench.sweep.effects.effects`.
    metric : str
        The metric.

    Returns
    -------
    str
        Markdown.
    """
    wide = found[(found["high"] - found["low"]) > found["share"].clip(lower=CLEAR)]
    doubts = []
    if len(wide):
        doubts.append(
            f"How much is explained by {_joined([in_words(name) for name in wide.index])} depends on which trials are drawn."
        )
    if table["video"].nunique() == 1:
        doubts.append("The search saw one clip: another may need other values.")
    parts = {
        "Learnt": [
            of_importances(found, metric),
            of_trials(table, metric),
            of_defaults(table, metric),
            of_changes(changes, "inliers_per_pair"),
        ],
        "Doubtful": doubts or ["Nothing that these figures show."],
        "What to do next": ["Search on clips like your own before a default is changed; the last line says how."],
    }
    return "\n\n".join(f"**{title}**\n\n" + "\n".join(f"- {line}" for line in lines) for title, lines in parts.items())


def _joined(words: Sequence[str]) -> str:
    """Words with commas and, before the last, "and"."""
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]])) if words else ""
