"""The order of a run changed by hand in a notebook: a film strip, the edits of :mod:`workbench.pipeline.editing`, and the scene playing."""

import html
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise

import ipywidgets
import numpy as np

from workbench.embedding.images import thumbnail
from workbench.errors import UsageError, WorkbenchError
from workbench.ordering.confidence import WEAK_CONFIDENCE, weak_links
from workbench.pipeline.editing import computed, edit_order, flip, undo, write_again
from workbench.pipeline.edits import Edit, describe, frame_lists, link_confidences
from workbench.run import Run
from workbench.widgets.frames import jpeg
from workbench.widgets.player import ScenePlayer
from workbench.widgets.strip import STYLE, FilmStrip
from workbench.widgets.task import TaskButton

SHOWN = 10  # frames in a row
REWRITE = "Write the video again"
WRITE = f"order.csv is changed; press <b>{REWRITE}</b>."
RED, BLUE, GREY = "#D55E00", "#0072B2", "#767676"


def order_editor(run: Run) -> ipywidgets.Widget:
    """Look at the restored order and change it: flip a scene, move or set aside a frame, take one back, undo, write the video.

    Every change is in ``order.csv`` at once and recorded in the run, see :func:`workbench.pipeline.editing.edit_order`; the
    videos are written when asked for. What cannot be done is said in a line.
    """
    run.require("order")
    if run.order()["scene"].max() < 0:
        return ipywidgets.HTML("no scene was found, there is no order to change")
    return _Editor(run).widget


