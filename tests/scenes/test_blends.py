"""Cross-fades of synthetic films: three textured pictures, each seen by a camera that drifts by a pixel per frame.

Frames are 96 x 72 px. Scenes have 34, 32 and 24 frames, of which cross-fades take some, and are shuffled. They are clustered by
DBSCAN on thumbnails without their mean, as a network would that follows a cross-fade in small steps.
"""

from typing import NamedTuple

import cv2
import numpy as np
import pytest

from workbench.embedding.descriptors import unit_length
from workbench.embedding.distances import cosine_distances
from workbench.embedding.views import matrix_view
from workbench.evaluation.effects import blend_frames, flicker_frame
from workbench.evaluation.film import edit_film, film_frame
from workbench.scenes.blends import blend_thumbnails, find_blends, undo_edit, unlike_frames
from workbench.scenes.dbscan import dbscan

WIDTH, HEIGHT = 96, 72
LENGTHS = {"a": 34, "b": 32, "c": 24}
EPS = 0.2  # cosine distance: between pictures of two scenes it is 0.6 or more


def drift(seed, count):
    """``count`` frames, (N, 72, 96, 3) uint8, of a window that moves over blurred noise in three scales."""
    rng, shape = np.random.default_rng(seed), (HEIGHT + count, WIDTH + count, 3)
    layers = [sigma * cv2.GaussianBlur(rng.standard_normal(shape), (0, 0), sigma) for sigma in (3, 8, 16)]
    texture = np.uint8(np.clip(128 + 45 * sum(layers) / np.std(sum(layers)), 0, 255))
    return np.stack([texture[k // 2 : k // 2 + HEIGHT, k : k + WIDTH] for k in range(count)])


class Film(NamedTuple):
    """A shuffled film: its frames, and for each the scene, the weight of its own clip, and whether another one is mixed in."""

    frames: np.ndarray
    scene: np.ndarray
    weight: np.ndarray
    mixed: np.ndarray


def film(seed, lengths=LENGTHS, **edit):
    """A film of scenes of these lengths, cut as :func:`edit_film` does."""
    stored = np.concatenate([drift(10 * seed + k, count) for k, count in enumerate(lengths.values())])
    rows = [(k, shown) for k, clip in enumerate(edit_film(lengths, **edit).values()) for shown in clip]
    rows = [rows[k] for k in np.random.default_rng(seed).permutation(len(rows))]
    shown = [one for _, one in rows]
    return Film(
        np.stack([film_frame(one, stored) for one in shown]),
        np.array([k for k, _ in rows]),
        np.array([one.weight for one in shown]),
        np.array([one.other is not None for one in shown]),
    )


def clustered(frames):
    """What :func:`find_blends` takes, with DBSCAN's labels."""
    thumbnails = blend_thumbnails(frames)
    distances = cosine_distances(unit_length(thumbnails - thumbnails.mean(axis=1, keepdims=True)).astype(np.float32))

    def cluster_some(some):
        return dbscan(distances[np.ix_(some, some)], EPS, 3)

    return thumbnails, matrix_view(distances), EPS, cluster_some(np.arange(len(frames))), cluster_some


def assert_no_blends(frames, scenes=3):
    """Check that nothing is found in a film of so many scenes, and that its labels stay."""
    thumbnails, view, eps, labels, cluster_some = clustered(frames)
    found, blends = find_blends(thumbnails, view, eps, labels, cluster_some)
    assert labels.max() + 1 == scenes
    for values, kind in ((blends.frames, "i"), (blends.heavier, "i"), (blends.lighter, "i"), (blends.weight, "f")):
        assert values.shape == (0,) and values.dtype.kind == kind
    assert np.array_equal(found, labels) and found is not labels


# --- what is found ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(6))
def test_scenes_that_cross_fades_join_are_parted_again(seed):
    """Two cross-fades of four frames, in which the heavier picture has 4/5 and 3/5. All are found, with the pictures that they
    are made of, and every frame of the film is in its scene."""
    clip = film(seed, dissolve=4)
    given = clustered(clip.frames)
    assert given[3].max() == 0, "one scene for the clusterer"
    labels, blends = find_blends(*given)
    assert labels.tolist() == clip.scene.tolist()
    assert blends.frames.tolist() == np.flatnonzero(clip.mixed).tolist() and len(blends.frames) == 8
    assert np.abs(blends.weight - clip.weight[blends.frames]).max() < 0.1
    assert not clip.mixed[blends.heavier].any() and not clip.mixed[blends.lighter].any()
    assert clip.scene[blends.heavier].tolist() == clip.scene[blends.frames].tolist()
    assert (np.abs(clip.scene[blends.lighter] - clip.scene[blends.frames]) == 1).all()


@pytest.mark.parametrize("seed", range(4))
def test_longer_cross_fades(seed):
    """Of six frames: the first and the last one have 6/7 of one picture and belong to its scene either way. Every blend is in
    its scene, no other frame counts as one, and at most one frame of the film is in another scene than its own."""
    clip = film(seed, dissolve=6)
    labels, blends = find_blends(*clustered(clip.frames))
    assert clip.mixed[blends.frames].all() and set(np.flatnonzero(clip.mixed & (clip.weight < 0.7))) <= set(blends.frames)
    assert labels.max() == 2 and (labels != clip.scene).sum() <= 1
    assert labels[blends.frames].tolist() == labels[blends.heavier].tolist()
    assert blends.weight.min() >= 0.5 and blends.weight.max() <= 0.85


def test_two_scenes_and_one():
    """The first two scenes with their cross-fade, and a film of one scene, in which there is nothing to part."""
    clip = film(0, {"a": 34, "b": 32}, dissolve=4)
    labels, blends = find_blends(*clustered(clip.frames))
    assert labels.tolist() == clip.scene.tolist() and blends.frames.tolist() == np.flatnonzero(clip.mixed).tolist()
    assert_no_blends(film(0, {"a": 34}).frames, scenes=1)


# --- what is none -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_a_film_without_cross_fades_has_no_blends(seed):
    """Nor has any frame of it another scene than before."""
    assert_no_blends(film(seed).frames)


@pytest.mark.parametrize("seed", range(3))
def test_flicker_makes_no_blends(seed):
    """Exposure, gamma and colours are drawn anew for every frame, at full strength."""
    rng = np.random.default_rng(seed)
    assert_no_blends(np.stack([flicker_frame(frame, rng, 1.0) for frame in film(seed).frames]))


@pytest.mark.parametrize("seed", range(3))
def test_a_fade_to_black_is_no_blend(seed):
    """Every scene fades from black and to black in six frames: black is no picture of a scene."""
    assert_no_blends(film(seed, fade=6).frames)


@pytest.mark.parametrize("seed", range(3))
def test_a_lone_frame_between_two_scenes_is_no_cross_fade(seed):
    """Half of one picture and half of another: a coincidence, or an outlier that the clusterer set aside. Two such frames, of
    3/5 and 2/5, are a cross-fade."""
    clip = film(seed)
    one, other = (clip.frames[np.flatnonzero(clip.scene == k)[10]] for k in (0, 1))
    assert_no_blends(np.stack([*clip.frames, blend_frames(one, other, 0.5)]))
    *_, blends = find_blends(*clustered(np.stack([*clip.frames, *(blend_frames(one, other, weight) for weight in (0.4, 0.6))])))
    assert blends.frames.tolist() == [90, 91] and np.abs(blends.weight - 0.6).max() < 0.1
    assert clip.scene[blends.heavier].tolist() == [1, 0] and clip.scene[blends.lighter].tolist() == [0, 1]


def test_foreign_frames_that_look_like_mixtures_of_some_two_scenes():
    """Six films of twelve scenes, with twenty frames that are half of a frame of one of ten scenes and half of a frame of
    another, drawn at random: every film has two or more of some two scenes. All but a few of these 120 frames count as
    coincidences. Two more scenes are joined by a cross-fade of eight frames, most of them found in five of the six films."""
    lengths, wrong, found = dict.fromkeys("cdefghijkl", 12), 0, []
    for seed in range(6):
        rng, faded, others = np.random.default_rng(seed), film(seed, {"a": 34, "b": 32}, dissolve=8), film(seed + 20, lengths)
        scenes = [np.flatnonzero(others.scene == k) for k in range(len(lengths))]
        drawn = [rng.choice(len(lengths), 2, replace=False) for _ in range(20)]
        assert len(np.unique(np.sort(drawn, axis=1), axis=0)) < 20
        coincidences = [blend_frames(*(others.frames[rng.choice(scenes[k])] for k in both), 0.5) for both in drawn]
        *_, blends = find_blends(*clustered(np.stack([*faded.frames, *others.frames, *coincidences])))
        wrong += np.count_nonzero(blends.frames >= len(faded.frames))
        found.append(np.count_nonzero(np.isin(blends.frames, np.flatnonzero(faded.mixed))))
    assert wrong <= 6 and sorted(found)[1] >= 4


@pytest.mark.parametrize(("count", "found"), [(4, 0), (5, 2)])
def test_a_scene_of_four_frames_is_too_small(count, found):
    """Two mixtures of a frame of the first scene and one of a few near copies of another picture."""
    clip, burst = film(0), drift(600, count)
    mixed = [blend_frames(clip.frames[np.flatnonzero(clip.scene == 0)[10]], burst[1], weight) for weight in (0.4, 0.6)]
    *_, blends = find_blends(*clustered(np.stack([*clip.frames, *burst, *mixed])))
    assert len(blends.frames) == found and (blends.frames >= 90 + count).all()


@pytest.mark.parametrize("count", [1, 2, 4])
def test_very_few_frames(count):
    """Too few for a scene of which blends are sought, whether they are outliers or one scene."""
    frames = film(0).frames[:count]
    thumbnails, view, eps, _, _ = clustered(frames)
    for label in (0, -1):
        labels, blends = find_blends(
            thumbnails, view, eps, np.full(count, label), lambda some, label=label: np.full(len(some), label)
        )
        assert (labels == label).all() and not len(blends.frames)


def test_foreign_frames_stay_outliers():
    """Ten pictures of other textures in a film with cross-fades: none becomes a blend or gets a scene."""
    clip = film(1, dissolve=4)
    foreign = np.stack([drift(500 + k, 1)[0] for k in range(10)])
    given = clustered(np.concatenate([clip.frames, foreign]))
    assert (given[3][-10:] == -1).all()
    labels, blends = find_blends(*given)
    assert labels.tolist() == [*clip.scene.tolist(), *[-1] * 10] and blends.frames.max() < len(clip.scene)


# --- thumbnails and references ----------------------------------------------------------------------------------------------


def test_thumbnails_of_a_mixture_are_mixtures():
    """To within the rounding of grey levels; a frame that moved by a pixel is nearer than one that moved by ten."""
    frames = drift(7, 11)
    mixed = blend_thumbnails([blend_frames(frames[0], frames[-1], 0.3)])[0]
    first, near, far = blend_thumbnails([frames[0], frames[1], frames[-1]])
    assert first.shape == (24 * 16 * 3,) and first.dtype == np.float32 and first.min() >= 0 and first.max() <= 1
    assert np.abs(mixed - (0.3 * first + 0.7 * far)).max() < 1 / 255
    assert np.linalg.norm(first - near) < np.linalg.norm(first - far) / 3


def test_unlike_frames_cover_what_there_is():
    """Forty points on a line in three groups, far apart, at shuffled positions: three of them are one of each group, and nine
    are nowhere further than a tenth of the way from any."""
    rng = np.random.default_rng(5)
    place = rng.permutation(np.concatenate([np.linspace(0, 1, 30), np.linspace(5, 5.2, 5), np.linspace(9, 9.1, 5)]))
    view = matrix_view(np.abs(place[:, None] - place))
    frames = np.flatnonzero(place < 10)
    three, nine = unlike_frames(frames, view, 3), unlike_frames(frames, view, 9)
    assert sorted(np.round(place[three] / 4.5).tolist()) == [0, 1, 2]
    assert len(nine) == 9 and (np.diff(nine) > 0).all()
    assert np.abs(place[:, None] - place[nine]).min(axis=1).max() <= 0.2
    some = np.flatnonzero(place < 2)
    assert set(unlike_frames(some, view, 4)) <= set(some) and unlike_frames(some, view, 30) is some


# --- the film without its edit ----------------------------------------------------------------------------------------------


def test_an_edited_film():
    """A film with two cross-fades; the first scene fades from black in frames of 1/20, 1/10 and 1/5 of its contrast, which
    DBSCAN sets aside, after a black frame."""
    clip = film(2, dissolve=4)
    first = np.flatnonzero((clip.scene == 0) & ~clip.mixed)[0]
    opening = [blend_frames(clip.frames[first], np.zeros_like(clip.frames[0]), share) for share in (0, 0.05, 0.1, 0.2)]
    thumbnails, view, eps, labels, cluster_some = clustered(np.concatenate([clip.frames, opening]))
    count = len(clip.scene)
    labels[count:] = -1

    def cluster_others(some):
        return np.where(some < count, cluster_some(some), -1)

    found = undo_edit(thumbnails, view, eps, labels, cluster_others)
    assert found.labels.tolist() == [*clip.scene.tolist(), -1, 0, 0, 0] and found.alike == eps
    blends = np.flatnonzero(clip.mixed).tolist()
    assert found.mixed.tolist() == [*blends, count + 1, count + 2, count + 3]
    assert found.apart == {(0, 1), (1, 2)}, "no cross-fade leads from the first scene to the third"
    verdicts = [decision.verdict for decision in found.decisions]
    assert verdicts == ["split"] * 2 + ["blend"] * 8 + ["fade"] * 3
    for decision, scene in zip(found.decisions, (1, 2), strict=False):
        assert decision.frames.tolist() == np.flatnonzero((clip.scene == scene) & ~clip.mixed).tolist()
    assert [decision.frames.tolist() for decision in found.decisions[10:]] == [[count + 1], [count + 2], [count + 3]]
    for decision, position in zip(found.decisions[2:], blends, strict=False):
        percent, heavier, lighter = (int(word) for word in decision.reason.split() if word.isdigit())
        assert decision.frames.tolist() == [position] and 55 <= percent <= 85
        assert found.labels[heavier] == found.labels[position] != found.labels[lighter]
    assert [decision.reason for decision in found.decisions[10:]] == [
        f"frame {first} with {share} % of its contrast" for share in (5, 10, 20)
    ]


def test_a_film_without_an_edit_stays_as_it_is():
    thumbnails, view, eps, labels, cluster_some = clustered(film(3).frames)
    found = undo_edit(thumbnails, view, eps, labels, cluster_some)
    assert np.array_equal(found.labels, labels) and not len(found.mixed) and not found.apart and found.decisions == []
