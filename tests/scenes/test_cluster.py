"""Scenes and outliers: on synthetic blobs, on the sample against its truth, and on degenerate clips."""

import numpy as np
import pytest

from workbench.embedding.descriptors import unit_length
from workbench.embedding.distances import cosine_distances
from workbench.embedding.embed import embed
from workbench.evaluation.files import OUTLIER, OrderRow
from workbench.evaluation.metrics import evaluate
from workbench.models.backbones import typical_eps
from workbench.parameters import CLUSTERERS, DEFAULT_BACKBONE, ClusterParameters, EmbedParameters, UmapParameters
from workbench.scenes import cluster, dbscan
from workbench.scenes import eps as eps_module

TYPICAL = typical_eps(DEFAULT_BACKBONE)


def blobs(sizes=(30, 20, 12), outliers=6, spread=0.02, dimensions=64, seed=0):
    """Unit vectors about one random direction per scene, and outliers in directions of their own, shuffled; true labels.

    In 64 dimensions random directions are nearly at right angles (distance about 1); within a blob distances are about
    ``dimensions * spread**2`` = 0.03."""
    rng = np.random.default_rng(seed)
    centres = unit_length(rng.normal(size=(len(sizes) + outliers, dimensions)))
    truth = np.repeat(np.arange(len(centres)), [*sizes, *[1] * outliers])
    rows = centres[truth] + rng.normal(0, spread, (len(truth), dimensions))
    truth[truth >= len(sizes)] = -1
    places = rng.permutation(len(truth))
    return unit_length(rows[places]).astype(np.float32), truth[places]


def scored(labels, truth):
    """Metrics of labels against the sample's truth; orders do not matter here."""
    return evaluate(truth, [OrderRow(place, int(label), place) for place, label in enumerate(labels)])


@pytest.mark.parametrize("prior", [0.0, 0.2])
@pytest.mark.parametrize("seed", range(3))
def test_blobs_are_found(seed, prior):
    vectors, truth = blobs(seed=seed)
    labels, eps, sweep = cluster.cluster(cosine_distances(vectors), ClusterParameters(), prior)
    assert np.array_equal(labels, truth)
    assert eps == sweep.suggested and sweep.low <= eps <= sweep.high
    chosen = np.argmin(np.abs(sweep.eps - eps))
    assert sweep.scenes[chosen] == 3 and sweep.outliers[chosen] == 6
    assert sweep.high / sweep.low > 3  # nothing lies between 0.1 and 0.5


def test_eps_by_hand_is_used():
    distances = cosine_distances(blobs()[0])
    labels, eps, sweep = cluster.cluster(distances, ClusterParameters(eps=1.9))
    assert eps == 1.9 != sweep.suggested and (labels == 0).all()
    labels, _, _ = cluster.cluster(distances, ClusterParameters(eps=1e-6))
    assert (labels == -1).all()


def test_suggested_eps_on_the_sample(sample_vectors, sample_truth):
    """All 20 foreign frames and nothing else is set aside, and the three scenes come apart."""
    labels, eps, sweep = cluster.cluster(cosine_distances(sample_vectors), ClusterParameters(), TYPICAL)
    metrics = scored(labels, sample_truth)
    assert (labels < 0).sum() == 20 and labels.max() == 2
    assert metrics["outlier_f1"] == metrics["scene_f1"] == 1
    assert sweep.low < 0.8 * eps and eps < 0.9 * sweep.high  # not at the edge of the range


def test_the_sample_without_foreign_frames_keeps_every_frame(sample_images, sample_truth):
    true = [row.position for row in sample_truth if row.clip != OUTLIER]
    vectors = embed(sample_images[true], EmbedParameters(), progress=False)
    labels, _, _ = cluster.cluster(cosine_distances(vectors), ClusterParameters(), TYPICAL)
    assert (labels >= 0).all() and labels.max() == 2


def test_one_scene_without_foreign_frames_stays_one(sample_clips):
    vectors = embed(sample_clips["pagoda"], EmbedParameters(), progress=False)
    labels, _, _ = cluster.cluster(cosine_distances(vectors), ClusterParameters(), TYPICAL)
    assert (labels == 0).all()


