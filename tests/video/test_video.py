"""Reading and writing videos. Every clip is made here: tiny, and each frame carries its own index, painted as 4 x 3
blocks of black and white (bit k of the index is block k), so that a test can tell exactly which frame it got."""

import json
import threading
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from tests.helpers.tiny import empty, set_display_matrix, sound, text
from workbench.errors import VideoError
from workbench.video.decode import Decoder, decode
from workbench.video.encode import prepared, write_frames
from workbench.video.proxies import read_proxies, rgb
from workbench.video.reorder import write_video
from workbench.video.spill import FrameSpill

# The a, b, c, d of a display matrix: what a phone writes when it is held upright, upside down, and as a mirror.
QUARTER_TURN, HALF_TURN, MIRROR = (0, 1, -1, 0), (-1, 0, 0, -1), (-1, 0, 0, 1)


def painted(index: int, width: int = 64, height: int = 48) -> np.ndarray:
    """The (height, width, 3) picture of ``index``: its bits as blocks of grey levels 40 and 210, seeded noise."""
    bits = np.array([(index >> bit) & 1 for bit in range(12)]).reshape(3, 4)
    rows, columns = np.arange(height) * 3 // height, np.arange(width) * 4 // width
    noise = np.random.default_rng(index).integers(-5, 6, (height, width, 3))
    return (40 + 170 * bits[rows][:, columns, None] + noise).astype(np.uint8)


def index_of(frame: np.ndarray) -> int:
    """The index painted on an RGB frame of any size."""
    height, width = frame.shape[:2]
    rows, columns = (2 * np.arange(3) + 1) * height // 6, (2 * np.arange(4) + 1) * width // 8
    means = [frame[max(0, y - 2) : y + 3, max(0, x - 2) : x + 3].mean() for y in rows for x in columns]
    return sum(1 << bit for bit, mean in enumerate(means) if mean > 125)


def make(path: Path, count=12, codec="libx264", pixels="yuv420p", size=(64, 48), rate=Fraction(25), times=None,
         matrix=None, options=None, container=None, audio=False, **context) -> Path:  # fmt: skip
    """A clip of ``count`` painted frames; ``times`` are pts in units of 1/rate, ``context`` are codec attributes."""
    with av.open(str(path), "w", options=container or {}) as file:
        stream = file.add_stream(codec, rate=rate)
        stream.width, stream.height, stream.pix_fmt, stream.options = *size, pixels, options or {}
        sound = file.add_stream("aac", rate=8000) if audio else None
        for name, value in context.items():
            setattr(stream.codec_context, name, value)
        for index in range(count):
            frame = av.VideoFrame.from_ndarray(painted(index, *size)).reformat(format=pixels, threads=1)
            frame.pts, frame.time_base = times[index] if times else index, 1 / rate
            file.mux(stream.encode(frame))
        if sound:
            for start in range(0, 8192, 1024):
                tone = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
                tone.sample_rate, tone.pts = 8000, start
                file.mux(sound.encode(tone))
            file.mux(sound.encode())
        file.mux(stream.encode())
    if matrix:
        set_display_matrix(path, matrix)
    return path


def frames_of(path: Path) -> list[np.ndarray]:
    """All frames as RGB, by sequential decoding."""
    return [rgb(frame) for _, frame in decode(path)]


def planes_of(path: Path) -> list[bytes]:
    """The bytes of all planes of every frame, without padding."""
    found = []
    for _, frame in decode(path):
        wide = 1 + (frame.format.components[0].bits > 8)
        found.append(
            b"".join(
                np.frombuffer(plane, np.uint8).reshape(plane.height, -1)[:, : plane.width * wide].tobytes()
                for plane in frame.planes
            )
        )
    return found


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    """40 frames, H.264 with B-frames and a key frame every 8 frames."""
    options = {"g": "8", "bf": "3", "b-pyramid": "normal", "x264-params": "scenecut=0:b-adapt=0"}
    return make(tmp_path_factory.mktemp("clip") / "clip.mp4", 40, options=options)


def bad_notes(folder: Path) -> Path:
    path = folder / "notes.txt"  # FFmpeg would draw it as a film of letters
    path.write_text("this is not a video\n" * 50)
    return path


def bad_index(folder: Path) -> Path:
    path = make(folder / "whole.mp4")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])  # the index of this mp4 is at its end
    return path


