"""Open keypoints and matchers through kornia, with random weights of the right shapes in the place of the published files."""

import re
import sys

import numpy as np
import pytest
import torch

from tests.matching.test_superglue import SIZE, shifted_views
from workbench.errors import ModelError, ParameterError
from workbench.matching import open_keypoints, open_lightglue
from workbench.matching.keypoints import make_detector
from workbench.matching.matches import make_matcher
from workbench.models.registry import refuse_other_keypoints
from workbench.parameters import FeatureParameters, MatchParameters

LENGTHS = {"aliked": 128, "disk": 128, "xfeat": 64}
MATCHERS = {"aliked": ("lightglue", "aliked-lightglue"), "disk": ("lightglue", "disk-lightglue"), "xfeat": ("lighterglue", "")}


@pytest.fixture
def random_weights(monkeypatch):
    """What the files would hold, with random numbers, seed 0, and names as their authors write them."""
    feature = pytest.importorskip("kornia.feature", reason="kornia is not installed")
    torch.manual_seed(0)

    def read(name):
        if name == "aliked-n16":
            return feature.ALIKED("aliked-n16").state_dict()
        if name == "disk-depth":
            return {"extractor": feature.DISK().state_dict(), "optimizer": {}}
        if name == "xfeat":
            state = feature.XFeat().net.state_dict()
            state["keypoint_head.3.weight"] *= 50  # else no place stands out from its cell of 8 x 8 px
            return state
        state = feature.LightGlue(None, **open_lightglue._SIZES[name]).state_dict()
        prefix = "matcher." if name == "xfeat-lighterglue" else ""
        as_published = {
            re.sub(r"transformers\.(\d+)\.(self_attn|cross_attn)", r"\2.\1", key): value for key, value in state.items()
        }
        extra = {"extractor.model.net.skip1.1.weight": torch.zeros(1)} if prefix else {}
        return extra | {prefix + key: value for key, value in as_published.items() if key != "confidence_thresholds"}

    for module in (open_keypoints, open_lightglue):
        monkeypatch.setattr(module, "read_open_weights", read)


@pytest.mark.parametrize("name", LENGTHS)
def test_keypoints_lie_in_the_picture_strongest_first(name, random_weights):
    """Two runs give the same; no more keypoints than asked for; the picture has 321 x 203 px."""
    view = np.ascontiguousarray(np.pad(shifted_views()[0], ((0, 3), (0, 1), (0, 0)), mode="edge"))
    size = (2 * view.shape[1], 2 * view.shape[0])
    found, again = (make_detector(FeatureParameters(keypoints=name, max_keypoints=60))(view, size) for _ in range(2))
    assert 0 < len(found) <= 60 and found.descriptors.shape == (LENGTHS[name], len(found))
    assert (np.diff(found.scores) <= 0).all()
    assert (found.keypoints >= 0).all() and (found.keypoints < size).all()
    assert np.allclose(np.linalg.norm(found.descriptors, axis=0), 1, atol=1e-4)
    assert len(again) > 0


@pytest.mark.parametrize("name", ["aliked", "disk"])
def test_keypoints_move_with_the_picture(name, random_weights):
    """A picture that moves by 32 px: far from the border most keypoints move by 32 px too, whatever the weights are."""
    rng = np.random.default_rng(0)
    wide = np.kron(rng.integers(0, 255, (24, 48, 3)), np.ones((8, 8, 1))).astype(np.uint8)
    detect = make_detector(FeatureParameters(keypoints=name, max_keypoints=4000))
    left, right = (detect(np.ascontiguousarray(wide[:, shift : shift + 352]), (352, 192)).keypoints for shift in (0, 32))
    inner = left[(left[:, 0] > 112) & (left[:, 0] < 240) & (np.abs(left[:, 1] - 96) < 40)]
    nearest = np.abs((inner - (32, 0))[:, None] - right[None]).max(axis=2).min(axis=1)
    assert len(inner) > 5 and (nearest < 0.5).mean() > 0.7


@pytest.mark.parametrize("name", LENGTHS)
def test_matches_are_those_of_kornia(name, random_weights):
    """Against a direct call of the network on the same keypoints; mutual, with confidences above the threshold."""
    matcher, model = MATCHERS[name]
    detect = make_detector(FeatureParameters(keypoints=name, max_keypoints=50))
    a, b = (detect(view, SIZE) for view in shifted_views())
    options = {"model": model} if model else {}
    glue = make_matcher(MatchParameters(matcher=matcher, match_threshold=0.0, **options))
    ((matches, scores),) = glue.match([a], [b])
    chosen = matches[matches >= 0]
    assert len(chosen) > 0 and len(np.unique(chosen)) == len(chosen) and ((scores > 0) == (matches >= 0)).all()
    with torch.inference_mode():
        data = {
            f"image{side}": {
                "keypoints": torch.from_numpy(some.keypoints)[None],
                "descriptors": torch.from_numpy(np.ascontiguousarray(some.descriptors.T))[None],
                "image_size": torch.tensor([SIZE], dtype=torch.float32),
            }
            for side, some in enumerate((a, b))
        }
        direct = glue.network(data)
    assert np.array_equal(matches, direct["matches0"][0].numpy())
    strict = glue.tuned(MatchParameters(matcher=matcher, match_threshold=1.0, **options))
    assert (strict.match([a], [b])[0][0] == -1).all()


def test_frames_without_keypoints_have_no_matches(random_weights):
    glue = make_matcher(MatchParameters(matcher="lighterglue"))
    detect = make_detector(FeatureParameters(keypoints="xfeat"))
    a, empty = detect(shifted_views()[0], SIZE), detect(np.zeros((64, 64, 3), np.uint8), SIZE)
    assert len(empty) == 0
    assert (glue.match([a], [empty])[0][0] == -1).all() and len(glue.match([empty], [a])[0][0]) == 0


def test_without_kornia_the_error_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "kornia", None)
    monkeypatch.setitem(sys.modules, "kornia.feature", None)
    with pytest.raises(ModelError, match=r"pip install 'video-reconstruction-workbench\[matchers\]'"):
        make_detector(FeatureParameters(keypoints="aliked"))


def test_matchers_refuse_keypoints_of_another_kind():
    """ALIKED's 128 numbers mean nothing to a SuperGlue for SIFT. What is not in the registry is not judged."""
    for matcher, model, keypoints in (
        ("superglue", "superglue-sift", "aliked"), ("lightglue", "aliked-lightglue", "disk"), ("lighterglue", "", "sift"),
    ):  # fmt: skip
        with pytest.raises(ModelError, match=r"was trained with the keypoints .* choose --features\.keypoints"):
            refuse_other_keypoints(matcher, model, keypoints)
    refuse_other_keypoints("superglue", "superglue-sift", "sift-opencv")
    refuse_other_keypoints("superglue", "my/own", "aliked")
    refuse_other_keypoints("sift-exact", "superglue-sift", "aliked")
    with pytest.raises(ParameterError, match="aliked-lightglue"):
        MatchParameters(matcher="lightglue")
