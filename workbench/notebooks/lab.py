"""JupyterLab on the notebooks: those of the repository, over the run of the sample, or copies of them beside any run.

A copy has no outputs and differs from its notebook in one or two lines of the parameters cell: the run and its video or, where
a notebook reads the table of a sweep, the path of the table. Existing copies stay as they are, with all changes made in them.
"""

import ast
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

import nbformat

from workbench.errors import MissingStageError, RunError, StaleStageError
from workbench.notebooks.chain import CHAIN, SWEEP_NOTEBOOKS, notebooks_folder
from workbench.parameters import UmapParameters
from workbench.run import Run
from workbench.run.kept import keep_recorded, read_kept
from workbench.run.stages import STAGES, stage_parameters
from workbench.storage.folder import write_whole

SAMPLE_RUN = Path("runs") / "sample"  # run of the sample, in the repository or below the current folder
COPIES_FOLDER = "lab"  # folder of a run that holds its copies of the notebooks


def open_sample(options: Sequence[str], say: Callable[[str], None], progress: bool) -> None:
    """Run JupyterLab on the notebooks of the repository, over the run of the sample, which is completed first.

    In a repository that cannot be written, the run is made below the current folder, and JupyterLab works on copies in it.

    Parameters
    ----------
    options : sequence of str
        Command-line options for JupyterLab.
    say : callable
        Called with one line, str, about each step.
    progress : bool
        Whether progress bars are shown while the sample is reconstructed.

    Raises
    ------
    NotebookError
        If the notebooks are not found.
    RunError
        As :func:`make_sample` raises it.
    """
    folder = notebooks_folder()
    video = folder.parent / "data" / "sample.mp4"
    sample = folder.parent / SAMPLE_RUN
    nearest = next(place for place in (sample, *sample.parents) if place.exists())
    if os.access(folder, os.W_OK) and os.access(nearest, os.W_OK):
        make_sample(sample, video, say, progress)
        start(folder.parent, folder.name, options, say)
    else:
        say(
            f"{folder.parent} cannot be written: the run of the sample and copies of the notebooks go to {SAMPLE_RUN.resolve()}"
        )
        make_sample(SAMPLE_RUN, video, say, progress)
        open_run(SAMPLE_RUN, options, say)


def open_run(path: Path, options: Sequence[str], say: Callable[[str], None]) -> None:
    """Run JupyterLab on copies of the notebooks in a run.

    Parameters
    ----------
    path : Path
        Run directory.
    options : sequence of str
        Command-line options for JupyterLab.
    say : callable
        Called with one line, str, about each step.

    Raises
    ------
    MissingStageError
        If there is no run at ``path``.
    RunError
        As :func:`copy_notebooks` raises it.
    """
    run = Run.open(path)
    copied, there = copy_notebooks(run)
    if copied:
        say(f"copied to {run.path / COPIES_FOLDER}: {', '.join(copied)}")
    if there:
        say(f"left as they were in {run.path / COPIES_FOLDER}: {', '.join(there)} (delete one to have it copied again)")
    _keep_recorded(run, say)
    _make_map(run, say)
    start(run.path.resolve(), COPIES_FOLDER, options, say)


def make_sample(path: Path, video: Path, say: Callable[[str], None], progress: bool) -> Run:
    """Open the run of the sample, and compute the stages that are missing.

    Parameters
    ----------
    path : Path
        The run directory.
    video : Path
        The sample.
    say : callable
        Called with one line, str, about each step.
    progress : bool
        Whether progress bars are shown.

    Returns
    -------
    Run
        The run, computed with the default parameters or with those kept in it.

    Raises
    ------
    RunError
        If something else is in its place, or that cannot be written. The stages raise their own errors.
    """
    try:
        run = Run.create(path, video)
    except RunError as error:
        reason = str(error).rpartition(": ")[0]
        if isinstance(error.__cause__, OSError):
            raise RunError(f"{reason}: change into a folder that can be written, and call `workbench lab` there") from error
        raise RunError(f"{reason}: move it away, the run of {video} belongs there") from error
    _keep_recorded(run, say)
    if not _is_unfinished(run):
        return run
    say(f"reconstructing the sample in {path}: this takes about a minute, and is done once")
    # Imported here: torch takes seconds to import, and a finished sample does not need it.
    from workbench.evaluation.files import find_truth
    from workbench.pipeline import stages

    parameters = stage_parameters(read_kept(run))
    stages.reconstruct(run, parameters, find_truth(video, ""), progress=progress)
    stages.run_stage(run, cast(UmapParameters, parameters["umap"]))
    return run


