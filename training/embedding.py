"""Train an embedding network without labels, by SimCLR (Chen et al., ICML 2020), on photographs and frames of clips.

    python -m training.embedding training/configs/resnet18.yaml --photographs DIR --clips DIR --out build/training/resnet18

Two harmed views of one picture (or of two frames that follow each other closely) shall lie together, views of different
pictures apart. A killed run goes on from its last checkpoint when the same line is given again, and ends with the same
weights as one that was not killed. The result is a folder for ``--embed.backbone``.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from training import checkpoint, loop, pictures
from training.configuration import read_config
from training.embedding_views import CACHE_SIDE, Pairs, draw_pairs
from training.loop import finished, learning_rate
from workbench.errors import UsageError
from workbench.models.backbones import IMAGENET_MEAN, IMAGENET_STD, Backbone, headless_network, save_backbone, torchvision

COLUMNS = ("step", "seconds", "learning_rate", "train_loss", "loss", "top1", "positive_distance", "nearest_negative")


@dataclass(frozen=True)
class Config:
    """One training; the YAML file has these keys."""

    architecture: str  # a torchvision network that workbench.models.backbones.headless_network takes
    training_size: int  # px, side of the squares it is trained on
    size: int  # px, side of the squares it is used on
    typical_eps: float  # cosine distance that usually parts scenes, found after training; 0 = not known
    steps: int  # weight updates
    pairs: int  # pairs of views a step
    learning_rate: float  # of AdamW, at its highest
    warm_up: int  # steps over which the learning rate rises; then it falls along a cosine
    weight_decay: float  # of AdamW
    temperature: float  # of the loss
    head: int  # outputs of the projection head, which is thrown away after training
    photograph_share: float  # of the pairs, 0 to 1; the others are from clips
    frame_gap: int  # frames, how far apart the two frames of a clip's pair may lie
    precision: str  # bfloat16 or float32, in which it is trained; bfloat16 is the faster one for dense convolutions
    seed: int
    validate_every: int  # steps
    validation_pairs: int  # pairs of held-out photographs
    held_out_clips: list  # file names without suffix that are never trained on

    def __post_init__(self) -> None:
        if self.precision not in ("bfloat16", "float32"):
            raise UsageError(f"precision={self.precision} is neither bfloat16 nor float32: choose one of these")


@dataclass
class State:
    """What is trained. model: backbone and head, (B, 3, S, S) -> (B, head). step: updates made. seconds: time spent.

    losses: those of the steps since the last row of the curve.
    """

    model: nn.Sequential
    optimizer: torch.optim.Optimizer
    step: int = 0
    seconds: float = 0.0
    losses: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Data:
    """photographs: each (h, w, 3) uint8 RGB. clips: each (N, h, w, 3) uint8. unseen: views of held-out photographs."""

    photographs: list[np.ndarray]
    clips: list[np.ndarray]
    unseen: Pairs


def nt_xent(embeddings: torch.Tensor, group: torch.Tensor, temperature: float) -> torch.Tensor:
    """The normalised temperature-scaled cross-entropy of SimCLR, a scalar.

    embeddings: (2N, D), row i and row i + N are views of one pair. group: (N,) int; pairs of the same group (of one clip) are
    not held against each other, since they may well show the same.
    """
    count = len(group)
    unit = nn.functional.normalize(embeddings.float(), dim=1)
    similarity = unit @ unit.T / temperature
    both = torch.cat([group, group])
    partner = torch.arange(2 * count, device=group.device).roll(count)
    left_out = both[:, None] == both[None]
    left_out[torch.arange(2 * count, device=group.device), partner] = False
    return nn.functional.cross_entropy(similarity.masked_fill(left_out, -torch.inf), partner)


def to_input(images: np.ndarray, device: str) -> torch.Tensor:
    """(B, S, S, 3) uint8 RGB -> (B, 3, S, S) float32, normalised as at inference, channels last."""
    mean, std = (torch.tensor(values, device=device).view(1, 3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD))
    pixels = torch.from_numpy(images).to(device).permute(0, 3, 1, 2).float() / 255
    return ((pixels - mean) / std).contiguous(memory_format=torch.channels_last)


def build(config: Config, device: str) -> State:
    """Backbone with a two-layer projection head and their optimizer, with the seed's random weights."""
    torch.manual_seed(config.seed)
    backbone = headless_network(config.architecture)
    for module in backbone.modules():
        if isinstance(module, torchvision().ops.StochasticDepth):
            module.p = 0.0  # a training this short has nothing to gain from leaving out layers
    with torch.inference_mode():
        width = backbone(torch.zeros(1, 3, config.training_size, config.training_size)).shape[1]
    head = nn.Sequential(nn.Linear(width, 512), nn.ReLU(), nn.Linear(512, config.head))
    model = nn.Sequential(backbone, head).to(device, memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(model.parameters(), config.learning_rate, weight_decay=config.weight_decay)
    return State(model, optimizer)


def train_step(state: State, pairs: Pairs, config: Config, device: str) -> float:
    """One update of the weights; returns the loss."""
    # Dropout draws from torch's generator: seeded by the step, a resumed run draws the same.
    torch.manual_seed(config.seed * 1_000_003 + state.step)
    for group in state.optimizer.param_groups:
        group["lr"] = learning_rate(state.step, config)
    state.model.train()
    images = to_input(np.concatenate([pairs.first, pairs.second]), device)
    with torch.autocast(device, torch.bfloat16, enabled=config.precision == "bfloat16"):
        embeddings = state.model(images)
    loss = nt_xent(embeddings, torch.from_numpy(pairs.group).to(device), config.temperature)
    state.optimizer.zero_grad()
    loss.backward()
    state.optimizer.step()
    state.step += 1
    return loss.item()


def validate(model: nn.Sequential, pairs: Pairs, config: Config, device: str) -> dict[str, float]:
    """How well views of held-out photographs find each other.

    loss: NT-Xent of the head's outputs. Of the backbone's outputs: top1, share of views whose nearest is their partner;
    positive_distance and nearest_negative, mean cosine distance (0 to 2) to the partner and to the nearest other picture.
    """
    model.eval()
    features, heads = [], []
    with torch.inference_mode(), torch.autocast(device, torch.bfloat16, enabled=config.precision == "bfloat16"):
        images = np.concatenate([pairs.first, pairs.second])
        for start in range(0, len(images), 64):
            features.append(model[0](to_input(images[start : start + 64], device)).float())
            heads.append(model[1](features[-1]).float())
    count = len(pairs.group)
    loss = nt_xent(torch.cat(heads), torch.from_numpy(pairs.group).to(device), config.temperature)
    unit = nn.functional.normalize(torch.cat(features), dim=1)
    distance = (1 - unit @ unit.T).fill_diagonal_(torch.inf)
    rows = torch.arange(2 * count, device=distance.device)
    partner = rows.roll(count)
    positive = distance[rows, partner]
    negative = distance.index_put((rows, partner), torch.tensor(torch.inf, device=distance.device)).amin(dim=1)
    return {
        "loss": loss.item(),
        "top1": (positive < negative).float().mean().item(),
        "positive_distance": positive.mean().item(),
        "nearest_negative": negative.mean().item(),
    }


def read_data(config: Config, photographs: Path, clips: Path) -> Data:
    """Every picture into memory, small. Raises :class:`~workbench.errors.UsageError` when there are too few photographs."""
    pool = [pictures.read_photograph(path, CACHE_SIDE) for path in pictures.photographs(photographs)]
    wanted = round(config.pairs * config.photograph_share)
    if len(pool) < wanted:
        raise UsageError(f"{photographs} has {len(pool)} photographs to train on, a step takes {wanted}: lower pairs")
    films = [pictures.read_clip(path, CACHE_SIDE) for path in pictures.clips(clips, config.held_out_clips)]
    held_out = [pictures.read_photograph(path, CACHE_SIDE) for path in pictures.photographs(photographs, held_out_tenth=True)]
    count, rng = min(config.validation_pairs, len(held_out)), np.random.default_rng(config.seed)
    return Data(pool, films, draw_pairs(held_out, [], count, 1.0, 0, config.training_size, rng))


def train(config: Config, photographs: Path, clips: Path, out: Path, device: str = "cpu", progress: bool = True) -> None:
    """Train from the last checkpoint in ``out``, or from the start, to the end, and write the backbone's folder there.

    ``out`` gets ``checkpoint.pt``, ``curve.csv`` (a row every ``validate_every`` steps, columns :data:`COLUMNS`) and, at the
    end, ``config.json`` and ``model.safetensors`` in half precision. Raises :class:`~workbench.errors.UsageError` when
    ``out`` holds a training of another configuration, or the folders lack pictures.
    """
    state = build(config, device)
    resume(state, config, out)
    data = read_data(config, photographs, clips)
    started, saved = time.monotonic() - state.seconds, time.monotonic()
    with tqdm(total=config.steps, initial=state.step, desc=config.architecture, disable=not progress) as bar:
        while state.step < config.steps:
            rng = np.random.default_rng([config.seed, state.step])
            pairs = draw_pairs(
                data.photographs,
                data.clips,
                config.pairs,
                config.photograph_share,
                config.frame_gap,
                config.training_size,
                rng,
            )
            state.losses.append(train_step(state, pairs, config, device))
            state.seconds = time.monotonic() - started
            bar.update()
            bar.set_postfix(loss=f"{state.losses[-1]:.3f}")
            if state.step % config.validate_every == 0 or state.step == config.steps:
                add_to_curve(state, validate(state.model, data.unseen, config, device), config, out)
            if time.monotonic() - saved > loop.CHECKPOINT_SECONDS or state.step == config.steps:
                save(state, config, out)
                saved = time.monotonic()
    export(state.model[0], config, out)


def add_to_curve(state: State, figures: dict[str, float], config: Config, out: Path) -> None:
    """A row of ``curve.csv``: the mean training loss since the last one, and the validation's figures."""
    done = {"step": state.step, "seconds": state.seconds, "learning_rate": learning_rate(state.step - 1, config)}
    row = done | {"train_loss": sum(state.losses) / len(state.losses)} | figures
    checkpoint.append_row(out / "curve.csv", {name: f"{row[name]:.6g}" for name in COLUMNS})
    state.losses.clear()


def fingerprint(config: Config) -> str:
    """The settings that decide what is trained; the others are only written beside the weights and may change afterwards."""
    return repr(replace(config, size=0, typical_eps=0.0))


def save(state: State, config: Config, out: Path) -> None:
    """Write the state as ``checkpoint.pt``."""
    checkpoint.save(
        out / "checkpoint.pt",
        config=fingerprint(config),
        model=state.model.state_dict(),
        optimizer=state.optimizer.state_dict(),
        step=state.step,
        seconds=state.seconds,
        losses=state.losses,
    )


def resume(state: State, config: Config, out: Path) -> None:
    """Set the state to that of ``checkpoint.pt`` where there is one, and cut the curve back to it.

    Raises :class:`~workbench.errors.UsageError` when the checkpoint is of another configuration.
    """
    found = checkpoint.load(out / "checkpoint.pt")
    if found is None:
        checkpoint.drop_rows_after(out / "curve.csv", 0)
        return
    if found["config"] != fingerprint(config):
        raise UsageError(f"{out} holds a training with another configuration: give another --out, or delete that folder")
    state.model.load_state_dict(found["model"])
    state.optimizer.load_state_dict(found["optimizer"])
    state.step, state.seconds, state.losses = found["step"], found["seconds"], found["losses"]
    checkpoint.drop_rows_after(out / "curve.csv", state.step)


def export(network: nn.Module, config: Config, out: Path) -> None:
    """Write a backbone's folder for :func:`workbench.models.backbones.load_backbone`."""
    backbone = Backbone(network.cpu().eval(), config.size, IMAGENET_MEAN, IMAGENET_STD)
    save_backbone(out, config.architecture, backbone, config.typical_eps)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(description="Train an embedding network by SimCLR on photographs and clips.")
    parser.add_argument("config", type=Path, help="YAML file, see training/configs")
    parser.add_argument("--photographs", type=Path, required=True, help="folder of photographs")
    parser.add_argument("--clips", type=Path, required=True, help="folder of clips, each in its true order")
    parser.add_argument("--out", type=Path, required=True, help="folder for checkpoint, curve and the trained backbone")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (default 1)")
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(chosen.threads)
    cv2.setNumThreads(chosen.threads)

    def work() -> None:
        if chosen.device == "cuda" and not torch.cuda.is_available():
            raise UsageError("PyTorch finds no GPU here: leave --device out")
        train(read_config(chosen.config, Config), chosen.photographs, chosen.clips, chosen.out, chosen.device)

    return finished(work)


if __name__ == "__main__":
    sys.exit(main())
