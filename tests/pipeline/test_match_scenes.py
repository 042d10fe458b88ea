"""Matching the scenes of a clip: arrays and a comparer in, a result out, without a run directory.

The clips and their comparer are those of ``tests.helpers.world``: frames on a line, whose pairs have the statistics of matched
frames.
"""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kendalltau

from tests.helpers.world import World, adjacent, fine
from workbench.embedding.views import matrix_view
from workbench.matching.pairs import all_pairs
from workbench.ordering import long_scenes
from workbench.ordering.frames import FrameDistances, frames_of
from workbench.ordering.scene import order_scene
from workbench.parameters import OrderParameters
from workbench.pipeline import match_scenes as module
from workbench.pipeline.match_scenes import MatchedScenes, match_scenes, part_takes
from workbench.scenes.blends import EditedFilm
from workbench.scenes.pieces import BRIDGES

KEYPOINTS = 500  # of every frame: enough that a frame that registers to nothing is foreign


def distances(world: World) -> FrameDistances:
    """Those of the world, with its scenes apart from each other: frames of two scenes do not look alike."""
    apart = world.labels[:, None] != world.labels
    return FrameDistances(*(matrix_view(matrix + apart) for matrix in world.matrices), fine({}))


def matched(world: World, labels: np.ndarray, pairs_per_frame: int) -> MatchedScenes:
    """The result for a clusterer's labels; every pair is compared once, and the table has one sorted row for it."""
    keypoints = np.full(len(labels), KEYPOINTS)
    film = EditedFilm(labels, 0.0, np.zeros(0, dtype=int), set(), [])
    found = match_scenes(film, distances(world), keypoints, world.compare, pairs_per_frame)
    asked = np.concatenate(world.asked)
    assert (found.pairs[:, 0] < found.pairs[:, 1]).all()
    assert np.array_equal(found.pairs, np.unique(asked, axis=0)) and len(asked) == len(found.pairs)
    return found


def clusters(world: World, *kinds: int) -> np.ndarray:
    """What a clusterer says: ``kinds[k]`` is the label that it gives to the frames of the true scene k."""
    return np.array(kinds)[world.labels]


def same_scenes(found: np.ndarray, true: np.ndarray) -> bool:
    """Whether two labellings put the same frames together; numbers may differ, -1 is -1."""
    pairs = set(zip(found.tolist(), true.tolist(), strict=True))
    return len(pairs) == len(np.unique(found)) == len(np.unique(true)) and ((found < 0) == (true < 0)).all()


@pytest.mark.parametrize("seed", range(3))
def test_scenes_and_their_order_are_recovered(seed):
    """Two scenes and three foreign pictures that the clusterer sees as they are."""
    world = World(60, 40, 1, 1, 1, seed=seed)
    found = matched(world, clusters(world, 0, 1, -1, -1, -1), 8)
    assert same_scenes(found.labels, clusters(world, 0, 1, -1, -1, -1))
    for frames in frames_of(found.labels):
        scene = distances(world).scene(frames)
        places = world.place[frames[order_scene(scene, found.table, OrderParameters()).order]]
        assert adjacent(places) > 0.85 and abs(kendalltau(places, np.arange(len(places))).statistic) > 0.99
    assert found.rough_order.isna().all()


def test_the_matches_correct_the_clusterer():
    """It takes two scenes for one, a foreign picture for a frame of it, and some frames of a third scene for foreign ones."""
    world = World(50, 40, 30, 1, seed=4)
    labels = clusters(world, 0, 0, 1, 0)
    labels[np.flatnonzero(world.labels == 2)[::6]] = -1
    found = matched(world, labels, 8)
    true = clusters(world, 0, 1, 2, -1)
    assert same_scenes(found.labels, true)
    table = found.scenes_table(labels)
    assert table["position"].tolist() == list(range(121)) and table["clustered"].tolist() == labels.tolist()
    assert same_scenes(table["scene"].to_numpy(), true)


@pytest.mark.parametrize(("budget", "extra"), [(2, sum(BRIDGES)), (4, 0), (8, 0), (16, 0)])
def test_the_budget_holds(budget, extra):
    """Inside every scene; a few pairs between them come on top, to tell them apart. At 2 the first round leaves a scene in two
    pieces, and bridges between these come on top too."""
    world = World(60, 40, seed=1)
    found = matched(world, world.labels, budget)
    inside = world.labels[found.pairs[:, 0]] == world.labels[found.pairs[:, 1]]
    for scene, size in enumerate((60, 40)):
        of_scene = inside & (world.labels[found.pairs[:, 0]] == scene)
        assert of_scene.sum() <= budget * size + extra
    assert (~inside).sum() <= 40 + BRIDGES[1]
    assert found.pairs_per_frame == pytest.approx(len(found.pairs) / 100)


