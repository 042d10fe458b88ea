"""SIFT matchers against known homographies, and matches.h5."""

import cv2
import h5py
import numpy as np
import pytest
from sklearn.datasets import load_sample_images

from workbench.errors import ParameterError, RunError
from workbench.matching import matches as matches_module
from workbench.matching import nearest as nearest_module
from workbench.matching.keypoints import extract
from workbench.matching.sift import sift_features
from workbench.parameters import FeatureParameters, MatchParameters
from workbench.storage.blocks import BlockJob
from workbench.storage.hloc import Features, open_h5, read_matches

SIZE = (600, 400)
HOMOGRAPHY = np.array([[1.05, 0.08, -12.0], [-0.06, 0.98, 20.0], [8e-5, -5e-5, 1.0]])


@pytest.fixture(scope="module")
def views():
    """China.jpg, 600 x 400; the same through HOMOGRAPHY, darker and with another gamma; flower.jpg, unrelated."""
    china, flower = (np.ascontiguousarray(image[:400, :600]) for image in load_sample_images().images)
    warped = cv2.warpPerspective(china, HOMOGRAPHY, SIZE)
    return china, (255 * (warped / 255.0) ** 1.4 * 0.8).astype(np.uint8), flower


@pytest.fixture(scope="module")
def found(views):
    return [sift_features(image, 400, 0.01, SIZE) for image in views]


@pytest.fixture(scope="module")
def features_h5(views, tmp_path_factory):
    """features.h5 of the three views, a blank frame and a flipped view: frames 0 to 4."""
    images = np.stack([*views, np.zeros_like(views[0]), views[0][:, ::-1]])
    out = tmp_path_factory.mktemp("features") / "features.h5"
    return extract(images, SIZE, FeatureParameters(max_keypoints=200), out, BlockJob("images", progress=False))


@pytest.fixture(params=[nearest_module.SiftFlann, nearest_module.SiftExact])
def matcher(request):
    return request.param(MatchParameters(ratio=0.8))


def empty():
    return Features(np.zeros((0, 2), np.float32), np.zeros(0, np.float32), np.zeros((128, 0), np.float32), np.array(SIZE))


def test_matches_follow_the_homography(matcher, found):
    a, b, _ = found
    matches, scores = matcher.match([a], [b])[0]
    assert matches.shape == scores.shape == (len(a),) and matches.dtype == np.int32 and scores.dtype == np.float32
    good = matches >= 0
    truth = cv2.perspectiveTransform(a.keypoints[good][None].astype(np.float64), HOMOGRAPHY)[0]
    error = np.linalg.norm(truth - b.keypoints[matches[good]], axis=1)
    assert good.sum() > 100
    assert (error < 3).mean() > 0.9
    assert (scores[good] > 0.7).all() and (scores <= 1).all() and (scores[~good] == 0).all()
    assert len(np.unique(matches[good])) == good.sum()  # mutual: nobody in b is taken twice


def test_unrelated_pictures_hardly_match(matcher, found):
    matches, _ = matcher.match([found[0]], [found[2]])[0]
    assert (matches >= 0).sum() < 20


def test_flann_finds_what_exact_search_finds(found):
    a, b, _ = found
    fast, exact = (
        kind(MatchParameters(ratio=0.8)).match([a], [b])[0][0] for kind in (nearest_module.SiftFlann, nearest_module.SiftExact)
    )
    both = (fast >= 0) & (exact >= 0)
    assert (fast[both] == exact[both]).mean() > 0.97
    assert both.sum() > 0.9 * (exact >= 0).sum()


@pytest.mark.parametrize("length", [128, 256])
def test_without_a_ratio_exact_search_takes_mutual_nearest_neighbours(length):
    """Descriptors of any length and sign, as SuperPoint's: against distances taken one by one."""
    rng = np.random.default_rng(0)
    first, second = (rng.normal(size=(length, count)).astype(np.float32) for count in (30, 40))
    second[:, :20] = first[:, :20] + 0.5 * second[:, :20]
    frames = []
    for values in (first, second):
        values /= np.linalg.norm(values, axis=0)
        count = values.shape[1]
        frames.append(Features(np.zeros((count, 2), np.float32), np.ones(count, np.float32), values, np.array(SIZE)))
    matches, scores = nearest_module.SiftExact(MatchParameters(ratio=1.0)).match(frames[:1], frames[1:])[0]
    distances = np.linalg.norm(first[:, :, None] - second[:, None, :], axis=0)
    nearest, back = distances.argmin(axis=1), distances.argmin(axis=0)
    mutual = back[nearest] == np.arange(30)
    assert mutual.sum() > 20 and np.array_equal(matches, np.where(mutual, nearest, -1))
    assert (scores[:20] > 0.7).all()


def test_a_pair_does_not_depend_on_the_pairs_before(found):
    a, b, c = found
    alone = nearest_module.SiftFlann(MatchParameters(ratio=0.8)).match([a], [b])[0]
    cv2.setRNGSeed(12345)
    busy = nearest_module.SiftFlann(MatchParameters(ratio=0.8))
    *_, late = busy.match([c, b, a, a], [a, c, c, b])
    for first, second in (alone, late), (alone, busy.match([a], [b])[0]):
        assert first[0].tobytes() == second[0].tobytes() and first[1].tobytes() == second[1].tobytes()


