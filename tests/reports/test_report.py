"""``report.html`` from notebooks made here: what is shown, in which order, and the error for a missing figure."""

import base64
import shutil
from html.parser import HTMLParser
from pathlib import Path

import cv2
import nbformat
import numpy as np
import pytest
from nbformat import v4

from workbench.errors import MissingStageError, NotebookError
from workbench.parameters import AlignParameters, WriteParameters
from workbench.pipeline.stages import run_stage
from workbench.pipeline.writing import restored_video
from workbench.reports.report import SECTIONS, write_report
from workbench.reports.summary import summary_rows
from workbench.run import Run

METRICS = {"frames": 26, "scenes": 2, "outliers": 4, "seconds_video": 0.04, "seconds_embed": 1.26}
SCORES = {"outlier_f1": 1.0, "outlier_recall": 1.0, "tau": 0.98765, "adjacent": 0.5}


class Page(HTMLParser):
    """The page as a reader sees it: headings, cells of tables, pictures and words, in their order; addresses of all tags.

    ``seen`` are the words as they follow each other, with ``picture ADDRESS`` for a picture; ``texts`` are the alternative
    texts of the pictures.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.seen: list[str] = []
        self.addresses: list[str] = []
        self.texts: list[str] = []
        self.hidden = 0
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.hidden += tag in ("style", "script", "title")
        found = [value for name, value in attrs if name in ("src", "href", "poster", "data")]
        self.addresses += found
        if tag == "img":
            self.seen.append(f"picture {found[0]}")
            self.texts.append(dict(attrs)["alt"])

    def handle_endtag(self, tag: str) -> None:
        self.hidden -= tag in ("style", "script", "title")

    def handle_data(self, data: str) -> None:
        if data.strip() and not self.hidden:
            self.seen.append(data.strip())


def picture(level: int) -> str:
    """A PNG of 4 x 4 px of one grey level, as base64."""
    return base64.b64encode(cv2.imencode(".png", np.full((4, 4), level, np.uint8))[1]).decode()


def cell(tag: str, *outputs: nbformat.NotebookNode) -> nbformat.NotebookNode:
    return v4.new_code_cell(f"hidden_source = '{tag}'", metadata={"tags": [tag]}, outputs=list(outputs))


def shown(level: int) -> nbformat.NotebookNode:
    return v4.new_output("display_data", data={"image/png": picture(level), "text/plain": "<Figure>"})


def notebooks(folder: Path, leave_out: str = "") -> list[Path]:
    """Two executed notebooks with a picture in the cell of each section, the last section first; the k-th has grey level k."""
    cells = [cell(tag, shown(level)) for level, (tag, _) in enumerate(SECTIONS) if tag != leave_out][::-1]
    books = {"00_first": [v4.new_code_cell("untagged", outputs=[shown(99)]), *cells[:3]], "01_second": cells[3:]}
    for name, content in books.items():
        nbformat.write(v4.new_notebook(cells=content), folder / f"{name}.ipynb")
    return [folder / f"{name}.ipynb" for name in books]


@pytest.fixture
def run(short_run, tmp_path) -> Run:
    """A copy of the run of the short sample, to write into."""
    shutil.copytree(short_run[0].path, tmp_path / "run")
    return Run.open(tmp_path / "run")


def test_table_without_and_with_a_truth():
    rows = [("Frames", "26"), ("Scenes", "2"), ("Outliers", "4")]
    seconds = [("Seconds, video", "0.0"), ("Seconds, embed", "1.3"), ("Seconds, all stages", "1.3")]
    assert summary_rows(METRICS) == [*rows, *seconds]
    scores = [("Outlier F1", "1.0000"), ("|Kendall tau|", "0.9877"), ("True neighbours adjacent", "0.5000")]
    assert summary_rows(METRICS | SCORES) == [*rows, *scores, *seconds]


def test_order_of_the_page(run, tmp_path):
    """The table first, then every section with its picture in the order of SECTIONS, then how it was made; no code."""
    report = write_report(run, METRICS | SCORES, notebooks(tmp_path))
    assert report == run.path / "report.html"
    page = Page(report)
    heads = [text for _, text in SECTIONS]
    pictures = [f"picture data:image/png;base64,{picture(level)}" for level in range(len(SECTIONS))]
    wanted = ["Reconstruction of short.mp4", "Frames", "26", "|Kendall tau|", "0.9877", "reconstructed.mp4", "order.csv"]
    wanted += [item for section in zip(heads, pictures, strict=True) for item in section]
    wanted += ["How it was made", "cluster.min_samples", "00_first.ipynb", "01_second.ipynb"]
    assert [item for item in page.seen if item in wanted] == wanted
    assert page.texts == heads
    assert "hidden_source" not in report.read_text()


def test_nothing_comes_from_elsewhere(run, tmp_path):
    """The page may be read offline and moved with its run: pictures are in it, other addresses lie beside it and are there."""
    (run.path / "notebooks").mkdir()
    page = Page(write_report(run, METRICS, notebooks(run.path / "notebooks")))
    beside = {address for address in page.addresses if not address.startswith(("data:", "#"))}
    assert beside == {"reconstructed.mp4", "order.csv", "notebooks/00_first.ipynb", "notebooks/01_second.ipynb"}
    assert all((run.path / address).is_file() for address in beside)


def test_a_missing_truth_is_reported(run, tmp_path):
    unknown = "No truth is known for this video"
    assert unknown in write_report(run, METRICS, notebooks(tmp_path)).read_text()
    assert unknown not in write_report(run, METRICS | SCORES, notebooks(tmp_path)).read_text()


def test_warnings_are_shown(run, tmp_path):
    run.record["stages"]["video"]["info"]["warnings"] = ["3 < 4 packets are damaged"]
    run.record["stages"]["write"]["info"]["warnings"] = ["what is written has 8 bits"]
    page = Page(write_report(run, METRICS, notebooks(tmp_path)))
    assert "what is written has 8 bits" in page.seen
    assert page.seen.index("3 < 4 packets are damaged") < page.seen.index("Frames") < page.seen.index(SECTIONS[0][1])


def test_edits_by_hand_are_listed(run, tmp_path):
    run.set_edits("order", [{"first": 3}, {"drop": "<i>"}], {})
    run.release("align", "write")
    for parameters in (AlignParameters(), WriteParameters()):
        run_stage(run, parameters, progress=False)
    seen = Page(write_report(run, METRICS, notebooks(tmp_path))).seen
    place = seen.index("Changed by hand:")
    assert seen[place + 1 : place + 3] == ["Let the scene of frame 3 begin with it.", "{'drop': '<i>'}."]
    before = "These are the scenes, with their numbers, as the clusterer found them: before all that was changed in them."
    assert seen.index("Scenes and outliers") < seen.index(before) < place


def test_models_and_their_terms_are_shown(run, tmp_path):
    """The models are named with their licences; weights that are not free for every use have a warning of their own."""
    free = Page(write_report(run, METRICS, notebooks(tmp_path)))
    assert any(text.startswith("Models: embedding ") and "Apache-2.0" in text for text in free.seen)
    assert not any("for non-commercial research only" in text for text in free.seen)
    run.record["stages"]["match"]["parameters"] |= {"matcher": "superglue", "model": "magic-leap-community/superglue_indoor"}
    bound = Page(write_report(run, METRICS, notebooks(tmp_path)))
    warning = "magic-leap-community/superglue_indoor: these weights are for non-commercial research only."
    assert bound.seen.index(warning) < bound.seen.index("Frames")


@pytest.mark.parametrize("tag", [tag for tag, _ in SECTIONS[:5]])
def test_a_figure_that_no_notebook_has(run, tmp_path, tag: str):
    with pytest.raises(NotebookError, match=f"no executed notebook has a cell tagged {tag}: tag the cell"):
        write_report(run, METRICS, notebooks(tmp_path, leave_out=tag))
    assert not (run.path / "report.html").exists()


def test_a_section_without_output_has_no_heading(run, tmp_path):
    """A clip of one frame has no pairs, so no matches to show."""
    books = notebooks(tmp_path)
    for path in books:
        book = nbformat.read(path, as_version=4)
        for item in book.cells:
            if "report-matches" in item.metadata.get("tags", []):
                item.outputs = []
        nbformat.write(book, path)
    seen = Page(write_report(run, METRICS, books)).seen
    heads = [text for tag, text in SECTIONS if tag != "report-matches"]
    assert [item for item in seen if item in dict(SECTIONS).values()] == heads


def test_findings_of_every_notebook_are_shown(run, tmp_path):
    """Below the title of the notebook, after the figures; a report without any has no such heading."""
    books = notebooks(tmp_path)
    assert "Findings" not in Page(write_report(run, METRICS, books)).seen
    for number, path in enumerate(books):
        book = nbformat.read(path, as_version=4)
        book.cells.insert(0, v4.new_markdown_cell(f"# Notebook {number}\n\nA question."))
        words = v4.new_output("execute_result", {"text/markdown": f"**Learnt**\n\n- The number {number}."})
        book.cells.append(cell("report-findings", words))
        nbformat.write(book, path)
    seen = Page(write_report(run, METRICS, books)).seen
    wanted = ["Findings", "Notebook 0", "The number 0.", "Notebook 1", "The number 1.", "How it was made"]
    assert [item for item in seen if item in wanted] == wanted
    assert seen.index("Findings") > seen.index(SECTIONS[-1][1])


def test_the_video_written_last_is_named(run, tmp_path):
    """An older file in another format may lie beside it. A player is offered for what browsers play only."""
    assert restored_video(run).name == "reconstructed.mp4"
    assert "<video" in write_report(run, METRICS, notebooks(tmp_path)).read_text()
    older = (run.path / "reconstructed.mp4").read_bytes()
    run_stage(run, WriteParameters(codec="lossless"), overwrite=True, progress=False)
    (run.path / "reconstructed.mp4").write_bytes(older)
    assert restored_video(run).name == "reconstructed.mkv"
    page = write_report(run, METRICS, notebooks(tmp_path))
    assert "reconstructed.mkv" in Page(page).addresses
    assert "<video" not in page.read_text()


def test_before_the_video_is_written(run, tmp_path):
    del run.record["stages"]["write"]
    with pytest.raises(MissingStageError, match="05_order_frames"):
        write_report(run, METRICS, notebooks(tmp_path))
