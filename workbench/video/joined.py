"""Read frames from several videos, one behind the other."""

from collections import Counter
from collections.abc import Generator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av

from workbench.errors import VideoError
from workbench.video.base import Source, listed
from workbench.video.colour import beyond_sdr
from workbench.video.conform import conformed
from workbench.video.decode import Decoder
from workbench.video.info import VideoInfo
from workbench.video.table import TableBuilder

_TICK = Fraction(1, 90_000)  # s, of the time stamps of the frames of all videos together


class JoinedVideos(Source):
    """Several videos opened for decoding. Only one file is open at a time.

    Frames have the size that most of the videos have, others are scaled to fit, with bars; and the pixel format of the first
    video of that size. Times go on from one video to the next.

    Parameters
    ----------
    paths : list of Path
        The files, in the order of their frames.
    names : list of str
        Their names. A frame is called ``NAME#12``, with its 0-based place in its file.
    label : str
        What they are called together, for messages.
    notes : list of str
        What is to be said of how the files were found.

    Attributes
    ----------
    pieces : list of int
        Number of frames of every video that was decoded so far.

    Raises
    ------
    VideoError
        When one of them is no video that can be read.
    """

    def __init__(self, paths: list[Path], names: list[str], label: str, notes: list[str]) -> None:
        self.paths, self.file_names, self.label = paths, names, label
        self.table = TableBuilder()
        self.names: list[str] = []
        self.pieces: list[int] = []
        self._notes = list(notes)
        self._infos: list[VideoInfo] = []
        self._aspect, self._rate = Fraction(1), Fraction(25)
        self._expected: list[int] = []
        self._sounding: list[str] = []  # names of the videos with sound
        self._target: tuple[int, int, str] = self._common_shape()
        self._resized = 0

    def _common_shape(self) -> tuple[int, int, str]:
        """Width, height and pixel format of the frames to come, by the first frame of every video."""
        shapes = []
        for path, name in zip(self.paths, self.file_names, strict=True):
            with Decoder(path) as decoder:
                frame = next(decoder.frames(), None)
                if frame is None:
                    decoder.info()  # raises, with the reason
                    raise VideoError(f"{path} has no frame that can be decoded: leave it out")
                shapes.append((frame.width, frame.height, frame.format.name, decoder.aspect))
                self._expected.append(decoder.expected_frames)
                if decoder.container.streams.audio:
                    self._sounding.append(name)
        sizes = Counter((width, height) for width, height, _, _ in shapes)
        size = max(sizes, key=lambda size: (sizes[size], size[0] * size[1], size))
        first = next(number for number, shape in enumerate(shapes) if shape[:2] == size)
        self._aspect = shapes[first][3]
        with Decoder(self.paths[first]) as decoder:
            self._rate = decoder.frame_rate
        if len({shape[3] for shape in shapes}) > 1:
            self._notes.append("the videos have pixels of different shapes: all are written with that of the most common size")
        return shapes[first][:3]

    @property
    def frame_rate(self) -> Fraction:  # numpydoc ignore=RT01
        """Average frame rate of the first video that has the common size, frames per second."""
        return self._rate

    @property
    def aspect(self) -> Fraction:  # numpydoc ignore=RT01
        """Sample aspect ratio of the first video that has the common size."""
        return self._aspect

    @property
    def expected_frames(self) -> int:  # numpydoc ignore=RT01
        """How many frames the files state together; 0 when one does not state it."""
        return sum(self._expected) if all(self._expected) else 0

    def frames(self) -> Generator[av.VideoFrame, None, None]:
        """Decode the videos, one behind the other.

        Yields
        ------
        av.VideoFrame
            Upright frames, all of one size and pixel format.
        """
        offset = Fraction(0)
        for path, name in zip(self.paths, self.file_names, strict=True):
            with Decoder(path) as decoder:
                start, last = None, Fraction(0)
                for number, frame in enumerate(decoder.frames()):
                    decoder.table.add(frame)
                    if (frame.width, frame.height, frame.format.name) != self._target:
                        self._resized += 1
                        frame = conformed(frame, *self._target)
                    time = frame.pts * frame.time_base if frame.pts is not None and frame.time_base else None
                    start = time if start is None else start
                    last = time - start if time is not None and start is not None else number / decoder.frame_rate
                    frame.pts, frame.time_base = round((offset + last) / _TICK), _TICK
                    self.names.append(f"{name}#{number}")
                    yield frame
                self.pieces.append(len(decoder.table))
                self._infos.append(decoder.info())
                offset += last + 1 / self._infos[-1].frame_rate

    def info(self) -> VideoInfo:
        """Collect what is known about the videos; complete when all were decoded.

        Returns
        -------
        VideoInfo
            Sums of counts; notes name the video that they are about.

        Raises
        ------
        VideoError
            When no frame was decoded.
        """
        if not self._infos:
            raise VideoError(f"{self.label} has no frame that can be decoded: give other videos")
        (width, height, pixel_format), count = self._target, len(self.table)
        first = next((info for info in self._infos if (info.width, info.height) == (width, height)), self._infos[0])
        pairs = list(zip(self.file_names, self._infos, strict=False))
        own = [f"{name}: {text}" for name, info in pairs for text in _without_remedies(info).warnings]
        choice = [f"{name} (stream {info.stream})" for name, info in pairs if info.has_choice]
        if choice:
            own.append(f"there are several streams of pictures in {listed(choice)}: give such a file alone to read another one")
        varying = [name for name, info in pairs if info.variable_frame_rate]
        if varying:
            own.append(f"the frame rate varies in {listed(varying)}: --write.timing source keeps the times of their frames")
        if self._resized:
            own.append(
                f"{self._resized} of {count} frames are not {width} x {height} px in {pixel_format}, which all are brought to: "
                "they were converted, with black bars where their shape differs"
            )
        if self._sounding:
            own.append(f"there is sound in {listed(self._sounding)}: it is left out, as it can only be kept of one video")
        rates = list(dict.fromkeys(info.frame_rate for info in self._infos))
        if len(rates) > 1:
            shown = ", ".join(f"{float(rate):.6g}" for rate in rates)
            own.append(f"the videos have different frame rates ({shown}): what is written has {float(first.frame_rate):.6g}")
        kinds = [beyond_sdr(info.color_primaries, info.color_trc) or "SDR" for info in self._infos]
        if len(set(kinds)) > 1:
            first_kind = kinds[self._infos.index(first)]
            others = [name for name, kind in zip(self.file_names, kinds, strict=False) if kind != first_kind]
            own.append(
                f"the videos have different colours ({', '.join(dict.fromkeys(kinds))}): what is written is tagged "
                f"{first_kind}, so that frames of {listed(others)} look wrong in it; convert these to {first_kind} first"
            )
        sizes: Counter[tuple[int, int]] = Counter()
        for info in self._infos:
            sizes.update({(wide, high): frames for wide, high, frames in info.sizes})
        return replace(
            first, width=width, height=height, stated_frame_rate=first.frame_rate, aspect=self._aspect,
            pixel_format=pixel_format, codec=", ".join(sorted({info.codec for info in self._infos})),
            declared_frames=0, declared_seconds=0.0, frames=count, seconds=sum(info.seconds for info in self._infos),
            damaged_packets=0, corrupt_frames=0, missing_packets=0, hidden_frames=0, resized_frames=0, clock_jumps=0,
            stream=0, streams=(), has_choice=False, variable_frame_rate=False, notes=(*self._notes, *own),
            sizes=tuple((*size, frames) for size, frames in sizes.items()),
        )  # fmt: skip

    def close(self) -> None:
        """Do nothing: a file is open only while it is decoded."""


def _without_remedies(info: VideoInfo) -> VideoInfo:
    """What is known of a video, without what its notes would say of a choice that only one video has."""
    return replace(info, has_choice=False, variable_frame_rate=False, stated_frame_rate=info.frame_rate)