def _is_unfinished(run: Run) -> bool:
    """Whether stages are missing. A run with outdated stages is left alone: somebody is working on it in the notebooks."""
    found = set()
    for stage in STAGES:
        try:
            run.require(stage)
        except (MissingStageError, StaleStageError) as error:
            found.add(type(error))
    return found == {MissingStageError}


def _keep_recorded(run: Run, say: Callable[[str], None]) -> None:
    """Keep the parameters that stages were made with, where they are not the defaults; notebooks would refuse those stages."""
    made = keep_recorded(run)
    if made:
        values = ", ".join(f"{name}={value}" for name, value in made.items())
        say(f"kept in {run.kept_path}, since stages were made with it: {values}")


def _make_map(run: Run, say: Callable[[str], None]) -> None:
    """Make the map, which `workbench reconstruct` leaves out, so that notebook 03 can be the first that is opened."""
    if run.is_recorded("embed") and not run.is_recorded("umap"):
        say("computing the map of the frames (UMAP), for notebooks 02 and 03")
        from workbench.pipeline import stages

        stages.run_stage(run, cast(UmapParameters, stage_parameters(read_kept(run))["umap"]))


def copy_notebooks(run: Run) -> tuple[list[str], list[str]]:
    """Copy the notebooks into ``lab/`` of a run, without outputs and with the parameters of the run.

    Parameters
    ----------
    run : Run
        The run.

    Returns
    -------
    copied : list of str
        Names of the notebooks copied now.
    there : list of str
        Names of those that were there already and stay as they are.

    Raises
    ------
    RunError
        If the folder cannot be written, or the video of the run is gone.
    NotebookError
        If the notebooks are not found.
    """
    folder, source = run.path / COPIES_FOLDER, notebooks_folder()
    copied, there = [], []
    try:
        folder.mkdir(exist_ok=True)
        for name in (*CHAIN, *SWEEP_NOTEBOOKS):
            path = folder / f"{name}.ipynb"
            if path.exists():
                there.append(name)
                continue
            write_whole(path, nbformat.writes(_for_run(nbformat.read(source / path.name, as_version=4), run)) + "\n")
            copied.append(name)
    except OSError as error:
        raise RunError(f"{folder} cannot be written ({error.strerror}): copy the run to where it can be") from error
    return copied, there


def _for_run(notebook: nbformat.NotebookNode, run: Run) -> nbformat.NotebookNode:
    """Remove the outputs of a notebook and set its parameters to those of the run, in place."""
    # The run is the folder above the copy, so it may be moved. The browser, too, finds the files that a notebook shows, such as
    # a video: it can open nothing outside the folder that is served.
    lines = {
        "run_path": 'run_path = ".."  # run directory; relative to this notebook',
        "video": f"video = {run.inputs!r}  # the video of this run",
    }
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        cell.outputs, cell.execution_count = [], None
        if "parameters" in cell.metadata.get("tags", []):
            source = (lines.get(line.partition(" = ")[0], line) for line in cell.source.splitlines())
            cell.source = "\n".join(_with_absolute_path(line) if line.startswith("table = ") else line for line in source)
    return notebook


def _with_absolute_path(line: str) -> str:
    """A line of a parameters cell with the absolute path in place of one relative to the notebooks of the repository."""
    name, _, value = line.partition(" = ")
    path = (notebooks_folder() / ast.literal_eval(value)).resolve()
    return f"{name} = {str(path)!r}  # {value.partition('  # ')[2]}"


def start(root: Path, folder: str, options: Sequence[str], say: Callable[[str], None]) -> None:
    """Run JupyterLab on the loopback interface, with a token and the first notebook open, until it is ended.

    JupyterLab prints its own address, since only it knows its port and token, and otherwise only warnings.

    Parameters
    ----------
    root : Path
        Folder that JupyterLab serves.
    folder : str
        Where the notebooks are in it.
    options : sequence of str
        Command-line options for JupyterLab; they replace those of the workbench.
    say : callable
        Called with one line, str, before JupyterLab starts.
    """
    from jupyterlab.labapp import LabApp

    defaults = {
        "ServerApp.root_dir": root,
        "LabApp.default_url": f"/lab/tree/{folder}/{CHAIN[0]}.ipynb",
        "ServerApp.ip": "127.0.0.1",
        "ServerApp.log_level": "WARN",
        "LabApp.log_level": "WARN",
    }
    # Jupyter refuses an option that is given twice, also by its short name.
    given = {option.partition("=")[0].lstrip("-").replace("-", "_").rpartition(".")[2] for option in options}
    kept = [f"--{name}={value}" for name, value in defaults.items() if name.rpartition(".")[2] not in given]
    say("starting JupyterLab: its address follows; press Ctrl-C twice to end it")
    LabApp.launch_instance([*kept, *options])
