"""From distances between the frames of a scene to their order. Time has no arrow in a distance: an order and its reverse
are the same answer, and the one that starts with the earlier frame of the input is given.
"""

from collections.abc import Iterator

import fast_tsp
import numpy as np

SEARCHES = 3  # at most, for a path
TIE_BREAK_JITTER = 20  # of 65,000, the largest distance
REACH = 3  # frames on either side of a cut through a loop


def blend(counts: np.ndarray, similarity: np.ndarray, alpha: float) -> np.ndarray:
    """The first design's similarity, (n, n), 0 to 1: ``alpha`` match counts (over their maximum) + (1 - alpha) embeddings.

    counts: (n, n) matches of each pair, 0 where none. similarity: (n, n) cosine similarity; below 0 counts as 0. A frame is
    wholly like itself: 1 on the diagonal.
    """
    off = ~np.eye(len(counts), dtype=bool)
    most = counts[off].max(initial=0)
    blended = alpha * counts / max(most, 1) + (1 - alpha) * np.clip(similarity, 0, 1)
    np.fill_diagonal(blended, 1)
    return blended


def greedy_chain(similarity: np.ndarray) -> np.ndarray:
    """The first design's order, (n,) int: from the most central frame always on to the most similar one that is left.

    Kept as a baseline: the chain runs to one end and then jumps across the frames it left behind.
    """
    similarity = similarity.astype(np.float64).copy()
    np.fill_diagonal(similarity, 0)
    chain = [int(similarity.sum(axis=1).argmax())]
    left = np.ones(len(similarity), dtype=bool)
    left[chain[0]] = False
    while left.any():
        chain.append(int(np.where(left, similarity[chain[-1]], -np.inf).argmax()))
        left[chain[-1]] = False
    return np.array(chain)


def shortest_path(distances: np.ndarray, first: int | None = None) -> np.ndarray:
    """Order (n,) int of the frames along the shortest open path through all of them, or through all from frame ``first`` on.

    The path becomes a tour through one more city at distance zero from all (a travelling-salesman problem, solved by
    fast-tsp's Lin-Kernighan search). Identical frames (distance 0) stay together, in the order of the input.
    """
    if not len(distances):
        return np.zeros(0, dtype=int)
    groups = _identical(distances)
    firsts = np.array([group[0] for group in groups])
    start = None if first is None else next(index for index, group in enumerate(groups) if first in group)
    order = _open_path(distances[np.ix_(firsts, firsts)], start)
    if len(order) > 1 and (order[0] > order[-1] if start is None else order[0] != start):
        order = order[::-1]
    path = np.concatenate([groups[index] for index in order])
    return path if first is None else np.concatenate([[first], path[path != first]])


def is_loop(order: np.ndarray, distances: np.ndarray) -> bool:
    """Whether a scene comes back to where it began (a full orbit): the ends of its order are as near to each other as frames
    that follow each other somewhere along it, at most 1.25 times the longest link and 2.5 times the median one.

    order: (n,) int; fewer than six frames never close. distances: (n, n).
    """
    if len(order) < 2 * REACH:
        return False
    links, closing = distances[order[:-1], order[1:]], distances[order[0], order[-1]]
    return bool(closing <= 1.25 * links.max() and closing <= 2.5 * np.median(links))


def find_loop_cut(order: np.ndarray, distances: np.ndarray) -> int | None:
    """Where a scene more likely begins than at the ends of its order: place k of the link from ``order[k]`` to the next frame
    that is a gap, or None.

    Someone rests, moves, and rests again; a road is empty, a car passes, it is empty again: such a scene ends as it began, and
    the shortest path leaves out the longest link, in the midst of the quickest movement. But there the links around are long
    too, while between the last and the first frame one link stands out among short ones. So when the ends of the order are
    not much further apart than its longest link (1.5 times), a link counts as the gap if it stands out from the four on
    either side (over their median) at least 1.5 times as much as the link that would join the ends does.

    order: (n,) int; fewer than twelve frames have no gap. distances: (n, n).
    """
    count = len(order)
    if count < 12:
        return None
    ring = distances[order, np.roll(order, -1)]
    if ring.max() == 0 or ring[-1] > 1.5 * ring[:-1].max():
        return None
    around = np.stack([np.roll(ring, shift) for shift in range(-4, 5) if shift])
    standing_out = ring / np.maximum(np.median(around, axis=0), 1e-9 * ring.max())
    widest = int(np.argmax(standing_out))
    return widest if standing_out[widest] >= 1.5 * standing_out[-1] else None


