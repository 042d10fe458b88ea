"""From distances between the frames of a scene to their order.

A distance between frames does not tell which comes first: an order and its reverse are the same answer, and the one that starts
with the earlier frame of the input is returned.
"""

import sys
import time
from collections.abc import Iterator, Sequence

import fast_tsp
import numpy as np

# Shares of the solver's time, one search after another.
THOROUGH = (1.0, 1.0, 1.0)
PROPOSAL = (1 / 8, 1 / 8, 1 / 4)  # for a path that is one of several
# For a path along which pairs are chosen. Where many paths are about as short, it is good that it is another one each time.
DRAFT = (1 / 5,)
MIN_SEARCH_SECONDS = 0.001
SOLVER_RANGE = 65_000  # the solver's largest distance is 65,535; distances are scaled to whole numbers up to this one
TIE_BREAK_JITTER = 20  # of SOLVER_RANGE

REFINE_TWO_STEP_WEIGHT = 0.25  # weight of frames two places apart in the cost of refine; neighbours weigh 1
MAX_REARRANGED_FRAMES = 6  # neighbouring frames that are rearranged together
MAX_REFINE_PASSES = 20  # passes over the order; three or four are usual


def blend(counts: np.ndarray, similarity: np.ndarray, alpha: float) -> np.ndarray:
    """Blend match counts and embeddings into one similarity, that of the greedy baseline.

    Parameters
    ----------
    counts : (n, n) array
        Number of matches of each pair, 0 where there is none. They are divided by their maximum.
    similarity : (n, n) float array
        Cosine similarity of the embeddings, -1 to 1; below 0 counts as 0.
    alpha : float
        Weight of the match counts, 0 to 1; the embeddings weigh 1 - ``alpha``.

    Returns
    -------
    (n, n) float array
        Similarity, 0 to 1, with 1 on the diagonal.
    """
    off = ~np.eye(len(counts), dtype=bool)
    most = counts[off].max(initial=0)
    blended = alpha * counts / max(most, 1) + (1 - alpha) * np.clip(similarity, 0, 1)
    np.fill_diagonal(blended, 1)
    return blended


