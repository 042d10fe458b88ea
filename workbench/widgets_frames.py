"""Controls for the ``explore`` cells of notebooks: thin ipywidgets over the figures of :mod:`workbench.viz`.

A notebook draws the static figure first and adds a control only when :func:`is_interactive` says so. Figures are
shown as PNG in an image widget, so nothing depends on the plotting backend and a redraw leaves no figure open.
"""

import io
import os
from collections.abc import Callable, Sequence

import cv2
import ipywidgets
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from workbench.viz_pictures import scene_name, thumbnail

HEADLESS = "WORKBENCH_HEADLESS"


def is_interactive(interactive: bool) -> bool:
    """True when controls are wanted and a person can use them: the environment variable WORKBENCH_HEADLESS is unset."""
    return bool(interactive) and not os.environ.get(HEADLESS)


def frame_browser(
    images: np.ndarray,
    indices: Sequence[int] | np.ndarray | None = None,
    labels: np.ndarray | None = None,
    width: int = 480,
) -> ipywidgets.Widget:
    """A slider through a sequence of frames, the frame below it.

    images: (N, h, w, 3) uint8. indices: (M,) int, the sequence, default all in input order. labels: (N,) int scene of
    every frame, named in the caption. width: largest width shown, px.
    """
    indices = np.arange(len(images)) if indices is None else np.asarray(indices, dtype=int)
    if not len(indices):
        return ipywidgets.HTML("no frames to show")
    slider = ipywidgets.IntSlider(0, 0, len(indices) - 1, description="place", layout={"width": "480px"})
    caption, picture = ipywidgets.HTML(), ipywidgets.Image(format="jpeg")

    def show(_: object = None) -> None:
        position = int(indices[slider.value])
        scene = "" if labels is None else f", {scene_name(labels[position]).removesuffix('s')}"
        caption.value = f"place {slider.value} of {len(indices)}: frame {position} of the input{scene}"
        picture.value = jpeg(thumbnail(images[position], width, width))

    slider.observe(show, "value")
    show()
    return ipywidgets.VBox([slider, caption, picture])


def eps_slider(
    cluster: Callable[[float], np.ndarray],
    draw: Callable[[np.ndarray], Figure],
    eps: float,
    low: float = 1e-3,
    high: float = 1.0,
) -> ipywidgets.Widget:
    """A slider for eps that clusters anew and draws what comes out.

    cluster: eps (cosine distance) -> labels (N,) int, -1 outlier. draw: labels -> figure, say
    ``lambda labels: viz.umap_scatter(points, labels)``. eps: where the slider starts; low, high: its ends,
    on a log scale.
    """
    if not (eps > 0 and low > 0):
        raise ValueError(f"eps={eps}, low={low}: a log scale needs values above 0")
    low, high = np.log10([min(low, eps), max(high, eps)])
    slider = ipywidgets.FloatLogSlider(
        eps, min=low, max=high, step=(high - low) / 200, description="eps", readout_format=".4f",
        continuous_update=False, layout={"width": "480px"},
    )  # fmt: skip
    caption, picture = ipywidgets.HTML(), ipywidgets.Image(format="png")

    def show(_: object = None) -> None:
        labels = np.asarray(cluster(slider.value))
        scenes = len(np.unique(labels[labels >= 0]))
        caption.value = f"eps = {slider.value:.4g}: scenes {scenes}, outliers {(labels < 0).sum()}"
        picture.value = png(draw(labels))

    slider.observe(show, "value")
    show()
    return ipywidgets.VBox([slider, caption, picture])


def pair_chooser(pairs: Sequence[tuple[int, int]] | np.ndarray, show: Callable[[int, int], Figure]) -> ipywidgets.Widget:
    """Two lists to choose a pair of frames from, and the figure of that pair below.

    pairs: (P, 2) int positions; the second list offers only partners of the frame chosen in the first. show: makes the
    figure of a pair, say keypoint matches.
    """
    partners: dict[int, list[int]] = {}
    for a, b in np.asarray(pairs, dtype=int).reshape(-1, 2).tolist():
        partners.setdefault(a, []).append(b)
    if not partners:
        return ipywidgets.HTML("no pairs to show")
    first = ipywidgets.Dropdown(options=sorted(partners), description="frame a")
    second = ipywidgets.Dropdown(options=sorted(partners[first.value]), description="frame b")
    picture = ipywidgets.Image(format="png")
    drawn: list[tuple[int, int]] = []

    def redraw(_: object = None) -> None:
        pair = (first.value, second.value)
        if pair[1] in partners[pair[0]] and drawn != [pair]:
            drawn[:] = [pair]
            picture.value = png(show(*pair))

    def offer(_: object) -> None:
        second.options = sorted(partners[first.value])  # draws already when this changes the second frame
        redraw()

    first.observe(offer, "value")
    second.observe(redraw, "value")
    redraw()
    return ipywidgets.VBox([ipywidgets.HBox([first, second]), picture])


def png(figure: Figure) -> bytes:
    """The figure as PNG; it is closed, so that the notebook does not show it again."""
    with io.BytesIO() as file:
        figure.savefig(file, format="png")
        plt.close(figure)
        return file.getvalue()


def jpeg(image: np.ndarray) -> bytes:
    """(h, w, 3) uint8 RGB as JPEG."""
    return cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1].tobytes()
