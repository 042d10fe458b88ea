"""What the parameters of a sweep do: over a whole grid, one or two at a time, or each alone against the defaults.

:func:`main_effect` and :func:`pivot` average over everything else that varies. :func:`effects` reads a sweep that changes one
parameter at a time: cells that differ from the defaults in one parameter, against the cell of the defaults.
"""

from collections.abc import Sequence

import pandas as pd

from workbench.errors import UsageError
from workbench.run.stages import ONLY_WITH, defaults
from workbench.sweep.table import DONE, SPREAD, done_cells, varied

COST_COLUMNS = ("seconds_features", "seconds_match")  # seconds of the stages that these parameters make slower or faster


def without_unused(table: pd.DataFrame) -> pd.DataFrame:
    """Blank the parameters that did not affect a cell, such as eps where HDBSCAN found the scenes.

    Figures of eps then use the cells of DBSCAN alone, and cells that differ in nothing else belong to one setting.

    Parameters
    ----------
    table : pandas.DataFrame
        From :func:`~workbench.sweep.table.read_table`.

    Returns
    -------
    pandas.DataFrame
        A copy with ``<NA>`` for these parameters.
    """
    table = table.copy()
    for name, (chooser, choices) in ONLY_WITH.items():
        if name in table:
            chosen = table.get(chooser, pd.Series(defaults()[chooser], index=table.index))
            table[name] = table[name].where(chosen.isin(choices))
    return table


def main_effect(table: pd.DataFrame, parameter: str, metric: str) -> pd.DataFrame:
    """Summarise a metric over the cells that are done, by the value of one parameter.

    The other parameters, the videos and the seeds vary freely, so this is the effect of the parameter alone only if every value
    was combined with the same of these; see :func:`is_crossed`.

    Parameters
    ----------
    table : pandas.DataFrame
        From :func:`~workbench.sweep.table.read_table`.
    parameter : str
        Dotted name of the parameter.
    metric : str
        One of :func:`~workbench.sweep.table.metrics`.

    Returns
    -------
    pandas.DataFrame
        Index: the values of the parameter, sorted ascending. Columns: mean, std (``<NA>`` for a single cell), min, max, count.

    Raises
    ------
    UsageError
        If the table does not have the metric.
    """
    return done_cells(table, metric).groupby(parameter)[metric].agg(SPREAD)


def is_crossed(table: pd.DataFrame) -> bool:
    """Check whether a table has every combination of its varied parameters and videos, as a grid has.

    Parameters
    ----------
    table : pandas.DataFrame
        From :func:`~workbench.sweep.table.read_table`.

    Returns
    -------
    bool
        True for a grid, whether its cells are done or not.
    """
    names = ["video", *varied(table)]
    return len(table[names].drop_duplicates()) == table[names].nunique().prod()


def axes(table: pd.DataFrame, rows: str = "", columns: str = "") -> tuple[str, str]:
    """Choose the two parameters of a heat map.

    Parameters
    ----------
    table : pandas.DataFrame
        From :func:`~workbench.sweep.table.read_table`.
    rows, columns : str
        Dotted names of varied parameters or ``video``; empty for the first one that is free, ``video`` being the last.

    Returns
    -------
    rows, columns : str
        The parameter down and the parameter across.

    Raises
    ------
    UsageError
        If a name does not vary or is given twice, or if nothing varies.
    """
    choices = [*varied(table), "video"]
    for name in filter(None, (rows, columns)):
        if name not in choices:
            raise UsageError(f"{name} does not vary in this table: choose one of {', '.join(choices)}")
    if len(choices) == 1:
        raise UsageError("no parameter varies in this table: compare settings with a sweep of two values at least")
    rows = rows or next(name for name in choices if name != columns)
    columns = columns or next(name for name in choices if name != rows)
    if rows == columns:
        raise UsageError(f"{rows} is given twice: choose another of {', '.join(choices)}")
    return rows, columns


def pivot(table: pd.DataFrame, rows: str, columns: str, metric: str) -> pd.DataFrame:
    """Average a metric over the cells that are done, for every pair of values of two parameters.

    Parameters
    ----------
    table : pandas.DataFrame
        From :func:`~workbench.sweep.table.read_table`.
    rows, columns : str
        From :func:`axes`.
    metric : str
        One of :func:`~workbench.sweep.table.metrics`.

    Returns
    -------
    pandas.DataFrame
        Means, with the values of both parameters sorted ascending. A value without a cell that is done keeps its row or column;
        a pair without one is ``<NA>``.

    Raises
    ------
    UsageError
        If the table does not have the metric.
    """
    values = [table[name].dropna().drop_duplicates().sort_values() for name in (rows, columns)]
    means = done_cells(table, metric).pivot_table(metric, rows, columns, "mean")
    return means.reindex(index=pd.Index(values[0], name=rows), columns=pd.Index(values[1], name=columns))


def effects(table: pd.DataFrame, figures: Sequence[str]) -> pd.DataFrame:
    """Measure what each value of each parameter changes, with all other parameters at their defaults.

    A value counts on the videos that have both its cell and the cell of the defaults. Cells in which two parameters differ from
    their defaults are ignored.

    Parameters
    ----------
    table : pandas.DataFrame
        From :func:`~workbench.sweep.table.read_table`.
    figures : sequence of str
        Columns of numbers in the table.

    Returns
    -------
    pandas.DataFrame
        One row per parameter and value, the default among them; parameters in the order of the table, values sorted ascending.
        Columns: parameter, dotted name; value; default, bool; videos, their number; every figure, and ``seconds`` of features
        and matches, as means over the videos; and for each of these ``NAME_change``, the difference to the default.

    Raises
    ------
    UsageError
        If a figure is not in the table, nothing varies, or no cell has the defaults.
    """
    missing = [name for name in (*figures, *COST_COLUMNS) if name not in table]
    if missing:
        raise UsageError(
            f"the table has no {', '.join(missing)}: give a table of videos with a truth, with cells that are done"
        )
    names, done = varied(table), table[table["status"] == DONE]
    off = pd.DataFrame({name: done[name] != defaults()[name] for name in names}, index=done.index)
    if not names or off.any(axis=1).all():
        raise UsageError("no cell that is done has the defaults, beside other cells: vary a parameter, and add {} to the list")
    measured = done[list(figures)].assign(seconds=done[list(COST_COLUMNS)].sum(axis=1)).astype("Float64").astype(float)
    base = measured[~off.any(axis=1)].groupby(done["video"]).mean()
    rows = []
    for name in names:
        alone = ~off.drop(columns=name).any(axis=1)
        for value, cells in measured[alone].groupby(done[name]):
            here, there = cells.groupby(done["video"]).mean().align(base, join="inner", axis=0)
            if len(here):
                row = {"parameter": name, "value": value, "default": value == defaults()[name], "videos": len(here)}
                rows.append(row | here.mean().to_dict() | (here - there).mean().add_suffix("_change").to_dict())
    return pd.DataFrame(rows)
