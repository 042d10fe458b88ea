"""Scenes by the density of frames: DBSCAN at any eps, HDBSCAN and OPTICS.

scikit-learn is imported where it is needed: the tree by which DBSCAN is run does without, and a short clip is restored in less
than the second that it takes to load.
"""

from collections.abc import Callable

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.sparse import csr_array, issparse
from scipy.sparse.csgraph import connected_components, minimum_spanning_tree
from scipy.spatial.distance import squareform

from workbench.parameters import ClusterParameters

MIN_FRAMES = 4  # fewer frames have no density to tell outliers by: they are one scene
ROWS_PER_BLOCK = 1000  # rows of a matrix of distances that are sorted at once

# (N, N), from workbench.embedding.views.frame_distances; for a long clip sparse, with the distances of near frames only.
Distances = np.ndarray | csr_array


def find_labels(distances: Distances, parameters: ClusterParameters, tree: "DbscanTree") -> np.ndarray:
    """Label frames with the clusterer that the parameters name.

    Parameters
    ----------
    distances : (N, N) array or sparse array
        Distances between frames.
    parameters : ClusterParameters
        The clusterer and its parameters.
    tree : DbscanTree
        Made of these distances and ``parameters.min_samples``; used by DBSCAN.

    Returns
    -------
    (N,) int array
        Scene of every frame, by size, 0 = largest, -1 = outlier. Fewer than four frames are one scene.
    """
    if distances.shape[0] < MIN_FRAMES:
        return np.zeros(distances.shape[0], dtype=int)
    if parameters.clusterer == "hdbscan":
        return hdbscan(distances, parameters.min_cluster_size, parameters.min_samples)
    if parameters.clusterer == "optics":
        return optics(distances, parameters.min_cluster_size, parameters.min_samples, parameters.xi)
    return tree.labels(parameters.eps)


def dbscan(distances: Distances, eps: float, min_samples: int) -> np.ndarray:
    """Label frames by DBSCAN (Ester et al., KDD 1996).

    Parameters
    ----------
    distances : (N, N) array or sparse array
        Distances between frames.
    eps : float
        Radius of a neighbourhood, in the unit of ``distances``.
    min_samples : int
        Frames, itself included, that the neighbourhood of a core frame holds at least.

    Returns
    -------
    (N,) int array
        Scene of every frame, by size, 0 = largest, -1 = outlier.
    """
    from sklearn.cluster import DBSCAN

    labels = DBSCAN(eps=max(eps, 1e-9), min_samples=min_samples, metric="precomputed").fit_predict(distances)
    return by_size(labels)


class DbscanTree:
    """DBSCAN at any eps for hardly more than the cost of one: the tree of merging clusters is built once.

    Parameters
    ----------
    distances : (N, N) array or sparse array
        Distances between frames.
    min_samples : int
        Frames, itself included, that the neighbourhood of a core frame holds at least.

    Notes
    -----
    A frame is a core frame at eps if its ``min_samples``-th nearest frame, itself included, is at most that far away. Two core
    frames are in one scene if a chain of frames joins them whose *mutual reachability*, the largest of the distance of two
    frames and of their core distances, is nowhere above eps: so scenes merge along the tree of single linkage, which HDBSCAN
    builds too (Campello et al., PAKDD 2013). A frame that is no core frame has fewer
    than ``min_samples`` frames within eps, so its few nearest frames tell which scene it borders on.
    """

    def __init__(self, distances: Distances, min_samples: int) -> None:
        self._count, self._possible = distances.shape[0], distances.shape[0] >= min_samples
        if not self._possible:  # no frame can be a core frame
            return
        self._near, self._near_distances = nearest_frames(distances, min_samples)
        self._core_distances = self._near_distances.max(axis=1)
        self._joined = _single_linkage(distances, self._core_distances)

    def labels(self, eps: float) -> np.ndarray:
        """Label frames as :func:`dbscan` does.

        Parameters
        ----------
        eps : float
            Radius of a neighbourhood, in the unit of the distances.

        Returns
        -------
        (N,) int array
            Scene of every frame, by size, 0 = largest, -1 = outlier.
        """
        if not self._possible or (is_core := self._core_distances <= eps).sum() == 0:
            return np.full(self._count, -1)
        merged = self._joined(eps)
        first, scenes = np.unique(merged[is_core], return_index=True, return_inverse=True)[1:]
        number = np.full(self._count, self._count)
        # A scene has the number of its first core frame: of two scenes that a frame borders on, DBSCAN takes the earlier one.
        number[is_core] = first[scenes]
        bordered = np.where(self._near_distances <= eps, number[self._near], self._count).min(axis=1)
        number = np.where(is_core, number, bordered)
        return by_size(np.where(number < self._count, number, -1))


