"""Augmentations for what happens to a picture between the scene and the file: light, colour, blur, noise, compression."""

import cv2
import numpy as np


def relit(
    image: np.ndarray,
    rng: np.random.Generator,
    gamma: tuple[float, float] = (0.4, 2.4),
    gain: tuple[float, float] = (0.5, 1.3),
    white_balance: float = 0.18,
) -> np.ndarray:
    """Change the light of a picture: every value v becomes ``255 * gain * balance * (v / 255) ** gamma``.

    Parameters
    ----------
    image : (h, w, 3) uint8 array
        The picture, RGB.
    rng : numpy.random.Generator
        Source of the random values.
    gamma, gain : tuple of float
        Ranges from which the exponent and the factor are drawn log-uniformly.
    white_balance : float
        Maximum relative change of a channel, drawn uniformly for each channel.

    Returns
    -------
    (h, w, 3) uint8 array
        The picture under the new light, clipped to 0 to 255.
    """
    exponent, factor = (np.exp(rng.uniform(*np.log(span))) for span in (gamma, gain))
    balance = rng.uniform(1 - white_balance, 1 + white_balance, 3)
    curve = 255 * factor * (np.arange(256) / 255)[:, None] ** exponent * balance
    table = np.clip(curve, 0, 255).astype(np.uint8)[None]  # (1, 256, 3): one curve per channel
    return cv2.LUT(image, table)


def blurred(image: np.ndarray, rng: np.random.Generator, max_sigma: float = 1.5) -> np.ndarray:
    """A picture out of focus: blurred by a Gaussian with a standard deviation of 0.3 to ``max_sigma`` px."""
    return cv2.GaussianBlur(image, (0, 0), rng.uniform(0.3, max_sigma))


def motion_blurred(image: np.ndarray, rng: np.random.Generator, max_length: int = 9) -> np.ndarray:
    """A picture blurred by a straight camera motion of 3 to ``max_length`` px while the shutter is open."""
    length, angle = rng.uniform(3, max_length), rng.uniform(0, np.pi)
    size = int(length) // 2 * 2 + 3
    kernel, middle = np.zeros((size, size), np.uint8), (size - 1) / 2
    reach = np.array([np.cos(angle), np.sin(angle)]) * length / 2
    ends = [tuple(round((middle + sign * c) * 256) for c in reach.tolist()) for sign in (-1, 1)]
    cv2.line(kernel, *ends, color=255, lineType=cv2.LINE_AA, shift=8)  # OpenCV draws anti-aliased lines on 8-bit images only
    return cv2.filter2D(image, -1, kernel / kernel.sum(dtype=np.float64))


def noisy(image: np.ndarray, rng: np.random.Generator, max_sigma: float = 10.0) -> np.ndarray:
    """A picture with Gaussian sensor noise of a standard deviation of 1 to ``max_sigma`` grey levels."""
    noise = rng.standard_normal(image.shape, dtype=np.float32) * np.float32(rng.uniform(1, max_sigma))
    return np.clip(image + noise, 0, 255).astype(np.uint8)


def compressed(image: np.ndarray, rng: np.random.Generator, quality: tuple[int, int] = (15, 80)) -> np.ndarray:
    """A picture with block artefacts: encoded as JPEG at a quality drawn from the range, and decoded again."""
    done, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(*quality))])
    assert done
    return cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
