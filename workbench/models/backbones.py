"""Embedding networks: how their weights are found, loaded and saved. Nothing falls back silently.

A backbone is named in :mod:`workbench.models.registry`, or is a local folder with ``config.json`` and ``model.safetensors``
(written by :func:`save_backbone`). Weights are read from safetensors or with ``weights_only=True``: never from a pickle.
"""

import json
import re
from dataclasses import dataclass
from functools import cache
from http.client import HTTPException
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any

from workbench.errors import ModelError
from workbench.models.registry import REGISTRY, Model, find, model_folder
from workbench.storage.folder import file_sha256

if TYPE_CHECKING:
    import torch

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_RUNS_NOW = "--embed.backbone resnet18-photos, which is bundled"


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
    """Torchvision's module. Its usual build fails at import beside PyTorch's CPU build; two missing schemas mend that."""
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
    model = find(name)
    return model if model and model.kind == "embedding" else None


def is_built_in(name: str) -> bool:
    """Whether this embedding is computed by the workbench's own code, without a network."""
    model = known_embedding(name)
    return model is not None and model.source == "built in"


def typical_eps(name: str) -> float:
    """The cosine distance that usually parts scenes for this backbone, 0 when it is not known."""
    model = known_embedding(name)
    if model and model.source != "bundled":
        return model.typical_eps
    return float(_config(model_folder(name)).get("typical_eps", 0.0))


def folder_digest(name: str) -> str:
    """SHA-256 of the files of a bundled model or of one in a local folder, "" for another name.

    Retrained weights are another model, whatever the name. Raises :class:`~workbench.errors.ModelError` when a bundled
    model is missing or damaged.
    """
    folder = model_folder(name)
    if not folder.is_dir():
        return ""
    return file_sha256(*sorted(path for path in folder.iterdir() if path.suffix in (".json", ".safetensors")))


def load_backbone(name: str) -> Backbone:
    """A torchvision network by registry name or local folder, without its classifier, in evaluation mode, float32.

    Raises :class:`~workbench.errors.ModelError` when the name is unknown, or the weights are neither here nor reachable.
    """
    model = known_embedding(name)
    if model and model.source == "torchvision":
        return Backbone(_imagenet(name), 224, IMAGENET_MEAN, IMAGENET_STD)
    if model and model.source == "built in":
        raise ModelError(f"{name} is not a network: use workbench.embedding.embed.embed, which computes it directly")
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    folder = model_folder(name)
    config = _config(folder)
    network = headless_network(config["architecture"])
    file = folder / "model.safetensors"
    if not file.is_file():
        raise ModelError(f"{file} is missing: write the folder with save_backbone, or use {_RUNS_NOW}")
    try:
        network.load_state_dict(load_file(file))  # float16 in the file becomes the network's float32
    except (RuntimeError, OSError, SafetensorError) as error:
        raise ModelError(
            f"{file} is damaged or does not fit {config['architecture']} ({_one_line(error)}): write it again with "
            f"save_backbone, or use {_RUNS_NOW}"
        ) from error
    return Backbone(network.eval(), int(config["size"]), tuple(config["mean"]), tuple(config["std"]))


def save_backbone(folder: Path, architecture: str, backbone: Backbone, typical_eps: float = 0.0) -> None:
    """Write a backbone as a folder that :func:`load_backbone` reads: ``config.json`` and ``model.safetensors``, in float16.

    Raises :class:`~workbench.errors.ModelError`, before anything is written, when a weight is not finite in float16.
    """
    import torch
    from safetensors.torch import save_file

    # A network that was used lies in memory channels last, which safetensors does not store.
    state = {name: tensor.contiguous() for name, tensor in backbone.network.state_dict().items()}
    halved = {name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in state.items()}
    for name, tensor in halved.items():
        if not torch.isfinite(tensor).all():
            raise ModelError(
                f"{name} of {architecture} holds values that float16 cannot (largest {float(state[name].abs().max()):.3g}, "
                "limit 65504): train the network again with a smaller learning rate or more weight decay"
            )
    folder.mkdir(parents=True, exist_ok=True)
    config = {"architecture": architecture, "size": backbone.size, "mean": backbone.mean, "std": backbone.std}
    (folder / "config.json").write_text(json.dumps(config | {"typical_eps": typical_eps}, indent=2) + "\n")
    save_file(halved, folder / "model.safetensors")


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


def imagenet_weights(name: str) -> Any:
    """Torchvision's entry of the weights of one of its networks, with ``url`` and ``meta``."""
    return torchvision().models.get_model_weights(name).DEFAULT


def cached_weights(name: str) -> Path:
    """Where torchvision's weights of this network are kept once they are fetched, or can be put by hand."""
    import torch

    return Path(torch.hub.get_dir()) / "checkpoints" / Path(imagenet_weights(name).url).name


def _imagenet(name: str) -> "torch.nn.Module":
    weights, network = imagenet_weights(name), torchvision().models.get_model(name)
    try:
        network.load_state_dict(weights.get_state_dict(progress=True, check_hash=True, weights_only=True))
    except (OSError, HTTPException) as error:  # urllib's errors are OSErrors
        raise ModelError(
            f"the weights of {name} are not here and {weights.url} cannot be reached ({_one_line(error)}): "
            f"put that file at {cached_weights(name)}, or use {_RUNS_NOW}"
        ) from error
    except (RuntimeError, UnpicklingError, EOFError) as error:  # cut off, not what its hash says, or another network's
        raise ModelError(
            f"{cached_weights(name)} is damaged or holds other weights than {name}'s ({_one_line(error)}): delete it, or put "
            f"{weights.url} there, or use {_RUNS_NOW}"
        ) from error
    return _headless(network, name).eval()


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
