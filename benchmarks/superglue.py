"""Compare the speed of the workbench's SuperGlue with that of transformers, in one process on the same features.

    python benchmarks/superglue.py [--keypoints 400] [--pairs 16] [--repeats 5]

Times vary on a busy machine, so both take turns and the medians are compared: seconds, and CPU seconds of all threads. Both
use as many threads as PyTorch does (``OMP_NUM_THREADS``); transformers gets four pairs at once, which is as fast as any batch.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from statistics import median

import cv2
import numpy as np
import torch
from sklearn.datasets import load_sample_images

from workbench.matching.sift import sift_features
from workbench.matching.superglue import SuperGlue
from workbench.models.pretrained import load_pretrained
from workbench.parameters import MatchParameters
from workbench.storage.hloc import Features

SIZE = (1280, 720)  # width and height of the frames, px
PAIRS_PER_BATCH = 4  # that transformers gets at once


def photograph_frames(count: int, keypoints: int) -> list[Features]:
    """SIFT features of a window that moves 4 px per frame over an enlarged photograph of scikit-learn.

    Random descriptors would not be realistic: the network gives scores for them that do not occur with pictures.

    Parameters
    ----------
    count : int
        Number of frames.
    keypoints : int
        Maximum number of keypoints per frame.

    Returns
    -------
    list of Features
        One per frame.
    """
    picture = cv2.resize(load_sample_images().images[0], None, fx=2.5, fy=2.5, interpolation=cv2.INTER_CUBIC)
    windows = (np.ascontiguousarray(picture[: SIZE[1], 4 * place : 4 * place + SIZE[0]]) for place in range(count))
    return [sift_features(window, keypoints, 0.01, SIZE) for window in windows]


def transformers_own(parameters: MatchParameters) -> Callable[[Sequence[Features], Sequence[Features]], list[np.ndarray]]:
    """Load transformers' SuperGlue; the returned function gives ``matches0`` of every pair."""
    model = load_pretrained("SuperGlueForKeypointMatching", parameters.model, "--match.model")
    model.config.sinkhorn_iterations = parameters.sinkhorn_iterations
    model.config.matching_threshold = parameters.match_threshold

    @torch.inference_mode()
    def match(left: Sequence[Features], right: Sequence[Features]) -> list[np.ndarray]:
        found = []
        for start in range(0, len(left), PAIRS_PER_BATCH):
            pairs = list(zip(left, right, strict=True))[start : start + PAIRS_PER_BATCH]
            points = torch.from_numpy(np.array([[frame.keypoints for frame in pair] for pair in pairs]))
            descriptors = torch.from_numpy(np.array([[frame.descriptors.T for frame in pair] for pair in pairs]))
            scores = torch.from_numpy(np.array([[frame.scores for frame in pair] for pair in pairs]))
            matches, *_ = model._match_image_pair(points, descriptors, scores, SIZE[1], SIZE[0])
            found += list(matches[:, 0].numpy())
        return found

    return match


def main() -> None:
    """Print one line for each implementation, and their ratio."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, value in (("keypoints", 400), ("pairs", 16), ("repeats", 5)):
        options.add_argument(f"--{name}", type=int, default=value)
    chosen = options.parse_args()
    frames = photograph_frames(chosen.pairs + 1, chosen.keypoints)
    left, right, parameters = frames[:-1], frames[1:], MatchParameters(matcher="superglue")
    theirs, ours = transformers_own(parameters), SuperGlue(parameters, "cpu").match
    # One call of each before the clock starts: it warms up, and counts the matches that differ.
    differ = sum(int((a != b[0]).sum()) for a, b in zip(theirs(left, right), ours(left, right), strict=True))
    times: dict[str, list[tuple[float, float]]] = {"transformers": [], "workbench": []}
    for _ in range(chosen.repeats):
        for name, match in (("transformers", theirs), ("workbench", ours)):
            wall, cpu = time.perf_counter(), time.process_time()
            match(left, right)
            times[name].append((time.perf_counter() - wall, time.process_time() - cpu))
    means = {name: [1e3 * median(column) / chosen.pairs for column in zip(*rows, strict=True)] for name, rows in times.items()}
    print(f"{chosen.keypoints} keypoints per frame, {torch.get_num_threads()} threads; {differ} matches differ")
    for name, (wall, cpu) in means.items():
        print(f"{name:14}{wall:8.1f} ms per pair, {cpu:8.1f} ms of CPU")
    wall, cpu = (before / after for before, after in zip(*means.values(), strict=True))
    print(f"{'ratio':14}{wall:8.2f}              {cpu:8.2f}")


if __name__ == "__main__":
    main()
