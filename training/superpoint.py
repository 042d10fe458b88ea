"""Train a compact SuperPoint (DeTone, Malisiewicz and Rabinovich, CVPR workshop 2018) on photographs.

    python -m training.superpoint training/configs/superpoint.yaml --photographs DIR --out build/superpoint

The detector learns where the blobs of the clean photograph are (:mod:`training.superpoint_views`), the descriptors learn to
distinguish them (InfoNCE; van den Oord et al., 2018). A run that was killed continues from its last checkpoint when the same
command is given again, and ends with the same weights as an uninterrupted run. The result is a folder for
``--features.superpoint_model``.
"""

import argparse
import copy
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from training.configuration import SuperPointConfig, read_config
from training.evaluate_matchers import KEYPOINTS, SIZE, Pair, make_pairs, measure
from training.loop import optimise, run_command
from training.matcher_scenes import inside
from training.pictures import photographs
from training.superpoint_views import Batch, make_batch
from training.warps import transformed
from workbench.matching.nearest import SiftExact
from workbench.matching.superpoint import CELL, superpoint_features
from workbench.models.backbones import torchvision
from workbench.parameters import MatchParameters
from workbench.storage.hloc import Features

DETECTOR_WEIGHT = 6.0  # the detector's gradient in the encoder is an order of magnitude below that of the descriptors
VALIDATION_PAIRS = 2  # for each of the 12 conditions of training.evaluate_matchers


def new_network(config: SuperPointConfig) -> Any:
    """Create a SuperPoint of the configured sizes, with Kaiming initialisation.

    With the initialisation of transformers (normal, 0.02) the signal vanishes over ten layers without normalisation.
    """
    torchvision()
    import transformers

    torch.manual_seed(config.seed)
    network = transformers.SuperPointForKeypointDetection(
        transformers.SuperPointConfig(
            encoder_hidden_sizes=config.encoder,
            decoder_hidden_size=config.decoder,
            descriptor_decoder_dim=config.descriptor,
            keypoint_threshold=config.keypoint_threshold,
            nms_radius=config.nms_radius,
        )
    )
    for block in network.modules():
        if isinstance(block, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(block.weight)
            torch.nn.init.zeros_(block.bias)
    return network.to(memory_format=torch.channels_last)  # takes a third less time


def losses(network: Any, batch: Batch, temperature: float) -> tuple[Tensor, Tensor]:
    """Compute the losses of the detector and of the descriptors.

    Parameters
    ----------
    network : transformers.SuperPointForKeypointDetection
        The network.
    batch : Batch
        The views and their labels.
    temperature : float
        Of the InfoNCE loss.

    Returns
    -------
    detector : tensor
        Cross-entropy of the 65 probabilities of a cell, averaged over the cells that show the photograph; a scalar.
    descriptors : tensor
        InfoNCE among the shared points of all pairs, from the first view to the second and back; a scalar. Points of the same
        pair are the hard negatives.
    """
    detector, describer = network.keypoint_decoder, network.descriptor_decoder
    with torch.autocast("cpu", torch.bfloat16):
        encoded = network.encoder(batch.images.contiguous(memory_format=torch.channels_last))[0]
        logits = detector.conv_score_b(detector.relu(detector.conv_score_a(encoded)))
        described = describer.conv_descriptor_b(describer.relu(describer.conv_descriptor_a(encoded)))
    detector_loss = -(batch.labels * logits.float().log_softmax(dim=1)).sum(dim=1)[batch.visible].mean()
    unit = torch.nn.functional.normalize(described.float(), dim=1)
    taken = describer._sample_descriptors(batch.points, unit, CELL).transpose(1, 2)
    first, second = (side[batch.shared] for side in taken.chunk(2))
    similarity = first @ second.T / temperature
    same = torch.arange(len(similarity))
    both_ways = [torch.nn.functional.cross_entropy(values, same) for values in (similarity, similarity.T)]
    return detector_loss, sum(both_ways) / 2


def repeated(pair: Pair, a: Features, b: Features, radius: float) -> float:
    """Share, 0 to 1, of the keypoints of the first view inside the second that have one within ``radius`` px there."""
    there = transformed(a.keypoints, pair.homography)
    there = there[inside(there, SIZE)]
    if not len(there) or not len(b):
        return 0.0
    return float((np.linalg.norm(there[:, None] - b.keypoints[None], axis=2).min(axis=1) < radius).mean())


def validate(network: Any, pairs: list[Pair]) -> dict[str, float]:
    """Repeatability at 3 px and 1 px, and precision of mutual nearest neighbours at 3 px, on held-out pairs; 0 to 1."""
    network.eval()
    network.keypoint_decoder.max_keypoints = KEYPOINTS
    matcher = SiftExact(MatchParameters(ratio=1.0))
    shares, matches, right = [], 0, 0
    for pair in pairs:
        a, b = (superpoint_features(network, image, SIZE) for image in (pair.first, pair.second))
        shares.append([repeated(pair, a, b, radius) for radius in (3, 1)])
        measured = measure(pair, a, b, matcher.match([a], [b])[0][0])
        matches, right = matches + measured["matches"], right + measured["right"]
    network.train()
    at_3, at_1 = np.mean(shares, axis=0)
    row = {"repeatability_3px": at_3, "repeatability_1px": at_1, "precision_3px": right / max(matches, 1)}
    return {name: round(float(value), 5) for name, value in row.items()}


def train(config: SuperPointConfig, folder: Path, out: Path) -> None:
    """Train on the photographs in a folder, except the held-out tenth, and write the network to ``out``.

    Parameters
    ----------
    config : SuperPointConfig
        The settings.
    folder : Path
        The photographs.
    out : Path
        Gets ``curve.csv`` (a row every ``validate_every`` steps), ``checkpoint.pt`` and the folder ``model``.
    """
    paths = photographs(folder)
    held_out_pairs = make_pairs(photographs(folder, held_out_tenth=True), VALIDATION_PAIRS, config.seed)
    network = new_network(config).train()

    def loss_of(step: int) -> Tensor:
        # The batch depends on the seed and the step alone, so that a resumed run sees the same batches.
        rng = np.random.default_rng((config.seed, step))
        batch = make_batch(paths, config.pairs, tuple(config.size), config.points, rng)
        detector, descriptors = losses(network, batch, config.temperature)
        return DETECTOR_WEIGHT * detector + descriptors

    optimise(network, config, out, loss_of, lambda: validate(network, held_out_pairs), 5.0, "superpoint")
    save_network(network, out / "model")


def save_network(network: Any, folder: Path) -> None:
    """Write the network as the workbench loads it: in float16, with ``config.json``."""
    copy.deepcopy(network).eval().to(memory_format=torch.contiguous_format).half().save_pretrained(folder)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line at the top of this file and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path)
    parser.add_argument("--photographs", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    given = parser.parse_args(arguments)
    torch.set_num_threads(given.threads)
    cv2.setNumThreads(given.threads)
    return run_command(lambda: train(read_config(given.config, SuperPointConfig), given.photographs, given.out))


if __name__ == "__main__":
    sys.exit(main())
