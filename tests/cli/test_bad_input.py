"""Whatever is given to the command line ends in one line that says what to do, or in a result that misses no frame."""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.helpers.tiny import (
    HEIGHT,
    WIDTH,
    check_result,
    empty,
    encode,
    mixture,
    pan,
    pictures,
    refused,
    sound,
    text,
    workbench,
)
from workbench.evaluation.files import read_order
from workbench.run import Run

Make = Callable[[Path], Path]
QUARTER_TURN = (0, 1, -1, 0)  # what a phone writes when it is held upright


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    """:func:`tiny.mixture` as H.264."""
    return encode(tmp_path_factory.mktemp("clip") / "clip.mp4", mixture())


@pytest.fixture(scope="module")
def done(clip, tmp_path_factory) -> Path:
    """The finished run of ``clip``. Tests only read it."""
    path = tmp_path_factory.mktemp("runs") / "clip"
    assert workbench("reconstruct", clip, "--out", path).status == 0
    return path


# --- videos that are none -------------------------------------------------------------------------------------------------


def cut_index(folder: Path) -> Path:
    """The first half of an mp4, whose index stands at its end."""
    path = encode(folder / "cut.mp4", pan(1, 8))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path


def no_frame(folder: Path) -> Path:
    """An mp4 whose index is right and whose frames are all overwritten."""
    path = encode(folder / "junk.mp4", pan(1, 8))
    data = bytearray(path.read_bytes())
    start, end = data.index(b"mdat") + 4, data.rindex(b"moov") - 4
    data[start:end] = b"\xff" * (end - start)
    path.write_bytes(data)
    return path


def missing(folder: Path) -> Path:
    return folder / "nothing.mp4"


def folder_itself(folder: Path) -> Path:
    return folder


def this_folder(_: Path) -> Path:
    return Path()


NO_VIDEOS = [
    (text, "not a video"),
    (empty, "empty (0 bytes)"),
    (cut_index, "its beginning or index is missing"),
    (no_frame, "no frame that can be decoded"),
    (sound, "no video stream"),
    (missing, "does not exist: check the path"),
    (folder_itself, "is a folder without a file in it"),
    (this_folder, "has no picture that can be read"),
]


@pytest.mark.parametrize("command", ["reconstruct", "run"])
@pytest.mark.parametrize(("make", "words"), NO_VIDEOS, ids=[case[0].__name__ for case in NO_VIDEOS])
def test_no_video(tmp_path, command: str, make: Make, words: str):
    """The reason is given, and no run directory is left that would be in the way of the corrected file."""
    refused(workbench(command, make(tmp_path), "--out", tmp_path / "out" / "run"), 1, words)
    assert not (tmp_path / "out").exists()


# --- odd videos -----------------------------------------------------------------------------------------------------------


def one_frame(folder: Path) -> Path:
    return encode(folder / "one.mp4", pan(1, 1))


def two_frames(folder: Path) -> Path:
    return encode(folder / "two.mp4", pan(1, 2))


def identical(folder: Path) -> Path:
    return encode(folder / "same.mkv", pan(1, 1) * 12, "ffv1", "bgr0")


def nearly_identical(folder: Path) -> Path:
    """Twelve times the same frame, by H.264: they differ by what it rounds."""
    return encode(folder / "nearly.mp4", pan(1, 1) * 12)


def flat(folder: Path) -> Path:
    """Six frames of one grey level: there is no keypoint and no structure."""
    return encode(folder / "flat.mp4", [np.full((HEIGHT, WIDTH, 3), 120, np.uint8)] * 6)


def odd_size(folder: Path) -> Path:
    """Both sides odd: 95 x 71 px."""
    return encode(folder / "odd.mkv", [frame[1:, 1:].copy() for frame in mixture()], "ffv1", "bgr0")


def grey(folder: Path) -> Path:
    return encode(folder / "grey.mkv", mixture(), "ffv1", "gray")


def ten_bit(folder: Path) -> Path:
    return encode(folder / "ten.mkv", mixture(), "ffv1", "yuv420p10le")


def rotated(folder: Path) -> Path:
    return encode(folder / "rotated.mp4", mixture(), matrix=QUARTER_TURN)


def varying_rate(folder: Path) -> Path:
    """Steps of 1/75, 4/75 and 7/75 s in turn."""
    return encode(folder / "vfr.mp4", mixture(), rate=75, pts=[4 * k - 3 * (k % 3) + (k % 3) ** 2 for k in range(27)])


