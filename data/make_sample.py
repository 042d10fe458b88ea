"""Render the sample: three scenes with their true order and twenty foreign frames, shuffled into one video with its truth.

``python data/make_sample.py [FOLDER]`` writes ``sample.mp4`` and ``sample.truth.csv`` beside this file, or into FOLDER.
Everything is made by code, from one seed and two photographs that come with scikit-learn.
"""

import itertools
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from foreign_pictures import HEIGHT, WIDTH, foreign_pictures, smooth_noise
from sklearn.datasets import load_sample_image

from workbench.evaluation.corrupt import shuffled_rows, write_case
from workbench.evaluation.effects import flicker_frame
from workbench.evaluation.files import OUTLIER

SEED = 2024
FRAME_RATE = 25  # frames per second
CRF = 18  # H.264 constant rate factor
OVERSAMPLE = 2  # scenes are drawn twice as large and averaged down, which keeps slow motion smooth

# The frames of a scene, (N, 240, 320, 3) uint8 RGB, and their true transforms onto its background, (N, 2, 3) float64, in px.
Clip = tuple[np.ndarray, np.ndarray]


def camera(x: float, y: float, width: float, degrees: float = 0.0) -> np.ndarray:
    """The (2, 3) matrix that maps a layer to a rolled view, centred on its point (x, y) and ``width`` px of the layer wide."""
    scale = WIDTH * OVERSAMPLE / width
    matrix = cv2.getRotationMatrix2D((x, y), degrees, scale)
    matrix[:, 2] += np.array((WIDTH, HEIGHT)) * OVERSAMPLE / 2 - (x, y)
    return matrix


def look(layer: np.ndarray, matrix: np.ndarray, border: int = cv2.BORDER_REFLECT_101) -> np.ndarray:
    """The view of a layer by a camera, at the oversampled size, uint8, with the channels of the layer."""
    size = (WIDTH * OVERSAMPLE, HEIGHT * OVERSAMPLE)
    return cv2.warpAffine(layer, matrix, size, flags=cv2.INTER_LINEAR, borderMode=border)


def lay_over(view: np.ndarray, layer: np.ndarray, matrix: np.ndarray) -> None:
    """Blend a ``layer``, (H, W, 4) uint8 RGBA, into the RGB ``view`` in place; outside the layer nothing changes."""
    seen = look(layer, matrix, cv2.BORDER_CONSTANT)
    x, y, width, height = cv2.boundingRect(seen[..., 3])
    box = np.s_[y : y + height, x : x + width]
    alpha = seen[box][..., 3:] / np.float32(255)
    view[box] = np.round(view[box] * (1 - alpha) + seen[box][..., :3] * alpha)


def onto_layer(matrix: np.ndarray) -> np.ndarray:
    """The (2, 3) float64 transform from a frame onto the layer that ``matrix`` maps to the oversampled view, both in px.

    Pixel centres are at whole numbers in the frame, in the view and in the layer.
    """
    from_frame = np.array([[OVERSAMPLE, 0, (OVERSAMPLE - 1) / 2], [0, OVERSAMPLE, (OVERSAMPLE - 1) / 2], [0, 0, 1]])
    return cv2.invertAffineTransform(matrix) @ from_frame


def expose(view: np.ndarray, rng: np.random.Generator, noise: float) -> np.ndarray:
    """Average an oversampled view down to a (240, 320, 3) uint8 frame, with Gaussian sensor noise of ``noise`` grey levels."""
    frame = cv2.resize(view.astype(np.float32), (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
    return np.clip(np.round(frame + rng.normal(0, noise, frame.shape)), 0, 255).astype(np.uint8)


def foliage(
    rng: np.random.Generator, shape: tuple[int, int], leaves: int, colours: np.ndarray, size: float, thin: float
) -> np.ndarray:
    """Draw a strip of leaves that grows from its lower edge, darker leaves behind.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of the random values.
    shape : tuple of int
        Height and width, px.
    leaves : int
        Number of leaves.
    colours : (C, 3) array
        RGB; the first is that of the shadow, the leaves take turns in the others.
    size : float
        Length of a leaf, px.
    thin : float
        Nothing grows where the outline would be lower than this, 0 to 1.

    Returns
    -------
    (height, width, 4) uint8 array
        RGBA.
    """
    height, width = shape
    outline = np.clip((smooth_noise(rng, (1, width), 40, 1)[0] - thin) / (1 - thin), 0, 1)
    picture = np.zeros((height, width, 3), np.uint8) + colours[0].astype(np.uint8)
    alpha = np.zeros((height, width), np.uint8)
    for k in range(leaves):
        x = int(rng.integers(0, width))
        if outline[x] == 0:
            continue
        y = height - (height - 1.5 * size) * outline[x] * rng.random() ** 0.7
        light = np.clip(0.35 + 0.65 * k / leaves + rng.normal(0, 0.12), 0, 1)
        colour = colours[0] * (1 - light) + colours[1 + k % (len(colours) - 1)] * light
        axes = (int(size * rng.uniform(0.7, 1.3)), int(size * rng.uniform(0.25, 0.45)))
        tilt = float(rng.uniform(0, 180))
        cv2.ellipse(picture, (x, int(y)), axes, tilt, 0, 360, tuple(int(c) for c in colour), -1, cv2.LINE_AA)
        cv2.ellipse(alpha, (x, int(y)), axes, tilt, 0, 360, 255, -1, cv2.LINE_AA)
    return np.dstack([picture, alpha])


def pagoda(rng: np.random.Generator, count: int = 66) -> Clip:
    """Handheld pan over a photograph: maple leaves hang nearer to the camera, bushes are nearest and pass fastest.

    The transforms are those onto the photograph.
    """
    photo = load_sample_image("china.jpg")
    greens = np.float32([[18, 34, 16], [96, 138, 52], [140, 160, 70], [64, 110, 60]])
    reds = np.float32([[60, 14, 10], [206, 66, 30], [230, 120, 40], [170, 36, 30]])
    maple = foliage(rng, (135, 1250), 2400, reds, 7, thin=0.4)[::-1].copy()  # upside down, because it hangs
    bushes = cv2.GaussianBlur(foliage(rng, (130, 1500), 3000, greens, 12, thin=0.1), (0, 0), 1.2)
    hand = np.cumsum(rng.normal(0, 1, (count, 3)), axis=0)
    hand = np.stack([cv2.GaussianBlur(axis, (0, 0), 1.5).ravel() for axis in (hand - hand.mean(0)).T], 1)
    hand = np.clip(hand * (0.5, 0.6, 0.12), (-4, -5, -1.2), (4, 5, 1.2))
    frames, transforms = [], []
    for k in range(count):
        pan, (dx, dy, roll) = 255 * k / (count - 1), hand[k]
        matrix = camera(192 + pan + dx, 170 + 0.2 * pan + dy, 360, roll)
        view = look(photo, matrix)
        lay_over(view, maple, camera(200 + 1.6 * (pan + dx), 158 + 1.4 * dy, 360, roll))
        lay_over(view, bushes, camera(230 + 2.4 * (pan + dx), -22 + 2 * dy, 360, roll))
        frames.append(expose(view, rng, 1.5))
        transforms.append(onto_layer(matrix))
    return np.stack(frames), np.stack(transforms)


def planks(rng: np.random.Generator, width: int, height: int) -> np.ndarray:
    """A wooden board, (height, width, 3) uint8 RGB."""
    grain = smooth_noise(rng, (height, width), 70, 1.2) - 0.5
    wave = np.sin(smooth_noise(rng, (height, width), 120, 14) * 60) * 0.06
    board = np.empty((height, width, 3), np.float32)
    edges = [0, *np.cumsum(rng.integers(70, 110, 12))]
    for top, bottom in itertools.pairwise(edges):
        tone = np.float32((176, 124, 78)) * rng.uniform(0.82, 1.12)
        texture = 1 + np.roll(0.9 * grain + wave, int(rng.integers(width)), axis=1)[top:bottom, :, None]
        board[top:bottom] = tone * texture
        board[top : top + 4] *= 0.45
    return np.clip(board, 0, 255).astype(np.uint8)


def toy(kind: str, colours: list[tuple[int, int, int]], sides: int) -> np.ndarray:
    """A toy seen from above, (200, 200, 4) uint8 RGBA: a segmented ball, a cogwheel, a star or a painted block."""
    y, x = np.mgrid[-100:100, -100:100].astype(np.float32)
    radius, angle = np.hypot(x, y), np.arctan2(y, x)
    turn = (angle / (2 * np.pi) * sides) % 1
    outline = {
        "ball": radius - 88,
        "cog": radius - np.where(np.abs(turn - 0.5) < 0.25, 92, 74),
        "star": radius - 46 - 46 * np.abs(2 * turn - 1) ** 1.3,
        "block": np.maximum(np.abs(x), np.abs(y) * 1.5) - 82,
    }[kind]
    band = {
        "ball": np.floor(angle / (2 * np.pi) * sides) % len(colours),
        "cog": np.where(radius < 22, 1, np.where((radius > 34) & (radius < 42), 2, 0)),
        "star": np.where(radius < 26, 1, np.where(turn < 0.5, 0, 2)),
        "block": np.floor((x + 0.6 * y + 200) / 28) % len(colours),
    }[kind].astype(int)
    picture = np.float32(colours)[band]
    if kind == "ball":
        picture[radius < 16] = 250
    picture *= np.clip(1.12 - 0.5 * np.clip(outline / 60 + 0.75, 0, 1)[..., None], 0, 1.1)
    alpha = np.clip(0.5 - outline, 0, 1) * 255
    return np.dstack([np.clip(picture, 0, 255), alpha]).astype(np.uint8)


# Kind, colours and sides of a toy; control points of its path, a cubic Bezier curve, px; its size, px; degrees it turns in all.
# The paths were chosen so that no two toys touch.
RED, BLUE, WHITE, GREEN = (225, 60, 50), (40, 110, 200), (250, 250, 245), (60, 150, 90)
STEELS, YELLOWS = [(130, 140, 150), (40, 44, 50), (90, 98, 108)], [(250, 205, 60), (225, 90, 40), (225, 165, 30)]
PURPLES = [(120, 60, 150), (240, 170, 60), (240, 235, 225)]
TOYS = (
    (("ball", [RED, WHITE, BLUE], 6), [(-12, 70), (130, 85), (190, 80), (330, 195)], 62, 210),
    (("cog", STEELS, 10), [(345, 35), (250, 25), (160, 30), (45, 45)], 70, -150),
    (("star", YELLOWS, 5), [(225, 265), (225, 190), (290, 110), (270, -20)], 66, 130),
    (("block", [GREEN, WHITE], 1), [(110, 262), (140, 215), (180, 190), (180, 122)], 58, -75),
    (("ball", PURPLES, 9), [(26, -45), (14, 70), (60, 170), (90, 262)], 40, 300),
)


def toys(rng: np.random.Generator, count: int = 54) -> Clip:
    """Static camera: five toys roll and turn over a wooden board, each on its own path, and never stop.

    The transforms are those onto the board, the same for all frames.
    """
    board = planks(rng, WIDTH * OVERSAMPLE, HEIGHT * OVERSAMPLE)
    sprites = [toy(*sprite) for sprite, *_ in TOYS]
    shadows = []
    for sprite in sprites:
        padded = cv2.copyMakeBorder(sprite[..., 3], 40, 40, 40, 40, cv2.BORDER_CONSTANT)
        shadow = (cv2.GaussianBlur(padded, (0, 0), 9) * 0.5).astype(np.uint8)
        shadows.append(np.dstack([np.zeros((280, 280, 3), np.uint8), shadow]))
    frames = []
    for k in range(count):
        t, view = k / (count - 1), board.copy()
        weights = np.array([(1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3])
        places = [(weights @ np.float32(path), size, degrees * t) for _, path, size, degrees in TOYS]
        for shift, layers in ((5, shadows), (0, sprites)):
            for layer, ((x, y), size, degrees) in zip(layers, places, strict=True):
                middle, scale = layer.shape[0] / 2 - 0.5, size * OVERSAMPLE / 200
                matrix = cv2.getRotationMatrix2D((middle, middle), degrees, scale)
                matrix[:, 2] += ((x + shift) * OVERSAMPLE - middle, (y + shift) * OVERSAMPLE - middle)
                lay_over(view, layer, matrix)
        frames.append(expose(view, rng, 2.5))
    return np.stack(frames), np.tile(np.eye(2, 3), (count, 1, 1))


def dahlia(rng: np.random.Generator, count: int = 60, flicker: float = 1.0) -> Clip:
    """Zoom into the flower with a slow roll; exposure and colour are drawn anew for every frame.

    The transforms are those onto the photograph.
    """
    photo = load_sample_image("flower.jpg")
    frames, transforms = [], []
    for k in range(count):
        t = k / (count - 1)
        matrix = camera(320 - 14 * t, 213 + 8 * t, 520 * 0.4**t, 3 + 16 * t)
        frame = expose(look(photo, matrix), rng, 1.0)
        frames.append(flicker_frame(frame, rng, flicker))
        transforms.append(onto_layer(matrix))
    return np.stack(frames), np.stack(transforms)


SCENES: dict[str, Callable[[np.random.Generator], Clip]] = {"pagoda": pagoda, "toys": toys, "dahlia": dahlia}


def true_clips(seed: int = SEED) -> dict[str, Clip]:
    """Render the scenes in their true order, before shuffling, by name."""
    return {name: render(np.random.default_rng((seed, k))) for k, (name, render) in enumerate(SCENES.items())}


def make_sample(folder: Path, seed: int = SEED) -> Path:
    """Write ``sample.mp4`` and ``sample.truth.csv`` into ``folder``; return the path of the video."""
    clips = true_clips(seed)
    sources = {name: frames for name, (frames, _) in clips.items()} | {OUTLIER: foreign_pictures(seed)}
    rows = shuffled_rows({name: len(frames) for name, frames in sources.items()}, seed)
    true = [clips[row.clip][1][row.frame] if row.clip in clips else None for row in rows]
    out = folder / "sample.mp4"
    write_case((sources[row.clip][row.frame] for row in rows), rows, out, frame_rate=FRAME_RATE, crf=CRF, transforms=true)
    return out


if __name__ == "__main__":
    print(make_sample(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent))
