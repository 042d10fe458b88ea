"""Changes of an order by hand, recorded in the run. They stay when the order is computed again, also with other parameters.

The edits of :mod:`workbench.pipeline.order_edits` are recorded in ``run.json``; ``order.csv`` is the computed order after all
of them. :mod:`workbench.pipeline.scene_edits` makes edits from numbers of scenes.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import pandas as pd

from workbench.errors import RunError, UsageError
from workbench.parameters import AlignParameters, WriteParameters
from workbench.pipeline.edits import apply_edit, apply_edits, computed_order
from workbench.pipeline.order_edits import Edit
from workbench.pipeline.scene_edits import flip, scene_lists
from workbench.pipeline.stages import run_stage
from workbench.run import Run


def edit_order(run: Run, *edits: Edit) -> None:
    """Apply edits to ``order.csv``, one after the other, and record them; all of them or none.

    The videos show the order before them until :func:`write_again`.

    Parameters
    ----------
    run : Run
        The run.
    *edits : dict
        The edits, as in :mod:`workbench.pipeline.order_edits`.

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


def undo(run: Run, number: int | None = None) -> Edit:
    """Take an edit back: ``order.csv`` is then the computed order after all others.

    Later edits that cannot be applied without it are left out and reported, as when the order is computed anew.

    Parameters
    ----------
    run : Run
        The run.
    number : int, optional
        Number of the edit in the order in which they were made, from 1; default the last one.

    Returns
    -------
    dict
        The edit that was taken back.

    Raises
    ------
    UsageError
        When there is no such edit.
    RunError
        When ``order.csv`` was damaged or changed by something else than edits.
    """
    first, _ = _checked(run)
    edits = run.edits("order")
    if not edits:
        raise UsageError("there is no edit to take back: the order is as it was computed")
    number = len(edits) if number is None else number
    if not 1 <= number <= len(edits):
        raise UsageError(f"there is no edit {number}: the run has edits 1 to {len(edits)}, choose one of them")
    _record(run, first, [*edits[: number - 1], *edits[number:]])
    return edits[number - 1]


def undo_all(run: Run) -> list[Edit]:
    """Take all edits back: ``order.csv`` is then the computed order.

    Parameters
    ----------
    run : Run
        The run.

    Returns
    -------
    list of dict
        The edits that were taken back.

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
    _record(run, first, [])
    return edits


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
        When the video is gone or another one now.
    """
    chosen = [*range(len(scene_lists(run)))] if scene is None else [scene]
    with writing_again(run, progress):
        edit_order(run, *(flip(run, number) for number in chosen))
    return chosen


@contextmanager
def writing_again(run: Run, progress: bool = True) -> Iterator[None]:
    """Change the order inside of a ``with`` block, after which the videos are written again.

    Parameters
    ----------
    run : Run
        The run.
    progress : bool
        Whether progress bars are drawn.

    Yields
    ------
    None
        Nothing.

    Raises
    ------
    RunError, VideoError
        When the video is gone or another one now; nothing is changed then.
    """
    run.check_source()
    yield
    write_again(run, progress)


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
