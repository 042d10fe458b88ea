"""Write videos from frames or arrays. H.264 for looking, FFV1 for keeping every bit."""

import os
import re
import warnings
import zlib
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import OutputContainer
from av.video.frame import PictureType

from workbench.errors import VideoError
from workbench.storage.folder import partial_path
from workbench.video.spill import FFV1_OPTIONS

# Pixel formats FFV1 does not take, and one that holds the same bits. Any other format it does not take is an error.
_SAME_BITS = {
    "yuvj420p": "yuv420p", "yuvj422p": "yuv422p", "yuvj444p": "yuv444p", "yuvj440p": "yuv440p", "yuvj411p": "yuv411p",
    "rgb24": "bgr0", "bgr24": "bgr0", "rgb0": "bgr0", "0rgb": "bgr0", "0bgr": "bgr0", "gbrp": "bgr0", "rgba": "bgra",
    "argb": "bgra", "abgr": "bgra", "gbrap": "bgra", "pal8": "bgra", "nv12": "yuv420p", "p010le": "yuv420p10le",
    "yuyv422": "yuv422p", "uyvy422": "yuv422p", "monob": "gray", "monow": "gray",
}  # fmt: skip

_SUFFIXES = {"h264": (".mp4", ".m4v", ".mov", ".mkv"), "lossless": (".mkv",)}
_MUXERS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska"}


class Writer:
    """One video file to write, used as a context manager; it is put in place only when all is well.

    Parameters
    ----------
    out : str or Path
        The file to write.
    codec : {"h264", "lossless"}
        H.264, or FFV1 in ``.mkv``.
    crf : int
        Quality of H.264, 0 (best) to 51.
    frame_rate : Fraction or float
        Frames per second, above 0 and up to 1000.

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

    def __init__(self, out: str | Path, codec: str, crf: int, frame_rate: Fraction | float) -> None:
        self.out = writable(out, codec)
        if not 0 < frame_rate <= 1000:
            raise VideoError(f"a frame rate of {frame_rate} cannot be written: give one above 0 and up to 1000")
        self.codec, self.crf = codec, crf
        self.rate = Fraction(frame_rate).limit_denominator(1001)
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
        frame.pts, frame.time_base = self.count, 1 / self.rate
        frame.pict_type = PictureType.NONE  # else the encoder repeats the key frames of the source
        self.container.mux(self.stream.encode(frame))
        self.count += 1

    def _start(self, frame: av.VideoFrame, colors: tuple[int, int, int, int], aspect: Fraction) -> None:
        self.stream = self.container.add_stream("libx264" if self.codec == "h264" else "ffv1", rate=self.rate)
        self.stream.width, self.stream.height, self.stream.pix_fmt = frame.width, frame.height, frame.format.name
        self.stream.thread_type = "AUTO"  # else x264 cuts every frame into slices, which costs quality
        self.stream.options = {"crf": str(self.crf), "preset": "veryfast"} if self.codec == "h264" else FFV1_OPTIONS
        context = self.stream.codec_context
        context.time_base = 1 / self.rate
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
    codec : {"h264", "lossless"}
        How it is to be encoded; any other text is refused.

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
    if codec not in _SUFFIXES:
        raise VideoError(f"codec {codec!r} is not known: use {' or '.join(_SUFFIXES)}")
    if out.suffix.lower() not in _SUFFIXES[codec]:
        raise VideoError(f"{out} must end in {' or '.join(_SUFFIXES[codec])} for codec {codec}: change the name")
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
    codec : {"h264", "lossless"}
        ``h264``: 8-bit yuv420p, odd sides padded by one repeated column or row at the right or bottom; YUV keeps its range
        and matrix, RGB gets the matrix usual for its height (BT.709 from 720 px, else BT.601). ``lossless``: unchanged, or
        another format that holds the same bits.

    Returns
    -------
    frame : av.VideoFrame
        The frame to encode.
    colors : (int, int, int, int)
        The colour tags that then hold: range, space, primaries, transfer; FFmpeg's numbers.
    """
    source = frame.format.name
    tags = (frame.color_range, frame.colorspace, frame.color_primaries, frame.color_trc)
    if codec == "lossless":
        target = _SAME_BITS.get(source, source)
        if source.startswith("yuvj"):
            tags = (2, *tags[1:])
        if target == source:
            return frame, tags
        # The same range on both sides, or swscale would stretch the values.
        ranges = {"src_color_range": tags[0], "dst_color_range": tags[0]} if source.startswith("yuvj") else {}
        return frame.reformat(format=target, **ranges), tags
    if frame.format.is_rgb or source == "pal8":
        space, standard = ("ITU709", (1, 1, 1, 1)) if frame.height >= 720 else ("ITU601", (1, 6, 6, 6))
        return _even(frame.reformat(format="yuv420p", dst_colorspace=space, dst_color_range=1)), standard
    full = source.startswith(("yuvj", "gray")) and tags[0] != 1
    color_range = 2 if full else tags[0]
    if source != "yuv420p":
        frame = frame.reformat(format="yuv420p", src_color_range=color_range, dst_color_range=color_range)
    return _even(frame), (color_range, *tags[1:])


