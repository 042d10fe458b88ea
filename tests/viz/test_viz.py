"""Titles, counts, colours and positions of lines in figures, also for the smallest and largest inputs."""

from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib import colormaps
from matplotlib.colors import to_hex, to_rgb
from matplotlib.patches import ConnectionPatch
from sklearn.datasets import load_sample_images

from workbench import viz
from workbench.viz import matrices, pairs, pictures

pytestmark = pytest.mark.usefixtures("drawable")


@pytest.fixture(scope="module")
def images():
    """(30, 90, 160, 3) uint8: a window that moves over the picture china.jpg of scikit-learn."""
    photo = load_sample_images().images[0][::2, ::2]
    return np.stack([photo[50:140, 4 * k : 4 * k + 160] for k in range(30)])


@pytest.fixture(scope="module")
def flat():
    """(600, 9, 16, 3) uint8: frame k is one grey level, k modulo 251."""
    return np.broadcast_to((np.arange(600) % 251).astype(np.uint8)[:, None, None, None], (600, 9, 16, 3))


LABELS = np.array([0] * 12 + [1] * 10 + [2] * 5 + [-1] * 3)


def words(ax):
    return [text.get_text() for text in ax.texts]


def captions(ax):
    """The frame numbers under the thumbnails, in the order they are drawn."""
    return [int(word[1:]) for word in words(ax) if word.startswith("#")]


def headings(ax):
    return [word for word in words(ax) if not word.startswith("#")]


def border_colours(ax):
    return [to_hex(patch.get_edgecolor()).upper() for patch in ax.patches]


