"""The map and the matrix without a browser: the callbacks are called as a page would call them for mouse events."""

import re
import shutil

import ipywidgets
import numpy as np
import plotly.graph_objects as go
import pytest
from plotly.callbacks import Points

from workbench import widgets
from workbench.embedding.distances import cosine_distances
from workbench.evaluation.files import OUTLIER, read_truth
from workbench.parameters import UmapParameters
from workbench.pipeline.stages import run_stage
from workbench.run import Run
from workbench.viz.pictures import OUTLIER_COLOUR, SCENE_COLOURS
from workbench.widgets.map import paint_scenes, paint_values, point_map
from workbench.widgets.matrix import clickable_matrix, largest_of_blocks


def at(*indices) -> Points:
    """What a page reports: the points or cells under the mouse."""
    return Points(point_inds=list(indices), xs=[], ys=[], trace_name="", trace_index=0)


def figures(box: ipywidgets.Widget) -> list[go.FigureWidget]:
    """All plotly figures inside a widget."""
    return [box] if isinstance(box, go.FigureWidget) else [f for child in getattr(box, "children", ()) for f in figures(child)]


def words(box: ipywidgets.Widget, name: str) -> str:
    """The text of the HTML widget with this class inside a widget."""
    found = [box.value] if name in getattr(box, "_dom_classes", ()) else []
    return "".join([*found, *(words(child, name) for child in getattr(box, "children", ()))])


def shown_colour(figure: go.Figure, point: int) -> str:
    """The colour that a discrete scale gives a point."""
    marker = figure.data[0].marker
    share = (marker.color[point] - marker.cmin) / (marker.cmax - marker.cmin)
    return [colour for edge, colour in marker.colorscale if edge <= share][-1]


@pytest.fixture(scope="module")
def images():
    """(12, 20, 30, 3) uint8 noise, seeded; all frames differ."""
    return np.random.default_rng(0).integers(0, 255, (12, 20, 30, 3), dtype=np.uint8)


def test_a_click_picks_the_two_frames_of_the_cell():
    """Rows stand for frames 30, 10, 20; the cell of row 0 and column 2 is the pair 30 and 20, and it is marked."""
    picked = []
    figure = clickable_matrix(np.array([[1, 2, np.nan], [2, 1, 3], [np.nan, 3, 1]]), lambda *pair: picked.append(pair), "t",
                              np.array([30, 10, 20]))  # fmt: skip
    figure.data[0]._dispatch_on_click(at([0, 2]), None)
    assert picked == [(30, 20)] and (figure.data[1].x, figure.data[1].y) == ((2,), (0,))
    assert figure.data[0].customdata[1][2].tolist() == [10, 20]


