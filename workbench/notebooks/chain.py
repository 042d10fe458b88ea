"""The numbered notebooks without a person: papermill executes them in order over one run directory.

The chain is the notebooks that compute the stages of a run, each from the results of those before it. :func:`run_notebooks`
executes the whole chain, :func:`execute` one notebook. :func:`execute_shared` does the same in the cells of a sweep, where an
executed notebook that would come out the same in two runs is executed once and copied from a store.
"""

import os
import warnings
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import fields
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from workbench import errors
from workbench.errors import NotebookError
from workbench.parameters import Parameters
from workbench.pipeline.stages import run_stage
from workbench.run import Run
from workbench.run.stages import NOTEBOOKS, STAGES
from workbench.run.store import Entry
from workbench.storage.folder import digest, file_sha256

if TYPE_CHECKING:
    import nbformat

CHAIN = tuple(dict.fromkeys(NOTEBOOKS.values()))  # names of the notebooks that compute the stages, in their order
SWEEP_NOTEBOOKS = ("06_compare", "07_tune_superglue")  # read the table of a sweep and compute no stage of a run
# Parameters that are paths. In the key of a shared notebook their content counts, not where it lies.
PATH_PARAMETERS = ("run_path", "video", "truth")


def notebooks_folder() -> Path:
    """Find the folder with the notebooks, beside the package or in the current folder.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    NotebookError
        If it is in neither place: the notebooks come with the repository, not with the package.
    """
    for folder in (Path(__file__).resolve().parents[2] / "notebooks", Path("notebooks").resolve()):
        if all((folder / f"{name}.ipynb").is_file() for name in CHAIN):
            return folder
    raise NotebookError("the notebooks are not here: call this in a clone of the repository, or use `workbench reconstruct`")


def notebook_files() -> list[Path]:
    """List the notebooks of the chain.

    Returns
    -------
    list of Path
        The files, in order.

    Raises
    ------
    NotebookError
        As :func:`notebooks_folder` raises it.
    """
    return [notebooks_folder() / f"{name}.ipynb" for name in CHAIN]


def execute(notebook: Path, out: Path, values: dict[str, Any]) -> Path:
    """Execute a notebook with papermill.

    Parameters
    ----------
    notebook : Path
        The notebook.
    out : Path
        Where the executed notebook is written; a file that is there is replaced.
    values : dict of str to object
        Values of its parameters; parameters that are not named keep those of the parameters cell.

    Returns
    -------
    Path
        ``out``.

    Raises
    ------
    NotebookError
        If the notebook has no such parameter, raises an error, or its kernel is killed. Then ``out`` is executed as far as
        possible.
    """
    import papermill
    from nbclient.exceptions import DeadKernelError

    book = _with_lines_for(notebook, values)
    declared = set(papermill.inspect_notebook(book))
    unknown = sorted(set(values) - declared)
    if unknown:  # papermill itself would only warn
        raise NotebookError(f"{notebook.name} has no parameter {', '.join(unknown)}: add it to its parameters cell")
    out.unlink(missing_ok=True)  # it may be a hard link shared with other runs, and papermill would write into it
    try:
        with _headless(), warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="papermill")
            papermill.execute_notebook(
                book,
                str(out),
                parameters=values,
                cwd=str(notebook.parent),
                progress_bar=False,
                kernel_name="python3",
                # Kernels warn on stderr that their loopback connection is not encrypted, which is expected here.
                extra_arguments=["--IPKernelApp.log_level=40"],
            )
    except papermill.PapermillExecutionError as error:
        # The message of a workbench error is enough; other errors need their type as well.
        message = error.evalue if hasattr(errors, error.ename) else f"{error.ename}: {error.evalue}"
        raise NotebookError(f"{' '.join(message.split())} (in notebook {notebook.stem}; as far as it came: {out})") from error
    except DeadKernelError as error:
        raise NotebookError(
            f"the kernel of notebook {notebook.stem} was killed, perhaps for want of memory: close other programs, or lower "
            f"video.proxy_size; finished stages are kept (as far as it came: {out})"
        ) from error
    return out


def _with_lines_for(notebook: Path, values: Collection[str]) -> "nbformat.NotebookNode":
    """Read a notebook, and give its parameters cell a line for each of the values that is left out there to keep it short.

    papermill knows the parameters of the cell alone, and the executed notebook says then what it was executed with.
    """
    import nbformat

    book = nbformat.read(notebook, as_version=4)
    kinds = [STAGES[stage].parameters for stage, name in NOTEBOOKS.items() if name == notebook.stem]
    left_out = [item for kind in kinds for item in fields(kind) if item.name in values and not item.metadata["in_cell"]]
    for cell in book.cells:
        if "parameters" in cell.metadata.get("tags", []):
            lines = [f"{item.name} = {item.default!r}  # {item.metadata['about']}" for item in left_out]
            cell.source = "\n".join([cell.source, *lines])
    return book


