"""Changes by hand, recorded in the run. They stay when a result is computed again, also with other parameters.

The edits of :mod:`workbench.pipeline.edits` are recorded in ``run.json``; ``order.csv`` is the computed order after all of
them, and ``scenes.csv`` has the scenes without the decisions that were taken back.
"""

import pandas as pd

from workbench.errors import ClusterError, RunError, UsageError
from workbench.parameters import AlignParameters, WriteParameters
from workbench.pipeline.edits import (
    Edit,
    apply_edit,
    apply_edits,
    computed_order,
    decision_edits,
    matched_scenes,
    recount,
    undo_decisions,
)
from workbench.pipeline.stages import run_stage
from workbench.run import Run
from workbench.run.stages import STAGES
from workbench.video.source import open_source

LISTED_DECISIONS = 12  # decisions that an error names at most


def edit_order(run: Run, *edits: Edit) -> None:
    """Apply edits to ``order.csv``, one after the other, and record them; all of them or none.

    The videos show the order before them until :func:`write_again`.

    Parameters
    ----------
    run : Run
        The run.
    *edits : dict
        The edits, as in :mod:`workbench.pipeline.edits`.

    Raises
    ------
    UsageError
        For an edit that cannot be applied.
    RunError
        When ``order.csv`` was damaged or changed by something else than edits.
    """
    first, table = _checked(run)
    for edit in edits:
        table = apply_edit(table, edit)
    _record(run, first, [*run.edits("order"), *edits])


def undo(run: Run) -> Edit:
    """Take the last edit back: ``order.csv`` is then the computed order after the edits before it.

    Parameters
    ----------
    run : Run
        The run.

    Returns
    -------
    dict
        The edit that was taken back.

    Raises
    ------
    UsageError
        When there is none.
    RunError
        When ``order.csv`` was damaged or changed by something else than edits.
    """
    first, _ = _checked(run)
    edits = run.edits("order")
    if not edits:
        raise UsageError("there is no edit to take back: the order is as it was computed")
    _record(run, first, edits[:-1])
    return edits[-1]


def write_again(run: Run, progress: bool = True) -> None:
    """Write the videos again with the parameters they were written with, after the alignment if there is one.

    When it is interrupted, the old videos stay as they were; call it again.

    Parameters
    ----------
    run : Run
        The run.
    progress : bool
        Whether progress bars are drawn.
    """
    if run.is_recorded("align"):  # a steady video is made from it
        run_stage(run, AlignParameters(), overwrite=True, progress=progress)
    run_stage(run, WriteParameters(**run.recorded_parameters("write")), overwrite=True, progress=progress)


def flip_scenes(run: Run, scene: int | None = None, progress: bool = True) -> list[int]:
    """Reverse the order of a scene, or of all scenes, in ``order.csv``, and write the videos again.

    Distances do not show the direction of time, so a person decides which end of a scene comes first. What would keep the
    videos from being written is refused before anything is changed.

    Parameters
    ----------
    run : Run
        The run.
    scene : int, optional
        Number of the scene, from 0; default all.
    progress : bool
        Whether progress bars are drawn.

    Returns
    -------
    list of int
        The scenes that were reversed.

    Raises
    ------
    ClusterError
        When the run has no scene.
    UsageError
        When there is no such scene.
    RunError, VideoError
        When the video is gone, or no video any more.
    """
    scenes = sorted(set(_checked(run)[1]["scene"]) - {-1})
    if not scenes:
        raise ClusterError(f"{run.path} has no scene, all frames are set aside: raise --cluster.eps and reconstruct again")
    if scene is not None and scene not in scenes:
        raise UsageError(f"there is no scene {scene}: {run.path} has {', '.join(map(str, scenes))}, choose one of them")
    open_source(run.inputs).close()  # raises when it is gone
    chosen = [int(number) for number in (scenes if scene is None else [scene])]
    edit_order(run, *(flip(run, number) for number in chosen))
    write_again(run, progress)
    return chosen


def flip(run: Run, scene: int) -> Edit:
    """Make the edit that reverses a scene as it is now.

    Parameters
    ----------
    run : Run
        The run.
    scene : int
        Number of the scene, from 0.

    Returns
    -------
    dict
        The edit.
    """
    frames = run.scene_order(scene)
    return {"flip": [int(frames[-1]), int(frames[0])]}


def computed(run: Run) -> pd.DataFrame:
    """Give the order of a run before any edit.

    Parameters
    ----------
    run : Run
        The run.

    Returns
    -------
    DataFrame
        Rows as in ``order.csv``.
    """
    run.require("order")
    return computed_order(run.matrices_path, run.info("video")["frames"], run.names())


