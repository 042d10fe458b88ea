"""How far apart two frames look before any registration, by coarse ranks and by fine ranks, colours and grey levels.

Coarse ranks survive changes of light and small shifts and are computed for every pair; the others tell more where the camera
stands still, and nothing where it shakes. Which of them counts is decided for every scene by itself
(:mod:`workbench.ordering.distance`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial

import cv2
import numpy as np
from scipy.spatial.distance import cdist
from threadpoolctl import threadpool_limits

from workbench.embedding.descriptors import THUMBNAIL_SIZE, rank_grey_thumbnails
from workbench.embedding.images import rank_thumbnail, thumbnail

FINE_SIZE, FINE_BLUR = 160, 1.0  # px: long side of the fine ranks and of the grey copies, sigma of the blur of the ranks
COLOUR_SIZE = 100  # px, long side of the colour images
CHANNEL_STD = 40  # grey levels of 255, standard deviation that each colour channel is brought to
MIN_CHANNEL_STD = 4  # grey levels; a channel that varies less is not stretched further, which would only enlarge its noise
SQUARES = 16  # of a chessboard along the longer side of a picture
CHANGE_LEVELS = (2, 8)  # of 255: just above the noise of a codec, and well above it
DARK = 16  # level of the median picture below which a pixel says nothing about the light
MIN_GAIN = 0.02  # a frame that is darker than so much of the median is black
COUNTED_AT_ONCE = 2048  # values of every picture: those of all pictures stay in a processor's cache
VALUES_PER_BLOCK = 1024  # of a frame that are multiplied at once: 128² * 1024 = 2^24, so their sums are exact in float32


def row_distances(rows: np.ndarray, others: np.ndarray | None = None) -> np.ndarray:
    """Compute the Euclidean distances of grey rank thumbnails.

    Parameters
    ----------
    rows : (N, D) float32 array
        From :func:`~workbench.embedding.descriptors.rank_grey_thumbnails`.
    others : (M, D) float32 array, optional
        The thumbnails to compare with; by default ``rows``.

    Returns
    -------
    (N, N) or (N, M) float32 array
        Distances, 0 to 2.
    """
    distances = np.sqrt(2 * np.maximum(0, cosine_distances(rows, others)))
    flat, flat_others = (~some.any(axis=1) for some in (rows, rows if others is None else others))
    distances[np.ix_(flat, flat_others)] = 0  # a frame of one colour has no direction, but two of them are alike
    return distances


@dataclass(frozen=True, eq=False)
class Halved:
    """Distances between n frames, also by either half of their pixels alone.

    Noise is not the same in both halves: an order that follows the noise of one half does not agree with the other.

    Attributes
    ----------
    whole, first, second : (n, n) float arrays
        Distances by all pixels, and by those of the dark and of the light squares of a chessboard laid over the frames.
    """

    whole: np.ndarray
    first: np.ndarray
    second: np.ndarray


@dataclass(frozen=True, eq=False)
class Copies:
    """Small copies of n frames, in which they are compared.

    Attributes
    ----------
    thumbnails : (n, h, w) float32 array
        From :func:`~workbench.embedding.descriptors.rank_grey_thumbnails`.
    ranks : (n, h, w) uint8 array
        Ranks of the grey levels, at most 160 px on the long side, blurred.
    grey : (n, h, w) uint8 array
        Grey levels, at most 160 px on the long side.
    colours : (n, h, w, 3) uint8 array
        Colours, at most 100 px on the long side.
    levelled : (n, h, w, 3) uint8 array
        The same by :func:`levelled_thumbnail`.
    """

    thumbnails: np.ndarray
    ranks: np.ndarray
    grey: np.ndarray
    colours: np.ndarray
    levelled: np.ndarray


def small_copies(images: Sequence[np.ndarray]) -> Copies:
    """Make the small copies of frames.

    Parameters
    ----------
    images : sequence of n (h, w, 3) uint8 arrays
        RGB frames of one size.

    Returns
    -------
    Copies
        One of each kind per frame.
    """
    ranks, grey, colours, levelled = [], [], [], []
    for image in images:
        ranks.append(np.round(255 * rank_thumbnail(image, FINE_SIZE, FINE_BLUR)).astype(np.uint8))
        grey.append(thumbnail(cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY), FINE_SIZE, FINE_SIZE))
        colours.append(thumbnail(image, COLOUR_SIZE, COLOUR_SIZE))
        levelled.append(levelled_thumbnail(colours[-1]))
    width, height = THUMBNAIL_SIZE
    thumbnails = rank_grey_thumbnails(images).reshape(-1, height, width)
    return Copies(thumbnails, np.stack(ranks), np.stack(grey), np.stack(colours), np.stack(levelled))


def fine_distances(copies: Copies) -> dict[str, Halved]:
    """Compute the distances of frames as they lie, without registration.

    Parameters
    ----------
    copies : Copies
        Of n frames.

    Returns
    -------
    dict of str to Halved
        Euclidean distances: ``thumbnail``; ``ranks``; ``colours``, every channel brought to one mean and standard deviation,
        which removes most of a flicker; ``pixels``, the grey levels at the brightness of the median picture.
        Shares of the values that change by more than 2 or 8 of 255: ``changed_2`` and ``changed_8``. Where motion repeats
        itself, two frames a period apart differ less in the mean than two neighbours, but slow changes of light, of shadows
        and of everything that does not come back exactly tell the periods apart: not how much changes, but where anything
        does.
    """
    steady = level_to_median(copies.colours)
    changed = {
        f"changed_{least}": _halved(steady, partial(changed_counts, least=least), squares=False) for least in CHANGE_LEVELS
    }
    return {
        "thumbnail": _halved(copies.thumbnails, lambda some: cdist(some, some), squares=True),
        "ranks": _halved(copies.ranks, value_distances, squares=True),
        "colours": _halved(copies.levelled, value_distances, squares=True),
        "pixels": _halved(level_to_median(copies.grey[..., None]), value_distances, squares=True),
    } | changed


def _halved(pictures: np.ndarray, distances: Callable[[np.ndarray], np.ndarray], squares: bool) -> Halved:
    """Distances by halves, which add up to those by all pixels: their squares do, or they themselves."""
    dark = chessboard(pictures.shape[1], pictures.shape[2])
    first, second = (distances(np.ascontiguousarray(pictures[:, half])) for half in (dark, ~dark))
    whole = np.sqrt(first**2 + second**2) if squares else first + second
    return Halved(*(some.astype(np.float32) for some in (whole, first, second)))  # of a long scene there are many


@cache
def chessboard(height: int, width: int) -> np.ndarray:
    """Lay a chessboard over a picture.

    Parameters
    ----------
    height, width : int
        Size of the picture, px.

    Returns
    -------
    (height, width) bool array
        True on the dark squares: sixteen squares along the longer side, of 2 px at least.
    """
    side = max(2, round(max(height, width) / SQUARES))
    rows, columns = np.indices((height, width)) // side
    dark = (rows + columns) % 2 == 0
    dark.flags.writeable = False  # it is kept
    return dark


def levelled_thumbnail(image: np.ndarray) -> np.ndarray:
    """Make a small colour copy whose channels have one mean and standard deviation, which undoes most of a flicker.

    Parameters
    ----------
    image : (H, W, 3) uint8 array
        RGB frame.

    Returns
    -------
    (h, w, 3) uint8 array
        At most 100 px on its long side.
    """
    small = thumbnail(image, COLOUR_SIZE, COLOUR_SIZE).astype(np.float32)
    spread = np.maximum(small.std(axis=(0, 1)), MIN_CHANNEL_STD)
    levelled = np.round(128 + CHANNEL_STD * (small - small.mean(axis=(0, 1))) / spread)
    return np.clip(levelled, 0, 255).astype(np.uint8)


def value_distances(images: np.ndarray) -> np.ndarray:
    """Compute the exact Euclidean distances of images: identical ones are 0 apart.

    Parameters
    ----------
    images : (N, ...) uint8 array
        Images of any shape.

    Returns
    -------
    (N, N) float64 array
        Distances between all their values, in grey levels.
    """
    rows = images.reshape(len(images), -1)
    products = np.zeros((len(rows), len(rows)))
    # One thread: sharing products this small costs more than it saves, many times over when other work holds the cores.
    with threadpool_limits(1, user_api="blas"):
        for start in range(0, rows.shape[1], VALUES_PER_BLOCK):
            block = rows[:, start : start + VALUES_PER_BLOCK].astype(np.float32) - 128
            products += block @ block.T
    squares = np.diag(products)
    return np.sqrt(squares[:, None] + squares[None] - 2 * products)


def level_to_median(pictures: np.ndarray) -> np.ndarray:
    """Bring every colour of every picture to the level of the median picture.

    Parameters
    ----------
    pictures : (n, h, w, 3) uint8 array
        Pictures of one scene.

    Returns
    -------
    (n, h, w, 3) uint8 array
        Each channel divided by the median of its quotients with the median picture, so that what moves does not count.
    """
    middle = np.median(pictures, axis=0)
    levels = pictures.astype(np.float32)
    for channel in range(pictures.shape[3]):
        lit = middle[..., channel] > DARK
        if lit.any():
            gains = np.median(levels[:, lit, channel] / middle[lit, channel], axis=1)
            levels[..., channel] /= np.maximum(gains, MIN_GAIN)[:, None, None]
    return np.clip(np.round(levels), 0, 255).astype(np.uint8)


def changed_counts(pictures: np.ndarray, least: int) -> np.ndarray:
    """Count the values in which pictures differ.

    Parameters
    ----------
    pictures : (N, ...) uint8 array
        Pictures of any shape.
    least : int
        A value counts when it differs by more than this.

    Returns
    -------
    (N, N) float64 array
        Numbers of values.
    """
    rows = np.ascontiguousarray(pictures).reshape(len(pictures), -1)
    changed = np.zeros((len(rows), len(rows)))
    for start in range(0, rows.shape[1], COUNTED_AT_ONCE):
        some = np.ascontiguousarray(rows[:, start : start + COUNTED_AT_ONCE])
        for one in range(1, len(some)):
            apart = cv2.absdiff(some[:one], np.repeat(some[one : one + 1], one, axis=0))
            changes = cv2.threshold(apart, least, 1, cv2.THRESH_BINARY, apart)[1]
            changed[one, :one] += cv2.reduce(changes, 1, cv2.REDUCE_SUM, dtype=cv2.CV_32S)[:, 0]
    return changed + changed.T


def principal_distances(distances: np.ndarray, components: int = 8) -> np.ndarray:
    """Reduce Euclidean distances to those in the first principal components.

    Parameters
    ----------
    distances : (n, n) float array
        Euclidean distances between frames.
    components : int
        How many principal components are kept.

    Returns
    -------
    (n, n) float64 array
        Distances in these components alone, in the unit of ``distances``.

    Notes
    -----
    By classical scaling (Torgerson, Psychometrika 1952). Noise is spread over all components, so most of it is left out.
    """
    count = len(distances)
    centring = np.eye(count) - 1 / max(1, count)
    values, vectors = np.linalg.eigh(-0.5 * centring @ distances**2 @ centring)
    points = vectors[:, -components:] * np.sqrt(np.maximum(values[-components:], 0))
    return cdist(points, points)


def similarity_matrix(embeddings: np.ndarray) -> np.ndarray:
    """Compute the cosine similarity of all pairs of embeddings.

    Parameters
    ----------
    embeddings : (N, D) float32 array
        Rows of unit length.

    Returns
    -------
    (N, N) float32 array
        Similarities, -1 to 1: symmetric, exactly 1 on the diagonal.
    """
    similarity = np.clip(embeddings @ embeddings.T, -1, 1).astype(np.float32)
    similarity = (similarity + similarity.T) / 2
    np.fill_diagonal(similarity, 1)
    return similarity


def cosine_distances(embeddings: np.ndarray, others: np.ndarray | None = None) -> np.ndarray:
    """Compute cosine distances of embeddings, the scale on which eps is given.

    Parameters
    ----------
    embeddings : (N, D) float32 array
        Rows of unit length.
    others : (M, D) float32 array, optional
        Rows of unit length to compare with; by default ``embeddings``.

    Returns
    -------
    (N, N) or (N, M) float32 array
        1 - cosine similarity, 0 (the same direction) to 2.
    """
    if others is None:
        return 1 - similarity_matrix(embeddings)
    return 1 - np.clip(embeddings @ others.T, -1, 1).astype(np.float32)
