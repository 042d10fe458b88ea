"""Video files of a few seeded frames, put together packet by packet: cut, shifted, with several streams, without a rate."""

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.stream import Disposition


def drifting(count: int, width: int = 64, height: int = 48) -> list[np.ndarray]:
    """Frames of (height, width, 3) uint8 cut from one seeded picture of noise blocks, each a pixel further to the right."""
    blocks = np.random.default_rng(5).integers(20, 236, (height // 4 + 1, (width + count) // 4 + 1, 3), dtype=np.uint8)
    picture = blocks.repeat(4, axis=0).repeat(4, axis=1)
    return [np.ascontiguousarray(picture[:height, index : index + width]) for index in range(count)]


def mux(
    path: Path, *tracks: tuple[str, Sequence[np.ndarray], Sequence[int], dict[str, str]], rate: Fraction | int = 25
) -> Path:
    """Write one stream per track: a codec, its frames, their times in ms, and the options of the codec."""
    with av.open(str(path), "w") as file:
        streams = []
        for codec, frames, _, options in tracks:
            stream = file.add_stream(codec, rate=rate)
            stream.height, stream.width = frames[0].shape[:2]
            stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
            stream.options = options
            if path.suffix in (".mkv", ".webm") and codec != "mpeg2video":  # which takes the rates of television only
                stream.codec_context.time_base = Fraction(1, 1000)
            streams.append(stream)
        for stream, (_, frames, times, _) in zip(streams, tracks, strict=True):
            for picture, time in zip(frames, times, strict=True):
                frame = av.VideoFrame.from_ndarray(picture).reformat(format=stream.pix_fmt, threads=1)
                frame.pts, frame.time_base = time, Fraction(1, 1000)
                file.mux(stream.encode(frame))
            file.mux(stream.encode())
    return path


def remux(
    path: Path,
    *sources: Path,
    first: int = 0,
    shift: int = 0,
    dispositions: Sequence[Disposition] = (),
    options: dict[str, str] | None = None,
) -> Path:
    """Copy the packets of every stream from the ``first``-th on, and put their times ``shift`` frames earlier.

    What ``dispositions`` there are count for the streams in their order, ``options`` for the container.
    """
    with av.open(str(path), "w", options=options or {}) as out, ExitStack() as stack:
        files = [stack.enter_context(av.open(str(source))) for source in sources]
        tracks = [(file, number) for file in files for number in range(len(file.streams))]
        streams = [out.add_stream_from_template(file.streams[number]) for file, number in tracks]
        for stream, disposition in zip(streams, dispositions, strict=False):
            stream.disposition = disposition
        for (file, number), stream in zip(tracks, streams, strict=True):
            file.seek(0)
            for packet in [packet for packet in file.demux(file.streams[number]) if packet.size][first:]:
                if shift:
                    packet.pts -= shift * packet.duration
                    packet.dts -= shift * packet.duration
                packet.stream = stream
                out.mux(packet)
    return path


def key_packets(path: Path) -> list[int]:
    """The numbers of the key packets of the first stream, in the order of decoding."""
    with av.open(str(path)) as file:
        return [number for number, packet in enumerate(p for p in file.demux(video=0) if p.size) if packet.is_keyframe]


def without_rate(path: Path) -> Path:
    """Take the duration per frame out of a Matroska file: the element becomes one of the same length without a meaning."""
    data, element = bytearray(path.read_bytes()), b"\x23\xe3\x83\x84"
    start = data.index(element)
    data[start : start + 8] = b"\xec\x86" + bytes(6)
    path.write_bytes(data)
    return path


def steps(*milliseconds: Iterable[int]) -> list[int]:
    """Times in ms, from 0, with these steps."""
    return [0, *np.cumsum([step for part in milliseconds for step in part]).tolist()]
