"""One way to decode a video file, shared by everything that reads one, so that frame numbers agree everywhere.

:class:`Decoder` opens a local file, checks that it is a video and yields every decodable frame exactly once, upright,
all of one size and pixel format. What could not be decoded is counted, never skipped in silence.
"""

from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import closing
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from workbench.errors import VideoError
from workbench.limits import FRAME_PIXELS, LIMITED_STREAMS
from workbench.video.ahead import ahead
from workbench.video.base import Source
from workbench.video.conform import conformed
from workbench.video.info import VideoInfo
from workbench.video.packets import PacketCounts
from workbench.video.streams import choose_stream, describe_stream, has_choice, stated_seconds
from workbench.video.table import TableBuilder
from workbench.video.times import DEFAULT_RATE, MAX_RATE, before_cut, find_rate, varies
from workbench.video.upright import Upright

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

    Frames come upright and all in the size and pixel format of the first one; those of another shape have black bars, and
    palettes are looked up.

    Parameters
    ----------
    path : str or Path
        A video file on this machine.
    stream : int, default -1
        Number of the stream to decode among all of the file, from 0; -1 for the one that a player shows, see
        :func:`~workbench.video.streams.choose_stream`.

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
    packets : PacketCounts
        What was read so far, and what became of it.
    corrupt_frames : int
        Frames so far that were decoded with errors in the picture.
    resized_frames : int
        Frames so far of another size or pixel format than the first, converted to it.

    Raises
    ------
    VideoError
        When the path is not a local video file that can be read, or has no such stream.

    Notes
    -----
    FFmpeg's frame threads stay off on purpose: with them, an error met while the decoder is drained hides the frames behind
    it. Instead, :func:`decode` decodes in the background, beside the caller's own work.
    """

    def __init__(self, path: str | Path, stream: int = -1) -> None:
        self.path = local_file(path)
        try:
            self.container = _opened(str(self.path.resolve()))
        except av.ArgumentError as error:
            raise VideoError(
                f"{path} is not a video, but perhaps a text, a playlist or a single picture: give a video, or several pictures"
            ) from error
        except (av.FFmpegError, OSError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise VideoError(
                f"{path} cannot be read as a video ({reason}): it is not a video, or its beginning or index is "
                "missing; copy or download it again"
            ) from error
        try:
            self.stream = choose_stream(self.path, self.container.streams, stream)
        except VideoError:
            self.container.close()
            raise
        self._codec = _chosen_codec(self.stream)
        self._codec.options = _LIMITS
        self._codec.thread_type = "NONE"
        self.names: list[str] = []
        self.table = TableBuilder()
        self.packets = PacketCounts(self.stream.codec_context.name)
        self.corrupt_frames = self.resized_frames = self._read_errors = 0
        self._sizes: Counter[tuple[int, int]] = Counter()
        self._first: tuple[int, int, str] | None = None
        self._upright = Upright()
        self._colors = (0, 2, 2, 2)

    def close(self) -> None:
        """Close the file."""
        self.container.close()

    @property
    def frame_rate(self) -> Fraction:
        """Frame rate that the file states, before its frames are decoded; :meth:`info` has the one that they show.

        Returns
        -------
        Fraction
            Frames per second; 25 when the file does not state any.
        """
        return Fraction(self.stream.average_rate or DEFAULT_RATE)

    @property
    def aspect(self) -> Fraction:
        """Sample aspect ratio of the upright frames.

        Returns
        -------
        Fraction
            Width over height of a pixel, 1 when unknown; right once a frame was decoded.
        """
        aspect = Fraction(self.stream.sample_aspect_ratio or 1)
        return 1 / aspect if self._upright.degrees % 180 else aspect

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
            self.packets.add_frame(frame)
            if frame.is_corrupt:
                self.corrupt_frames += 1
            yield self._conformed(frame)

    def _decoded(self) -> Iterator[av.VideoFrame]:
        for packet in self._packets():
            if packet.size or packet.dts is not None:  # not the empty one at the end
                self.packets.add_packet(packet)
                if not packet.size:  # the frame before stays on the screen, as AVI puts it; to the decoder it would be the end
                    continue
            try:
                frames = self._codec.decode(packet)
            except av.FFmpegError:
                self.packets.add_error(packet)
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
                self._read_errors += 1
                if not fresh:
                    break
                fresh = False
        drain = av.Packet()
        drain.stream = self.stream
        yield drain

    def _conformed(self, frame: av.VideoFrame) -> av.VideoFrame:
        self._sizes[frame.width, frame.height] += 1
        # Neither scaling nor bars can be had in the colours of a palette.
        found = frame.width, frame.height, "bgra" if frame.format.name == "pal8" else frame.format.name
        if self._first is None:
            self._first = found
            self._upright = Upright(frame)
            self._colors = (frame.color_range, frame.colorspace, frame.color_primaries, frame.color_trc)
        self.resized_frames += found != self._first
        return self._upright(conformed(frame, *self._first))

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
        stated = self.stream.average_rate
        if stated and stated > MAX_RATE:  # what FFmpeg makes of some raw files
            stated = None
        table = self.table.table(stated or DEFAULT_RATE)
        if self._first is None or not len(table):
            raise VideoError(f"{self.path} has no frame that can be decoded: it is damaged; copy or download it again")
        width, height, pixel_format = self._first
        sizes = tuple((*size, count) for size, count in self._sizes.items())
        if self._upright.degrees % 180:
            width, height = height, width
            sizes = tuple((high, wide, count) for wide, high, count in sizes)
        damaged = self.packets.undecoded + self._read_errors
        times = before_cut(table.time_s, self.table.tick)
        rate = find_rate(times, self.table.tick, stated, damaged) if self.table.tick else self.frame_rate
        if stated is None and self.stream.guessed_rate == rate:  # FFmpeg's reading of the head, where that states no average
            stated = rate
        seconds = float(np.ptp(table.time_s)) + float(1 / rate)
        missing, cut = max(0, self.stream.frames - max(self.packets.read, len(table))), 0
        declared = stated_seconds(self.container, self.stream)
        if declared and declared - seconds < 1 / rate:
            # The file is as long as it says: what was not read lies outside of an edit list, or is an empty packet (AVI).
            missing, cut = 0, missing if "mov" in self.container.format.name else 0
        return VideoInfo(
            width, height, rate, stated or Fraction(0), self.aspect, self._upright.degrees, pixel_format, *self._colors,
            codec=self.stream.codec_context.name, stream=self.stream.index,
            streams=tuple(map(describe_stream, self.container.streams)), has_choice=has_choice(self.container.streams),
            declared_frames=self.stream.frames, declared_seconds=declared, frames=len(table), seconds=seconds,
            missing_packets=missing, damaged_packets=damaged, hidden_frames=self.packets.hidden + cut,
            corrupt_frames=self.corrupt_frames, resized_frames=self.resized_frames, sizes=sizes, clock_jumps=table.clock_jumps,
            variable_frame_rate=varies(times, self.table.tick, damaged),
        )  # fmt: skip


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
            path.table.add(frame)
            yield index, frame
    if index < 0:
        path.info()  # raises, with the reason
