"""The queue of the page: one job at a time, each in a process of its own, so that it can be stopped and costs no other page."""

import asyncio
import json
import sys
from pathlib import Path

from workbench.app.jobs import Job, Progress, State, find_jobs
from workbench.errors import UsageError, os_remedy

WORK = "workbench.app.work"  # the module that the process runs
ENDED = (
    "the work was ended in the middle of it, perhaps because the memory was full (see the terminal of `workbench app`): close "
    "other programs, and try again"
)


class Queue:
    """All jobs of a folder, and those that wait. Only the event loop calls its methods.

    Parameters
    ----------
    folder : Path
        Folder of the jobs' run directories.

    Attributes
    ----------
    folder : Path
        The same.
    jobs : dict
        Every job by name, the oldest first.
    changing : asyncio.Lock
        Held while an order is changed by hand, so that nobody changes one that was not looked at.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.jobs = folder, find_jobs(folder)
        self.changing = asyncio.Lock()
        self._waiting: list[Job] = []
        self._more = asyncio.Event()
        self._running: Job | None = None
        self._stopping = False  # whether a person stops the job that runs
        self._process: asyncio.subprocess.Process | None = None

    def add(self, job: Job) -> None:
        """Let a job wait until it is its turn; finished stages of it are reused.

        Parameters
        ----------
        job : Job
            The job.

        Raises
        ------
        UsageError
            When it waits or runs already.
        """
        if job.is_busy:
            raise UsageError(f"{job.name} is being worked on: wait until that is done, or stop it")
        job.state, job.message, job.progress = State.WAITING, "", None
        self._waiting.append(job)
        self._more.set()

    def stop(self, job: Job) -> None:
        """Stop a job that waits, or tell the process of one that runs to end. What is finished stays.

        Parameters
        ----------
        job : Job
            The job.
        """
        if job in self._waiting:
            self._waiting.remove(job)
            _settle(job, State.STOPPED)
        elif job is self._running:
            self._stopping = True
            if self._process and self._process.returncode is None:
                self._process.kill()  # a run is made to be killed: nothing that is finished is lost

    def before(self, job: Job) -> int:
        """Count the jobs that come before one that waits.

        Parameters
        ----------
        job : Job
            The job.

        Returns
        -------
        int
            How many; 0 for one that does not wait.
        """
        return self._waiting.index(job) + (self._running is not None) if job in self._waiting else 0

    async def work(self) -> None:
        """Do one job after the other, for ever. When this is cancelled, the process of the job that runs ends too."""
        while True:
            while not self._waiting:
                self._more.clear()
                await self._more.wait()
            job = self._waiting.pop(0)
            self._running, self._stopping = job, False
            job.state = State.RUNNING
            try:
                await self._do(job)
            finally:
                self._running = self._process = None

    async def _do(self, job: Job) -> None:
        pipe = asyncio.subprocess.PIPE
        try:  # in a session of its own: Ctrl-C in the terminal is for the server, which ends the process
            self._process = process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", WORK, stdin=pipe, stdout=pipe, start_new_session=True
            )
        except OSError as refused:  # too many files or processes, or no memory
            _settle(job, State.FAILED, os_remedy(refused) or str(refused))
            return
        assert process.stdin and process.stdout
        error = ""
        try:
            if self._stopping:  # while the process was started
                process.kill()
            # The pipe stays open: where it ends, the server has ended, and so does the process.
            process.stdin.write(json.dumps({"path": str(job.path), "pictures": job.pictures}).encode() + b"\n")
            async for line in process.stdout:
                told = json.loads(line)
                if "error" in told:
                    error = told["error"]
                else:
                    job.progress = Progress(**told)
            status = await process.wait()
        finally:
            process.stdin.close()
            if process.returncode is None:
                process.kill()
                await process.wait()
        if error:  # what the process has told
            _settle(job, State.FAILED, error)
            job.discard()
        elif not status:
            _settle(job, State.DONE)
        elif self._stopping:
            _settle(job, State.STOPPED)
        else:
            _settle(job, State.FAILED, ENDED)


def _settle(job: Job, state: State, message: str = "") -> None:
    job.state, job.progress, job.message = state, None, job.in_words(message)