def bad_frames(folder: Path) -> Path:
    path = make(folder / "junk.mp4", container={"movflags": "+faststart"})
    data = bytearray(path.read_bytes())
    start = data.rindex(b"mdat") + 4
    data[start:] = bytes(255 for _ in data[start:])  # the index is right, all that it points to is not
    path.write_bytes(data)
    return path


def bad_playlist(folder: Path) -> Path:
    path = folder / "list.m3u8"
    path.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nhttp://127.0.0.1:9/x.ts\n#EXT-X-ENDLIST\n")
    return path


@pytest.mark.parametrize(
    ("make_bad", "message"),
    [
        (lambda folder: folder / "none.mp4", "does not exist"),
        (lambda folder: folder, "is a folder"),
        (lambda folder: "http://127.0.0.1:9/clip.mp4", "network address"),
        (text, "not a video"),
        (bad_notes, "not a video"),
        (empty, "is empty"),
        (bad_index, "index is missing"),
        (sound, "no video stream"),
        (bad_frames, "no frame that can be decoded"),
        (bad_playlist, "not a video"),
    ],
)
def test_bad_input_is_one_line_that_says_what_to_do(tmp_path, make_bad, message):
    path = make_bad(tmp_path)
    for use in (
        lambda: read_proxies(path, tmp_path / "p.npy", progress=False),
        lambda: write_video(path, [0], tmp_path / "out.mp4", progress=False),
    ):
        with pytest.raises(VideoError, match=message) as caught:
            use()
        assert "\n" not in str(caught.value)
    assert not [item for item in tmp_path.iterdir() if "partial" in item.name or item.name in ("p.npy", "out.mp4")]


def test_every_frame_is_read_once_and_in_order(clip, tmp_path):
    """The clip has 40 frames with B-frames: presentation order is 0..39, in proxies as in full frames."""
    info, table = read_proxies(clip, tmp_path / "p.npy", proxy_size=32, progress=False)
    proxies = np.load(tmp_path / "p.npy", mmap_mode="r")
    assert proxies.shape == (40, 24, 32, 3)
    assert proxies.dtype == np.uint8
    assert [index_of(frame) for frame in proxies] == list(range(40))
    assert (info.frames, info.declared_frames, info.damaged_packets, info.warnings) == (40, 40, 0, [])
    assert (info.width, info.height, info.frame_rate, info.variable_frame_rate) == (64, 48, 25, False)
    assert np.allclose(table.time_s, np.arange(40) / 25)
    assert np.flatnonzero(table.key).tolist() == [0, 8, 16, 24, 32]
    assert table.check.dtype == np.uint32 and len(set(table.check.tolist())) == 40
    assert json.loads(json.dumps(info.as_dict()))["frame_rate"] == "25/1"


def test_proxies_are_not_enlarged_and_show_the_frames(clip, tmp_path):
    read_proxies(clip, tmp_path / "p.npy", proxy_size=400, progress=False)
    assert (np.load(tmp_path / "p.npy") == np.stack(frames_of(clip))).all()


@pytest.mark.parametrize("name", ["raw.h264", "clip.avi", "clip.ts", "clip.webm", "open.mp4"])
def test_files_without_index_or_time_stamps(tmp_path, name):
    """A raw stream has neither index nor pts, AVI no pts, TS no index; open GOPs have B-frames across key frames."""
    codec = {"clip.webm": "libvpx-vp9", "clip.avi": "mpeg4"}.get(name, "libx264")
    options = {"g": "6", "bf": "2"} if codec != "libvpx-vp9" else {"g": "6", "deadline": "realtime", "cpu-used": "8"}
    if name == "open.mp4":
        options["x264-params"] = "open-gop=1:scenecut=0:b-adapt=0"
    path = make(tmp_path / name, 20, codec, options=options)
    assert [index_of(frame) for frame in frames_of(path)] == list(range(20))


@pytest.mark.parametrize("count", [1, 2])
def test_very_short_videos(tmp_path, count):
    path = make(tmp_path / "short.mp4", count)
    info, table = read_proxies(path, tmp_path / "p.npy", progress=False)
    assert (info.frames, len(table), info.warnings) == (count, count, [])
    out = write_video(path, list(range(count))[::-1], tmp_path / "out.mp4", progress=False)
    assert [index_of(frame) for frame in frames_of(out)] == list(range(count))[::-1]


