"""The neighbour graph of a long clip against all distances: the same scenes at every eps, the same nearest frames."""

import numpy as np
import pytest
from scipy.sparse.csgraph import connected_components
from sklearn.metrics import adjusted_rand_score

from workbench.embedding import views
from workbench.embedding.distances import cosine_distances, small_copies
from workbench.embedding.views import ClusteringDistances, copies_view, frame_distances, neighbour_graph
from workbench.parameters import ClusterParameters
from workbench.scenes import dbscan
from workbench.scenes import eps as eps_module


def walks(seed=0, sizes=(300, 200, 60), outliers=30):
    """Scenes as walks on a sphere in 24 dimensions, each around a place of its own, and outliers anywhere; shuffled. Ten frames
    of the first scene are identical. Unit vectors (N, 24) float32, scene of each, -1 outlier."""
    rng = np.random.default_rng(seed)
    rows, truth = [], []
    for scene, size in enumerate(sizes):
        walk = rng.normal(size=24) * 1.5 + np.cumsum(rng.normal(0, 0.03, (size, 24)), axis=0)
        walk[:10] = walk[0] if scene == 0 else walk[:10]
        rows.append(walk)
        truth += [scene] * size
    rows = np.concatenate([*rows, rng.normal(size=(outliers, 24))])
    truth = np.array(truth + [-1] * outliers)
    mixed = rng.permutation(len(truth))
    rows = rows[mixed] / np.linalg.norm(rows[mixed], axis=1, keepdims=True)
    return rows.astype(np.float32), truth[mixed]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("nearest", [5, 16])
def test_graph_is_connected_and_its_distances_are_exact(seed, nearest, monkeypatch):
    """Symmetric, one part, true distances; the nearest frames of every frame are there. In blocks of a hundred frames."""
    vectors, _ = walks(seed)
    monkeypatch.setattr(views, "MAX_BLOCK_ENTRIES", 100 * len(vectors))
    graph, distances = neighbour_graph(vectors, nearest), cosine_distances(vectors)
    assert connected_components(graph, directed=False)[0] == 1
    assert abs(graph - graph.T).max() == 0
    rows, columns = graph.nonzero()
    assert graph[rows, columns] == pytest.approx(np.maximum(distances[rows, columns], 1e-6), abs=1e-6)
    assert eps_module.k_distances(graph, nearest) == pytest.approx(eps_module.k_distances(distances, nearest), abs=2e-6)
    assert graph.nnz < len(vectors) * 3 * nearest


@pytest.mark.parametrize("seed", range(3))
def test_clusterings_are_those_of_all_distances(seed):
    """DBSCAN over a range of eps, from all frames alone to all in one scene, and the suggestion: alike but for the eps at which
    two scenes merge, where the graph may hold a longer link only. HDBSCAN and OPTICS too."""
    vectors, truth = walks(seed)
    graph, distances = neighbour_graph(vectors, 32), cosine_distances(vectors)
    sparse, dense = (eps_module.sweep_eps(some, 3, 0.02) for some in (graph, distances))
    assert sparse.scenes.max() >= 3 and sparse.scenes[-1] == 1
    same = sparse.scenes == dense.scenes
    assert np.abs(sparse.outliers - dense.outliers).max() <= 1 and same.mean() > 0.9
    assert sparse.suggested == dense.suggested
    for eps in eps_module.SWEEP[same]:
        found, expected = (sweep.tree.labels(eps) for sweep in (sparse, dense))
        assert adjusted_rand_score(found, expected) > 0.99
    assert adjusted_rand_score(truth, sparse.tree.labels(sparse.suggested)) > 0.99
    for clusterer in ("hdbscan", "optics"):
        parameters = ClusterParameters(clusterer, min_cluster_size=20)
        found, expected = (dbscan.find_labels(some, parameters, sparse.tree) for some in (graph, distances))
        assert adjusted_rand_score(found, expected) > 0.9


@pytest.mark.parametrize("left_out", [0, 3, 60])
def test_the_graph_of_some_frames_is_that_of_these_alone(left_out, monkeypatch):
    """590 frames without some of them, in any scene: each frame has its nearest ones among those that are left, and the graph
    is the one computed of these alone. Only frames that lost one of their nearest are compared with all others anew."""
    vectors, compared = walks()[0], []
    monkeypatch.setattr(views, "MAX_DENSE_FRAMES", 100)
    frames = np.sort(np.random.default_rng(1).permutation(len(vectors))[left_out:])
    expected = neighbour_graph(vectors[frames], 32)
    distances, true = ClusteringDistances(vectors), views._nearest
    assert abs(distances.among() - neighbour_graph(vectors, 32)).max() == 0
    monkeypatch.setattr(views, "_nearest", lambda *args: compared.append(len(args[1])) or true(*args))
    assert abs(distances.among(frames) - expected).max() < 1e-6
    assert sum(compared) <= {0: 0, 3: 150}.get(left_out, len(frames))
    some = frames[:50]
    assert np.array_equal(distances.among(some), cosine_distances(vectors[some]))


def test_identical_frames_are_linked():
    """Fifty frames ten times over: none is an outlier at the smallest eps."""
    vectors = np.repeat(walks(0, (50,), 0)[0], 10, axis=0)
    tree = dbscan.DbscanTree(neighbour_graph(vectors, 8), 3)
    assert (tree.labels(0.005) >= 0).all()


def test_short_clips_keep_all_distances():
    vectors, _ = walks(0, (40,), 5)
    assert np.array_equal(frame_distances(vectors), cosine_distances(vectors))


def test_small_copies_of_some_frames_are_made_once(monkeypatch):
    """Frames 5, 1 and 3 of eight pictures of noise, then 3 and 6: the copies are those of the frames asked for, in their order,
    and only the fourth frame is new to the second call."""
    images, made = np.random.default_rng(0).integers(0, 256, (8, 24, 40, 3), dtype=np.uint8), []

    def noted(some):
        made.append(len(some))
        return small_copies(some)

    monkeypatch.setattr(views, "small_copies", noted)
    view = copies_view(images)
    for chosen, new in (([5, 1, 3], 3), ([3, 6], 1)):
        found, expected = view(np.array(chosen)), small_copies(images[chosen])
        for name in ("thumbnails", "ranks", "grey", "colours", "levelled"):
            assert np.array_equal(getattr(found, name), getattr(expected, name)), name
        assert sum(made) == new
        made.clear()
