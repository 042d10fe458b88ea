"""One way to decode a video file, shared by everything that reads one, so that frame numbers agree everywhere.

:class:`Decoder` opens a local file, checks that it is a video and yields every decodable frame exactly once, upright,
all of one size and pixel format. What could not be decoded is counted, never skipped in silence.
"""

from collections.abc import Generator, Iterator
from contextlib import closing
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.stream import Disposition

from workbench.errors import VideoError
from workbench.limits import FRAME_PIXELS, LIMITED_STREAMS
from workbench.video.ahead import ahead
from workbench.video.base import Source
from workbench.video.info import TableBuilder, VideoInfo, orientation, varies

# The formats FFmpeg may recognise a file as. It also "demuxes" text, drawn as pictures, and playlists that point to other files
# or to the network: these are refused.
_FORMATS = (
    "mov,mp4,matroska,webm,avi,mpegts,mpeg,mpegvideo,m4v,h264,hevc,vvc,av1,obu,ivf,flv,asf,ogg,nut,mxf,gxf,rm,dv,wtv,gif,apng,"
    "mjpeg,yuv4mpegpipe,vc1,h261,h263,dirac,cavsvideo,aac,mp3,flac,wav"  # sound: for the error that there are no pictures
)
_LIMITS = {"max_pixels": str(FRAME_PIXELS)}


def local_file(path: str | Path) -> Path:
    """Check that a path leads to a file on this machine.

    Parameters
    ----------
    path : str or Path
        The path, as a person gave it.

    Returns
    -------
    Path
        The path of an existing, non-empty regular file.

    Raises
    ------
    VideoError
        When it is anything else: a network address, a folder, a pipe, an empty file, or nothing.
    """
    if "://" in str(path):
        raise VideoError(f"{path} is a network address: download the video and give the path of the file")
    path = Path(path)
    try:
        path.exists()
    except OSError as error:
        raise VideoError(f"{str(path)[:200]} ... cannot be read ({error.strerror}): check the path") from error
    if path.is_dir():
        raise VideoError(f"{path} is a folder: give the path of one file")
    if not path.exists():
        raise VideoError(f"{path} does not exist: check the path")
    if not path.is_file():
        raise VideoError(f"{path} is not a regular file: copy the video to a file first")
    if path.stat().st_size == 0:
        raise VideoError(f"{path} is empty (0 bytes): copy or download it again")
    return path


def _opened(path: str) -> av.container.InputContainer:
    options = {"protocol_whitelist": "file", "format_whitelist": _FORMATS}
    try:
        return av.open(path, options=options, stream_options=[_LIMITS] * LIMITED_STREAMS, metadata_errors="replace")
    except av.FFmpegError:
        raise
    except ValueError:  # some formats, such as MPEG, find their streams only by decoding: no limits can be set before
        return av.open(path, options=options, metadata_errors="replace")


def _chosen_codec(stream: av.VideoStream) -> av.VideoCodecContext:
    """What decodes a stream: where WebM has an alpha channel, libvpx, as FFmpeg's own VP8 and VP9 decoders leave it out."""
    alpha_decoder = {"vp8": "libvpx", "vp9": "libvpx-vp9"}.get(stream.codec_context.name)
    has_alpha = ("alpha_mode", "1") in {(name.lower(), value) for name, value in stream.metadata.items()}
    if alpha_decoder is None or not has_alpha:
        return stream.codec_context
    return av.VideoCodecContext.create(alpha_decoder, "r")


