"""Scenes and outliers of a clip, by the chosen clusterer, and a map of its embeddings."""

from dataclasses import replace

import numpy as np

from workbench.parameters import ClusterParameters, UmapParameters
from workbench.scenes.dbscan import Distances, find_labels
from workbench.scenes.eps import EpsSweep, sweep_eps

MIN_UMAP_FRAMES = 5  # UMAP needs neighbours; fewer frames are put on a line


def cluster(
    distances: Distances, parameters: ClusterParameters, typical_eps: float = 0.0
) -> tuple[np.ndarray, float, EpsSweep]:
    """Find the scenes of a clip.

    Parameters
    ----------
    distances : (N, N) array or sparse array
        Cosine distances, from :func:`~workbench.embedding.views.frame_distances`.
    parameters : ClusterParameters
        The clusterer and its parameters; an eps of 0 asks for the suggested one.
    typical_eps : float
        Cosine distance that usually separates scenes for these embeddings; 0 where none has been determined.

    Returns
    -------
    labels : (N,) int array
        Scene of every frame, 0 = largest scene, -1 = outlier. Fewer than four frames are one scene: there is no density to tell
        outliers by.
    eps : float
        The eps that was used; 0 for HDBSCAN and OPTICS, which use none.
    sweep : EpsSweep
        The sweep over eps from which a suggestion comes.
    """
    sweep = sweep_eps(distances, parameters.min_samples, typical_eps)
    eps = (parameters.eps or sweep.suggested) if parameters.clusterer == "dbscan" else 0.0
    return find_labels(distances, replace(parameters, eps=eps), sweep.tree), eps, sweep


def umap_points(embeddings: np.ndarray, parameters: UmapParameters) -> np.ndarray:
    """Map embeddings to the plane, to look at only: coordinates differ between machines.

    Parameters
    ----------
    embeddings : (N, D) float32 array
        Rows of unit length.
    parameters : UmapParameters
        UMAP's parameters and its seed.

    Returns
    -------
    (N, 2) float32 array
        A point per frame, without unit. Fewer than five frames are put on a line.

    Notes
    -----
    By UMAP (McInnes et al., 2018) on cosine distances.
    """
    if len(embeddings) < MIN_UMAP_FRAMES:
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
