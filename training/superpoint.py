"""Train a compact SuperPoint (DeTone, Malisiewicz and Rabinovich, CVPR workshop 2018) on photographs.

    python -m training.superpoint training/configs/superpoint.yaml --photographs DIR --out build/superpoint

The detector learns where the blobs of the clean photograph are (:mod:`training.superpoint_views`), the descriptors tell them
apart (InfoNCE, van den Oord et al., 2018). A killed run goes on from its last checkpoint when the same line is given again,
and ends with the same weights as one that was not killed. The result is a folder for ``--features.superpoint_model``.
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
from training.loop import finished, optimise
from training.matcher_scenes import inside
from training.pictures import photographs
from training.superpoint_views import Batch, make_batch
from training.warps import transformed
from workbench.matching.nearest import SiftExact
from workbench.matching.superpoint import CELL, superpoint_features
from workbench.models.backbones import torchvision
from workbench.storage.hloc import Features

DETECTOR_WEIGHT = 6.0  # its gradient in the encoder is an order of magnitude below the descriptors', which would drown it
VALIDATION_PAIRS = 2  # for each of the 12 conditions of training.evaluate_matchers


def new_network(config: SuperPointConfig) -> Any:
    """Transformers' SuperPointForKeypointDetection of these sizes, with weights that keep the strength of the signal.

    transformers' own start (normal, 0.02) dies out over ten layers without normalisation.
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
    return network.to(memory_format=torch.channels_last)  # a third quicker


def losses(network: Any, batch: Batch, temperature: float) -> tuple[Tensor, Tensor]:
    """Of the detector and of the descriptors, scalars.

    Detector: cross-entropy of the 65 probabilities of a cell, mean over cells that show the photograph. Descriptors: InfoNCE
    among the shared points of all pairs, from the first view to the second and back; those of the same pair are the hard ones.
    """
    detector, describer = network.keypoint_decoder, network.descriptor_decoder
    with torch.autocast("cpu", torch.bfloat16):
        encoded = network.encoder(batch.images.contiguous(memory_format=torch.channels_last))[0]
        logits = detector.conv_score_b(detector.relu(detector.conv_score_a(encoded)))
        described = describer.conv_descriptor_b(describer.relu(describer.conv_descriptor_a(encoded)))
    crossed = -(batch.labels * logits.float().log_softmax(dim=1)).sum(dim=1)[batch.known].mean()
    unit = torch.nn.functional.normalize(described.float(), dim=1)
    taken = describer._sample_descriptors(batch.points, unit, CELL).transpose(1, 2)
    first, second = (side[batch.shared] for side in taken.chunk(2))
    similarity = first @ second.T / temperature
    same = torch.arange(len(similarity))
    told = [torch.nn.functional.cross_entropy(values, same) for values in (similarity, similarity.T)]
    return crossed, sum(told) / 2


def repeated(pair: Pair, a: Features, b: Features, radius: float) -> float:
    """Share of the keypoints of the first view, seen in the second, that have one within ``radius`` px there; 0 to 1."""
    there = transformed(a.keypoints, pair.homography)
    there = there[inside(there, SIZE)]
    if not len(there) or not len(b):
        return 0.0
    return float((np.linalg.norm(there[:, None] - b.keypoints[None], axis=2).min(axis=1) < radius).mean())


def validate(network: Any, pairs: list[Pair]) -> dict[str, float]:
    """Repeatability at 3 and at 1 px, and precision of the mutual nearest neighbours at 3 px, 0 to 1, on held-out pairs."""
    network.eval()
    network.keypoint_decoder.max_keypoints = KEYPOINTS
    matcher = SiftExact(1.0)
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
    """Train on the photographs in a folder, all but the tenth kept out, and write the network to ``out``.

    ``out`` gets curve.csv (a row every ``validate_every`` steps), checkpoint.pt and the folder ``model``.
    """
    paths = photographs(folder)
    held_out_pairs = make_pairs(photographs(folder, held_out_tenth=True), VALIDATION_PAIRS, config.seed)
    network = new_network(config).train()

    def loss_of(step: int) -> Tensor:
        # The batch depends on the seed and the step alone: a resumed run sees what it would have seen.
        rng = np.random.default_rng((config.seed, step))
        batch = make_batch(paths, config.pairs, tuple(config.size), config.points, rng)
        found, told_apart = losses(network, batch, config.temperature)
        return DETECTOR_WEIGHT * found + told_apart

    optimise(network, config, out, loss_of, lambda: validate(network, held_out_pairs), 5.0, "superpoint")
    save_network(network, out / "model")


def save_network(network: Any, folder: Path) -> None:
    """Write the network as the workbench loads it: float16, config.json beside it."""
    copy.deepcopy(network).eval().to(memory_format=torch.contiguous_format).half().save_pretrained(folder)


def main(arguments: list[str] | None = None) -> int:
    """The command line at the top of this file; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path)
    parser.add_argument("--photographs", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    given = parser.parse_args(arguments)
    torch.set_num_threads(given.threads)
    cv2.setNumThreads(given.threads)
    return finished(lambda: train(read_config(given.config, SuperPointConfig), given.photographs, given.out))


if __name__ == "__main__":
    sys.exit(main())
