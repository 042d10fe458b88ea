"""The search for pairs, with the simulated matcher of ``tests.helpers.world``."""

from functools import partial

import numpy as np
import pandas as pd
import pytest

from tests.helpers.world import World, adjacent, fine
from workbench.embedding.views import matrix_view
from workbench.matching.pairs import all_pairs
from workbench.ordering import search as module
from workbench.ordering.distance import FusedOrder
from workbench.ordering.frames import FrameDistances, frames_of
from workbench.ordering.parts import ALIGNED, IN_PLACE, compared_pairs
from workbench.ordering.scene import is_still, order_scene, scene_parts
from workbench.ordering.search import alike_to_partners, first_pairs, nearest_left, pairs_of_reversals, search
from workbench.parameters import OrderParameters
from workbench.registration.pair import UNRELATED


def first_scene(labels, embedded, thumbnails, parts):
    """The first scene of a clip whose distances are (N, N) matrices."""
    return FrameDistances(matrix_view(embedded), matrix_view(thumbnails), fine(parts)).scene(np.flatnonzero(labels == 0))


def well_formed(world, table, budget):
    """Every pair was requested once, sorted within its round, inside a scene, and no scene exceeds its budget."""
    pairs = table[["a", "b"]].to_numpy()
    assert (pairs[:, 0] < pairs[:, 1]).all() and np.array_equal(pairs, np.unique(pairs, axis=0))
    asked = np.concatenate(world.asked)
    assert len(asked) == len(pairs) and np.array_equal(np.unique(asked, axis=0), pairs)
    for one in world.asked:
        assert one.dtype.kind == "i" and np.array_equal(one, np.unique(one, axis=0))
    assert all(len(one) for one in world.asked[1:])
    assert (world.labels[pairs[:, 0]] == world.labels[pairs[:, 1]]).all()
    for scene in range(world.labels.max() + 1):
        inside = (world.labels[pairs[:, 0]] == scene).sum()
        assert inside <= budget * (world.labels == scene).sum()


@pytest.mark.parametrize("seed", range(4))
def test_the_order_of_all_pairs_within_the_budget(seed):
    """Eighty frames at an even pace: at most 10 pairs per frame give the order that all 39.5 do, and it is the true one."""
    world = World(80, seed=seed)
    table = world.searched(10)
    well_formed(world, table, 10)
    whole = world.table(all_pairs(world.labels))
    assert world.orders(table)[0].tolist() == world.orders(whole)[0].tolist() == list(range(80))


def test_uneven_pace_and_much_noise():
    """Scenes of 60 frames with steps from 0.3 to 3, a quarter of noise and views that are two steps off: about as many true
    neighbours as from all pairs, for a third of the comparisons."""
    searched, whole = [], []
    for seed in range(2):
        world = World(60, seed=seed, noise=0.25, blur=2.0, step=lambda k: 1.65 + 1.35 * np.sin(k / 4))
        table = world.searched(10)
        well_formed(world, table, 10)
        searched += map(adjacent, world.orders(table))
        whole += map(adjacent, world.orders(world.table(all_pairs(world.labels))))
    assert np.mean(searched) > np.mean(whole) - 0.03


@pytest.mark.parametrize("budget", [5, 6, 8, 15])
def test_other_budgets_are_kept_too(budget):
    world = World(60, seed=1)
    table = world.searched(budget)
    well_formed(world, table, budget)
    assert adjacent(world.orders(table)[0]) > 0.9


@pytest.mark.parametrize("budget", [2, 3, 4])
def test_small_budgets_allow_the_first_pairs_and_little_else(budget):
    """Two pairs per frame may be exceeded by the first pairs, which give every frame a neighbour on both sides in each view."""
    world = World(60, seed=1)
    table = world.searched(budget)
    first = len(world.asked[0])
    assert len(table) <= max(first, 60 * budget)
    assert len(np.unique(np.concatenate(world.asked), axis=0)) == len(table)


