"""Work in a thread of its own: its progress is handed on, it can be stopped, and what it raised is told."""

import sys
import threading
import time

from tqdm import tqdm

from workbench.widgets.task import Task


def run_to_end(work) -> tuple[list[str], list]:
    """What a task told, and what it ended with."""
    told, ended = [], []
    Task(work, told.append, ended.append).wait(30)
    return told, ended


def test_progress_is_handed_on():
    """The bar from 0 to all; stderr is as it was."""
    before = sys.stderr
    told, ended = run_to_end(lambda: [None for _ in tqdm(range(3), "count", mininterval=0)])
    assert [line[: line.index("%")] for line in told][:1] == ["count:   0"] and "3/3" in told[-1]
    assert ended == [None] and sys.stderr is before


def test_what_others_write_is_not_its_progress(capsys):
    """The main thread writes while the task runs."""
    go, told, ended = threading.Event(), [], []
    task = Task(lambda: (print("mine", file=sys.stderr), go.wait(30)), told.append, ended.append)
    while not told:
        time.sleep(0.001)
    print("another's", file=sys.stderr)
    go.set()
    task.wait(30)
    assert told == ["mine"] and ended == [None] and capsys.readouterr().err == "another's\n"


def test_stopped():
    """It counts for ever; what it has open is closed."""
    closed, told, ended = [], [], []

    def work() -> None:
        try:
            for _ in tqdm(iter(int, 1), "count", mininterval=0):
                time.sleep(0.001)
        finally:
            closed.append(True)

    task = Task(work, told.append, ended.append)
    while not told:
        time.sleep(0.001)
    assert task.running
    task.stop()
    task.stop()  # a button that is pressed twice
    task.wait(30)
    assert closed == [True] and isinstance(ended[0], KeyboardInterrupt) and not task.running
    task.stop()  # nothing is there to be stopped


def test_what_was_raised_is_told():
    _, (error,) = run_to_end(lambda: 1 / 0)
    assert isinstance(error, ZeroDivisionError)
