"""Chapters of a written video, by which players jump from one scene to the next."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from av.container import OutputContainer

_UNIT = Fraction(1, 1000)


@dataclass(frozen=True)
class Chapter:
    """A stretch of a video.

    Attributes
    ----------
    title : str
        What players show.
    seconds : Fraction or float
        How long it lasts, s.
    """

    title: str
    seconds: Fraction | float


def scene_chapters(counts: Sequence[int], seconds: Sequence[Fraction | float]) -> list[Chapter]:
    """Make the chapters of a video of all scenes, one behind the other.

    Parameters
    ----------
    counts : sequence of int
        How many frames every scene has.
    seconds : sequence of Fraction or float
        How long every scene lasts, s.

    Returns
    -------
    list of Chapter
        One per scene, with its number and the number of its frames as title.
    """
    titles = [f"Scene {number} ({count} frame{'s' * (count != 1)})" for number, count in enumerate(counts)]
    return [Chapter(title, length) for title, length in zip(titles, seconds, strict=True)]


def set_chapters(container: OutputContainer, chapters: Sequence[Chapter]) -> None:
    """Give a video its chapters.

    Parameters
    ----------
    container : OutputContainer
        The open file, before the first packet is in it.
    chapters : sequence of Chapter
        The chapters in their order; the first begins at 0, and each ends where the next begins.
    """
    ends = [Fraction(0)]
    for chapter in chapters:
        ends.append(ends[-1] + Fraction(chapter.seconds))
    container.set_chapters(
        [
            {
                "id": number,
                "start": round(start / _UNIT),
                "end": round(end / _UNIT),
                "time_base": _UNIT,
                "metadata": {"title": chapter.title},
            }
            for number, (chapter, start, end) in enumerate(zip(chapters, ends[:-1], ends[1:], strict=True))
        ]
    )
