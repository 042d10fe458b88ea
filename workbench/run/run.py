"""The run directory: stages write whole results or none, and finished stages are reused.

A stage's fingerprint covers its parameters and the fingerprints of the stages it builds on, down to the SHA-256 of the
video. A stage that was finished with the same fingerprint is reused; with another one it is refused unless ``overwrite``.

A process may be killed at any moment; :mod:`~workbench.run.journal` describes how results survive that.
"""

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from workbench.errors import MACHINE_ERRNOS, MissingStageError, RunError, StaleStageError
from workbench.parameters import Parameters
from workbench.run import journal
from workbench.run.contents import Contents
from workbench.run.lock import RunLock
from workbench.run.record import described_source, new_record, read_record, written_at
from workbench.run.store import Pool, find_entry, find_pool, identity
from workbench.storage.folder import check_folder, remove, write_whole
from workbench.video.base import Given

# What a process leaves in the folder when it is killed while it makes a run.
LEFT_BY_A_KILL = {".record.lock", ".run.json.partial"}

UPLOAD = "upload"  # folder of a run with what a browser sent, see workbench/app; it is there before the run is


class Run(Contents):
    """A run directory that exists. Make one with :meth:`create`, open one with :meth:`open`.

    Parameters
    ----------
    path : Path
        The run directory.
    record : dict
        The content of its ``run.json``.
    """

    def __init__(self, path: Path, record: dict[str, Any]) -> None:
        super().__init__(path, record)
        self._lock = RunLock(path)

    @classmethod
    def create(cls, path: str | Path, source: Given, store: Path | None = None) -> "Run":
        """Make the run of a video or of pictures, or open it if it is there.

        Parameters
        ----------
        path : str or Path
            The run directory.
        source : str, Path, or sequence of these
            What :func:`~workbench.video.source.open_source` opens: a video, a folder of pictures, several files.
        store : Path, optional
            An existing folder through which a new run shares results with others; see :mod:`workbench.run.store`.

        Returns
        -------
        Run
            The run.

        Raises
        ------
        RunError
            When ``path`` is the run of another video, is no run, or is not writable, and when the video cannot be read.
        VideoError
            When there is no such video.
        """
        path = Path(path)
        try:
            described = described_source(source)
        except OSError as error:
            if error.errno in MACHINE_ERRNOS:
                raise
            raise RunError(f"{error.filename} cannot be read ({error.strerror}): check its permissions") from error
        if (path / "run.json").exists():
            run = cls.open(path)
            if run.record["source"]["sha256"] != described["sha256"]:
                other = Path(run.record["source"]["path"]).name
                raise RunError(f"{path} is the run of another video ({other}): choose another folder with --out")
            if _place(run.record["source"]) != _place(described):  # the same video, moved
                with run._changed() as record:
                    record["source"] = described
            return run
        if path.exists() and (not path.is_dir() or {item.name for item in path.iterdir()} - LEFT_BY_A_KILL - {UPLOAD}):
            raise RunError(f"{path} is there already and is no run: choose another folder with --out")
        record = new_record(described)
        if store:  # relative, so that both can be moved together
            record["store"] = os.path.relpath(store.resolve(), path.resolve())
        try:
            path.mkdir(parents=True, exist_ok=True)
            check_folder(path)
            run = cls(path, record)
            with run._lock.record():
                if not (path / "run.json").exists():
                    run._save()
                    return run
        except OSError as error:
            if error.errno in MACHINE_ERRNOS:
                raise
            raise RunError(f"{path} cannot be written ({error.strerror}): choose another folder with --out") from error
        return cls.create(path, source, store)  # another process has just made it

    @classmethod
    def open(cls, path: str | Path) -> "Run":
        """Open a run; what a killed process decided and did not finish is finished first.

        Parameters
        ----------
        path : str or Path
            The run directory.

        Returns
        -------
        Run
            The run.

        Raises
        ------
        MissingStageError
            When there is no run.
        RunError
            When its ``run.json`` is damaged, or something in the folder leads out of it.
        """
        path = Path(path)
        if not (path / "run.json").is_file():
            raise MissingStageError(
                f"{path} is no run directory yet: run notebooks/00_make_corrupted_clip.ipynb first, "
                "or `workbench reconstruct VIDEO`"
            )
        check_folder(path)
        run = cls(path, read_record(path / "run.json"))
        if journal.unfinished(path):
            with run._changed():
                pass
        return run

    def stage(
        self,
        name: str,
        parameters: Parameters,
        after: tuple[str, ...],
        outputs: tuple[str, ...],
        compute: Callable[[Path], dict[str, Any] | None],
        overwrite: bool = False,
        weights: str = "",
    ) -> dict[str, Any]:
        """Run a stage unless it is finished.

        Parameters
        ----------
        name : str
            Its name.
        parameters : Parameters
            Its parameters.
        after : tuple of str
            Names of the finished stages it is made from; none for the video.
        outputs : tuple of str
            The files and folders that it leaves.
        compute : callable
            Writes ``outputs`` into the folder it is given, and returns what is worth recording. ``shared_seconds`` in that, the
            time that other runs spent on what was taken from them, counts among the stage's seconds. The files are put in place
            only when all are there, so a stage that fails leaves what was there before.
        overwrite : bool
            Whether a stage that was made with other parameters or inputs is replaced.
        weights : str
            Digest of the weights, "" where the parameters tell which they are.

        Returns
        -------
        dict
            The record of the stage: parameters, fingerprint, inputs, outputs, seconds, finished (time) and info.

        Raises
        ------
        StaleStageError
            When it is finished with other parameters or inputs and not ``overwrite``.
        BusyError
            When another process computes a stage of this run.
        """
        key, inputs = self.key(name, parameters, after, weights), self._inputs(after)
        finished = self._finished(name, key, parameters, overwrite)
        if finished:
            return finished
        shared = find_entry(self.path, self.record, name, parameters.as_dict(), after, weights)
        with self.held(), shared.lock() if shared else nullcontext():
            finished = self._finished(name, key, parameters, overwrite)
            if finished:  # by another process, just before
                return finished
            fetched, start = None, time.perf_counter()
            scratch = journal.scratch(self.path, name)
            try:
                fetched = shared.fetch(scratch) if shared else None
                info = (fetched["info"] if fetched else compute(scratch)) or {}
                spent = info.get("shared_seconds", 0.0)
                made = {
                    "parameters": parameters.as_dict(),
                    "fingerprint": key,
                    "inputs": inputs,
                    "outputs": list(outputs),
                    "seconds": fetched["seconds"] if fetched else round(time.perf_counter() - start + spent, 3),
                    "finished": fetched["finished"] if fetched else datetime.now(UTC).isoformat(timespec="seconds"),
                    "info": info,
                } | ({"shared": shared.key} if shared else {})
                with self._changed() as record:
                    journal.decide(scratch, record, name, made)
                    journal.finish(self.path, record, self._save)
            finally:
                remove(scratch)
            if shared and not fetched:
                shared.put(self.path, made)
        return self.record["stages"][name]

    def _finished(self, name: str, key: str, parameters: Parameters, overwrite: bool) -> dict[str, Any] | None:
        """The record of a stage that is finished with this key, None when there is none. It is no longer released then."""
        found = self.record["stages"].get(name)
        if found is None:
            return None
        if found["fingerprint"] != key:
            if overwrite or found.get("released"):
                return None
            raise StaleStageError(f"{self.path}: {_difference(name, found, parameters.as_dict())}")
        if not all((self.path / output).exists() for output in found["outputs"]) or found["info"].get("no_map"):
            return None  # a map that failed may succeed now, on another machine or with a library mended
        if found.get("released"):
            with self._changed() as record:
                record["stages"][name].pop("released", None)
        return self.record["stages"][name]

    def pool(self, name: str, parameters: Parameters, after: tuple[str, ...], weights: str = "") -> Pool | None:
        """Find the pool through which runs share parts of results; see :class:`~workbench.run.store.Pool`.

        Parameters
        ----------
        name : str
            What the parts are, such as "pairs".
        parameters, after, weights : Parameters, tuple of str, str
            What they depend on, as for :meth:`stage`.

        Returns
        -------
        Pool or None
            None when the run shares nothing.
        """
        return find_pool(self.path, self.record, name, parameters.as_dict(), after, weights)

    def identity(self, stage: str) -> str:
        """Identify the result of a finished stage; see :func:`workbench.run.store.identity`.

        Parameters
        ----------
        stage : str
            Its name.

        Returns
        -------
        str
            64 hexadecimal digits.
        """
        return identity(self.path, self.record["stages"], stage)

    def held(self) -> AbstractContextManager[None]:
        """Hold the run: other processes and threads that want to compute a stage of it are refused meanwhile.

        Returns
        -------
        context manager
            Entering it raises :class:`~workbench.errors.BusyError` when another process or thread holds the run.
        """
        return self._lock.work()

    def set_edits(self, stage: str, edits: list[Any], info: dict[str, Any], name: str = "", text: str = "") -> None:
        """Record the changes made by hand to a finished stage's result. What builds on it becomes stale and is released.

        Parameters
        ----------
        stage : str
            Name of the stage.
        edits : list
            All edits, old and new.
        info : dict
            What is recorded of the stage in addition.
        name, text : str
            An output of the stage and its content after the edits, which replaces the old one in the same step; "" for none.
        """
        self.require(stage)
        with self._changed() as record:
            found = record["stages"][stage]
            scratch = journal.scratch(self.path, f"{stage}.edits")
            if name:
                write_whole(scratch / name, text)
            journal.decide(scratch, record, stage, found | {"info": found["info"] | info}, edits)
            journal.finish(self.path, record, self._save)

    def release(self, *stages: str) -> None:
        """Let finished stages, and what builds on them, be replaced the next time they run, as with ``overwrite``.

        Until then they stay as they are. One that turns out to be up to date when it runs is no longer released.

        Parameters
        ----------
        *stages : str
            Names of the stages.
        """
        with self._changed() as record:
            journal.release(record, stages)

    def write_text(self, name: str, text: str) -> Path:
        """Write a file of the run directory in one step, so that it is there whole or as it was before.

        Parameters
        ----------
        name : str
            Its name in the run directory.
        text : str
            Its content.

        Returns
        -------
        Path
            The file.
        """
        return write_whole(self.path / name, text)

    @contextmanager
    def _changed(self) -> Iterator[dict[str, Any]]:
        """Give ``run.json`` as it is now, to be changed, and write it at the end. Nobody else changes it meanwhile."""
        with self._lock.record():
            try:
                journal.finish(self.path, self.record, self._save)
                yield self.record
                self._save()
            except BaseException:
                self._seen = None  # the record in memory may differ from the file: read it again
                raise

    def _save(self) -> None:
        self._seen = None  # until the file is written
        self.write_text(self.record_path.name, json.dumps(self._record, indent=1) + "\n")
        self._seen = written_at(self.record_path)


def _place(source: dict[str, Any]) -> list[str]:
    """Where the files of a run are."""
    return list(source.get("files", [source["path"]]))


def _difference(name: str, found: dict[str, Any], values: dict[str, Any]) -> str:
    changed = [f"{key}={old!r} (now {values.get(key)!r})" for key, old in found["parameters"].items() if values.get(key) != old]
    new = [key for key in values if key not in found["parameters"]]
    if changed:
        what = f"was made with {', '.join(changed)}"
    elif new:
        what = f"was made by an older workbench, which had no {', '.join(new)}"
    else:
        what = "was made from other inputs than there are now"
    return f"stage {name} {what}: pass --overwrite (in a notebook: overwrite = True) to replace it, or use another --out"