def legend_words(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def extent_in_inches(fig):
    fig.canvas.draw()
    return fig.get_tightbbox(fig.canvas.get_renderer()).bounds


def test_colours_and_markers_of_scenes():
    assert len({viz.scene_colour(k) for k in range(10)}) == 10
    styles = {(viz.scene_colour(k), viz.scene_marker(k)) for k in range(70)}
    assert len(styles) == 70
    assert viz.scene_colour(-1) == viz.OUTLIER_COLOUR not in viz.SCENE_COLOURS
    assert viz.scene_marker(-1) == "x" and viz.scene_name(-1) == "outliers" and viz.scene_name(3) == "scene 3"


@pytest.mark.parametrize(
    ("count", "most", "expected"), [(0, 5, []), (1, 5, [0]), (5, 0, []), (5, 9, [0, 1, 2, 3, 4]), (9, 3, [0, 4, 8])]
)
def test_evenly(count, most, expected):
    chosen = pictures.evenly(count, most)
    assert chosen.tolist() == expected and chosen.dtype.kind == "i"


def test_thumbnails_are_averaged_and_never_enlarged():
    checks = np.indices((200, 400)).sum(axis=0) % 2 * np.uint8(200)
    small = pictures.thumbnail(np.dstack([checks] * 3).astype(np.uint8), 100, 100)
    assert small.shape == (50, 100, 3) and np.abs(small.astype(int) - 100).max() <= 1
    assert pictures.thumbnail(small, 500, 500).shape == small.shape


def test_plot_images_keeps_the_pixels_of_large_originals():
    large, small = np.zeros((1200, 2000, 3), np.uint8), np.zeros((50, 40, 3), np.uint8)
    fig = viz.plot_images([large, small], ["left", "right"])
    assert [ax.get_title() for ax in fig.axes] == ["left", "right"]
    assert fig.axes[0].get_images()[0].get_extent() == [-0.5, 1999.5, 1199.5, -0.5]
    assert fig.axes[1].get_images()[0].get_extent() == [-0.5, 39.5, 49.5, -0.5]
    assert fig.axes[0].get_images()[0].get_array().shape[1] <= 500, "a notebook would store every pixel"
    with pytest.raises(ValueError, match="at least one"):
        viz.plot_images([])


def lines_of(fig):
    return fig.findobj(ConnectionPatch)


def test_matches_connect_the_right_points(images):
    a = np.array([[10.0, 20.0], [30.0, 40.0], [50.0, 60.0], [70.0, 80.0]])
    b = np.array([[5.0, 6.0], [7.0, 8.0], [9.0, 10.0]])
    fig = viz.plot_images([images[0], images[5]])
    assert (
        viz.plot_matches(fig, a, b, np.array([2, -1, 0, 1]), np.array([0.9, 0.0, 0.2, 0.5]), np.array([True, False, True]))
        is fig
    )
    left, right = fig.axes[:2]
    lines = lines_of(fig)
    ends = {(tuple(line.xy1), tuple(line.xy2)) for line in lines}
    assert ends == {((10, 20), (9, 10)), ((50, 60), (5, 6)), ((70, 80), (7, 8))}
    assert all(line.coords1 is left.transData and line.coords2 is right.transData for line in lines)
    styles = {tuple(line.xy1): (line.get_linestyle(), to_hex(line.get_edgecolor()).upper()) for line in lines}
    assert styles[50, 60] == ("--", pairs.DISAGREE_COLOUR)
    assert styles[10, 20][0] == styles[70, 80][0] == "-" and styles[10, 20][1] != styles[70, 80][1]
    assert [text.get_text() for text in fig.legends[0].get_texts()] == [
        "agree with the registration, by confidence (2)",
        "disagree (1)",
    ]
    assert fig.get_suptitle() == "3 matches"
    assert fig.axes[2].get_ylabel() == "confidence" and fig.axes[2].get_ylim() == (0, 1)
    assert left.get_xlim() == (-0.5, 159.5), "points must not move the limits of the picture"


def test_keypoints_of_an_original_on_a_working_copy(images):
    """The centre of pixel 0 of a picture three times as large lies at -1/3 of the copy; the middle stays the middle."""
    points = np.array([[0.0, 0.0], [239.5, 134.5]])
    fig = viz.plot_matches(viz.plot_images(images[:2]), points, points, np.array([0, 1]), np.ones(2), scale=(1 / 3, 1 / 3))
    found = sorted(tuple(np.round(line.xy1, 6)) for line in lines_of(fig))
    assert found == [(-0.333333, -0.333333), (79.5, 44.5)]
    assert not fig.legends, "no inliers were given"


def test_of_many_matches_the_drawn_ones_span_all_confidences(images):
    rng = np.random.default_rng(0)
    points, scores = rng.uniform(0, 80, (500, 2)), rng.uniform(0.1, 0.9, 500)
    fig = viz.plot_matches(viz.plot_images(images[:2]), points, points, np.arange(500), scores, max_lines=40)
    assert len(lines_of(fig)) == 40 and fig.get_suptitle() == "500 matches, 40 of them drawn"
    starts = np.array([line.xy1 for line in lines_of(fig)])
    for extreme in (scores.argmin(), scores.argmax()):
        assert np.isclose(starts, points[extreme]).all(axis=1).any()


def test_no_matches_no_keypoints(images):
    fig = viz.plot_images(images[:2])
    viz.plot_matches(fig, np.zeros((0, 2)), np.zeros((0, 2)), np.zeros(0, int), np.zeros(0), np.zeros(0, bool))
    assert fig.get_suptitle() == "no matches" and not lines_of(fig) and not fig.legends
    with pytest.raises(ValueError, match="one value per match"):
        viz.plot_matches(fig, np.zeros((1, 2)), np.zeros((1, 2)), np.zeros(1, int), np.ones(1), np.zeros(3, bool))


def is_colour(pixel, colour):
    return np.abs(np.asarray(pixel, dtype=int) - np.round(255 * np.array(to_rgb(colour)))).max() <= 40


def test_match_picture_draws_the_same_lines():
    """On black frames, each 160 x 90 shown three times as large: level lines from keypoint to keypoint, nothing else.

    Those that agree are unbroken and coloured by confidence, the other one is dashed in its own colour.
    """
    black = np.zeros((90, 160, 3), np.uint8)
    points = np.array([[40.0, 20.0], [40.0, 40.0], [40.0, 60.0], [40.0, 80.0]])
    matches, scores = np.array([0, 1, 2, -1]), np.array([1.0, 0.0, 0.5, 0.0])
    shown = pairs.match_picture(black, black, points, points, matches, scores, np.array([True, True, False]))
    assert shown.shape == (270, 2 * 480 + 6, 3) and (shown[:, 480:486][[0, 100]] == 255).all()
    rows = [round(3 * (y + 0.5) - 0.5) for y in points[:, 1]]
    start, end = 3 * 40 + 1, 486 + 3 * 40 + 1
    colours = (*(colormaps["viridis"](value)[:3] for value in (1.0, 0.0)), pairs.DISAGREE_COLOUR)
    for row, colour, whole in zip(rows, colours, (True, True, False), strict=False):
        on_line = np.array([is_colour(pixel, colour) for pixel in shown[row, start:end]])
        assert on_line.all() if whole else 0.4 < on_line.mean() < 0.8
        assert (shown[row, : start - 4] == 0).all() and (shown[row, end + 4 :] == 0).all()
    assert (shown[rows[3], :480] == 0).all(), "a keypoint without a match is not drawn"


def test_match_picture_scales_limits_lines_and_takes_no_matches(images):
    """Keypoints of an original three times as large end where those of the picture itself do; of 500 lines 40 are drawn."""
    points, found = np.array([[30.0, 20.0], [100.0, 70.0]]), (np.array([1, 0]), np.array([0.9, 0.4]))
    plain = pairs.match_picture(images[0], images[1], points, points, *found)
    larger = 3 * (points + 0.5) - 0.5
    np.testing.assert_array_equal(plain, pairs.match_picture(*images[:2], larger, larger, *found, scale=1 / 3))
    assert pairs.match_picture(*images[:2], points, points, *found, size=(80, 90)).shape == (45, 166, 3)
    none = np.zeros((0, 2)), np.zeros((0, 2)), np.zeros(0, int), np.zeros(0), np.zeros(0, bool)
    assert pairs.match_picture(*images[:2], *none).shape == plain.shape
    rng = np.random.default_rng(0)
    many, scores = rng.uniform(0, 80, (500, 2)), rng.uniform(0.1, 0.9, 500)
    drawn = [pairs.match_picture(*images[:2], many, many, np.arange(500), scores, max_lines=most) for most in (500, 40, 0)]
    changed = [(picture != drawn[2]).any(axis=2).sum() for picture in drawn]
    assert changed[0] > 2 * changed[1] > 0 == changed[2]
    with pytest.raises(ValueError, match="one value per match"):
        pairs.match_picture(*images[:2], points, points, *found, np.zeros(3, bool))


def test_blinking_pictures(images):
    """Frame 0 warped onto frame 2 equals frame 2, also where frame 0 does not reach; as they are, they differ."""
    (moved, still), difference = pairs.overlay_pictures(images[0], images[2], np.array([[1, 0, -8.0], [0, 1, 0]]), "blink")
    assert (moved == images[2]).all() and (still == images[2]).all() and difference < 0.03
    (first, second), difference = pairs.overlay_pictures(images[0], images[2], np.eye(2, 3), "blink")
    assert (first == images[0]).all() and (second == images[2]).all() and difference > 0.1
    (alone, _), difference = pairs.overlay_pictures(images[0], images[2], np.array([[1, 0, 900.0], [0, 1, 0]]), "blink")
    assert (alone == images[2]).all() and difference is None


@pytest.mark.parametrize("kind", ["red-cyan", "checkerboard"])
def test_overlay_of_a_shifted_frame(images, kind):
    """Frame 2 of the moving window is frame 0 shifted 8 px to the left: nothing differs after registration."""
    fig = viz.registered_overlay(images[0], images[2], np.array([[1, 0, -8.0], [0, 1, 0]]), kind)
    before, after = (ax.get_title() for ax in fig.axes)
    left = [float(title.rpartition(" ")[2]) for title in (before, after)]
    assert before.startswith("before registration: difference of ranks ") and left[0] > 0.1 > 0.03 > left[1]
    shown = fig.axes[1].get_images()[0].get_array()
    if kind == "red-cyan":
        assert np.abs(shown[..., 0].astype(int) - shown[..., 1]).mean() < 5, "agreement is grey"
    else:
        np.testing.assert_array_equal(shown, images[2])


def test_overlay_without_overlap_and_with_wrong_input(images):
    fig = viz.registered_overlay(images[0], images[1], np.array([[1, 0, 900.0], [0, 1, 0]]))
    assert fig.axes[1].get_title() == "after registration: hardly any overlap"
    with pytest.raises(ValueError, match="one size"):
        viz.registered_overlay(images[0], images[1][:50], np.eye(2, 3))
    with pytest.raises(ValueError, match="checkerboard"):
        viz.registered_overlay(images[0], images[1], np.eye(2, 3), "blink")


def test_film_strip_samples_evenly_and_shows_those_frames(flat):
    ax = viz.film_strip(flat, count=24, title="Input").axes[0]
    assert ax.get_title(loc="left") == "Input (24 of 600 frames)"
    assert captions(ax) == np.linspace(0, 599, 24).round().astype(int).tolist()
    sheet = ax.get_images()[0].get_array()
    for position, patch in zip(captions(ax), ax.patches, strict=True):
        x, y = (int(v) for v in (patch.get_x() + patch.get_width() / 2, patch.get_y() + patch.get_height() / 2))
        assert sheet[y, x].tolist() == [position % 251] * 3


def test_film_strip_of_a_sequence_coloured_by_scene(images):
    ax = viz.film_strip(images, [29, 3, 15, 25], LABELS).axes[0]
    assert captions(ax) == [29, 3, 15, 25]
    assert border_colours(ax) == [viz.scene_colour(s).upper() for s in (-1, 0, 1, 2)]
    assert ax.get_title(loc="left") == "Frames (4 frames)"


@pytest.mark.parametrize("count", [0, 1])
def test_film_strip_of_no_frame_or_one(images, count):
    ax = viz.film_strip(images[:count]).axes[0]
    assert captions(ax) == list(range(count)) and ("no frames" in words(ax)) == (count == 0)


def test_film_strip_wraps_within_the_sheet(images):
    for shape in ((0, 1, 2, 3), (0, 2, 1, 3)):
        ax = viz.film_strip(images.transpose(shape), count=30, columns=12).axes[0]
        height, width = ax.get_images()[0].get_array().shape[:2]
        boxes = [patch.get_bbox() for patch in ax.patches]
        assert len({box.y0 for box in boxes}) == 3
        assert all(box.x0 >= -0.5 and box.x1 <= width and box.y1 <= height for box in boxes)
        for k, box in enumerate(boxes):
            assert not any(box.overlaps(other) for other in boxes[k + 1 :])


def test_film_strip_reads_only_what_it_shows(images):
    class Counted:
        """Frames that remember which of them were asked for."""

        asked = []  # noqa: RUF012

        def __len__(self):
            return 30

        def __getitem__(self, index):
            self.asked.append(int(index))
            return images[index]

    viz.film_strip(Counted(), count=3)
    assert Counted.asked == [0, 14, 29]


def test_film_strip_into_given_axes(images):
    fig, axes = plt.subplots(2, 1)
    assert viz.film_strip(images, ax=axes[1]) is fig and not axes[0].has_data()


def test_strips_before_after(images):
    orders = [np.arange(12)[::-1], np.arange(12, 22), [22, 23, 24, 25, 26]]
    ax = viz.strips_before_after(images, np.arange(30), orders, [27, 28, 29], count=4).axes[0]
    assert headings(ax) == [
        "input (4 of 30 frames)", "scene 0 (4 of 12 frames)", "scene 1 (4 of 10 frames)", "scene 2 (4 of 5 frames)",
        "outliers (3 frames)",
    ]  # fmt: skip
    assert captions(ax)[4:8] == [11, 7, 4, 0] and captions(ax)[-3:] == [27, 28, 29]
    scenes = [0, 0, 1, -1] + [0] * 4 + [1] * 4 + [2] * 4 + [-1] * 3
    assert border_colours(ax) == [viz.scene_colour(s).upper() for s in scenes]


def test_named_strips(images):
    """Few frames, many, and none; a strip stands below its name, its frames have the colours of their scenes."""
    strips = {"decided about": np.array([29, 3]), "its scene": np.arange(12), "nothing": np.zeros(0, int)}
    ax = viz.named_strips(images, strips, LABELS, count=4, title="Two frames").axes[0]
    assert headings(ax) == ["decided about (2 frames)", "its scene (4 of 12 frames)", "nothing (0 frames)"]
    assert captions(ax) == [29, 3, 0, 4, 7, 11] and ax.get_title(loc="left") == "Two frames"
    assert border_colours(ax) == [viz.scene_colour(s).upper() for s in (-1, 0, 0, 0, 0, 0)]
    assert "no frames" in words(viz.named_strips(images, {}, LABELS).axes[0])


def test_strips_of_many_scenes_and_no_outliers(images):
    ax = viz.strips_before_after(images, np.arange(30), np.arange(30).reshape(10, 3), max_scenes=6).axes[0]
    assert ax.get_title(loc="left") == "Shuffled input and restored scenes (4 more scenes not shown)"
    assert headings(ax)[-1] == "scene 5 (3 frames)" and len(headings(ax)) == 7


def test_strips_without_the_input(images):
    ax = viz.strips_before_after(images, (), [np.arange(12)], title="").axes[0]
    assert headings(ax) == ["scene 0 (12 frames)"] and captions(ax) == list(range(12))


def test_cluster_gallery(images):
    ax = viz.cluster_gallery(images, LABELS, per_scene=4).axes[0]
    assert headings(ax) == [
        "scene 0 (4 of 12 frames)",
        "scene 1 (4 of 10 frames)",
        "scene 2 (4 of 5 frames)",
        "outliers (3 frames)",
    ]
    assert all(LABELS[p] == s for p, s in zip(captions(ax), [0] * 4 + [1] * 4 + [2] * 4 + [-1] * 3, strict=True))


def test_gallery_shows_the_largest_of_many_scenes(images):
    labels = np.repeat(np.arange(12), [1, 1, 1, 1, 1, 1, 2, 2, 2, 4, 6, 8])
    ax = viz.cluster_gallery(images, labels, max_rows=4).axes[0]
    assert [word.split(" (")[0] for word in headings(ax)] == ["scene 11", "scene 10", "scene 9", "scene 6"]
    assert ax.get_title(loc="left").endswith("(8 more scenes not shown)")


@pytest.mark.parametrize("labels", [[-1], [0], []])
def test_gallery_of_no_frame_or_one(images, labels):
    ax = viz.cluster_gallery(images[: len(labels)], np.array(labels, int)).axes[0]
    assert len(captions(ax)) == len(labels)


@pytest.fixture(scope="module")
def caption():
    """(90, 160) bool: a block at the lower left corner and a ring, which has a hole."""
    mask = np.zeros((90, 160), bool)
    mask[70:, :80] = mask[10:30, 120:140] = True
    mask[15:25, 125:135] = False
    return mask


def test_overlay_figure(images, caption):
    """Above the overlay stays as it is and the rest is pale, below it is filled in; nothing else changes."""
    drawn = np.where(caption[..., None], np.uint8(250) * np.array([1, 0, 0], np.uint8), images)
    ax = viz.overlay_figure(drawn, caption, [3, 20]).axes[0]
    assert ax.get_title(loc="left") == f"The overlay: {100 * caption.mean():.1f} % of the picture"
    assert captions(ax) == [3, 20, 3, 20] and len(headings(ax)) == 2
    sheet = ax.get_images()[0].get_array()
    boxes = [patch.get_path().get_extents() for patch in ax.patches]
    size = boxes[0].width / 139  # px of the sheet per px of the frame: from the centre of column 0 to that of column 139
    for box, position in zip(boxes, (3, 20), strict=True):
        left, top = box.x0 - size / 2, box.y0 - 10.5 * size
        below = top + size * 90 + pictures.LABEL_HEIGHT + pictures.HEADING_HEIGHT
        x, y = round(left + 40 * size), 80 * size
        assert sheet[round(top + y), x].tolist() == [250, 0, 0], "the overlay as it is"
        assert sheet[round(below + y), x].tolist() != [250, 0, 0], "the overlay filled in"
        x, y = round(left + 60 * size), 40 * size
        frame = images[position][38:43, 58:63].reshape(-1, 3).mean(axis=0)
        around = [
            sheet[round(start + y) - 2 : round(start + y) + 3, x - 2 : x + 3].reshape(-1, 3).mean(axis=0)
            for start in (top, below)
        ]
        assert np.abs(around[0] - (0.65 * 255 + 0.35 * frame)).max() < 12 and np.abs(around[1] - frame).max() < 25
    assert len(ax.patches[0].get_path().to_polygons()) == 3, "block, ring and its hole"


def test_overlay_figure_without_an_overlay(images, caption):
    """A film strip that says so; frames are chosen by how they differ, and there are never more than there are frames."""
    for count in (30, 3, 1):
        ax = viz.overlay_figure(images[:count], np.zeros_like(caption)).axes[0]
        assert "no overlay was found" in ax.get_title(loc="left")
        assert captions(ax) == sorted(set(captions(ax))) and len(captions(ax)) == min(count, 8)
    assert words(viz.overlay_figure(images[:0], np.zeros_like(caption)).axes[0]) == ["no frames"]


@pytest.mark.parametrize("shape", [(90, 160), (160, 90), (30, 300)])
def test_overlay_figure_fits_the_sheet(flat, shape):
    """Frames of every shape; an overlay as large as the frame leaves nothing to fill it in from, and stays."""
    frames = np.broadcast_to(flat[:9, :1, :1], (9, *shape, 3))
    for mask in (np.ones(shape, bool), np.arange(shape[1])[None].repeat(shape[0], 0) < 5):
        ax = viz.overlay_figure(frames, mask).axes[0]
        height, width = ax.get_images()[0].get_array().shape[:2]
        assert len(captions(ax)) == 8 and width == pictures.SHEET_WIDTH
        for patch in ax.patches:
            box = patch.get_path().get_extents()
            assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width and box.y1 <= height


def test_umap_scatter():
    points = np.random.default_rng(0).normal(size=(30, 2))
    ax = viz.umap_scatter(points, LABELS, title="Frames").axes[0]
    assert legend_words(ax) == ["scene 0 (12)", "scene 1 (10)", "scene 2 (5)", "outliers (3)"]
    assert ax.get_title() == "Frames" and ax.get_xlabel().startswith("UMAP 1")
    for scene, dots in zip((0, 1, 2, -1), ax.collections, strict=True):
        np.testing.assert_array_equal(dots.get_offsets(), points[np.equal(LABELS, scene)])
        assert to_hex(dots.get_facecolor()[0]).upper() == viz.scene_colour(scene).upper()


def test_umap_scatter_without_a_map():
    """What was the matter stands in the place of the map, as it is, and the counts are there all the same."""
    reason = "There is no map: UMAP failed (RuntimeError: $x cannot cache " + "function " * 20 + ")"
    fig = viz.umap_scatter(np.full((30, 2), np.nan), LABELS, title=reason)
    assert fig.axes[0].get_title() == reason
    assert legend_words(fig.axes[0])[0] == "scene 0 (12)"
    fig.canvas.draw()


@pytest.mark.parametrize(("count", "scenes"), [(1, 1), (12, 12), (500, 12), (60, 20)])
def test_legend_lies_inside_the_figure(count, scenes):
    points = np.random.default_rng(0).normal(size=(count, 2))
    fig = viz.umap_scatter(points, np.arange(count) % scenes)
    shown = legend_words(fig.axes[0])
    assert "outliers" not in " ".join(shown)
    assert (shown[-1] == "4 more scenes" and len(shown) == 17) if scenes == 20 else len(shown) == scenes
    x, y, width, height = extent_in_inches(fig)
    assert x >= 0 and y >= 0 and x + width <= 10.01 and y + height <= 5.01


def test_k_distance_curve():
    ax = viz.k_distance_curve(np.array([0.3, 0.01, 0.1, 0.5]), eps=0.2, k=3).axes[0]
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), [0.01, 0.1, 0.3, 0.5])
    assert ax.get_yscale() == "log" and legend_words(ax) == ["eps = 0.2 (2 frames above)"]
    assert ax.lines[1].get_ydata()[0] == 0.2 and ax.get_title().endswith("k = 3")
    low, high = ax.get_ylim()
    assert low < 0.01 and high > 0.5