@pytest.mark.parametrize("seed", range(3))
def test_an_easy_scene_stops_early(seed):
    """Hardly any noise, and views that know the order: the order is sure and stays, so half of the budget is left."""
    world = World(80, seed=seed, noise=0.02, blur=0.1)
    table = world.searched(20)
    assert world.orders(table)[0].tolist() == list(range(80))
    assert len(table) < 8 * 80 and len(world.asked) <= 6


def test_two_scenes_at_once():
    """Scenes of 60 and 25 frames in one call: each within its budget, each in order, and both served in the same rounds."""
    world = World(60, 25, seed=2)
    table = world.searched(10)
    well_formed(world, table, 10)
    assert [places.tolist() for places in world.orders(table)] == [list(range(60)), list(range(25))]
    assert set(world.labels[world.asked[1][:, 0]]) == {0, 1}


@pytest.fixture
def enough_time(monkeypatch):
    """Paths are sought until they are the shortest ones, also on a slow or busy machine: drafts have some 5 ms otherwise."""
    monkeypatch.setattr("workbench.ordering.path.MIN_SEARCH_SECONDS", 0.03)


@pytest.mark.usefixtures("enough_time")
def test_a_scene_does_not_depend_on_the_others():
    """The pairs of a scene are the same whether another one is searched beside it or not."""
    world = World(50, 30, seed=3)
    first = world.table(first_pairs(world.labels, world.views, 10))
    scenes, scene_of = frames_of(world.labels), world.frame_distances.scene
    both = search(scenes, scene_of, world.table, 10, first)
    alone = [search([frames], scene_of, world.table, 10, first) for frames in scenes]
    for number, table in enumerate(alone):
        inside = [some[world.labels[some["a"]] == number].reset_index(drop=True) for some in (both, table)]
        assert inside[0].equals(inside[1])


@pytest.mark.usefixtures("enough_time")
def test_the_same_pairs_every_time():
    worlds = [World(30, seed=5, noise=0.25, blur=2.0) for _ in range(2)]
    tables = [world.searched(10) for world in worlds]
    assert tables[0].equals(tables[1])
    for one, other in zip(worlds[0].asked, worlds[1].asked, strict=True):
        assert np.array_equal(one, other)


