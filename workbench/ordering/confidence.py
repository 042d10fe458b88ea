"""How sure the order of a scene is, link by link: what the best other order would cost in which the two frames do not meet.

Links that are merely long are often right (a fast pan), and wrong ones are often short (frames that hardly differ). What
tells them apart is whether another order explains the distances as well, so every link is judged by its cheapest detour.
"""

import numpy as np
import pandas as pd
from scipy.special import expit

from workbench.ordering.distance import Proposal
from workbench.ordering.path import arrangements

# A link is right if the order as a whole is and if no other arrangement of the frames around it is as good. The log-odds of the
# latter are LINK_INTERCEPT + LINK_RISE * (rise of the cost, in local links, clipped) + LINK_AGREED (where both halves of the
# pixels lead to the link), those of the former SCENE_INTERCEPT + SCENE_ROUGHNESS * (roughness, clipped, above MIN_ROUGHNESS) +
# SCENE_ALIKE * (share of links that both halves lead to, clipped, less 1). Fitted by maximum likelihood to 4,749 links of 55
# scenes: 24 shuffled clips, five made from others, and seven drawn ones in which something swings or turns. With all scenes of
# a clip left out in turn, ROC AUC on the links left out is 0.93 (24 clips).
LINK_INTERCEPT, LINK_RISE, LINK_AGREED = -0.5, 17.7, 1.0
SCENE_INTERCEPT, SCENE_ROUGHNESS, SCENE_ALIKE = 4.0, -14.6, 9.3
MIN_RISE, MAX_RISE = -0.1, 0.25  # local links
MIN_ROUGHNESS, MAX_ROUGHNESS = 0.22, 0.45
ROUGH_LINKS = 7  # links in a row whose changes of length are compared
# Links with less confidence are worth a look: 23 % of those of the 24 clips, half of them wrong, 93 % of all that are wrong.
WEAK_CONFIDENCE = 0.8
DOUBTFUL = 0.79  # the most confidence in a link of an order that is not in the pictures
MIN_ALIKE = 0.75  # share of links that both halves lead to, below which an order is not in the pictures
MIN_EVIDENCE = 8.0  # below this it is not either
MIN_JUDGED_FRAMES = 12
MIN_SHARE = 0.6  # of links that both halves lead to; less says nothing more

LOCAL_TWO_STEP_WEIGHT = 0.5  # weight of frames two places apart in the local cost; neighbours weigh 1
MAX_SEGMENT_FRAMES = 3  # frames that an Or-opt move puts elsewhere together, at most
SCALE_LINKS = 9  # links around each link whose median length is its local scale


