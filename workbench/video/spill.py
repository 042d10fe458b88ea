"""Keep frames that must wait for their turn, without holding a long clip in memory."""

import os
import tempfile
from fractions import Fraction
from pathlib import Path

import av

from workbench.errors import VideoError

# Version 3, every frame a key frame. FFmpeg chooses the slices: a fixed number is refused for small frames.
FFV1_OPTIONS = {"level": "3", "g": "1"}


SPILL_MEMORY_BYTES = 512 * 2**20  # how much memory waiting frames may take


class FrameSpill:
    """Frames that are kept until they are asked for: in memory, and beyond a limit in a temporary file.

    All frames must share size and pixel format, and the format must be one FFV1 takes. Used as a context manager.

    Parameters
    ----------
    folder : str or Path
        Where the temporary file lies; it has no name there where the system allows that.
    limit_bytes : int, default 512 MiB
        How much memory frames may take.

    Attributes
    ----------
    memory_bytes : int
        How much memory the frames take now.

    Notes
    -----
    The file holds one packet per frame (MagicYUV or FFV1: lossless, every frame on its own), and is gone after :meth:`close`.
    """

    def __init__(self, folder: str | Path, limit_bytes: int = SPILL_MEMORY_BYTES) -> None:
        self.folder = Path(folder)
        self.limit_bytes = limit_bytes
        self.memory_bytes = 0
        self._frames: dict[int, tuple[av.VideoFrame, int]] = {}
        self._packets: dict[int, tuple[_PacketFile, int, int]] = {}  # index: (file, offset, size)
        self._file: _PacketFile | None = None

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
        """How many frames are in the file.

        Returns
        -------
        int
            Number of frames that are there now.
        """
        return len(self._packets)

    def put(self, index: int, frame: av.VideoFrame) -> None:
        """Keep a frame.

        Parameters
        ----------
        index : int
            The number under which it is asked for.
        frame : av.VideoFrame
            The frame; it must not be changed afterwards.
        """
        size = sum(plane.buffer_size for plane in frame.planes)
        if self.memory_bytes + size <= self.limit_bytes:
            self._frames[index] = (frame, size)
            self.memory_bytes += size
        else:
            self._file = self._file or _PacketFile(self.folder, frame)
            self._packets[index] = (self._file, *self._file.append(frame))

    def get(self, index: int, keep: bool = False) -> av.VideoFrame:
        """Return a frame.

        Parameters
        ----------
        index : int
            The number under which it was put.
        keep : bool, default False
            Whether it will be asked for again; otherwise it is forgotten.

        Returns
        -------
        av.VideoFrame
            The frame; its bits are those that were put.

        Raises
        ------
        VideoError
            When the temporary file was damaged.
        """
        if index in self._frames:
            frame, size = self._frames[index]
            if not keep:
                del self._frames[index]
                self.memory_bytes -= size
            return frame
        file, offset, size = self._packets[index] if keep else self._packets.pop(index)
        return file.read(offset, size)


class _PacketFile:
    """A temporary file of encoded frames, all like the one it is made for, with its encoder and decoder."""

    def __init__(self, folder: Path, frame: av.VideoFrame) -> None:
        # MagicYUV takes a fifth of FFV1's time and two thirds more room, but not every format; it takes that of H.264.
        plain = frame.format.name == "yuv420p" and frame.width % 2 == frame.height % 2 == 0
        self._folder = folder
        self._encoder = _encoder("magicyuv" if plain else "ffv1", frame)
        self._file = tempfile.TemporaryFile(dir=folder, prefix=".frames-")  # noqa: SIM115 (closed in close)
        self._decoder = av.CodecContext.create(self._encoder.name, "r")
        self._decoder.width, self._decoder.height = frame.width, frame.height
        self._decoder.pix_fmt = frame.format.name
        self._decoder.extradata = self._encoder.extradata

    def append(self, frame: av.VideoFrame) -> tuple[int, int]:
        """Write a frame at the end; returns offset and size of its packet, bytes."""
        frame.pts = None
        packets = self._encoder.encode(frame)
        data = b"".join(bytes(packet) for packet in packets)
        if len(packets) != 1:
            raise VideoError(f"{self._encoder.name} gave {len(packets)} packets for one frame: this FFmpeg cannot be used")
        offset = self._file.seek(0, os.SEEK_END)
        self._file.write(data)
        return offset, len(data)

    def read(self, offset: int, size: int) -> av.VideoFrame:
        """The frame of a packet."""
        self._file.seek(offset)
        frames = self._decoder.decode(av.Packet(self._file.read(size)))
        if len(frames) != 1:
            raise VideoError(f"the temporary file in {self._folder} was damaged: check the disk, then run again")
        return frames[0]

    def close(self) -> None:
        """Remove the file."""
        self._file.close()


def _encoder(codec: str, frame: av.VideoFrame) -> av.CodecContext:
    encoder = av.CodecContext.create(codec, "w")
    encoder.width, encoder.height, encoder.pix_fmt = frame.width, frame.height, frame.format.name
    encoder.time_base = Fraction(1, 1000)
    encoder.options = FFV1_OPTIONS if codec == "ffv1" else {"pred": "gradient"}
    encoder.open()
    return encoder
