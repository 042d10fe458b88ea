"""Which stream of a file is read. Files are made here, with two streams of frames that differ in size."""

from pathlib import Path

import numpy as np
import pytest
from av.stream import Disposition

from tests.helpers.muxed import drifting, mux, remux
from workbench.errors import VideoError
from workbench.video.decode import Decoder, decode
from workbench.video.proxies import read_proxies
from workbench.video.reorder import write_video
from workbench.video.streams import choose_stream

SMALL, LARGE = (32, 24), (64, 48)


def track(size: tuple[int, int], count: int = 12, codec: str = "libx264") -> tuple:
    return codec, drifting(count, *size), range(0, 40 * count, 40), {}


def with_default(source: Path, path: Path, number: int) -> Path:
    """Copy both streams of a file and make one of them the default one."""
    return remux(path, source, dispositions=[Disposition.default if index == number else Disposition(0) for index in (0, 1)])


@pytest.fixture(scope="module")
def two(tmp_path_factory) -> Path:
    """A preview of 5 frames of 32 x 24 px first, 12 frames of 64 x 48 px second; neither is the default."""
    path = tmp_path_factory.mktemp("two") / "two.mkv"
    return mux(path, track(SMALL, 5), track(LARGE))


def sizes(path: Path, stream: int = -1) -> tuple[int, int, int]:
    with Decoder(path, stream) as decoder:
        count = sum(1 for _ in decode(decoder))
        return decoder.info().width, decoder.info().height, count


def test_the_largest_stream_is_read_and_the_choice_is_told(two, tmp_path):
    info, _ = read_proxies(two, tmp_path / "p.npy", progress=False)
    assert (info.width, info.height, info.frames, info.stream) == (*LARGE, 12, 1)
    (note,) = info.warnings
    assert "stream 1 is read" in note and "--video.stream" in note
    assert "0 (video, h264, 32 x 24 px)" in note and "1 (video, h264, 64 x 48 px)" in note
    assert [line.split()[0] for line in info.as_dict()["streams"]] == ["0", "1"]


@pytest.mark.parametrize("number", [0, 1])
def test_the_default_stream_is_read(two, tmp_path, number):
    path = with_default(two, tmp_path / "default.mkv", number)
    assert sizes(path) == ((*SMALL, 5), (*LARGE, 12))[number]


@pytest.mark.parametrize("size", [(32, 24), (128, 96)])
def test_a_picture_stream_is_not_read_before_a_video(tmp_path, size):
    """A JPEG picture as the first stream, smaller than the video and larger."""
    path = mux(tmp_path / "thumb.mkv", track(size, 1, "mjpeg"), track(LARGE))
    assert sizes(path) == (*LARGE, 12)
    assert sizes(with_default(path, tmp_path / "default.mkv", 0)) == (*LARGE, 12)


def test_a_still_track_is_not_read_before_a_video(tmp_path):
    """An MP4 whose first video has one large frame, as the still item of an AVIF."""
    assert sizes(mux(tmp_path / "still.mp4", track((128, 96), 1), track(LARGE))) == (*LARGE, 12)


def test_pictures_alone_are_a_video(tmp_path):
    """Motion JPEG is a video where nothing else is."""
    assert sizes(mux(tmp_path / "clip.mkv", track(LARGE, 12, "mjpeg"))) == (*LARGE, 12)


def test_a_cover_picture_is_no_choice(tmp_path):
    """A cover beside a video is neither read nor told about; alone it is no video."""
    film, cover = mux(tmp_path / "a.mkv", track(LARGE)), mux(tmp_path / "b.mkv", track(SMALL, 1, "mjpeg"))
    path = remux(tmp_path / "cover.mp4", film, cover, dispositions=[Disposition.default, Disposition.attached_pic])
    with Decoder(path) as decoder:
        assert [stream.index for stream in decoder.container.streams] == [0, 1]
        assert sum(1 for _ in decode(decoder)) == 12
        assert not decoder.info().warnings and "cover picture" in decoder.info().streams[1]
        with pytest.raises(VideoError, match="no video stream"):
            choose_stream(path, [decoder.container.streams[1]])
        with pytest.raises(VideoError, match="no video stream 1: choose"):
            choose_stream(path, decoder.container.streams, 1)


def test_a_stream_by_its_number(two, tmp_path):
    """The same stream is read and written; a number that is not there is an error that lists the streams."""
    assert sizes(two, 0) == (*SMALL, 5)
    read_proxies(two, tmp_path / "p.npy", progress=False, stream=0)
    assert np.load(tmp_path / "p.npy").shape == (5, 24, 32, 3)
    out = write_video(two, [4, 0], tmp_path / "out.mp4", progress=False, stream=0)
    assert sizes(out) == (*SMALL, 2)
    with pytest.raises(VideoError, match=r"no video stream 2: choose with --video.stream one of these: 0 \(video") as caught:
        Decoder(two, 2)
    assert "\n" not in str(caught.value)
