"""The stages of a run, one function each: read what earlier stages left, call the module that does the job, write.

Notebooks and ``workbench reconstruct`` call the same functions, so both give the same result.
"""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from workbench.embedding.embed import embed
from workbench.embedding.views import embedded_view, fine_view, frame_distances, thumbnail_view
from workbench.errors import ClusterError
from workbench.matching import pairs as pairs_module
from workbench.matching.keypoints import extract
from workbench.models.backbones import typical_eps
from workbench.models.pretrained import network_device
from workbench.models.registry import folder_digest, is_built_in
from workbench.ordering import search
from workbench.ordering.long_scenes import LONG, order_long, search_long
from workbench.ordering.scene import FrameDistances, frames_of, order_scene
from workbench.parameters import (
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
    WriteParameters,
)
from workbench.pipeline.edits import apply_edits, computed_order
from workbench.pipeline.metrics import write_metrics
from workbench.pipeline.pair_comparer import PairComparer
from workbench.registration.alignment import align_scene
from workbench.registration.stabilise import moved, steady_transforms
from workbench.registration.tables import alignment_table, register_pairs, registered_points, scene_alignment
from workbench.run import Run
from workbench.scenes import cluster, verify
from workbench.storage.blocks import Each
from workbench.storage.hloc import keypoint_counts, read_pairs, write_pairs
from workbench.video.proxies import read_proxies
from workbench.video.reorder import join_videos, write_parts


def read_video(run: Run, parameters: VideoParameters, overwrite: bool = False, progress: bool = True) -> dict[str, Any]:
    """Decode every frame once: ``proxies/frames.npy`` and ``frames.csv`` (position, pts, time_s, key, check)."""

    def compute(out: Path) -> dict[str, Any]:
        (out / "proxies").mkdir()
        info, table = read_proxies(run.source, out / "proxies" / "frames.npy", parameters.proxy_size, progress)
        columns = {"pts": table.pts, "time_s": table.time_s, "key": table.key.astype(int), "check": table.check}
        pd.DataFrame({"position": np.arange(len(table)), **columns}).to_csv(out / "frames.csv", index=False)
        return info.as_dict() | {"warnings": info.warnings}

    return run.stage("video", parameters, (), ("proxies/frames.npy", "frames.csv"), compute, overwrite)


def embed_frames(run: Run, parameters: EmbedParameters, overwrite: bool = False, progress: bool = True) -> dict[str, Any]:
    """One vector a frame: ``embeddings.npy``."""

    def compute(out: Path) -> dict[str, Any]:
        vectors = embed(run.images(), parameters, progress)
        np.save(out / "embeddings.npy", vectors)
        return {"dimensions": vectors.shape[1], "device": "cpu" if is_built_in(parameters.backbone) else network_device()}

    weights = folder_digest(parameters.backbone)
    return run.stage("embed", parameters, ("video",), ("embeddings.npy",), compute, overwrite, weights)


def map_frames(run: Run, parameters: UmapParameters, overwrite: bool = False) -> dict[str, Any]:
    """The embeddings on a plane, for looking only: ``umap.npy`` (N, 2)."""

    def compute(out: Path) -> None:
        np.save(out / "umap.npy", cluster.umap_points(run.embeddings(), parameters))

    return run.stage("umap", parameters, ("embed",), ("umap.npy",), compute, overwrite)


def find_scenes(run: Run, parameters: ClusterParameters, overwrite: bool = False) -> dict[str, Any]:
    """Scenes and outliers: ``clusters.csv`` (position, scene; -1 = outlier)."""

    def compute(out: Path) -> dict[str, Any]:
        distances = frame_distances(run.embeddings(), parameters.min_samples)
        labels, eps, sweep = cluster.cluster(distances, parameters, run_typical_eps(run))
        pd.DataFrame({"position": np.arange(len(labels)), "scene": labels}).to_csv(out / "clusters.csv", index=False)
        counts = {"scenes": int(labels.max() + 1), "outliers": int((labels < 0).sum())}
        return counts | {"eps": round(eps, 6), "suggested_eps": round(sweep.suggested, 6)}

    return run.stage("cluster", parameters, ("embed",), ("clusters.csv",), compute, overwrite)


