"""Frames side by side as figures: their matches, and one warped onto the other.

There are plain images too, for controls that answer at once: matplotlib takes a quarter to half a second for such a figure,
OpenCV draws the same lines in a few milliseconds.
"""

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import matplotlib.pyplot as plt
import numpy as np
from matplotlib import colormaps
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize, to_rgb
from matplotlib.figure import Figure
from matplotlib.legend_handler import HandlerTuple
from matplotlib.lines import Line2D
from matplotlib.patches import ConnectionPatch

from workbench.embedding.images import rank_thumbnail, rank_transform, thumbnail
from workbench.registration.pair import residual
from workbench.viz.pictures import GAP, SHEET_WIDTH, evenly

DISAGREE_COLOUR = "#D55E00"  # of matches that disagree with the registration
MAX_LINES = 150  # matches that are drawn
CHECKERBOARD_SQUARES = 8  # along the width


def plot_images(images: Sequence[np.ndarray], titles: Sequence[str] = ()) -> Figure:
    """Draw a row of images.

    Parameters
    ----------
    images : sequence of (h, w, 3) uint8 arrays
        RGB images of any size.
    titles : sequence of str
        A title for each image. Default: none.

    Returns
    -------
    Figure
        Its axes are in pixels of the given images, at whatever size they are drawn:
        :func:`plot_matches` relies on this.

    Raises
    ------
    ValueError
        Without any image.
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
        small = thumbnail(image, round(SHEET_WIDTH / len(images)), 600)
        ax.imshow(small, extent=(-0.5, width - 0.5, height - 0.5, -0.5))
        ax.set_axis_off()
        if number < len(titles):
            ax.set_title(titles[number], fontsize=10)
    return fig


def plot_matches(
    fig: Figure,
    keypoints_a: np.ndarray,
    keypoints_b: np.ndarray,
    matches0: np.ndarray,
    scores: np.ndarray,
    inliers: np.ndarray | None = None,
    max_lines: int = MAX_LINES,
    scale: float | tuple[float, float] = 1.0,
) -> Figure:
    """Draw lines between the first two images of :func:`plot_images`, coloured by confidence.

    Parameters
    ----------
    fig : Figure
        From :func:`plot_images`.
    keypoints_a, keypoints_b : (K, 2) and (L, 2) float arrays
        x and y, px of the keypoints.
    matches0 : (K,) int array
        Index into ``keypoints_b``, or -1.
    scores : (K,) float array
        Confidence of each match, 0 to 1.
    inliers : (M,) bool array, optional
        For the M matches in the order of ``keypoints_a``, whether they agree with the registration, as
        :class:`~workbench.registration.pair.Registration` has it; those that disagree are dashed in one colour.
    max_lines : int
        How many matches are drawn at most, picked evenly from sure to unsure.
    scale : float or tuple of float
        Pixels of the image per pixel of the keypoints (one number, or one for x and one for y), for working copies of larger
        originals.

    Returns
    -------
    Figure
        ``fig``.
    """
    lines = _lines(keypoints_a, keypoints_b, matches0, scores, inliers, max_lines, scale)
    colours = ScalarMappable(Normalize(0, 1), "viridis")
    left, right = fig.axes[:2]
    for start, end, confidence, agrees in zip(*lines, strict=True):
        line = ConnectionPatch(
            start,
            end,
            left.transData,
            right.transData,
            color=colours.to_rgba(confidence) if agrees else DISAGREE_COLOUR,
            linewidth=1.0 if agrees else 0.8,
            linestyle="-" if agrees else "--",
            zorder=2.0 if agrees else 1.5,
        )
        line.set_in_layout(False)
        fig.add_artist(line)
        for ax, point in ((left, start), (right, end)):
            ax.plot(*point, ".", markersize=3, color=line.get_edgecolor(), scalex=False, scaley=False)
    fig.colorbar(colours, ax=[left, right], label="confidence", shrink=0.8, pad=0.01)
    count = int(np.count_nonzero(np.asarray(matches0) >= 0))
    fig.suptitle(_matches_title(count, len(lines.agree)), fontsize=10)
    if inliers is not None and count:
        agree = np.count_nonzero(inliers)
        # The lines that agree have the colours of the scale, so the legend shows its whole range.
        scale_of_colours = tuple(Line2D([], [], color=colormaps["viridis"](value)) for value in np.linspace(0, 1, 8))
        handles = [scale_of_colours, Line2D([], [], color=DISAGREE_COLOUR, linestyle="--")]
        fig.legend(
            handles=handles,
            labels=[f"agree with the registration, by confidence ({agree})", f"disagree ({count - agree})"],
            handler_map={tuple: HandlerTuple(ndivide=None, pad=0)},
            loc="outside lower center",
            ncols=2,
            fontsize=9,
            frameon=False,
        )
    return fig


def _matches_title(count: int, drawn: int) -> str:
    if not count:
        return "no matches"
    return f"{count} matches" if drawn == count else f"{count} matches, {drawn} of them drawn"


class _Lines(NamedTuple):
    """Matches to draw, the sure ones last.

    The ends in a and in b are (L, 2) float px of the images; ``confidence`` is (L,) float, 0 to 1; ``agree`` is (L,) bool.
    """

    start: np.ndarray
    end: np.ndarray
    confidence: np.ndarray
    agree: np.ndarray


def _lines(
    keypoints_a: np.ndarray,
    keypoints_b: np.ndarray,
    matches0: np.ndarray,
    scores: np.ndarray,
    inliers: np.ndarray | None,
    max_lines: int,
    scale: float | tuple[float, float],
) -> _Lines:
    """The lines that :func:`plot_matches` draws for the same arguments."""
    source = np.flatnonzero(np.asarray(matches0) >= 0)
    agree = np.ones(len(source), dtype=bool) if inliers is None else np.asarray(inliers, dtype=bool)
    if agree.shape != source.shape:
        raise ValueError(f"inliers is {agree.shape}, there are {len(source)} matches: give one value per match")
    confidence = np.asarray(scores, dtype=float)[source]
    sure_first = np.argsort(-confidence, kind="stable")
    drawn = sure_first[evenly(len(source), max_lines)][::-1]
    pairs = (keypoints_a, source), (keypoints_b, np.asarray(matches0)[source])
    # The centre of a pixel is a whole number, in keypoints and in images.
    start, end = ((np.asarray(points, dtype=float).reshape(-1, 2)[of[drawn]] + 0.5) * scale - 0.5 for points, of in pairs)
    return _Lines(start, end, confidence[drawn], agree[drawn])


def match_picture(
    image_a: np.ndarray,
    image_b: np.ndarray,
    keypoints_a: np.ndarray,
    keypoints_b: np.ndarray,
    matches0: np.ndarray,
    scores: np.ndarray,
    inliers: np.ndarray | None = None,
    max_lines: int = MAX_LINES,
    scale: float = 1.0,
    size: tuple[int, int] = (480, 360),
) -> np.ndarray:
    """Draw two frames side by side with their matches, as :func:`plot_matches` does, without words.

    Parameters
    ----------
    image_a, image_b : (h, w, 3) uint8 arrays
        RGB images of one size.
    keypoints_a, keypoints_b : (K, 2) and (L, 2) float arrays
        x and y, px of the keypoints.
    matches0 : (K,) int array
        Index into ``keypoints_b``, or -1.
    scores : (K,) float array
        Confidence of each match, 0 to 1.
    inliers : (M,) bool array, optional
        For the M matches in the order of ``keypoints_a``, whether they agree with the registration, as
        :class:`~workbench.registration.pair.Registration` has it; those that disagree are dashed in one colour.
    max_lines : int
        How many matches are drawn at most, picked evenly from sure to unsure.
    scale : float
        Pixels of the image per pixel of the keypoints, for working copies of larger originals.
    size : tuple of int
        Width and height in px that each frame is fitted into.

    Returns
    -------
    (h', w', 3) uint8 array
        An RGB image.
    """
    zoom = min(size[0] / image_a.shape[1], size[1] / image_a.shape[0])
    frames = [_resized(image, zoom) for image in (image_a, image_b)]
    height, width = frames[0].shape[:2]
    sheet = np.full((height, 2 * width + GAP, 3), 255, np.uint8)
    sheet[:, :width], sheet[:, width + GAP :] = frames
    lines = _lines(keypoints_a, keypoints_b, matches0, scores, inliers, max_lines, scale * zoom)
    colours = np.where(lines.agree[:, None], colormaps["viridis"](lines.confidence)[:, :3], to_rgb(DISAGREE_COLOUR))
    for k in np.argsort(lines.agree, kind="stable"):  # those that agree lie on top
        start, end, colour = lines.start[k], lines.end[k] + [width + GAP, 0], (255 * colours[k]).round().tolist()
        pieces = [(start, end)] if lines.agree[k] else _dashes(start, end)
        # OpenCV takes whole numbers: sixteenths of a pixel keep the ends where they are.
        dashes = [(16 * np.array(piece)).round().astype(np.int32) for piece in pieces]
        cv2.polylines(sheet, dashes, False, colour, 1, cv2.LINE_AA, shift=4)
        for point in (start, end):
            cv2.circle(sheet, (16 * point).round().astype(int).tolist(), 2 * 16, colour, -1, cv2.LINE_AA, shift=4)
    return sheet


def _dashes(start: np.ndarray, end: np.ndarray, dash: float = 6, gap: float = 4) -> np.ndarray:
    """(D, 2, 2) float: the ends of the dashes of a line between two points, lengths in px."""
    length = max(float(np.linalg.norm(end - start)), 1e-9)
    begins = np.arange(0, length, dash + gap)
    shares = np.stack([begins, np.minimum(begins + dash, length)], axis=1) / length
    return start + shares[..., None] * (end - start)


def _resized(image: np.ndarray, zoom: float) -> np.ndarray:
    size = tuple(max(1, round(zoom * side)) for side in image.shape[1::-1])
    return cv2.resize(np.ascontiguousarray(image), size, interpolation=cv2.INTER_AREA if zoom < 1 else cv2.INTER_CUBIC)


def registered_overlay(image_a: np.ndarray, image_b: np.ndarray, transform: np.ndarray, kind: str = "red-cyan") -> Figure:
    """Overlay two frames, before and after registration; where they agree, edges continue from one to the other.

    Parameters
    ----------
    image_a, image_b : (h, w, 3) uint8 arrays
        RGB images of one size.
    transform : (2, 3) float array
        Takes x, y of a to b, in px of these images.
    kind : str
        ``red-cyan`` (ranks of the grey levels, of a in red and of b in cyan, grey where both agree) or ``checkerboard`` (a and
        b in turn).

    Returns
    -------
    Figure
        Two overlays. Their titles give the difference of the ranks, see :func:`overlay_pictures`.

    Raises
    ------
    ValueError
        For another ``kind``, and for images of different sizes.
    """
    if kind not in ("red-cyan", "checkerboard"):
        raise ValueError(f"kind={kind!r}: give red-cyan or checkerboard")
    overlays, titles = [], []
    for name, matrix in (("before", np.eye(2, 3)), ("after", transform)):
        (overlay,), difference = overlay_pictures(image_a, image_b, matrix, kind)
        overlays.append(overlay)
        found = "hardly any overlap" if difference is None else f"difference of ranks {difference:.3f}"
        titles.append(f"{name} registration: {found}")
    return plot_images(overlays, titles)


def overlay_pictures(
    image_a: np.ndarray, image_b: np.ndarray, transform: np.ndarray, kind: str
) -> tuple[list[np.ndarray], float | None]:
    """Overlay frame a, warped onto frame b, on b; where a does not reach, b is seen.

    Parameters
    ----------
    image_a, image_b : (h, w, 3) uint8 arrays
        RGB images of one size.
    transform : (2, 3) float array
        Takes x, y of a to b, in px of these images.
    kind : str
        ``red-cyan`` or ``checkerboard``, see :func:`registered_overlay`, or ``blink``: two images to be shown in turn.

    Returns
    -------
    overlays : list of (h, w, 3) uint8 arrays
        One image, or two for ``blink``.
    difference : float or None
        How much the ranks of the grey levels differ where both frames are, 0 (same) to 1, near 0.41 for frames that have
        nothing in common: :func:`~workbench.registration.pair.residual`, which light does not change. None where hardly any
        of both overlaps.

    Raises
    ------
    ValueError
        For images of different sizes.
    """
    if image_a.shape != image_b.shape:
        raise ValueError(f"the images are {image_a.shape} and {image_b.shape}: give two of one size")
    height, width = image_b.shape[:2]
    image_b, matrix = np.ascontiguousarray(image_b), np.asarray(transform, dtype=float)
    moved = cv2.warpAffine(np.ascontiguousarray(image_a), matrix, (width, height))
    inside = cv2.warpAffine(np.ones((height, width), np.float32), matrix, (width, height)) > 0.999
    left = residual(rank_thumbnail(image_a), rank_thumbnail(image_b), matrix, (width, height))
    difference = left if np.isfinite(left) else None
    if kind == "red-cyan":
        ranks_a, ranks_b = _ranks(image_a), _ranks(image_b)
        red = np.where(inside, cv2.warpAffine(ranks_a, matrix, (width, height)), ranks_b)
        return [np.dstack([red, ranks_b, ranks_b])], difference
    if kind == "blink":
        return [np.where(inside[..., None], moved, image_b), image_b], difference
    side = max(1, width // CHECKERBOARD_SQUARES)
    rows, columns = np.indices((height, width)) // side
    return [np.where((((rows + columns) % 2 == 0) & inside)[..., None], moved, image_b)], difference


def _ranks(image: np.ndarray) -> np.ndarray:
    """The ranks of the grey levels of an (h, w, 3) uint8 image, (h, w) uint8: 255 for the brightest."""
    return np.round(255 * rank_transform(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY))).astype(np.uint8)
