"""Executed notebooks, shared between the cells of a sweep as the results of stages are: one that would show the same as one
that was executed already is not executed again.
"""

from pathlib import Path
from typing import Any

from workbench.headless import CHAIN, execute
from workbench.parameters import Parameters
from workbench.pipeline.stages import STEPS
from workbench.run import Run
from workbench.run.contents import NOTEBOOKS
from workbench.run.store import Entry, identity
from workbench.storage.digest import digest, file_sha256

# Paths: what they lead to counts, not where it lies.
PATHS = ("run_path", "video", "truth")


def execute_shared(store: Path, parameters: dict[str, Parameters], notebook: Path, out: Path, values: dict[str, Any]) -> Path:
    """Execute a notebook of the chain as :func:`workbench.headless.execute`, or take it from ``store``; returns ``out``.

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
            STEPS[stage](run, parameters[stage])
    text = (entry.folder / record["outputs"][0]).read_text(encoding="utf-8")
    return run.write_text(f"{out.parent.name}/{out.name}", text.replace(record["run_path"], values["run_path"]))


def _key(run: Run, notebook: Path, values: dict[str, Any]) -> str:
    """Of the notebook, its parameters, and all that the notebooks before it have left."""
    before = CHAIN[: CHAIN.index(notebook.stem)]
    stages = [stage for stage, name in NOTEBOOKS.items() if name in before]
    found = {stage: identity(run.path, run.record["stages"], stage) for stage in stages}
    chosen = {name: value for name, value in values.items() if name not in PATHS}
    truth = file_sha256(Path(values["truth"])) if values.get("truth") else ""
    return digest([notebook.stem, file_sha256(notebook), chosen, truth, run.record["source"]["sha256"], found])