def undo_decision(run: Run, number: int) -> Edit:
    """Take back what the matches decided about some frames: in ``scenes.csv`` they are where the clusterer had them.

    What was made from the scenes is stale until :func:`compute_again`.

    Parameters
    ----------
    run : Run
        The run.
    number : int
        Number of the decision, from :meth:`~workbench.run.contents.Contents.decisions`.

    Returns
    -------
    dict
        The edit that was made.

    Raises
    ------
    UsageError
        When there is no such decision, when it is taken back already, and when no scene would be left.
    RunError
        When ``scenes.csv`` was damaged or changed by something else than edits.
    """
    matched, edits = _checked_scenes(run), run.edits("match")
    edit = _decision(run, matched, number)
    if edit in edits:
        raise UsageError(f"decision {number} is taken back already: restore it, or choose another one")
    if undo_decisions(matched, [*edits, edit])[0]["scene"].max() < 0:
        raise UsageError(f"without decision {number} no scene is left: raise --cluster.eps and reconstruct again")
    _record_scenes(run, matched, [*edits, edit])
    return edit


def redo_decision(run: Run, number: int | None = None) -> list[Edit]:
    """Restore a decision that was taken back, or all of them.

    Parameters
    ----------
    run : Run
        The run.
    number : int, optional
        Number of the decision; default all, also those that the matches do not make any more.

    Returns
    -------
    list of dict
        The edits that no longer hold.

    Raises
    ------
    UsageError
        When there is no such decision, or it is not taken back.
    RunError
        When ``scenes.csv`` was damaged or changed by something else than edits.
    """
    matched, edits = _checked_scenes(run), run.edits("match")
    gone = edits if number is None else [_decision(run, matched, number)]
    if not gone or any(edit not in edits for edit in gone):
        which = "no decision" if number is None else f"decision {number}"
        raise UsageError(f"{which} was taken back: there is nothing to restore")
    _record_scenes(run, matched, [edit for edit in edits if edit not in gone])
    return gone


def compute_again(run: Run, progress: bool = True) -> None:
    """Compute again what was made from the scenes, as far as it was computed before and with the same parameters.

    Parameters
    ----------
    run : Run
        The run.
    progress : bool
        Whether progress bars are drawn.

    Raises
    ------
    RunError, VideoError
        When the videos were written and the video is gone, or no video any more; nothing is computed then.
    """
    if run.is_recorded("write"):
        open_source(run.inputs).close()  # raises when it is gone
    for name in ("register", "order", "align", "write"):
        if run.is_recorded(name):
            parameters = STAGES[name].parameters(**run.recorded_parameters(name))
            run_stage(run, parameters, overwrite=True, progress=progress)


def _checked(run: Run) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The order before and after all edits; refused unless ``order.csv`` is the latter, or writing it would lose something."""
    first, file = computed(run), run.order_path
    table, _ = apply_edits(first, run.edits("order"))
    if not table.equals(run.order()):  # which raises when the file was damaged by hand
        raise RunError(f"{file} was changed by something else than edits: delete it and reconstruct again")
    return first, table


def _record(run: Run, first: pd.DataFrame, edits: list[Edit]) -> None:
    """Write ``order.csv`` and the edits in one step."""
    table, left_out = apply_edits(first, edits)
    text = table.to_csv(index=False, lineterminator="\n")
    run.set_edits("order", edits, {"edits_left_out": left_out}, run.order_path.name, text)


def _decision(run: Run, matched: pd.DataFrame, number: int) -> Edit:
    """The edit that takes a decision back."""
    known = decision_edits(matched)
    if not known:
        raise UsageError(f"there is no decision {number}: {run.path} has none, the matches agree with the clusterer")
    if number not in known:
        listed = ", ".join(f"{known_number} ({edit['undo']})" for known_number, edit in [*known.items()][:LISTED_DECISIONS])
        more = f" and {len(known) - LISTED_DECISIONS} more" if len(known) > LISTED_DECISIONS else ""
        raise UsageError(f"there is no decision {number}: {run.path} has {listed}{more}, choose one of them")
    return known[number]


def _checked_scenes(run: Run) -> pd.DataFrame:
    """The scenes before all edits; refused unless ``scenes.csv`` has those after them."""
    table = run.scenes_table()
    matched = matched_scenes(table)
    if not undo_decisions(matched, run.edits("match"))[0].equals(table):
        raise RunError(f"{run.scenes_path} was changed by something else than edits: delete it and reconstruct again")
    return matched


def _record_scenes(run: Run, matched: pd.DataFrame, edits: list[Edit]) -> None:
    """Write ``scenes.csv`` and the edits in one step."""
    table, left_out = undo_decisions(matched, edits)
    info = recount(run.info("match"), run.scenes_table(), table) | {"edits_left_out": left_out}
    run.set_edits("match", edits, info, run.scenes_path.name, table.to_csv(index=False, lineterminator="\n"))
