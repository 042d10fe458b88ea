"""Which pairs of frames to match, which scenes the matches confirm, and roughly how long scenes run: arrays in, a result out.

Scenes come from the clusterer, without the cross-fades of the film. A first round of matches tells which of their frames belong
together; with it the scenes are verified. Then every verified scene is searched: pairs are compared where they tell most about
its order, round after round. Along the order takes of one place come apart. Scenes too long for matrices over all of their
frames get a rough order on the way, by which they are ordered later.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from workbench.matching.pairs import all_pairs, not_among
from workbench.ordering.frames import FrameDistances, frames_of, groups_of_scenes
from workbench.ordering.long_scenes import LONG_SCENE_FRAMES, search_long
from workbench.ordering.scene import order_scene
from workbench.ordering.search import first_pairs, search
from workbench.parameters import OrderParameters
from workbench.scenes.blends import EditedFilm
from workbench.scenes.dbscan import by_size
from workbench.scenes.decisions import COUNTED, Decision, changed_counts, decisions_table
from workbench.scenes.pieces import pairs_before_splits, pieces_of, probing_pairs
from workbench.scenes.takes import WINDOW, Takes, find_takes
from workbench.scenes.verify import verify
from workbench.threads import at_once

MOVING_DISPLACEMENT = 0.01  # of the image diagonal, median of a scene's pairs: a camera that moves more shows no takes apart
Compare = Callable[[np.ndarray], pd.DataFrame]  # (P, 2) int positions, a < b -> the rows of register_pairs


@dataclass(frozen=True, eq=False)
class MatchedScenes:
    """The pairs that were compared and what they tell of the scenes.

    Attributes
    ----------
    table : DataFrame
        Rows of :func:`~workbench.registration.tables.register_pairs` of all pairs compared, sorted by pair.
    labels : (N,) int array
        Scene of every frame after the matches, by size, 0 = largest, -1 = outlier.
    decisions : list of Decision
        Why they differ from those of the clusterer.
    doubts : list of str
        What was left as it was although the matches say something else.
    rough_order : (N,) Int64 Series
        Place of every frame in the rough order of its scene, where the scene is a long one; NA elsewhere.
    """

    table: pd.DataFrame
    labels: np.ndarray
    decisions: list[Decision]
    doubts: list[str]
    rough_order: pd.Series

    @property
    def pairs(self) -> np.ndarray:  # numpydoc ignore=RT01
        """(P, 2) int array: the pairs that were compared, a < b, sorted."""
        return self.table[["a", "b"]].to_numpy()

    @property
    def pairs_per_frame(self) -> float:  # numpydoc ignore=RT01
        """Pairs compared, over the frames that are in scenes."""
        return len(self.table) / max(1, int((self.labels >= 0).sum()))

    def scenes_table(self, clustered: np.ndarray) -> pd.DataFrame:
        """Write the scenes as a table with one row per frame.

        Parameters
        ----------
        clustered : (N,) int array
            Scenes by the clusterer, -1 = outlier.

        Returns
        -------
        DataFrame
            The columns of :func:`~workbench.scenes.decisions.decisions_table`, and ``rough``.
        """
        return decisions_table(clustered, self.labels, self.decisions).assign(rough=self.rough_order)

    def counts(self, clustered: np.ndarray) -> dict[str, int]:
        """Count what was changed, for the record.

        Parameters
        ----------
        clustered : (N,) int array
            Scenes by the clusterer, -1 = outlier.

        Returns
        -------
        dict of str to int
            Those of :func:`~workbench.scenes.decisions.changed_counts`; ``blended_frames``, ``faded_frames``; ``takes``, which
            were parted from another take.
        """
        kinds = [decision.verdict for decision in self.decisions]
        return changed_counts(clustered, self.labels) | {name: kinds.count(verdict) for name, verdict in COUNTED.items()}


def match_scenes(
    film: EditedFilm,
    distances: FrameDistances,
    keypoints: np.ndarray,
    compare: Compare,
    pairs_per_frame: int,
    images: Sequence[np.ndarray] = (),
    same_place: str = "join",
    min_scene_frames: int = 1,
) -> MatchedScenes:
    """Choose pairs, have them compared, verify the scenes, and search every scene for the pairs that tell its order.

    Parameters
    ----------
    film : EditedFilm
        Scenes by the clusterer, and what of them is mixed.
    distances : FrameDistances
        Distances between frames that need no matching.
    keypoints : (N,) int array
        Number of keypoints of every frame.
    compare : callable
        Matches and registers pairs: (P, 2) int positions, a < b, sorted, none of them twice, to rows of
        :func:`~workbench.registration.tables.register_pairs`. Called once per round.
    pairs_per_frame : int
        The budget, at least 2; 0 compares all pairs inside scenes.
    images : (N, h, w, 3) uint8 sequence
        RGB frames, in which takes are told apart; needed for "split" alone.
    same_place : {"split", "join"}
        Whether takes of one place are scenes apart when what is in front differs.
    min_scene_frames : int
        Frames of a scene at least, where there is a larger one.

    Returns
    -------
    MatchedScenes
        All pairs compared, the verified scenes, and the rough order of long ones.
    """
    labels = film.labels
    first = (
        first_pairs(labels, [distances.embedded, distances.thumbnails], pairs_per_frame)
        if pairs_per_frame
        else all_pairs(labels)
    )
    table = compare(first)
    pieces = pieces_of(labels, table, film.mixed)
    seen = distances.embedded, distances.thumbnails
    table = compare_new(table, probing_pairs(pieces, *seen), compare)
    table = compare_new(table, pairs_before_splits(labels, pieces_of(labels, table, film.mixed), *seen), compare)
    verified = verify(
        labels, pieces, table, keypoints, distances.embedded, film.alike, film.mixed, film.apart, same_place, min_scene_frames
    )
    scenes = frames_of(verified.labels)
    if pairs_per_frame:
        short = [frames for frames in scenes if len(frames) <= LONG_SCENE_FRAMES]
        table = search(short, distances.scene, compare, pairs_per_frame, table)
    else:
        table = compare_new(table, all_pairs(verified.labels), compare)
    rough_order = pd.Series(pd.NA, range(len(labels)), dtype="Int64")
    for frames in scenes:
        if len(frames) > LONG_SCENE_FRAMES:
            table, ordered = search_long(frames, distances, compare, pairs_per_frame or len(frames), table)
            rough_order[ordered] = np.arange(len(ordered))
    labels, decisions = verified.labels, [*film.decisions, *verified.decisions]
    if same_place == "split":
        labels, parted = part_takes(labels, table, distances, images, film.mixed)
        decisions += parted
    return MatchedScenes(table, labels, decisions, verified.doubts, rough_order)


def part_takes(
    labels: np.ndarray, table: pd.DataFrame, distances: FrameDistances, images: Sequence[np.ndarray], mixed: np.ndarray
) -> tuple[np.ndarray, list[Decision]]:
    """Part the takes of scenes whose camera stands still, see :mod:`workbench.scenes.takes`.

    Parameters
    ----------
    labels : (N,) int array
        Scene of every frame, -1 = outlier.
    table : DataFrame
        Rows of all pairs compared.
    distances : FrameDistances
        Distances between frames that need no matching.
    images : (N, h, w, 3) uint8 sequence
        RGB frames.
    mixed : (n,) int array
        Frames of cross-fades and fades. They and their neighbours differ from those around them anyway, and go where the frame
        before them goes.

    Returns
    -------
    labels : (N,) int array
        Scene of every frame; a take is a scene, and a frame that is none of it an outlier. Scenes of thousands of frames stay
        whole.
    decisions : list of Decision
        What was changed.
    """
    parted, decisions = labels.copy(), []

    def _own(frames: np.ndarray) -> pd.DataFrame:
        return table[table["a"].isin(frames) & table["b"].isin(frames)]

    def _takes_of(frames: np.ndarray) -> tuple[np.ndarray, np.ndarray, Takes]:
        ordered = order_scene(distances.scene(frames), _own(frames), OrderParameters())
        order = frames[ordered.order]
        clear = ~np.isin(order, mixed)
        return order, clear, find_takes(images, order[clear], ordered.closed)

    short = (frames for frames in frames_of(labels) if len(frames) <= LONG_SCENE_FRAMES)
    still = [frames for frames in short if _own(frames)["displacement"].median() < MOVING_DISPLACEMENT]
    for order, clear, takes in (found for group in groups_of_scenes(still) for found in at_once(_takes_of, group)):
        # Beside a cross-fade a frame may still have a little of it.
        faded = order[np.convolve(~clear, np.ones(2 * WINDOW + 1), "same")[: len(order)] > 0.5]
        for frame, share in zip(takes.intruders.tolist(), takes.differing, strict=True):
            if frame in faded:
                clear[order == frame] = False
                continue
            reason = f"{100 * share:.0f} % of the picture differ from the frames around it, which agree with each other"
            decisions.append(Decision("expelled", np.array([frame]), reason))
            parted[frame] = -1
        for take in takes.others:
            reason = (
                f"{100 * take.step:.1f} % of the picture change for good between frames {take.between[0]} and "
                f"{take.between[1]}, {100 * take.around:.1f} % at most between those around them"
            )
            decisions.append(Decision("take", np.sort(take.frames), reason))
            parted[take.frames] = parted.max() + 1
        if takes.others:
            kept = clear & (parted[order] >= 0)
            before = np.maximum(np.cumsum(kept) - 1, 0)
            parted[order[~clear]] = parted[order[kept][before[~clear]]]
    return by_size(parted), decisions


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
