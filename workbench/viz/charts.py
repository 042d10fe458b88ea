"""Charts: the map of the embeddings, k-distances, eps, changes between frames, the order, seconds, confidence."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from workbench.embedding.images import thumbnail
from workbench.ordering.confidence import WEAK_CONFIDENCE
from workbench.viz.pictures import OUTLIER_COLOUR, SCENE_COLOURS, new_axes, scene_colour, scene_marker, scene_name

MAX_LEGEND = 16  # scenes named in a legend
MAX_PANELS = 12


def umap_scatter(points: np.ndarray, labels: np.ndarray, title: str = "Embeddings, UMAP", ax: Axes | None = None) -> Figure:
    """Frames as points, coloured by scene, outliers as grey crosses, with the counts in the legend.

    points: (N, 2) float, for looking only (UMAP's coordinates mean nothing). labels: (N,) int, -1 outlier.
    """
    points, labels = np.asarray(points, dtype=float).reshape(-1, 2), np.asarray(labels)
    ax = new_axes(ax, (10, 5))
    scenes = np.unique(labels[labels >= 0])
    size = 36 if len(points) <= 150 else 16
    for number, scene in enumerate(scenes):
        here = labels == scene
        name = f"{scene_name(scene)} ({here.sum()})" if number < MAX_LEGEND else None
        ax.scatter(
            *points[here].T, s=size, color=scene_colour(scene), marker=scene_marker(scene), label=name,
            edgecolor="white", linewidth=0.4,
        )  # fmt: skip
    if len(scenes) > MAX_LEGEND:
        ax.plot([], [], " ", label=f"{len(scenes) - MAX_LEGEND} more scenes")
    if (labels < 0).any():
        here = labels < 0
        name = f"outliers ({here.sum()})"
        ax.scatter(*points[here].T, s=size, color=OUTLIER_COLOUR, marker="x", linewidth=1.2, label=name)
    ax.set(title=title, xlabel="UMAP 1 (no unit)", ylabel="UMAP 2 (no unit)", xticks=[], yticks=[])
    ax.set_aspect("equal", "datalim")
    if len(points):
        ax.legend(loc="upper left", bbox_to_anchor=(1.01, 1), fontsize=9, frameon=False, borderaxespad=0)
    return ax.figure


def k_distance_curve(distances: np.ndarray, eps: float | None = None, k: int | None = None, ax: Axes | None = None) -> Figure:
    """Distance of every frame to its ``k``-th nearest neighbour, sorted, on a log scale; with a line at ``eps``.

    distances: (N,) float, cosine distance, 0 to 2. Frames above the line cannot be core frames of a scene.
    """
    distances = np.sort(np.asarray(distances, dtype=float))
    ax = new_axes(ax, (10, 3.6))
    ax.plot(np.arange(1, len(distances) + 1), distances, ".-", color=SCENE_COLOURS[0], markersize=4, linewidth=1)
    if (distances > 0).any():
        # Frames that stand twice have a distance near 0; they may leave the picture at its lower edge.
        low = max(distances[distances > 0].min(), distances.max() * 1e-4)
        ax.set_yscale("log")
        ax.set_ylim(min(low, eps or low) / 1.5, max(distances.max(), eps or 0) * 1.5)
    if eps is not None:
        above = int((distances > eps).sum())
        ax.axhline(eps, color=SCENE_COLOURS[5], linestyle="--", label=f"eps = {eps:.3g} ({above} frames above)")
        ax.legend(loc="best", fontsize=9)
    ax.set(
        title="Distance of every frame to its k-th nearest neighbour" + ("" if k is None else f", k = {k}"),
        xlabel="frames, sorted by distance",
        ylabel="cosine distance (log scale)",
    )
    ax.grid(alpha=0.3)
    return ax.figure


def eps_curve(
    eps: np.ndarray,
    scenes: np.ndarray,
    outliers: np.ndarray,
    chosen: float | None = None,
    suggested: float | None = None,
    stable: tuple[float, float] | None = None,
) -> Figure:
    """Number of scenes (above) and of outliers (below) against eps.

    eps: (E,) float > 0, cosine distance, ascending. scenes, outliers: (E,) int. chosen, suggested: eps values marked by
    lines. stable: lowest and highest eps of the plateau over which no label changes, shaded.
    """
    fig, axes = plt.subplots(2, 1, figsize=(10, 4.6), sharex=True, layout="constrained")
    counts = ((scenes, "scenes", SCENE_COLOURS[0]), (outliers, "outliers (frames)", "#555555"))
    for ax, (values, ylabel, colour) in zip(axes, counts, strict=True):
        ax.step(eps, values, where="mid", color=colour, linewidth=1.4)
        ax.plot(eps, values, ".", color=colour, markersize=4)
        if stable is not None:
            unchanged = f"scenes unchanged, {stable[0]:.3g} to {stable[1]:.3g}"
            ax.axvspan(*stable, color=SCENE_COLOURS[2], alpha=0.18, linewidth=0, label=unchanged)
        if suggested is not None:
            ax.axvline(suggested, color=SCENE_COLOURS[2], linestyle="--", label=f"suggested eps = {suggested:.3g}")
        if chosen is not None:
            ax.axvline(chosen, color=SCENE_COLOURS[5], label=f"eps in use = {chosen:.3g}")
        ax.set_ylabel(ylabel)
        ax.set_ylim(bottom=0)
        ax.yaxis.set_major_locator(MaxNLocator(5, integer=True))
        ax.grid(alpha=0.3)
    axes[1].set(xscale="log", xlabel="eps, cosine distance (log scale)")
    _plain_log_ticks(axes[1])
    axes[0].set_title("Scenes and outliers that DBSCAN finds")
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=9, frameon=False)
    return fig


def _plain_log_ticks(ax: Axes) -> None:
    """0.1, 0.2, 0.5 in place of powers of ten on a log x axis; round steps where it spans too little for those."""
    low, high = ax.get_xlim()
    if high < 1.01 * low:  # a single value
        low, high = ax.set_xlim(low / 1.25, high * 1.25)
    ax.xaxis.set_major_locator(MaxNLocator(6) if high < 5 * low else LogLocator(subs=(1, 2, 5)))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.xaxis.set_minor_formatter(NullFormatter())


def frame_changes(images: Sequence[np.ndarray], order: Sequence[int] | np.ndarray | None = None, width: int = 96) -> np.ndarray:
    """Mean absolute change from each frame of a sequence to the next, grey levels (0 to 255); (M - 1,) float64.

    images: (N, h, w, 3) uint8, compared as thumbnails of ``width`` px. order: (M,) int positions, default input order.
    """
    order = np.arange(len(images)) if order is None else np.asarray(order, dtype=int)
    small = [thumbnail(images[p], width, width).astype(np.int16) for p in order]
    return np.array([np.abs(b - a).mean() for a, b in pairwise(small)], dtype=np.float64)


def frame_change_plot(
    before: np.ndarray,
    after: Sequence[np.ndarray] = (),
    title: str = "Change from frame to frame",
    ax: Axes | None = None,
) -> Figure:
    """Change between successive frames, in input order and in the restored order of every scene, one after the other.

    before: (N - 1,) float from :func:`frame_changes`, grey levels. after: one such array for scene 0, 1, ...
    """
    ax = new_axes(ax, (10, 3.6))
    if len(before):
        name = f"input order (mean {np.mean(before):.1f})"
        ax.plot(np.arange(len(before)), before, color=OUTLIER_COLOUR, linewidth=0.8, alpha=0.8, label=name)
    start = 0
    for scene, values in enumerate(after):
        mean = f"mean {np.mean(values):.1f}" if len(values) else "one frame"
        name = f"{scene_name(scene)}, restored ({mean})" if scene < MAX_LEGEND else None
        steps = start + np.arange(len(values))
        ax.plot(steps, values, ".-", color=scene_colour(scene), markersize=3, linewidth=1.2, label=name)
        start += len(values) + 1
    ax.set(title=title, xlabel="step in the sequence", ylabel="mean absolute change\n(grey levels, 0 to 255)")
    ax.set_ylim(bottom=0)
    ax.grid(alpha=0.3)
    if ax.get_legend_handles_labels()[0]:
        ax.legend(loc="upper left", bbox_to_anchor=(1.01, 1), fontsize=9, frameon=False, borderaxespad=0)
    return ax.figure


def order_against_truth(
    places: np.ndarray,
    true_frames: np.ndarray,
    labels: np.ndarray,
    clips: Sequence[str] | np.ndarray | None = None,
    title: str = "Restored place against true frame",
) -> Figure:
    """One panel a scene: place given against true index of its frames. A good order is a straight line, up or down.

    places: (N,) place inside the scene. true_frames: (N,) index in its clip. labels: (N,) int scene, -1 outlier (not
    shown). clips: (N,) names of the true clips; frames that are not of the scene's main clip become grey crosses.
    """
    places, true_frames, labels = (np.asarray(values) for values in (places, true_frames, labels))
    scenes = np.unique(labels[labels >= 0])
    shown = scenes[:MAX_PANELS]
    columns = min(max(len(shown), 1), 4)
    rows = max(1, -(-len(shown) // columns))
    size = (10 if columns > 1 else 5, 2.9 * rows + 0.5)
    fig, axes = plt.subplots(rows, columns, figsize=size, squeeze=False, layout="constrained")
    for ax in axes.flat[len(shown) :]:
        ax.set_axis_off()
    for ax, scene in zip(axes.flat, shown, strict=False):
        here = np.flatnonzero(labels == scene)
        own = np.ones(len(here), dtype=bool)
        name = ""
        if clips is not None:
            names, counts = np.unique(np.asarray(clips)[here], return_counts=True)
            name = f": {names[counts.argmax()]:.18}"
            own = np.asarray(clips)[here] == names[counts.argmax()]
        colour, marker = scene_colour(scene), scene_marker(scene)
        ax.plot(true_frames[here][own], places[here][own], marker, color=colour, markersize=3.5)
        if not own.all():
            others = ax.plot(true_frames[here][~own], places[here][~own], "x", color=OUTLIER_COLOUR, markersize=6)
            ax.legend(others, [f"of other clips ({(~own).sum()})"], fontsize=8, loc="best")
        ax.set_title(f"{scene_name(scene)}{name}\n{own.sum()} frame{'' if own.sum() == 1 else 's'}", fontsize=9)
        ax.set_xlabel("true frame", fontsize=9)
        ax.grid(alpha=0.3)
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_major_locator(MaxNLocator(4, integer=True))
    for ax in axes[:, 0]:
        ax.set_ylabel("restored place", fontsize=9)
    more = len(scenes) - len(shown)
    fig.suptitle(title + (f" ({more} more scenes not shown)" if more else ""), fontsize=12)
    return fig


def stage_seconds_bar(seconds: Mapping[str, float], title: str = "Time of every stage", ax: Axes | None = None) -> Figure:
    """Seconds a stage took, as horizontal bars in the order given; the total is in the title."""
    ax = new_axes(ax, (10, 0.8 + 0.35 * max(len(seconds), 1)))
    bars = ax.barh(list(seconds), list(seconds.values()), color=SCENE_COLOURS[0])
    ax.bar_label(bars, [f"{value:.1f} s" for value in seconds.values()], padding=4, fontsize=9)
    ax.invert_yaxis()
    ax.margins(x=0.12)
    ax.set(title=f"{title} ({sum(seconds.values()):.1f} s in all)", xlabel="seconds")
    return ax.figure


def link_confidence_plot(table: pd.DataFrame, title: str = "How sure is every link?", ax: Axes | None = None) -> Figure:
    """Confidence of every link along the restored video, scene after scene; guessed ones stand out.

    table: the rows of ``order.csv`` with the columns scene, order and confidence. Where no confidence is known (other orders
    than the shortest path through the fused distance) the figure says so.
    """
    ax = new_axes(ax, (10, 3.2))
    kept = table[table["scene"] >= 0].sort_values(["scene", "order"])
    confidence = kept["confidence"].to_numpy(dtype=float)
    place = np.arange(len(kept)) + 0.5  # a link lies between two frames
    known, weak = np.isfinite(confidence), confidence < WEAK_CONFIDENCE
    sure = known & ~weak
    ax.vlines(place[sure], 0, confidence[sure], color=OUTLIER_COLOUR, linewidth=1, alpha=0.6)
    ax.plot(place[sure], confidence[sure], ".", color=OUTLIER_COLOUR, markersize=4, label=f"sure ({sure.sum()})")
    ax.vlines(place[weak], 0, confidence[weak], color=SCENE_COLOURS[5], linewidth=1.2)
    ax.plot(place[weak], confidence[weak], "o", color=SCENE_COLOURS[5], markersize=5, label=f"guessed ({weak.sum()})")
    ax.axhline(WEAK_CONFIDENCE, color="black", linewidth=0.8, linestyle="--", label=f"below {WEAK_CONFIDENCE}: worth a look")
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