def cut_short(folder: Path) -> Path:
    """The first three quarters of a Matroska file, which can be read as far as it goes."""
    path = encode(folder / "cut.mkv", mixture())
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 3 // 4])
    return path


# A video, the codec to write with, the frames that are decoded (None: fewer than there were), scenes, the note.
ODD_VIDEOS = [
    (one_frame, "lossless", 1, [1], ""),
    (two_frames, "lossless", 2, [2], ""),
    (identical, "lossless", 12, [12], ""),
    (nearly_identical, "lossless", 12, [12], ""),
    (flat, "h264", 6, [6], ""),
    (odd_size, "h264", 27, [14, 10], ""),
    (grey, "lossless", 27, [14, 10], ""),
    (ten_bit, "lossless", 27, [14, 10], ""),
    (rotated, "lossless", 27, [14, 10], ""),
    (varying_rate, "h264", 27, [14, 10], "note: the frame rate varies"),
    (cut_short, "lossless", None, None, "note: the file says 1.1 s"),
]


@pytest.mark.parametrize(
    ("make", "codec", "count", "scenes", "note"), ODD_VIDEOS, ids=[case[0].__name__ for case in ODD_VIDEOS]
)
def test_odd_video(tmp_path, make: Make, codec: str, count: int | None, scenes: list[int] | None, note: str):
    """Every frame is accounted for, written frames are the kept ones, and stderr has the warnings and nothing else."""
    video, run_path = make(tmp_path), tmp_path / "run"
    answer = workbench("reconstruct", video, "--out", run_path, "--write.codec", codec)
    assert answer.status == 0, answer.err
    assert answer.err.startswith(note)
    assert all(line.startswith(note) for line in answer.err.splitlines()) and bool(answer.err) == bool(note), answer.err
    rows = check_result(run_path, video, exact=codec == "lossless")
    assert len(rows) == count if count else 0 < len(rows) < 27
    if scenes:
        sizes = Counter(row.scene for row in rows if row.scene >= 0)
        assert [size for _, size in sorted(sizes.items())] == scenes


def test_rotated_video_is_written_upright(tmp_path):
    """Frames of 96 x 72 px that are to be shown after a quarter turn come out as 72 x 96."""
    assert workbench("reconstruct", rotated(tmp_path), "--out", tmp_path / "run").status == 0
    assert pictures(tmp_path / "run" / "reconstructed.mp4")[0].shape == (WIDTH, HEIGHT, 3)


