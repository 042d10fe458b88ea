"""From distances between the frames of a scene to their order. Time has no arrow in a distance: an order and its reverse
are the same answer, and the one that starts with the earlier frame of the input is given."""

import fast_tsp
import numpy as np


def pair_matrix(frames: np.ndarray, pairs: np.ndarray, values: np.ndarray, missing: float) -> np.ndarray:
    """Values of pairs as a symmetric (n, n) matrix over ``frames``; ``missing`` where a pair was not compared.

    frames: (n,) int positions. pairs: (P, 2) int positions; pairs with a frame that is not among them are left out.
    """
    place = {frame: index for index, frame in enumerate(frames.tolist())}
    matrix = np.full((len(frames), len(frames)), missing, dtype=np.float64)
    for (a, b), value in zip(pairs.tolist(), values, strict=True):
        if a in place and b in place:
            matrix[place[a], place[b]] = matrix[place[b], place[a]] = value
    return matrix


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


def fused_distance(residual: np.ndarray, inlier_share: np.ndarray, thumbnail: np.ndarray) -> np.ndarray:
    """What remains after registration + missing inliers + difference of rank thumbnails, (n, n), each on its own scale.

    residual: 0 to 1, :data:`workbench.register.UNRELATED` where a pair was not registered. inlier_share: 0 to 1, 0 where
    not. thumbnail: any distance. Each is divided by its median distance to the nearest frame, so that all weigh alike in
    every scene.
    """
    return sum(_scaled(part) for part in (residual, 1 - inlier_share, thumbnail))


def _scaled(distances: np.ndarray) -> np.ndarray:
    apart = distances.astype(np.float64).copy()
    np.fill_diagonal(apart, np.inf)
    nearest = np.median(apart.min(axis=1)) if len(apart) > 1 else 1.0
    # Scenes of identical frames have no scale of their own; the mean keeps the part finite.
    scale = nearest if nearest > 1e-9 else max(float(distances.mean()), 1e-9)
    scaled = distances / scale
    np.fill_diagonal(scaled, 0)
    return scaled


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


def shortest_path(distances: np.ndarray) -> np.ndarray:
    """Order (n,) int of the frames along the shortest open path through all of them.

    The path becomes a tour through one more city at distance zero from all (a travelling-salesman problem, solved by
    fast-tsp's Lin-Kernighan search). Identical frames (distance 0) stay together, in the order of the input.
    """
    if not len(distances):
        return np.zeros(0, dtype=int)
    groups = _identical(distances)
    firsts = np.array([group[0] for group in groups])
    order = _open_path(distances[np.ix_(firsts, firsts)])
    if len(order) > 1 and order[0] > order[-1]:
        order = order[::-1]
    return np.concatenate([groups[index] for index in order])


def cut_loop(order: np.ndarray, distances: np.ndarray, appearance: np.ndarray) -> np.ndarray:
    """The order (n,) of a scene that comes back to where it began (a full orbit), started where it most likely did.

    When the ends of a path are as near to each other as frames that follow each other somewhere along it (at most 1.25 times
    the longest link and 2.5 times the median one), it could be cut open anywhere, and a hair decides. Then it is cut where the
    pictures before and after differ most: the mean ``appearance`` distance of three frames on one side to three beyond it.
    Other orders come back as they are. distances, appearance: (n, n).
    """
    count, reach = len(order), 3
    if count < 2 * reach:
        return order
    links, closing = distances[order[:-1], order[1:]], distances[order[0], order[-1]]
    if closing > 1.25 * links.max() or closing > 2.5 * np.median(links):
        return order
    ring = np.concatenate([order[-reach:], order, order[:reach]])
    across = [appearance[np.ix_(ring[cut : cut + reach], ring[cut + reach : cut + 2 * reach])].mean() for cut in range(count)]
    cut = np.roll(order, -int(np.argmax(across)))
    return cut if cut[0] < cut[-1] else cut[::-1]


def _open_path(distances: np.ndarray) -> np.ndarray:
    count = len(distances)
    if count < 3:
        return np.arange(count)
    tour_distances = np.zeros((count + 1, count + 1), dtype=np.int64)
    # The solver takes whole numbers up to 65535; 1 is the least, so that only the added city is free.
    tour_distances[1:, 1:] = np.maximum(1, np.round(distances / distances.max() * 65_000))
    tour_distances = np.minimum(tour_distances, tour_distances.T)
    np.fill_diagonal(tour_distances, 0)
    # The search takes its seed from the clock and ends by its own rule or after this time; scenes of up to 300 frames
    # gave the same path in every repeat.
    seconds = max(0.3, count / 100)
    tour = np.array(fast_tsp.find_tour(tour_distances, duration_seconds=seconds, stop_when_converged=True))
    return np.roll(tour, -int(np.flatnonzero(tour == 0)[0]))[1:] - 1


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
