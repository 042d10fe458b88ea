"""The commands by which a person changes a result: ``workbench edit``, ``workbench flip`` and ``workbench undo``.

The docstring of a command is its help text; its parameters are described by its options.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from workbench.cli.arguments import RUN
from workbench.cli.terminal import is_watched, note
from workbench.errors import UsageError, WorkbenchError

if TYPE_CHECKING:
    from workbench.pipeline.order_edits import Edit
    from workbench.run import Run

FRAME = click.argument("frame", type=int)
SCENE = click.argument("scene", type=int)
NAMED_SCENES = 12  # scenes that the line about a change names


@click.group(invoke_without_command=True, subcommand_metavar="[VERB] [NUMBERS]")
@RUN
@click.pass_context
def edit(context: click.Context, run_path: Path) -> None:  # numpydoc ignore=PR01
    """Change the order of RUN by hand, or list its edits.

    A VERB changes order.csv and writes the videos again. Scenes are named by their numbers, frames by their positions in the
    input; without a VERB, the scenes and the edits are listed. The run remembers the edits, also when the order is computed
    again; undo takes them back.
    """
    context.obj = run_path
    if context.invoked_subcommand is None:
        from workbench.run import Run

        _list_scenes(Run.open(run_path))


@edit.command("flip")
@SCENE
@click.pass_obj
def flip_scene(run_path: Path, scene: int) -> None:  # numpydoc ignore=PR01
    """Reverse SCENE."""
    from workbench.pipeline import scene_edits

    _edit(run_path, lambda run: scene_edits.flip(run, scene))


@edit.command()
@FRAME
@click.option("--after", type=int, metavar="FRAME", help="The frame behind which it goes.")
@click.option("--before", type=int, metavar="FRAME", help="The frame before which it goes.")
@click.pass_obj
def move(run_path: Path, frame: int, after: int | None, before: int | None) -> None:  # numpydoc ignore=PR01
    """Move FRAME beside another one.

    The other one may be in another scene, and FRAME may be one that is set aside.
    """
    if (after is None) == (before is None):
        raise UsageError(f"say where frame {frame} goes: give either --after FRAME or --before FRAME")
    _edit(run_path, lambda run: {"move": frame, "after": after} if before is None else {"move": frame, "before": before})


@edit.command()
@FRAME
@click.pass_obj
def drop(run_path: Path, frame: int) -> None:  # numpydoc ignore=PR01
    """Set FRAME aside, as an outlier."""
    _edit(run_path, lambda run: {"drop": frame})


@edit.command()
@click.argument("first", metavar="SCENE", type=int)
@click.argument("second", metavar="SCENE", type=int)
@click.pass_obj
def join(run_path: Path, first: int, second: int) -> None:  # numpydoc ignore=PR01
    """Join two scenes, the second SCENE behind the first."""
    from workbench.pipeline import scene_edits

    _edit(run_path, lambda run: scene_edits.join(run, first, second))


@edit.command()
@FRAME
@click.pass_obj
def cut(run_path: Path, frame: int) -> None:  # numpydoc ignore=PR01
    """Cut a scene in two: the second part begins with FRAME."""
    from workbench.pipeline import scene_edits

    _edit(run_path, lambda run: scene_edits.cut(run, frame))


@edit.command()
@SCENE
@click.pass_obj
def set_aside(run_path: Path, scene: int) -> None:  # numpydoc ignore=PR01
    """Set a whole SCENE aside."""
    from workbench.pipeline import scene_edits

    _edit(run_path, lambda run: scene_edits.set_aside(run, scene))


@edit.command()
@FRAME
@click.pass_obj
def first(run_path: Path, frame: int) -> None:  # numpydoc ignore=PR01
    """Let the scene of FRAME begin with it.

    The frames that were before it follow behind the end: this is for loops, which have no start of their own.
    """
    _edit(run_path, lambda run: {"first": frame})


@edit.command()
@click.argument("numbers", metavar="SCENE...", nargs=-1, required=True, type=int)
@click.pass_obj
def scenes(run_path: Path, numbers: tuple[int, ...]) -> None:  # numpydoc ignore=PR01
    """Play the scenes in this order; those that are not named follow.

    Scenes are then numbered as they are played.
    """
    from workbench.pipeline import scene_edits

    _edit(run_path, lambda run: scene_edits.play_in_order(run, numbers))


@edit.command("undo")
@click.argument("number", required=False, type=int)
@click.option("--all", "everything", is_flag=True, help="Take all edits back.")
@click.pass_obj
def undo_edit(run_path: Path, number: int | None, everything: bool) -> None:  # numpydoc ignore=PR01
    """Take the edit with this NUMBER back; default the last one."""
    from workbench.pipeline import editing

    if everything and number is not None:
        raise UsageError("take back either one edit or all: leave out the NUMBER, or --all")
    _change(run_path, lambda run: editing.undo_all(run) if everything else [editing.undo(run, number)], "taken back: ")


@edit.command()
@click.pass_obj
def write(run_path: Path) -> None:  # numpydoc ignore=PR01
    """Write the videos again.

    For edits that were made in a notebook, and for a command that was interrupted while it wrote.
    """
    _change(run_path, lambda run: [])


@click.command()
@RUN
@click.option("--scene", type=int, help="The scene; default all.")
def flip(run_path: Path, scene: int | None) -> None:  # numpydoc ignore=PR01
    """Reverse a scene of RUN, and write the videos again.

    Distances do not show the direction of time: which end of a scene comes first is for you to decide.
    """
    from workbench.pipeline.editing import flip_scenes
    from workbench.run import Run

    run = Run.open(run_path)
    with run.held(), _told_what_is_left(run):
        flipped = flip_scenes(run, scene, progress=is_watched())
    click.echo(f"reversed scene {', '.join(map(str, flipped))} in {run.order_path}; the videos are written again")
    _note_old_report(run)


@click.command()
@RUN
@click.argument("decision", required=False, type=int)
@click.option("--restore", is_flag=True, help="Let DECISION hold again; without DECISION, all of them.")
def undo(run_path: Path, decision: int | None, restore: bool) -> None:  # numpydoc ignore=PR01
    """Take back a DECISION about the scenes of RUN, or list all.

    The matches check the scenes that the clusterer found. When a decision is taken back, its frames are where the clusterer had
    them, and what was made from the scenes is made again: the order and the videos. The run remembers it.
    """
    from workbench.pipeline.decision_editing import compute_again, redo_decision, undo_decision
    from workbench.pipeline.decision_edits import decision_lines, describe_undo
    from workbench.run import Run

    run = Run.open(run_path)
    if decision is None and not restore:
        doubts = [f"left as it was: {doubt}" for doubt in run.info("match").get("doubts", [])]
        decided = decision_lines(run.decisions()) or ["no decision was needed: the scenes are those of the clusterer"]
        click.echo("\n".join([*decided, *doubts]))
        return
    with run.held(), _told_what_is_left(run, "match"):
        edits = redo_decision(run, decision) if restore or decision is None else [undo_decision(run, decision)]
        compute_again(run, progress=is_watched())
    for edit in edits:
        click.echo(f"{'no longer ' * restore}{describe_undo(edit)}")
    made = "the order and the videos are made again" if run.is_recorded("write") else "run `workbench reconstruct` for the rest"
    click.echo(f"{run.scenes_path} is changed; {made}")
    _note_old_report(run)


def _edit(run_path: Path, make: Callable[["Run"], "Edit"]) -> None:
    """Make one edit, which may depend on the run, and write the videos."""
    from workbench.pipeline.editing import edit_order

    def _made(run: "Run") -> "list[Edit]":
        made = make(run)
        edit_order(run, made)
        return [made]

    _change(run_path, _made)


def _change(run_path: Path, change: Callable[["Run"], "list[Edit]"], before: str = "") -> None:
    """Change the order, which gives the edits to be told, and write the videos."""
    from workbench.pipeline.editing import writing_again
    from workbench.pipeline.order_edits import describe
    from workbench.run import Run

    run = Run.open(run_path)
    run.require("order")
    with run.held(), _told_what_is_left(run), writing_again(run, is_watched()):
        for made in change(run):
            click.echo(f"{before}{describe(made)}")
    click.echo(f"{run.order_path} has {_scene_counts(run)}; the videos are written again")
    for message in run.info("order").get("edits_left_out", []):
        note(f"note: {message}")
    _note_old_report(run)


@contextmanager
def _told_what_is_left(run: "Run", stage: str = "order") -> Iterator[None]:
    """Say what an interruption or a full disk left: the same command once more would make the edit a second time."""
    before = run.edits(stage)
    if stage == "order":
        left = f"the edit is kept, the videos are not written: `workbench edit {run.path} write` does it"
    else:
        again = f"`workbench reconstruct {run.source_path} --out {run.path}`"
        left = f"the scenes are changed, the order is not: {again} does it, with the parameters that the run had"
    try:
        yield
    except KeyboardInterrupt:
        if run.edits(stage) == before:
            raise
        note(f"workbench: interrupted; {left}")
        raise click.exceptions.Exit(130) from None
    except (WorkbenchError, OSError):
        if run.edits(stage) != before:
            note(f"note: {left}, once the following is mended")
        raise


def _list_scenes(run: "Run") -> None:
    """Write the scenes, what is set aside, and the edits with their numbers."""
    from workbench.pipeline.edits import frame_lists
    from workbench.pipeline.order_edits import describe
    from workbench.run.contents import first_positions

    table = run.order()
    click.echo("scene  frames   first    last")
    for number, frames in enumerate(frame_lists(table)):
        click.echo(f"{number:5}  {len(frames):6}  {frames[0]:6}  {frames[-1]:6}")
    aside = table.loc[table["scene"] < 0, "position"].tolist()
    click.echo(f"set aside: {len(aside)}{f' ({first_positions(aside)})' * bool(aside)}")
    edits = run.edits("order")
    click.echo("edits:" if edits else "edits: none")
    for number, made in enumerate(edits, 1):
        click.echo(f"{number:5}  {describe(made)}")
    for message in run.info("order").get("edits_left_out", []):
        note(f"note: {message}")


def _scene_counts(run: "Run") -> str:
    """How many frames every scene has, in a few words."""
    from workbench.pipeline.scene_edits import scene_lists

    counts = [len(frames) for frames in scene_lists(run)]
    named = [f"scene {number} ({count} frame{'s' * (count > 1)})" for number, count in enumerate(counts[:NAMED_SCENES])]
    return ", ".join([*named, *[f"{len(counts) - NAMED_SCENES} more"] * (len(counts) > NAMED_SCENES)])


def _note_old_report(run: "Run") -> None:
    """Point out a report that shows the order before."""
    if run.report_path.exists():
        click.echo(f"note: report.html still shows the order before; `workbench run VIDEO --out {run.path}` draws it again")
