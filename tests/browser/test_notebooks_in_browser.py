"""Every notebook in a real browser: JupyterLab runs it, its figures and controls are displayed, and the controls respond.

The sample has 3 scenes (of 66, 60 and 54 frames) and 20 outliers.
"""

import re

import numpy as np
import pandas as pd
import pytest
from playwright.sync_api import expect

from tests.browser.pages import NotebookPage
from workbench.run import Run
from workbench.run.kept import read_kept


def ran(notebook: NotebookPage) -> NotebookPage:
    """The notebook, after all its cells ran without an error and its static figures are displayed."""
    notebook.run_all()
    assert notebook.find(".jp-RenderedImage img").count() > 0
    return notebook


def found(text: str) -> tuple[int, int]:
    """Numbers of scenes and of outliers in the text of notebook 03."""
    return tuple(map(int, re.search(r"scenes (\d+), outliers (\d+)", text).groups()))


def test_00_frames_are_browsed_with_keys(open_notebook):
    notebook = ran(open_notebook("notebooks/00_make_corrupted_clip.ipynb"))
    _, after = notebook.changed_text(
        ".wb-browser .widget-html:last-of-type", lambda: notebook.press_slider(".wb-browser", "ArrowRight", 3)
    )
    assert "place 3 of 200" in after
    notebook.picture_of_output("00_make_corrupted_clip", ".wb-browser")


def test_01_a_click_on_the_matrix_shows_two_frames(open_notebook):
    """The cell of row 40 and column 120; the order of rows is that of the file."""
    notebook = ran(open_notebook("notebooks/01_embed.ipynb"))
    _, after = notebook.changed_text(".wb-pair", lambda: notebook.click_plot(".wb-matrix", 120, 40))
    assert after.startswith("frame 40 and frame 120: cosine similarity")
    notebook.picture_of_output("01_embed", ".wb-matrix")


def test_02_a_lasso_shows_its_frames(open_notebook):
    """A lasso around everything selects all 200 frames; the colours change with the button."""
    notebook = ran(open_notebook("notebooks/02_visualise_clusters.ipynb"))
    corners = [(0.01, 0.01), (0.99, 0.01), (0.99, 0.99), (0.01, 0.99)]
    _, after = notebook.changed_text(".wb-gallery", lambda: notebook.lasso_plot(".wb-map", corners))
    assert "200 frames chosen" in after and "24 of 200 frames are shown" in after
    assert notebook.find(".wb-gallery img").count() == 24
    notebook.find(".widget-toggle-buttons button").filter(has_text="k-distance").click()
    expect(notebook.find(".wb-map .colorbar, .wb-map.js-plotly-plot .colorbar").first).to_contain_text("k-distance")
    notebook.picture_of_output("02_visualise_clusters", ".wb-map")


def test_03_eps_moves_the_scenes(open_notebook):
    """The smallest eps of the slider gives more outliers, the largest fewer, and the first value the first result again."""
    notebook = ran(open_notebook("notebooks/03_tune_eps.ipynb"))
    before, after = notebook.changed_text(".wb-scenes-found", lambda: notebook.press_slider(".wb-eps", "Home"))
    assert found(before) == (3, 20)
    assert found(after)[1] > 20
    assert "just became outliers" in notebook.text(".wb-gallery")
    _, after = notebook.changed_text(".wb-scenes-found", lambda: notebook.press_slider(".wb-eps", "End"))
    assert found(after)[1] < 20
    _, after = notebook.changed_text(".wb-scenes-found", lambda: notebook.type_value(".wb-eps", notebook.python("used")))
    assert found(after) == (3, 20)
    _, after = notebook.changed_text(".wb-scenes-found", lambda: notebook.type_value(".wb-eps", 0.0055))
    assert found(after)[0] > 3
    notebook.picture_of_output("03_tune_eps", ".wb-scenes")


