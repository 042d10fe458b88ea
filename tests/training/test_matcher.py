"""The training of SuperGlue: views whose geometry is known, batches, the network's start and its way to disk.

Pictures are smoothed random noise in colour: textured everywhere, no two places alike, so SIFT finds the same corners again
under a moderate homography.
"""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from tests import ROOT
from tests.helpers.killed_training import check_killed_training
from training import checkpoint
from training.configuration import MatcherConfig, read_config
from training.evaluate_matchers import Pair, compare, make_pairs, measure, table
from training.loop import learning_rate
from training.matcher import train
from training.matcher_batches import IGNORED, UNMATCHED, Batch, make_batch, one_to_one
from training.matcher_network import folded, log_assignment, negative_log_likelihood, new_network, quality, save_network
from training.matcher_scenes import clip_views, photograph_views, same_points, save_scene, write_scenes
from training.warps import MEDIUM, SMALL, Warp, random_bend, random_homography, transformed
from workbench.errors import UsageError
from workbench.matching.matches import make_matcher
from workbench.matching.nearest import SiftExact
from workbench.parameters import MatchParameters
from workbench.storage.hloc import Features

TINY = {"layers": 2, "heads": 4, "encoder": [8], "steps": 30, "keypoints": [32, 48], "tokens": 96, "learning_rate": 2e-3}
TINY |= {"warm_up": 2, "weight_decay": 0.01, "sinkhorn_iterations": 5, "seed": 0, "validate_every": 10, "held_out_clips": []}


def picture(seed: int, size: tuple[int, int] = (320, 240)) -> np.ndarray:
    """(h, w, 3) uint8: colour noise at two scales, which SIFT finds some hundred keypoints in."""
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
def test_a_warp_leads_there_and_back(bend: float) -> None:
    """The way to the view and back ends within a hundredth of a pixel of its start, with a bend and without."""
    rng = np.random.default_rng(0)
    size = (320, 240)
    warp = Warp(random_homography(size, MEDIUM, rng), random_bend(size, bend, rng) if bend else None)
    points = rng.random((50, 2)) * [300, 220] + 10
    assert np.abs(warp.to_picture(warp.to_view(points)) - points).max() < 0.02
    if not bend:
        assert np.allclose(warp.to_view(points), cv2.perspectiveTransform(points[None], warp.homography)[0], atol=1e-6)


def test_warped_picture_shows_what_the_warp_says() -> None:
    """A view rendered with the warp's map has the picture's colours where the warp says the points went."""
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
    assert np.abs(there - here).mean() < 12  # half a pixel of rounding; colours of two random places differ by 45


def test_points_that_are_one_look_alike() -> None:
    """Of a photograph's views: pairs that the geometry calls one point have far more similar descriptors than others."""
    views = photograph_views([picture(5)], 2, np.random.default_rng(3))
    pairs, costs = same_points(*views, (0, 1))
    similarity = views[0].features.descriptors.T @ views[1].features.descriptors
    assert len(pairs) > 60
    assert np.median(similarity[pairs[:, 0], pairs[:, 1]]) > np.median(similarity) + 0.15
    assert costs.min() >= 0 and costs.max() < 4


def test_a_near_layer_hides_what_is_behind_it() -> None:
    """Two pictures at two depths, not bent: some keypoints are hidden in the other view, and what is seen moves by layer."""
    views = photograph_views([picture(6), picture(7)], 2, np.random.default_rng(9))
    places = views[0].places[1]
    hidden = np.isinf(places).any(axis=1)
    assert 0.02 < hidden.mean() < 0.9
    assert not np.isnan(places).any()
    homography, inliers = cv2.findHomography(views[0].features.keypoints[~hidden], places[~hidden], cv2.RANSAC, 0.5)
    assert homography is not None and 0.1 < inliers.mean() < 0.98  # one layer is a homography, the other is not in it


def test_a_still_clip_stays_where_it_is() -> None:
    """Two equal frames: the flow finds no motion, so points are where the two views' homographies put them."""
    frame = picture(9)
    views = clip_views(frame, frame, np.random.default_rng(2))
    pairs, _ = same_points(*views, (0, 1))
    known = ~np.isnan(views[0].places[1]).any(axis=1)
    assert known.mean() > 0.8 and len(pairs) > 40
    start, end = (view.features.keypoints[pairs[:, side]] for side, view in enumerate(views))
    homography, inliers = cv2.findHomography(start, end, cv2.RANSAC, 2)
    assert homography is not None and inliers.mean() > 0.9


