"""What each parameter does alone: the cells of a sweep that differ from the defaults in one parameter, beside the defaults."""

from collections.abc import Sequence

import pandas as pd

from workbench.errors import UsageError
from workbench.run.stages import defaults
from workbench.sweep.table import DONE, varied

COST = ("seconds_features", "seconds_match")  # the stages that these parameters make dear or cheap
AS_GOOD = 0.01  # how much below the best a figure may lie and still be as good
WORTHWHILE = 0.1  # share of the cost that another value has to save, to be preferred to the default


def effects(table: pd.DataFrame, figures: Sequence[str]) -> pd.DataFrame:
    """A row a parameter and value, parameters in the order of the table, values ascending; the default is one of the values.

    table: of :func:`workbench.sweep.table.read_table`. figures: columns of it. Columns: parameter (dotted), value, default
    (bool), videos (count); every figure, and ``seconds`` of features and matches, means over the videos; and ``NAME_change``
    of each, how much more than with the default. Only videos count that have both cells; cells in which two parameters are off
    their defaults are not looked at. Raises :class:`~workbench.errors.UsageError` when a figure is not in the table, nothing
    varies, or no cell has the defaults.
    """
    missing = [name for name in (*figures, *COST) if name not in table]
    if missing:
        raise UsageError(f"the table has no {', '.join(missing)}: give one of videos with a truth, with cells that are done")
    names, done = varied(table), table[table["status"] == DONE]
    off = pd.DataFrame({name: done[name] != defaults()[name] for name in names}, index=done.index)
    if not names or off.any(axis=1).all():
        raise UsageError("no cell that is done has the defaults, beside others: vary a parameter, and add {} to the list")
    measured = done[list(figures)].assign(seconds=done[list(COST)].sum(axis=1)).astype("Float64").astype(float)
    base = measured[~off.any(axis=1)].groupby(done["video"]).mean()
    rows = []
    for name in names:
        alone = ~off.drop(columns=name).any(axis=1)
        for value, cells in measured[alone].groupby(done[name]):
            here, there = cells.groupby(done["video"]).mean().align(base, join="inner", axis=0)
            if len(here):
                told = {"parameter": name, "value": value, "default": value == defaults()[name], "videos": len(here)}
                rows.append(told | here.mean().to_dict() | (here - there).mean().add_suffix("_change").to_dict())
    return pd.DataFrame(rows)


def preferred(found: pd.DataFrame, figures: Sequence[str]) -> pd.DataFrame:
    """Which value of each parameter is to be preferred: the cheapest of those that are as good as the best.

    found: of :func:`effects`. figures: columns of it, 0 to 1, whose mean says how good a value is. The default stays unless
    another value is better, or saves a tenth of the cost. A row a parameter: default, preferred; the change of each figure;
    cost, seconds as a share of the default's.
    """
    rows, changes = {}, [f"{figure}_change" for figure in figures]
    for name, cells in found.groupby("parameter", sort=False):
        # Changes and shares, not means: a value may have fewer videos than the default.
        gain, cost = cells[changes].mean(axis=1), cells["seconds"] / (cells["seconds"] - cells["seconds_change"])
        as_good = gain >= gain.max() - AS_GOOD
        default, best = cells.index[cells["default"]][0], cost[as_good].idxmin()
        if as_good[default] and cost[best] > 1 - WORTHWHILE:
            best = default
        told = {"default": cells["value"][default], "preferred": cells["value"][best]}
        rows[name] = told | cells.loc[best, changes].to_dict() | {"cost": cost[best]}
    return pd.DataFrame.from_dict(rows, orient="index")
