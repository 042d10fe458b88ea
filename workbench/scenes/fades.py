"""Frames of a fade, from or to black or white: the picture of a scene with less contrast.

Most of a fade looks like its scene to a network and registers to it. Where hardly anything is left to see, neither helps; but
the little that is left is the same pattern. Frames without any pattern, black or white ones, belong to no scene that could be
told.
"""

from dataclasses import dataclass

import numpy as np

from workbench.embedding.views import blocks

MIN_CORRELATION = 0.94  # of a fade with a frame of its scene; of foreign pictures with the frame most like them at most 0.91
MAX_CONTRAST = 0.7  # of a fade, as a share of that frame's: with more it is the same picture in other light
MIN_PATTERN = 0.004  # levels, 0 to 1: the standard deviation of a thumbnail with any pattern, about one grey level


@dataclass(frozen=True, eq=False)
class Fades:
    """Frames that show a scene with less contrast.

    Attributes
    ----------
    frames : (n,) int array
        Their positions.
    sources : (n,) int array
        Positions of the frames whose patterns they show.
    contrast : (n,) float array
        Their contrast, as a share of that of these frames.
    """

    frames: np.ndarray
    sources: np.ndarray
    contrast: np.ndarray


def find_fades(thumbnails: np.ndarray, labels: np.ndarray) -> Fades:
    """Find outliers that are a fade of a scene.

    Parameters
    ----------
    thumbnails : (N, D) float array
        Levels, 0 to 1, from :func:`~workbench.scenes.blends.blend_thumbnails`.
    labels : (N,) int array
        Scene of every frame, -1 = outlier.

    Returns
    -------
    Fades
        The outliers whose pattern, the thumbnail without its mean, correlates with that of a frame of a scene by 0.94 or more,
        at 0.7 of its contrast or less.
    """
    patterns = thumbnails - thumbnails.mean(axis=1, keepdims=True)
    lengths = np.linalg.norm(patterns, axis=1)
    seen = lengths >= MIN_PATTERN * np.sqrt(thumbnails.shape[1])
    outliers, inside = np.flatnonzero((labels < 0) & seen), np.flatnonzero((labels >= 0) & seen)
    if not len(outliers) or not len(inside):
        return Fades(outliers[:0], inside[:0], np.zeros(0))
    patterns /= np.where(seen, lengths, 1)[:, None]
    nearest, correlation = np.zeros_like(outliers), np.zeros(len(outliers), patterns.dtype)
    for some in blocks(np.arange(len(outliers)), len(patterns)):
        each = patterns[outliers[some]] @ patterns.T
        nearest[some] = inside[each[:, inside].argmax(axis=1)]
        correlation[some] = each[np.arange(len(some)), nearest[some]]
    contrast = correlation * lengths[outliers] / lengths[nearest]
    fades = (correlation >= MIN_CORRELATION) & (contrast <= MAX_CONTRAST)
    return Fades(outliers[fades], nearest[fades], contrast[fades])
