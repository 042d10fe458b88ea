"""Scenes by density: DBSCAN at any eps, HDBSCAN and OPTICS."""

import numpy as np
from scipy.sparse import csr_array, issparse
from sklearn.cluster import DBSCAN, HDBSCAN, OPTICS
from sklearn.metrics import silhouette_score

from workbench.parameters import ClusterParameters

FEWEST = 4  # frames below which there is no density to speak of: they are one scene
BLOCK = 1000  # rows of a matrix of distances that are sorted at once

# (N, N), from workbench.embedding.views.frame_distances: of a long clip sparse, with what is near alone.
Distances = np.ndarray | csr_array


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
        self._near, self._reach = nearest_frames(distances, min_samples)
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


def nearest_frames(distances: Distances, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The ``count`` nearest frames of every frame, itself included: (N, count) int and their distances."""
    if issparse(distances):
        rows = np.repeat(np.arange(distances.shape[0]), np.diff(distances.indptr))
        by_distance = np.lexsort((distances.data, rows))
        first = by_distance[distances.indptr[:-1, None] + np.arange(count)]
        return distances.indices[first], distances.data[first]
    blocks = np.array_split(distances, -(-len(distances) // BLOCK))  # of rows: the places of all distances would fill memory
    near = np.concatenate([np.argpartition(rows, count - 1, axis=1)[:, :count] for rows in blocks])
    return near, np.take_along_axis(distances, near, axis=1)
