"""The pixels of a picture file: what its header says of them, and the array that a frame is made of."""

import struct
import zlib
from contextlib import suppress
from dataclasses import dataclass
from typing import BinaryIO

import av
import numpy as np
from PIL import ExifTags, Image, ImageOps

from workbench.limits import FRAME_PIXELS

_GREY = ("1", "L")
_DEEP_GREY = ("I;16", "I;16L", "I;16B", "I;16N", "I")  # "I" is what Pillow makes of PGM files of 16 bits
_COLOUR = ("P", "RGB", "RGBX", "CMYK", "YCbCr", "HSV")
_ALPHA = ("LA", "La", "PA", "RGBA", "RGBa")
# What Pillow raises for damaged files, and FFmpeg.
DAMAGE = (
    OSError, EOFError, SyntaxError, ValueError, TypeError, LookupError, struct.error, zlib.error, av.FFmpegError
)  # fmt: skip
EXCHANGED = 5  # from this orientation on, width and height are exchanged
_DEEPEST = 65535  # of 16 bits, in the header of a PPM file


@dataclass(frozen=True, order=True)
class PixelForm:
    """What a pixel holds.

    Attributes
    ----------
    colour : bool
        Red, green and blue; else grey alone.
    alpha : bool
        How opaque it is. Only together with colour.
    deep : bool
        16 bits per value; else 8.
    """

    colour: bool = False
    alpha: bool = False
    deep: bool = False

    def __or__(self, other: "PixelForm") -> "PixelForm":
        """Give the form that holds all that either form holds."""
        return PixelForm(self.colour | other.colour, self.alpha | other.alpha, self.deep | other.deep)

    @property
    def pixel_format(self) -> str:  # numpydoc ignore=RT01
        """FFmpeg's name of the format."""
        if self.alpha:
            return "rgba64le" if self.deep else "rgba"
        if self.colour:
            return "rgb48le" if self.deep else "rgb24"
        return "gray16le" if self.deep else "gray"


def form_of(image: Image.Image) -> PixelForm | None:
    """Tell what the pixels of an opened picture hold; only its header is needed.

    Parameters
    ----------
    image : Image
        The picture.

    Returns
    -------
    PixelForm or None
        None when they are of a kind that has no counterpart in a video, such as numbers of 32 bits.
    """
    if image.mode in _DEEP_GREY:
        # In other files than those of 16 bits, this mode holds whole numbers of 32 bits.
        return None if image.mode == "I" and image.format == "TIFF" else PixelForm(deep=True)
    if image.mode in _ALPHA or (image.mode in (*_GREY, *_COLOUR) and "transparency" in image.info):
        return PixelForm(colour=True, alpha=True, deep=_is_deep_colour(image))
    if image.mode in _COLOUR:
        return PixelForm(colour=True, deep=_is_deep_colour(image))
    return PixelForm() if image.mode in _GREY else None


def _is_deep_colour(image: Image.Image) -> bool:
    """Whether the file has 16 bits per colour, of which Pillow keeps 8."""
    for tile in getattr(image, "tile", ()):
        codec, args = tile[0], tile[3]
        raw, *more = (args,) if isinstance(args, str) else args or ("",)
        if "16" in str(raw) or (codec == "ppm" and more == [_DEEPEST] and raw != "L"):
            return True
    return False


def read_pixels(image: Image.Image, stream: BinaryIO, form: PixelForm) -> np.ndarray:
    """Decode an opened picture and turn it upright, as its EXIF data say.

    Parameters
    ----------
    image : Image
        The picture, not decoded yet.
    stream : file
        The file it was opened from.
    form : PixelForm
        What the pixels are to hold.

    Returns
    -------
    (H, W) or (H, W, 3) or (H, W, 4) array
        uint8 or uint16, as :attr:`PixelForm.pixel_format` has them.

    Raises
    ------
    OSError, EOFError, SyntaxError, ValueError, struct.error, and others of DAMAGE
        For a damaged file; see :func:`salvage`.
    """
    if _is_deep_colour(image) and not getattr(image, "is_animated", False):
        stored, own = orientation(image), form_of(image)
        stream.seek(0)
        decoder = av.CodecContext.create(str(image.format).lower(), "r")  # PNG, TIFF or PPM
        decoder.options = {"max_pixels": str(FRAME_PIXELS)}
        packet = av.Packet(stream.read())
        frames = [*decoder.decode(packet), *decoder.decode(None)]
        if not frames or own is None:
            raise OSError("the picture is damaged")
        return _in_form(_upright(frames[0].to_ndarray(format=own.pixel_format), stored), form)
    image.load()
    image = ImageOps.exif_transpose(image)
    if image.mode in _DEEP_GREY:
        return _in_form(np.asarray(image).clip(0, _DEEPEST).astype(np.uint16), form)
    return _in_form(np.asarray(image.convert("RGBA" if form.alpha else "RGB" if form.colour else "L")), form)


def orientation(image: Image.Image) -> int:
    """Tell how an opened picture, not decoded yet, is stored.

    Parameters
    ----------
    image : Image
        The picture.

    Returns
    -------
    int
        EXIF's number, 1 (upright) to 8; from 5 on, width and height are exchanged.
    """
    # Image.getexif rather than that of PNG, which decodes the whole picture to look for EXIF data behind it.
    tags = image.tag_v2 if image.format == "TIFF" else Image.Image.getexif(image)  # type: ignore[attr-defined] # only of TIFF
    found = tags.get(ExifTags.Base.Orientation, 1)
    return found if found in range(1, 9) else 1


def _upright(array: np.ndarray, stored: int) -> np.ndarray:
    """A picture turned as EXIF's number says."""
    if stored >= EXCHANGED:
        array = array.swapaxes(0, 1)
    if stored in (2, 3, 6, 7):
        array = array[:, ::-1]
    return array[::-1] if stored in (3, 4, 7, 8) else array


def salvage(image: Image.Image, form: PixelForm) -> np.ndarray:
    """Give what was decoded of a damaged picture until the decoder failed.

    Parameters
    ----------
    image : Image
        The picture, of which :func:`read_pixels` failed.
    form : PixelForm
        What the pixels are to hold.

    Returns
    -------
    (H, W) or (H, W, 3) or (H, W, 4) array
        As of :func:`read_pixels`; black where nothing was decoded.
    """
    with suppress(*DAMAGE):  # of a picture of 16 bits per colour, Pillow has decoded nothing yet
        image.load()
    image.tile = []  # type: ignore[attr-defined] # nothing more to decode: Pillow then gives what there is
    mode = "RGBA" if form.alpha else "RGB" if form.colour else "L"
    try:
        found = ImageOps.exif_transpose(image).convert(mode)
    except DAMAGE:
        found = Image.new("RGB", image.size).convert(mode)
    return _in_form(np.asarray(found), form)


def _in_form(array: np.ndarray, form: PixelForm) -> np.ndarray:
    """An array that holds no more than ``form``, with what it lacks: bits, colours, opacity."""
    if form.deep and array.dtype == np.uint8:
        array = array.astype(np.uint16) * 257
    if form.colour and array.ndim == 2:
        array = np.repeat(array[..., None], 3, axis=2)
    if form.alpha and array.shape[2] == 3:
        array = np.dstack([array, np.full(array.shape[:2], np.iinfo(array.dtype).max, array.dtype)])
    return np.ascontiguousarray(array)
