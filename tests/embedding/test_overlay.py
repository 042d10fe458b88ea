"""Overlays found from the clip itself, on the sample's frames, with the signs of a station drawn over them or without.

The sample is three scenes (a pan, a still camera, a zoom under flicker) and twenty foreign pictures of 320 x 240 px; see
``tests/fixtures/sample.py``.
"""

import cv2
import numpy as np
import pytest

from tests.helpers.tiny import pan
from workbench.embedding.descriptors import rank_grey_thumbnails
from workbench.embedding.embed import embed
from workbench.embedding.overlay import dissimilar_frames, fill, find_overlay, no_overlay, without_overlay
from workbench.embedding.views import frame_distances
from workbench.evaluation.effects import OVERLAYS, overlay_frame, shake_frame
from workbench.evaluation.files import OUTLIER
from workbench.models.backbones import typical_eps
from workbench.parameters import ClusterParameters, EmbedParameters
from workbench.scenes.cluster import cluster
from workbench.storage.arrays import WorkingCopies

FRAME_RATE = 25
OPAQUE = sorted(set(OVERLAYS) - {"watermark"})


def drawn(images, *kinds):
    """The frames with overlays of these kinds on every one, (N, h, w, 3) uint8."""
    return np.stack([overlay_frame(image, kinds, place, FRAME_RATE) for place, image in enumerate(images)])


def within(mask, pixels):
    """(h, w) bool: True up to so many px from a mask, diagonals included."""
    return cv2.dilate(mask.astype(np.uint8), np.ones((2 * pixels + 1, 2 * pixels + 1), np.uint8)).astype(bool)


def blob(seed=0, size=(40, 60)):
    """An irregular mask, (40, 60) bool: where blurred noise is above a level."""
    return cv2.GaussianBlur(np.random.default_rng(seed).standard_normal(size), (0, 0), 4) > 0.03


# --- what is found ----------------------------------------------------------------------------------------------------------


def test_the_sample_has_no_overlay(sample_images):
    """Two hundred frames, of which as many as are looked at are dissimilar."""
    found = find_overlay(sample_images)
    assert len(found.frames) == 32 and found.mask.shape == (240, 320) and found.mask.dtype == bool
    assert not found.mask.any()


@pytest.mark.parametrize("names", [("pagoda", "dahlia"), ("toys", "dahlia"), (OUTLIER,), ("pagoda", "toys", "dahlia")])
def test_other_clips_without_an_overlay(sample_clips, names):
    """Some clips of the sample alone; in each of them five dissimilar frames are found."""
    found = find_overlay(np.concatenate([sample_clips[name] for name in names]))
    assert len(found.frames) >= 5 and not found.mask.any()


@pytest.mark.parametrize("sign", [(), ("logo", "letterbox")])
def test_a_still_clip_has_no_overlay(sample_clips, sign):
    """Nothing in it ever changes but noise: what is an overlay and what is picture cannot be told, and all of it is picture."""
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 2, (20, 240, 320, 3))
    still = np.clip(sample_clips["pagoda"][0] + noise, 0, 255).astype(np.uint8)
    assert not find_overlay(drawn(still, *sign)).mask.any()


@pytest.mark.parametrize("name", ["pagoda", "dahlia"])
def test_one_moving_scene_has_no_overlay(sample_clips, name):
    """A pan along a sky of one colour, and a zoom into a flower, whose petals point the same way all the time: their frames are
    dissimilar, but what they share is no overlay."""
    found = find_overlay(sample_clips[name])
    assert len(found.frames) >= 5 and not found.mask.any()


@pytest.mark.parametrize("strength", [0.3, 1.0])
@pytest.mark.parametrize("name", ["pagoda", "toys", "dahlia"])
def test_one_shaken_scene_has_no_overlay(sample_clips, name, strength):
    """Every frame is seen by a camera that was jolted: the board under the toys has one colour nearly everywhere."""
    rng = np.random.default_rng(1)
    found = find_overlay([shake_frame(frame, rng, strength) for frame in sample_clips[name]])
    assert len(found.frames) >= 5 and not found.mask.any()


