"""Edits of an order by hand, on tables: no run, no video."""

import math

import numpy as np
import pandas as pd
import pytest

from workbench.errors import UsageError
from workbench.pipeline.edits import apply_edit, apply_edits, computed_order, frame_lists, link_confidences
from workbench.pipeline.order_edits import describe, named_frames


def table_of(*scenes: list[int], frames: int) -> pd.DataFrame:
    """Rows as in ``order.csv``; the link of frames a and b has confidence 0.01 a + 0.01 b."""
    rows = [(position, -1, pd.NA, math.nan) for position in range(frames)]
    for number, ordered in enumerate(scenes):
        for place, frame in enumerate(ordered):
            sure = 0.01 * (frame + ordered[place + 1]) if place + 1 < len(ordered) else math.nan
            rows[frame] = (frame, number, place, sure)
    return pd.DataFrame(rows, columns=["position", "scene", "order", "confidence"]).astype({"order": "Int64"})


@pytest.fixture
def table() -> pd.DataFrame:
    """Scene 0: 4 2 0 6 1; scene 1: 5 3 8; frames 7 and 9 set aside."""
    return table_of([4, 2, 0, 6, 1], [5, 3, 8], frames=10)


def random_edits(rng: np.random.Generator, frames: int, count: int) -> list[dict]:
    """Edits that name any frames, so that some of them cannot be applied."""
    edits = []
    for kind, (a, b) in zip(rng.integers(0, 9, count), rng.integers(0, frames, (count, 2)).tolist(), strict=True):
        of_frames = [{"flip": [a, b]}, {"move": a, "after": b}, {"move": a, "before": b}, {"drop": a}]
        of_scenes = [{"join": [a, b]}, {"cut": [a, b]}, {"set_aside": [a, b]}, {"first": a}, {"scenes": [a, b]}]
        edits.append([*of_frames, *of_scenes][kind])
    return edits


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        ({"flip": [1, 4]}, [[1, 6, 0, 2, 4], [5, 3, 8]]),
        ({"flip": [4, 1]}, [[4, 2, 0, 6, 1], [5, 3, 8]]),
        ({"flip": [8, 3]}, [[4, 2, 0, 6, 1], [8, 3, 5]]),
        ({"move": 2, "after": 1}, [[4, 0, 6, 1, 2], [5, 3, 8]]),
        ({"move": 1, "before": 4}, [[1, 4, 2, 0, 6], [5, 3, 8]]),
        ({"move": 0, "after": 2}, [[4, 2, 0, 6, 1], [5, 3, 8]]),
        ({"move": 0, "before": 3}, [[4, 2, 6, 1], [5, 0, 3, 8]]),
        ({"move": 7, "after": 8}, [[4, 2, 0, 6, 1], [5, 3, 8, 7]]),
        ({"drop": 6}, [[4, 2, 0, 1], [5, 3, 8]]),
        ({"drop": 9}, [[4, 2, 0, 6, 1], [5, 3, 8]]),
        ({"join": [2, 8]}, [[4, 2, 0, 6, 1, 5, 3, 8]]),
        ({"join": [3, 6]}, [[5, 3, 8, 4, 2, 0, 6, 1]]),
        ({"cut": [2, 0]}, [[4, 2], [0, 6, 1], [5, 3, 8]]),
        ({"cut": [0, 2]}, [[4, 2], [0, 6, 1], [5, 3, 8]]),
        ({"cut": [4, 1]}, [[4, 2, 0, 6], [1], [5, 3, 8]]),
        ({"set_aside": [0, 1, 2, 4, 6]}, [[5, 3, 8]]),
        ({"set_aside": [3, 5, 7]}, [[4, 2, 0, 6, 1], [8]]),
        ({"first": 0}, [[0, 6, 1, 4, 2], [5, 3, 8]]),
        ({"first": 5}, [[4, 2, 0, 6, 1], [5, 3, 8]]),
        ({"scenes": [8, 0]}, [[5, 3, 8], [4, 2, 0, 6, 1]]),
        ({"scenes": [3]}, [[5, 3, 8], [4, 2, 0, 6, 1]]),
    ],
    ids=lambda value: describe(value) if isinstance(value, dict) else "",
)
def test_one_edit(table, edit, expected):
    """The frames are in the order given; a link that was there keeps its confidence, another one has none."""
    before = table.copy()
    edited = apply_edit(table, edit)
    pd.testing.assert_frame_equal(table, before)
    assert frame_lists(edited) == expected
    confidences = link_confidences(table)
    for link, confidence in link_confidences(edited).items():
        assert confidence == confidences[link] if link in confidences else math.isnan(confidence)
    ends = edited.set_index("position").loc[[frames[-1] for frames in expected], "confidence"]
    assert ends.isna().all()


