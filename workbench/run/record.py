"""``run.json``, the record of a run: read, checked before anything in it is believed, and asked what is up to date.

The record names the files to delete when a stage is replaced, and the folder through which results are shared. A run may come
from a stranger, so a record must not name anything outside its run.
"""

import hashlib
import json
import math
import os
import platform
import re
from importlib.metadata import version
from pathlib import Path
from typing import Any

from workbench.errors import MissingStageError, RunError, StaleStageError
from workbench.limits import EXACT_INTEGER
from workbench.parameters import Parameters
from workbench.run.stages import STAGES, RunPaths, chosen_models
from workbench.storage.folder import digest, is_inside, read_json
from workbench.video.base import Given
from workbench.video.inputs import is_there, shown, source_digest

FORMAT = 1  # of run.json; a record of another format is refused
# Libraries whose versions are recorded.
PACKAGES = ("av", "numpy", "opencv-python", "scikit-learn", "torch", "torchvision", "transformers", "fast-tsp")
# What other stages and the metrics take from a stage's info, with the type it must have.
REQUIRED_INFO: dict[str, dict[str, type | tuple[type, ...]]] = {
    "video": {
        "width": int,
        "height": int,
        "frames": int,
        "frame_rate": str,
        "pixel_format": str,
        "color_trc": int,
        "warnings": list,
    },
    "cluster": {"eps": (int, float)},
    "match": {"pairs": int, "pairs_per_frame": (int, float)},
    "register": {"registered": int},
}