@pytest.mark.parametrize("distances", [[], [0.2], [0, 0, 0], [0, 1e-9, 0.2, 0.4]])
def test_k_distances_of_equal_frames_or_one_frame(distances):
    ax = viz.k_distance_curve(np.array(distances, float)).axes[0]
    assert ax.get_yscale() == ("log" if np.any(distances) else "linear") and ax.get_legend() is None
    if len(distances) == 4:
        assert ax.get_ylim()[0] > 1e-6, "equal frames must not squeeze the rest of the curve"


def test_eps_curve():
    eps, scenes, outliers = np.geomspace(0.01, 1, 20), np.arange(20)[::-1] // 4, np.arange(20)[::-1] * 3
    fig = viz.eps_curve(eps, scenes, outliers, chosen=0.1, suggested=0.2, stable=(0.15, 0.3))
    above, below = fig.axes
    assert [above.get_ylabel(), below.get_ylabel()] == ["scenes", "outliers (frames)"]
    assert below.get_xscale() == above.get_xscale() == "log"
    np.testing.assert_array_equal(above.lines[0].get_ydata(), scenes)
    np.testing.assert_array_equal(below.lines[0].get_ydata(), outliers)
    entries = [text.get_text() for text in fig.legends[0].get_texts()]
    assert len(entries) == 3 and "0.15 to 0.3" in entries[0] and entries[1:] == ["eps in use = 0.1", "suggested eps = 0.2"]
    used, suggested = viz.eps_curve(eps, scenes, outliers, chosen=0.1, suggested=0.1).axes[0].lines[2:]
    assert used.get_linewidth() > 3 * suggested.get_linewidth()  # the later one is on top, and leaves the other to be seen
    fig.canvas.draw()
    assert {"0.1", "0.2", "0.5"} <= {label.get_text() for label in below.get_xticklabels()}