def test_sound_beside_the_video_is_ignored(tmp_path):
    path = make(tmp_path / "sound.mp4", audio=True)
    info, _ = read_proxies(path, tmp_path / "p.npy", progress=False)
    assert (info.frames, info.warnings) == (12, [])


def test_variable_frame_rate(tmp_path):
    """Frames at 0, 1, 2, 5, 6, 12, ... twenty-fifths of a second: all are kept, and a warning reports that the rate varies."""
    times = [0, 1, 2, 5, 6, 12, 13, 14, 15, 20, 21, 30]
    path = make(tmp_path / "vfr.mp4", 12, times=times)
    info, table = read_proxies(path, tmp_path / "p.npy", progress=False)
    assert info.variable_frame_rate
    assert any("varies" in line for line in info.warnings)
    assert np.allclose(table.time_s, np.array(times) / 25)
    assert [index_of(frame) for frame in frames_of(path)] == list(range(12))
    out = write_video(path, list(range(12)), tmp_path / "out.mp4", progress=False)
    assert [index_of(frame) for frame in frames_of(out)] == list(range(12))


@pytest.mark.parametrize("name", ["cut.mp4", "cut.mkv"])
def test_truncated_file_gives_what_is_there_and_says_so(tmp_path, name):
    """40 frames, the last third of the bytes cut away; the index of the mp4 is at its beginning."""
    options = {"g": "8", "bf": "2"}
    path = make(tmp_path / name, 40, options=options, container={"movflags": "+faststart"} if name[-1] == "4" else {})
    whole = frames_of(path)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3])
    info, table = read_proxies(path, tmp_path / "p.npy", progress=False)
    assert 5 < info.frames < 39
    assert len(np.load(tmp_path / "p.npy")) == len(table) == info.frames
    assert any("truncated or damaged" in line for line in info.warnings)
    sound = [(a == b).all() for a, b in zip(frames_of(path), whole, strict=False)]
    assert all(sound[: info.frames - 4])  # all but the torn end is as it was


def test_damaged_packets_are_counted_and_reading_goes_on(tmp_path):
    """FFV1 packets carry checksums and stand alone: three of twelve overwritten give nine right frames, in order."""
    path = make(tmp_path / "clip.mkv", 12, "ffv1", options={"level": "3", "slicecrc": "1", "g": "1"})
    with av.open(str(path)) as file:
        packets = [bytes(packet) for packet in file.demux(video=0) if packet.size]
    data = path.read_bytes()
    for index in (2, 3, 9):
        data = data.replace(packets[index], b"\xff" * len(packets[index]))
    path.write_bytes(data)
    info, _ = read_proxies(path, tmp_path / "p.npy", progress=False)
    assert info.damaged_packets + info.corrupt_frames == 3
    assert info.frames == 12 - info.damaged_packets
    assert any("could not be decoded" in line or "errors" in line for line in info.warnings)


@pytest.mark.parametrize(
    ("matrix", "turn", "degrees"),
    [
        (QUARTER_TURN, lambda frame: np.rot90(frame, -1), 90),
        (HALF_TURN, lambda frame: np.rot90(frame, 2), 180),
        (MIRROR, np.fliplr, 0),
    ],
)
def test_rotated_video_stands_upright(tmp_path, matrix, turn, degrees):
    """The display matrix turns the stored frames: what is read is the turned picture, what is written has no matrix."""
    path = make(tmp_path / "turned.mp4", matrix=matrix, sample_aspect_ratio=Fraction(4, 3))
    plain = make(tmp_path / "plain.mp4")
    expected = [turn(frame) for frame in frames_of(plain)]
    info, _ = read_proxies(path, tmp_path / "p.npy", progress=False)
    assert (info.height, info.width) == expected[0].shape[:2]
    assert info.rotation == degrees
    assert info.aspect == (Fraction(3, 4) if degrees == 90 else Fraction(4, 3))
    proxies = np.load(tmp_path / "p.npy")
    assert np.abs(proxies.astype(int) - np.stack(expected)).mean() < 3
    assert (frames_of(path)[7] == proxies[7]).all()
    out = write_video(path, list(range(12)), tmp_path / "out.mp4", crf=10, progress=False)
    written, _ = read_proxies(out, tmp_path / "q.npy", progress=False)
    assert (written.width, written.height, written.aspect, written.rotation) == (
        info.width,
        info.height,
        info.aspect,
        0,
    )
    assert np.abs(np.load(tmp_path / "q.npy").astype(int) - proxies).mean() < 3


