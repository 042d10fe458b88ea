"""A sweep in MLflow: a run per cell, with its parameters, its metrics and its figures, below one parent run.

The client of MLflow is an extra, and is imported when a store is opened. What is in the store decides what is still to be
logged: an interrupted sweep goes on in the runs that it has begun.
"""

import logging
import os
import time
import uuid
from collections.abc import Iterable
from importlib.util import find_spec
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt

from workbench import __version__
from workbench.errors import RunError, UsageError
from workbench.run.stages import RunPaths
from workbench.storage.folder import digest, write_whole
from workbench.sweep.cell_figures import cell_figures
from workbench.sweep.cells import read_result, run_path
from workbench.sweep.plan import Cell, Sweep
from workbench.sweep.table import DONE

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run as LoggedRun

EXPERIMENT = "video-reconstruction-workbench"  # of all sweeps, unless MLFLOW_EXPERIMENT_NAME names another one
ID_NAME = "mlflow.id"  # file in the folder of a sweep, by which its parent run is found again, in any store
PARENT_TAG = "mlflow.parentRunId"  # MLflow's own tag: its pages show runs that have it below their parent
FINISHED, UNSUCCESSFUL, RUNNING = "FINISHED", "FAILED", "RUNNING"  # MLflow's states of a run
SQLITE_HEAD = b"SQLite format 3\0"  # bytes that a database begins with
PAGE = 1000  # runs that are asked for at once

# The client's settings, where the environment does not have them.
SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",  # nothing is sent to anyone but the store
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # two lines per cell
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",  # its own 7 take four minutes to find out that nobody answers
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",  # seconds
}


class SweepLog:
    """The runs of a sweep in a store of MLflow. From :func:`open_log`.

    Parameters
    ----------
    client : mlflow.MlflowClient
        Client of the store.
    uri : str
        The store, for messages.
    sweep : Sweep
        The sweep.
    folder : Path
        Its folder.
    """

    def __init__(self, client: "MlflowClient", uri: str, sweep: Sweep, folder: Path) -> None:
        self._client, self._uri, self._folder = client, uri, folder
        self._clips = {source.path: source.digests[0] for source in sweep.maker.sources}
        self._lost = ""  # why the store took nothing more
        self._experiment = self._find_experiment()
        self._parent = self._find_parent(sweep)
        self._runs = {run.data.tags["workbench.cell"]: run for run in self._search(f"tags.`{PARENT_TAG}` = '{self._parent}'")}

    def _find_experiment(self) -> str:
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", EXPERIMENT)
        found = self._client.get_experiment_by_name(name)
        return found.experiment_id if found else self._client.create_experiment(name)

    def _find_parent(self, sweep: Sweep) -> str:
        """The parent run of this folder and this version of the code, made if there is none; its id."""
        file = self._folder / ID_NAME
        if not file.is_file():
            write_whole(file, uuid.uuid4().hex + "\n")
        tags = {"workbench.sweep": file.read_text(encoding="utf-8").strip(), "workbench.code": digest(sweep.maker.code)}
        found = self._search(" and ".join(f"tags.`{name}` = '{value}'" for name, value in tags.items()))
        if found:
            self._client.update_run(found[0].info.run_id, status=RUNNING)
            return str(found[0].info.run_id)
        tags |= {"workbench.version": __version__, "mlflow.note.content": sweep.question}
        return str(self._client.create_run(self._experiment, tags=tags, run_name=sweep.path.stem).info.run_id)

    def _search(self, words: str) -> list["LoggedRun"]:
        found, token = list["LoggedRun"](), None
        while True:
            page = self._client.search_runs([self._experiment], words, max_results=PAGE, page_token=token)
            found += page
            token = page.token
            if not token:
                return found

    def add(self, cells: Iterable[Cell]) -> None:
        """Log cells that have a result, unless the store has it already.

        A run that an earlier attempt left, failed or half written, is completed. When the store is lost, nothing more is
        logged, and :meth:`close` says so: the sweep itself goes on.

        Parameters
        ----------
        cells : iterable of Cell
            The cells.
        """
        for cell in cells:
            run, result = self._runs.get(cell.name), read_result(cell, self._folder)
            if result and not self._lost and not (run and run.info.status == FINISHED):
                self._add(cell, result, run)

    def _add(self, cell: Cell, result: dict[str, Any], run: "LoggedRun | None") -> None:
        done, path = result["status"] == DONE, run_path(cell, self._folder)
        order = RunPaths(path).order_path
        # A cell of which only the result was kept has no figures.
        figures = cell_figures(path, cell.source) if done and order.is_file() else {}
        try:
            run_id = self._log_values(cell, result, run)
            for name, figure in figures.items():
                self._client.log_figure(run_id, figure, name, save_kwargs={"dpi": 100, "bbox_inches": "tight"})
            if figures:
                self._client.log_artifact(run_id, str(order))
            self._client.set_terminated(run_id, FINISHED if done else UNSUCCESSFUL)
            self._runs[cell.name] = self._client.get_run(run_id)
        except store_errors() as error:
            self._lost = _one_line(error)
        finally:
            for figure in figures.values():
                plt.close(figure)

    def _log_values(self, cell: Cell, result: dict[str, Any], run: "LoggedRun | None") -> str:
        """Write parameters, metrics and tags of a cell into its run, made if there is none; the id of the run."""
        from mlflow.entities import Metric, Param, RunTag

        metrics = {name: float(value) for name, value in result["metrics"].items() if isinstance(value, Real)}
        metrics["seconds"] = sum(value for name, value in metrics.items() if name.startswith("seconds_"))
        now = int(time.time() * 1000)
        if run is None:
            settings = ", ".join(f"{name.split('.')[1]} {value}" for name, value in cell.parameters.items())
            tags = {
                PARENT_TAG: self._parent,
                "workbench.cell": cell.name,
                "workbench.version": __version__,
                "workbench.clip_sha256": self._clips[cell.source],
                "workbench.run": str(run_path(cell, self._folder).resolve()),
            }
            begun = now - int(metrics["seconds"] * 1000)
            run = self._client.create_run(self._experiment, begun, tags, ", ".join(filter(None, [cell.video, settings])))
        if "workbench.error" in run.data.tags:
            self._client.delete_tag(run.info.run_id, "workbench.error")
        said = {"workbench.status": result["status"]} | ({"workbench.error": result["error"]} if result["error"] else {})
        self._client.log_batch(
            run.info.run_id,
            [Metric(name, value, now, 0) for name, value in metrics.items()],
            [Param(name, str(value)) for name, value in {"video": cell.video, "runner": cell.runner, **cell.given}.items()],
            [RunTag(name, value) for name, value in said.items()],
        )
        return str(run.info.run_id)

    def close(self, files: list[str]) -> None:
        """Log the files of the sweep with the parent run, and end it.

        Parameters
        ----------
        files : list of str
            Names in the folder of the sweep.

        Raises
        ------
        RunError
            If the store was lost on the way.
        """
        try:
            if not self._lost:
                for name in files:
                    self._client.log_artifact(self._parent, str(self._folder / name))
                self._client.set_terminated(self._parent)
        except store_errors() as error:
            self._lost = _one_line(error)
        if self._lost:
            raise RunError(
                f"the sweep is finished, but MLflow at {self._uri} was lost ({self._lost}): call the same command again, which "
                "logs what is missing and computes no finished cell again"
            )