def test_one_to_one_takes_the_cheapest_and_leaves_the_rival_open() -> None:
    """Keypoint 0 could be 0 or 1 of the other view; 0 is nearer, so 1 is left open, and keypoint 2 matches nothing."""
    points, costs = np.array([[0, 1], [0, 0], [1, 2]]), np.array([0.9, 0.2, 0.5])
    first, second = one_to_one(points, costs, (3, 3))
    assert first.tolist() == [0, 2, UNMATCHED]
    assert second.tolist() == [0, IGNORED, 1]


def test_batch_targets_agree_with_each_other(scenes: Path) -> None:
    """A target points back, filled-up keypoints match nothing, and the same seed draws the same batch."""
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
    """Before training, the assignment's maxima are the nearest descriptors of both views."""
    batch = make_batch(sorted((scenes / "train").glob("*.npz")), 2, 100, np.random.default_rng(1))
    found = log_assignment(new_network(2, 4, [8], 0).eval(), batch, 20, bfloat16=False)[:, :-1, :-1]
    cosine = batch.descriptors[:, 0] @ batch.descriptors[:, 1].transpose(1, 2)
    mutual = [values.argmax(1).gather(1, values.argmax(2)) == torch.arange(100) for values in (found, cosine)]
    both = mutual[0] & mutual[1]
    assert both.sum() > 0.7 * mutual[1].sum()  # the transport weights rows and columns anew, so not all
    assert (found.argmax(2)[both] == cosine.argmax(2)[both]).float().mean() > 0.95


def test_loss_and_quality_have_known_values() -> None:
    """Two keypoints a side, the first pair matched with probability 1, the second ones in the dustbin with 1/2."""
    probability = torch.tensor([[[1.0, 1e-6, 1e-6], [1e-6, 1e-6, 0.5], [1e-6, 0.5, 1e-6]]])
    targets = torch.tensor([[[0, UNMATCHED], [0, UNMATCHED]]])
    assert negative_log_likelihood(probability.log(), targets).item() == pytest.approx(np.log(2) / 2)
    measured = quality(probability.log(), targets, 0.2)
    assert (measured.precision, measured.recall) == (1.0, 1.0)
    wrong = quality(probability.log(), torch.tensor([[[1, UNMATCHED], [UNMATCHED, 0]]]), 0.2)
    assert (wrong.precision, wrong.recall) == (0.0, 0.0)


def test_folding_changes_the_input_and_not_the_answer(scenes: Path) -> None:
    """After folding, transformers' own matching of unit-length descriptors equals the trained graph's scores."""
    batch = make_batch(sorted((scenes / "train").glob("*.npz")), 2, 64, np.random.default_rng(2))
    network = new_network(2, 4, [8], 0)
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in network.parameters():  # away from the start, where half of the weights are zero
            parameter.add_(0.05 * torch.randn_like(parameter))
    network.eval()
    expected = log_assignment(network, batch, 20, bfloat16=False)[:, :-1, :-1].exp().amax(2)
    folded(network)
    network.config.matching_threshold = 0.0
    size = 320  # undo the normalisation: a square picture of this side
    pixels = batch.keypoints * 0.7 * size + size / 2
    with torch.inference_mode():
        matches, confidence, *_ = network._match_image_pair(pixels, batch.descriptors, batch.scores, size, size)
    found = matches[:, 0] >= 0
    assert found.sum() > 20
    assert torch.allclose(confidence[:, 0][found], expected[found], atol=1e-4)


@pytest.fixture
def small_validation(monkeypatch) -> None:
    """One batch of two pairs of 48 keypoints in place of eight of sixteen."""
    for name, value in {"VALIDATION_BATCHES": 1, "VALIDATION_PAIRS": 2, "VALIDATION_KEYPOINTS": 48}.items():
        monkeypatch.setattr(f"training.matcher.{name}", value)


@pytest.mark.usefixtures("small_validation")
def test_training_lowers_the_loss_and_a_killed_run_ends_the_same(scenes: Path, tmp_path: Path, monkeypatch) -> None:
    """30 steps on three scenes: the loss falls by a tenth; stopped after 20 and continued, the weights are the same."""
    check_killed_training(lambda out: train(MatcherConfig(**TINY), scenes, out), tmp_path, 20, 4, monkeypatch)


