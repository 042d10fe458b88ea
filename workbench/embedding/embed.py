"""One vector of unit length for every frame, and how alike frames are by it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from tqdm import tqdm

from workbench.embedding import descriptors
from workbench.models.backbones import Backbone, known_embedding, load_backbone
from workbench.models.pretrained import network_device
from workbench.parameters import EmbedParameters

if TYPE_CHECKING:
    import torch


def embed(images: Sequence[np.ndarray], parameters: EmbedParameters, progress: bool = True) -> np.ndarray:
    """(N, h, w, 3) uint8 RGB -> (N, D) float32, every row of unit length, by the backbone that is named.

    Raises :class:`~workbench.errors.ModelError` for an unknown backbone or weights that cannot be had.
    """
    model = known_embedding(parameters.backbone)
    if model and model.name == "thumbnail":
        return descriptors.thumbnails(images, progress)
    if model and model.name == "rank-vlad":
        return descriptors.rank_vlad(images, parameters.seed, progress)
    return network_embeddings(images, load_backbone(parameters.backbone), parameters.batch_size, progress)


def network_embeddings(
    images: Sequence[np.ndarray], backbone: Backbone, batch_size: int, progress: bool = True, device: str | None = None
) -> np.ndarray:
    """(N, h, w, 3) uint8 RGB -> (N, D) float32, unit length: the network's pooled features of the whole, squeezed frame.

    Frames are resized to the backbone's square without cropping: what stands at the border counts too. On a CPU with
    bfloat16 instructions the network runs in bfloat16, on a GPU in float16, else in float32. device: PyTorch's name, default a
    GPU if there is one.
    """
    import torch

    device = device or network_device()
    network = backbone.network.to(device, memory_format=torch.channels_last)
    mean, std = (torch.tensor(values, device=device).view(1, 3, 1, 1) for values in (backbone.mean, backbone.std))
    rows = []
    with torch.inference_mode(), _autocast(device), tqdm(total=len(images), desc="embed", disable=not progress) as bar:
        for start in range(0, len(images), batch_size):
            batch = np.array(images[start : start + batch_size])  # a copy: PyTorch warns of arrays that are read-only
            pixels = torch.from_numpy(batch).to(device).permute(0, 3, 1, 2).float() / 255
            pixels = torch.nn.functional.interpolate(
                pixels, size=(backbone.size, backbone.size), mode="bilinear", antialias=True, align_corners=False
            )
            pixels = ((pixels - mean) / std).contiguous(memory_format=torch.channels_last)
            rows.append(network(pixels).float().cpu().numpy())
            bar.update(len(batch))
    return descriptors.unit_length(np.concatenate(rows)).astype(np.float32)


def _autocast(device: str) -> "torch.autocast":
    import torch

    if torch.device(device).type == "cuda":
        return torch.autocast("cuda", torch.float16)
    able = torch.cpu.get_capabilities()
    return torch.autocast("cpu", torch.bfloat16, enabled=any(able.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16")))
