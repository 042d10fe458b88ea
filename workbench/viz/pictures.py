"""Figures made of frames: film strips, galleries, and what is drawn over every frame.

The colours of scenes are defined here too, so that a scene looks the same in every figure. Everything is available through
:mod:`workbench.viz`. Images are (N, h, w, 3) uint8 RGB, arrays or working copies on disk; only the frames that are shown are
read, and they are made small before they are drawn, because a notebook stores its figures.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.patches import PathPatch, Rectangle
from matplotlib.path import Path

from workbench.embedding.images import thumbnail
from workbench.embedding.overlay import dissimilar_frames, without_overlay

# Okabe and Ito's colours without the pale yellow and the grey, then four of Paul Tol's: all can be told apart by colour-blind
# readers.
SCENE_COLOURS = (
    "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#332288", "#999933", "#882255", "#44AA99",
)  # fmt: skip
SCENE_MARKERS = ("o", "s", "^", "D", "v", "<", "h")  # 7 beside 10 colours: the first 70 scenes all look different
OUTLIER_COLOUR = "#767676"

SHEET_WIDTH = 1000  # px, a figure of 10 inches at 100 dpi
GAP = 6  # px between thumbnails, and between two frames side by side
LABEL_HEIGHT, HEADING_HEIGHT = 18, 24  # px
MIN_COLUMNS = 8  # a shorter sheet has thumbnails of the same size
MIN_THUMBNAIL_WIDTH = 48  # px
MAX_THUMBNAIL_SIZE = (118, 110)  # width and height, px
SHEET_AREA = 220_000  # px, all thumbnails of a sheet together, about half a megabyte as PNG
OVERLAY_COLOUR = "#D55E00"  # of its outline
OVERLAY_PALE = 0.65  # share of white in what is not the overlay
MAX_OVERLAY_HEIGHT = 260  # px of a frame in the figure of an overlay


def scene_colour(scene: int) -> str:
    """Colour of a scene, the same in every figure.

    Parameters
    ----------
    scene : int
        Number of the scene, -1 for outliers.

    Returns
    -------
    str
        Hexadecimal colour such as ``#0072B2``; grey for outliers.
    """
    return OUTLIER_COLOUR if scene < 0 else SCENE_COLOURS[int(scene) % len(SCENE_COLOURS)]


def scene_marker(scene: int) -> str:
    """Marker of a scene in scatter plots.

    Parameters
    ----------
    scene : int
        Number of the scene, -1 for outliers.

    Returns
    -------
    str
        A marker of matplotlib; a cross for outliers.
    """
    return "x" if scene < 0 else SCENE_MARKERS[int(scene) % len(SCENE_MARKERS)]


def scene_name(scene: int) -> str:
    """Name of a scene.

    Parameters
    ----------
    scene : int
        Number of the scene, -1 for outliers.

    Returns
    -------
    str
        ``scene 3``, or ``outliers``.
    """
    return "outliers" if scene < 0 else f"scene {int(scene)}"


def new_axes(ax: Axes | None, size: tuple[float, float]) -> Axes:
    """Use the given axes, or make new ones.

    Parameters
    ----------
    ax : Axes or None
        Axes to draw into.
    size : tuple of float
        Width and height of a new figure, inches.

    Returns
    -------
    Axes
        ``ax``, or the axes of a new figure.
    """
    return plt.subplots(figsize=size, layout="constrained")[1] if ax is None else ax


def figure_of(ax: Axes) -> Figure:
    """Find the figure that axes belong to.

    Parameters
    ----------
    ax : Axes
        Axes of a figure or of a part of one.

    Returns
    -------
    Figure
        The whole figure.
    """
    figure = ax.figure
    return figure.figure if isinstance(figure, SubFigure) else figure


def evenly(count: int, max_count: int) -> np.ndarray:
    """Choose numbers from 0 to ``count`` - 1, evenly spaced, the first and the last one included.

    Parameters
    ----------
    count : int
        How many numbers there are to choose from.
    max_count : int
        How many are chosen at most.

    Returns
    -------
    (M,) int array
        The chosen numbers, sorted ascending.
    """
    return np.unique(np.linspace(0, count - 1, max(0, min(count, max_count))).round().astype(int))


@dataclass(frozen=True)
class _Strip:
    """Frames side by side under a heading: (M,) int positions in the images, and (M,) int scenes, which colour the borders."""

    heading: str
    positions: np.ndarray
    scenes: np.ndarray | None
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
    """Draw a contact sheet of frames that are evenly sampled from a sequence, with the position of each under it (``#12``).

    Parameters
    ----------
    images : sequence of (h, w, 3) uint8 arrays
        The N RGB images.
    indices : (M,) int array, optional
        Positions of the sequence to show. Default: all in input order.
    labels : (N,) int array, optional
        Scene of every frame, -1 for outliers, which colours the borders. Default: thin grey borders.
    count : int
        How many frames are shown at most.
    title : str
        Title, to which the number of frames is added. Default: ``Frames``.
    columns : int
        Frames in a row at most.
    ax : Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    Figure
        The figure that was drawn into.
    """
    indices = np.arange(len(images)) if indices is None else np.asarray(indices, dtype=int)
    shown = indices[evenly(len(indices), count)]
    strip = _Strip("", shown, _scenes_of(labels, shown))
    return _draw_strips([strip], images, f"{title or 'Frames'} ({_of(len(shown), len(indices))})", columns, ax)


def strips_before_after(
    images: Sequence[np.ndarray],
    before: Sequence[int] | np.ndarray,
    after: Sequence[Sequence[int] | np.ndarray],
    outliers: Sequence[int] | np.ndarray = (),
    count: int = 12,
    max_scenes: int = 6,
    title: str = "Shuffled input and restored scenes",
) -> Figure:
    """Draw a film strip of the input above one of every scene in its restored order, outliers last.

    Parameters
    ----------
    images : sequence of (h, w, 3) uint8 arrays
        The N RGB images.
    before : (N,) int array
        Positions in input order; empty for no strip of the input.
    after : sequence of (M,) int arrays
        For scene 0, 1, ... the positions of its frames in restored order.
    outliers : (O,) int array
        Positions of the outliers.
    count : int
        How many frames of each strip are shown at most, evenly sampled.
    max_scenes : int
        How many scenes are shown at most; the others are counted in the title.
    title : str
        Title of the sheet.

    Returns
    -------
    Figure
        A new figure.
    """
    scene_of = {int(p): scene for scene, positions in enumerate(after) for p in positions}
    before = np.asarray(before, dtype=int)
    rows: list[tuple[str, Sequence[int] | np.ndarray, int | None]] = [("input", before, None)] if len(before) else []
    rows += [(scene_name(scene), positions, scene) for scene, positions in enumerate(after[:max_scenes])]
    rows += [("outliers", outliers, -1)] if len(outliers) else []
    strips = []
    for name, positions, scene in rows:
        positions = np.asarray(positions, dtype=int)
        shown = positions[evenly(len(positions), count)]
        scenes = np.array([scene_of.get(int(p), -1) for p in shown], dtype=int)
        colour = "black" if scene is None else scene_colour(scene)
        strips.append(_Strip(f"{name} ({_of(len(shown), len(positions))})", shown, scenes, colour))
    return _draw_strips(strips, images, title + _more(len(after) - max_scenes), count, None)


def named_strips(
    images: Sequence[np.ndarray], strips: Mapping[str, np.ndarray], labels: np.ndarray, count: int = 10, title: str = "Frames"
) -> Figure:
    """Draw film strips one below the other, each with its name above it.

    Parameters
    ----------
    images : sequence of (h, w, 3) uint8 arrays
        The N RGB images.
    strips : mapping of str to (M,) int array
        Positions by name.
    labels : (N,) int array
        Scene of every frame, -1 for outliers, which colours the borders.
    count : int
        How many frames of each strip are shown at most, evenly sampled.
    title : str
        Title of the sheet.

    Returns
    -------
    Figure
        A new figure.
    """
    rows = []
    for name, positions in strips.items():
        shown = np.asarray(positions, dtype=int)[evenly(len(positions), count)]
        rows.append(_Strip(f"{name} ({_of(len(shown), len(positions))})", shown, _scenes_of(labels, shown)))
    return _draw_strips(rows, images, title, count, None)


def cluster_gallery(
    images: Sequence[np.ndarray], labels: np.ndarray, per_scene: int = 8, max_rows: int = 8, title: str = "Scenes and outliers"
) -> Figure:
    """Draw a row of frames for every scene and one for the outliers, evenly sampled in input order.

    Parameters
    ----------
    images : sequence of (h, w, 3) uint8 arrays
        The N RGB images.
    labels : (N,) int array
        Scene of every frame, -1 for outliers.
    per_scene : int
        How many frames of each scene are shown at most.
    max_rows : int
        How many scenes are shown at most, the largest first; the others are counted in the title.
    title : str
        Title of the sheet.

    Returns
    -------
    Figure
        A new figure.
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
    return _draw_strips(strips, images, title + _more(len(scenes) - max_rows), max(per_scene, 10), None)


def overlay_figure(
    images: Sequence[np.ndarray],
    mask: np.ndarray,
    positions: Sequence[int] | np.ndarray | None = None,
    count: int = 4,
) -> Figure:
    """Draw what lies over every frame, and below the same frames with it filled in, which is how they are compared.

    Parameters
    ----------
    images : sequence of (h, w, 3) uint8 arrays
        The N RGB images.
    mask : (h, w) bool array
        The overlay, see :mod:`workbench.embedding.overlay`. Where it is empty, a film strip is drawn that says so.
    positions : (M,) int array, optional
        Positions of the frames to show. Default: frames that have little in common.
    count : int
        How many frames are shown by default; twice as many in the film strip.

    Returns
    -------
    Figure
        A new figure.
    """
    if positions is None:
        positions = _unlike(images, count if mask.any() else 2 * count)
    shown = np.asarray(positions, dtype=int)
    if not mask.any() or not len(shown):
        return _draw_strips([_Strip("", shown, None)], images, "Frames that differ: no overlay was found", len(shown), None)
    scale = min((SHEET_WIDTH / max(len(shown), 3) - GAP) / mask.shape[1], MAX_OVERLAY_HEIGHT / mask.shape[0])
    width, height = (max(1, round(scale * side)) for side in mask.shape[::-1])
    filled, block = without_overlay(images, mask), HEADING_HEIGHT + height + LABEL_HEIGHT
    sheet = np.full((2 * block, SHEET_WIDTH, 3), 255, np.uint8)
    _, ax = plt.subplots(figsize=(SHEET_WIDTH / 100, len(sheet) / 100 + 0.4), layout="constrained")
    ax.set_axis_off()
    ax.set_title(f"The overlay: {100 * mask.mean():.1f} % of the picture", fontsize=11, loc="left")
    headings = (
        "what is drawn over every frame; the rest is shown pale",
        "the frames as they count, with the overlay filled in",
    )
    for row, heading in enumerate(headings):
        top = row * block + HEADING_HEIGHT
        ax.text(0, top - 7, heading, fontsize=9, fontweight="bold", color="black" if row else OVERLAY_COLOUR)
        for column, position in enumerate(shown.tolist()):
            frame, left = filled[position] if row else _paled(images[position], ~mask), column * (width + GAP) + 2
            sheet[top : top + height, left : left + width] = cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA)
            ax.text(left + width / 2, top + height + 4, f"#{position}", fontsize=7.5, ha="center", va="top")
            if not row:
                ax.add_patch(_outline(mask, scale, (left, top)))
    ax.imshow(sheet)
    return figure_of(ax)