@pytest.mark.parametrize("count", [5, 6, 7, 12, 13])
def test_blocks_keep_the_largest_value_and_where_it_was(count):
    """Random values, a fifth of them NaN: every block shows its largest value and where it was."""
    rng = np.random.default_rng(count)
    values = rng.random((count, count)).astype(np.float32)
    values[rng.random((count, count)) < 0.2] = np.nan
    values[:3, :3] = np.nan
    largest, rows, columns = largest_of_blocks(values, 5)
    step = -(-count // 5)
    assert max(largest.shape) <= 5
    for i, j in np.ndindex(*largest.shape):
        block = values[i * step : (i + 1) * step, j * step : (j + 1) * step]
        if np.isnan(block).all():
            assert np.isnan(largest[i, j])
        else:
            assert largest[i, j] == np.nanmax(block) == values[rows[i, j], columns[i, j]]


def test_similarity_browser_starts_with_the_most_alike_and_follows_clicks(images):
    similarity = np.full((12, 12), 0.1) + np.eye(12) * 0.9
    similarity[3, 8] = similarity[8, 3] = 0.7
    browser = widgets.similarity_browser(images, similarity)
    assert words(browser, "wb-pair") == "frame 3 and frame 8: cosine similarity 0.700"
    pictures = [child for child in browser.children[1].children if isinstance(child, ipywidgets.Image)]
    before = [picture.value for picture in pictures]
    figures(browser)[0].data[0]._dispatch_on_click(at([5, 8]), None)
    assert words(browser, "wb-pair") == "frame 5 and frame 8: cosine similarity 0.100"
    assert pictures[0].value != before[0] and pictures[1].value == before[1]
    assert "no two frames" in widgets.similarity_browser(images[:1], np.ones((1, 1))).value


def test_scenes_have_their_colours_and_outliers_are_grey_crosses():
    """Twelve scenes and an outlier: colours as in every other figure, repeated after ten with another marker."""
    labels = np.array([*range(12), -1])
    figure = point_map(np.zeros((13, 2)))
    paint_scenes(figure, labels)
    assert [shown_colour(figure, k) for k in range(13)] == [*SCENE_COLOURS, *SCENE_COLOURS[:2], OUTLIER_COLOUR]
    symbols = figure.data[0].marker.symbol
    assert symbols[12] == 4 and symbols[0] != symbols[10] and symbols[1] != symbols[11]


def test_values_from_low_to_high_and_none_in_grey():
    figure = point_map(np.zeros((4, 2)))
    paint_values(figure, np.array([2.0, np.nan, 4.0, 3.0]), "k-distance")
    marker = figure.data[0].marker
    assert marker.showscale and marker.colorbar.title.text == "k-distance"
    assert marker.color[1] < marker.color[0] < marker.color[3] < marker.color[2] and marker.cmin == marker.color[1]
    assert shown_colour(figure, 1) == OUTLIER_COLOUR != shown_colour(figure, 0)
    assert marker.symbol[1] == 4 and marker.symbol[0] == 0


def test_map_browser_shows_the_frame_under_the_mouse_and_the_selection(images):
    labels = np.array([0] * 6 + [1] * 5 + [-1])
    views = {"k-distance": np.linspace(0.1, 0.2, 12), "true clip": labels[::-1].copy()}
    browser = widgets.map_browser(images, np.random.default_rng(1).random((12, 2)), labels, views)
    (figure,) = figures(browser)
    choice, legend, row, _ = browser.children
    caption, picture = row.children[1].children
    assert "frame 0" in caption.value and picture.value
    before = picture.value
    figure.data[0]._dispatch_on_hover(at(11), None)
    assert caption.value == "<b>frame 11</b>: scene outlier, k-distance 0.2, true clip 0" and picture.value != before
    figure.data[0]._dispatch_on_selection(at(2, 7, 11), None)
    assert re.findall(r"#(\d+)</figure>", words(browser, "wb-gallery")) == ["2", "7", "11"]
    assert shown_colour(figure, 0) == SCENE_COLOURS[0] and "scene 1 (5)" in legend.value
    choice.value = "true clip"
    assert shown_colour(figure, 0) == OUTLIER_COLOUR and "scene 0 (6)" in legend.value
    choice.value = "k-distance"
    assert figure.data[0].marker.color[11] == 0.2 and figures(browser) == [figure], "the same figure is recoloured"


def test_many_points_are_drawn_by_the_graphics_card():
    assert isinstance(point_map(np.zeros((2001, 2))).data[0], go.Scattergl)
    assert isinstance(point_map(np.zeros((2000, 2))).data[0], go.Scatter)


def test_views_of_a_run(short_run, tmp_path):
    """The short video has a truth beside it, and its frames are ordered: it has true clips, k-distances and places."""
    run = Run.open(shutil.copytree(short_run[0].path, tmp_path / "run"))
    run_stage(run, UmapParameters())
    distances = cosine_distances(run.embeddings())
    views = widgets.views_of(run, distances, 3)
    assert list(views) == ["true clip", "k-distance", "order"]
    truth = np.array([row.clip for row in read_truth(run.source.with_suffix(".truth.csv"))])
    assert ((views["true clip"] < 0) == (truth == OUTLIER)).all()
    assert len(set(zip(truth, views["true clip"], strict=True))) == 3
    assert views["k-distance"][truth == OUTLIER].min() > views["k-distance"][truth != OUTLIER].max()
    placed = views["order"][~np.isnan(views["order"])]
    assert sorted(placed) == list(range(22)) and (views["order"][run.scene_order(0)] == np.arange(12)).all()
    run.record["stages"]["register"]["fingerprint"] = "another"
    assert "order" not in widgets.views_of(run, distances, 3), "an order made from matches that were replaced is not used"
