"""Distances of aligned frames, on the drawn clip of ``tests.helpers.shaken``.

The table has the true transforms of a few pairs of every frame, which are drawn without regard to the order.
"""

import cv2
import numpy as np
import pandas as pd
import pytest

from tests.helpers.shaken import COUNT, SIZE, Shaken, shaken, some_pairs
from workbench.embedding.distances import fine_distances, small_copies
from workbench.registration import aligned as module
from workbench.registration.aligned import KINDS, AlignedDistances


@pytest.fixture(scope="module")
def clip():
    return shaken()


@pytest.fixture(scope="module")
def found(clip):
    return aligned_distances(clip.copies, np.arange(COUNT), clip.table(some_pairs()), SIZE)


def aligned_distances(copies, frames, table, size):
    """The aligned distances of frames whose small copies are given."""
    return AlignedDistances(lambda _: copies, frames, size)(table)


def nearest_is_a_neighbour(distances, place):
    """Share of the frames whose nearest frame is one place away."""
    nearest = (distances + np.where(np.eye(len(distances)), np.inf, 0)).argmin(axis=1)
    return float((np.abs(place[nearest] - place) == 1).mean())


def test_aligned_all_pairs_tell_the_order(clip, found):
    """By all pixels and by either half, although four pairs in five were never registered; as they lie, frames
    follow the shake."""
    assert list(found) == list(KINDS)
    for kind, halved in found.items():
        for some in (halved.whole, halved.first, halved.second):
            assert some.shape == (COUNT, COUNT) and np.isfinite(some).all() and np.array_equal(some, some.T)
            assert (np.diagonal(some) == 0).all()
        assert nearest_is_a_neighbour(halved.whole, clip.place) > 0.95, kind
        assert min(nearest_is_a_neighbour(some, clip.place) for some in (halved.first, halved.second)) > 0.8, kind
    for name, halved in fine_distances(clip.copies).items():
        assert nearest_is_a_neighbour(halved.whole, clip.place) < 0.5, name


def test_halves_share_no_pixel_and_make_up_the_whole(found):
    """A mean square over all pixels lies between those over the two halves, which are not the same."""
    halved, off = found["pixels"], ~np.eye(COUNT, dtype=bool)
    low, high = np.minimum(halved.first, halved.second)[off], np.maximum(halved.first, halved.second)[off]
    assert (low <= halved.whole[off] + 1e-6).all() and (halved.whole[off] <= high + 1e-6).all()
    assert np.median(high / low) > 1.01


def test_known_transforms_leave_nothing_but_noise():
    """One frame, seen by eight cameras, with eight registered pairs: what remains in grey levels, also of the twenty other
    pairs, is less than a quarter of what differs as they lie."""
    clip = shaken(1)
    still = clip.images[0]
    images = [cv2.warpAffine(still, camera[:2] @ np.linalg.inv(clip.camera[0]), SIZE) for camera in clip.camera[:8]]
    eight = Shaken(np.stack(images), small_copies(images), np.arange(8), clip.camera[:8])
    table = eight.table(np.array([[0, 1], [0, 2], [1, 3], [3, 4], [2, 5], [5, 6], [6, 7], [4, 7]]))
    found = aligned_distances(eight.copies, np.arange(8), table, SIZE)["pixels"].whole
    apart = fine_distances(eight.copies)["pixels"].whole / np.sqrt(eight.copies.grey[0].size)
    off = ~np.eye(8, dtype=bool)
    assert np.nanmedian(found[off]) < 0.25 * np.median(apart[off])


def test_a_wrong_transform_does_not_count(clip, found):
    """Two neighbours of the order are registered 40 px off: their distance is that of the whole scene, while the wrong
    transform alone leaves much more. The distances of other pairs stay as they were."""
    place = np.argsort(clip.place)
    a, b = sorted(place[10:12].tolist())
    pairs = some_pairs()
    pairs = np.unique(np.r_[pairs, [[a, b]]], axis=0)
    table = clip.table(pairs)
    row = (table["a"] == a) & (table["b"] == b)
    table.loc[row, "t02"] += 40
    frames = np.arange(COUNT)
    alone = aligned_distances(clip.copies, frames, table[row], SIZE)
    with_others = aligned_distances(clip.copies, frames, table, SIZE)
    others = np.ones((COUNT, COUNT), dtype=bool)
    others[a, b] = others[b, a] = False
    for kind in KINDS:
        assert with_others[kind].whole[a, b] < 1.2 * found[kind].whole[a, b] < 0.6 * alone[kind].whole[a, b], kind
        change = np.abs(with_others[kind].whole - found[kind].whole)[others]
        assert np.median(change) < 0.05 * np.median(found[kind].whole[others]), kind


