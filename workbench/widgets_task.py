"""A button that begins long work, shows its progress bar, and stops it when it is pressed again."""

import html
from collections.abc import Callable

import ipywidgets

from workbench.background import Task
from workbench.errors import WorkbenchError


class TaskButton:
    """``button`` and ``bar`` are what is shown. words, icon: of the button. work: what it begins. ended: called at the end, in
    the thread of the work, with what went wrong in a line, ``stopped``, or an empty text when all was done.
    """

    def __init__(self, words: str, icon: str, work: Callable[[], None], ended: Callable[[str], None]) -> None:
        self.words, self.icon, self.work, self.ended = words, icon, work, ended
        self.task: Task | None = None
        self.button, self.bar = ipywidgets.Button(layout={"width": "190px"}), ipywidgets.HTML()
        self.button.on_click(lambda _: self._pressed())
        self._rest()

    @property
    def is_busy(self) -> bool:
        """Whether the work goes on."""
        return self.task is not None and self.task.running

    def _pressed(self) -> None:
        if self.is_busy:
            self.task.stop()
            return
        self.button.description, self.button.icon = "Stop", "stop"
        self.task = Task(self.work, self._tell, self._done)

    def _tell(self, bar: str) -> None:
        self.bar.value = f"<pre style='margin:0;font-size:11px;line-height:16px'>{html.escape(bar)}</pre>"

    def _done(self, reason: BaseException | None) -> None:
        self.bar.value = ""
        if reason is None:
            self.ended("")
        elif isinstance(reason, KeyboardInterrupt):
            self.ended("stopped")
        elif isinstance(reason, WorkbenchError | OSError):
            self.ended(str(reason))
        else:
            self.ended(f"{type(reason).__name__}: {reason}")
        self._rest()
        if reason is not None and not isinstance(reason, KeyboardInterrupt | WorkbenchError | OSError):
            raise reason  # a fault: its traceback goes to the log

    def _rest(self) -> None:
        self.button.description, self.button.icon = self.words, self.icon