@pytest.mark.parametrize("eps", [[0.3], [0.21, 0.22, 0.23]])
def test_eps_curve_over_a_narrow_range(eps):
    fig = viz.eps_curve(np.array(eps), np.ones(len(eps)), np.zeros(len(eps)), chosen=eps[0])
    fig.canvas.draw()
    low, high = fig.axes[1].get_xlim()
    assert sum(low <= tick <= high for tick in fig.axes[1].get_xticks()) >= 2, "an axis without numbers"


def test_frame_changes(images):
    """A moving window changes a little with every step and more with wide steps; another light changes nothing; noise that has
    nothing in common comes to a third."""
    steady, wide = viz.frame_changes(images[:4]), viz.frame_changes(images, [0, 10, 20])
    assert steady.shape == (3,) and wide.shape == (2,) and 0 < steady.max() < wide.min() < 1 / 3
    dark = (0.5 * images[:1].astype(float)).round().astype(np.uint8)
    np.testing.assert_allclose(viz.frame_changes([images[0], dark[0]]), 0, atol=0.01)
    noise = np.random.default_rng(0).integers(0, 256, (2, 60, 80, 3), dtype=np.uint8)
    np.testing.assert_allclose(viz.frame_changes(noise), 1 / 3, atol=0.01)
    assert viz.frame_changes(images[:1]).shape == viz.frame_changes(images[:0]).shape == (0,)


