"""Controls without a browser: move one, and what is shown changes."""

import re

import cv2
import ipywidgets
import numpy as np
import pytest

from workbench import widgets
from workbench.viz.pictures import scene_colour
from workbench.widgets import frames


@pytest.fixture
def images():
    """(6, 30, 40, 3) uint8: frame k has the colour (40 k, 0, 255 - 40 k)."""
    return np.stack([np.full((30, 40, 3), (40 * k, 0, 255 - 40 * k), np.uint8) for k in range(6)])


def colour(picture):
    """RGB of the middle pixel of an image widget."""
    shown = cv2.imdecode(np.frombuffer(picture.value, np.uint8), cv2.IMREAD_COLOR)
    return shown[shown.shape[0] // 2, shown.shape[1] // 2, ::-1].astype(int)


def parts(box):
    """The widgets of a box; those of a box inside it are a tuple."""
    return [item.children if isinstance(item, ipywidgets.HBox) else item for item in box.children]


def test_frame_browser_follows_its_sequence(images):
    (slider, _), _, caption, picture = parts(widgets.frame_browser(images, [4, 0, 2], np.array([0, 0, -1, 0, 1, 1])))
    assert (slider.min, slider.max) == (0, 2)
    assert "frame 4 of the input, scene 1" in caption.value
    np.testing.assert_allclose(colour(picture), images[4][0, 0], atol=6)
    slider.value = 2
    assert "place 2 of 3: frame 2 of the input, outlier" in caption.value and "outliers" not in caption.value
    np.testing.assert_allclose(colour(picture), images[2][0, 0], atol=6)


def test_frame_browser_of_one_frame_and_of_none(images):
    (slider, _), *_ = parts(widgets.frame_browser(images[:1]))
    assert slider.min == slider.max == 0
    assert widgets.frame_browser(images[:0]).value == "no frames to show"


def test_frame_browser_shrinks_large_frames():
    picture = widgets.frame_browser(np.zeros((1, 600, 1600, 3), np.uint8), width=400).children[-1]
    assert cv2.imdecode(np.frombuffer(picture.value, np.uint8), cv2.IMREAD_COLOR).shape == (150, 400, 3)


def test_gallery_picks_evenly_and_names_frames(images):
    """Four of six frames: the first, the last and two between, each framed in the colour of its scene."""
    shown = frames.gallery(images, np.arange(6), np.array([0, 0, 1, 1, -1, -1]), most=4)
    assert re.findall(r"#(\d)</figure>", shown) == ["0", "2", "3", "5"] and "4 of 6 frames are shown" in shown
    borders = re.findall(r"solid (#\w+)", shown)
    assert borders == [scene_colour(0), scene_colour(1), scene_colour(1), scene_colour(-1)]
    assert "are shown" not in frames.gallery(images, [3], np.zeros(6, int))


def test_scene_legend_counts_and_stops_at_sixteen():
    legend = frames.scene_legend(np.array([0, 0, 1, -1]))
    assert re.findall(r"&nbsp;([^<&]+?)(?: &ensp;|$)", legend) == ["scene 0 (2)", "scene 1 (1)", "outliers (1)"]
    assert "4 more scenes" in frames.scene_legend(np.arange(20))
