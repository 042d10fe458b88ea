"""Write the frames of a video again in a new order, in one file or in several, and join files without encoding them anew."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer

from workbench.errors import VideoError
from workbench.progress import Progress, Steps
from workbench.storage.folder import partial_path
from workbench.video.aspect import set_aspect
from workbench.video.base import Given
from workbench.video.chapters import Chapter, set_chapters
from workbench.video.decode import decode
from workbench.video.encode import Writer, not_written, open_output, prepared, writable
from workbench.video.inputs import shown
from workbench.video.source import open_source
from workbench.video.spill import SPILL_MEMORY_BYTES, FrameSpill

Change = Callable[[int, av.VideoFrame], av.VideoFrame]


def write_video(
    source: Given,
    positions: Sequence[int],
    out: str | Path,
    codec: str = "h264",
    crf: int = 18,
    frame_rate: Fraction | float | None = None,
    progress: Progress = True,
    cache_bytes: int = SPILL_MEMORY_BYTES,
    change: Change | None = None,
    stream: int = -1,
) -> Path:
    """Write frames of a video to a file, in a new order.

    Parameters
    ----------
    source : str, Path, or sequence of these
        What the frames are taken from, as :func:`~workbench.video.source.open_source` opens it: a video, pictures, several
        videos.
    positions : sequence of int
        0-based positions of the frames, in the order to write; a frame may be there more than once.
    out : str or Path
        The file to write.
    codec, crf, frame_rate, progress, cache_bytes, change, stream
        As for :func:`write_parts`.

    Returns
    -------
    Path
        The file that was written.

    Raises
    ------
    VideoError
        As :func:`write_parts` does.
    """
    return write_parts(source, [positions], [out], codec, crf, frame_rate, progress, cache_bytes, change, stream=stream)[0]


def write_parts(
    source: Given,
    parts: Sequence[Sequence[int]],
    outs: Sequence[str | Path],
    codec: str = "h264",
    crf: int = 18,
    frame_rate: Fraction | float | None = None,
    progress: Progress = True,
    cache_bytes: int = SPILL_MEMORY_BYTES,
    change: Change | None = None,
    durations: np.ndarray | None = None,
    stream: int = -1,
) -> list[Path]:
    """Write frames of a video to several files, each in a new order. Frames are upright, and there is no sound.

    Parameters
    ----------
    source : str, Path, or sequence of these
        What the frames are taken from, as :func:`~workbench.video.source.open_source` opens it: a video, pictures, several
        videos.
    parts : sequence of sequences of int
        For every file, the 0-based positions of its frames, in the order to write.
    outs : sequence of str or Path
        The files to write, one per part; each appears when it is whole.
    codec : {"h264", "h265", "prores", "lossless"}
        ``h264``: H.264, 8 bits, plays in browsers. ``h265``: H.265, 10 bits where the source has more than 8. ``prores``:
        ProRes 422 HQ with 10 bits in ``.mov``, or 4444 for RGB and alpha. ``lossless``: FFV1 in ``.mkv``, every bit of the
        source frames. Where it is not ``lossless``, an odd width or height is padded by one repeated column or row.
    crf : int, default 18
        Quality of H.264 and H.265, 0 (best) to 51.
    frame_rate : Fraction or float, optional
        Frames per second, 0.001 to 1000; without it the rate that the source states. Sample aspect ratio and colour tags are
        those of the source.
    progress : bool or callable, default True
        As for :class:`~workbench.progress.Steps`.
    cache_bytes : int, default 512 MiB
        Frames that must wait for their turn take about so much memory at most; the rest waits in a temporary file beside the
        first of ``outs``.
    change : callable, optional
        ``change(position, frame)`` returns the frame to write for a frame; all are of one size and pixel format, and tagged.
    durations : (N,) float array, optional
        How long every frame of the source lasts, s, wherever it comes to stand; ``frame_rate`` then does not count. Without it
        all frames last equally long.
    stream : int, default -1
        The stream of the source, as for :class:`~workbench.video.decode.Decoder`.

    Returns
    -------
    list of Path
        The files that were written.

    Raises
    ------
    VideoError
        For a bad source, no positions, a position that is not in the video, or a file that cannot be written.

    Notes
    -----
    The source is decoded once, in order, whatever the number of parts.
    """
    parts = [[int(position) for position in positions] for positions in parts]
    files = [writable(out, codec) for out in outs]
    for positions, out in zip(parts, files, strict=True):
        if not positions:
            raise VideoError(f"no frames to write to {out}: give at least one position")
        if min(positions) < 0:
            raise VideoError(f"position {min(positions)} is not a frame: positions start at 0")
        if durations is not None and max(positions) >= len(durations):
            raise VideoError(f"position {max(positions)} has no duration: give one per frame of {shown(source)}")
    wanted = [position for positions in parts for position in positions]
    with open_source(source, stream) as decoder, FrameSpill(files[0].parent, cache_bytes) as spill:
        rate = decoder.frame_rate if frame_rate is None else frame_rate
        steps = Steps(progress, len(wanted), "write")
        with closing(decode(decoder)) as frames, steps:
            ordered = _in_order(frames, wanted, spill, codec, change)
            for positions, out in zip(parts, files, strict=True):
                with Writer(out, codec, crf, rate, None if durations is None else durations[positions]) as writer:
                    for frame, colors in islice(ordered, len(positions)):
                        writer.write(frame, colors, decoder.aspect)
                        steps.update()
                    if writer.count < len(positions):
                        raise VideoError(
                            f"position {positions[writer.count]} is not in {shown(source)}, which has "
                            f"{len(decoder.table)} frames: give positions of this video"
                        )
    return files


def _in_order(
    frames: Iterator[tuple[int, av.VideoFrame]], wanted: list[int], spill: FrameSpill, codec: str, change: Change | None
) -> Iterator[tuple[av.VideoFrame, tuple[int, int, int, int]]]:
    """The wanted frames, as ``codec`` takes them and with their colour tags, each as soon as it was decoded."""
    uses = Counter(wanted)
    for position in wanted:
        while position not in spill:
            index, frame = next(frames, (-1, None))
            if frame is None:
                return
            if not uses[index]:
                continue
            if change is not None:
                frame = change(index, frame)
            frame, colors = prepared(frame, codec)
            spill.put(index, frame)
        uses[position] -= 1
        yield spill.get(position, keep=uses[position] > 0), colors


def join_videos(files: Sequence[Path], out: Path, chapters: Sequence[Chapter]) -> Path:
    """Join videos one behind the other: the same pictures with the same times, not encoded again.

    Parameters
    ----------
    files : sequence of Path
        Videos that one call of :func:`write_parts` wrote.
    out : Path
        The file to write; it appears when it is whole.
    chapters : sequence of Chapter
        One per file, with its length.

    Returns
    -------
    Path
        ``out``.

    Raises
    ------
    VideoError
        When a file cannot be read, or ``out`` cannot be written.
    """
    partial = partial_path(out)
    try:
        times = iter(packet_times(*_times_behind_each_other(files, chapters)))
        with open_output(partial) as container:
            set_chapters(container, chapters)
            stream = None
            for file in files:
                with av.open(str(file)) as source:
                    track = source.streams.video[0]
                    shape, aspect = (track.width, track.height), Fraction(track.sample_aspect_ratio or 1)
                    if stream is None:
                        stream = container.add_stream_from_template(track)
                        stream.codec_context.codec_tag = track.codec_context.codec_tag
                        stream.codec_context.sample_aspect_ratio = aspect
                    for packet in _packets(source):
                        packet.pts, packet.dts, packet.duration = next(times)
                        packet.stream = stream
                        container.mux(packet)
        if out.suffix == ".mkv" and aspect != 1:
            set_aspect(partial, *shape, aspect)
        partial.replace(out)
    except (av.FFmpegError, OSError) as error:
        raise not_written(out, error) from error
    finally:
        partial.unlink(missing_ok=True)
    return out


def _packets(source: InputContainer) -> Iterator[av.Packet]:
    """The packets of the pictures, without the empty one that stands for the end of the file."""
    return (packet for packet in source.demux(source.streams.video[0]) if packet.size)


def _times_behind_each_other(files: Sequence[Path], chapters: Sequence[Chapter]) -> tuple[list[int], int]:
    """When the packets of all files are shown, in the order of storing, and when the last one ends; in units of the files."""
    times: list[int] = []
    start, free = Fraction(0), 0
    for file, chapter in zip(files, chapters, strict=True):
        with av.open(str(file)) as source:
            unit = Fraction(source.streams.video[0].time_base or 1)
            first = max(round(start / unit), free)
            times += [first + packet.pts for packet in _packets(source)]
        start, free = start + Fraction(chapter.seconds), max(times) + 1
    return times, max(round(start / unit), free)


def packet_times(shown: Sequence[int], end: int) -> list[tuple[int, int, int]]:
    """Complete the times of packets from the times at which they are shown.

    Parameters
    ----------
    shown : sequence of int
        When every packet is shown, in the order of storing; all different.
    end : int
        When the one that is shown last ends.

    Returns
    -------
    list of (int, int, int)
        For every packet when it is shown, when it is decoded, and how long it is shown. Times of decoding rise, and none is
        after the packet is shown; they are as early as the most reordered packet demands.
    """
    rising = sorted(shown)
    places = {time: place for place, time in enumerate(rising)}
    ahead = max(stored - places[time] for stored, time in enumerate(shown))
    lead = rising[ahead] - rising[0]
    decoded = [time - lead for time in rising[:ahead]] + rising
    ends = [*rising[1:], end]
    return [(time, decode_at, ends[places[time]] - time) for time, decode_at in zip(shown, decoded, strict=False)]
