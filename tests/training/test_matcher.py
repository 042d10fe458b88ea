"""The training of SuperGlue: views with true geometry, batches, the untrained network, and how it is saved.

Pictures are smoothed random noise in colour: textured everywhere and without repetition, so that SIFT finds the same keypoints
again under a moderate homography.
"""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from tests import ROOT
from tests.helpers.killed_training import check_killed_training
from training.configuration import MatcherConfig, read_config
from training.evaluate_matchers import Pair, compare, make_pairs, measure, table
from training.loop import learning_rate
from training.matcher import train
from training.matcher_batches import IGNORED, UNMATCHED, Batch, make_batch, one_to_one
from training.matcher_files import save_scene, write_scenes
from training.matcher_network import (
    DESCRIPTOR_LENGTH,
    log_assignment,
    negative_log_likelihood,
    new_network,
    quality,
    save_network,
    scale_residual_stream,
)
from training.matcher_planes import NOTHING, Plane, plane_views, random_camera, random_planes, render
from training.matcher_scenes import clip_views, photograph_views, same_points
from training.warps import MEDIUM, SMALL, Warp, random_bend, random_homography, transformed
from workbench.errors import UsageError
from workbench.matching.matches import make_matcher
from workbench.matching.nearest import SiftExact
from workbench.parameters import MatchParameters
from workbench.storage.hloc import Features

TINY = {"layers": 2, "heads": 4, "encoder": [8], "steps": 30, "keypoints": [32, 48], "tokens": 96, "learning_rate": 2e-3}
TINY |= {"warm_up": 2, "weight_decay": 0.01, "sinkhorn_iterations": 5, "seed": 0, "validate_every": 10, "held_out_clips": []}
TINY |= {"photograph_scenes": 2, "plane_scenes": 1, "strangers": 0.0}


