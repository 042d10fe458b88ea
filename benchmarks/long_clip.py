"""Draw a corrupted clip of any length: scenes under a moving camera, shuffled, with foreign frames among them.

    python benchmarks/long_clip.py 10000 FOLDER [--size 1280 720] [--scene 500] [--seed 0]

writes ``long10000.mp4`` and its truth into FOLDER. Frames are drawn one at a time in the order of the shuffled video, so that
memory does not grow with their number.
"""

import argparse
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from workbench.evaluation.corrupt import shuffled_rows, write_case
from workbench.evaluation.files import OUTLIER, TruthRow

FOREIGN_SHARE = 0.05  # of the frames
NOISE_SIGMA = 1.5  # grey levels, standard deviation of the sensor noise
CAMERA_SPEED = 2.5  # px per frame, for frames 1280 px wide


def canvas(rng: np.random.Generator, width: int, height: int, grain: float) -> np.ndarray:
    """Draw a wall of random patches, rings and strokes in the colours of one palette, without repetition.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of the random values.
    width, height : int
        Size of the wall, px.
    grain : float
        Scale of the shapes; 1 for frames 1280 px wide.

    Returns
    -------
    (height, width, 3) uint8 array
        The wall, RGB.
    """
    palette = rng.uniform(30, 225, (5, 3))
    light = cv2.resize(rng.uniform(0.6, 1.1, (6, 8)), (width, height), interpolation=cv2.INTER_CUBIC)
    wall = (palette[0] * light[..., None]).clip(0, 255).astype(np.uint8)
    for _ in range(int(width * height / (50 * grain) ** 2)):
        x, y, size = int(rng.integers(width)), int(rng.integers(height)), grain * (rng.gamma(2, 9) + 3)
        colour = tuple(int(value) for value in (palette[rng.integers(5)] * rng.uniform(0.5, 1.2)).clip(0, 255))
        thickness = max(1, round(grain * rng.integers(1, 5)))
        kind = rng.choice(("patch", "ring", "stroke"))
        if kind == "patch":
            corners = rng.normal((x, y), size, (int(rng.integers(3, 6)), 2))
            cv2.fillPoly(wall, [cv2.convexHull(corners.astype(np.int32))], colour, cv2.LINE_AA)
        elif kind == "ring":
            axes, tilt = (max(1, int(size)), max(1, int(size * rng.uniform(0.3, 1)))), float(rng.uniform(0, 180))
            cv2.ellipse(wall, (x, y), axes, tilt, 0, 360, colour, thickness, cv2.LINE_AA)
        else:
            end = (int(x + rng.normal(0, 3 * size)), int(y + rng.normal(0, 3 * size)))
            cv2.line(wall, (x, y), end, colour, thickness, cv2.LINE_AA)
    return wall


class LongScene:
    """A wall seen by a camera that wanders over it, rolls and zooms, and never stops.

    Parameters
    ----------
    seed : sequence of int
        Decides the wall and the path of the camera.
    frames : int
        Number of frames.
    size : tuple of int
        Width and height of the frames, px.
    """

    def __init__(self, seed: Sequence[int], frames: int, size: tuple[int, int]) -> None:
        rng, self.size = np.random.default_rng(seed), size
        time, speed = np.arange(frames), CAMERA_SPEED * size[0] / 1280
        # The heading turns slowly, so that the camera always sees something new.
        turns = rng.uniform(0, 2 * np.pi) + 0.6 * np.sin(2 * np.pi * time / 700 + rng.uniform(0, 6))
        self.path = np.cumsum(speed * np.stack([np.cos(turns), np.sin(turns)], axis=1), axis=0)
        self.zoom = 1 + 0.12 * np.sin(2 * np.pi * time / 430 + rng.uniform(0, 6))
        self.roll = 5 * np.sin(2 * np.pi * time / 610 + rng.uniform(0, 6))
        reach = 0.75 * np.hypot(*size)
        self.path += reach - self.path.min(axis=0)
        width, height = np.ceil(self.path.max(axis=0) + reach).astype(int)
        self.wall = canvas(rng, int(width), int(height), size[0] / 1280)

    def frame(self, index: int) -> np.ndarray:
        """Frame ``index``, (H, W, 3) uint8 RGB, without noise."""
        x, y = (float(place) for place in self.path[index])
        matrix = cv2.getRotationMatrix2D((x, y), float(self.roll[index]), float(self.zoom[index]))
        matrix[:, 2] += np.array(self.size) / 2 - (x, y)
        return cv2.warpAffine(self.wall, matrix, self.size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)


def draw(rows: Sequence[TruthRow], counts: dict[str, int], size: tuple[int, int], seed: int) -> Iterator[np.ndarray]:
    """Draw the frames of a shuffled clip one after the other.

    Parameters
    ----------
    rows : sequence of TruthRow
        What every position of the clip shows.
    counts : dict of int
        Number of frames of every scene, and of foreign frames.
    size : tuple of int
        Width and height, px.
    seed : int
        Decides everything random.

    Yields
    ------
    (h, w, 3) uint8 array
        A frame, RGB.
    """
    names = [name for name in counts if name != OUTLIER]
    scene = lru_cache(maxsize=None)(lambda name: LongScene((seed, names.index(name)), counts[name], size))
    noise = np.random.default_rng((seed, 1)).normal(0, NOISE_SIGMA, (7, size[1], size[0], 3)).round().astype(np.int16)
    for row in tqdm(rows, "draw", unit="frame"):
        if row.clip == OUTLIER:
            rng = np.random.default_rng((seed, 2, row.frame))
            picture = canvas(rng, *size, size[0] / 1280)
        else:
            picture = scene(row.clip).frame(row.frame)
        yield np.clip(picture + noise[row.position % len(noise)], 0, 255).astype(np.uint8)


def make_clip(frames: int, folder: Path, size: tuple[int, int] = (1280, 720), scene: int = 500, seed: int = 0) -> Path:
    """Write a corrupted clip and its truth.

    Parameters
    ----------
    frames : int
        Number of frames, foreign ones included.
    folder : Path
        Where to write.
    size : tuple of int
        Width and height, px.
    scene : int
        Frames per scene; the last scene has what remains, and a remainder below half of it joins the scene before.
    seed : int
        Decides everything random.

    Returns
    -------
    Path
        The clip.
    """
    foreign = round(FOREIGN_SHARE * frames)
    whole, rest = divmod(frames - foreign, scene)
    lengths = [scene] * whole + ([rest] if rest else [])
    if len(lengths) > 1 and lengths[-1] < scene // 2:
        lengths[-2:] = [sum(lengths[-2:])]
    counts = {f"scene{k:03d}": length for k, length in enumerate(lengths)} | {OUTLIER: foreign}
    rows = shuffled_rows(counts, seed)
    out = folder / f"long{frames}.mp4"
    write_case(draw(rows, counts, size, seed), rows, out)
    return out


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("frames", type=int)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--size", type=int, nargs=2, default=(1280, 720), metavar=("WIDTH", "HEIGHT"))
    parser.add_argument("--scene", type=int, default=500, help="frames per scene")
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    chosen.folder.mkdir(parents=True, exist_ok=True)
    print(make_clip(chosen.frames, chosen.folder, tuple(chosen.size), chosen.scene, chosen.seed))
