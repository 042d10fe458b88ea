"""SuperGlue on features computed once.

transformers' public ``forward`` takes pairs of images and finds the keypoints of both again for every pair. Its
``_match_image_pair`` takes keypoints as they are in ``features.h5``; the tests hold it against the public
``forward``, and pyproject.toml keeps the range of transformers narrow.
"""

from typing import Any

import torch
from torch import nn

from workbench.network_matcher import NetworkMatcher, PaddedPairs
from workbench.parameters import MatchParameters
from workbench.pretrained import load_pretrained


class SuperGlue(NetworkMatcher):
    """SuperGlue (Sarlin, DeTone, Malisiewicz and Rabinovich, CVPR 2020) as a :class:`workbench.match.Matcher`.

    Matches are mutual and have a confidence above ``match_threshold``; scores are that confidence, 0 to 1. Raises
    :class:`~workbench.errors.ModelError` when the weights cannot be loaded.
    """

    def __init__(self, parameters: MatchParameters) -> None:
        model = load_pretrained("SuperGlueForKeypointMatching", parameters.model, "--match.model")
        # Both are read from the configuration at every call.
        model.config.sinkhorn_iterations = parameters.sinkhorn_iterations
        model.config.matching_threshold = parameters.match_threshold
        speed_up(model)
        super().__init__(model, parameters.model, model.config.hidden_size, batch=4)

    def forward(self, pairs: PaddedPairs) -> tuple[torch.Tensor, torch.Tensor]:
        """Matches and confidences of the first frames, (B, K) each."""
        # Absolute pixels: the method normalises by width and height itself. Descriptors are (.., K, D), whatever
        # its docstring says.
        matches, confidence, *_ = self.model._match_image_pair(
            pairs.keypoints, pairs.descriptors, pairs.scores, pairs.height, pairs.width, mask=pairs.mask
        )
        return matches[:, 0], confidence[:, 0]


class FusedAttention(nn.Module):
    """transformers' attention of SuperGlue by PyTorch's fused kernel: the same numbers but for rounding, in half the time."""

    def __init__(self, written_out: Any) -> None:
        super().__init__()
        self.query, self.key, self.value = written_out.query, written_out.key, written_out.value
        self.heads = written_out.num_attention_heads

    def forward(
        self,
        hidden_states: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        encoder_hidden_states: torch.Tensor | None = None,
        encoder_attention_mask: torch.Tensor | None = None,
        output_attentions: bool = False,
    ) -> tuple[torch.Tensor]:
        """(B, K, D) to (B, K, D); over the keypoints of the other frame where those are given. The weights are not kept."""
        across = encoder_hidden_states is not None
        looked_at, mask = (encoder_hidden_states, encoder_attention_mask) if across else (hidden_states, attention_mask)
        parts = self.query(hidden_states), self.key(looked_at), self.value(looked_at)
        query, key, value = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in parts)
        mixed = nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        return (mixed.transpose(1, 2).flatten(2),)


def speed_up(model: Any) -> None:
    """Make a SuperGlue in evaluation mode quicker, in place; its answers change by rounding only.

    Attention is fused, and batch normalisation, which is a fixed scale and shift by now, goes into the layer before it.
    """
    for layer in model.gnn.layers:
        layer.attention.self = FusedAttention(layer.attention.self)
    for block in [*model.keypoint_encoder.encoder, *(block for layer in model.gnn.layers for block in layer.mlp)]:
        if hasattr(block, "batch_norm"):
            block.linear = nn.utils.fuse_linear_bn_eval(block.linear, block.batch_norm)
            block.batch_norm = nn.Identity()
