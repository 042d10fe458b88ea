"""Read frames from picture files: each file a frame, or each page of a file that has several."""

import warnings
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from functools import reduce
from itertools import accumulate, groupby
from operator import or_
from typing import BinaryIO

import av
from PIL import Image

from workbench.errors import VideoError
from workbench.limits import FRAME_PIXELS
from workbench.video.base import Source, listed
from workbench.video.conform import conformed
from workbench.video.info import VideoInfo
from workbench.video.pixels import DAMAGE, EXCHANGED, PixelForm, form_of, orientation, read_pixels, salvage
from workbench.video.table import TableBuilder
from workbench.video.times import varies

# The formats Pillow may recognise a file as; of JPEG, it recognises MPO too.
FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
PICTURE_RATE = Fraction(25)  # frames per second: pictures have none of their own
_REDUCED = 254  # TIFF's tag of pages that are small copies of others: bit 0
_TICK = Fraction(1, 1000)  # s, in which animated pictures give durations


@dataclass(frozen=True)
class PictureFile:
    """A file that may be a picture, on the disk or in an archive.

    Attributes
    ----------
    name : str
        Its name in tables and messages.
    open : callable
        Opens it for reading, from its beginning.
    """

    name: str
    open: Callable[[], BinaryIO]


@dataclass(frozen=True)
class _Page:
    """A picture as its header describes it."""

    file: PictureFile
    number: int  # 0-based page of its file
    name: str
    size: tuple[int, int]  # width and height when upright, px
    form: PixelForm
    kind: str  # Pillow's name of the format
    mode: str  # Pillow's name of the kind of pixels
    is_srgb: bool  # has no colour profile, or that of sRGB


