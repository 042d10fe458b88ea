"""A check of every training by :func:`training.loop.optimise`: the loss falls, and a killed run ends with the same weights."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from training import checkpoint


def interrupting(append_row: Callable[..., None], step: int) -> Callable[..., None]:
    """``append_row``, interrupted as by Ctrl-C right after it wrote the row of ``step``."""

    def append(path: Path, row: dict[str, float]) -> None:
        append_row(path, row)
        if row["step"] == step:
            raise KeyboardInterrupt

    return append


def check_killed_training(train: Callable[[Path], None], folder: Path, step: int, lines: int, monkeypatch) -> np.ndarray:
    """Train into ``folder / "whole"``; kill another training after the row of ``step``, and continue it.

    The loss must fall by a tenth, the weights must be the same, and the curve must have ``lines`` lines: a header and every row
    once. Returns the curve.
    """
    train(folder / "whole")
    curve = np.genfromtxt(folder / "whole" / "curve.csv", delimiter=",", names=True)
    assert curve["train_loss"][-1] < 0.9 * curve["train_loss"][0]
    with monkeypatch.context() as patch:
        patch.setattr("training.loop.CHECKPOINT_SECONDS", -1)  # after every step
        patch.setattr(checkpoint, "append_row", interrupting(checkpoint.append_row, step))
        with pytest.raises(KeyboardInterrupt):
            train(folder / "halted")
    train(folder / "halted")
    whole, resumed = (checkpoint.load(folder / name / "checkpoint.pt")["network"] for name in ("whole", "halted"))
    assert all(torch.equal(tensor, resumed[name]) for name, tensor in whole.items())
    assert (folder / "halted" / "curve.csv").read_text().count("\n") == lines
    return curve
