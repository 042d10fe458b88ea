"""Compare a reconstruction with the truth: outliers, scenes, order.

Positions are 0-based places in the corrupted video. A *true frame* is one whose truth is a clip, not ``outlier``; a
frame is *kept* when the result gives it a scene >= 0, otherwise it is *set aside*. The *main scene* of a clip is the scene
that holds most of its frames. Shares and F1 scores are 0 to 1, higher is better.
"""

import itertools
from collections import Counter
from collections.abc import Sequence
from typing import TypedDict

import numpy as np

from workbench.errors import TruthError
from workbench.evaluation.files import OUTLIER, OrderRow, TruthRow
from workbench.evaluation.partitions import adjusted_rand_index, pair_counts


class ClipRow(TypedDict):
    """The figures of one true clip; :func:`evaluate_clips` defines each."""

    clip: str
    frames: int
    scene: int
    kept: int
    aside: int
    elsewhere: int
    coverage: float
    tau: float
    tau_loop: float
    adjacent: float


def evaluate(truth: Sequence[TruthRow], result: Sequence[OrderRow]) -> dict[str, float]:
    """Measure a reconstruction as a whole.

    Parameters
    ----------
    truth : sequence of TruthRow
        What is shown at every position, one row per frame of the video.
    result : sequence of OrderRow
        The reconstruction of the same video, one row per position.

    Returns
    -------
    dict of str to float
        All figures, 0 to 1 except for ``scene_ari`` (-0.5 to 1):

        - ``outlier_precision`` = foreign frames among those set aside / frames set aside
        - ``outlier_recall`` = foreign frames set aside / foreign frames
        - ``outlier_f1`` = 2 * foreign frames set aside / (frames set aside + foreign frames).
          All three are 0 where the divisor is 0: a video without foreign frames has ``outlier_f1`` = 0.
        - ``scene_f1`` = 2 B / (C + S) over all pairs of true frames: C pairs of the same clip, S pairs of the same scene,
          B pairs of both; a frame set aside is in no pair of the same scene. 0 where C + S = 0.
        - ``scene_ari``: adjusted Rand index between clips and scenes over the true frames, where every frame set aside is a
          scene of its own.
        - ``tau``, ``tau_loop``, ``adjacent``, ``coverage``: means over the clips, weighted by their length; see
          :func:`evaluate_clips`.

    Raises
    ------
    TruthError
        When truth and result are not about the same positions, or the truth has no frame of any clip.
    """
    scenes = _scenes(truth, result)
    foreign = {row.position for row in truth if row.clip == OUTLIER}
    aside = {position for position, scene in scenes.items() if scene < 0}
    hits = len(foreign & aside)
    kept = [row for row in truth if row.clip != OUTLIER]
    clips = [row.clip for row in kept]
    # Frames set aside become scenes of one frame, numbered apart from the real ones: no pair of theirs is together.
    single = [scenes[row.position] if scenes[row.position] >= 0 else -1 - row.position for row in kept]
    (_, scene_only), (clip_only, both) = pair_counts(clips, single).tolist()
    rows = evaluate_clips(truth, result)
    weights = [row["frames"] for row in rows]
    shares = {
        "tau": [row["tau"] for row in rows],
        "tau_loop": [row["tau_loop"] for row in rows],
        "adjacent": [row["adjacent"] for row in rows],
        "coverage": [row["coverage"] for row in rows],
    }
    return {
        "outlier_precision": hits / max(1, len(aside)),
        "outlier_recall": hits / max(1, len(foreign)),
        "outlier_f1": 2 * hits / max(1, len(foreign) + len(aside)),
        "scene_f1": 2 * both / max(1, 2 * both + clip_only + scene_only),
        "scene_ari": adjusted_rand_index(clips, single),
        **{name: float(np.average(values, weights=weights)) for name, values in shares.items()},
    }


