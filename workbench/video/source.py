"""Open whatever a person gave: a video, a folder of pictures, a pattern, a list, an archive, or several files."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from PIL import Image

from workbench.errors import VideoError
from workbench.video.archive import Archive, is_archive
from workbench.video.base import Given, Source
from workbench.video.decode import Decoder
from workbench.video.inputs import LISTS, Listing, find_files, shown
from workbench.video.joined import JoinedVideos
from workbench.video.pictures import PictureFile, Pictures
from workbench.video.pixels import DAMAGE

_PICTURE_STACKS = ("TIFF", "WEBP")  # single files of several pictures that FFmpeg cannot decode


def open_source(given: Given, stream: int = -1) -> Source:
    """Open what a person gave, so that its frames can be read.

    Parameters
    ----------
    given : str, Path, or sequence of these
        One path or several, as :attr:`workbench.run.record.RecordedRun.inputs` has them.
    stream : int
        The stream to read of one video, as for :class:`~workbench.video.decode.Decoder`.

    Returns
    -------
    Source
        What yields the frames, to be used as a context manager. Its ``names`` are the files of the frames, and its ``original``
        reads the file of one.

    Raises
    ------
    VideoError
        When there is nothing that can be read, videos and pictures are mixed, or a stream is chosen of anything but one video.
    """
    found = find_files(given)
    is_video = isinstance(found, Path) and not is_archive(found) and not _is_picture_stack(found)
    if stream != -1 and not is_video:
        raise VideoError(f"--video.stream {stream} is for one video file, which {shown(given)} is not: leave it out")
    if isinstance(found, Listing):
        return _open_listing(found)
    if is_archive(found):
        archive = Archive(found)
        return _with_pictures(Pictures(archive.files, str(found), archive.notes, archive.close))
    if _is_picture_stack(found):
        return _with_pictures(Pictures([PictureFile(found.name, _opener(found))], str(found)))
    return Decoder(found, stream)


def _open_listing(found: Listing) -> Source:
    files = [PictureFile(name, _opener(file)) for name, file in zip(found.names, found.files, strict=True)]
    pictures = Pictures(files, found.label, found.notes)
    rejected = {file.name for file in pictures.rejected}
    others = [file for name, file in zip(found.names, found.files, strict=True) if name in rejected]
    for file in others if found.named else ():
        kind = "an archive" if is_archive(file) else "a text list" if file.suffix.lower() in LISTS else ""
        if kind:
            raise VideoError(f"{file} is {kind}, and not a picture or a video: give it alone, not as one of several files")
    if pictures.names:
        videos = [file for file in others if found.named and _is_video(file)]
        if videos:
            raise VideoError(f"{videos[0]} is a video, and there are pictures beside it: give either videos or pictures")
        return pictures
    if not found.named:
        videos = [file for file in others if _is_video(file)]
        if videos:
            raise VideoError(f"{found.label} has videos and no pictures ({videos[0].name}): give the videos themselves")
        return _with_pictures(pictures)
    return JoinedVideos(found.files, found.names, found.label, found.notes)


def _with_pictures(pictures: Pictures) -> Pictures:
    """Pictures that there are; without any, the reason is raised."""
    if not pictures.names:
        pictures.close()
        pictures.info()  # raises
    return pictures


def _opener(path: Path) -> Callable[[], BinaryIO]:
    return lambda: path.open("rb")


def _is_video(path: Path) -> bool:
    try:
        Decoder(path).close()
    except VideoError:
        return False
    return True


def _is_picture_stack(path: Path) -> bool:
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(path, formats=_PICTURE_STACKS):
            return True
    except Image.DecompressionBombError:
        return True  # the error then says what the limit is
    except DAMAGE:
        return False
