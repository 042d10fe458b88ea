"""The streams of a video file: which of them a player shows, and what there is."""

from collections.abc import Sequence

import av
from av.stream import Disposition

from workbench.errors import VideoError
from workbench.limits import FRAME_PIXELS

# Codecs of single pictures. A stream of them beside a video is its preview, unless it says that it has more than one frame.
_PICTURE_CODECS = ("mjpeg", "png", "bmp", "webp", "tiff", "gif", "jpeg2000", "jpegxl")
_STILL = Disposition.still_image | Disposition.timed_thumbnails


def choose_stream(path: object, streams: Sequence[av.stream.Stream], number: int = -1) -> av.VideoStream:
    """Choose the video stream that is decoded.

    Parameters
    ----------
    path : object
        The name of the file, for messages.
    streams : sequence of PyAV streams
        All streams of the file.
    number : int, default -1
        Number of the stream among all of the file, from 0, as FFmpeg counts them; -1 for the one that a player shows: never a
        cover picture, no still picture where there is a video, then the default one, then the one of the largest frames, then
        the first.

    Returns
    -------
    av.VideoStream
        The stream.

    Raises
    ------
    VideoError
        When there is no such stream, FFmpeg cannot decode it, or its frames are too large.
    """
    # A cover picture in a music file is a video stream to FFmpeg, not to a person.
    shown = [stream for stream in streams if isinstance(stream, av.VideoStream) and not _is_cover(stream)]
    if not shown:
        raise VideoError(f"{path} has no video stream: give a file that has pictures")
    wanted = [stream for stream in shown if stream.index == number] if number >= 0 else sorted(shown, key=_rank)
    if not wanted:
        known = ", ".join(describe_stream(stream) for stream in shown)
        raise VideoError(f"{path} has no video stream {number}: choose with --video.stream one of these: {known}")
    stream = wanted[0]
    if stream.codec_context is None:
        raise VideoError(f"{path} uses a video codec this FFmpeg cannot decode: convert it to H.264 first")
    if stream.width * stream.height > FRAME_PIXELS:
        raise VideoError(f"{path} declares frames of {stream.width} x {stream.height} px: scale it down to 8K first")
    return stream


def describe_stream(stream: av.stream.Stream) -> str:
    """Describe a stream in a few words.

    Parameters
    ----------
    stream : PyAV stream
        A stream of an open file.

    Returns
    -------
    str
        Its number among all streams of the file, its kind and codec, and for pictures their size, as in
        ``1 (video, h264, 320 x 180 px, default)``.
    """
    codec = stream.codec_context.name if stream.codec_context is not None else "unknown codec"
    words = [stream.type, codec]
    if isinstance(stream, av.VideoStream):
        words += [f"{stream.width} x {stream.height} px"] if stream.codec_context is not None else []
        words += ["cover picture"] if _is_cover(stream) else ["still picture"] if _is_still(stream) else []
    words += ["default"] if stream.disposition & Disposition.default else []
    return f"{stream.index} ({', '.join(words)})"


def has_choice(streams: Sequence[av.stream.Stream]) -> bool:
    """Check whether a file has more than one stream of pictures, covers aside.

    Parameters
    ----------
    streams : sequence of PyAV streams
        All streams of the file.

    Returns
    -------
    bool
        Whether another stream could be decoded than the one chosen.
    """
    return sum(isinstance(stream, av.VideoStream) and not _is_cover(stream) for stream in streams) > 1


def stated_seconds(container: av.container.InputContainer, stream: av.VideoStream) -> float:
    """Find how long a video stream is, as the file states it.

    Parameters
    ----------
    container : av.container.InputContainer
        The open file.
    stream : av.VideoStream
        A stream of it.

    Returns
    -------
    float
        The length, s; 0 when only that of all streams together is known.
    """
    if stream.duration:
        return float(stream.duration * stream.time_base)
    tag = stream.metadata.get("DURATION", "").split(":")
    if len(tag) == 3 and all(part.replace(".", "", 1).isdigit() for part in tag):
        # In Matroska, this is when the last frame ends, and the first one may begin late.
        start = float((stream.start_time or 0) * stream.time_base)
        return max(0.0, int(tag[0]) * 3600 + int(tag[1]) * 60 + float(tag[2]) - start)
    return container.duration / av.time_base if len(container.streams) == 1 and container.duration else 0.0


def _rank(stream: av.VideoStream) -> tuple[bool, bool, int, int]:
    area = stream.width * stream.height if stream.codec_context is not None else 0
    return _is_still(stream), not stream.disposition & Disposition.default, -area, stream.index


def _is_cover(stream: av.VideoStream) -> bool:
    return bool(stream.disposition & Disposition.attached_pic)


def _is_still(stream: av.VideoStream) -> bool:
    """Whether a stream holds a single picture, as far as the head of the file tells."""
    if stream.disposition & _STILL or stream.frames == 1:
        return True
    codec = stream.codec_context.name if stream.codec_context is not None else ""
    return codec in _PICTURE_CODECS and not stream.frames
