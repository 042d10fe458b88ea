"""Figures made of frames: rows of pictures, film strips, galleries.

The colours of scenes live here too, so that a scene looks the same in every figure. Everything is reachable through
:mod:`workbench.viz`. Images are (N, h, w, 3) uint8 RGB, arrays or working copies on disk; only the frames that are shown are
read, and they are made small before they are drawn, because a notebook keeps its figures.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from workbench.embedding.images import thumbnail

# Okabe and Ito's colours without the pale yellow and the grey, then four of Paul Tol's; safe for colour-blind eyes.
SCENE_COLOURS = (
    "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#332288", "#999933", "#882255", "#44AA99",
)  # fmt: skip
SCENE_MARKERS = ("o", "s", "^", "D", "v", "<", "h")  # 7 beside 10 colours: the first 70 scenes all look different
OUTLIER_COLOUR = "#767676"

WIDTH = 1000  # px, a figure of 10 inches at 100 dpi
GAP = 6  # px between thumbnails
LABEL_HEIGHT, HEADING_HEIGHT = 18, 24  # px
THUMBNAIL = (118, 110)  # largest width and height of a thumbnail, px
SHEET_AREA = 220_000  # px, all thumbnails of a sheet together, about half a megabyte as PNG


def scene_colour(scene: int) -> str:
    """Hex colour of a scene (0, 1, ...), grey for outliers (-1); the same in every figure."""
    return OUTLIER_COLOUR if scene < 0 else SCENE_COLOURS[int(scene) % len(SCENE_COLOURS)]


def scene_marker(scene: int) -> str:
    """Marker of a scene in scatter plots, a cross for outliers (-1)."""
    return "x" if scene < 0 else SCENE_MARKERS[int(scene) % len(SCENE_MARKERS)]


def scene_name(scene: int) -> str:
    """``scene 3``, or ``outliers`` for -1."""
    return "outliers" if scene < 0 else f"scene {int(scene)}"


def new_axes(ax: Axes | None, size: tuple[float, float]) -> Axes:
    """``ax``, or that of a new figure of ``size`` inches."""
    return plt.subplots(figsize=size, layout="constrained")[1] if ax is None else ax


def evenly(count: int, most: int) -> np.ndarray:
    """At most ``most`` of the numbers 0 to ``count`` - 1, evenly spaced, first and last included; (M,) int."""
    return np.unique(np.linspace(0, count - 1, max(0, min(count, most))).round().astype(int))


def plot_images(images: Sequence[np.ndarray], titles: Sequence[str] = ()) -> Figure:
    """A row of pictures, each (h, w, 3) uint8 of any size, with a title above each.

    The axes are in pixels of the pictures that were given, whatever is drawn:
    :func:`workbench.viz.pairs.plot_matches` relies on it.
    """
    if not len(images):
        raise ValueError("no images to plot: give at least one")
    shapes = [image.shape[:2] for image in images]
    ratios = [width / height for height, width in shapes]
    across = min(10.0, 5.0 * len(images))
    down = min(across / sum(ratios), 6.0)
    fig, axes = plt.subplots(
        1, len(images), figsize=(across, down + 0.4), width_ratios=ratios, squeeze=False, layout="constrained"
    )
    for number, (ax, image, (height, width)) in enumerate(zip(axes[0], images, shapes, strict=True)):
        small = thumbnail(image, round(WIDTH / len(images)), 600)
        ax.imshow(small, extent=(-0.5, width - 0.5, height - 0.5, -0.5))
        ax.set_axis_off()
        if number < len(titles):
            ax.set_title(titles[number], fontsize=10)
    return fig


@dataclass(frozen=True)
class _Strip:
    """Frames side by side under a heading; ``positions`` (M,) int index the images, ``scenes`` (M,) int colour them."""

    heading: str
    positions: np.ndarray
    scenes: np.ndarray
    colour: str = "black"


def film_strip(
    images: Sequence[np.ndarray],
    indices: Sequence[int] | np.ndarray | None = None,
    labels: np.ndarray | None = None,
    count: int = 24,
    title: str = "",
    columns: int = 12,
    ax: Axes | None = None,
) -> Figure:
    """Contact sheet of at most ``count`` frames, evenly sampled from a sequence; position of each under it (``#12``).

    images: (N, h, w, 3) uint8. indices: (M,) int, the sequence to show, default all in input order. labels: (N,) int
    scene of every frame (-1 outlier), which colours the borders.
    """
    indices = np.arange(len(images)) if indices is None else np.asarray(indices, dtype=int)
    shown = indices[evenly(len(indices), count)]
    strip = _Strip("", shown, _scenes_of(labels, shown))
    return _draw([strip], images, f"{title or 'Frames'} ({_of(len(shown), len(indices))})", columns, ax)


def strips_before_after(
    images: Sequence[np.ndarray],
    before: Sequence[int] | np.ndarray,
    after: Sequence[Sequence[int] | np.ndarray],
    outliers: Sequence[int] | np.ndarray = (),
    count: int = 12,
    max_scenes: int = 6,
    title: str = "Shuffled input and restored scenes",
) -> Figure:
    """A film strip of the input above one of every scene in its restored order, outliers last.

    images: (N, h, w, 3) uint8. before: (N,) int positions in input order, or none. after: for scene 0, 1, ... the (M,) int
    positions of its frames in restored order. outliers: (O,) int positions. count: frames shown of each, all of them
    evenly sampled. Scenes beyond ``max_scenes`` are counted in the title.
    """
    scene_of = {int(p): scene for scene, positions in enumerate(after) for p in positions}
    before = np.asarray(before, dtype=int)
    rows = [("input", before, None)] if len(before) else []
    rows += [(scene_name(scene), positions, scene) for scene, positions in enumerate(after[:max_scenes])]
    rows += [("outliers", outliers, -1)] if len(outliers) else []
    strips = []
    for name, positions, scene in rows:
        positions = np.asarray(positions, dtype=int)
        shown = positions[evenly(len(positions), count)]
        scenes = np.array([scene_of.get(int(p), -1) for p in shown], dtype=int)
        colour = "black" if scene is None else scene_colour(scene)
        strips.append(_Strip(f"{name} ({_of(len(shown), len(positions))})", shown, scenes, colour))
    return _draw(strips, images, title + _more(len(after) - max_scenes), count, None)


def cluster_gallery(
    images: Sequence[np.ndarray], labels: np.ndarray, per_scene: int = 8, max_rows: int = 8, title: str = "Scenes and outliers"
) -> Figure:
    """A row of pictures for every scene and one for the outliers, evenly sampled in input order.

    images: (N, h, w, 3) uint8. labels: (N,) int, -1 outlier. Of more scenes than ``max_rows`` only so many are shown,
    the largest first, and the title says how many more there are.
    """
    labels = np.asarray(labels)
    scenes, sizes = np.unique(labels[labels >= 0], return_counts=True)
    chosen = scenes[np.argsort(-sizes, kind="stable")][:max_rows].tolist() + [-1] * bool((labels < 0).any())
    strips = []
    for scene in chosen:
        positions = np.flatnonzero(labels == scene if scene >= 0 else labels < 0)
        shown = positions[evenly(len(positions), per_scene)]
        heading = f"{scene_name(scene)} ({_of(len(shown), len(positions))})"
        strips.append(_Strip(heading, shown, np.full(len(shown), scene), scene_colour(scene)))
    return _draw(strips, images, title + _more(len(scenes) - max_rows), max(per_scene, 10), None)


def _of(shown: int, count: int) -> str:
    frames = f"{count} frame{'' if count == 1 else 's'}"
    return frames if shown == count else f"{shown} of {frames}"


def _more(count: int) -> str:
    return f" ({count} more scene{'' if count == 1 else 's'} not shown)" if count > 0 else ""


def _scenes_of(labels: np.ndarray | None, positions: np.ndarray) -> np.ndarray | None:
    return None if labels is None else np.asarray(labels)[positions]


def _draw(strips: Sequence[_Strip], images: Sequence[np.ndarray], title: str, columns: int, ax: Axes | None) -> Figure:
    """All strips on one sheet ``WIDTH`` px wide: one picture for matplotlib, whatever the number of thumbnails."""
    widest = max((len(strip.positions) for strip in strips), default=0)
    columns = max(8, min(columns, widest))
    count = sum(len(strip.positions) for strip in strips)
    cell = min(THUMBNAIL[0], WIDTH // columns - GAP, max(48, int((SHEET_AREA / max(count, 1) * 16 / 9) ** 0.5)))
    thumbnails = [[thumbnail(images[p], cell, THUMBNAIL[1]) for p in strip.positions] for strip in strips]
    tallest = max((small.shape[0] for row in thumbnails for small in row), default=0)
    line = tallest + LABEL_HEIGHT + GAP
    lines = [-(-len(strip.positions) // columns) for strip in strips]
    heights = [n * line + HEADING_HEIGHT * bool(strip.heading) for n, strip in zip(lines, strips, strict=True)]
    height = max(sum(heights), 40)
    if ax is None:
        _, ax = plt.subplots(figsize=(WIDTH / 100, height / 100 + 0.4), layout="constrained")
    sheet = np.full((height, WIDTH, 3), 255, np.uint8)
    ax.set_axis_off()
    ax.set_title(title, fontsize=11, loc="left")
    if not widest:
        ax.text(0, height / 2, "no frames", va="center")
    top = 0
    for strip, row, block in zip(strips, thumbnails, heights, strict=True):
        start = top
        if strip.heading:
            ax.text(0, top + HEADING_HEIGHT - 7, strip.heading, fontsize=9, fontweight="bold", color=strip.colour)
            start += HEADING_HEIGHT
        for k, (position, small) in enumerate(zip(strip.positions, row, strict=True)):
            y, x = start + k // columns * line + 2, k % columns * (cell + GAP) + 2
            h, w = small.shape[:2]
            sheet[y : y + h, x : x + w] = small[:, : WIDTH - x]
            colour = OUTLIER_COLOUR if strip.scenes is None else scene_colour(strip.scenes[k])
            border = 0.8 if strip.scenes is None else 2.5
            ax.add_patch(Rectangle((x - 0.5, y - 0.5), w, h, fill=False, edgecolor=colour, linewidth=border))
            ax.text(x + w / 2, y + h + 4, f"#{position}", fontsize=7.5, ha="center", va="top")
        top += block
    ax.imshow(sheet)
    return ax.figure
