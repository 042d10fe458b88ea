"""Sound in the order of the frames: every frame takes its own along, and cuts do not click."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np

from workbench.video.sound import Sound

FADE_SECONDS = 0.006  # of the cross-fade at a cut: long enough against a click, too short to be heard
# Sound and picture may be so far apart before the sound jumps: half of what viewers notice (ITU-R BT.1359-1, sound too early).
DRIFT_SECONDS = 0.0225
BLOCK = 65536  # samples that are handed on at once


def follow(sound: Sound, times: np.ndarray, positions: Sequence[int], durations: np.ndarray) -> Iterator[np.ndarray]:
    """Put sound into the order of the frames: every frame takes along what is heard from its time on.

    Parameters
    ----------
    sound : Sound
        The sound of the source.
    times : (N,) float array
        When every frame of the source is shown, s.
    positions : sequence of int
        The frames in the new order, K of them, as positions in the source.
    durations : (K,) float array
        How long each of them is shown, s.

    Yields
    ------
    (n, C) float32 array
        Blocks of samples, one after the other; silence where the source has none.

    Notes
    -----
    Where the next frame is the next one of the source, the sound goes on without a seam, unless it has drifted from the
    pictures by :data:`DRIFT_SECONDS`. Elsewhere a cross-fade of equal power lies about the cut, of :data:`FADE_SECONDS`, or as
    long as the shorter one of both stretches.
    """
    ends = np.round(np.cumsum(durations) * sound.rate).astype(np.int64)
    begins = np.concatenate([[0], ends[:-1]])
    wanted = np.round((np.asarray(times, np.float64)[list(positions)] - sound.start) * sound.rate).astype(np.int64)
    stretches: list[tuple[int, int]] = []  # first sample in the source, number of samples
    for place, position in enumerate(positions):
        length = int(ends[place] - begins[place])
        if place and position == positions[place - 1] + 1:
            first, count = stretches[-1]
            if abs(first + count - wanted[place]) <= DRIFT_SECONDS * sound.rate:
                stretches[-1] = first, count + length
                continue
        stretches.append((int(wanted[place]), length))
    yield from _joined(sound, [stretch for stretch in stretches if stretch[1]])


def _joined(sound: Sound, stretches: list[tuple[int, int]]) -> Iterator[np.ndarray]:
    """The stretches one after the other, cross-faded about every cut."""
    longest = round(FADE_SECONDS * sound.rate) // 2
    halves = [0, *(min(longest, a[1] // 2, b[1] // 2) for a, b in pairwise(stretches)), 0]
    for number, (first, count) in enumerate(stretches):
        before, after = halves[number], halves[number + 1]
        yield from blocks_of(sound, first + before, first + count - after)
        if after:
            ramp = np.sin(np.pi / 2 * (np.arange(2 * after, dtype=np.float32) + 0.5) / (2 * after))[:, None]
            coming = stretches[number + 1][0]
            old = _about(sound, first + count - after, first + count + after)
            new = _about(sound, coming - after, coming + after)
            yield np.clip(old * ramp[::-1] + new * ramp, -1, 1)


def _about(sound: Sound, begin: int, end: int) -> np.ndarray:
    """The samples about a cut; where the sound of the source itself begins or ends there, it fades in or out."""
    samples, total = np.concatenate(list(blocks_of(sound, begin, end))), len(sound.samples)
    places = np.arange(begin, end, dtype=np.float32)[:, None]
    if begin < 0 < end:
        samples *= places / end
    if begin < total < end:
        samples *= (total - places) / (total - begin)
    return samples


def blocks_of(sound: Sound, begin: int, end: int) -> Iterator[np.ndarray]:
    """Cut samples out of a sound.

    Parameters
    ----------
    sound : Sound
        The sound.
    begin, end : int
        The first sample, and the first one that is not taken; they may lie outside.

    Yields
    ------
    (n, C) float32 array
        At most :data:`BLOCK` samples; silence outside.
    """
    total, channels = sound.samples.shape
    for start in range(begin, end, BLOCK):
        stop = min(start + BLOCK, end)
        block = np.zeros((stop - start, channels), np.float32)
        inside = slice(max(0, min(start, total)), max(0, min(stop, total)))
        if inside.stop > inside.start:
            block[inside.start - start : inside.stop - start] = sound.samples[inside]
        yield block
