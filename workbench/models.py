"""Which models there are, under what terms, and how their weights are found and loaded. Nothing falls back silently.

A backbone is named in the registry below, or is a local folder with ``config.json`` and ``model.safetensors`` (written by
:func:`save_backbone`). Weights are read from safetensors or with ``weights_only=True``: never from a pickle.
"""

import hashlib
import json
import re
from dataclasses import dataclass
from functools import cache
from http.client import HTTPException
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any

from workbench.errors import ModelError

if TYPE_CHECKING:
    import torch

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Model:
    """A registry entry. typical_eps: cosine distance that usually parts scenes, 0 where it is not known."""

    name: str
    kind: str
    source: str
    licence: str
    about: str
    typical_eps: float = 0.0


REGISTRY = (
    Model("rank-vlad", "embedding", "built in", "Apache-2.0", "ranks and gradient patches, no training", 0.4),
    Model("thumbnail", "embedding", "built in", "Apache-2.0", "16 x 12 colour thumbnail, for comparison"),
    Model("resnet18", "embedding", "torchvision", "BSD-3-Clause", "ResNet-18, ImageNet"),
    Model("resnet34", "embedding", "torchvision", "BSD-3-Clause", "ResNet-34, ImageNet"),
    Model("resnet50", "embedding", "torchvision", "BSD-3-Clause", "ResNet-50, ImageNet"),
    Model("vgg16", "embedding", "torchvision", "BSD-3-Clause", "VGG-16, ImageNet"),
    Model("efficientnet_b0", "embedding", "torchvision", "BSD-3-Clause", "EfficientNet-B0, ImageNet"),
    Model("sift-flann", "matcher", "built in", "Apache-2.0", "RootSIFT, FLANN, ratio and mutual test"),
    Model("sift-exact", "matcher", "built in", "Apache-2.0", "RootSIFT, all compared, ratio and mutual test"),
    Model("magic-leap-community/superglue_indoor", "matcher", "hub", "non-commercial research only", "SuperGlue, ScanNet"),
    Model(
        "magic-leap-community/superglue_outdoor",
        "matcher",
        "hub",
        "non-commercial research only",
        "SuperGlue, MegaDepth",
    ),
    Model("magic-leap-community/superpoint", "keypoints", "hub", "non-commercial research only", "SuperPoint"),
)


@dataclass(frozen=True)
class Backbone:
    """A network that gives one vector a frame, with what it wants to see.

    network: maps (B, 3, S, S) to (B, D). size: S, px. mean, std: of the RGB channels, in 0 to 1.
    """

    network: "torch.nn.Module"
    size: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


@cache
def torchvision() -> Any:
    """torchvision's module. Its usual build fails at import beside PyTorch's CPU build; two missing schemas mend that."""
    import torch

    try:
        import torchvision as module
    except RuntimeError as error:
        if "torchvision::nms" not in str(error):
            raise
        library = torch.library.Library("torchvision", "FRAGMENT")
        library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        torchvision.library = library  # a library's definitions go when it is collected
        import torchvision as module
    return module


def known_embedding(name: str) -> Model | None:
    """The registry's embedding of this name, or None."""
    return next((model for model in REGISTRY if model.kind == "embedding" and model.name == name), None)


def is_built_in(name: str) -> bool:
    """Whether this embedding is computed by the workbench's own code, without a network."""
    model = known_embedding(name)
    return model is not None and model.source == "built in"


def typical_eps(name: str) -> float:
    """The cosine distance that usually parts scenes for this backbone, 0 when it is not known."""
    model = known_embedding(name)
    if model:
        return model.typical_eps
    return float(_config(Path(name)).get("typical_eps", 0.0))


def folder_digest(name: str) -> str:
    """SHA-256 of the files of a model in a local folder, "" for a name: retrained weights are another model."""
    if not Path(name).is_dir():
        return ""
    digest = hashlib.sha256()
    for file in sorted(path for path in Path(name).iterdir() if path.suffix in (".json", ".safetensors")):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def is_here(model: Model) -> bool:
    """Whether this machine can use the model now, without a download."""
    if model.source == "built in":
        return True
    if model.source == "torchvision":
        return _cached_weights(model.name).exists()
    from huggingface_hub import try_to_load_from_cache

    return isinstance(try_to_load_from_cache(model.name, "model.safetensors"), str)


