"""How long a run takes, before it begins: the seconds of every stage from the size of the clip and the parameters.

The rates are what stages took (their ``seconds`` in ``run.json``) on two cores of a shared machine with AVX-512, for three
clips: 118 frames of 1280 x 720 px, 200 of 320 x 240, 280 of 480 x 272, each with the default matcher and with ``sift-flann``.
Another machine is faster or slower in all of them more or less alike; :class:`~workbench.pipeline.whole_run.WholeRun` corrects
that while a run works.
"""

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from typing import cast

from workbench.models.registry import is_built_in
from workbench.parameters import (
    NETWORK_MATCHERS,
    EmbedParameters,
    FeatureParameters,
    MatchParameters,
    Parameters,
    VideoParameters,
)
from workbench.run import Run
from workbench.run.stages import STAGES
from workbench.video.decode import decode
from workbench.video.source import open_source

USUAL_PAIRS_PER_FRAME = (
    5.0  # a search ends when the order stays as it is: 4.2, 4.5 and 5.2 on the three clips, of a budget of 8
)

# Seconds per pair in the match stage: finding correspondences, and registering the pair for the search.
NEAREST_PAIR_S = 0.004
# A pair that the nearest descriptors do not settle costs 25 to 35 ms; usually a fifth to a third of the pairs are such.
CASCADE_PAIR_S = 0.009
NETWORK_PAIR_S = 0.03
REGISTER_PAIR_S = 0.0014

# Seconds per frame at 400 px for keypoints and vectors, which are taken from working copies.
KEYPOINTS_S = {"sift": 0.0135, "sift-opencv": 0.0135}
NETWORK_KEYPOINTS_S = 0.1  # SuperPoint and its like
BUILT_IN_VECTOR_S, NETWORK_VECTOR_S = 0.003, 0.006
NETWORK_START_S = 1.5  # importing torchvision and loading a network


@dataclass(frozen=True)
class ClipSize:
    """The size of a clip.

    Attributes
    ----------
    frames : int
        Number of frames; 0 when only decoding tells.
    width, height : int
        Size of a frame, px.
    """

    frames: int
    width: int
    height: int

    @property
    def megapixels(self) -> float:  # numpydoc ignore=RT01
        """Pixels of a frame, in millions."""
        return self.width * self.height / 1e6


def clip_size(run: Run, parameters: Mapping[str, Parameters], finished: set[str]) -> ClipSize:
    """Find the size of the clip of a run, from its record or from what the file states.

    Parameters
    ----------
    run : Run
        The run.
    parameters : mapping
        By stage; those of the video say which stream is read.
    finished : set of str
        Stages that are not computed again.

    Returns
    -------
    ClipSize
        The size. The number of frames that a file states may be wrong.
    """
    if "video" in finished:
        info = run.info("video")
        return ClipSize(info["frames"], info["width"], info["height"])
    stream = cast(VideoParameters, parameters["video"]).stream
    with open_source(run.inputs, stream) as source, closing(decode(source)) as frames:
        _, first = next(frames)
        return ClipSize(source.expected_frames, first.width, first.height)


def most_pairs(frames: int, pairs_per_frame: int) -> int:
    """Give the budget of pairs of a clip.

    Parameters
    ----------
    frames : int
        Number of frames.
    pairs_per_frame : int
        The budget per frame; 0 for all pairs.

    Returns
    -------
    int
        As many pairs are compared at most.
    """
    all_pairs = frames * (frames - 1) // 2
    return min(all_pairs, frames * pairs_per_frame) if pairs_per_frame else all_pairs


def expected_pairs(frames: int, pairs_per_frame: int) -> int:
    """Estimate how many pairs are compared.

    Parameters
    ----------
    frames : int
        Number of frames.
    pairs_per_frame : int
        The budget; 0 for all pairs, of which there are fewer when there are several scenes.

    Returns
    -------
    int
        Number of pairs.
    """
    most = most_pairs(frames, pairs_per_frame)
    return min(most, round(frames * USUAL_PAIRS_PER_FRAME)) if pairs_per_frame else most


