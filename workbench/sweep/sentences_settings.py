"""What the figures of notebook 06 say of the settings of a sweep, as sentences computed from what they show."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from workbench.reports.findings import Findings, count_of, listed, percent
from workbench.sweep.effects import is_crossed, main_effect
from workbench.sweep.importance import in_words
from workbench.sweep.table import COMPARED_DECIMALS, QUALITY, not_done, pareto_front, setting_names, value_name, verdict

SAME_TIME = 0.2  # share of the seconds within which two settings count as equally fast: a busy machine makes as much of it


def of_parameters(table: pd.DataFrame, parameters: Sequence[str], metric: str) -> str:
    """Say what each parameter changes in the mean, the one that changes most first.

    Parameters
    ----------
    table : pandas.DataFrame
        From :func:`~workbench.sweep.effects.without_unused`.
    parameters : sequence of str
        Dotted names of parameters.
    metric : str
        One of :func:`~workbench.sweep.table.metrics`.

    Returns
    -------
    str
        A sentence per parameter.

    Raises
    ------
    UsageError
        If the table does not have the metric.
    """
    found = []
    for name in parameters:
        effect = main_effect(table, name, metric)
        means = effect["mean"].astype(float)
        if len(means) > 1:
            found.append((float(np.ptp(means)), name, means, effect["std"].astype(float).median()))
    sentences = []
    for reach, name, means, spread in sorted(found, key=lambda item: -item[0]):
        if round(reach, COMPARED_DECIMALS) == 0:
            sentences.append(f"{in_words(name).capitalize()} does not change {metric}.")
            continue
        places = int(means.to_numpy().argmin()), int(means.to_numpy().argmax())
        worst, best = places if QUALITY[metric] else places[::-1]
        text = (
            f"By {in_words(name)}, the mean of {metric} is best with {value_name(means.index[best])} ({means.iloc[best]:.3f}) "
            f"and worst with {value_name(means.index[worst])} ({means.iloc[worst]:.3f})"
        )
        sentences.append(
            f"{text}, less apart than the cells of one value are from each other." if reach < spread else f"{text}."
        )
    return " ".join(sentences) or "No parameter has more than one value."


def of_two_parameters(means: pd.DataFrame, metric: str) -> str:
    """Say whether the best value of one parameter depends on the other.

    Parameters
    ----------
    means : pandas.DataFrame
        From :func:`~workbench.sweep.effects.pivot`: one row and one column at least with a value.
    metric : str
        Its metric.

    Returns
    -------
    str
        One or two sentences.
    """
    values = means.astype(float).dropna(how="all").round(COMPARED_DECIMALS) * (1 if QUALITY[metric] else -1)
    down, across = (in_words(str(index.name)) for index in (means.index, means.columns))
    if np.nanmax(values.to_numpy()) == np.nanmin(values.to_numpy()):
        return f"The mean of {metric} is the same everywhere."
    rows = values[values.nunique(axis=1) > 1]
    if len(rows) < 2:
        return f"Whether the best {across} depends on {down} cannot be seen: fewer than two rows differ."
    best = rows.idxmax(axis=1)
    every = [column for column in rows if (rows[column] == rows.max(axis=1)).all()]
    if every:
        return f"{across.capitalize()} {value_name(every[0])} is best in every row: it does not depend on {down}."
    named = listed([f"{value_name(column)} with {value_name(row)}" for row, column in best.items()])
    return f"The best {across} depends on {down}: {named}."


def of_front(best: pd.DataFrame, metric: str) -> str:
    """Say what accuracy costs.

    Parameters
    ----------
    best : pandas.DataFrame
        From :func:`~workbench.sweep.table.best_settings`.
    metric : str
        The metric they are ranked by.

    Returns
    -------
    str
        One to three sentences. Of settings on the front whose seconds differ by a fifth at most, only the best counts.
    """
    front = pareto_front(best, metric)[::-1]
    if front.empty:
        return "No setting is done in all its cells, so there is no front."
    names, seconds, values = setting_names(front), front["seconds"].tolist(), front["mean"].tolist()
    kept = [0]
    for place in range(1, len(front)):
        if seconds[place] < (1 - SAME_TIME) * seconds[kept[-1]]:
            kept.append(place)
    found = [f"The best, {names[0]}, comes to {values[0]:.3f} in {seconds[0]:.1f} s."]
    if len(kept) == 1:
        found.append(f"No other is more than {SAME_TIME:.0%} faster and on the front.")
    found += [
        f"In {percent(seconds[place] / seconds[0])} of that time, {names[place]} comes to {values[place]:.3f}."
        for place in kept[1:]
    ]
    chance = len(front) - len(kept)
    if chance:
        found.append(
            f"Of the front, {chance} {'is' if chance == 1 else 'are'} faster than a better one by less than {SAME_TIME:.0%}: "
            "so much may be the machine's doing, and says nothing."
        )
    return " ".join(found)


def of_spread(best: pd.DataFrame, metric: str) -> str:
    """Say whether the best setting is better than the next by more than chance.

    Parameters
    ----------
    best : pandas.DataFrame
        From :func:`~workbench.sweep.table.best_settings`.
    metric : str
        The metric they are ranked by.

    Returns
    -------
    str
        One or two sentences.
    """
    shown = best[best["count"] > 0].reset_index(drop=True)
    if len(shown) < 2:
        return "There is one setting only: nothing to compare."
    names, means = setting_names(shown), shown["mean"].astype(float)
    if (shown["count"] < 2).all():
        others = means[means.round(COMPARED_DECIMALS) != round(means[0], COMPARED_DECIMALS)]
        lead = f", {abs(means[0] - others.iloc[0]):.3f} ahead of the next value," if len(others) else ""
        return f"Every setting has one cell. Whether {names[0]}{lead} would lead on another clip cannot be seen here."
    spread = float(shown["std"].fillna(0)[0])
    near = int((abs(means[1:] - means[0]) <= spread).sum())
    return (
        f"{names[0]} has a mean {metric} of {means[0]:.3f} and a standard deviation of {spread:.3f} over "
        f"{count_of(int(shown['count'][0]), 'cell')}; {near} of the other {len(shown) - 1} means lie within that."
    )


def setting_findings(
    table: pd.DataFrame, parameters: Sequence[str], best: pd.DataFrame, metric: str, methods: Sequence[str]
) -> Findings:
    """Sum up which settings are best, and what each parameter does.

    Parameters
    ----------
    table : pandas.DataFrame
        From :func:`~workbench.sweep.effects.without_unused`.
    parameters : sequence of str
        Dotted names of the parameters that vary.
    best : pandas.DataFrame
        From :func:`~workbench.sweep.table.best_settings`.
    metric : str
        The metric.
    methods : sequence of str
        What was learnt of networks and matchers, a sentence each.

    Returns
    -------
    Findings
        The findings of notebook 06.
    """
    doubtful, following = [], ["Repeat the best setting by the commands above, and compare it with a run by the defaults."]
    short, videos = len(not_done(table)), int(table["video"].nunique())
    if short:
        doubtful.append(f"{count_of(short, 'cell')} of {len(table)} came to no result, and counted nowhere.")
        following.append("Run the sweep again: only what has no result is computed.")
    if not is_crossed(table):
        doubtful.append("Not every combination was tried, so what one parameter does is mixed with what the others do.")
    if videos == 1:
        doubtful.append("The sweep saw one video: the best setting here need not be the best on another.")
        following.append("Give the sweep more videos, of the kind that you want to restore.")
    learnt = [verdict(best, metric), of_parameters(table, parameters, metric), *methods]
    return Findings(learnt, doubtful, following)
