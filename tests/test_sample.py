"""The sample in ``data/`` is what its script makes, is within its limits, and poses the intended problem.

The scenes of the script are rendered once, in true order; the committed video is decoded once and put into true order by its
truth. Frames are compared as 64 x 48 px thumbnails: raw, or with every grey level replaced by its rank in the frame.
"""

import importlib
import itertools
import sys
from collections import Counter
from types import ModuleType

import cv2
import numpy as np
import pytest

from tests import DATA
from tests.helpers.tiny import pictures
from workbench.embedding.images import rank_transform
from workbench.evaluation.corrupt import shuffled_rows
from workbench.evaluation.files import OUTLIER, TruthRow, read_true_transforms, read_truth
from workbench.video.decode import Decoder

SCENES = ("pagoda", "toys", "dahlia")


@pytest.fixture(scope="module")
def script() -> ModuleType:
    """``data/make_sample.py`` as a module."""
    sys.path.insert(0, str(DATA))
    try:
        return importlib.import_module("make_sample")
    finally:
        sys.path.remove(str(DATA))


@pytest.fixture(scope="module")
def clips(script: ModuleType) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """The scenes that the script draws, in true order, with their transforms."""
    return script.true_clips()


@pytest.fixture(scope="module")
def rendered(script: ModuleType, clips: dict[str, tuple[np.ndarray, np.ndarray]]) -> dict[str, np.ndarray]:
    """What the script draws, by clip, in true order."""
    return {**{name: frames for name, (frames, _) in clips.items()}, OUTLIER: np.stack(script.foreign_pictures(script.SEED))}


@pytest.fixture(scope="module")
def truth() -> list[TruthRow]:
    """The committed truth."""
    return read_truth(DATA / "sample.truth.csv")


@pytest.fixture(scope="module")
def committed(truth: list[TruthRow]) -> dict[str, np.ndarray]:
    """The frames of ``sample.mp4`` by clip, in true order."""
    frames = np.stack(pictures(DATA / "sample.mp4"))
    assert len(frames) == len(truth)
    ordered = sorted(truth, key=lambda row: row.frame)
    return {clip: frames[[row.position for row in ordered if row.clip == clip]] for clip in {row.clip for row in truth}}


def raw(frames: np.ndarray) -> np.ndarray:
    """Thumbnails, (N, 64 * 48 * 3) float, of (N, H, W, 3) uint8 frames."""
    small = [cv2.resize(frame, (64, 48), interpolation=cv2.INTER_AREA) for frame in frames]
    return np.stack(small).reshape(len(frames), -1).astype(float)


def ranks(frames: np.ndarray) -> np.ndarray:
    """Ranks of the grey levels within their frame, (N, 64 * 48), 0 to 1, of (N, H, W, 3) uint8 frames."""
    grey = raw(frames).reshape(len(frames), -1, 3).mean(-1)
    return grey.argsort(axis=1, kind="stable").argsort(axis=1) / grey.shape[1]


def distances(one: np.ndarray, two: np.ndarray) -> np.ndarray:
    """Euclidean distances between all rows of two arrays."""
    return np.linalg.norm(one[:, None] - two[None], axis=2)


def neighbours_found(features: np.ndarray) -> float:
    """Share of frames whose nearest other frame is the one before or after it."""
    d = distances(features, features)
    np.fill_diagonal(d, np.inf)
    return float((np.abs(d.argmin(1) - np.arange(len(d))) == 1).mean())


def test_limits(truth: list[TruthRow]) -> None:
    assert (DATA / "sample.mp4").stat().st_size <= 3 * 2**20
    counts = Counter(row.clip for row in truth)
    assert set(counts) == {*SCENES, OUTLIER} and 150 <= len(truth) <= 250
    assert 0.08 <= counts[OUTLIER] / len(truth) <= 0.12 and min(counts[name] for name in SCENES) >= 50
    with Decoder(DATA / "sample.mp4") as decoder:
        frame = next(decoder.frames())
        assert (frame.width, frame.height, decoder.frame_rate) == (320, 240, 25)


def test_committed_sample_is_what_the_script_makes(
    script: ModuleType, truth: list[TruthRow], rendered: dict[str, np.ndarray], committed: dict[str, np.ndarray]
) -> None:
    """The truth is identical, and every picture is within coding loss: PSNR above 23 dB, and nearer than the next frame."""
    assert truth == shuffled_rows({name: len(frames) for name, frames in rendered.items()}, script.SEED)
    for name, frames in rendered.items():
        assert frames.shape == committed[name].shape and frames.dtype == np.uint8
        for k, frame in enumerate(committed[name]):
            error, other = (np.mean((frame.astype(float) - frames[j]) ** 2) for j in (k, (k + 1) % len(frames)))
            assert 10 * np.log10(255**2 / error) > 23 and error < 0.8 * other, (name, k)


def test_true_transforms(truth: list[TruthRow], clips: dict[str, tuple[np.ndarray, np.ndarray]]) -> None:
    """The committed ones are those that the script draws by, and foreign frames have none."""
    found = read_true_transforms(DATA / "sample.truth.csv")
    assert found is not None and found.shape == (len(truth), 2, 3)
    for row, transform in zip(truth, found, strict=True):
        expected = np.full((2, 3), np.nan) if row.clip == OUTLIER else clips[row.clip][1][row.frame]
        assert np.allclose(transform, expected, rtol=1e-6, atol=1e-6, equal_nan=True)


