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
from workbench.reports.html import html_page, html_table
from workbench.reports.report import SCORES, summary_rows
from workbench.run import Run
from workbench.storage.folder import read_json

NOTHING = "-"  # what stands in a table where a run has no value
MEANING = "Matched frames stand in scenes that both runs have; |Kendall tau| is of their order. A link is two frames in a row."


@dataclass(frozen=True)
class ComparedRun:
    """What is compared of a run. ``name`` tells it from the others; ``rows`` is its order, by position."""

    name: str
    given: Path
    run: Run
    metrics: dict[str, Any]
    rows: list[OrderRow]

    @property
    def digest(self) -> str:
        """SHA-256 of the video."""
        return self.run.source_digest

    @property
    def is_measured(self) -> bool:
        """Whether the metrics are those of the order as it is now."""
        edits, seconds = len(self.run.edits("order")), self.run.seconds()["order"]
        return (self.metrics.get("edits", 0), self.metrics.get("seconds_order")) == (edits, seconds)


@dataclass(frozen=True)
class Table:
    """One of the tables: a heading for every column but the first, rows that begin with their name, and notes, a line each."""

    title: str
    heading: list[str]
    rows: list[list[str]]
    notes: list[str]


def open_runs(paths: Sequence[str | Path]) -> list[ComparedRun]:
    """The runs at ``paths``, in this order, each named by as much of the end of its path as tells it from the others.

    Raises :class:`~workbench.errors.UsageError` for fewer than two and for one that is given twice,
    :class:`~workbench.errors.MissingStageError` when one is no run, not ordered or not measured yet, and
    :class:`~workbench.errors.RunError` when one is damaged, or runs of the same video have different numbers of frames.
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
    """What there is to say of the runs: who they are, parameters, metrics, agreement."""
    names = [run.name for run in runs]
    return [
        Table("Runs", names, _origin(runs), []),
        _parameters(runs, names),
        Table("Metrics", names, _metrics(runs), [_not_measured(run) for run in runs if not run.is_measured]),
        _agreement(runs),
    ]


def as_text(found: Sequence[Table]) -> str:
    """Tables for a terminal, one below the other, the columns to the right."""
    blocks = []
    for table in found:
        lines = [[table.title, *table.heading], *table.rows] if table.rows else [[table.title]]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        shown = ["  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]).rstrip() for line in lines]
        blocks.append("\n".join(shown + table.notes))
    return "\n\n".join(blocks)


def write_page(runs: Sequence[ComparedRun], found: Sequence[Table], file: Path) -> None:
    """Write the tables and a film strip of every run's scenes to ``file``, an HTML page that needs nothing but itself.

    Raises :class:`~workbench.errors.UsageError` when it cannot be written, and
    :class:`~workbench.errors.MissingStageError` when the frames of a run are gone.
    """
    body = ["<h1>Runs side by side</h1>"]
    for table in found:
        body.append(f"<h2>{table.title}</h2>")
        body += [html_table(table.rows, ["", *table.heading])] if table.rows else []
        body += [f"<p>{html.escape(note)}</p>" for note in table.notes]
    body += ["<h2>Scenes in their order</h2>", *map(_strips, runs)]
    try:
        file.write_text(html_page("Runs side by side", "\n".join(body)), encoding="utf-8", newline="\n")
    except OSError as error:
        raise UsageError(f"{file} cannot be written ({error.strerror}): give --html the name of a file that can be") from error


def _names(places: Sequence[Path]) -> list[str]:
    """As many of the last parts of each path as tell all of them apart. places: absolute, all different."""
    for length in itertools.count(1):
        names = [Path(*place.parts[-length:]).as_posix() for place in places]
        if len(set(names)) == len(names):
            return names


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
        raise RunError(f"{file} is damaged: call the command that made the run again, it measures it anew") from error
    return ComparedRun(name, path, run, metrics, read_order(run.order_path))


def _pairs_of_same_video(runs: Sequence[ComparedRun]) -> list[tuple[ComparedRun, ComparedRun]]:
    return [pair for pair in itertools.combinations(runs, 2) if pair[0].digest == pair[1].digest]


def _origin(runs: Sequence[ComparedRun]) -> list[list[str]]:
    return [
        ["Path", *(str(run.given) for run in runs)],
        ["Video", *(run.run.source_path.name for run in runs)],
        ["Video, SHA-256", *(run.digest[:12] for run in runs)],
        ["Edits by hand", *(str(len(run.run.edits("order"))) for run in runs)],
    ]


def _parameters(runs: Sequence[ComparedRun], names: list[str]) -> Table:
    """Parameters of which runs have different values. One that a run lacks, as it went without the stage, is no difference."""
    made = [run.run.all_parameters for run in runs]
    keys = _merged([list(parameters) for parameters in made])
    rows = [[key, *(str(parameters.get(key, NOTHING)) for parameters in made)] for key in keys]
    rows = [row for row in rows if len({*row[1:]} - {NOTHING}) > 1]
    return Table("Parameters that differ", names, rows, [] if rows else ["None: the runs were made with the same parameters."])


def _metrics(runs: Sequence[ComparedRun]) -> list[list[str]]:
    found = [dict(summary_rows(run.metrics)) for run in runs]
    return [[label, *(rows.get(label, NOTHING) for rows in found)] for label in _merged([list(rows) for rows in found])]


def _not_measured(run: ComparedRun) -> str:
    return (
        f"The metrics of {run.name} were written before its order was changed last: "
        f"`workbench evaluate {run.given} --truth X.truth.csv`, or the command that made the run, writes them again."
    )


def _merged(lists: Sequence[list[str]]) -> list[str]:
    """All entries once; one that the lists before lack comes right after the one it follows in its own."""
    merged: list[str] = []
    for entries in lists:
        place = 0
        for entry in entries:
            if entry not in merged:
                merged.insert(place, entry)
            place = merged.index(entry) + 1
    return merged


def _agreement(runs: Sequence[ComparedRun]) -> Table:
    """A row for each two runs of the same video, and what is to be said of the others."""
    heading = [SCORES["scene_ari"], "Common outliers", "Matched frames", SCORES["tau"], "Common links"]
    rows = []
    for one, two in _pairs_of_same_video(runs):
        found = order_agreement(one.rows, two.rows)
        aside = f"{found['common_outliers']} of {found['outliers']}"
        matched = f"{found['matched']} of {found['kept']}"
        figures = [NOTHING if found[name] is None else f"{found[name]:.4f}" for name in ("scene_ari", "tau", "links")]
        rows.append([f"{one.name} and {two.name}", figures[0], aside, matched, *figures[1:]])
    others = [f"{one.name} and {two.name}" for one, two in itertools.combinations(runs, 2) if one.digest != two.digest]
    notes = [MEANING] if rows else []
    notes += [f"Of different videos, compared by parameters and metrics only: {', '.join(others)}."] if others else []
    return Table("Agreement of the orders", heading, rows, notes)


def _strips(compared: ComparedRun) -> str:
    """The scenes and the outliers of a run as a picture, in HTML."""
    import matplotlib.pyplot as plt  # here: a table in a terminal does not wait for it

    from workbench.viz.pictures import strips_before_after

    run, labels = compared.run, np.array([row.scene for row in compared.rows])
    scenes = [run.scene_order(scene) for scene in range(labels.max() + 1)]
    figure = strips_before_after(run.images(), (), scenes, np.flatnonzero(labels < 0), title="")
    png = io.BytesIO()
    figure.savefig(png, format="png", dpi=100, bbox_inches="tight")
    plt.close(figure)
    data = base64.b64encode(png.getvalue()).decode()
    name = html.escape(compared.name)
    return f'<h3>{name}</h3>\n<p><img alt="Scenes of {name}" src="data:image/png;base64,{data}"></p>'
