"""Times of frames: made to rise where a file's time stamps do not, and the frame rate that they say. Arrays in, arrays out."""

from fractions import Fraction

import numpy as np

DEFAULT_RATE = Fraction(25)  # frames per second, where neither the file nor its time stamps tell any
MAX_RATE = 1000  # frames per second; times that say more are no times

# Rates that cameras, discs, screens and converters have, frames per second.
USUAL_RATES = tuple(
    Fraction(rate)
    for rate in (
        *("5", "15/2", "8", "10", "12", "25/2", "15", "20", "24000/1001", "24", "25", "30000/1001", "30"),
        *("48000/1001", "48", "50", "60000/1001", "60", "100", "120000/1001", "120", "240"),
    )
)

_REORDERED = 16  # frames: how far a decoder puts frames back in order, in every codec
_JUMP_SECONDS = 10.0  # a longer step is a new clock, as for FFmpeg's `dts_delta_threshold`, ...
_JUMP_STEPS = 100  # ... where it is so many times longer than the usual step
_FIELD_RATES = (Fraction(60000, 1001), Fraction(60), Fraction(50))  # of television, fields per second
_FILM_STEPS = 8  # steps that are needed to tell film: fewer look like it by chance
_TORN = 4  # frames at most that a cut in a group of pictures leaves behind a gap, where those before them are many
_PULLDOWN_DRIFT = 0.01  # fields per frame off two and a half, for cuts made after the pulldown


def rising_times(stamps: np.ndarray, rate: Fraction) -> tuple[np.ndarray, int]:
    """Give every frame a time, later than that of the frame before it.

    Parameters
    ----------
    stamps : (N,) float array
        Time stamps of the frames in presentation order, s; nan where a frame has none.
    rate : Fraction
        Frames per second, for frames without a time stamp at the ends.

    Returns
    -------
    times : (N,) float64 array
        Strictly rising times, s: the stamps themselves wherever they rise.
    jumps : int
        How often the clock begins anew; from there on the times go on by the usual step.

    Notes
    -----
    AVI stores no presentation times: FFmpeg numbers its packets in the order of decoding, so the stamps of frames are the right
    ones in a wrong order, and are sorted. A frame without a stamp, or with that of the frame before, is put between its
    neighbours.
    """
    number = np.arange(len(stamps))
    if np.isnan(stamps).all():
        return number / float(rate), 0
    known = number[~np.isnan(stamps)]
    found = _sorted_nearby(stamps[known])
    new = np.diff(found, prepend=-np.inf) != 0
    known, found = known[new], found[new]
    steps = np.diff(found) / np.diff(known)
    usual = float(np.median(steps[steps > 0])) if (steps > 0).any() else 1 / float(rate)
    jump = (steps < 0) | (steps > max(_JUMP_SECONDS, _JUMP_STEPS * usual))
    if jump.any():
        steps[jump] = usual
        found = found[0] + np.concatenate([[0.0], np.cumsum(steps * np.diff(known))])
    before, behind = np.minimum(number - known[0], 0), np.maximum(number - known[-1], 0)
    return np.interp(number, known, found) + (before + behind) * usual, int(jump.sum())


def _sorted_nearby(stamps: np.ndarray) -> np.ndarray:
    """The stamps in order where each is only a few frames from its place and all differ; else as they are."""
    order = np.argsort(stamps, kind="stable")
    near = np.abs(order - np.arange(len(order))).max() <= _REORDERED
    return stamps[order] if near and np.diff(stamps[order]).all() else stamps


def is_steady(times: np.ndarray, tick: float) -> bool:
    """Check whether frames come at a constant rate.

    Parameters
    ----------
    times : (N,) float array
        Rising times, s, at least one.
    tick : float
        Precision of the time stamps, s.

    Returns
    -------
    bool
        Whether rounding to the precision explains how far the times are off a constant rate.
    """
    return bool(np.ptp(times - np.linspace(times[0], times[-1], len(times))) <= 2.01 * tick)


