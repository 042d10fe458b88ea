"""Several videos read as one. Every frame carries its own number, painted as blocks; see ``tests/video/test_video.py``."""

from fractions import Fraction

import numpy as np
import pytest

from tests.helpers.muxed import drifting, mux
from tests.video.test_video import frames_of, index_of, make
from workbench.errors import VideoError
from workbench.video.decode import decode
from workbench.video.proxies import read_proxies, rgb
from workbench.video.reorder import write_video
from workbench.video.source import open_source


def test_frames_names_and_times_of_two_videos(tmp_path):
    videos = [make(tmp_path / "a.mp4", 5), make(tmp_path / "b.mkv", 3)]
    info, table = read_proxies(videos, tmp_path / "p.npy", progress=False)
    assert table.names == [f"a.mp4#{number}" for number in range(5)] + [f"b.mkv#{number}" for number in range(3)]
    assert table.time_s.tolist() == pytest.approx([number / 25 for number in range(8)], abs=1e-4)
    assert (info.frames, info.frame_rate, info.variable_frame_rate, info.codec) == (8, 25, False, "h264")
    assert info.seconds == pytest.approx(8 / 25) and not info.warnings
    out = write_video(videos, [7, 0, 4], tmp_path / "out.mkv", "lossless", progress=False)
    assert [index_of(frame) for frame in frames_of(out)] == [2, 0, 4]


def test_the_most_common_size_holds(tmp_path):
    small = make(tmp_path / "small.mp4", 4, size=(32, 48), rate=Fraction(30))
    videos = [small, make(tmp_path / "a.mp4", 2), make(tmp_path / "b.mp4", 2)]
    with open_source(videos) as source:
        frames = [rgb(frame) for _, frame in decode(source)]
        info = source.info()
    assert {frame.shape for frame in frames} == {(48, 64, 3)} and info.frame_rate == 25
    assert all((frame[:, :14] < 20).all() and (frame[:, 50:] < 20).all() for frame in frames[:4])
    assert [index_of(np.ascontiguousarray(frame[:, 16:48])) for frame in frames[:4]] == [0, 1, 2, 3]
    assert [index_of(frame) for frame in frames[4:]] == [0, 1, 0, 1]
    notes = "; ".join(info.warnings)
    assert "different frame rates (30, 25)" in notes and "4 of 8 frames are not 64 x 48 px" in notes


def test_what_is_wrong_with_a_video_is_said_with_its_name(tmp_path):
    varying = make(tmp_path / "b.mkv", 6, times=[0, 1, 2, 9, 10, 11])
    with open_source([make(tmp_path / "a.mp4", 3), varying]) as source:
        assert sum(1 for _ in decode(source)) == 9
        varies, rates = source.info().warnings
        assert varies == "the frame rate varies in b.mkv: --write.timing source keeps the times of their frames"
        assert rates.startswith("the videos have different frame rates")
        with pytest.raises(VideoError, match="has no picture file of its own"):
            source.original(0)
    (tmp_path / "c.mp4").write_bytes(b"no video" * 100)
    with pytest.raises(VideoError, match=r"c\.mp4 (is not|cannot be read as) a video"):
        open_source([varying, tmp_path / "c.mp4"])


def test_hdr_beside_sdr_is_said(tmp_path):
    """Two clips of SDR, and between them one of 10 bits that is tagged as HDR, BT.2020 and PQ."""
    hdr = {"color_primaries": 9, "color_trc": 16, "colorspace": 9}
    videos = [
        make(tmp_path / "a.mkv", 2),
        make(tmp_path / "pq.mkv", 2, pixels="yuv420p10le", **hdr),
        make(tmp_path / "b.mkv", 2),
    ]
    with open_source(videos) as source:
        assert sum(1 for _ in decode(source)) == 6
        info = source.info()
    assert info.color_trc == 2 and [text for text in info.warnings if "colours" in text] == [
        "the videos have different colours (SDR, HDR (PQ)): what is written is tagged SDR, so that frames of pq.mkv look wrong "
        "in it; convert these to SDR first"
    ]


def test_several_streams_in_one_of_several_videos_are_said(tmp_path):
    """The second video has a preview beside its own stream. ``--video.stream``, which is for one video, is not named."""
    two = mux(
        tmp_path / "two.mkv",
        ("libx264", drifting(3, 32, 24), range(0, 120, 40), {}),
        ("libx264", drifting(3), range(0, 120, 40), {}),
    )
    with open_source([make(tmp_path / "a.mkv", 2), two]) as source:
        assert sum(1 for _ in decode(source)) == 5
        notes = "; ".join(source.info().warnings)
    assert (
        "several streams of pictures in two.mkv (stream 1): give such a file alone" in notes and "--video.stream" not in notes
    )


def test_a_list_of_videos(tmp_path):
    make(tmp_path / "a.mp4", 2)
    make(tmp_path / "b.mp4", 2)
    (tmp_path / "all.txt").write_text("b.mp4\na.mp4\n")
    _, table = read_proxies(tmp_path / "all.txt", tmp_path / "p.npy", progress=False)
    assert table.names == ["b.mp4#0", "b.mp4#1", "a.mp4#0", "a.mp4#1"]
