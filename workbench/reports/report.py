"""``report.html``: the figures of the executed notebooks in one page that needs nothing but itself and the videos beside it.

The HTML of tables and pages is made here too, for all reports.
"""

import html
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nbformat

from workbench.errors import NotebookError
from workbench.models.registry import NON_COMMERCIAL, is_non_commercial, provenance
from workbench.reports.changes import MAX_DOUBTS, NOTHING, changes_of, doubts_of, overlay_of
from workbench.reports.order import order_doubts
from workbench.run import Run

# The cells with these tags are shown, in this order, each under its heading.
SECTIONS = (
    ("report-strip", "Before and after"),
    ("report-map", "Which frames belong together? (map of the embeddings)"),
    ("report-eps", "How was the clustering radius chosen?"),
    ("report-matches", "What did the matcher find?"),
    ("report-similarity", "Similarity before and after ordering"),
    ("report-gallery", "Scenes and outliers"),
    ("report-change", "Does the restored video run smoothly?"),
    ("report-links", "Where was the order guessed?"),
    ("report-truth", "Against the truth"),
)
CHANGES_AFTER = "report-gallery"  # the section that is followed by what was changed
REQUIRED_SECTIONS = 5  # the first so many sections must be in the notebooks
SCORE_LABELS = {
    "outlier_f1": "Outlier F1",
    "scene_f1": "Scene pair F1",
    "scene_ari": "Adjusted Rand index",
    "tau": "|Kendall tau|",
    "tau_loop": "|Kendall tau|, best rotation",
    "adjacent": "True neighbours adjacent",
    "coverage": "Coverage",
}

PAGE_STYLE = """<style>
body { font: 16px/1.5 sans-serif; color: #222; max-width: 1040px; margin: 2em auto; padding: 0 1em; }
h1, h2 { font-weight: 500; margin: 1.6em 0 0.5em; }
img, video { max-width: 100%; }
table { border-collapse: collapse; font-size: 15px; }
th, td { text-align: left; padding: 0.15em 1.2em 0.15em 0; border-bottom: 1px solid #ddd; }
.summary { display: flex; flex-wrap: wrap; gap: 3em; align-items: flex-start; }
.anchor-link { display: none; }
.warning { background: #fff3cd; padding: 0.5em 1em; }
</style>"""


def html_table(rows: Sequence[Sequence[str]], heading: Sequence[str] = ()) -> str:
    """Make a table in HTML.

    Parameters
    ----------
    rows : sequence of rows
        The cells of every row, plain text.
    heading : sequence of str
        The headings of the columns, plain text. Default: no heading.

    Returns
    -------
    str
        The table as HTML.
    """
    lines = [("th", heading)] if heading else []
    lines += [("td", row) for row in rows]
    cells = ("".join(f"<{tag}>{html.escape(text)}</{tag}>" for text in line) for tag, line in lines)
    return "<table>" + "".join(f"<tr>{line}</tr>" for line in cells) + "</table>"


def html_page(title: str, body: str) -> str:
    """Make a page that needs nothing but itself.

    Parameters
    ----------
    title : str
        Plain text.
    body : str
        HTML.

    Returns
    -------
    str
        The page as HTML.
    """
    head = f"<meta charset='utf-8'><title>{html.escape(title)}</title>{PAGE_STYLE}"
    return f"<!DOCTYPE html>\n<html lang='en'><head>{head}</head>\n<body>{body}</body></html>\n"


def summary_rows(metrics: dict[str, Any]) -> list[tuple[str, str]]:
    """List the metrics of the short table.

    Parameters
    ----------
    metrics : dict
        The content of ``metrics.json``.

    Returns
    -------
    list of (str, str)
        Label and value: frames, scenes, outliers, guessed links, the scores of the order if there is a truth, seconds of every
        stage.
    """
    rows = [(name.capitalize(), str(metrics[name])) for name in ("frames", "scenes", "outliers")]
    if "weak_links" in metrics:
        rows.append(("Links guessed", f"{metrics['weak_links']} of {metrics['links']}"))
    rows += [(label, f"{metrics[name]:.4f}") for name, label in SCORE_LABELS.items() if name in metrics]
    seconds = {name.removeprefix("seconds_"): value for name, value in metrics.items() if name.startswith("seconds_")}
    rows += [(f"Seconds, {stage}", f"{value:.1f}") for stage, value in seconds.items()]
    return [*rows, ("Seconds, all stages", f"{sum(seconds.values()):.1f}")]


