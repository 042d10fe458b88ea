"""LightGlue on features computed once: transformers' ``_match_image_pair`` takes keypoints as they are in ``features.h5``."""

import numpy as np
import torch

from workbench.matching.base import Matcher, Matches, NetworkMatcher
from workbench.matching.open_lightglue import OpenLightGlue
from workbench.models.open_weights import OPEN_WEIGHTS
from workbench.models.pretrained import load_pretrained, network_device
from workbench.parameters import MatchParameters
from workbench.storage.hloc import Features


def make_lightglue(parameters: MatchParameters) -> Matcher:
    """Make the LightGlue of these parameters, by kornia for open keypoints and by transformers for all others.

    Parameters
    ----------
    parameters : MatchParameters
        Of these, ``model`` and ``match_threshold``.

    Returns
    -------
    Matcher
        What matches pairs of frames.

    Raises
    ------
    ModelError
        When the weights cannot be loaded.
    """
    return OpenLightGlue(parameters) if parameters.model in OPEN_WEIGHTS else LightGlue(parameters)


class LightGlue(NetworkMatcher):
    """LightGlue of transformers as a :class:`~workbench.matching.base.Matcher`.

    Matches are mutual and have a confidence above ``match_threshold``; scores are that confidence, 0 to 1. Easy pairs stop
    at an early layer, as the model's configuration says.

    Parameters
    ----------
    parameters : MatchParameters
        Of these, ``model`` and ``match_threshold``.
    device : str, optional
        PyTorch's name of a device; default a GPU if there is one. Confidences on a GPU differ by rounding.

    Raises
    ------
    ModelError
        When the weights cannot be loaded.

    Notes
    -----
    Lindenberger, Sarlin and Pollefeys, "LightGlue: local feature matching at light speed", ICCV 2023.
    """

    takes_any_sizes = False  # transformers normalises the keypoints of both by one size

    def __init__(self, parameters: MatchParameters, device: str | None = None) -> None:
        model = load_pretrained("LightGlueForKeypointMatching", parameters.model, "--match.model")
        self.model = model.to(device or network_device())
        super().__init__(parameters, self.model.keypoint_detector_descriptor_dim)

    @torch.inference_mode()
    def forward(self, a: Features, b: Features) -> Matches:
        """Match one pair.

        Parameters
        ----------
        a, b : Features
            Two frames of one size, both with keypoints.

        Returns
        -------
        Matches
            Mutual matches and their confidences.
        """
        self.model.filter_threshold = self.parameters.match_threshold  # copied from the configuration when the model is made
        keypoints = max(len(a), len(b))
        width, height = (int(side) for side in a.image_size)
        # One pair at a time: transformers fails, or mixes the pairs up, when those of a batch stop at different layers.
        # Absolute pixels: the method normalises by width and height itself. Descriptors are (1, 2, K, D), whatever its
        # docstring says.
        points, descriptors, mask = (torch.zeros(1, 2, keypoints, *rest) for rest in ((2,), (self.length,), ()))
        for side, features in enumerate((a, b)):
            count = len(features)
            points[0, side, :count] = torch.from_numpy(features.keypoints)
            descriptors[0, side, :count] = torch.from_numpy(features.descriptors.T.astype(np.float32))
            mask[0, side, :count] = 1
        points, descriptors, mask = (tensor.to(self.model.device) for tensor in (points, descriptors, mask.int()))
        found, confidence, *_ = self.model._match_image_pair(points, descriptors, height, width, mask=mask)
        # (1, 2, K) after an early stop, (2, K) without. Mutual pairs below the threshold keep their confidence there.
        matches = found.reshape(2, -1)[0, : len(a)]
        scores = confidence.reshape(2, -1)[0, : len(a)] * (matches >= 0)
        return matches.cpu().numpy().astype(np.int32), scores.cpu().numpy()
