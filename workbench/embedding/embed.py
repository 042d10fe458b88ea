"""One vector of unit length per frame, computed by a network or by a descriptor that needs no training."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from workbench.embedding import descriptors
from workbench.models.backbones import Backbone, load_backbone
from workbench.models.pretrained import network_device
from workbench.models.registry import find_embedding
from workbench.parameters import EmbedParameters
from workbench.progress import Progress, Steps

if TYPE_CHECKING:
    import torch


def embed(images: Sequence[np.ndarray], parameters: EmbedParameters, progress: Progress = True) -> np.ndarray:
    """Embed frames with the backbone that the parameters name.

    Parameters
    ----------
    images : (N, h, w, 3) uint8 array, or N (h, w, 3) arrays
        RGB frames.
    parameters : EmbedParameters
        Backbone, batch size and seed.
    progress : bool or callable
        As for :class:`~workbench.progress.Steps`.

    Returns
    -------
    (N, D) float32 array
        Rows of unit length.

    Raises
    ------
    ModelError
        If the backbone is unknown, or its weights are neither here nor can be fetched.
    """
    model = find_embedding(parameters.backbone)
    if model and model.name == "thumbnail":
        return descriptors.thumbnails(images, progress)
    if model and model.name == "rank-vlad":
        return descriptors.rank_vlad(images, parameters.seed, progress)
    return network_embeddings(images, load_backbone(parameters.backbone), parameters.batch_size, progress)


def network_embeddings(
    images: Sequence[np.ndarray], backbone: Backbone, batch_size: int, progress: Progress = True, device: str | None = None
) -> np.ndarray:
    """Embed frames by the pooled features of a network.

    Parameters
    ----------
    images : (N, h, w, 3) uint8 array, or a sequence whose slices are such arrays
        RGB frames.
    backbone : Backbone
        The network, with the size and the normalisation of its input.
    batch_size : int
        How many frames pass through the network at once.
    progress : bool or callable
        As for :class:`~workbench.progress.Steps`.
    device : str, optional
        Where the network runs, by PyTorch's name; by default on a GPU if there is one.

    Returns
    -------
    (N, D) float32 array
        Rows of unit length.

    Notes
    -----
    Frames are squeezed to the backbone's square, not cropped: what stands at the border counts too. On a CPU with bfloat16
    instructions the network runs in bfloat16, on a GPU in float16, else in float32.
    """
    import torch

    device = device or network_device()
    # PyTorch's types lack the memory format.
    network = backbone.network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    mean, std = (torch.tensor(values, device=device).view(1, 3, 1, 1) for values in (backbone.mean, backbone.std))
    rows = []
    with torch.inference_mode(), _autocast(device), Steps(progress, len(images), "embed") as steps:
        for start in range(0, len(images), batch_size):
            batch = np.array(images[start : start + batch_size])  # a copy, as PyTorch warns of read-only arrays
            pixels = torch.from_numpy(batch).to(device).permute(0, 3, 1, 2).float() / 255
            pixels = torch.nn.functional.interpolate(
                pixels, size=(backbone.size, backbone.size), mode="bilinear", antialias=True, align_corners=False
            )
            pixels = ((pixels - mean) / std).contiguous(memory_format=torch.channels_last)
            rows.append(network(pixels).float().cpu().numpy())
            steps.update(len(batch))
    return descriptors.unit_length(np.concatenate(rows)).astype(np.float32)


def _autocast(device: str) -> "torch.autocast":
    import torch

    if torch.device(device).type == "cuda":
        return torch.autocast("cuda", torch.float16)
    able = torch.cpu.get_capabilities()
    return torch.autocast("cpu", torch.bfloat16, enabled=any(able.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16")))
