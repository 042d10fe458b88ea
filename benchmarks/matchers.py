"""Compare keypoints and matchers: photographs with known poses, photographs under homographies and light, and cases.

    PYTHONPATH=. python benchmarks/matchers.py --pairs DIR --scorer FILE --photographs DIR --cases DIR ... [--plot FILE]

Each part is left out without its folder. ``--scorer`` is a module with ``load_pairs`` and ``score_pairs``, which measures the
pose error of a matcher. Methods whose weights are not on this machine are left out, and named. Milliseconds are those of one
thread.
"""

import argparse
import csv
import importlib.util
import sys
import time
from collections.abc import Callable, Sequence
from itertools import cycle
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import matplotlib.pyplot as plt
import numpy as np
import torch
from cases import find_cases, run_cases
from methods import SETTINGS
from tqdm import tqdm

from training.evaluate_matchers import SIZE, Pair, make_pairs, measure
from training.pictures import photographs
from workbench.errors import ModelError, WorkbenchError
from workbench.matching.base import Detector, Matcher
from workbench.matching.keypoints import make_detector
from workbench.matching.matches import make_matcher
from workbench.run.stages import stage_parameters

METHODS = tuple(name for name in SETTINGS if name != "workbench")
TIMED_KEYPOINTS, TIMED_PAIRS = 256, 20
PHOTOGRAPH_KEYPOINTS = 512
POSE_KEYPOINTS = 1024
SEED = 0

Row = dict[str, Any]


def open_method(name: str, keypoints: int) -> tuple[Detector, Matcher]:
    """Make the detector and the matcher of a method, with so many keypoints per picture at most."""
    parameters = stage_parameters(SETTINGS[name] | {"features.max_keypoints": keypoints})
    return make_detector(parameters["features"]), make_matcher(parameters["match"])


def available(names: Sequence[str]) -> list[str]:
    """The methods whose weights are here; for the others, the reason is printed."""
    found = []
    for name in names:
        try:
            open_method(name, TIMED_KEYPOINTS)
        except ModelError as error:
            print(f"{name} is left out: {error}", file=sys.stderr)
        else:
            found.append(name)
    return found


def point_matcher(name: str, keypoints: int) -> Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Make what takes two pictures and gives the places of their matches, (M, 2) px in either."""
    detect, matcher = open_method(name, keypoints)

    def match(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        a, b = (detect(image, (image.shape[1], image.shape[0])) for image in (first, second))
        matches = matcher.match([a], [b])[0][0]
        chosen = np.flatnonzero(matches >= 0)
        return a.keypoints[chosen], b.keypoints[matches[chosen]]

    return match


def poses(name: str, scorer: ModuleType, folder: Path) -> Row:
    """Pose error on photographs of one place: area under the curve up to 5, 10 and 20 degrees, precision, right matches."""
    found = scorer.score_pairs(scorer.load_pairs(str(folder)), point_matcher(name, POSE_KEYPOINTS))
    return {f"poses {key}": found[key] for key in ("auc5", "auc10", "auc20", "precision", "right")}


def homographies(name: str, pairs: Sequence[Pair]) -> Row:
    """Precision in %, right matches per pair, and homographies found in %, on photographs under homographies and light."""
    detect, matcher = open_method(name, PHOTOGRAPH_KEYPOINTS)
    rows = []
    for pair in tqdm(pairs, name):
        a, b = detect(pair.first, SIZE), detect(pair.second, SIZE)
        rows.append(measure(pair, a, b, matcher.match([a], [b])[0][0]))
    total = {key: sum(row[key] for row in rows) for key in rows[0]}
    return {
        "photographs precision": 100 * total["right"] / max(1, total["matches"]),
        "photographs right": total["right"] / len(rows),
        "photographs found": 100 * total["found"] / len(rows),
    }


def speed(name: str, pairs: Sequence[Pair]) -> Row:
    """CPU time of a picture of 320 x 240 px and of a pair, ms, in one thread."""
    detect, matcher = open_method(name, TIMED_KEYPOINTS)
    some = pairs[:TIMED_PAIRS]
    detect(some[0].first, SIZE)  # what is made at the first call does not count
    start = time.process_time()
    features = [(detect(pair.first, SIZE), detect(pair.second, SIZE)) for pair in some]
    detected = time.process_time()
    for a, b in features:
        matcher.match([a], [b])
    matched = time.process_time()
    return {
        "ms per picture": 500 * (detected - start) / len(some),
        "ms per pair": 1000 * (matched - detected) / len(some),
    }


def print_table(rows: Sequence[Row]) -> None:
    """Print a row per method."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    lines = [columns, *([_text(row.get(column, "")) for column in columns] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        print("  ".join(text.rjust(width) for text, width in zip(line, widths, strict=True)))


