"""What became of the packets of a file: decoded, hidden, cut off, damaged; each is told in its own words, and nothing else is.

Files have 24 drifting frames and are encoded, cut and shifted here.
"""

from pathlib import Path
from types import SimpleNamespace

import av
import pytest

from tests.helpers.muxed import drifting, key_packets, mux, remux
from workbench.video.decode import Decoder, decode
from workbench.video.info import VideoInfo
from workbench.video.packets import PacketCounts

OPEN_GOPS = {
    "mpeg2video": {"bf": "2", "g": "9"},
    "libx264": {"bf": "2", "g": "9", "x264-params": "open-gop=1:b-adapt=0:scenecut=0"},
    "libx265": {"x265-params": "open-gop=1:keyint=9:bframes=2:b-adapt=0:log-level=none"},
}


def clip(path: Path, codec: str = "libx264", options: dict[str, str] | None = None, count: int = 24) -> Path:
    return mux(path, (codec, drifting(count), range(0, 40 * count, 40), options or {}))


def info_of(path: Path) -> VideoInfo:
    with Decoder(path) as decoder:
        for _ in decode(decoder):
            pass
        return decoder.info()


@pytest.mark.parametrize("codec", OPEN_GOPS)
@pytest.mark.parametrize("container", ["mkv", "ts"])
def test_a_cut_at_an_open_group_of_pictures(tmp_path, codec, container):
    """Cut before the second key frame: the two B-frames before it need frames that are gone. The whole file has no note."""
    whole = clip(tmp_path / f"whole.{container}", codec, OPEN_GOPS[codec])
    assert info_of(whole).warnings == []
    first = key_packets(whole)[1]
    info = info_of(remux(tmp_path / f"cut.{container}", whole, first=first))
    assert (info.damaged_packets, info.frames) == (2, 24 - first - 2)
    assert [note for note in info.warnings if "frame rate" not in note] == [
        "2 packets could not be decoded; frames are missing"
    ]


def test_frames_before_the_beginning_are_hidden_by_an_edit_list(tmp_path):
    """MP4 with its first ten frames before time 0: players do not show them."""
    path = remux(tmp_path / "cut.mp4", clip(tmp_path / "whole.mp4", options={"bf": "2", "g": "30"}), shift=10)
    info = info_of(path)
    assert (info.frames, info.declared_frames, info.hidden_frames, info.frame_rate) == (14, 24, 10, 25)
    assert info.warnings == ["10 frames are hidden by an edit list, as in a player"]


def test_frames_behind_the_end_are_hidden_by_an_edit_list(tmp_path):
    """The edit list of an MP4 is set to 0.4 s by hand: ten frames, and perhaps those that others behind the end need."""
    path = clip(tmp_path / "clip.mp4", options={"bf": "0"})
    data = bytearray(path.read_bytes())
    start = data.index(b"elst") + 12  # after the name, version and flags, and the number of entries
    assert int.from_bytes(data[start : start + 4], "big") == 960  # ms, as the movie's time scale is 1000
    data[start : start + 4] = (400).to_bytes(4, "big")
    path.write_bytes(data)
    info = info_of(path)
    assert info.frames + info.hidden_frames == 24 and 10 <= info.frames <= 12
    assert len(info.warnings) == 1 and "hidden by an edit list" in info.warnings[0]


def test_a_truncated_file_is_no_edit_list(tmp_path):
    """The index is at the beginning and the last third of the bytes is gone."""
    path = remux(tmp_path / "clip.mp4", clip(tmp_path / "whole.mp4"), options={"movflags": "+faststart"})
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    info = info_of(path)
    assert info.missing_packets and not info.hidden_frames
    assert info.frames + info.missing_packets + info.damaged_packets == 24
    assert any("truncated or damaged" in note for note in info.warnings)


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("clip.mp4", "libx264", {"bf": "3", "b-pyramid": "normal"}),
        ("interlaced.mp4", "libx264", {"bf": "2", "x264-params": "tff=1"}),
        ("clip.webm", "libvpx", {"auto-alt-ref": "1", "lag-in-frames": "16", "b": "100k"}),
        ("clip.webm", "libvpx-vp9", {"auto-alt-ref": "1", "lag-in-frames": "16", "b": "100k"}),
        ("clip.avi", "mpeg4", {"bf": "2"}),
    ],
)
def test_a_sound_file_has_no_note(tmp_path, name, codec, options):
    """B-frames, fields, frames that are decoded and never shown: none of them is a loss."""
    info = info_of(clip(tmp_path / name, codec, options, 48))
    assert (info.frames, info.damaged_packets, info.hidden_frames, info.warnings) == (48, 0, 0, [])


def test_empty_packets_of_avi_are_no_loss(tmp_path):
    """25 frames a second in an AVI of 50: every second packet is empty, and stands for a frame that stays on the screen."""
    path = tmp_path / "clip.avi"
    with av.open(str(path), "w") as file:
        stream = file.add_stream("mpeg4", rate=50)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for index, picture in enumerate(drifting(24)):
            frame = av.VideoFrame.from_ndarray(picture)
            frame.pts = 2 * index
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    info = info_of(path)
    assert info.declared_frames > 40 and (info.frames, info.damaged_packets, info.missing_packets) == (24, 0, 0)
    assert not any("truncated" in note or "could not" in note for note in info.warnings)


def packet_of(stamp: int | None, data: bytes = b"\x10") -> av.Packet:
    packet = av.Packet(data)
    packet.pts = stamp
    return packet


def frame_of(stamp: int | None, interlaced: bool = False) -> SimpleNamespace:
    return SimpleNamespace(pts=stamp, interlaced_frame=interlaced)


def test_two_fields_in_two_packets_make_one_frame():
    counts = PacketCounts("h264")
    for index in range(10):
        counts.add_packet(packet_of(2 * index))
        counts.add_packet(packet_of(2 * index + 1))
        counts.add_frame(frame_of(2 * index, interlaced=True))
    assert (counts.read, counts.undecoded) == (20, 0)


def test_frames_that_are_only_predicted_from_are_no_loss():
    """VP8 packets whose head says that they are not shown (RFC 6386: bit 4 of the first byte)."""
    counts = PacketCounts("vp8")
    for index in range(6):
        counts.add_packet(packet_of(index, b"\x00" if index == 3 else b"\x10"))
        if index != 3:
            counts.add_frame(frame_of(index))
    assert counts.undecoded == 0


@pytest.mark.parametrize(("codec", "undecoded"), [("h264", 2), ("flashsv", 0)])
def test_a_frame_that_never_comes(codec, undecoded):
    """Two of ten packets give nothing: a loss, but not with codecs that may repeat a frame by a packet that holds none."""
    counts = PacketCounts(codec)
    for index in range(10):
        counts.add_packet(packet_of(index))
        if index not in (4, 7):
            counts.add_frame(frame_of(index))
    assert counts.undecoded == undecoded


def test_an_error_counts_once():
    """Early packets, and one in the middle, that give an error."""
    counts = PacketCounts("h264")
    for index in range(10):
        packet = packet_of(index)
        counts.add_packet(packet)
        if index in (0, 1, 5):
            counts.add_error(packet)
        else:
            counts.add_frame(frame_of(index))
    assert (counts.failed, counts.undecoded) == (3, 3)
