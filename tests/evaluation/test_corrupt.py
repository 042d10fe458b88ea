"""Corrupted cases are what their truth says. Effects on one frame have tests of their own, and so has the film.

The clips are made here: 64 x 48 px, every frame one flat colour that tells clip and frame (red from the clip, green
from the frame), so any frame of a shuffled video can be recognised after H.264. Foreign pictures are flat blue ones.
"""

import itertools
from collections import Counter
from collections.abc import Callable, Iterable
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.helpers import tiny
from tests.helpers.muxed import drifting, mux, without_rate
from workbench.errors import ParameterError, UsageError, VideoError
from workbench.evaluation import corrupt as corrupt_module
from workbench.evaluation.corrupt import corrupt, shuffled_rows
from workbench.evaluation.effects import OVERLAYS, overlay_frame
from workbench.evaluation.files import OUTLIER, TruthRow, read_truth, truth_path
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


Frames = dict[tuple[str, int], np.ndarray]


def textured(count: int, seed: int) -> list[np.ndarray]:
    """Pictures of blurred noise, 48 x 64, each unlike the others."""
    rng = np.random.default_rng(seed)
    noise = [cv2.GaussianBlur(rng.standard_normal((48, 64, 3)), (0, 0), 4) for _ in range(count)]
    return [np.uint8(255 * (picture - picture.min()) / np.ptp(picture)) for picture in noise]


