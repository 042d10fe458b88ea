"""What is known about a video and its frames: plain data, no decoding."""

import zlib
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from typing import Any

import av
import numpy as np

# Stands for "this frame has no time stamp" in FrameTable.pts, as in FFmpeg.
NO_PTS = -(2**63)

# Sign pattern (a, b, c, d) of a display matrix to (degrees undone, filters that undo it). Two quarter turns rather than
# hflip,vflip: vflip hands out frames stored bottom-up, which few encoders expect.
_ORIENTATIONS: dict[tuple[int, ...], tuple[int, str]] = {
    (0, 1, -1, 0): (90, "transpose=clock"),
    (-1, 0, 0, -1): (180, "transpose=clock,transpose=clock"),
    (0, -1, 1, 0): (270, "transpose=cclock"),
    (-1, 0, 0, 1): (0, "hflip"),
    (1, 0, 0, -1): (180, "hflip,transpose=clock,transpose=clock"),
    (0, 1, 1, 0): (90, "transpose=cclock_flip"),
    (0, -1, -1, 0): (270, "transpose=clock_flip"),
}


@dataclass(frozen=True)
class VideoInfo:
    """What is known about a video after all of it was decoded.

    Attributes
    ----------
    width, height : int
        Size of the upright frames, px.
    frame_rate : Fraction
        Average, frames per second.
    aspect : Fraction
        Sample aspect ratio after rotation, 1 when unknown.
    rotation : int
        Degrees clockwise by which the frames were turned to stand upright: 0, 90, 180 or 270.
    pixel_format : str
        FFmpeg's name, such as ``yuv420p``.
    color_range, color_space, color_primaries, color_trc : int
        FFmpeg's numbers; 2 (0 for the range) means unknown.
    codec : str
        FFmpeg's name, such as ``h264``.
    declared_frames : int
        How many frames the file states; 0 when it states none.
    declared_seconds : float
        Which length the file states, s; 0 when it states none.
    frames : int
        How many frames were decoded.
    seconds : float
        From the first decoded frame to the end of the last one, s.
    damaged_packets : int
        Packets that gave an error instead of a frame.
    corrupt_frames : int
        Frames that were decoded with errors in the picture.
    resized_frames : int
        Frames of another size or pixel format than the first, converted to it.
    variable_frame_rate : bool
        Whether steps between frames differ.
    notes : tuple of str
        What else a person should know, in plain sentences; of pictures, and of several videos.
    """

    width: int
    height: int
    frame_rate: Fraction
    aspect: Fraction
    rotation: int
    pixel_format: str
    color_range: int
    color_space: int
    color_primaries: int
    color_trc: int
    codec: str
    declared_frames: int
    declared_seconds: float
    frames: int
    seconds: float
    damaged_packets: int
    corrupt_frames: int
    resized_frames: int
    variable_frame_rate: bool
    notes: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Convert the fields to what JSON can hold.

        Returns
        -------
        dict of str to object
            All fields by name but the notes, which :attr:`warnings` has; fractions as ``"25/1"``.
        """
        values = asdict(self)
        del values["notes"]
        for name, value in values.items():
            if isinstance(value, Fraction):
                values[name] = f"{value.numerator}/{value.denominator}"
        return values

    @property
    def warnings(self) -> list[str]:
        """What a person should know before trusting the result.

        Returns
        -------
        list of str
            Plain sentences; empty for a sound file.
        """
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
            found.append("the frame rate varies; what is written has the average rate, unless --write.timing is source")
        return [*found, *self.notes]


@dataclass(frozen=True)
class FrameTable:
    """One row per decoded frame, in presentation order; N rows.

    Attributes
    ----------
    pts : (N,) int64 array
        Time stamps in the stream's time base; :data:`NO_PTS` where the file has none.
    time_s : (N,) float64 array
        Times, s.
    key : (N,) bool array
        Whether the frame is a key frame.
    check : (N,) uint32 array
        Checksums of the pictures, by which a frame can be recognised.
    names : list of str
        Files of the frames; empty for one video.
    """

    pts: np.ndarray
    time_s: np.ndarray
    key: np.ndarray
    check: np.ndarray
    names: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.pts)


class TableBuilder:
    """Collect the rows of a :class:`FrameTable` while frames are decoded."""

    def __init__(self) -> None:
        self._rows: list[tuple[int, float, bool, int]] = []

    def add(self, frame: av.VideoFrame, rate: Fraction) -> None:
        """Add the row of one more frame.

        Parameters
        ----------
        frame : av.VideoFrame
            The frame.
        rate : Fraction
            Frames per second: a frame without a time stamp gets the time that its number implies.
        """
        pts = _stamp(frame)
        stamped = pts != NO_PTS and frame.time_base
        time_s = float(pts * frame.time_base) if stamped else float(len(self._rows) / rate)
        self._rows.append((pts, time_s, frame.key_frame, _checksum(frame)))

    def table(self) -> FrameTable:
        """Make the table of the frames that were added so far.

        Returns
        -------
        FrameTable
            A row per frame, in the order in which they were added.
        """
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
    return zlib.crc32(np.ascontiguousarray(rows).data)


def varies(time_s: np.ndarray) -> bool:
    """Check whether the frame rate varies.

    Parameters
    ----------
    time_s : (N,) float array
        Times of the frames, s.

    Returns
    -------
    bool
        Whether steps between frames differ by more than rounding to a millisecond can explain.
    """
    steps = np.diff(time_s)
    return bool(len(steps) > 1 and np.abs(steps - np.median(steps)).max() > 0.0025 + 0.1 * abs(np.median(steps)))


def orientation(frame: av.VideoFrame) -> tuple[int, str]:
    """Find out how a frame is turned to stand upright.

    Parameters
    ----------
    frame : av.VideoFrame
        A decoded frame, with the display matrix of its file or without.

    Returns
    -------
    degrees : int
        Clockwise: 0, 90, 180 or 270.
    filters : str
        FFmpeg's filters that turn it, separated by commas; empty without a display matrix, or with a skewed one.
    """
    data = next((item for item in frame.side_data if item.type.name == "DISPLAYMATRIX"), None)
    if data is None:
        return 0, ""
    matrix = np.frombuffer(bytes(data), np.int32)
    largest = np.abs(matrix[[0, 1, 3, 4]]).max()
    signs = tuple(int(value) for value in np.rint(matrix[[0, 1, 3, 4]] / max(1, largest)))
    return _ORIENTATIONS.get(signs, (0, ""))