@pytest.mark.parametrize("count", [14, 40])
@pytest.mark.parametrize("seed", range(3))
def test_a_short_pan_has_no_overlay(seed, count):
    """Over a texture of coloured noise; 14 frames give five to seven dissimilar ones, in which some edges agree by chance."""
    found = find_overlay(pan(seed, count))
    assert len(found.frames) >= 5 and not found.mask.any()


@pytest.mark.parametrize("kind", ["caption", "logo", "ticker", "timestamp"])
def test_what_is_drawn_over_one_moving_scene_is_found(sample_clips, kind):
    """Over the zoom into the flower: eight to ten dissimilar frames are enough for what is opaque, and for no more."""
    frames = drawn(sample_clips["dahlia"], kind)
    ever = (frames != sample_clips["dahlia"]).any(axis=(0, 3))
    found = find_overlay(frames)
    assert 5 <= len(found.frames) < 12
    assert found.mask[ever].mean() >= 0.9 and not found.mask[~within(ever, 8)].any()


def test_a_scene_before_a_still_camera_has_no_overlay(sample_clips):
    """The board under the toys never changes, in any frame of the clip; but its frames are alike."""
    found = find_overlay(sample_clips["toys"])
    assert len(found.frames) < 5 and not found.mask.any()


@pytest.mark.parametrize("level", [0, 255])
def test_frames_without_a_picture_have_no_overlay(level):
    found = find_overlay(np.full((12, 60, 80, 3), level, np.uint8))
    assert not len(found.frames) and found.frames.dtype.kind == "i" and not found.mask.any() and found.mask.shape == (60, 80)


