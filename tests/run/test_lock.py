"""Two processes on one run directory: the second is refused in one line, the lock of a dead process does not count, and a
run that is merely open blocks nobody. The "video" is a few bytes, as in test_run."""

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.helpers.tiny import refused, workbench
from workbench.errors import BusyError
from workbench.parameters import Parameters
from workbench.run import Run

# A process that opens the run, holds it, says so, and waits to be ended.
HOLD = """
import sys
from workbench.run import Run
run = Run.open(sys.argv[1])
with run.held():
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def run(tmp_path) -> Run:
    source = tmp_path / "video.mp4"
    source.write_bytes(b"not looked into")
    return Run.create(tmp_path / "run", source)


@pytest.fixture
def holder(run):
    """A process that holds the run until its input ends."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, run.path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def write(folder: Path) -> None:
    (folder / "a.txt").write_text("a")


def compute(run: Run) -> None:
    run.stage("embed", Parameters(), (), ("a.txt",), write)


def test_a_second_process_is_refused_with_the_name_of_the_first(run, holder):
    """The message names process, host and time. Opening, looking and small changes are not blocked."""
    with pytest.raises(BusyError, match=rf"is in use by process {holder.pid} on \S+ since 20\S+ \S+: wait until that is done"):
        compute(run)
    assert Run.open(run.path).record["stages"] == {}
    run.release("embed")
    answer = workbench("flip", run.path)
    refused(answer, 1, f"in use by process {holder.pid}", "or end it")
    holder.communicate()
    compute(run)
    assert (run.path / "a.txt").read_text() == "a"


def test_the_lock_of_a_killed_process_is_gone(run, holder):
    """The file that names the holder is left behind, and does not count."""
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert json.loads((run.path / ".holder.json").read_text())["process"] == holder.pid
    compute(run)
    assert not (run.path / ".holder.json").exists()


def test_a_second_thread_is_refused_and_the_same_one_is_not(run):
    """A stage inside a command that holds the run goes on; a task of the same notebook in another thread does not."""
    seen = []

    def other() -> None:
        with pytest.raises(BusyError, match=f"process {os.getpid()} on"):
            compute(Run.open(run.path))
        seen.append(True)

    with run.held():
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
        compute(run)
        assert (run.path / ".holder.json").exists(), "held until the outermost ends"
    assert seen and (run.path / "a.txt").exists()


def test_what_was_finished_meanwhile_is_reused(run):
    """Another process finishes the same stage between the look at the record and the lock: it is not computed again."""
    second, calls = Run.open(run.path), []
    held = second.held

    def late() -> object:
        compute(run)
        return held()

    second.held = late
    second.stage("embed", Parameters(), (), ("a.txt",), lambda folder: calls.append(folder))
    assert calls == []


def test_a_holder_that_cannot_be_read_is_reported_without_its_name(run, holder):
    for text in ("", "{", "[]", '{"process": "x"}'):
        (run.path / ".holder.json").write_text(text)
        with pytest.raises(BusyError, match="is in use by another process: wait"):
            compute(run)
