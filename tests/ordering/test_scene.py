"""What is fused of a scene, and when its frames are aligned: the drawn clip of ``tests.helpers.shaken``, and the simulated one
of ``tests.helpers.world``."""

import gc
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from tests.helpers.shaken import COUNT, SIZE, shaken, some_pairs
from tests.helpers.world import World, adjacent
from workbench.embedding.distances import Halved, fine_distances, principal_distances
from workbench.embedding.embed import embed
from workbench.matching.pairs import all_pairs
from workbench.ordering import frames as frames_module
from workbench.ordering.frames import FrameDistances, Scene
from workbench.ordering.parts import ALIGNED, IN_PLACE, INLIERS, compared_pairs, scaled
from workbench.ordering.path import shortest_path
from workbench.ordering.scene import fuse_scene, order_scene, scene_parts
from workbench.parameters import EmbedParameters, OrderParameters


@pytest.fixture(scope="module")
def clip():
    return shaken(2)


@pytest.fixture(scope="module")
def distances(clip):
    """Those of the clip's pictures."""
    vectors = embed(clip.images, EmbedParameters(backbone="rank-vlad"), progress=False)
    return FrameDistances.of_pictures(vectors, clip.images, SIZE)


def never(_):
    raise AssertionError("frames were aligned")


def test_a_shaken_scene_is_ordered_once_its_frames_are_aligned(clip, distances):
    """Three random pairs per frame are registered, hardly any of them of neighbours. Aligned, all pairs tell the order, and the
    distances of frames as they lie weigh nothing; without the pictures' alignment the order is lost."""
    table = clip.table(some_pairs(1))
    scene = distances.scene(np.arange(COUNT))
    found = order_scene(scene, table, OrderParameters())
    assert adjacent(clip.place[found.order]) > 0.95 and not found.closed
    assert {"aligned_ranks", "aligned_colours", "aligned_pixels"} <= set(found.weights) <= set(found.matrices)
    aligned = sum(weight for name, weight in found.weights.items() if name.startswith("aligned"))
    assert aligned > 0.5 and sum(found.weights.values()) == pytest.approx(1)
    without = order_scene(replace(scene, aligned=None), table, OrderParameters())
    assert adjacent(clip.place[without.order]) < 0.5


def test_what_is_computed_of_frames_as_they_lie_is_kept(clip, distances, monkeypatch):
    """Asked for again, a scene has its distances and proposals, and is aligned anew: its order is that of a scene that was
    never asked for, whatever pairs were registered before."""
    frames, few, many = np.arange(COUNT), clip.table(some_pairs(1)), clip.table(some_pairs(2))
    first = distances.scene(frames)
    order_scene(first, few, OrderParameters())
    again = distances.scene(frames)
    assert again.fine is first.fine and vars(again)["proposals"] is vars(first)["proposals"]
    monkeypatch.setattr(frames_module, "MAX_KEPT_ENTRIES", 0)
    fresh = FrameDistances(distances.embedded, distances.thumbnails, distances.fine, distances.aligned)
    never_seen = fresh.scene(frames)
    assert fresh.scene(frames) is not never_seen and fresh.scene(frames).fine is not never_seen.fine
    compared = compared_pairs(frames, many)
    parts, expected = scene_parts(again, many, compared), scene_parts(never_seen, many, compared)
    assert parts.keys() == expected.keys() and any(name.startswith("aligned") for name in parts)
    for name, part in parts.items():
        np.testing.assert_array_equal(part.whole, expected[name].whole)
    # Aligned before from fewer pairs, the first one is aligned otherwise.
    stale = scene_parts(first, few, compared_pairs(frames, few))
    assert not np.array_equal(stale["aligned_ranks"].whole, parts["aligned_ranks"].whole, equal_nan=True)


def test_distances_that_do_not_fit_into_memory_are_put_aside(distances, tmp_path, monkeypatch):
    """On disk, in a file that is gone with them: two scenes are each computed once, and are the same when they are read."""
    computed = []
    monkeypatch.setattr(frames_module, "MAX_KEPT_ENTRIES", 0)

    def fine(frames):
        computed.append(frames)
        return distances.fine(frames)

    several = FrameDistances(distances.embedded, distances.thumbnails, fine, distances.aligned, tmp_path)
    scenes = np.arange(0, COUNT, 2), np.arange(1, COUNT, 2)
    first = [several.scene(frames) for frames in scenes]
    for frames, before in reversed(list(zip(scenes, first, strict=True))):
        again = several.scene(frames)
        assert again is not before and list(again.fine) == list(before.fine)
        for name, halved in again.fine.items():
            for half in ("whole", "first", "second"):
                found, expected = getattr(halved, half), getattr(before.fine[name], half)
                assert found.dtype == expected.dtype
                np.testing.assert_array_equal(found, expected)
    assert len(computed) == len(scenes)
    del several
    gc.collect()
    assert not list(tmp_path.iterdir())


