"""What everything that frames can be read from has in common: a video file, pictures, several videos."""

import re
from abc import ABC, abstractmethod
from collections.abc import Generator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Self, TypeAlias

import av

from workbench.errors import VideoError
from workbench.video.info import VideoInfo
from workbench.video.table import TableBuilder

# What a person gives: one path (a video, a folder of pictures, a pattern, a list, an archive), or several paths.
Given: TypeAlias = str | Path | Sequence[str | Path]
LISTED_NAMES = 5  # names that a message lists


def listed(names: Sequence[str]) -> str:
    """List the first few of some names for a message.

    Parameters
    ----------
    names : sequence of str
        The names.

    Returns
    -------
    str
        Such as ``a.png, b.png and 3 more``.
    """
    more = f" and {len(names) - LISTED_NAMES:,} more" if len(names) > LISTED_NAMES else ""
    return ", ".join(names[:LISTED_NAMES]) + more


def safe_name(name: str) -> str:
    """Make a file name fit for tables and messages, and for a file below a folder.

    Parameters
    ----------
    name : str
        A name as a disk or an archive has it, with whatever is in it.

    Returns
    -------
    str
        Parts separated by ``/``; none leads upwards or to another place, and what cannot be printed is escaped.
    """
    return printable("/".join(part for part in re.split(r"[/\\\\]", name) if part not in ("", ".", "..")))


def printable(text: str) -> str:
    """Escape what cannot be printed.

    Parameters
    ----------
    text : str
        Any text, also a file name that is not UTF-8.

    Returns
    -------
    str
        The text in one line.
    """
    text = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


class Source(ABC):
    """Something opened from which frames are read, in one pass. Use it as a context manager.

    Attributes
    ----------
    names : list of str
        File of every frame, by position; empty for one video, whose frames have no files of their own. Of several videos,
        those of the frames that were decoded so far.
    table : TableBuilder
        The rows of the frames that :func:`~workbench.video.decode.decode` has yielded.
    """

    names: list[str]
    table: TableBuilder

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    @abstractmethod
    def frame_rate(self) -> Fraction:  # numpydoc ignore=RT01
        """Average frame rate, frames per second."""

    @property
    @abstractmethod
    def aspect(self) -> Fraction:  # numpydoc ignore=RT01
        """Sample aspect ratio of the upright frames; right once a frame was decoded."""

    @property
    @abstractmethod
    def expected_frames(self) -> int:  # numpydoc ignore=RT01
        """How many frames there should be; 0 when that is not known before they are decoded."""

    @abstractmethod
    def frames(self) -> Generator[av.VideoFrame, None, None]:
        """Decode everything, once.

        Yields
        ------
        av.VideoFrame
            Upright frames, all of one size and pixel format.
        """

    @abstractmethod
    def info(self) -> VideoInfo:
        """Collect what is known; complete when every frame was decoded.

        Returns
        -------
        VideoInfo
            What the files state, and what was found while decoding.

        Raises
        ------
        VideoError
            When no frame was decoded.
        """

    @abstractmethod
    def close(self) -> None:
        """Close all files."""

    def original(self, position: int) -> bytes:
        """Read the picture file that a frame came from, as it is.

        Parameters
        ----------
        position : int
            0-based position of the frame.

        Returns
        -------
        bytes
            Content of the file, from the disk or from the archive that it is in.

        Raises
        ------
        VideoError
            When the frame has no file of its own, as in a video.
        """
        raise VideoError(
            f"frame {position} comes from a video and has no picture file of its own: write the frames as new pictures"
        )