class Pictures(Source):
    """Picture files opened for decoding. Frames come upright and all in one size and pixel format, decoded one at a time.

    The size is the most common one; others are scaled to fit, with bars. The pixel format holds what any of the pictures has:
    colour, alpha, 16 bits.

    Parameters
    ----------
    files : sequence of PictureFile
        The files, in the order of the frames.
    label : str
        What they are called together, for messages.
    notes : sequence of str
        What is to be said of how the files were found.
    close : callable, optional
        Closes what the files are in.

    Attributes
    ----------
    rejected : list of PictureFile
        The files that give no frame; a note says why.
    damaged : list of str
        Names of the frames so far that were decoded with errors.
    """

    def __init__(
        self, files: Sequence[PictureFile], label: str, notes: Sequence[str] = (), close: Callable[[], None] | None = None
    ) -> None:
        self.label = label
        self._close = close
        self.table = TableBuilder()
        self.rejected: list[PictureFile] = []
        self.damaged: list[str] = []
        self._notes = list(notes)
        self._pages: list[_Page] = []
        self._reasons: dict[str, list[str]] = {}
        with warnings.catch_warnings(action="ignore"):  # of damaged metadata, which no frame needs
            for file in files:
                found = self._pages_of(file)
                self._pages += found
                if not found:
                    self.rejected.append(file)
        self._left_out = [f"{_files(names)} left out, {reason}: {listed(names)}" for reason, names in self._reasons.items()]
        self._notes += self._left_out
        self.names = [page.name for page in self._pages]
        self._durations = _durations(files[0]) if len(files) == 1 and len(self._pages) > 1 else []
        sizes = Counter(page.size for page in self._pages)
        self.size = max(sizes, key=lambda size: (sizes[size], size[0] * size[1], size), default=(0, 0))
        self.form = reduce(or_, (page.form for page in self._pages), PixelForm())
        self._describe(len(self._pages) - sizes[self.size])

    def _pages_of(self, file: PictureFile) -> list[_Page]:
        """The pictures in a file; none when it cannot be read, and the reason is kept."""
        pages = []
        try:
            with _opened(file) as (image, _):
                # The second picture of an MPO file is a copy for another purpose: a depth map, a preview.
                count = getattr(image, "n_frames", 1) if image.format != "MPO" else 1
                for number in range(count):
                    if count > 1 and image.format == "TIFF":  # the only format whose pages may differ
                        image.seek(number)
                        if image.tag_v2.get(_REDUCED, 0) & 1:  # type: ignore[attr-defined] # only of TIFF
                            self._reject(f"{file.name}#{number}", "small copies of other pages")
                            continue
                    width, height = image.size
                    if image.format != "TIFF" and orientation(image) >= EXCHANGED:
                        width, height = height, width  # of TIFF, Pillow gives the upright size
                    name = f"{file.name}#{number}" if count > 1 else file.name
                    form = form_of(image)
                    if width * height > FRAME_PIXELS:
                        self._reject(name, f"more than {FRAME_PIXELS:,} px")
                    elif form is None:
                        self._reject(name, "a kind of pixels that no video has (save them with 16 bits or 8)")
                    else:
                        profile = image.info.get("icc_profile") or b"sRGB"
                        pages.append(
                            _Page(file, number, name, (width, height), form, str(image.format), image.mode, b"sRGB" in profile)
                        )
        except Image.DecompressionBombError:
            self._reject(file.name, f"more than {FRAME_PIXELS:,} px")
        except DAMAGE:
            self._reject(file.name, "no pictures that can be read")
        return pages

    def _reject(self, name: str, reason: str) -> None:
        self._reasons.setdefault(reason, []).append(name)

    def _describe(self, resized: int) -> None:
        """Note what the size and the pixel format of the frames cost."""
        count = len(self._pages)
        if resized:
            self._notes.append(
                f"{resized} of {count} pictures are not {self.size[0]} x {self.size[1]} px, the most common size: they were "
                "scaled to fit into it, with black bars"
            )
        if not self._durations:
            self._notes.append(f"pictures have no frame rate: {PICTURE_RATE} frames per second is used")
        if any(page.mode == "CMYK" for page in self._pages):
            self._notes.append("there are pictures in CMYK: they were converted to RGB without their colour profiles")
        elif not all(page.is_srgb for page in self._pages):
            self._notes.append("there are pictures with a colour profile other than sRGB: the profile was dropped")
        if any(page.kind == "AVIF" for page in self._pages):
            self._notes.append("there are pictures in AVIF: they were read with 8 bits per colour, also where they have more")
        if self.form.deep and any(page.number and page.form.colour and page.form.deep for page in self._pages):
            self._notes.append("pages with 16 bits per colour, in one file, were read with 8")

    @property
    def frame_rate(self) -> Fraction:  # numpydoc ignore=RT01
        """Average frame rate, frames per second; 25 where the pictures have no durations."""
        total = sum(self._durations)
        return Fraction(len(self._durations) / (total * _TICK)).limit_denominator(1001) if total else PICTURE_RATE

    @property
    def aspect(self) -> Fraction:  # numpydoc ignore=RT01
        """Sample aspect ratio: 1."""
        return Fraction(1)

    @property
    def expected_frames(self) -> int:  # numpydoc ignore=RT01
        """Number of pictures."""
        return len(self._pages)

    def frames(self) -> Generator[av.VideoFrame, None, None]:
        """Decode the pictures, one at a time.

        Yields
        ------
        av.VideoFrame
            Upright frames; of a damaged picture, what could be decoded.
        """
        times = [0, *accumulate(self._durations)]
        index = 0
        for _, pages in groupby(self._pages, key=lambda page: id(page.file)):
            own = list(pages)
            with _opened(own[0].file) as (image, stream):
                for page in own:
                    frame = self._decoded(page, image, stream)
                    frame.key_frame = True
                    frame.time_base = _TICK if self._durations else 1 / PICTURE_RATE
                    frame.pts = times[index] if self._durations else index
                    index += 1
                    yield frame

    def _decoded(self, page: _Page, image: Image.Image, stream: BinaryIO) -> av.VideoFrame:
        """A picture in the common size and format; what is left of it when it is damaged."""
        try:
            if page.number:
                image.seek(page.number)
            array = read_pixels(image, stream, self.form)
        except DAMAGE:
            self.damaged.append(page.name)
            array = salvage(image, self.form)
        name = self.form.pixel_format
        try:
            return conformed(av.VideoFrame.from_ndarray(array, format=name), *self.size, name)
        except av.FFmpegError:  # a side that a damaged header claims is too long to be scaled so much
            self.damaged += [page.name] * (page.name not in self.damaged)
            return av.VideoFrame.from_ndarray(salvage(Image.new("RGB", self.size), self.form), format=name)

    def info(self) -> VideoInfo:
        """Collect what is known about the pictures; complete when all were decoded.

        Returns
        -------
        VideoInfo
            What the headers say, and what was found while decoding.

        Raises
        ------
        VideoError
            When there is no picture.
        """
        if not self._pages:
            found = "; ".join([f"{self.label} has no picture that can be read", *self._left_out])
            raise VideoError(f"{found}; give pictures ({', '.join(FORMATS)})")
        times = self.table.table(self.frame_rate).time_s
        damaged = [f"decoded with errors: {listed(self.damaged)}"] if self.damaged else []
        return VideoInfo(
            width=self.size[0], height=self.size[1], frame_rate=self.frame_rate, stated_frame_rate=self.frame_rate,
            aspect=self.aspect, rotation=0, stream=0, streams=(), has_choice=False, missing_packets=0, hidden_frames=0,
            sizes=tuple((*size, count) for size, count in Counter(page.size for page in self._pages).items()), clock_jumps=0,
            pixel_format=self.form.pixel_format, color_range=0, color_space=2, color_primaries=2, color_trc=2,
            codec=", ".join(sorted({page.kind.lower() for page in self._pages})), declared_frames=len(self._pages),
            declared_seconds=0.0, frames=len(times), seconds=len(times) / float(self.frame_rate), damaged_packets=0,
            corrupt_frames=len(self.damaged), resized_frames=0, variable_frame_rate=varies(times, self.table.tick),
            notes=(*self._notes, *damaged),
        )  # fmt: skip

    def close(self) -> None:
        """Close what the files are in; a file itself is open only while it is decoded."""
        if self._close:
            self._close()

    def original(self, position: int) -> bytes:
        """Read the file of a picture, as it is.

        Parameters
        ----------
        position : int
            0-based position of the frame.

        Returns
        -------
        bytes
            Content of the file.

        Raises
        ------
        VideoError
            When there is no such position, or the picture is one of several in its file.
        """
        if not 0 <= position < len(self._pages):
            raise VideoError(f"position {position} is not in {self.label}, which has {len(self._pages)} pictures")
        page = self._pages[position]
        if page.name != page.file.name:
            raise VideoError(f"{page.name} is one of several pictures in a file, which cannot be copied: use write.images=png")
        with page.file.open() as stream:
            return stream.read()


@contextmanager
def _opened(file: PictureFile) -> Iterator[tuple[Image.Image, BinaryIO]]:
    """A picture, of which the header is read, and its file."""
    with file.open() as stream, Image.open(stream, formats=FORMATS) as image:
        yield image, stream


def _durations(file: PictureFile) -> list[int]:
    """How long every picture of an animation is shown, ms; empty when the file does not say it."""
    durations = []
    with _opened(file) as (image, _):
        if image.format == "TIFF":
            return []
        for number in range(getattr(image, "n_frames", 1)):
            image.seek(number)
            try:
                image.load()  # WebP tells the duration of a picture only then
            except DAMAGE:
                return []
            durations.append(round(image.info.get("duration", 0)))
    return durations if sum(durations) else []


def _files(names: Sequence[str]) -> str:
    return "1 file was" if len(names) == 1 else f"{len(names)} files were"
