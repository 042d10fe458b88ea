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
    from workbench.sweep.plan import Cell

ERRORS_SHOWN = 5  # number of different errors that are printed; all of them are in the table


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--scheduler", default="", metavar="ADDRESS", help="Dask scheduler, as tcp://127.0.0.1:8786; default none.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder for runs and table; default runs/sweeps/NAME of the file.")
@click.option("--yes", is_flag=True, help="Run more than 1,000 cells.")
def sweep(file: Path, scheduler: str, out: Path | None, yes: bool) -> None:  # numpydoc ignore=PR01
    """Reconstruct videos with many sets of parameters.

    FILE says which; the cells run side by side on Dask. The result is a table, one row per video and set of parameters.
    Interrupted or killed, the same command goes on; what failed is tried again. See sweeps/README.md.
    """
    from filelock import FileLock, Timeout

    from workbench.errors import UsageError
    from workbench.sweep.cells import read_result, write_table
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
            wanted = {cell.name: cell for cell in plan.cells}
            to_do = [cell for cell in wanted.values() if (read_result(cell, folder) or {}).get("status") != DONE]
            _run(to_do, len(wanted), folder, scheduler)
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
    for name in ("sweep.csv", "sweep.parquet"):
        click.echo(folder / name)


def _run(to_do: "list[Cell]", total: int, folder: Path, scheduler: str) -> None:
    """Run cells; a terminal shows a progress bar, a log gets one line per cell."""
    if not to_do:
        return
    from tqdm import tqdm

    from workbench.sweep.cells import run_cells

    watched = is_watched()
    with tqdm(total=total, initial=total - len(to_do), desc="cells", unit="cell", disable=not watched) as bar:
        for done, (cell, result) in enumerate(run_cells(to_do, folder, scheduler), start=total - len(to_do) + 1):
            bar.update()
            if not watched:
                values = ", ".join(f"{name} {value}" for name, value in cell.parameters.items())
                click.echo(f"{done}/{total} {cell.video}, {values}: {result['status']}", err=True)
