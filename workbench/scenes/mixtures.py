"""Frames that are a mixture of two others, by their thumbnails."""

from dataclasses import dataclass

import numpy as np

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


def mixtures(thumbnails: np.ndarray, references: np.ndarray, apart: np.ndarray, usable: np.ndarray, least: float) -> Blends:
    """Find the frames that a mixture of two references explains.

    Parameters
    ----------
    thumbnails : (N, D) float array
        From :func:`~workbench.scenes.blends.blend_thumbnails`.
    references : (m,) int array
        Positions of the frames that are mixed.
    apart : (m, m) bool array
        Which two of them.
    usable : (N, m) bool array
        The references that count for a frame.
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
    """
    rows = thumbnails[references].astype(np.float64)
    levels, patterns = _Products(rows), _Products(rows - rows.mean(axis=1, keepdims=True))
    first, second = np.nonzero(np.triu(apart, 1))
    between = levels.squares[first] + levels.squares[second] - 2 * levels.products[first, second]
    first, second, between = (values[between > 0] for values in (first, second, between))
    found = []
    for frame, thumbnail in enumerate(thumbnails):
        row = thumbnail.astype(np.float64)
        along, single = levels.along(row)
        used = usable[frame, first] & usable[frame, second]
        a, b, apart_by = first[used], second[used], between[used]
        weight = (along[a] - along[b] - levels.products[a, b] + levels.squares[b]) / apart_by
        # The squared distance to a point on the line through a and b, by Stewart's theorem.
        left = weight * single[a] + (1 - weight) * single[b] - weight * (1 - weight) * apart_by
        left = np.where((weight >= least) & (weight <= 1 - least), left, np.inf)
        if left.min(initial=np.inf) >= MAX_UNEXPLAINED**2 * single[usable[frame]].min(initial=np.inf):
            continue
        pair = int(left.argmin())
        if patterns.unexplained(row - row.mean(), a[pair], b[pair], usable[frame]) < MAX_UNEXPLAINED_PATTERN**2:
            ends = (a[pair], b[pair]) if weight[pair] >= 0.5 else (b[pair], a[pair])
            found.append((frame, *references[list(ends)], max(weight[pair], 1 - weight[pair])))
    frames, heavier, lighter, weights = np.array(found).reshape(-1, 4).T
    return Blends(frames.astype(int), heavier.astype(int), lighter.astype(int), weights)


class _Products:
    """The products of (m, D) thumbnails with each other."""

    def __init__(self, rows: np.ndarray) -> None:
        self.rows, self.products = rows, rows @ rows.T
        self.squares = np.diag(self.products)

    def along(self, row: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Products of (D,) one more with them, and its squared distances to them, (m,) each."""
        along = self.rows @ row
        return along, self.squares - 2 * along + row @ row

    def unexplained(self, row: np.ndarray, a: int, b: int, usable: np.ndarray) -> float:
        """What any positive mixture of a and b leaves of (D,) one more, over what a multiple of the best single one leaves."""
        along, square = self.rows @ row, row @ row
        single = square - (np.maximum(along, 0) ** 2 / np.maximum(self.squares, 1e-12))[usable].max()
        products = self.products[np.ix_([a, b], [a, b])]
        weights = np.linalg.lstsq(products, along[[a, b]], rcond=None)[0]
        return float((square - weights @ along[[a, b]]) / max(single, 1e-12)) if (weights > 0).all() else np.inf