class RecordedRun(RunPaths):
    """A run directory as its record describes it. Nothing here changes it; :class:`~workbench.run.run.Run` does.

    Parameters
    ----------
    path : Path
        The run directory.
    record : dict
        The content of its ``run.json``.

    Notes
    -----
    Several processes may have one run open. The record is therefore read again whenever the file has changed.
    """

    def __init__(self, path: Path, record: dict[str, Any]) -> None:
        super().__init__(path)
        self._record, self._seen = record, written_at(self.record_path)

    @property
    def record(self) -> dict[str, Any]:  # numpydoc ignore=RT01
        """The content of ``run.json``, with what others wrote since it was opened; for :mod:`workbench.run` alone."""
        if written_at(self.record_path) != self._seen:
            self._seen = written_at(self.record_path)
            self._record = read_record(self.record_path)
        return self._record

    @property
    def models(self) -> dict[str, str]:  # numpydoc ignore=RT01
        """The models, or the code without weights, that did the work, by kind: embedding, keypoints, matcher."""
        return chosen_models({name: stage["parameters"] for name, stage in self.record["stages"].items()})

    @property
    def source_digest(self) -> str:  # numpydoc ignore=RT01
        """SHA-256 of the video, 64 hexadecimal digits."""
        return str(self.record["source"]["sha256"])

    @property
    def source_path(self) -> Path:  # numpydoc ignore=RT01
        """Where the video was when the run was made or last opened on it; it may be gone. Of several files, a name for all."""
        return Path(self.record["source"]["path"])

    @property
    def source(self) -> Path:  # numpydoc ignore=RT01
        """The video, or the folder, pattern, list or archive; of several files, a name for all.

        Raises :class:`~workbench.errors.RunError` when it is no longer where it was.
        """
        files = [Path(file) for file in self.record["source"].get("files", [self.source_path])]
        gone = [file for file in files if not is_there(file)]
        if gone:
            raise RunError(
                f"the video of this run is gone ({gone[0]}): put it back, or tell where it is now, with "
                f"`workbench reconstruct VIDEO --out {self.path}`"
            )
        return self.source_path

    @property
    def inputs(self) -> str | list[str]:  # numpydoc ignore=RT01
        """What the run was made from, for :func:`~workbench.video.source.open_source`: one path, or several.

        Raises as :attr:`source` does.
        """
        source = self.source  # raises when a file is gone
        return list(self.record["source"].get("files", [])) or str(source)

    def check_source(self) -> None:
        """Check that what the run was made from is still the same: other frames in its place would be written without a word.

        Raises
        ------
        RunError
            When it is gone, or has been changed or replaced.
        VideoError
            When nothing in its place can be read as a source.
        """
        if described_source(self.inputs)["sha256"] != self.source_digest:
            raise RunError(
                f"{self.source} is not what this run was made from any more: put that back, or tell where it is now, with "
                f"`workbench reconstruct VIDEO --out {self.path}`"
            )

    @property
    def versions(self) -> dict[str, str]:  # numpydoc ignore=RT01
        """Versions of the workbench and of the libraries that made the run, by name."""
        return dict(self.record["versions"])

    def require(self, *stages: str) -> None:
        """Check that stages are finished and up to date.

        Parameters
        ----------
        *stages : str
            Their names.

        Raises
        ------
        MissingStageError
            When one is not finished or lost a file; the message names the notebook to run first.
        StaleStageError
            When one was made from a result that was replaced, edited or lost since.
        """
        for stage in stages:
            if not self._is_there(stage):
                raise MissingStageError(
                    f"stage {stage} of {self.path} is missing: run notebooks/{STAGES[stage].notebook}.ipynb first, "
                    "or `workbench reconstruct VIDEO`"
                )
            if self._is_stale(stage):
                released = self.record["stages"][stage].get("released")
                notebook, flag = ("", "") if released else (" with overwrite = True", " --overwrite")
                raise StaleStageError(
                    f"stage {stage} of {self.path} was made from other inputs than there are now: run notebooks/"
                    f"{STAGES[stage].notebook}.ipynb{notebook} first, or `workbench reconstruct VIDEO{flag}`"
                )

    def is_finished(self, stage: str) -> bool:
        """Tell whether a stage is finished and up to date.

        Parameters
        ----------
        stage : str
            Its name.

        Returns
        -------
        bool
            False too where it lost a file, or where what it was made from was replaced, edited or lost since.
        """
        return self._is_there(stage) and not self._is_stale(stage)

    def _is_there(self, stage: str) -> bool:
        """Whether a stage is finished and has all of its files."""
        found = self.record["stages"].get(stage)
        return found is not None and all((self.path / name).exists() for name in found["outputs"])

    def _is_stale(self, stage: str) -> bool:
        """Whether a stage this one builds on, directly or not, was replaced, edited or lost since."""
        stages = self.record["stages"]
        made_from = {name: given for name, given in stages[stage]["inputs"].items() if name != "source"}
        return any(
            name not in stages or self._fingerprint(name) != given or self._is_stale(name) for name, given in made_from.items()
        )

    def fingerprint(self, stage: str) -> str:
        """Give the fingerprint of a finished stage, which covers its edits. Raises as :meth:`require` does.

        Parameters
        ----------
        stage : str
            Its name.

        Returns
        -------
        str
            64 hexadecimal digits.
        """
        self.require(stage)
        return self._fingerprint(stage)

    def _fingerprint(self, stage: str) -> str:
        """Edits by hand give a stage's result another fingerprint, and what builds on it is stale."""
        key, edits = self.record["stages"][stage]["fingerprint"], self.edits(stage)
        return hashlib.sha256(json.dumps([key, edits]).encode()).hexdigest() if edits else key

    def key(self, stage: str, parameters: Parameters, after: tuple[str, ...], weights: str = "") -> str:
        """Compute the fingerprint that a stage would have.

        Parameters
        ----------
        stage : str
            Its name.
        parameters : Parameters
            Its parameters.
        after : tuple of str
            Names of the finished stages it is made from; none for the video.
        weights : str
            Digest of the weights, "" where the parameters tell which they are.

        Returns
        -------
        str
            64 hexadecimal digits.
        """
        return digest([stage, parameters.as_dict(), self._inputs(after), weights])

    def _inputs(self, after: tuple[str, ...]) -> dict[str, str]:
        return {name: self.fingerprint(name) for name in after} or {"source": self.record["source"]["sha256"]}

    def edits(self, stage: str) -> list[Any]:
        """List the changes made by hand to a stage's result. They outlive it: they are applied to a new result again.

        Parameters
        ----------
        stage : str
            Its name.

        Returns
        -------
        list
            The edits in the order in which they were made, as in :mod:`workbench.pipeline.order_edits`.
        """
        return list(self.record.get("edits", {}).get(stage, []))

    @property
    def edit_count(self) -> int:  # numpydoc ignore=RT01
        """Number of changes made by hand to the results of all stages."""
        return sum(map(len, self.record.get("edits", {}).values()))


def read_record(file: Path) -> dict[str, Any]:
    """Read ``run.json``.

    Parameters
    ----------
    file : Path
        The file.

    Returns
    -------
    dict
        Its content.

    Raises
    ------
    RunError
        When it is damaged, of another format, or leads out of the run.
    """
    try:
        record = read_json(file)
        if record["format"] != FORMAT:
            raise RunError(f"{file} has format {record['format']!r}, this workbench reads {FORMAT}: start a new run")
        _check(record)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunError(f"{file} is damaged: start a new run in another folder") from error
    return record