def before_cut(times: np.ndarray, tick: float) -> np.ndarray:
    """Leave out the last frames where a cut has torn them from the others.

    Parameters
    ----------
    times : (N,) float array
        Rising times, s, at least one.
    tick : float
        Precision of the time stamps, s.

    Returns
    -------
    (n,) float array
        The times; without the last few where only these stand off a constant rate, behind a gap.

    Notes
    -----
    Where a file is cut off, a frame may still be there of which the frames shown before it were stored behind it.
    """
    for torn in range(1, _TORN + 1):
        kept = times[:-torn]
        if len(kept) > _FILM_STEPS and is_steady(kept, tick) and times[-torn] - kept[-1] > 1.5 * np.median(np.diff(kept)):
            return kept
    return times


def film_rate(times: np.ndarray, tick: float) -> Fraction | None:
    """Find the rate of film that was put on the fields of television, its frames two and three fields long (2:3 pulldown).

    Parameters
    ----------
    times : (N,) float array
        Rising times, s, at least one.
    tick : float
        Precision of the time stamps, s.

    Returns
    -------
    Fraction or None
        Frames per second, such as 24000/1001; None where the steps between frames are others.
    """
    steps = np.diff(times)
    if len(steps) < _FILM_STEPS:
        return None
    for field_rate in _FIELD_RATES:
        fields = np.rint(steps * float(field_rate))
        if set(fields.tolist()) != {2.0, 3.0} or abs(fields.mean() - 2.5) > 2 / len(fields) + _PULLDOWN_DRIFT:
            continue
        if np.abs(times[0] + np.cumsum(fields) / float(field_rate) - times[1:]).max() <= 2.01 * tick:
            return field_rate * Fraction(2, 5)
    return None


def find_rate(times: np.ndarray, tick: float, stated: Fraction | None, lost: int = 0) -> Fraction:
    """Find the frame rate: the one that the file states where the times of its frames agree, else the one they say.

    Parameters
    ----------
    times : (N,) float array
        Rising times, s, at least one.
    tick : float
        Precision of the time stamps, s.
    stated : Fraction or None
        Frames per second that the file states; None where it states none.
    lost : int, default 0
        How many frames may be missing between the others.

    Returns
    -------
    Fraction
        Frames per second, at most 1000. At a steady rate it is a usual one (23.976, 25, 29.97, ...) where the time stamps are
        too coarse to tell both apart; at a varying one it is the average, (N - 1) / (last - first).
    """
    steps, span = len(times) - 1, float(np.ptp(times))
    if not span or steps / span > MAX_RATE:
        return stated if stated and stated <= MAX_RATE else DEFAULT_RATE
    film, steady = film_rate(times, tick), is_steady(times, tick)
    if film:
        return film
    slack = 1.01 * tick
    if stated and abs(span - steps / float(stated)) <= slack + (0 if steady else (1 + lost) / float(stated)):
        return stated
    usual = [rate for rate in USUAL_RATES if steady and abs(span - steps / float(rate)) <= slack]
    measured = steps / span
    return min(usual, key=lambda rate: abs(float(rate) - measured), default=Fraction(measured).limit_denominator(1001))


def varies(times: np.ndarray, tick: float, lost: int = 0) -> bool:
    """Check whether the frame rate varies.

    Parameters
    ----------
    times : (N,) float array
        Rising times, s, at least one.
    tick : float
        Precision of the time stamps, s.
    lost : int, default 0
        How many frames may be missing between the others: so many of the longest steps do not count.

    Returns
    -------
    bool
        Whether steps between frames differ by more than rounding, to a millisecond or to the tick, can explain, and are not
        those of film on television's fields.
    """
    steps = np.diff(times)
    steps = np.sort(steps)[: max(1, len(steps) - lost)]
    uneven = len(steps) > 1 and np.abs(steps - np.median(steps)).max() > 0.0025 + 0.1 * abs(np.median(steps))
    return bool(uneven and not is_steady(times, tick) and not film_rate(times, tick))
