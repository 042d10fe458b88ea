"""Long scenes in stretches, with the simulated matcher of ``tests.helpers.world`` and limits a tenth of the usual ones."""

from itertools import pairwise

import numpy as np
import pytest
from scipy.stats import kendalltau

from tests.helpers.world import World, adjacent
from workbench.errors import ParameterError
from workbench.ordering import long_scenes as module
from workbench.ordering.long_scenes import join_rough, order_long, search_long, stretches
from workbench.ordering.path import shortest_path
from workbench.ordering.search import first_pairs
from workbench.parameters import OrderParameters


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(module, "LONG_SCENE_FRAMES", 150)
    monkeypatch.setattr(module, "STRETCH_FRAMES", 100)
    monkeypatch.setattr(module, "OVERLAP_FRAMES", 30)


def restored(world, budget=8):
    """The table of all compared pairs of a world with one scene, its rough order, and the ordered scene."""
    frames = np.arange(len(world.labels))
    table = world.compare(first_pairs(world.labels, world.views, budget))
    table, rough = search_long(frames, world.frame_distances, world.compare, budget, table)
    found = order_long(rough, world.frame_distances, table, OrderParameters())
    return table, rough, found


@pytest.mark.parametrize(("count", "seed"), [(160, 0), (160, 1), (400, 2), (1200, 3)])
def test_long_scenes_are_ordered_as_well_as_short_ones(count, seed):
    """From 160 frames, hardly too long, to 1,200, which have too many key frames for one scene. The share of right links is
    compared with that of a short scene, as long as a stretch."""
    world = World(count, seed=seed)
    table, rough, found = restored(world)
    assert sorted(rough.tolist()) == list(range(count)) and sorted(found.order.tolist()) == list(range(count))
    assert not table.duplicated(["a", "b"]).any() and len(table) <= 9 * count
    assert abs(kendalltau(world.place[rough], np.arange(count)).statistic) > 0.98
    places = world.place[found.order]
    assert abs(kendalltau(places, np.arange(count)).statistic) > 0.999
    assert found.order[0] < found.order[-1]
    short = World(100, seed=seed)
    alone = adjacent(short.orders(short.searched(8))[0])
    assert adjacent(places) > alone - 0.05


def test_confidence_and_matrices_of_a_long_scene():
    """Every link has a confidence, higher for right links; the matrices are those of the stretch in the middle."""
    world = World(300, seed=5, noise=0.3)
    _, _, found = restored(world)
    assert found.confidence.shape == (299,) and np.isfinite(found.confidence).all()
    right = np.abs(np.diff(world.place[found.order])) == 1
    assert (~right).sum() > 0 and found.confidence[right].mean() > found.confidence[~right].mean() + 0.1
    shown = found.shown
    assert 80 <= len(shown) <= 110 and (np.diff(shown) > 0).all()
    middle = np.argsort(found.order)[shown]
    assert np.ptp(middle) < 120 and 80 < np.median(middle) < 220
    assert all(matrix.shape == (len(shown), len(shown)) for matrix in found.matrices.values())
    assert sum(found.weights.values()) == pytest.approx(1)
    assert not found.closed


def test_stretches_cover_all_places_and_overlap():
    for count in (151, 170, 171, 500, 1234):
        parts = list(stretches(count))
        assert parts[0].start == 0 and parts[-1].stop == count
        assert all(earlier.stop - later.start == 30 for earlier, later in pairwise(parts))
        assert max(part.stop - part.start for part in parts) <= 101


def test_frames_that_register_to_nothing_still_have_a_place():
    """Nothing registers: there is no order to find, but no frame is lost."""
    world = World(300, seed=1)
    world.share[:], world.residual[:] = 0, 1
    _, _, found = restored(world)
    assert sorted(found.order.tolist()) == list(range(300))


def test_a_long_scene_put_together_by_hand():
    """A scene with a rough order, another without one, three frames of none and one more: no frame is lost, the parts follow
    each other in their orders, and single frames are beside those they are like."""
    world = World(160, 60, seed=2)
    table = world.searched(8)
    frames, part_of, places = np.arange(220), world.labels.copy(), np.full(220, np.nan)
    places[part_of == 0] = world.place[part_of == 0]
    alone = np.array([frame for frame in (10, 100, 200) if part_of[frame] == 0] + [int(np.flatnonzero(part_of == 1)[0])])
    part_of[alone] = -1
    rough = join_rough(frames, part_of, places, world.frame_distances, table)
    assert sorted(rough.tolist()) == frames.tolist()
    kept = rough[part_of[rough] >= 0]
    assert part_of[kept].tolist() == sorted(part_of[kept].tolist())
    assert (np.diff(world.place[kept[part_of[kept] == 0]]) > 0).all()
    assert abs(kendalltau(world.place[kept[part_of[kept] == 1]], np.arange((part_of == 1).sum())).statistic) > 0.9
    for frame in alone[:-1]:
        before = rough[np.flatnonzero(rough == frame)[0] - 1]
        assert abs(int(world.place[before]) - int(world.place[frame])) < 12
    found = order_long(rough, world.frame_distances, table, OrderParameters())
    assert sorted(found.order.tolist()) == frames.tolist()
    assert join_rough(frames, np.full(220, -1), places, world.frame_distances, table).tolist() == frames.tolist()


def test_only_the_path_through_the_fused_distance():
    world = World(200, seed=0)
    table = world.compare(first_pairs(world.labels, world.views, 8))
    with pytest.raises(ParameterError, match=r"a scene has 200 frames.*--order\.method path"):
        order_long(np.arange(200), world.frame_distances, table, OrderParameters(method="greedy"))


@pytest.mark.parametrize("first", [0, 7, 29])
def test_path_from_a_given_frame(first):
    """Thirty places on a line, shuffled, some of them twice: the path begins with the given frame, goes to the nearer end and
    from there to the other one."""
    rng = np.random.default_rng(first)
    places = rng.permutation(np.repeat(np.arange(30.0), 1 + (np.arange(30) % 7 == 0)))
    distances = np.abs(places[:, None] - places)
    order = shortest_path(distances, first)
    assert order[0] == first and sorted(order.tolist()) == list(range(len(places)))
    start = places[first]
    assert np.abs(np.diff(places[order])).sum() == 29 + min(start, 29 - start)
