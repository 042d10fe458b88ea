"""The locks of a run directory, so that two processes neither compute the same stage nor mix their changes.

Both are locks of the operating system (``flock``). They end with their process, however it ends, so none is ever left behind.

- The work lock is held while a stage is computed, and by ``workbench reconstruct`` and ``workbench flip`` from start to end. A
  second process is refused. A run that is merely open, in a notebook say, holds no lock: two people may look at it.
- The record lock is held for the instant in which ``run.json`` and finished files change. A second process waits.
"""

import json
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from filelock import FileLock, Timeout

from workbench.errors import MACHINE_ERRNOS, BusyError, RunError

# Seconds to wait for the record lock: far longer than files take to be moved. Only a stopped process (Ctrl-Z) holds it so long.
RECORD_WAIT_SECONDS = 60


class RunLock:
    """The locks of a run directory. The thread that holds one may take it again.

    Parameters
    ----------
    path : Path
        The run directory.
    """

    def __init__(self, path: Path) -> None:
        self.path, self._holder = path, path / ".holder.json"
        self._work, self._record = FileLock(path / ".work.lock"), FileLock(path / ".record.lock")

    @contextmanager
    def work(self) -> Iterator[None]:
        """Hold the work lock.

        Yields
        ------
        None
            While the lock is held.

        Raises
        ------
        BusyError
            When another process or thread holds it; the message says which.
        RunError
            When the run directory is not writable.
        """
        with self._taken(self._work, 0):
            if self._work.lock_counter == 1:
                self._sign()
            try:
                yield
            finally:
                if self._work.lock_counter == 1:
                    self._holder.unlink(missing_ok=True)

    @contextmanager
    def record(self) -> Iterator[None]:
        """Hold the record lock, waiting for it.

        Yields
        ------
        None
            While the lock is held.

        Raises
        ------
        BusyError
            When it is not free within a minute.
        RunError
            When the run directory is not writable.
        """
        with self._taken(self._record, RECORD_WAIT_SECONDS):
            yield

    @contextmanager
    def _taken(self, lock: FileLock, seconds: float) -> Iterator[None]:
        try:
            lock.acquire(timeout=seconds)
        except Timeout as error:
            raise BusyError(
                f"{self.path} is in use by {self.holder()}: wait until that is done, or end it, or choose another folder with "
                "--out"
            ) from error
        except OSError as error:
            if error.errno in MACHINE_ERRNOS:
                raise
            raise RunError(f"{self.path} cannot be written ({error.strerror}): choose another folder with --out") from error
        try:
            yield
        finally:
            lock.release()

    def _sign(self) -> None:
        """Write down who holds the work lock, over what a killed process has left."""
        since = datetime.now().astimezone().isoformat(sep=" ", timespec="seconds")
        new = self._holder.with_name(".holder.json.partial")
        new.unlink(missing_ok=True)
        new.write_text(json.dumps({"process": os.getpid(), "host": platform.node(), "since": since}), encoding="utf-8")
        new.replace(self._holder)

    def holder(self) -> str:
        """Tell who holds the work lock.

        Returns
        -------
        str
            Process, machine and time, in words.
        """
        try:
            found = json.loads(self._holder.read_text(encoding="utf-8"))
            return f"process {int(found['process'])} on {found['host']} since {found['since']}"
        except (OSError, ValueError, KeyError, TypeError):  # it has not written its name yet, or has just ended
            return "another process"
