"""Draw the curves of the trainings as one picture.

python -m training.plot_curves training/curves training/curves.png
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes


def plot_curves(folder: Path, out: Path) -> None:
    """Draw every ``NAME.csv`` of a folder into the picture ``out``: embeddings (a ``top1`` column) left, matchers right."""
    curves = {path.stem: pd.read_csv(path) for path in sorted(folder.glob("*.csv"))}
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(13, 3.8), layout="constrained")
    for name, curve in curves.items():
        if "top1" in curve:
            left.plot(curve["step"], 100 * curve["top1"], label=name)
        else:
            (line,) = middle.plot(curve["step"], curve["loss"], label=f"{name}, held out")
            middle.plot(curve["step"], curve["train_loss"], color=line.get_color(), alpha=0.4, label=f"{name}, training")
            right.plot(curve["step"], 100 * curve["recall"], color=line.get_color(), label=f"{name}, recall")
            right.plot(curve["step"], 100 * curve["precision"], ":", color=line.get_color(), label=f"{name}, precision")
    _finish(left, "Held-out photographs found again by their other view", "of 192, %")
    _finish(middle, "SuperGlue: negative log-likelihood", "nats per keypoint")
    _finish(right, "SuperGlue on held-out scenes, 256 keypoints", "%")
    right.set_ylim(top=105)  # room for the legend above the lines
    figure.savefig(out, dpi=110)
    plt.close(figure)


def _finish(axes: Axes, title: str, unit: str) -> None:
    axes.set(title=title, xlabel="step", ylabel=unit)
    axes.title.set_fontsize(10)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8, frameon=False)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line at the top of this file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    given = parser.parse_args(arguments)
    plot_curves(given.folder, given.out)


if __name__ == "__main__":
    main()
