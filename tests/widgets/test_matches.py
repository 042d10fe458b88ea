"""The match inspector without a browser, on the run of the short sample: 26 frames, two scenes and 4 foreign frames."""

import html
import io
import json
import re
from collections.abc import Iterator
from typing import NamedTuple

import ipywidgets
import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image
from plotly.callbacks import InputDeviceState, Points

from tests.matching.test_lightglue import save_tiny as save_lightglue
from tests.matching.test_superglue import save_tiny as save_superglue
from workbench import widgets
from workbench.errors import RunError
from workbench.matching.matches import make_matcher
from workbench.notebooks import pairview
from workbench.notebooks.commands import papermill_command
from workbench.parameters import FeatureParameters, MatchParameters
from workbench.run import Run
from workbench.storage.hloc import open_h5, read_features


class Counts(NamedTuple):
    """A row of the table of counts."""

    keypoints: tuple[int, int]
    matches: int
    inliers: int
    registers: str


class Inspector:
    """The widget, with its parts by their CSS classes."""

    def __init__(self, run: Run, features: FeatureParameters, matching: MatchParameters, **others: object) -> None:
        self.widget = widgets.match_inspector(run, features, matching, **others)

    def __getitem__(self, name: str) -> ipywidgets.Widget:
        (found,) = [widget for widget in self._all(self.widget) if f"wb-{name}" in getattr(widget, "_dom_classes", ())]
        return found

    def _all(self, widget: ipywidgets.Widget) -> Iterator[ipywidgets.Widget]:
        yield widget
        for child in getattr(widget, "children", ()):
            yield from self._all(child)

    def counts(self) -> dict[str, Counts]:
        rows = [re.findall(r"<td[^>]*>(.*?)</td>", row) for row in re.findall("<tr>(.*?)</tr>", self["counts"].value)[1:]]
        return {
            name[3:-4]: Counts(tuple(map(int, keypoints.split(", "))), int(matches), int(inliers), registers)
            for name, keypoints, matches, inliers, registers in rows
        }

    def pair(self) -> tuple[int, int]:
        """The pair in the caption, which agrees with the number fields."""
        pair = tuple(map(int, re.match(r"<b>frame (\d+) and frame (\d+)</b>", self["pair"].value).groups()))
        assert set(pair) == {self["first"].value, self["second"].value}
        return pair

    def pictures(self) -> list[bytes]:
        return [bytes(self[name].value) for name in ("matches", "matches-flann", "overlay")]

    def choose(self, a: int, b: int) -> None:
        self["first"].value = a
        self["second"].value = b


@pytest.fixture(autouse=True)
def no_figure_left():
    yield
    assert not plt.get_fignums()


@pytest.fixture
def run(short_run) -> Run:
    return short_run[0]


@pytest.fixture
def inspector(run) -> Inspector:
    return Inspector(run, FeatureParameters(), MatchParameters())


@pytest.fixture
def ranked(run) -> np.ndarray:
    """(P, 2) int, the pairs inside scenes sorted by their inliers, from the table itself."""
    table, scenes = run.transforms(), run.scenes()
    inside = table[[scenes[a] == scenes[b] >= 0 for a, b in zip(table["a"], table["b"], strict=True)]]
    return inside.sort_values(["inliers", "a", "b"])[["a", "b"]].to_numpy()


def strangers(run: Run) -> tuple[int, int]:
    """Two frames of different scenes that the run did not compare."""
    table, scenes = run.transforms(), run.scenes()
    compared = set(zip(table["a"], table["b"], strict=True))
    return next(
        (a, b)
        for a in np.flatnonzero(scenes == 0).tolist()
        for b in np.flatnonzero(scenes == 1).tolist()
        if (min(a, b), max(a, b)) not in compared
    )


