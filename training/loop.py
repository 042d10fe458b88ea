"""What the trainings share: the learning rate, a command line that ends in one line, and, for the keypoint networks,
the steps with their curve and checkpoints.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from tqdm import tqdm

from training import checkpoint
from workbench.errors import WorkbenchError

CHECKPOINT_SECONDS = 120


class Schedule(Protocol):
    """The settings that the loop reads; :class:`training.configuration.MatcherConfig` explains them."""

    steps: int
    learning_rate: float
    warm_up: int
    weight_decay: float
    validate_every: int


def learning_rate(step: int, config: Schedule) -> float:
    """Linear warm-up, then a cosine down to zero at the last step."""
    if step < config.warm_up:
        return config.learning_rate * (step + 1) / config.warm_up
    share = (step - config.warm_up) / max(1, config.steps - config.warm_up)
    return config.learning_rate * (1 + float(np.cos(np.pi * share))) / 2


def optimise(
    network: torch.nn.Module,
    config: Schedule,
    out: Path,
    loss_of: Callable[[int], torch.Tensor],
    validate: Callable[[], dict[str, float]],
    longest_gradient: float,
    name: str,
) -> None:
    """Train ``network`` in place by AdamW, from the last checkpoint in ``out`` or from the start.

    loss_of: the loss of step 0, 1, ..., which depends on the seed and the step alone, so that a resumed run ends with the same
    weights. validate: figures for ``out/curve.csv``, a row every ``validate_every`` steps. longest_gradient: greatest norm.
    """
    optimizer = torch.optim.AdamW(network.parameters(), weight_decay=config.weight_decay)
    first, seconds, losses = 0, 0.0, []
    state = checkpoint.load(out / "checkpoint.pt")
    if state:
        network.load_state_dict(state["network"])
        optimizer.load_state_dict(state["optimizer"])
        first, seconds, losses = state["step"], state["seconds"], state["losses"]
        checkpoint.drop_rows_after(out / "curve.csv", first)
    saved = last = time.monotonic()
    for step in tqdm(range(first, config.steps), initial=first, total=config.steps, desc=name):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, config)
        loss = loss_of(step)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), longest_gradient)
        optimizer.step()
        losses.append(loss.item())
        done, now = step + 1, time.monotonic()
        seconds, last = seconds + now - last, now
        if done % config.validate_every == 0 or done == config.steps:
            row = {"step": done, "seconds": round(seconds), "train_loss": round(float(np.mean(losses)), 5)}
            checkpoint.append_row(out / "curve.csv", row | validate())
            losses, last = [], time.monotonic()
        if now - saved > CHECKPOINT_SECONDS or done == config.steps:
            checkpoint.save(
                out / "checkpoint.pt",
                network=network.state_dict(),
                optimizer=optimizer.state_dict(),
                step=done,
                seconds=seconds,
                losses=losses,
            )
            saved = now


def finished(work: Callable[[], None]) -> int:
    """The exit status of a command: errors that a person can mend are one line."""
    try:
        work()
    except WorkbenchError as error:
        print(f"training: {error}", file=sys.stderr)
        return error.exit_status
    return 0
