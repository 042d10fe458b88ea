"""Taking back what the matches decided about the scenes: the table and the record change together, what was made from them is
made again. All of it can be restored, and is done again when the matches are computed anew.
"""

from dataclasses import replace

import numpy as np
import pytest

from tests.fixtures.decided import LOSSLESS, decided, three_decisions
from tests.helpers.tiny import check_result
from tests.pipeline.test_editing import everything
from workbench.errors import RunError, StaleStageError, UsageError
from workbench.parameters import MatchParameters
from workbench.pipeline.decision_editing import compute_again, redo_decision, undo_decision
from workbench.pipeline.editing import edit_order
from workbench.pipeline.stages import reconstruct, run_stage
from workbench.run import Run
from workbench.run.stages import stage_parameters
from workbench.scenes.decisions import Decision

COUNTS = ("rescued_frames", "expelled_frames", "joined_scenes", "split_scenes", "takes")


def counts(run: Run) -> list[int]:
    return [run.info("match")[name] for name in COUNTS]


def test_the_frames_of_an_undone_decision_are_where_the_clusterer_had_them(decided_run):
    run, clustered = decided_run, decided_run.labels()
    assert np.bincount(run.scenes()[run.scenes() >= 0]).tolist() == [12, 9, 3] and counts(run) == [1, 1, 0, 1, 0]
    frames = np.flatnonzero(clustered == 0)[:3].tolist()
    assert undo_decision(run, 0) == {"undo": "split", "frames": frames}
    scenes = Run.open(run.path).scenes()
    assert set(scenes[frames]) == {0} and np.bincount(scenes[scenes >= 0]).tolist() == [15, 9]
    table = run.scenes_table()
    assert set(table["verdict"][frames]) == {"undone split"} and set(table["decision"][frames]) == {0}
    assert run.edits("match") == [{"undo": "split", "frames": frames}] and counts(run) == [1, 1, 0, 0, 0]
    undo_decision(run, 2)
    undo_decision(run, 1)
    assert run.scenes().tolist() == clustered.tolist() and counts(run) == [0, 0, 0, 0, 0]
    assert run.decisions()["undone"].all() and list(run.decisions()["verdict"]) == ["split", "expelled", "rescued"]


def test_what_builds_on_the_scenes_is_made_again(decided_run):
    run = decided_run
    undo_decision(run, 0)
    for stage in ("register", "order", "align", "write"):
        with pytest.raises(StaleStageError, match=f"stage {stage}"):
            run.require(stage)
    compute_again(run, progress=False)
    rows = check_result(run.path, run.source)
    assert [row.scene for row in rows] == run.scenes().tolist()
    metrics = reconstruct(Run.open(run.path), stage_parameters(LOSSLESS), progress=False)  # without overwrite
    assert (metrics["edits"], metrics["scenes"], metrics["split_scenes"]) == (1, 2, 0)


def test_only_what_was_there_is_made_again(decided_run):
    for stage in ("align", "write"):
        del decided_run.record["stages"][stage]
    undo_decision(decided_run, 1)
    decided_run.source.unlink()  # nothing needs it
    compute_again(decided_run, progress=False)
    decided_run.require("order")
    assert not decided_run.is_recorded("write")


def test_restoring_is_as_before(decided_run):
    """In another order than they were undone; what was made from the scenes is right again."""
    run, before = decided_run, everything(decided_run)
    edits = [undo_decision(run, number) for number in (2, 0, 1)]
    assert everything(run).keys() == before.keys()
    assert redo_decision(run, 2) == edits[:1] and run.edits("match") == edits[1:]
    assert run.scenes_table().query("decision == 2")["verdict"].tolist() == ["rescued"]
    assert redo_decision(run) == edits[1:]
    after = everything(run)
    assert {name for name in before if after[name] != before[name]} == {"run.json"}
    assert counts(run) == [1, 1, 0, 1, 0]
    run.require("register", "order", "align", "write")


def test_errors_say_what_there_is(decided_run):
    run = decided_run
    before = everything(run)
    with pytest.raises(UsageError, match=r"there is no decision 3: .* has 0 \(split\), 1 \(expelled\), 2 \(rescued\), choose"):
        undo_decision(run, 3)
    with pytest.raises(UsageError, match="decision 1 was taken back: there is nothing to restore"):
        redo_decision(run, 1)
    with pytest.raises(UsageError, match="no decision was taken back"):
        redo_decision(run)
    assert everything(run) == before
    undo_decision(run, 1)
    with pytest.raises(UsageError, match="decision 1 is taken back already"):
        undo_decision(run, 1)


