"""What the commands write to the terminal: lines and tables, and whether somebody watches."""

import sys
from typing import Any

import click


def is_watched() -> bool:
    """Tell whether somebody watches the progress; in a log, progress bars are noise.

    Returns
    -------
    bool
        Whether stderr is a terminal.
    """
    return sys.stderr.isatty()


def note(text: str) -> None:
    """Write a line to stderr.

    Parameters
    ----------
    text : str
        The line.
    """
    click.echo(text, err=True)


def show_current(*name: str) -> None:
    """Write what runs now, on a line that the next one is written over.

    Parameters
    ----------
    *name : str
        Its name, or nothing.
    """
    if name and is_watched():
        click.echo(f"{name[0]} ...\r", nl=False, err=True)


def summary(metrics: dict[str, Any]) -> list[tuple[str, str]]:
    """List the figures of a run that are worth a line each.

    Parameters
    ----------
    metrics : dict
        From :func:`~workbench.pipeline.metrics.write_metrics`.

    Returns
    -------
    list of (str, str)
        Names and values.
    """
    from workbench.reports.summary import summary_rows

    return summary_rows(metrics)


def write_table(rows: list[tuple[str, str]]) -> None:
    """Write names and values to stdout, in two columns.

    Parameters
    ----------
    rows : list of (str, str)
        Names and values.
    """
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        click.echo(f"{name.ljust(width)}  {value:>8}")