def described_source(given: Given) -> dict[str, Any]:
    """Describe what a run is made from, as its record has it.

    Parameters
    ----------
    given : str, Path, or sequence of these
        One path or several.

    Returns
    -------
    dict
        ``path``, absolute, ``sha256`` and ``bytes``; of several files, ``path`` is a name for all in the folder of the first,
        and ``files`` has the paths.

    Raises
    ------
    VideoError
        When there is no such file.
    OSError
        When one cannot be read.
    """
    sha256, size = source_digest(given)
    if isinstance(given, str | Path):
        return {"path": str(Path(given).resolve()), "sha256": sha256, "bytes": size}
    files = [str(Path(file).resolve()) for file in given]
    if len(files) == 1:
        return {"path": files[0], "sha256": sha256, "bytes": size}
    return {"path": str(Path(files[0]).with_name(shown(files))), "files": files, "sha256": sha256, "bytes": size}


def new_record(source: dict[str, Any]) -> dict[str, Any]:
    """Make the record of a run that has no stages yet.

    Parameters
    ----------
    source : dict
        What it is made from, by :func:`described_source`.

    Returns
    -------
    dict
        The content of its ``run.json``.
    """
    return {
        "format": FORMAT,
        "source": source,
        "versions": {"workbench": version("video-reconstruction-workbench")} | {name: version(name) for name in PACKAGES},
        "machine": {"system": platform.platform(), "python": platform.python_version(), "cores": os.cpu_count()},
        "stages": {},
    }


def check_info(file: Path, stage: str, info: dict[str, Any]) -> None:
    """Check that a stage's info has what other stages and the metrics take from it.

    Parameters
    ----------
    file : Path
        ``run.json``, for the message.
    stage : str
        Name of the stage.
    info : dict
        What it recorded about itself.

    Raises
    ------
    RunError
        When something is missing, of another type, or out of range.
    """
    for name, kind in REQUIRED_INFO.get(stage, {}).items():
        value = info.get(name)
        if (
            not isinstance(value, kind)
            or isinstance(value, bool)
            or (isinstance(value, int | float) and not 0 <= value < EXACT_INTEGER)
        ):
            raise RunError(f"{file} is damaged (stage {stage} has no {name}): start a new run in another folder")


def _check(record: dict[str, Any]) -> None:
    """Raise ValueError, KeyError, TypeError or AttributeError unless everything in the record is as it should be."""
    source = record["source"]
    _demand(isinstance(source["path"], str) and "\0" not in source["path"])
    _demand(re.fullmatch("[0-9a-f]{64}", source["sha256"]))
    files = source.get("files", [source["path"]])
    _demand(isinstance(files, list) and files and all(isinstance(file, str) and "\0" not in file for file in files))
    _demand(_are_all(str, record.get("versions", {}).values()))
    # A sweep's runs lie in cells/NAME beside the store. No other folder is shared through.
    _demand("store" not in record or re.fullmatch(r"(\.\./)+store", record["store"]))
    _demand(all(isinstance(edits, list) and _are_all(dict, edits) for edits in record.get("edits", {}).values()))
    earlier = {"source"}
    for stage in STAGES:
        if stage in record["stages"]:
            check_stage(record["stages"][stage])
            _demand(earlier.issuperset(record["stages"][stage]["inputs"]))  # or a stage would be built on itself
        earlier.add(stage)
    _demand(earlier.issuperset(record["stages"]))


def check_stage(found: dict[str, Any]) -> None:
    """Check the record of one stage; what is missing or of another type raises KeyError, TypeError or AttributeError too.

    Parameters
    ----------
    found : dict
        The record.

    Raises
    ------
    ValueError
        When something in it is not as it should be.
    """
    _demand(all(isinstance(value, str | int | float) for value in found["parameters"].values()))
    _demand(_are_all(str, [found["fingerprint"], found["finished"], *found["inputs"].values()]))
    _demand(isinstance(found["outputs"], list) and found["outputs"] and all(map(is_inside, found["outputs"])))
    _demand(re.fullmatch("[0-9a-f]{64}", found.get("shared", "0" * 64)))
    _demand(isinstance(found["seconds"], int | float) and math.isfinite(found["seconds"]))
    _demand(_are_all(str, found["info"].keys()))
    messages = [text for name in ("warnings", "edits_left_out", "doubts") for text in found["info"].get(name, [])]
    messages.append(found["info"].get("no_map", ""))
    _demand(all(isinstance(text, str) and "\n" not in text for text in messages))


def _are_all(kind: type, values: Any) -> bool:
    return all(isinstance(value, kind) for value in values)


def _demand(holds: Any) -> None:
    if not holds:
        raise ValueError("not what it should be")


def written_at(file: Path) -> tuple[int, int] | None:
    """Tell when a file was last written, so that a newer one is noticed.

    Parameters
    ----------
    file : Path
        The file.

    Returns
    -------
    (int, int) or None
        Inode and time of the last change, ns; None when the file is not there.
    """
    try:
        found = file.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns
