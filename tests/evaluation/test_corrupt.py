"""Corrupted cases are what their truth says.

The clips are made here: 64 x 48 px, every frame one flat colour that tells clip and frame (red from the clip, green
from the frame), so any frame of a shuffled video can be recognised after H.264. Foreign pictures are flat blue ones.
"""

import itertools
from collections import Counter
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.helpers import tiny
from workbench.errors import ParameterError, UsageError, VideoError
from workbench.evaluation.corrupt import corrupt, shuffled_rows
from workbench.evaluation.files import OUTLIER, read_truth, truth_path
from workbench.video.decode import Decoder
from workbench.video.encode import write_frames

LENGTHS = {"one": 12, "two": 6}
REDS = {"one": 60, "two": 180}


def colour_of(clip: str, frame: int) -> tuple[int, int, int]:
    return (10, 10, 60 + 15 * frame) if clip == OUTLIER else (REDS[clip], 20 + 15 * frame, 30)


def flat(clip: str, frame: int, width: int = 64, height: int = 48) -> np.ndarray:
    return np.full((height, width, 3), colour_of(clip, frame), np.uint8)


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """``one.mp4``: 12 frames of 64 x 48 at 30 fps; ``two.mp4``: 6 frames of 40 x 80 at 25 fps."""
    folder = tmp_path_factory.mktemp("clips")
    write_frames([flat("one", k) for k in range(12)], folder / "one.mp4", Fraction(30), crf=4)
    write_frames([flat("two", k, 40, 80) for k in range(6)], folder / "two.mp4", Fraction(25), crf=4)
    return [folder / "one.mp4", folder / "two.mp4"]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight flat blue pictures of various sizes, and a file that is no picture and must not matter."""
    folder = tmp_path_factory.mktemp("pictures")
    for k in range(8):
        picture = flat(OUTLIER, k, 30 + 20 * k, 90)
        cv2.imwrite(str(folder / f"{k}.png"), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    (folder / "notes.txt").write_text("not a picture")
    return folder


def decoded(video: Path) -> np.ndarray:
    return np.stack(tiny.pictures(video))


def test_every_frame_is_where_the_truth_says(clips: list[Path], pictures: Path, tmp_path: Path) -> None:
    """18 true frames and 10 % foreign ones make 20; both clips come whole, at the size and rate of the first."""
    out = tmp_path / "case.mp4"
    rows = corrupt(clips, pictures, out, seed=3, crf=4)
    frames = decoded(out)
    assert frames.shape == (20, 48, 64, 3)
    assert read_truth(truth_path(out), len(frames)) == rows
    assert Counter(row.clip for row in rows) == {"one": 12, "two": 6, OUTLIER: 2}
    for clip, count in {**LENGTHS, OUTLIER: 2}.items():
        assert sorted(row.frame for row in rows if row.clip == clip) == list(range(count))
    for row, frame in zip(rows, frames, strict=True):
        if row.clip != OUTLIER:
            assert np.abs(frame.astype(int) - colour_of(row.clip, row.frame)).max() <= 6, row
    blues = [int(frames[row.position][0, 0, 2]) for row in rows if row.clip == OUTLIER]
    assert min(blues) > 50 and abs(blues[0] - blues[1]) > 8, "foreign frames are two different blue pictures, not red ones"
    assert [row.frame for row in rows if row.clip == "one"] != list(range(12))
    with Decoder(out) as decoder:
        assert decoder.frame_rate == 30
    assert sorted(path.name for path in tmp_path.iterdir()) == ["case.mp4", "case.truth.csv"]


def test_seed_decides_everything(clips: list[Path], pictures: Path, tmp_path: Path) -> None:
    def case(name: str, seed: int) -> tuple[list, np.ndarray]:
        rows = corrupt(clips, pictures, tmp_path / name, seed=seed, flicker=0.5, shake=0.5)
        return rows, decoded(tmp_path / name)

    (rows, frames), (same_rows, same_frames), (other_rows, _) = case("a.mp4", 1), case("b.mp4", 1), case("c.mp4", 2)
    assert rows == same_rows and np.array_equal(frames, same_frames)
    assert rows != other_rows


def test_size_max_frames_and_share(clips: list[Path], tmp_path: Path) -> None:
    """Long side 31 px of a 64 x 48 clip gives 32 x 24 at most, even: 30 x 24 or 32 x 24."""
    arrays = [flat(OUTLIER, k) for k in range(9)]
    rows = corrupt(clips, arrays, tmp_path / "x.mp4", size=31, max_frames=4, foreign_share=0.5)
    assert Counter(row.clip for row in rows) == {"one": 4, "two": 4, OUTLIER: 8}
    assert {row.frame for row in rows if row.clip == "one"} == {0, 1, 2, 3}
    height, width = decoded(tmp_path / "x.mp4").shape[1:3]
    assert abs(width - 31) <= 1 and width % 2 == height % 2 == 0 and abs(width / height - 64 / 48) < 0.1


def test_size_never_enlarges_and_no_foreign_frames(clips: list[Path], tmp_path: Path) -> None:
    rows = corrupt(clips, None, tmp_path / "x.mp4", size=4000, foreign_share=0)
    assert len(rows) == 18 and decoded(tmp_path / "x.mp4").shape[1:3] == (48, 64)


def test_flicker_and_shake_reach_the_file(clips: list[Path], tmp_path: Path) -> None:
    """Flat frames stay flat under shake, and change colour by far more than coding noise under flicker."""
    for name, effects in (("shake", {"shake": 1.0}), ("flicker", {"flicker": 1.0})):
        rows = corrupt(clips, None, tmp_path / f"{name}.mp4", foreign_share=0, crf=4, **effects)
        frames = decoded(tmp_path / f"{name}.mp4").astype(int)
        change = [np.abs(frames[row.position].mean((0, 1)) - colour_of(row.clip, row.frame)).max() for row in rows]
        assert (max(change) <= 6) if name == "shake" else (np.median(change) > 10)


def test_shuffle_is_a_permutation_that_mixes() -> None:
    """Of 300 frames hardly any neighbours stay neighbours: two in the mean of a fair shuffle, never near fifteen."""
    rows = shuffled_rows({"a": 200, "b": 100}, 4)
    assert [row.position for row in rows] == list(range(300))
    assert sorted(row[1:] for row in rows) == [("a", k) for k in range(200)] + [("b", k) for k in range(100)]
    stayed = sum(a.clip == b.clip and abs(a.frame - b.frame) == 1 for a, b in itertools.pairwise(rows))
    assert stayed < 15


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"clips": []}, UsageError, "no clips"),
        ({"clips": ["nowhere.mp4"]}, VideoError, "nowhere.mp4 does not exist"),
        ({"clips": ["a/one.mp4", "b/one.mp4"]}, UsageError, "more than one clip"),
        ({"clips": ["outlier.mp4"]}, UsageError, "stands for foreign frames"),
        ({"foreign": "nowhere"}, UsageError, "nowhere is not a folder"),
        ({"foreign": None}, UsageError, "2 foreign pictures are needed: give --foreign"),
        ({"foreign": [np.zeros((4, 4), np.uint8)]}, UsageError, r"\(4, 4\) uint8"),
        ({"foreign_share": 0.5}, UsageError, "18 foreign pictures are needed .* has 8: .* 0.307 or less"),
        ({"foreign_share": 1.0}, ParameterError, "foreign_share=1.0"),
        ({"flicker": -0.1}, ParameterError, "flicker=-0.1"),
        ({"shake": 1.5}, ParameterError, "shake=1.5"),
        ({"size": 8}, ParameterError, "size=8"),
        ({"max_frames": 0}, ParameterError, "max_frames=0"),
        ({"seed": -1}, ParameterError, "seed=-1"),
        ({"out": "nowhere/x.mp4"}, VideoError, "nowhere is not a folder"),
        ({"out": "x.avi"}, UsageError, "not an .mp4"),
    ],
)
def test_wrong_calls_are_refused(
    clips: list[Path], pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    change: dict, error: type[Exception], message: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    call = {"clips": clips, "foreign": pictures, "out": "x.mp4", **change}
    with pytest.raises(error, match=message) as caught:
        corrupt(**call)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir()), "a refused call leaves nothing behind"


def test_folder_without_pictures_and_damaged_picture(clips: list[Path], tmp_path: Path) -> None:
    folder = tmp_path / "empty"
    folder.mkdir()
    with pytest.raises(UsageError, match="has no pictures"):
        corrupt(clips, folder, tmp_path / "x.mp4")
    for k in range(2):
        (folder / f"{k}.jpg").write_bytes(b"not a picture")
    with pytest.raises(VideoError, match=r"\.jpg is not a picture"):
        corrupt(clips, folder, tmp_path / "x.mp4")
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]


def test_out_that_cannot_be_written(clips: list[Path], tmp_path: Path) -> None:
    (tmp_path / "x.mp4").mkdir()
    with pytest.raises(VideoError, match=r"x\.mp4"):
        corrupt(clips, None, tmp_path / "x.mp4", foreign_share=0)
    with pytest.raises(UsageError, match="would be overwritten"):
        corrupt(clips, None, clips[0], foreign_share=0)
    (tmp_path / "y.truth.csv").mkdir()
    with pytest.raises(VideoError, match=r"y\.truth\.csv cannot be written"):
        corrupt(clips, None, tmp_path / "y.mp4", foreign_share=0)
