"""Times of frames and the frame rate that they say. Times are made here: regular ones, rounded as containers do, and others."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from tests.helpers.muxed import drifting, mux, steps, without_rate
from workbench.video.decode import Decoder, decode
from workbench.video.info import VideoInfo
from workbench.video.table import FrameTable
from workbench.video.times import before_cut, film_rate, find_rate, is_steady, rising_times, varies

NAN, TWENTY_FIVE, FILM = float("nan"), Fraction(25), Fraction(24000, 1001)


def read(path: Path) -> tuple[VideoInfo, FrameTable]:
    """Decode a file; its facts and its table."""
    with Decoder(path) as decoder:
        for _ in decode(decoder):
            pass
        info = decoder.info()
        return info, decoder.table.table(info.frame_rate)


@pytest.mark.parametrize(
    ("stamps", "expected", "jumps"),
    [
        ([0, 0.04, 0.08], [0, 0.04, 0.08], 0),
        ([0.04, 0.12, 0.08, 0.2, 0.16], [0.04, 0.08, 0.12, 0.16, 0.2], 0),  # numbered in the order of decoding
        ([0, NAN, 0.08, NAN], [0, 0.04, 0.08, 0.12], 0),
        ([NAN, 0.04, 0.04, 0.12], [0, 0.04, 0.08, 0.12], 0),
        ([NAN, NAN, NAN], [0, 0.04, 0.08], 0),
        ([7, 7.04, 7.08, 7, 7.04, 7.08], [7, 7.04, 7.08, 7.12, 7.16, 7.2], 1),  # the clock begins anew
        ([0, 0.04, 0.08, 500, 500.04], [0, 0.04, 0.08, 0.12, 0.16], 1),  # ... hours later
        ([0, 15, 30, 60], [0, 15, 30, 60], 0),  # a slide show
        ([3], [3], 0),
        ([], [], 0),
    ],
)
def test_times_rise_and_are_the_stamps_wherever_these_rise(stamps, expected, jumps):
    times, found = rising_times(np.array(stamps, float), TWENTY_FIVE)
    assert np.allclose(times, expected) and found == jumps
    assert (np.diff(times) > 0).all()


@pytest.mark.parametrize("rate", [FILM, Fraction(24), Fraction(25), Fraction(30000, 1001), Fraction(30), Fraction(60000, 1001)])
def test_usual_rates_are_told_from_times_in_milliseconds(rate):
    """2000 frames, rounded to milliseconds: 23.976 and 24 are told apart, as the times allow it, and the rate is exact."""
    times = np.round(np.arange(2000) / float(rate), 3)
    assert is_steady(times, 0.001) and not varies(times, 0.001)
    assert find_rate(times, 0.001, None) == rate
    assert find_rate(times, 0.001, Fraction(1000)) == rate


def test_what_the_file_states_is_kept_where_the_times_agree():
    """An unusual rate, a varying one of the right average, and gaps where frames were lost; without the loss, gaps count."""
    steady = np.arange(100) / 27.3
    assert find_rate(steady, 1e-5, Fraction("27.3")) == Fraction("27.3")
    uneven = np.arange(100) / 25 + np.random.default_rng(0).uniform(-0.015, 0.015, 100)
    assert varies(uneven, 0.001) and find_rate(uneven, 0.001, TWENTY_FIVE) == 25
    gaps = np.delete(np.arange(100) / 25, [10, 30, 31, 50, 60])
    assert find_rate(gaps, 0.001, TWENTY_FIVE, lost=5) == 25
    assert float(find_rate(gaps, 0.001, TWENTY_FIVE)) == pytest.approx(94 / (99 / 25), rel=1e-4)


@pytest.mark.parametrize(
    ("times", "stated", "expected"), [([1.0], 30, 30), ([1.0], None, 25), ([0, 1e-6], 24, 24), ([0, 1e-6], 4000, 25)]
)
def test_too_few_times_say_nothing(times, stated, expected):
    assert find_rate(np.array(times), 1e-6, stated and Fraction(stated)) == expected


@pytest.mark.parametrize("fields", [[2, 3] * 8 + [3, 3, 2, 3, 2], [2, 3, 3, 2] * 8, [3, 2] * 40])
@pytest.mark.parametrize("tick", [1 / 90000, 0.001])
def test_film_on_the_fields_of_television(fields, tick):
    """Frames of two and three fields of 59.94 in turn, also with a break where the film was cut, are 23.976 a second."""
    times = np.round(np.cumsum([33, *fields]) * 1001 / 60000 / tick) * tick
    assert film_rate(times, tick) == FILM
    assert not varies(times, tick)
    assert find_rate(times, tick, Fraction(30000, 1001)) == FILM


@pytest.mark.parametrize("fields", [[2, 2, 2, 2, 3, 2, 2, 2, 2, 2], [2, 3, 4] * 5, [2] * 20, [2, 3]])
def test_other_steps_are_no_film(fields):
    assert film_rate(np.cumsum([0, *fields]) * 1001 / 60000, 0.001) is None


def test_a_recording_without_a_stated_rate(tmp_path):
    """A browser's recording: VP8 in WebM, no duration per frame, steps of 28 to 38 ms, 23 of them in 760 ms."""
    times = steps([35, 34, 31, 31, 28, 28, 28, 38, 35, 33, 37, 32, 30, 33, 36, 34, 31, 35, 34, 33, 36, 34, 34])
    path = without_rate(mux(tmp_path / "clip.webm", ("libvpx", drifting(24), times, {"deadline": "realtime"})))
    info, table = read(path)
    assert info.stated_frame_rate == 0 and float(info.frame_rate) == pytest.approx(23 / (times[-1] / 1000), rel=1e-4)
    assert np.allclose(table.time_s, np.array(times) / 1000)
    assert [note.split(";")[0] for note in info.warnings] == ["the frame rate varies"]