def test_a_larger_budget_finds_a_better_order():
    """The share of right links, over some clips with much noise."""
    shares = []
    for budget in (2, 12):
        worlds = [World(60, seed=seed, noise=0.3) for seed in range(4)]
        tables = [matched(world, world.labels, budget).table for world in worlds]
        shares.append(np.mean([adjacent(world.orders(table)[0]) for world, table in zip(worlds, tables, strict=True)]))
    assert shares[1] > shares[0] + 0.05


def test_no_budget_compares_all_pairs():
    """0 stands for all pairs inside the scenes, also inside those that the matches found."""
    world = World(30, 20, seed=2)
    found = matched(world, clusters(world, 0, 0), 0)
    assert same_scenes(found.labels, world.labels)
    compared = set(map(tuple, found.pairs.tolist()))
    assert compared >= set(map(tuple, all_pairs(found.labels).tolist()))
    assert len(compared) == 50 * 49 // 2, "the clusterer saw one scene, so its pairs were compared first"


@pytest.mark.parametrize("budget", [8, 0])
def test_long_scenes_get_a_rough_order(monkeypatch, budget):
    """With limits a tenth of the usual ones: a scene of 160 frames is a long one, one of 40 is not."""
    monkeypatch.setattr(module, "LONG_SCENE_FRAMES", 150)
    monkeypatch.setattr(long_scenes, "LONG_SCENE_FRAMES", 150)
    monkeypatch.setattr(long_scenes, "STRETCH_FRAMES", 100)
    monkeypatch.setattr(long_scenes, "OVERLAP_FRAMES", 30)
    world = World(160, 40, seed=3)
    found = matched(world, world.labels, budget)
    assert same_scenes(found.labels, world.labels)
    rough = found.rough_order
    long = np.flatnonzero(world.labels == 0)
    assert rough.isna().to_numpy().tolist() == (world.labels == 1).tolist()
    assert sorted(rough[long].tolist()) == list(range(160))
    assert abs(kendalltau(world.place[long], rough[long].astype(int)).statistic) > 0.98
    assert found.scenes_table(world.labels)["rough"].equals(rough.rename("rough"))


def test_a_clip_without_scenes():
    """The clusterer sets all frames aside: nothing is compared but the empty first round, and nothing is found."""
    world = World(1, 1, 1, 1)
    found = matched(world, np.full(4, -1), 8)
    assert len(found.table) == 0 and (found.labels == -1).all() and found.pairs_per_frame == 0


def test_takes_of_a_scene_come_apart():
    """A still camera before a wall with a box, which stands elsewhere in the last twenty of forty frames; frame 25 is part of a
    fade, half as bright, and frame 7 has the box at a third place. The frames are shuffled."""
    rng = np.random.default_rng(0)
    shuffled = rng.permutation(40)
    images = np.full((40, 60, 80, 3), 90, np.uint8) + rng.integers(0, 3, (40, 60, 80, 3), dtype=np.uint8)
    images[:, ::7, ::5] += 60
    for frame in range(40):
        left = 5 if frame == 7 else 30 if frame < 20 else 55
        images[frame, 10:35, left : left + 20] = (220, 40, 40)
        images[frame, 45:50, frame : frame + 8] = 250
    images[25] //= 2
    place = np.empty(40, dtype=int)
    place[shuffled] = np.arange(40)
    apart = np.abs(place[:, None] - place) / 40
    parts = FrameDistances(matrix_view(apart), matrix_view(apart), fine({}))
    pairs = np.array([(a, b) for a in range(40) for b in range(a + 1, 40) if apart[a, b] <= 0.1])
    table = pd.DataFrame(pairs, columns=["a", "b"])
    table = table.assign(inliers=100, matches=100, inlier_share=1 - apart[pairs[:, 0], pairs[:, 1]], model="similarity")
    table = table.assign(residual=apart[pairs[:, 0], pairs[:, 1]], displacement=0.0)
    labels, decisions = part_takes(np.zeros(40, int), table, parts, images[place], shuffled[[25]])
    first, second = labels[shuffled[0]], labels[shuffled[39]]
    assert labels[shuffled].tolist() == [first] * 7 + [-1] + [first] * 12 + [second] * 20 and first != second
    assert sorted(decision.verdict for decision in decisions) == ["expelled", "take"]
