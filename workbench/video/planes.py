"""Move the picture of a frame in its own pixel format, without a conversion: bit depth, range and matrix stay as they are."""

import av
import cv2
import numpy as np

from workbench.errors import VideoError

# Formats that keep several values in one plane, and one with a plane for each that holds the same bits.
_PLANAR = {
    "nv12": "yuv420p", "nv21": "yuv420p", "nv16": "yuv422p", "nv24": "yuv444p", "p010le": "yuv420p10le",
    "p012le": "yuv420p12le", "p016le": "yuv420p16le", "p210le": "yuv422p10le", "p410le": "yuv444p10le",
    "y210le": "yuv422p10le", "yuyv422": "yuv422p", "uyvy422": "yuv422p", "yvyu422": "yuv422p",
    "rgb24": "gbrp", "bgr24": "gbrp", "rgb0": "gbrp", "bgr0": "gbrp", "0rgb": "gbrp", "0bgr": "gbrp", "rgb48le": "gbrp16le",
    "bgr48le": "gbrp16le", "rgba": "gbrap", "bgra": "gbrap", "argb": "gbrap", "abgr": "gbrap", "pal8": "gbrap",
    "rgba64le": "gbrap16le", "bgra64le": "gbrap16le", "ya8": "gbrap", "monob": "gray", "monow": "gray",
}  # fmt: skip

_GRID = 64  # px: a width by which the factor of the chroma planes is found


def warped(frame: av.VideoFrame, transform: np.ndarray) -> av.VideoFrame:
    """Move the picture of a frame on a canvas of its own size.

    Parameters
    ----------
    frame : av.VideoFrame
        The frame, of 8 to 16 bits per value.
    transform : (2, 3) float array
        In px of the frame, whole numbers at the centres of pixels.

    Returns
    -------
    av.VideoFrame
        A frame of the same pixel format, or where that keeps several values in one plane, of a planar one with the same bits;
        with the same colour tags. Black, and opaque, where the picture does not cover the canvas.

    Raises
    ------
    VideoError
        When there is no planar format with the same bits.

    Notes
    -----
    Every plane is warped by itself, bilinearly. Samples of smaller chroma planes are taken to lie as MPEG-2 and H.264 put them:
    in line with the left one of the columns that share them, half way between the rows. The identity changes no bit.
    """
    tags = (frame.color_range, frame.colorspace, frame.color_primaries, frame.color_trc)
    if frame.format.name in _PLANAR:
        frame = frame.reformat(format=_PLANAR[frame.format.name], threads=1)
    kind = frame.format
    owners = {component.plane: component for component in kind.components}
    if len(owners) < len(kind.components) or not _is_integer(kind):
        raise VideoError(f"frames of pixel format {kind.name} cannot be held still: write the video without --stabilise")
    moved = av.VideoFrame(frame.width, frame.height, kind.name)
    full = tags[0] == 2 or kind.name.startswith("yuvj") or (kind.name.startswith("gray") and tags[0] != 1)
    for number, (source, target) in enumerate(zip(frame.planes, moved.planes, strict=True)):
        component = owners[number]
        black = 0 if kind.is_rgb or full else 16 << component.bits - 8
        matrix = np.asarray(transform, dtype=np.float64)
        if component.is_alpha:
            black = (1 << component.bits) - 1
        elif component.is_chroma:
            black = 1 << component.bits - 1
            matrix = _on_chroma(matrix, _GRID // kind.chroma_width(_GRID), _GRID // kind.chroma_height(_GRID))
        dtype = np.uint8 if component.bits == 8 else np.uint16
        pixels, canvas = _values(source, dtype), _values(target, dtype)
        canvas[:] = cv2.warpAffine(pixels, matrix, pixels.shape[::-1], flags=cv2.INTER_LINEAR, borderValue=black)
    moved.color_range, moved.colorspace, moved.color_primaries, moved.color_trc = tags
    return moved


def _is_integer(kind: av.VideoFormat) -> bool:
    """Whether the values of a format are whole numbers of 8 to 16 bits, lowest byte and bit first."""
    odd_layout = kind.is_big_endian or "f16" in kind.name or "msb" in kind.name
    return not odd_layout and all(8 <= component.bits <= 16 for component in kind.components)


def _values(plane: av.video.plane.VideoPlane, dtype: type) -> np.ndarray:
    """The values of a plane, (height, width), in place."""
    return np.frombuffer(plane, dtype).reshape(plane.height, -1)[:, : plane.width]


def _on_chroma(transform: np.ndarray, columns: int, rows: int) -> np.ndarray:
    """The same transform in px of a plane whose samples each stand for so many columns and rows."""
    scale, offset = np.array([columns, rows], dtype=np.float64), np.array([0, (rows - 1) / 2])
    linear = transform[:, :2] * scale[None] / scale[:, None]
    shift = (transform[:, :2] @ offset + transform[:, 2] - offset) / scale
    return np.column_stack([linear, shift])