@pytest.mark.parametrize("codec", ["h264", "lossless"])
def test_order_rate_aspect_and_colours_are_kept(tmp_path, codec):
    """A full-range BT.709 clip of 30000/1001 frames a second with 3:2 pixels, written in a seeded random order."""
    tags = {"color_range": 2, "colorspace": 1, "color_primaries": 1, "color_trc": 1}
    rate = Fraction(30000, 1001)
    path = make(tmp_path / "in.mp4", 30, rate=rate, sample_aspect_ratio=Fraction(3, 2), options={"bf": "2"}, **tags)
    order = np.random.default_rng(1).permutation(30)[:25].tolist()
    out = write_video(path, order, tmp_path / ("out.mp4" if codec == "h264" else "out.mkv"), codec, progress=False)
    info, _ = read_proxies(out, tmp_path / "p.npy", progress=False)
    assert [index_of(frame) for frame in np.load(tmp_path / "p.npy")] == order
    assert (info.frames, info.aspect) == (25, Fraction(3, 2))
    assert float(info.frame_rate) == pytest.approx(float(rate), rel=1e-3)
    assert (info.color_range, info.color_space, info.color_primaries, info.color_trc) == (2, 1, 1, 1)
    before = [frames_of(path)[index].astype(int) for index in order]
    assert np.abs(np.stack(before) - np.load(tmp_path / "p.npy")).mean() < 3
    assert write_video(path, [3, 1], tmp_path / "slow.mp4", frame_rate=5, progress=False).exists()
    assert Decoder(tmp_path / "slow.mp4").frame_rate == 5


@pytest.mark.parametrize(
    ("pixels", "size", "cache"),
    [("yuv420p10le", (63, 47), 0), ("gray", (63, 47), 2**29), ("gray10le", (64, 48), 20_000), ("yuv420p", (63, 47), 0)],
)
def test_lossless_keeps_every_bit(tmp_path, pixels, size, cache):
    """Ten bit, gray and odd sizes, with frames waiting in memory, in the temporary file, and in both."""
    path = make(tmp_path / "in.mkv", 12, "ffv1", pixels, size)
    order = np.random.default_rng(2).permutation(12).tolist()
    out = write_video(path, order, tmp_path / "out.mkv", "lossless", progress=False, cache_bytes=cache)
    before, after = planes_of(path), planes_of(out)
    assert after == [before[index] for index in order]
    assert Decoder(out).stream.codec_context.pix_fmt == pixels


def test_lossless_of_full_range_h264(tmp_path):
    """yuvj420p is an old name for full-range yuv420p: FFV1 has the new one, with the same bytes and the range tag."""
    path = make(tmp_path / "in.mp4", 4, color_range=2)
    out = write_video(path, [3, 2, 1, 0], tmp_path / "out.mkv", "lossless", progress=False)
    assert planes_of(out) == planes_of(path)[::-1]
    assert all((a == b).all() for a, b in zip(frames_of(out), frames_of(path)[::-1], strict=True))


def test_h264_pads_odd_sizes_by_one_repeated_line(tmp_path):
    """63 x 47 becomes 64 x 48; on the 8-bit planes the added column and row are copies, and nothing else changed."""
    path = make(tmp_path / "in.mkv", 3, "ffv1", size=(63, 47))
    for _, frame in decode(path):
        padded, _ = prepared(frame, "h264")
        luma = np.frombuffer(padded.planes[0], np.uint8).reshape(48, -1)[:, :64]
        before = np.frombuffer(frame.planes[0], np.uint8).reshape(47, -1)[:, :63]
        assert (luma[:47, :63] == before).all()
        assert (luma[:, 63] == luma[:, 62]).all()
        assert (luma[47] == luma[46]).all()
    out = write_video(path, [2, 1, 0], tmp_path / "out.mp4", progress=False)
    info, _ = read_proxies(out, tmp_path / "p.npy", progress=False)
    assert (info.width, info.height, info.pixel_format) == (64, 48, "yuv420p")
    assert [index_of(frame) for frame in np.load(tmp_path / "p.npy")] == [2, 1, 0]


