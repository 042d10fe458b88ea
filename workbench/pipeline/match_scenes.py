"""Which pairs of frames to match, which scenes the matches confirm, and roughly how long scenes run: arrays in, a result out.

Scenes come from the clusterer. A first round of matches tells which of their frames show the same place; with it the scenes are
verified. Then every verified scene is searched: pairs are compared where they tell most about its order, round after round.
Scenes too long for matrices over all of their frames get a rough order on the way, by which they are ordered later.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from workbench.matching.pairs import all_pairs, not_among
from workbench.ordering.long_scenes import LONG_SCENE_FRAMES, search_long
from workbench.ordering.scene import FrameDistances, frames_of
from workbench.ordering.search import first_pairs, search
from workbench.scenes.verify import Verified, pieces_of, probing_pairs, scenes_table, verify

Compare = Callable[[np.ndarray], pd.DataFrame]  # (P, 2) int positions, a < b -> the rows of register_pairs


@dataclass(frozen=True, eq=False)
class MatchedScenes:
    """The pairs that were compared and what they tell of the scenes.

    Attributes
    ----------
    table : DataFrame
        Rows of :func:`~workbench.registration.tables.register_pairs` of all pairs compared, sorted by pair.
    verified : Verified
        The scenes and outliers after the matches.
    rough_order : (N,) Int64 Series
        Place of every frame in the rough order of its scene, where the scene is a long one; NA elsewhere.
    """

    table: pd.DataFrame
    verified: Verified
    rough_order: pd.Series

    @property
    def pairs(self) -> np.ndarray:  # numpydoc ignore=RT01
        """(P, 2) int array: the pairs that were compared, a < b, sorted."""
        return self.table[["a", "b"]].to_numpy()

    @property
    def pairs_per_frame(self) -> float:  # numpydoc ignore=RT01
        """Pairs compared, over the frames that are in scenes."""
        return len(self.table) / max(1, int((self.verified.labels >= 0).sum()))

    def scenes_table(self, labels: np.ndarray) -> pd.DataFrame:
        """Write the scenes as a table with one row per frame.

        Parameters
        ----------
        labels : (N,) int array
            Scenes by the clusterer, -1 = outlier.

        Returns
        -------
        DataFrame
            Columns position, scene, clustered, verdict (see :func:`~workbench.scenes.verify.scenes_table`) and rough.
        """
        return scenes_table(labels, self.verified).assign(rough=self.rough_order)


def match_scenes(
    labels: np.ndarray, distances: FrameDistances, keypoints: np.ndarray, compare: Compare, pairs_per_frame: int
) -> MatchedScenes:
    """Choose pairs, have them compared, verify the scenes, and search every scene for the pairs that tell its order.

    Parameters
    ----------
    labels : (N,) int array
        Scenes by the clusterer, -1 = outlier.
    distances : FrameDistances
        Distances between frames that need no matching.
    keypoints : (N,) int array
        Number of keypoints of every frame.
    compare : callable
        Matches and registers pairs: (P, 2) int positions, a < b, sorted, none of them twice, to rows of
        :func:`~workbench.registration.tables.register_pairs`. Called once per round.
    pairs_per_frame : int
        The budget, at least 2; 0 compares all pairs inside scenes.

    Returns
    -------
    MatchedScenes
        All pairs compared, the verified scenes, and the rough order of long ones.
    """
    first = (
        first_pairs(labels, [distances.embedded, distances.thumbnails], pairs_per_frame)
        if pairs_per_frame
        else all_pairs(labels)
    )
    table = compare(first)
    pieces = pieces_of(labels, table)
    table = compare_new(table, probing_pairs(pieces, distances.embedded), compare)
    verified = verify(labels, pieces, table, keypoints)
    scenes = frames_of(verified.labels)
    if pairs_per_frame:
        short = (distances.scene(frames) for frames in scenes if len(frames) <= LONG_SCENE_FRAMES)
        table = search(short, compare, pairs_per_frame, table)
    else:
        table = compare_new(table, all_pairs(verified.labels), compare)
    rough_order = pd.Series(pd.NA, range(len(labels)), dtype="Int64")
    for frames in scenes:
        if len(frames) > LONG_SCENE_FRAMES:
            table, ordered = search_long(frames, distances, compare, pairs_per_frame or len(frames), table)
            rough_order[ordered] = np.arange(len(ordered))
    return MatchedScenes(table, verified, rough_order)


def compare_new(table: pd.DataFrame, pairs: np.ndarray, compare: Compare) -> pd.DataFrame:
    """Compare those of some pairs that were not compared yet.

    Parameters
    ----------
    table : DataFrame
        Rows of the pairs compared so far.
    pairs : (P, 2) int array
        Positions a < b.
    compare : callable
        As for :func:`match_scenes`; not called when nothing is new.

    Returns
    -------
    DataFrame
        All rows, sorted by pair.
    """
    new = not_among(pairs, table)
    rows = compare(new) if len(new) else table[:0]
    return pd.concat([table, rows], ignore_index=True).sort_values(["a", "b"], ignore_index=True)
