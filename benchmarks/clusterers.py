"""Compare the clusterers on folders of cases: scenes and foreign frames as each finds them alone, before any match.

    PYTHONPATH=. python benchmarks/clusterers.py FOLDER [FOLDER ...] [--out table.csv]

A case is ``NAME.mp4`` with ``NAME.truth.csv`` beside it. Every case is embedded once, by the default backbone, and clustered by
each of :data:`METHODS`. None of them sees the truth: a parameter is the default, or the workbench's suggestion (eps of DBSCAN),
or the value around which the clustering stays the same over the widest range, the rule of that suggestion without its prior.
"""

import argparse
import csv
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
from cases import find_cases, truth_of
from sklearn.cluster import OPTICS, cluster_optics_xi
from tqdm import tqdm

from workbench.embedding.views import frame_distances
from workbench.errors import RunError, WorkbenchError
from workbench.evaluation.files import OrderRow, read_truth
from workbench.evaluation.metrics import evaluate
from workbench.models.backbones import typical_eps
from workbench.parameters import ClusterParameters, EmbedParameters, VideoParameters
from workbench.pipeline.stages import run_stage
from workbench.run import Run
from workbench.scenes.cluster import cluster
from workbench.scenes.dbscan import by_size, hdbscan
from workbench.scenes.eps import stable_ranges

XI = np.linspace(0.05, 0.95, 37)  # values of xi that are tried
SIZES = 16  # values of the least size of a scene that are tried, evenly spaced on a logarithmic scale
LEAST_SIZE = 3  # frames, the least of them
LARGEST_SIZE = 1 / 3  # of all frames, the largest of them
FIGURES = ("outlier_f1", "scene_f1")
FOUND = 0.9995  # both figures at least: shown as 1.000

Row = dict[str, Any]  # one case; the figures of METHOD are METHOD_outlier_f1 and METHOD_scene_f1


def default_labels(clusterer: str) -> Callable[[np.ndarray], np.ndarray]:
    """Make what labels frames with the parameters that a user gets: defaults, and for DBSCAN the suggested eps."""
    parameters = ClusterParameters(clusterer=clusterer)
    return lambda distances: cluster(distances, parameters, typical_eps(EmbedParameters().backbone))[0]


def stable_hdbscan(distances: np.ndarray) -> np.ndarray:
    """Label frames by HDBSCAN with the most stable of :data:`SIZES` least sizes of a scene, on a logarithmic scale."""
    sizes = np.unique(np.geomspace(LEAST_SIZE, max(LEAST_SIZE + 1, LARGEST_SIZE * len(distances)), SIZES).round().astype(int))
    labels = [hdbscan(distances, int(size), ClusterParameters().min_samples) for size in sizes]
    return most_stable(labels, np.log(sizes))


def stable_optics(distances: np.ndarray) -> np.ndarray:
    """Label frames by OPTICS with the most stable xi, on a logarithmic scale of the density that is left after the drop."""
    chosen = ClusterParameters()
    sizes = {"min_samples": chosen.min_samples, "min_cluster_size": chosen.min_cluster_size}
    model = OPTICS(metric="precomputed", **sizes).fit(distances)
    ordered = {"reachability": model.reachability_, "predecessor": model.predecessor_, "ordering": model.ordering_}
    labels = [by_size(cluster_optics_xi(**ordered, **sizes, xi=xi)[0]) for xi in XI]
    return most_stable(labels, -np.log(1 - XI))


def most_stable(labels: Sequence[np.ndarray], places: np.ndarray) -> np.ndarray:
    """Choose the clustering that stays the same over the widest range of a parameter.

    Parameters
    ----------
    labels : sequence of E (N,) int arrays
        Scene of every frame, -1 = outlier, at E values of the parameter.
    places : (E,) float array
        The values on the scale on which ranges are compared, sorted ascending.

    Returns
    -------
    (N,) int array
        The first of the widest, those that give every frame the same label left out, unless there is no other.
    """
    low, high = stable_ranges(labels)
    parted = np.array([len(np.unique(label)) > 1 for label in labels])
    return labels[int(np.argmax(np.where(parted, places[high] - places[low], -1)))]


