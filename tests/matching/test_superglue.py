"""SuperGlue on cached features against transformers' public ``forward``, with tiny seeded models saved by the tests."""

# ruff: noqa: E402 (torchvision must be prepared before transformers is imported)
import json
import logging
import shutil

import cv2
import huggingface_hub
import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from sklearn.datasets import load_sample_images

from tests.helpers.tiny import write_sums
from workbench.models.backbones import torchvision
from workbench.storage.blocks import BlockJob

torchvision()
from transformers import SuperGlueConfig, SuperGlueForKeypointMatching, SuperPointConfig

from workbench.errors import ModelError
from workbench.matching import matches as matches_module
from workbench.matching.keypoints import extract
from workbench.matching.sift import sift_features
from workbench.matching.superglue import Network, SuperGlue
from workbench.matching.superglue_weights import read_weights
from workbench.matching.superpoint import SuperPoint
from workbench.models import registry
from workbench.models.pretrained import load_pretrained
from workbench.parameters import FeatureParameters, MatchParameters
from workbench.storage.hloc import Features, open_h5, read_matches

SIZE = (320, 200)


def tiny_detector(width):
    """Configuration of a SuperPoint with descriptors of ``width`` numbers that finds 100 keypoints."""
    return SuperPointConfig(
        encoder_hidden_sizes=[8, 8, 16, 16],
        decoder_hidden_size=16,
        descriptor_decoder_dim=width,
        keypoint_threshold=0.0,
        max_keypoints=100,
        nms_radius=3,
    )


def liven(detector):
    """Give a SuperPoint convolutions under which different places look different."""
    with torch.no_grad():
        for block in detector.modules():
            if isinstance(block, torch.nn.Conv2d):
                torch.nn.init.kaiming_normal_(block.weight)


def save_tiny(folder, width):
    """A SuperGlue for descriptors of ``width`` numbers, two layers, seeded; sharpened so that it does find matches."""
    torch.manual_seed(0)
    model = SuperGlueForKeypointMatching(
        SuperGlueConfig(
            keypoint_detector_config=tiny_detector(width),
            hidden_size=width,
            keypoint_encoder_sizes=[8, 16],
            gnn_layers_types=["self", "cross"],
            num_attention_heads=2,
            sinkhorn_iterations=20,
        )
    )
    liven(model.keypoint_detector)
    with torch.no_grad():
        model.final_projection.final_proj.weight.copy_(40 * torch.eye(width))
        model.bin_score.fill_(0.5)
    model.save_pretrained(folder / "superglue")
    model.keypoint_detector.save_pretrained(folder / "superpoint")
    return folder


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return save_tiny(tmp_path_factory.mktemp("models"), 32)


