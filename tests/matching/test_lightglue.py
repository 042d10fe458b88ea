"""LightGlue on cached features against transformers' public ``forward``, with tiny seeded models saved by the tests."""

# ruff: noqa: E402 (torchvision must be prepared before transformers is imported)
import numpy as np
import pytest
import torch

from tests.matching.test_superglue import (
    SIZE,
    as_dictionary,
    at_whole_pixels,
    clear_threshold,
    liven,
    public,
    random_features,
    shifted_views,
    tiny_detector,
)
from workbench.models.backbones import torchvision
from workbench.storage.blocks import BlockJob

torchvision()
from transformers import LightGlueConfig, LightGlueForKeypointMatching

from workbench.errors import ModelError
from workbench.matching import matches as matches_module
from workbench.matching.keypoints import extract
from workbench.matching.lightglue import LightGlue
from workbench.matching.sift import sift_features
from workbench.matching.superpoint import SuperPoint
from workbench.parameters import FeatureParameters, MatchParameters
from workbench.storage.hloc import open_h5, read_matches

THRESHOLD = 0.002  # random weights are sure of nothing


def save_tiny(folder, width):
    """A LightGlue of three layers for descriptors of ``width`` numbers, and its SuperPoint; random weights, seed 0."""
    torch.manual_seed(0)
    model = LightGlueForKeypointMatching(
        LightGlueConfig(
            keypoint_detector_config=tiny_detector(width), descriptor_dim=width, num_hidden_layers=3, num_attention_heads=2
        )
    )
    liven(model.keypoint_detector)
    with torch.no_grad():  # the descriptors count most, and are told apart sharply, so that it does find matches
        for layer in model.transformer_layers:
            layer.self_mlp.fc2.weight.mul_(0.1)
            layer.cross_mlp.fc2.weight.mul_(0.1)
        for layer in model.match_assignment_layers:
            layer.final_projection.weight.copy_(40 * torch.eye(width))
    model.save_pretrained(folder / "lightglue")
    model.keypoint_detector.save_pretrained(folder / "superpoint")
    return folder


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return save_tiny(tmp_path_factory.mktemp("models"), 32)


def matcher(folder, threshold=THRESHOLD):
    return LightGlue(MatchParameters(matcher="lightglue", model=str(folder), match_threshold=threshold))


def stop_early(model, sure):
    """Set what the first layer thinks of a frame's keypoints: all sure enough to stop, or none."""
    with torch.no_grad():
        for layer in model.token_confidence:
            layer.token.weight.zero_()
            layer.token.bias.fill_(9 if sure else -9)


def test_tuned_matcher_shares_the_network_but_not_the_threshold(tiny):
    detect = SuperPoint(FeatureParameters(superpoint_model=str(tiny / "superpoint"), max_keypoints=100))
    a, b = (detect(view, SIZE) for view in shifted_views())
    loose = matcher(tiny / "lightglue")
    strict = loose.tuned(matcher(tiny / "lightglue", 0.1).parameters)
    counts = [(each.match([a], [b])[0][0] >= 0).sum() for each in (loose, strict, loose)]
    assert counts[1] < counts[0] == counts[2] and strict.model is loose.model


@pytest.mark.parametrize("early", [False, True])
@pytest.mark.parametrize("unequal", [False, True])
def test_cached_features_give_what_the_public_forward_gives(tiny, unequal, early, monkeypatch):
    at_whole_pixels(monkeypatch)
    views = shifted_views()
    detect = SuperPoint(FeatureParameters(superpoint_model=str(tiny / "superpoint"), max_keypoints=100))
    # A part of the keypoints, and not as many of one view as of the other: then the mask takes part.
    scores = np.concatenate([detect(view, SIZE).scores for view in views])
    threshold = clear_threshold(scores) if unequal else 0.0
    detect.model.keypoint_decoder.keypoint_threshold = threshold
    a, b = (detect(view, SIZE) for view in views)
    assert (len(a) != len(b)) == unequal
    glue = matcher(tiny / "lightglue")
    stop_early(glue.model, early)
    ours = as_dictionary(a.keypoints, b.keypoints, *glue.match([a], [b])[0])

    model = LightGlueForKeypointMatching.from_pretrained(tiny / "lightglue").eval()
    stop_early(model, early)
    model.filter_threshold = THRESHOLD
    (points_a, truth, truth_scores), (points_b, _, _) = public(model, views, threshold)
    theirs = as_dictionary(points_a, points_b, truth, truth_scores)
    assert len(theirs) > 15
    assert {key: value[0] for key, value in ours.items()} == {key: value[0] for key, value in theirs.items()}
    assert max(abs(ours[key][1] - theirs[key][1]) for key in theirs) < 1e-4


