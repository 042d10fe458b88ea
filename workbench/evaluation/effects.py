"""Change one frame: another light, a camera that was jolted, fades, and the signs that a station draws over its pictures.

:func:`workbench.evaluation.corrupt.corrupt` applies them to the frames of whole videos.
"""

from collections.abc import Callable, Collection
from fractions import Fraction

import cv2
import numpy as np

FONT = cv2.FONT_HERSHEY_SIMPLEX
LETTER_HEIGHT = 22  # px, capitals of that font at scale 1
WHITE, BLACK, RED, BLUE = (255, 255, 255), (0, 0, 0), (200, 30, 40), (20, 50, 120)

CAPTION = "Report from the harbour"
TICKER = "Rain in the west by evening  -  The bridge is open again  -  Talks go on tomorrow  -  Home team wins  -  "
WATERMARK = "PREVIEW"

DRIFT_ZOOM = 1.05  # what a drifting view is enlarged by, so that DRIFT_STEPS steps stay inside the picture
DRIFT_STEP = 0.005  # how far it moves per step, share of width and height
DRIFT_STEPS = 4
DRIFT_NOISE = 2.0  # standard deviation of its noise, grey levels


def flicker_frame(frame: np.ndarray, rng: np.random.Generator, strength: float) -> np.ndarray:
    """Show a frame under another light: exposure, gamma, white balance and sensor noise are drawn at random.

    Parameters
    ----------
    frame : (H, W, 3) uint8 array
        RGB.
    rng : numpy Generator
        The source of the random numbers.
    strength : float
        0 (unchanged) to 1. At 1, exposure and gamma are between 0.6 and 1.65, the gain of each channel between 0.88 and 1.13,
        and the standard deviation of the noise is at most 6 grey levels.

    Returns
    -------
    (H, W, 3) uint8 array
        RGB; the content of the picture stays where it is.
    """
    if strength == 0:
        return frame
    gain, gamma = np.exp(strength * rng.uniform(-0.5, 0.5, 2))
    balance = np.exp(strength * rng.uniform(-0.12, 0.12, 3))
    sigma = strength * rng.uniform(0, 6)
    light = 255 * gain * balance * (frame.astype(np.float32) / 255) ** gamma
    return np.clip(np.round(light + rng.normal(0, sigma, frame.shape)), 0, 255).astype(np.uint8)


