"""The film before it is shuffled: clips one after the other, with cross-fades between them, or each with a fade in and out."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from workbench.errors import UsageError
from workbench.evaluation.effects import blend_frames


class FilmFrame(NamedTuple):
    """How a frame of the film is made of stored frames, those of all clips one after the other.

    Attributes
    ----------
    stored : int
        Index of the stored frame that it shows.
    other : int or None
        Index of the stored frame that is mixed in where ``weight`` is less than 1; None for black.
    weight : float
        Weight of the first, above 0 and up to 1.
    """

    stored: int
    other: int | None
    weight: float


def edit_film(lengths: Mapping[str, int], dissolve: int = 0, fade: int = 0) -> dict[str, list[FilmFrame]]:
    """Let clips follow each other.

    In a cross-fade or fade of n frames the weights are 1/(n + 1) to n/(n + 1): no frame is that of one clip alone, or black.

    Parameters
    ----------
    lengths : mapping of str to int
        Number of frames of every clip by name, in the order of the film.
    dissolve : int, default 0
        Frames of the cross-fade from each clip into the next. It mixes the last so many frames of the one with the first of
        the other, so the film is as much shorter.
    fade : int, default 0
        Frames in which every clip fades from black, and to black. Only one of the two may be other than 0.

    Returns
    -------
    dict of str to list of FilmFrame
        The frames that belong to every clip, in the order of the film. A mixed frame belongs to the clip that weighs more,
        to the earlier one if both weigh the same.

    Raises
    ------
    UsageError
        When a clip is too short for its fades.
    """
    film = {}
    fading, start = dissolve or fade, 0
    for number, (clip, length) in enumerate(lengths.items()):
        fades_in, fades_out = bool(fade) or number > 0, bool(fade) or number < len(lengths) - 1
        needed = fading * (fades_in + fades_out)
        if needed > length:
            raise UsageError(
                f"{clip} has {length} frames and its fades take {needed}: give a longer clip, more --max-frames if it is set, "
                f"or a smaller --{'dissolve' if dissolve else 'fade'}"
            )
        # Of a cross-fade the first half, and the middle frame if there is one, belong to the earlier clip.
        own = range((dissolve + 1) // 2 if fades_in else 0, length - (dissolve // 2 if fades_out else 0))
        frames = []
        for index in own:
            rising = (index + 1) / (fading + 1) if fades_in else 1
            falling = (length - index) / (fading + 1) if fades_out else 1
            weight, other = min(rising, falling, 1), None
            if dissolve and weight < 1:
                # The store has one clip after the other: the two that are mixed are the length of the cross-fade apart.
                other = start + index + (dissolve if falling < rising else -dissolve)
            frames.append(FilmFrame(start + index, other, weight))
        film[clip] = frames
        start += length
    return film


def film_frame(shown: FilmFrame, stored: np.ndarray) -> np.ndarray:
    """Make a frame of the film.

    Parameters
    ----------
    shown : FilmFrame
        Which one, of :func:`edit_film`.
    stored : (N, H, W, 3) uint8 array
        The frames of all clips one after the other, RGB.

    Returns
    -------
    (H, W, 3) uint8 array
        RGB.
    """
    frame = np.array(stored[shown.stored])
    if shown.weight == 1:
        return frame
    return blend_frames(frame, np.zeros_like(frame) if shown.other is None else stored[shown.other], shown.weight)