METHODS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "dbscan": default_labels("dbscan"),
    "hdbscan": default_labels("hdbscan"),
    "hdbscan-stable": stable_hdbscan,
    "optics": default_labels("optics"),
    "optics-stable": stable_optics,
}


def measure(video: Path) -> Row:
    """Embed a case, cluster it by every method, and score what each finds."""
    truth = read_truth(truth_of(video))
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        run = Run.create(Path(folder) / "run", video)
        for parameters in (VideoParameters(), EmbedParameters()):
            run_stage(run, parameters, progress=False)
        distances = frame_distances(run.embeddings(), ClusterParameters().min_samples)
    row: Row = {"case": video.stem, "frames": len(truth)}
    for method, label in METHODS.items():
        found = evaluate(truth, [OrderRow(k, int(scene), k) for k, scene in enumerate(label(distances))])
        row |= {f"{method}_{figure}": found[figure] for figure in FIGURES}
    return row


def whole(row: Row, method: str) -> bool:
    """Whether a method finds every scene and every foreign frame of a case."""
    return all(row[f"{method}_{figure}"] >= FOUND for figure in FIGURES)


def table(rows: Sequence[Row]) -> str:
    """Format the rows as text with aligned columns; below them means, least values, and on how many cases all is right."""
    names = [f"{method}_{figure}" for method in METHODS for figure in FIGURES]
    lines = [[row["case"], str(row["frames"]), *(f"{row[name]:.3f}" for name in names)] for row in rows]
    for title, summary in (("mean", fmean), ("least", min)):
        lines.append([title, "", *(f"{summary(row[name] for row in rows):.3f}" for name in names)])
    counts = [str(sum(whole(row, method) for row in rows)) for method in METHODS]
    lines.append(["all is right", "", *(text for count in counts for text in (count, ""))])
    heads = [
        ["", "", *(text for method in METHODS for text in (method, ""))],
        ["case", "frames", *["outlier", "scene"] * len(METHODS)],
    ]
    widths = [max(map(len, column)) for column in zip(*heads[1:], *lines, strict=True)]
    widths[2:] = [max(width, 8) for width in widths[2:]]
    texts = []
    for line in [*heads, *lines]:
        first, *others = (
            text.rjust(width) if k else text.ljust(width) for k, (text, width) in enumerate(zip(line, widths, strict=True))
        )
        texts.append("  ".join([first, *others]).rstrip())
    return "\n".join(texts)


def comparisons(rows: Sequence[Row]) -> list[str]:
    """Say on how many cases the first method is better than each other, by the mean of both figures; one line each."""
    first, *others = METHODS
    lines = []
    for other in others:
        gains = [fmean(row[f"{first}_{figure}"] - row[f"{other}_{figure}"] for figure in FIGURES) for row in rows]
        better, worse = sum(gain > 1 - FOUND for gain in gains), sum(gain < FOUND - 1 for gain in gains)
        lines.append(
            f"{first} / {other}: better on {better} cases, worse on {worse}, equal on {len(rows) - better - worse}; "
            f"mean gain {fmean(gains):+.3f}, {min(gains):+.3f} to {max(gains):+.3f} per case"
        )
    return lines


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", type=Path, nargs="+", help="folders with NAME.mp4 and NAME.truth.csv")
    parser.add_argument("--out", type=Path, help="CSV file for the rows, with all digits")
    chosen = parser.parse_args(arguments)
    try:
        videos = [video for folder in chosen.folders for video in find_cases(folder)]
        rows = [measure(video) for video in tqdm(videos, unit="case")]
        if chosen.out:
            write_rows(rows, chosen.out)
    except WorkbenchError as error:
        print(f"benchmark: {error}", file=sys.stderr)
        return error.exit_status
    print(table(rows))
    print("\n" + "\n".join(comparisons(rows)))
    return 0


def write_rows(rows: Sequence[Row], out: Path) -> None:
    """Write the rows as CSV.

    Raises
    ------
    ~workbench.errors.RunError
        ``out`` cannot be written.
    """
    try:
        with out.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
    except OSError as error:
        raise RunError(f"{out} cannot be written ({error.strerror}): choose another --out") from error


if __name__ == "__main__":
    sys.exit(main())
