"""Frames that are a mixture of two others, by their thumbnails."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from workbench.threads import at_once

NEAREST_REFERENCES = 32  # to a frame, of which one is in its mixture; those of four scenes at least
FRAMES_AT_ONCE = 64  # frames whose products with the references are computed together
MAX_UNEXPLAINED = 0.6  # what a mixture may leave of the difference to the nearest single frame
MAX_UNEXPLAINED_PATTERN = 0.8  # the same where any brightness and contrast are allowed: flicker and fades are no mixtures


@dataclass(frozen=True, eq=False)
class Blends:
    """Frames that are mixtures of two others.

    Attributes
    ----------
    frames : (n,) int array
        Their positions.
    heavier, lighter : (n,) int array
        Positions of the frames that they are mixtures of.
    weight : (n,) float array
        Weight of the heavier frame, 0.5 to 0.85.
    """

    frames: np.ndarray
    heavier: np.ndarray
    lighter: np.ndarray
    weight: np.ndarray


def mixtures(
    thumbnails: np.ndarray,
    references: np.ndarray,
    apart: np.ndarray,
    usable: Callable[[int], np.ndarray],
    least: float,
) -> Blends:
    """Find the frames that a mixture of two references explains.

    Parameters
    ----------
    thumbnails : (N, D) float array
        From :func:`~workbench.scenes.blends.blend_thumbnails`.
    references : (m,) int array
        Positions of the frames that are mixed.
    apart : (m, m) bool array
        Which two of them; symmetric.
    usable : callable
        Position of a frame -> the references that count for it, (m,) bool. Called from several threads.
    least : float
        Weight of the lighter one at least, 0 to 0.5.

    Returns
    -------
    Blends
        The frames, and the two that explain each best.

    Notes
    -----
    The weights, which sum to 1, are those of least squares. What is left is compared with the nearest reference: first as it
    is, then with the mean of every thumbnail removed and any factor allowed, so that a change of light explains nothing.

    One of the two is among the :data:`NEAREST_REFERENCES` that are nearest to the frame. The heavier one is half as far from a
    mixture as the two are from each other, or nearer; so a film of hundreds of scenes has no need of all pairs of references.
    """
    mixed = _Mixed(thumbnails[references].astype(np.float64), apart, least)

    def _of_block(start: int) -> list[tuple[int, int, int, float]]:
        rows = thumbnails[start : start + FRAMES_AT_ONCE].astype(np.float64)
        found = []
        for frame, (row, along) in enumerate(zip(rows, rows @ mixed.rows.T, strict=True), start):
            pair = mixed.explained_by(row, along, usable(frame))
            if pair:
                heavier, lighter, weight = pair
                found.append((frame, int(references[heavier]), int(references[lighter]), weight))
        return found

    found = [one for some in at_once(_of_block, range(0, len(thumbnails), FRAMES_AT_ONCE)) for one in some]
    frames, heavier, lighter, weights = np.array(found).reshape(-1, 4).T
    return Blends(frames.astype(int), heavier.astype(int), lighter.astype(int), weights)


class _Mixed:
    """References, (m, D), and what two of them, which are ``apart``, explain together."""

    def __init__(self, rows: np.ndarray, apart: np.ndarray, least: float) -> None:
        self.rows, self.apart, self.least = rows, apart, least
        self.products = rows @ rows.T
        self.squares = np.diag(self.products)
        self.patterns = rows - rows.mean(axis=1, keepdims=True)
        self.pattern_squares = (self.patterns**2).sum(axis=1)

    def explained_by(self, row: np.ndarray, along: np.ndarray, used: np.ndarray) -> tuple[int, int, float] | None:
        """The heavier and the lighter reference that explain a thumbnail best, and the weight of the heavier one.

        row: (D,). along: (m,), its products with the references. used: (m,) bool, the references that count.
        """
        single = np.where(used, self.squares - 2 * along + row @ row, np.inf)
        first = np.arange(len(single))
        if len(single) > NEAREST_REFERENCES:
            first = np.sort(np.argpartition(single, NEAREST_REFERENCES - 1)[:NEAREST_REFERENCES])
        first = first[used[first]]
        if not len(first):
            return None
        products = self.products[first]
        between = self.squares[first, None] + self.squares - 2 * products
        mixable = self.apart[first] & (between > 0) & used
        mixable[:, first] &= first[:, None] < first  # each pair once
        weight = np.zeros(between.shape)
        np.divide(along[first, None] - along - products + self.squares, between, weight, where=mixable)
        # The squared distance to a point on the line through both, by Stewart's theorem.
        left = weight * single[first, None] + (1 - weight) * (np.where(used, single, 0) - weight * between)
        left[~mixable | (weight < self.least) | (weight > 1 - self.least)] = np.inf
        if left.min() >= MAX_UNEXPLAINED**2 * single[first].min():
            return None
        place, b = np.unravel_index(left.argmin(), left.shape)
        a, share = int(first[place]), float(weight[place, b])
        if self._unexplained_pattern(row - row.mean(), a, int(b), used) >= MAX_UNEXPLAINED_PATTERN**2:
            return None
        return (a, int(b), share) if share >= 0.5 else (int(b), a, 1 - share)

    def _unexplained_pattern(self, row: np.ndarray, a: int, b: int, used: np.ndarray) -> float:
        """What any positive mixture of the patterns of a and b leaves of a row, over what a multiple of the best one leaves."""
        along, square = self.patterns @ row, row @ row
        single = square - (np.maximum(along, 0) ** 2 / np.maximum(self.pattern_squares, 1e-12))[used].max()
        both = self.patterns[[a, b]]
        weights = np.linalg.lstsq(both @ both.T, along[[a, b]], rcond=None)[0]
        return float((square - weights @ along[[a, b]]) / max(single, 1e-12)) if (weights > 0).all() else np.inf
