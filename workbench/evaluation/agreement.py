"""How far two orders of the same video agree, without any truth."""

import itertools
from collections.abc import Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment

from workbench.evaluation.files import OrderRow
from workbench.evaluation.metrics import kendall
from workbench.evaluation.partitions import adjusted_rand_index


def order_agreement(one: Sequence[OrderRow], two: Sequence[OrderRow]) -> dict[str, int | float | None]:
    """Measure how far two orders of the same video agree; nothing depends on which is the first.

    Parameters
    ----------
    one, two : sequence of OrderRow
        The orders: a row per frame of the video, sorted by position.

    Returns
    -------
    dict of str to int, float or None
        - ``scene_ari``: adjusted Rand index of the scenes over all frames, -0.5 to 1; every outlier is a scene of its own
        - ``common_outliers``, ``outliers``: frames that both set aside, frames that either does
        - ``matched``, ``kept``: frames that lie in matched scenes, frames that neither sets aside
        - ``tau``: modulus of Kendall's tau of the two orders of the frames of a matched scene, 0 to 1; mean over the matched
          scenes with two such frames or more, weighted by their number; None where there is none. The modulus, because a
          distance between frames does not tell which comes first.
        - ``links``: share of links in common, 0 to 1: 2 C / (A + B) with A and B pairs of frames that follow each other
          directly, whichever comes first, and C of them in both; None where neither order has one. For a loop that begins
          elsewhere this is the figure to read.

    Notes
    -----
    Every scene is matched with at most one of the other order, so that most frames lie in matched scenes (the Hungarian
    method, on the number of common frames).
    """
    scenes = [[row.scene for row in rows] for rows in (one, two)]
    single = [[scene if scene >= 0 else -1 - position for position, scene in enumerate(labels)] for labels in scenes]
    aside = [{position for position, scene in enumerate(labels) if scene < 0} for labels in scenes]
    parts = _matched(one, two)
    compared = [part for part in parts if len(part) > 1]
    weights = [len(part) for part in compared]
    links = [_links(rows) for rows in (one, two)]
    return {
        "scene_ari": adjusted_rand_index(*single),
        "common_outliers": len(aside[0] & aside[1]),
        "outliers": len(aside[0] | aside[1]),
        "matched": sum(map(len, parts)),
        "kept": len(one) - len(aside[0] | aside[1]),
        "tau": float(np.average([kendall(part) for part in compared], weights=weights)) if compared else None,
        "links": 2 * len(links[0] & links[1]) / (len(links[0]) + len(links[1])) if any(links) else None,
    }


def _matched(one: Sequence[OrderRow], two: Sequence[OrderRow]) -> list[list[int]]:
    """For every pair of matched scenes, places in ``two`` of the frames in both, in the order of ``one``; none is empty."""
    both = sorted((a.order, b.order, a.scene, b.scene) for a, b in zip(one, two, strict=True) if min(a.scene, b.scene) >= 0)
    scenes, others = sorted({row[2] for row in both}), sorted({row[3] for row in both})
    shared = np.zeros((len(scenes), len(others)), dtype=int)
    for _, _, scene, other in both:
        shared[scenes.index(scene), others.index(other)] += 1
    pairs = zip(*linear_sum_assignment(shared, maximize=True), strict=True)
    parts = [[place for _, place, *found in both if found == [scenes[one], others[two]]] for one, two in pairs]
    return [part for part in parts if part]


def _links(rows: Sequence[OrderRow]) -> set[frozenset[int]]:
    """Pairs of positions that follow each other directly in a scene."""
    ordered = sorted((row for row in rows if row.scene >= 0), key=lambda row: (row.scene, row.order))
    return {frozenset((a.position, b.position)) for a, b in itertools.pairwise(ordered) if a.scene == b.scene}
