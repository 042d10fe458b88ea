"""Frames brought to one size and format."""

from fractions import Fraction

import av
import numpy as np
import pytest

from workbench.video.conform import bars, conformed, place_in


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv420p10le", "rgb24", "gray", "rgba", "gbrp"])
def test_a_frame_of_another_shape_gets_bars(pixel_format: str) -> None:
    """A grey portrait of 102 x 180 px in a frame of 320 x 180 px: grey in the middle, black at the sides, nothing stretched."""
    frame = av.VideoFrame.from_ndarray(np.full((180, 102, 3), 200, np.uint8), format="rgb24")
    frame.pts, frame.time_base = 7, Fraction(1, 25)
    fitted = conformed(frame, 320, 180, pixel_format)
    assert (fitted.width, fitted.height, fitted.format.name, fitted.pts) == (320, 180, pixel_format, 7)
    pixels = fitted.to_ndarray(format="rgb24")
    width, height, left, top = place_in(102, 180, 320, 180)
    assert (width, height, top) == (102, 180, 0) and abs(left - (320 - 102) / 2) <= 2
    assert np.abs(pixels[:, left + 2 : left + 100].astype(int) - 200).max() <= 3
    assert pixels[:, : left - 2].max() <= 2 and pixels[:, left + 104 :].max() <= 2


def test_a_frame_of_the_same_shape_is_scaled() -> None:
    """A grey frame of half the size fills the whole frame."""
    frame = av.VideoFrame.from_ndarray(np.full((90, 160, 3), 120, np.uint8), format="rgb24")
    assert np.abs(conformed(frame, 320, 180, "rgb24").to_ndarray().astype(int) - 120).max() <= 1


def test_a_frame_that_fits_is_left_alone() -> None:
    """The same size and format: the same object."""
    frame = av.VideoFrame.from_ndarray(np.zeros((90, 160, 3), np.uint8), format="rgb24")
    assert conformed(frame, 160, 90, "rgb24") is frame


def test_bars_are_where_the_conformed_picture_is_black() -> None:
    """White pictures of three shapes at half the size: off the mask all of them are white, and the mask is hardly larger."""
    sizes = [(320, 180, 10), (102, 180, 8), (320, 90, 2)]
    mask = bars(sizes, (320, 180), (90, 160))
    least = np.full((90, 160), 255)
    for width, height, _ in sizes:
        white = av.VideoFrame.from_ndarray(np.full((height, width, 3), 255, np.uint8), format="rgb24")
        least = np.minimum(
            least, conformed(white, 320, 180, "yuv420p").to_ndarray(format="rgb24", width=160, height=90).min(-1)
        )
    assert least[~mask].min() > 240
    assert mask.mean() - (least < 240).mean() < 0.06


def test_frames_of_one_shape_have_no_bars() -> None:
    """Another resolution needs none, and what one frame of a hundred has does not count."""
    assert not bars([(320, 180, 50), (160, 90, 50)], (320, 180), (90, 160)).any()
    assert not bars([(320, 180, 99), (102, 180, 1)], (320, 180), (90, 160)).any()
    assert bars([(320, 180, 94), (102, 180, 6)], (320, 180), (90, 160)).any()


def test_no_pixel_is_lost_between_threads() -> None:
    """A grey frame whose width no SIMD register divides, to 10 bits, twenty times: every pixel stays grey."""
    frame = av.VideoFrame.from_ndarray(np.full((180, 322, 3), 200, np.uint8), format="rgb24")
    for _ in range(20):
        luma = np.frombuffer(conformed(frame, 322, 180, "yuv420p10le").planes[0], np.uint16).reshape(180, -1)[:, :322]
        assert len(np.unique(luma)) == 1