def test_frame_change_plot():
    ax = viz.frame_change_plot(np.full(9, 0.3), [np.full(4, 0.02), np.full(3, 0.05), np.zeros(0)]).axes[0]
    assert legend_words(ax) == [
        "input order (median 0.30)", "scene 0, restored (median 0.020)", "scene 1, restored (median 0.050)",
        "scene 2, restored (one frame)",
    ]  # fmt: skip
    assert ax.lines[2].get_xdata().tolist() == [5, 6, 7], "a scene starts where the one before it ends"
    assert ax.lines[2].get_color() == viz.scene_colour(1)
    ax = viz.frame_change_plot(np.full(9, 0.3), jump=0.17).axes[0]
    assert ax.lines[-1].get_ydata() == [0.17, 0.17] and ax.lines[-1].get_label() == "above 0.17: a jump"
    assert viz.frame_change_plot(np.zeros(0)).axes[0].get_legend() is None


def test_order_against_truth():
    places, true_frames = np.arange(30), np.arange(30)[::-1]
    clips = np.array(["a"] * 11 + ["outlier"] + ["b"] * 19)
    fig = viz.order_against_truth(places, true_frames, LABELS, clips)
    assert [ax.get_title() for ax in fig.axes] == ["scene 0: a\n11 frames", "scene 1: b\n10 frames", "scene 2: b\n5 frames"]
    assert legend_words(fig.axes[0]) == ["of other clips (1)"] and fig.axes[1].get_legend() is None
    np.testing.assert_array_equal(fig.axes[1].lines[0].get_xydata(), np.c_[true_frames, places][LABELS == 1])
    assert fig.axes[0].lines[1].get_xydata().tolist() == [[18, 11]]


