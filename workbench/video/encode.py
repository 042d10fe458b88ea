"""Write videos from frames or arrays."""

import os
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.codec.context import Flags
from av.container import OutputContainer
from av.video.frame import PictureType

from workbench.errors import VideoError
from workbench.storage.folder import partial_path
from workbench.video.aspect import set_aspect
from workbench.video.codecs import CODECS, encoder_options, written_format
from workbench.video.colour import rgb_tags
from workbench.video.timing import HIGHEST_RATE, LOWEST_RATE, start_ticks, tick, written_rate

_MUXERS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska"}


class Writer:
    """One video file to write, used as a context manager; it is put in place only when all is well.

    Parameters
    ----------
    out : str or Path
        The file to write.
    codec : str
        A name of :data:`~workbench.video.codecs.CODECS`.
    crf : int
        Quality of H.264 and H.265, 0 (best) to 51.
    frame_rate : Fraction or float
        Frames per second, 0.001 to 1000.
    durations : (n,) float array, optional
        How long every frame that is going to be written lasts, s; without it all last equally long.

    Attributes
    ----------
    count : int
        How many frames were written so far.

    Raises
    ------
    VideoError
        When no such file can be written, or the frame rate is out of range.
    """

    container: OutputContainer  # set when the file is opened
    stream: av.VideoStream  # set with the first frame

    def __init__(
        self, out: str | Path, codec: str, crf: int, frame_rate: Fraction | float, durations: np.ndarray | None = None
    ) -> None:
        self.out = writable(out, codec)
        self.codec, self.crf = codec, crf
        mean = frame_rate if durations is None else np.clip(len(durations) / durations.sum(), LOWEST_RATE, HIGHEST_RATE)
        self.rate = written_rate(mean)
        self._unit = 1 / self.rate if durations is None else tick(self.out.suffix)
        self._starts = None if durations is None else start_ticks(durations, self._unit).tolist()
        self.partial = partial_path(self.out)
        self.count = 0
        self.aspect = Fraction(1)

    def __enter__(self) -> "Writer":
        try:
            self.container = open_output(self.partial)
        except (av.FFmpegError, OSError) as error:
            raise not_written(self.out, error) from error
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        try:
            try:
                if kind is None:
                    self.container.mux(self.stream.encode())
            finally:
                self.container.close()
            if kind is None:
                if self.codec == "lossless" and self.aspect != 1:
                    set_aspect(self.partial, self.stream.width, self.stream.height, self.aspect)
                self.partial.replace(self.out)
        except (av.FFmpegError, OSError) as failure:
            raise not_written(self.out, failure) from failure
        finally:
            self.partial.unlink(missing_ok=True)
        if isinstance(error, av.FFmpegError | OSError):
            raise not_written(self.out, error) from error

    def write(self, frame: av.VideoFrame, colors: tuple[int, int, int, int], aspect: Fraction = Fraction(1)) -> None:
        """Encode one frame.

        Parameters
        ----------
        frame : av.VideoFrame
            The frame, as :func:`prepared` made it.
        colors : (int, int, int, int)
            Its colour tags, from :func:`prepared` as well.
        aspect : Fraction, default 1
            Sample aspect ratio; that of the first frame holds for all.
        """
        if not self.count:
            self._start(frame, colors, aspect)
        frame.pts, frame.time_base = self.count, self._unit
        if self._starts:
            frame.pts, end = self._starts[self.count : self.count + 2]
            frame.duration = end - frame.pts
        frame.pict_type = PictureType.NONE  # else the encoder repeats the key frames of the source
        self.container.mux(self.stream.encode(frame))
        self.count += 1

    def _start(self, frame: av.VideoFrame, colors: tuple[int, int, int, int], aspect: Fraction) -> None:
        self.stream = self.container.add_stream(CODECS[self.codec].encoder, rate=self.rate)
        self.stream.width, self.stream.height, self.stream.pix_fmt = frame.width, frame.height, frame.format.name
        self.stream.thread_type = "AUTO"  # else x264 cuts every frame into slices, which costs quality
        self.stream.options = encoder_options(self.codec, frame.format.name, self.crf)
        context = self.stream.codec_context
        context.time_base = self._unit
        context.flags |= Flags.frame_duration.value if self._starts else 0  # else the last frame's duration is lost
        if self.codec == "h265" and self.out.suffix.lower() != ".mkv":
            context.codec_tag = "hvc1"  # without it Apple's players refuse the file
        context.sample_aspect_ratio = self.aspect = aspect
        context.color_range, context.colorspace, context.color_primaries, context.color_trc = colors


def open_output(path: Path) -> OutputContainer:
    """Open a video file for writing, of the kind that its suffix names; players can begin before they have all of it.

    Parameters
    ----------
    path : Path
        The file to write; ``.mp4``, ``.m4v``, ``.mov`` or ``.mkv``.

    Returns
    -------
    OutputContainer
        The open file.
    """
    suffix = path.suffix.lower()
    return av.open(str(path), "w", format=_MUXERS[suffix], options={} if suffix == ".mkv" else {"movflags": "+faststart"})


