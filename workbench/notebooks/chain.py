"""The notebooks without a person: papermill runs them in order over one run directory, then the report is written."""

import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from workbench import errors
from workbench.errors import NotebookError
from workbench.parameters import Parameters
from workbench.pipeline.stages import run_stage
from workbench.run import Run
from workbench.run.stages import NOTEBOOKS
from workbench.run.store import Entry
from workbench.storage.folder import digest, file_sha256

CHAIN = tuple(dict.fromkeys(NOTEBOOKS.values()))  # in order, each once
BESIDE = ("06_compare", "07_tune_superglue")  # these read the tables of sweeps, and are no part of a run


def notebooks_folder() -> Path:
    """The folder with the notebooks: beside the package, or in the current folder.

    Raises :class:`NotebookError` when it is in neither: notebooks come with the repository, not with the package alone.
    """
    for folder in (Path(__file__).resolve().parents[2] / "notebooks", Path("notebooks").resolve()):
        if all((folder / f"{name}.ipynb").is_file() for name in CHAIN):
            return folder
    raise NotebookError("the notebooks are not here: call this in a clone of the repository, or use `workbench reconstruct`")


def notebook_files() -> list[Path]:
    """The notebooks of the chain, in order. Raises as :func:`notebooks_folder`."""
    return [notebooks_folder() / f"{name}.ipynb" for name in CHAIN]


def execute(notebook: Path, out: Path, values: dict[str, Any]) -> Path:
    """Execute a notebook with papermill, with ``values`` in place of its parameters; returns ``out``, the executed one.

    Raises as :func:`run_notebooks`.
    """
    import papermill
    from nbclient.exceptions import DeadKernelError

    known = set(papermill.inspect_notebook(str(notebook)))
    unknown = sorted(set(values) - known)
    if unknown:  # papermill itself would only warn
        raise NotebookError(f"{notebook.name} has no parameter {', '.join(unknown)}: add it to its parameters cell")
    out.unlink(missing_ok=True)  # what is there may be shared with other runs: papermill would write into the same file
    try:
        with _headless(), warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="papermill")
            papermill.execute_notebook(
                str(notebook),
                str(out),
                parameters=values,
                cwd=str(notebook.parent),
                progress_bar=False,
                kernel_name="python3",
                # Kernels warn on stderr that they talk over loopback unencrypted; that is no news here.
                extra_arguments=["--IPKernelApp.log_level=40"],
            )
    except papermill.PapermillExecutionError as error:
        # The workbench's own errors speak for themselves; of others the kind is worth knowing.
        message = error.evalue if hasattr(errors, error.ename) else f"{error.ename}: {error.evalue}"
        raise NotebookError(f"{' '.join(message.split())} (in notebook {notebook.stem}; as far as it came: {out})") from error
    except DeadKernelError as error:
        raise NotebookError(
            f"the kernel of notebook {notebook.stem} was killed, perhaps for want of memory: close other programs, or lower "
            f"video.proxy_size; finished stages are kept (as far as it came: {out})"
        ) from error
    return out


def run_notebooks(
    run: Run,
    parameters: dict[str, Parameters],
    truth: Path | None,
    overwrite: bool,
    execute: Callable[[Path, Path, dict[str, Any]], Path] = execute,
) -> Iterator[tuple[str, Path]]:
    """Run the notebooks in order with papermill; yields (name, executed notebook) as each is done.

    execute: what makes an executed notebook of a notebook, its place and its parameters.
    Executed notebooks go to ``notebooks/`` in the run directory; one that fails stays there half executed.
    Raises :class:`NotebookError` when a notebook fails, or lacks a parameter that it is to be given.
    """
    executed = run.notebooks_path.resolve()
    executed.mkdir(exist_ok=True)
    common = {"run_path": str(run.path.resolve()), "overwrite": overwrite, "interactive": False}
    for notebook in notebook_files():
        name, values = notebook.stem, dict(common)
        for stage, kind in parameters.items():
            if NOTEBOOKS[stage] == name:
                values |= kind.as_dict()
        if name == CHAIN[0]:
            values |= {"video": str(run.source)}
        if name == CHAIN[-1]:
            values |= {"truth": str(truth.resolve()) if truth else ""}
        yield name, execute(notebook, executed / notebook.name, values)


@contextmanager
def _headless() -> Iterator[None]:
    """The environment that tells kernels that nobody is there to use controls, and to keep their figures in the notebook."""
    wanted = {"WORKBENCH_HEADLESS": "1", "MPLBACKEND": "module://matplotlib_inline.backend_inline"}
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


# Paths: what they lead to counts, not where it lies.
PATHS = ("run_path", "video", "truth")


def execute_shared(store: Path, parameters: dict[str, Parameters], notebook: Path, out: Path, values: dict[str, Any]) -> Path:
    """Execute a notebook of the chain as :func:`workbench.notebooks.chain.execute`, or take it from ``store``; returns ``out``.

    A notebook that is taken names this run's path as if it had been executed here, and its stages are in this run too.
    parameters: those of all stages, of which ``values`` holds the notebook's own.
    """
    run = Run.open(values["run_path"])
    entry = Entry(store, notebook.stem, _key(run, notebook, values))
    with entry.lock():
        record = entry.record()
        if record is None:
            execute(notebook, out, values)
            entry.put(run.path, {"outputs": [f"{out.parent.name}/{out.name}"], "run_path": values["run_path"]})
            return out
    for stage, name in NOTEBOOKS.items():
        if name == notebook.stem:
            run_stage(run, parameters[stage])
    text = (entry.folder / record["outputs"][0]).read_text(encoding="utf-8")
    return run.write_text(f"{out.parent.name}/{out.name}", text.replace(record["run_path"], values["run_path"]))


def _key(run: Run, notebook: Path, values: dict[str, Any]) -> str:
    """Of the notebook, its parameters, and all that the notebooks before it have left."""
    before = CHAIN[: CHAIN.index(notebook.stem)]
    stages = [stage for stage, name in NOTEBOOKS.items() if name in before]
    found = {stage: run.identity(stage) for stage in stages}
    chosen = {name: value for name, value in values.items() if name not in PATHS}
    truth = file_sha256(Path(values["truth"])) if values.get("truth") else ""
    return digest([notebook.stem, file_sha256(notebook), chosen, truth, run.source_digest, found])
