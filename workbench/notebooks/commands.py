"""The commands that repeat one cell of a sweep, on a video or on a run that is there."""

import shlex
from pathlib import Path
from typing import Any

import pandas as pd

from workbench.notebooks.chain import CHAIN, notebooks_folder
from workbench.parameters import Parameters
from workbench.run import Run
from workbench.run.kept import read_kept
from workbench.run.stages import NOTEBOOKS, RunPaths, defaults, stage_of, stage_parameters


def source(cell: pd.Series, table: str | Path) -> str:
    """The video of a cell: its absolute path when the run is beside the table, else as in the sweep file, relative to that."""
    run = (Path(table) if Path(table).is_dir() else Path(table).parent) / cell["run"]
    return str(Run.open(run).source) if RunPaths(run).record_path.is_file() else cell["video"]


def run_command(cell: pd.Series, video: str, out: str) -> str:
    """The command that does on ``video`` what the cell did, through all notebooks, into the run directory ``out``; for a shell.

    cell: a row of :func:`workbench.sweep.table.read_table`. What is the default is left out.
    """
    chosen = [f"-p {shlex.quote(f'{name}={value}')}" for name, value in _chosen(cell).items()]
    return " ".join(["workbench run", shlex.quote(video), "--out", shlex.quote(out), *chosen])


def papermill_commands(cell: pd.Series, varied: list[str], video: str, run: str) -> list[str]:
    """The commands, for a shell in ``notebooks/``, that give a run the cell's parameters: a line a notebook.

    varied: the sweep's parameters; from the first notebook that has one of them, or one that is not the default, to the last,
    for all after it works on its results. run: a run directory of ``video`` that has the stages before. Both are relative to
    ``notebooks/``.
    """
    chosen = _chosen(cell)
    first = min((CHAIN.index(_notebook(name)) for name in (*varied, *chosen)), default=0)
    lines = []
    for notebook in CHAIN[first:]:
        values: dict[str, Any] = {"run_path": run, "overwrite": True, "interactive": False}
        if notebook == CHAIN[0]:
            values["video"] = video
        values |= {name.split(".")[1]: value for name, value in chosen.items() if _notebook(name) == notebook}
        words = ["papermill", f"{notebook}.ipynb", f"{run}/{notebook}.ipynb"]  # a run need not have a folder for notebooks
        for name, value in values.items():
            words += ["-p", name, str(value)]
        lines.append(shlex.join(words))
    return lines


def _chosen(cell: pd.Series) -> dict[str, Any]:
    """The cell's parameters that are not the default, as plain values, in the order of the stages."""
    known = defaults()
    values = {name: type(known[name])(cell[name]) for name in known if name in cell and not pd.isna(cell[name])}
    return {name: value for name, value in values.items() if value != known[name]}


def _notebook(name: str) -> str:
    return NOTEBOOKS[name.split(".")[0]]


def papermill_command(run: Run, *chosen: Parameters) -> str:
    """The command that runs the notebook of these parameters' stages on ``run`` with just these values, for a shell.

    All parameters must belong to one notebook; its other stages have what is kept. The executed notebook is written into the
    run directory.
    """
    (name,) = {NOTEBOOKS[stage_of(parameters).name] for parameters in chosen}
    values = {"run_path": str(run.path.resolve())}
    kept = [parameters for stage, parameters in stage_parameters(read_kept(run)).items() if NOTEBOOKS[stage] == name]
    for parameters in (*kept, *chosen):
        values |= parameters.as_dict()
    values["interactive"] = False
    words = ["papermill", str(notebooks_folder() / f"{name}.ipynb"), str(run.path.resolve() / f"{name}.ipynb")]
    for key, value in values.items():
        words += ["-p", key, str(value)]
    return shlex.join(words)
