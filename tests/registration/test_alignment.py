"""Whole-scene alignment against simulated cameras, the stabilised videos made from it, and its figures."""

from itertools import pairwise
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
from sklearn.datasets import load_sample_images

from tests.helpers.tiny import pictures, workbench
from workbench.cli.reconstruct import _pair
from workbench.errors import MissingStageError, ParameterError
from workbench.evaluation.effects import shake_frame
from workbench.matching.nearest import SiftExact
from workbench.matching.sift import sift_features
from workbench.parameters import MatchParameters
from workbench.registration.alignment import Alignment, PairPoints, align_scene, similarity_matrices
from workbench.registration.pair import register_pair
from workbench.registration.stabilise import smooth_path, steady_transforms
from workbench.registration.tables import alignment_table, scene_alignment
from workbench.run import Run
from workbench.run.stages import stage_parameters
from workbench.video.encode import write_frames
from workbench.video.planes import warped
from workbench.video.reorder import write_video
from workbench.viz.order import alignment_error_plot, overlay, scene_overlay_before_after

SIZE = (640, 360)
CORNERS = np.array([0, 639, 359j, 639 + 359j])
NOISE = 0.5  # px, in x and y of both points


def cameras(count, seed=0):
    """(n,) complex p and t of a camera that goes twice round a circle of 300 px, with a little shake, rotation and zoom."""
    rng = np.random.default_rng(seed)
    angle = 4 * np.pi * np.arange(count) / count
    turns = np.exp(0.1 * np.sin(angle) + rng.normal(0, 0.02, count) + 1j * (0.2 * np.cos(angle) + rng.normal(0, 0.03, count)))
    return turns, 300 * np.exp(1j * angle) + rng.normal(0, 8, count) + 1j * rng.normal(0, 8, count)


def two_laps(count):
    """(P, 2) pairs of neighbours, and of each frame with the three at the same place a lap later."""
    lap = count // 2
    pairs = [(k, k + step) for step in (1, lap - 1, lap, lap + 1) for k in range(count - step)]
    return np.array(sorted(pairs))


def observed(turns, shifts, pairs, wrong=0.0, points=20, noise=NOISE, seed=1):
    """What registration would find: noisy points of every pair and their transform, by least squares.

    A share ``wrong`` of the pairs agrees on a transform drawn at random, with half the points. Returns the pairs and which of
    them are right, (P,) bool.
    """
    rng = np.random.default_rng(seed)
    right = rng.random(len(pairs)) >= wrong
    rows, matrices, both = [], [], []
    for k, (a, b) in enumerate(pairs):
        count = points if right[k] else points // 2
        x = rng.uniform(0, SIZE[0], count) + 1j * rng.uniform(0, SIZE[1], count)
        turn, shift = turns[a] / turns[b], (shifts[a] - shifts[b]) / turns[b]
        if not right[k]:
            turn, shift = np.exp(rng.normal(0, 0.2) + 1j * rng.uniform(-1, 1)), complex(*rng.uniform(-300, 300, 2))
        y = turn * x + shift
        x, y = (z + rng.normal(0, noise, count) + 1j * rng.normal(0, noise, count) for z in (x, y))
        found = np.vdot(x - x.mean(), y - y.mean()) / np.vdot(x - x.mean(), x - x.mean())
        matrices.append(similarity_matrices(np.array([found]), np.array([y.mean() - found * x.mean()]))[0])
        rows += [k] * count
        both += [np.stack([x.real, x.imag, y.real, y.imag], axis=1)]
    both = np.concatenate([np.zeros((0, 4)), *both])
    matrices = np.array(matrices).reshape(-1, 2, 3)
    return PairPoints(
        pairs, matrices, np.bincount(rows, minlength=len(pairs)), np.array(rows, int), both[:, :2], both[:, 2:]
    ), right


def off_truth(found, turns, shifts):
    """(n,) px of each frame: how far the farthest corner lies from where the true cameras put it on the reference."""
    at = int(np.flatnonzero(found.frames == found.reference)[0])
    truth = (turns[:, None] * CORNERS + shifts[:, None] - shifts[at]) / turns[at]
    warped = (found.transforms[:, :, 0] @ [1, 1j])[:, None] * CORNERS + (found.transforms[:, :, 2] @ [1, 1j])[:, None]
    return np.abs(warped - truth).max(axis=1) * np.abs(turns[at] / turns)


