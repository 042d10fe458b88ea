"""Drawn clips that cannot be restored from their pictures alone, shuffled and restored, for notebook 08."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from workbench.evaluation.corrupt import shuffled_rows, write_case
from workbench.evaluation.drawn_clips import DrawnClip
from workbench.evaluation.files import read_order, read_truth, truth_path
from workbench.evaluation.metrics import kendall
from workbench.pipeline.stages import reconstruct
from workbench.run import Run
from workbench.run.stages import stage_parameters

CRF = 14  # of the shuffled clips, so that little is lost to the encoder


@dataclass(frozen=True, eq=False)
class RestoredClip:
    """A drawn clip as it was restored.

    Attributes
    ----------
    clip : DrawnClip
        The clip.
    run : Run
        Its run, with all stages of the fast path.
    measured : dict
        The content of its ``metrics.json``.
    labels : (N,) int array
        Restored scene of every frame, -1 = outlier.
    places : (N,) int array
        Restored place of every frame inside its scene; -1 for outliers.
    true_frames : (N,) int array
        True place of every frame in its clip.
    names : (N,) array of str
        True scene of every frame.
    """

    clip: DrawnClip
    run: Run
    measured: dict[str, Any]
    labels: np.ndarray
    places: np.ndarray
    true_frames: np.ndarray
    names: np.ndarray

    def strips(self) -> dict[str, np.ndarray]:
        """List the frames in their true order and in the restored one.

        Returns
        -------
        dict of str to (n,) int array
            Positions by the name of their strip: one per true scene, then one per restored scene.
        """
        found = {}
        for name in self.clip.scenes:
            own = np.flatnonzero(self.names == name)
            found[f"true order, {name}"] = own[np.argsort(self.true_frames[own])]
        for scene, frames in enumerate(self.scenes()):
            found[f"restored order, scene {scene}{self._agreement(scene, frames)}"] = frames
        return found

    def scenes(self) -> list[np.ndarray]:
        """List the frames of every scene.

        Returns
        -------
        list of (n,) int arrays
            For scene 0, 1, ... the positions of its frames in the shuffled file, in restored order.
        """
        return self.run.scene_orders()

    def backwards(self) -> list[int]:
        """List the restored scenes that run against their true direction.

        Returns
        -------
        list of int
            Numbers of scenes in which most pairs of frames of one true scene stand the other way round.
        """
        found = []
        for scene, frames in enumerate(self.scenes()):
            places, names = self.true_frames[frames], self.names[frames]
            later = np.triu(names[:, None] == names, 1)
            if np.sign(places[None, :] - places[:, None])[later].sum() < 0:
                found.append(scene)
        return found

    def _agreement(self, scene: int, frames: np.ndarray) -> str:
        """How far a restored scene agrees with the truth, for the heading of its strip."""
        if len(set(self.names[frames])) > 1:
            return ": frames of several true scenes"
        direction = ", backwards" if scene in self.backwards() else ""
        return f": |tau| with the true order {kendall(self.true_frames[frames].tolist()):.2f}{direction}"

    @property
    def closes(self) -> bool:  # numpydoc ignore=RT01
        """Whether the workbench took a scene for a loop."""
        return any(value is True for name, value in self.run.info("order").items() if name.endswith("_closed"))


def restore_drawn(clip: DrawnClip, folder: str | Path, seed: int) -> RestoredClip:
    """Shuffle a drawn clip and restore it; what was restored before is reused.

    Parameters
    ----------
    clip : DrawnClip
        The clip.
    folder : str or Path
        Folder in which the shuffled video, its truth and its run are kept; it is made when it is missing.
    seed : int
        Seed of the clip and of its shuffle, a part of the names of the files.

    Returns
    -------
    RestoredClip
        The clip as it was restored with the default parameters.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    video = folder / f"{clip.name}-{seed}.mp4"
    rows = shuffled_rows({name: len(frames) for name, frames in clip.scenes.items()}, seed)
    if not video.is_file():
        write_case((clip.scenes[row.clip][row.frame] for row in rows), rows, video, crf=CRF)
    run = Run.create(video.with_suffix(""), video)
    measured = reconstruct(run, stage_parameters({}), truth_path(video), progress=False)
    order, truth = read_order(run.order_path), read_truth(truth_path(video), len(rows))
    labels, places = np.array([row.scene for row in order]), np.array([row.order for row in order])
    return RestoredClip(
        clip, run, measured, labels, places, np.array([row.frame for row in truth]), np.array([row.clip for row in truth])
    )
