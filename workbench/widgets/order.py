"""Editing the order of a run by hand: a film strip, the edits of :mod:`workbench.pipeline.editing`, and the scene as video."""

import html
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise

import ipywidgets
import numpy as np

from workbench.embedding.images import thumbnail
from workbench.errors import UsageError
from workbench.ordering.confidence import WEAK_CONFIDENCE, weak_links
from workbench.pipeline.editing import computed, edit_order, write_again
from workbench.pipeline.edits import frame_lists, link_confidences
from workbench.pipeline.order_edits import Edit, describe, named_frames
from workbench.run import Run
from workbench.widgets.buttons import ERROR_COLOUR, ReportingButtons
from workbench.widgets.edit_list import EditList
from workbench.widgets.frames import STRIP_STYLE, FilmStrip, jpeg
from workbench.widgets.player import ScenePlayer
from workbench.widgets.scene_edits import SceneEdits
from workbench.widgets.task import TaskButton

STRIP_FRAMES = 10  # frames in a row of the film strip
WRITE_LABEL = "Write the video again"
WRITE_HINT = f"order.csv is changed; press <b>{WRITE_LABEL}</b>."
WEAK_COLOUR, HAND_COLOUR = "#D55E00", "#0072B2"  # of weak links, and of links made by hand


def order_editor(run: Run) -> ipywidgets.Widget:
    """Look at the restored order and edit it: move, set aside or take back frames and scenes, undo, write the video.

    A scene can be flipped, cut in two, joined to another one, set aside, begun at another frame, and played earlier or later.

    Every edit changes ``order.csv`` at once and is recorded in the run, see :func:`~workbench.pipeline.editing.edit_order`; the
    videos are written when a button is pressed. An edit that is not possible is explained in one line.

    Parameters
    ----------
    run : Run
        An ordered run.

    Returns
    -------
    ipywidgets.Widget
        The editor; a line of text when the run has no scene.

    Raises
    ------
    MissingStageError, StaleStageError
        If the run is not ordered, or its order is out of date.
    """
    run.require("order")
    if run.order()["scene"].max() < 0:
        return ipywidgets.HTML("no scene was found, there is no order to change")
    return _Editor(run).widget