def greedy_chain(similarity: np.ndarray) -> np.ndarray:
    """Order frames greedily: from the most central frame always on to the most similar one that is left.

    Kept as a baseline: the chain runs to one end and then jumps across the frames it left behind.

    Parameters
    ----------
    similarity : (n, n) array
        Larger is more similar, in any unit; the diagonal does not count.

    Returns
    -------
    (n,) int array
        The frames in the order of the chain.
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


def shortest_path(distances: np.ndarray, first: int | None = None, searches: Sequence[float] = THOROUGH) -> np.ndarray:
    """Order the frames along the shortest open path through all of them.

    Parameters
    ----------
    distances : (n, n) float array
        Symmetric distances >= 0, in any unit.
    first : int, optional
        The frame to begin with. Default: whichever gives the shortest path.
    searches : sequence of float
        :data:`THOROUGH`, :data:`PROPOSAL` or :data:`DRAFT`: how long it is sought.

    Returns
    -------
    (n,) int array
        Each frame once. Without ``first``, the end that is earlier in the input comes first. Identical frames (distance 0) stay
        together, in the order of the input.

    Notes
    -----
    One more city at distance zero from all makes the path a tour: a travelling-salesman problem, solved by the Lin-Kernighan
    search of fast-tsp.
    """
    if not len(distances):
        return np.zeros(0, dtype=int)
    groups = _identical(distances)
    firsts = np.array([group[0] for group in groups])
    start = None if first is None else next(index for index, group in enumerate(groups) if first in group)
    order = _open_path(distances[np.ix_(firsts, firsts)], start, searches)
    if len(order) > 1 and (order[0] > order[-1] if start is None else order[0] != start):
        order = order[::-1]
    path = np.concatenate([groups[index] for index in order])
    return path if first is None else np.concatenate([[first], path[path != first]])


def _open_path(distances: np.ndarray, start: int | None, searches: Sequence[float]) -> np.ndarray:
    count = len(distances)
    if count < 3:
        return np.arange(count)
    # A small jitter is added to every distance, always the same one: otherwise, among paths of one length, the one that is
    # found would depend on the seed that the solver takes from the clock.
    jitter = np.triu(np.random.default_rng(0).uniform(0, TIE_BREAK_JITTER, (count, count)), 1)
    # With a given start, the added city needs the rest of the range. 1 is the least, so that only the added city is free.
    largest = SOLVER_RANGE if start is None else SOLVER_RANGE // 4
    whole = np.round(np.minimum(distances, distances.T) / distances.max() * largest + jitter + jitter.T)
    tour_distances = np.zeros((count + 1, count + 1), dtype=np.int64)
    tour_distances[1:, 1:] = np.maximum(1, whole)
    np.fill_diagonal(tour_distances, 0)
    if start is not None:  # the added city has two neighbours: to begin elsewhere would cost more than it can save
        tour_distances[0, 1:] = tour_distances[1:, 0] = np.where(np.arange(count) == start, 0, SOLVER_RANGE)
    # An eighth of this time is enough for nineteen in twenty scenes of 50 to 200 frames, all of it for a random walk in space.
    # A tour is accepted when another search, which begins at random, finds the same length.
    longest = max(min(0.02, count**2 / 200_000), count / 4000)
    best, least = np.zeros(0, dtype=int), np.inf
    for share in searches:
        tour = _find_tour(tour_distances, max(MIN_SEARCH_SECONDS, share * longest))
        length = tour_distances[tour, np.roll(tour, -1)].sum()
        if length == least:
            break
        if length < least:
            best, least = tour, length
    return np.roll(best, -int(np.flatnonzero(best == 0)[0]))[1:] - 1


def _find_tour(distances: np.ndarray, seconds: float) -> np.ndarray:
    """The shortest tour that the solver finds in so many seconds, at least half of which it really worked.

    It stops by the clock. Where other programs have the processor, it may not even have begun by then: it is asked again, for
    twice as long. Not under Windows, which counts the work of a thread in steps that are longer than most searches.
    """
    while True:
        clock, work = time.perf_counter(), time.thread_time()
        tour = fast_tsp.find_tour(distances, duration_seconds=seconds, stop_when_converged=True)
        clock, work = time.perf_counter() - clock, time.thread_time() - work
        stopped_before = clock < seconds  # it had found the shortest one
        if stopped_before or work >= seconds / 2 or sys.platform == "win32":
            return np.array(tour)
        seconds *= 2


def _identical(distances: np.ndarray) -> list[np.ndarray]:
    """Groups of frames at distance zero of their first one, each sorted ascending, the groups sorted by their first frame."""
    groups, seen = [], np.zeros(len(distances), dtype=bool)
    for frame in range(len(distances)):
        if not seen[frame]:
            group = np.flatnonzero((distances[frame] <= 1e-12) & ~seen)
            group = np.union1d(group, [frame])
            seen[group] = True
            groups.append(group)
    return groups


def refine(order: np.ndarray, distances: np.ndarray, fixed: int = 0) -> np.ndarray:
    """Rearrange up to six neighbouring frames at a time wherever that lowers the local cost.

    The cost is the length of the links plus a quarter of the length of all steps over two places.

    Parameters
    ----------
    order : (n,) int array
        Each frame once; it is not changed.
    distances : (n, n) float array
        Symmetric distances in any unit.
    fixed : int
        How many frames at the start stay where they are.

    Returns
    -------
    (n,) int array
        The refined order.
    """
    order, count = order.copy(), len(order)
    for _ in range(MAX_REFINE_PASSES):
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
    return distances[order[:-1], order[1:]].sum() + REFINE_TWO_STEP_WEIGHT * distances[order[:-2], order[2:]].sum()


def arrangements() -> Iterator[np.ndarray]:
    """Other orders of 2 to 6 neighbouring frames: reversed, the first one moved to the end, the last one to the front.

    Yields
    ------
    (w,) int array
        The places of ``w`` neighbouring frames in their new order.
    """
    for width in range(2, MAX_REARRANGED_FRAMES + 1):
        places = np.arange(width)
        yield places[::-1]
        if width > 2:
            yield np.roll(places, -1)
            yield np.roll(places, 1)