def load_backbone(name: str) -> Backbone:
    """A torchvision network by registry name or local folder, without its classifier, in evaluation mode.

    Raises :class:`~workbench.errors.ModelError` when the name is unknown, or the weights are neither here nor reachable.
    """
    model = known_embedding(name)
    if model and model.source == "torchvision":
        return Backbone(_imagenet(name), 224, IMAGENET_MEAN, IMAGENET_STD)
    if model:
        raise ModelError(f"{name} is not a network: use workbench.embed.embed, which computes it directly")
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    config, folder = _config(Path(name)), Path(name)
    network = headless_network(config["architecture"])
    file = folder / "model.safetensors"
    if not file.is_file():
        raise ModelError(f"{file} is missing: write the folder with save_backbone, or use --embed.backbone rank-vlad")
    try:
        network.load_state_dict(load_file(file))
    except (RuntimeError, OSError, SafetensorError) as error:
        raise ModelError(
            f"{file} is damaged or does not fit {config['architecture']} ({_one_line(error)}): write it again with "
            "save_backbone, or use --embed.backbone rank-vlad"
        ) from error
    return Backbone(network.eval(), int(config["size"]), tuple(config["mean"]), tuple(config["std"]))


def save_backbone(folder: Path, architecture: str, backbone: Backbone, typical_eps: float = 0.0) -> None:
    """Write a backbone as a folder that :func:`load_backbone` reads: ``config.json`` and ``model.safetensors``."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    config = {"architecture": architecture, "size": backbone.size, "mean": backbone.mean, "std": backbone.std}
    (folder / "config.json").write_text(json.dumps(config | {"typical_eps": typical_eps}, indent=2) + "\n")
    # A network that was used lies in memory channels last, which safetensors does not store.
    state = {name: tensor.contiguous() for name, tensor in backbone.network.state_dict().items()}
    save_file(state, folder / "model.safetensors")


def headless_network(architecture: str) -> "torch.nn.Module":
    """A torchvision network with random weights and no classifier: (B, 3, S, S) to (B, D)."""
    if architecture not in torchvision().models.list_models(torchvision().models):
        raise ModelError(f"{architecture} is no network of torchvision: choose one of resnet18/34/50, vgg, efficientnet")
    return _headless(torchvision().models.get_model(architecture), architecture).eval()


def _headless(network: "torch.nn.Module", architecture: str) -> "torch.nn.Module":
    import torch

    if architecture.startswith("resnet"):
        network.fc = torch.nn.Identity()
    elif architecture.startswith("efficientnet"):
        network.classifier = torch.nn.Identity()
    elif architecture.startswith("vgg"):
        # The convolutions alone: VGG's fully connected layers hold nine tenths of its weights and expect one size.
        network.avgpool, network.classifier = torch.nn.AdaptiveAvgPool2d(1), torch.nn.Identity()
    else:
        raise ModelError(f"{architecture} is not one of resnet18/34/50, vgg, efficientnet: choose one of these")
    return network


def _imagenet(name: str) -> "torch.nn.Module":
    weights, network = torchvision().models.get_model_weights(name).DEFAULT, torchvision().models.get_model(name)
    try:
        network.load_state_dict(weights.get_state_dict(progress=True, check_hash=True, weights_only=True))
    except (OSError, HTTPException) as error:  # urllib's errors are OSErrors
        raise ModelError(
            f"the weights of {name} are not here and {weights.url} cannot be reached ({_one_line(error)}): "
            f"put that file at {_cached_weights(name)}, or use --embed.backbone rank-vlad, which needs none"
        ) from error
    except (RuntimeError, UnpicklingError, EOFError) as error:  # cut off, not what its hash says, or another network's
        raise ModelError(
            f"{_cached_weights(name)} is damaged or holds other weights than {name}'s ({_one_line(error)}): delete it, or put "
            f"{weights.url} there, or use --embed.backbone rank-vlad, which needs none"
        ) from error
    return _headless(network, name).eval()


def _cached_weights(name: str) -> Path:
    import torch

    weights = torchvision().models.get_model_weights(name).DEFAULT
    return Path(torch.hub.get_dir()) / "checkpoints" / Path(weights.url).name


def _config(folder: Path) -> dict[str, Any]:
    names = ", ".join(model.name for model in REGISTRY if model.kind == "embedding")
    if not (folder / "config.json").is_file():
        raise ModelError(f"no backbone is called {folder}: use {names}, or a folder with config.json and model.safetensors")
    try:
        config = json.loads((folder / "config.json").read_text())
        missing = {"architecture", "size", "mean", "std"} - set(config)
    except (ValueError, TypeError) as error:
        raise ModelError(f"{folder}/config.json is not valid ({_one_line(error)}): write it with save_backbone") from error
    if missing:
        raise ModelError(f"{folder}/config.json lacks {', '.join(sorted(missing))}: write it with save_backbone")
    try:
        good = int(config["size"]) > 0 and float(config.get("typical_eps", 0)) >= 0
        good = good and all(len([float(value) for value in config[key]]) == 3 for key in ("mean", "std"))
    except (ValueError, TypeError):
        good = False
    if not good:
        raise ModelError(
            f"{folder}/config.json needs a size in px, mean and std of three channels, and a typical_eps of 0 or more: "
            "write it with save_backbone"
        )
    return config


def _one_line(error: Exception) -> str:
    return re.sub(r"\s+", " ", str(error))[:200]
