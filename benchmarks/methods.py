"""The methods of the benchmark, from video file to written video, all with the same reader, working copies and writer."""

from pathlib import Path

import numpy as np
from baselines import Result, greedy_baseline, raw_pixels

from workbench.embedding.distances import similarity_matrix
from workbench.evaluation.files import TruthRow, read_order
from workbench.evaluation.metrics import evaluate
from workbench.pipeline import stages
from workbench.run import Run
from workbench.run.stages import stage_parameters
from workbench.video.reorder import write_video

# The workbench with other keypoints and matchers, by the name of the method: its parameters that are not the default.
SETTINGS = {
    "workbench": {},
    "sift-flann": {"match.matcher": "sift-flann"},
    "superglue-sift": {},
    "xfeat + lighterglue": {"features.keypoints": "xfeat", "match.matcher": "lighterglue"},
    "aliked + lightglue": {
        "features.keypoints": "aliked", "match.matcher": "lightglue", "match.model": "aliked-lightglue",
    },
    "disk + lightglue": {"features.keypoints": "disk", "match.matcher": "lightglue", "match.model": "disk-lightglue"},
}  # fmt: skip


def restore(method: str, video: Path, folder: Path) -> Result:
    """Restore a video with the parameters of a method, which are the default but for its own.

    Parameters
    ----------
    method : str
        One of :data:`SETTINGS`, ``raw pixels`` or ``greedy baseline``.
    video : Path
        The shuffled video.
    folder : Path
        An empty folder for what is written.

    Returns
    -------
    Result
        Its ``seconds`` hold every step, reading and writing included.
    """
    run = Run.create(folder / "run", video)
    parameters = stage_parameters(SETTINGS.get(method, {}))
    if method in SETTINGS:
        stages.reconstruct(run, parameters, progress=False)
        rows = read_order(run.path / "order.csv")
        labels, places = np.array([row.scene for row in rows]), np.array([row.order for row in rows])
        return Result(labels, places, run.info("match")["pairs"], run.seconds())
    stages.run_stage(run, parameters["video"], progress=False)
    if method == "greedy baseline":
        stages.run_stage(run, parameters["embed"], progress=False)
        stages.run_stage(run, parameters["cluster"])
        result = greedy_baseline(run.images(), run.labels(), similarity_matrix(run.embeddings()))
    else:
        result = raw_pixels(np.asarray(run.images()))
    chosen = parameters["write"]
    out = folder / "reconstructed.mp4"
    result.timed("write", write_video, video, result.positions().tolist(), out, chosen.codec, chosen.crf, None, False)
    result.seconds = run.seconds() | result.seconds
    return result


def scores(truth: list[TruthRow], result: Result) -> dict[str, float]:
    """All figures of :func:`~workbench.evaluation.metrics.evaluate`, and ``pairs_per_frame``, matched pairs per kept frame."""
    kept = int((result.labels >= 0).sum())
    return evaluate(truth, result.rows()) | {"pairs_per_frame": result.pairs / max(1, kept)}
