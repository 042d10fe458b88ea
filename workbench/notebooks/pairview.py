"""Figures of a pair of frames: its matches, those of the run or new ones, and one frame warped onto the other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, cast

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from workbench import viz
from workbench.embedding.overlay import without_overlay
from workbench.matching.base import Matcher, NetworkMatcher
from workbench.matching.keypoints import make_detector
from workbench.matching.matches import make_cascade, make_matcher
from workbench.parameters import METHODS, FeatureParameters, MatchParameters
from workbench.registration.pair import Registration, in_pixels_of
from workbench.registration.tables import TRANSFORM, register_features
from workbench.run import Run
from workbench.run.stages import stage_parameters
from workbench.storage.hloc import Features, has_pair, open_h5, read_features, read_matches
from workbench.viz.pairs import match_picture

FIGURE_WIDTH = 7.6  # inches, of the figures of a pair


def ranked_pairs(run: Run) -> np.ndarray:
    """Rank the pairs of a run whose frames are in the same scene.

    Parameters
    ----------
    run : Run
        A registered run.

    Returns
    -------
    (P, 2) int array
        Input positions a < b, sorted ascending by the number of inliers.

    Raises
    ------
    MissingStageError
        If the run is not registered.
    """
    table, scenes = run.transforms(), run.scenes()
    a, b = scenes[table["a"]], scenes[table["b"]]
    return table[(a == b) & (a >= 0)].sort_values(["inliers", "a", "b"])[["a", "b"]].to_numpy()


def matches_figure(run: Run, a: int, b: int, other: MatchParameters | None = None) -> Figure:
    """Draw two frames side by side with their matches as lines, coloured by confidence; those that disagree are dashed.

    Parameters
    ----------
    run : Run
        A registered run.
    a, b : int
        Input positions of the frames, a < b.
    other : MatchParameters, optional
        A matcher to apply to the same keypoints; by default the matches of the run are drawn.

    Returns
    -------
    matplotlib.figure.Figure
        The figure, with the name of the matcher in its title.

    Raises
    ------
    MissingStageError
        If the run is not registered.
    """
    ((first, second),) = _features(run, [(a, b)])
    if other is None:
        with open_h5(run.matches_path) as file:
            matches, scores = read_matches(file, a, b, (len(first), len(second)))
        name = run.parameters("match")["matcher"]
    else:
        matches, scores = make_cascade(other).match([first], [second])[0]
        name = other.matcher
    images, compared = run.images(), _compared_pictures(run)
    least = METHODS[name].min_inliers
    aligned = register_features(first, second, matches, run.ransac_threshold(), (compared[a], compared[b]), least)
    scale = images.shape[2] / int(first.image_size[0])
    fig = viz.plot_images([images[a], images[b]], [f"frame {a}", f"frame {b}"])
    fig = viz.plot_matches(fig, first.keypoints, second.keypoints, matches, scores, aligned.inliers, scale=scale)
    fig.suptitle(f"{name}: {fig.get_suptitle()}", fontsize=10)
    return _narrowed(fig)


def matchers_to_compare(features: FeatureParameters, matching: MatchParameters) -> list[MatchParameters]:
    """Choose two matchers that can match the same keypoints.

    Parameters
    ----------
    features : FeatureParameters
        How the keypoints were found.
    matching : MatchParameters
        How they were matched.

    Returns
    -------
    list of MatchParameters
        The given matcher, a network for easy pairs too, and nearest neighbours by FLANN. Where the given one compares nearest
        neighbours itself, the first is SuperGlue for SIFT keypoints, and for others the comparison of all descriptors.
    """
    flann = replace(matching, matcher="sift-flann")
    if matching.matcher not in ("sift-flann", "sift-exact"):
        return [replace(matching, nearest_inliers=0), flann]
    fits_superglue = features.keypoints in ("sift", "sift-opencv")
    own = MatchParameters(matcher="superglue", nearest_inliers=0) if fits_superglue else replace(matching, matcher="sift-exact")
    return [own, flann]


def compare_matchers(run: Run, pairs: np.ndarray, matchers: Sequence[MatchParameters]) -> pd.DataFrame:
    """Compare matchers on the same keypoints of the same pairs.

    Parameters
    ----------
    run : Run
        A registered run.
    pairs : (P, 2) int array
        Input positions a < b of every pair.
    matchers : sequence of MatchParameters
        The matchers.

    Returns
    -------
    pandas.DataFrame
        One row per matcher, means over the pairs, 0 without pairs. Columns: matches; inliers, those that agree with the
        transform; inliers per match, 0 to 1; registered, share of the pairs for which a transform was found, 0 to 1.

    Raises
    ------
    ModelError
        If the weights of a matcher cannot be loaded, or do not fit the keypoints.
    """
    rows = {}
    features, threshold, pictures = _features(run, pairs.tolist()), run.ransac_threshold(), _compared_pictures(run)
    for parameters in matchers:
        found = make_cascade(parameters).match([a for a, _ in features], [b for _, b in features])
        aligned = [
            register_features(*both, matches, threshold, (pictures[a], pictures[b]), METHODS[parameters.matcher].min_inliers)
            for (a, b), both, (matches, _) in zip(pairs.tolist(), features, found, strict=True)
        ]
        matches = [int((matches >= 0).sum()) for matches, _ in found]
        inliers = [int(item.inliers.sum()) for item in aligned]
        rows[parameters.matcher] = {
            "matches": sum(matches) / max(1, len(pairs)),
            "inliers": sum(inliers) / max(1, len(pairs)),
            "inliers per match": sum(inliers) / max(1, sum(matches)),
            "registered": sum(item.model != "none" for item in aligned) / max(1, len(pairs)),
        }
    return pd.DataFrame.from_dict(rows, orient="index").round(3)


def _features(run: Run, pairs: Sequence[Sequence[int]]) -> list[tuple[Features, Features]]:
    run.require("register")
    with open_h5(run.features_path) as file:
        return [(read_features(file, a), read_features(file, b)) for a, b in pairs]


def _compared_pictures(run: Run) -> Sequence[np.ndarray]:
    """The working copies as the register stage compares them: without what is drawn over every frame."""
    return without_overlay(run.images(), run.overlay())


def overlay_figure(run: Run, a: int, b: int) -> Figure:
    """Overlay frame ``a`` in red on frame ``b`` in cyan, before and after registration.

    Parameters
    ----------
    run : Run
        A registered run.
    a, b : int
        Input positions of the frames of a registered pair, a < b.

    Returns
    -------
    matplotlib.figure.Figure
        The two overlays.
    """
    table, images = run.transforms(), _compared_pictures(run)
    row = table[(table["a"] == a) & (table["b"] == b)].iloc[0]
    height, width = images[a].shape[:2]
    original = run.info("video")["width"], run.info("video")["height"]
    transform = in_pixels_of(row[TRANSFORM].to_numpy(dtype=float).reshape(2, 3), original, (width, height))
    return _narrowed(viz.registered_overlay(images[a], images[b], transform))


def _narrowed(fig: Figure) -> Figure:
    """The figure, at most as wide as several of them may be in one notebook, which keeps them all."""
    width, height = fig.get_size_inches()
    fig.set_size_inches(min(width, FIGURE_WIDTH), height * min(1, FIGURE_WIDTH / width))
    return fig


def settings_figure(run: Run, a: int, b: int, settings: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw the matches of two frames under several settings, one below the other, with their counts.

    The lines are those of :func:`~workbench.viz.pairs.match_picture`.

    Parameters
    ----------
    run : Run
        A registered run.
    a, b : int
        Input positions of the frames, a < b.
    settings : sequence of mapping
        Feature and match parameters with their values, such as ``{"match_threshold": 0.5}``; the others have their defaults.

    Returns
    -------
    matplotlib.figure.Figure
        One row per setting.

    Raises
    ------
    ParameterError
        If a parameter is unknown or out of range.
    MissingStageError, ModelError
        As :class:`PairMatcher` raises them.
    """
    matcher, images = PairMatcher(run), run.images()
    height = 7.6 * images.shape[1] / (2 * images.shape[2]) + 0.3
    fig, axes = plt.subplots(len(settings), figsize=(7.6, height * len(settings)), squeeze=False, layout="constrained")
    for ax, values in zip(axes[:, 0], settings, strict=True):
        chosen = stage_parameters(dict(values))
        features, matching = cast(FeatureParameters, chosen["features"]), cast(MatchParameters, chosen["match"])
        found = matcher.match(a, b, features, matching)
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
    """Two frames a and b, matched and registered.

    Attributes
    ----------
    first, second : Features
        Keypoints of a and of b.
    matches : (K_A,) int32 array
        For every keypoint of a, the index of its match in b, or -1.
    scores : (K_A,) float32 array
        Confidence of every match, 0 to 1; 0 without a match.
    aligned : Registration
        The transform from a to b.
    """

    first: Features
    second: Features
    matches: np.ndarray
    scores: np.ndarray
    aligned: Registration