def test_a_rate_that_slows_down(tmp_path):
    """No duration per frame; steps of 17 ms, then of 200 ms: the average, and a note."""
    times = steps([17] * 12, [200] * 11)
    info, _ = read(without_rate(mux(tmp_path / "clip.mkv", ("libx264", drifting(24), times, {"bf": "0"}))))
    assert float(info.frame_rate) == pytest.approx(23 / (times[-1] / 1000), rel=1e-4)
    assert info.variable_frame_rate and info.warnings == [
        "the frame rate varies; 9.5674 frames per second are taken, their average, unless --write.timing is source"
    ]


def test_film_in_a_file(tmp_path):
    """Steps of three and two fields in milliseconds, no duration per frame: 23.976, and a note that the file states none."""
    times = steps([50, 33, 50, 34] * 6)[:24]
    info, _ = read(without_rate(mux(tmp_path / "clip.mkv", ("libx264", drifting(24), times, {"bf": "0"}))))
    assert info.frame_rate == FILM and not info.variable_frame_rate
    assert info.warnings == [
        "the file states no frame rate; 23.976 frames per second are taken, as the times of its frames say"
    ]


def test_a_file_cut_inside_a_group_of_pictures(tmp_path):
    """A stream of 25 frames per second with two B-frames in turn, cut off: at its end frames between others are gone."""
    options = {"bf": "2", "x264-params": "b-adapt=0"}
    whole = mux(tmp_path / "whole.ts", ("libx264", drifting(40), range(0, 1600, 40), options))
    content, packets = whole.read_bytes(), 188
    seen = set()
    for share in (0.5, 0.55, 0.6, 0.65, 0.7, 0.75):
        (tmp_path / "cut.ts").write_bytes(content[: int(len(content) * share) // packets * packets])
        info, table = read(tmp_path / "cut.ts")
        assert (info.frame_rate, info.variable_frame_rate) == (25, False)
        seen.add(bool(np.diff(table.time_s).max() > 0.07))
    assert seen == {True, False}  # some of the cuts leave a gap


@pytest.mark.parametrize(("behind", "varying"), [(1, False), (4, False), (5, True)])
def test_frames_behind_a_gap_at_the_end(behind, varying):
    times = np.array([*range(20), *range(23, 23 + behind)]) / 25
    assert varies(before_cut(times, 0.001), 0.001) == varying
    assert len(before_cut(times, 0.001)) == (20 + behind if varying else 20)


def test_a_lost_frame_does_not_make_the_rate_vary():
    times = np.array([*range(9), *range(10, 20)]) / 25
    assert varies(times, 0.001) and not varies(times, 0.001, lost=1)


def test_a_new_clock_is_not_taken_for_a_cut(tmp_path):
    """24 frames whose clock is a minute later from the middle on: 61 s are stated, and only the new clock is told of."""
    times = steps([40] * 11, [60040], [40] * 11)
    info, _ = read(mux(tmp_path / "clip.ts", ("libx264", drifting(24), times, {"bf": "0"})))
    assert info.warnings == ["the clock of the file begins anew 1 time; times are counted on without a gap"]


def test_b_frames_in_avi(tmp_path):
    """AVI has no presentation times: what FFmpeg makes of them does not rise. The times do, and there is nothing to note."""
    options = {"bf": "2", "x264-params": "b-adapt=0"}
    info, table = read(mux(tmp_path / "clip.avi", ("libx264", drifting(24), range(0, 960, 40), options)))
    assert (np.diff(table.pts) < 0).any()
    assert np.allclose(np.diff(table.time_s), 0.04)
    assert (info.frames, info.frame_rate, info.variable_frame_rate, info.warnings) == (24, 25, False, [])


def test_a_sound_file_has_no_note(tmp_path):
    """29.97 frames a second in milliseconds, as Matroska has them, with B-frames."""
    times = [round(index * 1001 / 30) for index in range(40)]
    info, _ = read(mux(tmp_path / "clip.mkv", ("libx264", drifting(40), times, {"bf": "2"}), rate=Fraction(30000, 1001)))
    assert (info.frames, info.frame_rate, info.warnings) == (40, Fraction(30000, 1001), [])
