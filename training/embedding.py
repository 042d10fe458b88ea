"""Train an embedding network without labels, by SimCLR (Chen et al., ICML 2020), on photographs and frames of clips.

    python -m training.embedding training/configs/resnet18.yaml --photographs DIR --clips DIR --out build/training/resnet18

The network learns to map two augmented views of one picture (or of two frames close in time) to nearby vectors, and views of
different pictures to distant ones. A run that was killed continues from its last checkpoint when the same command is given
again, and ends with the same weights as an uninterrupted run. The result is a folder for ``--embed.backbone``.
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
from training.loop import learning_rate, run_command
from workbench.errors import UsageError
from workbench.models.backbones import IMAGENET_MEAN, IMAGENET_STD, Backbone, headless_network, save_backbone, torchvision

COLUMNS = ("step", "seconds", "learning_rate", "train_loss", "loss", "top1", "positive_distance", "nearest_negative")


@dataclass(frozen=True)
class Config:
    """Settings of an embedding training; the YAML file has these keys."""

    architecture: str  # name of a torchvision network that workbench.models.backbones.headless_network supports
    training_size: int  # px, side of the square inputs in training
    size: int  # px, side of the square inputs when the network is used
    typical_eps: float  # cosine distance, 0 to 2, that usually separates scenes; found after training, 0 before
    steps: int  # weight updates
    pairs: int  # pairs of views per step
    learning_rate: float  # peak learning rate of AdamW
    warm_up: int  # steps of linear warm-up of the learning rate; a cosine decay follows
    weight_decay: float  # weight decay of AdamW
    temperature: float  # temperature of the NT-Xent loss
    head: int  # outputs of the projection head, which is discarded after training
    photograph_share: float  # share of the pairs made from photographs, 0 to 1; the others are made from clips
    frame_gap: int  # maximum distance in frames between the two frames of a pair from a clip
    precision: str  # bfloat16 or float32, used in training; bfloat16 is faster for dense convolutions
    seed: int
    validate_every: int  # steps between two rows of the curve
    validation_pairs: int  # pairs of held-out photographs
    held_out_clips: list  # file names, without suffix, of the clips kept out of training

    def __post_init__(self) -> None:
        if self.precision not in ("bfloat16", "float32"):
            raise UsageError(f"precision={self.precision} is neither bfloat16 nor float32: choose one of these")


@dataclass
class State:
    """The state of a training."""

    model: nn.Sequential  # backbone and projection head, (B, 3, S, S) -> (B, head)
    optimizer: torch.optim.Optimizer
    step: int = 0  # updates made so far
    seconds: float = 0.0  # time spent so far
    losses: list[float] = field(default_factory=list)  # of the steps since the last row of the curve


@dataclass(frozen=True)
class Data:
    """What a network is trained and validated on."""

    photographs: list[np.ndarray]  # each (h, w, 3) uint8 RGB
    clips: list[np.ndarray]  # each (N, h, w, 3) uint8 RGB
    unseen: Pairs  # views of held-out photographs


def nt_xent(embeddings: torch.Tensor, group: torch.Tensor, temperature: float) -> torch.Tensor:
    """The normalised temperature-scaled cross-entropy (NT-Xent) of SimCLR, a scalar.

    Parameters
    ----------
    embeddings : (2N, D) tensor
        Rows i and i + N are the two views of a pair.
    group : (N,) int tensor
        Pairs of the same group (those of one clip) are not used as negatives of each other, since they may show the same.
    temperature : float
        Divisor of the cosine similarities.

    Notes
    -----
    Chen et al., A Simple Framework for Contrastive Learning of Visual Representations, ICML 2020, equation 1.
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
    """Convert (B, S, S, 3) uint8 RGB to (B, 3, S, S) float32, normalised as at inference, in channels-last memory format."""
    mean, std = (torch.tensor(values, device=device).view(1, 3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD))
    pixels = torch.from_numpy(images).to(device).permute(0, 3, 1, 2).float() / 255
    return ((pixels - mean) / std).contiguous(memory_format=torch.channels_last)


