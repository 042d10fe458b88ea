"""What written videos keep: pixels, alpha, colour tags, times, chapters. Every source is made here, from frames of
:func:`tests.helpers.tiny.pan`, in FFV1, so that its pixels are known to the bit; every file that is written is read back."""

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from tests.helpers.tiny import HEIGHT, WIDTH, pan
from workbench.errors import VideoError
from workbench.video.chapters import Chapter, scene_chapters
from workbench.video.codecs import CODECS, losses, written_format
from workbench.video.decode import Decoder, decode
from workbench.video.reorder import join_videos, packet_times, write_parts, write_video
from workbench.video.timing import SHORTEST_FRAME_S, frame_durations, start_ticks, written_rate

HLG = {"color_range": 1, "colorspace": 9, "color_primaries": 9, "color_trc": 18}  # BT.2020, hybrid log-gamma; FFmpeg's numbers
USUAL_FILES = [(name, codec.suffixes[0]) for name, codec in CODECS.items()]
# Times of twelve frames, in milliseconds: irregular, and rising. They last 40, 17, 43, ... ms, and the last one as the median.
TIMES_MS = [0, 40, 57, 100, 350, 360, 361, 400, 440, 1440, 1500, 1533]
DURATIONS_MS = [40, 17, 43, 250, 10, 1, 39, 40, 1000, 60, 33, 40]


def source(
    path: Path, count: int = 12, pixels: str = "yuv420p", codec: str = "ffv1", times_ms: Sequence[int] = (), **context: object
) -> Path:
    """``count`` frames of a pan, 40 ms each or at ``times_ms``; alpha, where there is any, is a ramp from left to right that is
    brighter by 2 levels from frame to frame. ``context`` are attributes of the encoder."""
    with av.open(str(path), "w") as file:
        stream = file.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, pixels
        stream.codec_context.time_base = Fraction(1, 1000)
        if codec == "libvpx-vp9":
            stream.options = {"lossless": "1", "deadline": "realtime", "cpu-used": "8"}
            stream.metadata["alpha_mode"] = "1"
        for name, value in context.items():
            setattr(stream.codec_context, name, value)
        for index, picture in enumerate(pan(1, count)):
            ramp = np.broadcast_to(np.linspace(20, 200, WIDTH).astype(np.uint8) + np.uint8(2 * index), (HEIGHT, WIDTH))
            frame = av.VideoFrame.from_ndarray(np.dstack([picture, ramp]), format="rgba").reformat(format=pixels, threads=1)
            frame.pts, frame.time_base = (times_ms[index] if times_ms else 40 * index), Fraction(1, 1000)
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    return path


def planes(frame: av.VideoFrame) -> list[np.ndarray]:
    """The planes of a frame as arrays of numbers, without padding."""
    kind, per_pixel = (np.uint8, 1) if frame.format.components[0].bits == 8 else (np.uint16, 1)
    if not frame.format.is_planar:
        per_pixel = len(frame.format.components)
    return [np.frombuffer(plane, kind).reshape(plane.height, -1)[:, : plane.width * per_pixel].copy() for plane in frame.planes]


def planes_of(path: Path) -> list[list[np.ndarray]]:
    return [planes(frame) for _, frame in decode(path)]


def psnr(a: np.ndarray, b: np.ndarray, most: int) -> float:
    """Peak signal to noise ratio of two arrays whose brightest value is ``most``, dB."""
    return float(10 * np.log10(most**2 / max(1e-9, np.mean((a.astype(float) - b) ** 2))))


def times_of(path: Path) -> list[float]:
    """When the frames are shown, ms."""
    return [float(1000 * frame.pts * frame.time_base) for _, frame in decode(path)]


def length_ms(path: Path) -> float:
    with av.open(str(path)) as file:
        return file.duration / 1000


