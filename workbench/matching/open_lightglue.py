"""LightGlue for open keypoints, by kornia's network: for ALIKED and DISK, and LighterGlue for XFeat."""

import re

import numpy as np
import torch

from workbench.matching.base import Matches, NetworkMatcher, as_matches
from workbench.models.open_weights import give_weights, kornia_feature, read_open_weights
from workbench.models.pretrained import network_device
from workbench.parameters import MatchParameters
from workbench.storage.hloc import Features

LIGHTERGLUE = "xfeat-lighterglue"
# The sizes that differ from those of kornia's LightGlue, by the name of the weights. No keypoints are left out on the way: that
# pays from 1,000 keypoints on.
_SIZES = {
    "aliked-lightglue": {"input_dim": 128},
    "disk-lightglue": {"input_dim": 128},
    LIGHTERGLUE: {"input_dim": 64, "descriptor_dim": 96, "n_layers": 6, "num_heads": 1, "depth_confidence": -1},
}


class OpenLightGlue(NetworkMatcher):
    """LightGlue for open keypoints as a :class:`~workbench.matching.base.Matcher`.

    Matches are mutual and have a confidence above ``match_threshold``; scores are that confidence, 0 to 1. Easy pairs stop at
    an early layer.

    Parameters
    ----------
    parameters : MatchParameters
        Of these, ``model`` and ``match_threshold``.
    model : str, optional
        Name of the weights, in place of ``parameters.model``.

    Raises
    ------
    ModelError
        When kornia is not installed, or the weights cannot be loaded.

    Notes
    -----
    Lindenberger, Sarlin and Pollefeys, "LightGlue: local feature matching at light speed", ICCV 2023.
    """

    def __init__(self, parameters: MatchParameters, model: str = "") -> None:
        self.name, self.device = model or parameters.model, network_device()
        sizes = _SIZES[self.name]
        self.network = kornia_feature().LightGlue(None, width_confidence=-1, **sizes)
        weights = read_open_weights(self.name).items()
        # LighterGlue's file holds the XFeat that it was trained with, too.
        learned = {_present_name(name): tensor for name, tensor in weights if not name.startswith("extractor.")}
        give_weights(self.network, learned, self.name)
        self.network.eval().to(self.device)
        super().__init__(parameters, sizes["input_dim"])

    @torch.inference_mode()
    def forward(self, a: Features, b: Features) -> Matches:
        """Match one pair.

        Parameters
        ----------
        a, b : Features
            Two frames, both with keypoints.

        Returns
        -------
        Matches
            Mutual matches and their confidences.
        """
        self.network.conf.filter_threshold = self.parameters.match_threshold
        found = self.network({f"image{side}": self._as_tensors(features) for side, features in enumerate((a, b))})
        matches = found["matches0"][0].cpu().numpy()
        chosen = np.flatnonzero(matches >= 0)
        return as_matches(a, chosen, matches[chosen], found["matching_scores0"][0].float().cpu().numpy()[chosen])

    def _as_tensors(self, features: Features) -> dict[str, torch.Tensor]:
        arrays = {
            "keypoints": features.keypoints.astype(np.float32),
            "descriptors": np.ascontiguousarray(features.descriptors.T, dtype=np.float32),
            "image_size": np.asarray(features.image_size, dtype=np.float32),
        }
        return {name: torch.from_numpy(array)[None].to(self.device) for name, array in arrays.items()}


class LighterGlue(OpenLightGlue):
    """LighterGlue, the small LightGlue for XFeat's keypoints.

    Parameters
    ----------
    parameters : MatchParameters
        Of these, ``match_threshold``.

    Notes
    -----
    Potje, Cadar, Araujo, Martins and Nascimento, "XFeat: accelerated features for lightweight image matching", CVPR 2024.
    """

    def __init__(self, parameters: MatchParameters) -> None:
        super().__init__(parameters, LIGHTERGLUE)


def _present_name(name: str) -> str:
    """The name that a weight has in kornia's network."""
    return re.sub(r"^(self_attn|cross_attn)\.(\d+)", r"transformers.\2.\1", name.removeprefix("matcher."))
