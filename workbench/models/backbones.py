"""Embedding networks: how their weights are found, loaded and saved. Nothing falls back silently to other weights.

A backbone is named in :mod:`workbench.models.registry`, or is a local folder with ``config.json`` and ``model.safetensors``
(written by :func:`save_backbone`). Weights are read from safetensors or with ``weights_only=True``: never from a pickle.
"""

import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.errors import ModelError
from workbench.models.backbone_config import read_config
from workbench.models.open_weights import read_open_weights
from workbench.models.registry import find_embedding, model_folder
from workbench.models.weight_files import OpenWeights, read_weights

if TYPE_CHECKING:
    import torch

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
LITE_SIZE, LITE_MEAN, LITE_STD = 224, (127 / 255,) * 3, (128 / 255,) * 3  # with which EfficientNet-Lite0 was trained
_RUNS_NOW = "--embed.backbone resnet18-photos, which is bundled"


@dataclass(frozen=True)
class Backbone:
    """A network that computes one vector per frame, and the input that it expects.

    Attributes
    ----------
    network : torch.nn.Module
        Maps a (B, 3, S, S) float32 batch to (B, D).
    size : int
        S, width and height of the input, px.
    mean, std : three floats each
        By which the RGB channels, 0 to 1, are normalised.
    """

    network: "torch.nn.Module"
    size: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


@cache
def torchvision() -> Any:
    """Import torchvision, also beside PyTorch's CPU build.

    Returns
    -------
    module
        torchvision.

    Raises
    ------
    RuntimeError
        If torchvision cannot be imported for another reason than the one below.

    Notes
    -----
    torchvision's usual build fails at import beside PyTorch's CPU build, because two operators are not declared; they are
    declared here.
    """
    import torch

    try:
        import torchvision as module
    except RuntimeError as error:
        if "torchvision::nms" not in str(error):
            raise
        library = torch.library.Library("torchvision", "FRAGMENT")
        library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        import torchvision as module

        module.declared_operators = library  # they are undone when the library is garbage-collected
    return module


def typical_eps(name: str) -> float:
    """Look up the cosine distance that usually separates scenes for this backbone.

    Parameters
    ----------
    name : str
        Name of an embedding, or a local folder.

    Returns
    -------
    float
        Cosine distance; 0 where none has been determined.

    Raises
    ------
    ModelError
        If there is no such backbone, or its ``config.json`` is not valid.
    """
    model = find_embedding(name)
    if model and model.source != "bundled":
        return model.typical_eps
    return float(read_config(model_folder(name)).get("typical_eps", 0.0))


def load_backbone(name: str) -> Backbone:
    """Load a network without its classifier, in evaluation mode, in float32.

    Parameters
    ----------
    name : str
        Name of an embedding network of the registry, or a local folder as :func:`save_backbone` writes it.

    Returns
    -------
    Backbone
        The network and the input that it expects.

    Raises
    ------
    ModelError
        If there is no such network, its files are damaged, or its weights are neither here nor can be fetched.
    """
    model = find_embedding(name)
    if model and model.source == "torchvision":
        return _imagenet(name)
    if model and model.source == "open":
        return _efficientnet_lite(name)
    if model and model.source == "built in":
        raise ModelError(f"{name} is not a network: use workbench.embedding.embed.embed, which computes it directly")
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    folder = model_folder(name)
    config = read_config(folder)
    network = _network(config["architecture"])
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
    """Write a backbone as a folder that :func:`load_backbone` reads.

    Parameters
    ----------
    folder : Path
        Gets ``config.json`` and ``model.safetensors``, with weights in float16; made where it does not exist.
    architecture : str
        torchvision's name of the network, as "resnet18", or "efficientnet_lite0".
    backbone : Backbone
        The network and the input that it expects.
    typical_eps : float
        Cosine distance that usually separates scenes; 0 where none has been determined.

    Raises
    ------
    ModelError
        If a weight is not finite in float16. Nothing is written then.
    """
    import torch
    from safetensors.torch import save_file

    # Embedding frames leaves the weights in the memory format "channels last", which safetensors does not store.
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
    """Build a torchvision network with random weights and without its classifier.

    Parameters
    ----------
    architecture : str
        torchvision's name of a classification network, as "resnet18" or "mobilenet_v3_small".

    Returns
    -------
    torch.nn.Module
        Maps a (B, 3, S, S) batch to (B, D) vectors; in evaluation mode.

    Raises
    ------
    ModelError
        If torchvision has no classification network of this name.
    """
    if architecture not in torchvision().models.list_models(torchvision().models):
        raise ModelError(
            f"{architecture} is no classification network of torchvision: choose a name from "
            "torchvision.models.list_models(torchvision.models), as resnet18"
        )
    return _headless(torchvision().models.get_model(architecture)).eval()