@pytest.mark.parametrize(
    ("codec", "pixels", "bits", "tag"),
    [("h264", "yuv420p", 8, "avc1"), ("h265", "yuv420p10le", 10, "hvc1"), ("prores", "yuv422p10le", 10, "apch")],
)
def test_ten_bits_and_hdr_tags(tmp_path, codec, pixels, bits, tag):
    """10 bits and the tags of HLG: what is written has these tags in every codec, and the bits that the codec has."""
    path = source(tmp_path / "in.mkv", pixels="yuv420p10le", **HLG)
    assert len(np.unique(planes_of(path)[0][0] % 4)) == 4  # it makes use of its bits
    order = [7, 3, 11, 0]
    out = write_video(path, order, tmp_path / f"out{CODECS[codec].suffixes[0]}", codec, crf=4, progress=False)
    with Decoder(out) as decoder:
        written = [planes(frame) for _, frame in decode(decoder)]
        info, found = decoder.info(), decoder.stream.codec_context.codec_tag
    assert (info.pixel_format, found) == (pixels, tag)
    assert (info.color_range, info.color_space, info.color_primaries, info.color_trc) == tuple(HLG[name] for name in
        ("color_range", "colorspace", "color_primaries", "color_trc"))  # fmt: skip
    before = planes_of(path)
    assert all(psnr(before[k][0] / 2 ** (10 - bits), own[0], 2**bits - 1) > 42 for k, own in zip(order, written, strict=True))


def test_lossless_keeps_ten_bits_and_tags(tmp_path):
    path = source(tmp_path / "in.mkv", pixels="yuv420p10le", **HLG)
    out = write_video(path, [4, 2, 9], tmp_path / "out.mkv", "lossless", progress=False)
    before, after = planes_of(path), planes_of(out)
    assert all((a == b).all() for k, own in zip([4, 2, 9], after, strict=True) for a, b in zip(before[k], own, strict=True))
    assert [frame.color_trc for _, frame in decode(out)] == [18] * 3


@pytest.mark.parametrize("pixels", ["yuva420p", "bgra", "yuva444p10le"])
def test_lossless_keeps_alpha(tmp_path, pixels):
    path = source(tmp_path / "in.mkv", 5, pixels)
    out = write_video(path, [3, 0, 4], tmp_path / "out.mkv", "lossless", progress=False, cache_bytes=0)
    with Decoder(out) as decoder:
        after = [planes(frame) for _, frame in decode(decoder)]
        assert decoder.info().pixel_format == pixels
    before = planes_of(path)
    assert all((a == b).all() for k, own in zip([3, 0, 4], after, strict=True) for a, b in zip(before[k], own, strict=True))


@pytest.mark.parametrize("pixels", ["yuva420p", "bgra"])
def test_prores_keeps_alpha(tmp_path, pixels):
    """As ProRes 4444; the alpha of every pixel within one level of 255, the colours within the loss of the codec."""
    path = source(tmp_path / "in.mkv", 3, pixels)
    out = write_video(path, [2, 0], tmp_path / "out.mov", "prores", progress=False)
    joined = join_videos([out], tmp_path / "joined.mov", [Chapter("all", Fraction(2, 25))])
    before = [frame.to_ndarray(format="rgba") for _, frame in decode(path)]
    for file in (out, joined):
        with Decoder(file) as decoder:
            after = [frame.to_ndarray(format="rgba") for _, frame in decode(decoder)]
            assert decoder.stream.codec_context.codec_tag == "ap4h"
        for picture, original in zip(after, (before[2], before[0]), strict=True):
            assert np.abs(picture[..., 3].astype(int) - original[..., 3]).max() <= 1
            assert psnr(picture[..., :3], original[..., :3], 255) > 35


