"""Lists that play a source in another order without copying it: OpenTimelineIO, CMX 3600 and ffmpeg's concat list.

Frames that follow each other in the source and in the restored order are one cut, played forward. Any other frame is a cut of
its own: what the source has backwards becomes single frames, which every editor plays, rather than a clip at speed -1.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import opentimelineio as otio

# ffmpeg rounds times to ticks of the file: a cut that lies this share of a frame before its first frame cannot miss it.
_CUT_BEFORE_FRAME = 0.25
_PLAY = (
    "ffmpeg -copyts -f concat -safe 0 -segment_time_metadata 1 -i reconstructed.ffconcat "
    "-an -vf select=concatdec_select OUT.mp4"
)


@dataclass(frozen=True)
class Cut:
    """A stretch of a file that is played forward.

    Attributes
    ----------
    file : Path
        A video, or one picture.
    scene : int
        Number of the scene, from 0.
    start, end : float
        Its first frame and the one behind its last, counted from 0 at the first frame of the file. Where the frame rate varies
        they are times in units of an average frame, not whole numbers.
    start_s, end_s : float
        Times of the same two frames by the clock of the file, s.
    length : float
        Frames of the whole file; 1 for a picture.
    """

    file: Path
    scene: int
    start: float
    end: float
    start_s: float
    end_s: float
    length: float


def find_cuts(
    files: Sequence[Path], orders: Sequence[Sequence[int]], times: np.ndarray, rate: Fraction, variable: bool
) -> list[Cut]:
    """Find the cuts that play frames in their restored order.

    Parameters
    ----------
    files : sequence of Path
        The file of every frame, by position: the same for the frames of a video, another for every picture. Frames of one file
        follow each other.
    orders : sequence of sequences of int
        For every scene, the 0-based positions of its frames in restored order.
    times : (N,) float array
        Times of all frames by the clocks of their files, s, by position.
    rate : Fraction
        Frames per second, on average.
    variable : bool
        Whether the frame rate varies; frames are then found by their times, if these rise from frame to frame.

    Returns
    -------
    list of Cut
        The cuts, scene by scene, in the order in which they are played.
    """
    number = np.cumsum([0, *(file != before for before, file in pairwise(files))])  # of the file
    spans = np.empty((len(files), 5))  # start, end, start_s, end_s and length, as of a cut of every single frame
    for own in np.split(np.arange(len(files)), np.flatnonzero(np.diff(number)) + 1):
        step = shortest_step(times[own], rate)
        bounds_s = np.append(times[own], times[own[-1]] + max(float(1 / rate), step))  # stated rates may be far too high
        bounds = (bounds_s - bounds_s[0]) * float(rate) if variable and step > 0 else np.arange(len(own) + 1.0)
        spans[own] = np.column_stack([bounds[:-1], bounds[1:], bounds_s[:-1], bounds_s[1:], np.full(len(own), bounds[-1])])
    cuts = []
    for scene, order in enumerate(orders):
        positions = np.asarray(order)
        breaks = (np.diff(positions) != 1) | (np.diff(number[positions]) != 0)
        for run in np.split(positions, np.flatnonzero(breaks) + 1):
            first, last = spans[run[0]].tolist(), spans[run[-1]].tolist()
            cuts.append(Cut(files[run[0]], scene, first[0], last[1], first[2], last[3], first[4]))
    return cuts


def shortest_step(times: np.ndarray, rate: Fraction) -> float:
    """Find the shortest time between two frames that follow each other.

    Parameters
    ----------
    times : (N,) float array
        Times of the frames, s, by position.
    rate : Fraction
        Frames per second, on average.

    Returns
    -------
    float
        Seconds; 0 or less where times do not rise, so that they do not tell frames apart.
    """
    return float(np.diff(times).min()) if len(times) > 1 else float(1 / rate)


def timeline(name: str, cuts: Sequence[Cut], rate: Fraction, foreign: Sequence[int], note: str = "") -> str:
    """Write cuts as a timeline of OpenTimelineIO: one video track without gaps, and a marker where a scene begins.

    Parameters
    ----------
    name : str
        Name of the timeline.
    cuts : sequence of Cut
        What is played.
    rate : Fraction
        Frames per second of the timeline and of the files.
    foreign : sequence of int
        Positions of the frames that are left out, for the metadata.
    note : str
        What a person should know, for the metadata; "" for nothing.

    Returns
    -------
    str
        The content of an ``.otio`` file.
    """
    made = otio.schema.Timeline(
        name=_encodable(name), metadata={"workbench": {"foreign": [int(position) for position in foreign], "note": note}}
    )
    track = otio.schema.Track(name="V1", kind=otio.schema.TrackKind.Video)
    made.tracks.append(track)
    place, scene = 0.0, -1
    for cut in cuts:
        if cut.scene != scene:
            scene = cut.scene
            made.tracks.markers.append(otio.schema.Marker(name=f"scene {scene}", marked_range=_range(place, place, rate)))
        media = otio.schema.ExternalReference(cut.file.as_uri(), _range(0, cut.length, rate))
        media.name = _encodable(cut.file.name)
        track.append(otio.schema.Clip(f"scene {scene}", media, _range(cut.start, cut.end, rate)))
        place += cut.end - cut.start
    return str(made.to_json_string(indent=1))


def _encodable(text: str) -> str:
    """Text in which bytes that are not UTF-8 are question marks."""
    return text.encode(errors="replace").decode()


def _range(start: float, end: float, rate: Fraction) -> otio.opentime.TimeRange:
    return otio.opentime.TimeRange(
        otio.opentime.RationalTime(start, float(rate)), otio.opentime.RationalTime(end - start, float(rate))
    )


def edit_list(name: str, cuts: Sequence[Cut], rate: Fraction) -> str:
    """Write cuts as an edit decision list, CMX 3600.

    Parameters
    ----------
    name : str
        Title of the list.
    cuts : sequence of Cut
        What is played.
    rate : Fraction
        Frames per second. Timecode counts frames at the nearest whole rate and drops none.

    Returns
    -------
    str
        The content of an ``.edl`` file, one event per cut. Files have no reels, so their names are in comments, as editors
        do it.
    """
    base = max(1, round(rate))
    lines = [f"TITLE: {_printable(name)}", "FCM: NON-DROP FRAME", ""]
    place = 0
    for number, cut in enumerate(cuts, 1):
        start = round(cut.start)
        end = max(start + 1, round(cut.end))
        span = " ".join(_timecode(frame, base) for frame in (start, end, place, place + end - start))
        lines += [f"{number:03d}  AX       V     C        {span}", f"* FROM CLIP NAME: {_printable(cut.file.name)}"]
        place += end - start
    return "\n".join(lines) + "\n"


def _timecode(frame: int, base: int) -> str:
    """Timecode of a frame at a whole number of frames per second."""
    seconds, frame = divmod(frame, base)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}:{frame:02d}"


def _printable(text: str) -> str:
    """Text without what would end a line."""
    return "".join(letter if letter.isprintable() else "_" for letter in text)


def concat_list(cuts: Sequence[Cut], step_s: float) -> str:
    """Write cuts as a list for ffmpeg's concat demuxer.

    Parameters
    ----------
    cuts : sequence of Cut
        What is played; the names of their files have no line breaks.
    step_s : float
        The shortest time between two frames of the source, s, from :func:`shortest_step`; above 0.

    Returns
    -------
    str
        The content of an ``.ffconcat`` file; its second line is the command that plays it. Lone surrogates in it stand for the
        bytes of names that are not UTF-8.

    Notes
    -----
    ffmpeg decodes from the key frame before a cut. Its filter ``select=concatdec_select`` leaves out what lies before the cut,
    by times that packets get with ``-segment_time_metadata 1``; they only hold with ``-copyts``.
    """
    lines = ["ffconcat version 1.0", f"# {_PLAY}"]
    before = _CUT_BEFORE_FRAME * step_s
    for number, cut in enumerate(cuts):
        quoted = str(cut.file).replace("'", r"'\''")
        lines.append(f"file '{quoted}'")
        if cut.length == 1:
            lines.append(f"duration {cut.end_s - cut.start_s:.6f}")
        else:  # all cuts are shifted by the same time, but the beginning of the first one: so frames begin on whole ticks
            lines += [f"inpoint {cut.start_s - before * (number > 0):.6f}", f"outpoint {cut.end_s - before:.6f}"]
    return "\n".join(lines) + "\n"
