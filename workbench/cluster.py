"""Scenes and outliers: DBSCAN on cosine distances and a suggestion for its radius eps; HDBSCAN and OPTICS beside it."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy.sparse import csr_array, issparse
from sklearn.cluster import DBSCAN, HDBSCAN, OPTICS
from sklearn.metrics import adjusted_rand_score, silhouette_score

from workbench.embedding.distances import cosine_distances
from workbench.parameters import ClusterParameters, UmapParameters

# (N, N), from workbench.embedding.views.frame_distances: of a long clip sparse, with what is near alone.
Distances = np.ndarray | csr_array

SWEEP = np.geomspace(0.005, 1.0, 100)  # radii that are tried, cosine distance
AGREEMENT = 0.98  # two clusterings this much alike (adjusted Rand index) count as the same
PRIOR_WIDTH = 0.6  # how far from a backbone's typical eps a suggestion may lie, standard deviation of log eps
FARTHEST = 1.42  # times the typical eps, beyond which none is suggested
SOME = 1000  # frames that a silhouette is taken over at most, and rows of a block
FEWEST = 4  # frames below which there is no density to speak of: they are one scene


@dataclass(frozen=True)
class EpsSweep:
    """What DBSCAN gives at every radius, all arrays (E,): eps rising; number of scenes; number of outliers; ``width``, over
    how wide a range of eps (natural logarithm) the clustering stays the same; ``score``, what the suggestion maximises.

    suggested: the eps with the best score. low, high: the range around it in which the clustering stays the same. tree: what
    DBSCAN finds at any eps.
    """

    eps: np.ndarray
    scenes: np.ndarray
    outliers: np.ndarray
    width: np.ndarray
    score: np.ndarray
    suggested: float
    low: float
    high: float
    tree: "DbscanTree"


def cluster(
    distances: Distances, parameters: ClusterParameters, typical_eps: float = 0.0
) -> tuple[np.ndarray, float, EpsSweep]:
    """Scenes of a clip: labels (N,) int (0 = largest scene, -1 = outlier), the eps that was used, and the sweep behind it.

    distances: cosine distances. typical_eps: what usually parts scenes for these embeddings, 0 if not known.
    Fewer than four frames are one scene: there is no density to tell outliers by. HDBSCAN and OPTICS use no eps: 0 is returned.
    """
    sweep = sweep_eps(distances, parameters.min_samples, typical_eps)
    eps = (parameters.eps or sweep.suggested) if parameters.clusterer == "dbscan" else 0.0
    return find_labels(distances, replace(parameters, eps=eps), sweep.tree), eps, sweep


def find_labels(distances: Distances, parameters: ClusterParameters, tree: "DbscanTree") -> np.ndarray:
    """Labels (N,) int by the clusterer of ``parameters``, scenes by size, largest first; -1 = outlier. Fewer than four frames
    are one scene.

    tree: of these distances and ``min_samples``, for dbscan.
    """
    if distances.shape[0] < FEWEST:
        return np.zeros(distances.shape[0], dtype=int)
    if parameters.clusterer == "hdbscan":
        return hdbscan(distances, parameters.min_cluster_size, parameters.min_samples)
    if parameters.clusterer == "optics":
        return optics(distances, parameters.min_cluster_size, parameters.min_samples, parameters.xi)
    return tree.labels(parameters.eps)


def dbscan(distances: Distances, eps: float, min_samples: int) -> np.ndarray:
    """DBSCAN (Ester et al., KDD 1996) -> labels (N,) int, scenes by size, largest first; -1 = outlier."""
    labels = DBSCAN(eps=max(eps, 1e-9), min_samples=min_samples, metric="precomputed").fit_predict(distances)
    return by_size(labels)


class DbscanTree:
    """DBSCAN at any eps for hardly more than the price of one: the tree of merging clusters is made once.

    A frame is a core frame at eps when its ``min_samples``-th nearest frame, itself included, is at most that far; core frames
    merge along the tree that HDBSCAN builds too (Campello et al., PAKDD 2013). A frame that is no core frame has fewer frames
    than that within eps, so its few nearest ones tell which scene it borders on.
    """

    def __init__(self, distances: Distances, min_samples: int) -> None:
        self._count, self._possible = distances.shape[0], distances.shape[0] >= min_samples
        if not self._possible:  # no frame can be a core frame
            return
        self._near, self._reach = _nearest(distances, min_samples)
        self._core = self._reach.max(axis=1)
        self._tree = HDBSCAN(min_samples=min_samples, min_cluster_size=2, metric="precomputed", copy=True).fit(distances)

    def labels(self, eps: float) -> np.ndarray:
        """(N,) int, as :func:`dbscan` gives them."""
        if not self._possible or (is_core := self._core <= eps).sum() == 0:
            return np.full(self._count, -1)
        # The tree is cut below the distance it is given, DBSCAN includes eps.
        merged = self._tree.dbscan_clustering(np.nextafter(eps, np.inf), min_cluster_size=1)
        first, scenes = np.unique(merged[is_core], return_index=True, return_inverse=True)[1:]
        number = np.full(self._count, self._count)
        number[is_core] = first[scenes]  # by the first core frame: where two scenes touch, DBSCAN lets the earlier one have it
        bordered = np.where(self._reach <= eps, number[self._near], self._count).min(axis=1)
        number = np.where(is_core, number, bordered)
        return by_size(np.where(number < self._count, number, -1))


def hdbscan(distances: Distances, min_cluster_size: int, min_samples: int) -> np.ndarray:
    """HDBSCAN (Campello et al., PAKDD 2013) -> labels (N,) int as from :func:`dbscan`.

    A clip with fewer frames than ``min_cluster_size`` has no scene.
    """
    if distances.shape[0] < max(min_cluster_size, min_samples):
        return np.full(distances.shape[0], -1)
    # One scene may be all there is.
    model = HDBSCAN(
        min_cluster_size=min_cluster_size, min_samples=min_samples, metric="precomputed", copy=True, allow_single_cluster=True
    )
    return by_size(model.fit_predict(distances))


def optics(distances: Distances, min_cluster_size: int, min_samples: int, xi: float) -> np.ndarray:
    """OPTICS with the xi method (Ankerst et al., SIGMOD 1999) -> labels (N,) int as from :func:`dbscan`.

    A clip with fewer frames than ``min_cluster_size`` has no scene.
    """
    if distances.shape[0] < max(min_cluster_size, min_samples):
        return np.full(distances.shape[0], -1)
    model = OPTICS(min_samples=min_samples, metric="precomputed", xi=xi, min_cluster_size=min_cluster_size)
    return by_size(model.fit_predict(distances))


def silhouette(distances: np.ndarray, labels: np.ndarray) -> float:
    """Mean silhouette (Rousseeuw, 1987) of the frames in scenes, -1 to 1: how much nearer a frame is to its own scene than to
    the next one. NaN with fewer than two scenes.
    """
    inside = np.flatnonzero(labels >= 0)
    if len(np.unique(labels[inside])) < 2:
        return float("nan")
    return float(silhouette_score(distances[np.ix_(inside, inside)], labels[inside], metric="precomputed"))


def by_size(labels: np.ndarray) -> np.ndarray:
    """Labels renumbered by size, largest first, the earlier frame first where sizes are equal; -1 stays."""
    names, first, sizes = np.unique(labels[labels >= 0], return_index=True, return_counts=True)
    renumbered = np.full(len(labels), -1)
    for new, index in enumerate(np.lexsort((first, -sizes))):
        renumbered[labels == names[index]] = new
    return renumbered


def k_distances(distances: Distances, k: int) -> np.ndarray:
    """(N,): the distance at which each frame has ``k`` neighbours, itself included, as DBSCAN counts."""
    return _nearest(distances, min(k, distances.shape[0]))[1].max(axis=1)


def _nearest(distances: Distances, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The ``count`` nearest frames of every frame, itself included: (N, count) int and their distances."""
    if issparse(distances):
        rows = np.repeat(np.arange(distances.shape[0]), np.diff(distances.indptr))
        by_distance = np.lexsort((distances.data, rows))
        first = by_distance[distances.indptr[:-1, None] + np.arange(count)]
        return distances.indices[first], distances.data[first]
    blocks = np.array_split(distances, -(-len(distances) // SOME))  # of rows: the places of all distances would fill memory
    near = np.concatenate([np.argpartition(rows, count - 1, axis=1)[:, :count] for rows in blocks])
    return near, np.take_along_axis(distances, near, axis=1)


def knee(values: np.ndarray) -> float:
    """Where a rising curve turns up: the value that lies furthest below the line from its first point to its last.

    As Kneedle (Satopaa et al., 2011) without smoothing. values: (N,) rising, N > 0, evenly spaced.
    """
    return float(values[np.argmax(np.linspace(values[0], values[-1], len(values)) - values)])


def plateaus(sweep: EpsSweep, embeddings: np.ndarray, most: int = 12) -> pd.DataFrame:
    """The widest ranges of eps over which the numbers of scenes and of outliers stay the same, by rising eps.

    embeddings: (N, D). At most ``most`` rows: low, high (ends of the range), scenes, outliers, silhouette (of at most a
    thousand frames, evenly picked; NaN with fewer than two scenes).
    """
    starts = np.flatnonzero(np.diff(sweep.scenes, prepend=-1) | np.diff(sweep.outliers, prepend=-1))
    ends = np.append(starts[1:], len(sweep.eps)) - 1
    widest = np.sort(np.argsort(sweep.eps[starts] / sweep.eps[ends], kind="stable")[:most])
    some = np.linspace(0, len(embeddings) - 1, min(len(embeddings), SOME)).astype(int)
    distances = cosine_distances(embeddings[some])
    rows = []
    for start, end in zip(starts[widest], ends[widest], strict=True):
        labels = sweep.tree.labels(sweep.eps[(start + end) // 2])
        score = silhouette(distances, labels[some])
        rows.append((sweep.eps[start], sweep.eps[end], sweep.scenes[start], sweep.outliers[start], score))
    return pd.DataFrame(rows, columns=["low", "high", "scenes", "outliers", "silhouette"])


def sweep_eps(distances: Distances, min_samples: int, typical_eps: float = 0.0) -> EpsSweep:
    """DBSCAN over a hundred radii from 0.005 to 1, and the radius to use.

    The right radius lies where the clustering does not care: there is a gap between how far neighbours in a scene lie apart
    and how far everything else is. So the score of an eps is the width of the range of log eps around it in which the
    clustering stays the same (adjusted Rand index at least 0.98 with the one at eps, outliers counted one by one, and
    hardly a frame set aside or taken in). Where a backbone's typical eps is known, it weighs in as a log-normal prior: it
    settles clips that have several such ranges, clips without any foreign frame, whose widest range has no upper end, and
    clips of foreign frames alone: an eps more than 1.42 times the typical one is never suggested.
    """
    tree = DbscanTree(distances, min_samples)
    labels = [tree.labels(eps) for eps in SWEEP]
    low, high = _stable_ranges(labels)
    scenes = np.array([label.max() + 1 for label in labels])
    width = np.log(SWEEP[high] / SWEEP[low])
    # Nothing found, and (without a prior) everything in one scene, are stable for ever; they are no finding.
    trivial = (scenes == 0) | ((typical_eps == 0) & np.array([(label == 0).all() for label in labels]))
    score = width
    if typical_eps:
        # So far beyond the typical eps, frames are joined that have nothing in common: a clip of foreign frames alone.
        trivial |= typical_eps * FARTHEST < SWEEP
        score = np.log(np.maximum(width, 1e-3)) - 0.5 * (np.log(SWEEP / typical_eps) / PRIOR_WIDTH) ** 2
    score = np.where(trivial, -np.inf, score)
    best = int(np.argmax(score))
    if trivial.all():
        best = int(np.abs(np.log(SWEEP / typical_eps)).argmin()) if typical_eps else int(np.argmax(scenes > 0))
    suggested = SWEEP[best]
    if not typical_eps and not trivial.all():
        # Every eps of a range has its score; without a prior the middle of the range is as far from both ends as can be.
        suggested = np.sqrt(SWEEP[low[best]] * SWEEP[high[best]])
    outliers = np.array([(label < 0).sum() for label in labels])
    ends = float(SWEEP[low[best]]), float(SWEEP[high[best]])
    return EpsSweep(SWEEP, scenes, outliers, width, score, float(suggested), *ends, tree)


def _stable_ranges(labels: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """For every clustering in the sweep, the first and the last one around it that are the same."""
    count = len(labels)
    low, high = np.zeros(count, int), np.zeros(count, int)
    same: dict[tuple[int, int], bool] = {}

    def alike(a: int, b: int) -> bool:
        if (a, b) not in same:
            same[a, b] = _agreement(labels[a], labels[b]) >= AGREEMENT
        return same[a, b]

    for middle in range(count):
        if middle and np.array_equal(labels[middle], labels[middle - 1]):
            low[middle], high[middle] = low[middle - 1], high[middle - 1]
            continue
        start = end = middle
        while start > 0 and alike(start - 1, middle):
            start -= 1
        while end < count - 1 and alike(middle, end + 1):
            end += 1
        low[middle], high[middle] = start, end
    return low, high


def _agreement(a: np.ndarray, b: np.ndarray) -> float:
    """How alike two clusterings are, at most 1: both their scenes and what they set aside."""
    if np.array_equal(a, b):
        return 1.0
    set_aside = 1 - 2 * float(np.mean((a < 0) != (b < 0)))
    return min(float(adjusted_rand_score(_alone(a), _alone(b))), set_aside)


def _alone(labels: np.ndarray) -> np.ndarray:
    """Labels in which every outlier is a scene of its own."""
    alone, outlier = labels.copy(), labels < 0
    alone[outlier] = labels.max() + 1 + np.arange(outlier.sum())
    return alone


def umap_points(embeddings: np.ndarray, parameters: UmapParameters) -> np.ndarray:
    """(N, D) -> (N, 2) float32 by UMAP (McInnes et al., 2018), for looking only: coordinates differ between machines.

    Fewer than five frames are put on a line: UMAP needs neighbours.
    """
    if len(embeddings) < 5:
        return np.stack([np.arange(len(embeddings)), np.zeros(len(embeddings))], axis=1).astype(np.float32)
    from umap import UMAP  # imports numba, which takes seconds

    model = UMAP(
        n_neighbors=min(parameters.n_neighbors, len(embeddings) - 1),
        min_dist=parameters.min_dist,
        metric="cosine",
        random_state=parameters.map_seed,
        n_jobs=1,
        init="random",  # the spectral start fails on clips with many identical frames
    )
    return model.fit_transform(embeddings).astype(np.float32)
