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
from workbench.video.decode import Decoder, decode
from workbench.video.encode import Writer, not_written, open_output, prepared, set_aspect, writable
from workbench.video.spill import FrameSpill

Change = Callable[[int, np.ndarray], np.ndarray]


def write_video(
    source: str | Path,
    positions: Sequence[int],
    out: str | Path,
    codec: str = "h264",
    crf: int = 18,
    frame_rate: Fraction | float | None = None,
    progress: bool = True,
    cache_bytes: int = 512 * 2**20,
    change: Change | None = None,
) -> Path:
    """Write the frames of ``source`` at ``positions`` (0-based, any order) to ``out``, and return its path.

    As :func:`write_parts`, with one file.
    """
    return write_parts(source, [positions], [out], codec, crf, frame_rate, progress, cache_bytes, change)[0]


def write_parts(
    source: str | Path,
    parts: Sequence[Sequence[int]],
    outs: Sequence[str | Path],
    codec: str = "h264",
    crf: int = 18,
    frame_rate: Fraction | float | None = None,
    progress: bool = True,
    cache_bytes: int = 512 * 2**20,
    change: Change | None = None,
) -> list[Path]:
    """Write the frames of ``source`` at the positions (0-based, any order) of every part to its file; returns the paths.

    ``codec="h264"``: H.264, yuv420p, 8 bit, quality ``crf`` (0 best to 51), plays in browsers; an odd width or height
    is padded by one repeated column or row. ``codec="lossless"``: FFV1 in ``.mkv``, every bit of the source frames.
    Frames are upright; average frame rate (or ``frame_rate``), sample aspect ratio and colour tags are those of the
    source. No sound.

    ``change(position, frame)``, when given, makes what is written of a frame, both (H, W, 3) uint8 RGB and of one size; matrix
    and tags are then those of :func:`workbench.video.encode.write_frames`.

    The source is decoded once, in order, whatever the number of parts. Frames that must wait for their turn take at most about
    ``cache_bytes`` of memory, the rest waits in a temporary file beside the first of ``outs``. A file appears when it is whole.

    Raises :class:`VideoError` for a bad source, no positions, a position that is not in the video, or a bad file to write.
    """
    parts = [[int(position) for position in positions] for positions in parts]
    outs = [writable(out, codec) for out in outs]
    for positions, out in zip(parts, outs, strict=True):
        if not positions:
            raise VideoError(f"no frames to write to {out}: give at least one position")
        if min(positions) < 0:
            raise VideoError(f"position {min(positions)} is not a frame: positions start at 0")
    wanted = [position for positions in parts for position in positions]
    with Decoder(source) as decoder, FrameSpill(outs[0].parent, cache_bytes) as spill:
        rate = decoder.frame_rate if frame_rate is None else frame_rate
        bar = tqdm(total=len(wanted), desc="write", unit="frame", disable=not progress)
        with closing(decode(decoder)) as frames, bar:
            ordered = _in_order(frames, wanted, spill, codec, change)
            for positions, out in zip(parts, outs, strict=True):
                with Writer(out, codec, crf, rate) as writer:
                    for frame, colors in islice(ordered, len(positions)):
                        writer.write(frame, colors, decoder.aspect)
                        bar.update()
                    if writer.count < len(positions):
                        raise VideoError(
                            f"position {positions[writer.count]} is not in {source}, which has "
                            f"{len(decoder.table.table())} frames: give positions of this video"
                        )
    return outs


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
    """Put videos of :func:`write_parts`, of one call, one behind the other into ``out``: the same pictures, not encoded again.

    Raises :class:`VideoError` when a file cannot be read or ``out`` cannot be written.
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