@pytest.fixture
def uncoded(clips: list[Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Frames]:
    """A call of corrupt that gives the frames by clip and frame number as they are before H.264, and writes nothing."""

    def made(foreign: list[np.ndarray] | None = None, **options) -> Frames:
        written: Frames = {}

        def keep(frames: Iterable[np.ndarray], rows: list[TruthRow], *_) -> None:
            written.update({row[1:]: frame for row, frame in zip(rows, frames, strict=True)})

        monkeypatch.setattr(corrupt_module, "write_case", keep)
        rows = corrupt(clips, foreign, tmp_path / "x.mp4", **{"foreign_share": 0.1 if foreign else 0, **options})
        assert len(written) == len(rows), "no frame is there twice"
        return written

    return made


def test_dissolve_mixes_the_end_of_a_clip_with_the_beginning_of_the_next(uncoded: Callable[..., Frames]) -> None:
    """A cross-fade of 3 frames takes frames 9 to 11 of ``one`` and 0 to 2 of ``two``: 15 frames stay. The first two mixed ones
    belong to ``one``, as its frames 9 and 10. What is left of ``two`` is numbered from 0, so its frame 1 is the stored frame 3.
    """
    plain, film = uncoded(), uncoded(dissolve=3)
    assert sorted(film) == [("one", k) for k in range(11)] + [("two", k) for k in range(4)]
    expected = {("one", k): 1.0 * plain["one", k] for k in range(9)} | {
        ("two", k): 1.0 * plain["two", k + 2] for k in range(1, 4)
    }
    expected["one", 9] = 0.75 * plain["one", 9] + 0.25 * plain["two", 0]
    expected["one", 10] = 0.5 * plain["one", 10] + 0.5 * plain["two", 1]
    expected["two", 0] = 0.25 * plain["one", 11] + 0.75 * plain["two", 2]
    for key, frame in film.items():
        assert np.abs(frame - expected[key]).max() <= 0.51, key


def test_fade_takes_every_clip_from_black_and_to_black(uncoded: Callable[..., Frames]) -> None:
    """Fades of 2 frames: one third, two thirds, then the clip as it is. Foreign frames do not fade."""
    pictures = textured(2, 1)
    plain, film = uncoded(), uncoded(pictures, fade=2)
    for (clip, index), frame in film.items():
        if clip == OUTLIER:
            assert any(np.array_equal(frame, picture) for picture in pictures)
        else:
            weight = min(1, (index + 1) / 3, (LENGTHS[clip] - index) / 3)
            assert np.abs(frame - weight * plain[clip, index]).max() <= 0.51
            assert frame.max() > 0
    assert len(film) == 20


def test_overlays_are_drawn_last_and_tell_the_place_in_the_film(uncoded: Callable[..., Frames]) -> None:
    """Under flicker and shake, every frame is that of the same case without overlays, with the overlays drawn over it: on a
    true frame for its place in the film of 15 frames at 30 per second, on a foreign one for any place.
    """
    options = {"foreign": textured(2, 2), "seed": 6, "flicker": 0.5, "shake": 0.5, "dissolve": 3}
    plain, drawn = uncoded(**options), uncoded(**options, overlays=list(OVERLAYS))
    assert len(drawn) == 17
    for (clip, index), frame in drawn.items():
        places = range(15) if clip == OUTLIER else [index if clip == "one" else 11 + index]
        without = plain[clip, index]
        assert any(np.array_equal(frame, overlay_frame(without, list(OVERLAYS), place, 30)) for place in places)


def test_one_frame_of_every_take_is_foreign(uncoded: Callable[..., Frames], tmp_path: Path) -> None:
    """Two takes of 8 blue frames each: one frame of each comes behind the two pictures, drawn by the seed, from the first
    ``max_frames`` if that is given. The true frames are those without takes.
    """
    takes = [tmp_path / f"take{k}.mkv" for k in range(2)]
    for k, take in enumerate(takes):
        write_frames([flat(OUTLIER, index) + np.uint8(90 * k) for index in range(8)], take, codec="lossless")
    pictures = textured(2, 3)
    plain, seen = uncoded(pictures), set()
    for seed in range(8):
        frames = uncoded(pictures, takes=takes, seed=seed)
        assert Counter(clip for clip, _ in frames) == {"one": 12, "two": 6, OUTLIER: 4}
        assert all(np.array_equal(frames[key], plain[key]) for key in plain if key[0] != OUTLIER)
        found = []
        for k in range(2):
            matches = [i for i in range(8) if np.array_equal(frames[OUTLIER, 2 + k], flat(OUTLIER, i) + np.uint8(90 * k))]
            assert len(matches) == 1
            found += matches
        seen.add(tuple(found))
    assert len(seen) > 4
    first = uncoded(takes=takes, max_frames=1)
    assert np.array_equal(first[OUTLIER, 0], flat(OUTLIER, 0)) and np.array_equal(
        first[OUTLIER, 1], flat(OUTLIER, 0) + np.uint8(90)
    )


@pytest.mark.parametrize(("burst", "bursts"), [(2, 4), (3, 3), (5, 2)])
def test_about_half_of_the_foreign_frames_come_in_bursts(uncoded: Callable[..., Frames], burst: int, bursts: int) -> None:
    """Of 18 foreign frames, so many bursts take about half, and the others are single pictures: 18 frames with or without.

    Two frames of a burst differ by little more than noise; any others are different pictures.
    """
    pictures = textured(18, 4)
    frames = uncoded(pictures, foreign_share=0.5, burst=burst)
    assert Counter(clip for clip, _ in frames) == {"one": 12, "two": 6, OUTLIER: 18}
    for (_, a), (_, b) in itertools.combinations([key for key in frames if key[0] == OUTLIER], 2):
        together = a // burst == b // burst < bursts
        difference = np.abs(frames[OUTLIER, a].astype(int) - frames[OUTLIER, b]).mean()
        assert 0.5 < difference < 10 if together else difference > 20, (a, b)
    singles = [frames[OUTLIER, k] for k in range(burst * bursts, 18)]
    assert all(any(np.array_equal(frame, picture) for picture in pictures) for frame in singles)
    assert len(uncoded(pictures, foreign_share=0.1, burst=2)) == 20, "two foreign frames are one burst of two"


def test_new_options_follow_the_seed(uncoded: Callable[..., Frames], clips: list[Path]) -> None:
    options = {"foreign": textured(18, 5), "foreign_share": 0.4, "burst": 3, "overlays": ["ticker"], "dissolve": 4}
    first, again, other = uncoded(**options, seed=1), uncoded(**options, seed=1), uncoded(**options, seed=2)
    assert first.keys() == again.keys() and all(np.array_equal(first[key], again[key]) for key in first)
    assert not any(np.array_equal(first[key], other[key]) for key in first if key[0] == OUTLIER)


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
        ({"overlays": ["logo", "banner"]}, ParameterError, "overlay='banner' is not one of letterbox, watermark, caption"),
        ({"dissolve": 1}, ParameterError, "dissolve=1 is out of range: give 2 to"),
        ({"fade": 0}, ParameterError, "fade=0 is out of range: give 1 to"),
        ({"burst": 6}, ParameterError, "burst=6 is out of range: give 1 to 5"),
        ({"dissolve": 4, "fade": 4}, UsageError, "--dissolve and --fade contradict each other: give one of them"),
        ({"clips": ["one.mp4"], "dissolve": 4}, UsageError, "one.mp4 has nothing to dissolve into: give two clips or more"),
        ({"dissolve": 7}, UsageError, "two has 6 frames and its fades take 7: give a longer clip, more --max-frames"),
        ({"fade": 4}, UsageError, "two has 6 frames and its fades take 8: .* or a smaller --fade"),
        ({"burst": 3}, UsageError, "2 foreign frames make no burst of 3: set a larger --foreign-share, or a smaller --burst"),
        ({"takes": ["nowhere.mp4"]}, VideoError, "nowhere.mp4 does not exist"),
        ({"clips": ["one.mp4"], "takes": ["./one.mp4"]}, UsageError, "one.mp4 is one of the clips, its frames are not foreign"),
        ({"takes": ["x.mp4"]}, UsageError, "x.mp4 is one of the clips and would be overwritten"),
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


def test_the_rate_is_that_of_the_frames_where_a_clip_states_none(tmp_path: Path) -> None:
    """Twelve frames of a Matroska file that states no rate, 80 ms apart: what is written has 12.5 frames a second."""
    clip = without_rate(mux(tmp_path / "clip.mkv", ("libx264", drifting(12), range(0, 960, 80), {"bf": "0"})))
    corrupt([clip], None, tmp_path / "case.mp4", foreign_share=0)
    with Decoder(tmp_path / "case.mp4") as decoder:
        assert decoder.frame_rate == Fraction(25, 2)
