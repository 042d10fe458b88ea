"""Read videos: small working copies of every frame in one pass, and random access to the full-size frames.

Decoding lives in :mod:`workbench.video.decode`, writing in :mod:`workbench.video.encode` and :mod:`workbench.video.reorder`.
"""

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import closing
from itertools import chain
from pathlib import Path
from typing import BinaryIO

import av
import numpy as np
from tqdm import tqdm

from workbench.errors import VideoError
from workbench.video.decode import Decoder, decode
from workbench.video.info import NO_PTS, FrameTable, VideoInfo, fingerprint, stamp


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


class FrameReader:
    """Random access to the full-size upright RGB frames of a video: ``reader[i]`` is (H, W, 3) uint8.

    ``reader[i]`` is exactly the frame that decoding from the start gives at position ``i``. To get there fast it seeks
    to a key frame at or before ``i`` and decodes on from there, comparing time stamp and fingerprint of every frame on
    the way with ``table``; where a file cannot be seeked that way, it decodes from the start instead. Without a
    ``table`` the video is decoded once to make one. At most ``cache_bytes`` of frames (but always one) are kept.

    Raises :class:`VideoError` for a bad file, and when the file is not the one ``table`` was made from.
    """

    def __init__(self, path: str | Path, table: FrameTable | None = None, cache_bytes: int = 256 * 2**20) -> None:
        self.path = Path(path)
        self.cache_bytes = cache_bytes
        self._cache: OrderedDict[int, np.ndarray] = OrderedDict()
        self._decoder: Decoder | None = None
        self._frames: Iterator[av.VideoFrame] = iter(())
        self._next = 0  # position of the frame that self._frames yields next
        if table is None:
            with Decoder(path) as decoder:
                for _ in decode(decoder):
                    pass
                table = decoder.table.table()
        self.table = table
        # A time stamp must name one frame, and later frames must have later ones, or a seek proves nothing.
        ordered = len(table) < 2 or bool((np.diff(table.pts) > 0).all())
        self._seekable = ordered and len(table) > 0 and table.pts[0] != NO_PTS
        self._restart()

    def __enter__(self) -> "FrameReader":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file and forget the cached frames."""
        self._close_file()
        self._cache.clear()

    def __len__(self) -> int:
        return len(self.table)

    @property
    def cached_bytes(self) -> int:
        return sum(frame.nbytes for frame in self._cache.values())

    def __getitem__(self, index: int) -> np.ndarray:
        index = int(index)
        if not -len(self) <= index < len(self):
            raise IndexError(f"frame {index} of a video of {len(self)} frames")
        index %= len(self)
        if index not in self._cache:
            self._read(index)
        self._cache.move_to_end(index)
        return self._cache[index].copy()  # the caller may draw on it

    def _read(self, index: int) -> None:
        """Put frame ``index`` into the cache."""
        if self._decoder is None:
            raise VideoError(f"the reader of {self.path} was closed: open a new one")
        keys = np.flatnonzero(self.table.key[: index + 1]) if self._seekable else ()
        key = int(keys[-1]) if len(keys) else 0
        if not key <= self._next <= index and not (key and self._jump(key)):
            self._restart()
        if self._advance(index):
            return
        # What a seek led to is not what decoding from the start gives: believe the latter from now on.
        self._seekable = False
        self._restart()
        if not self._advance(index):
            raise VideoError(f"{self.path} is not the video that was read before: read it again from the start")

    def _restart(self) -> None:
        self._close_file()
        self._decoder = Decoder(self.path)
        self._frames, self._next = self._decoder.frames(), 0

    def _close_file(self) -> None:
        self._frames = iter(())  # lets go of the file before it is closed
        if self._decoder:
            self._decoder.close()
            self._decoder = None

    def _jump(self, key: int) -> bool:
        """Go to key frame ``key`` by its time stamp; False when the file does not lead there."""
        pts = int(self.table.pts[key])
        try:
            self._decoder.seek(pts)
        except av.FFmpegError:
            return False  # not a loss: the caller decodes from the start
        frames = self._decoder.frames()
        for frame in frames:
            if stamp(frame) >= pts:
                self._frames, self._next = chain([frame], frames), key
                return stamp(frame) == pts
        return False

    def _advance(self, index: int) -> bool:
        """Decode up to frame ``index``, caching what is passed; False at a frame that is not the one in the table."""
        for frame in self._frames:
            position = self._next
            same = stamp(frame) == self.table.pts[position]
            if self.table.check is not None:
                same = same and (fingerprint(frame) == self.table.check[position] or frame.is_corrupt)
            if not same:
                return False
            self._next += 1
            self._remember(position, index, frame)
            if position == index:
                return True
        return False

    def _remember(self, position: int, wanted: int, frame: av.VideoFrame) -> None:
        size = 3 * frame.width * frame.height
        if (wanted - position) * size >= max(self.cache_bytes, 1):
            return  # would be pushed out again before the wanted frame is there
        self._cache[position] = rgb(frame)
        while len(self._cache) > 1 and self.cached_bytes > self.cache_bytes:
            self._cache.popitem(last=False)
