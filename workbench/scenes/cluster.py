"""Scenes and outliers: DBSCAN on cosine distances and a suggestion for its radius eps; HDBSCAN and OPTICS beside it."""

from dataclasses import replace

import numpy as np

from workbench.parameters import ClusterParameters, UmapParameters
from workbench.scenes.dbscan import Distances, find_labels
from workbench.scenes.eps import EpsSweep, sweep_eps


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