def test_families_of_the_parts(clip, distances):
    """Under a moving camera what remains after registration is of the family of the aligned frames; under a still one nothing
    is aligned, and it is one more distance of frames as they lie."""
    table = clip.table(some_pairs(1))
    scene = distances.scene(np.arange(COUNT))
    compared = compared_pairs(scene.frames, table)
    in_place = dict.fromkeys(("thumbnail", "ranks", "colours", "pixels", "changed_2", "changed_8"), IN_PLACE)
    aligned = dict.fromkeys(("aligned_ranks", "aligned_colours", "aligned_pixels"), ALIGNED)
    matched = {"residual": ALIGNED, "missing_inliers": INLIERS}
    moving = scene_parts(scene, table, compared)
    assert {name: part.family for name, part in moving.items()} == matched | in_place | aligned
    assert {*scene_parts(scene, table, compared, align=False)} == {*matched, *in_place}
    still = scene_parts(replace(scene, aligned=never), table.assign(displacement=0.0005), compared)
    assert {name: part.family for name, part in still.items()} == (
        {"residual": IN_PLACE, "missing_inliers": INLIERS} | in_place | {"principal": IN_PLACE}
    )
    for part in (*moving.values(), *still.values()):
        for some in (part.whole, part.first, part.second):
            assert some.shape == (COUNT, COUNT) and np.isfinite(some).all() and (np.diagonal(some) == 0).all()


def test_what_lies_in_place_is_measured_by_halves(clip, distances):
    """The thumbnails too, where there are pictures; every one of them proposes an order by either half."""
    scene = distances.scene(np.arange(COUNT))
    fine = fine_distances(clip.copies)
    assert list(scene.in_place) == list(fine)
    for name, part in scene.in_place.items():
        for some, expected in (
            (part.whole, fine[name].whole),
            (part.first, fine[name].first),
            (part.second, fine[name].second),
        ):
            np.testing.assert_allclose(some, scaled(expected))
    principal = scaled(principal_distances(fine["colours"].first))
    np.testing.assert_allclose(scene.principal.first, principal, atol=1e-6)
    assert len(scene.proposals) == len(fine) + 1
    for found, part in zip(scene.proposals, [*scene.in_place.values(), scene.principal], strict=True):
        lengths = [part.first[order[:-1], order[1:]].sum() for order in (found.first, shortest_path(part.first))]
        assert lengths[0] < 1.1 * lengths[1]  # by a short search


def test_frames_are_aligned_only_where_the_order_is_in_doubt():
    """Eighty frames with hardly any noise, whose thumbnails tell the same: nothing is aligned. With thumbnails that are wrong
    the frames are, once."""
    world, asked = World(80, seed=1, noise=0.01, blur=0.01), []
    table, exact = world.table(all_pairs(world.labels)), world.matrices[1]
    thumbnail = Halved(np.hypot(exact, exact), exact, exact * (1 + 1e-6))
    scene = replace(world.scenes[0], fine={"thumbnail": thumbnail}, aligned=never)
    compared = compared_pairs(scene.frames, table)
    parts, found = fuse_scene(scene, table, compared)
    assert adjacent(world.place[found.order]) == 1 and list(parts) == ["residual", "missing_inliers", "thumbnail"]

    def noted(rows):
        asked.append(len(rows))
        return {}

    other = np.random.default_rng(0).permutation(80)
    shuffled = exact[np.ix_(other, other)]
    doubtful = Scene(scene.frames, scene.embedded, shuffled, {"thumbnail": Halved(*[shuffled] * 3)}, noted)
    _, found = fuse_scene(doubtful, table, compared)
    assert asked == [len(table)] and adjacent(world.place[found.order]) > 0.95 and found.weights[2] == 0


def test_frames_that_could_not_be_aligned_give_no_part():
    """Where no pair overlaps, by one half of the pixels or both, there is nothing to fuse: what is unknown is not alike."""
    world = World(12, seed=1)
    nothing = np.where(np.eye(12, dtype=bool), 0, np.nan)
    table, known = world.table(all_pairs(world.labels)), world.matrices[0]
    for first, second in ((nothing, nothing), (nothing, known), (known, nothing)):
        halved = Halved(known, first, second)
        scene = replace(world.scenes[0], aligned=lambda rows, halved=halved: {"ranks": halved})
        parts = scene_parts(scene, table, compared_pairs(scene.frames, table))
        assert list(parts) == ["residual", "missing_inliers", "thumbnail"]
        assert np.isfinite(parts["residual"].whole).all()


def test_scenes_that_fit_into_memory_are_a_group(monkeypatch):
    """A hundred pairs of frames fit: 36 + 49 do, 36 + 49 + 16 do not, and neither does anything beside a scene of 20 frames."""
    monkeypatch.setattr(frames_module, "MAX_MATRIX_ENTRIES", 100)
    groups = frames_module.groups_of_scenes([np.arange(size) for size in (6, 7, 4, 20, 3, 3)])
    assert [[len(frames) for frames in group] for group in groups] == [[6, 7], [4], [20], [3, 3]]
    assert not list(frames_module.groups_of_scenes([]))


def test_scenes_asked_for_by_several_threads(distances, tmp_path, monkeypatch):
    """Put aside and read by four threads at once, twelve scenes have the distances that they have by themselves."""
    monkeypatch.setattr(frames_module, "MAX_KEPT_ENTRIES", 0)
    several = FrameDistances(distances.embedded, distances.thumbnails, distances.fine, distances.aligned, tmp_path)
    scenes = [np.arange(start, COUNT, 12) for start in range(12)]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(3):
            for frames, scene in zip(scenes, pool.map(several.scene, scenes), strict=True):
                for name, expected in distances.fine(frames).items():
                    np.testing.assert_array_equal(scene.fine[name].whole, expected.whole)
                    np.testing.assert_array_equal(scene.fine[name].second, expected.second)