class _Editor:
    """The controls of the editor, the order they edit, and the frame that is chosen."""

    def __init__(self, run: Run) -> None:
        self.run, self.images, self.updating = run, run.images(), False
        self.scene = ipywidgets.Dropdown(layout={"width": "190px"})
        self.place = ipywidgets.IntSlider(description="place", layout={"flex": "1 1 auto"})
        self.aside = ipywidgets.IntSlider(description="from", layout={"width": "360px"})
        self.strip, self.outliers = (FilmStrip(self.images, self.choose, STRIP_FRAMES) for _ in range(2))
        self.large, self.player = ipywidgets.Image(format="jpeg", width=320), ScenePlayer(run)
        self.about, self.links, self.asides = (ipywidgets.HTML() for _ in range(3))
        self.edits, self.buttons = EditList(run), ReportingButtons(self._report)
        self.of_scene = SceneEdits(self, self.buttons, self._edit, WRITE_HINT)
        self.status, self.writer = ipywidgets.HTML(), TaskButton(WRITE_LABEL, "film", self._write_again, self._written)
        self.side = ipywidgets.Dropdown(options=["after", "before"], layout={"width": "80px"})
        self.beside = ipywidgets.BoundedIntText(0, 0, len(self.images) - 1, layout={"width": "80px"})
        self.status.add_class("wb-status")
        self.read()
        self.widget = self._layout()
        self.chosen = self.scenes[0][0]
        with self._without_redrawing():
            self._scroll_to(0, 0)
        self._aim_at_place()
        self.draw_scene()
        self._show_status(WRITE_HINT if self.player.is_stale() else "Every change is kept in the run.")
        self._on_change(self.scene, lambda: self.go_to(self.scenes[self.scene.value][0], changed=True))
        self._on_change(self.place, self.browse)
        self._on_change(self.aside, self.draw)
        self._on_change(self.beside, self.draw)

    def _on_change(self, control: ipywidgets.Widget, act: Callable[[], None]) -> None:
        """Call ``act`` when a person, not the program, changes a control."""

        def changed(_: object) -> None:
            if not self.updating:
                act()

        control.observe(changed, "value")

    def _layout(self) -> ipywidgets.Widget:
        make, label = self.buttons.make, ipywidgets.Label
        drop = make("Set aside", "wb-drop", self._drop, "trash", "the frame chosen becomes an outlier")
        move = make("Move", "wb-move", self._move, "arrows", "the frame chosen goes beside the frame named")
        self.undo = make("Undo", "wb-undo", self._undo, "undo", "take the edit named back", "90px")
        self.writer.button.add_class("wb-write")
        weak = make("next weak link", "wb-weak", self._next_weak, "forward", "where the order was guessed", "150px")
        wrapped = {"flex_flow": "row wrap"}  # on a narrow page, rather than shortened labels
        rows = [
            self.about,
            ipywidgets.HBox([drop, move, label("to"), self.side, label("frame #"), self.beside], layout=wrapped),
            ipywidgets.HTML("<b>The whole scene</b>"),
            self.of_scene.widget,
            ipywidgets.HTML("<b>All edits</b>"),
            ipywidgets.HBox([self.undo, self.edits.which, self.writer.button]),
        ]
        actions = ipywidgets.VBox([*rows, self.status, self.writer.bar, self.edits.listed], layout={"padding": "0 0 0 16px"})
        widget = ipywidgets.VBox(
            [
                ipywidgets.HTML(STRIP_STYLE),
                ipywidgets.HBox([self.scene, self.place, weak]),
                self.links,
                self.strip.widget,
                ipywidgets.HBox([self.large, actions], layout={"align_items": "flex-start"}),
                ipywidgets.HBox([self.asides, self.aside]),
                self.outliers.widget,
                self.player.widget,
            ],
            layout={"max_width": "1100px"},
        )
        widget.add_class("wb-order")
        return widget

    def read(self) -> None:
        """Read the order from the run."""
        table = self.run.order()
        self.scenes, self.weak = frame_lists(table), weak_links(table)
        self.sure, self.computed = link_confidences(table), link_confidences(computed(self.run)).keys()
        self.set_aside = table.loc[table["scene"] < 0, "position"].tolist()
        self.home = {frame: (scene, place) for scene, frames in enumerate(self.scenes) for place, frame in enumerate(frames)}

    # --- viewing ----------------------------------------------------------------------------------------------------------

    def choose(self, frame: int) -> None:
        """Choose a frame that was clicked; Move would put an outlier beside the place at which the strip stands."""
        self.chosen = frame
        if frame not in self.home:
            self._aim_at_place()
        self.draw()

    def browse(self) -> None:
        """Follow the slider: choose the frame there, or let Move put a chosen outlier beside it."""
        if self.chosen in self.home:
            self.chosen = self.scenes[self.scene.value][self.place.value]
        else:
            self._aim_at_place()
        self.draw()

    def go_to(self, frame: int, changed: bool = False) -> None:
        """Choose a frame and scroll to it, unless it is set aside; ``changed``: the order, or the scene that is shown."""
        self.chosen = frame
        scene, place = self.home.get(frame, (self.scene.value, self.place.value))
        scene = min(scene, len(self.scenes) - 1)  # the scene that was shown may be gone
        same = scene == self.scene.value and not changed
        with self._without_redrawing():
            self._scroll_to(scene, place)
            if frame in self.set_aside:
                self.aside.value = max(0, self.set_aside.index(frame) - STRIP_FRAMES // 2)
        (self.draw if same else self.draw_scene)()

    def draw_scene(self) -> None:
        """Draw everything, including what depends on the order alone."""
        self.player.show(self.scene.value, self.scenes[self.scene.value])
        self.of_scene.show(self.scene.value, [name for name, _ in self.scene.options])
        self.undo.disabled = not self.edits.show()
        self.writer.button.button_style = "primary" if self.player.is_stale() else ""
        self.draw()

    def draw(self) -> None:
        """Draw the strips, the chosen frame and its description."""
        scene, place = self.scene.value, self.place.value
        frames = self.scenes[scene]
        start = max(0, min(place - STRIP_FRAMES // 2 + 1, len(frames) - STRIP_FRAMES))
        shown = frames[start : start + STRIP_FRAMES]
        captions = [f"{start + number} · #{frame}" for number, frame in enumerate(shown)]
        follows = [*frames[start + 1 : start + STRIP_FRAMES + 1], None][: len(shown)]
        marks = [self._mark(frame, after) for frame, after in zip(shown, follows, strict=True)]
        self.strip.show(shown, captions, marks, self.chosen, self.beside.value)
        aside = self.set_aside[self.aside.value : self.aside.value + STRIP_FRAMES]
        self.outliers.show(aside, [f"#{frame}" for frame in aside], chosen=self.chosen)
        self.asides.value = f"<b>Set aside: {len(self.set_aside)}</b>"
        self.aside.layout.display = None if len(self.set_aside) > STRIP_FRAMES else "none"
        self.large.value = jpeg(thumbnail(self.images[self.chosen], 480, 320))
        where = "set aside; moved beside a frame of a scene it is taken back"
        if self.chosen in self.home:
            number, its_place = self.home[self.chosen]
            where = f"place {its_place} of scene {number}"
        self.about.value = f"<b>Frame #{self.chosen}</b>, {where}"
        weak = int((self.weak["scene"] == scene).sum())
        by_hand = sum(tuple(sorted(link)) not in self.computed for link in pairwise(frames))
        self.links.value = (
            f"{len(frames)} frames; <span style='color:{WEAK_COLOUR}'>{weak} weak links</span> "
            f"(confidence below {WEAK_CONFIDENCE}), "
            f"<span style='color:{HAND_COLOUR}'>{by_hand} made by hand</span>. "
            "Under a frame: its place · #its position in the input."
        )

    def _mark(self, frame: int, after: int | None) -> str:
        """The mark between a frame and the next one."""
        if after is None:
            return ""
        link = min(frame, after), max(frame, after)
        if link not in self.computed:
            return f"<div class='wb-mark' style='color:{HAND_COLOUR}'>hand</div>"
        sure = self.sure[link]
        return f"<div class='wb-mark' style='color:{WEAK_COLOUR}'>{sure:.2f}</div>" if sure < WEAK_CONFIDENCE else ""

    # --- editing ----------------------------------------------------------------------------------------------------------

    def _edit(self, edit: Edit, then: int) -> None:
        self._check_not_writing()
        edit_order(self.run, edit)
        self._changed(then)

    def _drop(self) -> str:
        frame = self.chosen
        if frame not in self.home:
            return f"Frame #{frame} is set aside already."
        frames = self.scenes[self.home[frame][0]]
        place = frames.index(frame)
        self._edit({"drop": frame}, frames[place + 1 if place + 1 < len(frames) else place - 1])
        return f"Frame #{frame} is set aside. {WRITE_HINT}"

    def _move(self) -> str:
        frame, side, beside = self.chosen, self.side.value, self.beside.value
        self._edit({"move": frame, side: beside}, frame)
        scene, place = self.home[frame]
        return f"Frame #{frame} stands {side} frame #{beside}, at place {place} of scene {scene}. {WRITE_HINT}"

    def _undo(self) -> str:
        self._check_not_writing()
        taken = self.edits.undo()
        last = taken[-1]
        moved = named_frames(last)[:1] if "move" in last or "drop" in last else []
        self._changed(moved[0] if moved and moved[0] in range(len(self.images)) else self.chosen)
        what = html.escape(describe(last)) if len(taken) == 1 else f"all {len(taken)} edits"
        return f"Taken back: {what}. " + (WRITE_HINT if self.player.is_stale() else "The videos show this order.")

    def _write_again(self) -> None:
        self._show_status("Writing the video.")
        write_again(self.run)

    def _written(self, wrong: str) -> None:
        self.draw_scene()
        if wrong == "stopped":
            self._show_status(f"Stopped; the videos are as they were. {WRITE_HINT}")
        elif wrong:
            self._show_status(html.escape(wrong), ERROR_COLOUR)
        else:
            self._show_status("The videos are written. Run the notebook again to update its figures and metrics.")

    def _check_not_writing(self) -> None:
        """Raise :class:`UsageError` while the video is being written."""
        if self.writer.is_busy:
            raise UsageError("the video is being written: wait until it is done, or stop it")

    def _next_weak(self) -> str:
        here = self.home.get(self.chosen, (self.scene.value, self.place.value))
        weak = sorted(zip(self.weak["scene"], self.weak["place"], self.weak["confidence"], strict=True))
        finite = {link: sure for link, sure in self.sure.items() if not np.isnan(sure)}
        if weak:
            scene, place, sure = next((link for link in weak if link[:2] > here), weak[0])
        elif finite:
            least = min(finite, key=lambda link: finite[link])
            (scene, place), sure = min(self.home[frame] for frame in least), finite[least]
        else:
            return "This kind of order has no confidences."
        self.go_to(self.scenes[scene][place])
        note = "" if weak else "No link is weak; this is the least sure one. "
        return f"{note}Scene {scene}, place {place} to {place + 1}: confidence {sure:.2f}."

    def _changed(self, frame: int) -> None:
        """Read the changed order and go to ``frame``."""
        self.read()
        self.go_to(frame, changed=True)

    # --- helpers ----------------------------------------------------------------------------------------------------------

    def _scroll_to(self, scene: int, place: int) -> None:
        options = [(f"scene {number} ({len(frames)} frames)", number) for number, frames in enumerate(self.scenes)]
        if self.scene.options != tuple(options):
            self.scene.options = options
        self.scene.value = scene
        self.place.max = len(self.scenes[scene]) - 1
        self.place.value = min(place, self.place.max)
        self.aside.max = max(0, len(self.set_aside) - STRIP_FRAMES)

    def _aim_at_place(self) -> None:
        with self._without_redrawing():
            self.beside.value = self.scenes[self.scene.value][self.place.value]

    @contextmanager
    def _without_redrawing(self) -> Iterator[None]:
        """Change controls without redrawing after each of them."""
        self.updating = True
        try:
            yield
        finally:
            self.updating = False

    def _report(self, text: str, is_error: bool) -> None:
        self._show_status(text, ERROR_COLOUR if is_error else "inherit")

    def _show_status(self, text: str, colour: str = "inherit") -> None:
        self.status.value = f"<span style='color:{colour}'>{text}</span>"
