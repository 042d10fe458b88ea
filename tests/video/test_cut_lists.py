"""Lists for editors and ffmpeg: what they play is the restored order, frame by frame."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import opentimelineio as otio
import pytest
from PIL import Image

from tests.helpers.tiny import encode, pan
from workbench.video.cut_lists import Cut, concat_list, edit_list, find_cuts, shortest_step, timeline
from workbench.video.decode import Decoder, decode
from workbench.video.proxies import rgb

# 30 frames: a stretch forwards, one backwards, frames out of the middle, and one that is foreign (9).
ORDERS = [[12, 13, 14, 15, 16, 17, 8, 7, 6, 5, 0, 1, 29], [18, 20, 19, 21, 22, 23, 24, 25, 26, 27, 28, 10, 11, 4, 3, 2]]
PLAYED = ORDERS[0] + ORDERS[1]


def played(text: str, folder: Path) -> list[np.ndarray]:
    """The frames that FFmpeg's concat demuxer gives for a list, after the filter that the list names."""
    (folder / "list.ffconcat").write_text(text)
    options = {"safe": "0", "segment_time_metadata": "1"}
    with av.open(str(folder / "list.ffconcat"), format="concat", options=options) as file:
        graph = av.filter.Graph()
        nodes = (
            graph.add_buffer(template=file.streams.video[0]),
            graph.add("select", "concatdec_select"),
            graph.add("buffersink"),
        )
        graph.link_nodes(*nodes).configure()
        shown = []
        for frame in [*file.decode(video=0), None]:
            graph.push(frame)
            while True:
                try:
                    shown.append(rgb(graph.pull()))
                except (av.BlockingIOError, av.EOFError):
                    break
    return shown


def read(path: Path) -> tuple[list[np.ndarray], np.ndarray, Fraction]:
    """All frames of a video, their times in s, and its rate."""
    with Decoder(path) as decoder:
        frames = [rgb(frame) for _, frame in decode(decoder)]
        info = decoder.info()
        return frames, decoder.table.table(info.frame_rate).time_s, info.frame_rate


@pytest.mark.parametrize(
    ("name", "codec", "rate"),
    [("b.mp4", "libx264", 25), ("b.mkv", "libx264", 30), ("v.webm", "libvpx-vp9", 30), ("it's.mov", "libx264", 24)],
)
def test_ffmpeg_plays_the_order(name, codec, rate, tmp_path):
    """Videos of 30 frames of a pan; those of H.264 have B-frames, and key frames only every 250 frames."""
    path = encode(tmp_path / name, pan(5, 30), codec, rate=rate)
    frames, times, found = read(path)
    cuts = find_cuts([path] * 30, ORDERS, times, found, False)
    shown = played(concat_list(cuts, shortest_step(times, found)), tmp_path)
    assert len(shown) == len(PLAYED)
    for picture, position in zip(shown, PLAYED, strict=True):
        assert np.array_equal(picture, frames[position]), position


def test_ffmpeg_plays_frames_of_different_lengths(tmp_path):
    """Steps of 10 to 110 ms."""
    pts = np.cumsum([0, *np.random.default_rng(4).integers(10, 111, 29)]).tolist()
    path = encode(tmp_path / "clip.mkv", pan(5, 30), rate=1000, pts=pts)
    frames, times, rate = read(path)
    step = shortest_step(times, rate)
    assert step == pytest.approx(np.diff(pts).min() / 1000)
    shown = played(concat_list(find_cuts([path] * 30, ORDERS, times, rate, True), step), tmp_path)
    assert all(np.array_equal(picture, frames[position]) for picture, position in zip(shown, PLAYED, strict=True))


def test_ffmpeg_plays_pictures(tmp_path):
    """Five pictures, by files."""
    pictures = pan(6, 5)
    files = [tmp_path / f"{'ecadb'[k]}.png" for k in range(5)]
    for picture, file in zip(pictures, files, strict=True):
        Image.fromarray(picture).save(file)
    text = concat_list(find_cuts(files, [[3, 1], [4, 0, 2]], np.zeros(5), Fraction(10), False), 0.1)
    assert text.count("duration 0.100000") == 5 and "point" not in text
    shown = played(text, tmp_path)
    assert all(np.array_equal(shown[place], pictures[position]) for place, position in enumerate([3, 1, 4, 0, 2]))


def test_cuts():
    """What follows in the source too is one cut; a cut never reaches from one scene into the next."""
    cuts = find_cuts([Path("/a.mp4")] * 9, [[3, 4, 5, 1, 0], [6, 7]], np.arange(9) / 4 + 10, Fraction(4), False)
    assert [(cut.scene, cut.start, cut.end) for cut in cuts] == [(0, 3, 6), (0, 1, 2), (0, 0, 1), (1, 6, 8)]
    assert [(cut.start_s, cut.end_s) for cut in cuts] == [(10.75, 11.5), (10.25, 10.5), (10, 10.25), (11.5, 12)]
    assert {cut.length for cut in cuts} == {9}


def test_cuts_of_several_videos():
    """Frames are counted from the beginning of their own file, and no cut reaches from one file into the next."""
    files, times = [Path("/a.mp4")] * 4 + [Path("/b.mp4")] * 3, np.array([0, 1, 2, 3, 7, 8, 9]) / 2
    cuts = find_cuts(files, [[2, 3, 4, 5], [1, 6]], times, Fraction(2), False)
    assert [(cut.file.name, cut.start, cut.end, cut.length) for cut in cuts] == [
        ("a.mp4", 2, 4, 4), ("b.mp4", 0, 2, 3), ("a.mp4", 1, 2, 4), ("b.mp4", 2, 3, 3)
    ]  # fmt: skip
    assert [(cut.start_s, cut.end_s) for cut in cuts] == [(1, 2), (3.5, 4.5), (0.5, 1), (4.5, 5)]


