"""Open learned keypoints, by kornia's networks: ALIKED, DISK and XFeat."""

from typing import Any

import numpy as np
import torch

from workbench.matching.base import as_features, checked_image
from workbench.matching.sift import spread_out
from workbench.models.open_weights import give_weights, kornia_feature, read_open_weights
from workbench.models.pretrained import network_device
from workbench.parameters import FeatureParameters
from workbench.storage.hloc import Features

NMS_RADIUS = 2  # px: that of all three networks, unless another one is asked for


class OpenDetector:
    """A network of kornia as a :class:`~workbench.matching.base.Detector`. A subclass makes it and calls it.

    Parameters
    ----------
    parameters : FeatureParameters
        Of these, ``max_keypoints`` and ``nms_radius``, of which 0 leaves the network's own.

    Raises
    ------
    ModelError
        When kornia is not installed, or the weights cannot be loaded.
    """

    threads = 1  # PyTorch brings its own

    def __init__(self, parameters: FeatureParameters) -> None:
        self.max_keypoints, self.nms_radius = parameters.max_keypoints, parameters.nms_radius
        self.device = network_device()
        self.network = self._load(parameters).eval().to(self.device)

    def _load(self, parameters: FeatureParameters) -> torch.nn.Module:
        """Make the network with its weights; see the subclasses."""
        raise NotImplementedError

    def _find(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Find keypoints in a (1, 3, h, w) image, 0 to 1: (K, 2) x and y, px; (K,) scores; (K, D) descriptors."""
        raise NotImplementedError

    @torch.inference_mode()
    def __call__(self, image: np.ndarray, original_size: tuple[int, int]) -> Features:
        """Find the features of one frame; see :class:`~workbench.matching.base.Detector`."""
        pixels = torch.from_numpy(checked_image(image).astype(np.float32) / 255).permute(2, 0, 1)[None].to(self.device)
        points, scores, descriptors = (found.float().cpu().numpy() for found in self._find(pixels))
        strongest = np.lexsort((points[:, 0], points[:, 1], -scores))[: self.max_keypoints]
        points = points[strongest].astype(np.float64)
        return as_features(points, scores[strongest], descriptors[strongest], image, original_size)


class Aliked(OpenDetector):
    """ALIKED's keypoints and descriptors of 128 numbers, by its network of 16 deformable positions.

    Notes
    -----
    Zhao, Wu, Chen, Chen, Xu and Li, "ALIKED: a lighter keypoint and descriptor extraction network via deformable
    transformation", IEEE TIM 2023.
    """

    def _load(self, parameters: FeatureParameters) -> torch.nn.Module:
        """Make the network with its weights."""
        # Without a threshold the strongest keypoints are taken, however weak they are in a dark frame.
        options = {"max_num_keypoints": parameters.max_keypoints, "detection_threshold": 0.0}
        network: torch.nn.Module = kornia_feature().ALIKED("aliked-n16", nms_radius=self.nms_radius or NMS_RADIUS, **options)
        give_weights(network, read_open_weights("aliked-n16"), "aliked-n16")
        return network

    def _find(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Find keypoints in an image."""
        found = self.network(pixels)[0]
        return found.keypoints, found.keypoint_scores, found.descriptors


class Disk(OpenDetector):
    """DISK's keypoints and descriptors of 128 numbers, trained with depth; scores are the network's logits.

    Notes
    -----
    Tyszkiewicz, Fua and Trulls, "DISK: learning local features with policy gradient", NeurIPS 2020.
    """

    def _load(self, parameters: FeatureParameters) -> torch.nn.Module:
        """Make the network with its weights."""
        network: torch.nn.Module = kornia_feature().DISK()
        give_weights(network, read_open_weights("disk-depth")["extractor"], "disk-depth")
        return network

    def _find(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Find keypoints in an image."""
        window = 2 * (self.nms_radius or NMS_RADIUS) + 1
        found = self.network(pixels, n=self.max_keypoints, window_size=window, pad_if_not_divisible=True)[0]
        return found.keypoints, found.detection_scores, found.descriptors


class XFeat(OpenDetector):
    """XFeat's keypoints and descriptors of 64 numbers.

    Notes
    -----
    Potje, Cadar, Araujo, Martins and Nascimento, "XFeat: accelerated features for lightweight image matching", CVPR 2024.
    """

    def _load(self, parameters: FeatureParameters) -> torch.nn.Module:
        """Make the network with its weights."""
        network: Any = kornia_feature().XFeat()
        give_weights(network.net, read_open_weights("xfeat"), "xfeat")
        found: torch.nn.Module = network
        return found

    def _find(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Find keypoints in an image."""
        network: Any = self.network
        # The network works on sides that 32 divides, and gives whole pixels of that image times the ratio of the sides.
        found = network.detectAndCompute(pixels, top_k=self.max_keypoints)[0]
        sides = torch.tensor(pixels.shape[:1:-1], dtype=torch.float32, device=pixels.device)
        ratio = sides / (sides // 32 * 32).clamp(min=32)
        points, scores, descriptors = found["keypoints"] + (ratio - 1) / 2, found["scores"], found["descriptors"]
        if self.nms_radius:
            apart = torch.from_numpy(spread_out(points.double().cpu().numpy(), self.nms_radius)).to(points.device)
            points, scores, descriptors = points[apart], scores[apart], descriptors[apart]
        return points, scores, descriptors
