"""Descriptors that need no training: under another light, for other scenes, and for frames with nothing to describe."""

import cv2
import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from tests.helpers.tiny import mixture
from workbench.embedding.descriptors import rank_grey_thumbnails, rank_vlad, thumbnails, unit_length
from workbench.embedding.distances import cosine_distances
from workbench.evaluation.effects import flicker_frame
from workbench.evaluation.files import OUTLIER, OrderRow
from workbench.evaluation.metrics import evaluate
from workbench.scenes.dbscan import dbscan


def distances_of(vectors):
    return cosine_distances(vectors.astype(np.float32))


def lit(frame, gain, gamma):
    """The frame under another light, clipped and rounded as a camera would."""
    return np.clip(np.round(255 * gain * (frame / 255.0) ** gamma), 0, 255).astype(np.uint8)


def best_scene_f1(vectors, truth):
    """The best result of sixty values of eps: the smaller of outlier F1 and scene F1."""
    distances, best = distances_of(vectors), 0.0
    for eps in np.geomspace(0.003, 1, 60):
        labels = dbscan(distances, eps, 3)
        metrics = evaluate(truth, [OrderRow(place, int(label), place) for place, label in enumerate(labels)])
        best = max(best, min(metrics["outlier_f1"], metrics["scene_f1"]))
    return best


def test_rank_vlad_beats_the_thumbnail_on_the_sample(sample_images, sample_vectors, sample_truth):
    """Colours flicker in one of the sample's scenes, so plain thumbnails of it scatter at every eps."""
    ours, plain = best_scene_f1(sample_vectors, sample_truth), best_scene_f1(thumbnails(sample_images, False), sample_truth)
    assert ours >= 0.99
    assert plain < ours - 0.1


def test_nearest_frames_are_of_the_same_scene(sample_vectors, sample_truth):
    """For every true frame of the sample, and with a margin: the third nearest frame is nearer than any other clip's."""
    clips = np.array([row.clip for row in sample_truth])
    distances = distances_of(sample_vectors)
    np.fill_diagonal(distances, np.inf)
    for place in np.flatnonzero(clips != OUTLIER):
        same = np.sort(distances[place][clips == clips[place]])
        assert same[2] < 0.8 * distances[place][clips != clips[place]].min()


@pytest.mark.parametrize(("gain", "gamma"), [(0.7, 1.0), (1.0, 0.6), (0.85, 1.4)])
def test_light_changes_little_and_another_scene_much(sample_clips, gain, gamma):
    """Six frames of the pagoda, the same under another light, and six of the toys."""
    pagoda, toys = sample_clips["pagoda"][:48:8], sample_clips["toys"][:48:8]
    vectors = rank_vlad([*pagoda, *(lit(frame, gain, gamma) for frame in pagoda), *toys], progress=False)
    distances = distances_of(vectors)
    relit, other = np.diagonal(distances[:6, 6:12]), distances[:6, 12:]
    assert relit.max() < 0.1 < 0.5 < other.min()
    assert (distances[:6, 6:12].argmin(axis=1) == np.arange(6)).mean() >= 0.9


def test_white_balance_noise_and_exposure_together(sample_clips):
    """Flicker at full strength, seeded: the relit frame stays nearer than any frame of another scene."""
    pagoda, toys = sample_clips["pagoda"][:48:4], sample_clips["toys"][:48:4]
    flicker = [flicker_frame(frame, np.random.default_rng(k), 1.0) for k, frame in enumerate(pagoda)]
    distances = distances_of(rank_vlad([*pagoda, *flicker, *toys], progress=False))
    assert np.diagonal(distances[:12, 12:24]).max() < 0.5 * distances[:12, 24:].min()


def test_rank_thumbnails_ignore_light(sample_clips):
    frame, other = sample_clips["pagoda"][0], sample_clips["pagoda"][60]
    same, relit, far = rank_grey_thumbnails([frame, lit(frame, 0.8, 1.3), other])
    assert same @ relit > 0.995 > 0.9 > same @ far


def test_the_seed_decides_the_codebook_and_nothing_else(sample_clips):
    frames = sample_clips["toys"][:10]
    first, again, other = (rank_vlad(frames, seed, progress=False) for seed in (0, 0, 1))
    assert first.tobytes() == again.tobytes()
    assert not np.array_equal(first, other) and np.array_equal(first[:, :190] > 0, other[:, :190] > 0)


@pytest.mark.parametrize("describe", [rank_vlad, thumbnails])
def test_shape_and_length(sample_clips, describe):
    vectors = describe(sample_clips["dahlia"][:5], progress=False)
    assert vectors.dtype == np.float32 and vectors.shape == (5, 721 if describe is rank_vlad else 576)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("size", [(320, 240), (64, 400), (48, 48)])
def test_any_shape_of_frame(sample_clips, size):
    """The same frames squeezed to other sizes, tall and narrow ones too: lengths stay, identical frames coincide."""
    frames = [cv2.resize(frame, size[::-1]) for frame in sample_clips["pagoda"][:3]]
    vectors = rank_vlad([*frames, frames[0]], progress=False)
    assert vectors.shape == (4, 721) and np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert np.array_equal(vectors[0], vectors[3]) and not np.allclose(vectors[0], vectors[2], atol=0.01)


def test_one_frame(sample_clips):
    vectors = rank_vlad(sample_clips["toys"][:1], progress=False)
    assert vectors.shape == (1, 721) and np.linalg.norm(vectors) == pytest.approx(1, abs=1e-5)


def test_flat_frames_are_alike_and_unlike_pictures(sample_clips):
    """A black, a grey and a red frame have no structure; they coincide, and are far from the ten pictures beside them."""
    flat = [np.full((240, 320, 3), color, np.uint8) for color in (0, 128, (200, 30, 30))]
    vectors = rank_vlad([*flat, *sample_clips["pagoda"][:10]], progress=False)
    distances = distances_of(vectors)
    assert distances[:3, :3].max() < 1e-5 and distances[:3, 3:].min() > 0.9
    assert (vectors[:3, -1] == 1).all() and (vectors[3:, -1] == 0).all()


def test_only_flat_frames():
    vectors = rank_vlad([np.full((60, 80, 3), level, np.uint8) for level in (0, 90, 255)], progress=False)
    assert np.allclose(vectors, np.eye(721)[720])


def test_grey_frames(sample_clips):
    """Frames without colour: neighbours stay nearest."""
    grey = [cv2.cvtColor(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB) for frame in sample_clips["pagoda"][:20]]
    distances = distances_of(rank_vlad(grey, progress=False))
    np.fill_diagonal(distances, np.inf)
    assert (np.abs(distances.argmin(axis=1) - np.arange(20)) <= 3).mean() > 0.8


def test_unit_length_leaves_zeros():
    assert unit_length(np.array([[3.0, 4.0], [0.0, 0.0]])).tolist() == [[0.6, 0.8], [0, 0]]


def test_the_number_of_threads_does_not_matter():
    """To the last bit, although sums that two threads share are rounded differently from those of one thread."""
    frames, vectors = mixture(), []
    for threads in (1, 2):
        with threadpool_limits(threads):
            vectors.append(rank_vlad(frames, progress=False))
    assert vectors[0].tobytes() == vectors[1].tobytes()