def test_a_pair_does_not_depend_on_the_others(tiny):
    """Pairs that stop at the first layer among pairs that do not, and frames of different counts."""
    rng = np.random.default_rng(0)
    several = [random_features(rng, count) for count in (40, 25, 40, 0, 40)]
    glue = matcher(tiny / "lightglue", threshold=0.0)
    with torch.no_grad():  # a keypoint is sure of its match where the first number of its descriptor is positive
        for layer in glue.model.token_confidence:
            layer.token.weight.copy_(500 * torch.eye(32)[:1])
    for number, frame in enumerate(several):
        sign = 1 if number in (0, 4) else -1
        frame.descriptors[0] = sign * (np.abs(frame.descriptors[0]) + 0.1)
    layers = []
    for layer in glue.model.transformer_layers:
        layer.register_forward_hook(lambda *_: layers.append(1))
    for other, expected in ((4, 1), (2, 3)):
        layers.clear()
        glue.match([several[0]], [several[other]])
        assert len(layers) == expected
    pairs = [(0, 2), (0, 1), (0, 4), (1, 0), (0, 3), (3, 3), (4, 2), (4, 0), (2, 0)]
    results = glue.match([several[a] for a, _ in pairs], [several[b] for _, b in pairs])
    for (a, b), (matches, scores) in zip(pairs, results, strict=True):
        assert matches.dtype == np.int32 and scores.dtype == np.float32
        assert matches.shape == scores.shape == (len(several[a]),)
        assert (matches < len(several[b])).all() and ((scores > 0) == (matches >= 0)).all()
        chosen = matches[matches >= 0]
        assert len(np.unique(chosen)) == len(chosen)
        alone = glue.match([several[a]], [several[b]])[0]
        assert np.array_equal(alone[0], matches) and np.allclose(alone[1], scores, atol=1e-6)
    assert (results[4][0] == -1).all() and len(results[5][0]) == 0


def test_features_and_matches_files(tiny, tmp_path):
    """By the parameters alone: SuperPoint's features.h5, LightGlue's matches.h5, the same bytes twice."""
    chosen = FeatureParameters(keypoints="superpoint", superpoint_model=str(tiny / "superpoint"), max_keypoints=60)
    features_h5 = extract(np.stack(shifted_views()), SIZE, chosen, tmp_path / "features.h5", BlockJob("key", progress=False))
    wanted = MatchParameters(matcher="lightglue", model=str(tiny / "lightglue"), match_threshold=THRESHOLD)
    pairs = np.array([[0, 1]])
    first, second = (
        matches_module.match_pairs(features_h5, pairs, wanted, tmp_path / name, BlockJob("key", progress=False))
        for name in ("1.h5", "2.h5")
    )
    assert first.read_bytes() == second.read_bytes()
    with open_h5(first) as file:
        matches, scores = read_matches(file, 0, 1)
        assert matches.shape == (60,) and (matches >= 0).sum() > 5
        assert (scores[matches >= 0] > THRESHOLD).all() and (scores[matches < 0] == 0).all()


def test_what_does_not_fit(tiny):
    sift = sift_features(shifted_views()[0], 50, 0.01, SIZE)
    with pytest.raises(ModelError, match=r"32 numbers, these features have 128: choose --features\.keypoints"):
        matcher(tiny / "lightglue").match([sift], [sift])
    with pytest.raises(ModelError, match=r"type superpoint, not lightglue.*superglue-sift is bundled"):
        matcher(tiny / "superpoint")


def test_unreachable_hub(monkeypatch, caplog):
    def unreachable(*_, **__):
        raise OSError("We couldn't connect to the hub.\nCheck your connection")

    monkeypatch.setattr(LightGlueForKeypointMatching, "from_pretrained", unreachable)
    with pytest.raises(
        ModelError, match=r"huggingface\.co/ETH-CVG/lightglue_superpoint/resolve/main/model\.safetensors"
    ) as error:
        matcher("ETH-CVG/lightglue_superpoint")
    assert "\n" not in str(error.value) and "--match.matcher superglue --match.model superglue-sift" in str(error.value)
    assert ["non-commercial" in record.message for record in caplog.records] == [True]