@pytest.mark.parametrize("sizes", [(1,), (2,), (3,), (5,), (1, 2, 3), (40, 1, 2)])
def test_few_frames(sizes):
    """All pairs of a scene this small are among the first ones, so nothing is left to compare."""
    world = World(*sizes)
    table = world.searched(10)
    well_formed(world, table, 10)
    assert [places.tolist() for places in world.orders(table)] == [list(range(size)) for size in sizes]
    small = np.bincount(world.labels)[world.labels[table["a"]]] <= 5
    assert small.sum() == sum(size * (size - 1) // 2 for size in sizes if size <= 5)


def test_no_scene_at_all():
    nothing = World(1).table(np.zeros((0, 2), int))
    never = partial(pytest.fail, "nothing to compare")
    assert len(search([], never, never, 10, nothing)) == 0


def test_identical_frames():
    """Thirty frames that are all the same: the search ends, and the order is that of the input."""
    world = World(30)
    world.residual[:], world.share[:] = 0, 1
    for view in world.matrices:
        view[:] = 0
    table = world.searched(10)
    well_formed(world, table, 10)
    scene = world.scenes[0]
    assert order_scene(scene, table, OrderParameters()).order.tolist() == list(range(30))


def test_frames_that_have_nothing_in_common():
    """No pair registers: the search ends all the same, within its budget, and the thumbnails alone give an order."""
    world = World(40, blur=0.05)
    world.residual[:], world.share[:] = UNRELATED, 0
    table = world.searched(10)
    well_formed(world, table, 10)
    assert adjacent(world.orders(table)[0]) > 0.9


def test_pairs_compared_before_count_and_are_not_compared_again():
    """A table that holds, beside the first pairs, all pairs of the true order: the search needs fewer new pairs."""
    world, plain = World(60, seed=4), World(60, seed=4)
    order = np.argsort(world.place)
    along = np.sort(np.stack([order[:-1], order[1:]], axis=1), axis=1)
    pairs = np.unique(np.r_[first_pairs(world.labels, world.views, 10), along], axis=0)
    table = search(frames_of(world.labels), world.frame_distances.scene, world.compare, 10, world.table(pairs))
    given = set(map(tuple, pairs.tolist()))
    assert not given & set(map(tuple, np.concatenate([np.zeros((0, 2), int), *world.asked]).tolist()))
    assert len(table) <= 600 and sum(map(len, world.asked)) < sum(map(len, plain.asked[1:])) + len(plain.searched(10))
    assert world.orders(table)[0].tolist() == list(range(60))


def lit(seed):
    """Eighty frames in which the light changes at every sixteenth. In both views frames in different light are far from each
    other, and the nearest of them are those in the middle of their stretches: the most similar ones never follow each other."""
    world = World(80, seed=seed, noise=0.05, blur=0.5)
    light, odd = world.place // 16, np.abs(world.place % 16 - 8)
    other = light[:, None] != light
    for view in world.matrices:
        view[other] = (3 + 0.05 * (odd[:, None] + odd))[other]
    first = first_pairs(world.labels, world.views, 10)
    assert (light[first[:, 0]] == light[first[:, 1]]).all()  # no first pair leads from one light to another
    return world


@pytest.mark.parametrize("seed", range(3))
def test_stretches_that_the_views_do_not_connect_are_joined_at_their_ends(seed):
    """Matches do not depend on the light: once the ends of the stretches are compared with each other, the order is right."""
    world = lit(seed)
    table = world.searched(10)
    well_formed(world, table, 10)
    assert world.orders(table)[0].tolist() == list(range(80))


@pytest.mark.parametrize(("without", "most_wrong"), [(3, True), (2, False)])
def test_without_guesses_they_are_joined_wrongly(without, most_wrong, monkeypatch):
    """Five such scenes: without pairs alike to their partners, those of reversals, and those between the weakest links, most
    have a stretch that is reversed or at a wrong place. The weakest links alone are enough to put them right."""
    for name in ("alike_to_partners", "pairs_of_reversals", "pairs_of_weak_links")[:without]:
        monkeypatch.setattr(module, name, lambda *_: np.zeros((0, 2), int))
    worlds = [lit(seed) for seed in range(5)]
    wrong = [(np.abs(np.diff(world.orders(world.searched(10))[0])) > 1).sum() for world in worlds]
    assert np.count_nonzero(wrong) >= 3 if most_wrong else not np.any(wrong)


def test_guesses_find_neighbours_that_the_views_do_not_show():
    """Five scenes of eighty frames whose views are eight steps off: the first pairs join less than a third of all neighbours;
    the search compares more than two thirds of them, with eight pairs per frame."""
    first, after = [], []
    for seed in range(5):
        world = World(80, seed=seed, blur=8.0)
        beside = np.abs(np.subtract.outer(world.place, world.place)) == 1
        table = world.searched(10)
        first.append(beside[tuple(world.asked[0].T)].sum() / 79)
        after.append(beside[table["a"], table["b"]].sum() / 79)
        assert len(table) <= 10 * 80
    assert np.mean(first) < 1 / 3 and np.mean(after) > 2 / 3


def test_first_pairs_are_at_most_four_per_frame_and_inside_scenes():
    world = World(60, 30, seed=1)
    world.labels[:7] = -1
    for budget in (4, 10, 50):
        pairs = first_pairs(world.labels, world.views, budget)
        assert (world.labels[pairs[:, 0]] == world.labels[pairs[:, 1]]).all() and (world.labels[pairs] >= 0).all()
        for scene in (0, 1):
            assert (world.labels[pairs[:, 0]] == scene).sum() <= 4 * (world.labels == scene).sum()


# --- pairs that an order asks for -----------------------------------------------------------------------------------------


def nothing_compared(count):
    """A frame and itself count as compared."""
    return np.eye(count, dtype=bool)


def unordered(pairs):
    return [tuple(sorted(pair)) for pair in pairs.tolist()]


def line(count, seed=0):
    """``count`` frames one step apart on a line (each off by up to a tenth), shuffled: true places (count,), distances."""
    rng = np.random.default_rng(seed)
    places = rng.permutation(np.arange(count) + rng.uniform(-0.1, 0.1, count))
    return np.argsort(np.argsort(places)), np.abs(places[:, None] - places)


def ordered(order, fused):
    """An order and the distance behind it, as a search finds them."""
    return FusedOrder(order, np.ones(1), np.ones(1), fused)


@pytest.mark.parametrize("count", [5, 30])
def test_nearest_left_are_the_pairs_near_in_the_order_and_in_the_distance(count):
    """The order says nothing about the distance: all pairs up to three places apart in one, and the three nearest of every
    frame by the other, each once, the nearest first; those compared before are left out, and the others stay as they were."""
    _, fused = line(count)
    order, compared = np.random.default_rng(1).permutation(count), nothing_compared(count)
    place = np.argsort(order)
    pairs = nearest_left(ordered(order, fused), compared)
    along = np.abs(np.subtract.outer(place, place)) <= 3
    ranks = np.argsort(np.argsort(fused + 1e9 * np.eye(count), axis=1), axis=1)
    wanted = np.argwhere(np.triu(along | (ranks < 3) | (ranks < 3).T, 1))
    assert sorted(unordered(pairs)) == sorted(map(tuple, wanted.tolist()))
    assert (np.diff(fused[pairs[:, 0], pairs[:, 1]]) >= 0).all()
    compared[pairs[::2, 0], pairs[::2, 1]] = compared[pairs[::2, 1], pairs[::2, 0]] = True
    assert nearest_left(ordered(order, fused), compared).tolist() == pairs[1::2].tolist()
    assert len(nearest_left(ordered(order, fused), np.ones((count, count), dtype=bool))) == 0


@pytest.mark.parametrize(("count", "pairs"), [(1, 0), (2, 1), (3, 3), (4, 6)])
def test_nearest_left_of_few_frames_are_all_pairs(count, pairs):
    found = nearest_left(ordered(np.arange(count), line(count)[1]), nothing_compared(count))
    assert found.shape == (pairs, 2) and found.dtype.kind == "i" and len(set(unordered(found))) == pairs


@pytest.mark.parametrize("seed", range(3))
def test_missing_neighbours_are_alike_to_their_partners(seed):
    """Eighty frames on a line, compared with six in ten of those up to five places away. No frame proposes more than two pairs,
    and none that was compared; more than two thirds of the missing neighbours are proposed, and of the first half of what is
    proposed three quarters are frames at most two places apart."""
    place, distances = line(80, seed)
    apart = np.abs(np.subtract.outer(place, place))
    chosen = np.triu(np.random.default_rng(seed).random((80, 80)) < 0.6, 1)
    compared = (apart <= 5) & (chosen | chosen.T) | nothing_compared(80)
    pairs = alike_to_partners(distances, compared)
    assert len(set(unordered(pairs))) == len(pairs) <= 2 * 80 and not compared[pairs[:, 0], pairs[:, 1]].any()
    steps, missing = apart[pairs[:, 0], pairs[:, 1]], np.count_nonzero((apart == 1) & ~compared) // 2
    assert np.count_nonzero(steps == 1) > 2 / 3 * missing
    assert (steps[: len(steps) // 3] <= 2).mean() > 3 / 4


def test_nothing_far_is_alike_however_few_partners_there_are():
    """Two groups of ten frames each, compared inside and by one pair 30 steps long across: frames of both are never near.
    Values of pairs that were not compared do not matter."""
    places = np.r_[np.arange(10.0), 40 + np.arange(10.0)]
    distances = np.abs(places[:, None] - places[None])
    compared = distances < 3
    compared[9, 10] = compared[10, 9] = True
    pairs = alike_to_partners(distances, compared)
    assert len(pairs) and ((pairs < 10).sum(axis=1) != 1).all()
    assert not compared[pairs[:, 0], pairs[:, 1]].any()
    for fill in (0.0, 99.0, np.nan):
        assert np.array_equal(alike_to_partners(np.where(compared, distances, fill), compared), pairs)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_few_frames_have_no_partner_in_common(count):
    assert alike_to_partners(np.zeros((count, count)), nothing_compared(count)).shape == (0, 2)


def test_a_reversed_piece_is_compared_at_both_ends():
    """Thirty frames of a line whose frames 10 to 19 are the wrong way round: turning them would join 9 and 10, 19 and 20."""
    places = np.arange(30)
    order = np.r_[0:10, 19:9:-1, 20:30]
    distances = np.abs(places[:, None] - places[None]).astype(float)
    pairs = pairs_of_reversals(order, distances, nothing_compared(30), 2)
    assert set(unordered(pairs)) == {(9, 10), (19, 20)}


def test_an_end_of_the_order_can_be_turned_too():
    """The first ten of thirty frames of a line are the wrong way round: one new link, from 9 to 10, mends it."""
    places = np.arange(30)
    order = np.r_[np.arange(10)[::-1], 10:30]
    distances = np.abs(places[:, None] - places[None]).astype(float)
    assert unordered(pairs_of_reversals(order, distances, nothing_compared(30), 1)) == [(9, 10)]


def test_pairs_of_reversals_leave_out_compared_pairs_and_keep_to_their_number():
    distances = line(20)[1]
    order = np.random.default_rng(3).permutation(20)
    compared = np.random.default_rng(4).random((20, 20)) < 0.5
    compared |= compared.T | nothing_compared(20)
    for most in (0, 1, 7, 1000):
        pairs = pairs_of_reversals(order, distances, compared, most)
        assert len(pairs) <= most and not compared[pairs[:, 0], pairs[:, 1]].any()
        assert len(set(unordered(pairs))) == len(pairs)
    places = np.argsort(order)
    apart = np.abs(places[:, None] - places)
    assert len(pairs) >= np.count_nonzero(~compared & (apart > 1)) // 2  # with room enough, every pair that is no link
    assert pairs_of_reversals(order, distances, compared, -3).shape == (0, 2)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_pairs_of_reversals_of_few_frames(count):
    pairs = pairs_of_reversals(np.arange(count), np.zeros((count, count)), nothing_compared(count), 10)
    assert len(pairs) <= count * (count - 1) // 2 and (pairs < count).all()


# --- scenes ---------------------------------------------------------------------------------------------------------------


def test_compared_pairs_and_parts_of_a_scene():
    """Frames 1, 3 and 4 of a clip; pairs of other frames do not count. What was not compared is predicted."""
    labels = np.array([1, 0, 1, 0, 0])
    views = [np.abs(np.subtract.outer(np.arange(5.0), np.arange(5.0)))] * 2
    scene = first_scene(labels, *views, {})
    assert scene.frames.tolist() == [1, 3, 4]
    columns = {"a": [0, 1, 3], "b": [2, 3, 4], "matches": [9, 8, 7], "inlier_share": [0.9, 0.5, 0.25]}
    table = pd.DataFrame(columns | {"residual": [0.1, 0.2, 0.1]})
    assert compared_pairs(scene.frames, table).tolist() == [[True, True, False], [True, True, True], [False, True, True]]
    parts = scene_parts(scene, table, compared_pairs(scene.frames, table))
    # Nearest: 0.2, 0.1, 0.1 by the residual; 0.5, 0.5, 0.75 by missing inliers; 2, 1, 1 by thumbnails. The pair that was not
    # compared has a common partner, by which its residual is 0.3; three pairs are too few to predict the inliers from it.
    assert parts["residual"].whole == pytest.approx(np.array([[0, 2, 3], [2, 0, 1], [3, 1, 0]]))
    assert parts["missing_inliers"].whole == pytest.approx(np.array([[0, 1, 2], [1, 0, 1.5], [2, 1.5, 0]]))
    assert parts["thumbnail"].whole == pytest.approx(np.array([[0, 2, 3], [2, 0, 1], [3, 1, 0]]))


def test_principal_components_count_where_the_camera_stands_still():
    """The same scene of six frames, shifted by a thousandth and by a hundredth of the diagonal between the frames of a pair."""
    distances = np.abs(np.subtract.outer(np.arange(6.0), np.arange(6.0)))
    scene = first_scene(np.zeros(6, int), distances, distances, {"colours": distances})
    pairs = np.stack(np.triu_indices(6, 1), axis=1)
    columns = {"a": pairs[:, 0], "b": pairs[:, 1], "matches": 50, "inlier_share": 0.5, "residual": 0.1}
    still, moving = (pd.DataFrame(columns | {"displacement": shift}) for shift in (0.001, 0.01))
    assert is_still(scene.frames, still) and not is_still(scene.frames, moving)
    compared = compared_pairs(scene.frames, still)
    assert [*scene_parts(scene, still, compared)] == ["residual", "missing_inliers", "thumbnail", "colours", "principal"]
    assert [*scene_parts(scene, moving, compared)] == ["residual", "missing_inliers", "thumbnail", "colours"]
    assert scene_parts(scene, still, compared)["residual"].family == IN_PLACE  # nothing is aligned by standing still
    assert scene_parts(scene, moving, compared)["residual"].family == ALIGNED
    unregistered = still.assign(displacement=np.nan)  # nothing shows how the camera moved
    assert not is_still(scene.frames, unregistered)


def test_an_ordered_scene_holds_how_it_was_made():
    """A line is open and its links are sure; weights sum to one; only the path through the fused distance has a confidence."""
    world = World(40, seed=1, noise=0.02, blur=0.2)
    scene, table = world.scenes[0], world.table(all_pairs(world.labels))
    found = order_scene(scene, table, OrderParameters())
    assert not found.closed and found.confidence.shape == (39,) and found.confidence.min() > 0.8
    assert list(found.weights) == ["residual", "missing_inliers", "thumbnail"]
    assert sum(found.weights.values()) == pytest.approx(1) and min(found.weights.values()) >= 0
    for values in ({"method": "greedy"}, {"distance": "blend"}, {"method": "greedy", "distance": "blend"}):
        other = order_scene(scene, table, OrderParameters(**values))
        assert sorted(other.order.tolist()) == list(range(40))
        assert np.isnan(other.confidence).all() and other.confidence.shape == (39,) and not other.closed


@pytest.mark.parametrize("start", [0, 13])
def test_a_full_orbit_is_closed_and_starts_where_its_pictures_jump(start):
    """Forty frames around a circle: the matches show that the ends meet, while the light has changed. The links are sure."""
    place = (np.arange(40) - start) % 40
    turn = np.abs(np.subtract.outer(place, place))
    turn = np.minimum(turn, 40 - turn)
    pairs = np.stack(np.triu_indices(40, 1), axis=1)
    share = np.exp(-turn / 6.0)[pairs[:, 0], pairs[:, 1]]
    residual = UNRELATED * (1 - share)
    table = pd.DataFrame({"a": pairs[:, 0], "b": pairs[:, 1], "matches": 100, "inlier_share": share, "residual": residual})
    light = np.sqrt(turn**2 + 0.0006 * np.subtract.outer(place, place) ** 2)
    found = order_scene(first_scene(np.zeros(40, int), light, light, {}), table, OrderParameters())
    places = place[found.order]
    assert found.closed and places.tolist() in (list(range(40)), list(range(39, -1, -1)))
    assert found.confidence.min() > 0.8


def test_fine_distances_count_where_they_agree_with_the_order():
    """Forty frames with rough matches and thumbnails, and two fine distances: one is exact, one is noise. The exact one gets
    most of the weight and corrects what the rough ones leave wrong; the noise gets none."""
    world = World(40, seed=3, noise=0.4, blur=2.0)
    table, pairs = world.table(all_pairs(world.labels)), np.random.default_rng(0).uniform(0.1, 1, (40, 40))
    exact = np.abs(np.subtract.outer(world.place, world.place)).astype(float)
    fine_parts = {"exact": exact, "noise": np.triu(pairs, 1) + np.triu(pairs, 1).T}
    rough, fined = (
        order_scene(FrameDistances(*world.views, fine(parts)).scene(np.arange(40)), table, OrderParameters())
        for parts in ({}, fine_parts)
    )
    assert adjacent(world.place[rough.order]) < 0.9
    assert adjacent(world.place[fined.order]) == 1
    assert fined.weights["noise"] == 0 and fined.weights["exact"] > 0.6
