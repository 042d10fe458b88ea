"""Running the cells of a sweep and writing its table.

In the folder of a sweep, ``cells/NAME/`` is the run directory of a cell with its executed notebooks, ``cells/NAME.json`` its
result, ``store/`` the results of stages that cells share, and ``sweep.csv`` and ``sweep.parquet`` the table.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from socket import gethostname
from typing import Any, cast

import pandas as pd
from distributed import KilledWorker
from filelock import FileLock

from workbench.errors import DISK_ERRNOS, ModelError, RunError
from workbench.evaluation.files import find_truth, read_truth
from workbench.notebooks.chain import execute_shared, run_notebooks
from workbench.parameters import VideoParameters
from workbench.pipeline.metrics import write_metrics
from workbench.pipeline.stages import reconstruct, run_stage
from workbench.pipeline.workers import as_finished, connected, killed_message, local_workers
from workbench.run import Run
from workbench.run.stages import RunPaths, stage_parameters
from workbench.storage.folder import write_whole
from workbench.sweep.plan import Cell, Sweep
from workbench.sweep.table import DONE, FAILED, NO_WEIGHTS


def run_cell(cell: Cell, folder: Path) -> dict[str, Any]:
    """Reconstruct a cell and write its result; a cell that is done is not run again.

    An error in a cell is its result, not raised. Not safe in threads: papermill changes the current folder.

    Parameters
    ----------
    cell : Cell
        The cell.
    folder : Path
        Folder of the sweep.

    Returns
    -------
    dict of str to object
        ``status``, one of those of :mod:`workbench.sweep.table`; ``error``, one line, empty when done; ``metrics``, a flat
        dictionary.

    Raises
    ------
    OSError
        If the disk refuses to write, as when it is full. Finished stages are there for the next call.
    """
    (folder / "cells").mkdir(parents=True, exist_ok=True)
    # The worker of a sweep that was killed or given up may still be running the cell.
    with FileLock(folder / "cells" / f"{cell.name}.lock"):
        found = read_result(cell, folder)
        if found and found["status"] == DONE:  # its worker may have died before it could report
            return found
        try:
            _reconstruct(cell, folder)
        except Exception as error:
            if isinstance(error, OSError) and error.errno in DISK_ERRNOS:
                raise
            return write_result(cell, folder, *_describe_error(error))
        return write_result(cell, folder, DONE)


def _reconstruct(cell: Cell, folder: Path) -> None:
    (folder / "store").mkdir(exist_ok=True)
    run = Run.create(run_path(cell, folder), cell.source, store=folder / "store")
    chosen, truth = stage_parameters(cell.given), find_truth(cell.source)
    frames = run_stage(run, cast(VideoParameters, chosen["video"]), progress=False)["info"]["frames"]
    if truth:
        read_truth(truth, frames)  # a truth that does not fit is refused before the costly stages
    if cell.runner == "stages":
        reconstruct(run, chosen, truth, progress=False)
        return
    for _ in run_notebooks(run, chosen, truth, False, partial(execute_shared, folder / "store", chosen)):
        pass
    write_metrics(Run.open(run.path), truth)


def _describe_error(error: Exception) -> tuple[str, str]:
    """Status and one line for an error; of an error in a notebook, papermill knows the name of the type."""
    kind = getattr(error.__cause__, "ename", type(error).__name__)
    text = " ".join(str(error).split())
    if not type(error).__module__.startswith("workbench"):  # a fault, whose type is worth knowing
        text = f"{kind}: {text}"
    return NO_WEIGHTS if kind == ModelError.__name__ else FAILED, text


def write_result(cell: Cell, folder: Path, status: str, error: str = "") -> dict[str, Any]:
    """Write the result of a cell, in one step. A cell that failed has the metrics and seconds up to the failure.

    Parameters
    ----------
    cell : Cell
        The cell.
    folder : Path
        Folder of the sweep.
    status : str
        One of those of :mod:`workbench.sweep.table`.
    error : str
        One line that says what to do; empty for a cell that is done.

    Returns
    -------
    dict of str to object
        As :func:`run_cell` returns it.
    """
    paths, metrics = RunPaths(run_path(cell, folder)), {}
    if paths.metrics_path.is_file():
        metrics = json.loads(paths.metrics_path.read_text(encoding="utf-8"))
    elif paths.record_path.is_file():
        metrics = {f"seconds_{stage}": seconds for stage, seconds in Run.open(paths.path).seconds().items()}
    result = {"status": status, "error": error, "metrics": metrics}
    out = _result_file(cell, folder)
    out.parent.mkdir(parents=True, exist_ok=True)
    write_whole(out, json.dumps(result, indent=1) + "\n")
    return result


def read_result(cell: Cell, folder: Path) -> dict[str, Any] | None:
    """Read the result of a cell.

    Parameters
    ----------
    cell : Cell
        The cell.
    folder : Path
        Folder of the sweep.

    Returns
    -------
    dict of str to object or None
        As :func:`run_cell` returns it; None when the cell has not been run to its end.
    """
    file = _result_file(cell, folder)
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else None


def run_path(cell: Cell, folder: Path) -> Path:
    """Name the run directory of a cell.

    Parameters
    ----------
    cell : Cell
        The cell.
    folder : Path
        Folder of the sweep.

    Returns
    -------
    Path
        The directory, which need not exist.
    """
    return folder / "cells" / cell.name


def _result_file(cell: Cell, folder: Path) -> Path:
    return folder / "cells" / f"{cell.name}.json"


def write_table(sweep: Sweep, folder: Path) -> pd.DataFrame:
    """Write the table of a sweep as ``sweep.csv`` and ``sweep.parquet``.

    Parameters
    ----------
    sweep : Sweep
        The sweep; all its cells must have a result.
    folder : Path
        Its folder.

    Returns
    -------
    pandas.DataFrame
        One row per cell, in the order of the sweep file. Columns: video; the varied parameters, dotted, then the fixed ones,
        so that a row says how to repeat it; status and error; seconds of all stages together; the metrics, among them the
        seconds of each stage, those of its computation even where cells share it; run and notebooks, folders below ``folder``,
        notebooks empty when there are none. Values that a cell does not have are empty.

    Raises
    ------
    RunError
        If a cell has no result.
    """
    rows = []
    for cell in sweep.cells:
        result = read_result(cell, folder)
        if result is None:
            raise RunError(f"{_result_file(cell, folder)} is missing: run the sweep to its end first")
        metrics: dict[str, Any] = {
            name: " ".join(value) if isinstance(value, list) else value for name, value in result["metrics"].items()
        }
        seconds = sum(value for name, value in metrics.items() if name.startswith("seconds_"))
        paths = RunPaths(run_path(cell, folder))
        run = paths.path.relative_to(folder)
        notebooks = paths.notebooks_path.relative_to(folder) if paths.notebooks_path.is_dir() else None
        rows.append(
            {"video": cell.video, **cell.parameters, **cell.given, "status": result["status"], "error": result["error"]}
            | {"seconds": round(seconds, 3) if metrics else None}
            | metrics
            | {"run": run.as_posix(), "notebooks": notebooks and notebooks.as_posix()}
        )
    last = ("run", "notebooks")
    names = [name for name in dict.fromkeys(name for row in rows for name in row) if name not in last] + list(last)
    table = pd.DataFrame({name: _column([row.get(name) for row in rows]) for name in names})
    for name, write in (("sweep.csv", _csv), ("sweep.parquet", pd.DataFrame.to_parquet)):
        new = folder / f".{name}.partial"
        write(table, new)
        new.replace(folder / name)
    return table


def _csv(table: pd.DataFrame, path: Path) -> None:
    table.to_csv(path, index=False, lineterminator="\n")


def _column(values: Sequence[Any]) -> pd.Series:
    """A column of one nullable type, so that whole numbers stay whole where some cells have none."""
    kinds = {type(value) for value in values if value is not None}
    kind = "boolean" if kinds == {bool} else "Int64" if kinds == {int} else "Float64" if kinds <= {int, float} else "string"
    return pd.Series(values, dtype=kind if kinds else "string")


def run_cells(
    batches: Iterable[list[Cell]],
    folder: Path,
    scheduler: str = "",
    work: Callable[[Cell, Path], dict[str, Any]] = run_cell,
) -> Iterator[tuple[Cell, dict[str, Any]]]:
    """Run cells on the workers of Dask, batch by batch.

    A cell whose worker dies is run again by another; a cell that kills several workers has failed. Cells that are done are left
    out.

    Parameters
    ----------
    batches : iterable of list of Cell
        The cells; their workers write their results below ``folder``. A batch is asked for when the one before is finished.
    folder : Path
        Folder of the sweep.
    scheduler : str
        Address of a Dask scheduler whose workers see the same files under the same paths; empty to start a cluster on this
        machine, with one process per core.
    work : callable
        What a worker does with a cell, with the signature of :func:`run_cell`.

    Yields
    ------
    cell : Cell
        A cell, as soon as it is finished, in no particular order within its batch.
    result : dict of str to object
        As :func:`run_cell` returns it.

    Raises
    ------
    UsageError
        If the scheduler does not answer, or its workers cannot be used.
    RunError
        If the scheduler is lost on the way. Finished cells are kept.
    OSError
        If the disk is full. Finished cells are kept.
    """
    folder, client = folder.resolve(), None
    with ExitStack() as stack:
        for cells in batches:
            to_do = [cell for cell in cells if not is_done(cell, folder)]
            if not to_do:
                continue
            if client is None:
                client = stack.enter_context(connected(scheduler) if scheduler else local_workers(len(cells)))
            futures = {
                client.submit(_with_folder, work, cell, folder, key=f"{folder}/{cell.name}", pure=False): cell for cell in to_do
            }
            for future, result in as_finished(client, futures, scheduler):
                cell = futures[future]
                if isinstance(result, KilledWorker):
                    result = write_result(cell, folder, FAILED, killed_message(result))
                yield cell, result


def is_done(cell: Cell, folder: Path) -> bool:
    """Check whether a cell has a result that needs not be computed again.

    Parameters
    ----------
    cell : Cell
        The cell.
    folder : Path
        Folder of the sweep.

    Returns
    -------
    bool
        False also for a cell that failed.
    """
    return (read_result(cell, folder) or {}).get("status") == DONE


def _with_folder(work: Callable[[Cell, Path], dict[str, Any]], cell: Cell, folder: Path) -> dict[str, Any]:
    """Do the work where the worker can see the folder."""
    if not folder.is_dir():
        raise RunError(f"{folder} is not there on {gethostname()}: every worker must see it under this path")
    return work(cell, folder)
