"""The state of a training on disk: checkpoints that are written whole or not at all, and the curve as a growing CSV table."""

import csv
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

from workbench.errors import ModelError, UsageError


def save(path: str | Path, **state: Any) -> None:
    """Write tensors, state dictionaries, numbers and strings under their names, replacing an existing file.

    The file is written under another name first and then renamed, so that a run killed while saving leaves the old one.

    Parameters
    ----------
    path : str or Path
        The checkpoint; missing parent folders are created.
    **state
        What to save; :func:`load` returns it under the same names.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    torch.save(state, partial)
    partial.replace(path)


def load(path: str | Path) -> dict[str, Any] | None:
    """Read what :func:`save` wrote. Tensors are placed on the CPU, and nothing is unpickled but weights.

    Parameters
    ----------
    path : str or Path
        The checkpoint.

    Returns
    -------
    dict or None
        The saved state by name, or None when there is no such file.

    Raises
    ------
    ~workbench.errors.ModelError
        The file is not a readable checkpoint.
    """
    if not Path(path).is_file():
        return None
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, UnpicklingError, EOFError) as error:
        raise ModelError(f"{path} is not a readable checkpoint: delete it to train from the start") from error


def append_row(path: str | Path, row: dict[str, Any]) -> None:
    """Add a row to a CSV file, whose header is written from the keys of the first row.

    Parameters
    ----------
    path : str or Path
        The table; missing parent folders are created.
    row : dict
        One value per column, in the order of the columns.

    Raises
    ------
    ~workbench.errors.UsageError
        The file already has other columns.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = not path.is_file()
    if not fresh:
        with path.open(newline="", encoding="utf-8") as file:
            columns = next(csv.reader(file), [])
        if columns != list(row):
            raise UsageError(f"{path} does not have the columns {','.join(row)}: choose another folder")
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(row), lineterminator="\n")
        if fresh:
            writer.writeheader()
        writer.writerow(row)


def drop_rows_after(path: str | Path, step: int) -> None:
    """Remove the rows of a CSV file whose ``step`` column is greater than ``step``: a resumed run writes them again."""
    path = Path(path)
    if not path.is_file():
        return
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        kept = [row for row in reader if int(row["step"]) <= step]
        columns = reader.fieldnames or []
    partial = path.with_name(f".{path.name}.partial")
    with partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(kept)
    partial.replace(path)