def cut_loop(order: np.ndarray, appearance: np.ndarray) -> np.ndarray:
    """The order (n,) of a scene that :func:`is_loop`, started where it most likely did.

    It could be cut open anywhere, and a hair decides where the path did. So it is cut where the pictures before and after
    differ most: the mean ``appearance`` distance, (n, n), of three frames on one side to three beyond it.
    """
    ring = np.concatenate([order[-REACH:], order, order[:REACH]])
    across = [
        appearance[np.ix_(ring[cut : cut + REACH], ring[cut + REACH : cut + 2 * REACH])].mean() for cut in range(len(order))
    ]
    return rotate_order(order, int(np.argmax(across)))


def rotate_order(order: np.ndarray, start: int) -> np.ndarray:
    """A closed order (n,) begun at place ``start``, or the reverse: the one with the earlier frame of the input first."""
    cut = np.roll(order, -start)
    return cut if cut[0] < cut[-1] else cut[::-1]


def _open_path(distances: np.ndarray, start: int | None) -> np.ndarray:
    count = len(distances)
    if count < 3:
        return np.arange(count)
    # A hair is added to every distance, always the same one: among paths of one length, which of them is found would depend
    # on the seed that the solver takes from the clock.
    hair = np.triu(np.random.default_rng(0).uniform(0, TIE_BREAK_JITTER, (count, count)), 1)
    # The solver takes whole numbers up to 65535; 1 is the least, so that only the added city is free.
    longest = 65_000 if start is None else 65_000 // 4
    whole = np.round(np.minimum(distances, distances.T) / distances.max() * longest + hair + hair.T)
    tour_distances = np.zeros((count + 1, count + 1), dtype=np.int64)
    tour_distances[1:, 1:] = np.maximum(1, whole)
    np.fill_diagonal(tour_distances, 0)
    if start is not None:  # the added city has two neighbours: to begin elsewhere would cost more than it can save
        tour_distances[0, 1:] = tour_distances[1:, 0] = np.where(np.arange(count) == start, 0, 65_000)
    # The search takes all of its time; scenes of 30 to 200 frames have the same tour after a hundredth of a second. On a busy
    # machine it may not get that much: it is done when two searches, which begin at random, find a tour of the same length.
    seconds = max(0.02, count / 4000)
    best, least = np.zeros(0, dtype=int), np.inf
    for _ in range(SEARCHES):
        tour = np.array(fast_tsp.find_tour(tour_distances, duration_seconds=seconds, stop_when_converged=True))
        length = tour_distances[tour, np.roll(tour, -1)].sum()
        if length == least:
            break
        if length < least:
            best, least = tour, length
    return np.roll(best, -int(np.flatnonzero(best == 0)[0]))[1:] - 1


def _identical(distances: np.ndarray) -> list[np.ndarray]:
    """Groups of frames at distance zero of their first one, each rising, ordered by it."""
    groups, seen = [], np.zeros(len(distances), dtype=bool)
    for frame in range(len(distances)):
        if not seen[frame]:
            group = np.flatnonzero((distances[frame] <= 1e-12) & ~seen)
            group = np.union1d(group, [frame])
            seen[group] = True
            groups.append(group)
    return groups


SECOND = 0.25  # weight of frames two places apart; neighbours weigh 1
WINDOW = 6  # frames that are rearranged at most
ROUNDS = 20  # passes over the order, at most; three or four are usual


def refine(order: np.ndarray, distances: np.ndarray, fixed: int = 0) -> np.ndarray:
    """The order (n,) after every rearrangement of up to six neighbouring frames that lowers the local cost.

    The cost is the length of the links and a quarter of that of steps over two places. distances: (n, n). fixed: how many
    frames at the start stay where they are.
    """
    order, count = order.copy(), len(order)
    for _ in range(ROUNDS):
        changed = False
        for arrangement in arrangements():
            width = len(arrangement)
            for start in range(fixed, count - width + 1):
                # Two frames on either side stay where they are.
                first, last = max(0, start - 2), min(count, start + width + 2)
                before = order[first:last]
                after = before.copy()
                after[start - first : start - first + width] = order[start : start + width][arrangement]
                if _cost(after, distances) < _cost(before, distances) * (1 - 1e-9):
                    order[first:last], changed = after, True
        if not changed:
            break
    return order


def _cost(order: np.ndarray, distances: np.ndarray) -> float:
    return distances[order[:-1], order[1:]].sum() + SECOND * distances[order[:-2], order[2:]].sum()


def arrangements() -> Iterator[np.ndarray]:
    """Other orders of 2 to 6 neighbouring frames: turned round, the first one moved to the end, the last one to the front."""
    for width in range(2, WINDOW + 1):
        places = np.arange(width)
        yield places[::-1]
        if width > 2:
            yield np.roll(places, -1)
            yield np.roll(places, 1)
