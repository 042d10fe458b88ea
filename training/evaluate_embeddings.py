"""Measure how well embeddings separate the scenes of cases with a ground truth: one table, case by case.

    python -m training.evaluate_embeddings CASES_DIR NAME_OR_FOLDER...

A case is ``NAME.mp4`` with ``NAME.truth.csv`` beside it. A backbone is given by a name that ``workbench models`` lists
(``thumbnail`` and ``rank-vlad`` included) or by a folder that ``training.embedding`` wrote.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from workbench.embedding.descriptors import rank_vlad, thumbnails
from workbench.embedding.distances import cosine_distances
from workbench.embedding.embed import network_embeddings
from workbench.errors import UsageError, WorkbenchError
from workbench.evaluation.files import OUTLIER, OrderRow, TruthRow, read_truth, truth_path
from workbench.evaluation.metrics import evaluate
from workbench.models.backbones import load_backbone, typical_eps
from workbench.models.registry import is_built_in
from workbench.parameters import ClusterParameters, EmbedParameters, VideoParameters
from workbench.scenes.dbscan import dbscan
from workbench.scenes.eps import SWEEP, sweep_eps
from workbench.video.proxies import read_proxies

NEAREST_FRAMES = 8  # frames among which a temporal neighbour is searched, as many as the first candidates of the matcher
HEADINGS = (
    *("case", "backbone", "best eps", "outlier F1", "scene F1", "from", "to"),
    *("suggested", "outlier F1", "scene F1", "recall", "ms"),
)

Embedder = Callable[[np.ndarray], np.ndarray]  # (N, h, w, 3) uint8 RGB -> (N, D) float32, unit length


@dataclass(frozen=True)
class Scores:
    """Figures of one backbone on one case. F1 scores and recall are 0 to 1, eps are cosine distances.

    Attributes
    ----------
    outliers, scenes : (E,) float array
        Outlier F1 and scene pair F1 at every eps of the workbench's sweep.
    suggested : float
        The eps that the workbench suggests.
    suggested_outliers, suggested_scenes : float
        F1 scores at the suggested eps.
    recall : float
        See :func:`neighbour_recall`.
    milliseconds : float
        Time to embed one frame.
    """

    outliers: np.ndarray
    scenes: np.ndarray
    suggested: float
    suggested_outliers: float
    suggested_scenes: float
    recall: float
    milliseconds: float

    @property
    def perfect(self) -> np.ndarray:
        """(E,) bool: at which eps of the sweep both F1 scores are 1."""
        return (self.outliers == 1) & (self.scenes == 1)


def f1_scores(truth: Sequence[TruthRow], labels: np.ndarray) -> tuple[float, float]:
    """Outlier F1 and scene pair F1, 0 to 1, of (N,) labels, -1 for outliers.

    :func:`~workbench.evaluation.metrics.evaluate` defines both.
    """
    rows = [OrderRow(position, int(label), position if label >= 0 else -1) for position, label in enumerate(labels)]
    found = evaluate(truth, rows)
    return found["outlier_f1"], found["scene_f1"]


def neighbour_recall(truth: Sequence[TruthRow], distances: np.ndarray, neighbours: int = NEAREST_FRAMES) -> float:
    """Share of scene frames that have a temporal neighbour among the frames nearest to them.

    A temporal neighbour is a frame of the same clip, 1 or 2 frames away. Frames that have none in the video do not count.

    Parameters
    ----------
    truth : sequence of TruthRow
        What every frame is.
    distances : (N, N) array
        Distances of all frames, in the order of ``truth``.
    neighbours : int
        How many of the nearest frames are searched, foreign frames among them.

    Returns
    -------
    float
        The share, 0 to 1.
    """
    clips, frames = np.array([row.clip for row in truth]), np.array([row.frame for row in truth])
    apart = np.abs(frames[:, None] - frames[None])
    close = (clips[:, None] == clips[None]) & (apart >= 1) & (apart <= 2) & (clips != OUTLIER)[:, None]
    others = distances.astype(np.float64)
    np.fill_diagonal(others, np.inf)
    nearest = np.argsort(others, axis=1, kind="stable")[:, :neighbours]
    found = np.take_along_axis(close, nearest, axis=1).any(axis=1)
    return float(found[close.any(axis=1)].mean())


def score(truth: Sequence[TruthRow], embeddings: np.ndarray, milliseconds: float, usual_eps: float) -> Scores:
    """Compute all figures of a case.

    Parameters
    ----------
    truth : sequence of TruthRow
        What every frame is.
    embeddings : (N, D) float32 array
        Vectors of unit length, in the order of ``truth``.
    milliseconds : float
        Time to embed one frame.
    usual_eps : float
        Typical eps of the backbone, cosine distance; 0 when the backbone has none.

    Returns
    -------
    Scores
        The figures.
    """
    distances, fewest = cosine_distances(embeddings), ClusterParameters().min_samples
    scores = np.array([f1_scores(truth, dbscan(distances, eps, fewest)) for eps in SWEEP])
    suggested = sweep_eps(distances, fewest, usual_eps).suggested
    at_suggested = f1_scores(truth, dbscan(distances, suggested, fewest))
    recall = neighbour_recall(truth, distances)
    return Scores(scores[:, 0], scores[:, 1], suggested, *at_suggested, recall, milliseconds)


def common_eps(table: Sequence[Scores]) -> tuple[float, float, int]:
    """The eps at which the most cases are perfect: lower end and upper end of their range, and the number of these cases."""
    counts = np.sum([scores.perfect for scores in table], axis=0)
    best = SWEEP[counts == counts.max()]
    return float(best.min()), float(best.max()), int(counts.max())


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
    """Embed frames: the embeddings, and the milliseconds per frame; a first batch warms up and does not count."""
    embed(images[:32])
    start = time.perf_counter()
    embeddings = embed(images)
    return embeddings, 1000 * (time.perf_counter() - start) / len(images)


def row(case: str, name: str, scores: Scores) -> list[str]:
    """A line of the table. The best eps is the middle one of those with the largest product of both F1 scores."""
    product = scores.outliers * scores.scenes
    best = np.flatnonzero(product == product.max())
    best = int(best[len(best) // 2])
    perfect = SWEEP[scores.perfect]
    ends = [f"{perfect.min():.3f}", f"{perfect.max():.3f}"] if len(perfect) else ["-", "-"]
    return [
        case,
        Path(name).name,
        f"{SWEEP[best]:.3f}",
        f"{scores.outliers[best]:.3f}",
        f"{scores.scenes[best]:.3f}",
        *ends,
        f"{scores.suggested:.3f}",
        f"{scores.suggested_outliers:.3f}",
        f"{scores.suggested_scenes:.3f}",
        f"{scores.recall:.3f}",
        f"{scores.milliseconds:.1f}",
    ]


def summary(name: str, table: Sequence[Scores]) -> str:
    """Summarise a backbone over all cases in one line."""
    low, high, count = common_eps(table)
    middle = np.sqrt(low * high)
    at_best = sum(bool(scores.perfect.any()) for scores in table)
    suggested = sum(scores.suggested_outliers == scores.suggested_scenes == 1 for scores in table)
    outliers, scenes = (np.mean([getattr(scores, f"suggested_{kind}") for scores in table]) for kind in ("outliers", "scenes"))
    return (
        f"{Path(name).name}: perfect on {at_best} of {len(table)} cases at the best eps of each, on {count} at one eps of "
        f"{low:.3f} to {high:.3f} (middle {middle:.3f}), on {suggested} at the suggested eps (means there: outlier F1 "
        f"{outliers:.3f}, scene F1 {scenes:.3f}); recall {min(scores.recall for scores in table):.3f} or more"
    )


def find_cases(folder: Path) -> list[Path]:
    """List the videos that have a truth file beside them, sorted by name.

    Raises
    ------
    ~workbench.errors.UsageError
        There is none.
    """
    cases = [video for video in sorted(folder.glob("*.mp4")) if truth_path(video).is_file()]
    if not cases:
        raise UsageError(f"{folder} holds no case: give a folder with NAME.mp4 and NAME.truth.csv beside it")
    return cases


def evaluate_all(videos: Sequence[Path], names: Sequence[str]) -> dict[str, list[Scores]]:
    """Score every backbone on every case, in the order of ``videos``, on the working copies that the workbench makes."""
    embedders, tables = {name: embedder(name) for name in names}, {name: [] for name in names}
    with tempfile.TemporaryDirectory(prefix="embeddings-") as folder:
        for video in tqdm(videos, desc="cases"):
            proxies = Path(folder) / f"{video.stem}.npy"
            read_proxies(video, proxies, VideoParameters().proxy_size, progress=False)
            images = np.load(proxies)
            truth = read_truth(truth_path(video), len(images))
            for name in names:
                embeddings, milliseconds = timed(embedders[name], images)
                tables[name].append(score(truth, embeddings, milliseconds, typical_eps(name)))
            proxies.unlink()
    return tables


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    parser = argparse.ArgumentParser(
        description="Measure how well embeddings separate scenes and find neighbours, case by case, in one table."
    )
    parser.add_argument("cases", type=Path, help="folder with NAME.mp4 and NAME.truth.csv")
    parser.add_argument("names", nargs="+", metavar="NAME_OR_FOLDER", help="backbones")
    chosen = parser.parse_args(arguments)
    try:
        videos = find_cases(chosen.cases)
        tables = evaluate_all(videos, chosen.names)
    except WorkbenchError as error:
        print(f"evaluation: {error}", file=sys.stderr)
        return error.exit_status
    lines = [list(HEADINGS)]
    for index, video in enumerate(videos):
        lines += [row(video.stem, name, tables[name][index]) for name in chosen.names]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        print("  ".join(text.rjust(width) for text, width in zip(line, widths, strict=True)))
    print()
    for name in chosen.names:
        print(summary(name, tables[name]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
