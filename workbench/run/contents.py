"""What finished stages left in a run directory: their parameters, figures and results, checked when they are read.

Nothing here changes a run; that is :class:`~workbench.run.run.Run`.
"""

import re
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from workbench.evaluation.files import frames_of_scenes, read_order_table
from workbench.limits import EXACT_INTEGER
from workbench.parameters import VideoParameters
from workbench.run.record import RecordedRun, check_info
from workbench.storage.arrays import Limits, WorkingCopies, damaged, read_array, read_table

UNDONE = "undone "  # stands before the verdict of a decision that was taken back by hand
FIRST_POSITIONS = 5  # positions of a decision that are listed


class Contents(RecordedRun):
    """The contents of a run directory, stage by stage; it is made as :class:`~workbench.run.record.RecordedRun` is.

    Raises
    ------
    MissingStageError, StaleStageError
        From every method that reads what a finished stage left; see :meth:`~workbench.run.record.RecordedRun.require`.
    RunError
        From every method that reads a file, when that is damaged.
    """

    @property
    def frames(self) -> int | None:  # numpydoc ignore=RT01
        """Number of frames of the video; None when it was not decoded yet."""
        found = self.record["stages"].get("video")
        if found is None:
            return None
        check_info(self.record_path, "video", found["info"])
        return found["info"]["frames"]

    def parameters(self, stage: str) -> dict[str, Any]:
        """Give the parameters of a finished stage.

        Parameters
        ----------
        stage : str
            Its name.

        Returns
        -------
        dict
            Values by name.
        """
        self.require(stage)
        return dict(self.record["stages"][stage]["parameters"])

    def outputs(self, stage: str) -> list[Path]:
        """List the files and folders of a finished stage.

        Parameters
        ----------
        stage : str
            Its name.

        Returns
        -------
        list of Path
            Their paths.
        """
        self.require(stage)
        return [self.path / name for name in self.record["stages"][stage]["outputs"]]

    def info(self, stage: str) -> dict[str, Any]:
        """Give what a finished stage recorded about itself.

        Parameters
        ----------
        stage : str
            Its name.

        Returns
        -------
        dict
            Figures by name.

        Raises
        ------
        RunError
            When a figure is missing that others rely on.
        """
        self.require(stage)
        found = self.record["stages"][stage]["info"]
        check_info(self.record_path, stage, found)
        return found

    @property
    def stream(self) -> int:  # numpydoc ignore=RT01
        """Number of the stream of the video that is read; -1 for the one that a player shows."""
        return VideoParameters(**self.parameters("video")).stream

    @property
    def frame_rate(self) -> Fraction:
        """Frame rate of the video.

        Returns
        -------
        Fraction
            Frames per second.

        Raises
        ------
        RunError
            When the run holds none.
        """
        recorded = self.info("video")["frame_rate"]
        if not re.fullmatch(r"[1-9]\d{0,17}/[1-9]\d{0,17}", recorded):
            raise damaged(self.record_path, f"{recorded[:40]!r} is no frame rate")
        return Fraction(recorded)

    @property
    def left_out(self) -> list[str]:  # numpydoc ignore=RT01
        """One message for every edit by hand that could not be made again when its stage was computed anew."""
        return [text for stage in ("match", "order") for text in self.info(stage).get("edits_left_out", [])]

    def is_recorded(self, stage: str) -> bool:
        """Tell whether a stage was ever finished, up to date or not.

        Parameters
        ----------
        stage : str
            Its name.

        Returns
        -------
        bool
            Whether it is in the record.
        """
        return stage in self.record["stages"]

    def recorded_parameters(self, stage: str) -> dict[str, Any]:
        """Give the parameters that a stage was last made with, up to date or not.

        Parameters
        ----------
        stage : str
            Its name.

        Returns
        -------
        dict
            Values by name; empty when it never was finished.
        """
        return dict(self.record["stages"].get(stage, {}).get("parameters", {}))

    def recorded_outputs(self, stage: str) -> list[str]:
        """List the files that a stage last left, up to date or not.

        Parameters
        ----------
        stage : str
            Its name.

        Returns
        -------
        list of str
            Names in the run directory; empty when it never was finished.
        """
        return list(self.record["stages"].get(stage, {}).get("outputs", []))

    @property
    def all_parameters(self) -> dict[str, Any]:  # numpydoc ignore=RT01
        """The parameters of all recorded stages, by dotted name, in the order in which the stages were finished."""
        stages = self.record["stages"]
        return {f"{stage}.{name}": value for stage in stages for name, value in stages[stage]["parameters"].items()}

    def seconds(self) -> dict[str, float]:
        """Give the seconds that every recorded stage took.

        Returns
        -------
        dict
            Seconds by stage, in the order in which they were finished.
        """
        return {name: found["seconds"] for name, found in self.record["stages"].items()}

    def images(self) -> WorkingCopies:
        """Open the working copies of the frames; they are read from the disk when they are asked for.

        Returns
        -------
        (N, h, w, 3) uint8 sequence
            RGB, for ``images()[3]`` and ``images()[5:9]``.
        """
        self.require("video")
        file = self.proxies_path
        read_array(file, np.uint8, (self.frames, None, None, 3))  # raises for what is no such file
        return WorkingCopies(file.resolve())

    def names(self) -> list[str]:
        """Give the files of the frames.

        Returns
        -------
        list of str
            Names of picture files, ``NAME#12`` for one of several frames of a file; empty when the run is of one video.
        """
        self.require("video")
        table = read_table(self.frames_path, {"position": (0, EXACT_INTEGER)}, rows=self.frames)
        names = table["name"].tolist() if "name" in table else []
        if not all(map(str.isprintable, names)):
            raise damaged(self.frames_path, "not all of column name are text of one line")
        return names

    def overlay(self) -> np.ndarray:
        """Read what is drawn over every frame and does not count; see :mod:`workbench.embedding.overlay`.

        Returns
        -------
        (h, w) bool array
            True on the overlay, in px of the working copies.
        """
        self.require("video")
        return np.array(read_array(self.overlay_path, np.bool_, self.images().shape[1:3]))

    def times(self) -> np.ndarray:
        """Read when every frame is shown in the source.

        Returns
        -------
        (N,) float64 array
            Times, s, by position.
        """
        self.require("video")
        return read_table(self.frames_path, {}, ["time_s"], rows=self.frames)["time_s"].to_numpy()

    def embeddings(self) -> np.ndarray:
        """Read the vectors of the frames.

        Returns
        -------
        (N, D) float32 array
            One vector per frame, of unit length.
        """
        self.require("embed")
        return np.array(read_array(self.embeddings_path, np.float32, (self.frames, None)))

    def map_points(self) -> np.ndarray:
        """Read the map of the vectors, for looking only.

        Returns
        -------
        (N, 2) float32 array
            UMAP coordinates; all NaN where there is no map, see :attr:`no_map`.
        """
        self.require("umap")
        points = np.array(read_array(self.map_path, np.float32, (self.frames, 2)))
        return np.full_like(points, np.nan) if self.no_map else points

    @property
    def no_map(self) -> str:  # numpydoc ignore=RT01
        """Why there is no map, one sentence; "" where there is one, and where none was made yet."""
        reason = self.record["stages"].get("umap", {}).get("info", {}).get("no_map")
        return f"There is no map: UMAP failed ({reason})" if reason else ""

    def labels(self) -> np.ndarray:
        """Read the scenes by the clusterer; :meth:`scenes` are those that the matches verified.

        Returns
        -------
        (N,) int array
            Scene of every frame, -1 = outlier.
        """
        self.require("cluster")
        return self._table(self.clusters_path, "scene")["scene"].to_numpy()

    def scenes(self) -> np.ndarray:
        """Read the scenes as verified by the matches.

        Returns
        -------
        (N,) int array
            Scene of every frame, -1 = outlier.
        """
        self.require("match")
        return self._table(self.scenes_path, "scene")["scene"].to_numpy()

    def scenes_table(self) -> pd.DataFrame:
        """Read ``scenes.csv``: the scenes as verified by the matches, and what was decided about them.

        Returns
        -------
        DataFrame
            One row per frame: ``position``; ``scene`` and ``clustered``, -1 = outlier; ``verdict``, "" where nothing was
            decided, and with :data:`UNDONE` before it where that was taken back by hand; ``decision``, its number from 0, NA
            for none; ``odds``, NaN where they are not known; ``reason``; ``rough``, NA outside of long scenes; and only where
            something was taken back ``matched``, the scene before that.
        """
        self.require("match")
        file, count = self.scenes_path, self.frames
        last = (count or EXACT_INTEGER) - 1
        limits: Limits = dict.fromkeys(("position", "decision"), (0, EXACT_INTEGER))
        limits |= dict.fromkeys(("scene", "clustered", "rough"), (-1, last))
        table = read_table(file, limits, ["odds"], ["decision", "rough", "odds"], count)
        if "matched" in table:
            table = read_table(file, limits | {"matched": (-1, last)}, ["odds"], ["decision", "rough", "odds"], count)
        for name in ("verdict", "reason"):
            if name not in table:
                raise damaged(file, f"it has no column {name}")
            table[name] = table[name].astype(object).fillna("").map(str).astype(object)
            if not all(map(str.isprintable, table[name])):
                raise damaged(file, f"not all of column {name} are text of one line")
        return table

    def decisions(self) -> pd.DataFrame:
        """List what was decided about the scenes after the clusterer; none where the matches agree with it.

        Returns
        -------
        DataFrame
            One row per decision, in the order in which they were made: ``number``, by which it is named; ``verdict``, see
            :data:`workbench.scenes.decisions.VERDICTS`; ``frames``, their number; ``first``, positions of the first ones, as
            text; ``odds``, NaN where they are not known; ``reason``; ``undone``, whether it was taken back by hand.
        """
        rows = []
        for _, own in self.scenes_table().groupby("decision"):
            verdict = own["verdict"].iloc[0]
            rows.append(
                {
                    "number": int(own["decision"].iloc[0]),
                    "verdict": verdict.removeprefix(UNDONE),
                    "frames": len(own),
                    "first": first_positions(own["position"].tolist()),
                    "odds": float(own["odds"].iloc[0]),
                    "reason": own["reason"].iloc[0],
                    "undone": verdict.startswith(UNDONE),
                }
            )
        columns = {
            "number": int,
            "verdict": object,
            "frames": int,
            "first": object,
            "odds": float,
            "reason": object,
            "undone": bool,
        }
        return pd.DataFrame(rows, columns=[*columns]).astype(columns)

    def transforms(self) -> pd.DataFrame:
        """Read the table of registered pairs.

        Returns
        -------
        DataFrame
            See :func:`~workbench.registration.tables.register_pairs`.
        """
        self.require("register")
        last = (self.frames or EXACT_INTEGER) - 1
        return read_table(self.transforms_path, {"a": (0, last), "b": (0, last)})

    def ransac_threshold(self) -> float:
        """Give RANSAC's threshold of the register stage.

        Returns
        -------
        float
            Share of the long side of a frame, so that it holds for frames of any size.
        """
        return float(self.parameters("register")["threshold"] / max(self.images().shape[1:3]))

    def order(self) -> pd.DataFrame:
        """Read the result of the run, ``order.csv``.

        Returns
        -------
        DataFrame
            Columns position, scene, order (NA for outliers), confidence, and name where the frames have files, one row per
            frame; see
            :func:`~workbench.evaluation.files.read_order_table`.
        """
        self.require("order")
        return read_order_table(self.order_path, self.frames)

    def scene_order(self, scene: int) -> np.ndarray:
        """Give the restored order of a scene.

        Parameters
        ----------
        scene : int
            Number of the scene, from 0.

        Returns
        -------
        (n,) int array
            Positions of its frames.
        """
        table = self.order()
        return table[table["scene"] == scene].sort_values("order")["position"].to_numpy()

    def scene_orders(self) -> list[np.ndarray]:
        """Give the restored orders of all scenes; the file is read once for all of them.

        Returns
        -------
        list of (n,) int array
            Positions of the frames of every scene, from scene 0 on.
        """
        return frames_of_scenes(self.order())

    def rough_order(self, scene: int) -> np.ndarray:
        """Give the rough order of a long scene; see :mod:`workbench.ordering.long_scenes`.

        Parameters
        ----------
        scene : int
            Number of the scene, from 0.

        Returns
        -------
        (n,) int array
            Positions of its frames.
        """
        self.require("match")
        table = self._table(self.scenes_path, "scene", "rough")
        return table[table["scene"] == scene].sort_values("rough")["position"].to_numpy()

    def alignment(self) -> pd.DataFrame:
        """Read where every frame lies on the reference frame of its scene.

        Returns
        -------
        DataFrame
            See :func:`~workbench.registration.tables.alignment_table`.
        """
        self.require("align")
        return self._table(self.alignment_path, "scene", "reference")

    def _table(self, file: Path, *columns: str) -> pd.DataFrame:
        """Read a table with one row per frame; ``columns`` hold frames, places or scenes, and only "scene" is never empty."""
        count = self.frames
        limits: Limits = {"position": (0, EXACT_INTEGER)}
        limits |= dict.fromkeys(columns, (-1, (count or EXACT_INTEGER) - 1))
        return read_table(file, limits, empty=[name for name in columns if name != "scene"], rows=count)


def first_positions(frames: Sequence[int]) -> str:
    """List the first few of some frames.

    Parameters
    ----------
    frames : sequence of int
        Their positions.

    Returns
    -------
    str
        Such as ``3, 17, 20, 21, 40, ...``.
    """
    return ", ".join([*map(str, frames[:FIRST_POSITIONS]), *["..."] * (len(frames) > FIRST_POSITIONS)])
