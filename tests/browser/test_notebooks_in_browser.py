"""Every notebook in a real browser: JupyterLab runs it, its figures and controls are there, and the controls answer."""

import re

import pytest
from playwright.sync_api import expect

from workbench.headless import CHAIN
from workbench.kept import read_kept
from workbench.run import Run

# The control of the part Explore by which each notebook is known.
CONTROLS = {
    "00_make_corrupted_clip": ".widget-hslider",
    "01_embed": ".wb-matrix .nsewdrag",
    "02_visualise_clusters": ".wb-map .nsewdrag",
    "03_tune_eps": ".wb-eps .noUi-handle",
    "04_inspect_matches": ".widget-dropdown",
    "05_order_frames": ".widget-hslider",
}


@pytest.mark.parametrize("name", CHAIN)
def test_runs_and_shows_controls(open_notebook, name: str):
    """All cells run without an error; there are static figures, and the controls of the part Explore."""
    notebook = open_notebook(f"notebooks/{name}.ipynb")
    notebook.run_all()
    assert notebook.find(".jp-RenderedImage img").count() > 0
    notebook.find(CONTROLS[name]).first.wait_for()
    notebook.show(CONTROLS[name])
    notebook.picture(name)


def test_eps_slider(open_notebook):
    """The sample has 3 scenes and 20 outliers; the smallest eps of the slider leaves more outliers, the largest fewer."""
    notebook = open_notebook("notebooks/03_tune_eps.ipynb")
    notebook.run_all()

    def found(text: str) -> tuple[int, int]:
        return tuple(map(int, re.search(r"scenes (\d+), outliers (\d+)", text).groups()))

    before, after = notebook.changed_text(".wb-scenes-found", lambda: notebook.press_slider(".wb-eps", "Home"))
    assert found(before) == (3, 20)
    assert found(after)[1] > 20
    _, after = notebook.changed_text(".wb-scenes-found", lambda: notebook.press_slider(".wb-eps", "End"))
    assert found(after)[1] < 20
    _, after = notebook.changed_text(".wb-scenes-found", lambda: notebook.type_value(".wb-eps", notebook.python("used")))
    assert found(after) == (3, 20)


def test_matrix_click(open_notebook):
    """A click on the cell (120, 40) of the similarity matrix shows these two frames."""
    notebook = open_notebook("notebooks/01_embed.ipynb")
    notebook.run_all()
    before, after = notebook.changed_text(".wb-pair", lambda: notebook.click_plot(".wb-matrix", 120, 40))
    assert before != after
    assert {40, 120} <= set(map(int, re.findall(r"frame (\d+)", after)))


def test_keep(open_notebook, own_run):
    """Beside a run: another eps is kept in it, its scenes are found with it, and the notebook says what to do next."""
    notebook = open_notebook(f"runs/{own_run.path.name}/lab/03_tune_eps.ipynb")
    notebook.run_all()
    notebook.changed_text(".wb-scenes-found", lambda: notebook.press_slider(".wb-eps", "Home"))
    notebook.click(".wb-keep")
    expect(notebook.find(".wb-status")).to_contain_text("Kept")
    run = Run.open(own_run.path)
    assert read_kept(run)["cluster.eps"] == run.info("cluster")["eps"] < own_run.info("cluster")["eps"]
    assert str(own_run.path) in notebook.text(".wb-status")
    notebook.show(".wb-keep")
    notebook.picture("03_kept")


def test_video_plays(open_notebook, own_run):
    """The restored video beside copied notebooks reaches the browser, which can show its frames."""
    notebook = open_notebook(f"runs/{own_run.path.name}/lab/05_order_frames.ipynb")
    notebook.run_all()
    video = notebook.find("video").first
    notebook.page.wait_for_function("video => video.readyState >= 2", arg=video.element_handle())
    assert video.evaluate("video => [video.videoWidth, video.videoHeight]") == [320, 240]
