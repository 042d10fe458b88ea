"""Finished runs side by side: the parameters that differ, their metrics, and how far their orders agree.

Orders are compared between runs of the same video, by its SHA-256: no truth is needed for that. Runs of different videos are
compared by parameters and metrics alone.
"""

import base64
import html
import io
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from workbench.errors import MissingStageError, RunError, UsageError
from workbench.evaluation.agreement import order_agreement
from workbench.evaluation.files import OrderRow, read_order
from workbench.reports.markup import html_page, html_table
from workbench.reports.summary import SCORE_LABELS, summary_rows
from workbench.run import Run
from workbench.storage.folder import read_json

NO_VALUE = "-"  # stands in a table where a run has no value
AGREEMENT_NOTE = (
    "Matched frames are in scenes that both runs have; |Kendall tau| compares their order. "
    "A link is a pair of frames that follow each other."
)


@dataclass(frozen=True)
class ComparedRun:
    """A run that is compared with others.

    Attributes
    ----------
    name : str
        The end of its path, as much of it as distinguishes it from the others.
    given : Path
        Its path as the user gave it.
    run : Run
        The run itself.
    metrics : dict
        The content of its ``metrics.json``.
    rows : list of OrderRow
        Its order, sorted by position.
    """

    name: str
    given: Path
    run: Run
    metrics: dict[str, Any]
    rows: list[OrderRow]

    @property
    def digest(self) -> str:
        """SHA-256 of the video.

        Returns
        -------
        str
            64 hexadecimal digits.
        """
        return self.run.source_digest

    @property
    def is_measured(self) -> bool:
        """Whether the metrics are those of the order as it is now.

        Returns
        -------
        bool
            False when the order was computed or edited after the metrics were written.
        """
        edits, seconds = self.run.edit_count, self.run.seconds()["order"]
        return (self.metrics.get("edits", 0), self.metrics.get("seconds_order")) == (edits, seconds)


@dataclass(frozen=True)
class Table:
    """One of the tables of a comparison.

    Attributes
    ----------
    title : str
        Title of the table.
    heading : list of str
        A heading for every column but the first.
    rows : list of list of str
        The cells; every row begins with its name.
    notes : list of str
        Lines below the table.
    """

    title: str
    heading: list[str]
    rows: list[list[str]]
    notes: list[str]


def open_runs(paths: Sequence[str | Path]) -> list[ComparedRun]:
    """Open runs for a comparison.

    Parameters
    ----------
    paths : sequence of str or Path
        Two or more run directories.

    Returns
    -------
    list of ComparedRun
        The runs in this order, each named by as much of the end of its path as distinguishes it from the others.

    Raises
    ------
    UsageError
        For fewer than two runs and for one that is given twice.
    MissingStageError
        When one is no run, or is not ordered or not measured yet.
    RunError
        When one is damaged, or runs of the same video have different numbers of frames.
    """
    if len(paths) < 2:
        raise UsageError("give two or more runs to compare, as in `workbench compare runs/A runs/B`")
    places = [Path(path).resolve() for path in paths]
    for path, place in zip(paths, places, strict=True):
        if places.count(place) > 1:
            raise UsageError(f"{path} is given twice: a run can only be compared with another one")
    found = [_open(name, Path(path)) for name, path in zip(_names(places), paths, strict=True)]
    for one, two in _pairs_of_same_video(found):
        if len(one.rows) != len(two.rows):
            counts = f"{len(one.rows)} frames in {one.given} and {len(two.rows)} in {two.given}"
            raise RunError(f"the same video has {counts}: reconstruct it again in a new folder")
    return found


def tables(runs: Sequence[ComparedRun]) -> list[Table]:
    """Make the tables of a comparison.

    Parameters
    ----------
    runs : sequence of ComparedRun
        From :func:`open_runs`.

    Returns
    -------
    list of Table
        The origin of the runs, the parameters that differ, the metrics, the agreement of the orders.
    """
    names = [run.name for run in runs]
    return [
        Table("Runs", names, _origin(runs), []),
        _parameters(runs, names),
        Table("Metrics", names, _metrics(runs), [_not_measured(run) for run in runs if not run.is_measured]),
        _agreement(runs),
    ]