def test_true_transforms_fit_the_pictures(
    committed: dict[str, np.ndarray], clips: dict[str, tuple[np.ndarray, np.ndarray]]
) -> None:
    """Frames that zoom and roll fit by them, in the ranks of their grey levels, and less well half a pixel aside."""
    true = clips["dahlia"][1]
    one, two = (
        cv2.GaussianBlur(rank_transform(cv2.cvtColor(committed["dahlia"][k], cv2.COLOR_RGB2GRAY)), (0, 0), 1) for k in (20, 24)
    )
    move = np.vstack([true[24], [0, 0, 1]])
    move = (np.linalg.inv(move) @ np.vstack([true[20], [0, 0, 1]]))[:2]

    def difference(dx: float, dy: float) -> float:
        moved = cv2.warpAffine(one, move + np.array([[0, 0, dx], [0, 0, dy]]), (320, 240))
        return float(np.abs(moved - two)[20:-20, 20:-20].mean())

    assert difference(0, 0) < min(difference(*aside) for aside in ((0.5, 0), (-0.5, 0), (0, 0.5), (0, -0.5)))


@pytest.mark.parametrize("name", SCENES)
def test_true_order_is_identifiable(committed: dict[str, np.ndarray], name: str) -> None:
    """By ranks, the nearest frame of every frame is a true neighbour, and the one after next is farther than the next."""
    features = ranks(committed[name])
    d = distances(features, features)
    assert neighbours_found(features) >= 0.97
    farther = d[np.arange(len(d) - 2), np.arange(2, len(d))] > d[np.arange(len(d) - 2), np.arange(1, len(d) - 1)]
    assert farther.mean() >= 0.97


@pytest.mark.parametrize("name", SCENES)
def test_no_scene_pauses_or_returns(committed: dict[str, np.ndarray], name: str) -> None:
    """No two frames are near copies, and frames five or more apart in time differ more than consecutive ones."""
    features = ranks(committed[name])
    d = distances(features, features)
    steps = np.diagonal(d, 1)
    assert d[np.triu_indices(len(d), 1)].min() > 0.4 * np.median(steps)
    for k in range(len(d) - 5):
        assert d[k, k + 5 :].min() > 1.2 * steps[k], k


def test_flicker_breaks_raw_pixels(committed: dict[str, np.ndarray]) -> None:
    assert neighbours_found(raw(committed["dahlia"])) < 0.6
    assert neighbours_found(raw(committed["pagoda"])) > 0.95


def test_pan_has_depth(rendered: dict[str, np.ndarray]) -> None:
    """The maple at the upper edge passes at least 1.4 times as fast as the far middle, which always moves left."""
    grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY).astype(np.float32) for frame in rendered["pagoda"]]

    def shifts(rows: slice) -> list[float]:
        window = cv2.createHanningWindow((320, rows.stop - rows.start), cv2.CV_32F)
        pairs = itertools.pairwise(frame[rows].copy() for frame in grey)
        return [cv2.phaseCorrelate(one, two, window)[0][0] for one, two in pairs]

    far, near = shifts(slice(80, 160)), shifts(slice(0, 24))
    assert max(far) < -2 and np.median(near) < 1.4 * np.median(far)


def test_camera_of_the_toys_is_static(rendered: dict[str, np.ndarray]) -> None:
    """A fifth of the picture shows only sensor noise; where a toy passes, grey levels change strongly."""
    spread = rendered["toys"].astype(float).std(axis=0).mean(-1)
    assert 1 < np.percentile(spread, 20) < 4 < 20 < np.percentile(spread, 90)


def test_foreign_frames_are_foreign(committed: dict[str, np.ndarray]) -> None:
    """Foreign frames are farther from scenes and from each other than frames of a scene from their neighbours."""
    foreign = ranks(committed[OUTLIER])
    nearest = distances(foreign, foreign)[np.triu_indices(len(foreign), 1)].min()
    for name in SCENES:
        scene = ranks(committed[name])
        step = np.diagonal(distances(scene, scene), 1).max()
        assert min(nearest, distances(foreign, scene).min()) > 1.5 * step


def test_another_seed_gives_another_sample(script: ModuleType) -> None:
    assert script.SEED != 1
    one, two = (script.dahlia(np.random.default_rng(seed), count=3)[0] for seed in (1, script.SEED))
    assert not np.array_equal(one, two)
    assert not np.array_equal(script.foreign_pictures(1)[2], script.foreign_pictures(script.SEED)[2])


def test_wide_clip_is_what_its_script_makes(script: ModuleType, clips: dict[str, tuple[np.ndarray, np.ndarray]]) -> None:
    """Every third frame of two scenes and six foreign ones; every picture is within coding loss, PSNR above 20 dB."""
    sys.path.insert(0, str(DATA))
    try:
        wide = importlib.import_module("make_wide_sample")
    finally:
        sys.path.remove(str(DATA))
    expected = wide.wide_clips(clips)
    assert {name: len(frames) for name, frames in expected.items()} == {"pagoda": 22, "dahlia": 20, OUTLIER: 6}
    truth = read_truth(DATA / "wide.truth.csv")
    assert truth == shuffled_rows({name: len(frames) for name, frames in expected.items()}, script.SEED)
    for row, frame in zip(truth, pictures(DATA / "wide.mp4"), strict=True):
        error = np.mean((frame.astype(float) - expected[row.clip][row.frame]) ** 2)
        assert 10 * np.log10(255**2 / error) > 20, row