def shake_frame(frame: np.ndarray, rng: np.random.Generator, strength: float) -> np.ndarray:
    """Show a frame as seen by a camera that was jolted: rotation, shift and zoom are drawn at random.

    Parameters
    ----------
    frame : (H, W, 3) uint8 array
        RGB.
    rng : numpy Generator
        The source of the random numbers.
    strength : float
        0 (unchanged) to 1. At 1, the rotation is within 8 degrees and the shift within 5 % of width and height. The zoom is
        as much as keeps the border of the frame out of the picture, and up to 15 % more, so nothing is invented at the edges.

    Returns
    -------
    (H, W, 3) uint8 array
        RGB.
    """
    if strength == 0:
        return frame
    height, width = frame.shape[:2]
    degrees = strength * rng.uniform(-8, 8)
    x, y = strength * rng.uniform(-0.05, 0.05, 2) * (width, height)
    angle = np.deg2rad(abs(degrees))
    right, bottom = width - 1, height - 1  # the last pixel centres
    # The turned view's half extents must fit between the shifted centre and the border.
    zoom_x = (right * np.cos(angle) + bottom * np.sin(angle)) / (right - 2 * abs(x))
    zoom_y = (right * np.sin(angle) + bottom * np.cos(angle)) / (bottom - 2 * abs(y))
    zoom = max(zoom_x, zoom_y) * (1 + strength * rng.uniform(0, 0.15))
    matrix = cv2.getRotationMatrix2D((right / 2 + x, bottom / 2 + y), degrees, zoom)
    matrix[:, 2] -= (x, y)
    return cv2.warpAffine(frame, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def cover(picture: np.ndarray, width: int, height: int) -> np.ndarray:
    """Scale a picture until it covers a size, then crop it about its centre to that size.

    Parameters
    ----------
    picture : (H, W, 3) uint8 array
        Any colours.
    width, height : int
        The size to cover, px.

    Returns
    -------
    (height, width, 3) uint8 array
        The picture at that size, contiguous in memory.
    """
    have_height, have_width = picture.shape[:2]
    scale = max(width / have_width, height / have_height)
    if scale != 1:
        shape = (max(width, round(have_width * scale)), max(height, round(have_height * scale)))
        picture = cv2.resize(picture, shape, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    top, left = (picture.shape[0] - height) // 2, (picture.shape[1] - width) // 2
    return np.ascontiguousarray(picture[top : top + height, left : left + width])


def drift_frame(frame: np.ndarray, rng: np.random.Generator, angle: float, step: int) -> np.ndarray:
    """Show a frame as one of a burst: the views of a burst drift a little from one to the next, each with its own noise.

    Parameters
    ----------
    frame : (H, W, 3) uint8 array
        RGB.
    rng : numpy Generator
        The source of the noise.
    angle : float
        Where the views drift to, radians.
    step : int
        Which view of the burst, 0 to 4.

    Returns
    -------
    (H, W, 3) uint8 array
        RGB, from inside the frame.
    """
    height, width = frame.shape[:2]
    centre = np.array([width - 1, height - 1]) / 2
    target = centre + step * DRIFT_STEP * np.array([width * np.cos(angle), height * np.sin(angle)])
    matrix = np.column_stack([DRIFT_ZOOM * np.eye(2), centre - DRIFT_ZOOM * target])
    view = cv2.warpAffine(frame, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.clip(np.round(view + rng.normal(0, DRIFT_NOISE, frame.shape)), 0, 255).astype(np.uint8)


def blend_frames(frame: np.ndarray, other: np.ndarray, weight: float) -> np.ndarray:
    """Mix two frames, as in a cross-fade; with a black one it is a fade.

    Parameters
    ----------
    frame, other : (H, W, 3) uint8 array
        RGB.
    weight : float
        Weight of ``frame``, 0 to 1; that of ``other`` is the rest.

    Returns
    -------
    (H, W, 3) uint8 array
        Their weighted sum.
    """
    return np.round(weight * frame.astype(np.float32) + (1 - weight) * other.astype(np.float32)).astype(np.uint8)


def overlay_frame(frame: np.ndarray, kinds: Collection[str], place: int, frame_rate: Fraction | float) -> np.ndarray:
    """Draw over a frame what a station draws over its pictures.

    Parameters
    ----------
    frame : (H, W, 3) uint8 array
        RGB; it is not changed.
    kinds : collection of str
        Of :data:`OVERLAYS`; their order does not matter. ``letterbox``: black bars above and below. ``caption``: a bar with
        text in the lower third. ``ticker``: a band at the lower edge whose text moves on with every frame. ``logo``: a round
        sign at the upper right. ``timestamp``: hours, minutes, seconds and frames at the upper left. ``watermark``: half
        transparent text in the middle.
    place : int
        Place of the frame in the true film, from 0; ticker and timestamp tell it.
    frame_rate : Fraction or float
        Frames per second, for the timestamp.

    Returns
    -------
    (H, W, 3) uint8 array
        RGB. All sizes are shares of the height of the frame; text that would not fit its width is smaller.
    """
    drawn = np.array(frame)
    for kind, draw in OVERLAYS.items():
        if kind in kinds:
            draw(drawn, place, frame_rate)
    return drawn


def _letterbox(frame: np.ndarray, _place: int, _frame_rate: Fraction | float) -> None:
    bar = round(0.12 * len(frame))
    frame[:bar] = frame[len(frame) - bar :] = BLACK


def _caption(frame: np.ndarray, _place: int, _frame_rate: Fraction | float) -> None:
    height, width = frame.shape[:2]
    frame[round(0.72 * height) : round(0.82 * height)] = BLUE
    size = _fitting(CAPTION, 0.045 * height, 0.9 * width)
    _write(frame, CAPTION, round(0.05 * width), 0.77 * height, size, WHITE)


def _ticker(frame: np.ndarray, place: int, _frame_rate: Fraction | float) -> None:
    height, width = frame.shape[:2]
    frame[round(0.92 * height) :] = RED
    size = 0.04 * height
    length = _width(TICKER, size)
    for left in range(-(place * max(1, round(0.01 * height)) % length), width, length):
        _write(frame, TICKER, left, 0.96 * height, size, WHITE)


def _logo(frame: np.ndarray, _place: int, _frame_rate: Fraction | float) -> None:
    height, width = frame.shape[:2]
    radius = 0.06 * height
    x, y = round(width - 2 * radius), round(2 * radius)
    cv2.circle(frame, (x, y), round(radius), WHITE, cv2.FILLED, cv2.LINE_AA)
    cv2.circle(frame, (x, y), round(0.85 * radius), RED, cv2.FILLED, cv2.LINE_AA)
    _write(frame, "7", round(x - _width("7", radius) / 2), y, radius, WHITE)


def _timestamp(frame: np.ndarray, place: int, frame_rate: Fraction | float) -> None:
    height, width = frame.shape[:2]
    seconds, frames = divmod(place, max(1, round(frame_rate)))
    text = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}:{frames:02}"
    size = _fitting("00:00:00:00", 0.04 * height, 0.9 * width)
    left, middle = round(0.03 * height), 0.07 * height
    # The box is as wide for any time: digits differ in width.
    frame[round(middle - size) : round(middle + size), left : left + round(_width("00:00:00:00", size) + size)] = BLACK
    _write(frame, text, round(left + size / 2), middle, size, WHITE)


def _watermark(frame: np.ndarray, _place: int, _frame_rate: Fraction | float) -> None:
    height, width = frame.shape[:2]
    size = _fitting(WATERMARK, 0.12 * height, 0.9 * width)
    over = frame.copy()
    _write(over, WATERMARK, round((width - _width(WATERMARK, size)) / 2), height / 2, size, WHITE)
    frame[:] = blend_frames(over, frame, 0.5)


def _write(frame: np.ndarray, text: str, left: int, middle: float, size: float, colour: tuple[int, int, int]) -> None:
    """Write a line of text whose capitals are ``size`` px high, about the row ``middle``."""
    origin = (left, round(middle + size / 2))
    cv2.putText(frame, text, origin, FONT, size / LETTER_HEIGHT, colour, _thickness(size), cv2.LINE_AA)


def _width(text: str, size: float) -> int:
    """How many px a line of text takes."""
    return max(1, cv2.getTextSize(text, FONT, size / LETTER_HEIGHT, _thickness(size))[0][0])


def _thickness(size: float) -> int:
    """Of the strokes of letters, px."""
    return max(1, round(size / 10))


def _fitting(text: str, size: float, room: float) -> float:
    """``size``, or what makes a line of text ``room`` px wide if that is less."""
    return size * min(1, room / _width(text, size))


# In the order in which they are drawn: signs stand on the bars of a letterbox.
OVERLAYS: dict[str, Callable[[np.ndarray, int, Fraction | float], None]] = {
    "letterbox": _letterbox,
    "watermark": _watermark,
    "caption": _caption,
    "ticker": _ticker,
    "logo": _logo,
    "timestamp": _timestamp,
}