def test_alpha_of_webm_is_read(tmp_path):
    """VP9 with alpha, lossless: FFmpeg's own decoder would leave the alpha out. Frames, times and key frames are right."""
    path = source(tmp_path / "in.webm", 5, "yuva420p", "libvpx-vp9")
    raw = planes_of(source(tmp_path / "raw.mkv", 5, "yuva420p"))
    with Decoder(path) as decoder:
        after = [planes(frame) for _, frame in decode(decoder)]
        info, table = decoder.info(), decoder.table.table(Fraction(25))
    assert (info.pixel_format, info.frames, info.warnings) == ("yuva420p", 5, [])
    assert all((a == b).all() for one, other in zip(raw, after, strict=True) for a, b in zip(one, other, strict=True))
    assert table.time_s.tolist() == [0, 0.04, 0.08, 0.12, 0.16] and table.key[0]
    out = write_video(path, [4, 1], tmp_path / "out.mkv", "lossless", progress=False)
    assert all((a == b).all() for k, own in zip([4, 1], planes_of(out), strict=True) for a, b in zip(raw[k], own, strict=True))


def test_full_range_becomes_limited_in_prores(tmp_path):
    """MOV states no range for ProRes: a full-range source must not look paler or harder afterwards."""
    path = source(tmp_path / "in.mkv", 2, "yuv444p", color_range=2)
    out = write_video(path, [1, 0], tmp_path / "out.mov", "prores", progress=False)
    before, after = ([frame.to_ndarray(format="rgb24") for _, frame in decode(file)] for file in (path, out))
    assert all(psnr(a, b, 255) > 35 for a, b in zip(before[::-1], after, strict=True))


@pytest.mark.parametrize(("codec", "suffix"), USUAL_FILES)
def test_the_shape_of_pixels_is_kept(tmp_path, codec, suffix):
    """Pixels of 4:3, in the file of a scene and in the joined one."""
    path = source(tmp_path / "in.mp4", 3, codec="libx264", sample_aspect_ratio=Fraction(4, 3))
    out = write_video(path, [2, 0, 1], tmp_path / f"out{suffix}", codec, progress=False)
    joined = join_videos([out], tmp_path / f"joined{suffix}", [Chapter("all", Fraction(3, 25))])
    for file in (out, joined):
        with Decoder(file) as decoder:
            assert len(list(decode(decoder))) == 3 and decoder.aspect == Fraction(4, 3)


@pytest.mark.parametrize("codec", ["h265", "prores"])
def test_odd_sizes_are_padded(tmp_path, codec):
    """95 x 71 px with 10 bits become 96 x 72; the added column and row look like those beside them."""
    path = tmp_path / "in.mkv"
    with av.open(str(path), "w") as file:
        stream = file.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 95, 71, "yuv420p10le"
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pan(1, 1)[0][:71, :95])).reformat(
            format="yuv420p10le", threads=1
        )
        frame.pts = 0
        file.mux([*stream.encode(frame), *stream.encode()])
    out = write_video(path, [0], tmp_path / f"out{CODECS[codec].suffixes[0]}", codec, crf=2, progress=False)
    [[luma, *_]] = planes_of(out)
    assert luma.shape == (72, 96)
    assert np.abs(luma[:, 95].astype(int) - luma[:, 94]).mean() < 12 and np.abs(luma[71].astype(int) - luma[70]).mean() < 12
    assert psnr(luma[:71, :95], planes_of(path)[0][0], 1023) > 42


