"""One row per decoded frame: its time stamp, its time, whether it is a key frame, and a checksum of its picture."""

import math
import zlib
from dataclasses import dataclass, field
from fractions import Fraction

import av
import numpy as np

from workbench.video.times import rising_times

# Stands for "this frame has no time stamp" in FrameTable.pts, as in FFmpeg.
NO_PTS = -(2**63)


@dataclass(frozen=True)
class FrameTable:
    """One row per decoded frame, in presentation order; N rows.

    Attributes
    ----------
    pts : (N,) int64 array
        Time stamps in the stream's time base; :data:`NO_PTS` where the file has none.
    time_s : (N,) float64 array
        Times, s; strictly rising, see :func:`~workbench.video.times.rising_times`.
    key : (N,) bool array
        Whether the frame is a key frame.
    check : (N,) uint32 array
        Checksums of the pictures, by which a frame can be recognised.
    clock_jumps : int
        How often the clock of the file begins anew.
    names : list of str
        Files of the frames; empty for one video.
    """

    pts: np.ndarray
    time_s: np.ndarray
    key: np.ndarray
    check: np.ndarray
    clock_jumps: int
    names: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.pts)


class TableBuilder:
    """Collect the rows of a :class:`FrameTable` while frames are decoded.

    Attributes
    ----------
    tick : float
        Precision of the time stamps, s; 0 while no frame has one.
    """

    def __init__(self) -> None:
        self._rows: list[tuple[int, float, bool, int]] = []
        self.tick = 0.0

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, frame: av.VideoFrame) -> None:
        """Add the row of one more frame.

        Parameters
        ----------
        frame : av.VideoFrame
            The frame.
        """
        pts, time_s = _stamp(frame), math.nan
        if pts != NO_PTS and frame.time_base:
            self.tick = float(frame.time_base)
            time_s = float(pts * frame.time_base)
        self._rows.append((pts, time_s, frame.key_frame, _checksum(frame)))

    def table(self, rate: Fraction) -> FrameTable:
        """Make the table of the frames that were added so far.

        Parameters
        ----------
        rate : Fraction
            Frames per second, for the times of frames without a time stamp.

        Returns
        -------
        FrameTable
            A row per frame, in the order in which they were added.
        """
        pts, stamps, key, check = zip(*self._rows, strict=True) if self._rows else ((), (), (), ())
        times, jumps = rising_times(np.array(stamps, np.float64), rate)
        return FrameTable(np.array(pts, np.int64), times, np.array(key, bool), np.array(check, np.uint32), jumps)


def _stamp(frame: av.VideoFrame) -> int:
    """Time stamp of a frame; the decoding time where the presentation time is missing, else ``NO_PTS``."""
    if frame.pts is not None:
        return frame.pts
    return NO_PTS if frame.dts is None else frame.dts


def _checksum(frame: av.VideoFrame) -> int:
    """Checksum of every fourth row of the first plane: cheap, and different for frames that look different."""
    plane = frame.planes[0]
    used = min(abs(plane.line_size), plane.width * frame.format.padded_bits_per_pixel // 8)
    if len(frame.planes) > 1:
        used = min(used, plane.width * ((frame.format.components[0].bits + 7) // 8))
    rows = np.frombuffer(plane, np.uint8).reshape(plane.height, -1)[::4, : max(1, used)]
    return zlib.crc32(np.ascontiguousarray(rows).data)