def open_log(uri: str, sweep: Sweep, folder: Path) -> SweepLog:
    """Open a store of MLflow for a sweep, and begin or continue its parent run, named after the sweep's file.

    Parameters
    ----------
    uri : str
        The store, as MLflow names it: ``http://127.0.0.1:5000``, ``sqlite:///mlflow.db``.
    sweep : Sweep
        The sweep.
    folder : Path
        Its folder, which must be there.

    Returns
    -------
    SweepLog
        The open log.

    Raises
    ------
    UsageError
        If the client is not installed, or the store cannot be used.
    """
    if find_spec("mlflow") is None:
        raise UsageError(
            "--mlflow needs the client of MLflow, which is not installed: pip install 'video-reconstruction-workbench[mlflow]'"
        )
    _check_file(uri)
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    from mlflow import MlflowClient

    logging.getLogger("mlflow").setLevel(logging.WARNING)  # it tells of every table that it makes in a new database
    try:
        return SweepLog(MlflowClient(tracking_uri=uri), uri, sweep, folder)
    except store_errors() as error:
        reason = _one_line(error)
        raise UsageError(f"MLflow at {uri} cannot be used ({reason}): start its server, or correct --mlflow") from error


def _check_file(uri: str) -> None:
    """Refuse a file that is no database, which the client would try to open for two minutes."""
    if not uri.startswith("sqlite:///"):
        return
    path = Path(uri.removeprefix("sqlite:///").partition("?")[0])
    head = b""  # as of a file that is still to be made
    if path.is_file():
        with path.open("rb") as file:
            head = file.read(len(SQLITE_HEAD))
    if path.is_dir() or head not in (b"", SQLITE_HEAD):
        raise UsageError(f"{path} is no SQLite database: give another --mlflow")


def store_errors() -> tuple[type[Exception], ...]:
    """List what the client raises when a store fails.

    Returns
    -------
    tuple of type
        The types of errors; those of databases only where a database can be used.
    """
    from mlflow.exceptions import MlflowException

    if find_spec("sqlalchemy") is None:
        return MlflowException, OSError
    from sqlalchemy.exc import SQLAlchemyError

    return MlflowException, OSError, SQLAlchemyError


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
