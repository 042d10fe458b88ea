"""The effect of each parameter alone: cells of a sweep that differ from the defaults in one parameter, against the defaults."""

from collections.abc import Sequence

import pandas as pd

from workbench.errors import UsageError
from workbench.parameters import defaults
from workbench.sweep.table import DONE, varied

COST_COLUMNS = ("seconds_features", "seconds_match")  # seconds of the stages that these parameters make slower or faster
TIE_TOLERANCE = 0.01  # figures so little below the best still count as equally good
MIN_SAVED_COST = 0.1  # share of the default's cost that an equally good value must save to be preferred to the default


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


def preferred(found: pd.DataFrame, figures: Sequence[str]) -> pd.DataFrame:
    """Choose a value for each parameter: the cheapest of those that are as good as the best.

    The default stays unless it is worse than the best, or another value that is as good saves a tenth of the cost.

    Parameters
    ----------
    found : pandas.DataFrame
        From :func:`effects`.
    figures : sequence of str
        Figures of it, 0 to 1, whose mean measures how good a value is.

    Returns
    -------
    pandas.DataFrame
        One row per parameter: default and preferred, values; the change of each figure; cost, seconds as a share of those of
        the default.
    """
    rows, changes = {}, [f"{figure}_change" for figure in figures]
    for name, cells in found.groupby("parameter", sort=False):
        # Changes and shares, not means: a value may have fewer videos than the default.
        gain, cost = cells[changes].mean(axis=1), cells["seconds"] / (cells["seconds"] - cells["seconds_change"])
        as_good = gain >= gain.max() - TIE_TOLERANCE
        default, best = cells.index[cells["default"]][0], cost[as_good].idxmin()
        if as_good[default] and cost[best] > 1 - MIN_SAVED_COST:
            best = default
        values = {"default": cells["value"][default], "preferred": cells["value"][best]}
        rows[name] = values | cells.loc[best, changes].to_dict() | {"cost": cost[best]}
    return pd.DataFrame.from_dict(rows, orient="index")
