"""Compare a reconstruction with the truth: outliers, scenes, order.

Positions are 0-based places in the corrupted video. A *true frame* is one whose truth is a clip, not ``outlier``; a
frame is *kept* when the result gives it a scene >= 0, else *set aside*. A clip's *main scene* is the one that holds
most of its frames. Shares and F1 scores are 0 to 1, higher is better.
"""

import itertools
from collections import Counter
from collections.abc import Sequence

import numpy as np
from sklearn.metrics import adjusted_rand_score
from sklearn.metrics.cluster import pair_confusion_matrix

from workbench.errors import TruthError
from workbench.evaluation.files import OUTLIER, OrderRow, TruthRow


def evaluate(truth: Sequence[TruthRow], result: Sequence[OrderRow]) -> dict[str, float]:
    """All figures of a reconstruction, as a flat dictionary of floats in 0 to 1 (``scene_ari``: -0.5 to 1).

    - ``outlier_precision`` = foreign frames among those set aside / frames set aside
    - ``outlier_recall`` = foreign frames set aside / foreign frames
    - ``outlier_f1`` = 2 * foreign frames set aside / (frames set aside + foreign frames).
      All three are 0 where the divisor is 0: a video without foreign frames has outlier_f1 = 0.
    - ``scene_f1`` = 2 B / (C + S) over all pairs of true frames: C pairs of the same clip, S pairs of the same scene,
      B pairs of both; a frame set aside is in no pair of the same scene. 0 where C + S = 0.
    - ``scene_ari``: adjusted Rand index between clips and scenes over the true frames, where every frame set aside is a
      scene of its own.
    - ``tau``, ``adjacent``, ``coverage``: means over the clips weighted by their length, see :func:`evaluate_clips`.

    Truth and result must have the same positions, every frame of the video once.
    Raises :class:`TruthError` when truth and result are not about the same positions, or the truth has no clip.
    """
    scenes = _scenes(truth, result)
    foreign = {row.position for row in truth if row.clip == OUTLIER}
    aside = {position for position, scene in scenes.items() if scene < 0}
    hits = len(foreign & aside)
    kept = [row for row in truth if row.clip != OUTLIER]
    clips = [row.clip for row in kept]
    # Frames set aside become scenes of one frame, numbered apart from the real ones: no pair of theirs is together.
    single = [scenes[row.position] if scenes[row.position] >= 0 else -1 - row.position for row in kept]
    (_, scene_only), (clip_only, both) = _pairs(clips, single)
    rows = evaluate_clips(truth, result)
    weights = [row["frames"] for row in rows]
    means = {name: float(np.average([row[name] for row in rows], weights=weights)) for name in ("tau", "adjacent", "coverage")}
    return {
        "outlier_precision": hits / max(1, len(aside)),
        "outlier_recall": hits / max(1, len(foreign)),
        "outlier_f1": 2 * hits / max(1, len(foreign) + len(aside)),
        "scene_f1": 2 * both / max(1, 2 * both + clip_only + scene_only),
        "scene_ari": float(adjusted_rand_score(clips, single)),
        **means,
    }


def evaluate_clips(truth: Sequence[TruthRow], result: Sequence[OrderRow]) -> list[dict[str, str | int | float]]:
    """One row for each true clip, sorted by name, for a table.

    - ``clip``; ``frames`` = n, its length; ``scene``: its main scene, -1 when all its frames were set aside
    - ``kept`` = k, its frames in the main scene; ``aside``: its frames set aside; ``elsewhere``: the rest
    - ``coverage`` = k / n
    - ``tau`` = |K| * k / n with Kendall's K = (pairs in true order - pairs in reverse order) / (k (k - 1) / 2) over
      the k frames in the order of the main scene; K = 1 for k = 1, tau = 0 for k = 0. Distances know no direction of
      time, hence the modulus.
    - ``adjacent`` = a / (n - 1), 0 for n = 1: a of the pairs that follow each other directly in the main scene, foreign
      frames and other clips' frames counted as they stand, are frames of this clip with true indices 1 apart

    Raises :class:`TruthError` as :func:`evaluate` does.
    """
    scenes = _scenes(truth, result)
    known = {row.position: row for row in truth}
    contents: dict[int, list[TruthRow]] = {}
    for row in sorted(result, key=lambda row: (row.order, row.position)):
        if row.scene >= 0:
            contents.setdefault(row.scene, []).append(known[row.position])
    table = []
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
                "adjacent": together / max(1, len(found) - 1),
            }
        )
    return table


def kendall(sequence: Sequence[int]) -> float:
    """|Kendall's tau| of ``sequence`` against its sorted order, 0 to 1, ties counted as neither; 1 for fewer than two."""
    if len(sequence) < 2:
        return 1.0
    values = np.asarray(sequence)
    # One row at a time: the whole matrix of pairs would not fit for a long clip.
    surplus = sum(int(np.sign(values[k + 1 :] - values[k]).sum()) for k in range(len(values) - 1))
    return abs(surplus) / (len(values) * (len(values) - 1) / 2)


def _pairs(one: list, two: list) -> list[list[int]]:
    """Unordered pairs by (together in ``one``, together in ``two``): ``[[neither, two only], [one only, both]]``."""
    return (pair_confusion_matrix(one, two) // 2).tolist()


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
