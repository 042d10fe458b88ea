"""JupyterLab on the notebooks: those of the repository over the sample's run, or copies of them beside a run.

A copy differs from its notebook in a line or two of the parameters cell (the run and its video; of a notebook that compares
runs, where its table lies) and has no outputs. Copies that are
there already stay as they are: what a person changed in them is theirs.
"""

import ast
from collections.abc import Callable, Sequence
from pathlib import Path

import nbformat

from workbench.errors import MissingStageError, RunError, StaleStageError
from workbench.notebooks.chain import BESIDE, CHAIN, notebooks_folder
from workbench.run import Run
from workbench.run.kept import keep_recorded, read_kept
from workbench.run.stages import STAGES, stage_parameters
from workbench.storage.folder import write_whole

COPIES = "lab"  # the folder of a run that holds its notebooks


def open_sample(options: Sequence[str], say: Callable[[str], None], progress: bool) -> None:
    """Run JupyterLab on the notebooks of the repository, over the sample's run; that is made first when it is not whole.

    options: more of JupyterLab's own. say: is given a line about everything that is done.
    """
    folder = notebooks_folder()
    make_sample(folder.parent, say, progress)
    start(folder.parent, folder.name, options, say)


def open_run(path: Path, options: Sequence[str], say: Callable[[str], None]) -> None:
    """Run JupyterLab on copies of the notebooks in the run at ``path``. Raises :class:`MissingStageError` when it is no run."""
    run = Run.open(path)
    copied, there = copy_notebooks(run)
    if copied:
        say(f"copied to {run.path / COPIES}: {', '.join(copied)}")
    if there:
        say(f"left as they were in {run.path / COPIES}: {', '.join(there)} (delete one to have it anew)")
    _keep_recorded(run, say)
    _make_map(run, say)
    start(run.path.resolve(), COPIES, options, say)


def make_sample(folder: Path, say: Callable[[str], None], progress: bool) -> Run:
    """The sample's run in the repository ``folder``; what is missing of it is made by the defaults, or by what is kept in it.

    Raises :class:`RunError` when something else stands in its place, and as the stages do.
    """
    path, video = folder / "runs" / "sample", folder / "data" / "sample.mp4"
    try:
        run = Run.create(path, video)
    except RunError as error:
        reason = str(error).rpartition(": ")[0]
        raise RunError(f"{reason}: move it away, the run of {video} belongs there") from error
    _keep_recorded(run, say)
    if not _is_unfinished(run):
        return run
    say(f"reconstructing the sample in {path}: this takes about a minute, and is done once")
    # Not above: torch takes seconds to import, and a finished sample needs none of it.
    from workbench.evaluation.files import find_truth
    from workbench.pipeline import stages

    parameters = stage_parameters(read_kept(run))
    stages.reconstruct(run, parameters, find_truth(video, ""), progress=progress)
    stages.run_stage(run, parameters["umap"])
    return run


def _is_unfinished(run: Run) -> bool:
    """Whether stages are missing. Not when one is out of date: somebody is at work on the run, and notebooks say how on."""
    found = set()
    for stage in STAGES:
        try:
            run.require(stage)
        except (MissingStageError, StaleStageError) as error:
            found.add(type(error))
    return found == {MissingStageError}


def _keep_recorded(run: Run, say: Callable[[str], None]) -> None:
    """What stages were made with, where it is no default, holds for the notebooks too: they would refuse such stages else."""
    made = keep_recorded(run)
    if made:
        told = ", ".join(f"{name}={value}" for name, value in made.items())
        say(f"kept in {run.kept_path}, since stages were made with it: {told}")


def _make_map(run: Run, say: Callable[[str], None]) -> None:
    """`workbench reconstruct` makes no map: without it notebook 03 could not be the first that is opened."""
    if run.is_recorded("embed") and not run.is_recorded("umap"):
        say("laying the frames on a map (UMAP), for notebooks 02 and 03")
        from workbench.pipeline import stages

        stages.run_stage(run, stage_parameters(read_kept(run))["umap"])


def copy_notebooks(run: Run) -> tuple[list[str], list[str]]:
    """The notebooks for a run, in its folder ``lab/``: names of those copied now, and of those that were there already.

    Raises :class:`RunError` when the folder cannot be written, or the video of the run is gone.
    """
    folder, source = run.path / COPIES, notebooks_folder()
    copied, there = [], []
    try:
        folder.mkdir(exist_ok=True)
        for name in (*CHAIN, *BESIDE):
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
    """``notebook``, changed in place: without outputs, its parameters those of the run."""
    # The run is the folder above the copy. So it may be moved; and what a notebook shows of it, say a video, is found by the
    # browser too, which knows no folder outside the one that is served.
    lines = {
        "run_path": 'run_path = ".."  # run directory; relative to this notebook',
        "video": f"video = {str(run.source)!r}  # the video of this run",
    }
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        cell.outputs, cell.execution_count = [], None
        if "parameters" in cell.metadata.get("tags", []):
            source = (lines.get(line.partition(" = ")[0], line) for line in cell.source.splitlines())
            cell.source = "\n".join(_in_place(line) if line.startswith("table = ") else line for line in source)
    return notebook


def _in_place(line: str) -> str:
    """The line of a parameters cell that names a file relative to the notebooks of the repository, with its whole path."""
    name, _, value = line.partition(" = ")
    path = (notebooks_folder() / ast.literal_eval(value)).resolve()
    return f"{name} = {str(path)!r}  # {value.partition('  # ')[2]}"


def start(root: Path, folder: str, options: Sequence[str], say: Callable[[str], None]) -> None:
    """Run JupyterLab until it is ended: on loopback, with a token, the first notebook open.

    root: what it shows. folder: where the notebooks are in it. options: JupyterLab's own; each takes the place of one of ours.
    Only JupyterLab knows its port and token: it says its address itself, and beside it only warnings.
    """
    from jupyterlab.labapp import LabApp

    ours = {
        "ServerApp.root_dir": root,
        "LabApp.default_url": f"/lab/tree/{folder}/{CHAIN[0]}.ipynb",
        "ServerApp.ip": "127.0.0.1",
        "ServerApp.log_level": "WARN",
        "LabApp.log_level": "WARN",
    }
    # Jupyter refuses an option that is given twice, by its short name too.
    given = {option.partition("=")[0].lstrip("-").replace("-", "_").rpartition(".")[2] for option in options}
    kept = [f"--{name}={value}" for name, value in ours.items() if name.rpartition(".")[2] not in given]
    say("starting JupyterLab: its address follows; press Ctrl-C twice to end it")
    LabApp.launch_instance([*kept, *options])
