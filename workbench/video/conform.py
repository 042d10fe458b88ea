"""Bring a frame to the size and pixel format of others: scaled as a whole, with bars where its shape differs."""

from collections.abc import Iterable
from fractions import Fraction

import av
import numpy as np

LEAST_SHARE = 0.05  # of the frames, that a size needs for its bars to count
MARGIN = 2  # px of a small copy beside a bar: blurred by coding, scaling and the grid of the chroma planes


def conformed(frame: av.VideoFrame, width: int, height: int, pixel_format: str) -> av.VideoFrame:
    """Scale a frame to fit into a size, keep its proportions, and fill what is left with black bars.

    Parameters
    ----------
    frame : av.VideoFrame
        A frame of any size and pixel format.
    width, height : int
        The size to reach, px.
    pixel_format : str
        The pixel format to reach, FFmpeg's name, such as ``yuv420p``.

    Returns
    -------
    av.VideoFrame
        The frame itself when it has this size and format, else a new one with the same time stamp, time base and key flag. Bars
        are equally wide on both sides, to within the grid of the chroma planes.
    """
    if (frame.width, frame.height, frame.format.name) == (width, height, pixel_format):
        return frame
    pts, base, key = frame.pts, frame.time_base, frame.key_frame
    inner_width, inner_height, _, _ = place_in(frame.width, frame.height, width, height)
    # One thread: with several, swscale writes past the end of a row where another one has been already (10 bits, odd widths).
    frame = frame.reformat(width=inner_width, height=inner_height, format=pixel_format, threads=1)
    if (inner_width, inner_height) != (width, height):
        frame = _padded(frame, width, height)
    frame.pts, frame.key_frame = pts, key
    if base is not None:
        frame.time_base = base
    return frame


def place_in(width: int, height: int, target_width: int, target_height: int) -> tuple[int, int, int, int]:
    """Find where a picture of one size lies in a frame of another, scaled to fit and centred.

    Parameters
    ----------
    width, height : int
        Size of the picture, px.
    target_width, target_height : int
        Size of the frame, px.

    Returns
    -------
    inner_width, inner_height : int
        Size of the scaled picture, px, at least 1.
    left, top : int
        Where its first column and row are, px; even, so that they are on the grid of the chroma planes.
    """
    scale = min(Fraction(target_width, width), Fraction(target_height, height))
    inner_width, inner_height = max(1, round(width * scale)), max(1, round(height * scale))
    return inner_width, inner_height, (target_width - inner_width) // 4 * 2, (target_height - inner_height) // 4 * 2


def bars(sizes: Iterable[tuple[int, int, int]], size: tuple[int, int], shape: tuple[int, int]) -> np.ndarray:
    """Find where frames of a video have bars, so that what is left is the part that all of them show.

    Parameters
    ----------
    sizes : iterable of (int, int, int)
        Every width and height, px, that frames had before they were brought to one size, and how many had it. What fewer than a
        twentieth of all frames have does not count.
    size : (int, int)
        The width and height they were brought to, px.
    shape : (int, int)
        Height and width of the mask, px: that of smaller copies of the frames.

    Returns
    -------
    (h, w) bool array
        True on the bars and on the pixels beside them, which the bars blur.
    """
    counted = list(sizes)
    least = LEAST_SHARE * sum(count for _, _, count in counted)
    mask = np.zeros(shape, bool)
    for width, height, count in counted:
        if count >= least:
            inner_width, inner_height, left, top = place_in(width, height, *size)
            rows = _inside(top, inner_height, size[1], shape[0])
            columns = _inside(left, inner_width, size[0], shape[1])
            mask |= ~(rows[:, None] & columns)
    return mask


def _inside(start: int, length: int, whole: int, small: int) -> np.ndarray:
    """(small,) bool: which of ``small`` pixels along a side of ``whole`` px show nothing but a part of it."""
    first, last = start * small / whole, (start + length) * small / whole
    number = np.arange(small)
    return (number >= first + MARGIN * (start > 0)) & (number + 1 <= last - MARGIN * (start + length < whole))


def _padded(frame: av.VideoFrame, width: int, height: int) -> av.VideoFrame:
    _, _, left, top = place_in(frame.width, frame.height, width, height)
    graph = av.filter.Graph()
    source = graph.add(
        "buffer",
        f"video_size={frame.width}x{frame.height}:pix_fmt={frame.format.name}:time_base={frame.time_base or Fraction(1, 1000)}"
        f":colorspace={frame.colorspace}:range={frame.color_range}",
    )
    pad, sink = graph.add("pad", f"{width}:{height}:{left}:{top}:black"), graph.add("buffersink")
    graph.link_nodes(source, pad, sink).configure()
    source.push(frame)
    return sink.pull()
