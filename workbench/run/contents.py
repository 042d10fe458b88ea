"""What a run directory holds: its record, which stages are finished and up to date, and the results, checked and read.

Nothing here changes a run; that is :class:`workbench.run.run.Run`.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from workbench.errors import MissingStageError, RunError, StaleStageError
from workbench.evaluation.files import read_order_table
from workbench.limits import EXACT_INTEGER
from workbench.run.record import check_info, read_record
from workbench.run.stages import STAGES, RunPaths, chosen_models
from workbench.storage.arrays import Limits, WorkingCopies, read_array, read_table


class Contents(RunPaths):
    """The contents of the run directory ``path``. record: the content of its ``run.json``."""

    def __init__(self, path: Path, record: dict[str, Any]) -> None:
        super().__init__(path)
        self._record, self._seen = record, written_at(self.record_path)

    @property
    def record(self) -> dict[str, Any]:
        """The content of ``run.json``, also what others wrote since it was opened: several notebooks may be open on one run."""
        if written_at(self.record_path) != self._seen:
            self._seen = written_at(self.record_path)
            self._record = read_record(self.record_path)
        return self._record

    @property
    def models(self) -> dict[str, str]:
        """What did the work, by kind: embedding, keypoints, matcher."""
        return chosen_models({name: stage["parameters"] for name, stage in self.record["stages"].items()})

    @property
    def source_digest(self) -> str:
        """SHA-256 of the video, 64 hexadecimal digits."""
        return str(self.record["source"]["sha256"])

    @property
    def source_path(self) -> Path:
        """Where the video was when the run was made or last opened on it; it may be gone."""
        return Path(self.record["source"]["path"])

    @property
    def versions(self) -> dict[str, str]:
        """Versions of the workbench and of the libraries that made the run, by name."""
        return dict(self.record["versions"])

    @property
    def source(self) -> Path:
        """The video. Raises :class:`RunError` when it is no longer where it was."""
        source = self.source_path
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
                    f"stage {stage} of {self.path} is missing: run notebooks/{STAGES[stage].notebook}.ipynb first, "
                    "or `workbench reconstruct VIDEO`"
                )
            if self._is_stale(stage):
                notebook, flag = (" with overwrite = True", " --overwrite") if not found.get("released") else ("", "")
                raise StaleStageError(
                    f"stage {stage} of {self.path} was made from other inputs than there are now: run notebooks/"
                    f"{STAGES[stage].notebook}.ipynb{notebook} first, or `workbench reconstruct VIDEO{flag}`"
                )

    def _is_stale(self, stage: str) -> bool:
        """Whether a stage this one builds on, directly or not, was replaced, edited or lost since."""
        stages = self.record["stages"]
        made_from = {name: given for name, given in stages[stage]["inputs"].items() if name != "source"}
        return any(
            name not in stages or self._fingerprint(name) != given or self._is_stale(name) for name, given in made_from.items()
        )

    def edits(self, stage: str) -> list[Any]:
        """The changes made by hand to a stage's result, in their order. They outlive it: a stage that is computed anew makes
        them again.
        """
        return list(self.record.get("edits", {}).get(stage, []))

    def parameters(self, stage: str) -> dict[str, Any]:
        """The parameters that a finished stage was made with, by name."""
        self.require(stage)
        return dict(self.record["stages"][stage]["parameters"])

    def outputs(self, stage: str) -> list[Path]:
        """The files and folders of a finished stage."""
        self.require(stage)
        return [self.path / name for name in self.record["stages"][stage]["outputs"]]

    def recorded_parameters(self, stage: str) -> dict[str, Any]:
        """The parameters that a stage was last made with, up to date or not; {} when it never was."""
        return dict(self.record["stages"].get(stage, {}).get("parameters", {}))

    @property
    def all_parameters(self) -> dict[str, Any]:
        """The parameters of all recorded stages, by dotted name, in the order in which the stages were finished."""
        stages = self.record["stages"]
        return {f"{stage}.{name}": value for stage in stages for name, value in stages[stage]["parameters"].items()}

    def recorded_outputs(self, stage: str) -> list[str]:
        """The names of the files that a stage last left, up to date or not; [] when it never was finished."""
        return list(self.record["stages"].get(stage, {}).get("outputs", []))

    def is_recorded(self, stage: str) -> bool:
        """Whether a stage was finished at some time, up to date or not."""
        return stage in self.record["stages"]

    def info(self, stage: str) -> dict[str, Any]:
        """What a finished stage recorded about itself."""
        self.require(stage)
        found = self.record["stages"][stage]["info"]
        check_info(self.record_path, stage, found)
        return found

    def seconds(self) -> dict[str, float]:
        """Seconds of every finished stage, in the order in which they were finished."""
        return {name: found["seconds"] for name, found in self.record["stages"].items()}

    def _fingerprint(self, stage: str) -> str:
        """Edits by hand give a stage's result another fingerprint, and what builds on it is stale."""
        key, edits = self.record["stages"][stage]["fingerprint"], self.edits(stage)
        return hashlib.sha256(json.dumps([key, edits]).encode()).hexdigest() if edits else key

    @property
    def frames(self) -> int | None:
        """How many frames the video has; None when it was not read."""
        found = self.record["stages"].get("video")
        if found is None:
            return None
        check_info(self.record_path, "video", found["info"])
        return found["info"]["frames"]

    def images(self) -> WorkingCopies:
        """(N, h, w, 3) uint8 RGB, read from the disk when frames are asked for: ``images()[3]``, ``images()[5:9]``."""
        self.require("video")
        file = self.proxies_path
        read_array(file, np.uint8, (self.frames, None, None, 3))  # raises for what is no such file
        return WorkingCopies(file.resolve())

    def embeddings(self) -> np.ndarray:
        """(N, D) float32, unit length."""
        self.require("embed")
        return np.array(read_array(self.embeddings_path, np.float32, (self.frames, None)))

    def map_points(self) -> np.ndarray:
        """(N, 2) float32 UMAP coordinates, for looking only."""
        self.require("umap")
        return np.array(read_array(self.map_path, np.float32, (self.frames, 2)))

    def labels(self) -> np.ndarray:
        """(N,) int scene of every frame by DBSCAN, -1 = outlier; :meth:`scenes` are held against the matches."""
        self.require("cluster")
        return self._table(self.clusters_path, "scene")["scene"].to_numpy()

    def scenes(self) -> np.ndarray:
        """(N,) int scene of every frame, verified by the matches, -1 = outlier."""
        self.require("match")
        return self._table(self.scenes_path, "scene")["scene"].to_numpy()

    def transforms(self) -> pd.DataFrame:
        """The table of registered pairs; see :func:`workbench.registration.tables.register_pairs`."""
        self.require("register")
        last = (self.frames or EXACT_INTEGER) - 1
        return read_table(self.transforms_path, {"a": (0, last), "b": (0, last)})

    def ransac_threshold(self) -> float:
        """RANSAC's threshold of the register stage, as a share of the long side of a frame."""
        return float(self.parameters("register")["threshold"] / max(self.images().shape[1:3]))

    def order(self) -> pd.DataFrame:
        """The result: columns position, scene, order (NA for outliers), confidence, a row per frame; see
        :func:`~workbench.evaluation.files.read_order_table`.
        """
        self.require("order")
        return read_order_table(self.order_path, self.frames)

    def _table(self, file: Path, *columns: str) -> pd.DataFrame:
        """A table with a row a frame. columns: with numbers of frames, places or scenes; only "scene" is never empty."""
        count = self.frames
        limits: Limits = {"position": (0, EXACT_INTEGER)}
        limits |= dict.fromkeys(columns, (-1, (count or EXACT_INTEGER) - 1))
        return read_table(file, limits, empty=[name for name in columns if name != "scene"], rows=count)

    def scene_order(self, scene: int) -> np.ndarray:
        """(n,) int positions of the frames of a scene, in the restored order."""
        table = self.order()
        return table[table["scene"] == scene].sort_values("order")["position"].to_numpy()

    def rough_order(self, scene: int) -> np.ndarray:
        """(n,) int positions of the frames of a long scene, roughly in order; see :mod:`workbench.ordering.long_scenes`."""
        self.require("match")
        table = self._table(self.scenes_path, "scene", "rough")
        return table[table["scene"] == scene].sort_values("rough")["position"].to_numpy()

    def alignment(self) -> pd.DataFrame:
        """Where every frame lies on its scene's reference frame; see :func:`workbench.registration.tables.alignment_table`."""
        self.require("align")
        return self._table(self.alignment_path, "scene", "reference")


def written_at(file: Path) -> tuple[int, int] | None:
    """What changes with every writing of a file; None when it is not there."""
    try:
        found = file.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns
