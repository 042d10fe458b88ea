"""The sample aspect ratio in the header of a Matroska file, where FFmpeg leaves it out."""

import re
import warnings
import zlib
from fractions import Fraction
from pathlib import Path

_TRACKS, _CLUSTER = b"\x16\x54\xae\x6b", b"\x1f\x43\xb6\x75"  # names of Matroska's elements
_HEADER_BYTES = 2**16  # the description of the tracks is looked for in so many bytes
_SIZE_END = 2**16  # px: width and height must be less, to fit two bytes
# CRC, ..., Video(size, PixelWidth..., DisplayUnit = unknown, colour), MaxBlockAdditionID, Void of 11 bytes, ...
_LAYOUT = re.compile(
    rb"\xbf\x84.{4}(?P<before>.*)\xe0[\x80-\xf0](?P<video>\xb0[\x81\x82].*)\x54\xb2\x81\x04"
    rb"(?P<colour>.*)(?P<between>\x55\xee\x81\x00)\xec\x01\0{6}\x02\0\0(?P<after>.*)",
    re.DOTALL,
)


def set_aspect(path: Path, width: int, height: int, aspect: Fraction) -> None:
    """Write the sample aspect ratio into the header of a finished ``.mkv``.

    Parameters
    ----------
    path : Path
        The file; it is changed in place.
    width, height : int
        Size of its frames, px.
    aspect : Fraction
        Width over height of a pixel.

    Warns
    -----
    UserWarning
        When the header is not laid out as expected. The file then stays as it is: the pictures are right, some players show
        them with square pixels.

    Notes
    -----
    The aspect is stored as a display size in whole px, as FFmpeg does.
    """
    with path.open("r+b") as file:
        head = file.read(_HEADER_BYTES)
        start = head.rfind(_TRACKS, 0, head.find(_CLUSTER))
        digits = 9 - head[start + 4].bit_length()  # of the size that follows the name
        body = start + 4 + digits
        size = int.from_bytes(head[start + 4 : body], "big") & ((1 << 7 * digits) - 1)
        found = _LAYOUT.fullmatch(head[body : body + size]) if start >= 0 else None
        wide = round(width * aspect)
        if found is None or not 0 < wide < _SIZE_END or height >= _SIZE_END:
            warnings.warn(f"{path}: the pixel aspect {aspect} is not in the header; set it in the player", stacklevel=2)
            return
        display = b"\x54\xb0\x82" + wide.to_bytes(2, "big") + b"\x54\xba\x82" + height.to_bytes(2, "big")
        video = found["video"] + display + found["colour"]
        new = found["before"] + b"\xe0" + bytes([0x80 | len(video)]) + video
        new += found["between"] + b"\xec\x83\0\0\0" + found["after"]  # what is left of the room
        file.seek(body)
        file.write(b"\xbf\x84" + zlib.crc32(new).to_bytes(4, "little") + new)
