"""One cell of a sweep: it is run, and its result kept; then all results become one table.

Below the sweep's folder: ``cells/NAME/`` is the run directory of a cell, with its executed notebooks, ``cells/NAME.json`` what
came of it, ``store/`` the results of stages that cells share, ``sweep.csv`` and ``sweep.parquet`` the table.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from socket import gethostname
from typing import Any

import pandas as pd
from distributed import KilledWorker
from filelock import FileLock

from workbench.errors import DISK_ERRNOS, ModelError, RunError
from workbench.evaluation.files import find_truth, read_truth
from workbench.notebooks.chain import execute_shared, run_notebooks
from workbench.pipeline.metrics import write_metrics
from workbench.pipeline.stages import reconstruct, run_stage
from workbench.pipeline.workers import as_finished, connected, killed_message, local_workers
from workbench.run import Run
from workbench.run.stages import RunPaths, stage_parameters
from workbench.storage.folder import write_whole
from workbench.sweep.plan import Cell, Sweep
from workbench.sweep.table import DONE, FAILED, NO_WEIGHTS


def run_cell(cell: Cell, folder: Path) -> dict[str, Any]:
    """Reconstruct a cell and write its result; returns it: status, error (one line, "" when done) and metrics, flat.

    A cell that is done is not run again. Whatever goes wrong in a cell is its result. Only what the disk refuses is raised, as
    OSError: then nothing more can be written, and what was computed is there for the next call. Not safe in threads: papermill
    changes the current folder.
    """
    (folder / "cells").mkdir(parents=True, exist_ok=True)
    # The worker of a sweep that was killed, or that was given up for lost, may still be at it.
    with FileLock(folder / "cells" / f"{cell.name}.lock"):
        found = read_result(cell, folder)
        if found and found["status"] == DONE:  # its worker may have died before anybody heard of it
            return found
        try:
            _reconstruct(cell, folder)
        except Exception as error:
            if isinstance(error, OSError) and error.errno in DISK_ERRNOS:
                raise
            return write_result(cell, folder, *_told(error))
        return write_result(cell, folder, DONE)


def _reconstruct(cell: Cell, folder: Path) -> None:
    (folder / "store").mkdir(exist_ok=True)
    run = Run.create(run_path(cell, folder), cell.source, store=folder / "store")
    chosen, truth = stage_parameters(cell.given), find_truth(cell.source)
    frames = run_stage(run, chosen["video"], progress=False)["info"]["frames"]
    if truth:
        read_truth(truth, frames)  # one that does not fit is refused before anything costly is done
    if cell.runner == "stages":
        reconstruct(run, chosen, truth, progress=False)
        return
    for _ in run_notebooks(run, chosen, truth, False, partial(execute_shared, folder / "store", chosen)):
        pass
    write_metrics(Run.open(run.path), truth)


def _told(error: Exception) -> tuple[str, str]:
    """Status and one line for what went wrong; of an error in a notebook papermill knows the kind by name."""
    kind = getattr(error.__cause__, "ename", type(error).__name__)
    text = " ".join(str(error).split())
    if not type(error).__module__.startswith("workbench"):  # not meant for people: its kind is worth knowing
        text = f"{kind}: {text}"
    return NO_WEIGHTS if kind == ModelError.__name__ else FAILED, text


def write_result(cell: Cell, folder: Path, status: str, error: str = "") -> dict[str, Any]:
    """Write what came of a cell, in one step, and return it. A cell that failed has what was found and spent until then."""
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
    """What came of a cell, None when it has not been run to its end."""
    file = _result_file(cell, folder)
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else None


def run_path(cell: Cell, folder: Path) -> Path:
    """The cell's run directory."""
    return folder / "cells" / cell.name


def _result_file(cell: Cell, folder: Path) -> Path:
    return folder / "cells" / f"{cell.name}.json"


def write_table(sweep: Sweep, folder: Path) -> pd.DataFrame:
    """Write ``sweep.csv`` and ``sweep.parquet``, a row a cell in the order of the sweep file, and return the table.

    Columns: video; the varied parameters, dotted, then the fixed ones, so that a row says how to have it again; status and
    error; seconds of all stages together; the metrics, among them the seconds of each stage (what it cost where it was
    computed, though cells share it); run and notebooks, folders below ``folder``, notebooks empty when there are none. What a
    cell does not have is empty. All cells must have a result.
    """
    rows = []
    for cell in sweep.cells:
        result = read_result(cell, folder)
        metrics = {name: " ".join(value) if isinstance(value, list) else value for name, value in result["metrics"].items()}
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
    names = dict.fromkeys(name for row in rows for name in row)
    last = ("run", "notebooks")
    names = [name for name in names if name not in last] + list(last)
    table = pd.DataFrame({name: _column([row.get(name) for row in rows]) for name in names})
    for name, write in (("sweep.csv", _csv), ("sweep.parquet", pd.DataFrame.to_parquet)):
        new = folder / f".{name}.partial"
        write(table, new)
        new.replace(folder / name)
    return table


def _csv(table: pd.DataFrame, path: Path) -> None:
    table.to_csv(path, index=False, lineterminator="\n")


def _column(values: Sequence[Any]) -> pd.Series:
    """A column of one type, whole numbers whole even where some cells have none."""
    kinds = {type(value) for value in values if value is not None}
    kind = "boolean" if kinds == {bool} else "Int64" if kinds == {int} else "Float64" if kinds <= {int, float} else "string"
    return pd.Series(values, dtype=kind if kinds else "string")


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
    with connected(scheduler) if scheduler else local_workers(len(cells)) as client:
        keys = {cell.name: f"{folder}/{cell.name}" for cell in cells}
        futures = {client.submit(_seen, work, cell, folder, key=keys[cell.name], pure=False): cell for cell in cells}
        for future, result in as_finished(client, futures, scheduler):
            cell = futures[future]
            if isinstance(result, KilledWorker):
                result = write_result(cell, folder, FAILED, killed_message(result))
            yield cell, result


def _seen(work: Callable[[Cell, Path], dict[str, Any]], cell: Cell, folder: Path) -> dict[str, Any]:
    if not folder.is_dir():
        raise RunError(f"{folder} is not there on {gethostname()}: every worker must see it under this path")
    return work(cell, folder)
