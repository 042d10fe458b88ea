"""Read videos: small working copies of every frame, made in one pass.

Decoding lives in :mod:`workbench.video.decode`, writing in :mod:`workbench.video.encode` and :mod:`workbench.video.reorder`.
"""

from contextlib import closing
from pathlib import Path
from typing import BinaryIO

import av
import numpy as np
from tqdm import tqdm

from workbench.errors import VideoError
from workbench.video.decode import Decoder, decode
from workbench.video.info import FrameTable, VideoInfo


def proxy_shape(width: int, height: int, proxy_size: int) -> tuple[int, int]:
    """(height, width) of the working copy of a ``width`` x ``height`` frame, long side at most ``proxy_size`` px."""
    scale = min(1.0, proxy_size / max(width, height))
    return max(1, round(height * scale)), max(1, round(width * scale))


def read_proxies(
    path: str | Path, out_npy: str | Path, proxy_size: int = 400, progress: bool = True
) -> tuple[VideoInfo, FrameTable]:
    """Decode the video once and write a small upright RGB copy of every frame to ``out_npy``.

    ``out_npy`` becomes an ordinary ``.npy`` of shape (N, h, w, 3), uint8; :mod:`workbench.storage.arrays` reads it. The long
    side is at most ``proxy_size`` px, frames are never enlarged, and the pixel grid is kept as it is (no correction for
    the sample aspect ratio). The file appears only when it is whole. Only a few frames are in memory at a time.

    Raises :class:`VideoError` when the video cannot be read, has no frames, or ``out_npy`` cannot be written.
    """
    out = Path(out_npy)
    if not out.parent.is_dir():
        raise VideoError(f"the folder {out.parent} does not exist: make it first")
    partial = out.with_name(f".{out.name}.partial")
    with Decoder(path) as decoder:
        bar = tqdm(total=decoder.stream.frames or None, desc="decode", unit="frame", disable=not progress)
        try:
            with bar, partial.open("w+b") as file:
                shape = (0, 0)
                with closing(decode(decoder)) as frames:
                    for index, frame in frames:
                        if index == 0:
                            shape = proxy_shape(frame.width, frame.height, proxy_size)
                            _write_header(file, 0, shape)
                        file.write(rgb(frame, shape).data)
                        bar.update()
                info, table = decoder.info(), decoder.table.table()
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
    """A frame as a contiguous (h, w, 3) uint8 RGB array, averaged down to ``shape`` = (h, w) when given."""
    height, width = shape or (frame.height, frame.width)
    # swscale's area filter averages when it shrinks; without shrinking, bilinear only concerns the chroma planes.
    shrinks = (height, width) != (frame.height, frame.width)
    return np.ascontiguousarray(
        frame.to_ndarray(format="rgb24", width=width, height=height, interpolation="AREA" if shrinks else "BILINEAR")
    )
