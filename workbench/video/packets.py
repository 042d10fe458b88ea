"""The books of decoding: packets in, frames out, and what became of those packets that gave no frame."""

import av

# Codecs of which every packet that is to be shown gives one frame. Others repeat a frame by an empty or a tiny packet.
_FRAME_PER_PACKET = (
    *(
        "mpeg1video",
        "mpeg2video",
        "h264",
        "hevc",
        "vvc",
        "vp8",
        "vp9",
        "av1",
        "libdav1d",
        "mjpeg",
        "jpeg2000",
        "png",
        "apng",
        "gif",
    ),
    *("ffv1", "huffyuv", "ffvhuff", "utvideo", "prores", "dnxhd", "dvvideo", "rawvideo"),
)


class PacketCounts:
    """Count packets and frames while a stream is decoded.

    Parameters
    ----------
    codec : str
        FFmpeg's name of the decoder.

    Attributes
    ----------
    read : int
        Packets that were read.
    hidden : int
        Packets of frames that an edit list hides: decoded where others need them, never shown.
    failed : int
        Packets that gave an error.
    """

    def __init__(self, codec: str) -> None:
        self.read = self.hidden = self.failed = 0
        self._codec = codec
        self._shown = self._frames = self._fields = 0
        self._first: int | None = None
        self._stamps: list[int | None] = []  # of the packets to be shown, until the first frame comes
        self._early = 0  # packets of frames before the first frame that came

    def add_packet(self, packet: av.Packet) -> None:
        """Count a packet that is given to the decoder.

        Parameters
        ----------
        packet : av.Packet
            A packet of the file, not the empty one that drains the decoder.
        """
        self.read += 1
        if packet.is_discard:
            self.hidden += 1
        elif packet.size and not (self._codec == "vp8" and _is_hidden_vp8(packet)):
            self._shown += 1
            if self._first is None:
                self._stamps.append(packet.pts)
            else:
                self._early += _is_before(packet.pts, self._first)

    def add_error(self, packet: av.Packet) -> None:
        """Count a packet that gave an error, after it was counted as one that is given to the decoder.

        Parameters
        ----------
        packet : av.Packet
            The packet, or the empty one that drains the decoder.
        """
        self.failed += 1
        if packet.is_discard or not packet.size:
            return
        self._shown -= 1
        if self._first is None and self._stamps:
            self._stamps.pop()

    def add_frame(self, frame: av.VideoFrame) -> None:
        """Count a frame that came out of the decoder.

        Parameters
        ----------
        frame : av.VideoFrame
            The frame.
        """
        self._frames += 1
        self._fields += frame.interlaced_frame
        if self._first is None and frame.pts is not None:
            self._first = frame.pts
            self._early = sum(_is_before(stamp, frame.pts) for stamp in self._stamps)
            self._stamps.clear()

    @property
    def undecoded(self) -> int:
        """How many packets could not be decoded.

        Returns
        -------
        int
            Those that gave an error, and those whose frame never came though it was to be shown: at a cut in an open group of
            pictures, the frames before the first key frame need others that are gone. Two packets may hold the two fields of
            one frame.
        """
        silent = self._shown - self._early - self._frames - self._fields if self._codec in _FRAME_PER_PACKET else 0
        return self.failed + self._early + max(0, silent)


def _is_before(stamp: int | None, first: int) -> bool:
    return stamp is not None and stamp < first


def _is_hidden_vp8(packet: av.Packet) -> bool:
    """Whether a VP8 packet only holds a frame that others are predicted from: the flag `show_frame` of its head (RFC 6386)."""
    return not memoryview(packet)[0] & 0x10
