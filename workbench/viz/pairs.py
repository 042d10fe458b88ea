"""Two frames as figures: their matches, and the one laid on the other. And as plain pictures, for controls that answer at once.

matplotlib takes a quarter to half a second for such a figure; OpenCV draws the same lines in a few milliseconds.
"""

from typing import NamedTuple

import cv2
import numpy as np
from matplotlib import colormaps
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize, to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import ConnectionPatch

from workbench.viz.pictures import GAP, evenly, plot_images

DISAGREE_COLOUR = "#D55E00"
MAX_LINES = 150


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
    """Draw lines between the first two pictures of :func:`plot_images`, coloured by confidence; returns ``fig``.

    keypoints_a, keypoints_b: (K, 2) and (L, 2) float, x and y in px. matches0: (K,) int, index into b or -1.
    scores: (K,) float, confidence of each match, 0 to 1. inliers: (M,) bool for the M matches in the order of the
    keypoints of a, as :class:`workbench.registration.pair.Registration` has it; those that disagree are dashed in one colour.
    max_lines: of more matches only so many are drawn, picked evenly from sure to unsure. scale: px of the picture for
    one px of the keypoints (one number, or one for x and one for y), for working copies of larger originals.
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
    count = np.count_nonzero(np.asarray(matches0) >= 0)
    fig.suptitle(_matches_title(count, len(lines.agree)), fontsize=10)
    if inliers is not None and count:
        agree = np.count_nonzero(inliers)
        handles = [
            Line2D([], [], color=colours.to_rgba(0.6), label=f"agree with the registration ({agree})"),
            Line2D([], [], color=DISAGREE_COLOUR, linestyle="--", label=f"disagree ({count - agree})"),
        ]
        fig.legend(handles=handles, loc="outside lower center", ncols=2, fontsize=9, frameon=False)
    return fig


def _matches_title(count: int, drawn: int) -> str:
    if not count:
        return "no matches"
    return f"{count} matches" if drawn == count else f"{count} matches, {drawn} of them drawn"


class _Lines(NamedTuple):
    """Matches to draw, the sure ones last: ends in a and in b, (L, 2) float px of the pictures; confidence (L,) float, 0 to 1;
    agree (L,) bool, with the registration.
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
    """What :func:`plot_matches` draws, of arguments as it takes them."""
    source = np.flatnonzero(np.asarray(matches0) >= 0)
    agree = np.ones(len(source), dtype=bool) if inliers is None else np.asarray(inliers, dtype=bool)
    if agree.shape != source.shape:
        raise ValueError(f"inliers is {agree.shape}, there are {len(source)} matches: give one value a match")
    confidence = np.asarray(scores, dtype=float)[source]
    sure_first = np.argsort(-confidence, kind="stable")
    drawn = sure_first[evenly(len(source), max_lines)][::-1]
    pairs = (keypoints_a, source), (keypoints_b, np.asarray(matches0)[source])
    # A pixel's centre is a whole number, in keypoints and in pictures.
    ends = [(np.asarray(points, dtype=float).reshape(-1, 2)[of[drawn]] + 0.5) * scale - 0.5 for points, of in pairs]
    return _Lines(*ends, confidence[drawn], agree[drawn])


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
    """Two frames side by side with their matches, as :func:`plot_matches` draws them, without words; (h', w', 3) uint8.

    image_a, image_b: (h, w, 3) uint8 of one size. Each is shown as large as fits into ``size``, width and height in px.
    The rest as in :func:`plot_matches`.
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
        cv2.polylines(sheet, (16 * np.array(pieces)).round().astype(np.int32), False, colour, 1, cv2.LINE_AA, shift=4)
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


def registered_overlay(
    image_a: np.ndarray, image_b: np.ndarray, transform: np.ndarray, kind: str = "red-cyan", squares: int = 8
) -> Figure:
    """Two frames laid on each other, before and after ``transform``; where they agree, edges run through.

    image_a, image_b: (h, w, 3) uint8 of one size. transform: (2, 3) float, takes x, y of a to b in px of these images.
    kind: ``red-cyan`` (a in red, b in cyan, grey where both agree) or ``checkerboard`` (``squares`` along the width,
    a and b in turn). The titles give the mean absolute difference of grey levels where both frames are, 0 to 255.
    """
    if kind not in ("red-cyan", "checkerboard"):
        raise ValueError(f"kind={kind!r}: give red-cyan or checkerboard")
    overlays, titles = [], []
    for name, matrix in (("before", np.eye(2, 3)), ("after", transform)):
        (overlay,), difference = overlay_pictures(image_a, image_b, matrix, kind, squares)
        overlays.append(overlay)
        found = "no overlap" if difference is None else f"mean difference {difference:.1f} grey levels"
        titles.append(f"{name} registration: {found}")
    return plot_images(overlays, titles)


def overlay_pictures(
    image_a: np.ndarray, image_b: np.ndarray, transform: np.ndarray, kind: str, squares: int = 8
) -> tuple[list[np.ndarray], float | None]:
    """Frame a laid on frame b, and how much differs; where a does not reach, b is seen.

    image_a, image_b: (h, w, 3) uint8 of one size. transform: (2, 3) float, takes x, y of a to b in px of these images.
    kind: ``red-cyan``, ``checkerboard``, see :func:`registered_overlay`, or ``blink``: two pictures to be shown in turn.
    Returns the pictures, (h, w, 3) uint8, and the mean absolute difference of grey levels where both frames are, 0 to 255;
    None without any overlap.
    """
    if image_a.shape != image_b.shape:
        raise ValueError(f"the images are {image_a.shape} and {image_b.shape}: give two of one size")
    height, width = image_b.shape[:2]
    image_b, matrix = np.ascontiguousarray(image_b), np.asarray(transform, dtype=float)
    moved = cv2.warpAffine(np.ascontiguousarray(image_a), matrix, (width, height))
    inside = cv2.warpAffine(np.ones((height, width), np.float32), matrix, (width, height)) > 0.999
    grey_a, grey_b = (cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in (moved, image_b))
    difference = float(cv2.absdiff(grey_a, grey_b)[inside].mean()) if inside.any() else None
    if kind == "red-cyan":
        return [np.dstack([np.where(inside, grey_a, grey_b), grey_b, grey_b])], difference
    if kind == "blink":
        return [np.where(inside[..., None], moved, image_b), image_b], difference
    side = max(1, width // squares)
    rows, columns = np.indices((height, width)) // side
    return [np.where((((rows + columns) % 2 == 0) & inside)[..., None], moved, image_b)], difference
