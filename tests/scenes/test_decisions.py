"""Decisions about scenes: their table, what they changed, and how one is taken back. Scenes are given by hand."""

import io

import numpy as np
import pandas as pd
import pytest

from workbench.scenes.decisions import VERDICTS, Decision, changed_counts, decisions_table, frames_beside, in_words, undo


def scenes(text):
    """Labels from one character per frame: "0" and up, "." for an outlier."""
    return np.array([-1 if letter == "." else int(letter) for letter in text], dtype=int)


def text_of(labels):
    return "".join("." if label < 0 else str(label) for label in labels)


# --- the table --------------------------------------------------------------------------------------------------------------


def test_a_row_per_frame():
    """Eight frames; frame 3 is concerned by two decisions, and the later one is named."""
    decisions = [
        Decision("rescued", np.array([0]), "it registers", 12.3456),
        Decision("joined", np.array([3, 4, 5]), "they register", 0.000123456),
        Decision("take", np.array([3]), "another take"),
    ]
    table = decisions_table(scenes(".001112."), scenes("000000.."), decisions)
    assert list(table) == ["position", "scene", "clustered", "verdict", "decision", "odds", "reason"]
    assert table["position"].tolist() == list(range(8))
    assert text_of(table["scene"]) == "000000.." and text_of(table["clustered"]) == ".001112."
    assert table["verdict"].tolist() == ["rescued", "", "", "take", "joined", "joined", "", ""]
    assert table["reason"].tolist() == ["it registers", "", "", "another take", "they register", "they register", "", ""]
    assert str(table["decision"].dtype) == "Int64" and str(table["odds"].dtype) == "float64"
    assert table["decision"].isna().tolist() == [False, True, True, False, False, False, True, True]
    assert table["decision"].dropna().tolist() == [0, 2, 1, 1]
    odds = table["odds"].to_numpy()
    assert odds[[0, 4, 5]].tolist() == [12.3, 0.000123, 0.000123], "three digits"
    assert np.isnan(odds[[1, 2, 3, 6, 7]]).all(), "the odds of the earlier decision are not left behind"


def test_a_table_without_decisions():
    table = decisions_table(scenes("001."), scenes("001."), [])
    assert table["verdict"].tolist() == [""] * 4 and table["reason"].tolist() == [""] * 4
    assert table["decision"].isna().all() and table["odds"].isna().all() and str(table["decision"].dtype) == "Int64"
    assert len(decisions_table(scenes(""), scenes(""), [])) == 0


def test_the_table_comes_back_from_a_file():
    """Numbers of decisions are written without a point."""
    decisions = [Decision("split", np.array([1, 2]), "none of 4 pairs registers", 64.0)]
    written = decisions_table(scenes("000"), scenes("011"), decisions).to_csv(index=False)
    assert written.splitlines()[1:3] == ["0,0,0,,,,", "1,1,0,split,0,64.0,none of 4 pairs registers"]
    read = pd.read_csv(
        io.StringIO(written), dtype={"decision": "Int64"}, keep_default_na=False, na_values={"decision": "", "odds": ""}
    )
    assert read["decision"].dropna().tolist() == [0, 0] and read["verdict"].tolist() == ["", "split", "split"]


def test_every_verdict_is_in_words():
    assert set(VERDICTS) == {"rescued", "expelled", "joined", "split", "blend", "fade", "take"}
    assert all("12 frames were " + words and words[-1].isalpha() for words in VERDICTS.values())
    assert len(set(VERDICTS.values())) == len(VERDICTS)


# --- counts -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after", "rescued", "expelled", "joined", "split"),
    [
        ("0011.", "0011.", 0, 0, 0, 0),
        ("0011.", "1100.", 0, 0, 0, 0),  # another number is no change
        ("00.1.", "00011", 2, 0, 0, 0),
        ("00011", "00.1.", 0, 2, 0, 0),
        ("000112", "000001", 0, 0, 1, 0),
        ("00112233", "00000000", 0, 0, 3, 0),
        ("000000", "000112", 0, 0, 0, 2),
        ("000111", "011000", 0, 0, 1, 1),  # two frames go from one scene to the other
        ("0000.11", "0.11022", 1, 1, 0, 1),
        ("11....", "00....", 0, 0, 0, 0),
        ("0011..", "......", 0, 4, 0, 0),
        ("......", "0011..", 4, 0, 0, 0),
        ("", "", 0, 0, 0, 0),
    ],
)
def test_changed_counts(before, after, rescued, expelled, joined, split):
    expected = {"rescued_frames": rescued, "expelled_frames": expelled, "joined_scenes": joined, "split_scenes": split}
    counts = changed_counts(scenes(before), scenes(after))
    assert counts == expected and all(type(count) is int for count in counts.values())


# --- a decision is taken back -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("verdict", "clustered", "labels", "frames", "expected"),
    [
        ("rescued", "0000.11.", "00000111", [4], "0000.111"),
        ("expelled", "00000111", "0000.111", [4], "00000111"),
        ("joined", "0000112.", "0000001.", [4, 5], "0000112."),
        ("split", "00000111", "00011222", [3, 4], "00000111"),
        ("split, and the scenes change their size", "00000001111", "22200001111", [0, 1, 2], "00000001111"),
        ("take", "0000000.", "0000111.", [4, 5, 6], "0000000."),
        ("blend", "00000111", "00001111", [4], "00000111"),
        ("fade", "0000.111", "00000111", [4], "0000.111"),
    ],
)
def test_undo_of_one_decision(verdict, clustered, labels, frames, expected):
    """Scenes are numbered by size again, and what was given is not changed."""
    before, now = scenes(clustered), scenes(labels)
    assert text_of(undo(before, now, np.array(frames))) == expected, verdict
    assert text_of(before) == clustered and text_of(now) == labels


def test_undo_leaves_other_decisions_as_they_are():
    """Two frames were rescued and a scene was joined: when one rescue is taken back, the rest stays."""
    assert text_of(undo(scenes("00000.11.2"), scenes("0000000000"), np.array([5]))) == "00000.0000"


def test_frames_go_to_most_of_those_that_they_were_with():
    """A scene of eight frames was split into parts of four and two, and two frames were expelled: these go to the larger."""
    assert text_of(undo(scenes("0000000011111"), scenes("1111.22.00000"), np.array([4, 7]))) == "0000022011111"


def test_frames_whose_scene_is_gone_get_one_of_their_own():
    """Three scenes are one now. Two of them are taken back at once, and each becomes a scene again."""
    assert text_of(undo(scenes("0000011122"), scenes("0000000000"), np.array([5, 6, 7, 8, 9]))) == "0000011122"


def test_others_that_were_set_aside_are_no_home():
    """Of a scene of five frames three were expelled, then the rest joined: when the joining is taken back, they are a scene."""
    assert text_of(undo(scenes("000000011111"), scenes("0000000...00"), np.array([10, 11]))) == "0000000...11"


# --- in words, and beside which frames a decision is seen ------------------------------------------------------------------


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
