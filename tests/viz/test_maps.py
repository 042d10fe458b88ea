"""Maps with pictures, values and several clusterings, and rows of near frames; also the smallest inputs."""

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.offsetbox import AnnotationBbox

from workbench import viz
from workbench.viz import maps

pytestmark = pytest.mark.usefixtures("drawable")


@pytest.fixture(scope="module")
def images():
    """(40, 30, 40, 3) uint8: frame k has the grey level 5 k."""
    return np.broadcast_to((5 * np.arange(40)).astype(np.uint8)[:, None, None, None], (40, 30, 40, 3))


@pytest.fixture(scope="module")
def points():
    """(40, 2) float: two islands of 20 frames."""
    return np.random.default_rng(0).normal(0, 1, (40, 2)) + np.repeat([0, 30], 20)[:, None]


def test_pictures_stand_where_their_frames_lie(images, points):
    ax = viz.picture_map(images, points).axes[0]
    boxes = [artist for artist in ax.artists if isinstance(artist, AnnotationBbox)]
    assert {box.xy[0] > 15 for box in boxes} == {False, True}, "a picture on each island"
    for box in boxes:
        (frame,) = np.flatnonzero((points == box.xy).all(axis=1))
        assert (np.asarray(box.offsetbox.get_data()) == 5 * frame).all()


def test_pictures_do_not_overlap():
    """Of very many frames a few are drawn, and none within the width and the height of another one."""
    many = np.random.default_rng(0).uniform(0, 10, (5000, 2))
    chosen = maps._spread(many)
    assert 40 <= len(chosen) <= maps.MAX_PICTURES
    apart = np.abs(many[chosen][:, None] - many[chosen])
    assert ((apart[..., 0] > 0.82) | (apart[..., 1] > 0.61) | np.eye(len(chosen), dtype=bool)).all()


def test_without_a_map(images):
    """No picture is drawn; the titles are still there."""
    nowhere = np.full((40, 2), np.nan)
    assert not viz.picture_map(images, nowhere, "no map").axes[0].artists
    assert viz.value_map(nowhere, np.ones(40), "distance", "no map").axes[0].get_title() == "no map"
    assert viz.picture_map(images[:0], np.zeros((0, 2))).axes[0].get_title() == "Frames on the map"


def test_values_on_a_map(points):
    """Values are drawn as they are, zeros at the lower end of the log scale."""
    values = np.r_[0.0, np.geomspace(0.001, 0.3, 39)]
    drawn = viz.value_map(points, values, "cosine distance").axes[0].collections[0]
    np.testing.assert_allclose(drawn.get_array()[1:], values[1:])
    assert drawn.norm.vmax == pytest.approx(0.3) and drawn.norm.vmin > 0


def test_clusterings_side_by_side(points):
    labels = np.repeat([0, -1], 20)
    fig = viz.scene_maps(points, {"eps 0.1": labels, "eps 0.4": np.zeros(40, int)}, "Scenes")
    assert [ax.get_title() for ax in fig.axes] == ["eps 0.1:\n1 scenes, 20 outliers", "eps 0.4:\n1 scenes, 0 outliers"]
    assert all(ax.get_legend() is None for ax in fig.axes)


def test_nearest_frames(images):
    """The nearest come first, with their distances; what is too far to have anything in common is red, the nearest one too."""
    far = np.abs(np.arange(40) - 7.0) * 0.01
    far[30] = 0.015
    fig = viz.nearest_frames(images, {7: far, 0: np.r_[0, 0.001, np.full(38, 0.5)], 39: np.full(40, 0.4)}, 0.3, count=3)
    titles = [ax.get_title() for ax in fig.axes]
    assert titles == [
        "#7",
        "#6, 0.0100",
        "#8, 0.0100",
        "#30, 0.0150",
        "#0",
        "#1, 0.0010",
        "#2, 0.5000",
        "#3, 0.5000",
        "#39",
        "#0, 0.4000",
        "#1, 0.4000",
        "#2, 0.4000",
    ]
    red = [title for title, ax in zip(titles, fig.axes, strict=True) if to_hex(ax.title.get_color()) != "#000000"]
    assert red == ["#2, 0.5000", "#3, 0.5000", "#0, 0.4000", "#1, 0.4000", "#2, 0.4000"]
    assert len(viz.nearest_frames(images[:1], {0: np.zeros(1)}, 0.3).axes) == 1
