"""Write the frames of a video again in a new order, in one file or in several, and join files without encoding them anew."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import numpy as np
from tqdm import tqdm

from workbench.errors import VideoError
from workbench.video.base import Given
from workbench.video.decode import decode
from workbench.video.encode import Writer, not_written, open_output, prepared, set_aspect, writable
from workbench.video.inputs import shown
from workbench.video.source import open_source
from workbench.video.spill import SPILL_MEMORY_BYTES, FrameSpill

Change = Callable[[int, np.ndarray], np.ndarray]


def write_video(
    source: Given,
    positions: Sequence[int],
    out: str | Path,
    codec: str = "h264",
    crf: int = 18,
    frame_rate: Fraction | float | None = None,
    progress: bool = True,
    cache_bytes: int = SPILL_MEMORY_BYTES,
    change: Change | None = None,
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
    codec, crf, frame_rate, progress, cache_bytes, change
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
    return write_parts(source, [positions], [out], codec, crf, frame_rate, progress, cache_bytes, change)[0]


def write_parts(
    source: Given,
    parts: Sequence[Sequence[int]],
    outs: Sequence[str | Path],
    codec: str = "h264",
    crf: int = 18,
    frame_rate: Fraction | float | None = None,
    progress: bool = True,
    cache_bytes: int = SPILL_MEMORY_BYTES,
    change: Change | None = None,
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
    codec : {"h264", "lossless"}
        ``h264``: H.264, yuv420p, 8 bit, plays in browsers; an odd width or height is padded by one repeated column or row.
        ``lossless``: FFV1 in ``.mkv``, every bit of the source frames.
    crf : int, default 18
        Quality of H.264, 0 (best) to 51.
    frame_rate : Fraction or float, optional
        Frames per second, up to 1000; without it the average rate of the source. Sample aspect ratio and colour tags are those
        of the source.
    progress : bool, default True
        Whether to draw a progress bar.
    cache_bytes : int, default 512 MiB
        Frames that must wait for their turn take about so much memory at most; the rest waits in a temporary file beside the
        first of ``outs``.
    change : callable, optional
        ``change(position, frame)`` returns the picture to write for a frame, both (H, W, 3) uint8 RGB and of one size. Matrix
        and tags are then those of :func:`~workbench.video.encode.write_frames`.

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
    wanted = [position for positions in parts for position in positions]
    with open_source(source) as decoder, FrameSpill(files[0].parent, cache_bytes) as spill:
        rate = decoder.frame_rate if frame_rate is None else frame_rate
        bar = tqdm(total=len(wanted), desc="write", unit="frame", disable=not progress)
        with closing(decode(decoder)) as frames, bar:
            ordered = _in_order(frames, wanted, spill, codec, change)
            for positions, out in zip(parts, files, strict=True):
                with Writer(out, codec, crf, rate) as writer:
                    for frame, colors in islice(ordered, len(positions)):
                        writer.write(frame, colors, decoder.aspect)
                        bar.update()
                    if writer.count < len(positions):
                        raise VideoError(
                            f"position {positions[writer.count]} is not in {shown(source)}, which has "
                            f"{len(decoder.table.table())} frames: give positions of this video"
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
                frame = av.VideoFrame.from_ndarray(
                    change(index, frame.to_ndarray(format="rgb24", interpolation="BILINEAR")), format="rgb24"
                )
            frame, colors = prepared(frame, codec)
            spill.put(index, frame)
        uses[position] -= 1
        yield spill.get(position, keep=uses[position] > 0), colors


def join_videos(files: Sequence[Path], out: Path) -> Path:
    """Join videos one behind the other: the same pictures, not encoded again.

    Parameters
    ----------
    files : sequence of Path
        Videos that one call of :func:`write_parts` wrote.
    out : Path
        The file to write; it appears when it is whole.

    Returns
    -------
    Path
        ``out``.

    Raises
    ------
    VideoError
        When a file cannot be read, or ``out`` cannot be written.
    """
    partial = out.with_name(f".{out.stem}.partial{out.suffix}")
    try:
        with open_output(partial) as container:
            stream, start = None, Fraction(0)
            for file in files:
                with av.open(str(file)) as source:
                    track = source.streams.video[0]
                    stream = stream or container.add_stream_from_template(track)
                    frames = 0
                    for packet in source.demux(track):
                        if packet.dts is None:  # the end of the file
                            continue
                        packet.pts += round(start / packet.time_base)
                        packet.dts += round(start / packet.time_base)
                        packet.stream = stream
                        container.mux(packet)
                        frames += 1
                    start += frames / track.average_rate
                    shape, aspect = (track.width, track.height), Fraction(track.sample_aspect_ratio or 1)
        if out.suffix == ".mkv" and aspect != 1:
            set_aspect(partial, *shape, aspect)
        partial.replace(out)
    except (av.FFmpegError, OSError) as error:
        raise not_written(out, error) from error
    finally:
        partial.unlink(missing_ok=True)
    return out
