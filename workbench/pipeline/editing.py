"""Changes to the order by hand, kept in the run: whoever computes the order again, with other parameters too, keeps them.

The edits of :mod:`workbench.pipeline.edits` are recorded in ``run.json``; ``order.csv`` is the computed order after all of
them.
"""

import pandas as pd

from workbench.errors import ClusterError, RunError, UsageError
from workbench.evaluation.files import read_order
from workbench.parameters import AlignParameters, WriteParameters
from workbench.pipeline.edits import Edit, apply_edit, apply_edits, computed_order
from workbench.pipeline.stages import run_stage
from workbench.run import Run
from workbench.video.decode import Decoder


def edit_order(run: Run, *edits: Edit) -> None:
    """Change ``order.csv`` by ``edits``, one after the other, and record them; all of them or none.

    The videos are of the order before until :func:`write_again`. Raises :class:`~workbench.errors.UsageError` for an edit that
    cannot be made, and :class:`~workbench.errors.RunError` when ``order.csv`` was damaged or changed by something else.
    """
    first, table = _checked(run)
    for edit in edits:
        table = apply_edit(table, edit)
    _keep(run, first, [*run.edits("order"), *edits])


def undo(run: Run) -> Edit:
    """Take the last edit back and return it: ``order.csv`` is the computed order after the edits before it.

    Raises :class:`~workbench.errors.UsageError` when there is none, and what :func:`edit_order` does.
    """
    first, _ = _checked(run)
    edits = run.edits("order")
    if not edits:
        raise UsageError("there is no edit to take back: the order is as it was computed")
    _keep(run, first, edits[:-1])
    return edits[-1]


def write_again(run: Run, progress: bool = True) -> None:
    """Write the videos with the parameters they were written with, and before that the alignment if there is one.

    Interrupted, it leaves the old videos as they were; call it again.
    """
    if run.is_recorded("align"):  # a steady video is made from it
        run_stage(run, AlignParameters(), overwrite=True, progress=progress)
    run_stage(run, WriteParameters(**run.recorded_parameters("write")), overwrite=True, progress=progress)


def flip_scenes(run: Run, scene: int | None = None, progress: bool = True) -> list[int]:
    """Reverse the order of a scene, or of all scenes, in ``order.csv``, and write the videos again.

    Time has no arrow in a distance: which end of a scene comes first is for a person to say. Returns the scenes that were
    reversed. Raises :class:`~workbench.errors.UsageError` for a scene that is not there, and whatever would keep the videos
    from being written before it changes anything.
    """
    scenes = sorted(set(_checked(run)[1]["scene"]) - {-1})
    if not scenes:
        raise ClusterError(f"{run.path} has no scene, all frames are set aside: raise --cluster.eps and reconstruct again")
    if scene is not None and scene not in scenes:
        raise UsageError(f"there is no scene {scene}: {run.path} has {', '.join(map(str, scenes))}, choose one of them")
    Decoder(run.source).close()  # raises when it is gone
    chosen = [int(number) for number in (scenes if scene is None else [scene])]
    edit_order(run, *(flip(run, number) for number in chosen))
    write_again(run, progress)
    return chosen


def flip(run: Run, scene: int) -> Edit:
    """The edit that reverses a scene as it is now."""
    frames = run.scene_order(scene)
    return {"flip": [int(frames[-1]), int(frames[0])]}


def computed(run: Run) -> pd.DataFrame:
    """The order of a run before any edit, rows as in ``order.csv``."""
    run.require("order")
    return computed_order(run.matrices_path, run.info("video")["frames"])


def _checked(run: Run) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The computed order, and that after all edits. It is ``order.csv``, or something would be lost when that is made anew."""
    first, file = computed(run), run.order_path
    read_order(file)  # raises when it was damaged by hand
    table, _ = apply_edits(first, run.edits("order"))
    if not table.equals(run.order()):
        raise RunError(f"{file} was changed by something else than edits: delete it and reconstruct again")
    return first, table


def _keep(run: Run, first: pd.DataFrame, edits: list[Edit]) -> None:
    table, left_out = apply_edits(first, edits)
    text = table.to_csv(index=False, lineterminator="\n")
    run.set_edits("order", edits, {"edits_left_out": left_out}, run.order_path.name, text)
