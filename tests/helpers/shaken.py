"""A drawn scene under a shaken camera whose transforms are known.

Thirty frames of 320 x 240 px show a soft texture in which a bright bar turns by three degrees from frame to frame. Every frame
is shifted by up to 24 px, turned by up to 5 degrees and scaled by up to 3 % at random, with a little noise, and the frames are
shuffled.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import pandas as pd

from workbench.embedding.distances import Copies, small_copies
from workbench.embedding.images import rank_thumbnail
from workbench.registration.pair import UNRELATED, residual
from workbench.registration.tables import TRANSFORM

SIZE = (320, 240)
COUNT = 30


@dataclass(frozen=True)
class Shaken:
    """Frames (n, 240, 320, 3), their small copies, their true places (n,), and the transforms (n, 3, 3) from the scene."""

    images: np.ndarray
    copies: Copies
    place: np.ndarray
    camera: np.ndarray

    def table(self, pairs):
        """The rows of the registration table with the true transforms of (P, 2) pairs, and what remains different by them."""
        rows = [(self.camera[b] @ np.linalg.inv(self.camera[a]))[:2] for a, b in pairs]
        ranks = [rank_thumbnail(image) for image in self.images]
        remains = [residual(ranks[a], ranks[b], row, SIZE) for (a, b), row in zip(pairs, rows, strict=True)]
        columns = {"a": pairs[:, 0], "b": pairs[:, 1], "matches": 90, "inliers": 60, "inlier_share": 0.4, "model": "similarity"}
        table = pd.DataFrame(columns | {"displacement": 0.03, "residual": np.nan_to_num(remains, nan=UNRELATED)})
        return table.assign(**dict(zip(TRANSFORM, np.array(rows).reshape(-1, 6).T, strict=True)))


def shaken(seed=0):
    """Draw the clip; the seed is that of the texture, the shake, the noise and the shuffling."""
    rng = np.random.default_rng(seed)
    soft = cv2.GaussianBlur(rng.normal(size=(360, 440, 3)), (0, 0), 6)
    background = np.clip(110 + 30 * soft / soft.std(), 0, 255).astype(np.float32)
    place, images, camera = rng.permutation(COUNT), [], []
    for step in place.tolist():
        scene, angle = background.copy(), np.radians(3 * step)
        along = 70 * np.array([np.cos(angle), np.sin(angle)])
        start, stop = (np.rint(np.array([220, 180]) + side * along).astype(int).tolist() for side in (-1, 1))
        cv2.line(scene, start, stop, (235, 220, 90), 22, cv2.LINE_AA)
        turn, scale = np.radians(rng.uniform(-5, 5)), rng.uniform(0.97, 1.03)
        turned = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        shift = np.array([160, 120]) + rng.uniform(-24, 24, 2) - turned @ [220, 180]
        camera.append(np.vstack([np.c_[turned, shift], [0, 0, 1]]))
        seen = cv2.warpAffine(scene, camera[-1][:2], SIZE, borderMode=cv2.BORDER_REFLECT)
        images.append(np.clip(seen + rng.normal(0, 2, seen.shape), 0, 255).astype(np.uint8))
    return Shaken(np.stack(images), small_copies(images), place, np.stack(camera))


def some_pairs(seed=0):
    """Three random partners of every frame, (P, 2), a < b, each pair once; all frames hang together."""
    rng = np.random.default_rng(seed)
    pairs = [(frame, other) for frame in range(COUNT) for other in rng.permutation(np.delete(np.arange(COUNT), frame))[:3]]
    return np.unique(np.sort(np.array(pairs), axis=1), axis=0)
