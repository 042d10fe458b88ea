"""Measure how fast the controls of the notebooks respond: kernel time from a change until everything shown is updated.

    python benchmarks/lab.py RUN [--repeats 15]

RUN is a finished run directory; it is only read. Times vary on a busy machine, so each is also given as a ratio: for the match
inspector, to matching the same pairs by both matchers with features in memory; for the scene tuner, at 5,000 frames, to DBSCAN
alone. Times are medians, with as many threads as PyTorch uses (``OMP_NUM_THREADS``).
"""

import argparse
import time
from collections.abc import Callable, Iterator
from statistics import median

import ipywidgets
import numpy as np
import torch

from workbench import widgets
from workbench.embedding.descriptors import unit_length
from workbench.embedding.distances import cosine_distances
from workbench.notebooks import pairview
from workbench.parameters import ClusterParameters, FeatureParameters, MatchParameters
from workbench.run import Run
from workbench.scenes import dbscan
from workbench.scenes import eps as eps_module
from workbench.widgets.scenes import SceneTuner

TUNER_FRAMES = 5000  # that the scene tuner is measured with


def control(widget: ipywidgets.Widget, name: str) -> ipywidgets.Widget:
    """Find the control inside ``widget`` that has the CSS class ``wb-NAME``."""

    def inside(outer: ipywidgets.Widget) -> Iterator[ipywidgets.Widget]:
        yield outer
        for child in getattr(outer, "children", ()):
            yield from inside(child)

    return next(found for found in inside(widget) if f"wb-{name}" in getattr(found, "_dom_classes", ()))


def milliseconds(work: Callable[[int], object], repeats: int) -> float:
    """Median time of ``work(0)``, ``work(1)``, ... in milliseconds."""
    times = []
    for number in range(repeats):
        start = time.perf_counter()
        work(number)
        times.append(1e3 * (time.perf_counter() - start))
    return median(times)


def matching_alone(run: Run, pairs: np.ndarray, features: FeatureParameters, matching: MatchParameters) -> float:
    """The milliseconds to match a pair with the matcher of the run and with FLANN, keypoints being in memory."""
    matcher = pairview.PairMatcher(run)
    both = [matcher.matcher(each) for each in (matching, MatchParameters(matcher="sift-flann"))]
    frames = [[[matcher.features(frame, features)] for frame in pair] for pair in pairs.tolist()]
    for each in both:  # one call to warm up before the clock starts
        each.match(*frames[0])
    return milliseconds(lambda k: [each.match(*frames[k]) for each in both], len(pairs))


def pair_times(run: Run, repeats: int) -> dict[str, float]:
    """The milliseconds of every change in the match inspector, by name; the first entry is matching alone."""
    features = FeatureParameters(**run.parameters("features"))
    matching = MatchParameters(**run.parameters("match"))
    inspector = widgets.match_inspector(run, features, matching)
    place, threshold, most = (control(inspector, name) for name in ("place", "match-threshold", "max-keypoints"))
    places = np.linspace(0, place.max, 2 * repeats + 2).astype(int).tolist()

    def move(slider: ipywidgets.Widget, values: list[float]) -> Callable[[int], None]:
        return lambda k: setattr(slider, "value", values[k])

    own, others = places[1::2], places[::2]
    found = {"matching alone": matching_alone(run, pairview.ranked_pairs(run)[own[:repeats]], features, matching)}
    found["a new pair, with the settings of the run"] = milliseconds(move(place, own), repeats)
    threshold.value = 0.01  # loads the weights
    found["match threshold moved"] = milliseconds(move(threshold, [0.02 * (k + 1) for k in range(repeats)]), repeats)
    found["a new pair, matched with other thresholds"] = milliseconds(move(place, others), repeats)
    values = [features.max_keypoints - 1 - k for k in range(repeats)]
    found["number of keypoints moved"] = milliseconds(move(most, values), repeats)
    return found


class LongRun:
    """A stand-in for a long run that has what the scene tuner reads: frames of a run repeated, vectors with some noise."""

    def __init__(self, run: Run, frames: int) -> None:
        rng = np.random.default_rng(0)
        self._frame = np.arange(frames) % len(run.images())
        self._images, vectors = run.images(), run.embeddings()[self._frame]
        noise = rng.normal(0, 0.02 / vectors.shape[1] ** 0.5, vectors.shape)
        self.vectors = unit_length((vectors + noise).astype(np.float32))
        self._points = rng.normal(size=(frames, 2)).astype(np.float32)

    def images(self) -> np.ndarray:
        """Working copies of the frames, (N, h, w, 3) uint8 RGB."""
        return self._images[self._frame]

    def map_points(self) -> np.ndarray:
        """Random points, (N, 2) float32: their places do not matter here."""
        return self._points


def eps_times(run: Run, frames: int, repeats: int) -> dict[str, float]:
    """The milliseconds of DBSCAN alone, and of moving eps until counts, map, curve, table and gallery are updated."""
    clip = LongRun(run, frames)
    distances = cosine_distances(clip.vectors)
    eps = np.array([0.2, 0.5, 1.0, 1.5, 2.0, 3.0]) * run.info("cluster")["suggested_eps"]
    scenes, outliers = np.full(len(eps), 3), np.full(len(eps), 20)
    tree = dbscan.DbscanTree(distances, 3)
    sweep = eps_module.EpsSweep(
        eps, scenes, outliers, np.ones(len(eps)), np.ones(len(eps)), float(eps[2]), eps[1], eps[3], tree
    )
    tuner = SceneTuner(clip, distances, sweep, ClusterParameters())
    values = np.geomspace(0.3, 3.9, repeats) * eps[2]
    alone = milliseconds(lambda k: dbscan.dbscan(distances, values[k], 3), repeats)
    return {"DBSCAN alone": alone, "eps moved": milliseconds(lambda k: setattr(tuner.eps, "value", values[k]), repeats)}


def main() -> None:
    """Print one line per change."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("run")
    options.add_argument("--repeats", type=int, default=15)
    chosen = options.parse_args()
    run = Run.open(chosen.run)
    height, width = run.images().shape[1:3]
    print(f"{len(run.images())} frames of {width} x {height}, {torch.get_num_threads()} threads, {chosen.repeats} of each")
    _table(pair_times(run, chosen.repeats))
    print(f"{TUNER_FRAMES} frames, those of the run repeated")
    _table(eps_times(run, TUNER_FRAMES, chosen.repeats))


def _table(times: dict[str, float]) -> None:
    (first, alone), *_ = times.items()
    for name, value in times.items():
        print(f"{name:<42}{value:>7.0f} ms  {value / alone:>5.1f} times the {first}")


if __name__ == "__main__":
    main()