def build(config: Config, device: str) -> State:
    """Create the backbone, a two-layer projection head and their optimizer; the seed decides the random weights."""
    torch.manual_seed(config.seed)
    backbone = headless_network(config.architecture)
    for module in backbone.modules():
        if isinstance(module, torchvision().ops.StochasticDepth):
            module.p = 0.0  # dropping layers at random gains nothing in a training as short as this
    with torch.inference_mode():
        width = backbone(torch.zeros(1, 3, config.training_size, config.training_size)).shape[1]
    head = nn.Sequential(nn.Linear(width, 512), nn.ReLU(), nn.Linear(512, config.head))
    model = nn.Sequential(backbone, head).to(device, memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(model.parameters(), config.learning_rate, weight_decay=config.weight_decay)
    return State(model, optimizer)


def train_step(state: State, pairs: Pairs, config: Config, device: str) -> float:
    """Update the weights once and return the loss."""
    # Dropout draws from torch's generator: seeding it by the step lets a resumed run draw the same values.
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
    """Measure how well the two views of held-out photographs find each other.

    Returns
    -------
    dict
        ``loss``: NT-Xent of the outputs of the head. From the outputs of the backbone: ``top1``, the share of views whose
        nearest view is their partner, 0 to 1; ``positive_distance`` and ``nearest_negative``, the mean cosine distance, 0 to
        2, to the partner and to the nearest view of another picture.
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
    """Read all pictures into memory, shrunk to :data:`~training.embedding_views.CACHE_SIDE` px.

    Raises
    ------
    ~workbench.errors.UsageError
        A folder has no pictures, or fewer photographs than a step needs.
    """
    pool = [pictures.read_photograph(path, CACHE_SIDE) for path in pictures.photographs(photographs)]
    wanted = round(config.pairs * config.photograph_share)
    if len(pool) < wanted:
        raise UsageError(f"{photographs} has {len(pool)} photographs to train on, a step needs {wanted}: lower pairs")
    films = [pictures.read_clip(path, CACHE_SIDE) for path in pictures.clips(clips, config.held_out_clips)]
    held_out = [pictures.read_photograph(path, CACHE_SIDE) for path in pictures.photographs(photographs, held_out_tenth=True)]
    count, rng = min(config.validation_pairs, len(held_out)), np.random.default_rng(config.seed)
    return Data(pool, films, draw_pairs(held_out, [], count, 1.0, 0, config.training_size, rng))


def train(config: Config, photographs: Path, clips: Path, out: Path, device: str = "cpu", progress: bool = True) -> None:
    """Train from the last checkpoint in ``out``, or from the start, to the end, and write the backbone's folder there.

    Parameters
    ----------
    config : Config
        The settings.
    photographs, clips : Path
        Folders of pictures and of videos.
    out : Path
        Gets ``checkpoint.pt``, ``curve.csv`` (a row every ``validate_every`` steps, columns :data:`COLUMNS`) and, at the end,
        ``config.json`` and ``model.safetensors`` in half precision.
    device : str
        ``cpu`` or ``cuda``.
    progress : bool
        Whether to show a progress bar.

    Raises
    ------
    ~workbench.errors.UsageError
        ``out`` holds a training of another configuration, or a folder has too few pictures.
    """
    state = build(config, device)
    resume(state, config, out)
    data = read_data(config, photographs, clips)
    started, saved = time.monotonic() - state.seconds, time.monotonic()
    with tqdm(total=config.steps, initial=state.step, desc=config.architecture, disable=not progress) as bar:
        while state.step < config.steps:
            rng = np.random.default_rng([config.seed, state.step])
            shares = config.pairs, config.photograph_share, config.frame_gap, config.training_size
            pairs = draw_pairs(data.photographs, data.clips, *shares, rng)
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
    """Add a row to ``curve.csv``: the mean training loss since the last row, and the figures of the validation."""
    done = {"step": state.step, "seconds": state.seconds, "learning_rate": learning_rate(state.step - 1, config)}
    row = done | {"train_loss": sum(state.losses) / len(state.losses)} | figures
    checkpoint.append_row(out / "curve.csv", {name: f"{row[name]:.6g}" for name in COLUMNS})
    state.losses.clear()


def fingerprint(config: Config) -> str:
    """The settings that decide the weights; the others are only written beside them and may change after the training."""
    return repr(replace(config, size=0, typical_eps=0.0))


def save(state: State, config: Config, out: Path) -> None:
    """Write the state to ``checkpoint.pt``."""
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
    """Restore the state from ``checkpoint.pt`` if it exists, and remove later rows from the curve.

    Raises
    ------
    ~workbench.errors.UsageError
        The checkpoint belongs to another configuration.
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
    """Write the folder of a backbone for :func:`~workbench.models.backbones.load_backbone`."""
    backbone = Backbone(network.cpu().eval(), config.size, IMAGENET_MEAN, IMAGENET_STD)
    save_backbone(out, config.architecture, backbone, config.typical_eps)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status."""
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

    return run_command(work)


if __name__ == "__main__":
    sys.exit(main())
