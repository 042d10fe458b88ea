"""From distances between the frames of a scene to their order.

A distance between frames does not tell which comes first: an order and its reverse are the same answer, and the one that starts
with the earlier frame of the input is returned.
"""

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
CUT_FRAMES = 3  # frames on either side of a cut through a loop
MAX_NEARER = 1 / 3  # share of the frames that may be nearer to one end of a loop than its other end is

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


def is_loop(order: np.ndarray, distances: np.ndarray) -> bool:
    """Whether a scene comes back to where it began, as in a full orbit.

    It does when the ends of its order are as near to each other as frames that follow each other somewhere along it: at most
    1.5 times the longest link and 3 times the median one. Where all frames but neighbours are about equally far from each
    other, any two are that near, so no more than a third of the frames may be nearer to either end.

    Parameters
    ----------
    order : (n,) int array
        Each frame once; fewer than six frames are never a loop.
    distances : (n, n) float array
        Symmetric distances in any unit.

    Returns
    -------
    bool
        True for a loop.
    """
    if len(order) < 2 * CUT_FRAMES:
        return False
    links, closing = distances[order[:-1], order[1:]], distances[order[0], order[-1]]
    nearer = max(np.count_nonzero(distances[end] < closing) - 1 for end in (order[0], order[-1]))  # not the end itself
    return bool(closing <= 1.5 * links.max() and closing <= 3 * np.median(links) and nearer <= MAX_NEARER * len(order))


def find_loop_cut(order: np.ndarray, distances: np.ndarray) -> int | None:
    """Find where a scene more likely begins than at the ends of its order.

    Someone rests, moves, and rests again; a road is empty, a car passes, it is empty again: such a scene ends as it began, and
    the shortest path leaves out the longest link, in the midst of the quickest movement. But there the links around are long
    too, while between the last and the first frame one link stands out among short ones. So when the ends of the order are
    not much further apart than its longest link (1.5 times), a link counts as the gap if it stands out from the four on
    either side (over their median) at least 1.5 times as much as the link that would join the ends does.

    Parameters
    ----------
    order : (n,) int array
        Each frame once; fewer than twelve frames have no gap.
    distances : (n, n) float array
        Symmetric distances in any unit.

    Returns
    -------
    int or None
        Place k of the link from ``order[k]`` to the next frame that is the gap; None where there is none.
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
    """Start the order of a scene that :func:`is_loop` where it most likely began.

    The path could be cut open anywhere, and the smallest difference decides where it is. So the loop is cut where the frames
    before and after differ most: by the mean appearance distance of three frames on one side to three on the other.

    Parameters
    ----------
    order : (n,) int array
        Each frame once.
    appearance : (n, n) float array
        Distances of appearance in any unit.

    Returns
    -------
    (n,) int array
        The order, cut open there; see :func:`rotate_order`.
    """
    ring = np.concatenate([order[-CUT_FRAMES:], order, order[:CUT_FRAMES]])
    across = [
        appearance[np.ix_(ring[cut : cut + CUT_FRAMES], ring[cut + CUT_FRAMES : cut + 2 * CUT_FRAMES])].mean()
        for cut in range(len(order))
    ]
    return rotate_order(order, int(np.argmax(across)))


def rotate_order(order: np.ndarray, start: int) -> np.ndarray:
    """Begin a closed order at another place.

    Parameters
    ----------
    order : (n,) int array
        Each frame once.
    start : int
        The place in ``order`` of the frame to begin with.

    Returns
    -------
    (n,) int array
        The order from there on, or its reverse: the one with the earlier frame of the input first.
    """
    cut = np.roll(order, -start)
    return cut if cut[0] < cut[-1] else cut[::-1]


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
    # The solver uses all of its time. An eighth is enough for nineteen in twenty scenes of 50 to 200 frames, all of it for a
    # random walk in space. On a busy machine it may not get that much, so the tour is accepted when another search, which
    # begins at random, finds the same length.
    longest = max(min(0.02, count**2 / 200_000), count / 4000)
    best, least = np.zeros(0, dtype=int), np.inf
    for share in searches:
        seconds = max(MIN_SEARCH_SECONDS, share * longest)
        tour = np.array(fast_tsp.find_tour(tour_distances, duration_seconds=seconds, stop_when_converged=True))
        length = tour_distances[tour, np.roll(tour, -1)].sum()
        if length == least:
            break
        if length < least:
            best, least = tour, length
    return np.roll(best, -int(np.flatnonzero(best == 0)[0]))[1:] - 1


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
