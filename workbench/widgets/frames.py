"""Browsers for frames, one at a time or as a gallery, and the picture and legend helpers that the other controls share."""

import base64
import os
from collections.abc import Sequence

import cv2
import ipywidgets
import numpy as np

from workbench.embedding.images import thumbnail
from workbench.viz.pictures import evenly, scene_colour, scene_name

HEADLESS = "WORKBENCH_HEADLESS"  # environment variable, set where notebooks run without a person
MAX_LEGEND_SCENES = 16  # scenes named in a legend; the others are counted


def is_interactive(interactive: bool) -> bool:
    """Decide whether a notebook shows its controls.

    Parameters
    ----------
    interactive : bool
        Whether controls are wanted, a parameter of every notebook.

    Returns
    -------
    bool
        True when controls are wanted and the environment variable ``WORKBENCH_HEADLESS`` is unset or empty.
    """
    return bool(interactive) and not os.environ.get(HEADLESS)


def frame_browser(
    images: Sequence[np.ndarray],
    indices: Sequence[int] | np.ndarray | None = None,
    labels: np.ndarray | None = None,
    width: int = 480,
) -> ipywidgets.Widget:
    """Browse a sequence of frames with a slider that can also play and follows the arrow keys.

    Parameters
    ----------
    images : sequence of N (h, w, 3) uint8 arrays
        All frames, RGB, in input order.
    indices : (M,) int array or sequence, optional
        Input positions of the frames in the sequence; all frames in input order by default.
    labels : (N,) int array, optional
        Scene of every frame, -1 for an outlier; it is named in the caption.
    width : int
        Largest width and height of the picture, px.

    Returns
    -------
    ipywidgets.Widget
        The slider, its play button, a caption and the picture; a line of text when there are no frames.
    """
    indices = np.arange(len(images)) if indices is None else np.asarray(indices, dtype=int)
    if not len(indices):
        return ipywidgets.HTML("no frames to show")
    last = len(indices) - 1
    slider = ipywidgets.IntSlider(0, 0, last, description="place", layout={"width": "480px"})
    play = ipywidgets.Play(value=0, min=0, max=last, interval=120, show_repeat=False)
    ipywidgets.jslink((play, "value"), (slider, "value"))
    caption, picture = ipywidgets.HTML(), ipywidgets.Image(format="jpeg", layout={"align_self": "flex-start"})

    def _show(_: object = None) -> None:
        position = int(indices[slider.value])
        scene = "" if labels is None else f", {scene_name(labels[position]).removesuffix('s')}"
        caption.value = f"place {slider.value} of {len(indices)}: frame {position} of the input{scene}"
        picture.value = jpeg(thumbnail(images[position], width, width))

    slider.observe(_show, "value")
    _show()
    hint = ipywidgets.HTML("<small>Drag the slider; once it is clicked, the arrow keys step from frame to frame.</small>")
    browser = ipywidgets.VBox([ipywidgets.HBox([slider, play]), hint, caption, picture])
    browser.add_class("wb-browser")
    return browser


def gallery(images: Sequence[np.ndarray], frames: Sequence[int] | np.ndarray, labels: np.ndarray, most: int = 24) -> str:
    """Lay frames out side by side, each framed in the colour of its scene, with ``#position`` below it.

    Parameters
    ----------
    images : sequence of N (h, w, 3) uint8 arrays
        All frames, RGB, in input order.
    frames : (M,) int array or sequence
        Input positions of the frames to show.
    labels : (N,) int array
        Scene of every frame, -1 for an outlier.
    most : int
        Number of frames shown at most; of more, an evenly spaced selection is shown.

    Returns
    -------
    str
        HTML with the pictures embedded as JPEG.
    """
    frames = np.asarray(frames, dtype=int)
    shown = frames[evenly(len(frames), most)]
    cells = []
    for position in shown:
        data = base64.b64encode(jpeg(thumbnail(images[position], 112, 112))).decode()
        colour = scene_colour(labels[position])
        cells.append(
            f"<figure style='margin:0 6px 6px 0;display:inline-block;text-align:center;font-size:11px;line-height:1.3'>"
            f"<img src='data:image/jpeg;base64,{data}' style='border:3px solid {colour};display:block'/>#{position}</figure>"
        )
    more = f"<div style='font-size:12px'>{len(shown)} of {len(frames)} frames are shown</div>" * (len(shown) < len(frames))
    return f"<div style='line-height:0'>{''.join(cells)}</div>{more}"


def scene_legend(labels: np.ndarray) -> str:
    """Name every scene with its colour and number of frames, then the outliers.

    Parameters
    ----------
    labels : (N,) int array
        Scene of every frame, -1 for an outlier.

    Returns
    -------
    str
        HTML; at most 16 scenes are named, the others are counted.
    """
    scenes, counts = np.unique(labels[labels >= 0], return_counts=True)
    names = [(scene_colour(scene), f"{scene_name(scene)} ({count})") for scene, count in zip(scenes, counts, strict=True)]
    entries = names[:MAX_LEGEND_SCENES]
    if len(names) > MAX_LEGEND_SCENES:
        entries.append(("#ffffff", f"{len(names) - MAX_LEGEND_SCENES} more scenes"))
    if (labels < 0).any():
        entries.append((scene_colour(-1), f"outliers ({(labels < 0).sum()})"))
    return " &ensp; ".join(f"<span style='color:{colour}'>&#9632;</span>&nbsp;{name}" for colour, name in entries)


def jpeg(image: np.ndarray) -> bytes:
    """Encode a picture as JPEG.

    Parameters
    ----------
    image : (h, w, 3) uint8 array
        RGB.

    Returns
    -------
    bytes
        The content of a JPEG file.
    """
    return cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1].tobytes()