def test_frames_that_hang_together_with_nothing_are_unknown(clip):
    """Frame 4 is in no registered pair, and frames 6 and 9 only in one with each other: they have no distance but this one."""
    pairs = some_pairs()
    pairs = pairs[~np.isin(pairs, (4, 6, 9)).any(axis=1)]
    pairs = np.unique(np.r_[pairs, [[6, 9]]], axis=0)
    table = clip.table(pairs)
    unregistered = clip.table(np.array([[4, 5]])).assign(model="none")
    table = pd.concat([table, unregistered], ignore_index=True)
    alone = np.zeros(COUNT, dtype=bool)
    alone[[4, 6, 9]] = True
    unknown = (alone[:, None] | alone) & ~np.eye(COUNT, dtype=bool)
    unknown[6, 9] = unknown[9, 6] = False
    for halved in aligned_distances(clip.copies, np.arange(COUNT), table, SIZE).values():
        for some in (halved.whole, halved.first, halved.second):
            assert np.array_equal(np.isnan(some), unknown)


def test_frames_of_other_scenes_do_not_matter(clip, found):
    """The same frames as every second position of a longer clip, with a pair of other frames in the table."""
    table = clip.table(some_pairs())
    odd = table.assign(a=2 * table["a"] + 1, b=2 * table["b"] + 1)
    other = odd.iloc[:1].assign(a=0, b=2)
    again = aligned_distances(clip.copies, 2 * np.arange(COUNT) + 1, pd.concat([other, odd], ignore_index=True), SIZE)
    for kind in KINDS:
        np.testing.assert_array_equal(again[kind].whole, found[kind].whole)


def test_pairs_that_do_not_overlap_are_unknown():
    """Three frames in a row, each shifted by 70 % of the width: the first and the last have nothing in common."""
    images = np.random.default_rng(0).integers(0, 256, (3, 240, 320, 3), dtype=np.uint8)
    camera = np.stack([np.array([[1.0, 0, -224 * frame], [0, 1, 0], [0, 0, 1]]) for frame in range(3)])
    three = Shaken(images, small_copies(images), np.arange(3), camera)
    found = aligned_distances(three.copies, np.arange(3), three.table(np.array([[0, 1], [1, 2]])), SIZE)["ranks"].whole
    assert np.isfinite(found[[0, 1], [1, 2]]).all() and np.isnan(found[0, 2])


def test_a_camera_that_pans_too_far_leaves_the_registered_pairs(clip, found, monkeypatch):
    """Where the canvas would be too large, the pairs of the table are aligned by their own transforms, others are unknown."""
    monkeypatch.setattr(module, "MAX_CANVAS_PIXELS", 1000)
    pairs = some_pairs()
    few = aligned_distances(clip.copies, np.arange(COUNT), clip.table(pairs), SIZE)
    known = np.eye(COUNT, dtype=bool)
    known[pairs[:, 0], pairs[:, 1]] = known[pairs[:, 1], pairs[:, 0]] = True
    for kind in KINDS:
        assert np.array_equal(np.isfinite(few[kind].whole), known)
        ratio = few[kind].whole[pairs[:, 0], pairs[:, 1]] / found[kind].whole[pairs[:, 0], pairs[:, 1]]
        assert ratio.min() > 1 - 1e-6 and np.median(ratio) < 1.1


@pytest.mark.parametrize("count", [1, 2])
def test_no_pairs(clip, count):
    images = clip.images[:count]
    nothing = clip.table(np.array([[0, 1]])).iloc[:0]
    for halved in aligned_distances(small_copies(images), np.arange(count), nothing, SIZE).values():
        assert np.array_equal(np.isnan(halved.whole), ~np.eye(count, dtype=bool))


def test_more_pairs_of_the_same_frames():
    """Called with a few pairs and then with more, the distances are those of a first call with all of them."""
    clip, few, all_of_them = shaken(), some_pairs()[::2], some_pairs()
    growing = AlignedDistances(lambda _: clip.copies, np.arange(COUNT), SIZE)
    growing(clip.table(few))
    at_once = aligned_distances(clip.copies, np.arange(COUNT), clip.table(all_of_them), SIZE)
    for kind, halved in growing(clip.table(all_of_them)).items():
        np.testing.assert_array_equal(halved.whole, at_once[kind].whole)
