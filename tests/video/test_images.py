"""Frames as numbered pictures: their names, their bits, and what is said when they cannot be written."""

import os
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from tests.helpers.tiny import HEIGHT, WIDTH, encode, pan, pictures
from workbench.errors import VideoError
from workbench.video.decode import decode
from workbench.video.images import copy_pictures, image_names, write_images


def test_names_sort_in_the_restored_order():
    names = image_names([[4, 0, 2], [5, 1]], 6, [".png"] * 6)
    assert names == [
        "scene00/000001.png", "scene01/000001.png", "scene00/000002.png", "foreign/000003.png", "scene00/000000.png",
        "scene01/000000.png",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["a" * 251 + ".jpg", "é" * 125 + ".jpg", "\udcff" * 251 + ".jpg"])
def test_names_are_never_too_long(name, tmp_path):
    """Copies have the name of the picture behind the number: what is too much goes from its beginning, and its end stays."""
    (made,) = image_names([[0]], 1, [f"_{name}"])
    (tmp_path / "scene00").mkdir()
    (tmp_path / made).touch()
    assert (
        made.startswith("scene00/000000_") and made.endswith(".jpg") and 250 <= len(os.fsencode(made)) - len("scene00/") <= 255
    )


def write(video: Path, kind: str) -> list[Path]:
    """Write all frames of a video as pictures of the scene 0; returns the files."""
    count = sum(1 for _ in decode(video))
    files = [video.parent / "images" / name for name in image_names([range(count)], count, [f".{kind}"] * count)]
    write_images(video, files, kind, progress=False)
    assert sorted((video.parent / "images").rglob("*.*")) == files
    return files


def test_png_has_every_bit(tmp_path):
    """RGB of 8 bits, without loss in the video."""
    frames = pan(1, 4)
    for file, frame in zip(write(encode(tmp_path / "clip.mkv", frames, "ffv1", "bgr0"), "png"), frames, strict=True):
        assert np.array_equal(np.asarray(Image.open(file)), frame)


@pytest.mark.parametrize(
    ("pixels", "codec", "kept"),
    [
        ("gray", "ffv1", "gray"), ("gray10le", "ffv1", "gray16be"), ("yuv420p", "libx264", "rgb24"), ("bgra", "ffv1", "rgba"),
        ("yuv422p10le", "ffv1", "rgb48be"), ("yuva444p10le", "ffv1", "rgba64be"), ("ya8", "ffv1", "ya8"),
    ],
)  # fmt: skip
def test_png_keeps_depth_grey_and_alpha(pixels, codec, kept, tmp_path):
    (file,) = write(encode(tmp_path / "clip.mkv", pan(1, 1), codec, pixels), "png")
    with av.open(str(file)) as picture:
        assert next(picture.decode(video=0)).format.name == kept


