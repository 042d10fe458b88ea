"""The benchmarks beside another tool, and with Dask workers.

Frames are 192 x 108 px windows that slide by a quarter of a pixel per frame over smooth noise and carry a little noise of their
own, so that neighbours are nearly alike. What the other tool writes is OpenCV's `mp4v`, as that of video-descrambler is.
"""

import csv
import importlib
import sys
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest

from tests import ROOT
from workbench.errors import RunError
from workbench.evaluation.corrupt import shuffled_rows, write_case
from workbench.evaluation.files import OUTLIER, TruthRow
from workbench.video.encode import write_frames

# A tool with the command line of video-descrambler: it leaves the frames of a list out, and writes the others in its order.
TOOL = """#!{python}
import sys
import cv2
reader, frames = cv2.VideoCapture(sys.argv[1]), []
while (found := reader.read())[0]:
    frames.append(found[1])
writer = cv2.VideoWriter(sys.argv[3], cv2.VideoWriter_fourcc(*"mp4v"), 25, frames[0].shape[1::-1])
for position in {order}:
    writer.write(frames[position])
writer.release()
"""


@pytest.fixture
def peers(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module of the benchmark; its folder is on the path, because it imports others there."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module("peers")


@pytest.fixture
def workers(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module("workers")


def pan(frames: int, foreign: int) -> tuple[list[np.ndarray], list[TruthRow]]:
    """A shuffled slow pan with foreign frames, RGB, and its truth; seed 4."""
    rng = np.random.default_rng(4)
    rough = rng.normal(128, 50, (27, 80, 3)).astype(np.float32)
    wide = cv2.resize(rough, (320, 108), interpolation=cv2.INTER_CUBIC)
    clips = {"pan": [], OUTLIER: [rng.uniform(0, 255, (108, 192, 3)) for _ in range(foreign)]}
    for k in range(frames):
        moved = cv2.warpAffine(wide, np.array([[1, 0, -k / 4], [0, 1, 0]]), (192, 108), flags=cv2.INTER_LINEAR)
        clips["pan"].append(moved + rng.normal(0, 3, moved.shape))
    rows = shuffled_rows({"pan": frames, OUTLIER: foreign}, 4)
    return [np.clip(clips[row.clip][row.frame], 0, 255).astype(np.uint8) for row in rows], rows


def make_tool(path: Path, order: list[int]) -> Path:
    path.write_text(TOOL.format(python=sys.executable, order=order))
    path.chmod(0o755)
    return path


def test_the_order_comes_out_of_the_written_video(peers: ModuleType, tmp_path: Path) -> None:
    """Of 40 frames 33 are written, in any order, by the tool's encoder."""
    frames, rows = pan(36, 4)
    write_case(frames, rows, tmp_path / "case.mp4")
    order = np.random.default_rng(1).permutation(40)[:33].tolist()
    peers.run_timed([str(make_tool(tmp_path / "tool", order)), str(tmp_path / "case.mp4"), "-o", str(tmp_path / "out.mp4")])
    assert peers.recover_order(tmp_path / "case.mp4", tmp_path / "out.mp4") == order


def test_a_video_of_other_frames_is_refused(peers: ModuleType, tmp_path: Path) -> None:
    """One frame more than there are, and the right number in another shape."""
    frames, rows = pan(5, 1)
    write_case(frames, rows, tmp_path / "case.mp4")
    write_frames([*frames, frames[0]], tmp_path / "longer.mp4", 25)
    write_frames([frame[:, :96] for frame in frames], tmp_path / "narrow.mp4", 25)
    for name in ("longer.mp4", "narrow.mp4"):
        with pytest.raises(RunError, match=f"{name} is not made of frames of .*case.mp4"):
            peers.recover_order(tmp_path / "case.mp4", tmp_path / name)


@pytest.fixture
def case(tmp_path: Path) -> tuple[Path, list[int]]:
    """A case of 20 frames of the pan and 4 foreign ones, and the true order of what is not foreign."""
    frames, rows = pan(20, 4)
    write_case(frames, rows, tmp_path / "case.mp4")
    return tmp_path / "case.mp4", [row.position for row in sorted(rows, key=lambda row: row.frame) if row.clip != OUTLIER]


def test_what_the_tool_leaves_out_is_its_outliers(peers: ModuleType, case: tuple[Path, list[int]], tmp_path: Path) -> None:
    """The true order less its last two frames: six outliers, four of them foreign; 18 of 20 frames in order, 17 of 19 links."""
    video, order = case
    row = peers.measure("video-descrambler", str(make_tool(tmp_path / "tool", order[:18])), video)
    assert row["error"] == "" and row["frames"] == 24
    assert row["outlier_f1"] == pytest.approx(2 * 4 / (6 + 4))
    assert row["scene_f1"] == pytest.approx(2 * 153 / (190 + 153))
    assert row["tau"] == pytest.approx(0.9) and row["adjacent"] == pytest.approx(17 / 19)
    assert row["cpu_seconds"] > 0 and row["seconds"] > 0


def test_a_row_per_case_and_tool(
    peers: ModuleType,
    case: tuple[Path, list[int]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Both tools, the means, the ratios, and the rows as CSV."""
    tool = make_tool(tmp_path / "tool", case[1])
    arguments = [str(tmp_path), "--descrambler", str(tool), "--only", "case", "--out", str(tmp_path / "table.csv")]
    assert peers.main(arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines[1:5]] == [[name, tool] for name in ("case", "mean") for tool in peers.TOOLS]
    assert [line.split(":")[0] for line in lines[6:]] == [
        f"{name}, workbench / video-descrambler" for name in ("seconds", "CPU s")
    ]
    with (tmp_path / "table.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == peers.COLUMNS and [row["method"] for row in rows] == list(peers.TOOLS)
    assert [float(row["outlier_f1"]) for row in rows] == [1, 1] and float(rows[1]["tau"]) == 1


def test_no_tool_sees_the_truth(
    peers: ModuleType, case: tuple[Path, list[int]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The workbench would read a truth beside the video, and take time to score."""
    given = []

    def look(command: list[str]) -> tuple[float, float]:
        given.append(next(Path(word) for word in command if word.endswith("case.mp4")))
        assert given[-1].samefile(case[0]) and peers.truth_of(case[0]).is_file() and not peers.truth_of(given[-1]).exists()
        raise RunError("seen")

    monkeypatch.setattr(peers, "run_timed", look)
    assert [peers.measure(tool, "tool", case[0])["error"] for tool in peers.TOOLS] == ["seen", "seen"]
    assert len(given) == 2


def test_a_tool_that_fails_is_a_row_of_zeros(peers: ModuleType, case: tuple[Path, list[int]], tmp_path: Path) -> None:
    row = peers.measure("video-descrambler", str(make_tool(tmp_path / "tool", [99])), case[0])
    assert row["tau"] == row["scene_f1"] == 0
    assert "tool ended with status 1 (IndexError: list index out of range)" in row["error"]


def test_a_wrong_call_is_one_line(
    peers: ModuleType, case: tuple[Path, list[int]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert peers.main([str(tmp_path), "--descrambler", str(tmp_path / "none")]) == 2
    assert "pip install video-descrambler==1.0" in capsys.readouterr().err
    assert peers.main([str(tmp_path), "--descrambler", sys.executable, "--only", "up"]) == 2
    message = capsys.readouterr().err
    assert "no case is called up: --only takes case" in message and message.count("\n") == 1


def test_workers_are_compared(workers: ModuleType) -> None:
    """Made-up seconds and digests: 1.33, 2.4 and 2 times as fast, and one file that differs."""
    every = {"features": (2.0, 1.5), "match": (6.0, 2.5), workers.ALL_PAIRS: (5.0, 2.5)}
    seconds = {one: {name: pair[place] for name, pair in every.items()} for place, one in enumerate((1, 2))}
    lines = workers.report(seconds, {1: {"a": "x", "b": "y"}, 2: {"a": "x", "b": "y"}})
    assert [line.split(", ")[-1] for line in lines[:3]] == [f"{ratio} times as fast" for ratio in ("1.33", "2.40", "2.00")]
    assert lines[3] == "the same bytes: a, b"
    lines = workers.report(seconds, {1: {"a": "x", "b": "y"}, 2: {"a": "x", "b": "z"}})
    assert lines[3] == "other bytes by two workers than by one: b"
