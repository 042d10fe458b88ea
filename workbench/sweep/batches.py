"""What a sweep runs next: all cells at once, or those that a search chooses after the results so far."""

from collections.abc import Iterator
from dataclasses import replace
from math import isfinite
from pathlib import Path
from statistics import fmean
from typing import Any

from workbench.errors import UsageError
from workbench.sweep.cells import read_result
from workbench.sweep.plan import Cell, Sweep
from workbench.sweep.search import Trials
from workbench.sweep.table import DONE


def cell_batches(sweep: Sweep, folder: Path) -> Iterator[list[Cell]]:
    """Go through the cells of a sweep, batch by batch.

    A batch has to be finished before the next one is asked for. Nothing but the results in ``folder`` is remembered: the same
    results give the same batches, so that a sweep goes on after a kill as if nothing had happened.

    Parameters
    ----------
    sweep : Sweep
        The sweep.
    folder : Path
        Its folder, where results are read.

    Yields
    ------
    list of Cell
        Cells, each once, of which some may have a result already.

    Raises
    ------
    UsageError
        If finished cells do not have the metric of the search.
    """
    if sweep.search is None:
        yield sweep.cells
        return
    trials = Trials(sweep.search)
    while sets := trials.ask():
        cells = [sweep.maker.cells(values) for values in sets]
        yield list({cell.name: cell for trial in cells for cell in trial}.values())
        trials.tell([_value(sweep, trial, folder) for trial in cells])


def _value(sweep: Sweep, trial: list[Cell], folder: Path) -> float | None:
    """The mean of the metric over the videos of a trial; None if it is missing for one of them."""
    assert sweep.search
    results = [read_result(cell, folder) for cell in trial]
    if any(result is None or result["status"] != DONE for result in results):
        return None
    metric, values = sweep.search.metric, []
    for metrics in (result["metrics"] for result in results if result):
        if metric not in metrics:
            known = ", ".join(name for name, value in metrics.items() if _is_number(value))
            raise UsageError(f"{sweep.path}: the cells have no metric {metric}: give one of {known}")
        values.append(metrics[metric])
    return fmean(values) if all(map(_is_number, values)) else None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


def with_cells(sweep: Sweep, cells: list[Cell]) -> Sweep:
    """Give a search the cells that were tried, for its table.

    Parameters
    ----------
    sweep : Sweep
        The sweep.
    cells : list of Cell
        Its cells in the order in which they were chosen; some may be there twice.

    Returns
    -------
    Sweep
        The sweep with each of them once.
    """
    return replace(sweep, cells=list({cell.name: cell for cell in cells}.values()))
