"""Compare matchers on held-out photographs under random homographies and light, at 320 x 240 px.

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
from training.matcher_scenes import scaled_and_cropped
from training.pictures import photographs, read_photograph
from training.warps import Viewpoint, Warp, random_homography
from workbench.matching.base import Matcher
from workbench.matching.matches import make_matcher
from workbench.matching.nearest import SiftExact, SiftFlann
from workbench.matching.sift import sift_features
from workbench.parameters import MatchParameters
from workbench.storage.hloc import Features

SIZE = (320, 240)  # width and height of the views, px
KEYPOINTS = 512  # maximum per view
# Larger motions than those that matchers are trained on.
VIEWPOINTS = {
    "small": Viewpoint(rotation=10, zoom=1.15, shift=0.08, perspective=0.06),
    "medium": Viewpoint(rotation=25, zoom=1.35, shift=0.12, perspective=0.13),
    "large": Viewpoint(rotation=45, zoom=1.7, shift=0.18, perspective=0.2),
}
MAX_MATCH_ERROR = 3.0  # px: a match nearer to its true place is right; also the RANSAC threshold
MAX_CORNER_ERROR = 5.0  # px: a homography with a smaller mean error of the four corners counts as found


@dataclass(frozen=True)
class Pair:
    """Two views of a photograph and the homography between them.

    Attributes
    ----------
    first, second : (240, 320, 3) uint8 array
        The views, RGB.
    homography : (3, 3) float64 array
        From the first view to the second, px.
    light, viewpoint : str
        The condition, keys of :data:`LIGHTS` and :data:`VIEWPOINTS`.
    """

    first: np.ndarray
    second: np.ndarray
    homography: np.ndarray
    light: str
    viewpoint: str


def plain(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Nearly unchanged light."""
    return noisy(relit(image, rng, (0.85, 1.2), (0.9, 1.1), 0.05), rng, 3)


def dark(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Low light: a gain of 0.3 to 0.6, the blur of a longer exposure, and the noise that comes with it."""
    return noisy(blurred(relit(image, rng, (1.3, 2.4), (0.3, 0.6)), rng, 1.0), rng, 8)


def bright(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Overexposed: the brightest parts are white."""
    return noisy(blurred(relit(image, rng, (0.4, 0.7), (1.1, 1.6)), rng, 1.0), rng, 8)


def flicker(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Flickering light: any light, drawn anew for both pictures, which are out of focus."""
    return noisy(blurred(relit(image, rng), rng, 1.5), rng, 10)


LIGHTS: dict[str, Callable[[np.ndarray, np.random.Generator], np.ndarray]] = {
    "plain": plain,
    "dark": dark,
    "bright": bright,
    "flicker": flicker,
}


def make_pairs(paths: list[Path], count: int, seed: int) -> list[Pair]:
    """Make ``count`` pairs for each light and viewpoint; photographs are used again only when all have been used."""
    pairs = []
    for row, light in enumerate(LIGHTS):
        for column, viewpoint in enumerate(VIEWPOINTS):
            for number in range(count):
                rng = np.random.default_rng((seed, row, column, number))
                place = ((row * len(VIEWPOINTS) + column) * count + number) % len(paths)
                picture = scaled_and_cropped(read_photograph(paths[place], 500), SIZE)
                homography = random_homography(SIZE, VIEWPOINTS[viewpoint], rng)
                moved = cv2.remap(
                    picture, Warp(homography).map(SIZE), None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
                )
                first = (flicker if light == "flicker" else plain)(picture, rng)
                pairs.append(Pair(first, LIGHTS[light](moved, rng), homography, light, viewpoint))
    return pairs


def measure(pair: Pair, a: Features, b: Features, matches: np.ndarray) -> dict[str, float]:
    """Measure the matches of one pair.

    Parameters
    ----------
    pair : Pair
        The views.
    a, b : Features
        Keypoints of the first and of the second view.
    matches : (K,) int array
        For every keypoint of the first view its match in the second, -1 for none.

    Returns
    -------
    dict
        ``matches``: their number; ``right``: how many lie within :data:`MAX_MATCH_ERROR` px of their true place; ``found``: 1
        when RANSAC finds the homography from them, else 0.
    """
    chosen = np.flatnonzero(matches >= 0)
    start, end = a.keypoints[chosen], b.keypoints[matches[chosen]]
    true = cv2.perspectiveTransform(start[None].astype(np.float64), pair.homography)[0] if len(start) else start
    right = int((np.linalg.norm(true - end, axis=1) < MAX_MATCH_ERROR).sum())
    found = None
    if len(chosen) >= 4:
        cv2.setRNGSeed(0)
        found, _ = cv2.findHomography(start, end, cv2.RANSAC, MAX_MATCH_ERROR)
    is_found = found is not None and _corner_error(found, pair) < MAX_CORNER_ERROR
    return {"matches": len(chosen), "right": right, "found": float(is_found)}


def _corner_error(homography: np.ndarray, pair: Pair) -> float:
    """Mean distance, px, of the corners of the view under a homography and under the true one."""
    width, height = SIZE
    corners = np.array([[[0, 0], [width, 0], [width, height], [0, height]]], dtype=np.float64)
    moved = [cv2.perspectiveTransform(corners, matrix) for matrix in (homography, pair.homography)]
    return float(np.linalg.norm(moved[0] - moved[1], axis=2).mean())


def compare(pairs: list[Pair], methods: dict[str, tuple[float, Matcher]]) -> pd.DataFrame:
    """Match all pairs by all methods (SIFT contrast threshold and matcher, by name): a table with a row per pair and method."""
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
    """Summarise :func:`compare`: one row per method, one column per condition.

    A cell holds precision at 3 px in %, right matches per pair, and homographies found in %. Precision is the share of right
    matches among all matches of the condition together.
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
    cells["ms per pair"] = [f"{measured.loc[measured['method'] == method, 'milliseconds'].mean():.1f}" for method in methods]
    return pd.DataFrame(cells, index=methods)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line at the top of this file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--photographs", type=Path, required=True, help="folder that was trained on; its held-out tenth is used"
    )
    parser.add_argument(
        "--model", nargs="*", default=["superglue-sift"], help="bundled name, folder, or hub name of SuperGlue weights"
    )
    parser.add_argument(
        "--threshold",
        nargs="*",
        type=float,
        default=[MatchParameters().match_threshold],
        help="match thresholds of SuperGlue to try",
    )
    parser.add_argument("--pairs", type=int, default=60, help="pairs for each of the 12 conditions")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(arguments)
    methods: dict[str, tuple[float, Matcher]] = {
        "SIFT 0.04 + FLANN 0.75": (0.04, SiftFlann(MatchParameters(ratio=0.75))),
        "SIFT 0.01 + FLANN 0.75": (0.01, SiftFlann(MatchParameters(ratio=0.75))),
        "SIFT 0.01 + mutual nearest": (0.01, SiftExact(MatchParameters(ratio=1.0))),
    }
    for model in given.model:
        for threshold in given.threshold:
            parameters = MatchParameters(matcher="superglue", model=model, match_threshold=threshold)
            methods[f"SIFT 0.01 + {Path(model).name} at {threshold:g}"] = (0.01, make_matcher(parameters))
    measured = compare(make_pairs(photographs(given.photographs, held_out_tenth=True), given.pairs, given.seed), methods)
    print(table(measured).to_string())


if __name__ == "__main__":
    main()
