"""Keep frames that must wait for their turn without holding a long clip in memory."""

import os
import tempfile
from fractions import Fraction
from pathlib import Path

import av

from workbench.errors import VideoError

# Version 3, every frame a key frame. FFmpeg chooses the slices: a fixed number is refused for small frames.
FFV1_OPTIONS = {"level": "3", "g": "1"}


class FrameSpill:
    """Keeps decoded frames until they are asked for: in memory up to ``limit_bytes``, beyond that in a temporary file.

    The file holds one packet a frame (Huffyuv or FFV1: lossless, every frame on its own). It lies in ``folder``, has no name
    there where the system allows that, and is gone after :meth:`close`. All frames must share size and pixel format, and the
    format must be one FFV1 takes. Used as a context manager.
    """

    def __init__(self, folder: str | Path, limit_bytes: int = 512 * 2**20) -> None:
        self.folder = Path(folder)
        self.limit_bytes = limit_bytes
        self.memory_bytes = 0
        self._frames: dict[int, tuple[av.VideoFrame, int]] = {}
        self._packets: dict[int, tuple[int, int]] = {}  # index: (offset, size) in the file
        self._file = None
        self._encoder = self._decoder = None

    def __enter__(self) -> "FrameSpill":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Forget all frames and remove the temporary file."""
        self._frames.clear()
        self._packets.clear()
        self.memory_bytes = 0
        if self._file:
            self._file.close()
            self._file = None

    def __contains__(self, index: int) -> bool:
        return index in self._frames or index in self._packets

    @property
    def spilled(self) -> int:
        """How many frames are in the file now."""
        return len(self._packets)

    def put(self, index: int, frame: av.VideoFrame) -> None:
        """Keep ``frame`` under ``index``. It must not be changed afterwards."""
        size = sum(plane.buffer_size for plane in frame.planes)
        if self.memory_bytes + size <= self.limit_bytes:
            self._frames[index] = (frame, size)
            self.memory_bytes += size
        else:
            self._spill(index, frame)

    def get(self, index: int, keep: bool = False) -> av.VideoFrame:
        """The frame under ``index``; forgotten unless ``keep``. Its bits are those that were put."""
        if index in self._frames:
            frame, size = self._frames[index]
            if not keep:
                del self._frames[index]
                self.memory_bytes -= size
            return frame
        offset, size = self._packets[index] if keep else self._packets.pop(index)
        self._file.seek(offset)
        frames = self._decoder.decode(av.Packet(self._file.read(size)))
        if len(frames) != 1:
            raise VideoError(f"the temporary file in {self.folder} was damaged: check the disk, then run again")
        return frames[0]

    def _spill(self, index: int, frame: av.VideoFrame) -> None:
        if self._file is None:
            # What H.264 takes goes through Huffyuv: a quarter of FFV1's time for twice its room. It does not take every format,
            # and loses bits of some odd sizes.
            plain = frame.format.name == "yuv420p" and frame.width % 2 == frame.height % 2 == 0
            self._encoder = _encoder("ffvhuff" if plain else "ffv1", frame)
            self._file = tempfile.TemporaryFile(dir=self.folder, prefix=".frames-")  # noqa: SIM115 (closed in close)
            self._decoder = av.CodecContext.create(self._encoder.name, "r")
            self._decoder.width, self._decoder.height = frame.width, frame.height
            self._decoder.pix_fmt = frame.format.name
            self._decoder.extradata = self._encoder.extradata
        frame.pts = None
        packets = self._encoder.encode(frame)
        data = b"".join(bytes(packet) for packet in packets)
        if len(packets) != 1:
            raise VideoError(f"{self._encoder.name} gave {len(packets)} packets for one frame: this FFmpeg cannot be used")
        offset = self._file.seek(0, os.SEEK_END)
        self._file.write(data)
        self._packets[index] = (offset, len(data))


def _encoder(codec: str, frame: av.VideoFrame) -> av.CodecContext:
    encoder = av.CodecContext.create(codec, "w")
    encoder.width, encoder.height, encoder.pix_fmt = frame.width, frame.height, frame.format.name
    encoder.time_base = Fraction(1, 1000)
    encoder.options = FFV1_OPTIONS if codec == "ffv1" else {}
    encoder.open()
    return encoder
