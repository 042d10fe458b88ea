"""Draw the pipeline from the table of stages: every stage is a box, and an arrow leads to each stage that reads its result.

    python docs/pipeline_picture.py docs/pipeline.png

The documentation draws it anew whenever it is built; ``docs/pipeline.png``, which the README shows, is the same picture.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch, PathPatch
from matplotlib.path import Path as Outline

from workbench.run.stages import STAGES, Stage

# Sizes in px of the picture.
WIDTH, HEIGHT = 232, 62  # of a box
GUTTER, GAP = 52, 24  # between columns, between rows
LANE, PORT = 12, 10  # between arrows that run side by side, between the places where arrows meet a box
MARGIN, BEND = 14, 7  # around the picture; radius of an arrow's bends
LEGEND = 26

INK, QUIET, LINE, FILL = "#1c2733", "#5b6b7b", "#2f6f9f", "#eef5fa"
BESIDE_LINE, BESIDE_FILL = "#9aa7b3", "#fafbfc"
LAST_OUTPUTS = "a video per scene, and one of all"  # their number follows from the scenes


@dataclass(frozen=True)
class Place:
    """Where a box lies: the middle of its upper edge, and its column: -1 left, 0 middle, 1 right."""

    x: float
    top: float
    column: int
    row: int

    @property
    def bottom(self) -> float:
        """The lower edge; y points down."""
        return self.top + HEIGHT

    def side(self, right: bool) -> float:
        """Where the left or the right edge is."""
        return self.x + WIDTH / 2 * (1 if right else -1)


def places() -> dict[str, Place]:
    """The longest chain of stages goes down the middle, results that nothing reads lie on the left, others on the right."""
    depth: dict[str, int] = {}
    longest: dict[str, list[str]] = {}
    for stage in STAGES.values():
        before = max(stage.reads, key=lambda name: depth[name], default="")
        depth[stage.name] = depth.get(before, -1) + 1
        longest[stage.name] = [*longest.get(before, []), stage.name]
    last = max(depth, key=lambda name: depth[name])
    read = {name for stage in STAGES.values() for name in stage.reads}
    found = {}
    for name, row in depth.items():
        column = 0 if name in longest[last] else 1 if name in read else -1
        found[name] = Place(column * (WIDTH + GUTTER), row * (HEIGHT + GAP), column, row)
    return found


def lanes(at: dict[str, Place]) -> dict[tuple[str, str], tuple[bool, int]]:
    """Arrows that pass boxes by: whether on the right side, and in which lane, 0 next to the boxes. None of them cross."""
    passing = [
        (before, stage.name)
        for stage in STAGES.values()
        for before in stage.reads
        if at[before].column == at[stage.name].column == 0 and at[stage.name].row > at[before].row + 1
    ]
    sides: dict[bool, list[tuple[str, str]]] = {False: [], True: []}
    for edge in sorted(passing, key=lambda edge: (at[edge[0]].row, at[edge[1]].row)):
        start, stop = (at[name].row for name in edge)
        spans = [(at[one].row, at[other].row) for one, other in sides[False]]
        crosses = any(first < start < final < stop or start < first < stop < final for first, final in spans)
        sides[crosses].append(edge)
    found = {}
    for right, edges in sides.items():
        for edge in sorted(edges, key=lambda edge: at[edge[1]].row - at[edge[0]].row):
            start, stop = at[edge[0]].row, at[edge[1]].row
            inside = [
                lane
                for other, (side, lane) in found.items()
                if side == right and at[other[0]].row < stop and start < at[other[1]].row
            ]
            found[edge] = right, max(inside, default=-1) + 1
    return found


def draw(file: Path, dpi: int = 100) -> Path:
    """Write the picture; the ending of ``file`` says as what."""
    at = places()
    rows = max(place.row for place in at.values()) + 1
    wide = 3 * WIDTH + 2 * GUTTER + 2 * MARGIN
    high = rows * (HEIGHT + GAP) - GAP + 2 * MARGIN + LEGEND
    with matplotlib.rc_context({"svg.fonttype": "path", "svg.hashsalt": "pipeline", "font.family": "DejaVu Sans"}):
        figure = plt.figure(figsize=(wide / 100, high / 100), facecolor="white")
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_xlim(-wide / 2, wide / 2)
        axes.set_ylim(high - MARGIN, -MARGIN)
        axes.axis("off")
        _draw_arrows(axes, at)
        for stage in STAGES.values():
            _draw_box(axes, stage, at[stage.name])
        legend = (
            "Arrows lead to the stages that read a result. In blue: the notebook that computes it. Dashed: for looking only."
        )
        axes.text(0, high - MARGIN - 12, legend, ha="center", va="center", fontsize=7, color=QUIET)
        file.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(file, dpi=dpi, facecolor="white", metadata={"Date": None} if file.suffix == ".svg" else None)
        plt.close(figure)
    return file


def _draw_box(axes: Axes, stage: Stage, place: Place) -> None:
    line, fill = (LINE, FILL) if stage.on_fast_path else (BESIDE_LINE, BESIDE_FILL)
    axes.add_patch(
        FancyBboxPatch(
            (place.side(False), place.top),
            WIDTH,
            HEIGHT,
            boxstyle="round,pad=0,rounding_size=7",
            facecolor=fill,
            edgecolor=line,
            linewidth=1.1,
            linestyle="-" if stage.on_fast_path else (0, (4, 3)),
            zorder=3,
        )
    )
    left, right = place.side(False) + 12, place.side(True) - 12
    files = ", ".join(stage.outputs) or LAST_OUTPUTS
    kind = {"family": "DejaVu Sans Mono"} if stage.outputs else {}
    axes.text(left, place.top + 15, stage.name, va="center", fontsize=9.5, weight="bold", color=INK, zorder=4)
    axes.text(right, place.top + 15, stage.notebook, ha="right", va="center", fontsize=6.4, color=LINE, zorder=4)
    axes.text(left, place.top + 32, stage.about, va="center", fontsize=7.4, color=INK, zorder=4)
    axes.text(left, place.top + 48, files, va="center", fontsize=6.4, color=QUIET, zorder=4, **kind)


def _draw_arrows(axes: Axes, at: dict[str, Place]) -> None:
    passing = lanes(at)
    for stage in STAGES.values():
        for before in stage.reads:
            start, stop = at[before], at[stage.name]
            if (before, stage.name) in passing:
                right, lane = passing[before, stage.name]
                sign = 1 if right else -1
                # Inner arrows leave below and arrive above outer ones, so that they do not cross.
                lane_x = start.side(right) + sign * (LANE * (lane + 1) + 4)
                leaves, arrives = start.bottom - PORT - PORT * lane, stop.top + PORT + PORT * lane
                corners = [(start.side(right), leaves), (lane_x, leaves), (lane_x, arrives), (stop.side(right), arrives)]
            elif start.column == stop.column:
                corners = [(start.x, start.bottom), (stop.x, stop.top)]
            elif start.column == 0:
                right = stop.column > 0
                y = start.top + HEIGHT / 2
                if any(place.column == stop.column and start.row <= place.row < stop.row for place in at.values()):
                    # Boxes are in the way: down beside them, then in from the side.
                    lane_x, into = stop.side(not right) + (-1 if right else 1) * LANE, stop.top + HEIGHT / 2
                    corners = [(start.side(right), y), (lane_x, y), (lane_x, into), (stop.side(not right), into)]
                else:  # out to the side, then down
                    corners = [(start.side(right), y), (stop.x, y), (stop.x, stop.top)]
            else:  # down, then in from the side
                right = start.column > 0
                y = stop.top + HEIGHT / 2
                corners = [(start.x, start.bottom), (start.x, y), (stop.side(right), y)]
            _draw_arrow(axes, corners)


def _draw_arrow(axes: Axes, corners: list[tuple[float, float]]) -> None:
    """A line with rounded corners and a head."""
    points, codes = [corners[0]], [Outline.MOVETO]
    for before, corner, after in zip(corners, corners[1:], corners[2:], strict=False):
        points += [_towards(corner, before), corner, _towards(corner, after)]
        codes += [Outline.LINETO, Outline.CURVE3, Outline.CURVE3]
    points.append(corners[-1])
    codes.append(Outline.LINETO)
    axes.add_patch(PathPatch(Outline(points, codes), facecolor="none", edgecolor=LINE, linewidth=1.0, zorder=1))
    (x0, y0), (x1, y1) = corners[-2:]
    length = ((x1 - x0) ** 2 + (y1 - y0) ** 2) ** 0.5
    along = ((x1 - x0) / length, (y1 - y0) / length)
    base = (x1 - 7 * along[0], y1 - 7 * along[1])
    across = (-3.2 * along[1], 3.2 * along[0])
    head = [(x1, y1), (base[0] + across[0], base[1] + across[1]), (base[0] - across[0], base[1] - across[1])]
    axes.add_patch(plt.Polygon(head, closed=True, facecolor=LINE, edgecolor="none", zorder=2))


def _towards(corner: tuple[float, float], other: tuple[float, float]) -> tuple[float, float]:
    length = ((other[0] - corner[0]) ** 2 + (other[1] - corner[1]) ** 2) ** 0.5
    share = min(0.5, BEND / length)
    return corner[0] + share * (other[0] - corner[0]), corner[1] + share * (other[1] - corner[1])


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python docs/pipeline_picture.py FILE")
    print(draw(Path(sys.argv[1]), dpi=160))