@pytest.mark.parametrize(("pictures", "seen"), [(4, False), (5, True)])
def test_five_dissimilar_frames_are_needed(sample_clips, pictures, seen):
    """A logo on four or five foreign pictures that have little in common, each of them six times."""
    clip = np.repeat(drawn(sample_clips[OUTLIER][[1, 5, 9, 13, 17][:pictures]], "logo"), 6, axis=0)
    found = find_overlay(clip)
    assert len(found.frames) == pictures and len(set(found.frames // 6)) == pictures
    assert found.mask.any() == seen


@pytest.mark.parametrize("kind", OPAQUE)
def test_what_is_drawn_over_every_frame_is_found(sample_images, kind):
    """All of what is drawn at any time, and of the rest only what is a few px off or enclosed by it."""
    frames = drawn(sample_images, kind)
    ever = (frames != sample_images).any(axis=(0, 3))
    found = find_overlay(frames)
    assert len(found.frames) >= 5
    assert found.mask[ever].mean() >= 0.99
    assert not found.mask[~within(ever, 5)].any()
    assert found.mask.sum() < 1.5 * ever.sum()


def test_all_kinds_at_once_are_found(sample_images):
    frames = drawn(sample_images, *OPAQUE)
    ever = (frames != sample_images).any(axis=(0, 3))
    mask = find_overlay(frames).mask
    assert mask[ever].mean() >= 0.99 and not mask[~within(ever, 5)].any()


def test_a_sign_on_part_of_the_frames_is_no_overlay(sample_images):
    """A logo on the first half of the sample only: its frames belong to any scene, and half of them are without it."""
    frames = np.concatenate([drawn(sample_images[:100], "logo"), sample_images[100:]])
    assert not find_overlay(frames).mask.any()


def test_a_half_transparent_watermark_is_found(sample_clips):
    """On the three scenes; every pixel of its letters differs from frame to frame, but its edges are where they were.

    Among the sample's foreign pictures, most of them hard lines or white ground, a tenth of the edges is no longer seen.
    """
    plain = np.concatenate([sample_clips[name] for name in ("pagoda", "toys", "dahlia")])
    frames = drawn(plain, "watermark")
    letters = (frames != plain).any(axis=(0, 3))
    some = frames[::12].astype(int)
    opaque = np.abs(some - np.median(some, axis=0)).max(axis=-1) <= 10
    assert opaque.mean(axis=0)[letters].mean() < 0.5
    mask = find_overlay(frames).mask
    assert mask[letters].mean() >= 0.9
    assert not mask[~within(letters, 14)].any() and mask.sum() < 2.5 * letters.sum()


# --- the frames that it is sought in ----------------------------------------------------------------------------------------


def test_dissimilar_frames_have_little_in_common(sample_images, sample_truth):
    """No two of 32 frames have the same rank, 0 to 1, in more than half of their thumbnails' cells. Nearly all of the foreign
    pictures are among them, and frames of each moving scene."""
    chosen = dissimilar_frames(sample_images)
    assert len(set(chosen.tolist())) == len(chosen) == 32 and chosen.dtype.kind == "i"
    thumbnails = rank_grey_thumbnails(sample_images[np.sort(chosen)])
    ranks = 0.5 + thumbnails / thumbnails.std(axis=1, keepdims=True) / np.sqrt(12)
    same = (np.abs(ranks[:, None] - ranks[None]) < 0.08).mean(axis=2)
    np.fill_diagonal(same, 0)
    assert same.max() <= 0.5
    clips = [sample_truth[frame].clip for frame in chosen]
    assert clips.count(OUTLIER) >= 18 and {"pagoda", "dahlia"} <= set(clips)


def test_light_makes_no_frame_dissimilar(sample_clips):
    """One picture under thirty exposures and gammas."""
    picture, rng = sample_clips["pagoda"][30] / 255, np.random.default_rng(2)
    lit = [np.uint8(255 * gain * picture**gamma) for gain, gamma in rng.uniform((0.5, 0.7), (1.0, 1.4), (30, 2))]
    assert len(dissimilar_frames(lit)) == 1


def test_every_part_of_a_long_clip_is_looked_at(sample_clips):
    """Of 2,400 frames, black but for the twenty foreign pictures shown for three frames each towards the end, at most a
    thousand are looked at, and positions are those of the clip."""
    small = [cv2.resize(picture, (80, 60), interpolation=cv2.INTER_AREA) for picture in sample_clips[OUTLIER]]
    clip = [np.zeros((60, 80, 3), np.uint8)] * 2400
    clip[2300:2360] = [picture for picture in small for _ in range(3)]
    chosen = dissimilar_frames(clip)
    assert len(chosen) >= 15 and chosen.min() >= 2300 and chosen.max() < 2360
    assert len(set((chosen - 2300) // 3)) == len(chosen), "no picture twice"
    assert not (chosen % 3).any(), "every third frame is looked at"


# --- filling it in ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", OPAQUE)
def test_filling_in_leaves_the_rest_and_hides_the_sign(sample_images, kind):
    """Every 20th frame of the sample: outside of the mask no value changes, and what is drawn leaves no trace inside: the same
    frame without the sign is filled in the same way."""
    frames = drawn(sample_images[::20], kind)
    mask = within((frames != sample_images[::20]).any(axis=(0, 3)), 2)
    for frame, plain in zip(frames, sample_images[::20], strict=True):
        filled = fill(frame, mask)
        assert filled.dtype == np.uint8 and np.array_equal(filled[~mask], frame[~mask])
        assert np.array_equal(filled, fill(plain, mask))


def test_a_filled_part_is_smooth():
    """Noise of full contrast with a hole of 24 x 16 px: inside there is a hundredth of the gradients' energy, and no value that
    is not around the hole."""
    noise = np.random.default_rng(3).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    mask = np.zeros((64, 64), bool)
    mask[20:36, 20:44] = True
    filled = fill(noise, mask)[22:34, 22:42].astype(float)
    rough, smooth = (np.mean(np.diff(part, axis=1) ** 2) for part in (noise[22:34, 22:42].astype(float), filled))
    assert smooth < rough / 100
    assert np.abs(filled - 127).max() < 50


def test_a_large_hole_in_a_ramp_has_no_steps():
    """Each channel rises by up to 2 levels per pixel in a direction of its own; a hole of 70 x 50 px is filled in to within two
    levels on average, and no two neighbours, in it or across its rim, differ by more than five."""
    y, x = np.mgrid[:96, :128]
    ramp = np.stack([20 + 1.5 * x, 220 - 2 * y, 20 + 0.8 * x + y], axis=-1).astype(np.uint8)
    mask = np.zeros((96, 128), bool)
    mask[20:70, 30:100] = True
    filled = fill(np.where(mask[..., None], np.uint8(0), ramp), mask).astype(int)
    assert np.abs(filled - ramp)[mask].mean() < 2
    assert max(np.abs(np.diff(filled, axis=axis)).max() for axis in (0, 1)) <= 5


@pytest.mark.parametrize("seed", range(3))
def test_a_ramp_is_filled_with_a_ramp(seed):
    """Each channel rises evenly in a direction of its own; blobs a few px wide are filled in to within a few levels."""
    y, x = np.mgrid[:40, :60]
    ramp = np.stack([40 + 3 * x, 200 - 2 * y, 20 + x + 2 * y], axis=-1).astype(np.uint8)
    mask = blob(seed)
    assert 0.1 < mask.mean() < 0.9
    broken = np.where(mask[..., None], np.uint8(255), ramp)
    near = mask & within(~mask, 3)
    assert np.abs(fill(broken, mask).astype(int) - ramp)[near].mean() < 8


@pytest.mark.parametrize("size", [(40, 60), (41, 37), (1, 9), (7, 1)])
def test_a_flat_picture_stays_flat(size):
    """Whatever the size and however much is filled in, up to all but one pixel in a corner."""
    picture = np.full((*size, 3), (30, 140, 250), np.uint8)
    for mask in (np.arange(np.prod(size)).reshape(size) > 0, np.arange(np.prod(size)).reshape(size) % 3 > 0):
        broken = np.where(mask[..., None], np.uint8(77), picture)
        assert np.array_equal(fill(broken, mask), picture)


def test_frames_without_their_overlay_are_filled_when_asked_for(sample_clips, tmp_path):
    """By position, by a slice, by a list and one after the other: the same frames, from memory and from disk."""
    frames, mask = sample_clips["dahlia"][:6], np.zeros((240, 320), bool)
    mask[:30] = True
    expected = np.stack([fill(frame, mask) for frame in frames])
    assert not np.array_equal(expected, frames)
    np.save(tmp_path / "frames.npy", frames)
    for images in (frames, WorkingCopies(tmp_path / "frames.npy")):
        filled = without_overlay(images, mask)
        assert len(filled) == 6 and filled.shape == (6, 240, 320, 3)
        assert np.array_equal(filled[2], expected[2]) and np.array_equal(filled[-1], expected[-1])
        assert np.array_equal(filled[1:4], expected[1:4]) and np.array_equal(filled[[5, 0]], expected[[5, 0]])
        assert np.array_equal(np.stack(list(filled)), expected)
        with pytest.raises(IndexError):
            filled[6]


def test_nothing_is_filled_where_there_is_no_overlay_or_nothing_else(sample_clips):
    frames = sample_clips["toys"][:3]
    nothing = no_overlay(frames)
    assert nothing.mask.shape == (240, 320) and not nothing.mask.any() and not len(nothing.frames)
    for mask in (nothing.mask, ~nothing.mask):
        assert without_overlay(frames, mask) is frames


# --- what it is for ---------------------------------------------------------------------------------------------------------


def test_a_logo_on_every_frame_changes_no_label(sample_images, sample_vectors):
    """By the default backbone and clusterer. No frame is lost to the outliers either, and every frame filled in is nearer to
    the frame without a logo than to any other one."""
    parameters = EmbedParameters()
    frames = drawn(sample_images, "logo")
    pictures = without_overlay(frames, find_overlay(frames).mask)
    vectors = embed(pictures, parameters, progress=False)
    labels, again = (
        cluster(frame_distances(some), ClusterParameters(), typical_eps(parameters.backbone))[0]
        for some in (sample_vectors, vectors)
    )
    assert np.bincount(labels + 1).tolist() == [20, 66, 60, 54]
    assert np.array_equal(again, labels)
    assert ((vectors @ sample_vectors.T).argmax(axis=1) == np.arange(200)).mean() >= 0.95
