"""Frames in controls: one after the other, or many as a gallery; and what every control needs to show a picture."""

import base64
import os
from collections.abc import Sequence

import cv2
import ipywidgets
import numpy as np

from workbench.embedding.images import thumbnail
from workbench.viz.pictures import evenly, scene_colour, scene_name

HEADLESS = "WORKBENCH_HEADLESS"
MAX_NAMED = 16  # scenes named in a legend


def is_interactive(interactive: bool) -> bool:
    """True when controls are wanted and a person can use them: the environment variable WORKBENCH_HEADLESS is unset."""
    return bool(interactive) and not os.environ.get(HEADLESS)


def frame_browser(
    images: Sequence[np.ndarray],
    indices: Sequence[int] | np.ndarray | None = None,
    labels: np.ndarray | None = None,
    width: int = 480,
) -> ipywidgets.Widget:
    """A slider through a sequence of frames, the frame below it; it plays, and follows the arrow keys.

    images: (N, h, w, 3) uint8. indices: (M,) int, the sequence, default all in input order. labels: (N,) int scene of
    every frame, named in the caption. width: largest width shown, px.
    """
    indices = np.arange(len(images)) if indices is None else np.asarray(indices, dtype=int)
    if not len(indices):
        return ipywidgets.HTML("no frames to show")
    last = len(indices) - 1
    slider = ipywidgets.IntSlider(0, 0, last, description="place", layout={"width": "480px"})
    play = ipywidgets.Play(value=0, min=0, max=last, interval=120, show_repeat=False)
    ipywidgets.jslink((play, "value"), (slider, "value"))
    caption, picture = ipywidgets.HTML(), ipywidgets.Image(format="jpeg", layout={"align_self": "flex-start"})

    def show(_: object = None) -> None:
        position = int(indices[slider.value])
        scene = "" if labels is None else f", {scene_name(labels[position]).removesuffix('s')}"
        caption.value = f"place {slider.value} of {len(indices)}: frame {position} of the input{scene}"
        picture.value = jpeg(thumbnail(images[position], width, width))

    slider.observe(show, "value")
    show()
    hint = ipywidgets.HTML("<small>Drag the slider; once it is clicked, the arrow keys step from frame to frame.</small>")
    browser = ipywidgets.VBox([ipywidgets.HBox([slider, play]), hint, caption, picture])
    browser.add_class("wb-browser")
    return browser


def gallery(images: Sequence[np.ndarray], frames: Sequence[int] | np.ndarray, labels: np.ndarray, most: int = 24) -> str:
    """HTML: frames side by side, at most ``most``, evenly picked; ``#position`` under each, framed in its scene's colour.

    images: (N, h, w, 3) uint8. frames: (M,) int positions. labels: (N,) int scene of every frame, -1 outlier.
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
    """HTML: every scene with its colour and number of frames, then the outliers; at most 16 scenes are named."""
    scenes, counts = np.unique(labels[labels >= 0], return_counts=True)
    names = [(scene_colour(scene), f"{scene_name(scene)} ({count})") for scene, count in zip(scenes, counts, strict=True)]
    entries = names[:MAX_NAMED] + [("#ffffff", f"{len(names) - MAX_NAMED} more scenes")] * (len(names) > MAX_NAMED)
    if (labels < 0).any():
        entries.append((scene_colour(-1), f"outliers ({(labels < 0).sum()})"))
    return " &ensp; ".join(f"<span style='color:{colour}'>&#9632;</span>&nbsp;{name}" for colour, name in entries)


def jpeg(image: np.ndarray) -> bytes:
    """(h, w, 3) uint8 RGB as JPEG."""
    return cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1].tobytes()
