"""Charts: the map of the embeddings, k-distances, eps, changes between frames, seconds."""

from collections.abc import Sequence
from itertools import pairwise

import cv2
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from workbench.embedding.images import rank_transform, thumbnail
from workbench.viz.pictures import OUTLIER_COLOUR, SCENE_COLOURS, figure_of, new_axes, scene_colour, scene_marker, scene_name

MAX_LEGEND_SCENES = 16  # scenes named in a legend
COMPARED_SIZE = 96  # px, largest width and height of the thumbnails whose change is measured


def umap_scatter(points: np.ndarray, labels: np.ndarray, title: str = "Embeddings, UMAP", ax: Axes | None = None) -> Figure:
    """Draw frames as points, coloured by scene, outliers as grey crosses, with the counts in the legend.

    Parameters
    ----------
    points : (N, 2) float array
        Coordinates of UMAP, which have no unit and no meaning of their own; all NaN where there is no map.
    labels : (N,) int array
        Scene of every frame, -1 for outliers.
    title : str
        Title of the axes.
    ax : Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    Figure
        The figure that was drawn into.
    """
    points, labels = np.asarray(points, dtype=float).reshape(-1, 2), np.asarray(labels)
    ax = new_axes(ax, (10, 5))
    scenes = np.unique(labels[labels >= 0])
    size = 36 if len(points) <= 150 else 16
    for number, scene in enumerate(scenes):
        here = labels == scene
        name = f"{scene_name(scene)} ({here.sum()})" if number < MAX_LEGEND_SCENES else None
        ax.scatter(
            points[here, 0], points[here, 1], s=size, color=scene_colour(scene), marker=scene_marker(scene), label=name,
            edgecolor="white", linewidth=0.4,
        )  # fmt: skip
    if len(scenes) > MAX_LEGEND_SCENES:
        ax.plot([], [], " ", label=f"{len(scenes) - MAX_LEGEND_SCENES} more scenes")
    if (labels < 0).any():
        here = labels < 0
        name = f"outliers ({here.sum()})"
        ax.scatter(points[here, 0], points[here, 1], s=size, color=OUTLIER_COLOUR, marker="x", linewidth=1.2, label=name)
    ax.set_title(title, wrap=True, parse_math=False)
    ax.set(xlabel="UMAP 1 (no unit)", ylabel="UMAP 2 (no unit)", xticks=[], yticks=[])
    ax.set_aspect("equal", "datalim")
    if len(points):
        ax.legend(loc="upper left", bbox_to_anchor=(1.01, 1), fontsize=9, frameon=False, borderaxespad=0)
    return figure_of(ax)


def k_distance_curve(distances: np.ndarray, eps: float | None = None, k: int | None = None, ax: Axes | None = None) -> Figure:
    """Plot the distance of every frame to its ``k``-th nearest neighbour, sorted, on a log scale.

    Parameters
    ----------
    distances : (N,) float array
        Cosine distances, 0 to 2.
    eps : float, optional
        Cosine distance marked by a line; frames above it cannot be core frames of a scene.
    k : int, optional
        Number of the neighbour, for the title.
    ax : Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    Figure
        The figure that was drawn into.
    """
    distances = np.sort(np.asarray(distances, dtype=float))
    ax = new_axes(ax, (10, 3.6))
    ax.plot(np.arange(1, len(distances) + 1), distances, ".-", color=SCENE_COLOURS[0], markersize=4, linewidth=1)
    if (distances > 0).any():
        # Frames that occur twice have a distance near 0; they may be below the lower edge.
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
    return figure_of(ax)