def coloured(path: Path, pixels: str, values: tuple[int, ...], tags: tuple[int, int, int, int]) -> Path:
    """A frame of 4:4:4 in one colour, given by its values of Y, Cb and Cr, with tags for range, matrix, primaries, transfer."""
    deep = pixels.endswith("le")
    planes = np.stack([np.full((HEIGHT, WIDTH), value, np.uint16 if deep else np.uint8) for value in values])
    frame = av.VideoFrame(WIDTH, HEIGHT, pixels)
    for plane, array in zip(frame.planes, planes, strict=True):
        rows = np.zeros((HEIGHT, plane.line_size // array.itemsize), array.dtype)
        rows[:, :WIDTH] = array
        plane.update(rows)
    with av.open(str(path), "w") as file:
        stream = file.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, pixels
        context = stream.codec_context
        context.color_range, context.colorspace, context.color_primaries, context.color_trc = tags
        context.sample_aspect_ratio = Fraction(1)
        frame.pts, frame.time_base = 0, Fraction(1, 25)
        file.mux(stream.encode(frame))
        file.mux(stream.encode())
    return path


@pytest.mark.parametrize(
    ("pixels", "values", "tags", "colour"),
    [
        ("yuv444p", (235, 128, 128), (1, 1, 1, 1), (255, 255, 255)),  # white and black of the limited range
        ("yuv444p", (16, 128, 128), (1, 1, 1, 1), (0, 0, 0)),
        ("yuv444p", (63, 102, 240), (1, 1, 1, 1), (255, 0, 0)),  # pure red, BT.709
        ("yuv444p", (81, 90, 240), (1, 6, 6, 6), (254, 0, 0)),  # pure red, BT.601
        ("yuv444p", (235, 128, 128), (2, 1, 1, 1), (235, 235, 235)),  # the full range
    ],
)
@pytest.mark.parametrize("kind", ["png", "jpeg"])
def test_matrix_and_range_are_those_of_the_source(pixels, values, tags, colour, kind, tmp_path):
    (file,) = write(coloured(tmp_path / "clip.mkv", pixels, values, tags), kind)
    found = np.asarray(Image.open(file)).astype(int)
    assert np.abs(found - colour).max() <= (1 if kind == "png" else 2)


@pytest.mark.parametrize("grey", [64, 65, 503, 940])
def test_ten_bits_and_hdr_tags_stay(grey, tmp_path):
    """Greys of BT.2020 HLG, 10 bits, of which 64 is black and 940 white; the tags are in PNG's chunk cICP."""
    (file,) = write(coloured(tmp_path / "clip.mkv", "yuv444p10le", (grey, 512, 512), (1, 9, 9, 18)), "png")
    with av.open(str(file)) as picture:
        frame = next(picture.decode(video=0))
    wanted = round(65535 * (grey - 64) / 876)
    assert frame.format.name == "rgb48be" and np.abs(frame.to_ndarray().astype(int) - wanted).max() <= 2
    content = file.read_bytes()
    assert content[content.index(b"cICP") + 4 :][:4] == bytes([9, 18, 0, 1])


def test_pixel_aspect_stays_in_png(tmp_path):
    """Pixels that are 4/3 as wide as high."""
    path = tmp_path / "clip.mp4"
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(4, 3)
        file.mux(stream.encode(av.VideoFrame.from_ndarray(pan(1, 1)[0])))
        file.mux(stream.encode())
    (written,) = write(path, "png")
    with av.open(str(written)) as picture:
        assert picture.streams.video[0].sample_aspect_ratio == Fraction(4, 3)


def test_jpeg_of_a_turned_video(tmp_path):
    """Upright, near to the frame, chroma at full resolution."""
    video = encode(tmp_path / "clip.mp4", pan(1, 2), matrix=(0, 1, -1, 0))
    for file, frame in zip(write(video, "jpeg"), pictures(video), strict=True):
        with Image.open(file) as picture:
            assert picture.size == (HEIGHT, WIDTH) and picture.layer[0][1:3] == picture.layer[1][1:3] == (1, 1)
            assert np.abs(np.asarray(picture).astype(int) - frame).mean() < 3


def test_the_video_is_another_one_now(tmp_path):
    video = encode(tmp_path / "clip.mp4", pan(1, 3))
    for count in (2, 4):
        files = [tmp_path / f"{count}" / f"{k}.png" for k in range(count)]
        with pytest.raises(VideoError, match=f"has 3 frames now, {count} when it was first read: start a new run"):
            write_images(video, files, "png", progress=False)


@pytest.mark.parametrize("kind", ["png", "jpeg", "copy"])
def test_a_folder_that_cannot_be_made(kind, tmp_path):
    """A file is in its place."""
    video = encode(tmp_path / "clip.mp4", pan(1, 1))
    (tmp_path / "images").touch()
    with pytest.raises(VideoError, match=r"images/0.png cannot be written \(.*\): check the folder"):
        if kind == "copy":
            copy_pictures(lambda _: b"", [tmp_path / "images" / "0.png"], progress=False)
        else:
            write_images(video, [tmp_path / "images" / "0.png"], kind, progress=False)


def test_copies_are_the_same_bytes(tmp_path):
    contents = [bytes([k]) * (k + 3) for k in range(4)]
    names = image_names([[3, 1], [2]], 4, [f"_{k}.jpg" for k in range(4)])
    copy_pictures(contents.__getitem__, [tmp_path / name for name in names], progress=False)
    assert (tmp_path / "scene00/000000_3.jpg").read_bytes() == contents[3]
    assert (tmp_path / "scene00/000001_1.jpg").read_bytes() == contents[1]
    assert (tmp_path / "scene01/000000_2.jpg").read_bytes() == contents[2]
    assert (tmp_path / "foreign/000000_0.jpg").read_bytes() == contents[0]