def run_typical_eps(run: Run) -> float:
    """The typical eps of the backbone that made the run's embeddings, 0 if not known."""
    run.require("embed")
    return typical_eps(run.record["stages"]["embed"]["parameters"]["backbone"])


def extract_features(
    run: Run, parameters: FeatureParameters, overwrite: bool = False, progress: bool = True, each: Each = map
) -> dict[str, Any]:
    """Keypoints of every frame, once: ``features.h5``. Killed half way, it goes on from there. each: goes through blocks of
    frames as ``map`` does."""

    weights = folder_digest(parameters.superpoint_model) if parameters.keypoints == "superpoint" else ""

    def compute(out: Path) -> None:
        size = run.info("video")["width"], run.info("video")["height"]
        key, path = run.key("features", parameters, ("video",), weights), run.path.resolve()
        extract(run.images(), size, parameters, out / "features.h5", key, progress, path / "features.h5.parts", each)

    return run.stage("features", parameters, ("video",), ("features.h5",), compute, overwrite, weights)


def match_frames(
    run: Run, parameters: MatchParameters, overwrite: bool = False, progress: bool = True, each: Each = map
) -> dict[str, Any]:
    """Candidate pairs inside scenes and their matches: ``pairs.txt``, ``matches.h5``. Goes on where it was killed. each: goes
    through blocks of pairs as ``map`` does."""
    after = ("features", "embed", "cluster")
    weights = folder_digest(parameters.model) if parameters.matcher in ("superglue", "lightglue") else ""

    def compute(out: Path) -> dict[str, Any]:
        path = run.path.resolve()
        labels, features, parts = run.labels(), path / "features.h5", path / "matches.h5.parts"
        embedded, thumbnails = embedded_view(run.embeddings()), thumbnail_view(run.images())
        key = run.key("match", parameters, after, weights)
        # The matches of a pair are the same whichever other pairs there are, so runs with other scenes share them.
        pool = run.pool("pairs", replace(parameters, pairs_per_frame=0), ("features",), weights)
        rounds = PairComparer(features, run.images(), parameters, key, parts, progress, each, pool.files() if pool else ())
        budget = parameters.pairs_per_frame
        first = search.first_pairs(labels, [embedded, thumbnails], budget) if budget else pairs_module.all_pairs(labels)
        table = rounds.compare(first)
        pieces = verify.pieces_of(labels, table)
        table = rounds.compare_more(table, verify.probing_pairs(pieces, embedded))
        verified = verify.verify(labels, pieces, table, keypoint_counts(features, len(labels)))
        frame_distances, scenes = FrameDistances(embedded, thumbnails, fine_view(run.images())), frames_of(verified.labels)
        if budget:
            short = (frame_distances.scene(frames) for frames in scenes if len(frames) <= LONG)
            table = search.search(short, rounds.compare, budget, table)
        else:
            table = rounds.compare_more(table, pairs_module.all_pairs(verified.labels))
        rough = pd.Series(pd.NA, range(len(labels)), dtype="Int64")
        for frames in scenes:
            if len(frames) > LONG:
                table, ordered = search_long(frames, frame_distances, rounds.compare, budget or len(frames), table)
                rough[ordered] = np.arange(len(ordered))
        verify.scenes_table(labels, verified).assign(rough=rough).to_csv(out / "scenes.csv", index=False)
        pairs = table[["a", "b"]].to_numpy()
        write_pairs(out / "pairs.txt", pairs)
        rounds.join(out / "matches.h5", pairs)
        per_frame = round(len(pairs) / max(1, int((verified.labels >= 0).sum())), 3)
        info = {"pairs": len(pairs), "pairs_per_frame": per_frame, "rounds": len(rounds.files)} | verified.counts()
        info["device"] = network_device() if parameters.matcher == "superglue" else "cpu"
        if pool:
            info |= {"shared_pairs": rounds.taken, "shared_seconds": round(rounds.taken * pool.seconds_each(), 3)}
            pool.add(key, out / "matches.h5", rounds.seconds_each)
        shutil.rmtree(parts)  # last: until then a fault costs nothing that was matched
        return info

    return run.stage("match", parameters, after, ("pairs.txt", "matches.h5", "scenes.csv"), compute, overwrite, weights)


