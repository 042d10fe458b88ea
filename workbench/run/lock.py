"""Who works in a run directory, so that a second process says so at once instead of computing the same in its way.

Two locks, both of the system (``flock``): they go with their process, however it ends, and stale ones do not exist.

- The work lock is held while a stage is computed, and by ``workbench reconstruct`` and ``workbench flip`` from start to end;
  whoever comes second is refused. A run that is merely open, in a notebook say, holds nothing: two people may look at it.
- The record lock is held for the instant in which ``run.json`` and finished files change; whoever comes second waits.
"""

import json
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from filelock import FileLock, Timeout

from workbench.errors import BusyError, RunError

RECORD_SECONDS = 60  # far longer than files take to be moved; only a process that was stopped (Ctrl-Z) holds the lock so long


class RunLock:
    """The locks of the run directory ``path``. Each may be taken again by the thread that holds it."""

    def __init__(self, path: Path) -> None:
        self.path, self._holder = path, path / ".holder.json"
        self._work, self._record = FileLock(path / ".work.lock"), FileLock(path / ".record.lock")

    @contextmanager
    def work(self) -> Iterator[None]:
        """Hold the work lock. Raises :class:`~workbench.errors.BusyError`, which names who holds it, when another does."""
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
        """Hold the record lock; waits for it."""
        with self._taken(self._record, RECORD_SECONDS):
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
            raise RunError(f"{self.path} cannot be written ({error.strerror}): choose another folder with --out") from error
        try:
            yield
        finally:
            lock.release()

    def _sign(self) -> None:
        """Say who holds the work lock; what a process that was killed has said is written over."""
        since = datetime.now().astimezone().isoformat(sep=" ", timespec="seconds")
        new = self._holder.with_name(".holder.json.partial")
        new.unlink(missing_ok=True)
        new.write_text(json.dumps({"process": os.getpid(), "host": platform.node(), "since": since}), encoding="utf-8")
        new.replace(self._holder)

    def holder(self) -> str:
        """Who holds the work lock, in words."""
        try:
            found = json.loads(self._holder.read_text(encoding="utf-8"))
            return f"process {int(found['process'])} on {found['host']} since {found['since']}"
        except (OSError, ValueError, KeyError, TypeError):  # it is about to sign, or has just ended
            return "another process"
