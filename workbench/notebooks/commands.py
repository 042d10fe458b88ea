"""Shell commands that repeat work without clicking: a cell of a sweep, or one notebook of a run with the chosen parameters.

:func:`run_command` and :func:`papermill_commands` repeat a cell of a sweep, on a new run or on one that is there;
:func:`papermill_command` runs one notebook of a run.
"""

import shlex
from dataclasses import fields
from pathlib import Path
from typing import Any

import pandas as pd

from workbench.notebooks.chain import CHAIN, notebooks_folder
from workbench.parameters import Parameters
from workbench.run import Run
from workbench.run.kept import read_kept
from workbench.run.stages import NOTEBOOKS, STAGES, RunPaths, defaults, stage_of, stage_parameters


def source(cell: pd.Series, table: str | Path) -> str:
    """Find the video of a cell.

    Parameters
    ----------
    cell : pandas.Series
        A row of :func:`~workbench.sweep.table.read_table`.
    table : str or Path
        Where the table was read from: its file, or the folder of the sweep.

    Returns
    -------
    str
        Absolute path when the run of the cell lies beside the table; otherwise the path in the sweep file, relative to that.
    """
    if pd.isna(cell["run"]):  # measured without one
        return str(cell["video"])
    run = (Path(table) if Path(table).is_dir() else Path(table).parent) / cell["run"]
    return str(Run.open(run).source) if RunPaths(run).record_path.is_file() else cell["video"]


def run_command(cell: pd.Series, video: str, out: str) -> str:
    """Build the command that computes a video as a cell was computed, through all notebooks.

    Parameters
    ----------
    cell : pandas.Series
        A row of :func:`~workbench.sweep.table.read_table`.
    video : str
        Path of the video.
    out : str
        Run directory that the command makes.

    Returns
    -------
    str
        A ``workbench run`` command for a shell; parameters that have their default are left out.
    """
    chosen = [f"-p {shlex.quote(f'{name}={value}')}" for name, value in _chosen(cell).items()]
    return " ".join(["workbench run", shlex.quote(video), "--out", shlex.quote(out), *chosen])


def papermill_commands(cell: pd.Series, varied: list[str], video: str, run: str) -> list[str]:
    """Build the commands that compute an existing run again with the parameters of a cell.

    Parameters
    ----------
    cell : pandas.Series
        A row of :func:`~workbench.sweep.table.read_table`.
    varied : list of str
        Dotted names of the parameters that the sweep varies.
    video : str
        Path of the video, relative to ``notebooks/``.
    run : str
        Run directory of the video, relative to ``notebooks/``; it has the stages of the notebooks before the first command.

    Returns
    -------
    list of str
        One ``papermill`` command per notebook, for a shell in ``notebooks/``. They start at the first notebook with a varied
        parameter, or with one that is not its default, and go on to the last, since all later ones use its results.
    """
    chosen = _chosen(cell)
    first = min((CHAIN.index(_notebook(name)) for name in (*varied, *chosen)), default=0)
    lines = []
    for notebook in CHAIN[first:]:
        values: dict[str, Any] = {"run_path": run, "overwrite": True, "interactive": False}
        if notebook == CHAIN[0]:
            values["video"] = video
        values |= {name.split(".")[1]: value for name, value in chosen.items() if _notebook(name) == notebook}
        # The executed notebook goes directly into the run, which may have no folder for notebooks.
        words = ["papermill", f"{notebook}.ipynb", f"{run}/{notebook}.ipynb"]
        for name, value in values.items():
            words += ["-p", name, str(value)]
        lines.append(shlex.join(words))
    return lines


def papermill_command(run: Run, *chosen: Parameters) -> str:
    """Build the command that runs one notebook of a run with the given parameters.

    Parameters
    ----------
    run : Run
        The run; the executed notebook is written into its directory.
    *chosen : Parameters
        Parameters of one or more stages, all computed by the same notebook. Its other stages get the values kept in the run.

    Returns
    -------
    str
        A ``papermill`` command for a shell.

    Raises
    ------
    NotebookError
        If the notebooks are not found.
    """
    (name,) = {NOTEBOOKS[stage_of(parameters).name] for parameters in chosen}
    values: dict[str, Any] = {"run_path": str(run.path.resolve())}
    # A parameter without a line in the parameters cell has its default there, and papermill warns of names without a line.
    kinds = [stage.parameters for stage in STAGES.values() if stage.notebook == name]
    lineless = {item.name: item.default for kind in kinds for item in fields(kind) if not item.metadata["in_cell"]}
    kept = [parameters for stage, parameters in stage_parameters(read_kept(run)).items() if NOTEBOOKS[stage] == name]
    for parameters in (*kept, *chosen):
        values |= parameters.as_dict()
    values["interactive"] = False
    words = ["papermill", str(notebooks_folder() / f"{name}.ipynb"), str(run.path.resolve() / f"{name}.ipynb")]
    for key, value in values.items():
        if key not in lineless or value != lineless[key]:
            words += ["-p", key, str(value)]
    return shlex.join(words)


def _chosen(cell: pd.Series) -> dict[str, Any]:
    """The cell's parameters that are not the default, as plain values, in the order of the stages."""
    default = defaults()
    values = {name: type(default[name])(cell[name]) for name in default if name in cell and not pd.isna(cell[name])}
    return {name: value for name, value in values.items() if value != default[name]}


def _notebook(name: str) -> str:
    return NOTEBOOKS[name.split(".")[0]]