def test_loops_remove_the_drift():
    """Two laps of 60 frames: every frame lies within 2 px of the truth; by neighbours alone the worst drifts 5 times as far."""
    turns, shifts = cameras(120)
    pairs = two_laps(120)
    points, _ = observed(turns, shifts, pairs)
    found = align_scene(np.arange(120), points, SIZE)
    off = off_truth(found, turns, shifts)
    assert found.connected.all() and off.max() < 2
    # Both points have noise in x and y; the median length of such a vector is 1.177 of its sigma, NOISE * sqrt(2).
    assert np.median(found.error) == pytest.approx(NOISE * 2**0.5 * 1.177, rel=0.1)
    assert np.median(found.chained_error) > 3 * np.median(found.error)
    at = found.frames == found.reference
    assert at.sum() == 1 and np.array_equal(found.transforms[at][0], np.eye(2, 3))

    chain, _ = observed(turns, shifts, pairs[np.diff(pairs)[:, 0] == 1])
    chained = align_scene(np.arange(120), chain, SIZE)
    assert chained.connected.all()
    assert off_truth(chained, turns, shifts).max() > 5 * off.max()


@pytest.mark.parametrize("wrong", [0.1, 0.3])
def test_wrong_pairs_lose_their_weight(wrong):
    """A tenth, or nearly a third, of the pairs has a wrong transform; chaining trusts those between neighbours."""
    turns, shifts = cameras(120)
    points, right = observed(turns, shifts, two_laps(120), wrong)
    assert 0.9 * wrong < 1 - right.mean() < 1.1 * wrong
    found = align_scene(np.arange(120), points, SIZE)
    off = off_truth(found, turns, shifts)
    assert np.median(off) < 2 and off.max() < 5
    assert np.median(found.error) < 1 and np.median(found.chained_error) > 100


def test_scales_do_not_shrink():
    """Much noise: in px of the reference smaller frames would fit better; the mean log scale must stay right."""
    turns, shifts = cameras(60)
    points, _ = observed(turns, shifts, two_laps(60), noise=4.0)
    found = align_scene(np.arange(60), points, SIZE)
    at = int(np.flatnonzero(found.frames == found.reference)[0])
    growth = np.log(np.abs(found.transforms[:, :, 0] @ [1, 1j])) - np.log(np.abs(turns / turns[at]))
    assert abs(growth.mean()) < 0.01 and np.abs(growth).max() < 0.03


def test_numbers_of_frames_and_directions_of_pairs_do_not_matter():
    """Positions of a shuffled video, among pairs of other scenes, some pairs the other way round: the same transforms."""
    turns, shifts = cameras(40)
    points, _ = observed(turns, shifts, two_laps(40))
    plain = align_scene(np.arange(40), points, SIZE)
    frames = np.random.default_rng(5).permutation(100)[:40]
    back = np.arange(len(points.pairs)) % 3 == 0
    pairs = np.where(back[:, None], frames[points.pairs][:, ::-1], frames[points.pairs])
    full = np.concatenate([points.transforms, np.tile([[[0, 0, 1]]], (len(pairs), 1, 1))], axis=1)
    matrices = np.where(back[:, None, None], np.linalg.inv(full)[:, :2], points.transforms)
    swap = back[points.pair][:, None]
    a, b = np.where(swap, points.points_b, points.points_a), np.where(swap, points.points_a, points.points_b)
    other = np.setdiff1d(np.arange(100), frames)[:2]  # a pair of another scene, put last
    mixed = PairPoints(
        np.vstack([pairs, other]), np.concatenate([matrices, matrices[:1]]), np.append(points.inliers, 99),
        np.append(points.pair, [len(pairs)] * 2), np.vstack([a, a[:2]]), np.vstack([b, b[:2]]),
    )  # fmt: skip
    found = align_scene(frames, mixed, SIZE)
    assert np.array_equal(found.frames, frames) and found.reference == frames[plain.reference]
    assert np.allclose(found.transforms, plain.transforms, atol=1e-3) and np.allclose(found.error, plain.error, atol=1e-3)


def test_reference_is_the_middle_of_a_pan():
    """21 frames, each 15 px further, with pairs of neighbours and second neighbours: the frame nearest to all others."""
    turns, shifts = np.ones(21, complex), 15.0 * np.arange(21) + 0j
    points, _ = observed(turns, shifts, np.array([(k, k + d) for k in range(19) for d in (1, 2)]))
    assert align_scene(np.arange(21), points, SIZE).reference == 10