def link_confidence(
    order: np.ndarray,
    distances: np.ndarray,
    compared: np.ndarray,
    appearance: np.ndarray,
    closed: bool,
    agreed: np.ndarray,
    alike: float,
) -> np.ndarray:
    """Confidence in each link of an order.

    Parameters
    ----------
    order : (n,) int array
        Each frame once. It should be about the shortest path, since one long detour casts doubt on all links around it.
    distances : (n, n) float array
        The distances that the order was made from: symmetric, >= 0, in any unit.
    compared : (n, n) bool array
        The pairs that were compared.
    appearance : (n, n) float array
        A distance that is given for all pairs, in any unit. It stands in for the pairs that were not compared.
    closed : bool
        Whether the order is a loop that was cut open somewhere. Its ends then follow each other, so that another place of the
        cut casts no doubt on any link. The ends of other orders are free.
    agreed : (n - 1,) bool array
        The links that both halves of the pixels lead to, from :func:`agreed_links`.
    alike : float
        Share of the links that the orders by the two halves have in common, 0 to 1.

    Returns
    -------
    (n - 1,) float64 array
        Entry k is for the link from ``order[k]`` to ``order[k + 1]``: 0 to 1, about the share of such links that are right.

    Notes
    -----
    The smallest rise of two costs decides. The first is the length of the path with any two links exchanged (2-opt; Croes,
    Operations Research 1958) or up to three frames moved anywhere (Or-opt; Or, PhD thesis, Northwestern 1976). The second is a
    local cost that also counts frames two places apart, with up to six neighbouring frames rearranged.

    What moves does not change its speed from frame to frame. Where links of very different length follow each other, frames of
    several periods of a motion were sorted into one, or of several passes.
    """
    if len(order) < 2:
        return np.zeros(0)
    filled = _fill(distances.astype(np.float64), compared, appearance)[np.ix_(order, order)]
    links = np.diag(filled, 1)
    around = np.lib.stride_tricks.sliding_window_view(np.pad(links, SCALE_LINKS // 2, mode="edge"), SCALE_LINKS)
    # Runs of identical frames have no scale of their own; there the sign of a rise decides.
    scale = np.maximum(np.median(around, axis=1), max(1e-9 * filled.max(), 1e-300))
    # The local cost is divided by its weights, so that both rises are counted in links.
    rise = np.minimum(_local_rise(filled, closed) / (1 + LOCAL_TWO_STEP_WEIGHT), _path_rise(filled, closed)) / scale
    link = LINK_INTERCEPT + LINK_RISE * np.clip(rise, MIN_RISE, MAX_RISE) + LINK_AGREED * agreed
    rough = np.clip(roughness(links), MIN_ROUGHNESS, MAX_ROUGHNESS) - MIN_ROUGHNESS
    scene = SCENE_INTERCEPT + SCENE_ROUGHNESS * rough + SCENE_ALIKE * (max(alike, MIN_SHARE) - 1)
    return expit(link) * expit(scene)


def roughness(links: np.ndarray) -> float:
    """Measure how much the length of a link differs from that of the next one.

    Parameters
    ----------
    links : (n,) float array
        Lengths of the links of an order, in any unit.

    Returns
    -------
    float
        Median over the order of the median, over seven links in a row, of the change of the logarithm; 0 for fewer than two
        links.
    """
    if len(links) < 2:
        return 0.0
    changes = pd.Series(np.abs(np.diff(np.log(np.maximum(links, max(1e-9 * links.max(), 1e-300))))))
    return float(changes.rolling(ROUGH_LINKS, center=True, min_periods=1).median().median())


def agreed_links(order: np.ndarray, halves: Proposal) -> np.ndarray:
    """Which links of an order both halves of the pixels lead to.

    Parameters
    ----------
    order : (n,) int array
        Each frame once.
    halves : Proposal
        The orders by either half.

    Returns
    -------
    (n - 1,) bool array
        True where the two frames are neighbours in both.
    """
    agreed = np.ones(max(0, len(order) - 1), dtype=bool)
    for half in halves:
        place = np.empty(len(half), dtype=int)
        place[half] = np.arange(len(half))
        agreed &= np.abs(np.diff(place[order])) == 1
    return agreed


def share_alike(halves: Proposal) -> float:
    """Compute the share of links that the orders by the two halves have in common.

    Parameters
    ----------
    halves : Proposal
        The orders by either half of the pixels.

    Returns
    -------
    float
        0 to 1; 1 for fewer than two frames.
    """
    return float(agreed_links(halves.first, halves).mean()) if len(halves.first) > 1 else 1.0


def doubt_about(halves: Proposal, evidence: float) -> str:
    """Say why an order as a whole is not in the pictures, if it is not.

    Parameters
    ----------
    halves : Proposal
        The orders by either half of the pixels.
    evidence : float
        How much speaks for the order, see :func:`~workbench.ordering.distance.evidence`.

    Returns
    -------
    str
        The reason, as the end of a sentence; empty where the order is sure or where the scene has fewer than twelve frames.
    """
    if len(halves.first) < MIN_JUDGED_FRAMES:
        return ""
    alike = share_alike(halves)
    if alike < MIN_ALIKE:
        return f"one half of the pixels gives another order than the other half ({100 * alike:.0f} % of the links are the same)"
    if evidence < MIN_EVIDENCE:
        return f"frames that follow each other are hardly more alike than frames further apart (evidence {evidence:.0f})"
    return ""


def weak_links(table: pd.DataFrame) -> pd.DataFrame:
    """List the links that are guesses, the least sure first.

    Parameters
    ----------
    table : DataFrame
        The rows of ``order.csv``: one per frame, with the columns ``position``, ``scene`` (-1 for outliers), ``order`` and
        ``confidence``.

    Returns
    -------
    DataFrame
        One row per link below :data:`WEAK_CONFIDENCE`: ``scene``, ``place`` of the first frame in it, ``first`` and
        ``second`` (positions of the two frames in the input), ``confidence`` (0 to 1).
    """
    kept = table[table["scene"] >= 0].sort_values(["scene", "order"])
    links = pd.DataFrame({"scene": kept["scene"], "place": kept["order"], "first": kept["position"]})
    links["second"], links["confidence"] = kept["position"].shift(-1), kept["confidence"]
    weak = links[links["confidence"] < WEAK_CONFIDENCE].sort_values("confidence", kind="stable", ignore_index=True)
    return weak.astype({"place": int, "second": int})


def _fill(distances: np.ndarray, compared: np.ndarray, appearance: np.ndarray) -> np.ndarray:
    """Distances in which pairs that were not compared get what is usual at their appearance.

    That is the value of the line fitted to the compared pairs, not below 0.
    """
    first, second = np.nonzero(np.triu(compared, 1))
    seen = appearance[first, second]
    if compared.all() or len(seen) == 0 or np.ptp(seen) == 0:
        return distances
    line = np.polyfit(seen, distances[first, second], 1)
    filled = np.where(compared, distances, np.maximum(0, np.polyval(line, appearance)))
    np.fill_diagonal(filled, 0)
    return filled


def _path_rise(along: np.ndarray, closed: bool) -> np.ndarray:
    """Rise (n - 1,) of the path's length in the cheapest 2-opt or Or-opt move that parts each link; inf where none does.

    ``along`` are the (n, n) distances in the order of the path. One more place at distance 0 from all makes a path a tour; a
    ``closed`` one is a tour already.
    """
    tour = along if closed else np.pad(along, (0, 1))
    count = len(tour)
    after = np.roll(np.arange(count), -1)
    link = tour[np.arange(count), after]
    lowest = np.full(count, np.inf)

    def part(one: list[int], others: np.ndarray, rise: np.ndarray) -> None:
        lowest[others] = np.minimum(lowest[others], rise)
        lowest[one] = np.minimum(lowest[one], rise.min(initial=np.inf))

    for i in range(count - 2):
        j = np.arange(i + 2, count - (i == 0))
        part([i], j, tour[i, j] + tour[i + 1, after[j]] - link[i] - link[j])
    for length in range(1, MAX_SEGMENT_FRAMES + 1):
        for head in range(count if count > length + 2 else 0):
            tail, before = (head + length - 1) % count, head - 1
            # From the first link beyond the segment to the last one before it.
            gaps = (tail + 1 + np.arange(count - length - 1)) % count
            base = tour[before, after[tail]] - link[before] - link[tail]
            kept = tour[gaps, head] + tour[tail, after[gaps]]
            reversed_segment = tour[gaps, tail] + tour[head, after[gaps]]
            # Next to its old place a reversed segment (and always a single frame) keeps a link: a 2-opt move, see above.
            if length == 1:
                kept[[0, -1]] = np.inf
            reversed_segment[[0, -1]] = np.inf
            part([before, tail], gaps, base + np.minimum(kept, reversed_segment) - link[gaps])
    return lowest[: len(along) - 1]


def _local_rise(along: np.ndarray, closed: bool) -> np.ndarray:
    """Rise (n - 1,) of the local cost in the cheapest local rearrangement that parts each link; inf where none does."""
    count = len(along)
    padded = np.pad(along, 2, mode="wrap") if closed else np.pad(along, 2)
    lowest = np.full(count + 1, np.inf)  # one more link before the first frame and after the last one

    def cost(places: np.ndarray) -> np.ndarray:
        nearest = padded[places[:, :-1], places[:, 1:]].sum(axis=1)
        return nearest + LOCAL_TWO_STEP_WEIGHT * padded[places[:, :-2], places[:, 2:]].sum(axis=1)

    for arrangement in arrangements():
        width = len(arrangement)
        starts = np.arange(count - width + 1)[:, None]
        # Two frames on either side stay where they are.
        window = np.arange(width + 4)
        moved = np.concatenate([[0, 1], arrangement + 2, [width + 2, width + 3]])
        rise = cost(starts + moved) - cost(starts + window)
        place = np.argsort(moved)
        for parted in np.flatnonzero(np.abs(np.diff(place)) > 1):
            at = starts[:, 0] + parted - 1
            lowest[at] = np.minimum(lowest[at], rise)
    return lowest[1:-1]
