"""Scenes that come back to where they began: which they are, and where they begin."""

import numpy as np

CUT_FRAMES = 3  # frames on either side of a cut through a loop
MAX_NEARER = 1 / 3  # share of the frames that may be nearer to one end of a loop than its other end is


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
