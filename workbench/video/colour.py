"""Colours beyond SDR: which videos have them, how pictures of them are made, and what is said about it.

Pictures of 8 bits are shown as BT.709. High dynamic range (HLG and PQ, ITU-R BT.2100) shown as if it were BT.709 is flat and
grey, and a wide gamut (BT.2020, P3) is pale. Arrays of RGB are therefore converted. Frames that are only moved, or put into
another order, are not converted and keep their tags.
"""

import threading
from functools import lru_cache

import av
import numpy as np

from workbench.errors import VideoError

# FFmpeg's numbers for what is beyond SDR, and the names that people know.
_HDR = {16: "PQ", 18: "HLG"}  # transfer
_WIDE = {9: "BT.2020", 11: "DCI-P3", 12: "Display P3"}  # primaries
_BT2020, _UNKNOWN = 9, 2

# Converters that are kept: FFmpeg computes a table for each, which takes some seconds.
_CONVERTERS = 4


def beyond_sdr(primaries: int, transfer: int) -> str:
    """Name what sets colours apart from those of SDR.

    Parameters
    ----------
    primaries, transfer : int
        The tags, FFmpeg's numbers.

    Returns
    -------
    str
        Such as ``HDR (HLG)`` or ``wide gamut (Display P3)``; empty for SDR, and for tags that say nothing.
    """
    if transfer in _HDR:
        return f"HDR ({_HDR[transfer]})"
    return f"wide gamut ({_WIDE[primaries]})" if primaries in _WIDE else ""


def colour_notes(primaries: int, transfer: int) -> list[str]:
    """Say what becomes of colours beyond SDR.

    Parameters
    ----------
    primaries, transfer : int
        The tags of the video, FFmpeg's numbers.

    Returns
    -------
    list of str
        A sentence; none for SDR.
    """
    kind = beyond_sdr(primaries, transfer)
    if not kind:
        return []
    return [f"the colours are {kind}: written videos keep its tags; working copies and pictures are converted to SDR (BT.709)"]


def sdr_array(frame: av.VideoFrame, width: int, height: int, interpolation: str) -> np.ndarray:
    """Convert a frame to an array that looks right on a screen.

    Parameters
    ----------
    frame : av.VideoFrame
        The frame, of any pixel format.
    width, height : int
        The size to scale it to, px.
    interpolation : str
        How swscale scales, such as ``AREA`` or ``BILINEAR``.

    Returns
    -------
    (height, width, 3) uint8 array
        RGB. SDR has its values as they are; HDR and a wide gamut are converted to BT.709.

    Raises
    ------
    VideoError
        When FFmpeg does not know the colours that the tags name.

    Notes
    -----
    The conversion is the perceptual one of FFmpeg's swscale: brightness is compressed, so that highlights keep their structure,
    and colours are brought into the gamut with their hue kept.
    """
    if not beyond_sdr(frame.color_primaries, frame.color_trc):
        return frame.to_ndarray(format="rgb24", width=width, height=height, interpolation=interpolation)
    matrix = _BT2020 if frame.colorspace == _UNKNOWN and not frame.format.is_rgb else None
    try:
        # Scaled first: the conversion takes its time for every pixel.
        small = frame.reformat(width, height, "rgb48le", src_colorspace=matrix, interpolation=interpolation, threads=1)
        converter = _converter(threading.get_ident(), width, height, frame.color_primaries, frame.color_trc)
        converter.vpush(small)
        return converter.vpull().to_ndarray()
    except (OSError, NotImplementedError) as error:
        raise VideoError(
            f"this FFmpeg cannot convert the colours of the video (matrix {frame.colorspace}, primaries "
            f"{frame.color_primaries}, transfer {frame.color_trc}): convert the video to BT.709 with another program first"
        ) from error


@lru_cache(maxsize=_CONVERTERS)
def _converter(_thread: int, width: int, height: int, _primaries: int, _transfer: int) -> av.filter.Graph:
    """What converts RGB frames of 16 bits with these tags to RGB of BT.709; one for each thread."""
    graph = av.filter.Graph()
    nodes = [
        graph.add("buffer", f"video_size={width}x{height}:pix_fmt=rgb48le:time_base=1/1000:colorspace=0:range=2"),
        graph.add("scale", "intent=perceptual:out_transfer=bt709:out_primaries=bt709"),
        graph.add("format", "rgb24"),
        graph.add("buffersink"),
    ]
    graph.link_nodes(*nodes).configure()
    return graph


def rgb_tags(frame: av.VideoFrame) -> tuple[str, tuple[int, int, int, int]]:
    """Choose the matrix by which an RGB frame becomes YUV, and the tags that then hold.

    Parameters
    ----------
    frame : av.VideoFrame
        A frame of an RGB format.

    Returns
    -------
    matrix : str
        PyAV's name of it: BT.2020 for HDR and a wide gamut; else BT.709 from 720 px height on, and BT.601 below.
    tags : (int, int, int, int)
        Range (limited), space, primaries, transfer; FFmpeg's numbers. Primaries and transfer beyond SDR are those of the frame.
    """
    if beyond_sdr(frame.color_primaries, frame.color_trc):
        return "BT2020", (1, _BT2020, frame.color_primaries, frame.color_trc)
    return ("ITU709", (1, 1, 1, 1)) if frame.height >= 720 else ("ITU601", (1, 6, 6, 6))
