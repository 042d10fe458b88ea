"""Work in a thread of its own: its progress is passed on, it can be stopped, and what it raised is reported."""

import sys
import threading
import time

from tqdm import tqdm

from workbench.widgets.task import Task


def run_to_end(work) -> tuple[list[str], list]:
    """The progress lines of a task, and what it ended with."""
    lines, ended = [], []
    Task(work, lines.append, ended.append).wait(30)
    return lines, ended


def test_progress_is_passed_on():
    """The bar goes from 0 to the end; stderr is restored."""
    before = sys.stderr
    lines, ended = run_to_end(lambda: [None for _ in tqdm(range(3), "count", mininterval=0)])
    assert [line[: line.index("%")] for line in lines][:1] == ["count:   0"] and "3/3" in lines[-1]
    assert ended == [None] and sys.stderr is before


def test_what_others_write_is_not_its_progress(capsys):
    """The main thread writes while the task runs."""
    go, lines, ended = threading.Event(), [], []
    task = Task(lambda: (print("mine", file=sys.stderr), go.wait(30)), lines.append, ended.append)
    while not lines:
        time.sleep(0.001)
    print("another's", file=sys.stderr)
    go.set()
    task.wait(30)
    assert lines == ["mine"] and ended == [None] and capsys.readouterr().err == "another's\n"


def test_stopped():
    """The work counts without an end; stopping it runs its cleanup."""
    closed, lines, ended = [], [], []

    def work() -> None:
        try:
            for _ in tqdm(iter(int, 1), "count", mininterval=0):
                time.sleep(0.001)
        finally:
            closed.append(True)

    task = Task(work, lines.append, ended.append)
    while not lines:
        time.sleep(0.001)
    assert task.running
    task.stop()
    task.stop()  # a button that is pressed twice
    task.wait(30)
    assert closed == [True] and isinstance(ended[0], KeyboardInterrupt) and not task.running
    task.stop()  # there is nothing left to stop


def test_what_was_raised_is_reported():
    _, (error,) = run_to_end(lambda: 1 / 0)
    assert isinstance(error, ZeroDivisionError)
