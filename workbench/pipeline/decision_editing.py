"""Decisions about the scenes taken back by hand, and recorded in the run.

The edits of :mod:`workbench.pipeline.decision_edits` are recorded in ``run.json``; ``scenes.csv`` has the scenes without the
decisions that were taken back. They stay when the matches are computed again, also with other parameters.
"""

import pandas as pd

from workbench.errors import RunError, UsageError
from workbench.pipeline.decision_edits import decision_edits, matched_scenes, recount, undo_decisions
from workbench.pipeline.order_edits import Edit
from workbench.pipeline.stages import run_stage
from workbench.run import Run
from workbench.run.stages import STAGES

LISTED_DECISIONS = 12  # decisions that an error names at most


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
        When the videos were written and the video is gone or another one now; nothing is computed then.
    """
    if run.is_recorded("write"):
        run.check_source()
    for name in ("register", "order", "align", "write"):
        if run.is_recorded(name):
            parameters = STAGES[name].parameters(**run.recorded_parameters(name))
            run_stage(run, parameters, overwrite=True, progress=progress)


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
