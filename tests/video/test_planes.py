"""Frames that are moved in their own pixel format. Frames are seeded smooth noise, converted to the format under test."""

import av
import cv2
import numpy as np
import pytest

from workbench.errors import VideoError
from workbench.video.planes import warped
from workbench.video.proxies import rgb

# Pixel formats of cameras, screen recordings and pictures, and what a moved frame has.
FORMATS = {
    "yuv420p": "yuv420p", "yuvj420p": "yuvj420p", "yuv420p10le": "yuv420p10le", "yuv422p10le": "yuv422p10le",
    "yuv444p": "yuv444p", "yuva420p": "yuva420p", "yuv410p": "yuv410p", "gray": "gray", "gbrp10le": "gbrp10le",
    "nv12": "yuv420p", "p010le": "yuv420p10le", "yuyv422": "yuv422p", "rgb24": "gbrp", "bgra": "gbrap", "rgb48le": "gbrp16le",
}  # fmt: skip


def noise(width: int = 65, height: int = 47) -> np.ndarray:
    """A (height, width, 3) uint8 picture of smooth coloured noise. Odd sides: chroma planes cover more than the frame."""
    coarse = np.random.default_rng(0).integers(30, 220, (6, 8, 3)).astype(np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


def frame_of(pixels: str, tags: tuple[int, int, int, int] = (1, 1, 1, 1)) -> av.VideoFrame:
    frame = av.VideoFrame.from_ndarray(noise()).reformat(format=pixels, threads=1)
    frame.color_range, frame.colorspace, frame.color_primaries, frame.color_trc = tags
    return frame


def values_of(frame: av.VideoFrame) -> list[np.ndarray]:
    """The values of every plane, without padding."""
    wide = 1 + (frame.format.components[0].bits > 8)
    return [np.frombuffer(plane, np.uint8).reshape(plane.height, -1)[:, : plane.width * wide] for plane in frame.planes]


@pytest.mark.parametrize("pixels", FORMATS)
def test_the_identity_changes_nothing(pixels):
    """No bit of the picture, and no tag; formats with several values in one plane become planar without a loss."""
    tags = (1, 9, 9, 18)
    frame = frame_of(pixels, tags)
    still = warped(frame, np.eye(2, 3))
    assert still.format.name == FORMATS[pixels]
    assert (still.color_range, still.colorspace, still.color_primaries, still.color_trc) == tags
    planar = frame if pixels == FORMATS[pixels] else frame.reformat(format=FORMATS[pixels], threads=1)
    assert all((a == b).all() for a, b in zip(values_of(still), values_of(planar), strict=True))


@pytest.mark.parametrize("pixels", FORMATS)
def test_it_is_moved_as_the_rgb_picture_would_be(pixels):
    """Turned, scaled and shifted: as if the RGB picture had been warped, up to rounding and the resolution of the chroma."""
    turn, scale = np.cos(0.2) * 0.9, np.sin(0.2) * 0.9
    transform = np.array([[turn, -scale, 9.0], [scale, turn, -2.0]])
    frame = frame_of(pixels)
    expected = cv2.warpAffine(rgb(frame), transform, (65, 47))
    moved = rgb(warped(frame, transform))
    covered = cv2.erode(cv2.warpAffine(np.ones((47, 65), np.uint8), transform, (65, 47)), np.ones((11, 11))) > 0
    assert covered.mean() > 0.3
    apart = np.abs(moved.astype(int) - expected)[covered]
    assert apart.mean() < (6 if pixels == "yuv410p" else 2.5)


@pytest.mark.parametrize("pixels", ["yuv420p", "yuvj420p", "yuv420p10le", "yuva420p", "bgra", "rgb48le"])
def test_it_is_black_beyond_the_picture(pixels):
    """Black in the range of the frame, and opaque."""
    shifted = warped(frame_of(pixels, (2 if pixels.startswith("yuvj") else 1, 1, 1, 1)), np.array([[1.0, 0, 40], [0, 1, 0]]))
    assert rgb(shifted)[:, :36].max() <= 1
    if any(component.is_alpha for component in shifted.format.components):
        assert (values_of(shifted)[-1] == 255).all()


def test_formats_of_other_layouts_are_refused():
    with pytest.raises(VideoError, match="pixel format gbrpf32le cannot be held still"):
        warped(frame_of("gbrpf32le"), np.eye(2, 3))