def register_frames(run: Run, parameters: RegisterParameters, overwrite: bool = False, progress: bool = True) -> dict[str, Any]:
    """Align every matched pair: ``transforms.csv``."""

    def compute(out: Path) -> dict[str, Any]:
        pairs = read_pairs(run.path / "pairs.txt")
        files = run.path / "features.h5", run.path / "matches.h5"
        table = register_pairs(*files, pairs, run.images(), parameters.threshold, progress)
        table.to_csv(out / "transforms.csv", index=False)
        return {"registered": int((table["model"] != "none").sum()), "pairs": len(table)}

    return run.stage("register", parameters, ("match",), ("transforms.csv",), compute, overwrite)


def run_threshold(run: Run) -> float:
    """RANSAC's threshold of the run, as a share of the long side."""
    run.require("register")
    return run.record["stages"]["register"]["parameters"]["threshold"] / max(run.images().shape[1:3])


def order_frames(run: Run, parameters: OrderParameters, overwrite: bool = False) -> dict[str, Any]:
    """The order inside every scene: ``order.csv`` and the matrices behind it, ``distances/scene00.npz`` and so on.

    Edits by hand are made again; what is to be said of those that no longer can is in ``edits_left_out``, a line each.
    """

    def compute(out: Path) -> dict[str, Any]:
        labels, table = run.scenes(), run.transforms()
        (out / "distances").mkdir()
        info: dict[str, Any] = {}
        frame_distances = FrameDistances(embedded_view(run.embeddings()), thumbnail_view(run.images()), fine_view(run.images()))
        for number, frames in enumerate(frames_of(labels)):
            own = table[table["a"].isin(frames)]
            if len(frames) > LONG:
                found = order_long(run.rough_order(number), frame_distances, own, parameters)
            else:
                found = order_scene(frame_distances.scene(frames), own, parameters)
            file = out / "distances" / f"scene{number:02d}.npz"
            np.savez(file, frames=frames, order=found.order, confidence=found.confidence, shown=found.shown, **found.matrices)
            info |= {f"scene{number:02d}_weight_{part}": round(weight, 3) for part, weight in found.weights.items()}
            info[f"scene{number:02d}_closed"] = found.closed
        rows, left_out = apply_edits(computed_order(out / "distances", len(labels)), run.edits("order"))
        rows.to_csv(out / "order.csv", index=False, lineterminator="\n")
        return info | {"edits_left_out": left_out}

    after = ("register", "match", "embed")
    return run.stage("order", parameters, after, ("order.csv", "distances"), compute, overwrite)


def align_frames(run: Run, parameters: AlignParameters, overwrite: bool = False, progress: bool = True) -> dict[str, Any]:
    """Lay every frame on its scene's reference frame: ``alignment.csv``."""

    def compute(out: Path) -> dict[str, Any]:
        labels, size = run.order()["scene"].to_numpy(), (run.info("video")["width"], run.info("video")["height"])
        files = run.path / "features.h5", run.path / "matches.h5"
        points = registered_points(*files, run.transforms(), run_threshold(run), progress)
        table = alignment_table(labels, [align_scene(run.scene_order(k), points, size) for k in range(labels.max() + 1)])
        table.to_csv(out / "alignment.csv", index=False)
        medians = table[["error_px", "chained_error_px"]].median()
        found = {"aligned_frames": int(table["connected"].sum())}
        return found | {f"alignment_{name}": round(value, 4) for name, value in medians.items() if value == value}

    return run.stage("align", parameters, ("order", "register", "match"), ("alignment.csv",), compute, overwrite)