@pytest.mark.parametrize("scenes", [0, 1, 12, 15])
def test_order_against_truth_of_few_and_many_scenes(scenes):
    labels = np.repeat(np.arange(scenes), 4) if scenes else np.full(3, -1)
    fig = viz.order_against_truth(
        np.arange(len(labels)), np.arange(len(labels)), labels, ["a_very_long_name_of_a_clip"] * len(labels)
    )
    panels = [ax for ax in fig.axes if ax.axison]
    assert len(panels) == min(scenes, 12)
    assert fig.get_suptitle().endswith("(3 more scenes not shown)") == (scenes == 15)
    fig.canvas.draw()
    boxes = [ax.title.get_window_extent() for ax in panels]
    assert not any(one.overlaps(two) for k, one in enumerate(boxes) for two in boxes[k + 1 :])


@pytest.mark.parametrize(("clip", "shown"), [("a" * 18, "a" * 18), ("a" * 19, "a" * 17 + "…")])
def test_long_names_of_clips_are_shortened(clip, shown):
    fig = viz.order_against_truth(np.arange(5), np.arange(5), np.zeros(5, int), [clip] * 5)
    assert fig.axes[0].get_title() == f"scene 0: {shown}\n5 frames"


@pytest.mark.parametrize(("scenes", "named"), [(1, 1), (3, 3), (40, 10)])
def test_names_of_scenes_above_links_do_not_overlap(scenes, named):
    """Scenes of three frames, the last link of each without a confidence; two links are weak."""
    confidence = np.tile([0.9, 0.95, np.nan], scenes)
    confidence[:2] = 0.3, 0.5
    table = pd.DataFrame({"scene": np.repeat(np.arange(scenes), 3), "order": np.tile(np.arange(3), scenes)})
    fig = viz.link_confidence_plot(table.assign(confidence=confidence))
    ax = fig.axes[0]
    assert legend_words(ax) == [f"sure ({2 * scenes - 2})", "guessed (2)", "below 0.8: worth a look"]
    fig.canvas.draw()
    boxes = [text.get_window_extent() for text in ax.texts]
    assert words(ax)[0] == "scene 0" and len(boxes) == named
    assert not any(one.overlaps(two) for one, two in pairwise(boxes))


