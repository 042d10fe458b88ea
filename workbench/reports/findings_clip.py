"""What the figures of notebooks 00 and 01 show, in words: the clip, and the vectors of its frames.

Numbers in, sentences out: every sentence follows from the numbers it is given.
"""

from collections.abc import Sequence

import numpy as np

from workbench.reports.findings import Findings, count_of, percent

UNRELATED_CHANGE = 1 / 3  # mean difference of two independent ranks, 0 to 1: of frames that have nothing in common
JUMP = UNRELATED_CHANGE / 2  # change of ranks from which a step counts as a jump
MOSTLY = 0.5  # share of jumps among all steps from which a file counts as shuffled
FEW_JUMPS = 0.02  # share of jumps up to which a file counts as in order, since films have cuts
ALONE = 10.0  # times the median distance to the nearest frame, from which a frame counts as alone
SAME = 0.1  # share of the spread of all similarities within which two medians count as the same


def file_sentence(frames: int, seconds: float, width: int, height: int, lost: int) -> str:
    """Say what was read.

    Parameters
    ----------
    frames : int
        Number of decoded frames.
    seconds : float
        Length of the video, s.
    width, height : int
        Of a frame, px.
    lost : int
        Number of packets that could not be decoded.

    Returns
    -------
    str
        A sentence.
    """
    all_there = "every packet gave a frame" if not lost else f"{count_of(lost, 'packet')} could not be decoded"
    return f"{count_of(frames, 'frame')} of {width} x {height} px, {seconds:.1f} s in all; {all_there}."


def change_sentence(changes: np.ndarray) -> str:
    """Say whether frames that follow each other in a file are alike.

    Parameters
    ----------
    changes : (N - 1,) float array
        Change of ranks from frame to frame, 0 to 1; see :func:`workbench.viz.charts.frame_changes`.

    Returns
    -------
    str
        Three sentences; one for fewer than two frames.
    """
    if not len(changes):
        return "There is one frame only, so nothing changes."
    jumps = float((changes > JUMP).mean())
    found = (
        f"From one frame to the next the ranks of the grey levels change by {np.median(changes):.2f} in the median; between "
        f"frames that have nothing in common it would be {UNRELATED_CHANGE:.2f}. A step above half of that, {JUMP:.2f}, "
        "is called a jump. "
    )
    if jumps > MOSTLY:
        return (
            f"{found}{percent(jumps)} of the steps are jumps: frames that follow each other in the file did not do so in time."
        )
    if jumps > FEW_JUMPS:
        return f"{found}{percent(jumps)} of the steps are jumps: stretches of the file run smoothly, with jumps between them."
    return f"{found}Hardly any step is a jump ({percent(jumps)}): the file seems to be in order, apart from cuts."


def clip_findings(changes: np.ndarray, overlay: str, warnings: Sequence[str]) -> Findings:
    """Sum up what is wrong with a video.

    Parameters
    ----------
    changes : (N - 1,) float array
        Change of ranks from frame to frame, 0 to 1.
    overlay : str
        What is drawn over every frame, see :func:`workbench.reports.changes.overlay_of`.
    warnings : sequence of str
        What was noticed while the video was read.

    Returns
    -------
    Findings
        The findings of notebook 00.
    """
    jumps = float((changes > JUMP).mean()) if len(changes) else 0.0
    state = "shuffled" if jumps > MOSTLY else "in order in parts" if jumps > FEW_JUMPS else "smooth"
    learnt = [f"The video has {count_of(len(changes) + 1, 'frame')}, and is {state}: {percent(jumps)} of its steps are jumps."]
    doubtful = list(warnings)
    if state == "smooth":
        doubtful.append("There may be nothing to restore: a video in order is only given back with its scenes parted.")
    return Findings([*learnt, overlay], doubtful, ["Which frames belong together is the question of notebooks 01 to 03."])