def as_text(comparison: Sequence[Table]) -> str:
    """Lay out tables for a terminal.

    Parameters
    ----------
    comparison : sequence of Table
        From :func:`tables`.

    Returns
    -------
    str
        The tables, one below the other, with the columns aligned to the right.
    """
    blocks = []
    for table in comparison:
        lines = [[table.title, *table.heading], *table.rows] if table.rows else [[table.title]]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        shown = ["  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]).rstrip() for line in lines]
        blocks.append("\n".join(shown + table.notes))
    return "\n\n".join(blocks)


def write_page(runs: Sequence[ComparedRun], comparison: Sequence[Table], file: Path) -> None:
    """Write the tables and a film strip of every run's scenes as an HTML page that needs nothing but itself.

    Parameters
    ----------
    runs : sequence of ComparedRun
        From :func:`open_runs`.
    comparison : sequence of Table
        From :func:`tables`.
    file : Path
        The page to write.

    Raises
    ------
    UsageError
        When the file cannot be written.
    MissingStageError
        When the frames of a run are missing.
    """
    body = ["<h1>Runs side by side</h1>"]
    for table in comparison:
        body.append(f"<h2>{table.title}</h2>")
        body += [html_table(table.rows, ["", *table.heading])] if table.rows else []
        body += [f"<p>{html.escape(note)}</p>" for note in table.notes]
    body += ["<h2>Scenes in their order</h2>", *map(_strips, runs)]
    try:
        file.write_text(
            html_page("Runs side by side", "\n".join(body)), encoding="utf-8", errors="backslashreplace", newline="\n"
        )
    except OSError as error:
        raise UsageError(f"{file} cannot be written ({error.strerror}): give --html a file that can be written") from error


def _names(places: Sequence[Path]) -> list[str]:
    """As many of the last parts of each path as distinguish all of them; ``places`` are absolute and all different."""
    length = 1
    while True:
        names = [Path(*place.parts[-length:]).as_posix() for place in places]
        if len(set(names)) == len(names):
            return names
        length += 1


def _open(name: str, path: Path) -> ComparedRun:
    run = Run.open(path)
    run.require("order")
    file = run.metrics_path
    if not file.is_file():
        raise MissingStageError(f"{path} is not measured yet: finish it first, with `workbench reconstruct VIDEO --out {path}`")
    try:
        metrics = read_json(file)
        summary_rows(metrics)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunError(f"{file} is damaged: call the command that made the run again to measure it again") from error
    return ComparedRun(name, path, run, metrics, read_order(run.order_path))


def _pairs_of_same_video(runs: Sequence[ComparedRun]) -> list[tuple[ComparedRun, ComparedRun]]:
    return [pair for pair in itertools.combinations(runs, 2) if pair[0].digest == pair[1].digest]


def _origin(runs: Sequence[ComparedRun]) -> list[list[str]]:
    return [
        ["Path", *(str(run.given) for run in runs)],
        ["Video", *(run.run.source_path.name for run in runs)],
        ["Video, SHA-256", *(run.digest[:12] for run in runs)],
        ["Edits by hand", *(str(run.run.edit_count) for run in runs)],
    ]


def _parameters(runs: Sequence[ComparedRun], names: list[str]) -> Table:
    """Parameters with different values. One that a run does not have, because it skipped the stage, is no difference."""
    made = [run.run.all_parameters for run in runs]
    keys = _merged([list(parameters) for parameters in made])
    rows = [[key, *(str(parameters.get(key, NO_VALUE)) for parameters in made)] for key in keys]
    rows = [row for row in rows if len({*row[1:]} - {NO_VALUE}) > 1]
    return Table("Parameters that differ", names, rows, [] if rows else ["None: the runs were made with the same parameters."])


def _metrics(runs: Sequence[ComparedRun]) -> list[list[str]]:
    found = [dict(summary_rows(run.metrics)) for run in runs]
    return [[label, *(rows.get(label, NO_VALUE) for rows in found)] for label in _merged([list(rows) for rows in found])]


def _not_measured(run: ComparedRun) -> str:
    return (
        f"The metrics of {run.name} were written before its order was last changed: "
        f"`workbench evaluate {run.given} --truth X.truth.csv`, or the command that made the run, writes them again."
    )


def _merged(lists: Sequence[list[str]]) -> list[str]:
    """All entries once; one that is missing in the lists before comes right after the one it follows in its own list."""
    merged: list[str] = []
    for entries in lists:
        place = 0
        for entry in entries:
            if entry not in merged:
                merged.insert(place, entry)
            place = merged.index(entry) + 1
    return merged


def _agreement(runs: Sequence[ComparedRun]) -> Table:
    """A row for each pair of runs of the same video, and a note that names the other pairs."""
    heading = [SCORE_LABELS["scene_ari"], "Common outliers", "Matched frames", SCORE_LABELS["tau"], "Common links"]
    rows = []
    for one, two in _pairs_of_same_video(runs):
        found = order_agreement(one.rows, two.rows)
        aside = f"{found['common_outliers']} of {found['outliers']}"
        matched = f"{found['matched']} of {found['kept']}"
        figures = [NO_VALUE if found[name] is None else f"{found[name]:.4f}" for name in ("scene_ari", "tau", "links")]
        rows.append([f"{one.name} and {two.name}", figures[0], aside, matched, *figures[1:]])
    others = [f"{one.name} and {two.name}" for one, two in itertools.combinations(runs, 2) if one.digest != two.digest]
    notes = [AGREEMENT_NOTE] if rows else []
    notes += [f"Of different videos, compared by parameters and metrics only: {', '.join(others)}."] if others else []
    return Table("Agreement of the orders", heading, rows, notes)


def _strips(compared: ComparedRun) -> str:
    """The HTML of a picture of the scenes and the outliers of a run."""
    import matplotlib.pyplot as plt  # here, so that a table in a terminal does not wait for it

    from workbench.viz.pictures import strips_before_after

    run, labels = compared.run, np.array([row.scene for row in compared.rows])
    figure = strips_before_after(run.images(), (), run.scene_orders(), np.flatnonzero(labels < 0), title="")
    png = io.BytesIO()
    figure.savefig(png, format="png", dpi=100, bbox_inches="tight")
    plt.close(figure)
    data = base64.b64encode(png.getvalue()).decode()
    name = html.escape(compared.name)
    return f'<h3>{name}</h3>\n<p><img alt="Scenes of {name}" src="data:image/png;base64,{data}"></p>'
