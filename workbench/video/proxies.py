"""Read videos: small working copies of every frame, made in one pass.

Decoding lives in :mod:`workbench.video.decode`, writing in :mod:`workbench.video.encode` and :mod:`workbench.video.reorder`.
"""

from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import av
import numpy as np

from workbench.errors import VideoError
from workbench.progress import Progress, Steps
from workbench.video.alpha import TransparencySearch
from workbench.video.base import Given
from workbench.video.colour import sdr_array
from workbench.video.decode import decode
from workbench.video.info import VideoInfo
from workbench.video.source import open_source
from workbench.video.table import FrameTable


def proxy_shape(width: int, height: int, proxy_size: int) -> tuple[int, int]:
    """Compute the size of the working copy of a frame.

    Parameters
    ----------
    width, height : int
        Size of the frame, px.
    proxy_size : int
        Longest allowed side of the copy, px; frames are never enlarged.

    Returns
    -------
    (int, int)
        Height and width of the copy, px.
    """
    scale = min(1.0, proxy_size / max(width, height))
    return max(1, round(height * scale)), max(1, round(width * scale))


def read_proxies(
    path: Given, out_npy: str | Path, proxy_size: int = 400, progress: Progress = True, stream: int = -1
) -> tuple[VideoInfo, FrameTable]:
    """Decode a video or pictures once and write a small upright RGB copy of every frame.

    Parameters
    ----------
    path : str, Path, or sequence of these
        What :func:`~workbench.video.source.open_source` opens: one path, or several.
    out_npy : str or Path
        The file to write: (N, h, w, 3) uint8, an ordinary ``.npy`` that :class:`~workbench.storage.arrays.WorkingCopies` reads.
        It appears only when it is whole.
    proxy_size : int, default 400
        Longest allowed side of the copies, px; frames are never enlarged, and the pixel grid is kept as it is (no correction
        for the sample aspect ratio).
    progress : bool or callable, default True
        As for :class:`~workbench.progress.Steps`.
    stream : int, default -1
        The stream to decode, as for :class:`~workbench.video.decode.Decoder`.

    Returns
    -------
    info : VideoInfo
        What is known about the video.
    table : FrameTable
        A row per frame.

    Raises
    ------
    VideoError
        When the video cannot be read, has no frames, or ``out_npy`` cannot be written.

    Notes
    -----
    Only a few frames are in memory at a time.
    """
    out = Path(out_npy)
    if not out.parent.is_dir():
        raise VideoError(f"the folder {out.parent} does not exist: make it first")
    partial = out.with_name(f".{out.name}.partial")
    with open_source(path, stream) as decoder:
        steps = Steps(progress, decoder.expected_frames, "decode")
        try:
            with steps, partial.open("w+b") as file:
                shape, transparency = (0, 0), TransparencySearch()
                with closing(decode(decoder)) as frames:
                    for index, frame in frames:
                        if index == 0:
                            shape = proxy_shape(frame.width, frame.height, proxy_size)
                            _write_header(file, 0, shape)
                        file.write(rgb(frame, shape).data)
                        transparency.look(frame)
                        steps.update()
                info = replace(decoder.info(), transparent=transparency.found)
                table = replace(decoder.table.table(info.frame_rate), names=list(decoder.names))
                file.seek(0)
                _write_header(file, len(table), shape)
            partial.replace(out)
        except OSError as error:
            reason = error.strerror or error
            raise VideoError(f"{out} cannot be written ({reason}): check the folder and disk space") from error
        finally:
            partial.unlink(missing_ok=True)
    return info, table


def _write_header(file: BinaryIO, count: int, shape: tuple[int, int]) -> None:
    """The .npy header for ``count`` frames. NumPy leaves room for a growing first axis: its length stays the same."""
    np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": (count, *shape, 3)})


def rgb(frame: av.VideoFrame, shape: tuple[int, int] | None = None) -> np.ndarray:
    """Convert a frame to an array.

    Parameters
    ----------
    frame : av.VideoFrame
        The frame.
    shape : (int, int), optional
        Height and width to average it down to, px; without it the frame keeps its size.

    Returns
    -------
    (h, w, 3) uint8 array
        RGB, contiguous in memory; as :func:`~workbench.video.colour.sdr_array` makes it.
    """
    height, width = shape or (frame.height, frame.width)
    # swscale's area filter averages when it shrinks; without shrinking, bilinear only concerns the chroma planes.
    shrinks = (height, width) != (frame.height, frame.width)
    return np.ascontiguousarray(sdr_array(frame, width, height, "AREA" if shrinks else "BILINEAR"))