def test_worst_median_and_best(inspector, ranked):
    """The buttons and the slider go to the places of the ranking that the table gives; the caption names the place."""
    inliers = []
    for name, place in (("worst", 0), ("median", len(ranked) // 2), ("best", len(ranked) - 1)):
        inspector[name].click()
        assert inspector.pair() == tuple(ranked[place]) and inspector["place"].value == place
        assert f"place {place} of {len(ranked)}" in inspector["pair"].value
        inliers.append(inspector.counts()["superglue"].inliers)
    assert inliers[0] < inliers[1] < inliers[2]
    inspector["place"].value = 3
    assert inspector.pair() == tuple(ranked[3])


def test_counts_are_those_of_the_run(inspector, run, ranked):
    """With the run's settings the counts of every pair are those of transforms.csv."""
    table = run.transforms().set_index(["a", "b"])
    for place in np.linspace(0, len(ranked) - 1, 12).astype(int):
        inspector["place"].value = int(place)
        row, found = table.loc[tuple(ranked[place])], inspector.counts()["superglue"]
        assert (found.matches, found.inliers) == (row["matches"], row["inliers"])
        assert found.registers.startswith("yes") == (row["model"] != "none")


def test_a_changed_pair_changes_every_picture(inspector, ranked):
    seen = []
    for place in range(4):
        inspector["place"].value = place
        seen.append(inspector.pictures())
    for kind in zip(*seen, strict=True):
        assert len(set(kind)) == 4
    before = inspector.pictures()
    inspector["best"].click()
    inspector["place"].value = 3
    assert inspector.pictures() == before, "the same pair looks the same"


def test_settings_change_the_matches(inspector, monkeypatch):
    """A higher match threshold or a lower ratio never gives more matches; SuperGlue's weights are read once."""
    inspector["match-threshold"].value = 0.1
    monkeypatch.setattr("workbench.matching.superglue.read_weights", None)
    found, flann = [], []
    for threshold in (0.1, 0.3, 0.5, 0.7, 0.9, 1.0):
        inspector["match-threshold"].value = threshold
        found.append(inspector.counts()["superglue"].matches)
    assert found == sorted(found, reverse=True) and found[0] > found[-2] > found[-1] == 0
    assert inspector.counts()["superglue"].registers == "no"
    for ratio in (0.9, 0.7, 0.4):
        inspector["ratio"].value = ratio
        flann.append(inspector.counts()["sift-flann"].matches)
    assert flann == sorted(flann, reverse=True) and flann[0] > flann[-1]
    inspector["match-threshold"].value = 0.25
    many = inspector.pictures()[0]
    inspector["sinkhorn-iterations"].value = 1
    assert inspector.pictures()[0] != many


def test_keypoints_are_detected_again(inspector):
    """At most as many as requested, fewer with a higher threshold. The run's settings bring the run's numbers back."""
    before = inspector.counts(), inspector.pictures()
    inspector["max-keypoints"].value = 32
    assert all(max(row.keypoints) <= 32 and row.matches <= 32 for row in inspector.counts().values())
    inspector["max-keypoints"].value = 1024
    most = inspector.counts()["superglue"].keypoints
    inspector["contrast-threshold"].value = 0.08
    assert all(few < many for few, many in zip(inspector.counts()["superglue"].keypoints, most, strict=True))
    inspector["reset"].click()
    assert (inspector.counts(), inspector.pictures()) == before


def test_any_two_frames(inspector, run):
    """Frames that the run did not compare are matched on request; those of two scenes do not register."""
    a, b = sorted(strangers(run))
    inspector.choose(b, a)  # in either order
    assert inspector.pair() == (a, b) and "not compared in the run" in inspector["pair"].value
    with open_h5(run.path / "features.h5") as file:
        first, second = read_features(file, a), read_features(file, b)
    ((matches, _),) = make_matcher(MatchParameters()).match([first], [second])
    found = inspector.counts()["superglue"]
    assert (found.matches, found.registers) == (np.count_nonzero(matches >= 0), "no")
    assert (inspector["first"].value, inspector["second"].value) == (b, a), "the typed numbers stay"
    inspector["first"].value = a
    assert "choose two different frames" in inspector["status"].value and f"frame {a}" in inspector["pair"].value
    inspector["first"].value = b
    assert inspector["status"].value == ""


def click(figure: ipywidgets.Widget, row: int, column: int) -> None:
    """What plotly does when a cell of a heatmap is clicked."""
    figure.data[0]._dispatch_on_click(Points(point_inds=[[row, column]], trace_name="", trace_index=0), InputDeviceState())


def test_matrix_chooses_and_follows(inspector, run, ranked):
    """A click on a cell shows its pair; a pair chosen otherwise is marked. Rows and columns are the frames by scene."""
    matrix, scenes = inspector["matrix"], run.scenes()
    frames = np.concatenate([np.flatnonzero(scenes == scene) for scene in (*range(scenes.max() + 1), -1)])
    a, b = ranked[5]
    row, column = (int(np.flatnonzero(frames == frame)[0]) for frame in (b, a))
    click(matrix, row, column)
    assert inspector.pair() == (a, b) and inspector["place"].value == 5
    assert {*zip(matrix.data[1].x, matrix.data[1].y, strict=True)} == {(column, row), (row, column)}
    inspector["worst"].click()
    x, y = matrix.data[1].x[0], matrix.data[1].y[0]
    assert {frames[x], frames[y]} == set(ranked[0])
    json.dumps(matrix.get_state()["_widget_data"], allow_nan=False)  # a message with NaN makes Jupyter print a warning
    table = run.transforms().set_index(["a", "b"])
    assert matrix.data[0].z[y][x] == matrix.data[0].z[x][y] == table.loc[tuple(ranked[0]), "matches"]


def test_overlay(inspector, run):
    """Blinking shows two pictures in turn, the other kinds show one; registering a pair lowers the difference."""
    inspector["median"].click()
    pictures = {}
    for kind, count in (("checkerboard", 1), ("red-cyan", 1), ("blink", 2)):
        inspector["overlay-kind"].value = kind
        pictures[kind] = Image.open(io.BytesIO(inspector["overlay"].value))
        assert (pictures[kind].n_frames, pictures[kind].size) == (count, run.images().shape[2:0:-1])
    blink = pictures["blink"]
    shown = []
    for place in range(2):
        blink.seek(place)
        shown.append(np.asarray(blink.convert("RGB")).astype(int))
    b = inspector.pair()[1]
    assert np.abs(shown[1] - run.images()[b]).mean() < 6 < np.abs(shown[0] - run.images()[b]).mean() + 6
    words = inspector["overlay-caption"].value
    after, before = map(float, re.search(r"difference of ranks ([\d.]+), unregistered ([\d.]+)", words).groups())
    assert after < before
    inspector.choose(*strangers(run))
    assert "does not register" in inspector["overlay-caption"].value


def test_keep(run):
    """The chosen settings are passed on, and the status shows what to do; a ratio that SuperGlue does not use stays."""
    calls = []
    inspector = Inspector(run, FeatureParameters(), MatchParameters(), keep=lambda *chosen: calls.append(chosen))
    inspector["max-keypoints"].value = 100
    inspector["match-threshold"].value = 0.4
    inspector["ratio"].value = 0.5
    inspector["keep"].click()
    expected = FeatureParameters(max_keypoints=100), MatchParameters(match_threshold=0.4)
    assert calls == [(run, *expected)]
    words = html.unescape(inspector["status"].value)
    assert "max_keypoints = 100" in words and "Run > Run All Cells" in words
    assert papermill_command(run, *expected) in words
    inspector["worst"].click()
    assert inspector["status"].value == "", "the status is about the last action"


def test_keep_that_fails_is_reported_in_one_line(run):
    def full(*_: object) -> None:
        raise RunError("the disk is <full>: make room")

    inspector = Inspector(run, FeatureParameters(), MatchParameters(), keep=full)
    inspector["keep"].click()
    assert inspector["status"].value == "the disk is &lt;full&gt;: make room"


def test_weights_that_are_not_available(run, inspector):
    """They are reported in one line; SIFT with FLANN still works, and the frames are shown without matches."""
    broken = Inspector(run, FeatureParameters(), MatchParameters(model="no-such-model"))
    status = broken["status"].value
    assert status.startswith("superglue: no-such-model is neither bundled") and "<br>" not in status
    assert ">failed<" in broken["counts"].value
    assert broken.pictures()[1] == inspector.pictures()[1] and broken.pictures()[0] != inspector.pictures()[0]
    assert "does not register" in broken["overlay-caption"].value


def test_run_by_flann(run, inspector):
    """SuperGlue is shown beside FLANN, and the settings of FLANN are kept."""
    calls = []
    flann = MatchParameters(matcher="sift-flann")
    other = Inspector(run, FeatureParameters(), flann, keep=lambda *chosen: calls.append(chosen[2]))
    assert list(other.counts()) == ["superglue", "sift-flann"] and other.counts() == inspector.counts()
    other["ratio"].value, other["match-threshold"].value = 0.6, 0.9
    other["keep"].click()
    assert calls == [MatchParameters(matcher="sift-flann", ratio=0.6)]


def test_sift_opencv(run, inspector):
    """OpenCV's own threshold cannot be changed, and finds fewer keypoints than that of the workbench."""
    other = Inspector(run, FeatureParameters(keypoints="sift-opencv"), MatchParameters())
    assert other["contrast-threshold"].disabled and not inspector["contrast-threshold"].disabled
    for name in ("max-keypoints", "match-threshold", "sinkhorn-iterations", "ratio"):
        assert not other[name].disabled, name
    inspector["max-keypoints"].value = other["max-keypoints"].value = 1024
    both = other.counts()["superglue"].keypoints, inspector.counts()["superglue"].keypoints
    assert all(few < many for few, many in zip(*both, strict=True))


@pytest.mark.parametrize(("matcher", "save"), [("superglue", save_superglue), ("lightglue", save_lightglue)])
def test_superpoint(run, tmp_path, matcher, save):
    """Tiny random networks: SuperPoint's keypoints cannot be changed, the thresholds of its matchers can."""
    save(tmp_path, 32)
    features = FeatureParameters(keypoints="superpoint", superpoint_model=str(tmp_path / "superpoint"), max_keypoints=60)
    inspector = Inspector(run, features, MatchParameters(matcher, str(tmp_path / matcher), match_threshold=0.001))
    assert inspector["status"].value == "" and list(inspector.counts()) == [matcher, "sift-flann"]
    disabled = {name for name in ("contrast-threshold", "max-keypoints", "sinkhorn-iterations") if inspector[name].disabled}
    assert disabled == {"contrast-threshold", "max-keypoints"} | ({"sinkhorn-iterations"} if matcher == "lightglue" else set())
    loose = inspector.counts()
    assert 0 < loose[matcher].matches <= 60 and loose["sift-flann"].keypoints == loose[matcher].keypoints
    inspector["match-threshold"].value = 0.9
    assert inspector.counts()[matcher].matches < loose[matcher].matches
    assert inspector.counts()["sift-flann"] == loose["sift-flann"]


def test_run_without_pairs(run, monkeypatch):
    """Nothing was compared: the ranking is disabled, but any two frames can be matched."""
    table = run.transforms()
    monkeypatch.setattr(Run, "transforms", lambda _: table[:0])
    inspector = Inspector(run, FeatureParameters(), MatchParameters())
    assert all(inspector[name].disabled for name in ("place", "worst", "median", "best"))
    a, b = table.loc[table["inliers"].idxmax(), ["a", "b"]]
    inspector.choose(int(a), int(b))
    assert inspector.counts()["superglue"].registers.startswith("yes")


def test_frames_without_keypoints(run, monkeypatch):
    """Black frames have no keypoints and no matches, and do not register; this is not an error."""
    images = np.zeros_like(run.images())
    monkeypatch.setattr(Run, "images", lambda _: images)
    inspector = Inspector(run, FeatureParameters(max_keypoints=100), MatchParameters())
    assert inspector.counts() == dict.fromkeys(("superglue", "sift-flann"), Counts((0, 0), 0, 0, "no"))
    assert inspector["status"].value == "" and all(inspector.pictures())


def test_one_frame_is_no_pair(run, monkeypatch):
    images = run.images()[:1]
    monkeypatch.setattr(Run, "images", lambda _: images)
    assert widgets.match_inspector(run, FeatureParameters(), MatchParameters()).value == "no two frames to match"


def test_ranking_is_that_of_the_static_figures(run, ranked):
    assert (pairview.ranked_pairs(run) == ranked).all()