def run_notebooks(
    run: Run,
    parameters: dict[str, Parameters],
    truth: Path | None,
    overwrite: bool,
    execute: Callable[[Path, Path, dict[str, Any]], Path] = execute,
) -> Iterator[tuple[str, Path]]:
    """Execute the notebooks of the chain in order, into ``notebooks/`` of the run directory.

    Parameters
    ----------
    run : Run
        The run that the notebooks work on.
    parameters : dict of str to Parameters
        Parameters of every stage, by its name.
    truth : Path or None
        Truth file that the last notebook measures the result against.
    overwrite : bool
        Whether results made with other parameters are replaced.
    execute : callable
        Executes one notebook, with the signature of :func:`execute`.

    Yields
    ------
    name : str
        Name of a notebook, as soon as it is executed.
    executed : Path
        The executed notebook. One that fails stays there, executed as far as possible.

    Raises
    ------
    NotebookError
        If a notebook fails, or has no parameter that it should be given.
    """
    run.notebooks_path.mkdir(exist_ok=True)
    with _written_in_utf8() as path_of:
        path = path_of(run.path)
        executed = Path(path) / run.notebooks_path.name
        common = {"run_path": path, "overwrite": overwrite, "interactive": False}
        for notebook in notebook_files():
            name, values = notebook.stem, dict(common)
            for stage, kind in parameters.items():
                if NOTEBOOKS[stage] == name:
                    values |= kind.as_dict()
            if name == CHAIN[0]:
                inputs = run.inputs
                one = path_of(Path(inputs)) if isinstance(inputs, str) else [path_of(Path(file)) for file in inputs]
                values |= {"video": one}
            if name == CHAIN[-1]:
                values |= {"truth": path_of(truth) if truth else ""}
            execute(notebook, executed / notebook.name, values)
            yield name, run.notebooks_path / notebook.name


@contextmanager
def _written_in_utf8() -> Iterator[Callable[[Path], str]]:
    """Give what makes a path absolute, in letters that can be written as UTF-8, as all that stands in a notebook must be.

    What has a name in other bytes gets a link in a temporary folder, which is deleted at the end.
    """
    with ExitStack() as stack:

        def path_of(path: Path) -> str:
            absolute = path.resolve()
            if _in_utf8(str(absolute)) == str(absolute):
                return str(absolute)
            link = Path(stack.enter_context(TemporaryDirectory(prefix="workbench-"))) / _in_utf8(absolute.name)
            link.symlink_to(absolute)
            return str(link)

        yield path_of


def _in_utf8(name: str) -> str:
    """The name with a question mark for every byte that is not UTF-8."""
    return name.encode(errors="replace").decode()


@contextmanager
def _headless() -> Iterator[None]:
    """Set the environment so that kernels show no controls and keep their figures in the notebook."""
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


def execute_shared(store: Path, parameters: dict[str, Parameters], notebook: Path, out: Path, values: dict[str, Any]) -> Path:
    """Execute a notebook of the chain as :func:`execute` does, or copy the result of an equal execution from a store.

    A copied notebook contains the path of this run, as if it had been executed here, and its stages are in this run too.

    Parameters
    ----------
    store : Path
        Folder of the results that the cells of a sweep share.
    parameters : dict of str to Parameters
        Parameters of all stages, by name.
    notebook : Path
        The notebook, one of the chain.
    out : Path
        Where the executed notebook is written, in a folder of the run directory.
    values : dict of str to object
        Values of its parameters, those of its stages among them.

    Returns
    -------
    Path
        The executed notebook.

    Raises
    ------
    NotebookError
        As :func:`execute` raises it.
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
    """The key of an execution: the notebook, its parameters, and the results of all notebooks before it."""
    before = CHAIN[: CHAIN.index(notebook.stem)]
    stages = [stage for stage, name in NOTEBOOKS.items() if name in before]
    found = {stage: run.identity(stage) for stage in stages}
    chosen = {name: value for name, value in values.items() if name not in PATH_PARAMETERS}
    truth = file_sha256(Path(values["truth"])) if values.get("truth") else ""
    return digest([notebook.stem, file_sha256(notebook), chosen, truth, run.source_digest, found])
