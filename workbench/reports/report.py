"""``report.html``: the figures of the executed notebooks in one page that needs nothing but itself and the videos beside it."""

import html
from pathlib import Path
from typing import Any

import nbformat

from workbench.errors import NotebookError
from workbench.models.registry import NON_COMMERCIAL, is_non_commercial, provenance
from workbench.reports.html import html_page, html_table
from workbench.run import Run

# Cells with these tags are shown, in this order. The heading is the reader's question.
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
SCORES = {
    "outlier_f1": "Outlier F1",
    "scene_f1": "Scene pair F1",
    "scene_ari": "Adjusted Rand index",
    "tau": "|Kendall tau|",
    "tau_loop": "|Kendall tau|, best rotation",
    "adjacent": "True neighbours adjacent",
    "coverage": "Coverage",
}


def summary_rows(metrics: dict[str, Any]) -> list[tuple[str, str]]:
    """The short table: frames, scenes, outliers, guessed links, the order's quality if a truth is known, seconds a stage."""
    rows = [(name.capitalize(), str(metrics[name])) for name in ("frames", "scenes", "outliers")]
    if "weak_links" in metrics:
        rows.append(("Links guessed", f"{metrics['weak_links']} of {metrics['links']}"))
    rows += [(label, f"{metrics[name]:.4f}") for name, label in SCORES.items() if name in metrics]
    seconds = {name.removeprefix("seconds_"): value for name, value in metrics.items() if name.startswith("seconds_")}
    rows += [(f"Seconds, {stage}", f"{value:.1f}") for stage, value in seconds.items()]
    return [*rows, ("Seconds, all stages", f"{sum(seconds.values()):.1f}")]


def write_report(run: Run, metrics: dict[str, Any], notebooks: list[Path]) -> Path:
    """Write ``report.html`` from the executed notebooks; returns its path.

    Every cell tagged as in :data:`SECTIONS` is shown with its outputs, without code. Raises :class:`NotebookError` when a
    notebook that should hold one of the first five sections does not.
    """
    cells = _tagged(notebooks)
    missing = [tag for tag, _ in SECTIONS[:5] if tag not in cells]
    if missing:
        raise NotebookError(f"no executed notebook has a cell tagged {', '.join(missing)}: tag the cell that draws that figure")
    page = [nbformat.v4.new_markdown_cell(_opening(run, metrics))]
    for tag, heading in SECTIONS:
        if tag in cells and cells[tag].outputs:
            cells[tag].metadata["alt"] = heading  # what is said in place of the picture
            page += [nbformat.v4.new_markdown_cell(f"## {heading}"), cells[tag]]
    page.append(nbformat.v4.new_markdown_cell(_closing(run, notebooks)))
    book = nbformat.v4.new_notebook(cells=page)
    return run.write_text(run.report_path.name, _as_html(book, f"Reconstruction of {run.source.name}"))


def restored_video(run: Run) -> Path:
    """The video that the run wrote last; one in another format may lie beside it."""
    run.require("write")
    return next(path for path in run.outputs("write") if path.stem == "reconstructed")


def _tagged(notebooks: list[Path]) -> dict[str, nbformat.NotebookNode]:
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
        else "<p>No truth is known for this video: how right the order is, only the confidence of its links tells.</p>"
    )
    told = [*run.info("video")["warnings"], *run.info("order").get("edits_left_out", [])]
    told += [f"{name}: these weights are for {NON_COMMERCIAL} only." for name in run.models.values() if is_non_commercial(name)]
    warnings = "".join(f'<p class="warning">{html.escape(text)}</p>' for text in told)
    models = ", ".join(f"{kind} {provenance(name)}" for kind, name in run.models.items())
    return (
        f"<h1>Reconstruction of {html.escape(run.source.name)}</h1>{warnings}{truth}"
        f'<div class="summary">{table}{times}</div>'
        f"<p>Models: {html.escape(models)}.</p>"
        f'<p>{player}<br><a href="{video.name}">{video.name}</a>, <a href="{run.order_path.name}">{run.order_path.name}</a></p>'
    )


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