@pytest.mark.parametrize(("codec", "suffix"), [*USUAL_FILES, ("h264", ".mkv"), ("h265", ".mkv")])
def test_frames_keep_the_durations_of_the_source(tmp_path, codec, suffix):
    """Three scenes in a new order: wherever a frame comes to stand, it is shown as long as in the source, in the files of the
    scenes and in the joined one, down to the last frame."""
    path = source(tmp_path / "in.mkv", times_ms=TIMES_MS)
    with Decoder(path) as decoder:
        count = sum(1 for _ in decode(decoder))
        durations = frame_durations(decoder.table.table(Fraction(25)).time_s, decoder.frame_rate)
    assert (1000 * durations).round(6).tolist() == DURATIONS_MS and count == 12
    parts = [[8, 3, 0, 11, 5, 6], [1, 9, 10], [4]]
    files = [tmp_path / f"{k}{suffix}" for k in range(3)]
    write_parts(path, parts, files, codec, progress=False, durations=durations)
    for part, file in zip(parts, files, strict=True):
        starts = np.concatenate([[0], np.cumsum([DURATIONS_MS[k] for k in part])])
        assert times_of(file) == pytest.approx(starts[:-1], abs=0.02)
        assert length_ms(file) == pytest.approx(starts[-1], abs=1)
    lengths = [durations[part].sum() for part in parts]
    whole = join_videos(files, tmp_path / f"whole{suffix}", scene_chapters([6, 3, 1], lengths))
    starts = np.concatenate([[0], np.cumsum([DURATIONS_MS[k] for part in parts for k in part])])
    assert times_of(whole) == pytest.approx(starts[:-1], abs=0.02)
    assert length_ms(whole) == pytest.approx(starts[-1], abs=1)


@pytest.mark.parametrize(("codec", "suffix"), [*USUAL_FILES, ("h264", ".mkv")])
@pytest.mark.parametrize("counts", [(1, 7, 2), (2, 1, 3)])
def test_joined_scenes_are_all_there_with_their_chapters(tmp_path, codec, suffix, counts):
    """Short scenes in any order of length, at 30000/1001 frames a second: no frame is lost, times rise evenly, the pictures are
    those of the parts to the bit, and a chapter begins with every scene."""
    path, rate = source(tmp_path / "in.mkv"), Fraction(30000, 1001)
    bounds = np.cumsum([0, *counts]).tolist()
    parts = [list(range(first, last)) for first, last in pairwise(bounds)]
    files = [tmp_path / f"{k}{suffix}" for k in range(3)]
    write_parts(path, parts, files, codec, frame_rate=rate, progress=False)
    whole = join_videos(files, tmp_path / f"whole{suffix}", scene_chapters(counts, [count / rate for count in counts]))
    expected = [own for file in files for own in planes_of(file)]
    joined = planes_of(whole)
    assert len(joined) == sum(counts)
    assert all((a == b).all() for one, other in zip(expected, joined, strict=True) for a, b in zip(one, other, strict=True))
    rounding = 1 if suffix == ".mkv" else 0.02  # ms: Matroska rounds where a scene begins, and where a frame does
    assert times_of(whole) == pytest.approx([1001 * k / 30 for k in range(sum(counts))], abs=rounding)
    with av.open(str(whole)) as file:
        chapters = file.chapters()
    assert [chapter["metadata"]["title"] for chapter in chapters] == [
        f"Scene {k} ({count} frame{'s' if count > 1 else ''})" for k, count in enumerate(counts)
    ]
    begins = [1000 * float(chapter["start"] * chapter["time_base"]) for chapter in chapters]
    ends = [1000 * float(chapter["end"] * chapter["time_base"]) for chapter in chapters]
    assert begins == pytest.approx([1001 * bound / 30 for bound in bounds[:-1]], abs=1)
    assert ends == pytest.approx([1001 * bound / 30 for bound in bounds[1:]], abs=1)


def test_a_frame_without_a_duration_is_refused(tmp_path):
    path = source(tmp_path / "in.mkv", 3)
    with pytest.raises(VideoError, match="position 2 has no duration"):
        write_parts(path, [[0, 2]], [tmp_path / "out.mp4"], progress=False, durations=np.array([0.1, 0.2]))
    assert [item.name for item in tmp_path.iterdir()] == ["in.mkv"]


def test_durations_of_frames():
    """Until the next frame; where no later one follows, the median of the others; never shorter than a millisecond."""
    assert frame_durations(np.array([0, 0.1, 0.15, 0.4]), Fraction(25)).round(9).tolist() == [0.1, 0.05, 0.25, 0.1]
    assert frame_durations(np.array([0.2]), Fraction(25)).tolist() == [0.04]
    assert frame_durations(np.array([0, 0.1, 0.1, 0.05, 0.3]), Fraction(25)).round(9).tolist() == [
        0.1,
        0.175,
        0.175,
        0.25,
        0.175,
    ]
    assert frame_durations(np.array([0, 0.0001, 0.1]), Fraction(25))[0] == SHORTEST_FRAME_S


