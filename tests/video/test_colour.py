"""Colours beyond SDR. Clips have 10 bits: grey patches and colours whose light is known, coded as HLG or PQ (ITU-R BT.2100)."""

from pathlib import Path

import av
import numpy as np
import pytest

from tests.helpers.tiny import pan, workbench
from tests.video.test_planes import values_of
from workbench.errors import VideoError
from workbench.evaluation.corrupt import corrupt
from workbench.parameters import VideoParameters
from workbench.pipeline.stages import run_stage
from workbench.run import Run
from workbench.video.colour import beyond_sdr, colour_notes
from workbench.video.decode import decode
from workbench.video.encode import prepared
from workbench.video.planes import warped
from workbench.video.proxies import rgb
from workbench.video.reorder import write_video

HLG, PQ, SDR, WIDE = (1, 9, 9, 18), (1, 9, 9, 16), (1, 1, 1, 1), (1, 1, 12, 1)


def hdr_clip(path: Path, tags: tuple[int, int, int, int] = HLG, count: int = 4) -> Path:
    """A lossless clip of ``count`` frames, 96 x 72 px, 10 bits: the values of an SDR clip with the tags that are given."""
    with av.open(str(path), "w") as file:
        stream = file.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 72, "yuv420p10le"
        context = stream.codec_context
        context.color_range, context.colorspace, context.color_primaries, context.color_trc = tags
        for index, picture in enumerate(pan(5, count)):
            frame = av.VideoFrame.from_ndarray(picture).reformat(format="yuv420p10le", threads=1)
            frame.pts = index
            frame.color_range, frame.colorspace, frame.color_primaries, frame.color_trc = tags
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    return path


def tags_of(frame: av.VideoFrame) -> tuple[int, int, int, int]:
    return frame.color_range, frame.colorspace, frame.color_primaries, frame.color_trc


def patches(values: list[float], tags: tuple[int, int, int, int]) -> av.VideoFrame:
    """A frame of grey patches of 16 x 16 px; ``values`` are coded, 0 to 1."""
    levels = np.repeat(np.round(np.array(values) * 65535).astype(np.uint16), 16)
    picture = np.broadcast_to(levels[None, :, None], (16, len(levels), 3))
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb48le")
    frame = frame.reformat(format="yuv444p10le", dst_color_range=1, threads=1)
    frame.color_range, frame.colorspace, frame.color_primaries, frame.color_trc = tags
    return frame


def test_what_is_beyond_sdr():
    assert beyond_sdr(9, 18) == "HDR (HLG)" and beyond_sdr(9, 16) == "HDR (PQ)" and beyond_sdr(2, 18) == "HDR (HLG)"
    assert beyond_sdr(9, 14) == "wide gamut (BT.2020)" and beyond_sdr(12, 1) == "wide gamut (Display P3)"
    assert {beyond_sdr(primaries, 1) for primaries in (0, 1, 2, 5, 6, 7)} == {""}
    assert colour_notes(1, 1) == [] and "HDR (PQ)" in colour_notes(9, 16)[0]


@pytest.mark.parametrize(("tags", "white"), [(HLG, 0.75), (PQ, 0.58)])
def test_reference_white_is_bright_and_order_is_kept(tags, white):
    """White (203 cd/m2, ITU-R BT.2408: 75 % of HLG, 58 % of PQ) comes out bright, what is brighter brighter still, black black,
    and grey grey."""
    picture = rgb(patches([0, white / 2, white, (1 + white) / 2, 1], tags))
    levels = picture[8, 8::16].astype(int)
    assert np.ptp(levels, axis=1).max() <= 3
    assert (np.diff(levels[:, 1]) > 0).all()
    assert levels[0].max() <= 2 and levels[2].min() > 150 and levels[-1].min() > 240