def write_report(run: Run, metrics: dict[str, Any], notebooks: list[Path]) -> Path:
    """Write ``report.html`` from the executed notebooks.

    Every cell tagged as in :data:`SECTIONS` is shown with its outputs, without code. What the matches changed in the scenes is
    said in words.

    Parameters
    ----------
    run : Run
        A run whose stages are all finished.
    metrics : dict
        The content of its ``metrics.json``.
    notebooks : list of Path
        The executed notebooks.

    Returns
    -------
    Path
        The report.

    Raises
    ------
    NotebookError
        When no notebook has a cell for one of the first five sections.
    MissingStageError
        When the run has not written its video yet.
    """
    cells = _tagged(notebooks)
    missing = [tag for tag, _ in SECTIONS[:REQUIRED_SECTIONS] if tag not in cells]
    if missing:
        raise NotebookError(f"no executed notebook has a cell tagged {', '.join(missing)}: tag the cell that draws that figure")
    page = [nbformat.v4.new_markdown_cell(_opening(run, metrics))]
    for tag, heading in SECTIONS:
        if tag in cells and cells[tag].outputs:
            cells[tag].metadata["alt"] = heading  # the text in place of the picture
            page += [nbformat.v4.new_markdown_cell(f"## {heading}"), cells[tag]]
        if tag == CHANGES_AFTER:
            page.append(nbformat.v4.new_markdown_cell(_changes(run)))
    page.append(nbformat.v4.new_markdown_cell(_closing(run, notebooks)))
    book = nbformat.v4.new_notebook(cells=page)
    return run.write_text(run.report_path.name, _as_html(book, f"Reconstruction of {run.source.name}"))


def restored_video(run: Run) -> Path:
    """Find the video that the run wrote last; another one, in another format, may lie beside it.

    Parameters
    ----------
    run : Run
        A run that has written its video.

    Returns
    -------
    Path
        The video.

    Raises
    ------
    MissingStageError
        When the run has not written its video yet.
    """
    run.require("write")
    return next(path for path in run.outputs("write") if path.stem == "reconstructed")


def _tagged(notebooks: list[Path]) -> dict[str, nbformat.NotebookNode]:
    """The last cell of every tag of :data:`SECTIONS`, by tag."""
    wanted = {tag for tag, _ in SECTIONS}
    found = {}
    for path in notebooks:
        for cell in nbformat.read(path, as_version=4).cells:
            for tag in wanted.intersection(cell.metadata.get("tags", [])):
                found[tag] = cell
    return found


def _opening(run: Run, metrics: dict[str, Any]) -> str:
    rows = summary_rows(metrics)
    results = [row for row in rows if not row[0].startswith("Seconds")]
    table, times = (html_table(part) for part in (results, [row for row in rows if row not in results]))
    video = restored_video(run)
    player = f'<video controls width="480" src="{video.name}"></video>' if video.suffix == ".mp4" else ""
    truth = (
        ""
        if "tau" in metrics
        else "<p>No truth is known for this video: only the confidence of the links shows how reliable the order is.</p>"
    )
    notes = [*run.info("video")["warnings"], *run.info("write").get("warnings", []), *run.left_out, *order_doubts(run)]
    notes += [
        f"{name}: these weights are for {NON_COMMERCIAL} only." for name in run.models.values() if is_non_commercial(name)
    ]
    warnings = "".join(f'<p class="warning">{html.escape(text)}</p>' for text in notes)
    models = ", ".join(f"{kind} {provenance(name)}" for kind, name in run.models.items())
    return (
        f"<h1>Reconstruction of {html.escape(run.source.name)}</h1>{warnings}{truth}"
        f'<div class="summary">{table}{times}</div>'
        f"<p>Models: {html.escape(models)}.</p>"
        f'<p>{player}<br><a href="{video.name}">{video.name}</a>, <a href="{run.order_path.name}">{run.order_path.name}</a></p>'
    )


def _changes(run: Run) -> str:
    """What is drawn over the frames and what the matches changed, in sentences."""
    doubts = doubts_of(run)
    more = [f"{len(doubts) - MAX_DOUBTS} more are in run.json."] if len(doubts) > MAX_DOUBTS else []
    changes = changes_of(run)
    parts = [f"<h2>What was changed in the scenes</h2><p>{html.escape(overlay_of(run))}</p>", _list(changes)]
    if changes != [NOTHING]:
        parts.append(
            "<p>Odds say how many times likelier what was found is if the decision is right than if it is wrong. "
            f'<a href="{run.scenes_path.name}">{run.scenes_path.name}</a> has every decision with its reason.</p>'
        )
    if doubts:
        parts += ["<p>In doubt, and left as it was:</p>", _list([f"{text}." for text in doubts[:MAX_DOUBTS]] + more)]
    return "".join(parts)


def _list(sentences: Sequence[str]) -> str:
    capitals = (text[:1].upper() + text[1:] for text in sentences)
    return "<ul>" + "".join(f"<li>{html.escape(text)}</li>" for text in capitals) + "</ul>"


def _closing(run: Run, notebooks: list[Path]) -> str:
    parameters = [f"| {name} | `{value}` |" for name, value in run.all_parameters.items()]
    links = [f"- [{path.name}](notebooks/{path.name})" for path in notebooks]
    versions = ", ".join(f"{name} {value}" for name, value in run.versions.items())
    table = "\n".join(["| parameter | value |", "|---|---|", *parameters])
    source = f"Source SHA-256 `{run.source_digest}`. {versions}."
    return f"## How it was made\n\n{table}\n\nExecuted notebooks:\n\n" + "\n".join(links) + f"\n\n{source}"


def _as_html(book: nbformat.NotebookNode, title: str) -> str:
    from nbconvert import HTMLExporter

    # The basic template gives the cells alone: the page needs no scripts, and nothing from elsewhere.
    exporter = HTMLExporter(template_name="basic", exclude_input=True, exclude_output_prompt=True)
    body, _ = exporter.from_notebook_node(book)
    return html_page(title, body)
