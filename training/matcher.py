"""Train SuperGlue (Sarlin et al., CVPR 2020) on SIFT keypoints with RootSIFT descriptors.

    python -m training.matcher_files training/configs/superglue-sift.yaml --photographs DIR --clips DIR --out build/scenes
    python -m training.matcher training/configs/superglue-sift.yaml --scenes build/scenes --out build/superglue-sift

A run that was killed continues from its last checkpoint when the same command is given again, and ends with the same weights
as an uninterrupted run. The result is a folder for ``--match.model``. With ``--start FOLDER`` it begins with the weights of
such a folder: a further stage, on other scenes.
"""

import argparse
import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from training.configuration import MatcherConfig, read_config
from training.loop import optimise, run_command
from training.matcher_batches import Batch, make_batch
from training.matcher_network import load_weights, log_assignment, negative_log_likelihood, new_network, quality, save_network
from workbench.errors import UsageError

VALIDATION_BATCHES, VALIDATION_PAIRS, VALIDATION_KEYPOINTS = 8, 16, 256
VALIDATION_THRESHOLD = 0.2  # minimum confidence of the matches that precision and recall in the curve count


def step_batch(paths: list[Path], step: int, config: MatcherConfig) -> Batch:
    """Draw the batch of a step. It depends on the seed and the step alone, so that a resumed run sees the same batches."""
    rng = np.random.default_rng((config.seed, step))
    keypoints = int(np.exp(rng.uniform(*np.log(config.keypoints))))
    return make_batch(paths, max(2, config.tokens // keypoints), keypoints, rng, config.strangers)


def validate(network: Any, batches: list[Batch]) -> dict[str, float]:
    """Loss, precision and recall of the network on batches of held-out scenes, with 20 Sinkhorn iterations."""
    network.eval()
    rows = []
    with torch.inference_mode():
        for batch in batches:
            found = log_assignment(network, batch, 20)
            measured = quality(found, batch.targets, VALIDATION_THRESHOLD)
            rows.append([negative_log_likelihood(found, batch.targets).item(), measured.precision, measured.recall])
    network.train()
    return {name: round(value, 5) for name, value in zip(("loss", "precision", "recall"), np.mean(rows, axis=0), strict=True)}


def train(config: MatcherConfig, scenes: Path, out: Path, device: str = "cpu", start: Path | None = None) -> None:
    """Train from the scenes that ``training.matcher_files`` wrote, and write the network to ``out``.

    Parameters
    ----------
    config : MatcherConfig
        The settings.
    scenes : Path
        Folder with the folders ``train`` and ``validation``.
    out : Path
        Gets ``curve.csv`` (a row every ``validate_every`` steps), ``checkpoint.pt`` and the folder ``model``.
    device : str
        PyTorch device.
    start : Path or None
        Folder of a trained network to begin with; None begins as a mutual nearest neighbour matcher.

    Raises
    ------
    ~workbench.errors.UsageError
        There are no scenes, or ``start`` holds no such network.
    """
    paths, held_out = (sorted((scenes / side).glob("*.npz")) for side in ("train", "validation"))
    if not paths or not held_out:
        raise UsageError(f"{scenes} lacks scenes in train or validation: run training.matcher_files first")
    network = new_network(config.layers, config.heads, config.encoder, config.seed)
    if start:
        load_weights(network, start)
    network.to(device).train()
    rng = np.random.default_rng(config.seed)
    held_out_batches = [
        _to(make_batch(held_out, VALIDATION_PAIRS, VALIDATION_KEYPOINTS, rng), device) for _ in range(VALIDATION_BATCHES)
    ]

    def loss_of(step: int) -> torch.Tensor:
        batch = _to(step_batch(paths, step, config), device)
        return negative_log_likelihood(log_assignment(network, batch, config.sinkhorn_iterations), batch.targets)

    optimise(network, config, out, loss_of, lambda: validate(network, held_out_batches), 1.0, "superglue")
    save_network(network.cpu(), out / "model")


def _to(batch: Batch, device: str) -> Batch:
    return replace(batch, **{field.name: getattr(batch, field.name).to(device) for field in fields(batch)})


def main(arguments: list[str] | None = None) -> int:
    """Run the command line at the top of this file and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path)
    parser.add_argument("--scenes", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--start", type=Path, help="folder of a trained network to begin with")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    given = parser.parse_args(arguments)
    torch.set_num_threads(given.threads)
    return run_command(
        lambda: train(read_config(given.config, MatcherConfig), given.scenes, given.out, given.device, given.start)
    )


if __name__ == "__main__":
    sys.exit(main())
