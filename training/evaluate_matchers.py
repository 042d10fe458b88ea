"""Matchers side by side on held-out photographs under random homographies and light, at 320 x 240.

python -m training.evaluate_matchers --photographs DIR [--model superglue-sift ...] [--pairs 60]
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from tqdm import tqdm

from training.light import blurred, noisy, relit
from training.matcher_scenes import covering
from training.pictures import photographs, read_photograph
from training.warps import Viewpoint, Warp, random_homography
from workbench.matching.base import Matcher
from workbench.matching.matches import make_matcher
from workbench.matching.nearest import SiftExact, SiftFlann
from workbench.matching.sift import sift_features
from workbench.parameters import MatchParameters
from workbench.storage.hloc import Features

SIZE = (320, 240)
KEYPOINTS = 512
# Wider than the views that matchers are trained on.
VIEWPOINTS = {
    "small": Viewpoint(rotation=10, zoom=1.15, shift=0.08, perspective=0.06),
    "medium": Viewpoint(rotation=25, zoom=1.35, shift=0.12, perspective=0.13),
    "large": Viewpoint(rotation=45, zoom=1.7, shift=0.18, perspective=0.2),
}
RIGHT = 3.0  # px
FOUND = 5.0  # px, mean error of the four corners of a homography that counts as found


@dataclass(frozen=True)
class Pair:
    """Two (240, 320, 3) uint8 RGB pictures and the (3, 3) homography from the first to the second, px."""

    first: np.ndarray
    second: np.ndarray
    homography: np.ndarray
    light: str
    viewpoint: str


def plain(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Light that hardly changes."""
    return noisy(relit(image, rng, (0.85, 1.2), (0.9, 1.1), 0.05), rng, 3)