def evaluate_clips(truth: Sequence[TruthRow], result: Sequence[OrderRow]) -> list[ClipRow]:
    """Measure a reconstruction clip by clip, for a table.

    Parameters
    ----------
    truth : sequence of TruthRow
        What is shown at every position, one row per frame of the video.
    result : sequence of OrderRow
        The reconstruction of the same video, one row per position.

    Returns
    -------
    list of ClipRow
        One dictionary for each true clip, sorted by name:

        - ``clip``: its name; ``frames`` = n, its length; ``scene``: its main scene, -1 when all its frames were set aside
        - ``kept`` = k, its frames in the main scene; ``aside``: its frames set aside; ``elsewhere``: the rest
        - ``coverage`` = k / n
        - ``tau`` = abs(K) * k / n with Kendall's K = (pairs in true order - pairs in reverse order) / (k (k - 1) / 2) over
          the k frames in the order of the main scene; K = 1 for k = 1, tau = 0 for k = 0. Distances know no direction of
          time, hence the modulus.
        - ``tau_loop``: the same with the largest abs(K) of all rotations of that order, for a clip that ends as it began: a
          full orbit has no true start
        - ``adjacent`` = a / (n - 1), 0 for n = 1: a of the pairs that follow each other directly in the main scene, foreign
          frames and other clips' frames counted as they stand, are frames of this clip with true indices 1 apart

    Raises
    ------
    TruthError
        When truth and result are not about the same positions, or the truth has no frame of any clip.
    """
    scenes = _scenes(truth, result)
    true_rows = {row.position: row for row in truth}
    contents: dict[int, list[TruthRow]] = {}
    for row in sorted(result, key=lambda row: (row.order, row.position)):
        if row.scene >= 0:
            contents.setdefault(row.scene, []).append(true_rows[row.position])
    table: list[ClipRow] = []
    for clip in sorted({row.clip for row in truth} - {OUTLIER}):
        found = [scenes[row.position] for row in truth if row.clip == clip]
        inside = [scene for scene in found if scene >= 0]
        # The way a set of ints iterates decides ties, as in the reference scorer; a tie has no better answer.
        main = max(set(inside), key=Counter(inside).__getitem__) if inside else -1
        sequence = contents.get(main, [])
        own = [row.frame for row in sequence if row.clip == clip]
        together = sum(
            one.clip == two.clip == clip and abs(one.frame - two.frame) == 1 for one, two in itertools.pairwise(sequence)
        )
        table.append(
            {
                "clip": clip,
                "frames": len(found),
                "scene": main,
                "kept": len(own),
                "aside": len(found) - len(inside),
                "elsewhere": len(inside) - len(own),
                "coverage": len(own) / len(found),
                "tau": kendall(own) * len(own) / len(found),
                "tau_loop": kendall_loop(own) * len(own) / len(found),
                "adjacent": together / max(1, len(found) - 1),
            }
        )
    return table


def neighbours_compared(truth: Sequence[TruthRow], result: Sequence[OrderRow], pairs: np.ndarray) -> float:
    """Measure how many true neighbours were compared: what was not cannot be found by its matches.

    Parameters
    ----------
    truth, result : sequences
        As for :func:`evaluate`.
    pairs : (P, 2) int array
        The pairs of positions that were compared.

    Returns
    -------
    float
        Share of the pairs of frames of one clip with true indices 1 apart, both in one scene, that were compared, 0 to 1; 1
        where there is none.

    Raises
    ------
    TruthError
        When truth and result are not about the same positions, or the truth has no frame of any clip.
    """
    scenes = _scenes(truth, result)
    position = {(row.clip, row.frame): row.position for row in truth if row.clip != OUTLIER}
    compared = {(min(pair), max(pair)) for pair in pairs.tolist()}
    found, cases = 0, 0
    for (clip, frame), one in position.items():
        other = position.get((clip, frame + 1))
        if other is not None and scenes[one] == scenes[other] >= 0:
            cases += 1
            found += (min(one, other), max(one, other)) in compared
    return found / cases if cases else 1.0


def kendall(sequence: Sequence[int]) -> float:
    """Measure how far a sequence is sorted, in either direction.

    Parameters
    ----------
    sequence : (n,) sequence of int
        Numbers in their order, for example true frame numbers in restored order.

    Returns
    -------
    float
        Modulus of Kendall's tau of the sequence against its sorted order, 0 to 1; ties count as neither. 1 for fewer than two
        numbers.
    """
    if len(sequence) < 2:
        return 1.0
    return abs(_surplus(np.asarray(sequence))) / (len(sequence) * (len(sequence) - 1) / 2)


def kendall_loop(sequence: Sequence[int]) -> float:
    """Measure how far the best rotation of a sequence is sorted, in either direction.

    Parameters
    ----------
    sequence : (n,) sequence of int
        Numbers in their order, for example true frame numbers in restored order.

    Returns
    -------
    float
        The largest modulus of Kendall's tau of all n rotations of the sequence, 0 to 1; 1 for fewer than two numbers.

    Notes
    -----
    When the first number of a sequence moves to its end, its pairs with all other numbers are reversed, and no other pair.
    How many numbers are larger and how many smaller than each follows from one sorting, hence all rotations take O(n log n)
    beyond the figure of the first.
    """
    if len(sequence) < 2:
        return 1.0
    values = np.asarray(sequence)
    ranked = np.sort(values)
    smaller = np.searchsorted(ranked, values, side="left")
    larger = len(values) - np.searchsorted(ranked, values, side="right")
    rotated = _surplus(values) - 2 * np.cumsum(larger - smaller)  # the last is the sequence itself again
    return int(np.abs(rotated).max()) / (len(values) * (len(values) - 1) / 2)


def _surplus(values: np.ndarray) -> int:
    """Pairs of numbers in sorted order, less pairs in reverse order."""
    # One row at a time: the whole matrix of pairs would not fit for a long clip.
    return sum(int(np.sign(values[k + 1 :] - values[k]).sum()) for k in range(len(values) - 1))


def _scenes(truth: Sequence[TruthRow], result: Sequence[OrderRow]) -> dict[int, int]:
    """Position -> scene, after checking that both are about the same video."""
    scenes = {row.position: row.scene for row in result}
    if len(scenes) != len(result) or scenes.keys() != {row.position for row in truth} or len(truth) != len(result):
        raise TruthError(
            f"the truth has {len(truth)} frames and the result {len(result)}, or their positions differ: "
            "give the truth of this very video"
        )
    if all(row.clip == OUTLIER for row in truth):
        raise TruthError("the truth has no frame of any clip: there is nothing to evaluate")
    return scenes
