"""``report.html``: the figures of the executed notebooks in one page that needs nothing but itself and the videos beside it."""

import html
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nbformat

from workbench.errors import NotebookError
from workbench.models.registry import NON_COMMERCIAL, is_non_commercial, provenance
from workbench.pipeline.writing import restored_video
from workbench.reports.changes import MAX_DOUBTS, NOTHING, changes_of, doubts_of, edits_of, overlay_of
from workbench.reports.markup import html_page, html_table
from workbench.reports.order import order_doubts
from workbench.reports.summary import summary_rows
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
FINDINGS = "report-findings"  # tag of the cells with the findings of a notebook; all of them are shown, one after the other
CHANGES_AFTER = "report-gallery"  # the section that is followed by what was changed
BEFORE_CHANGES = "These are the scenes, with their numbers, as the clusterer found them: before all that was changed in them."
REQUIRED_SECTIONS = 5  # the first so many sections must be in the notebooks


def write_report(run: Run, metrics: dict[str, Any], notebooks: list[Path]) -> Path:
    """Write ``report.html`` from the executed notebooks.

    Every cell tagged as in :data:`SECTIONS` is shown with its outputs, without code: a figure, and what it shows in words. The
    findings of the notebooks follow. What the matches changed in the scenes,
    and what was changed by hand, is said in words.

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
            page.append(nbformat.v4.new_markdown_cell(f"## {heading}"))
            if tag == CHANGES_AFTER and (changes_of(run) != [NOTHING] or edits_of(run)):
                page.append(nbformat.v4.new_markdown_cell(BEFORE_CHANGES))
            page.append(cells[tag])
        if tag == CHANGES_AFTER:
            page.append(nbformat.v4.new_markdown_cell(_changes(run)))
    page += _findings(notebooks)
    page.append(nbformat.v4.new_markdown_cell(_closing(run, notebooks)))
    book = nbformat.v4.new_notebook(cells=page)
    return run.write_text(run.report_path.name, _as_html(book, f"Reconstruction of {run.source.name}"))


def _tagged(notebooks: list[Path]) -> dict[str, nbformat.NotebookNode]:
    """The last cell of every tag of :data:`SECTIONS`, by tag."""
    wanted = {tag for tag, _ in SECTIONS}
    found = {}
    for path in notebooks:
        for cell in nbformat.read(path, as_version=4).cells:
            for tag in wanted.intersection(cell.metadata.get("tags", [])):
                found[tag] = cell
    return found


def _findings(notebooks: list[Path]) -> list[nbformat.NotebookNode]:
    """The findings of every notebook that has some, each under the title of the notebook."""
    page: list[nbformat.NotebookNode] = []
    for path in notebooks:
        cells = nbformat.read(path, as_version=4).cells
        titles = [
            line[2:] for cell in cells if cell.cell_type == "markdown" for line in cell.source.splitlines() if line[:2] == "# "
        ]
        for cell in cells:
            if FINDINGS in cell.metadata.get("tags", []):
                heading = [] if page else ["## Findings"]
                page.append(nbformat.v4.new_markdown_cell("\n\n".join([*heading, f"### {titles[0] if titles else path.stem}"])))
                page.append(cell)
    return page


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
    notes = [*run.info("video")["warnings"], *run.info("write").get("warnings", []), *run.left_out]
    notes += [*filter(None, [run.no_map]), *order_doubts(run)]
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
    """What is drawn over the frames, what the matches changed and what was changed by hand, in sentences."""
    doubts = doubts_of(run)
    more = [f"{len(doubts) - MAX_DOUBTS} more are in run.json."] if len(doubts) > MAX_DOUBTS else []
    changes = changes_of(run)
    parts = [f"<h2>What was changed in the scenes</h2><p>{html.escape(overlay_of(run))}</p>", _list(changes)]
    if changes != [NOTHING]:
        parts.append(
            "<p>Odds say how many times likelier what was found is if the decision is right than if it is wrong. "
            f'<a href="{run.scenes_path.name}">{run.scenes_path.name}</a> has every decision with its reason.</p>'
        )
    by_hand = edits_of(run)
    if by_hand:
        parts += ["<p>Changed by hand:</p>", _list([f"{text}." for text in by_hand])]
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
