"""Bring a frame to the size and pixel format of others: scaled as a whole, with bars where its shape differs."""

from fractions import Fraction

import av


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
    frame = frame.reformat(width=inner_width, height=inner_height, format=pixel_format)
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
