"""The run directory: the only place that decides paths. Stages write whole results or none; finished stages are reused.

A stage's fingerprint covers its parameters and the fingerprints of the stages it builds on, down to the SHA-256 of the
video. A stage that was finished with the same fingerprint is reused; with another one it is refused until ``overwrite``.

A process may be killed at any moment. Until a new result is decided, the old one stands; from then on
:mod:`~workbench.run.journal` says what is left to do, and whoever opens the run next does it.
"""

import json
import os
import platform
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from workbench.errors import MissingStageError, RunError, StaleStageError
from workbench.parameters import Parameters
from workbench.run import journal
from workbench.run.contents import Contents, written_at
from workbench.run.lock import RunLock
from workbench.run.record import FORMAT, read_record, release
from workbench.run.store import Pool, find_entry, find_pool, identity
from workbench.storage.folder import check_folder, digest, file_sha256, remove, write_whole

BEGUN = {".record.lock", ".run.json.partial"}  # what a process leaves that was killed while it made a run
_PACKAGES = ("av", "numpy", "opencv-python", "scikit-learn", "torch", "torchvision", "transformers", "fast-tsp")


class Run(Contents):
    """A run directory that exists. Make one with :meth:`create`, open one with :meth:`open`."""

    def __init__(self, path: Path, record: dict[str, Any]) -> None:
        super().__init__(path, record)
        self._lock = RunLock(path)

    @classmethod
    def create(cls, path: str | Path, source: str | Path, store: Path | None = None) -> "Run":
        """The run of ``source`` at ``path``: made if it is not there, opened if it is the run of the same video.

        store: an existing folder through which the new run shares results with others; see :mod:`workbench.run.store`.
        Raises :class:`RunError` when ``path`` is the run of another video, something else, or not writable.
        """
        path, source = Path(path), Path(source)
        try:
            sha256 = file_sha256(source)
        except OSError as error:
            raise RunError(f"{source} cannot be read ({error.strerror}): give the path of a video file") from error
        if (path / "run.json").exists():
            run = cls.open(path)
            if run.record["source"]["sha256"] != sha256:
                other = Path(run.record["source"]["path"]).name
                raise RunError(f"{path} is the run of another video ({other}): choose another folder with --out")
            if run.record["source"]["path"] != str(source.resolve()):  # the same video, moved
                with run._changed() as record:
                    record["source"]["path"] = str(source.resolve())
            return run
        if path.exists() and (not path.is_dir() or {item.name for item in path.iterdir()} - BEGUN):
            raise RunError(f"{path} is there already and is no run: choose another folder with --out")
        record = {
            "format": FORMAT,
            "source": {"path": str(source.resolve()), "sha256": sha256, "bytes": source.stat().st_size},
            "versions": {"workbench": version("video-reconstruction-workbench")} | {name: version(name) for name in _PACKAGES},
            "machine": {"system": platform.platform(), "python": platform.python_version(), "cores": os.cpu_count()},
            "stages": {},
        }
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
            raise RunError(f"{path} cannot be written ({error.strerror}): choose another folder with --out") from error
        return cls.create(path, source, store)  # another process has just made it

    @classmethod
    def open(cls, path: str | Path) -> "Run":
        """The run at ``path``; what a killed process left half moved is put in place first.

        Raises :class:`RunError` when there is none, its ``run.json`` is damaged, or something in it leads out of it.
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

    def key(self, stage: str, parameters: Parameters, after: tuple[str, ...], weights: str = "") -> str:
        """The fingerprint a stage would have: of its parameters, its weights, the video, and the stages it builds on."""
        return digest([stage, parameters.as_dict(), self._inputs(after), weights])

    def _inputs(self, after: tuple[str, ...]) -> dict[str, str]:
        return {name: self.fingerprint(name) for name in after} or {"source": self.record["source"]["sha256"]}

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
        """Run a stage unless it is finished, and return its record (parameters, seconds, info, outputs).

        compute: writes ``outputs`` into the folder it is given, and returns what is worth recording; the files are put in
        place only when all are there, so a stage that fails leaves what was there before. ``shared_seconds`` in it, what
        other runs spent on what was taken from them, counts among the stage's seconds. weights: digest of a model in a local
        folder, which its name alone does not tell.
        Raises :class:`StaleStageError` when the stage is finished with other parameters or inputs and not ``overwrite``.
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
            known, start = None, time.perf_counter()
            scratch = self._scratch(name)
            try:
                known = shared.fetch(scratch) if shared else None
                info = (known["info"] if known else compute(scratch)) or {}
                spent = info.get("shared_seconds", 0.0)
                made = {
                    "parameters": parameters.as_dict(),
                    "fingerprint": key,
                    "inputs": inputs,
                    "outputs": list(outputs),
                    "seconds": known["seconds"] if known else round(time.perf_counter() - start + spent, 3),
                    "finished": known["finished"] if known else datetime.now(UTC).isoformat(timespec="seconds"),
                    "info": info,
                } | ({"shared": shared.key} if shared else {})
                with self._changed() as record:
                    journal.decide(scratch, record, name, made)
                    journal.finish(self.path, record, self._save)
            finally:
                remove(scratch)
            if shared and not known:
                shared.put(self.path, made)
        return self.record["stages"][name]

    def _finished(self, name: str, key: str, parameters: Parameters, overwrite: bool) -> dict[str, Any] | None:
        """The record of a stage that is finished with this key, None when there is none; it is not released any more."""
        found = self.record["stages"].get(name)
        if found is None:
            return None
        if found["fingerprint"] != key:
            if overwrite or found.get("released"):
                return None
            raise StaleStageError(f"{self.path}: {_difference(name, found, parameters.as_dict())}")
        if not all((self.path / output).exists() for output in found["outputs"]):
            return None
        if found.get("released"):
            with self._changed() as record:
                record["stages"][name].pop("released", None)
        return self.record["stages"][name]

    def pool(self, name: str, parameters: Parameters, after: tuple[str, ...], weights: str = "") -> Pool | None:
        """Where the parts of results are shared that depend on these parameters, stages and weights alone; None without a
        store.
        """
        return find_pool(self.path, self.record, name, parameters.as_dict(), after, weights)

    def identity(self, stage: str) -> str:
        """What a finished stage is, for the keys of results that sweeps share; see :func:`workbench.run.store.identity`."""
        return identity(self.path, self.record["stages"], stage)

    def held(self) -> AbstractContextManager[None]:
        """While this is held, other processes and threads that want to compute a stage of the run are refused.

        Raises :class:`~workbench.errors.BusyError`, which names who holds it, when another does.
        """
        return self._lock.work()

    def _scratch(self, stage: str) -> Path:
        """An empty folder for a stage to write into."""
        scratch = journal.scratch(self.path, stage)
        try:
            remove(scratch)
            scratch.mkdir()
        except OSError as error:
            raise RunError(f"{self.path} cannot be written ({error.strerror}): choose another folder with --out") from error
        return scratch

    def set_edits(self, stage: str, edits: list[Any], info: dict[str, Any], name: str = "", text: str = "") -> None:
        """Record the changes made by hand to a finished stage's result, all of them, and what the stage says of them: what
        builds on it becomes stale, and is released; the stage itself not. name, text: its output after the changes, which takes
        the place of the one before in the same step.
        """
        self.require(stage)
        with self._changed() as record:
            found = record["stages"][stage]
            scratch = self._scratch(f"{stage}.edits")
            if name:
                write_whole(scratch / name, text)
            journal.decide(scratch, record, stage, found | {"info": found["info"] | info}, edits)
            journal.finish(self.path, record, self._save)

    def release(self, *stages: str) -> None:
        """Let finished stages, and what builds on them, be replaced the next time they run, as with ``overwrite``. Until then
        they stay as they are, and one that turns out to be up to date is not released any more.
        """
        with self._changed() as record:
            release(record, stages)

    def write_text(self, name: str, text: str) -> Path:
        """Write a file of the run directory in one step, so that it is there whole or as it was before; returns its path."""
        return write_whole(self.path / name, text)

    @contextmanager
    def _changed(self) -> Iterator[dict[str, Any]]:
        """``run.json`` as it is now, to be changed; it is written at the end. Nobody else changes it meanwhile."""
        with self._lock.record():
            try:
                journal.finish(self.path, self.record, self._save)
                yield self.record
                self._save()
            except BaseException:
                self._seen = None  # what was not written does not count
                raise

    def _save(self) -> None:
        self._seen = None  # what could not be written does not count
        self.write_text(self.record_path.name, json.dumps(self._record, indent=1) + "\n")
        self._seen = written_at(self.record_path)


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
