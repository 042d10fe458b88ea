"""The two baselines of the benchmark work as documented, and its table has a row for every case and method.

Frames are 160 x 120 px windows that slide by 4 px per frame over a wide picture of fine and coarse noise: a steady pan with a
true order. Foreign frames are fine noise of higher contrast, so that their pixels differ much from those of the pan.
"""

import csv
import importlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest

from tests import ROOT
from workbench.errors import ModelError
from workbench.evaluation.corrupt import shuffled_rows, write_case
from workbench.evaluation.files import OUTLIER, TruthRow
from workbench.evaluation.metrics import evaluate
from workbench.run import Run

BENCHMARKS = ROOT / "benchmarks"


@pytest.fixture(scope="module")
def modules() -> Iterator[dict[str, ModuleType]]:
    """The modules of the benchmark; their folder stays on the path during the tests, because ``cases`` imports others later."""
    sys.path.insert(0, str(BENCHMARKS))
    try:
        yield {
            name: importlib.import_module(name)
            for name in ("cases", "baselines", "lab", "long_clip", "scaling", "gpu", "matchers", "clusterers")
        }
    finally:
        sys.path.remove(str(BENCHMARKS))


def noise(width: int, height: int, cell: tuple[int, int], contrast: float, rng: np.random.Generator) -> np.ndarray:
    """(height, width, 3) float32 around 0: one random colour per ``cell`` (width and height, px), interpolated smoothly."""
    rough = rng.normal(size=(height // cell[1], width // cell[0], 3)).astype(np.float32)
    return contrast * cv2.resize(rough, (width, height), interpolation=cv2.INTER_CUBIC)


def picture(values: np.ndarray) -> np.ndarray:
    """Values around 0 as a uint8 picture around 128."""
    return np.clip(128 + values, 0, 255).astype(np.uint8)


def shuffled_pan(frames: int, foreign: int, seed: int) -> tuple[np.ndarray, list[TruthRow]]:
    """A shuffled pan with foreign frames: (N, 120, 160, 3) uint8, and the truth."""
    rng = np.random.default_rng(seed)
    width = 160 + 4 * frames
    wide = picture(noise(width, 120, (4, 4), 20, rng) + noise(width, 120, (60, 40), 40, rng))
    pictures = {"pan": [wide[:, 4 * k : 4 * k + 160] for k in range(frames)]}
    pictures[OUTLIER] = [picture(noise(160, 120, (4, 4), 120, rng)) for _ in range(foreign)]
    rows = shuffled_rows({"pan": frames, OUTLIER: foreign}, seed)
    return np.stack([pictures[row.clip][row.frame] for row in rows]), rows


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two cases, ``left`` and ``right``, of 16 frames and 3 foreign ones each, and a video without a truth."""
    folder = tmp_path_factory.mktemp("cases")
    for seed, name in enumerate(("left", "right", "plain")):
        write_case(*shuffled_pan(16, 3, seed), folder / f"{name}.mp4")
    (folder / "plain.truth.csv").unlink()
    return folder


def test_outliers_follow_tukeys_rule(modules: dict[str, ModuleType]) -> None:
    """Nine points on a line at distances of 1 and one at 40: only that one is an outlier."""
    points = np.array([0, 1, 2, 3, 4, 40, 5, 6, 7, 8.0])
    assert np.flatnonzero(modules["baselines"].tukey_outliers(np.abs(points[:, None] - points))).tolist() == [5]


def test_raw_pixels_restore_a_steady_pan(modules: dict[str, ModuleType]) -> None:
    images, truth = shuffled_pan(30, 4, 3)
    result = modules["baselines"].raw_pixels(images)
    scores = evaluate(truth, result.rows())
    assert {name: scores[name] for name in ("outlier_f1", "scene_f1", "tau", "adjacent", "coverage")} == {
        "outlier_f1": 1, "scene_f1": 1, "tau": 1, "adjacent": 1, "coverage": 1,
    }  # fmt: skip
    frames = [truth[position].frame for position in result.positions()]
    assert frames in (list(range(30)), list(range(29, -1, -1)))


def test_greedy_baseline_matches_all_pairs_inside_scenes(modules: dict[str, ModuleType]) -> None:
    """The given labels are kept, all 8 * 7 / 2 pairs of the scene are matched, and frames close in time match best."""
    images, truth = shuffled_pan(8, 2, 5)
    labels = np.array([-1 if row.clip == OUTLIER else 0 for row in truth])
    result = modules["baselines"].greedy_baseline(images, labels, np.eye(10), alpha=1)
    assert result.pairs == 28
    np.testing.assert_array_equal(result.labels, labels)
    assert sorted(result.places[labels == 0]) == list(range(8))
    assert (result.places[labels < 0] == -1).all()
    assert set(result.seconds) == {"features", "match", "order"}
    descriptors = [modules["baselines"].sift(images[position], 300) for position in result.positions()]
    counts = modules["baselines"].match_counts(descriptors)
    frames = np.array([truth[position].frame for position in result.positions()])
    apart = np.abs(frames[:, None] - frames)
    assert counts[apart == 1].mean() > counts[apart == 6].mean() > 0


def test_frames_without_keypoints_match_nothing(modules: dict[str, ModuleType]) -> None:
    flat = modules["baselines"].sift(np.full((40, 40, 3), 90, np.uint8), 300)
    assert flat.shape == (0, 128)
    assert modules["baselines"].match_counts([flat, flat]).tolist() == [[0, 0], [0, 0]]


def test_table_has_every_case_and_method(
    modules: dict[str, ModuleType],
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Everything but the processes, which take seconds to start: all rows, four means, six ratios, and the rows as CSV."""
    cases = modules["cases"]
    monkeypatch.setattr(cases, "measure_alone", cases.measure)
    assert cases.main([str(folder), "--out", str(tmp_path / "table.csv")]) == 0
    lines = capsys.readouterr().out.splitlines()
    expected = [(case, method) for case in ("left", "right", "mean") for method in cases.METHODS]
    assert [tuple(re.split(r"  +", line)[:2]) for line in lines[1:13]] == expected
    assert [line.split(":")[0] for line in lines[14:]] == [
        f"{figure}, workbench / {method}" for method in cases.METHODS[1:] for figure in ("seconds", "CPU s")
    ]
    with (tmp_path / "table.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["case"], row["method"]) for row in rows] == expected[:8]
    for row in rows:
        assert tuple(row) == cases.COLUMNS
        assert row["error"] == ""
        assert row["frames"] == "19"
        assert all(0 <= float(row[name]) <= 1 for name in cases.SCORES[:5])
        steps = [float(row[f"seconds_{step}"] or 0) for step in cases.STEPS]
        assert 0 < sum(steps) <= float(row["seconds"]) + 0.01
        assert float(row["seconds_per_frame"]) == pytest.approx(float(row["seconds"]) / 19)
    assert [float(row["pairs_per_frame"]) > 0 for row in rows[:4]] == [True, True, False, True]


def test_a_process_of_its_own(modules: dict[str, ModuleType], folder: Path) -> None:
    row = modules["cases"].measure_alone("raw pixels", folder / "left.mp4")
    assert row["error"] == ""
    assert 20 < row["peak_mb"] < 2000


def test_a_case_that_fails_is_a_row_of_zeros(
    modules: dict[str, ModuleType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cases = modules["cases"]
    monkeypatch.setattr(cases, "measure_alone", cases.measure)
    (tmp_path / "bad.mp4").write_bytes(b"no video")
    (tmp_path / "bad.truth.csv").write_text("position,clip,frame\n0,a,0\n1,a,1\n")
    assert cases.main([str(tmp_path)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert len([line for line in lines if "failed: " in line and "bad.mp4" in line]) == len(cases.METHODS)
    assert not any("/ raw pixels:" in line for line in lines)


@pytest.mark.parametrize(
    ("arguments", "remedy"),
    [([], "give a folder with NAME.mp4 and NAME.truth.csv"), (["--only", "up", "left"], "--only takes left, right")],
)
def test_a_wrong_call_is_one_line(
    modules: dict[str, ModuleType],
    folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    remedy: str,
) -> None:
    assert modules["cases"].main([str(folder if arguments else tmp_path), *arguments]) == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert remedy in message


def test_lab_times_every_change(modules: dict[str, ModuleType], short_run: tuple[Run, dict]) -> None:
    """With three repeats: every change takes time, and detecting keypoints again takes longer than matching alone."""
    times = modules["lab"].pair_times(short_run[0], 3)
    assert len(times) == 5 and min(times.values()) > 0
    assert times["number of keypoints moved"] > times["matching alone"]


def test_long_clip_is_restored_in_little_memory(modules: dict[str, ModuleType], tmp_path: Path) -> None:
    """The scaling benchmark on a short clip: 150 frames of 256 x 144 px, eight of them foreign, in three scenes."""
    video = modules["scaling"].clip(150, tmp_path, (256, 144), 50)
    assert modules["scaling"].clip(150, tmp_path, (256, 144), 50) == video  # drawn once
    row = modules["cases"].measure_alone("workbench", video)
    assert row["error"] == "" and row["frames"] == 150
    assert row["scene_f1"] == row["outlier_f1"] == 1 and row["tau"] > 0.99
    assert row["peak_mb"] < 2048
    lines = modules["scaling"].growth([row, row | {"frames": 300, "seconds_per_frame": 2 * row["seconds_per_frame"]}])
    assert "all" in lines[0] and "(1.00)" in lines[0] and "(2.00)" in lines[1]


def test_comparison_with_the_baselines(modules: dict[str, ModuleType]) -> None:
    """Made-up rows: twice the time of raw pixels; 45 pairs of ten frames take the greedy baseline 2 s each, 18 times 5 s."""
    row = {"frames": 10, "error": "", "peak_mb": 100, "tau": 0.5}
    rows = [row | {"method": "workbench", "seconds": 5.0}, row | {"method": "raw pixels", "seconds": 2.5}]
    lines = modules["scaling"].comparison(rows, 2.0)
    assert "workbench / raw pixels: seconds 2.00" in lines[0]
    assert "greedy baseline / workbench: 18 times" in lines[1]
    assert len(modules["scaling"].comparison(rows, 0.0)) == 1


def test_gpu_compared_with_the_cpu(modules, monkeypatch, capsys):
    """Without a GPU nothing is measured; the CPU compared with itself gives the same results."""
    monkeypatch.setattr(modules["gpu"], "network_device", lambda: "cpu")
    modules["gpu"].main([])
    assert "no GPU" in capsys.readouterr().out
    modules["gpu"].main(["--device", "cpu", "--count", "3", "--repeats", "1"])
    embedding, superglue, superpoint, lightglue = capsys.readouterr().out.splitlines()
    assert float(re.search(r"at most (\S+)", embedding)[1]) < 1e-5
    differ, matches = (int(number) for number in re.search(r"(\d+) of (\d+) matches differ", superglue).groups())
    assert differ == 0 and matches > 100
    assert float(re.search(r"at most (\S+) px", superpoint)[1]) < 1e-3
    assert re.search(r" 0 of \d+ matches differ", lightglue)


def test_matchers_on_views_with_a_known_homography(modules, capsys):
    """A view of noise and the same moved by 12 and 8 px: what SIFT and FLANN match is right, and the homography is found."""
    matchers = modules["matchers"]
    wide = noise(400, 300, (4, 4), 40, np.random.default_rng(0))
    picture = np.clip(128 + wide, 0, 255).astype(np.uint8)
    first, second = (np.ascontiguousarray(picture[y : y + 240, x : x + 320]) for x, y in ((12, 8), (0, 0)))
    moved = np.array([[1, 0, 12], [0, 1, 8], [0, 0, 1]], dtype=float)
    pairs = [matchers.Pair(first, second, moved, "plain", "small")] * 2
    found = matchers.homographies("sift-flann", pairs)
    assert found["photographs precision"] > 95 and found["photographs found"] == 100 and found["photographs right"] > 50
    assert all(value > 0 for value in matchers.speed("sift-flann", pairs).values())
    matchers.print_table([{"method": "sift-flann"} | found])
    assert "photographs precision" in capsys.readouterr().out


def test_matchers_without_weights_are_named(modules, monkeypatch, capsys):
    def missing(name, keypoints):
        raise ModelError("weights are not here")

    monkeypatch.setattr(modules["matchers"], "open_method", missing)
    assert modules["matchers"].available(["xfeat + lighterglue"]) == []
    assert "xfeat + lighterglue is left out: weights are not here" in capsys.readouterr().err


def test_the_most_stable_clustering(modules):
    """Clusterings at five values: two and three are the same over the widest range; those with a single label do not count."""
    one, two = np.array([0, 0, 0, 1, 1, 1, -1, -1]), np.array([0, 0, 1, 1, 2, 2, -1, -1])
    trivial = np.zeros(8, int)
    chosen = modules["clusterers"].most_stable([two, one, one, trivial, trivial], np.array([0.0, 1.0, 2.0, 3.0, 9.0]))
    np.testing.assert_array_equal(chosen, one)
    np.testing.assert_array_equal(modules["clusterers"].most_stable([trivial] * 2, np.arange(2.0)), trivial)


def test_stable_values_find_groups(modules):
    """Points in three tight groups of 20 and six far from all: both stable clusterers find the groups."""
    rng = np.random.default_rng(0)
    points = np.vstack([rng.normal(centre, 0.01, (20, 2)) for centre in ((0, 0), (1, 0), (0, 1))] + [rng.uniform(3, 9, (6, 2))])
    distances = np.linalg.norm(points[:, None] - points[None], axis=2)
    for method in ("hdbscan-stable", "optics-stable"):
        labels = modules["clusterers"].METHODS[method](distances)
        assert [len(set(labels[start : start + 20])) for start in (0, 20, 40)] == [1, 1, 1], method
        assert len({labels[0], labels[20], labels[40]}) == 3 and min(labels[0], labels[20], labels[40]) >= 0, method


def test_clusterers_on_cases(modules, folder, tmp_path, capsys):
    """A row per case and the summaries, and the same rows as CSV; a folder without cases is one line."""
    assert modules["clusterers"].main([str(folder), "--out", str(tmp_path / "table.csv")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0] for line in lines[2:7]] == ["left", "right", "mean", "least", "all is right"]
    with (tmp_path / "table.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["case"] for row in rows] == ["left", "right"] and all(0 <= float(row["dbscan_scene_f1"]) <= 1 for row in rows)
    assert len([line for line in lines if line.startswith("dbscan / ")]) == 4
    assert modules["clusterers"].main([str(tmp_path)]) == 2
    assert "give a folder with NAME.mp4" in capsys.readouterr().err
