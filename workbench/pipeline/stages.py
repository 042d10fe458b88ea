"""What computes every stage of a run: read what earlier stages left, call the function that does the work, write.

:mod:`workbench.run.stages` declares the stages; here each has its computation, in :data:`COMPUTATIONS`. Notebooks, ``workbench
reconstruct`` and sweeps all call :func:`run_stage`, so all give the same result.
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from workbench.embedding.embed import embed
from workbench.embedding.overlay import find_overlay, no_overlay
from workbench.errors import ParameterError
from workbench.matching.keypoints import extract
from workbench.models.backbones import typical_eps
from workbench.models.pretrained import network_device
from workbench.models.registry import folder_digest, is_built_in, refuse_other_keypoints
from workbench.ordering.frames import FrameDistances, frames_of, groups_of_scenes
from workbench.ordering.long_scenes import LONG_SCENE_FRAMES, join_rough, order_long
from workbench.ordering.pieces import keep_pieces, pieces_of
from workbench.ordering.scene import OrderedScene, order_scene
from workbench.parameters import (
    METHODS,
    NETWORK_MATCHERS,
    AlignParameters,
    ClusterParameters,
    EmbedParameters,
    FeatureParameters,
    MatchParameters,
    OrderParameters,
    Parameters,
    RegisterParameters,
    UmapParameters,
    VideoParameters,
)
from workbench.pipeline.decision_edits import recount, undo_decisions
from workbench.pipeline.distances import (
    clustering_distances,
    frame_distances,
    keep_registered,
    kept_registered,
    let_go,
    pictures,
)
from workbench.pipeline.edits import apply_edits, computed_order
from workbench.pipeline.match_scenes import match_scenes
from workbench.pipeline.metrics import write_metrics
from workbench.pipeline.pair_comparer import PairComparer
from workbench.pipeline.writing import write_results, written_names
from workbench.progress import Progress, Steps
from workbench.registration.alignment import align_scene
from workbench.registration.points import registered_pairs, registered_points
from workbench.registration.tables import alignment_table, register_pairs
from workbench.run import Run
from workbench.run.stages import STAGES, RunPaths, Stage, stage_of
from workbench.scenes.blends import blend_thumbnails, undo_edit
from workbench.scenes.cluster import cluster, umap_points
from workbench.scenes.dbscan import DbscanTree, find_labels
from workbench.storage.arrays import WorkingCopies
from workbench.storage.blocks import BlockJob, MapBlocks
from workbench.storage.hloc import keypoint_counts, read_pairs, write_pairs
from workbench.threads import at_once
from workbench.video.colour import colour_notes
from workbench.video.conform import bars
from workbench.video.proxies import read_proxies
from workbench.video.sound import find_sound, sound_notes

MAX_REASON = 200  # characters that are recorded of an error of UMAP


@dataclass(frozen=True)
class Computation:
    """What computes a stage.

    Attributes
    ----------
    compute : callable
        Takes the run, the parameters, the paths to write to and the job, and returns what is worth recording.
    weights : callable
        Digest of the weights that the parameters choose; "" where their name alone tells which they are.
    reads : callable or None
        The stages it reads, where the parameters decide that; None for those that are declared.
    outputs : callable or None
        The files it leaves, where they follow from the run and the parameters; None for those that are declared. It raises what
        forbids the stage before anything is computed.
    """

    compute: Callable[[Run, Any, RunPaths, BlockJob], dict[str, Any]]
    weights: Callable[[Any], str] = lambda _: ""
    reads: Callable[[Any], tuple[str, ...]] | None = None
    outputs: Callable[[Run, Any], tuple[str, ...]] | None = None


def run_stage(
    run: Run, parameters: Parameters, overwrite: bool = False, progress: Progress = True, map_blocks: MapBlocks = map
) -> dict[str, Any]:
    """Compute the stage that these parameters belong to, unless it is finished with the same parameters and inputs.

    Parameters
    ----------
    run : Run
        The run.
    parameters : Parameters
        Those of one stage; their class says of which.
    overwrite : bool
        Whether a stage that was made with other parameters or inputs is replaced.
    progress : bool or callable
        True draws a bar per piece of work; a function is told how far each is, as by :class:`~workbench.progress.Steps`.
    map_blocks : callable
        Goes through blocks of frames and of pairs as ``map`` does.

    Returns
    -------
    dict
        The record of the stage: parameters, seconds, outputs, and ``info``, what it recorded about itself.

    Raises
    ------
    MissingStageError
        When a stage it reads is missing.
    StaleStageError
        When it is finished with other parameters or inputs and not ``overwrite``.
    """
    stage = stage_of(parameters)
    computation = COMPUTATIONS[stage.name]
    reads = computation.reads(parameters) if computation.reads else stage.reads
    outputs = computation.outputs(run, parameters) if computation.outputs else stage.outputs
    weights = computation.weights(parameters)

    def _compute(folder: Path) -> dict[str, Any]:
        job = BlockJob(run.key(stage.name, parameters, reads, weights), progress=progress, map_blocks=map_blocks)
        return computation.compute(run, parameters, RunPaths(folder), job)

    return run.stage(stage.name, parameters, reads, outputs, _compute, overwrite, weights)


def reconstruct(
    run: Run,
    parameters: dict[str, Parameters],
    truth: Path | None = None,
    overwrite: bool = False,
    progress: Progress = True,
    map_blocks: MapBlocks = map,
    on_stage: Callable[[Stage], None] | None = None,
) -> dict[str, Any]:
    """Compute all stages of the fast path in order, without notebooks, and the metrics.

    Parameters
    ----------
    run : Run
        The run.
    parameters : dict
        By stage, from :func:`~workbench.run.stages.stage_parameters`.
    truth : Path, optional
        The truth of the video.
    overwrite, progress, map_blocks : bool, bool or callable, callable
        As for :func:`run_stage`.
    on_stage : callable, optional
        Called with every stage before it is computed or found finished.

    Returns
    -------
    dict
        The metrics, from :func:`~workbench.pipeline.metrics.write_metrics`.
    """
    for stage in STAGES.values():
        if stage.name == "write":
            write_metrics(run, truth)  # what was found is kept even when there is no scene to write
            let_go(run)
        if stage.on_fast_path:
            if on_stage:
                on_stage(stage)
            run_stage(run, parameters[stage.name], overwrite, progress, map_blocks)
    return write_metrics(run, truth)  # with the seconds of writing


def _read_video(run: Run, parameters: VideoParameters, out: RunPaths, job: BlockJob) -> dict[str, Any]:
    out.proxies_path.parent.mkdir()
    info, table = read_proxies(run.inputs, out.proxies_path, parameters.proxy_size, job.progress, parameters.stream)
    if parameters.keep_order and len(np.unique(pieces_of(table.names))) in (0, 1, len(table)):
        what = "every frame is a file of its own" if len(table.names) > 1 else "this is one"
        raise ParameterError(f"keep_order is for several videos, and {what}: leave it out")
    images = WorkingCopies(out.proxies_path.resolve())
    overlay, warnings = no_overlay(images), info.warnings
    ignored = overlay.mask
    if parameters.overlay == "ignore":
        overlay, beside = find_overlay(images), bars(info.sizes, (info.width, info.height), ignored.shape)
        ignored = overlay.mask | beside
        if beside.any():
            warnings.append(f"frames are compared by the part that all shapes show, {1 - beside.mean():.0%} of the picture")
    np.save(out.overlay_path, ignored)
    columns: dict[str, Any] = {"pts": table.pts, "time_s": table.time_s, "key": table.key.astype(int), "check": table.check}
    if table.names:
        columns["name"] = table.names
    pd.DataFrame({"position": np.arange(len(table)), **columns}).to_csv(out.frames_path, index=False)
    found = {"overlay_share": round(float(overlay.mask.mean()), 6), "overlay_sought_in": len(overlay.frames)}
    notes = [
        *warnings,
        *colour_notes(info.color_primaries, info.color_trc),
        *sound_notes(None if table.names else find_sound(run.source)),
    ]
    return info.as_dict() | {"warnings": notes} | found


def _embed_frames(run: Run, parameters: EmbedParameters, out: RunPaths, job: BlockJob) -> dict[str, Any]:
    vectors = embed(pictures(run), parameters, job.progress)
    np.save(out.embeddings_path, vectors)
    return {"dimensions": vectors.shape[1], "device": "cpu" if is_built_in(parameters.backbone) else network_device()}


def _map_frames(run: Run, parameters: UmapParameters, out: RunPaths, _job: BlockJob) -> dict[str, Any]:
    """Make the map. It is for looking only, so what goes wrong in it is recorded, and shown in its place, and stops nothing."""
    embeddings = run.embeddings()
    try:
        points, info = umap_points(embeddings, parameters), dict[str, Any]()
    except Exception as error:  # of UMAP, numba or LLVM: they have no common type
        reason = "".join(letter if letter.isprintable() else " " for letter in f"{type(error).__name__}: {error}")
        points, info = np.zeros((len(embeddings), 2), np.float32), {"no_map": " ".join(reason.split())[:MAX_REASON]}
    np.save(out.map_path, points)
    return info


def _find_scenes(run: Run, parameters: ClusterParameters, out: RunPaths, _job: BlockJob) -> dict[str, Any]:
    distances = clustering_distances(run, parameters.min_samples).among()
    labels, eps, sweep = cluster(distances, parameters, typical_eps(run.parameters("embed")["backbone"]))
    pd.DataFrame({"position": np.arange(len(labels)), "scene": labels}).to_csv(out.clusters_path, index=False)
    counts = {"scenes": int(labels.max() + 1), "outliers": int((labels < 0).sum())}
    return counts | {"eps": round(eps, 6), "suggested_eps": round(sweep.suggested, 6)}


def _extract_features(run: Run, parameters: FeatureParameters, out: RunPaths, job: BlockJob) -> dict[str, Any]:
    size = run.info("video")["width"], run.info("video")["height"]
    overlay, job = run.overlay(), replace(job, parts=run.features_parts_path.resolve())
    extract(pictures(run), size, parameters, out.features_path, job, overlay if overlay.any() else None)
    return {}


def _match_frames(run: Run, parameters: MatchParameters, out: RunPaths, job: BlockJob) -> dict[str, Any]:
    refuse_other_keypoints(parameters.matcher, parameters.model, run.parameters("features")["keypoints"])
    labels, features, parts = run.labels(), run.features_path.resolve(), run.matches_parts_path.resolve()
    # The matches of a pair are the same whichever other pairs there are, so runs with other scenes share them.
    pool = run.pool(
        "pairs", replace(parameters, pairs_per_frame=0), ("features",), _method_weights(parameters.matcher, parameters)
    )
    job = replace(job, reuse=tuple(pool.files()) if pool else ())
    images = pictures(run)
    comparer = PairComparer(features, images, parameters, parts, job)
    keypoints = keypoint_counts(features, len(labels))
    distances, scene_parameters = frame_distances(run), ClusterParameters(**run.parameters("cluster"))
    matched = match_scenes(
        undo_edit(blend_thumbnails(images), distances.embedded, run.info("cluster")["suggested_eps"], labels, _clusterer(run)),
        distances,
        keypoints,
        comparer.compare,
        parameters.pairs_per_frame,
        images,
        scene_parameters.same_place,
        scene_parameters.min_scene_frames,
    )
    found = matched.scenes_table(labels)
    scenes, left_out = undo_decisions(found, run.edits("match"))
    scenes.to_csv(out.scenes_path, index=False, lineterminator="\n")
    write_pairs(out.pairs_path, matched.pairs)
    comparer.join(out.matches_path, matched.pairs)
    keep_registered(run, out.matches_path, matched.table, comparer.threshold)
    info: dict[str, Any] = {
        "pairs": len(matched.pairs),
        "pairs_per_frame": round(matched.pairs_per_frame, 3),
        "rounds": len(comparer.files),
        **recount(matched.counts(labels), found, scenes),
        "doubts": matched.doubts,
        "edits_left_out": left_out,
        "device": network_device() if parameters.matcher in NETWORK_MATCHERS else "cpu",
    }
    if pool:
        info |= {"shared_pairs": comparer.reused, "shared_seconds": round(comparer.reused * pool.seconds_each(), 3)}
        pool.add(job.key, out.matches_path, comparer.seconds_per_pair)
    shutil.rmtree(parts)  # last: until then a fault costs nothing that was matched
    return info


def _clusterer(run: Run) -> Callable[[np.ndarray], np.ndarray]:
    """What clusters some frames as the cluster stage clustered all of them."""
    parameters = replace(ClusterParameters(**run.parameters("cluster")), eps=run.info("cluster")["eps"])
    clustering = clustering_distances(run, parameters.min_samples)

    def labels_of(frames: np.ndarray) -> np.ndarray:
        distances = clustering.among(frames)
        return find_labels(distances, parameters, DbscanTree(distances, parameters.min_samples))

    return labels_of


def _register_frames(run: Run, parameters: RegisterParameters, out: RunPaths, job: BlockJob) -> dict[str, Any]:
    pairs = read_pairs(run.pairs_path)
    files, least = (run.features_path, run.matches_path), METHODS[run.parameters("match")["matcher"]].min_inliers
    table = kept_registered(run, parameters.threshold)
    if table is None:
        table = register_pairs(*files, pairs, pictures(run), parameters.threshold, job.progress, least)
    table.to_csv(out.transforms_path, index=False)
    return {"registered": int((table["model"] != "none").sum()), "pairs": len(table)}


def _order_frames(run: Run, parameters: OrderParameters, out: RunPaths, _job: BlockJob) -> dict[str, Any]:
    labels, table, distances = run.scenes(), run.transforms(), frame_distances(run)
    names, keep_order = run.names(), run.parameters("video").get("keep_order", False)  # older runs do not have it
    pieces = pieces_of(names)
    out.matrices_path.mkdir()
    info: dict[str, Any] = {}
    doubts: list[str] = []
    undetermined: list[int] = []

    def _ordered(frames: np.ndarray) -> OrderedScene:
        own = table[table["a"].isin(frames)]
        if len(frames) <= LONG_SCENE_FRAMES:
            return order_scene(distances.scene(frames), own, parameters)
        rough = _edited_rough(run, frames, distances, own) if run.edits("match") else run.rough_order(int(labels[frames[0]]))
        return order_long(rough, distances, own, parameters)

    scenes = frames_of(labels)
    each = (found for group in groups_of_scenes(scenes) for found in at_once(_ordered, group))
    for number, (frames, found) in enumerate(zip(scenes, each, strict=True)):
        if keep_order:
            found = keep_pieces(found, pieces[frames])
        arrays = {"frames": frames, "order": found.order, "confidence": found.confidence, "shown": found.shown}
        np.savez(out.scene_matrices_path(number), **(arrays | found.matrices))  # type: ignore[arg-type] # no array is a flag
        info |= {f"scene{number:02d}_weight_{part}": round(weight, 3) for part, weight in found.weights.items()}
        info[f"scene{number:02d}_closed"] = found.closed
        if found.doubt:
            doubts.append(f"the order of scene {number} ({len(frames)} frames) is not in the pictures: {found.doubt}")
            undetermined.append(number)
    rows, left_out = apply_edits(computed_order(out.matrices_path, len(labels), names), run.edits("order"))
    rows.to_csv(out.order_path, index=False, lineterminator="\n")
    return info | {"edits_left_out": left_out, "doubts": doubts, "undetermined_scenes": undetermined}


def _edited_rough(run: Run, frames: np.ndarray, distances: FrameDistances, table: pd.DataFrame) -> np.ndarray:
    """The rough order of a long scene after edits of the scenes."""
    rows = run.scenes_table().iloc[frames]
    before = rows["matched" if "matched" in rows else "scene"].to_numpy()
    return join_rough(frames, before, rows["rough"].to_numpy(dtype=float, na_value=np.nan), distances, table)


def _align_frames(run: Run, _parameters: AlignParameters, out: RunPaths, job: BlockJob) -> dict[str, Any]:
    labels, size = run.order()["scene"].to_numpy(), (run.info("video")["width"], run.info("video")["height"])
    scenes, orders, threshold = registered_pairs(run.transforms(), labels), run.scene_orders(), run.ransac_threshold()
    found = []
    with Steps(job.progress, sum(map(len, scenes)), "align", "pair") as steps:
        # One scene after the other: the points of all scenes of a long clip would not fit into memory.
        for pairs, order in zip(scenes, orders, strict=True):
            points = registered_points(run.features_path, run.matches_path, pairs, threshold, steps.update)
            found.append(align_scene(order, points, size))
    table = alignment_table(labels, found)
    table.to_csv(out.alignment_path, index=False)
    medians = table[["error_px", "chained_error_px"]].median()
    counted = {"aligned_frames": int(table["connected"].sum())}
    return counted | {f"alignment_{name}": round(value, 4) for name, value in medians.items() if value == value}


def _method_weights(method: str, parameters: Parameters) -> str:
    """Digest of the weights of a method of :data:`~workbench.parameters.METHODS`; "" when it has none."""
    name = METHODS[method].weights
    return folder_digest(getattr(parameters, name)) if name else ""


COMPUTATIONS = {
    "video": Computation(_read_video),
    "embed": Computation(_embed_frames, weights=lambda chosen: folder_digest(chosen.backbone)),
    "umap": Computation(_map_frames),
    "cluster": Computation(_find_scenes),
    "features": Computation(_extract_features, weights=lambda chosen: _method_weights(chosen.keypoints, chosen)),
    "match": Computation(_match_frames, weights=lambda chosen: _method_weights(chosen.matcher, chosen)),
    "register": Computation(_register_frames),
    "order": Computation(_order_frames),
    "align": Computation(_align_frames),
    # A steady video is made from the alignment too.
    "write": Computation(
        write_results,
        reads=lambda chosen: ("order", "align") if chosen.stabilise else ("order",),
        outputs=written_names,
    ),
}