def test_confidence_of_a_made_link_and_of_one_that_comes_back(table):
    """6 goes out from between 0 and 1, which have no confidence together, and comes back to its two old links."""
    parted, _ = apply_edits(table, [{"move": 6, "after": 8}])
    assert math.isnan(parted["confidence"][0]) and math.isnan(parted["confidence"][8])
    back, _ = apply_edits(table, [{"move": 6, "after": 8}, {"move": 6, "before": 1}])
    pd.testing.assert_frame_equal(back, table)


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        ({"flip": [4, 5]}, "frames 4 and 5 are not in one scene"),
        ({"flip": [7, 9]}, "frames 7 and 9 are not in one scene"),
        ({"move": 4, "after": 7}, "frame 7 is set aside: name a frame of a scene"),
        ({"move": 4, "before": 4}, "frame 4 cannot stand beside itself"),
        ({"move": 10, "after": 4}, "there is no frame 10: the video has frames 0 to 9"),
        ({"drop": -1}, "there is no frame -1"),
        ({"join": [4, 1]}, "frames 4 and 1 are in one scene already: name frames of two scenes"),
        ({"join": [4, 7]}, "frame 7 is set aside: name a frame of a scene"),
        ({"cut": [4, 5]}, "frames 4 and 5 are not in one scene"),
        ({"cut": [4, 4]}, "a scene is cut between two frames"),
        ({"set_aside": [0, 1, 2, 3, 4, 5, 6, 8]}, "no scene would be left: keep one"),
        ({"first": 9}, "frame 9 is set aside"),
        ({"scenes": [3, 5]}, "frames 3 and 5 are in one scene: name one frame of every scene"),
        ({"scenes": [3, 10]}, "there is no frame 10"),
    ],
)
def test_refused(table, edit, words):
    with pytest.raises(UsageError, match=words):
        apply_edit(table, edit)


@pytest.mark.parametrize("edit", [{"drop": 2}, {"move": 2, "after": 0}])
def test_a_scene_keeps_its_last_frame(edit):
    """Scene 1 is frame 2 alone."""
    with pytest.raises(UsageError, match="frame 2 is the last one of scene 1: set that scene aside or join it to another one"):
        apply_edit(table_of([0, 1], [2], frames=3), edit)


MALFORMED = [
    {},
    {"turn": 3},
    {"flip": 1},
    {"flip": [1]},
    {"flip": "ab"},
    {"move": 1},
    {"move": 1, "after": 2, "before": 3},
    {"move": 1.0, "after": 2},
    {"drop": "x\ny"},
    {"drop": True},
    {"drop": [1]},
    {"drop": 1, "x": 2},
    {"join": [1, 2, 3]},
    {"join": {"a": 1, "b": 2}},
    {"cut": [1, None]},
    {"set_aside": []},
    {"set_aside": [[1]]},
    {"first": [1]},
    {"scenes": 1},
    {"scenes": [1, "2"]},
    {"undo": "joined", "frames": [1]},
]


@pytest.mark.parametrize("edit", MALFORMED, ids=repr)
def test_what_is_no_edit_is_reported_and_left_out(table, edit):
    """It may come with the run of somebody else."""
    with pytest.raises(UsageError, match="is no edit: give one of flip, move, drop, join, cut, set_aside, first, scenes"):
        apply_edit(table, edit)
    edited, (message,) = apply_edits(table, [edit, {"drop": 8}])
    assert frame_lists(edited) == [[4, 2, 0, 6, 1], [5, 3]]
    assert message.startswith(f"{edit!r}: left out, ") and "\n" not in message
    assert named_frames(edit) == []


def test_edits_of_scenes_in_words():
    many = list(range(3, 30))
    assert [describe(edit) for edit in ({"set_aside": many}, {"set_aside": [7]}, {"scenes": [5, 1]}, {"cut": [2, 9]})] == [
        "set a scene of 27 frames aside (3, 4, 5, 6, 7, ...)",
        "set a scene of 1 frame aside (7)",
        "play the scenes in the order of frames 5, 1",
        "cut the scene in two between frames 2 and 9",
    ]


