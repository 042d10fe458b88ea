"""The run directory: the only place that decides paths. Stages write whole results or none; finished stages are reused.

A stage's fingerprint covers its parameters and the fingerprints of the stages it builds on, down to the SHA-256 of the
video. A stage that was finished with the same fingerprint is reused; with another one it is refused until ``overwrite``.
"""

import hashlib
import json
import os
import platform
import shutil
import time
from collections.abc import Callable
from contextlib import nullcontext
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from workbench.errors import MissingStageError, RunError, StaleStageError
from workbench.parameters import Parameters
from workbench.registry import chosen_models
from workbench.store import find_entry

FORMAT = 1
# What makes each stage, for the error that a missing one gives.
NOTEBOOKS = {
    "video": "00_make_corrupted_clip",
    "embed": "01_embed",
    "umap": "02_visualise_clusters",
    "cluster": "03_tune_eps",
    "features": "04_inspect_matches",
    "match": "04_inspect_matches",
    "register": "04_inspect_matches",
    "order": "05_order_frames",
    "align": "05_order_frames",
    "write": "05_order_frames",
}
_PACKAGES = ("av", "numpy", "opencv-python", "scikit-learn", "torch", "torchvision", "transformers", "fast-tsp")


class Run:
    """A run directory that exists. Make one with :meth:`create`, open one with :meth:`open`."""

    def __init__(self, path: Path, record: dict[str, Any]) -> None:
        self.path, self._record, self._seen = path, record, _version(path / "run.json")

    @classmethod
    def create(cls, path: str | Path, source: str | Path, store: Path | None = None) -> "Run":
        """The run of ``source`` at ``path``: made if it is not there, opened if it is the run of the same video.

        store: an existing folder through which the new run shares results with others; see :mod:`workbench.store`.
        Raises :class:`RunError` when ``path`` is the run of another video, something else, or not writable.
        """
        path, source = Path(path), Path(source)
        digest = _sha256(source)
        if (path / "run.json").exists():
            run = cls.open(path)
            if run.record["source"]["sha256"] != digest:
                other = Path(run.record["source"]["path"]).name
                raise RunError(f"{path} is the run of another video ({other}): choose another folder with --out")
            if run.record["source"]["path"] != str(source.resolve()):  # the same video, moved
                run.record["source"]["path"] = str(source.resolve())
                run._save()
            return run
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise RunError(f"{path} is there already and is no run: choose another folder with --out")
        record = {
            "format": FORMAT,
            "source": {"path": str(source.resolve()), "sha256": digest, "bytes": source.stat().st_size},
            "versions": {"workbench": version("video-reconstruction-workbench")} | {name: version(name) for name in _PACKAGES},
            "machine": {"system": platform.platform(), "python": platform.python_version(), "cores": os.cpu_count()},
            "stages": {},
        }
        if store:  # relative, so that both can be moved together
            record["store"] = os.path.relpath(store.resolve(), path.resolve())
        try:
            path.mkdir(parents=True, exist_ok=True)
            run = cls(path, record)
            run._save()
        except OSError as error:
            raise RunError(f"{path} cannot be written ({error.strerror}): choose another folder with --out") from error
        return run

    @classmethod
    def open(cls, path: str | Path) -> "Run":
        """The run at ``path``. Raises :class:`RunError` when there is none, or its ``run.json`` is damaged."""
        path = Path(path)
        file = path / "run.json"
        if not file.is_file():
            raise MissingStageError(
                f"{path} is no run directory yet: run notebooks/00_make_corrupted_clip.ipynb first, "
                "or `workbench reconstruct VIDEO`"
            )
        try:
            record = json.loads(file.read_text())
            if record["format"] != FORMAT:
                raise RunError(f"{file} has format {record['format']}, this workbench reads {FORMAT}: start a new run")
            record["source"]["sha256"], record["source"]["path"], record["stages"].items()
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise RunError(f"{file} is damaged: start a new run in another folder") from error
        return cls(path, record)

    @property
    def record(self) -> dict[str, Any]:
        """The content of ``run.json``, also what others wrote since it was opened: several notebooks may be open on one run."""
        if _version(self.path / "run.json") != self._seen:
            found = Run.open(self.path)
            self._record, self._seen = found._record, found._seen
        return self._record

    @property
    def models(self) -> dict[str, str]:
        """What did the work, by kind: embedding, keypoints, matcher."""
        return chosen_models({name: stage["parameters"] for name, stage in self.record["stages"].items()})

    @property
    def source(self) -> Path:
        """The video. Raises :class:`RunError` when it is no longer where it was."""
        source = Path(self.record["source"]["path"])
        if not source.is_file():
            raise RunError(f"the video of this run is gone ({source}): put it back, or start a new run with its new place")
        return source

    def fingerprint(self, stage: str) -> str:
        """Fingerprint of a finished stage, edits included. Raises as :meth:`require` does."""
        self.require(stage)
        return self._fingerprint(stage)

    def require(self, *stages: str) -> None:
        """Raises :class:`MissingStageError`, naming the notebook to run first, unless all ``stages`` are finished, and
        :class:`StaleStageError` when one was made from a result that was replaced since.
        """
        for stage in stages:
            found = self.record["stages"].get(stage)
            if found is None or not all((self.path / name).exists() for name in found["outputs"]):
                raise MissingStageError(
                    f"stage {stage} of {self.path} is missing: run notebooks/{NOTEBOOKS[stage]}.ipynb first, "
                    "or `workbench reconstruct VIDEO`"
                )
            if self._is_stale(stage):
                notebook, flag = (" with overwrite = True", " --overwrite") if not found.get("released") else ("", "")
                raise StaleStageError(
                    f"stage {stage} of {self.path} was made from other inputs than there are now: run notebooks/"
                    f"{NOTEBOOKS[stage]}.ipynb{notebook} first, or `workbench reconstruct VIDEO{flag}`"
                )

    def _is_stale(self, stage: str) -> bool:
        """Whether a stage this one builds on, directly or not, was replaced, edited or lost since."""
        stages = self.record["stages"]
        made_from = {name: given for name, given in stages[stage]["inputs"].items() if name != "source"}
        return any(
            name not in stages or self._fingerprint(name) != given or self._is_stale(name) for name, given in made_from.items()
        )

    def key(self, stage: str, parameters: Parameters, after: tuple[str, ...], weights: str = "") -> str:
        """The fingerprint a stage would have: of its parameters, its weights, the video, and the stages it builds on."""
        described = [stage, parameters.as_dict(), self._inputs(after), weights]
        return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()

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
        place only when all are there, so a stage that fails leaves what was there before. weights: digest of a model in a
        local folder, which its name alone does not tell.
        Raises :class:`StaleStageError` when the stage is finished with other parameters or inputs and not ``overwrite``.
        """
        key, inputs = self.key(name, parameters, after, weights), self._inputs(after)
        found = self.record["stages"].get(name)
        if found and found["fingerprint"] == key and all((self.path / output).exists() for output in found["outputs"]):
            if found.pop("released", False):
                self._save()
            return found
        if found and found["fingerprint"] != key and not (overwrite or found.get("released")):
            raise StaleStageError(f"{self.path}: {_difference(name, found, parameters.as_dict())}")
        shared = find_entry(self.path, self.record, name, parameters.as_dict(), after, weights)
        with shared.lock() if shared else nullcontext():
            known, start = None, time.perf_counter()
            scratch = self._scratch(name)
            try:
                known = shared.fetch(scratch) if shared else None
                info = known["info"] if known else compute(scratch)
                if found:  # from here on the old outputs are not vouched for; the new ones may have other names
                    self.record["stages"].pop(name, None)
                    self._save()
                    for output in found["outputs"]:
                        _remove(self.path / output)
                for item in sorted(scratch.iterdir()):
                    _remove(self.path / item.name)
                    item.replace(self.path / item.name)
            finally:
                shutil.rmtree(scratch, ignore_errors=True)
            self.record["stages"][name] = {
                "parameters": parameters.as_dict(),
                "fingerprint": key,
                "inputs": inputs,
                "outputs": list(outputs),
                "seconds": known["seconds"] if known else round(time.perf_counter() - start, 3),
                "finished": known["finished"] if known else datetime.now(UTC).isoformat(timespec="seconds"),
                "info": info or {},
            } | ({"shared": shared.key} if shared else {})
            self._save()
            if shared and not known:
                shared.put(self.path, self.record["stages"][name])
        return self.record["stages"][name]

    def _scratch(self, stage: str) -> Path:
        """An empty folder for a stage to write into."""
        scratch = self.path / f".{stage}.partial"
        shutil.rmtree(scratch, ignore_errors=True)
        try:
            scratch.mkdir()
        except OSError as error:
            raise RunError(f"{self.path} cannot be written ({error.strerror}): choose another folder with --out") from error
        return scratch

    def edits(self, stage: str) -> list[Any]:
        """The changes made by hand to a stage's result, in their order. They outlive it: a stage that is computed anew makes
        them again."""
        return list(self.record.get("edits", {}).get(stage, []))

    def set_edits(self, stage: str, edits: list[Any], info: dict[str, Any]) -> None:
        """Record the changes made by hand to a finished stage's result, all of them, and what the stage says of them: what
        builds on it becomes stale, and is released; the stage itself not."""
        self.require(stage)
        self.record.setdefault("edits", {})[stage] = edits
        self.record["stages"][stage]["info"] |= info
        self.release(*(name for name, found in self.record["stages"].items() if stage in found["inputs"]))

    def release(self, *stages: str) -> None:
        """Let finished stages, and what builds on them, be replaced the next time they run, as with ``overwrite``. Until then
        they stay as they are, and one that turns out to be up to date is not released any more.
        """
        for name, found in self.record["stages"].items():
            if self._builds_on(name, stages):
                found["released"] = True
        self._save()

    def _builds_on(self, stage: str, others: tuple[str, ...]) -> bool:
        """Whether ``stage`` is one of ``others``, or was made from one of them, directly or not."""
        found = self.record["stages"].get(stage)
        return stage in others or (found is not None and any(self._builds_on(name, others) for name in found["inputs"]))

    def info(self, stage: str) -> dict[str, Any]:
        """What a finished stage recorded about itself."""
        self.require(stage)
        return self.record["stages"][stage]["info"]

    def seconds(self) -> dict[str, float]:
        """Seconds of every finished stage, in the order in which they were finished."""
        return {name: found["seconds"] for name, found in self.record["stages"].items()}

    def write_text(self, name: str, text: str) -> Path:
        """Write a file of the run directory in one step, so that it is there whole or as it was before; returns its path."""
        partial = (self.path / name).with_name(f".{Path(name).name}.partial")
        partial.write_text(text, encoding="utf-8", newline="\n")
        return partial.replace(self.path / name)

    def images(self) -> np.ndarray:
        """(N, h, w, 3) uint8 RGB working copies, memory-mapped."""
        self.require("video")
        return np.load(self.path / "proxies" / "frames.npy", mmap_mode="r")

    def embeddings(self) -> np.ndarray:
        """(N, D) float32, unit length."""
        self.require("embed")
        return np.load(self.path / "embeddings.npy")

    def map_points(self) -> np.ndarray:
        """(N, 2) float32 UMAP coordinates, for looking only."""
        self.require("umap")
        return np.load(self.path / "umap.npy")

    def labels(self) -> np.ndarray:
        """(N,) int scene of every frame by DBSCAN, -1 = outlier; :meth:`scenes` are held against the matches."""
        self.require("cluster")
        return pd.read_csv(self.path / "clusters.csv")["scene"].to_numpy()

    def scenes(self) -> np.ndarray:
        """(N,) int scene of every frame, verified by the matches, -1 = outlier."""
        self.require("match")
        return pd.read_csv(self.path / "scenes.csv")["scene"].to_numpy()

    def transforms(self) -> pd.DataFrame:
        """The table of registered pairs; see :func:`workbench.transforms.register_pairs`."""
        self.require("register")
        return pd.read_csv(self.path / "transforms.csv").astype({"a": np.int64, "b": np.int64})

    def order(self) -> pd.DataFrame:
        """The result: columns position, scene, order (empty for outliers), a row a frame."""
        self.require("order")
        return pd.read_csv(self.path / "order.csv").astype({"order": "Int64"})

    def scene_order(self, scene: int) -> np.ndarray:
        """(n,) int positions of the frames of a scene, in the restored order."""
        table = self.order()
        return table[table["scene"] == scene].sort_values("order")["position"].to_numpy()

    def alignment(self) -> pd.DataFrame:
        """Where every frame lies on its scene's reference frame; see :func:`workbench.transforms.alignment_table`."""
        self.require("align")
        return pd.read_csv(self.path / "alignment.csv").astype({"reference": "Int64"})

    def _fingerprint(self, stage: str) -> str:
        """Edits by hand give a stage's result another fingerprint, and what builds on it is stale."""
        key, edits = self.record["stages"][stage]["fingerprint"], self.edits(stage)
        return hashlib.sha256(json.dumps([key, edits]).encode()).hexdigest() if edits else key

    def _save(self) -> None:
        self._seen = None  # what could not be written does not count
        self.write_text("run.json", json.dumps(self._record, indent=1) + "\n")
        self._seen = _version(self.path / "run.json")


def _version(file: Path) -> tuple[int, int] | None:
    """What changes with every writing of a file; None when it is not there."""
    try:
        found = file.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


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


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise RunError(f"{path} cannot be read ({error.strerror}): give the path of a video file") from error
