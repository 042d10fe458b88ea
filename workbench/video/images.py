"""Write the frames of a video as pictures, one file per frame, while it is decoded once and in order."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from fractions import Fraction
from io import BytesIO
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import ColorRange, Interpolation
from PIL import Image

from workbench.errors import VideoError
from workbench.progress import Progress, Steps
from workbench.video.base import Given
from workbench.video.decode import decode
from workbench.video.encode import not_written
from workbench.video.inputs import shown
from workbench.video.source import open_source

SUFFIXES = {"png": ".png", "jpeg": ".jpg"}
JPEG_QUALITY = 95  # the highest that Pillow recommends: above it files grow and pictures hardly change
# Pictures are looked at one by one: colours are rounded exactly, and those between two samples of chroma are interpolated.
_CONVERSION = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT
_DEEP_WHITE = 65283  # to which swscale converts the white of YUV of any depth in RGB of 16 bits; measured with FFmpeg 8.1
_NAME_BYTES = 255  # of a file's name, on the usual file systems


def image_names(orders: Sequence[Sequence[int]], count: int, endings: Sequence[str]) -> list[str]:
    """Name the picture of every frame, so that names sort in the restored order.

    Parameters
    ----------
    orders : sequence of sequences of int
        For every scene, the 0-based positions of its frames in restored order.
    count : int
        Number of frames, N.
    endings : sequence of str
        N texts: how the name of every frame's picture ends, such as ``.png`` or ``_IMG_0815.JPG``.

    Returns
    -------
    list of str
        N paths by position: ``scene00/000000.png`` with the place in the scene, or ``foreign/000017.png`` with the position for
        a frame of no scene. An ending that makes a name too long for a file system loses characters at its beginning.
    """
    numbers = [f"foreign/{position:06d}" for position in range(count)]
    for scene, order in enumerate(orders):
        for place, position in enumerate(order):
            numbers[position] = f"scene{scene:02d}/{place:06d}"
    return [number + _shortened(number, ending) for number, ending in zip(numbers, endings, strict=True)]


def _shortened(number: str, ending: str) -> str:
    room = _NAME_BYTES - len(number.split("/")[1])
    while len(ending.encode(errors="surrogateescape")) > room:
        ending = "_" + ending[2:]
    return ending


def write_images(source: Given, files: Sequence[Path], kind: str, progress: Progress = True, stream: int = -1) -> None:
    """Write every frame as a picture.

    Parameters
    ----------
    source : str, Path, or sequence of these
        What the frames are taken from, as :func:`~workbench.video.source.open_source` opens it.
    files : sequence of Path
        The file to write for every frame, by position; their folders are made.
    kind : {"png", "jpeg"}
        ``png``: lossless, 16 bits per channel where the source has more than 8, else 8; grey and alpha as in the source, with
        its pixel aspect, primaries and transfer as tags. ``jpeg``: RGB of 8 bits, quality 95, full chroma, no tags.
        Both are converted by the matrix and the range of the source.
    progress : bool or callable, default True
        As for :class:`~workbench.progress.Steps`.
    stream : int, default -1
        The stream of the source, as for :class:`~workbench.video.decode.Decoder`.

    Raises
    ------
    VideoError
        When the video cannot be read, does not have as many frames as there are files, or a file cannot be written.

    Notes
    -----
    Only a few frames are in memory at a time: the name of every file is known before, so that no frame waits for its turn.
    """
    count = 0
    with open_source(source, stream) as decoder, closing(decode(decoder)) as frames:
        for position, (_, frame) in enumerate(Steps(progress, len(files), "images").over(frames)):
            if position < len(files):
                with _written(files[position]) as file:
                    file.write_bytes(_png(frame, decoder.aspect) if kind == "png" else _jpeg(frame))
            count += 1
    if count != len(files):
        raise VideoError(
            f"{shown(source)} has {count} frames now, {len(files)} when it was first read: start a new run with another --out"
        )


def copy_pictures(original: Callable[[int], bytes], files: Sequence[Path], progress: Progress = True) -> None:
    """Write copies of the picture files that frames came from, byte by byte.

    Parameters
    ----------
    original : callable
        ``original(position)`` reads the picture file of a frame.
    files : sequence of Path
        The file to write for every frame, by position; their folders are made.
    progress : bool or callable, default True
        As for :class:`~workbench.progress.Steps`.

    Raises
    ------
    VideoError
        When a picture cannot be read, or a file cannot be written.
    """
    for position, path in enumerate(Steps(progress, len(files), "images").over(files)):
        content = original(position)
        with _written(path) as file:
            file.write_bytes(content)


@contextmanager
def _written(file: Path) -> Iterator[Path]:
    """The file, in a folder that is there; what the disk refuses is an error of one line."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        yield file
    except (av.FFmpegError, OSError) as error:
        raise not_written(file, error) from error


def _png(frame: av.VideoFrame, aspect: Fraction) -> bytes:
    """The content of a PNG file. FFmpeg's encoder writes the colour tags, which Pillow cannot."""
    source = frame.format
    frame = frame.reformat(format=_png_format(source), interpolation=_CONVERSION, dst_color_range=ColorRange.JPEG, threads=1)
    if frame.format.name in ("rgb48be", "rgba64be") and not source.is_rgb:
        _whiten(frame)
    encoder = av.CodecContext.create("png", "w")
    encoder.width, encoder.height, encoder.pix_fmt = frame.width, frame.height, frame.format.name
    encoder.time_base, encoder.thread_count = Fraction(1, 25), 1  # one thread hands a picture out at once
    encoder.sample_aspect_ratio = aspect
    frame.pts = 0
    return b"".join(bytes(packet) for packet in encoder.encode(frame))


def _whiten(frame: av.VideoFrame) -> None:
    """Stretch the colours of an RGB frame of 16 bits that swscale made of YUV, so that white is 65535."""
    rows = np.frombuffer(frame.planes[0], ">u2").reshape(frame.height, -1)
    channels = len(frame.format.components)
    for channel in range(3):  # not alpha
        colour = rows[:, channel : frame.width * channels : channels]
        colour[...] = np.minimum(np.rint(colour * (65535 / _DEEP_WHITE)), 65535)


def _png_format(source: av.VideoFormat) -> str:
    """The pixel format of PNG that holds all that a pixel format holds."""
    alpha = source.has_palette or any(component.is_alpha for component in source.components)
    grey = not source.has_palette and len(source.components) - alpha == 1
    deep = not source.has_palette and max(component.bits for component in source.components) > 8
    name = {(True, False): "gray", (True, True): "ya", (False, False): "rgb", (False, True): "rgba"}[grey, alpha]
    bits = {"gray": ("", "16be"), "ya": ("8", "16be"), "rgb": ("24", "48be"), "rgba": ("", "64be")}[name][deep]
    return name + bits


def _jpeg(frame: av.VideoFrame) -> bytes:
    """The content of a JPEG file."""
    frame = frame.reformat(format="rgb24", interpolation=_CONVERSION, dst_color_range=ColorRange.JPEG, threads=1)
    content = BytesIO()
    Image.fromarray(frame.to_ndarray()).save(content, "JPEG", quality=JPEG_QUALITY, subsampling="4:4:4")
    return content.getvalue()