def test_links_without_confidence():
    table = pd.DataFrame({"scene": [0, 0, 0, -1], "order": [2, 0, 1, -1], "confidence": np.nan})
    assert words(viz.link_confidence_plot(table).axes[0]) == ["scene 0", "this kind of order has no confidence"]


def test_shrinking_averages_blocks_and_keeps_holes():
    matrix = np.arange(36, dtype=float).reshape(6, 6)
    matrix[:2, :2] = np.nan
    matrix[2, 2] = np.nan
    small = matrices._shrunk(matrix, 3)
    assert np.isnan(small[0, 0]) and small[0, 1] == matrix[:2, 2:4].mean()
    assert small[1, 1] == np.nanmean(matrix[2:4, 2:4]) and small[2, 2] == matrix[4:, 4:].mean()
    assert matrices._shrunk(matrix, 4).shape == (3, 3), "never more than asked for"
    assert matrices._shrunk(matrix, 6) is matrix


def test_similarity_matrix():
    matrix = np.full((40, 40), 0.25)
    np.fill_diagonal(matrix, 1)
    matrix[0, 1] = 0.75
    fig = viz.similarity_matrix(matrix, boundaries=[10, 30])
    picture = fig.axes[0].get_images()[0]
    assert picture.get_clim() == (0.25, 0.75), "the diagonal must not set the scale"
    assert [line.get_ydata()[0] for line in fig.axes[0].lines[::2]] == [9.5, 29.5]
    assert fig.axes[1].get_ylabel() == "cosine similarity" and fig.axes[0].get_xlabel() == "frame, input order"