def test_04_a_click_on_the_matrix_changes_the_pair(open_notebook):
    """Rows are sorted by scene: a cell near row 2 and column 40 (cells are hardly larger than a pixel) is a pair of the largest
    scene. A higher threshold leaves fewer matches."""
    notebook = ran(open_notebook("notebooks/04_inspect_matches.ipynb"))
    picture = notebook.find(".wb-matches").get_attribute("src")
    before, after = notebook.changed_text(".wb-pair", lambda: notebook.click_plot(".wb-matrix", 40, 2))
    rows = notebook.python("frames.tolist()")
    places = sorted(rows.index(int(frame)) for frame in re.findall(r"frame (\d+)", after))
    assert np.allclose(places, (2, 40), atol=2) and "both of scene 0" in after and before != after
    assert notebook.find(".wb-matches").get_attribute("src") != picture
    counts, fewer = notebook.changed_text(".wb-counts", lambda: notebook.type_value(".wb-match-threshold", 0.9))
    matches = [int(re.search(r"superglue\s+\d+, \d+\s+(\d+)", text).group(1)) for text in (counts, fewer)]
    assert matches[1] < matches[0]
    notebook.click(".wb-reset")
    notebook.click(".wb-median")
    notebook.wait_idle()
    notebook.picture_of_output("04_inspect_matches", ".wb-inspector")


def test_05_a_scene_is_flipped(open_notebook, site):
    """A flip reverses the scene in order.csv, and *Play later* plays it second; undo restores both. The video plays."""
    notebook = ran(open_notebook("notebooks/05_order_frames.ipynb"))
    run = Run.open(site / "runs" / "sample")
    before = run.scene_order(0).tolist()
    notebook.changed_text(".wb-status", lambda: notebook.click(".wb-flip"))
    assert run.scene_order(0).tolist() == before[::-1]
    assert pd.read_csv(run.path / "order.csv").shape[0] == 200
    notebook.click(".wb-undo")
    expect(notebook.find(".wb-status")).to_contain_text("Taken back")
    assert run.scene_order(0).tolist() == before
    notebook.changed_text(".wb-status", lambda: notebook.click(".wb-later"))
    assert run.scene_order(1).tolist() == before
    notebook.changed_text(".wb-status", lambda: notebook.click(".wb-first"))
    notebook.show(".wb-order", "start")
    notebook.picture("05_scenes")
    for _ in range(2):
        notebook.changed_text(".wb-status", lambda: notebook.click(".wb-undo"))
    assert run.scene_order(0).tolist() == before
    video = notebook.find("video").first
    notebook.page.wait_for_function("video => video.readyState >= 2", arg=video.element_handle())
    assert video.evaluate("video => [video.videoWidth, video.videoHeight]") == [320, 240]
    notebook.picture_of_output("05_order_frames", ".wb-order")


def test_from_a_kept_eps_to_a_new_video(open_notebook, own_run):
    """Notebooks beside a run: 04 and 05 use the eps that is kept in 03; in 05 a scene is flipped and the video written."""
    folder, eps = f"runs/{own_run.path.name}/lab", own_run.info("cluster")["eps"]
    notebook = ran(open_notebook(f"{folder}/03_tune_eps.ipynb"))
    notebook.changed_text(".wb-scenes-found", lambda: notebook.press_slider(".wb-eps", "Home"))
    notebook.click(".wb-keep")
    expect(notebook.find(".wb-status")).to_contain_text("Kept")
    run = Run.open(own_run.path)
    assert read_kept(run)["cluster.eps"] == run.info("cluster")["eps"] < eps
    assert str(own_run.path) in notebook.text(".wb-status")
    notebook.show(".wb-keep")
    notebook.picture("03_kept")

    ran(open_notebook(f"{folder}/04_inspect_matches.ipynb"))
    notebook = ran(open_notebook(f"{folder}/05_order_frames.ipynb"))
    run = Run.open(own_run.path)
    run.require("write")
    videos = {name: (run.path / name).stat().st_mtime_ns for name in run.record["stages"]["write"]["outputs"]}
    before = run.scene_order(0).tolist()
    notebook.changed_text(".wb-status", lambda: notebook.click(".wb-flip"))
    assert run.scene_order(0).tolist() == before[::-1]
    notebook.click(".wb-write")
    expect(notebook.find(".wb-status")).to_contain_text("The videos are written", timeout=120_000)
    assert all((run.path / name).stat().st_mtime_ns > written for name, written in videos.items())
    Run.open(run.path).require("write")


@pytest.mark.parametrize("name", ["01_embed", "03_tune_eps"])
def test_without_interactive_no_control_appears(open_notebook, site, name: str):
    """With ``interactive = False`` in the parameters cell."""
    source = (site / "notebooks" / f"{name}.ipynb").read_text()
    assert source.count("interactive = True") == 1
    (site / "notebooks" / "still.ipynb").write_text(source.replace("interactive = True", "interactive = False"))
    notebook = ran(open_notebook("notebooks/still.ipynb"))
    assert notebook.find(".jupyter-widgets").count() == 0 and notebook.find(".js-plotly-plot").count() == 0
