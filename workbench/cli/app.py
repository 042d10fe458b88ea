"""The command ``workbench``. Nothing heavy is imported before a command runs, so that ``--help`` answers at once.

The docstring of a command is its help text; its parameters are described by its options.
"""

import os
import sys
from pathlib import Path
from typing import Any, NoReturn

import click

from workbench import __version__
from workbench.cli.arguments import RUN
from workbench.cli.edit import edit, flip, undo
from workbench.cli.home import provide_places
from workbench.cli.page import app
from workbench.cli.reconstruct import reconstruct, run_command
from workbench.cli.sweep import sweep
from workbench.cli.terminal import is_watched, note, summary, write_table
from workbench.errors import TruthError, UsageError, WorkbenchError, os_remedy


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}, invoke_without_command=True)
@click.version_option(__version__)
@click.pass_context
def cli(context: click.Context) -> None:  # numpydoc ignore=PR01
    """Give a shuffled video back: scenes, foreign frames set aside, order, and the video written again."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())
    elif moved := provide_places():
        note(moved)


@cli.command()
@click.argument("clips", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--foreign", type=click.Path(path_type=Path), help="Folder of pictures to mix in.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Video to write; the truth goes beside it.")
@click.option("--seed", default=0, show_default=True, help="Seed of everything that is drawn.")
@click.option("--foreign-share", default=0.1, show_default=True, help="Foreign frames, share of all, 0 to 0.9.")
@click.option("--size", type=int, help="Long side, px; default that of the first clip.")
@click.option("--max-frames", type=int, help="Frames taken of each clip at most.")
@click.option("--flicker", default=0.0, show_default=True, help="Exposure, gamma, colour drawn for every frame, 0 to 1.")
@click.option("--shake", default=0.0, show_default=True, help="Rotation, zoom, shift drawn for every frame, 0 to 1.")
@click.option(
    "--overlay",
    "overlays",
    multiple=True,
    metavar="KIND",
    help="Drawn over every frame: logo, caption, ticker, timestamp, letterbox or watermark; repeatable.",
)
@click.option("--dissolve", type=int, help="Frames of the cross-fade from each clip into the next, 2 or more; default none.")
@click.option("--fade", type=int, help="Frames in which every clip fades from and to black; default none.")
@click.option(
    "--takes",
    multiple=True,
    metavar="CLIP",
    type=click.Path(path_type=Path),
    help="Another take of a place, one frame of it mixed in as a foreign one; repeatable.",
)
@click.option("--burst", default=1, show_default=True, help="Near-identical foreign frames of one picture in a burst, 1 to 5.")
@click.option("--overwrite", is_flag=True, help="Replace a video that is there.")
def corrupt(  # numpydoc ignore=PR01
    clips: tuple[Path, ...], foreign: Path | None, out: Path, overwrite: bool, **options: Any
) -> None:
    """Make a case: CLIPS shuffled, foreign pictures mixed in.

    The truth goes beside the video, as NAME.truth.csv.
    """
    from workbench.evaluation.corrupt import colour_changes
    from workbench.evaluation.corrupt import corrupt as make_case
    from workbench.evaluation.files import truth_path

    if out.exists() and not overwrite:
        raise UsageError(f"{out} is there already: pass --overwrite to replace it, or choose another --out")
    rows = make_case(list(clips), foreign, out, **options)
    for change in colour_changes([*clips, *options["takes"]]):
        click.echo(f"note: {change}", err=True)
    click.echo(f"{out}: {len(rows)} frames, {sum(row.clip == 'outlier' for row in rows)} of them foreign")
    click.echo(truth_path(out))


@cli.command()
@RUN
@click.option("--truth", required=True, type=click.Path(path_type=Path), help="The truth.csv of the video.")
def evaluate(run_path: Path, truth: Path) -> None:  # numpydoc ignore=PR01
    """Measure RUN against a truth, as a whole and clip by clip."""
    from workbench.evaluation.files import read_order, read_truth
    from workbench.evaluation.metrics import evaluate_clips
    from workbench.pipeline.metrics import write_metrics
    from workbench.run import Run

    run = Run.open(run_path)
    run.require("order")
    if not truth.is_file():
        raise TruthError(f"{truth} is not there: give the path of a truth.csv")
    rows = evaluate_clips(read_truth(truth), read_order(run.order_path))
    metrics = write_metrics(run, truth)
    write_table([(name, value) for name, value in summary(metrics) if not name.startswith("Seconds")])
    for row in rows:
        values = ", ".join(f"{key} {value:.4f}" if isinstance(value, float) else f"{key} {value}" for key, value in row.items())
        click.echo(values)


@cli.command()
@click.argument("runs", metavar="RUN RUN...", nargs=-1, type=click.Path(path_type=Path))
@click.option("--html", "page", metavar="FILE", type=click.Path(path_type=Path), help="Write a page too, with film strips.")
def compare(runs: tuple[Path, ...], page: Path | None) -> None:  # numpydoc ignore=PR01
    """Set two or more finished runs side by side.

    Parameters that differ, metrics, and for runs of the same video how far their orders agree.
    """
    from workbench.reports.compare import as_text, open_runs, tables, write_page

    opened = open_runs(runs)
    found = tables(opened)
    if page:
        write_page(opened, found, page)
    click.echo(as_text(found))
    if page:
        click.echo(f"\n{page}")


@cli.command()
@click.argument("name", required=False)
def models(name: str | None) -> None:  # numpydoc ignore=PR01
    """List the models, or show the one called NAME.

    Size, digest and licence of all; the card of one, or where its file comes from.
    """
    from workbench.models.catalogue import model_card, model_table

    click.echo("\n".join(model_card(name) if name else model_table()))


@cli.command()
@click.argument("words", metavar="[RUN] [-- OPTIONS]", nargs=-1, type=click.UNPROCESSED)
def lab(words: tuple[str, ...]) -> None:  # numpydoc ignore=PR01
    """Open the notebooks in JupyterLab, on the sample or on RUN.

    Without RUN, the sample is reconstructed first, if it is not yet. With RUN, the notebooks are copied into its folder lab/
    and opened there. OPTIONS after -- go to JupyterLab.
    """
    from workbench.notebooks.lab import open_run, open_sample

    if words and not words[0].startswith("-"):
        open_run(Path(words[0]), words[1:], say=note)
    else:
        open_sample(words, say=note, progress=is_watched())


for command in (reconstruct, run_command, sweep, edit, flip, undo, app):
    cli.add_command(command)


def main() -> None:
    """Run the command line and exit: 0, 1 for data that cannot be processed, 2 for wrong usage, 130 when interrupted.

    Errors that a user can correct are printed as one line.
    """
    try:
        with cli.make_context(
            "workbench", sys.argv[1:]
        ) as context:  # click's own main would take an EOFError for an interruption
            cli.invoke(context)
        sys.exit(0)
    except click.exceptions.Exit as stop:  # --help and --version
        sys.exit(stop.exit_code)
    except WorkbenchError as error:
        _fail(str(error), error.exit_status)
    except KeyboardInterrupt:
        _fail("interrupted; the same command goes on from here", 130)
    except click.ClickException as error:
        of_command = getattr(error, "ctx", None)
        command = of_command.command_path if of_command else "workbench"
        dashed = next((word for word in sys.argv[2:] if word.startswith("-") and os.path.lexists(word)), None)
        if dashed and isinstance(error, click.NoSuchOption | click.BadOptionUsage):
            _fail(f"{dashed} is taken for an option: write ./{dashed}, or put -- before it", error.exit_code)
        _fail(f"{error.format_message().rstrip('.')}: see `{command} --help`", error.exit_code)
    except BrokenPipeError:  # whoever reads the output has seen enough, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python would fail again when it closes stdout
        sys.exit(1)
    except OSError as error:
        remedy = os_remedy(error)
        if not remedy:
            raise
        _fail(remedy, 1)


def _fail(message: str, status: int) -> NoReturn:
    in_one_line = message.replace("\n", "\\n").replace("\r", "\\r")  # a path may hold anything
    click.echo(f"workbench: {in_one_line}", err=True)
    sys.exit(status)
