"""A training's state on disk: checkpoints that are whole or not there, and a table of the curve that grows row by row."""

import csv
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

from workbench.errors import ModelError, UsageError


def save(path: str | Path, **state: Any) -> None:
    """Write tensors, state dictionaries, numbers and strings under their names, in place of what was there before.

    The file is written under another name first and then renamed: a run killed while saving leaves the old one.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    torch.save(state, partial)
    partial.replace(path)


def load(path: str | Path) -> dict[str, Any] | None:
    """What :func:`save` wrote, on the CPU, or None when there is no such file. Reads with ``weights_only=True``.

    Raises :class:`~workbench.errors.ModelError` when the file is no checkpoint.
    """
    if not Path(path).is_file():
        return None
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, UnpicklingError, EOFError) as error:
        raise ModelError(f"{path} is no checkpoint that can be read: delete it to train from the start") from error


def append_row(path: str | Path, row: dict[str, Any]) -> None:
    """Add a row to a CSV file, which gets its header from the first row's keys.

    Raises :class:`~workbench.errors.UsageError` when the file has other columns.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = not path.is_file()
    if not fresh:
        with path.open(newline="", encoding="utf-8") as file:
            columns = next(csv.reader(file), [])
        if columns != list(row):
            raise UsageError(f"{path} has other columns than {','.join(row)}: choose another folder")
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(row), lineterminator="\n")
        if fresh:
            writer.writeheader()
        writer.writerow(row)


def drop_rows_after(path: str | Path, step: int) -> None:
    """Remove the rows of a CSV file whose ``step`` is beyond ``step``: a resumed run writes them again."""
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