@pytest.mark.parametrize("pixels", ["gray", "gray10le", "yuv420p10le", "yuv444p", "yuv422p", "bgr0", "gbrp10le"])
def test_h264_of_any_pixel_format_looks_the_same(tmp_path, pixels):
    """Whatever the source holds, the 8-bit copy shows the same picture, light and contrast (error under 3 levels)."""
    path = make(tmp_path / "in.mkv", 3, "ffv1", pixels)
    out = write_video(path, [0, 1, 2], tmp_path / "out.mp4", crf=6, progress=False)
    info, _ = read_proxies(out, tmp_path / "p.npy", progress=False)
    assert info.pixel_format in ("yuv420p", "yuvj420p")
    difference = np.load(tmp_path / "p.npy").astype(int) - np.stack(frames_of(path))
    assert np.abs(difference).mean() < 3
    assert abs(difference.mean()) < 1


@pytest.mark.parametrize("size", [(160, 120), (1280, 720)])
def test_written_arrays_keep_their_colours(tmp_path, size):
    """Smooth colour ramps, below and above the height where the matrix changes: mean error under 2 levels a channel."""
    x, y = np.meshgrid(np.linspace(0, 1, size[0]), np.linspace(0, 1, size[1]))
    ramps = [np.stack([255 * x, 255 * y, 255 * (1 - x)], -1), np.stack([80 + 100 * y, 200 * (1 - y), 40 + 50 * x], -1)]
    ramps = [np.round(ramp).astype(np.uint8) for ramp in ramps]
    write_frames(ramps, tmp_path / "ramps.mp4", 10, crf=6)
    assert Decoder(tmp_path / "ramps.mp4").frame_rate == 10
    for ramp, frame in zip(ramps, frames_of(tmp_path / "ramps.mp4"), strict=True):
        error = np.abs(ramp.astype(int) - frame)
        assert error.mean(axis=(0, 1)).max() < 2
    write_frames(iter(ramps), tmp_path / "ramps.mkv", Fraction(10), codec="lossless")
    assert all((a == b).all() for a, b in zip(ramps, frames_of(tmp_path / "ramps.mkv"), strict=True))


def test_spill_keeps_memory_small_and_removes_its_file(clip, tmp_path):
    """Room for two frames: the rest goes to the file, and all come back as they were."""
    frames = dict(decode(clip))
    before = {index: frame.to_ndarray() for index, frame in frames.items()}
    one = sum(plane.buffer_size for plane in frames[0].planes)
    with FrameSpill(tmp_path, limit_bytes=2 * one) as spill:
        for index, frame in frames.items():
            spill.put(index, frame)
            assert spill.memory_bytes <= 2 * one
        assert spill.spilled == 38
        assert (spill.get(17, keep=True).to_ndarray() == before[17]).all()
        for index in np.random.default_rng(3).permutation(40):
            assert (spill.get(index).to_ndarray() == before[index]).all()
            assert index not in spill
    assert not list(tmp_path.iterdir())


def test_write_video_through_the_spill_file(clip, tmp_path):
    order = np.random.default_rng(4).permutation(40).tolist()
    out = write_video(clip, order, tmp_path / "out.mp4", progress=False, cache_bytes=0)
    assert [index_of(frame) for frame in frames_of(out)] == order
    twice = write_video(clip, [5, 5, 2, 5], tmp_path / "twice.mp4", progress=False, cache_bytes=0)
    assert [index_of(frame) for frame in frames_of(twice)] == [5, 5, 2, 5]
    assert sorted(item.name for item in tmp_path.iterdir()) == ["out.mp4", "twice.mp4"]


