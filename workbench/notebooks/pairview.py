"""The two frames of a pair: their matches, as the run has them or found anew, as figures; and the one laid on the other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from workbench import viz
from workbench.matching.base import Matcher
from workbench.matching.keypoints import detector
from workbench.matching.matches import make_matcher
from workbench.parameters import FeatureParameters, MatchParameters
from workbench.registration.pair import Registration, in_pixels_of
from workbench.registration.tables import TRANSFORM, register_features
from workbench.run import Run
from workbench.run.stages import stage_parameters
from workbench.storage.hloc import Features, has_pair, open_h5, read_features, read_matches
from workbench.viz.pairs import match_picture


def ranked_pairs(run: Run) -> np.ndarray:
    """(P, 2) int, the run's pairs inside scenes from the fewest inliers to the most."""
    table, scenes = run.transforms(), run.scenes()
    a, b = scenes[table["a"]], scenes[table["b"]]
    return table[(a == b) & (a >= 0)].sort_values(["inliers", "a", "b"])[["a", "b"]].to_numpy()


def matches_figure(run: Run, a: int, b: int, other: MatchParameters | None = None) -> Figure:
    """Frames ``a`` < ``b`` side by side, their matches as lines coloured by confidence, inliers told from the rest.

    Drawn are the run's own matches; with ``other``, those that this matcher finds between the same keypoints.
    """
    ((first, second),) = _features(run, [(a, b)])
    if other is None:
        with open_h5(run.matches_path) as file:
            matches, scores = read_matches(file, a, b, (len(first), len(second)))
        name = run.parameters("match")["matcher"]
    else:
        matches, scores = make_matcher(other).match([first], [second])[0]
        name = other.matcher
    images = run.images()
    aligned = register_features(first, second, matches, run.ransac_threshold())
    scale = images.shape[2] / int(first.image_size[0])
    fig = viz.plot_images([images[a], images[b]], [f"frame {a}", f"frame {b}"])
    fig = viz.plot_matches(fig, first.keypoints, second.keypoints, matches, scores, aligned.inliers, scale=scale)
    fig.suptitle(f"{name}: {fig.get_suptitle()}", fontsize=10)
    return fig


def compare_matchers(run: Run, pairs: np.ndarray, matchers: Sequence[MatchParameters]) -> pd.DataFrame:
    """Every matcher on the same keypoints of the same pairs, (P, 2) int with a < b: a row a matcher, means over the pairs.

    Without pairs all are 0. Columns: matches, inliers (of the transform that most matches agree on), inlier share (0 to 1),
    registered (share of the pairs for which a transform was found). Raises :class:`~workbench.errors.ModelError` as the
    matchers do.
    """
    rows = {}
    features, threshold = _features(run, pairs.tolist()), run.ransac_threshold()
    for parameters in matchers:
        found = make_matcher(parameters).match([a for a, _ in features], [b for _, b in features])
        aligned = [register_features(*both, matches, threshold) for both, (matches, _) in zip(features, found, strict=True)]
        matches = [int((matches >= 0).sum()) for matches, _ in found]
        inliers = [int(item.inliers.sum()) for item in aligned]
        rows[parameters.matcher] = {
            "matches": sum(matches) / max(1, len(pairs)),
            "inliers": sum(inliers) / max(1, len(pairs)),
            "inlier share": sum(inliers) / max(1, sum(matches)),
            "registered": sum(item.model != "none" for item in aligned) / max(1, len(pairs)),
        }
    return pd.DataFrame.from_dict(rows, orient="index").round(3)


def _features(run: Run, pairs: Sequence[Sequence[int]]) -> list[tuple[Features, Features]]:
    run.require("register")
    with open_h5(run.features_path) as file:
        return [(read_features(file, a), read_features(file, b)) for a, b in pairs]


def overlay_figure(run: Run, a: int, b: int) -> Figure:
    """Frame ``a`` in red over frame ``b`` in cyan, before and after the pair is registered."""
    table, images = run.transforms(), run.images()
    row = table[(table["a"] == a) & (table["b"] == b)].iloc[0]
    height, width = images.shape[1:3]
    original = run.info("video")["width"], run.info("video")["height"]
    transform = in_pixels_of(row[TRANSFORM].to_numpy(dtype=float).reshape(2, 3), original, (width, height))
    return viz.registered_overlay(images[a], images[b], transform)


