"""Small copies of a frame that light does not change: thumbnails, and ranks in place of grey levels."""

import cv2
import numpy as np

RESIDUAL_SIZE = 160  # px, long side of the copies whose difference is the residual of a registered pair


def rank_transform(gray: np.ndarray) -> np.ndarray:
    """Replace each grey level by its mid-quantile in the image.

    Parameters
    ----------
    gray : (h, w) uint8 array
        A grey image.

    Returns
    -------
    (h, w) float32 array
        Ranks, 0 to 1.

    Notes
    -----
    A level's mid-quantile is the share of darker pixels plus half the share of its own, so any brightness change that keeps
    the order of grey levels (exposure, gamma) leaves the result as it was.
    """
    counts = np.bincount(gray.ravel(), minlength=256).astype(np.float64)
    levels = (np.cumsum(counts) - counts / 2) / max(gray.size, 1)
    return levels.astype(np.float32)[gray]


def thumbnail(image: np.ndarray, width: int, height: int) -> np.ndarray:
    """Average an image down until it fits into a box; an image is never enlarged.

    Parameters
    ----------
    image : (H, W, 3) or (H, W) uint8 array
        The image, in colour or grey.
    width, height : int
        Size of the box, px.

    Returns
    -------
    (h, w, 3) or (h, w) uint8 array
        The small image, with the proportions of the large one.
    """
    image = np.ascontiguousarray(image)
    shrink = min(1.0, width / image.shape[1], height / image.shape[0])
    size = tuple(max(1, round(side * shrink)) for side in image.shape[1::-1])
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def rank_thumbnail(image: np.ndarray, long_side: int = RESIDUAL_SIZE, blur: float = 2.0) -> np.ndarray:
    """Make a small, grey, rank-transformed and blurred copy, as :func:`~workbench.registration.pair.residual` compares them.

    Parameters
    ----------
    image : (H, W, 3) uint8 array
        RGB frame.
    long_side : int
        Long side of the result, px; the frame is never enlarged.
    blur : float
        Sigma of the Gaussian, px of the result; 0 for none. The blur keeps a registration error below a pixel from counting
        as change.

    Returns
    -------
    (h, w) float32 array
        Ranks, 0 to 1.
    """
    gray = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY)
    rank = rank_transform(thumbnail(gray, long_side, long_side))
    return cv2.GaussianBlur(rank, (0, 0), blur) if blur > 0 else rank