def test_a_large_matrix_is_shrunk_but_counts_frames():
    picture = viz.similarity_matrix(np.zeros((1300, 1300))).axes[0].get_images()[0]
    assert max(picture.get_array().shape) <= 600 and picture.get_extent() == [-0.5, 1299.5, 1299.5, -0.5]


@pytest.mark.parametrize("matrix", [np.ones((1, 1)), np.ones((3, 3)), np.full((3, 3), np.nan)])
def test_matrices_of_one_frame_equal_frames_or_no_values(matrix):
    for fig in (viz.similarity_matrix(matrix), viz.match_counts_matrix(matrix)):
        low, high = fig.axes[0].get_images()[0].get_clim()
        assert low < high


def test_similarity_before_after():
    rng = np.random.default_rng(0)
    matrix = rng.uniform(size=(8, 8))
    fig = viz.similarity_before_after(matrix, [5, 2, 7], boundaries=[2])
    before, after = fig.axes[:2]
    assert (before.get_title(), after.get_title()) == ("Input order (8 frames)", "Restored order (3 frames)")
    assert fig.get_suptitle() == "Cosine similarity"
    np.testing.assert_array_equal(after.get_images()[0].get_array(), matrix[[5, 2, 7]][:, [5, 2, 7]])
    assert before.get_images()[0].get_clim() == after.get_images()[0].get_clim()
    assert not before.lines and len(after.lines) == 2 and len(fig.axes) == 3


def test_match_counts_leave_what_was_not_compared_empty():
    counts = np.full((5, 5), np.nan)
    counts[0, 1] = counts[1, 0] = 120
    counts[2, 3] = counts[3, 2] = 0
    fig = viz.match_counts_matrix(counts)
    assert fig.axes[0].get_title().endswith("2 of 10 pairs compared (the rest is grey)")
    picture = fig.axes[0].get_images()[0]
    assert picture.get_clim() == (0, 120) and np.ma.count(picture.get_array()) == 4
    assert fig.axes[1].get_ylabel() == "matches"


def test_everything_public_exists_and_figures_stay_small(images, tmp_path):
    assert all(hasattr(viz, name) for name in viz.__all__)
    figures = [
        viz.film_strip(images, labels=LABELS),
        viz.strips_before_after(images, np.arange(30), [np.arange(15), np.arange(15, 27)], [27, 28, 29]),
        viz.plot_images([images[0], images[9]]),
        viz.cluster_gallery(np.concatenate([images] * 4), np.arange(120) % 10),
    ]
    for fig in figures:
        fig.savefig(tmp_path / "figure.png", dpi=100, bbox_inches="tight")
        assert (tmp_path / "figure.png").stat().st_size < 600_000
        assert fig.get_size_inches()[0] <= 10