class PairMatcher:
    """A matcher for any two frames of a run, also pairs that the run did not compare, with settings that change between calls.

    With the settings of the run, its own features and matches are used; with others, they are computed for the two frames,
    by the network alone where there is one: so it is seen what the settings change. Features and weights are kept in memory.

    Parameters
    ----------
    run : Run
        A registered run.

    Attributes
    ----------
    images : (N, h, w, 3) uint8 array
        Working copies of all frames, RGB.
    size : tuple of two int
        Width and height of the original frames, px.
    threshold : float
        RANSAC threshold of the run, as a share of the long side.

    Raises
    ------
    MissingStageError
        If the run is not registered.
    """

    def __init__(self, run: Run) -> None:
        self.run, self.images, self.threshold = run, run.images(), run.ransac_threshold()
        self._compared = _compared_pictures(run)
        self._own = [run.parameters(stage) for stage in ("features", "match")]
        self.size = run.info("video")["width"], run.info("video")["height"]
        self.features = lru_cache(maxsize=256)(self._features)
        self._detector, self._matcher = lru_cache(maxsize=2)(make_detector), lru_cache(maxsize=4)(make_matcher)

    def match(self, a: int, b: int, features: FeatureParameters, matching: MatchParameters) -> MatchedPair:
        """Match and register two frames.

        Parameters
        ----------
        a, b : int
            Input positions of the frames, a < b.
        features : FeatureParameters
            How their keypoints are detected.
        matching : MatchParameters
            How they are matched.

        Returns
        -------
        MatchedPair
            Keypoints, matches and transform.

        Raises
        ------
        ModelError
            If weights cannot be loaded, or do not fit the keypoints.
        """
        first, second = self.features(a, features), self.features(b, features)
        found = self._own_matches(a, b) if [features.as_dict(), matching.as_dict()] == self._own else None
        matches, scores = found or self.matcher(matching).match([first], [second])[0]
        pictures, least = (self._compared[a], self._compared[b]), METHODS[matching.matcher].min_inliers
        aligned = register_features(first, second, matches, self.threshold, pictures, least)
        return MatchedPair(first, second, matches, scores, aligned)

    def matcher(self, parameters: MatchParameters) -> Matcher:
        """Make a matcher; the weights of a model are loaded once for all its thresholds.

        Parameters
        ----------
        parameters : MatchParameters
            Name of the matcher and its thresholds.

        Returns
        -------
        Matcher
            The matcher.
        """
        is_own = parameters.as_dict() == self._own[1]
        return make_cascade(parameters, self._tuned) if is_own else self._tuned(parameters)

    def _tuned(self, parameters: MatchParameters) -> Matcher:
        if parameters.matcher not in ("superglue", "lightglue"):
            return self._matcher(parameters)
        network = cast(NetworkMatcher, self._matcher(MatchParameters(parameters.matcher, parameters.model)))
        return network.tuned(parameters)

    def transform(self, aligned: Registration) -> np.ndarray:
        """Convert a transform to pixels of the working copies.

        Parameters
        ----------
        aligned : Registration
            The registration of a pair, in pixels of the original frames.

        Returns
        -------
        (2, 3) float array
            The transform from a to b in pixels of the working copies.
        """
        height, width = self.images.shape[1:3]
        return in_pixels_of(aligned.transform, self.size, (width, height))

    def _features(self, frame: int, parameters: FeatureParameters) -> Features:
        if parameters.as_dict() == self._own[0]:
            with open_h5(self.run.features_path) as file:
                return read_features(file, frame)
        found = self._detector(parameters)(self.images[frame], self.size)
        # Rounded as in the file, so that a run with these settings finds the same matches.
        return replace(found, descriptors=found.descriptors.astype(np.float16).astype(np.float32))

    def _own_matches(self, a: int, b: int) -> tuple[np.ndarray, np.ndarray] | None:
        """The matches that the run has for this pair, None when it was not compared."""
        with open_h5(self.run.matches_path) as file:
            return read_matches(file, a, b) if has_pair(file, a, b) else None