def similarity_sentence(similarity: np.ndarray) -> str:
    """Say whether the order of a file shows in the similarities.

    Parameters
    ----------
    similarity : (M, M) float array
        Cosine similarities of frames in input order.

    Returns
    -------
    str
        Two to four sentences; one for fewer than three frames.
    """
    if len(similarity) < 3:
        return "There are too few frames to compare their similarities."
    pairs = similarity[np.triu_indices(len(similarity), 1)]
    low, middle, high = np.quantile(pairs, (0.1, 0.5, 0.9))
    beside = float(np.median(np.diag(similarity, 1)))
    found = (
        f"Four fifths of all pairs have a cosine similarity of {low:.2f} to {high:.2f}. Frames that follow each other have "
        f"{beside:.2f} in the median, any two frames {middle:.2f}: "
    )
    if beside - middle <= SAME * (high - low):
        found += "the order of the file says nothing, and the matrix shows stripes in place of blocks."
    else:
        found += "frames that follow each other are more alike, so part of the order is in the file."
    return found + _unrelated(similarity)


def _unrelated(similarity: np.ndarray) -> str:
    """Say what similarity frames have that show something else."""
    others = np.array(similarity, dtype=float)
    np.fill_diagonal(others, np.nan)
    alone = frames_alone(1 - np.nanmax(others, axis=1))
    if not len(alone):
        return ""
    typical, least = np.nanmedian(others[alone]), np.nanmin(others)
    which = "The frame that is like no other has" if len(alone) == 1 else f"The {len(alone)} frames that are like no other have"
    return (
        f" Frames that show something else do not come to 0. {which} {typical:.2f} with the others in the median, and the "
        f"least of all pairs is {least:.2f}."
    )


def nearest_sentence(nearest: np.ndarray) -> str:
    """Say how near the nearest frame of every frame is, and which frames are alone.

    Parameters
    ----------
    nearest : (N,) float array
        Cosine distance of every frame to the nearest other one, 0 to 2.

    Returns
    -------
    str
        Two sentences.
    """
    alone = frames_alone(nearest)
    found = f"Half of the frames have another frame within a cosine distance of {np.median(nearest):.4f}. "
    if not len(alone):
        return found + "No frame has its nearest one more than ten times as far away: none stands alone."
    share = percent(len(alone) / len(nearest))
    return f"{found}For {count_of(len(alone), 'frame')} ({share}) it is more than ten times as far away: foreign ones, perhaps."


def frames_alone(nearest: np.ndarray) -> np.ndarray:
    """Find the frames whose nearest other frame is far away.

    Parameters
    ----------
    nearest : (N,) float array
        Cosine distance of every frame to the nearest other one, 0 to 2.

    Returns
    -------
    (M,) int array
        Positions of the frames with more than ten times the median.
    """
    return np.flatnonzero(nearest > far_distance(nearest))


def far_distance(nearest: np.ndarray) -> float:
    """Find from which distance on two frames have nothing in common.

    Parameters
    ----------
    nearest : (N,) float array
        Cosine distance of every frame to the nearest other one, 0 to 2.

    Returns
    -------
    float
        Ten times the median.
    """
    return float(ALONE * np.median(nearest))


def embedding_findings(nearest: np.ndarray, backbone: str) -> Findings:
    """Sum up which frames look alike.

    Parameters
    ----------
    nearest : (N,) float array
        Cosine distance of every frame to the nearest other one, 0 to 2.
    backbone : str
        Name of the network.

    Returns
    -------
    Findings
        The findings of notebook 01.
    """
    alone = frames_alone(nearest)
    learnt = [
        f"By {backbone}, {count_of(len(nearest) - len(alone), 'frame')} have others that look alike, and {len(alone)} do not."
    ]
    doubtful = ["That two frames look alike does not say that they show the same place: notebook 04 compares points for that."]
    following = ["Whether the frames that look alike form scenes is seen on the map of notebook 02."]
    if len(alone) > len(nearest) / 4:
        doubtful.append(f"So many frames alone may mean that {backbone} sees this kind of picture badly.")
        following.append("Try another backbone, and see whether fewer frames are alone.")
    return Findings(learnt, doubtful, following)
