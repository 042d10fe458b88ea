"""Results of stages, shared between the runs of a sweep: what several runs need is computed once.

A result lies in ``STAGE-KEY/``: the stage's files, and ``record.json`` with its record. The key covers the parameters, the
weights, the workbench's own code, and what the stage was made from, down to the SHA-256 of the video. Large files are hard
links where the file system has them, so that a shared result takes its room once. Entries appear whole, by a rename; a reader
needs no lock. What can be taken in parts, pair by pair, lies in ``NAME-KEY/`` as well; see :class:`Pool`.
"""

import json
import math
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from filelock import FileLock

from workbench.errors import RunError
from workbench.storage.folder import check_folder, code_digest, digest, file_sha256, read_json, remove, write_whole

RECORD = "record.json"
RATE = "seconds_each.json"
# Stages of which the later ones, and the notebooks after, read the files and nothing else. Twenty values of eps often find the
# same scenes: what is built on these is then the same too, and is made once.
BY_FILES = ("cluster",)
# Text and notebooks are copied: editors write into the file that is there, and with a link into that of all others.
LINKED = (".npy", ".npz", ".h5", ".mp4", ".mkv")


class Entry:
    """A place in a store, for one stage with one set of parameters and inputs; filled or not."""

    def __init__(self, store: Path, stage: str, key: str) -> None:
        self.key, self.folder = key, store / f"{stage}-{key}"

    def lock(self) -> FileLock:
        """Held while the result is fetched or computed, so that a second run that wants it waits. It goes with its process."""
        return FileLock(self.folder.with_name(f"{self.folder.name}.lock"))

    def fetch(self, out: Path) -> dict[str, Any] | None:
        """Put the stage's files into the folder ``out`` and return its record; None when nobody has computed it yet."""
        record = self.record()
        if record:
            check_folder(self.folder)
            shutil.copytree(self.folder, out, copy_function=_link, dirs_exist_ok=True, ignore=shutil.ignore_patterns(RECORD))
        return record

    def record(self) -> dict[str, Any] | None:
        """The record of what is there, None when nothing is yet."""
        return json.loads((self.folder / RECORD).read_text(encoding="utf-8")) if self.folder.is_dir() else None

    def put(self, run: Path, record: dict[str, Any]) -> None:
        """Fill the entry with a finished stage of the run directory ``run``; one that is filled stays as it is."""
        partial = Path(tempfile.mkdtemp(prefix=".", suffix=".partial", dir=self.folder.parent))
        try:
            for name in record["outputs"]:
                (partial / name).parent.mkdir(exist_ok=True)
                if (run / name).is_dir():
                    shutil.copytree(run / name, partial / name, copy_function=_link)
                else:
                    _link(run / name, partial / name)
            (partial / RECORD).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
            partial.chmod(0o755)  # mkdtemp's are for their owner alone
            try:
                partial.rename(self.folder)
            except OSError:
                if not self.folder.is_dir():  # else another run was first
                    raise
        finally:
            shutil.rmtree(partial, ignore_errors=True)


class Pool:
    """HDF5 files of a store whose groups do not depend on each other, as the matches of a pair do not on other pairs: who needs
    some of the groups that are in one of them need not compute these again.
    """

    def __init__(self, store: Path, name: str, key: str) -> None:
        self.folder = store / f"{name}-{key}"

    def files(self) -> list[Path]:
        """Paths of the files that are there now, absolute."""
        self._check()
        return sorted(self.folder.resolve().glob("*.h5"))

    def seconds_each(self) -> float:
        """What a group took to compute, s, on the average of the first file; 0 when that is not known."""
        try:
            found = read_json(self.folder / RATE)
        except (OSError, ValueError):  # none yet, or one that nobody can read
            return 0.0
        return found if isinstance(found, float) and 0 <= found < math.inf else 0.0

    def add(self, name: str, file: Path, seconds_each: float | None) -> None:
        """Add a finished file, under a name that says what it was made from. seconds_each: for :meth:`seconds_each`, of a file
        of which all was computed, and nothing taken from here.
        """
        self.folder.mkdir(exist_ok=True)
        self._check()
        with FileLock(self.folder.with_name(f"{self.folder.name}.lock")):
            if seconds_each is not None and not (self.folder / RATE).exists():
                write_whole(self.folder / RATE, json.dumps(seconds_each))
            target, partial = self.folder / f"{name}.h5", self.folder / ".partial"
            if not target.exists():
                try:
                    remove(partial)
                    _link(file, partial)
                    partial.replace(target)
                finally:
                    remove(partial)

    def _check(self) -> None:
        if self.folder.is_symlink():
            raise RunError(f"{self.folder} is a link: a store holds none, delete it first")
        check_folder(self.folder)


def find_entry(
    run: Path, record: dict[str, Any], stage: str, parameters: dict[str, Any], after: tuple[str, ...], weights: str
) -> Entry | None:
    """The entry of a stage of the run directory ``run``, whose ``run.json`` holds ``record``; None when the run has no store.

    A run that was edited by hand shares nothing any more, and one that was moved away from its store neither.
    """
    key = _key(run, record, stage, parameters, after, weights)
    return Entry(run / record["store"], stage, key) if key else None


def find_pool(
    run: Path, record: dict[str, Any], name: str, parameters: dict[str, Any], after: tuple[str, ...], weights: str
) -> Pool | None:
    """The pool of what these parameters, stages and weights make; None as for :func:`find_entry`."""
    key = _key(run, record, name, parameters, after, weights)
    return Pool(run / record["store"], name, key) if key else None


def _key(
    run: Path, record: dict[str, Any], name: str, parameters: dict[str, Any], after: tuple[str, ...], weights: str
) -> str | None:
    store = record.get("store")
    if not store or record.get("edits") or not (run / store).is_dir():
        return None
    made_from = {other: identity(run, record["stages"], other) for other in after} or {"source": record["source"]["sha256"]}
    return digest([name, parameters, made_from, weights, code_digest()])


def identity(run: Path, stages: dict[str, Any], stage: str) -> str:
    """What a finished stage is, for the keys of those that are built on it."""
    found = stages[stage]
    if stage not in BY_FILES:
        return found.get("shared", found["fingerprint"])
    files = [file_sha256(run / name) for name in found["outputs"]]
    return digest([stage, files, [identity(run, stages, other) for other in found["inputs"]]])


def _link(source: str | Path, target: str | Path) -> None:
    if Path(source).suffix in LINKED:
        try:
            os.link(source, target)
            return
        except OSError:  # a file system without hard links, or no more of them for this file
            pass
    shutil.copyfile(source, target)