def test_foreign_frames_alone_are_no_scene(sample_clips):
    """Twenty unrelated pictures: without a scene to compare with they must not become one."""
    vectors = embed(sample_clips[OUTLIER], EmbedParameters(), progress=False)
    labels, eps, _ = cluster.cluster(cosine_distances(vectors), ClusterParameters(), TYPICAL)
    assert (labels == -1).all()
    assert eps == pytest.approx(TYPICAL, rel=0.1)


def test_unrelated_directions_are_no_scene():
    vectors, _ = blobs(sizes=(), outliers=25)
    labels, _, _ = cluster.cluster(cosine_distances(vectors), ClusterParameters(), TYPICAL)
    assert (labels == -1).all()


@pytest.mark.parametrize("prior", [0.0, TYPICAL])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_few_frames_are_one_scene(count, prior):
    """Frames at right angles to each other, as different as can be: there is no density to tell outliers by."""
    labels, eps, _ = cluster.cluster(cosine_distances(np.eye(3, dtype=np.float32)[:count]), ClusterParameters(), prior)
    assert labels.tolist() == [0] * count and 0 < eps <= 1


@pytest.mark.parametrize("prior", [0.0, TYPICAL])
@pytest.mark.parametrize("count", [4, 30])
def test_identical_frames_are_one_scene(count, prior):
    vectors = np.repeat(unit_length(np.random.default_rng(0).normal(size=(1, 20))), count, axis=0).astype(np.float32)
    labels, eps, _ = cluster.cluster(cosine_distances(vectors), ClusterParameters(), prior)
    assert (labels == 0).all() and eps > 0


def test_labels_are_sorted_by_size():
    """Sizes 1, 3, 3, 2: the larger first, of equal ones the one with the earlier first frame."""
    assert dbscan.by_size(np.array([7, 2, -1, 5, 5, 2, 2, 0, 0, 5])).tolist() == [3, 0, -1, 1, 1, 0, 0, 2, 2, 1]
    assert dbscan.by_size(np.array([-1, -1])).tolist() == [-1, -1]


def test_dbscan_labels_by_size():
    vectors, truth = blobs(sizes=(5, 25, 10), outliers=0)
    labels = dbscan.dbscan(cosine_distances(vectors), 0.2, 3)
    assert [(labels == scene).sum() for scene in range(3)] == [25, 10, 5]
    assert set(truth[labels == 0]) == {1}


@pytest.mark.parametrize("k", [1, 2, 3, 10, 200])
def test_k_distances_against_counting(k):
    """The k-distance is the least radius at which a frame has k frames within reach, itself included."""
    distances = cosine_distances(blobs(sizes=(10, 6), outliers=2)[0])
    expected = []
    for row in distances:
        radii = sorted(row.tolist())
        expected.append(next(radius for radius in radii if sum(row <= radius) >= min(k, len(row))))
    assert np.array_equal(eps_module.k_distances(distances, k), expected)


@pytest.mark.parametrize("clusterer", CLUSTERERS)
@pytest.mark.parametrize("seed", range(3))
def test_every_clusterer_finds_blobs(clusterer, seed):
    """Three blobs of 30, 20 and 12, and 6 vectors far from everything. All find the blobs; only DBSCAN labels all six as
    outliers, the others assign some of them to the nearest blob."""
    vectors, truth = blobs(seed=seed)
    parameters = ClusterParameters(clusterer, min_cluster_size=8, xi=0.2)
    labels, eps, sweep = cluster.cluster(cosine_distances(vectors), parameters, 0.2)
    assert (eps == 0) == (clusterer != "dbscan") and sweep.suggested > 0
    assert np.array_equal(labels[truth >= 0], truth[truth >= 0])
    assert clusterer != "dbscan" or (labels[truth < 0] == -1).all()


