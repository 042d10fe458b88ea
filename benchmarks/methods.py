"""The methods of the table from a video file to a written video, all with the same reader, working copies and writer."""

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


def restore(method: str, video: Path, folder: Path) -> Result:
    """Restore ``video`` with the defaults; ``seconds`` of the result then holds every step, reading and writing included.

    method: ``workbench``, ``sift-flann`` (the workbench with that matcher), ``raw pixels`` or ``first design``. folder: an
    empty one for what is written.
    """
    run = Run.create(folder / "run", video)
    parameters = stage_parameters({"match.matcher": "sift-flann"} if method == "sift-flann" else {})
    if method in ("workbench", "sift-flann"):
        stages.reconstruct(run, parameters, progress=False)
        rows = read_order(run.path / "order.csv")
        labels, places = np.array([row.scene for row in rows]), np.array([row.order for row in rows])
        return Result(labels, places, run.info("match")["pairs"], run.seconds())
    stages.run_stage(run, parameters["video"], progress=False)
    if method == "first design":
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
    """Every figure of :func:`workbench.evaluation.metrics.evaluate`, and ``pairs_per_frame``: matched by keypoints, per frame kept."""
    kept = int((result.labels >= 0).sum())
    return evaluate(truth, result.rows()) | {"pairs_per_frame": result.pairs / max(1, kept)}
