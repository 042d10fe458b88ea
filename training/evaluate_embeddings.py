"""Measure how well embeddings separate the scenes of cases with a ground truth, and what they cost.

    python -m training.evaluate_embeddings CASES_DIR... --backbones NAME_OR_FOLDER... [--out TABLE.csv]

A case is ``NAME.mp4`` with ``NAME.truth.csv`` beside it. A backbone is given by a name that ``workbench models`` lists
(``thumbnail`` and ``rank-vlad`` included) or by a folder that ``training.embedding`` wrote. Frames are embedded as the
workbench embeds them, working copies without overlay, but in one thread. Tables are printed as Markdown; ``--out`` writes a row
per case and backbone, in the columns of a sweep's table, which notebook 06 reads.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import torch
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from training.embedding_scores import CaseScores, Clustered, common_eps, left_out, middle_eps, score
from workbench.embedding.descriptors import rank_vlad, thumbnails
from workbench.embedding.embed import network_embeddings
from workbench.embedding.overlay import without_overlay
from workbench.errors import UsageError, WorkbenchError
from workbench.evaluation.files import read_truth, truth_path
from workbench.models.backbones import load_backbone, typical_eps
from workbench.models.catalogue import MEGABYTE, weights_size
from workbench.models.registry import find_embedding, is_built_in
from workbench.parameters import EmbedParameters, VideoParameters
from workbench.pipeline.stages import run_stage
from workbench.run import Run
from workbench.sweep.table import DONE

FIRST_BATCH = 32  # frames that are embedded before time is taken

Embedder = Callable[[np.ndarray], np.ndarray]  # (N, h, w, 3) uint8 RGB -> (N, D) float32, unit length


def embedder(name: str) -> Embedder:
    """Load a backbone once, and return the function that embeds frames with it.

    Raises
    ------
    ~workbench.errors.ModelError
        The weights are missing or not readable.
    """
    parameters = EmbedParameters(backbone=name)
    if name == "thumbnail":
        return lambda images: thumbnails(images, progress=False)
    if is_built_in(name):
        return lambda images: rank_vlad(images, parameters.seed, progress=False)
    backbone = load_backbone(name)
    return lambda images: network_embeddings(images, backbone, parameters.batch_size, progress=False)


def timed(embed: Embedder, images: np.ndarray) -> tuple[np.ndarray, float]:
    """Embed frames: the embeddings, and the CPU seconds; a first batch warms up and does not count."""
    embed(images[:FIRST_BATCH])
    start = time.process_time()
    embeddings = embed(images)
    return embeddings, time.process_time() - start


def megabytes(name: str) -> float:
    """Size of a backbone's weights; 0 where it has none."""
    model = find_embedding(name)
    size = weights_size(model) if model else (Path(name) / "model.safetensors").stat().st_size
    return size / MEGABYTE


def find_cases(folders: Sequence[Path]) -> list[Path]:
    """List the videos that have a truth file beside them, by folder, then by name.

    Raises
    ------
    ~workbench.errors.UsageError
        A folder holds none.
    """
    cases = []
    for folder in folders:
        found = [video for video in sorted(folder.glob("*.mp4")) if truth_path(video).is_file()]
        if not found:
            raise UsageError(f"{folder} holds no case: give a folder with NAME.mp4 and NAME.truth.csv beside it")
        cases += found
    return cases


def evaluate_all(videos: Sequence[Path], names: Sequence[str]) -> dict[str, list[CaseScores]]:
    """Score every backbone on every case, in the order of ``videos``."""
    embedders, tables = {name: embedder(name) for name in names}, {name: [] for name in names}
    for video in tqdm(videos, desc="cases"):
        with tempfile.TemporaryDirectory(prefix="embeddings-") as folder:
            run = Run.create(Path(folder) / "run", video)
            run_stage(run, VideoParameters(), progress=False)
            images = np.stack(list(without_overlay(run.images(), run.overlay())))
        truth = read_truth(truth_path(video), len(images))
        for name in names:
            tables[name].append(score(truth, *timed(embedders[name], images)))
    return tables