@pytest.mark.parametrize("clusterer", ["hdbscan", "optics"])
@pytest.mark.parametrize("frames", [4, 7])
def test_fewer_frames_than_a_scene_needs(clusterer, frames):
    """All are outliers; fewer than four frames are one scene for every clusterer."""
    distances = cosine_distances(blobs(sizes=(frames,), outliers=0)[0])
    labels, *_ = cluster.cluster(distances, ClusterParameters(clusterer, min_cluster_size=8))
    assert (labels == -1).all()
    labels, *_ = cluster.cluster(distances[:3, :3], ClusterParameters(clusterer, min_cluster_size=8))
    assert (labels == 0).all()


@pytest.mark.parametrize("min_samples", [2, 3, 7, 40])
@pytest.mark.parametrize("kind", ["blobs", "line", "grid"])
def test_the_tree_gives_what_dbscan_gives(kind, min_samples):
    """At any eps, also at exactly the distance of two frames. Blobs with three identical vectors among them; points on a line,
    where frames border on two scenes; a grid of whole numbers, where many distances are equal."""
    rng = np.random.default_rng(1)
    if kind == "blobs":
        vectors = blobs()[0]
        distances = cosine_distances(np.concatenate([vectors, vectors[:2], vectors[:1]]))
    else:
        points = rng.random((60, 1)) if kind == "line" else rng.integers(0, 9, (60, 2))
        distances = np.linalg.norm(points[:, None].astype(float) - points[None], axis=2)
    tree = dbscan.DbscanTree(distances, min_samples)
    for eps in [*rng.choice(distances.ravel(), 60), *np.geomspace(1e-3, 2, 20)]:
        assert np.array_equal(tree.labels(eps), dbscan.dbscan(distances, eps, min_samples)), eps


def test_the_tree_of_too_few_frames():
    assert dbscan.DbscanTree(np.zeros((2, 2)), 3).labels(1.0).tolist() == [-1, -1]
    assert dbscan.DbscanTree(np.zeros((0, 0)), 3).labels(1.0).tolist() == []


def test_knee():
    """99 low values and one step up: the knee is the last low one; on a straight line the first is as good as any."""
    assert eps_module.knee(np.array([0.1] * 90 + [0.11] * 9 + [0.9])) == 0.11
    assert eps_module.knee(np.array([0.2])) == 0.2


def test_plateaus_report_what_dbscan_finds():
    """Every range holds what DBSCAN finds at its two ends; the widest with scenes is the true clustering, and it is the one
    with the best silhouette."""
    vectors, truth = blobs()
    distances = cosine_distances(vectors)
    sweep = eps_module.sweep_eps(distances, 3)
    table = eps_module.plateaus(sweep, vectors, most=5)
    assert len(table) == 5 and (np.diff(table["low"]) > 0).all()
    for row in table.itertuples():
        for eps in (row.low, row.high):
            labels = dbscan.dbscan(distances, eps, 3)
            assert (labels.max() + 1, (labels < 0).sum()) == (row.scenes, row.outliers)
    best = table.loc[table["silhouette"].idxmax()]
    assert (best["scenes"], best["outliers"]) == (3, (truth < 0).sum()) and best["silhouette"] > 0.9
    assert np.isnan(dbscan.silhouette(distances, np.zeros(len(truth), int)))


def test_umap_is_the_same_every_time_and_keeps_scenes_apart():
    """Two blobs of 15: every point's nearest other point is of its own blob. (Coordinates differ between machines.)"""
    vectors, truth = blobs(sizes=(15, 15), outliers=0)
    first, second = (cluster.umap_points(vectors, UmapParameters(map_seed=1)) for _ in range(2))
    assert first.dtype == np.float32 and np.array_equal(first, second)
    apart = np.linalg.norm(first[:, None] - first[None], axis=2)
    np.fill_diagonal(apart, np.inf)
    assert (truth[apart.argmin(axis=1)] == truth).all()


@pytest.mark.parametrize("count", [1, 2, 4, 5, 6])
def test_umap_of_few_frames(count):
    points = cluster.umap_points(np.eye(8, dtype=np.float32)[:count], UmapParameters())
    assert points.shape == (count, 2) and np.isfinite(points).all()
    assert len(np.unique(points, axis=0)) == count
