"""Work side by side on Dask: the cells of a sweep, or the blocks of one long clip; here, or on the workers of a scheduler."""

from collections.abc import Callable, Iterator
from pathlib import Path
from socket import gethostname
from typing import Any

from distributed import KilledWorker

from workbench.cells import run_cell, write_result
from workbench.errors import RunError
from workbench.pipeline.workers import _client, _cluster, _finished, _killed
from workbench.sweep import Cell
from workbench.sweep_table import FAILED


def run_cells(
    cells: list[Cell], folder: Path, scheduler: str = "", work: Callable[[Cell, Path], dict[str, Any]] = run_cell
) -> Iterator[tuple[Cell, dict[str, Any]]]:
    """Run cells, each written below ``folder`` by its worker; yields (cell, result) as each is done, in no order.

    scheduler: address of a Dask scheduler whose workers see the same files under the same paths; "" starts a cluster on this
    machine, a process a core. A cell whose worker died is run again; one whose workers die again and again has failed. work:
    what a worker does with a cell.
    Raises :class:`~workbench.errors.UsageError` when the scheduler does not answer or its workers cannot be used,
    :class:`~workbench.errors.RunError` when it is lost on the way, and OSError for a full disk. Finished cells always stay.
    """
    folder = folder.resolve()
    with _client(scheduler) if scheduler else _cluster(len(cells)) as client:
        keys = {cell.name: f"{folder}/{cell.name}" for cell in cells}
        futures = {client.submit(_seen, work, cell, folder, key=keys[cell.name], pure=False): cell for cell in cells}
        for future, result in _finished(client, futures, scheduler):
            cell = futures[future]
            if isinstance(result, KilledWorker):
                result = write_result(cell, folder, FAILED, _killed(result))
            yield cell, result


def _seen(work: Callable[[Cell, Path], dict[str, Any]], cell: Cell, folder: Path) -> dict[str, Any]:
    if not folder.is_dir():
        raise RunError(f"{folder} is not there on {gethostname()}: every worker must see it under this path")
    return work(cell, folder)
