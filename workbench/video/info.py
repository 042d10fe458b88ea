"""What is known about a video and its frames: plain data, no decoding."""

from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any


@dataclass(frozen=True)
class VideoInfo:
    """What is known about a video after all of it was decoded.

    Attributes
    ----------
    width, height : int
        Size of the upright frames, px.
    frame_rate : Fraction
        Frames per second: what the file states where the times of its frames agree, else what they say, on average.
    stated_frame_rate : Fraction
        Frames per second that the file states; 0 when it states none.
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
    stream : int
        Number of the stream that was decoded, among all streams of the file, from 0.
    streams : tuple of str
        All streams of the file, as :func:`~workbench.video.streams.describe_stream` describes them.
    has_choice : bool
        Whether the file has more than one stream of pictures, covers aside.
    declared_frames : int
        How many frames the file states; 0 when it states none.
    declared_seconds : float
        Which length the file states, s; 0 when it states none.
    frames : int
        How many frames were decoded.
    seconds : float
        From the first decoded frame to the end of the last one, s.
    missing_packets : int
        Packets of which the file states that they are there, and which are not.
    damaged_packets : int
        Packets that could not be decoded: they gave an error, or no frame.
    hidden_frames : int
        Frames that an edit list hides.
    corrupt_frames : int
        Frames that were decoded with errors in the picture.
    resized_frames : int
        Frames of another size or pixel format than the first, converted to it.
    sizes : tuple of (int, int, int)
        Every width and height of the frames, px, upright, before they were brought to one size, and how many frames have it.
    clock_jumps : int
        How often the clock of the file begins anew.
    variable_frame_rate : bool
        Whether steps between frames differ.
    transparent : bool
        Whether a pixel of any frame is not opaque; known once working copies were made.
    notes : tuple of str
        What else a person should know, in plain sentences; of pictures, and of several videos.
    """

    width: int
    height: int
    frame_rate: Fraction
    stated_frame_rate: Fraction
    aspect: Fraction
    rotation: int
    pixel_format: str
    color_range: int
    color_space: int
    color_primaries: int
    color_trc: int
    codec: str
    stream: int
    streams: tuple[str, ...]
    has_choice: bool
    declared_frames: int
    declared_seconds: float
    frames: int
    seconds: float
    missing_packets: int
    damaged_packets: int
    hidden_frames: int
    corrupt_frames: int
    resized_frames: int
    sizes: tuple[tuple[int, int, int], ...]
    clock_jumps: int
    variable_frame_rate: bool
    transparent: bool = False
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
        return [*self._stream_notes(), *self._loss_notes(), *self._time_notes(), *self.notes]

    def _stream_notes(self) -> list[str]:
        if not self.has_choice:
            return []
        return [
            f"the file has several streams of pictures, and stream {self.stream} is read; --video.stream takes another: "
            + ", ".join(self.streams)
        ]

    def _loss_notes(self) -> list[str]:
        found = []
        if self.missing_packets:
            found.append(
                f"the file says {self.declared_frames} frames, {self.missing_packets} of them are not in it: it is truncated "
                "or damaged; only the decoded frames are used"
            )
        elif (
            not self.clock_jumps
            and self.declared_seconds - self.seconds > max(0.25, 3 / float(self.frame_rate)) + self._unseen_seconds
        ):
            found.append(
                f"the file says {self.declared_seconds:.1f} s, frames for {self.seconds:.1f} s could be decoded: it is "
                "truncated or damaged; only the decoded frames are used"
            )
        if self.damaged_packets:
            found.append(f"{_count(self.damaged_packets, 'packet')} could not be decoded; frames are missing")
        if self.hidden_frames:
            hidden = _count(self.hidden_frames, "frame is", "frames are")
            found.append(f"{hidden} hidden by an edit list, as in a player")
        if self.corrupt_frames:
            wrong = _count(self.corrupt_frames, "frame was", "frames were")
            found.append(f"{wrong} decoded with errors; parts of the picture may be wrong")
        if self.resized_frames:
            others = _count(self.resized_frames, "frame differs", "frames differ")
            found.append(f"{others} from the first in size or format: converted, with black bars where the shape differs")
        return found

    @property
    def _unseen_seconds(self) -> float:
        """How much shorter the decoded frames are than the file, s, for reasons that have their own note."""
        return self.damaged_packets / float(self.frame_rate)

    def _time_notes(self) -> list[str]:
        found, taken = [], f"{float(self.frame_rate):.5g} frames per second"
        stated = f"{float(self.stated_frame_rate):.5g}"
        if self.clock_jumps:
            found.append(
                f"the clock of the file begins anew {_count(self.clock_jumps, 'time')}; times are counted on without a gap"
            )
        if self.variable_frame_rate:
            average = "" if self.stated_frame_rate == self.frame_rate else ", their average"
            found.append(f"the frame rate varies; {taken} are taken{average}, unless --write.timing is source")
        elif not self.stated_frame_rate:
            found.append(f"the file states no frame rate; {taken} are taken, as the times of its frames say")
        elif abs(self.stated_frame_rate - self.frame_rate) * self.seconds > 1:  # more than a frame over the whole
            found.append(
                f"the file states a frame rate of {stated}, but the times of its frames say otherwise; {taken} are taken"
            )
        return found


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"
