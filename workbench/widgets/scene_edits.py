"""Buttons for whole scenes: join two, cut one, set one aside, choose its first frame and when it is played."""

from collections.abc import Callable, Sequence
from typing import Protocol

import ipywidgets

from workbench.pipeline import scene_edits
from workbench.pipeline.order_edits import Edit
from workbench.run import Run
from workbench.widgets.buttons import ReportingButtons


class OrderView(Protocol):
    """The editor that the buttons belong to.

    Attributes
    ----------
    run : Run
        The run that is edited.
    scenes : list of list of int
        Positions of the frames of every scene in their order.
    chosen : int
        Position of the frame that is chosen.
    """

    run: Run
    scenes: list[list[int]]
    chosen: int


class SceneEdits:
    """The buttons for the scene that is shown.

    Parameters
    ----------
    view : OrderView
        The editor.
    buttons : ReportingButtons
        Makes the buttons.
    apply : callable
        Applies an edit, dict, and then goes to a frame, int.
    hint : str
        What is to be done next, HTML that ends every report.

    Attributes
    ----------
    widget : ipywidgets.Widget
        What a notebook displays.
    """

    def __init__(self, view: OrderView, buttons: ReportingButtons, apply: Callable[[Edit, int], None], hint: str) -> None:
        self.view, self.apply, self.hint, self.scene = view, apply, hint, 0
        self.other = ipywidgets.Dropdown(layout={"width": "190px"})
        self.other.add_class("wb-join-with")
        make = buttons.make
        self.flip = make("Flip", "wb-flip", self._flip, "exchange", "the last frame of the scene comes first", "90px")
        self.cut = make("Cut here", "wb-cut", self._cut, "cut", "the frame chosen begins a scene of its own", "110px")
        self.first = make("Begin here", "wb-first", self._first, "step-forward", "the frame chosen is the first of the scene")
        self.aside = make("Set scene aside", "wb-scene-aside", self._aside, "trash", "all its frames become outliers", "145px")
        self.earlier = make("Play earlier", "wb-earlier", lambda: self._play(-1), "arrow-up", "before the scene in front of it")
        self.later = make("Play later", "wb-later", lambda: self._play(1), "arrow-down", "after the scene that is after it")
        self.join = make("Join", "wb-join", self._join, "link", "the scene named goes behind the end of this one", "90px")
        rows = [
            [self.flip, self.cut, self.first, self.aside],
            [self.earlier, self.later, self.join, ipywidgets.Label("with"), self.other],
        ]
        self.widget = ipywidgets.VBox([ipywidgets.HBox(row, layout={"flex_flow": "row wrap"}) for row in rows])

    def show(self, scene: int, names: Sequence[str]) -> None:
        """Offer what can be done with a scene.

        Parameters
        ----------
        scene : int
            Number of the scene.
        names : sequence of str
            Names of all scenes.
        """
        self.scene = scene
        others = [(name, number) for number, name in enumerate(names) if number != scene]
        self.other.options = others
        self.other.value = others[0][1] if others else None
        for control in (self.join, self.other, self.aside):
            control.disabled = not others
        self.earlier.disabled, self.later.disabled = scene == 0, scene == len(names) - 1

    def _flip(self) -> str:
        scene = self.scene
        self.apply(scene_edits.flip(self.view.run, scene), self.view.chosen)
        return f"Scene {scene} runs the other way round. {self.hint}"

    def _cut(self) -> str:
        frame = self.view.chosen
        self.apply(scene_edits.cut(self.view.run, frame), frame)
        return f"The scene is cut: frame #{frame} begins scene {self.scene}. {self.hint}"

    def _first(self) -> str:
        frame, scenes = self.view.chosen, self.view.scenes
        before = scenes[self.scene].index(frame) if frame in scenes[self.scene] else 0
        self.apply({"first": frame}, frame)
        moved = f"; what was before it, {before} frame{'s' * (before > 1)}, is played at the end" if before else ""
        return f"Scene {self.scene} begins with frame #{frame}{moved}. {self.hint}"

    def _aside(self) -> str:
        scene, scenes = self.scene, self.view.scenes
        neighbour = scenes[scene + 1 if scene + 1 < len(scenes) else scene - 1][0]
        count = len(scenes[scene])
        self.apply(scene_edits.set_aside(self.view.run, scene), neighbour)
        return f"Scene {scene} ({count} frame{'s' * (count > 1)}) is set aside. {self.hint}"

    def _join(self) -> str:
        scene, other = self.scene, self.other.value
        self.apply(scene_edits.join(self.view.run, scene, other), self.view.scenes[other][0])
        return f"Scene {other} was put behind the end of scene {scene}; both are scene {self.scene} now. {self.hint}"

    def _play(self, step: int) -> str:
        scene, last = self.scene, max(self.scene, self.scene + step)
        self.apply(scene_edits.play_in_order(self.view.run, [*range(last - 1), last, last - 1]), self.view.chosen)
        return f"Scene {scene} is scene {scene + step} now. {self.hint}"
