"""Long work behind a control: it runs in a thread of its own, its progress bar is handed on, and it can be stopped.

What a control calls need not run in the main thread of a kernel, the only one that the kernel's interrupt button reaches, and
while it runs no other control answers.
"""

import ctypes
import html
import sys
import threading
from collections.abc import Callable
from contextlib import redirect_stderr

import ipywidgets

from workbench.errors import WorkbenchError


class Task:
    """``work`` begins at once. tell: called with each state of the progress bar that ``work`` writes to stderr. ended: called
    at the end, with what was raised or None; with KeyboardInterrupt when it was stopped. Both are called in the task's thread.
    """

    def __init__(
        self, work: Callable[[], None], tell: Callable[[str], None], ended: Callable[[BaseException | None], None]
    ) -> None:
        self.work, self.tell, self.ended = work, tell, ended
        self.running, self.stopped = True, False
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def stop(self) -> None:
        """Raise KeyboardInterrupt in the work, as Ctrl-C would."""
        if self.running and not self.stopped:  # a second one would break off how the first is told
            self.stopped = True
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self.thread.ident), ctypes.py_object(KeyboardInterrupt))

    def wait(self, seconds: float | None = None) -> None:
        """Come back when it has ended, or after so many seconds."""
        self.thread.join(seconds)

    def _run(self) -> None:
        reason = None
        try:
            with redirect_stderr(_OwnStderr(self.tell)):
                self.work()
        except BaseException as error:  # handed on, whatever it is
            reason = error
        self.running = False
        self.ended(reason)


class _OwnStderr:
    """stderr of one thread, the one that makes it, line by line; what others write goes where it went before."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self.tell, self.thread, self.others = tell, threading.get_ident(), sys.stderr

    def write(self, text: str) -> int:
        if threading.get_ident() != self.thread:
            return self.others.write(text)
        if text.strip():
            self.tell(text.strip())
        return len(text)

    def __getattr__(self, name: str) -> object:
        return getattr(self.others, name)


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
