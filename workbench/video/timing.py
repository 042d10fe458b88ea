"""When frames are shown: the rate of a written video, or for every frame the time that it lasted in its source."""

from fractions import Fraction

import numpy as np

from workbench.errors import VideoError

LOWEST_RATE, HIGHEST_RATE = 0.001, 1000  # frames per second
SHORTEST_FRAME_S = 0.001  # Matroska counts milliseconds, and no two frames may have one time
_MATROSKA_TICK, _MP4_TICK = Fraction(1, 1000), Fraction(1, 90000)


def written_rate(frame_rate: Fraction | float) -> Fraction:
    """Round a frame rate to what video files can state.

    Parameters
    ----------
    frame_rate : Fraction or float
        Frames per second.

    Returns
    -------
    Fraction
        The rate, with a denominator of 1001 at most, as that of 30000/1001.

    Raises
    ------
    VideoError
        When it is not from :data:`LOWEST_RATE` to :data:`HIGHEST_RATE`.
    """
    if not LOWEST_RATE <= frame_rate <= HIGHEST_RATE:
        raise VideoError(
            f"a frame rate of {float(frame_rate):g} cannot be written: give one of {LOWEST_RATE} to {HIGHEST_RATE}"
        )
    return Fraction(frame_rate).limit_denominator(1001)


def frame_durations(time_s: np.ndarray, frame_rate: Fraction) -> np.ndarray:
    """Find out how long every frame of a source lasts: until the next one comes.

    Parameters
    ----------
    time_s : (N,) float array
        Times of the frames, s, in presentation order.
    frame_rate : Fraction
        Frames per second of the source, for one that has a single frame.

    Returns
    -------
    (N,) float64 array
        Durations, s, at least :data:`SHORTEST_FRAME_S`. The last frame, and one that is not followed by a later time, lasts as
        long as the median of the others.
    """
    steps = np.append(np.diff(time_s), 0.0)
    usual = np.median(steps[steps > 0]) if (steps > 0).any() else float(1 / frame_rate)
    return np.maximum(np.where(steps > 0, steps, usual), SHORTEST_FRAME_S)


def tick(suffix: str) -> Fraction:
    """Give the unit in which a file counts the times of frames that last differently long.

    Parameters
    ----------
    suffix : str
        That of the file, such as ``.mkv``.

    Returns
    -------
    Fraction
        Seconds.
    """
    return _MATROSKA_TICK if suffix.lower() == ".mkv" else _MP4_TICK


def start_ticks(durations: np.ndarray, unit: Fraction) -> np.ndarray:
    """Convert durations of frames to the times at which they are shown.

    Parameters
    ----------
    durations : (n,) float array
        Durations of the frames in the order in which they are shown, s.
    unit : Fraction
        What times are counted in, s.

    Returns
    -------
    (n + 1,) int64 array
        Starts of the frames from 0 on, and the end of the last one, in units; every one is later than the one before.
    """
    ends = np.concatenate([[0.0], np.cumsum(durations)]) / float(unit)
    places = np.arange(len(ends))
    # Rounding must not give two frames one time: the running maximum of the distance from the places keeps a unit between them.
    return np.maximum.accumulate(np.rint(ends).astype(np.int64) - places) + places