def picture(seed: int, size: tuple[int, int] = (320, 240)) -> np.ndarray:
    """(h, w, 3) uint8: colour noise at two scales, in which SIFT finds several hundred keypoints."""
    rng = np.random.default_rng(seed)
    fine = cv2.GaussianBlur(rng.random((*size[::-1], 3)).astype(np.float32), (0, 0), 2.5)
    coarse = cv2.GaussianBlur(rng.random((*size[::-1], 3)).astype(np.float32), (0, 0), 9)
    mixed = (fine - fine.mean()) / fine.std() + (coarse - coarse.mean()) / coarse.std()
    return np.clip(128 + 40 * mixed, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with ``train`` (3 scenes of four views) and ``validation`` (1 scene)."""
    folder = tmp_path_factory.mktemp("scenes")
    for side, seeds in (("train", (1, 2, 3)), ("validation", (4,))):
        (folder / side).mkdir()
        for seed in seeds:
            views = photograph_views([picture(seed)], 4, np.random.default_rng(seed))
            save_scene(folder / side / f"{seed}.npz", views)
    return folder


@pytest.mark.parametrize("bend", [0.0, 8.0])
def test_a_warp_is_inverted(bend: float) -> None:
    """Mapping points to the view and back ends within 0.02 px of the start, with a bend and without."""
    rng = np.random.default_rng(0)
    size = (320, 240)
    warp = Warp(random_homography(size, MEDIUM, rng), random_bend(size, bend, rng) if bend else None)
    points = rng.random((50, 2)) * [300, 220] + 10
    assert np.abs(warp.to_picture(warp.to_view(points)) - points).max() < 0.02
    if not bend:
        assert np.allclose(warp.to_view(points), cv2.perspectiveTransform(points[None], warp.homography)[0], atol=1e-6)


def test_warped_picture_shows_what_the_warp_says() -> None:
    """A view rendered with the map of a warp has the colours of the picture where the warp maps its points."""
    rng = np.random.default_rng(1)
    size, image = (320, 240), picture(0)
    warp = Warp(random_homography(size, MEDIUM, rng), random_bend(size, 6, rng))
    view = cv2.remap(image, warp.map(size), None, cv2.INTER_LINEAR)
    points = rng.integers(60, 180, (200, 2))
    places = np.rint(warp.to_view(points)).astype(int)
    inside = ((places >= 0) & (places < size)).all(axis=1)
    assert inside.sum() > 100
    there = view[places[inside, 1], places[inside, 0]].astype(float)
    here = image[points[inside, 1], points[inside, 0]].astype(float)
    assert np.abs(there - here).mean() < 12  # rounding to half a pixel; the colours of two random places differ by 45


def test_corresponding_points_look_alike() -> None:
    """Pairs of keypoints that correspond by the geometry have far more similar descriptors than other pairs."""
    views = photograph_views([picture(5)], 2, np.random.default_rng(3))
    pairs, costs = same_points(*views, (0, 1))
    similarity = views[0].features.descriptors.T @ views[1].features.descriptors
    assert len(pairs) > 60
    assert np.median(similarity[pairs[:, 0], pairs[:, 1]]) > np.median(similarity) + 0.15
    assert costs.min() >= 0 and costs.max() < 4


def test_a_near_layer_hides_what_is_behind_it() -> None:
    """Two pictures at two depths, not bent: some keypoints are hidden in the other view, and the layers move differently."""
    views = photograph_views([picture(6), picture(7)], 2, np.random.default_rng(9))
    places = views[0].places[1]
    hidden = np.isinf(places).any(axis=1)
    assert 0.02 < hidden.mean() < 0.9
    assert not np.isnan(places).any()
    homography, inliers = cv2.findHomography(views[0].features.keypoints[~hidden], places[~hidden], cv2.RANSAC, 0.5)
    assert (
        homography is not None and 0.1 < inliers.mean() < 0.98
    )  # the points of one layer fit a homography, those of the other do not


def test_a_still_clip_stays_where_it_is() -> None:
    """Two equal frames: the flow finds no motion, so points lie where the homographies of the two views map them."""
    frame = picture(9)
    views = clip_views(frame, frame, np.random.default_rng(2))
    pairs, _ = same_points(*views, (0, 1))
    has_place = ~np.isnan(views[0].places[1]).any(axis=1)
    assert has_place.mean() > 0.8 and len(pairs) > 40
    start, end = (view.features.keypoints[pairs[:, side]] for side, view in enumerate(views))
    homography, inliers = cv2.findHomography(start, end, cv2.RANSAC, 2)
    assert homography is not None and inliers.mean() > 0.9


def test_one_to_one_takes_the_cheapest_and_ignores_its_rival() -> None:
    """Keypoint 0 could match 0 or 1 of the other view; 0 is cheaper, so 1 is ignored, and keypoint 2 matches nothing."""
    points, costs = np.array([[0, 1], [0, 0], [1, 2]]), np.array([0.9, 0.2, 0.5])
    first, second = one_to_one(points, costs, (3, 3))
    assert first.tolist() == [0, 2, UNMATCHED]
    assert second.tolist() == [0, IGNORED, 1]


def test_batch_targets_agree_with_each_other(scenes: Path) -> None:
    """Targets of the two views point to each other, filler keypoints match nothing, and the same seed draws the same batch."""
    paths = sorted((scenes / "train").glob("*.npz"))
    batch = make_batch(paths, 6, 300, np.random.default_rng(0))
    again = make_batch(paths, 6, 300, np.random.default_rng(0))
    assert torch.equal(batch.targets, again.targets) and torch.equal(batch.keypoints, again.keypoints)
    assert batch.descriptors.shape == (6, 2, 300, 128)
    assert torch.allclose(batch.descriptors.norm(dim=-1), torch.ones(6, 2, 300), atol=2e-3)
    for targets in batch.targets:
        matched = (targets[0] >= 0).nonzero()[:, 0]
        assert len(matched) > 20
        assert torch.equal(targets[1][targets[0][matched]], matched)
    cosine = (batch.descriptors[:, 0] @ batch.descriptors[:, 1].transpose(1, 2)).flatten(0, 1)
    wanted = batch.targets[:, 0].flatten()
    right = cosine[wanted >= 0].gather(1, wanted[wanted >= 0, None])
    assert right.mean() > cosine.mean() + 0.15


def test_an_untrained_network_is_the_mutual_nearest_neighbour(scenes: Path) -> None:
    """Before training, the maxima of the assignment are the mutual nearest descriptors."""
    batch = make_batch(sorted((scenes / "train").glob("*.npz")), 2, 100, np.random.default_rng(1))
    found = log_assignment(new_network(2, 4, [8], 0).eval(), batch, 20, bfloat16=False)[:, :-1, :-1]
    cosine = batch.descriptors[:, 0] @ batch.descriptors[:, 1].transpose(1, 2)
    mutual = [values.argmax(1).gather(1, values.argmax(2)) == torch.arange(100) for values in (found, cosine)]
    both = mutual[0] & mutual[1]
    assert both.sum() > 0.7 * mutual[1].sum()  # not all, because the transport rescales rows and columns
    assert (found.argmax(2)[both] == cosine.argmax(2)[both]).float().mean() > 0.95


def test_loss_and_quality_have_the_computed_values() -> None:
    """Two keypoints per view: the first pair is matched with probability 1, the others are in the dustbin with 1/2."""
    probability = torch.tensor([[[1.0, 1e-6, 1e-6], [1e-6, 1e-6, 0.5], [1e-6, 0.5, 1e-6]]])
    targets = torch.tensor([[[0, UNMATCHED], [0, UNMATCHED]]])
    assert negative_log_likelihood(probability.log(), targets).item() == pytest.approx(np.log(2) / 2)
    measured = quality(probability.log(), targets, 0.2)
    assert (measured.precision, measured.recall) == (1.0, 1.0)
    wrong = quality(probability.log(), torch.tensor([[[1, UNMATCHED], [UNMATCHED, 0]]]), 0.2)
    assert (wrong.precision, wrong.recall) == (0.0, 0.0)


def test_folding_changes_the_input_and_not_the_result(scenes: Path) -> None:
    """After folding, matching unit-length descriptors with transformers gives the scores of the network before folding."""
    batch = make_batch(sorted((scenes / "train").glob("*.npz")), 2, 64, np.random.default_rng(2))
    network = new_network(2, 4, [8], 0)
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in network.parameters():  # from the initial values, where half of the weights are zero
            parameter.add_(0.05 * torch.randn_like(parameter))
    network.eval()
    expected = log_assignment(network, batch, 20, bfloat16=False)[:, :-1, :-1].exp().amax(2)
    scale_residual_stream(network, 1 / DESCRIPTOR_LENGTH)
    network.config.matching_threshold = 0.0
    size = 320  # px; undoes the normalisation for a square picture of this side
    pixels = batch.keypoints * 0.7 * size + size / 2
    with torch.inference_mode():
        matches, confidence, *_ = network._match_image_pair(pixels, batch.descriptors, batch.scores, size, size)
    found = matches[:, 0] >= 0
    assert found.sum() > 20
    assert torch.allclose(confidence[:, 0][found], expected[found], atol=1e-4)


@pytest.fixture
def small_validation(monkeypatch) -> None:
    """One batch of two pairs with 48 keypoints each, instead of eight batches of sixteen pairs."""
    for name, value in {"VALIDATION_BATCHES": 1, "VALIDATION_PAIRS": 2, "VALIDATION_KEYPOINTS": 48}.items():
        monkeypatch.setattr(f"training.matcher.{name}", value)


@pytest.mark.usefixtures("small_validation")
def test_training_lowers_the_loss_and_a_killed_run_ends_the_same(scenes: Path, tmp_path: Path, monkeypatch) -> None:
    """30 steps on three scenes: the loss falls by a tenth; stopped after 20 and continued, the weights are the same."""
    check_killed_training(lambda out: train(MatcherConfig(**TINY), scenes, out), tmp_path, 20, 4, monkeypatch)


@pytest.mark.usefixtures("small_validation")
def test_a_second_stage_begins_with_the_weights_of_the_first(scenes: Path, tmp_path: Path) -> None:
    """At a learning rate of zero a second stage ends with the weights of the first, not with those of its own seed."""
    train(MatcherConfig(**TINY | {"steps": 3}), scenes, tmp_path / "first")
    still = MatcherConfig(**TINY | {"steps": 1, "learning_rate": 0.0, "seed": 5})
    train(still, scenes, tmp_path / "second", start=tmp_path / "first" / "model")
    first, second = (load_file(tmp_path / name / "model" / "model.safetensors") for name in ("first", "second"))
    learned = [name for name in first if "running" not in name and "num_batches" not in name]
    assert all(torch.allclose(first[name], second[name], rtol=2e-3, atol=1e-6) for name in learned)  # of float16
    with pytest.raises(UsageError, match=r"missing holds no weights for such a network: give the folder model"):
        train(still, scenes, tmp_path / "third", start=tmp_path / "missing")


def test_the_saved_folder_is_a_matcher_of_the_workbench(tmp_path: Path) -> None:
    """Saved in float16 and loaded by its folder, the untrained network matches like mutual nearest neighbours."""
    save_network(new_network(6, 4, [32, 64, 128], 0), tmp_path / "model")
    assert (tmp_path / "model" / "model.safetensors").stat().st_size < 3 * 2**20
    matcher = make_matcher(MatchParameters(matcher="superglue", model=str(tmp_path / "model"), match_threshold=0.0))
    pair = make_pair(picture(11), SMALL, 0)
    features = [view.features for view in photograph_views([picture(11)], 2, np.random.default_rng(0))]
    ours, nearest = (
        matcher.match(*[[item] for item in features])[0][0],
        SiftExact(MatchParameters(ratio=1.0)).match(*[[item] for item in features])[0][0],
    )
    assert (ours[ours >= 0] == nearest[ours >= 0]).mean() > 0.8
    assert pair.first.shape == (240, 320, 3)


def make_pair(image: np.ndarray, viewpoint: object, seed: int) -> Pair:
    """The picture and its view under a random homography, in plain light."""
    rng = np.random.default_rng(seed)
    homography = random_homography((320, 240), viewpoint, rng)
    moved = cv2.remap(image, Warp(homography).map((320, 240)), None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    return Pair(image, moved, homography, "plain", "small")


def test_measuring_a_matcher_tells_right_from_wrong() -> None:
    """The true correspondences are all right and give the homography; shifted by one keypoint they are wrong."""
    pair = make_pair(picture(12), SMALL, 1)
    rng = np.random.default_rng(0)
    start = (rng.random((40, 2)) * [300, 220] + 10).astype(np.float32)
    end = transformed(start, pair.homography).astype(np.float32)
    a, b = (Features(xy, np.ones(40, np.float32), np.zeros((128, 40), np.float32), np.array([320, 240])) for xy in (start, end))
    assert measure(pair, a, b, np.arange(40)) == {"matches": 40, "right": 40, "found": 1.0}
    shifted = measure(pair, a, b, np.roll(np.arange(40), 1))
    assert shifted["right"] <= 2 and shifted["found"] == 0.0


def test_comparing_matchers_gives_a_row_per_method(tmp_path: Path) -> None:
    """On a textured picture under small motion, exact nearest neighbours with a ratio test are nearly all right."""
    for number in range(2):
        cv2.imwrite(str(tmp_path / f"{number}.png"), picture(number + 20)[:, :, ::-1])
    pairs = make_pairs(sorted(tmp_path.glob("*.png")), 1, 0)
    assert len(pairs) == 12
    rows = compare(pairs, {"exact": (0.01, SiftExact(MatchParameters(ratio=0.75)))})
    assert rows["right"].sum() / rows["matches"].sum() > 0.85
    assert list(table(rows).index) == ["exact"]


def test_scenes_are_written_once(tmp_path: Path) -> None:
    """Two photographs, and one world of planes with them as textures; a second call keeps the existing scenes."""
    (tmp_path / "photographs").mkdir()
    for number in range(2):
        cv2.imwrite(str(tmp_path / "photographs" / f"{number}.png"), picture(30 + number)[:, :, ::-1])
    paths, config = list((tmp_path / "photographs").iterdir()), MatcherConfig(**TINY)
    write_scenes(paths, [], tmp_path / "scenes", config)
    before = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "scenes").iterdir()}
    assert sorted(before) == ["photograph00000.npz", "photograph00001.npz", "planes00000.npz"]
    write_scenes(paths, [], tmp_path / "scenes", config)
    assert {path.name: path.stat().st_mtime_ns for path in (tmp_path / "scenes").iterdir()} == before


def test_views_of_planes_show_the_same_point_where_they_say() -> None:
    """Two cameras in a world with textures of noise: around places that both see, the views look alike; light is left as it is.

    A patch around a keypoint and one around its place in the other view are from one plane, seen from two sides.
    """
    rng, size = np.random.default_rng(3), (320, 240)
    planes = random_planes([picture(40 + number) for number in range(6)], rng)
    cameras = [random_camera(size, rng) for _ in range(2)]
    (first, shown), (second, other) = (render(planes, camera, size, rng) for camera in cameras)
    assert (shown != NOTHING).mean() > 0.7
    points = np.argwhere(shown != NOTHING)[:, ::-1][rng.permutation((shown != NOTHING).sum())[:400]].astype(np.float64)
    hits, differences = 0, []
    for x, y in points:
        plane = planes[shown[int(y), int(x)]]
        place = plane.homography(cameras[1]) @ np.linalg.inv(plane.homography(cameras[0])) @ [x, y, 1]
        u, v = np.rint(place[:2] / place[2]).astype(int)
        if place[2] > 0 and 0 <= u < 320 and 0 <= v < 240 and other[v, u] == shown[int(y), int(x)]:
            hits += 1
            differences.append(np.abs(first[int(y), int(x)].astype(int) - second[v, u]).mean())
    assert hits > 40
    apart = np.abs(first[rng.integers(240, size=400), rng.integers(320, size=400)].astype(int) - second[120, 160]).mean()
    assert np.mean(differences) < 0.5 * apart


def test_a_plane_hides_what_is_behind_it() -> None:
    """A white board before a grey wall: the pixels of the board are white, those around it grey, and the numbers say which."""
    wall = Plane(np.array([-5.0, -5, 4]), np.array([10.0, 0, 0]), np.array([0, 10.0, 0]), np.full((50, 50, 3), 128, np.uint8))
    board = Plane(np.array([-1.0, -1, 2]), np.array([2.0, 0, 0]), np.array([0, 2.0, 0]), np.full((50, 50, 3), 255, np.uint8))
    camera = np.array([[100.0, 0, 80, 0], [0, 100, 60, 0], [0, 0, 1, 0]])
    for order in ([wall, board], [board, wall]):
        image, shown = render(order, camera, (160, 120), np.random.default_rng(0))
        assert (image[60, 80] == 255).all() and order[shown[60, 80]] is board
        assert (image[60, 5] == 128).all() and order[shown[60, 5]] is wall


def test_most_keypoints_of_a_world_have_a_known_place() -> None:
    """Every place is a point of the other view, or infinite where it is hidden or outside; some are found again there."""
    views = plane_views([picture(50 + number) for number in range(6)], 3, np.random.default_rng(5))
    assert not any(np.isnan(place).any() for view in views for place in view.places.values())
    assert sum(len(same_points(views[a], views[b], (a, b))[0]) for a, b in ((0, 1), (0, 2), (1, 2))) > 60


def test_strangers_match_nothing(scenes: Path) -> None:
    """Half of the pairs show two scenes: no keypoint of theirs has a partner; the others do."""
    batch = make_batch(sorted((scenes / "train").glob("*.npz")), 4, 64, np.random.default_rng(0), strangers=0.5)
    matched = (batch.targets >= 0).any(dim=(1, 2))
    assert matched.tolist() == [False, False, True, True]


def test_learning_rate_rises_then_falls_to_zero() -> None:
    """It peaks at the end of the warm-up, is half of that half way through the decay, and near zero at the last step."""
    config = MatcherConfig(**{**TINY, "steps": 102, "warm_up": 2})
    rates = [learning_rate(step, config) for step in range(102)]
    assert max(rates) == rates[1] == config.learning_rate
    assert rates[52] == pytest.approx(config.learning_rate / 2)
    assert rates[-1] < config.learning_rate / 1000


def test_no_scenes_and_wrong_settings_are_errors_that_say_what_to_do(tmp_path: Path) -> None:
    """For an empty folder the message names the script to run first; for an unknown key or a wrong type, the key."""
    with pytest.raises(UsageError, match="matcher_files"):
        train(MatcherConfig(**TINY), tmp_path, tmp_path / "out")
    good = (ROOT / "training/configs/superglue-sift.yaml").read_text()
    assert read_config(ROOT / "training/configs/superglue-sift.yaml", MatcherConfig).heads == 4
    for text, message in (
        (good + "width: 9\n", "width"),
        (good.replace("heads: 4", "heads: four"), "heads"),
        ("- 1", "holds no"),
    ):
        (tmp_path / "bad.yaml").write_text(text)
        with pytest.raises(UsageError, match=message):
            read_config(tmp_path / "bad.yaml", MatcherConfig)


def test_batches_are_plain_tensors(scenes: Path) -> None:
    """float32 throughout, targets int64, and keypoints normalised to about -1 to 1."""
    batch: Batch = make_batch(sorted((scenes / "validation").glob("*.npz")), 1, 64, np.random.default_rng(0))
    assert batch.keypoints.dtype == batch.scores.dtype == batch.descriptors.dtype == torch.float32
    assert batch.targets.dtype == torch.int64
    assert batch.keypoints.abs().max() < 1
