"""A simulated clip and matcher: frames on a line, whose pairs have the statistics of matched frames.

Residuals rise and shares of inliers fall with the true distance of two frames, both with noise; frames more than twelve steps
apart have nothing in common. Embeddings and thumbnails follow the line too, but less closely. The camera moves, and frames are
shuffled.
"""

import numpy as np
import pandas as pd

from workbench.embedding.distances import Halved
from workbench.embedding.views import matrix_view
from workbench.ordering.frames import FrameDistances, frames_of
from workbench.ordering.scene import order_scene
from workbench.ordering.search import first_pairs, search
from workbench.parameters import OrderParameters
from workbench.registration.pair import UNRELATED

MAX_RELATED_STEPS = 12.0  # frames further apart have nothing in common


class World:
    """A shuffled clip of several scenes, and a matcher that records the pairs it is asked to compare.

    Parameters
    ----------
    *sizes : int
        Number of frames of every scene.
    seed : int
        Seed of the shuffling and of all noise.
    noise : float
        Relative noise of residuals and shares of inliers.
    blur : float
        Noise of the places behind the views, in steps.
    step : callable
        Takes k and returns the length of the step from frame k of a scene to the next one.

    Attributes
    ----------
    labels : (N,) int array
        Scene of every frame.
    place : (N,) int array
        True place of every frame in its scene.
    asked : list of (P, 2) int arrays
        The pairs that :meth:`compare` was called with, call by call.
    """

    def __init__(self, *sizes, seed=0, noise=0.1, blur=1.0, step=lambda k: 1.0):
        rng = np.random.default_rng(seed)
        count = sum(sizes)
        shuffled = rng.permutation(count)
        self.labels = np.repeat(np.arange(len(sizes)), sizes)[shuffled]
        self.place = np.concatenate([np.arange(size) for size in sizes])[shuffled]
        at = np.concatenate([np.cumsum([0.0, *(step(k) for k in range(size - 1))]) for size in sizes])[shuffled]
        apart = np.abs(at[:, None] - at)
        self.related = (apart <= MAX_RELATED_STEPS) & (self.labels[:, None] == self.labels)
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
        """The views of the embeddings and of the thumbnails."""
        return [matrix_view(matrix) for matrix in self.matrices]

    @property
    def frame_distances(self):
        """The distances between the frames, without fine ones."""
        return FrameDistances(*self.views, fine({}))

    @property
    def scenes(self):
        """The scenes of the clip with their distances."""
        return [self.frame_distances.scene(frames) for frames in frames_of(self.labels)]

    def table(self, pairs):
        """The rows of the registration table for (P, 2) int pairs, without recording them."""
        a, b = pairs.T
        share = self.share[a, b]
        model = np.where(share > 0, "similarity", "none")
        columns = {"a": a, "b": b, "matches": np.rint(400 * share).astype(int), "inliers": np.rint(300 * share).astype(int)}
        columns |= {"inlier_share": share, "model": model, "displacement": np.where(share > 0, 0.02, np.nan)}
        return pd.DataFrame(columns | {"residual": self.residual[a, b]})

    def compare(self, pairs):
        """The rows of the registration table for (P, 2) int pairs, which are recorded in ``asked``."""
        self.asked.append(pairs)
        return self.table(pairs)

    def searched(self, budget):
        """The table after a search with a budget of so many pairs per frame."""
        first = self.compare(first_pairs(self.labels, self.views, budget))
        return search(frames_of(self.labels), self.frame_distances.scene, self.compare, budget, first)

    def orders(self, table):
        """The scenes as restored from a table, as (n,) true places, each in the direction of the truth."""
        found = [self.place[scene.frames[order_scene(scene, table, OrderParameters()).order]] for scene in self.scenes]
        return [places if places[0] < places[-1] else places[::-1] for places in found]


def fine(parts):
    """The fine view of a dict of distances by name: (N, N) matrices, for which both halves are like the whole, or Halved."""
    halved = {name: part if isinstance(part, Halved) else Halved(part, part, part) for name, part in parts.items()}

    def some(frames):
        inside = np.ix_(frames, frames)
        return {name: Halved(part.whole[inside], part.first[inside], part.second[inside]) for name, part in halved.items()}

    return some


def adjacent(places):
    """Share of links that join true neighbours; ``places`` are the (n,) true places in the restored order."""
    return float((np.abs(np.diff(places)) == 1).mean())