def test_variable_rate_is_cut_by_times():
    """Where times do not rise, frames are counted instead."""
    times = np.array([5, 5.1, 5.5, 5.6, 6])
    cuts = find_cuts([Path("/a.mp4")] * 5, [[2, 3, 1, 4]], times, Fraction(5), True)
    assert [(cut.start, cut.end) for cut in cuts] == [pytest.approx(pair) for pair in [(2.5, 5), (0.5, 2.5), (5, 6)]]
    assert shortest_step(times, Fraction(5)) == pytest.approx(0.1)
    times[3] = 5.5
    assert shortest_step(times, Fraction(5)) == 0
    cuts = find_cuts([Path("/a.mp4")] * 5, [[2, 3, 1, 4]], times, Fraction(5), True)
    assert [(cut.start, cut.end) for cut in cuts] == [(2, 4), (1, 2), (4, 5)]
    assert shortest_step(times[:1], Fraction(5)) == 0.2


@pytest.mark.parametrize("rate", [Fraction(25), Fraction(30000, 1001), Fraction(48, 5)])
def test_timeline_plays_the_order(rate):
    """Read back by OpenTimelineIO, frame by frame; nothing but whole frames, no gaps, a marker where a scene begins."""
    path = Path("/tmp/clips/a b é.mp4")
    cuts = find_cuts([path] * 30, ORDERS, np.arange(30) / float(rate), rate, False)
    read_back = otio.adapters.read_from_string(timeline("a b é", cuts, rate, [9], "a note"), "otio_json")
    assert read_back.name == "a b é" and len(read_back.tracks) == 1
    (track,) = read_back.tracks
    assert all(isinstance(clip, otio.schema.Clip) for clip in track) and len(track) == len(cuts)
    shown = []
    for clip in track:
        media, source = clip.media_reference, clip.source_range
        assert otio.url_utils.filepath_from_url(media.target_url) == str(path)
        assert media.available_range.duration == otio.opentime.RationalTime(30, float(rate))
        assert source.duration.rate == source.start_time.rate == float(rate)
        shown += (source.start_time.value + np.arange(source.duration.value)).tolist()
    assert shown == PLAYED
    assert track.duration() == otio.opentime.RationalTime(29, float(rate))
    markers = [(marker.name, marker.marked_range.start_time.value) for marker in read_back.tracks.markers]
    assert markers == [("scene 0", 0), ("scene 1", 13)]
    found = read_back.metadata["workbench"]
    assert list(found["foreign"]) == [9] and found["note"] == "a note"


def test_timeline_of_pictures():
    """A clip of one frame for every picture."""
    files = [Path(f"/tmp/{name}.jpg") for name in "abc"]
    text = timeline("pictures", find_cuts(files, [[2, 0], [1]], np.zeros(3), Fraction(25), False), Fraction(25), [])
    (track,) = otio.adapters.read_from_string(text, "otio_json").tracks
    assert [clip.media_reference.target_url for clip in track] == [f"file:///tmp/{name}.jpg" for name in "cab"]
    assert all(clip.source_range == clip.media_reference.available_range for clip in track)


@pytest.mark.parametrize("rate", [Fraction(25), Fraction(30000, 1001)])
def test_edit_list_plays_the_order(rate):
    """Read back by OpenTimelineIO's adapter for CMX 3600, frame by frame."""
    text = edit_list("clip", find_cuts([Path("/tmp/clip.mp4")] * 30, ORDERS, np.arange(30) / float(rate), rate, False), rate)
    assert text.startswith(
        "TITLE: clip\nFCM: NON-DROP FRAME\n\n001  AX       V     C        00:00:00:12 00:00:00:18 00:00:00:00"
    )
    (track,) = otio.adapters.read_from_string(text, "cmx_3600", rate=float(rate)).tracks
    assert {clip.name for clip in track} == {"clip.mp4"}
    spans = [(clip.source_range.start_time.value, clip.source_range.duration.value) for clip in track]
    assert [start + step for start, count in spans for step in range(int(count))] == PLAYED


def test_edit_list_counts_hours():
    """Timecode of a frame after 1 h 2 min 3 s and 4 frames, at a rate that no timecode has."""
    frame = (3600 + 2 * 60 + 3) * 10 + 4
    text = edit_list("a\nb", [Cut(Path("/x\n.mp4"), 0, frame, frame + 1.2, 0, 0, 1e6)], Fraction(48, 5))
    assert "01:02:03:04 01:02:03:05 00:00:00:00 00:00:00:01" in text and "TITLE: a_b\n" in text and "NAME: x_.mp4\n" in text


def test_names_that_are_not_utf8():
    """Their bytes stay in the concat list; elsewhere they are escaped or shown as question marks."""
    path = Path("/tmp/\udcff.mp4")
    cuts = [Cut(path, 0, 0, 1, 0, 0.04, 9)]
    assert concat_list(cuts, 0.04).encode(errors="surrogateescape").count(b"file '/tmp/\xff.mp4'") == 1
    text = timeline(path.stem, cuts, Fraction(25), [])
    assert "file:///tmp/%FF.mp4" in text and text.isascii()
    assert "\udcff" not in edit_list("x", cuts, Fraction(25))
