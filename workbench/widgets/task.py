"""Long work behind a control: it runs in a thread of its own, its progress bar is passed on, and it can be stopped.

Work in the callback of a control itself would block all other controls until it ends, and the kernel's interrupt button, which
reaches the main thread only, need not reach it.
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
    """Work in a thread of its own, which starts at once.

    Parameters
    ----------
    work : callable
        The work; it takes no argument.
    on_progress : callable
        Called, in the thread of the task, with each line, str, that ``work`` writes to stderr, such as the states of a
        progress bar.
    ended : callable
        Called at the end, in the thread of the task, with the exception that ``work`` raised, KeyboardInterrupt when it was
        stopped, or None.
    """

    def __init__(
        self, work: Callable[[], None], on_progress: Callable[[str], None], ended: Callable[[BaseException | None], None]
    ) -> None:
        self.work, self.on_progress, self.ended = work, on_progress, ended
        self.running, self.stopped = True, False
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def stop(self) -> None:
        """Raise KeyboardInterrupt in the work, as Ctrl-C would."""
        thread = self.thread.ident
        if thread is not None and self.running and not self.stopped:  # a second one would interrupt the handling of the first
            self.stopped = True
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(KeyboardInterrupt))

    def wait(self, seconds: float | None = None) -> None:
        """Wait until the work has ended.

        Parameters
        ----------
        seconds : float, optional
            Longest time to wait, s; without a limit by default.
        """
        self.thread.join(seconds)

    def _run(self) -> None:
        reason: BaseException | None = None
        try:
            with redirect_stderr(_OwnStderr(self.on_progress)):
                self.work()
        except BaseException as error:  # passed on, whatever it is
            reason = error
        self.running = False
        self.ended(reason)


class _OwnStderr:
    """The stderr of the thread that makes it, line by line; what other threads write goes to the previous stderr."""

    def __init__(self, on_line: Callable[[str], None]) -> None:
        self.on_line, self.thread, self.others = on_line, threading.get_ident(), sys.stderr

    def write(self, text: str) -> int:
        if threading.get_ident() != self.thread:
            return self.others.write(text)
        if text.strip():
            self.on_line(text.strip())
        return len(text)

    def flush(self) -> None:
        self.others.flush()

    def __getattr__(self, name: str) -> object:
        return getattr(self.others, name)


class TaskButton:
    """A button that starts a task, shows its progress, and stops it when pressed again.

    Parameters
    ----------
    label, icon : str
        Text of the button, and the Font Awesome name of its icon.
    work : callable
        The work; it takes no argument.
    ended : callable
        Called at the end, in the thread of the work, with one line: what went wrong, ``stopped``, or nothing when all is done.

    Attributes
    ----------
    button, bar : ipywidgets.Widget
        The button and its progress bar, to be placed on the page.
    """

    def __init__(self, label: str, icon: str, work: Callable[[], None], ended: Callable[[str], None]) -> None:
        self.label, self.icon, self.work, self.ended = label, icon, work, ended
        self.task: Task | None = None
        self.button, self.bar = ipywidgets.Button(layout={"width": "190px"}), ipywidgets.HTML()
        self.button.on_click(lambda _: self._pressed())
        self._rest()

    @property
    def is_busy(self) -> bool:
        """Whether the work is running.

        Returns
        -------
        bool
            True from the press of the button until the work has ended.
        """
        return self.task is not None and self.task.running

    def _pressed(self) -> None:
        if self.task is not None and self.task.running:
            self.task.stop()
            return
        self.button.description, self.button.icon = "Stop", "stop"
        self.task = Task(self.work, self._show_progress, self._done)

    def _show_progress(self, bar: str) -> None:
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
        self.button.description, self.button.icon = self.label, self.icon
