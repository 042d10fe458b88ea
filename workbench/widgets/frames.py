"""Browsers for frames, one at a time or as a gallery, and the picture and legend helpers that the other controls share."""

import base64
from collections.abc import Callable, Sequence

import cv2
import ipywidgets
import numpy as np

from workbench.embedding.images import thumbnail
from workbench.viz.pictures import evenly, scene_colour, scene_name

MAX_LEGEND_SCENES = 16  # scenes named in a legend; the others are counted

PICTURE_SIZE_PX = 132, 99  # largest width and height of a picture; narrow rows show it smaller

# The button of a frame covers its picture, so that the picture can be clicked; the caption of the button stands below.
STRIP_STYLE = """<style>
.wb-strip { flex-wrap: nowrap; align-items: stretch; min-height: 60px; overflow: hidden; }
.wb-frame { position: relative; flex: 0 1 96px; min-width: 24px; margin: 2px; padding-bottom: 20px; border-radius: 3px; }
.wb-frame img { display: block; width: 100%; margin: 0; }
.wb-frame button.jupyter-button { position: absolute; inset: 0; width: auto; height: auto; margin: 0; padding: 0; display: flex;
  align-items: flex-end; justify-content: center; background: transparent; font-size: 11px; line-height: 20px; }
.wb-frame.wb-chosen { box-shadow: 0 0 0 3px #0072B2; }
.wb-frame.wb-beside { box-shadow: 0 0 0 2px #E69F00; }
.wb-link { flex: 0 0 auto; margin: 2px 0; min-width: 2px; }
.wb-link .widget-html-content { height: 100%; }
.wb-mark { height: calc(100% - 20px); width: 30px; display: flex; flex-direction: column; align-items: center;
  font-size: 11px; line-height: 16px; }
.wb-mark::after { content: ""; flex: 1; width: 5px; background: currentColor; border-radius: 2px; }
</style>"""


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


class FilmStrip:
    """A row of frames that calls ``choose`` when one of them is clicked.

    Parameters
    ----------
    images : sequence of N (h, w, 3) uint8 arrays
        All frames, RGB, in input order.
    choose : callable
        Called with the input position, int, of the frame that is clicked.
    count : int
        Number of frames in the row at most.

    Attributes
    ----------
    widget : ipywidgets.Widget
        What a notebook displays; it needs :data:`STRIP_STYLE` somewhere on the page.
    """

    def __init__(self, images: Sequence[np.ndarray], choose: Callable[[int], None], count: int = 10) -> None:
        self.images, self.choose, self.frames = images, choose, [-1] * count
        self.pictures = [ipywidgets.Image(format="jpeg") for _ in range(count)]
        self.buttons = [ipywidgets.Button() for _ in range(count)]
        self.links = [ipywidgets.HTML() for _ in range(count)]
        self.cells = [ipywidgets.VBox(both) for both in zip(self.pictures, self.buttons, strict=True)]
        for number, button in enumerate(self.buttons):
            button.on_click(lambda _, number=number: self.choose(self.frames[number]))
            self.cells[number].add_class("wb-frame")
            self.links[number].add_class("wb-link")
        self.widget = ipywidgets.HBox([item for both in zip(self.cells, self.links, strict=True) for item in both])
        self.widget.add_class("wb-strip")

    def show(
        self, frames: Sequence[int], captions: Sequence[str], marks: Sequence[str] = (), chosen: int = -1, beside: int = -1
    ) -> None:
        """Show some frames.

        Parameters
        ----------
        frames : sequence of int
            Input positions, at most ``count``.
        captions : sequence of str
            Caption of every frame.
        marks : sequence of str
            HTML that stands after each frame; frames beyond its length have no mark.
        chosen, beside : int
            Input positions of the two frames that are outlined, -1 for none; a frame that is both is outlined as chosen.
        """
        for number, cell in enumerate(self.cells):
            shown = number < len(frames)
            cell.layout.display = None if shown else "none"
            frame = frames[number] if shown else -1
            if shown and frame != self.frames[number]:
                self.pictures[number].value = jpeg(thumbnail(self.images[frame], *PICTURE_SIZE_PX))
            self.frames[number] = frame
            self.buttons[number].description = captions[number] if shown else ""
            self.links[number].value = marks[number] if number < len(marks) else ""
            for name, outlined in (("wb-chosen", chosen), ("wb-beside", beside if beside != chosen else -1)):
                (cell.add_class if shown and frame == outlined else cell.remove_class)(name)
