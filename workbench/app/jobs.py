"""The jobs of the page: each is a run directory, with what was received in its folder ``upload``.

A job is found by its name among those that are known, never by looking on the disk for what a request names.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Any

from workbench.errors import MissingStageError, StaleStageError, WorkbenchError
from workbench.run import Run
from workbench.run.run import UPLOAD
from workbench.run.stages import RunPaths
from workbench.storage.folder import remove

RECEIVING = ".upload"  # folder in which files arrive; it gets its lasting name when all of them are there


class State(StrEnum):
    """Where a job is."""

    RECEIVING = "receiving"
    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    STOPPED = "stopped"  # by a person
    FAILED = "failed"
    UNFINISHED = "unfinished"  # as an earlier server left it


@dataclass(frozen=True)
class Progress:
    """How far a job is.

    Attributes
    ----------
    number, of : int
        The stage that is computed, from 1, and how many there are.
    about : str
        What the stage does, in a few words.
    done, total : int
        Items of its work, such as frames; 0 and 0 where they are not counted.
    """

    number: int
    of: int
    about: str
    done: int = 0
    total: int = 0


@dataclass
class Job:
    """A job, which the event loop of the server alone changes.

    Attributes
    ----------
    path : Path
        Its run directory; the last part is the name of the job.
    state : State
        Where it is.
    message : str
        What went wrong, one line; "" for nothing.
    progress : Progress or None
        How far it is, while it runs.
    pictures : bool
        Whether pictures of the frames are to be written too.
    arriving : set of str
        Names of the files that are received right now.
    """

    path: Path
    state: State
    message: str = ""
    progress: Progress | None = None
    pictures: bool = False
    arriving: set[str] = field(default_factory=set)

    @property
    def name(self) -> str:  # numpydoc ignore=RT01
        """Its name, which stands in addresses."""
        return self.path.name

    @property
    def is_busy(self) -> bool:  # numpydoc ignore=RT01
        """Whether it waits or runs."""
        return self.state in (State.WAITING, State.RUNNING)

    @cached_property
    def run(self) -> Run:  # numpydoc ignore=RT01
        """Its run. Raises MissingStageError before there is one, and RunError when it is damaged."""
        return Run.open(self.path)

    def version(self) -> str:
        """Tell one state of the result from another.

        Returns
        -------
        str
            A text that changes with the order and when videos or pictures are written; "" before there is an order.
        """
        try:
            order = self.run.fingerprint("order")
        except (MissingStageError, StaleStageError):
            return ""
        return f"{order[:16]}.{len(self.run.recorded_outputs('write'))}.{int(is_written(self.run))}"

    def in_words(self, text: str) -> str:
        """Make a message fit for the page: one line, with the names of files and without the folders that they are in.

        Parameters
        ----------
        text : str
            A message.

        Returns
        -------
        str
            The line.
        """
        line = " ".join(text.split())
        return line.replace(f"{self.path / UPLOAD}/", "").replace(str(self.path), self.name)

    @property
    def begun(self) -> bool:  # numpydoc ignore=RT01
        """Whether a run was made of what was received."""
        return RunPaths(self.path).record_path.exists()

    def discard(self) -> None:
        """Delete what was received, where no run was made of it: nothing can be done with it."""
        if not self.begun:
            remove(self.path)


def is_written(run: Run) -> bool:
    """Tell whether the videos show the order as it is now.

    Parameters
    ----------
    run : Run
        A run.

    Returns
    -------
    bool
        False before they are written, and after an edit.
    """
    try:
        run.require("write")
    except (MissingStageError, StaleStageError):
        return False
    return True


def find_jobs(folder: Path) -> dict[str, Job]:
    """Find the jobs that earlier servers left, and delete what was never received whole.

    Parameters
    ----------
    folder : Path
        Folder of all jobs; of the runs in it, those that were made otherwise are none.

    Returns
    -------
    dict
        Jobs by name, the oldest first.
    """
    found = []
    for path in folder.iterdir():
        if path.is_symlink() or not path.is_dir():
            continue
        if {entry.name for entry in path.iterdir()} == {RECEIVING}:
            remove(path)
        elif (path / UPLOAD).is_dir():
            found.append(path)
    found.sort(key=lambda path: (path / UPLOAD).stat().st_mtime)
    return {path.name: _left(path) for path in found}


def _left(path: Path) -> Job:
    """A job as an earlier server left it. One whose order was edited is done, although its videos are not written again."""
    job = Job(path, State.UNFINISHED)
    if not job.begun:
        return job
    try:
        if job.version() and job.run.is_recorded("write"):
            job.state = State.DONE
    except WorkbenchError as error:
        job.state, job.message = State.FAILED, job.in_words(str(error))
    return job


def as_json(job: Job, before: int) -> dict[str, Any]:
    """Describe a job for the page.

    Parameters
    ----------
    job : Job
        The job.
    before : int
        Number of jobs that come before it in the queue.

    Returns
    -------
    dict
        ``name``, ``state``, ``message``, ``before``, ``progress`` (or None), whether its files are ``kept``, and ``version``,
        see :meth:`Job.version`.
    """
    return {
        "name": job.name,
        "state": str(job.state),
        "message": job.message,
        "before": before,
        "progress": job.progress and vars(job.progress),
        "kept": job.path.exists(),
        "version": job.version() if job.begun else "",
    }
