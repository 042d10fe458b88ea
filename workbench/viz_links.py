"""The figure of how sure an order is, link by link."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from workbench.ordering.confidence import WEAK
from workbench.viz_pictures import OUTLIER_COLOUR, SCENE_COLOURS, new_axes, scene_name


def link_confidence_plot(table: pd.DataFrame, title: str = "How sure is every link?", ax: Axes | None = None) -> Figure:
    """Confidence of every link along the restored video, scene after scene; guessed ones stand out.

    table: the rows of ``order.csv`` with the columns scene, order and confidence. Where no confidence is known (other orders
    than the shortest path through the fused distance) the figure says so.
    """
    ax = new_axes(ax, (10, 3.2))
    kept = table[table["scene"] >= 0].sort_values(["scene", "order"])
    confidence = kept["confidence"].to_numpy(dtype=float)
    place = np.arange(len(kept)) + 0.5  # a link lies between two frames
    known, weak = np.isfinite(confidence), confidence < WEAK
    sure = known & ~weak
    ax.vlines(place[sure], 0, confidence[sure], color=OUTLIER_COLOUR, linewidth=1, alpha=0.6)
    ax.plot(place[sure], confidence[sure], ".", color=OUTLIER_COLOUR, markersize=4, label=f"sure ({sure.sum()})")
    ax.vlines(place[weak], 0, confidence[weak], color=SCENE_COLOURS[5], linewidth=1.2)
    ax.plot(place[weak], confidence[weak], "o", color=SCENE_COLOURS[5], markersize=5, label=f"guessed ({weak.sum()})")
    ax.axhline(WEAK, color="black", linewidth=0.8, linestyle="--", label=f"below {WEAK}: worth a look")
    starts = np.flatnonzero(np.diff(kept["scene"].to_numpy(), prepend=-1))
    for scene, start in enumerate(starts):
        if start:
            ax.axvline(start, color="black", linewidth=0.8)
        ax.annotate(
            scene_name(scene), (start, 1.0), (4, 3), xycoords=("data", "axes fraction"), textcoords="offset points", fontsize=9
        )
    if not known.any():
        ax.text(0.5, 0.5, "no confidence is known for this kind of order", ha="center", va="center", transform=ax.transAxes)
    ax.set(xlim=(0, max(1, len(kept))), ylim=(0, 1.03), xlabel="place in the restored video", ylabel="confidence")
    ax.set_title(title, pad=18)
    ax.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    ax.legend(loc="upper left", bbox_to_anchor=(1.01, 1), fontsize=9, frameon=False, borderaxespad=0)
    return ax.figure