def test_a_run_without_decisions(decided_run):
    with decided(lambda matched, clustered: replace(matched, labels=clustered, decisions=[])):
        run_stage(decided_run, MatchParameters(match_threshold=0.3), overwrite=True, progress=False)
    assert decided_run.decisions().empty
    with pytest.raises(UsageError, match=r"there is no decision 0: .* has none, the matches agree with the clusterer"):
        undo_decision(decided_run, 0)


def test_a_scene_is_left(decided_run):
    """The clusterer had set every frame aside; the matches took some of them back."""

    def rescue(matched, clustered):
        labels = np.where(np.arange(len(clustered)) < 5, 0, -1)
        return replace(matched, labels=labels, decisions=[Decision("rescued", np.arange(5), "they register")])

    run_stage(decided_run, stage_parameters({"cluster.eps": 1e-9})["cluster"], overwrite=True)
    with decided(rescue):
        run_stage(decided_run, MatchParameters(), overwrite=True, progress=False)
    before = everything(decided_run)
    with pytest.raises(UsageError, match="without decision 0 no scene is left"):
        undo_decision(decided_run, 0)
    assert everything(decided_run) == before


def test_undone_again_when_the_matches_are_computed_anew(decided_run):
    """A decision is known by its verdict and its frames: here they come in another order, one is about other frames."""

    def other_decisions(matched, clustered):
        found = three_decisions(matched, clustered)
        split, expelled, rescued = found.decisions
        labels = found.labels.copy()
        labels[split.frames[2]] = labels[clustered == 0][3]
        return replace(found, labels=labels, decisions=[rescued, expelled, replace(split, frames=split.frames[:2])])

    run = decided_run
    edits = [undo_decision(run, number) for number in (0, 2)]
    parameters = stage_parameters(LOSSLESS | {"match.match_threshold": 0.3})
    with decided(other_decisions):
        reconstruct(run, parameters, overwrite=True, progress=False)
    run = Run.open(run.path)
    assert run.edits("match") == edits
    assert run.decisions()["undone"].tolist() == [True, False, False] and run.scenes()[25] == -1
    assert counts(run)[:2] == [0, 1]
    (message,) = run.left_out
    first = ", ".join(map(str, edits[0]["frames"]))
    assert message == (
        f"undo that 3 frames were parted from their scene ({first}): left out, the matches do not decide so any more"
    )
    check_result(run.path, run.source)
    undo_decision(run, 2)  # edits can be made on top of it
    assert redo_decision(run) == [*edits, {"undo": "split", "frames": edits[0]["frames"][:2]}]
    assert run.info("match")["edits_left_out"] == []


def test_edits_of_the_order_are_made_again_after_it(decided_run):
    run = decided_run
    aside = int(run.decisions().query("number == 1")["first"].iloc[0])
    kept = int(run.scene_order(1)[0])
    edit_order(run, {"drop": kept})
    undo_decision(run, 1)
    compute_again(run, progress=False)
    order = run.order().set_index("position")["scene"]
    assert (order[kept], order[aside], run.scenes()[aside]) == (-1, 1, 1) and run.left_out == []
    assert run.edit_count == 2


def test_scenes_that_something_else_changed_are_not_lost(decided_run):
    file = decided_run.scenes_path
    undo_decision(decided_run, 0)
    text = file.read_text()
    file.write_text(text.replace("undone split", "split", 1))
    before = everything(decided_run)
    for change in (lambda: undo_decision(decided_run, 1), lambda: redo_decision(decided_run)):
        with pytest.raises(RunError, match=r"scenes\.csv was changed by something else than edits"):
            change()
    assert everything(decided_run) == before


def test_a_hostile_edit_is_left_out(decided_run):
    """Whatever a record holds, it is reported in one line."""
    edits = [{"undo": 5}, {"undo": "split", "frames": ["\n"]}, {"undo": "a\nb", "frames": [1]}, {}]
    decided_run.set_edits("match", edits, {})
    with decided():
        run_stage(decided_run, MatchParameters(match_threshold=0.3), overwrite=True, progress=False)
    assert len(Run.open(decided_run.path).info("match")["edits_left_out"]) == 4