@pytest.mark.usefixtures("small_validation")
def test_a_second_stage_begins_with_the_weights_of_the_first(scenes: Path, tmp_path: Path) -> None:
    """At a learning rate of zero a second stage ends with the first one's weights, not with those of its own seed."""
    train(MatcherConfig(**TINY | {"steps": 3}), scenes, tmp_path / "first")
    still = MatcherConfig(**TINY | {"steps": 1, "learning_rate": 0.0, "seed": 5})
    train(still, scenes, tmp_path / "second", start=tmp_path / "first" / "checkpoint.pt")
    first, second = (checkpoint.load(tmp_path / name / "checkpoint.pt")["network"] for name in ("first", "second"))
    learned = [name for name in first if "running" not in name and "num_batches" not in name]
    assert all(torch.equal(first[name], second[name]) for name in learned)
    with pytest.raises(UsageError, match=r"missing.pt is not there: give the checkpoint.pt of an earlier training"):
        train(still, scenes, tmp_path / "third", start=tmp_path / "missing.pt")


def test_the_saved_folder_is_a_matcher_of_the_workbench(tmp_path: Path) -> None:
    """Written in float16 and loaded by name of the folder, the untrained network matches like the nearest neighbours."""
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


def test_measuring_a_matcher_knows_right_from_wrong() -> None:
    """The true correspondences are all right and give the homography; the same ones shifted by one are wrong."""
    pair = make_pair(picture(12), SMALL, 1)
    rng = np.random.default_rng(0)
    start = (rng.random((40, 2)) * [300, 220] + 10).astype(np.float32)
    end = transformed(start, pair.homography).astype(np.float32)
    a, b = (Features(xy, np.ones(40, np.float32), np.zeros((128, 40), np.float32), np.array([320, 240])) for xy in (start, end))
    assert measure(pair, a, b, np.arange(40)) == {"matches": 40, "right": 40, "found": 1.0}
    shifted = measure(pair, a, b, np.roll(np.arange(40), 1))
    assert shifted["right"] <= 2 and shifted["found"] == 0.0


def test_comparing_matchers_gives_a_row_a_method(tmp_path: Path) -> None:
    """On a textured picture under small motion, exact nearest neighbours with a ratio test are nearly all right."""
    for number in range(2):
        cv2.imwrite(str(tmp_path / f"{number}.png"), picture(number + 20)[:, :, ::-1])
    pairs = make_pairs(sorted(tmp_path.glob("*.png")), 1, 0)
    assert len(pairs) == 12
    rows = compare(pairs, {"exact": (0.01, SiftExact(MatchParameters(ratio=0.75)))})
    assert rows["right"].sum() / rows["matches"].sum() > 0.85
    assert list(table(rows).index) == ["exact"]


def test_scenes_are_written_once(tmp_path: Path) -> None:
    """A photograph a scene; a second call keeps what is there."""
    (tmp_path / "photographs").mkdir()
    cv2.imwrite(str(tmp_path / "photographs" / "a.png"), picture(30)[:, :, ::-1])
    paths = list((tmp_path / "photographs").iterdir())
    write_scenes(paths, [], tmp_path / "scenes", 0)
    written = next((tmp_path / "scenes").glob("*.npz"))
    before = written.stat().st_mtime_ns
    write_scenes(paths, [], tmp_path / "scenes", 0)
    assert written.stat().st_mtime_ns == before


def test_learning_rate_rises_then_falls_to_nothing() -> None:
    """Highest at the end of the warm-up, half of it half way down, near zero at the last step."""
    config = MatcherConfig(**{**TINY, "steps": 102, "warm_up": 2})
    rates = [learning_rate(step, config) for step in range(102)]
    assert max(rates) == rates[1] == config.learning_rate
    assert rates[52] == pytest.approx(config.learning_rate / 2)
    assert rates[-1] < config.learning_rate / 1000


def test_no_scenes_and_wrong_settings_are_errors_that_say_what_to_do(tmp_path: Path) -> None:
    """An empty folder names the script to run first; an unknown key and a wrong type name themselves."""
    with pytest.raises(UsageError, match="matcher_scenes"):
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