def test_a_wide_gamut_is_not_relabelled():
    """The red of Display P3 is outside BT.709 and comes out as red. A colour inside gets more saturated numbers. Grey stays."""
    picture = np.zeros((16, 48, 3), np.uint8)
    picture[:, :16], picture[:, 16:32], picture[:, 32:] = (250, 10, 10), (150, 110, 110), (128, 128, 128)
    frame = av.VideoFrame.from_ndarray(picture).reformat(
        format="yuv444p", dst_colorspace="ITU709", dst_color_range=1, threads=1
    )
    frame.color_range, frame.colorspace, frame.color_primaries, frame.color_trc = WIDE
    full, inside, grey = rgb(frame)[8, 8::16].astype(int)
    assert full[0] > 235 and full[1:].max() < 40
    assert np.abs(inside - (157, 108, 109)).max() <= 3  # by the matrix from P3 to BT.709, on light by a gamma of 2.4
    assert np.ptp(grey) <= 2 and abs(grey.mean() - 128) < 4


@pytest.mark.parametrize("tags", [SDR, (2, 6, 6, 6), (0, 2, 2, 2)])
def test_sdr_has_its_values_as_they_are(tags):
    frame = patches([0, 0.3, 0.7, 1], tags)
    assert (rgb(frame) == frame.to_ndarray(format="rgb24", interpolation="BILINEAR")).all()


def test_unknown_matrix_is_one_line():
    """ICtCp, which FFmpeg's scaler does not know."""
    with pytest.raises(VideoError, match=r"matrix 14, primaries 9, transfer 16.*BT\.709"):
        rgb(patches([0, 1], (1, 14, 9, 16)))


@pytest.mark.parametrize("tags", [HLG, PQ, SDR, (1, 6, 6, 6), WIDE])
@pytest.mark.parametrize(("codec", "name"), [("lossless", "out.mkv"), ("h264", "out.mp4")])
def test_moved_frames_keep_tags_and_values(tmp_path, tags, codec, name):
    """Held still with the identity: the video that is written without."""
    source = hdr_clip(tmp_path / "clip.mkv", tags)
    outs = [tmp_path / f"{k}{name}" for k in (0, 1)]
    for out, change in zip(outs, (None, lambda _, frame: warped(frame, np.eye(2, 3))), strict=True):
        write_video(source, [2, 0, 1], out, codec, progress=False, change=change)
    plain, moved = ([frame for _, frame in decode(out)] for out in outs)
    assert [tags_of(frame) for frame in moved] == [tags] * 3
    for a, b in zip(plain, moved, strict=True):
        assert all((x == y).all() for x, y in zip(values_of(a), values_of(b), strict=True))
    assert moved[0].format.name == ("yuv420p10le" if codec == "lossless" else "yuv420p")


def test_rgb_with_hdr_tags_stays_hdr_in_h264():
    frame = av.VideoFrame.from_ndarray(np.full((16, 16, 3), 30000, np.uint16), format="rgb48le")
    frame.color_primaries, frame.color_trc = 9, 16
    assert prepared(frame, "h264")[1] == (1, 9, 9, 16)


def test_corrupt_converts_and_says_so(tmp_path):
    """A case made from HLG is SDR by its tags and by its values: as bright as the working copies of the clip."""
    source = hdr_clip(tmp_path / "clip.mkv", count=6)
    answer = workbench("corrupt", source, "--foreign-share", 0, "--out", tmp_path / "case.mp4")
    assert (
        answer.status == 0
        and answer.err == f"note: the colours of {source} are HDR (HLG): they are converted to SDR (BT.709)\n"
    )
    rows = corrupt([source], None, tmp_path / "again.mp4", foreign_share=0)
    case, clip = ([frame for _, frame in decode(path)] for path in (tmp_path / "again.mp4", source))
    assert tags_of(case[0]) == (1, 6, 6, 6)
    for row, frame in zip(rows, case, strict=True):
        assert np.abs(rgb(frame).astype(int) - rgb(clip[row.frame])).mean() < 8  # H.264 with chroma of half the size


def test_working_copies_are_converted_and_it_is_said(tmp_path):
    source = hdr_clip(tmp_path / "clip.mkv")
    run = Run.create(tmp_path / "run", source)
    info = run_stage(run, VideoParameters(), progress=False)["info"]
    assert info["warnings"] == colour_notes(9, 18)
    frame, copy = next(decode(source))[1], run.images()[0]
    raw = frame.to_ndarray(format="rgb24", interpolation="BILINEAR")
    assert (copy == rgb(frame)).all() and np.abs(copy.astype(int) - raw).mean() > 5
