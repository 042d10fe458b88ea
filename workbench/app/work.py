"""The process that does one job: it restores what was dropped, and tells how far it is.

It reads its task, a line of JSON, from stdin, and writes lines of JSON to stdout: how far it is, as
:class:`~workbench.app.jobs.Progress`, or ``{"error": ...}``. When stdin ends, the server has ended, and the process ends too.
"""

import json
import os
import re
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import IO, Any

from workbench.app.incoming import given_to
from workbench.errors import WorkbenchError, os_remedy
from workbench.run import Run
from workbench.run.kept import read_kept
from workbench.run.stages import STAGES, RunPaths, Stage, stage_parameters

COUNT = re.compile(r"\b(\d+)/(\d+) \[")  # in a progress bar: `decode:  45%|####5     | 90/200 [00:01<00:01, ...`
STEPS = [stage.name for stage in STAGES.values() if stage.on_fast_path]

Tell = Callable[..., None]  # called with what is told, by name


class ToldBars:
    """A stderr from which progress bars are told, and everything else is written to another one.

    Parameters
    ----------
    tell : callable
        Called with ``done`` and ``total``, the numbers of a bar.
    others : file
        Where everything else goes.
    """

    def __init__(self, tell: Tell, others: IO[str]) -> None:
        self.tell, self.others = tell, others

    def write(self, text: str) -> int:
        """Take a text.

        Parameters
        ----------
        text : str
            What is written.

        Returns
        -------
        int
            Its length.
        """
        if counted := COUNT.search(text):
            self.tell(done=int(counted[1]), total=int(counted[2]))
        elif "\r" not in text and text.strip("\n "):
            self.others.write(text if text.endswith("\n") else f"{text}\n")
        return len(text)

    def flush(self) -> None:
        """Write what is buffered."""
        self.others.flush()


def restore(path: Path, pictures: bool, on_stage: Callable[[Stage], None]) -> None:
    """Restore what was dropped, with all stages of the fast path; finished ones are reused.

    Parameters
    ----------
    path : Path
        Run directory of the job.
    pictures : bool
        Whether pictures of the frames are written too. Of pictures that came in, copies are written in any case.
    on_stage : callable
        Called with every stage before it is computed.

    Raises
    ------
    WorkbenchError
        As the stages raise it, and for what is neither a video nor pictures.
    """
    from workbench.pipeline.stages import reconstruct

    run = _run_of(path)
    with run.held():
        images = _images(run, pictures)
        if run.recorded_parameters("write").get("images", images) != images:
            run.release("write")
        reconstruct(run, stage_parameters(read_kept(run) | {"write.images": images}), on_stage=on_stage)


def _run_of(path: Path) -> Run:
    """The run of a job; made anew only of what has a frame."""
    if RunPaths(path).record_path.exists():
        return Run.open(path)
    from workbench.video.decode import decode
    from workbench.video.source import open_source

    given = given_to(path)
    with open_source(given) as source, closing(decode(source)) as frames:
        next(frames)
    return Run.create(path, given)


def _images(run: Run, asked: bool) -> str:
    """Which pictures are written; those that a run has already are written again."""
    from workbench.video.source import open_source

    recorded = str(run.recorded_parameters("write").get("images", "none"))
    if recorded != "none":
        return recorded
    with open_source(run.inputs) as source:
        names = source.names
    if names and not any("#" in name for name in names):  # every frame is a file of its own
        return "copy"
    return "png" if asked else "none"


def main() -> None:
    """Do the task that stdin names."""
    task: dict[str, Any] = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_the_server, daemon=True).start()
    messages = os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1, encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # whatever else is printed goes to the terminal of the server
    current: dict[str, Any] = {}

    def _tell(**more: Any) -> None:
        current.update(more)
        messages.write(json.dumps(current) + "\n")

    def _on_stage(stage: Stage) -> None:
        _tell(number=STEPS.index(stage.name) + 1, of=len(STEPS), about=stage.about, done=0, total=0)

    _on_stage(STAGES["video"])
    sys.stderr = ToldBars(_tell, sys.stderr)
    try:
        restore(Path(task["path"]), task["pictures"], _on_stage)
    except (WorkbenchError, OSError) as error:
        line = str(error) if isinstance(error, WorkbenchError) else os_remedy(error)
        if not line:
            raise
        messages.write(json.dumps({"error": line}) + "\n")


def _end_with_the_server() -> None:
    while os.read(sys.stdin.fileno(), 1):  # not by sys.stdin, whose lock Python could not take when it exits
        pass
    os._exit(1)


if __name__ == "__main__":
    main()