def test_frames_that_nothing_joins():
    """30 frames, of which 4 are joined among themselves only and one to none: a result, not an error."""
    turns, shifts = cameras(30)
    pairs = np.array([(k, j) for k in range(25) for j in (k + 1, k + 2) if j < 25] + [(25, 26), (26, 27), (27, 28)])
    found = align_scene(np.arange(30), observed(turns, shifts, pairs)[0], SIZE)
    assert found.connected.tolist() == [True] * 25 + [False] * 5 and found.reference < 25
    assert np.array_equal(found.transforms[25:], np.tile(np.eye(2, 3), (5, 1, 1)))
    assert np.isnan(found.error[25:]).all() and np.isnan(found.chained_error[25:]).all()
    assert np.isfinite(found.error[:25]).all() and off_truth(found, turns, shifts)[:25].max() < 3


def test_two_frames_and_fewer():
    turns, shifts = cameras(2)
    points, _ = observed(turns, shifts, np.array([(0, 1)]))
    two = align_scene(np.arange(2), points, SIZE)
    assert two.connected.all() and two.reference == 0 and two.error.max() < 2
    assert off_truth(two, turns, shifts).max() < 1.5
    assert two.error == pytest.approx(two.chained_error, rel=0.2)
    for frames in ([7], [7, 8]):  # of no pair
        alone = align_scene(np.array(frames), points, SIZE)
        assert alone.reference == 7 and alone.connected.tolist() == [True, False][: len(frames)]
        assert np.array_equal(alone.transforms[0], np.eye(2, 3)) and np.isnan(alone.error).all()
    none = align_scene(np.array([], dtype=int), points, SIZE)
    assert none.reference == -1 and none.transforms.shape == (0, 2, 3) and none.error.shape == (0,)


def test_table_and_back():
    """Two scenes and an outlier: a row per frame, and the same alignments read from it."""
    turns, shifts = cameras(12)
    points, _ = observed(turns, shifts, np.array([(0, 1), (1, 2), (0, 2), (4, 5)]))
    labels = np.array([0, 0, 0, -1, 1, 1])
    made = [align_scene(np.array(frames), points, SIZE) for frames in ([2, 0, 1], [5, 4])]
    table = alignment_table(labels, made)
    assert table["position"].tolist() == list(range(6)) and table["connected"].tolist() == [1, 1, 1, 0, 1, 1]
    assert table["reference"].isna().tolist() == [False] * 3 + [True] + [False] * 2
    for one in made:
        again = scene_alignment(table, one.frames)
        assert again.reference == one.reference and np.array_equal(again.frames, one.frames)
        for name in ("transforms", "connected", "error", "chained_error"):
            assert np.array_equal(getattr(again, name), getattr(one, name)), name


def test_smooth_path_keeps_lines_and_removes_shake():
    """An even path stays as it is up to its ends, random shake nearly vanishes, and no path is too short."""
    line = 3 - 0.7 * np.arange(50)
    assert np.allclose(smooth_path(line), line)
    shake = np.random.default_rng(0).normal(0, 1, 200)
    assert np.abs(smooth_path(line[0] + shake)[20:-20] - line[0]).max() < 0.6
    for count in (0, 1, 2):
        assert np.allclose(smooth_path(line[:count]), line[:count])


def placed(turns, shifts, connected=None):
    """An alignment with these transforms, about the middle of the picture; the first frame is the reference."""
    centre = complex(SIZE[0] - 1, SIZE[1] - 1) / 2
    count = len(turns)
    matrices = similarity_matrices(turns, shifts + centre - turns * centre)
    connected = np.ones(count, bool) if connected is None else connected
    matrices[~connected] = np.eye(2, 3)
    return Alignment(np.arange(count), matrices, 0, connected, np.zeros(count), np.zeros(count))


def test_what_hardly_travels_is_locked():
    """Shake of 8 px: the frames are moved as the alignment has it, and a frame that is not connected stays."""
    rng = np.random.default_rng(0)
    shifts = rng.normal(0, 8, 30) + 1j * rng.normal(0, 8, 30)
    connected = np.arange(30) != 4
    found = placed(np.exp(1j * rng.normal(0, 0.02, 30)), shifts, connected)
    moves = steady_transforms(found, SIZE)
    assert np.array_equal(moves[connected], found.transforms[connected]) and np.array_equal(moves[4], np.eye(2, 3))