def stage_seconds(clip: ClipSize, parameters: Mapping[str, Parameters], pairs: int | None = None) -> dict[str, float]:
    """Estimate how long every stage takes.

    Parameters
    ----------
    clip : ClipSize
        The size of the clip.
    parameters : mapping
        By stage, from :func:`~workbench.run.stages.stage_parameters`.
    pairs : int, optional
        How many pairs are compared, once that is known.

    Returns
    -------
    dict
        Seconds by stage of the fast path, in their order, all above 0.
    """
    frames, match = clip.frames, cast(MatchParameters, parameters["match"])
    built_in = is_built_in(cast(EmbedParameters, parameters["embed"]).backbone)
    keypoints_s = KEYPOINTS_S.get(cast(FeatureParameters, parameters["features"]).keypoints, NETWORK_KEYPOINTS_S)
    pairs = expected_pairs(frames, match.pairs_per_frame) if pairs is None else pairs
    return {
        "video": 0.1 + frames * (0.004 + 0.006 * clip.megapixels),
        "embed": frames * BUILT_IN_VECTOR_S + 0.1 if built_in else NETWORK_START_S + frames * NETWORK_VECTOR_S,
        "cluster": 0.1,
        "features": 0.3 + frames * keypoints_s,
        "match": 0.5 + frames * 0.022 + pairs * pair_seconds(match),  # the search solves an order per round
        "register": pairs * REGISTER_PAIR_S + 0.01,
        "order": 0.1 + frames * 0.01,
        "align": 0.05 + frames * 0.0035,
        "write": 0.1 + frames * (0.0015 + 0.018 * clip.megapixels),
    }


def pair_seconds(parameters: MatchParameters) -> float:
    """Estimate what a pair costs in the match stage.

    Parameters
    ----------
    parameters : MatchParameters
        Of these, ``matcher`` and ``nearest_inliers``.

    Returns
    -------
    float
        Seconds per pair.
    """
    if parameters.matcher not in NETWORK_MATCHERS:
        return NEAREST_PAIR_S
    return CASCADE_PAIR_S if parameters.nearest_inliers else NETWORK_PAIR_S


def finished_stages(run: Run, parameters: Mapping[str, Parameters]) -> set[str]:
    """Tell which stages a run need not compute again.

    Parameters
    ----------
    run : Run
        The run.
    parameters : mapping
        By stage.

    Returns
    -------
    set of str
        Names of stages that are up to date with these parameters, taking weights of the same name for the same.
    """
    finished: set[str] = set()
    for stage in STAGES.values():
        same = run.recorded_parameters(stage.name) == parameters[stage.name].as_dict()
        if set(stage.reads) <= finished and same and run.is_finished(stage.name):
            finished.add(stage.name)
    return finished


def announcement(clip: ClipSize, parameters: Mapping[str, Parameters], finished: set[str]) -> str:
    """Say how long a run will take, and with what it would take less.

    Parameters
    ----------
    clip : ClipSize
        The size of the clip.
    parameters : mapping
        By stage.
    finished : set of str
        Stages that are not computed again.

    Returns
    -------
    str
        One line.
    """
    match = cast(MatchParameters, parameters["match"])
    left = sum(seconds for stage, seconds in stage_seconds(clip, parameters).items() if stage not in finished)
    if not left:
        return f"{clip.frames} frames: everything is there already"
    if not clip.frames:
        return "the file does not state how many frames it has: the time is told when they are decoded"
    pairs = f", about {_rounded(expected_pairs(clip.frames, match.pairs_per_frame))} pairs" if "match" not in finished else ""
    line = f"{clip.frames} frames{pairs}: about {in_words(left)}"
    if "match" in finished or match.matcher not in NETWORK_MATCHERS:
        return line
    plain = replace(match, matcher="sift-flann")
    saved = expected_pairs(clip.frames, match.pairs_per_frame) * (pair_seconds(match) - pair_seconds(plain))
    if in_words(left - saved) == in_words(left):
        return line
    return f"{line}; with --match.matcher sift-flann about {in_words(left - saved)}"


def _rounded(count: int) -> int:
    """A number to two digits."""
    return int(float(f"{count:.1e}"))


def in_words(seconds: float) -> str:
    """Give a time as precisely as an estimate deserves.

    Parameters
    ----------
    seconds : float
        The time, s, from 0.

    Returns
    -------
    str
        Such as "8 s", "40 s", "2.5 min", "20 min" or "1.5 h".
    """
    if seconds < 9.5:
        return f"{max(1, round(seconds))} s"
    if seconds < 57.5:
        return f"{5 * round(seconds / 5)} s"
    if seconds < 570:
        return f"{round(seconds / 30) / 2:g} min"
    if seconds < 3570:
        return f"{round(seconds / 60)} min"
    return f"{seconds / 3600:.1f} h"