def test_no_keypoints(matcher, found):
    one = Features(*(x[:1] for x in (found[0].keypoints, found[0].scores)), found[0].descriptors[:, :1], found[0].image_size)
    results = matcher.match([empty(), found[0], empty(), found[0], one], [found[0], empty(), empty(), one, found[0]])
    for (matches, scores), length in zip(results, [0, 400, 0, 400, 1], strict=True):
        assert matches.shape == scores.shape == (length,)
        assert (matches == -1).all() and (scores == 0).all()
    assert matcher.match([], []) == []


def test_file_layout(features_h5, tmp_path):
    pairs = np.array([[1, 3], [0, 1], [0, 4]])
    out = matches_module.match_pairs(
        features_h5, pairs, MatchParameters(), tmp_path / "matches.h5", BlockJob("key", progress=False)
    )
    with h5py.File(out) as file:
        assert list(file) == ["000000.png", "000001.png"] and list(file["000000.png"]) == ["000001.png", "000004.png"]
        group = file["000000.png/000001.png"]
        assert sorted(group) == ["matches0", "matching_scores0"]
        assert group["matches0"].shape == group["matching_scores0"].shape == (200,)
        assert group["matches0"].dtype == np.int32 and group["matching_scores0"].dtype == np.float32
        assert '"ratio": 0.8' in file.attrs["parameters"]
    with open_h5(out) as file:
        assert (read_matches(file, 0, 1)[0] >= 0).sum() > 50
        assert (read_matches(file, 1, 3)[0] == -1).all()
        with pytest.raises(RunError, match="run the match stage again"):
            read_matches(file, 0, 2)


def test_no_pairs(features_h5, tmp_path):
    parameters = MatchParameters(matcher="superglue")  # without weights: nothing is loaded for nothing
    out = matches_module.match_pairs(
        features_h5, np.zeros((0, 2), int), parameters, tmp_path / "matches.h5", BlockJob("key", progress=False)
    )
    with open_h5(out) as file:
        assert len(file) == 0


def test_killed_and_continued_matching_ends_with_the_same_bytes(features_h5, tmp_path, monkeypatch):
    pairs = np.array([[a, b] for a in range(5) for b in range(a + 1, 5)])
    monkeypatch.setattr(matches_module, "BLOCK_PAIRS", 3)
    whole = matches_module.match_pairs(
        features_h5, pairs, MatchParameters(), tmp_path / "whole.h5", BlockJob("key", progress=False)
    )

    def kill(done, _found, _count):
        if done >= 6:
            raise KeyboardInterrupt

    out = tmp_path / "matches.h5"
    with pytest.raises(KeyboardInterrupt):
        matches_module.match_pairs(features_h5, pairs, MatchParameters(), out, BlockJob("key", progress=kill))
    done = []
    matches_module.match_pairs(
        features_h5, pairs[::-1], MatchParameters(), out, BlockJob("key", progress=lambda *count: done.append(count))
    )
    assert done == [(count, 6, 10) for count in range(6, 11)]
    assert out.read_bytes() == whole.read_bytes()


def test_pairs_of_other_files_are_not_matched_again(features_h5, tmp_path, monkeypatch):
    """Of ten pairs five are in one file and three, one of them again, in another: three are matched, the bytes are the same."""
    chosen = MatchParameters(matcher="sift-flann")
    pairs = np.array([[a, b] for a in range(5) for b in range(a + 1, 5)])
    whole = matches_module.match_pairs(features_h5, pairs, chosen, tmp_path / "whole.h5", BlockJob("key", progress=False))
    finished = [tmp_path / "one.h5", tmp_path / "other.h5"]
    for path, some in zip(finished, (pairs[:5], pairs[4:7]), strict=True):
        matches_module.match_pairs(features_h5, some, chosen, path, BlockJob("key", progress=False))
    matched, true = [], nearest_module.SiftFlann._match
    monkeypatch.setattr(nearest_module.SiftFlann, "_match", lambda self, a, b: matched.append((a, b)) or true(self, a, b))
    out = matches_module.match_pairs(
        features_h5, pairs, chosen, tmp_path / "matches.h5", BlockJob("key", progress=False, reuse=finished)
    )
    assert len(matched) == 3 and out.read_bytes() == whole.read_bytes()


def test_blocks_of_other_pairs_are_not_reused(features_h5, tmp_path, monkeypatch):
    monkeypatch.setattr(matches_module, "BLOCK_PAIRS", 1)
    out = tmp_path / "matches.h5"

    def kill(done, _found, _count):
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        matches_module.match_pairs(
            features_h5, np.array([[0, 1], [1, 2]]), MatchParameters(), out, BlockJob("key", progress=kill)
        )
    matches_module.match_pairs(features_h5, np.array([[0, 2], [1, 2]]), MatchParameters(), out, BlockJob("key", progress=False))
    with h5py.File(out) as file:
        assert list(file["000000.png"]) == ["000002.png"]


@pytest.mark.parametrize("pairs", [[[1, 0]], [[0, 0]], [[0, 1], [0, 1]], [[0, 99]]])
def test_bad_pairs(features_h5, tmp_path, pairs):
    with pytest.raises(RunError):
        matches_module.match_pairs(
            features_h5, np.array(pairs), MatchParameters(), tmp_path / "matches.h5", BlockJob("key", progress=False)
        )


def test_unknown_matcher():
    class Other:
        matcher, ratio = "guesswork", 0.8

    with pytest.raises(ParameterError, match="sift-flann"):
        matches_module.make_matcher(Other())
