"""A made-up clip and matcher: frames on a curve, whose pairs look as matched frames do.

Residuals rise and shares of inliers fall with the true distance of two frames, both with noise; beyond a gap of twelve places,
frames have nothing in common. Embeddings and thumbnails know the curve too, but less well. Frames are shuffled.
"""

import numpy as np
import pandas as pd

from workbench.embedding.views import matrix_view
from workbench.ordering.scene import FrameDistances, frames_of, order_scene
from workbench.ordering.search import first_pairs, search
from workbench.parameters import OrderParameters
from workbench.registration.pair import UNRELATED

GAP = 12.0


class World:
    """A clip of scenes of these many frames, shuffled, and a matcher that keeps account of what it is asked.

    noise: of residuals and shares, relative. blur: of the views, steps. step(k): from frame k of a scene to the next one.
    """

    def __init__(self, *sizes, seed=0, noise=0.1, blur=1.0, step=lambda k: 1.0):
        rng = np.random.default_rng(seed)
        count = sum(sizes)
        shuffled = rng.permutation(count)
        self.labels = np.repeat(np.arange(len(sizes)), sizes)[shuffled]
        self.place = np.concatenate([np.arange(size) for size in sizes])[shuffled]
        at = np.concatenate([np.cumsum([0.0, *(step(k) for k in range(size - 1))]) for size in sizes])[shuffled]
        apart = np.abs(at[:, None] - at)
        self.related = (apart <= GAP) & (self.labels[:, None] == self.labels)
        wrong = [np.triu(rng.normal(1, noise, (count, count)), 1) for _ in range(2)]
        residual = UNRELATED * (1 - np.exp(-apart / 6)) * (wrong[0] + wrong[0].T)
        self.residual = np.where(self.related, np.clip(residual, 0, UNRELATED), UNRELATED)
        self.share = np.where(self.related, np.clip(np.exp(-apart / 6) * (wrong[1] + wrong[1].T), 0.02, 1), 0)
        self.matrices = []
        for weight in (0.02, 0.03):
            points = np.c_[at, np.zeros((count, 2))] + rng.normal(0, blur, (count, 3))
            self.matrices.append(weight * np.linalg.norm(points[:, None] - points[None], axis=2))
        self.asked = []

    @property
    def views(self):
        return [matrix_view(matrix) for matrix in self.matrices]

    @property
    def frame_distances(self):
        return FrameDistances(*self.views, fine({}))

    @property
    def scenes(self):
        return [self.frame_distances.scene(frames) for frames in frames_of(self.labels)]

    def table(self, pairs):
        a, b = pairs.T
        share = self.share[a, b]
        model = np.where(share > 0, "similarity", "none")
        columns = {"a": a, "b": b, "matches": np.rint(400 * share).astype(int), "inliers": np.rint(300 * share).astype(int)}
        return pd.DataFrame(columns | {"inlier_share": share, "model": model, "residual": self.residual[a, b]})

    def compare(self, pairs):
        self.asked.append(pairs)
        return self.table(pairs)

    def searched(self, budget):
        return search(self.scenes, self.compare, budget, self.compare(first_pairs(self.labels, self.views, budget)))

    def orders(self, table):
        """The restored scenes as true places, each in the direction of the truth."""
        found = [self.place[scene.frames[order_scene(scene, table, OrderParameters()).order]] for scene in self.scenes]
        return [places if places[0] < places[-1] else places[::-1] for places in found]


def fine(parts):
    """The fine view of (N, N) distances by name."""
    return lambda frames: {name: part[np.ix_(frames, frames)] for name, part in parts.items()}


def adjacent(places):
    """Share of links that join true neighbours."""
    return float((np.abs(np.diff(places)) == 1).mean())
