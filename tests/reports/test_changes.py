"""What the matches changed, in sentences: numbers, positions, odds, and what is said when nothing was changed."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest

from tests.reports.test_report import METRICS, Page, notebooks
from workbench.errors import RunError
from workbench.reports import changes
from workbench.reports.report import write_report
from workbench.run import Run
from workbench.scenes.decisions import VERDICTS, Decision, decisions_table


def decided(*decisions: Decision, count: int = 40):
    """The rows of a table of ``count`` frames that some decisions left."""
    labels = np.zeros(count, int)
    table = decisions_table(labels, labels, decisions)
    return table[table["decision"].notna()]


@pytest.fixture
def run(short_run, tmp_path) -> Run:
    """A copy of the run of the short sample, to write into."""
    shutil.copytree(short_run[0].path, tmp_path / "run")
    return Run.open(tmp_path / "run")


def write_scenes(run: Run, *decisions: Decision) -> None:
    """Put a table of decisions into a run, as if the match stage had left it."""
    decisions_table(run.labels(), run.labels(), decisions).assign(rough="").to_csv(run.scenes_path, index=False)


def test_nothing_was_changed():
    assert changes.change_sentences(decided()) == ["The matches changed nothing in the scenes."]
    assert changes.short_sentences(decided(), 0) == ["The matches changed nothing in the scenes."]


def test_one_decision():
    found = decided(Decision("expelled", np.array([7]), "registers to none of 3 frames", 52.4))
    assert changes.change_sentences(found) == [
        "1 frame was set aside as foreign: frame 7. Why (odds 52 to 1): registers to none of 3 frames."
    ]
    assert changes.short_sentences(found, 0) == ["1 frame was set aside as foreign: frame 7."]


def test_one_decision_about_many_frames():
    found = decided(Decision("take", np.arange(12, 30), "3 % change for good"))
    assert changes.change_sentences(found) == [
        "18 frames were parted from their scene as another take of the same place: frames 12, 13, 14, 15, 16 and 13 more. "
        "Why: 3 % change for good."
    ]


def test_the_least_sure_of_several_is_explained():
    odds = {9: 1e4, 3: 2.25, 5: 80.0}
    found = decided(*(Decision("rescued", np.array([frame]), f"reason {frame}", value) for frame, value in odds.items()))
    assert changes.change_sentences(found) == [
        "3 frames were taken back into a scene: frames 3, 5 and 9. The least sure, frame 3 (odds 2.2 to 1): reason 3."
    ]


def test_without_odds_an_example_is_given():
    found = decided(*(Decision("expelled", np.array([k, k + 1, k + 2]), f"burst {k}") for k in (4, 20)))
    (sentence,) = changes.change_sentences(found)
    assert (
        sentence == "6 frames were set aside as foreign: frames 4, 5, 6, 20, 21 and 22. For example frames 4, 5 and 6: burst 4."
    )


def test_a_sentence_for_every_verdict_in_their_order():
    some = decided(*(Decision(verdict, np.array([k, k + 20]), "so") for k, verdict in reversed(list(enumerate(VERDICTS)))))
    found = changes.change_sentences(some, joined=1, parted=2)
    assert [sentence.split(" were ")[1].split(":")[0] for sentence in found[:-1]] == list(VERDICTS.values())
    assert found[-1] == "In all, 1 scene of the clusterer became part of another one and 2 scenes came out of another one."
    assert len(changes.short_sentences(some, 0)) == len(VERDICTS)


@pytest.mark.parametrize(
    ("odds", "words"),
    [(1e4, "10,000 to 1"), (10, "10 to 1"), (9.96, "10 to 1"), (1, "1 to 1"), (0.3, "1 to 3.3"), (1e-4, "1 to 10,000")],
)
def test_odds_in_words(odds, words):
    found = decided(Decision("joined", np.array([2]), "so", odds))
    assert f"(odds {words})" in changes.change_sentences(found)[0]


def test_short_form_has_a_line_each():
    found = decided(
        Decision("blend", np.array([2]), "60 % of frame 1"),
        Decision("blend", np.array([3]), "40 % of frame 1"),
        Decision("rescued", np.array([30]), "2 pairs", 5.0),
    )
    assert changes.short_sentences(found, 3, 0.1274) == [
        "12.7 % of the picture is drawn over every frame, and does not count.",
        "1 frame was taken back into a scene: frame 30.",
        "2 frames were recognised as cross-fades and given to the scene that weighs more: frames 2 and 3.",
        "3 doubts about what was left as it was: see the doubts in run.json.",
    ]


@pytest.mark.parametrize(
    ("share", "frames", "kept", "words"),
    [
        (0.127, 9, False, "12.7 % of the picture is drawn over every frame"),
        (0.0004, 9, False, "less than 0.1 % of the picture is drawn over every frame"),
        (0.0, 9, False, "No overlay was found"),
        (0.0, 4, False, "cannot be told: fewer than 5 frames"),
        (0.0, 0, True, "was kept as picture"),
    ],
)
def test_overlay_in_words(share, frames, kept, words):
    assert words in changes.overlay_sentence(share, frames, kept)


def test_of_a_run(run):
    """Reasons are read back as they were written, an empty one among them; doubts come from the record."""
    write_scenes(
        run, Decision("fade", np.array([4]), "frame 2 with 30 % of its contrast"), Decision("split", np.array([5]), "")
    )
    run.record["stages"]["match"]["info"] |= {"doubts": ["frame 3 was left: so"], "split_scenes": 1, "joined_scenes": "many"}
    assert changes.read_decisions(run)["reason"].tolist() == ["frame 2 with 30 % of its contrast", ""]
    assert changes.changes_of(run)[1:] == [
        "1 frame was recognised as a fade and given to its scene: frame 4. Why: frame 2 with 30 % of its contrast.",
        "In all, 1 scene came out of another one.",
    ]
    assert changes.doubts_of(run) == ["frame 3 was left: so"]
    assert changes.lines_of(run)[-1] == "1 doubt about what was left as it was: see the doubts in run.json."


def test_edits_by_hand_in_words(run):
    """Those of the scenes come first; what is no edit is shown as it is in the record."""
    assert changes.edits_of(run) == []
    run.set_edits("order", [{"join": [1, 2]}, {"drop": "<b>"}], {})
    run.set_edits("match", [{"undo": "joined", "frames": [0, 4]}], {})
    first, *others = changes.edits_of(run)
    assert first.startswith("undo that 2 frames") and first.endswith("(0, 4)")
    assert others == ["join the scene of frame 2 to the end of that of frame 1", "{'drop': '<b>'}"]


def test_a_damaged_table(run):
    """Columns that are missing are named; odds that cannot be are taken as the least or the most that can."""
    table = pd.read_csv(run.scenes_path)
    for name in ("odds", "reason"):
        table.drop(columns=name).to_csv(run.scenes_path, index=False)
        with pytest.raises(RunError, match=rf"scenes\.csv is damaged .*{name}"):
            changes.changes_of(run)
    for odds, words in ((-3, "1 to 10,000"), (0, "1 to 10,000"), (1e300, "10,000 to 1")):
        write_scenes(run, Decision("rescued", np.array([4]), "so", odds))
        assert f"(odds {words})" in changes.changes_of(run)[0]


def test_in_the_report(run, tmp_path):
    """After the gallery of the scenes; what a run says is text, not HTML. Of many doubts the first ten are written out."""
    assert "The matches changed nothing in the scenes." in Page(write_report(run, METRICS, notebooks(tmp_path))).seen
    write_scenes(run, Decision("rescued", np.array([4]), "2 <b>pairs</b> register", 30.0))
    run.record["stages"]["match"]["info"]["doubts"] = [f"frame {k} was left: so" for k in range(12)]
    seen = Page(write_report(run, METRICS, notebooks(tmp_path))).seen
    start = seen.index("What was changed in the scenes")
    assert seen.index("Scenes and outliers") < start < seen.index("Does the restored video run smoothly?")
    assert "overlay" in seen[start + 1].lower() or "cannot be told" in seen[start + 1]
    assert seen[start + 2] == "1 frame was taken back into a scene: frame 4. Why (odds 30 to 1): 2 <b>pairs</b> register."
    first = seen.index("Frame 0 was left: so.")
    assert seen[first + 9 : first + 11] == ["Frame 9 was left: so.", "2 more are in run.json."]


def test_record_without_doubts(run):
    """As an earlier version, or a stranger, may have left it."""
    for value in (None, "text", 3):
        run.record["stages"]["match"]["info"]["doubts"] = json.loads(json.dumps(value))
        assert changes.doubts_of(run) == []