def _even(frame: av.VideoFrame) -> av.VideoFrame:
    """A yuv420p frame with even sides. The chroma planes of odd sizes already cover the added column and row."""
    width, height = frame.width + frame.width % 2, frame.height + frame.height % 2
    if (width, height) == (frame.width, frame.height):
        return frame
    padded = av.VideoFrame(width, height, "yuv420p")
    for source, target in zip(frame.planes, padded.planes, strict=True):
        pixels = np.frombuffer(source, np.uint8).reshape(source.height, -1)[:, : source.width]
        missing = ((0, target.height - source.height), (0, target.width - source.width))
        view = np.frombuffer(target, np.uint8).reshape(target.height, -1)
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
        Frames per second, above 0 and up to 1000.
    codec : {"h264", "lossless"}
        As in :func:`~workbench.video.reorder.write_parts`. For H.264, matrix and tags are BT.709 from 720 px height on, else
        BT.601, limited range, so that readers get the colours back; ``lossless`` keeps RGB as it is.
    crf : int, default 18
        Quality of H.264, 0 (best) to 51.

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


_TRACKS, _CLUSTER = b"\x16\x54\xae\x6b", b"\x1f\x43\xb6\x75"  # names of Matroska's elements
_HEADER_BYTES = 2**16  # the description of the tracks is looked for in so many bytes
_SIZE_END = 2**16  # px: width and height must be less, to fit two bytes
# CRC, ..., Video(size, PixelWidth..., DisplayUnit = unknown, colour), MaxBlockAdditionID, Void of 11 bytes, ...
_LAYOUT = re.compile(
    rb"\xbf\x84.{4}(?P<before>.*)\xe0[\x80-\xf0](?P<video>\xb0[\x81\x82].*)\x54\xb2\x81\x04"
    rb"(?P<colour>.*)(?P<between>\x55\xee\x81\x00)\xec\x01\0{6}\x02\0\0(?P<after>.*)",
    re.DOTALL,
)


def set_aspect(path: Path, width: int, height: int, aspect: Fraction) -> None:
    """Write the sample aspect ratio into the header of a finished ``.mkv``.

    Parameters
    ----------
    path : Path
        The file; it is changed in place.
    width, height : int
        Size of its frames, px.
    aspect : Fraction
        Width over height of a pixel.

    Warns
    -----
    UserWarning
        When the header is not laid out as expected. The file then stays as it is: the pictures are right, some players show
        them with square pixels.

    Notes
    -----
    The aspect is stored as a display size in whole px, as FFmpeg does.
    """
    with path.open("r+b") as file:
        head = file.read(_HEADER_BYTES)
        start = head.rfind(_TRACKS, 0, head.find(_CLUSTER))
        digits = 9 - head[start + 4].bit_length()  # of the size that follows the name
        body = start + 4 + digits
        size = int.from_bytes(head[start + 4 : body], "big") & ((1 << 7 * digits) - 1)
        found = _LAYOUT.fullmatch(head[body : body + size]) if start >= 0 else None
        wide = round(width * aspect)
        if found is None or not 0 < wide < _SIZE_END or height >= _SIZE_END:
            warnings.warn(f"{path}: the pixel aspect {aspect} is not in the header; set it in the player", stacklevel=2)
            return
        display = b"\x54\xb0\x82" + wide.to_bytes(2, "big") + b"\x54\xba\x82" + height.to_bytes(2, "big")
        video = found["video"] + display + found["colour"]
        new = found["before"] + b"\xe0" + bytes([0x80 | len(video)]) + video
        new += found["between"] + b"\xec\x83\0\0\0" + found["after"]  # what is left of the room
        file.seek(body)
        file.write(b"\xbf\x84" + zlib.crc32(new).to_bytes(4, "little") + new)
