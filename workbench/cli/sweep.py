"""``workbench sweep``. Nothing heavy is imported before it runs.

The docstring of the command is its help text; its parameters are described by its options.
"""

import shutil
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click

from workbench.cli.terminal import is_watched, note

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pandas import DataFrame

    from workbench.sweep.mlflow_log import SweepLog
    from workbench.sweep.plan import Cell, Sweep

IMPORTANCE_NAME = "importance.png"  # the figure of a search, in its folder
ERRORS_SHOWN = 5  # number of different errors that are printed; all of them are in the table


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--scheduler", default="", metavar="ADDRESS", help="Dask scheduler, as tcp://127.0.0.1:8786; default none.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder for runs and table; default runs/sweeps/NAME of the file.")
@click.option("--mlflow", default="", metavar="URI", help="Log to MLflow, as http://127.0.0.1:5000 or sqlite:///mlflow.db.")
@click.option("--yes", is_flag=True, help="Run more than 1,000 cells.")
def sweep(file: Path, scheduler: str, out: Path | None, mlflow: str, yes: bool) -> None:  # numpydoc ignore=PR01
    """Reconstruct videos with many sets of parameters.

    FILE says which, or what Optuna is to search for; the cells run side by side on Dask. The result is a table, one row per
    video and set of parameters. Interrupted or killed, the same command goes on; what failed is tried again. See
    sweeps/README.md.
    """
    from filelock import FileLock, Timeout

    from workbench.errors import UsageError
    from workbench.sweep.cells import write_table
    from workbench.sweep.plan import read_sweep
    from workbench.sweep.table import DONE

    plan = read_sweep(file, many=yes)
    folder = out or Path("runs") / "sweeps" / file.stem
    try:
        (folder / "cells").mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise UsageError(f"{folder} is no folder, or lies in none: choose another --out") from error
    try:
        with FileLock(folder / ".lock", timeout=0):
            if file.resolve() != (folder / "sweep.yaml").resolve():
                shutil.copyfile(file, folder / "sweep.yaml")
            log = _open_log(mlflow, plan, folder) if mlflow else None
            plan = _run(plan, folder, scheduler, log)
            table = write_table(plan, folder)
    except Timeout as error:
        raise UsageError(f"another sweep works in {folder}: wait for it, or choose another --out") from error
    short = table[table["status"] != DONE]
    # The same error in several cells is one line: the name of the cell is taken out of it.
    errors = Counter(text.replace(Path(run).name, "ID") for text, run in zip(short["error"], short["run"], strict=True))
    for text, count in errors.most_common(ERRORS_SHOWN):
        note(f"note: {count} x {text}")
    if len(errors) > ERRORS_SHOWN:
        note(f"note: {len(errors) - ERRORS_SHOWN} more errors are in the table")
    counts = Counter(table["status"])
    click.echo(f"{len(table)} cells: {', '.join(f'{count} {status}' for status, count in counts.most_common())}")
    files = ["sweep.csv", "sweep.parquet"]
    if plan.search and counts[DONE]:
        files.append(_show_search(plan, table, folder))
    for name in files:
        click.echo(folder / name)
    if log:
        log.close(["sweep.yaml", *files])


def _open_log(uri: str, plan: "Sweep", folder: Path) -> "SweepLog":
    from workbench.sweep.mlflow_log import open_log

    return open_log(uri, plan, folder)


def _run(plan: "Sweep", folder: Path, scheduler: str, log: "SweepLog | None") -> "Sweep":
    """Run what is not done; a terminal shows a progress bar, a log gets one line per cell. Return the sweep with its cells.

    MLflow gets every cell as soon as it is finished, those of earlier calls too.
    """
    from tqdm import tqdm

    from workbench.sweep.batches import cell_batches, with_cells
    from workbench.sweep.cells import is_done, run_cells

    watched, cells, done = is_watched(), list["Cell"](), 0
    with tqdm(total=plan.size, desc="cells", unit="cell", disable=not watched) as bar:

        def counted() -> "Iterator[list[Cell]]":
            nonlocal done
            for batch in cell_batches(plan, folder):
                cells.extend(batch)
                before = [cell for cell in batch if is_done(cell, folder)]
                done += len(before)
                bar.update(len(before))
                if log:
                    log.add(before)
                yield batch

        for cell, result in run_cells(counted(), folder, scheduler):
            done += 1
            bar.update()
            if log:
                log.add([cell])
            if not watched:
                values = ", ".join(f"{name} {value}" for name, value in cell.parameters.items())
                click.echo(f"{done}/{plan.size} {cell.video}, {values}: {result['status']}", err=True)
    return with_cells(plan, cells)


def _show_search(plan: "Sweep", table: "DataFrame", folder: Path) -> str:
    """Print the best trial of a search, and draw what decides its metric; return the name of the picture."""
    import matplotlib.pyplot as plt

    from workbench.sweep.importance import importance_plot, importances, trial_means
    from workbench.sweep.table import setting_names

    assert plan.search
    metric, trials = plan.search.metric, trial_means(table, plan.search.metric)
    if len(trials):
        best = int((trials[metric] * (1 if plan.search.maximise else -1)).argmax())
        click.echo(f"best of {len(trials)} trials: {setting_names(trials)[best]}: {metric} {trials[metric].iloc[best]:.4g}")
    figure = importance_plot(importances(table, metric), metric)
    figure.savefig(folder / IMPORTANCE_NAME, dpi=100, bbox_inches="tight")
    plt.close(figure)
    return IMPORTANCE_NAME