def row(video: Path, name: str, scores: CaseScores, unseen: Clustered) -> dict[str, Any]:
    """A row of the table: one case with one backbone."""
    suggested, best = scores.suggested(typical_eps(name)), scores.best
    return {
        "video": f"{video.parent.name}/{video.name}",
        "embed.backbone": Path(name).name,
        "status": DONE,
        "error": "",
        "seconds": round(scores.seconds, 3),
        "frames": len(scores.truth),
        "eps": round(suggested.eps, 6),
        "clustered_outlier_f1": suggested.outliers,
        "clustered_scene_f1": suggested.scenes,
        "left_out_eps": round(unseen.eps, 6),
        "left_out_outlier_f1": unseen.outliers,
        "left_out_scene_f1": unseen.scenes,
        "best_eps": round(best.eps, 6),
        "best_outlier_f1": best.outliers,
        "best_scene_f1": best.scenes,
        "neighbour_recall": scores.recall,
        "ms_per_frame": round(1000 * scores.seconds / len(scores.truth), 2),
        "weights_mb": round(megabytes(name), 1),
        "run": "",
        "notebooks": "",
    }


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """Summarise each backbone over all cases: what it costs, and mean / lower quartile / least of its figures."""
    rows = {}
    for name, cells in table.groupby("embed.backbone", sort=False):
        found = {"weights, MB": f"{cells['weights_mb'].iloc[0]:.1f}", "ms per frame": f"{cells['ms_per_frame'].median():.1f}"}
        for prefix, heading in (("clustered", "suggested eps"), ("left_out", "eps of the other cases"), ("best", "best eps")):
            both = cells[[f"{prefix}_outlier_f1", f"{prefix}_scene_f1"]]
            found[f"{heading}: perfect"] = f"{int((both == 1).all(axis=1).sum())} of {len(cells)}"
            found |= {f"{heading}: {kind} F1": _spread(both[f"{prefix}_{kind}_f1"], 3) for kind in ("outlier", "scene")}
        rows[name] = found | {"8 nearest, %": _spread(100 * cells["neighbour_recall"], 1)}
    return pd.DataFrame(rows).rename_axis("mean / lower quartile / least", axis=1)


def by_case(table: pd.DataFrame, prefix: str) -> pd.DataFrame:
    """Both F1 scores, outliers and scenes, of every backbone on every case; a single figure where both are equal."""
    pairs = zip(table[f"{prefix}_outlier_f1"], table[f"{prefix}_scene_f1"], strict=True)
    texts = [f"{a:.2f}" if f"{a:.2f}" == f"{b:.2f}" else f"{a:.2f} / {b:.2f}" for a, b in pairs]
    return _pivot(table, texts)


def recall_by_case(table: pd.DataFrame) -> pd.DataFrame:
    """Neighbour recall of every backbone on every case, %."""
    return _pivot(table, [f"{100 * value:.1f}" for value in table["neighbour_recall"]])


def markdown(table: pd.DataFrame) -> str:
    """A table as Markdown, with the name of its columns above its index."""
    lines = [
        [str(table.columns.name), *map(str, table.columns)],
        *([str(name), *map(str, values)] for name, *values in table.itertuples()),
    ]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    lines.insert(1, ["-" * width for width in widths])
    return "\n".join(f"| {' | '.join(map(str.ljust, line, widths))} |" for line in lines)


def typical(videos: Sequence[Path], cases: Sequence[CaseScores]) -> str:
    """At which eps the most cases of each folder, and of all folders, are perfect."""
    folders = [video.parent.name for video in videos]
    parts = []
    for group in dict.fromkeys([*folders, "all"]):
        chosen = [scores for folder, scores in zip(folders, cases, strict=True) if group in (folder, "all")]
        low, high, count = common_eps(chosen)
        parts.append(f"{group} {count} of {len(chosen)} at {low:.4f} to {high:.4f}, middle {middle_eps(chosen):.4f}")
    return "; ".join(parts)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="+", type=Path, help="folders with NAME.mp4 and NAME.truth.csv")
    parser.add_argument("--backbones", nargs="+", required=True, metavar="NAME_OR_FOLDER")
    parser.add_argument("--out", type=Path, help="CSV file for a row per case and backbone")
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    try:
        videos = find_cases(chosen.cases)
        with threadpool_limits(1):
            tables = evaluate_all(videos, chosen.backbones)
    except WorkbenchError as error:
        print(f"evaluation: {error}", file=sys.stderr)
        return error.exit_status
    unseen = {name: left_out(tables[name]) for name in chosen.backbones}
    cells = [
        row(video, name, tables[name][place], unseen[name][place])
        for place, video in enumerate(videos)
        for name in chosen.backbones
    ]
    table = pd.DataFrame(cells)
    print(markdown(summary(table)))
    for title, shown in (
        ("Suggested eps", by_case(table, "clustered")),
        ("Suggested eps, with the typical eps of all other cases", by_case(table, "left_out")),
        ("Best eps", by_case(table, "best")),
        ("Frames with a neighbour in time among the 8 nearest, %", recall_by_case(table)),
    ):
        print(f"\n{title}\n\n{markdown(shown)}")
    print("\nEps at which the most cases are perfect")
    for name in chosen.backbones:
        print(f"{Path(name).name}: {typical(videos, tables[name])}")
    if chosen.out:
        table.to_csv(chosen.out, index=False, lineterminator="\n")
    return 0


def _pivot(table: pd.DataFrame, texts: Sequence[str]) -> pd.DataFrame:
    cases = [video.removesuffix(".mp4") for video in table["video"]]  # with their folder: two may have cases of one name
    frame = pd.DataFrame({"case": cases, "backbone": table["embed.backbone"], "text": texts})
    wide = frame.pivot(index="case", columns="backbone", values="text")
    return wide.loc[list(dict.fromkeys(cases)), list(dict.fromkeys(frame["backbone"]))].rename_axis("case", axis=1)


def _spread(values: pd.Series, decimals: int) -> str:
    return " / ".join(f"{value:.{decimals}f}" for value in (values.mean(), values.quantile(0.25), values.min()))


if __name__ == "__main__":
    sys.exit(main())
