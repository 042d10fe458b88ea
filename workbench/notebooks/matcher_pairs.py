"""What matchers find on drawn pairs, whose true matches are known: every match is right or wrong."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import cv2
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from workbench.errors import ModelError
from workbench.evaluation.drawn_pairs import DrawnPair, is_right
from workbench.matching.base import Detector, Matcher
from workbench.matching.keypoints import make_detector
from workbench.matching.matches import make_matcher
from workbench.models.open_weights import OPEN_WEIGHTS
from workbench.models.weight_files import find_file
from workbench.parameters import FeatureParameters, MatchParameters
from workbench.run.stages import stage_parameters

KEYPOINTS = 512  # per view at most
PALE = 160  # grey levels by which black is made paler
RIGHT_COLOUR, WRONG_COLOUR = "#0072B2", "#D55E00"  # can be told apart by colour-blind readers


@dataclass(frozen=True)
class ShownMethod:
    """Keypoints and a matcher.

    Attributes
    ----------
    settings : dict
        Parameters that are not the default, by dotted name.
    weights : tuple of str
        Files of open weights that it needs; see :mod:`workbench.models.open_weights`.
    """

    settings: dict[str, str]
    weights: tuple[str, ...] = ()


SHOWN_METHODS = {
    "sift-flann": ShownMethod({"match.matcher": "sift-flann"}),
    "sift-exact": ShownMethod({"match.matcher": "sift-exact"}),
    "superglue-sift": ShownMethod({}),
    "xfeat + lighterglue": ShownMethod(
        {"features.keypoints": "xfeat", "match.matcher": "lighterglue"}, ("xfeat", "xfeat-lighterglue")
    ),
    "aliked + lightglue": ShownMethod(
        {"features.keypoints": "aliked", "match.matcher": "lightglue", "match.model": "aliked-lightglue"},
        ("aliked-n16", "aliked-lightglue"),
    ),
    "disk + lightglue": ShownMethod(
        {"features.keypoints": "disk", "match.matcher": "lightglue", "match.model": "disk-lightglue"},
        ("disk-depth", "disk-lightglue"),
    ),
}


@dataclass(frozen=True, eq=False)
class JudgedMatches:
    """The matches of a pair by one method, and which of them are right.

    Attributes
    ----------
    pair : DrawnPair
        The pair.
    method : str
        Name of the method.
    points_a, points_b : (M, 2) float arrays
        Matched x, y, px of the views.
    right : (M,) bool array
        Whether a match is within 3 px of its true place.
    """

    pair: DrawnPair
    method: str
    points_a: np.ndarray
    points_b: np.ndarray
    right: np.ndarray


def methods_here() -> tuple[list[str], list[str]]:
    """List the methods that this machine can show; nothing is fetched.

    Returns
    -------
    here : list of str
        Names of :data:`SHOWN_METHODS` whose weights are on this machine.
    left_out : list of str
        Names of the others.
    """
    here, left_out = [], []
    for name, method in SHOWN_METHODS.items():
        try:
            if all(find_file(OPEN_WEIGHTS[file]) for file in method.weights):
                _open(name)
                here.append(name)
            else:
                left_out.append(name)
        except ModelError:  # a package that the method needs is missing
            left_out.append(name)
    return here, left_out


def judge(pairs: Sequence[DrawnPair], methods: Sequence[str]) -> list[JudgedMatches]:
    """Match drawn pairs.

    Parameters
    ----------
    pairs : sequence of DrawnPair
        The pairs.
    methods : sequence of str
        Names of :data:`SHOWN_METHODS`.

    Returns
    -------
    list of JudgedMatches
        For every pair one per method.

    Raises
    ------
    ModelError
        If the weights of a method are not here and cannot be fetched.
    """
    found = []
    opened = {name: _open(name) for name in methods}
    for pair in pairs:
        for name, (detect, matcher) in opened.items():
            a, b = (detect(image, (image.shape[1], image.shape[0])) for image in (pair.first, pair.second))
            matches = matcher.match([a], [b])[0][0]
            chosen = np.flatnonzero(matches >= 0)
            ends = a.keypoints[chosen], b.keypoints[matches[chosen]]
            found.append(JudgedMatches(pair, name, *ends, is_right(pair, *ends)))
    return found


def judged_table(found: Sequence[JudgedMatches]) -> pd.DataFrame:
    """Count right matches.

    Parameters
    ----------
    found : sequence of JudgedMatches
        From :func:`judge`.

    Returns
    -------
    DataFrame
        One row per pair and method: ``pair``, ``method``, ``matches``, ``right``.
    """
    rows = [(one.pair.name, one.method, len(one.right), int(one.right.sum())) for one in found]
    return pd.DataFrame(rows, columns=["pair", "method", "matches", "right"])


def judged_figure(found: Sequence[JudgedMatches]) -> Figure:
    """Draw pairs side by side with their matches, right ones in one colour, wrong ones dashed in another.

    Parameters
    ----------
    found : sequence of JudgedMatches
        From :func:`judge`.

    Returns
    -------
    Figure
        A row per method, a column per pair.
    """
    names, pairs = list(dict.fromkeys(one.method for one in found)), list({id(one.pair): one.pair for one in found}.values())
    height, width = pairs[0].first.shape[:2]
    across = 9 / max(2, len(pairs))
    size = (9, (across * height / (2 * width) + 0.3) * len(names))
    fig, axes = plt.subplots(len(names), len(pairs), figsize=size, squeeze=False, layout="constrained")
    for one in found:
        ax = axes[names.index(one.method), next(place for place, pair in enumerate(pairs) if pair is one.pair)]
        both = np.hstack([one.pair.first, one.pair.second])
        # Pale and grey, so that the lines stand out, and the figure is small enough to be kept in a notebook.
        ax.imshow(cv2.cvtColor(both, cv2.COLOR_RGB2GRAY), cmap="gray", vmin=-PALE, vmax=255, interpolation="antialiased")
        ends = np.stack([one.points_a, np.add(one.points_b, [width, 0])], axis=1)
        for right, colour, style in ((False, WRONG_COLOUR, "--"), (True, RIGHT_COLOUR, "-")):
            ax.add_collection(LineCollection(ends[one.right == right], colors=colour, linewidths=0.7, linestyles=style))
        ax.set_axis_off()
        ax.set_title(f"{one.pair.name}, {one.method}: {one.right.sum()} right, {(~one.right).sum()} wrong", fontsize=8)
    return fig


def _open(name: str) -> tuple[Detector, Matcher]:
    chosen = stage_parameters(SHOWN_METHODS[name].settings | {"features.max_keypoints": KEYPOINTS})
    return make_detector(cast(FeatureParameters, chosen["features"])), make_matcher(cast(MatchParameters, chosen["match"]))
