"""A clickable film strip: small pictures of frames in a row, a caption under each, and room for a mark between two of them."""

from collections.abc import Callable, Sequence

import ipywidgets
import numpy as np

from workbench.embedding.images import thumbnail
from workbench.widgets.frames import jpeg

PICTURE_SIZE_PX = 132, 99  # largest width and height of a picture; narrow rows show it smaller

# The button of a frame covers its picture, so that the picture can be clicked; the caption of the button stands below.
STYLE = """<style>
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
        What a notebook displays; it needs :data:`STYLE` somewhere on the page.
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