def test_a_pan_is_kept_without_its_shake():
    """10 px per frame over 2.3 image widths, 3 px of shake: after the move the path is even, no frame leaves the canvas."""
    rng = np.random.default_rng(0)
    way = 10.0 * np.arange(150) + rng.normal(0, 3, 150) + 1j * rng.normal(0, 3, 150)
    moves = steady_transforms(placed(np.exp(1j * rng.normal(0, 0.02, 150)), way), SIZE)
    centre = (np.array(SIZE) - 1) / 2
    off = (moves[:, :, :2] @ centre + moves[:, :, 2] - centre) @ [1, 1j]
    assert np.abs(off).max() < 15
    # What a viewer sees: the path less what the frame was moved by.
    jerk = [np.abs(np.diff(path, 2)).mean() for path in (way, way - off)]
    assert jerk[1] < 0.1 * jerk[0]
    assert np.diff((way - off).real).mean() == pytest.approx(10, abs=0.3)


def test_a_lost_frame_does_not_fly_away():
    """One frame of a pan that is aligned far off: it moves by a quarter of the image at most."""
    way = 10.0 * np.arange(100) + 0j
    way[50] += 5000 - 3000j
    moves = steady_transforms(placed(np.ones(100, complex), way), SIZE)
    assert np.abs(moves[:, 0, 2]).max() <= 0.25 * SIZE[0] + 1e-6 and np.abs(moves[:, 1, 2]).max() <= 0.25 * SIZE[1] + 1e-6


@pytest.fixture(scope="module")
def shaken(tmp_path_factory) -> Path:
    """The stabilised run of a clip of 24 frames: a window of 240 x 180 px moves 1 px per frame over scikit-learn's china.jpg
    and is shaken with strength 0.4 (rotation, shift and zoom); shuffled, lossless."""
    picture, rng = load_sample_images().images[0], np.random.default_rng(0)
    frames = [shake_frame(picture[100:280, 200 + k : 440 + k], rng, 0.4) for k in range(24)]
    folder = tmp_path_factory.mktemp("shaken")
    write_frames([frames[k] for k in rng.permutation(24)], folder / "clip.mkv", 25, codec="lossless")
    words = ("--match.matcher", "sift-flann", "--write.codec", "lossless", "--stabilise")
    answer = workbench("reconstruct", folder / "clip.mkv", "--out", folder / "run", *words)
    assert answer.status == 0, answer.err
    return folder / "run"


def motion(frames):
    """(n - 1,) px: how far the image moves from each frame to the next, mean over the matched points."""
    size = frames[0].shape[1::-1]
    features = [sift_features(frame, 300, 0.01, size) for frame in frames]
    found = []
    for a, b in pairwise(features):
        good = np.flatnonzero((matches := SiftExact(MatchParameters(ratio=0.8)).match([a], [b])[0][0]) >= 0)
        found.append(register_pair(a.keypoints[good], b.keypoints[matches[good]], 300, size).displacement)
    return np.array(found)


def test_stabilise_removes_the_motion(shaken):
    """A plain --stabilise: the restored video moves by less than a tenth of what its frames do, and the run records it."""
    run = Run.open(shaken)
    order = run.scene_order(0)
    assert len(order) == 24 and run.record["stages"]["write"]["parameters"]["stabilise"] is True
    source, steady = pictures(run.source), pictures(run.path / "reconstructed.mkv")
    assert len(steady) == 24 and steady[0].shape == source[0].shape
    before, after = motion([source[k] for k in order]), motion(steady)
    assert np.median(before) > 3 and np.median(after) < 0.1 * np.median(before)
    table, info = run.alignment(), run.info("align")
    assert list(table.columns[:6]) == ["position", "scene", "reference", "connected", "error_px", "chained_error_px"]
    assert table["connected"].all() and table["error_px"].max() < 1.5 and info["aligned_frames"] == 24
    assert info["alignment_error_px"] == pytest.approx(table["error_px"].median(), abs=1e-4)
    assert info["alignment_error_px"] <= info["alignment_chained_error_px"]
    assert '"alignment_error_px"' in (run.path / "metrics.json").read_text()


def test_flipped_it_stays_steady(shaken):
    """The same frames in reverse: the alignment follows the order."""
    before = pictures(shaken / "reconstructed.mkv")
    assert workbench("flip", shaken).status == 0
    after = pictures(shaken / "reconstructed.mkv")
    assert all(np.abs(a.astype(int) - b).mean() < 2 for a, b in zip(before, after[::-1], strict=True))
    assert workbench("flip", shaken).status == 0
    Run.open(shaken).require("align", "write")