def test_refused_output_leaves_nothing_behind(clip, tmp_path):
    """Every refusal is a VideoError with its reason, an older file stays as it was, and no temporary file remains."""
    (tmp_path / "old.mp4").write_text("old")
    for positions, name, codec, message in [
        ([], "old.mp4", "h264", "no frames to write"),
        ([0, 40], "old.mp4", "h264", "position 40 is not in .* 40 frames"),
        ([-1], "old.mp4", "h264", "positions start at 0"),
        ([0], "old.mp4", "lossless", "must end in .mkv"),
        ([0], "old.gif", "h264", "must end in .mp4"),
        ([0], "old.mp4", "vp9", "not known"),
        ([0], "nowhere/old.mp4", "h264", "does not exist"),
    ]:
        with pytest.raises(VideoError, match=message):
            write_video(clip, positions, tmp_path / name, codec, progress=False)
    with pytest.raises(VideoError, match="frame rate"):
        write_video(clip, [0], tmp_path / "old.mp4", frame_rate=0, progress=False)
    with pytest.raises(VideoError, match="no frames"):
        write_frames([], tmp_path / "old.mp4")
    with pytest.raises(VideoError, match="frame 1 is"):
        write_frames([painted(0), painted(1, 32, 32)], tmp_path / "old.mp4")
    with pytest.raises(VideoError, match="does not exist"):
        read_proxies(clip, tmp_path / "nowhere" / "p.npy", progress=False)
    assert [item.name for item in tmp_path.iterdir()] == ["old.mp4"]
    assert (tmp_path / "old.mp4").read_text() == "old"


def test_folder_without_permission_is_refused(clip, tmp_path, monkeypatch):
    """``os.access`` is made to say no, as the tests may run as a user who may write everywhere."""
    monkeypatch.setattr("workbench.video.encode.os.access", lambda *_: False)
    with pytest.raises(VideoError, match="not writable"):
        write_video(clip, [0], tmp_path / "out.mp4", progress=False)


def test_stopping_early_leaves_no_thread(clip):
    """A reader that stops after three frames ends the background decoding too."""
    before = threading.active_count()
    for index, _ in decode(clip):
        if index == 2:
            break
    assert threading.active_count() == before


def test_size_change_in_mid_stream(tmp_path):
    """Two raw H.264 streams of 64 x 48 and 32 x 24 joined: all frames get the first one's size, and it is reported."""
    first = make(tmp_path / "a.h264", 5)
    second = make(tmp_path / "b.h264", 5, size=(32, 24))
    joined = tmp_path / "joined.h264"
    joined.write_bytes(first.read_bytes() + second.read_bytes())
    info, _ = read_proxies(joined, tmp_path / "p.npy", progress=False)
    proxies = np.load(tmp_path / "p.npy")
    assert proxies.shape == (10, 48, 64, 3)
    assert [index_of(frame) for frame in proxies] == [*range(5), *range(5)]
    assert info.resized_frames == 5
    assert any("differ from the first" in line for line in info.warnings)


def test_another_shape_in_mid_stream_gets_bars(tmp_path):
    """64 x 48 px, then 36 x 48 px, as when a phone is turned: the picture is whole in the middle, beside it is black."""
    joined = tmp_path / "joined.h264"
    parts = [make(tmp_path / "a.h264", 5), make(tmp_path / "b.h264", 5, size=(36, 48))]
    joined.write_bytes(b"".join(part.read_bytes() for part in parts))
    info, _ = read_proxies(joined, tmp_path / "p.npy", progress=False)
    proxies = np.load(tmp_path / "p.npy")
    assert proxies.shape == (10, 48, 64, 3) and (info.width, info.height) == (64, 48)
    assert proxies[5:, :, :12].max() < 30 and proxies[5:, :, 52:].max() < 30
    assert [index_of(frame[:, 14:50]) for frame in proxies[5:]] == list(range(5))
    assert info.sizes == ((64, 48, 5), (36, 48, 5)) and info.resized_frames == 5


def test_a_palette_is_looked_up(tmp_path):
    """A PNG video of 16 colours in QuickTime, whose frames have palettes: read as colours, in one format."""
    path = tmp_path / "clip.mov"
    with av.open(str(path), "w") as file:
        stream = file.add_stream("png", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "pal8"
        for index in range(3):
            indices = np.random.default_rng(index).integers(0, 16, (48, 64), np.uint8)
            palette = np.zeros((256, 4), np.uint8)
            palette[:16] = np.random.default_rng(9).integers(0, 256, (16, 4))
            palette[:, 0] = 255
            frame = av.VideoFrame.from_ndarray((indices, palette), format="pal8")
            frame.pts = index
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    info, _ = read_proxies(path, tmp_path / "p.npy", progress=False)
    assert (info.pixel_format, info.frames, info.resized_frames) == ("bgra", 3, 0)
    expected = np.stack([palette[np.random.default_rng(k).integers(0, 16, (48, 64), np.uint8), 1:] for k in range(3)])
    assert (np.load(tmp_path / "p.npy") == expected).all()