def steady_moves(run: Run) -> np.ndarray:
    """(N, 2, 3) float64: where :func:`workbench.registration.stabilise.steady_transforms` puts every frame, px of the original."""
    table, size = run.alignment(), (run.info("video")["width"], run.info("video")["height"])
    moves = np.tile(np.eye(2, 3), (len(table), 1, 1))
    for scene in range(table["scene"].max() + 1):
        frames = run.scene_order(scene)
        moves[frames] = steady_transforms(scene_alignment(table, frames), size)
    return moves


def write_videos(run: Run, parameters: WriteParameters, overwrite: bool = False, progress: bool = True) -> dict[str, Any]:
    """The video again: one file a scene, and ``reconstructed`` with all scenes, the largest first; steady if asked for.

    Raises :class:`~workbench.errors.ClusterError` when every frame was set aside: then there is nothing to write.
    """
    suffix = ".mp4" if parameters.codec == "h264" else ".mkv"
    labels = run.order()["scene"].to_numpy()
    if labels.max() < 0:
        eps = run.info("cluster")["eps"]
        remedy = f"--cluster.eps above {eps:.3g}" if eps else "a smaller --cluster.min_cluster_size"
        raise ClusterError(
            f"no scene was found: all {len(labels)} frames look foreign to each other (the order.csv of {run.path} sets them "
            f"aside); try --overwrite with {remedy}"
        )
    names = [f"scene{scene:02d}{suffix}" for scene in range(labels.max() + 1)]

    def compute(out: Path) -> None:
        change = None
        if parameters.stabilise:
            moves = steady_moves(run)

            def change(position: int, frame: np.ndarray) -> np.ndarray:
                return moved(frame, moves[position])

        chosen = {"codec": parameters.codec, "crf": parameters.crf, "progress": progress, "change": change}
        orders = [run.scene_order(scene) for scene in range(len(names))]
        scenes = write_parts(run.source, orders, [out / name for name in names], **chosen)
        join_videos(scenes, out / f"reconstructed{suffix}")

    after = ("order", "align") if parameters.stabilise else ("order",)
    return run.stage("write", parameters, after, (*names, f"reconstructed{suffix}"), compute, overwrite)


STEPS: dict[str, Callable[..., dict[str, Any]]] = {
    "video": read_video,
    "embed": embed_frames,
    "umap": map_frames,
    "cluster": find_scenes,
    "features": extract_features,
    "match": match_frames,
    "register": register_frames,
    "order": order_frames,
    "align": align_frames,
    "write": write_videos,
}


def reconstruct(
    run: Run,
    parameters: dict[str, Parameters],
    truth: Path | None = None,
    overwrite: bool = False,
    progress: bool = True,
    each: Each = map,
) -> dict[str, Any]:
    """All stages in order, without notebooks, and the metrics. parameters: from ``stage_parameters``. each: goes through blocks
    of frames and of pairs as ``map`` does."""
    read_video(run, parameters["video"], overwrite, progress)
    embed_frames(run, parameters["embed"], overwrite, progress)
    find_scenes(run, parameters["cluster"], overwrite)
    extract_features(run, parameters["features"], overwrite, progress, each)
    match_frames(run, parameters["match"], overwrite, progress, each)
    register_frames(run, parameters["register"], overwrite, progress)
    order_frames(run, parameters["order"], overwrite)
    align_frames(run, parameters["align"], overwrite, progress)
    write_metrics(run, truth)  # what was found is kept even when there is no scene to write
    write_videos(run, parameters["write"], overwrite, progress)
    return write_metrics(run, truth)  # with the seconds of writing
