"""Results of stages, shared between the runs of a sweep: what several runs need is computed once.

A result lies in ``STAGE-KEY/``: the stage's files, and ``record.json`` with its record. The key covers the parameters, the
weights, the workbench's own code, and what the stage was made from, down to the SHA-256 of the video. Large files are hard
links where the file system has them, so that a shared result takes up disk space once. Entries appear whole, by a rename; a
reader needs no lock. What can be taken in parts, pair by pair, lies in ``NAME-KEY/`` as well; see :class:`Pool`.
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

RECORD_FILE = "record.json"  # in an entry: the record of the stage
SECONDS_FILE = "seconds_each.json"  # in a pool: seconds that a group took to compute
# Stages of which later stages and notebooks read the files and nothing else. Twenty values of eps often find the same scenes:
# what is built on these is then the same too, and is computed once.
STAGES_IDENTIFIED_BY_FILES = ("cluster",)
# Text and notebooks are copied instead: an editor writes into the existing file, and through a link into that of every run.
LINKED_SUFFIXES = (".npy", ".npz", ".h5", ".mp4", ".mkv")


class Entry:
    """A place in a store, for one stage with one set of parameters and inputs; filled or not.

    Parameters
    ----------
    store : Path
        Folder of the store.
    stage : str
        Name of the stage.
    key : str
        What the result is made from, 64 hexadecimal digits.
    """

    def __init__(self, store: Path, stage: str, key: str) -> None:
        self.key, self.folder = key, store / f"{stage}-{key}"

    def lock(self) -> FileLock:
        """Give the lock to hold while the result is fetched or computed, so that a second run that needs it waits.

        Returns
        -------
        FileLock
            A lock of the operating system, which ends with its process.
        """
        return FileLock(self.folder.with_name(f"{self.folder.name}.lock"))

    def fetch(self, out: Path) -> dict[str, Any] | None:
        """Put the stage's files into a folder.

        Parameters
        ----------
        out : Path
            The folder.

        Returns
        -------
        dict or None
            The record of the stage; None, and no files, when nobody has computed it yet.

        Raises
        ------
        RunError
            When something in the entry is neither a file nor a folder.
        """
        record = self.record()
        if record:
            check_folder(self.folder)
            shutil.copytree(
                self.folder, out, copy_function=_link, dirs_exist_ok=True, ignore=shutil.ignore_patterns(RECORD_FILE)
            )
        return record

    def record(self) -> dict[str, Any] | None:
        """Read the record of the stage.

        Returns
        -------
        dict or None
            The record; None when nobody has computed the stage yet.
        """
        return json.loads((self.folder / RECORD_FILE).read_text(encoding="utf-8")) if self.folder.is_dir() else None

    def put(self, run: Path, record: dict[str, Any]) -> None:
        """Fill the entry with a finished stage of a run; one that is filled stays as it is.

        Parameters
        ----------
        run : Path
            The run directory.
        record : dict
            The record of the stage.
        """
        partial = Path(tempfile.mkdtemp(prefix=".", suffix=".partial", dir=self.folder.parent))
        try:
            for name in record["outputs"]:
                (partial / name).parent.mkdir(exist_ok=True)
                if (run / name).is_dir():
                    shutil.copytree(run / name, partial / name, copy_function=_link)
                else:
                    _link(run / name, partial / name)
            (partial / RECORD_FILE).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
            partial.chmod(0o755)  # mkdtemp makes folders for their owner alone
            try:
                partial.rename(self.folder)
            except OSError:
                if not self.folder.is_dir():  # else another run was first
                    raise
        finally:
            shutil.rmtree(partial, ignore_errors=True)


class Pool:
    """HDF5 files of a store whose groups do not depend on each other, as the matches of a pair do not depend on other pairs.

    A stage that needs some of the groups copies those that are in one of the files and computes the others.

    Parameters
    ----------
    store : Path
        Folder of the store.
    name : str
        What the groups are, such as "pairs".
    key : str
        What they are made from, 64 hexadecimal digits.
    """

    def __init__(self, store: Path, name: str, key: str) -> None:
        self.folder = store / f"{name}-{key}"

    def files(self) -> list[Path]:
        """List the files of the pool.

        Returns
        -------
        list of Path
            Absolute paths, sorted.

        Raises
        ------
        RunError
            When there is a link in the pool.
        """
        self._check()
        return sorted(self.folder.resolve().glob("*.h5"))

    def seconds_each(self) -> float:
        """Give the mean time that a group of the first file took to compute.

        Returns
        -------
        float
            Seconds; 0 when that is not recorded.
        """
        try:
            found = read_json(self.folder / SECONDS_FILE)
        except (OSError, ValueError):  # none yet, or one that nobody can read
            return 0.0
        return found if isinstance(found, float) and 0 <= found < math.inf else 0.0

    def add(self, name: str, file: Path, seconds_each: float | None) -> None:
        """Add a finished file, unless one of its name is there.

        Parameters
        ----------
        name : str
            Says what the file was made from.
        file : Path
            The file.
        seconds_each : float or None
            Mean time that a group took to compute, s; None when it cannot be measured, as some were taken from the pool.

        Raises
        ------
        RunError
            When there is a link in the pool.
        """
        self.folder.mkdir(exist_ok=True)
        self._check()
        with FileLock(self.folder.with_name(f"{self.folder.name}.lock")):
            if seconds_each is not None and not (self.folder / SECONDS_FILE).exists():
                write_whole(self.folder / SECONDS_FILE, json.dumps(seconds_each))
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
    """Find the place in the store for a stage of a run.

    Parameters
    ----------
    run : Path
        The run directory.
    record : dict
        The content of its ``run.json``.
    stage : str
        Name of the stage.
    parameters : dict
        Values by name.
    after : tuple of str
        Names of the stages it is made from.
    weights : str
        Digest of the weights, "" where the parameters tell which they are.

    Returns
    -------
    Entry or None
        None when the run has no store, was moved away from it, or was edited by hand: then it shares nothing.
    """
    key = _key(run, record, stage, parameters, after, weights)
    return Entry(run / record["store"], stage, key) if key else None


def find_pool(
    run: Path, record: dict[str, Any], name: str, parameters: dict[str, Any], after: tuple[str, ...], weights: str
) -> Pool | None:
    """Find the pool in the store for results in parts of a run.

    Parameters
    ----------
    run : Path
        The run directory.
    record : dict
        The content of its ``run.json``.
    name : str
        What the parts are, such as "pairs".
    parameters : dict
        Values by name.
    after : tuple of str
        Names of the stages it is made from.
    weights : str
        Digest of the weights, "" where the parameters tell which they are.

    Returns
    -------
    Pool or None
        None as for :func:`find_entry`.
    """
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
    """Identify the result of a finished stage, for the keys of the stages that are built on it.

    Parameters
    ----------
    run : Path
        The run directory.
    stages : dict
        Records by stage, from ``run.json``.
    stage : str
        Name of the stage.

    Returns
    -------
    str
        64 hexadecimal digits. Runs with the same digits have the same result.
    """
    found = stages[stage]
    if stage not in STAGES_IDENTIFIED_BY_FILES:
        return found.get("shared", found["fingerprint"])
    files = [file_sha256(run / name) for name in found["outputs"]]
    return digest([stage, files, [identity(run, stages, other) for other in found["inputs"]]])


def _link(source: str | Path, target: str | Path) -> None:
    """Copy a file, as a hard link where that is safe and the file system has them."""
    if Path(source).suffix in LINKED_SUFFIXES:
        try:
            os.link(source, target)
            return
        except OSError:  # a file system without hard links, or no more of them for this file
            pass
    shutil.copyfile(source, target)
