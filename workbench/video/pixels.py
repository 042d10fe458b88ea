"""The pixels of a picture file: what its header says of them, and the array that a frame is made of."""

import struct
import zlib
from contextlib import suppress
from dataclasses import dataclass
from typing import BinaryIO

import cv2
import numpy as np
from PIL import Image, ImageOps

_GREY = ("1", "L")
_DEEP_GREY = ("I;16", "I;16L", "I;16B", "I;16N", "I")  # "I" is what Pillow makes of PGM files of 16 bits
_COLOUR = ("P", "RGB", "RGBX", "CMYK", "YCbCr", "HSV")
_ALPHA = ("LA", "La", "PA", "RGBA", "RGBa")
# What Pillow raises for damaged files, and OpenCV.
DAMAGE = (OSError, EOFError, SyntaxError, ValueError, TypeError, IndexError, KeyError, struct.error, zlib.error, cv2.error)
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
        None when they are of a kind that has no counterpart in a video, such as floating-point numbers.
    """
    if image.mode in _DEEP_GREY:
        return PixelForm(deep=True)
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
        stream.seek(0)
        array = cv2.imdecode(np.frombuffer(stream.read(), np.uint8), cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION)
        if array is None:
            raise OSError("the picture is damaged")
        if array.ndim == 3:
            array = cv2.cvtColor(array, cv2.COLOR_BGRA2RGBA if array.shape[2] == 4 else cv2.COLOR_BGR2RGB)
        return _in_form(array, form)
    image.load()
    image = ImageOps.exif_transpose(image)
    if image.mode in _DEEP_GREY:
        return _in_form(np.asarray(image).clip(0, _DEEPEST).astype(np.uint16), form)
    return _in_form(np.asarray(image.convert("RGBA" if form.alpha else "RGB" if form.colour else "L")), form)


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