def writable(out: str | Path, codec: str) -> Path:
    """Check that a video can be written to a path.

    Parameters
    ----------
    out : str or Path
        The file to write.
    codec : str
        How it is to be encoded; what is no name of :data:`~workbench.video.codecs.CODECS` is refused.

    Returns
    -------
    Path
        ``out``.

    Raises
    ------
    VideoError
        When the codec is not known, the suffix does not fit it, or the folder is missing or not writable.
    """
    out = Path(out)
    if codec not in CODECS:
        raise VideoError(f"codec {codec!r} is not known: use {' or '.join(CODECS)}")
    suffixes = CODECS[codec].suffixes
    if out.suffix.lower() not in suffixes:
        raise VideoError(f"{out} must end in {' or '.join(suffixes)} for codec {codec}: change the name")
    if out.is_dir():
        raise VideoError(f"{out} is a folder: give the name of a file")
    if not out.parent.is_dir():
        raise VideoError(f"the folder {out.parent} does not exist: make it first")
    if not os.access(out.parent, os.W_OK):
        raise VideoError(f"the folder {out.parent} is not writable: choose another one or change its permissions")
    return out


def prepared(frame: av.VideoFrame, codec: str) -> tuple[av.VideoFrame, tuple[int, int, int, int]]:
    """Convert a frame to what an encoder takes.

    Parameters
    ----------
    frame : av.VideoFrame
        The frame, of any pixel format.
    codec : str
        A name of :data:`~workbench.video.codecs.CODECS`; :func:`~workbench.video.codecs.written_format` says what it takes.
        YUV keeps its matrix and its range, except that full range becomes limited range for ``prores``, whose files cannot
        state it. RGB, where it is not ``lossless``, gets those of :func:`~workbench.video.colour.rgb_tags`.
        Where it is not ``lossless``, odd sides are padded by one repeated column or row at the right or bottom.

    Returns
    -------
    frame : av.VideoFrame
        The frame to encode.
    colors : (int, int, int, int)
        The colour tags that then hold: range, space, primaries, transfer; FFmpeg's numbers.
    """
    # One thread, as in workbench.video.conform: with several, swscale may leave wrong pixels at 10 bits and odd widths.
    source = frame.format.name
    tags = (frame.color_range, frame.colorspace, frame.color_primaries, frame.color_trc)
    target = written_format(frame.format, codec)
    if codec == "lossless":
        if source.startswith("yuvj"):
            tags = (2, *tags[1:])
        if target == source:
            return frame, tags
        # The same range on both sides, or swscale would stretch the values.
        ranges = {"src_color_range": tags[0], "dst_color_range": tags[0]} if source.startswith("yuvj") else {}
        return frame.reformat(format=target, threads=1, **ranges), tags
    if frame.format.is_rgb or source == "pal8":
        space, standard = rgb_tags(frame)
        return _even(frame.reformat(format=target, dst_colorspace=space, dst_color_range=1, threads=1)), standard
    full = source.startswith(("yuvj", "gray", "ya")) and tags[0] != 1
    color_range = 2 if full else tags[0]
    written = 1 if codec == "prores" and color_range == 2 else color_range
    if source != target or written != color_range:
        frame = frame.reformat(format=target, src_color_range=color_range, dst_color_range=written, threads=1)
    return _even(frame), (written, *tags[1:])


def _even(frame: av.VideoFrame) -> av.VideoFrame:
    """A planar YUV frame with even sides. The chroma planes of odd sizes already cover the added column and row."""
    width, height = frame.width + frame.width % 2, frame.height + frame.height % 2
    if (width, height) == (frame.width, frame.height):
        return frame
    kind = np.uint8 if frame.format.components[0].bits == 8 else np.uint16
    padded = av.VideoFrame(width, height, frame.format.name)
    for source, target in zip(frame.planes, padded.planes, strict=True):
        pixels = np.frombuffer(source, kind).reshape(source.height, -1)[:, : source.width]
        missing = ((0, target.height - source.height), (0, target.width - source.width))
        view = np.frombuffer(target, kind).reshape(target.height, -1)
        view[:, : target.width] = np.pad(pixels, missing, mode="edge")
    return padded


def write_frames(
    frames: Iterable[np.ndarray], out: str | Path, frame_rate: Fraction | float = 25, codec: str = "h264", crf: int = 18
) -> None:
    """Write arrays as a video.

    Parameters
    ----------
    frames : iterable of (H, W, 3) uint8 arrays
        RGB, all of one size.
    out : str or Path
        The file to write.
    frame_rate : Fraction or float, default 25
        Frames per second, 0.001 to 1000.
    codec : str
        A name of :data:`~workbench.video.codecs.CODECS`. ``lossless`` keeps RGB as it is; for the others, matrix and tags are
        BT.709 from 720 px height on, else BT.601, limited range, so that readers get the colours back.
    crf : int, default 18
        Quality of H.264 and H.265, 0 (best) to 51.

    Raises
    ------
    VideoError
        For no frames, wrong arrays, or a file that cannot be written.
    """
    shape: tuple[int, ...] | None = None
    with Writer(out, codec, crf, frame_rate) as writer:
        for index, array in enumerate(frames):
            array = np.asarray(array)
            shape = shape or array.shape
            if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3 or array.shape != shape:
                raise VideoError(
                    f"frame {index} is {array.dtype} {array.shape}: give uint8 (H, W, 3) arrays that all have the size "
                    f"of the first, {shape}"
                )
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(array), format="rgb24")
            writer.write(*prepared(frame, codec))
        if not writer.count:
            raise VideoError(f"no frames to write to {out}: give at least one")


def not_written(out: Path, error: Exception) -> VideoError:
    """Make the error for a video that FFmpeg or the disk refused.

    Parameters
    ----------
    out : Path
        The file that was to be written.
    error : Exception
        What FFmpeg or the disk reported.

    Returns
    -------
    VideoError
        To be raised.
    """
    reason = getattr(error, "strerror", None) or str(error)
    return VideoError(f"{out} cannot be written ({reason}): check the folder, its permissions and the disk space")
