"""The write stage: the videos with their sound, and what is written beside them."""

from itertools import chain
from pathlib import Path
from typing import Any

import av
import numpy as np

from workbench.errors import ClusterError
from workbench.parameters import WriteParameters
from workbench.pipeline.exports import export_names, write_exports
from workbench.registration.stabilise import steady_transforms
from workbench.registration.tables import scene_alignment
from workbench.run import Run
from workbench.run.stages import RunPaths
from workbench.storage.blocks import BlockJob
from workbench.video.chapters import scene_chapters
from workbench.video.codecs import CODECS, losses
from workbench.video.planes import warped
from workbench.video.reorder import join_videos, write_parts
from workbench.video.soundtrack import follow_sound, keep_sound
from workbench.video.timing import frame_durations, written_rate


def written_names(run: Run, parameters: WriteParameters) -> tuple[str, ...]:
    """Name what the stage leaves.

    Parameters
    ----------
    run : Run
        A run with an order.
    parameters : WriteParameters
        Those of the stage.

    Returns
    -------
    tuple of str
        Files and folders in the run directory, the videos first.

    Raises
    ------
    ClusterError
        When there is no scene to write.
    ParameterError
        When copies of pictures are asked for and the source is a video.
    """
    return _scene_videos(run, parameters) + export_names(run, parameters)


def write_results(run: Run, parameters: WriteParameters, out: RunPaths, job: BlockJob) -> dict[str, Any]:
    """Write the videos, the cut lists and the pictures.

    Parameters
    ----------
    run : Run
        A run with an order.
    parameters : WriteParameters
        Those of the stage.
    out : RunPaths
        Where to write.
    job : BlockJob
        Of this, who is told how far it is.

    Returns
    -------
    dict
        ``warnings``, a sentence for everything that a person should know about what was written.

    Raises
    ------
    RunError
        When the source is gone or another one now.
    VideoError
        When the source cannot be read, or a file cannot be written.
    """
    run.check_source()
    warnings = _write_videos(run, parameters, out, job)
    return {"warnings": warnings + write_exports(run, parameters, out.path, job.progress)}


def restored_video(run: Run) -> Path:
    """Find the video that the run wrote last; another one, in another format, may lie beside it.

    Parameters
    ----------
    run : Run
        A run that has written its video.

    Returns
    -------
    Path
        The video.

    Raises
    ------
    MissingStageError
        When the run has not written its video yet.
    """
    run.require("write")
    return next(path for path in run.outputs("write") if path.stem == "reconstructed")


def _scene_videos(run: Run, parameters: WriteParameters) -> tuple[str, ...]:
    """Names of the videos: one per scene, and one of all scenes."""
    labels = run.order()["scene"].to_numpy()
    if labels.max() < 0:
        eps = run.info("cluster")["eps"]
        remedy = f"--cluster.eps above {eps:.3g}" if eps else "a smaller --cluster.min_cluster_size"
        raise ClusterError(
            f"no scene was found: all {len(labels)} frames look foreign to each other ({run.order_path} sets them aside); try "
            f"--overwrite with {remedy}"
        )
    suffix = CODECS[parameters.codec].suffixes[0]
    return (*(f"scene{scene:02d}{suffix}" for scene in range(labels.max() + 1)), f"reconstructed{suffix}")


def _write_videos(run: Run, parameters: WriteParameters, out: RunPaths, job: BlockJob) -> list[str]:
    change = None
    if parameters.stabilise:
        transforms = _steady_transforms(run)

        def change(position: int, frame: av.VideoFrame) -> av.VideoFrame:
            return warped(frame, transforms[position])

    *names, whole = (out.path / name for name in _scene_videos(run, parameters))
    orders = [order.tolist() for order in run.scene_orders()]
    video, rate = run.info("video"), written_rate(parameters.fps or run.frame_rate)
    durations = frame_durations(run.times(), run.frame_rate) if parameters.timing == "source" else None
    scenes = write_parts(
        run.inputs,
        orders,
        names,
        parameters.codec,
        parameters.crf,
        frame_rate=rate,
        progress=job.progress,
        change=change,
        durations=durations,
        stream=run.stream,
    )
    lengths = [len(order) / rate if durations is None else durations[order].sum() for order in orders]
    join_videos(scenes, whole, scene_chapters([len(order) for order in orders], lengths))
    lost = losses(video["pixel_format"], video["color_trc"], parameters.codec, bool(video.get("transparent")))
    return lost + _write_sound(run, parameters.audio, scenes, whole, orders)


def _write_sound(run: Run, audio: str, scenes: list[Path], whole: Path, orders: list[list[int]]) -> list[str]:
    """Put sound beside the pictures of the finished videos, as the parameter says; returns what a person should know."""
    if audio != "none" and run.names():
        return [f"--write.audio {audio} is for one video file: what is written has no sound"]
    if audio == "keep":
        return keep_sound(run.source, whole, float(run.times()[0]))
    if audio == "follow":
        return follow_sound(run.source, [*scenes, whole], [*orders, list(chain.from_iterable(orders))], run.times())
    return []


def _steady_transforms(run: Run) -> np.ndarray:
    """Transforms that hold every frame steady in its scene, (N, 2, 3) float64, px of the original."""
    table, size = run.alignment(), (run.info("video")["width"], run.info("video")["height"])
    transforms = np.tile(np.eye(2, 3), (len(table), 1, 1))
    for frames in run.scene_orders():
        transforms[frames] = steady_transforms(scene_alignment(table, frames), size)
    return transforms