def _text(value: Any) -> str:
    return (
        f"{value:.3g}"
        if isinstance(value, float) and abs(value) < 1
        else f"{value:.1f}"
        if isinstance(value, float)
        else str(value)
    )


def plot(rows: Sequence[Row], out: Path) -> None:
    """Draw accuracy on the cases against their CPU seconds; what no other method surpasses in both is joined by a line."""
    points = sorted((row["cases CPU s per frame"], row["cases |tau|"], row["method"]) for row in rows)
    best = [point for place, point in enumerate(points) if all(point[1] > other[1] for other in points[:place])]
    figure, axes = plt.subplots(figsize=(7, 4.5), layout="constrained")
    axes.step([point[0] for point in best], [point[1] for point in best], where="post", color="0.7", zorder=0)
    for (seconds, tau, name), marker in zip(points, cycle("osD^vP")):  # names beside the points would lie over each other
        axes.plot(seconds, tau, marker, markersize=9, label=name)
    axes.legend(frameon=False)
    axes.set(xlabel="CPU seconds per frame", ylabel="mean |Kendall tau| over the cases", xlim=(0, None))
    figure.savefig(out, dpi=150)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=Path, help="folder with photographs and their poses")
    parser.add_argument("--scorer", type=Path, help="module that measures pose errors")
    parser.add_argument("--photographs", type=Path, help="folder that was trained on; its held-out tenth is used")
    parser.add_argument("--views", type=int, default=4, help="pairs of views for each of the 12 conditions")
    parser.add_argument("--cases", type=Path, nargs="*", default=[], help="folders with NAME.mp4 and NAME.truth.csv")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="measure these cases only")
    parser.add_argument("--methods", nargs="+", default=METHODS, choices=METHODS, metavar="METHOD")
    parser.add_argument("--out", type=Path, help="CSV file for a row per method and case")
    parser.add_argument("--plot", type=Path, help="picture of accuracy against CPU seconds on the cases")
    given = parser.parse_args(arguments)
    if bool(given.pairs) != bool(given.scorer):
        parser.error("--pairs and --scorer belong together")
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    methods = available(given.methods)
    rows: list[Row] = [{"method": name} for name in methods]
    if given.photographs:
        views = make_pairs(photographs(given.photographs, held_out_tenth=True), given.views, SEED)
        for row in rows:
            row |= speed(row["method"], views) | homographies(row["method"], views)
    if given.pairs:
        spec = importlib.util.spec_from_file_location("scorer", given.scorer)
        scorer = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(scorer)
        for row in rows:
            row |= poses(row["method"], scorer, given.pairs)
    try:
        measured = [row for folder in given.cases for row in run_cases(find_cases(folder, given.only), None, methods)]
    except WorkbenchError as error:
        print(f"benchmark: {error}", file=sys.stderr)
        return error.exit_status
    for row in rows if measured else ():
        own = [case for case in measured if case["method"] == row["method"]]
        for figure, heading in (
            ("outlier_f1", "outlier F1"),
            ("scene_f1", "scene F1"),
            ("tau", "|tau|"),
            ("adjacent", "adjacent"),
        ):
            row[f"cases {heading}"] = float(np.mean([case[figure] for case in own]))
        row["cases CPU s per frame"] = sum(case["cpu_seconds"] for case in own) / sum(case["frames"] for case in own)
    print_table(rows)
    if given.out:
        columns = list(dict.fromkeys(key for case in measured for key in case))
        with given.out.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, columns, lineterminator="\n")
            writer.writeheader()
            writer.writerows(measured)
    if given.plot and measured:
        plot(rows, given.plot)
    return int(any(case["error"] for case in measured))


if __name__ == "__main__":
    sys.exit(main())
