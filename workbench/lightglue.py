"""LightGlue on features computed once, through transformers, as :mod:`workbench.superglue` does it."""

import torch

from workbench.network_matcher import NetworkMatcher, PaddedPairs
from workbench.parameters import MatchParameters
from workbench.pretrained import load_pretrained


class LightGlue(NetworkMatcher):
    """LightGlue (Lindenberger, Sarlin and Pollefeys, ICCV 2023) as a :class:`workbench.match.Matcher`.

    Matches are mutual and have a confidence above ``match_threshold``; scores are that confidence, 0 to 1. Easy pairs
    stop at an early layer, as the model's configuration says. Raises :class:`~workbench.errors.ModelError` when the
    weights cannot be loaded.
    """

    def __init__(self, parameters: MatchParameters) -> None:
        model = load_pretrained("LightGlueForKeypointMatching", parameters.model, "--match.model")
        model.filter_threshold = parameters.match_threshold  # copied from the configuration when the model is made
        # One pair at a time: transformers fails, or mixes the pairs up, when those of a batch stop at different layers.
        super().__init__(model, parameters.model, model.keypoint_detector_descriptor_dim, batch=1)

    def forward(self, pairs: PaddedPairs) -> tuple[torch.Tensor, torch.Tensor]:
        """Matches and confidences of the first frame, (1, K) each."""
        # Absolute pixels, and descriptors (.., K, D), as for SuperGlue.
        found, confidence, *_ = self.model._match_image_pair(
            pairs.keypoints, pairs.descriptors, pairs.height, pairs.width, mask=pairs.mask
        )
        # (1, 2, K) after an early stop, (2, K) without. Mutual pairs below the threshold keep their confidence there.
        matches = found.reshape(1, 2, -1)[:, 0]
        return matches, confidence.reshape(1, 2, -1)[:, 0] * (matches >= 0)
