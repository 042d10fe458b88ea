"""What is known about a video and its frames: plain data, no decoding."""

import zlib
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any

import av
import numpy as np

# Stands for "this frame has no time stamp" in FrameTable.pts, as in FFmpeg.
NO_PTS = -(2**63)


@dataclass(frozen=True)
class VideoInfo:
    """What is known about a video after all of it was decoded. Colour codes are FFmpeg's numbers (2 or 0: unknown)."""

    width: int  # px, upright
    height: int  # px, upright
    frame_rate: Fraction  # average, frames a second
    aspect: Fraction  # sample aspect ratio after rotation, 1 when unknown
    rotation: int  # degrees clockwise that were applied to stand the frames upright: 0, 90, 180, 270
    pixel_format: str
    color_range: int
    color_space: int
    color_primaries: int
    color_trc: int
    codec: str
    declared_frames: int  # what the file says, 0 = it does not say
    declared_seconds: float  # what the file says, 0 = it does not say
    frames: int  # decoded
    seconds: float  # from the first decoded frame to the end of the last one
    damaged_packets: int  # packets that gave an error instead of a frame
    corrupt_frames: int  # frames that were decoded, with errors in the picture
    resized_frames: int  # frames of another size or pixel format than the first, converted to it
    variable_frame_rate: bool

    def as_dict(self) -> dict[str, Any]:
        """All fields as JSON can hold them; fractions as ``"25/1"``."""
        values = asdict(self)
        for name, value in values.items():
            if isinstance(value, Fraction):
                values[name] = f"{value.numerator}/{value.denominator}"
        return values

    @property
    def warnings(self) -> list[str]:
        """Plain sentences on what a person should know before trusting the result; empty for a sound file."""
        found = []
        if self.frames < self.declared_frames:
            found.append(
                f"the file says {self.declared_frames} frames, {self.frames} could be decoded: it is truncated or "
                "damaged; only the decoded frames are used"
            )
        elif self.declared_seconds - self.seconds > max(0.25, 3 / float(self.frame_rate)):
            found.append(
                f"the file says {self.declared_seconds:.1f} s, frames for {self.seconds:.1f} s could be decoded: it is "
                "truncated or damaged; only the decoded frames are used"
            )
        if self.damaged_packets:
            found.append(f"{self.damaged_packets} damaged packets could not be decoded; their frames are missing")
        if self.corrupt_frames:
            found.append(f"{self.corrupt_frames} frames were decoded with errors; parts of their pictures may be wrong")
        if self.resized_frames:
            found.append(f"{self.resized_frames} frames differ from the first in size or format; they were converted")
        if self.variable_frame_rate:
            found.append("the frame rate varies; what is written has the average rate")
        return found


@dataclass(frozen=True)
class FrameTable:
    """One row a decoded frame, in decode (presentation) order; N rows."""

    pts: np.ndarray  # (N,) int64, in the stream's time base; NO_PTS where the file has none
    time_s: np.ndarray  # (N,) float64, seconds
    key: np.ndarray  # (N,) bool
    check: np.ndarray  # (N,) uint32 checksums of the pictures, by which a frame can be recognised

    def __len__(self) -> int:
        return len(self.pts)


class TableBuilder:
    """Collects the rows of a :class:`FrameTable` while frames are decoded."""

    def __init__(self) -> None:
        self._rows: list[tuple[int, float, bool, int]] = []

    def add(self, frame: av.VideoFrame, rate: Fraction) -> None:
        """One more frame. A frame without a time stamp gets the time its number and ``rate`` imply."""
        pts = _stamp(frame)
        known = pts != NO_PTS and frame.time_base
        time_s = float(pts * frame.time_base) if known else float(len(self._rows) / rate)
        self._rows.append((pts, time_s, frame.key_frame, _checksum(frame)))

    def table(self) -> FrameTable:
        pts, time_s, key, check = zip(*self._rows, strict=True) if self._rows else ((), (), (), ())
        return FrameTable(
            np.array(pts, np.int64), np.array(time_s, np.float64), np.array(key, bool), np.array(check, np.uint32)
        )


def _stamp(frame: av.VideoFrame) -> int:
    """Time stamp of a frame; the decoding time where the presentation time is missing (AVI), else ``NO_PTS``."""
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
    return zlib.crc32(np.ascontiguousarray(rows))


def varies(time_s: np.ndarray) -> bool:
    """True when steps between frames differ by more than rounding to a millisecond can explain."""
    steps = np.diff(time_s)
    return bool(len(steps) > 1 and np.abs(steps - np.median(steps)).max() > 0.0025 + 0.1 * abs(np.median(steps)))