def dark(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A fifth to a half of the light, a longer exposure's blur, and the noise that comes with it."""
    return noisy(blurred(relit(image, rng, (1.3, 2.4), (0.3, 0.6)), rng, 1.0), rng, 8)


def bright(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Overexposed: the brightest parts are white."""
    return noisy(blurred(relit(image, rng, (0.4, 0.7), (1.1, 1.6)), rng, 1.0), rng, 8)


def flicker(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Any light, drawn anew for both pictures, out of focus."""
    return noisy(blurred(relit(image, rng), rng, 1.5), rng, 10)


LIGHTS: dict[str, Callable[[np.ndarray, np.random.Generator], np.ndarray]] = {
    "plain": plain,
    "dark": dark,
    "bright": bright,
    "flicker": flicker,
}


def make_pairs(paths: list[Path], count: int, seed: int) -> list[Pair]:
    """``count`` pairs for each light and viewpoint; every pair shows another photograph as long as there are some left."""
    pairs = []
    for row, light in enumerate(LIGHTS):
        for column, viewpoint in enumerate(VIEWPOINTS):
            for number in range(count):
                rng = np.random.default_rng((seed, row, column, number))
                place = ((row * len(VIEWPOINTS) + column) * count + number) % len(paths)
                picture = covering(read_photograph(paths[place], 500), SIZE)
                homography = random_homography(SIZE, VIEWPOINTS[viewpoint], rng)
                moved = cv2.remap(
                    picture, Warp(homography).map(SIZE), None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
                )
                first = (flicker if light == "flicker" else plain)(picture, rng)
                pairs.append(Pair(first, LIGHTS[light](moved, rng), homography, light, viewpoint))
    return pairs


def measure(pair: Pair, a: Features, b: Features, matches: np.ndarray) -> dict[str, float]:
    """Of one pair: matches, how many of them are right, and whether their homography is found (0 or 1)."""
    chosen = np.flatnonzero(matches >= 0)
    start, end = a.keypoints[chosen], b.keypoints[matches[chosen]]
    true = cv2.perspectiveTransform(start[None].astype(np.float64), pair.homography)[0] if len(start) else start
    right = int((np.linalg.norm(true - end, axis=1) < RIGHT).sum())
    found = None
    if len(chosen) >= 4:
        cv2.setRNGSeed(0)
        found, _ = cv2.findHomography(start, end, cv2.RANSAC, RIGHT)
    return {"matches": len(chosen), "right": right, "found": float(found is not None and _corner_error(found, pair) < FOUND)}


def _corner_error(homography: np.ndarray, pair: Pair) -> float:
    width, height = SIZE
    corners = np.array([[[0, 0], [width, 0], [width, height], [0, height]]], dtype=np.float64)
    moved = [cv2.perspectiveTransform(corners, matrix) for matrix in (homography, pair.homography)]
    return float(np.linalg.norm(moved[0] - moved[1], axis=2).mean())


def compare(pairs: list[Pair], methods: dict[str, tuple[float, Matcher]]) -> pd.DataFrame:
    """A row for every pair and method. methods: SIFT contrast threshold and matcher, by name."""
    rows = []
    for pair in tqdm(pairs, desc="pairs"):
        features = {
            threshold: [sift_features(image, KEYPOINTS, threshold, SIZE) for image in (pair.first, pair.second)]
            for threshold in {threshold for threshold, _ in methods.values()}
        }
        for name, (threshold, matcher) in methods.items():
            a, b = features[threshold]
            start = time.perf_counter()
            matches, _ = matcher.match([a], [b])[0]
            seconds = time.perf_counter() - start
            row = {"method": name, "light": pair.light, "viewpoint": pair.viewpoint, "milliseconds": 1000 * seconds}
            rows.append(row | measure(pair, a, b, matches))
    return pd.DataFrame(rows)


def table(measured: pd.DataFrame) -> pd.DataFrame:
    """Precision at 3 px % / right matches a pair / homographies found %, a column a condition, a row a method.

    Precision is that of all matches of a condition together, as in the share of right ones among them.
    """

    def cell(part: pd.DataFrame) -> str:
        precision = 100 * part["right"].sum() / max(1, part["matches"].sum())
        return f"{precision:.1f} / {part['right'].mean():.0f} / {100 * part['found'].mean():.0f}"

    methods = list(measured["method"].unique())
    conditions = {"all": np.ones(len(measured), bool)}
    conditions |= {light: measured["light"] == light for light in LIGHTS}
    conditions |= {viewpoint: measured["viewpoint"] == viewpoint for viewpoint in VIEWPOINTS}
    cells = {
        name: [cell(measured[chosen & (measured["method"] == method)]) for method in methods]
        for name, chosen in conditions.items()
    }
    cells["ms a pair"] = [f"{measured.loc[measured['method'] == method, 'milliseconds'].mean():.1f}" for method in methods]
    return pd.DataFrame(cells, index=methods)


def main(arguments: list[str] | None = None) -> None:
    """The command line at the top of this file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photographs", type=Path, required=True, help="the folder that was trained on; its held-out tenth")
    parser.add_argument("--model", nargs="*", default=["superglue-sift"], help="bundled name, folder, or hub name")
    parser.add_argument(
        "--threshold",
        nargs="*",
        type=float,
        default=[MatchParameters().match_threshold],
        help="SuperGlue's match thresholds to try",
    )
    parser.add_argument("--pairs", type=int, default=60, help="pairs for each of the 12 conditions")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(arguments)
    methods: dict[str, tuple[float, Matcher]] = {
        "SIFT 0.04 + FLANN 0.75": (0.04, SiftFlann(0.75)),
        "SIFT 0.01 + FLANN 0.75": (0.01, SiftFlann(0.75)),
        "SIFT 0.01 + mutual nearest": (0.01, SiftExact(1.0)),
    }
    for model in given.model:
        for threshold in given.threshold:
            parameters = MatchParameters(matcher="superglue", model=model, match_threshold=threshold)
            methods[f"SIFT 0.01 + {Path(model).name} at {threshold:g}"] = (0.01, make_matcher(parameters))
    measured = compare(make_pairs(photographs(given.photographs, held_out_tenth=True), given.pairs, given.seed), methods)
    print(table(measured).to_string())


if __name__ == "__main__":
    main()