def settings_figure(run: Run, a: int, b: int, settings: Sequence[Mapping[str, Any]]) -> Figure:
    """The matches of frames ``a`` < ``b`` under several settings, one below the other, with what each finds.

    settings: names of feature and match parameters with values (``{"match_threshold": 0.5}``); the rest are defaults. Lines are
    those of :func:`~workbench.viz.pairs.match_picture`. Raises as :class:`PairMatcher` does, and
    :class:`~workbench.errors.ParameterError` for settings that cannot be.
    """
    matcher, images = PairMatcher(run), run.images()
    height = 7.6 * images.shape[1] / (2 * images.shape[2]) + 0.3
    fig, axes = plt.subplots(len(settings), figsize=(7.6, height * len(settings)), squeeze=False, layout="constrained")
    for ax, values in zip(axes[:, 0], settings, strict=True):
        chosen = stage_parameters(dict(values))
        found = matcher.match(a, b, chosen["features"], chosen["match"])
        ends, agree = (found.first.keypoints, found.second.keypoints), found.aligned.inliers
        scale = images.shape[2] / matcher.size[0]
        ax.imshow(match_picture(images[a], images[b], *ends, found.matches, found.scores, agree, scale=scale, size=(376, 376)))
        ax.set_axis_off()
        named = ", ".join(f"{name} {value}" for name, value in values.items())
        registers = "registered" if found.aligned.model != "none" else "not registered"
        ax.set_title(f"{named}: {len(agree)} matches, {agree.sum()} agree, {registers}", fontsize=10)
    return fig


@dataclass(frozen=True, eq=False)
class MatchedPair:
    """Two frames a and b, matched: ``matches`` (K_A,) int32, index into b or -1, ``scores`` (K_A,) float32, 0 to 1;
    ``aligned``, how a lies on b.
    """

    first: Features
    second: Features
    matches: np.ndarray
    scores: np.ndarray
    aligned: Registration


class PairMatcher:
    """Matches any two frames of a run, also such as the run never compared, with settings that change from call to call.

    Features and matches are the run's own where the settings are the run's; else they are found anew, in these two frames only.
    Features and weights stay in memory. Raises :class:`~workbench.errors.MissingStageError` when the run is not registered.
    """

    def __init__(self, run: Run) -> None:
        self.run, self.images, self.threshold = run, run.images(), run.ransac_threshold()
        self._own = [run.parameters(stage) for stage in ("features", "match")]
        self.size = run.info("video")["width"], run.info("video")["height"]
        self.features = lru_cache(maxsize=256)(self._features)
        self._detector, self._matcher = lru_cache(maxsize=2)(detector), lru_cache(maxsize=4)(make_matcher)

    def match(self, a: int, b: int, features: FeatureParameters, matching: MatchParameters) -> MatchedPair:
        """Frames ``a`` < ``b``. Raises :class:`~workbench.errors.ModelError` when weights cannot be loaded, or do not fit."""
        first, second = self.features(a, features), self.features(b, features)
        found = self._own_matches(a, b) if [features.as_dict(), matching.as_dict()] == self._own else None
        matches, scores = found or self.matcher(matching).match([first], [second])[0]
        return MatchedPair(first, second, matches, scores, register_features(first, second, matches, self.threshold))

    def matcher(self, parameters: MatchParameters) -> Matcher:
        """The matcher of these parameters; weights are loaded once, whatever the thresholds."""
        if parameters.matcher not in ("superglue", "lightglue"):
            return self._matcher(parameters)
        return self._matcher(MatchParameters(parameters.matcher, parameters.model)).tuned(parameters)

    def transform(self, aligned: Registration) -> np.ndarray:
        """(2, 3) float: how a lies on b, in pixels of the working copies."""
        return in_pixels_of(aligned.transform, self.size, self.images.shape[2:0:-1])

    def _features(self, frame: int, parameters: FeatureParameters) -> Features:
        if parameters.as_dict() == self._own[0]:
            with open_h5(self.run.features_path) as file:
                return read_features(file, frame)
        found = self._detector(parameters)(self.images[frame], self.size)
        # As precise as in the file, so that a run with these settings finds the same.
        return replace(found, descriptors=found.descriptors.astype(np.float16).astype(np.float32))

    def _own_matches(self, a: int, b: int) -> tuple[np.ndarray, np.ndarray] | None:
        """What the run has for this pair, None when it was not compared."""
        with open_h5(self.run.matches_path) as file:
            return read_matches(file, a, b) if has_pair(file, a, b) else None