class _Editor:
    def __init__(self, run: Run) -> None:
        self.run, self.images, self.quiet = run, run.images(), False
        self.scene = ipywidgets.Dropdown(layout={"width": "190px"})
        self.place = ipywidgets.IntSlider(description="place", layout={"flex": "1 1 auto"})
        self.aside = ipywidgets.IntSlider(description="from", layout={"width": "360px"})
        self.strip, self.outliers = (FilmStrip(self.images, self.choose, SHOWN) for _ in range(2))
        self.large, self.player = ipywidgets.Image(format="jpeg", width=320), ScenePlayer(run)
        self.about, self.links, self.edits, self.asides = (ipywidgets.HTML() for _ in range(4))
        self.status, self.writer = ipywidgets.HTML(), TaskButton(REWRITE, "film", self._write_again, self._written)
        self.side = ipywidgets.Dropdown(options=["after", "before"], layout={"width": "80px"})
        self.beside = ipywidgets.BoundedIntText(0, 0, len(self.images) - 1, layout={"width": "80px"})
        self.status.add_class("wb-status")
        self.edits.add_class("wb-edits")
        self.read()
        self.widget = self._laid_out()
        self.chosen = self.scenes[0][0]
        with self._quietly():
            self._turn_to(0, 0)
        self._offer()
        self.draw_scene()
        self._say(WRITE if self.player.is_stale() else "Every change is kept in the run.")
        self.scene.observe(lambda _: self.quiet or self.go_to(self.scenes[self.scene.value][0]), "value")
        self.place.observe(lambda _: self.quiet or self.browse(), "value")
        self.aside.observe(lambda _: self.quiet or self.draw(), "value")
        self.beside.observe(lambda _: self.quiet or self.draw(), "value")

    def _laid_out(self) -> ipywidgets.Widget:
        flip_button = self._button("Flip scene", "wb-flip", self._flip, "exchange", "the last frame comes first")
        drop = self._button("Set aside", "wb-drop", self._drop, "trash", "the frame chosen becomes an outlier")
        move = self._button("Move", "wb-move", self._move, "arrows", "the frame chosen goes beside the frame named")
        self.undo = self._button("Undo", "wb-undo", self._undo, "undo", "take the last edit back")
        self.writer.button.add_class("wb-write")
        weak = self._button("next weak link", "wb-weak", self._next_weak, "forward", "where the order was guessed", "150px")
        words = ipywidgets.Label
        move_row = ipywidgets.HBox([move, words("to"), self.side, words("frame #"), self.beside])
        rows = [self.about, ipywidgets.HBox([flip_button, drop]), move_row, ipywidgets.HBox([self.undo, self.writer.button])]
        actions = ipywidgets.VBox([*rows, self.status, self.writer.bar, self.edits], layout={"padding": "0 0 0 16px"})
        widget = ipywidgets.VBox(
            [
                ipywidgets.HTML(STYLE),
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

    def _button(
        self, words: str, name: str, act: Callable[[], str], icon: str, tooltip: str, width: str = "120px"
    ) -> ipywidgets.Button:
        """A button that says in a line what it did, or why it could not."""
        button = ipywidgets.Button(description=words, icon=icon, tooltip=tooltip, layout={"width": width})
        button.add_class(name)

        def clicked(_: object) -> None:
            try:
                self._say(act())
            except (WorkbenchError, OSError) as error:  # a full disk, too
                self._say(html.escape(str(error)), RED)

        button.on_click(clicked)
        return button

    def read(self) -> None:
        """Take the order from the run."""
        table = self.run.order()
        self.scenes, self.weak = frame_lists(table), weak_links(table)
        self.sure, self.computed = link_confidences(table), link_confidences(computed(self.run)).keys()
        self.set_aside = table.loc[table["scene"] < 0, "position"].tolist()
        self.home = {frame: (scene, place) for scene, frames in enumerate(self.scenes) for place, frame in enumerate(frames)}

    # --- looking ----------------------------------------------------------------------------------------------------------

    def choose(self, frame: int) -> None:
        """A frame was clicked. An outlier is offered to the place the strip stands at."""
        self.chosen = frame
        if frame not in self.home:
            self._offer()
        self.draw()

    def browse(self) -> None:
        """The slider was moved: the frame there is chosen, or is what a chosen outlier may go beside."""
        if self.chosen in self.home:
            self.chosen = self.scenes[self.scene.value][self.place.value]
        else:
            self._offer()
        self.draw()

    def go_to(self, frame: int, changed: bool = False) -> None:
        """Choose a frame and turn to it; where it is set aside, the strip stays. changed: the order is another one."""
        self.chosen = frame
        scene, place = self.home.get(frame, (self.scene.value, self.place.value))
        same = scene == self.scene.value and not changed
        with self._quietly():
            self._turn_to(scene, place)
            if frame in self.set_aside:
                self.aside.value = max(0, self.set_aside.index(frame) - SHOWN // 2)
        (self.draw if same else self.draw_scene)()

    def draw_scene(self) -> None:
        """Everything, also what only another order changes."""
        self.player.show(self.scene.value, self.scenes[self.scene.value])
        self._list_edits()
        self.draw()

    def draw(self) -> None:
        """The strips, the frame chosen, and what is said of it."""
        scene, place = self.scene.value, self.place.value
        frames = self.scenes[scene]
        start = max(0, min(place - SHOWN // 2 + 1, len(frames) - SHOWN))
        shown = frames[start : start + SHOWN]
        captions = [f"{start + number} · #{frame}" for number, frame in enumerate(shown)]
        follows = [*frames[start + 1 : start + SHOWN + 1], None][: len(shown)]
        marks = [self._mark(frame, after) for frame, after in zip(shown, follows, strict=True)]
        self.strip.show(shown, captions, marks, self.chosen, self.beside.value)
        aside = self.set_aside[self.aside.value : self.aside.value + SHOWN]
        self.outliers.show(aside, [f"#{frame}" for frame in aside], chosen=self.chosen)
        self.asides.value = f"<b>Set aside: {len(self.set_aside)}</b>"
        self.aside.layout.display = None if len(self.set_aside) > SHOWN else "none"
        self.large.value = jpeg(thumbnail(self.images[self.chosen], 480, 320))
        where = "set aside; moved beside a frame of a scene it is taken back"
        if self.chosen in self.home:
            number, its_place = self.home[self.chosen]
            where = f"place {its_place} of scene {number}"
        self.about.value = f"<b>Frame #{self.chosen}</b>, {where}"
        weak = int((self.weak["scene"] == scene).sum())
        by_hand = sum(tuple(sorted(link)) not in self.computed for link in pairwise(frames))
        self.links.value = (
            f"{len(frames)} frames; <span style='color:{RED}'>{weak} weak links</span> (confidence below {WEAK_CONFIDENCE}), "
            f"<span style='color:{BLUE}'>{by_hand} made by hand</span>. Under a frame: its place · #its position in the input."
        )

    def _mark(self, frame: int, after: int | None) -> str:
        """What stands between a frame and the next one."""
        if after is None:
            return ""
        link = min(frame, after), max(frame, after)
        if link not in self.computed:
            return f"<div class='wb-mark' style='color:{BLUE}'>hand</div>"
        sure = self.sure[link]
        return f"<div class='wb-mark' style='color:{RED}'>{sure:.2f}</div>" if sure < WEAK_CONFIDENCE else ""

    def _list_edits(self) -> None:
        edits, left_out = self.run.edits("order"), self.run.info("order").get("edits_left_out", [])
        lines = "".join(f"<li>{describe(edit)}</li>" for edit in edits)
        said = "".join(f"<div style='color:{RED}'>{html.escape(line)}</div>" for line in left_out)
        listed = f"<ol style='margin:0;max-height:7em;overflow:auto;line-height:1.4'>{lines}</ol>" if edits else "none"
        self.edits.value = f"<b>Edits:</b> {listed}{said}"
        self.undo.disabled, self.writer.button.button_style = not edits, "primary" if self.player.is_stale() else ""

    # --- changing ---------------------------------------------------------------------------------------------------------

    def _edit(self, edit: Edit, then: int | None = None) -> None:
        self._free()
        edit_order(self.run, edit)
        self._changed(self.chosen if then is None else then)

    def _flip(self) -> str:
        scene = self.scene.value
        self._edit(flip(self.run, scene))
        return f"Scene {scene} runs the other way round. {WRITE}"

    def _drop(self) -> str:
        frame = self.chosen
        if frame not in self.home:
            return f"Frame #{frame} is set aside already."
        frames = self.scenes[self.home[frame][0]]
        place = frames.index(frame)
        self._edit({"drop": frame}, frames[place + 1 if place + 1 < len(frames) else place - 1])
        return f"Frame #{frame} is set aside. {WRITE}"

    def _move(self) -> str:
        frame, side, beside = self.chosen, self.side.value, self.beside.value
        self._edit({"move": frame, side: beside})
        scene, place = self.home[frame]
        return f"Frame #{frame} stands {side} frame #{beside}, at place {place} of scene {scene}. {WRITE}"

    def _undo(self) -> str:
        self._free()
        edit = undo(self.run)
        self._changed(edit.get("move", edit.get("drop", self.chosen)))
        return f"Taken back: {describe(edit)}. " + (WRITE if self.player.is_stale() else "The videos are of this order.")

    def _write_again(self) -> None:
        self._say("Writing the video.")
        write_again(self.run)

    def _written(self, wrong: str) -> None:
        self.draw_scene()
        if wrong == "stopped":
            self._say(f"Stopped; the videos are as they were. {WRITE}")
        elif wrong:
            self._say(html.escape(wrong), RED)
        else:
            self._say("The videos are written. Run the notebook again to have its figures and metrics anew.")

    def _free(self) -> None:
        """Raises :class:`UsageError` while the video is written."""
        if self.writer.is_busy:
            raise UsageError("the video is being written: wait until it is done, or stop it")

    def _next_weak(self) -> str:
        here = self.home.get(self.chosen, (self.scene.value, self.place.value))
        weak = sorted(zip(self.weak["scene"], self.weak["place"], self.weak["confidence"], strict=True))
        known = {link: sure for link, sure in self.sure.items() if not np.isnan(sure)}
        if weak:
            scene, place, sure = next((link for link in weak if link[:2] > here), weak[0])
        elif known:
            least = min(known, key=known.get)
            (scene, place), sure = min(self.home[frame] for frame in least), known[least]
        else:
            return "No confidence is known for this kind of order."
        self.go_to(self.scenes[scene][place])
        said = "" if weak else "No link is weak; this is the least sure one. "
        return f"{said}Scene {scene}, place {place} to {place + 1}: confidence {sure:.2f}."

    def _changed(self, frame: int) -> None:
        """The order of the run is another one; turn to ``frame``."""
        self.read()
        self.go_to(frame, changed=True)

    # --- small things -----------------------------------------------------------------------------------------------------

    def _turn_to(self, scene: int, place: int) -> None:
        options = [(f"scene {number} ({len(frames)} frames)", number) for number, frames in enumerate(self.scenes)]
        if self.scene.options != tuple(options):
            self.scene.options = options
        self.scene.value = scene
        self.place.max = len(self.scenes[scene]) - 1
        self.place.value = min(place, self.place.max)
        self.aside.max = max(0, len(self.set_aside) - SHOWN)

    def _offer(self) -> None:
        with self._quietly():
            self.beside.value = self.scenes[self.scene.value][self.place.value]

    @contextmanager
    def _quietly(self) -> Iterator[None]:
        """Controls are set without drawing for each of them."""
        self.quiet = True
        try:
            yield
        finally:
            self.quiet = False

    def _say(self, words: str, colour: str = "inherit") -> None:
        self.status.value = f"<span style='color:{colour}'>{words}</span>"