def _paled(image: np.ndarray, where: np.ndarray) -> np.ndarray:
    """(h, w, 3) uint8: an image with more white where an (h, w) bool mask is true."""
    pale = 255 * OVERLAY_PALE + (1 - OVERLAY_PALE) * np.asarray(image, dtype=np.float32)
    return np.where(where[..., None], np.round(pale), image).astype(np.uint8)


def _outline(mask: np.ndarray, scale: float, corner: tuple[float, float]) -> PathPatch:
    """The outline of an (h, w) bool mask, drawn ``scale`` times as large with its upper left corner at ``corner``, px."""
    padded = np.pad(mask.astype(np.uint8), 1)  # parts at the edge of the frame are closed too
    rings, _ = cv2.findContours(padded, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    paths = []
    for ring in rings:
        places = (
            scale * (ring[:, 0] - 0.5) - 0.5 + corner
        )  # the centre of a pixel, before padding and scaling, at whole numbers
        paths.append(Path(np.concatenate([places, places[:1]]), closed=True))
    return PathPatch(Path.make_compound_path(*paths), fill=False, edgecolor=OVERLAY_COLOUR, linewidth=1.2)


def _unlike(images: Sequence[np.ndarray], count: int) -> np.ndarray:
    """(M,) int: positions of frames that have little in common; where there are too few of them, others evenly spaced."""
    if not len(images):
        return np.zeros(0, dtype=int)
    chosen = dissimilar_frames(images)[:count]
    others = np.setdiff1d(evenly(len(images), count), chosen)
    return np.sort(np.concatenate([chosen, others])[:count])


def _of(shown: int, count: int) -> str:
    frames = f"{count} frame{'' if count == 1 else 's'}"
    return frames if shown == count else f"{shown} of {frames}"


def _more(count: int) -> str:
    return f" ({count} more scene{'' if count == 1 else 's'} not shown)" if count > 0 else ""


def _scenes_of(labels: np.ndarray | None, positions: np.ndarray) -> np.ndarray | None:
    return None if labels is None else np.asarray(labels)[positions]


def _draw_strips(strips: Sequence[_Strip], images: Sequence[np.ndarray], title: str, columns: int, ax: Axes | None) -> Figure:
    """All strips on one sheet ``SHEET_WIDTH`` px wide: one image for matplotlib, whatever the number of thumbnails."""
    widest = max((len(strip.positions) for strip in strips), default=0)
    columns = max(MIN_COLUMNS, min(columns, widest))
    count = sum(len(strip.positions) for strip in strips)
    cell = min(
        MAX_THUMBNAIL_SIZE[0],
        SHEET_WIDTH // columns - GAP,
        max(MIN_THUMBNAIL_WIDTH, int((SHEET_AREA / max(count, 1) * 16 / 9) ** 0.5)),
    )
    thumbnails = [[thumbnail(images[p], cell, MAX_THUMBNAIL_SIZE[1]) for p in strip.positions] for strip in strips]
    tallest = max((small.shape[0] for row in thumbnails for small in row), default=0)
    line = tallest + LABEL_HEIGHT + GAP
    lines = [-(-len(strip.positions) // columns) for strip in strips]
    heights = [n * line + HEADING_HEIGHT * bool(strip.heading) for n, strip in zip(lines, strips, strict=True)]
    height = max(sum(heights), 40)
    if ax is None:
        _, ax = plt.subplots(figsize=(SHEET_WIDTH / 100, height / 100 + 0.4), layout="constrained")
    sheet = np.full((height, SHEET_WIDTH, 3), 255, np.uint8)
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
            sheet[y : y + h, x : x + w] = small[:, : SHEET_WIDTH - x]
            colour = OUTLIER_COLOUR if strip.scenes is None else scene_colour(strip.scenes[k])
            border = 0.8 if strip.scenes is None else 2.5
            ax.add_patch(Rectangle((x - 0.5, y - 0.5), w, h, fill=False, edgecolor=colour, linewidth=border))
            ax.text(x + w / 2, y + h + 4, f"#{position}", fontsize=7.5, ha="center", va="top")
        top += block
    ax.imshow(sheet)
    return figure_of(ax)
