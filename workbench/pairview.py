"""The two frames of a matched pair as figures: their matches, and the one laid on the other."""

import numpy as np
from matplotlib.figure import Figure

from workbench import viz
from workbench.hloc import open_h5, read_features, read_matches
from workbench.register import in_pixels_of
from workbench.run import Run
from workbench.transforms import TRANSFORM, register_features


def ranked_pairs(run: Run) -> np.ndarray:
    """(P, 2) int, the run's pairs from the fewest inliers to the most."""
    return run.transforms().sort_values(["inliers", "a", "b"])[["a", "b"]].to_numpy()


def matches_figure(run: Run, a: int, b: int) -> Figure:
    """Frames ``a`` < ``b`` side by side, their matches as lines coloured by confidence, inliers told from the rest."""
    run.require("register")
    with open_h5(run.path / "features.h5") as features_file, open_h5(run.path / "matches.h5") as matches_file:
        first, second = read_features(features_file, a), read_features(features_file, b)
        matches, scores = read_matches(matches_file, a, b)
    images = run.images()
    threshold = run.record["stages"]["register"]["parameters"]["threshold"] / max(images.shape[1:3])
    aligned = register_features(first, second, matches, threshold)
    scale = images.shape[2] / int(first.image_size[0])
    fig = viz.plot_images([images[a], images[b]], [f"frame {a}", f"frame {b}"])
    return viz.plot_matches(fig, first.keypoints, second.keypoints, matches, scores, aligned.inliers, scale=scale)


def overlay_figure(run: Run, a: int, b: int) -> Figure:
    """Frame ``a`` in red over frame ``b`` in cyan, before and after the pair is registered."""
    table, images = run.transforms(), run.images()
    row = table[(table["a"] == a) & (table["b"] == b)].iloc[0]
    height, width = images.shape[1:3]
    original = run.info("video")["width"], run.info("video")["height"]
    transform = in_pixels_of(row[TRANSFORM].to_numpy(dtype=float).reshape(2, 3), original, (width, height))
    return viz.registered_overlay(images[a], images[b], transform)
