"""What happens to a picture between the scene and the file: light, colour, blur, noise, compression."""

import cv2
import numpy as np


def relit(
    image: np.ndarray,
    rng: np.random.Generator,
    gamma: tuple[float, float] = (0.4, 2.4),
    gain: tuple[float, float] = (0.5, 1.3),
    white_balance: float = 0.18,
) -> np.ndarray:
    """(h, w, 3) uint8 under other light: ``255 * gain * balance * (v / 255) ** gamma`` for each channel.

    gamma, gain: ranges, drawn log-uniformly. white_balance: greatest relative change of a channel, uniform.
    """
    exponent, factor = (np.exp(rng.uniform(*np.log(span))) for span in (gamma, gain))
    balance = rng.uniform(1 - white_balance, 1 + white_balance, 3)
    curve = 255 * factor * (np.arange(256) / 255)[:, None] ** exponent * balance
    table = np.clip(curve, 0, 255).astype(np.uint8)[None]  # (1, 256, 3): one curve a channel
    return cv2.LUT(image, table)


def blurred(image: np.ndarray, rng: np.random.Generator, greatest: float = 1.5) -> np.ndarray:
    """Out of focus: a Gaussian of up to ``greatest`` px."""
    return cv2.GaussianBlur(image, (0, 0), rng.uniform(0.3, greatest))


def motion_blurred(image: np.ndarray, rng: np.random.Generator, greatest: int = 9) -> np.ndarray:
    """A straight motion of the camera of 3 to ``greatest`` px while the shutter was open."""
    length, angle = rng.uniform(3, greatest), rng.uniform(0, np.pi)
    size = int(length) // 2 * 2 + 3
    kernel, middle = np.zeros((size, size), np.uint8), (size - 1) / 2
    reach = np.array([np.cos(angle), np.sin(angle)]) * length / 2
    ends = [tuple(round((middle + sign * c) * 256) for c in reach.tolist()) for sign in (-1, 1)]
    cv2.line(kernel, *ends, color=255, lineType=cv2.LINE_AA, shift=8)  # smooth lines are for 8 bits only
    return cv2.filter2D(image, -1, kernel / kernel.sum(dtype=np.float64))


def noisy(image: np.ndarray, rng: np.random.Generator, greatest: float = 10.0) -> np.ndarray:
    """Sensor noise: Gaussian, standard deviation up to ``greatest`` grey levels."""
    noise = rng.standard_normal(image.shape, dtype=np.float32) * np.float32(rng.uniform(1, greatest))
    return np.clip(image + noise, 0, 255).astype(np.uint8)


def compressed(image: np.ndarray, rng: np.random.Generator, quality: tuple[int, int] = (15, 80)) -> np.ndarray:
    """Block artefacts: through JPEG at a quality drawn from the range."""
    done, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(*quality))])
    assert done
    return cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