def test_every_picture_a_scene(tmp_path):
    """A slide show of six pictures, four frames each, shuffled with seed 4: six scenes of the same four frames."""
    slides = [pan(20 + k // 4, 1)[0] for k in np.random.default_rng(4).permutation(24)]
    video = encode(tmp_path / "slides.mkv", slides, "ffv1", "bgr0")
    assert workbench("reconstruct", video, "--out", tmp_path / "run", "--write.codec", "lossless").status == 0
    rows = check_result(tmp_path / "run", video)
    assert Counter(row.scene for row in rows) == dict.fromkeys(range(6), 4)
    for scene in range(6):
        members = [slides[row.position] for row in rows if row.scene == scene]
        assert all(np.array_equal(members[0], member) for member in members)


def test_all_foreign(tmp_path):
    """Twelve pictures that have nothing in common: nothing is written, and order.csv sets every frame aside."""
    video = encode(tmp_path / "foreign.mp4", [pan(50 + k, 1)[0] for k in range(12)])
    answer = workbench("reconstruct", video, "--out", tmp_path / "run", "--cluster.eps", "0.01")
    refused(answer, 1, "no scene was found: all 12 frames look foreign", "try --overwrite with --cluster.eps above 0.01")
    assert [row.scene for row in read_order(tmp_path / "run" / "order.csv")] == [-1] * 12
    refused(workbench("flip", tmp_path / "run"), 1, "no scene, all frames are set aside", "raise --cluster.eps")


# --- places that cannot be used -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["reconstruct", "run"])
def test_out_that_cannot_be_made(clip, tmp_path, command: str):
    """Below a regular file no folder can be made, whoever asks."""
    (tmp_path / "file").touch()
    refused(workbench(command, clip, "--out", tmp_path / "file" / "run"), 1, "cannot be written", "with --out")


def test_out_that_is_no_run(clip, tmp_path):
    (tmp_path / "letter.txt").write_text("mine")
    refused(workbench("reconstruct", clip, "--out", tmp_path), 1, "is no run", "with --out")
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]
    refused(workbench("reconstruct", clip, "--out", tmp_path / "letter.txt"), 1, "is no run", "with --out")


def test_out_that_is_the_run_of_another_video(done, tmp_path):
    before = (done / "run.json").read_bytes()
    refused(workbench("reconstruct", one_frame(tmp_path), "--out", done), 1, "another video (clip.mp4)", "with --out")
    assert (done / "run.json").read_bytes() == before


def test_damaged_run(clip, tmp_path):
    (tmp_path / "run.json").write_text("{")
    for answer in (workbench("reconstruct", clip, "--out", tmp_path), workbench("flip", tmp_path)):
        refused(answer, 1, "run.json is damaged: start a new run")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_out_without_permission(clip, tmp_path):
    tmp_path.chmod(0o500)
    refused(workbench("reconstruct", clip, "--out", tmp_path / "run"), 1, "cannot be written", "with --out")


@pytest.mark.parametrize("words", [("evaluate", "--truth", "x.csv"), ("flip",)], ids=lambda words: words[0])
@pytest.mark.parametrize("name", ["nothing", ""], ids=["missing", "no run"])
def test_no_run(tmp_path, words: tuple[str, ...], name: str):
    command, *options = words
    refused(workbench(command, tmp_path / name, *options), 1, "is no run directory yet", "workbench reconstruct VIDEO")


def test_unfinished_run(clip, tmp_path):
    """A run in which nothing but the directory was made."""
    Run.create(tmp_path / "run", clip)
    answer = workbench("evaluate", tmp_path / "run", "--truth", "x.csv")
    refused(answer, 1, "stage order", "is missing", "05_order_frames")
    refused(workbench("flip", tmp_path / "run"), 1, "stage order", "is missing", "05_order_frames")


# --- wrong words ----------------------------------------------------------------------------------------------------------

WRONG_WORDS = [
    (("reconstruct", "https://example.org/clip.mp4"), "https://example.org/clip.mp4 is a network address: download"),
    (("reconstruct",), "Missing argument 'VIDEO...'"),
    (("restore", "VIDEO"), "No such command 'restore'"),
    (("reconstruct", "VIDEO", "--cluster.epss", "1"), "No such option '--cluster.epss'"),
    (("reconstruct", "VIDEO", "--cluster.eps", "wide"), "'wide' is not a valid float"),
    (("reconstruct", "VIDEO", "--match.matcher", "foo"), "'sift-flann', 'sift-exact', 'superglue'"),
    (("reconstruct", "VIDEO", "--features.max_keypoints", "2.5"), "'2.5' is not a valid int"),
    (("reconstruct", "VIDEO", "--cluster.eps", "3"), "eps=3.0 is out of range: DBSCAN radius, cosine distance, 0 to 2"),
    (("reconstruct", "VIDEO", "--cluster.eps", "nan"), "eps is not a number"),
    (("reconstruct", "VIDEO", "--write.crf", "-1"), "crf=-1 is out of range: constant rate factor of h264 and h265, 0"),
    (
        ("run", "VIDEO", "-p", "cluster.epss=1"),
        "unknown parameter cluster.epss; known: video.proxy_size, video.overlay, video.stream",
    ),
    (("run", "VIDEO", "-p", "eps"), "write KEY=VALUE, as in -p cluster.eps=0.3"),
    (("run", "VIDEO", "-p", "eps=wide"), "'wide' is not of type float"),
    (("run", "VIDEO", "-p", "max_keypoints=2.5"), "'2.5' is not of type int"),
    (("run", "VIDEO", "-p", "eps=3"), "eps=3.0 is out of range"),
    (("run", "VIDEO", "-p", "method=guess"), "method='guess' is not one of path, greedy"),
    (("evaluate", "RUN"), "Missing option '--truth'"),
    (("flip", "RUN", "--scene", "2"), "there is no scene 2", "has 0, 1, choose one of them"),
    (("flip", "RUN", "--scene", "-1"), "there is no scene -1"),
    (("corrupt", "VIDEO", "--out", "X.mp4"), "foreign pictures are needed: give --foreign a folder"),
    (("corrupt", "VIDEO", "--foreign", "FOLDER", "--out", "X.avi"), "X.avi is not an .mp4"),
    (("corrupt", "VIDEO", "--foreign", "FOLDER", "--out", "X.mp4"), "has no pictures"),
    (("corrupt", "VIDEO", "--foreign", "FOLDER", "--out", "X.mp4", "--flicker", "2"), "flicker=2.0 is out of range"),
    (("corrupt", "VIDEO", "--out", "X.mp4", "--overlay", "banner"), "overlay='banner' is not one of letterbox, watermark"),
    (("corrupt", "VIDEO", "--out", "X.mp4", "--fade", "1000"), "and its fades take 2000: give a longer clip"),
    (("corrupt", "VIDEO", "--out", "X.mp4", "--dissolve", "5"), "nothing to dissolve into: give two clips or more"),
    (("corrupt", "VIDEO", "--out", "X.mp4", "--dissolve", "5", "--fade", "5"), "--dissolve and --fade contradict each other"),
    (("corrupt", "VIDEO", "--foreign", "FOLDER", "--out", "X.mp4", "--burst", "6"), "burst=6 is out of range: give 1 to 5"),
    (("corrupt", "VIDEO", "--out", "X.mp4", "--takes", "VIDEO"), "is one of the clips, its frames are not foreign"),
]


@pytest.mark.parametrize(("words", "reasons"), [(case[0], case[1:]) for case in WRONG_WORDS])
def test_wrong_words(clip, done, tmp_path, monkeypatch, words: tuple[str, ...], reasons: tuple[str, ...]):
    """A wrong call exits with 2 before anything is written."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pictures").mkdir()
    places = {"VIDEO": clip, "RUN": done, "FOLDER": "pictures"}
    before = (done / "run.json").read_bytes()
    refused(workbench(*[places.get(word, word) for word in words]), 2, *reasons)
    assert [path.name for path in tmp_path.iterdir()] == ["pictures"]
    assert (done / "run.json").read_bytes() == before


def test_unknown_model(clip, tmp_path):
    answer = workbench("reconstruct", clip, "--out", tmp_path / "run", "--embed.backbone", "resnet19")
    refused(answer, 1, "no backbone is called resnet19: use rank-vlad")


# --- wrong truths ---------------------------------------------------------------------------------------------------------


def write_truth(path: Path, count: int) -> Path:
    path.write_text("position,clip,frame\n" + "".join(f"{k},a,{k}\n" for k in range(count)))
    return path


@pytest.mark.parametrize("command", ["reconstruct", "run", "evaluate"])
def test_wrong_truth(clip, done, tmp_path, command: str):
    """A truth that is not there, one of a longer video, one that is no table: refused before the work, not after it."""
    where = [done] if command == "evaluate" else [clip, "--out", tmp_path / "run"]
    missing = tmp_path / "missing.csv"
    refused(workbench(command, *where, "--truth", missing), 1, "missing.csv is not there: give the path of a truth.csv")
    refused(workbench(command, *where, "--truth", text(tmp_path)), 1, "has no column position, clip, frame")
    assert not (tmp_path / "run").exists()
    longer = write_truth(tmp_path / "longer.csv", 28)
    refused(workbench(command, *where, "--truth", longer), 1, "28", "27", "truth of this")
    if command != "evaluate":
        assert list(Run.open(tmp_path / "run").record["stages"]) == ["video"]


def test_damaged_order(clip, tmp_path):
    """An order.csv that was cut off by hand is neither measured nor flipped."""
    run_path, truth = tmp_path / "run", write_truth(tmp_path / "truth.csv", 27)
    assert workbench("reconstruct", clip, "--out", run_path).status == 0
    (run_path / "order.csv").write_text("position,scene\n0,0\n")
    refused(workbench("evaluate", run_path, "--truth", truth), 1, "order.csv has no column order")
    refused(workbench("flip", run_path), 1, "order.csv has no column order")


# --- as a person calls it -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("words", "status"), [(("reconstruct", "text.mp4"), 1), (("reconstruct", "--cluster.epss"), 2)])
def test_no_traceback_in_a_terminal(tmp_path, words: tuple[str, ...], status: int):
    """The installed command, in a process of its own."""
    text(tmp_path)
    command = [Path(sys.executable).with_name("workbench"), *words]
    answer = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert answer.returncode == status
    assert answer.stdout == ""
    assert answer.stderr.startswith("workbench: ")
    assert answer.stderr.count("\n") == 1