def test_no_two_frames_have_one_time():
    """Half milliseconds are rounded to whole ones: all different, and at most one unit late."""
    durations = np.array([0.0005, 0.001, 0.001, 0.001, 0.2, 0.0004, 0.0004, 0.05])
    ticks = start_ticks(durations, Fraction(1, 1000))
    assert (np.diff(ticks) >= 1).all() and ticks[0] == 0
    assert np.abs(ticks[1:6] - 1000 * np.cumsum(durations)[:5]).max() <= 1
    assert start_ticks(np.array([1 / 3, 1 / 3]), Fraction(1, 90000)).tolist() == [0, 30000, 60000]


def test_times_of_packets():
    """Shown 0, 4, 2, 1, 3 in units: the last B-frame is two places behind its own, so decoding begins two frames early."""
    assert packet_times([0, 40, 20, 10, 30], 55) == [(0, -20, 10), (40, -10, 15), (20, 0, 10), (10, 10, 10), (30, 20, 10)]
    assert packet_times([0, 5, 100], 200) == [(0, 0, 5), (5, 5, 95), (100, 100, 100)]


def test_pixel_formats():
    chosen = [(pixels, *(written_format(av.VideoFormat(pixels), codec) for codec in CODECS)) for pixels in
              ("yuv420p", "yuv422p10le", "yuv444p12le", "gray", "rgb24", "pal8", "gbrap", "yuva420p")]  # fmt: skip
    assert chosen == [
        ("yuv420p", "yuv420p", "yuv420p", "yuv422p10le", "yuv420p"),
        ("yuv422p10le", "yuv420p", "yuv420p10le", "yuv422p10le", "yuv422p10le"),
        ("yuv444p12le", "yuv420p", "yuv420p10le", "yuv444p10le", "yuv444p12le"),
        ("gray", "yuv420p", "yuv420p", "yuv422p10le", "gray"),
        ("rgb24", "yuv420p", "yuv420p", "yuv444p10le", "bgr0"),
        ("pal8", "yuv420p", "yuv420p", "yuv444p10le", "bgra"),
        ("gbrap", "yuv420p", "yuv420p", "yuva444p10le", "bgra"),
        ("yuva420p", "yuv420p", "yuv420p", "yuva444p10le", "yuva420p"),
    ]


def test_what_is_lost_is_told():
    """A sentence for the bit depth and one for alpha, with the codecs that keep them; none where all is kept."""
    assert losses("yuv420p", 1, "h264", False) == []
    assert losses("yuv420p10le", 18, "h265", False) == losses("yuva444p12le", 2, "lossless", True) == []
    assert losses("yuv420p10le", 18, "h264", False) == [
        "the source has 10 bits per channel (HLG), what is written has 8: "
        "--write.codec h265, --write.codec prores or --write.codec lossless keeps more"
    ]
    depth, alpha = losses("yuva444p12le", 1, "h264", True)
    assert depth.startswith("the source has 12 bits per channel, what is written has 8: ")
    assert alpha.startswith("the alpha channel of the source is not in what is written: --write.codec prores or --write.codec")
    [deeper] = losses("yuv422p12le", 1, "prores", False)
    assert deeper.endswith("12 bits per channel, what is written has 10: --write.codec lossless keeps more")
    with pytest.raises(VideoError, match="no pixel format"):
        losses("strange", 2, "h264", False)


@pytest.mark.parametrize("rate", [0, 0.0001, 1001, float("nan")])
def test_a_rate_out_of_range_is_refused(rate):
    with pytest.raises(VideoError, match=r"give one of 0\.001 to 1000"):
        written_rate(rate)