def shifted_views():
    """China.jpg, 320 x 200, and shifted by 16 and 8 px: whole cells of SuperPoint, matched even by random weights."""
    picture = cv2.resize(load_sample_images().images[0], (340, 227), interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(picture[:200, :320]), np.ascontiguousarray(picture[8:208, 16:336])


@pytest.fixture(scope="module")
def views():
    return shifted_views()


def parameters(folder, **changes):
    return MatchParameters(**{"matcher": "superglue", "model": str(folder), "match_threshold": 0.02, **changes})


def clear_threshold(scores):
    """A threshold a little below the median, in the middle of the widest gap there: no score is near it, so that another
    processor's rounding takes none across."""
    scores = np.sort(scores)[len(scores) * 2 // 5 : len(scores) // 2]
    widest = np.argmax(np.diff(scores))
    return float(scores[widest : widest + 2].mean())


def public(model, views, keypoint_threshold):
    """Keypoints (px), matches and scores of the public ``forward``, per image without the padding."""
    model.keypoint_detector.keypoint_decoder.keypoint_threshold = keypoint_threshold
    weights = np.array([0.2989, 0.587, 0.114], dtype=np.float32)
    gray = torch.from_numpy(np.stack([(view.astype(np.float32) / 255) @ weights for view in views]))
    with torch.inference_mode():
        out = model(gray[None, :, None].expand(1, 2, 3, *gray.shape[1:]))
    sides = []
    for side in (0, 1):
        real = out.mask[0, side].bool()
        points = np.rint(out.keypoints[0, side][real].double().numpy() * SIZE)
        sides.append((points, out.matches[0, side][real].numpy(), out.matching_scores[0, side][real].numpy()))
    return sides


def at_whole_pixels(monkeypatch):
    """SuperPoint's keypoints and descriptors where the public ``forward`` has them, not to a fraction of a pixel."""
    monkeypatch.setattr("workbench.matching.superpoint.parabola_peaks", lambda values, pixels: pixels.astype(np.float64))


def as_dictionary(points_a, points_b, matches, scores):
    """{keypoint in a: (keypoint in b, score)}: free of the order in which the keypoints are listed."""
    return {
        tuple(point.tolist()): (tuple(points_b[target].tolist()), score)
        for point, target, score in zip(points_a, matches, scores, strict=True)
        if target >= 0
    }


@pytest.mark.parametrize("unequal", [False, True])
def test_cached_features_give_what_the_public_forward_gives(tiny, views, unequal, monkeypatch):
    at_whole_pixels(monkeypatch)
    detect = SuperPoint(FeatureParameters(superpoint_model=str(tiny / "superpoint"), max_keypoints=100))
    # A part of the keypoints, and not as many of one view as of the other: then the mask takes part.
    scores = np.concatenate([detect(view, SIZE).scores for view in views])
    threshold = clear_threshold(scores) if unequal else 0.0
    detect.model.keypoint_decoder.keypoint_threshold = threshold
    a, b = (detect(view, SIZE) for view in views)
    assert (len(a) != len(b)) == unequal
    matches, scores = SuperGlue(parameters(tiny / "superglue")).match([a], [b])[0]
    ours = as_dictionary(a.keypoints, b.keypoints, matches, scores)

    model = SuperGlueForKeypointMatching.from_pretrained(tiny / "superglue").eval()
    model.config.matching_threshold = 0.02
    (points_a, truth, truth_scores), (points_b, _, _) = public(model, views, threshold)
    theirs = as_dictionary(points_a, points_b, truth, truth_scores)
    assert len(a) == len(points_a) and len(b) == len(points_b)
    assert len(theirs) > 20
    assert {key: value[0] for key, value in ours.items()} == {key: value[0] for key, value in theirs.items()}
    assert max(abs(ours[key][1] - theirs[key][1]) for key in theirs) < 1e-4


def test_padding_and_mask_of_unequal_counts(tiny):
    """Against a direct call of the private method without padding, for counts that need padding in a batch."""
    rng = np.random.default_rng(0)
    several = [random_features(rng, count) for count in (40, 25, 40, 0, 7)]
    glue = SuperGlue(parameters(tiny / "superglue", match_threshold=0.0, sinkhorn_iterations=100))
    pairs = [(0, 2), (0, 1), (1, 0), (0, 3), (3, 3), (4, 1), (2, 0)]
    results = glue.match([several[a] for a, _ in pairs], [several[b] for _, b in pairs])
    for (a, b), (matches, scores) in zip(pairs, results, strict=True):
        assert matches.dtype == np.int32 and scores.dtype == np.float32
        assert matches.shape == scores.shape == (len(several[a]),)
        assert (matches < len(several[b])).all() and ((scores > 0) == (matches >= 0)).all()
        chosen = matches[matches >= 0]
        assert len(np.unique(chosen)) == len(chosen)
        alone = glue.match([several[a]], [several[b]])[0]
        assert np.array_equal(alone[0], matches) and np.allclose(alone[1], scores, atol=1e-6)
    assert (results[3][0] == -1).all() and len(results[4][0]) == 0


def random_features(rng, count, width=32):
    descriptors = rng.normal(size=(width, count)).astype(np.float32)
    descriptors /= np.maximum(np.linalg.norm(descriptors, axis=0), 1e-9)
    keypoints = rng.uniform((0, 0), SIZE, (count, 2)).astype(np.float32)
    return Features(keypoints, rng.random(count).astype(np.float32), descriptors, np.array(SIZE))


def test_parameters_reach_the_model(tiny, views):
    detect = SuperPoint(FeatureParameters(superpoint_model=str(tiny / "superpoint"), max_keypoints=50))
    a, b = (detect(view, SIZE) for view in views)
    assert len(a) == 50 and (np.diff(a.scores) <= 0).all()
    loose, strict = (
        SuperGlue(parameters(tiny / "superglue", match_threshold=value)).match([a], [b])[0] for value in (0.0, 0.3)
    )
    assert (loose[0] >= 0).sum() > (strict[0] >= 0).sum()
    assert (strict[1][strict[0] >= 0] > 0.3).all()


def test_tuned_matcher_keeps_the_weights(tiny, views, monkeypatch):
    """Other thresholds and iterations give what a matcher made with them gives, without reading weights again."""
    detect = SuperPoint(FeatureParameters(superpoint_model=str(tiny / "superpoint"), max_keypoints=50))
    a, b = (detect(view, SIZE) for view in views)
    first = SuperGlue(parameters(tiny / "superglue"))
    before = first.match([a], [b])[0]
    changed = parameters(tiny / "superglue", match_threshold=0.3, sinkhorn_iterations=2)
    expected = SuperGlue(changed).match([a], [b])[0]
    monkeypatch.setattr("workbench.matching.superglue.read_weights", None)
    found = first.tuned(changed).match([a], [b])[0]
    assert (found[0] == expected[0]).all() and (found[1] == expected[1]).all()
    assert (found[1] != before[1]).any(), "the iterations count"
    assert (first.match([a], [b])[0][1] == before[1]).all(), "the first matcher is as it was"


def test_sift_keypoints_with_superglue_end_to_end(views, tmp_path):
    save_tiny(tmp_path, 128)
    images = np.stack([*views, np.zeros_like(views[0])])
    features_h5 = extract(
        images, SIZE, FeatureParameters(max_keypoints=80), tmp_path / "features.h5", BlockJob("key", progress=False)
    )
    pairs, chosen = np.array([[0, 1], [0, 2]]), parameters(tmp_path / "superglue")
    first = matches_module.match_pairs(features_h5, pairs, chosen, tmp_path / "first.h5", BlockJob("key", progress=False))
    second = matches_module.match_pairs(features_h5, pairs, chosen, tmp_path / "second.h5", BlockJob("key", progress=False))
    assert first.read_bytes() == second.read_bytes()
    with open_h5(first) as file:
        matches, scores = read_matches(file, 0, 1)
        assert matches.shape == scores.shape == (80,)
        assert (matches >= 0).sum() > 5
        assert (read_matches(file, 0, 2)[0] == -1).all()


def test_superpoint_features_file(tiny, views, tmp_path, monkeypatch):
    at_whole_pixels(monkeypatch)
    chosen = FeatureParameters(keypoints="superpoint", superpoint_model=str(tiny / "superpoint"), max_keypoints=30)
    out = extract(np.stack(views), (640, 400), chosen, tmp_path / "features.h5", BlockJob("key", progress=False))
    with open_h5(out) as file:
        group = file["000000.png"]
        assert group["keypoints"].shape == (30, 2) and group["descriptors"].shape == (32, 30)
        # Whole pixels of a half-size copy lie between two pixels of the original.
        assert np.array_equal(np.unique(group["keypoints"][()] % 2), [0.5])


def test_descriptors_of_the_wrong_length(tiny, views):
    glue, sift = SuperGlue(parameters(tiny / "superglue")), sift_features(views[0], 50, 0.01, SIZE)
    with pytest.raises(ModelError, match=r"32 numbers, these features have 128: choose --features\.keypoints"):
        glue.match([sift], [sift])


def test_frames_of_different_sizes(tiny):
    """A frame in twice the size, its keypoints at twice their places, is the same frame to the network."""
    rng = np.random.default_rng(0)
    a, b = random_features(rng, 30), random_features(rng, 30)
    twice = Features(2 * b.keypoints, b.scores, b.descriptors, 2 * b.image_size)
    glue = SuperGlue(parameters(tiny / "superglue"))
    (matches, scores), (again, as_sure) = glue.match([a, a], [b, twice])
    assert (matches >= 0).sum() > 5 and np.array_equal(matches, again) and np.allclose(scores, as_sure, atol=1e-6)


def one_line_with_remedy(error):
    text = str(error.value)
    return "\n" not in text and "as --match.model FOLDER" in text and "--match.model superglue-sift is bundled" in text


@pytest.mark.parametrize("name", ["", "./no/such/folder", "nonsense"])
def test_names_that_cannot_be(name):
    with pytest.raises(ModelError) as error:
        SuperGlue(parameters(name))
    assert one_line_with_remedy(error)


def test_unreachable_hub(monkeypatch, caplog):
    def unreachable(*_, **__):
        raise OSError("We couldn't connect to the hub.\nCheck your connection")

    monkeypatch.setattr(SuperGlueForKeypointMatching, "from_pretrained", unreachable)
    with pytest.raises(ModelError, match="magic-leap-community/superglue_outdoor: tried the local cache") as error:
        SuperGlue(parameters("magic-leap-community/superglue_outdoor"))
    assert one_line_with_remedy(error)
    address = "https://huggingface.co/magic-leap-community/superglue_outdoor/resolve/main"
    assert f"put {address}/model.safetensors and {address}/config.json into a folder" in str(error.value)
    assert [(record.levelno, "non-commercial" in record.message) for record in caplog.records] == [(logging.WARNING, True)]


def test_a_silent_hub_is_asked_once(monkeypatch):
    """transformers alone tries six times, with pauses. The error is of the HTTP library, which is no OSError."""
    asked = []

    def silent(address: str, **_: object) -> None:
        asked.append(address)
        raise EOFError("Name or service\nnot known")

    monkeypatch.setattr(huggingface_hub, "get_hf_file_metadata", silent)
    monkeypatch.setattr(SuperGlueForKeypointMatching, "from_pretrained", lambda *_, **__: pytest.fail("it asked again"))
    with pytest.raises(ModelError, match="the hub does not answer: Name or service not known") as error:
        SuperGlue(parameters("magic-leap-community/superglue_outdoor"))
    assert one_line_with_remedy(error)
    assert asked == ["https://huggingface.co/magic-leap-community/superglue_outdoor/resolve/main/config.json"]


def test_folders_that_are_not_the_model(tiny, tmp_path):
    with pytest.raises(ModelError, match=r"no config\.json and no model\.safetensors"):
        SuperGlue(parameters(tmp_path))
    with pytest.raises(ModelError, match="type superpoint, not superglue"):
        SuperGlue(parameters(tiny / "superpoint"))
    # A pickle is not read, whatever it holds.
    (tmp_path / "config.json").write_text((tiny / "superglue" / "config.json").read_text())
    torch.save({}, tmp_path / "pytorch_model.bin")
    with pytest.raises(ModelError, match=r"no model\.safetensors"):
        SuperGlue(parameters(tmp_path))
    (tmp_path / "model.safetensors").write_bytes(b"not safetensors")
    with pytest.raises(ModelError, match="cannot load superglue") as error:
        SuperGlue(parameters(tmp_path))
    assert one_line_with_remedy(error)


def test_weights_are_never_filled_in_at_random(tiny, tmp_path):
    """A configuration with one layer more than the file has weights for."""
    config = json.loads((tiny / "superglue" / "config.json").read_text())
    config["gnn_layers_types"] = ["self", "cross", "self", "cross"]
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "model.safetensors").write_bytes((tiny / "superglue" / "model.safetensors").read_bytes())
    with pytest.raises(ModelError, match="does not hold the weights"):
        SuperGlue(parameters(tmp_path))


def test_superpoint_errors_name_their_own_option(tmp_path):
    with pytest.raises(ModelError, match=r"--features\.superpoint_model FOLDER; --features\.keypoints sift"):
        load_pretrained("SuperPointForKeypointDetection", str(tmp_path), "--features.superpoint_model")


@pytest.fixture
def bundled(tmp_path, monkeypatch):
    """A random model, 128 wide, in the place of the bundled superglue-sift, in float16; returns its weights file."""
    monkeypatch.setattr(registry, "WEIGHTS", tmp_path / "weights")
    save_tiny(tmp_path, 128)
    folder = tmp_path / "weights" / "superglue-sift"
    SuperGlueForKeypointMatching.from_pretrained(tmp_path / "superglue").half().save_pretrained(folder)
    write_sums(tmp_path / "weights")
    return folder / "model.safetensors"


def test_bundled_by_default(bundled, views):
    """The default name; float16 in the file, float32 in the computation; the same as the folder given as a folder."""
    assert load_file(bundled)["bin_score"].dtype == torch.float16
    glue = SuperGlue(MatchParameters(matcher="superglue", match_threshold=0.02))
    assert {part.dtype for part in glue.network._layers[0][1:]} == {torch.float32}
    a, b = (sift_features(view, 80, 0.01, SIZE) for view in views)
    (matches, scores), (by_folder, _) = (
        matcher.match([a], [b])[0] for matcher in (glue, SuperGlue(parameters(bundled.parent)))
    )
    assert (matches >= 0).sum() > 5 and np.array_equal(matches, by_folder) and scores.dtype == np.float32


@pytest.mark.parametrize("harm", ["flipped", "cut", "gone", "folder gone"])
def test_damaged_bundled_weights(bundled, harm):
    """One changed bit is seen, and nothing else is used in its place."""
    data = bytearray(bundled.read_bytes())
    data[-1] ^= 1
    if harm == "flipped":
        bundled.write_bytes(data)
    elif harm == "cut":
        bundled.write_bytes(data[:1000])
    elif harm == "gone":
        bundled.unlink()
    else:
        shutil.rmtree(bundled.parents[1])
    with pytest.raises(ModelError, match="install the workbench again"):
        SuperGlue(MatchParameters(matcher="superglue"))


def test_fewer_operations_are_the_same(tiny, tmp_path):
    """As transformers' private method on padded and masked pairs, with weights and statistics as training leaves them."""
    torch.manual_seed(1)
    model = SuperGlueForKeypointMatching.from_pretrained(tiny / "superglue").eval()
    with torch.no_grad():
        for name, block in model.named_modules():
            if isinstance(block, torch.nn.BatchNorm1d):
                block.running_mean.normal_(0, 0.1)
                block.running_var.uniform_(0.5, 1.5)
            elif isinstance(block, torch.nn.Linear) and "gnn" in name:
                block.weight.normal_(0, 0.1)
                block.bias.normal_(0, 0.1)
        # With the fixture's 40 the scores reach 700, where float32's rounding changes matches.
        model.final_projection.final_proj.weight.copy_(8 * torch.eye(32))
    model.config.matching_threshold = 0.02
    model.save_pretrained(tmp_path)
    rng = np.random.default_rng(0)
    several = [random_features(rng, count) for count in (50, 50, 30, 1)]
    pairs = [(several[a], several[b]) for a, b in ((0, 1), (0, 2), (2, 1), (3, 0))]
    keypoints, descriptors, scores = torch.zeros(4, 2, 50, 2), torch.zeros(4, 2, 50, 32), torch.zeros(4, 2, 50)
    mask = torch.zeros(4, 2, 50, dtype=torch.int)
    for row, pair in enumerate(pairs):
        for side, features in enumerate(pair):
            place = row, side, slice(len(features))
            keypoints[place] = torch.from_numpy(features.keypoints)
            descriptors[place] = torch.from_numpy(features.descriptors.T)
            scores[place], mask[place] = torch.from_numpy(features.scores), 1
    with torch.inference_mode():
        matches, confidence, *_ = model._match_image_pair(keypoints, descriptors, scores, *SIZE[::-1], mask=mask)
    assert (matches[:, 0] >= 0).sum() > 20
    results = SuperGlue(parameters(tmp_path)).match(*zip(*pairs, strict=True))
    for row, (found, sure) in enumerate(results):
        assert np.array_equal(found, matches[row, 0, : len(found)])
        assert np.allclose(sure, confidence[row, 0, : len(found)], atol=1e-5)


def test_same_bits_on_any_number_of_threads_and_in_any_company(tiny):
    rng = np.random.default_rng(0)
    several = [random_features(rng, count) for count in (80, 65, 80, 3)]
    flipped, before, results = several[::-1], torch.get_num_threads(), []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            glue = SuperGlue(parameters(tiny / "superglue"))
            alone = [glue.match([a], [b])[0] for a, b in zip(several, flipped, strict=True)]
            results += [glue.match(several, flipped), alone]
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    for result in results[1:]:
        for first, other in zip(results[0], result, strict=True):
            assert all(np.array_equal(*parts) for parts in zip(first, other, strict=True))


def test_a_model_of_the_published_size(views, tmp_path):
    """Random weights of Magic Leap's shapes, 18 layers of 256, in a folder as the hub's: found, loaded and run the same way."""
    torch.manual_seed(0)
    model = SuperGlueForKeypointMatching(SuperGlueConfig())
    assert len(model.gnn.layers) == 18 and model.config.hidden_size == 256
    model.save_pretrained(tmp_path / "superglue")
    model.keypoint_detector.save_pretrained(tmp_path / "superpoint")
    detect = SuperPoint(FeatureParameters(superpoint_model=str(tmp_path / "superpoint"), max_keypoints=60))
    detect.model.keypoint_decoder.keypoint_threshold = 0.0
    a, b = (detect(view, SIZE) for view in views)
    assert a.descriptors.shape == (256, 60)
    ((matches, scores),) = SuperGlue(parameters(tmp_path / "superglue", match_threshold=0.0)).match([a], [b])
    assert matches.shape == scores.shape == (60,) and np.isfinite(scores).all()


def test_the_network_runs_where_it_is_put(tiny, views):
    """Tensors without values, as on a GPU that is not there: one left on the processor would be refused."""
    a, b = (
        SuperPoint(FeatureParameters(superpoint_model=str(tiny / "superpoint"), max_keypoints=100))(view, SIZE)
        for view in views
    )
    network = Network(read_weights(str(tiny / "superglue"), "--match.model"), "meta")
    scores = network(a, b)
    assert scores.device.type == "meta" and scores.shape == (len(a), len(b))
