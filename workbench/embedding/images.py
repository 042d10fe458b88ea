"""Small copies of a frame that light does not change: thumbnails, and ranks in place of grey levels."""

import cv2
import numpy as np

RESIDUAL_SIZE = 160  # long side of the copies that are compared, px


def rank_transform(gray: np.ndarray) -> np.ndarray:
    """(h, w) uint8 -> (h, w) float32, 0 to 1: each grey level is replaced by its mid-quantile in the image.

    A level's mid-quantile is the share of darker pixels plus half the share of its own, so any brightness change that
    keeps the order of grey levels (exposure, gamma) leaves the result as it was.
    """
    counts = np.bincount(gray.ravel(), minlength=256).astype(np.float64)
    levels = (np.cumsum(counts) - counts / 2) / max(gray.size, 1)
    return levels.astype(np.float32)[gray]


def thumbnail(image: np.ndarray, width: int, height: int) -> np.ndarray:
    """(h, w, 3) or (h, w) uint8 averaged down to fit into ``width`` x ``height`` px, never enlarged; uint8 too."""
    image = np.ascontiguousarray(image)
    shrink = min(1.0, width / image.shape[1], height / image.shape[0])
    size = tuple(max(1, round(side * shrink)) for side in image.shape[1::-1])
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def rank_thumbnail(image: np.ndarray, long_side: int = RESIDUAL_SIZE, blur: float = 2.0) -> np.ndarray:
    """(H, W, 3) uint8 RGB -> (h, w) float32, 0 to 1: small, grey, rank-transformed, blurred; for :func:`residual`.

    long_side: of the result, px; never enlarged. blur: sigma of the Gaussian, px of the result (the blur keeps a
    registration error below a pixel from counting as change); 0 for none.
    """
    gray = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY)
    rank = rank_transform(thumbnail(gray, long_side, long_side))
    return cv2.GaussianBlur(rank, (0, 0), blur) if blur > 0 else rank