def _network(architecture: str) -> "torch.nn.Module":
    """A network with random weights and without its classifier; torchvision is imported only where it is not one of ours."""
    if architecture == "resnet18":
        from workbench.models.resnet import ResNet18

        return ResNet18()
    if architecture == "efficientnet_lite0":
        from workbench.models.efficientnet_lite import EfficientNetLite0

        return EfficientNetLite0()
    return headless_network(architecture)


def _headless(network: "torch.nn.Module") -> "torch.nn.Module":
    """Take the classifier away from a classification network of torchvision: its last child module.

    Of a classifier with several layers, those before the class scores stay, such as ConvNeXt's normalisation.
    """
    import torch
    from torch.nn import AdaptiveAvgPool2d, Conv2d, Dropout, Linear

    name, head = list(network.named_children())[-1]
    layers = list(head) if isinstance(head, torch.nn.Sequential) else [head]
    scores = max(place for place, layer in enumerate(layers) if isinstance(layer, Linear | Conv2d))
    kept = [layer for place, layer in enumerate(layers) if place != scores and not isinstance(layer, Dropout)]
    if isinstance(network, torchvision().models.VGG):
        # The convolutions alone: VGG's fully connected layers hold nine tenths of its weights and expect one size.
        network.avgpool, kept = AdaptiveAvgPool2d(1), []
    setattr(network, name, torch.nn.Sequential(*kept, torch.nn.Flatten()))
    return network


def imagenet_weights(name: str) -> Any:
    """Look up torchvision's entry of the weights of one of its networks.

    Parameters
    ----------
    name : str
        torchvision's name of the network, as "resnet18".

    Returns
    -------
    torchvision.models.WeightsEnum
        With ``url``, ``meta`` and ``transforms``.
    """
    return torchvision().models.get_model_weights(name).DEFAULT


def imagenet_file(name: str) -> OpenWeights:
    """Describe the file of torchvision's weights of a network.

    Parameters
    ----------
    name : str
        torchvision's name of the network, as "resnet18".

    Returns
    -------
    OpenWeights
        The first 8 digits of the SHA-256 are in the file's name; the size is known to a kilobyte.
    """
    weights = imagenet_weights(name)
    return OpenWeights(weights.url, Path(weights.url).stem.rpartition("-")[2], round(weights.meta["_file_size"] * 2**20))


def _imagenet(name: str) -> Backbone:
    weights, network = imagenet_weights(name), torchvision().models.get_model(name)
    state = read_weights(name, imagenet_file(name), _RUNS_NOW)
    for key in [key for key in state if "denselayer" in key]:  # DenseNet's file has names such as norm.1 for norm1
        state[re.sub(r"\.(norm|conv)\.([12])\.", r".\1\2.", key)] = state.pop(key)
    network.load_state_dict(state)
    if hasattr(network, "transform_input"):
        network.transform_input = True  # GoogLeNet and Inception: the weights expect another normalisation than ImageNet's
    expected = weights.transforms()
    return Backbone(_headless(network).eval(), expected.crop_size[0], tuple(expected.mean), tuple(expected.std))


def _efficientnet_lite(name: str) -> Backbone:
    state, network = read_open_weights(name, _RUNS_NOW), _network("efficientnet_lite0")
    # Names in the file begin with an underscore, those of the classifier with _fc.
    network.load_state_dict({re.sub(r"(^|\.)_", r"\1", key): state[key] for key in state if not key.startswith("_fc.")})
    return Backbone(network.eval(), LITE_SIZE, LITE_MEAN, LITE_STD)


def _one_line(error: Exception) -> str:
    return re.sub(r"\s+", " ", str(error))[:200]