def test_switch_in_words():
    """``-p stabilise=false`` is off, not a non-empty text; other words are refused."""
    assert _pair("stabilise=false") == ("stabilise", False) and _pair("write.stabilise=True") == ("write.stabilise", True)
    with pytest.raises(ParameterError, match="stabilise='perhaps' must be of type bool"):
        stage_parameters(dict([_pair("stabilise=perhaps")]))


def test_missing_alignment(tmp_path, shaken):
    run = Run.create(tmp_path / "run", Run.open(shaken).source)
    with pytest.raises(MissingStageError, match=r"stage align of .* is missing"):
        run.alignment()


def test_frames_are_changed_as_they_are_written(tmp_path):
    """``write_video`` passes every frame with its position to ``change``, and writes what it returns."""
    frames = [np.full((48, 64, 3), 40 * k, np.uint8) for k in range(4)]
    write_frames(frames, tmp_path / "a.mkv", codec="lossless")
    seen = []

    def change(position, frame):
        seen.append(position)
        return warped(frame, np.array([[1.0, 0, 10], [0, 1, position]]))

    write_video(tmp_path / "a.mkv", [3, 1], tmp_path / "b.mkv", "lossless", progress=False, change=change)
    first, second = pictures(tmp_path / "b.mkv")
    assert sorted(seen) == [1, 3]
    assert (first[3:, 10:] == 120).all() and (second[1:, 10:] == 40).all()
    assert (first[:, :10] == 0).all() and (first[:3] == 0).all() and (second[:1] == 0).all()


@pytest.fixture
def drawn():
    """Closes the figures that a test made."""
    yield
    plt.close("all")


def test_overlay_is_sharp_only_when_aligned(drawn):
    """Cuts of china.jpg 7 px apart: aligned, their mean is the picture; as they are, it is blurred. Titles name the two."""
    picture = load_sample_images().images[0]
    images = np.stack([picture[100:280, 100 + 7 * k : 340 + 7 * k] for k in range(9)])
    matrices = np.tile(np.eye(2, 3), (9, 1, 1))
    matrices[:, 0, 2] = 7 * (np.arange(9) - 4)
    mean, median = overlay(images, matrices, (240, 180))
    reference = images[4].astype(int)
    assert mean.shape == (180, 240, 3) and mean.dtype == median.dtype == np.uint8
    assert np.abs(mean - reference).max() <= 1 and np.abs(median - reference).max() <= 1
    assert np.abs(overlay(images, np.tile(np.eye(2, 3), (9, 1, 1)), (240, 180))[0] - reference).mean() > 10
    # Transforms are those of originals twice as large.
    double = matrices * [1, 1, 2]
    assert np.abs(overlay(images, double, (480, 360))[0] - reference).max() <= 1

    fig = scene_overlay_before_after(images, matrices, (240, 180), reference=17, connected=np.arange(9) != 0)
    titles = [ax.get_title() for ax in fig.axes]
    assert titles == ["mean, as they are", "median, as they are", "mean, aligned", "median, aligned"]
    assert "9 frames, 1 not connected; reference #17" in fig.get_suptitle()
    shown = [np.asarray(ax.images[0].get_array()).astype(int) for ax in fig.axes]
    assert np.abs(shown[2] - reference).mean() < 1 < 10 < np.abs(shown[0] - reference).mean()
    with pytest.raises(ValueError, match="give at least one"):
        overlay(images[:0], matrices[:0], (240, 180))


def test_error_plot_follows_the_order(drawn):
    """Values stand at their places, medians in the legend, frames that are not connected are marked."""
    fig = alignment_error_plot([2, 0, 1, 3], [0.5, 0.3, 0.4, np.nan], [5.0, 3.0, 4.0, np.nan])
    (ax,) = fig.axes
    chained, joint, lost = ax.lines
    assert joint.get_xdata().tolist() == [0, 1, 2, 3] and joint.get_ydata()[:3].tolist() == [0.3, 0.4, 0.5]
    assert chained.get_ydata()[:3].tolist() == [3.0, 4.0, 5.0] and lost.get_xdata().tolist() == [3]
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels == ["chained along the order (median 4.00 px)", "all pairs together (median 0.40 px)", "not connected (1)"]
    assert "px" in ax.get_ylabel() and ax.get_ylim()[0] == 0
    alignment_error_plot([], np.array([]), np.array([]))
