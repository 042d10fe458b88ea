"""What was decided about scenes: in words, taken back, and beside which frames it is seen."""

import numpy as np
import pytest

from workbench.scenes.decisions import VERDICTS, frames_beside, in_words, undo


@pytest.mark.parametrize("verdict", VERDICTS)
def test_in_words(verdict):
    """One frame is spoken of in the singular."""
    assert in_words(verdict, 12) == f"12 frames were {VERDICTS[verdict]}"
    one = in_words(verdict, 1)
    assert one.startswith("1 frame was ") and "their" not in one and "fades" not in one


def test_words_of_one_blend():
    assert in_words("blend", 1) == "1 frame was recognised as a cross-fade and given to the scene that weighs more"
    assert in_words("fade", 1) == "1 frame was recognised as a fade and given to its scene"


@pytest.mark.parametrize(
    ("frames", "expected"),
    [
        ([6], [0, 0, 0, -1, 1, 1, -1]),  # it was an outlier
        ([3], [0, 0, 0, 0, 1, 1, 2]),  # most of its scene are in scene 0
        ([0, 1, 2, 3], [0, 0, 0, 0, 1, 1, 2]),  # none of their scene is elsewhere
    ],
)
def test_frames_go_where_the_clusterer_had_them(frames, expected):
    clustered = np.array([0, 0, 0, 0, 1, 1, -1])
    labels = np.array([0, 0, 0, -1, 1, 1, 2])
    assert undo(clustered, labels, np.array(frames)).tolist() == expected


def test_beside_which_frames_a_decision_is_seen():
    """Frames 0 and 1 were parted from 2 and 3 and joined with 4; frame 5 was set aside; 6 was and is alone."""
    clustered, labels = np.array([0, 0, 0, 0, 1, 1, -1]), np.array([0, 0, 1, 1, 0, -1, -1])
    found = frames_beside(clustered, labels, np.array([0, 1]))
    assert {heading: frames.tolist() for heading, frames in found.items()} == {
        "decided about": [0, 1],
        "in one scene with them by the clusterer": [2, 3],
        "in one scene with them by the matches": [4],
    }
    found = frames_beside(clustered, labels, np.array([5]))
    assert [*found] == ["decided about", "in one scene with it by the clusterer"] and [*found.values()][1].tolist() == [4]
    assert [*frames_beside(clustered, labels, np.array([6]))] == ["decided about"]