def test_a_loop_that_is_turned_keeps_its_links(table):
    """Only the link from the old end to the old start is new; once the old start is first again, all is as before."""
    turned = apply_edit(table, {"first": 6})
    assert link_confidences(turned)[(1, 4)] != link_confidences(turned)[(1, 4)]
    pd.testing.assert_frame_equal(apply_edits(table, [{"first": 6}, {"first": 4}])[0], table)


def test_a_scene_that_is_cut_and_joined_is_as_before(table):
    pd.testing.assert_frame_equal(apply_edits(table, [{"cut": [0, 6]}, {"join": [4, 1]}])[0], table)


@pytest.mark.parametrize("turned", [False, True])
def test_a_cut_is_between_the_same_frames_whichever_way_the_scene_runs(turned):
    """Frames 3 and 4 are parted, the scene 0 to 7 was computed the other way round in the second case."""
    frames = list(range(8))[:: -1 if turned else 1]
    edited = apply_edit(table_of(frames, frames=8), {"cut": [3, 4]})
    assert frame_lists(edited) == [frames[:4], frames[4:]]


def test_what_no_longer_fits_is_left_out_and_reported(table):
    edits = [{"flip": [1, 8]}, {"drop": 5}, {"move": 0, "after": 5}, {"move": 0, "after": 8}]
    edited, left_out = apply_edits(table, edits)
    assert frame_lists(edited) == [[4, 2, 6, 1], [3, 8, 0]]
    assert left_out == [
        "flip the scene so that frame 1 comes before frame 8: left out, frames 1 and 8 are not in one scene any more: "
        "choose two of one scene",
        "move frame 0 to after frame 5: left out, frame 5 is set aside: name a frame of a scene",
    ]


@pytest.mark.parametrize("seed", range(8))
def test_any_edits_keep_every_frame_once(seed):
    """60 random edits of 40 frames in three scenes (of 20, 9 and 1) and ten outliers: places in a scene are 0, 1, ..., numbers
    of scenes have no gap, and every link has the confidence of the computed order or none."""
    rng = np.random.default_rng(seed)
    shuffled = rng.permutation(40).tolist()
    table = table_of(shuffled[:20], shuffled[20:29], shuffled[29:30], frames=40)
    confidences = link_confidences(table)
    edits = random_edits(rng, 40, 60)
    edited, left_out = apply_edits(table, edits)
    assert 0 < len(left_out) < 60
    assert edited["position"].tolist() == list(range(40))
    assert (edited["order"].isna() == (edited["scene"] < 0)).all()
    scenes = frame_lists(edited)
    assert scenes and all(scenes)
    for number, frames in enumerate(scenes):
        rows = edited.set_index("position").loc[frames]
        assert rows["order"].tolist() == list(range(len(frames))) and set(rows["scene"]) == {number}
    for link, confidence in link_confidences(edited).items():
        assert confidence == confidences[link] if link in confidences else math.isnan(confidence)
    one_by_one = table
    for edit in edits:
        try:
            one_by_one = apply_edit(one_by_one, edit)
        except UsageError:
            continue
    assert frame_lists(one_by_one) == scenes


def test_computed_order_reads_what_stands_beside_the_matrices(tmp_path):
    """One file per scene, 101 scenes: scene 100 comes after scene 99, not after scene 10. Frames are counted backwards."""
    three = {"frames": np.array([1, 3, 4]), "shown": np.arange(3)}
    np.savez(tmp_path / "scene00.npz", **three, order=np.array([2, 0, 1]), confidence=np.array([0.12345, 1]))
    for number in range(1, 101):
        file = tmp_path / f"scene{number:02d}.npz"
        one = {"frames": np.array([105 - number]), "shown": np.array([0])}
        np.savez(file, **one, order=np.array([0]), confidence=np.zeros(0))
    table = computed_order(tmp_path, 106)
    assert frame_lists(table) == [[4, 1, 3], *([105 - number] for number in range(1, 101))]
    assert table["scene"][[0, 2, 4, 5, 6]].tolist() == [-1, -1, 0, 100, 99]
    assert link_confidences(table) == {(1, 4): 0.1234, (1, 3): 1.0}
