"""The registry, the catalogue of each model's weights, and the weights that are bundled with the workbench."""

import huggingface_hub
import pytest
import torch
from safetensors.torch import load_file

from tests.helpers.tiny import write_sums
from workbench.cli import app
from workbench.errors import ModelError
from workbench.models import catalogue, registry, weight_files
from workbench.models.backbones import imagenet_file, imagenet_weights, typical_eps
from workbench.models.catalogue import model_card, model_table, state, weights_sha256, weights_size
from workbench.models.registry import REGISTRY, find, is_non_commercial, provenance
from workbench.models.weight_files import kept_at
from workbench.run.stages import chosen_models

BUNDLED = [model.name for model in REGISTRY if model.source == "bundled"]


@pytest.fixture
def weights(tmp_path, monkeypatch):
    """An empty folder in place of the bundled weights."""
    monkeypatch.setattr(registry, "WEIGHTS", tmp_path / "weights")
    monkeypatch.setattr(catalogue, "WEIGHTS", tmp_path / "weights")
    (tmp_path / "weights").mkdir()
    return tmp_path / "weights"


def test_the_registry():
    """Every name occurs once, with its licence and an option of the command line that accepts it."""
    assert len({model.name for model in REGISTRY}) == len(REGISTRY)
    assert {model.kind for model in REGISTRY} == {"embedding", "matcher", "keypoints"}
    assert {model.source for model in REGISTRY} == {"built in", "bundled", "torchvision", "hub", "open"}
    assert BUNDLED == ["resnet18-photos", "vgg11-photos", "efficientnet-b0-photos", "superglue-sift"]
    options = {option for command in app.cli.commands.values() for item in command.params for option in item.opts}
    for model in REGISTRY:
        assert model.licence and model.about
        assert {word for word in model.option.split() if word.startswith("--")} <= options
    assert 0 < typical_eps("rank-vlad") < 1 and typical_eps("thumbnail") == 0


def test_non_commercial_terms():
    """All weights of Magic Leap, listed or not, and models that contain them; nothing that is built in or bundled."""
    assert is_non_commercial("magic-leap-community/superglue_outdoor") and is_non_commercial("magic-leap-community/another")
    assert is_non_commercial("ETH-CVG/lightglue_superpoint")
    assert not any(is_non_commercial(model.name) for model in REGISTRY if model.source != "hub")
    assert not is_non_commercial("some/folder")


def test_states(weights, tmp_path, monkeypatch):
    """Asking downloads nothing; a file in its place is found."""
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *_: None)
    monkeypatch.setattr(weight_files, "find_spec", lambda _: None)  # the packages that carry some may be installed
    expected = {"built in": "here", "bundled": "missing", "torchvision": "download", "hub": "download", "open": "download"}
    expected_by_name = {"efficientnet-lite0": "install"}
    assert all(state(model) == expected_by_name.get(model.name, expected[model.source]) for model in REGISTRY)
    vgg = kept_at(imagenet_file("vgg16"))
    vgg.parent.mkdir(parents=True)
    vgg.touch()
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *_: "/there/model.safetensors")
    (weights / "superglue-sift").mkdir()
    (weights / "superglue-sift" / "model.safetensors").touch()
    assert all(
        state(model) == "here" for model in REGISTRY if model.source == "hub" or model.name in ("vgg16", "superglue-sift")
    )


def test_size_and_digest_of_torchvision():
    """As torchvision gives them: the size to a kilobyte, the first digits in the file's name."""
    resnet = find("resnet18")
    assert weights_size(resnet) == pytest.approx(imagenet_weights("resnet18").meta["_file_size"] * 2**20, abs=1)
    assert imagenet_weights("resnet18").url.endswith(f"/resnet18-{weights_sha256(resnet)}.pth")


def test_size_digest_and_card_of_what_is_bundled(weights):
    vgg, folder = find("vgg11-photos"), weights / "vgg11-photos"
    assert (weights_size(vgg), weights_sha256(vgg), state(vgg)) == (0, "", "missing")
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"abc" * 2**19)
    (folder / "README.md").write_text("# VGG-11\n\nHow it was trained.\n")
    write_sums(weights)
    assert weights_size(vgg) == 3 * 2**19 and len(weights_sha256(vgg)) == 64
    line = next(line for line in model_table() if line.startswith("vgg11-photos"))
    assert line.split()[-3:] == ["1.5", weights_sha256(vgg)[:12], "here"]
    card = model_card("vgg11-photos")
    assert card[1:4] == ["Use:     --embed.backbone vgg11-photos", "Licence: Apache-2.0", "State:   here"]
    assert card[-3:] == ["# VGG-11", "", "How it was trained."]


def test_cards_say_where_a_file_is_and_where_it_goes():
    text = "\n".join(model_card("resnet50"))
    assert imagenet_weights("resnet50").url in text and f"put that file at {kept_at(imagenet_file('resnet50'))}" in text
    text = "\n".join(model_card("magic-leap-community/superglue_indoor"))
    assert "https://huggingface.co/magic-leap-community/superglue_indoor/resolve/main/model.safetensors" in text
    assert "Licence: non-commercial research" in text
    with pytest.raises(ModelError, match="no model is called superglue: choose one of rank-vlad, "):
        model_card("superglue")


@pytest.mark.parametrize("name", BUNDLED)
def test_bundled_weights_are_whole(name):
    """The files of the package: every one with the digest in SHA256SUMS; weights in float16, finite, with a card."""
    if not (registry.WEIGHTS / name).is_dir():
        pytest.skip("not in this copy")
    folder = registry.model_folder(name)
    assert folder / "model.safetensors" in registry.bundled_sums(name)
    assert weights_size(find(name)) == (folder / "model.safetensors").stat().st_size > 0
    assert len((folder / "README.md").read_text().splitlines()) > 3
    for tensor in load_file(folder / "model.safetensors").values():
        assert tensor.dtype in (torch.float16, torch.int64) and torch.isfinite(tensor).all()


def test_what_did_the_work():
    """A network matcher is named by its weights, others by themselves; licences are reported where the registry has them."""
    chosen = {"embed": {"backbone": "resnet18-photos"}, "features": {"keypoints": "sift", "superpoint_model": "x/y"}}
    chosen["match"] = {"matcher": "superglue", "model": "superglue-sift"}
    assert chosen_models(chosen) == {"embedding": "resnet18-photos", "keypoints": "sift", "matcher": "superglue-sift"}
    chosen["features"]["keypoints"], chosen["match"]["matcher"] = "superpoint", "sift-flann"
    assert chosen_models(chosen) == {"embedding": "resnet18-photos", "keypoints": "x/y", "matcher": "sift-flann"}
    assert provenance("superglue-sift") == "superglue-sift (bundled, Apache-2.0)"
    assert provenance("sift-opencv") == "sift-opencv (built in, Apache-2.0)"
    assert provenance("magic-leap-community/new") == "magic-leap-community/new (hub, non-commercial research)"
    assert provenance("my/folder") == "my/folder (your own choice, licence not known)"