def _single_linkage(distances: Distances, core_distances: np.ndarray) -> Callable[[float], np.ndarray]:
    """What tells, at any eps, which frames are joined by chains of mutual reachability up to eps: (N,) int labels."""
    if not issparse(distances):
        reach = np.maximum(distances, np.maximum(core_distances[:, None], core_distances))
        np.fill_diagonal(reach, 0)
        tree = linkage(squareform(reach, checks=False), "single")
        return lambda eps: fcluster(tree, eps, "distance")
    graph = distances.tocoo()
    reach = np.maximum(graph.data, np.maximum(core_distances[graph.row], core_distances[graph.col]))
    links = minimum_spanning_tree(csr_array((reach, (graph.row, graph.col)), graph.shape)).tocoo()

    def _joined(eps: float) -> np.ndarray:
        short = links.data <= eps
        within = csr_array((links.data[short], (links.row[short], links.col[short])), links.shape)
        return connected_components(within, directed=False)[1]

    return _joined


def hdbscan(distances: Distances, min_cluster_size: int, min_samples: int) -> np.ndarray:
    """Label frames by HDBSCAN (Campello et al., PAKDD 2013).

    Parameters
    ----------
    distances : (N, N) array or sparse array
        Distances between frames.
    min_cluster_size : int
        Frames of a scene at least; a clip with fewer frames has no scene.
    min_samples : int
        Frames, itself included, by whose distance the density around a frame is measured.

    Returns
    -------
    (N,) int array
        Scene of every frame, by size, 0 = largest, -1 = outlier.
    """
    if distances.shape[0] < max(min_cluster_size, min_samples):
        return np.full(distances.shape[0], -1)
    from sklearn.cluster import HDBSCAN

    model = HDBSCAN(
        min_cluster_size=min_cluster_size, min_samples=min_samples, metric="precomputed", copy=True, allow_single_cluster=True
    )
    return by_size(model.fit_predict(distances))


def optics(distances: Distances, min_cluster_size: int, min_samples: int, xi: float) -> np.ndarray:
    """Label frames by OPTICS with the xi method (Ankerst et al., SIGMOD 1999).

    Parameters
    ----------
    distances : (N, N) array or sparse array
        Distances between frames.
    min_cluster_size : int
        Frames of a scene at least; a clip with fewer frames has no scene.
    min_samples : int
        Frames, itself included, that the neighbourhood of a core frame holds at least.
    xi : float
        Least relative change of density at the border of a scene, 0 to 1.

    Returns
    -------
    (N,) int array
        Scene of every frame, by size, 0 = largest, -1 = outlier.
    """
    if distances.shape[0] < max(min_cluster_size, min_samples):
        return np.full(distances.shape[0], -1)
    from sklearn.cluster import OPTICS

    model = OPTICS(min_samples=min_samples, metric="precomputed", xi=xi, min_cluster_size=min_cluster_size)
    return by_size(model.fit_predict(distances))


def silhouette(distances: np.ndarray, labels: np.ndarray) -> float:
    """Measure how much nearer frames are to their own scene than to the next one.

    Parameters
    ----------
    distances : (N, N) float array
        Distances between frames.
    labels : (N,) int array
        Scene of every frame, -1 = outlier.

    Returns
    -------
    float
        Mean silhouette (Rousseeuw, 1987) of the frames in scenes, -1 to 1; NaN with fewer than two scenes.
    """
    inside = np.flatnonzero(labels >= 0)
    if len(np.unique(labels[inside])) < 2:
        return float("nan")
    from sklearn.metrics import silhouette_score

    return float(silhouette_score(distances[np.ix_(inside, inside)], labels[inside], metric="precomputed"))


def by_size(labels: np.ndarray) -> np.ndarray:
    """Renumber scenes by size.

    Parameters
    ----------
    labels : (N,) int array
        Scene of every frame, in any numbering; -1 = outlier.

    Returns
    -------
    (N,) int array
        The same scenes, 0 = largest, of equal ones the one with the earliest frame first; -1 stays.
    """
    names, first, sizes = np.unique(labels[labels >= 0], return_index=True, return_counts=True)
    renumbered = np.full(len(labels), -1)
    for new, index in enumerate(np.lexsort((first, -sizes))):
        renumbered[labels == names[index]] = new
    return renumbered


def nearest_frames(distances: Distances, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Find the nearest frames of every frame, itself included.

    Parameters
    ----------
    distances : (N, N) array or sparse array
        Distances between frames; a sparse one holds at least ``count`` in every row.
    count : int
        How many frames, at most N.

    Returns
    -------
    frames : (N, count) int array
        Positions, in no particular order within a row.
    near_distances : (N, count) float array
        Their distances.
    """
    if issparse(distances):
        rows = np.repeat(np.arange(distances.shape[0]), np.diff(distances.indptr))
        by_distance = np.lexsort((distances.data, rows))
        first = by_distance[distances.indptr[:-1, None] + np.arange(count)]
        return distances.indices[first], distances.data[first]
    # In blocks of rows: the indices that sort all distances would fill memory.
    blocks = np.array_split(distances, -(-len(distances) // ROWS_PER_BLOCK))
    near = np.concatenate([np.argpartition(rows, count - 1, axis=1)[:, :count] for rows in blocks])
    return near, np.take_along_axis(distances, near, axis=1)
