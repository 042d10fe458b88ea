"""A trainable SuperGlue from the modules of transformers, up to the logarithm of the assignment, and its loss."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from training.matcher_batches import UNMATCHED, Batch
from workbench.errors import UsageError
from workbench.models.backbones import torchvision

# SuperGlue adds the descriptors to the encoded keypoints: at this length both have a similar size at the start of a training.
DESCRIPTOR_LENGTH = 128**0.5
MINIMAL_DETECTOR = {"encoder_hidden_sizes": [1, 1, 1, 1], "decoder_hidden_size": 1, "keypoint_decoder_dim": 65}


def new_network(layers: int, heads: int, encoder: list[int], seed: int) -> Any:
    """Create a SuperGlue of width 128 whose matches, before training, are the mutual nearest neighbours of the descriptors.

    The keypoint detector that the class of transformers requires is as small as possible and never used.

    Parameters
    ----------
    layers : int
        Attention layers, self and cross attention alternating; an even number.
    heads : int
        Attention heads; must divide 128.
    encoder : list of int
        Widths of the hidden layers of the keypoint encoder.
    seed : int
        Decides the random weights.

    Returns
    -------
    transformers.SuperGlueForKeypointMatching
        The network.
    """
    torchvision()
    from transformers import SuperGlueConfig, SuperGlueForKeypointMatching, SuperPointConfig

    torch.manual_seed(seed)
    detector = SuperPointConfig(descriptor_decoder_dim=128, **MINIMAL_DETECTOR)
    network = SuperGlueForKeypointMatching(
        SuperGlueConfig(
            keypoint_detector_config=detector.to_dict(),
            hidden_size=128,
            keypoint_encoder_sizes=encoder,
            gnn_layers_types=["self", "cross"] * (layers // 2),
            num_attention_heads=heads,
            sinkhorn_iterations=20,
            matching_threshold=0.25,
        )
    )
    with torch.no_grad():
        for residual in (network.keypoint_encoder.encoder[-1], *(layer.mlp[-1] for layer in network.gnn.layers)):
            residual.weight.zero_()
            residual.bias.zero_()
        # Scores are dot products over sqrt(128), hence here 30 x cosine, which tells similar descriptors apart. The dustbin
        # lies just below.
        network.final_projection.final_proj.weight.copy_(torch.eye(128) * (30 / DESCRIPTOR_LENGTH) ** 0.5)
        network.final_projection.final_proj.bias.zero_()
        network.bin_score.fill_(25.0)
    return network


def log_assignment(network: Any, batch: Batch, iterations: int, bfloat16: bool = True) -> Tensor:
    """The logarithm of the optimal transport between the two views.

    Parameters
    ----------
    network : transformers.SuperGlueForKeypointMatching
        The network.
    batch : Batch
        The views.
    iterations : int
        Sinkhorn iterations.
    bfloat16 : bool
        Whether attention is computed in bfloat16.

    Returns
    -------
    (B, K + 1, K + 1) float32 tensor
        Logarithms of the assignment; the last row and column are the dustbins.

    Notes
    -----
    Sarlin et al., SuperGlue, CVPR 2020, equation 9.
    """
    from transformers.models.superglue.modeling_superglue import log_optimal_transport

    pairs, _, keypoints, width = batch.descriptors.shape
    flat = (part.reshape(pairs * 2, *part.shape[2:]) for part in (batch.keypoints, batch.scores, batch.descriptors))
    places, scores, descriptors = flat
    with torch.autocast(places.device.type, torch.bfloat16, enabled=bfloat16):
        state = descriptors * DESCRIPTOR_LENGTH + network.keypoint_encoder(places, scores)[0]
        state = network.gnn(state)[0]
    final = network.final_projection(state.float()).reshape(pairs, 2, keypoints, width)
    similarity = final[:, 0] @ final[:, 1].transpose(1, 2) / width**0.5
    return log_optimal_transport(similarity, network.bin_score, iterations)


def negative_log_likelihood(log_assignment: Tensor, targets: Tensor) -> Tensor:
    """The loss: half the sum of the means over matched and over unmatched keypoints.

    Every keypoint without a partner within 3 px is assigned to the dustbin, near misses too; otherwise the network learns to
    accept them.

    Parameters
    ----------
    log_assignment : (B, K + 1, K + 1) tensor
        From :func:`log_assignment`.
    targets : (B, 2, K) int64 tensor
        As in :class:`~training.matcher_batches.Batch`.

    Returns
    -------
    tensor
        The loss, a scalar.

    Notes
    -----
    Sarlin et al., SuperGlue, CVPR 2020, equation 10, where the sum is over all keypoints.
    """
    matched = (targets[:, 0] >= 0).nonzero(as_tuple=True)
    right = log_assignment[matched[0], matched[1], targets[:, 0][matched]]
    alone = [(targets[:, side] == UNMATCHED) for side in range(2)]
    dust = torch.cat([log_assignment[:, :-1, -1][alone[0]], log_assignment[:, -1, :-1][alone[1]]])
    return -(right.mean() + dust.mean()) / 2


@dataclass(frozen=True)
class Quality:
    """How good the mutual matches above a threshold are.

    Attributes
    ----------
    precision : float
        Share of the matches that is right, 0 to 1.
    recall : float
        Share of the true matches that is found, 0 to 1.
    """

    precision: float
    recall: float


def quality(log_assignment: Tensor, targets: Tensor, threshold: float) -> Quality:
    """Precision and recall of the matches of a batch above a confidence threshold; ignored keypoints do not count."""
    inner = log_assignment[:, :-1, :-1]
    best, nearest = inner.max(dim=2)
    mutual = inner.argmax(dim=1).gather(1, nearest) == torch.arange(inner.shape[1], device=inner.device)
    chosen = mutual & (best.exp() > threshold)
    wanted = targets[:, 0]
    judged = chosen & (wanted >= UNMATCHED)
    right = (judged & (nearest == wanted)).sum().item()
    return Quality(right / max(judged.sum().item(), 1), right / max((wanted >= 0).sum().item(), 1))


def scale_residual_stream(network: Any, factor: float) -> None:
    """Rewrite the weights in place so that the network takes descriptors of ``factor`` times the length, with the same results.

    The layers that write to the residual stream are multiplied by that, those that read from it divided.
    """
    width = network.config.hidden_size
    with torch.no_grad():
        for writer in (network.keypoint_encoder.encoder[-1], *(layer.mlp[-1] for layer in network.gnn.layers)):
            writer.weight.mul_(factor)
            writer.bias.mul_(factor)
        for layer in network.gnn.layers:
            inner = layer.attention.self
            for reader in (inner.query, inner.key, inner.value):
                reader.weight.div_(factor)
            layer.mlp[0].linear.weight[:, :width].div_(factor)
        network.final_projection.final_proj.weight.div_(factor)


def save_network(network: Any, folder: Path) -> None:
    """Write the trained network as the workbench loads it: for unit-length descriptors, in float16, with ``config.json``."""
    import copy

    network = copy.deepcopy(network).eval()
    scale_residual_stream(network, 1 / DESCRIPTOR_LENGTH)
    network.half().save_pretrained(folder)


def load_weights(network: Any, folder: Path) -> None:
    """Load what :func:`save_network` wrote into a network of the same sizes, in place.

    Raises
    ------
    ~workbench.errors.UsageError
        The folder has no weights, or those of another network.
    """
    try:
        network.load_state_dict(load_file(folder / "model.safetensors"))
    except (OSError, SafetensorError, RuntimeError) as error:
        raise UsageError(
            f"{folder} holds no weights for such a network: give the folder model of an earlier training"
        ) from error
    scale_residual_stream(network, DESCRIPTOR_LENGTH)