def eps_curve(
    eps: np.ndarray,
    scenes: np.ndarray,
    outliers: np.ndarray,
    chosen: float | None = None,
    suggested: float | None = None,
    stable: tuple[float, float] | None = None,
) -> Figure:
    """Plot the number of scenes (above) and of outliers (below) against eps.

    Parameters
    ----------
    eps : (E,) float array
        Cosine distances > 0, sorted ascending.
    scenes, outliers : (E,) int arrays
        Their numbers at each eps.
    chosen, suggested : float, optional
        Values of eps that are marked by lines.
    stable : tuple of float, optional
        Lowest and highest eps of the plateau over which no label changes, which is shaded.

    Returns
    -------
    Figure
        A new figure.
    """
    fig, axes = plt.subplots(2, 1, figsize=(10, 4.6), sharex=True, layout="constrained")
    counts = ((scenes, "scenes", SCENE_COLOURS[0]), (outliers, "outliers (frames)", "#555555"))
    for ax, (values, ylabel, colour) in zip(axes, counts, strict=True):
        ax.step(eps, values, where="mid", color=colour, linewidth=1.4)
        ax.plot(eps, values, ".", color=colour, markersize=4)
        if stable is not None:
            unchanged = f"scenes unchanged, {stable[0]:.3g} to {stable[1]:.3g}"
            ax.axvspan(*stable, color=SCENE_COLOURS[2], alpha=0.18, linewidth=0, label=unchanged)
        if chosen is not None:
            ax.axvline(chosen, color=SCENE_COLOURS[5], linewidth=4, alpha=0.5, label=f"eps in use = {chosen:.3g}")
        if suggested is not None:  # thin and on top: mostly both are the same
            ax.axvline(suggested, color="black", linewidth=1, linestyle="--", label=f"suggested eps = {suggested:.3g}")
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


def frame_changes(images: Sequence[np.ndarray], order: Sequence[int] | np.ndarray | None = None) -> np.ndarray:
    """Compute how much the ranks of the grey levels change from each frame of a sequence to the next.

    Ranks are used because light does not change them: in a scene that flickers, grey levels would tell of the light alone.

    Parameters
    ----------
    images : sequence of (h, w, 3) uint8 arrays
        The N RGB images.
    order : (M,) int array, optional
        Positions of the sequence. Default: input order.

    Returns
    -------
    (M - 1,) float64 array
        Mean absolute change of the ranks, 0 to 1; near 1/3 for frames that have nothing in common.
    """
    order = np.arange(len(images)) if order is None else np.asarray(order, dtype=int)
    small = (thumbnail(images[p], COMPARED_SIZE, COMPARED_SIZE) for p in order.tolist())
    ranks = (rank_transform(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)) for image in small)
    return np.array([np.abs(b - a).mean(dtype=np.float64) for a, b in pairwise(ranks)], dtype=np.float64)


def frame_change_plot(
    before: np.ndarray,
    after: Sequence[np.ndarray] = (),
    title: str = "Change from frame to frame",
    ax: Axes | None = None,
    jump: float | None = None,
) -> Figure:
    """Plot the change between successive frames, in input order and in the restored order of every scene, one after the other.

    Parameters
    ----------
    before : (N - 1,) float array
        From :func:`frame_changes`, 0 to 1.
    after : sequence of float arrays
        One such array for scene 0, 1, ...
    title : str
        Title of the axes.
    ax : Axes, optional
        Where to draw. Default: a new figure.
    jump : float, optional
        Change above which a step is a jump, drawn as a line.

    Returns
    -------
    Figure
        The figure that was drawn into.
    """
    ax = new_axes(ax, (10, 3.6))
    if len(before):
        label = f"input order (median {np.median(before):.2f})"
        ax.plot(np.arange(len(before)), before, color=OUTLIER_COLOUR, linewidth=0.8, alpha=0.8, label=label)
    start = 0
    for scene, values in enumerate(after):
        middle = f"median {np.median(values):.3f}" if len(values) else "one frame"
        name = f"{scene_name(scene)}, restored ({middle})" if scene < MAX_LEGEND_SCENES else None
        steps = start + np.arange(len(values))
        ax.plot(steps, values, ".-", color=scene_colour(scene), markersize=3, linewidth=1.2, label=name)
        start += len(values) + 1
    if jump is not None:
        ax.axhline(jump, color="black", linewidth=0.8, linestyle="--", label=f"above {jump:.2f}: a jump")
    ax.set(
        title=title,
        xlabel="step in the sequence",
        ylabel="mean change of ranks, 0 to 1\n(1/3: unrelated frames)",
    )
    ax.set_ylim(bottom=0)
    ax.grid(alpha=0.3)
    if ax.get_legend_handles_labels()[0]:
        ax.legend(loc="upper left", bbox_to_anchor=(1.01, 1), fontsize=9, frameon=False, borderaxespad=0)
    return figure_of(ax)