class Decoder(Source):
    """A video file opened for decoding. Use it as a context manager.

    Frames come upright and all in the size and pixel format of the first one.

    Parameters
    ----------
    path : str or Path
        A video file on this machine.

    Attributes
    ----------
    path : Path
        The file.
    container, stream : PyAV objects
        The open file and its video stream.
    names : list of str
        Empty: frames of a video have no files of their own.
    table : TableBuilder
        The rows of the frames that :func:`decode` has yielded.
    damaged_packets : int
        Packets so far that gave an error instead of a frame.
    corrupt_frames : int
        Frames so far that were decoded with errors in the picture.
    resized_frames : int
        Frames so far of another size or pixel format than the first, converted to it.

    Raises
    ------
    VideoError
        When the path is not a local video file that can be read.

    Notes
    -----
    FFmpeg's frame threads stay off on purpose: with them, an error met while the decoder is drained hides the frames behind
    it. Instead, :func:`decode` decodes in the background, beside the caller's own work.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = local_file(path)
        try:
            self.container = _opened(str(self.path.resolve()))
        except av.ArgumentError as error:
            raise VideoError(
                f"{path} is not a video, but perhaps a text, a playlist or a picture: give the path of a video file"
            ) from error
        except (av.FFmpegError, OSError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise VideoError(
                f"{path} cannot be read as a video ({reason}): it is not a video, or its beginning or index is "
                "missing; copy or download it again"
            ) from error
        try:
            self.stream = self._video_stream()
        except VideoError:
            self.container.close()
            raise
        self._codec = _chosen_codec(self.stream)
        self._codec.options = _LIMITS
        self._codec.thread_type = "NONE"
        self.names: list[str] = []
        self.table = TableBuilder()
        self.damaged_packets = self.corrupt_frames = self.resized_frames = 0
        self._first: tuple[int, int, str] | None = None
        self._orientation: tuple[int, str] = (0, "")
        self._upright: tuple[Any, Any] | None = None
        self._colors = (0, 2, 2, 2)

    def close(self) -> None:
        """Close the file."""
        self.container.close()

    def _video_stream(self) -> av.VideoStream:
        # A cover picture in a music file is a video stream to FFmpeg, not to a person.
        streams = [stream for stream in self.container.streams.video if not stream.disposition & Disposition.attached_pic]
        if not streams:
            raise VideoError(f"{self.path} has no video stream: give a file that has pictures")
        if streams[0].codec_context is None:
            raise VideoError(f"{self.path} uses a video codec this FFmpeg cannot decode: convert it to H.264 first")
        width, height = streams[0].codec_context.width, streams[0].codec_context.height
        if width * height > FRAME_PIXELS:
            raise VideoError(f"{self.path} declares frames of {width} x {height} px: scale it down to 8K first")
        return streams[0]

    @property
    def frame_rate(self) -> Fraction:
        """Average frame rate.

        Returns
        -------
        Fraction
            Frames per second; 25 when the file does not state any.
        """
        return Fraction(self.stream.average_rate or self.stream.guessed_rate or 25)

    @property
    def aspect(self) -> Fraction:
        """Sample aspect ratio of the upright frames.

        Returns
        -------
        Fraction
            Width over height of a pixel, 1 when unknown; right once a frame was decoded.
        """
        aspect = Fraction(self.stream.sample_aspect_ratio or 1)
        return 1 / aspect if self._orientation[0] % 180 else aspect

    @property
    def expected_frames(self) -> int:  # numpydoc ignore=RT01
        """How many frames the file states; 0 when it states none."""
        return self.stream.frames

    def frames(self) -> Generator[av.VideoFrame, None, None]:
        """Decode the file.

        Yields
        ------
        av.VideoFrame
            Upright frames, from the first to the last, in presentation order.
        """
        for frame in self._decoded():
            if frame.is_corrupt:
                self.corrupt_frames += 1
            yield self._conformed(frame)

    def _decoded(self) -> Iterator[av.VideoFrame]:
        for packet in self._packets():
            try:
                frames = self._codec.decode(packet)
            except av.FFmpegError:
                self.damaged_packets += 1
                continue
            for frame in frames:
                if self._codec is not self.stream.codec_context:
                    frame.key_frame = packet.is_keyframe  # libvpx does not tell, and gives each frame with its own packet
                yield frame

    def _packets(self) -> Iterator[av.Packet]:
        """Packets, then the empty one that drains the decoder. Goes on after a read error, unless it only repeats."""
        fresh = True
        while True:
            try:
                for packet in self.container.demux(self.stream):
                    fresh = True
                    yield packet
                return
            except av.FFmpegError:
                self.damaged_packets += 1
                if not fresh:
                    break
                fresh = False
        drain = av.Packet()
        drain.stream = self.stream
        yield drain

    def _conformed(self, frame: av.VideoFrame) -> av.VideoFrame:
        if self._first is None:
            self._first = (frame.width, frame.height, frame.format.name)
            self._orientation = orientation(frame)
            self._colors = (frame.color_range, frame.colorspace, frame.color_primaries, frame.color_trc)
        if (frame.width, frame.height, frame.format.name) != self._first:
            self.resized_frames += 1
            width, height, pixel_format = self._first
            pts, base, key = frame.pts, frame.time_base, frame.key_frame
            frame = frame.reformat(width=width, height=height, format=pixel_format)
            frame.pts, frame.time_base, frame.key_frame = pts, base, key
        return self._rotated(frame) if self._orientation[1] else frame

    def _rotated(self, frame: av.VideoFrame) -> av.VideoFrame:
        if self._upright is None:
            graph = av.filter.Graph()
            base = frame.time_base or Fraction(1, 1000)
            nodes = [
                graph.add(
                    "buffer",
                    f"video_size={frame.width}x{frame.height}:pix_fmt={frame.format.name}:time_base={base}"
                    f":colorspace={frame.colorspace}:range={frame.color_range}",
                )
            ]
            for part in self._orientation[1].split(","):
                name, _, args = part.partition("=")
                nodes.append(graph.add(name, args or None))
            nodes.append(graph.add("buffersink"))
            graph.link_nodes(*nodes).configure()
            self._upright = (graph, nodes)
        nodes = self._upright[1]
        nodes[0].push(frame)
        return nodes[-1].pull()

    def info(self) -> VideoInfo:
        """Collect what is known about the video; complete when every frame was decoded.

        Returns
        -------
        VideoInfo
            What the file states, and what was found while decoding.

        Raises
        ------
        VideoError
            When no frame was decoded.
        """
        table = self.table.table()
        if self._first is None or not len(table):
            raise VideoError(f"{self.path} has no frame that can be decoded: it is damaged; copy or download it again")
        width, height, pixel_format = self._first
        if self._orientation[0] % 180:
            width, height = height, width
        seconds = float(np.ptp(table.time_s)) + float(1 / self.frame_rate)
        return VideoInfo(
            width, height, self.frame_rate, self.aspect, self._orientation[0], pixel_format, *self._colors,
            codec=self.stream.codec_context.name, declared_frames=self.stream.frames,
            declared_seconds=self._declared_seconds(), frames=len(table), seconds=seconds,
            damaged_packets=self.damaged_packets, corrupt_frames=self.corrupt_frames,
            resized_frames=self.resized_frames, variable_frame_rate=varies(table.time_s),
        )  # fmt: skip

    def _declared_seconds(self) -> float:
        """Length of the video stream as the file states it; 0 when only the length of all streams together is known."""
        if self.stream.duration:
            return float(self.stream.duration * self.stream.time_base)
        tag = self.stream.metadata.get("DURATION", "").split(":")
        if len(tag) == 3 and all(part.replace(".", "", 1).isdigit() for part in tag):
            return int(tag[0]) * 3600 + int(tag[1]) * 60 + float(tag[2])
        alone = len(self.container.streams) == 1 and self.container.duration
        return self.container.duration / av.time_base if alone else 0.0


def decode(path: str | Path | Source) -> Generator[tuple[int, av.VideoFrame], None, None]:
    """Decode every frame of a video that can be decoded, exactly once.

    Parameters
    ----------
    path : str, Path or Source
        A video file; the table and counts of an open source are filled on the way.

    Yields
    ------
    index : int
        0-based position, in presentation order.
    frame : av.VideoFrame
        The frame, upright.

    Raises
    ------
    VideoError
        When the file is no video that can be read, or has no frame at all.

    Notes
    -----
    Decoding runs in a background thread, a few frames ahead.
    """
    if not isinstance(path, Source):
        with Decoder(path) as decoder:
            yield from decode(decoder)
        return
    index = -1
    with closing(ahead(path.frames())) as frames:
        for index, frame in enumerate(frames):
            path.table.add(frame, path.frame_rate)
            yield index, frame
    if index < 0:
        path.info()  # raises, with the reason
