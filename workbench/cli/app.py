"""The command line. Nothing heavy is imported before a command runs, so that ``--help`` answers at once."""

import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, closing, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click
from click.core import ParameterSource

from workbench import __version__
from workbench.cli.sweep import sweep
from workbench.errors import DISK, ParameterError, UsageError, WorkbenchError
from workbench.parameters import STAGES, Parameters, defaults, full_names, stage_parameters

if TYPE_CHECKING:
    from workbench.run import Run
    from workbench.storage.blocks import Each


def _local(_context: click.Context, _parameter: click.Parameter, text: str) -> Path:
    if "://" in text:  # a Path would lose one of the slashes, and with it the reason
        raise UsageError(f"{text} is a network address: download the video and give the path of the file")
    return Path(text)


VIDEO = click.argument("video", callback=_local)
RUN = click.argument("run_path", metavar="RUN", type=click.Path(path_type=Path))
OUT = click.option("--out", type=click.Path(path_type=Path), help="Run directory; default runs/NAME of the video.")
TRUTH = click.option("--truth", default="", help="Ground truth; default NAME.truth.csv beside the video, if it is there.")
OVERWRITE = click.option("--overwrite", is_flag=True, help="Replace stages that were made with other parameters.")
NOT_FAST = ("umap",)  # stages of the notebooks alone


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}, invoke_without_command=True)
@click.version_option(__version__)
@click.pass_context
def cli(context: click.Context) -> None:
    """Give a shuffled video back: scenes, foreign frames set aside, order, and the video written again."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


def stage_options(command: Callable[..., None]) -> Callable[..., None]:
    """All parameters of the fast path as options, ``--cluster.eps`` and so on."""
    for stage, kind in reversed(STAGES.items()):
        if stage in NOT_FAST:
            continue
        for item in reversed(kind.__dataclass_fields__.values()):
            name = f"{stage}.{item.name}"
            choices = item.metadata["choices"]
            is_flag = item.type is bool
            command = click.option(
                f"--{name}",
                *([f"--{item.name}"] if is_flag else []),  # a switch has no value that would need the stage beside it
                name.replace(".", "__"),
                is_flag=is_flag,
                type=click.Choice(choices) if choices else item.type,
                default=item.default,
                show_default=True,
                help=item.metadata["about"],
            )(command)
    return command


@cli.command()
@VIDEO
@OUT
@TRUTH
@OVERWRITE
@click.option(
    "--all-pairs",
    is_flag=True,
    help="Compare all pairs inside scenes, as --match.pairs_per_frame 0: slow, shows what the budget costs.",
)
@click.option(
    "--scheduler",
    default="",
    metavar="ADDRESS",
    help="Dask scheduler whose workers find keypoints and matches, block by block, as tcp://127.0.0.1:8786; default none.",
)
@stage_options
def reconstruct(
    video: Path, out: Path | None, truth: str, overwrite: bool, all_pairs: bool, scheduler: str, **options: Any
) -> None:
    """Restore VIDEO: the fast path, without notebooks."""
    source = click.get_current_context().get_parameter_source
    given = {name.replace("__", "."): value for name, value in options.items() if source(name) is not ParameterSource.DEFAULT}
    if all_pairs:
        given["match.pairs_per_frame"] = 0
    from workbench.pipeline import stages

    run, known, chosen = _begin(video, out, truth, given, overwrite)
    with run.held(), _workers(scheduler) as each:
        metrics = stages.reconstruct(run, chosen, known, overwrite, _watched(), each)
    _finish(run, metrics, [])


@cli.command("run")
@VIDEO
@OUT
@TRUTH
@OVERWRITE
@click.option("-p", "values", multiple=True, metavar="KEY=VALUE", help="A stage parameter, as cluster.eps=0.3; repeatable.")
def run_command(video: Path, out: Path | None, truth: str, overwrite: bool, values: tuple[str, ...]) -> None:
    """Restore VIDEO through the notebooks, and write report.html."""
    from workbench.notebooks.chain import CHAIN, run_notebooks
    from workbench.pipeline.metrics import write_metrics
    from workbench.reports.report import write_report
    from workbench.run import Run

    run, known, chosen = _begin(video, out, truth, dict(_pair(value) for value in values), overwrite)
    executed: list[Path] = []
    _say_now(CHAIN[0])
    start = time.perf_counter()
    for name, path in run_notebooks(run, chosen, known, overwrite):
        executed.append(path)
        click.echo(f"{len(executed)}/{len(CHAIN)} {name:24} {time.perf_counter() - start:6.1f} s", err=True)
        _say_now(*CHAIN[len(executed) : len(executed) + 1])
        start = time.perf_counter()
    run = Run.open(run.path)
    metrics = write_metrics(run, known)
    report = write_report(run, metrics, executed)
    _finish(run, metrics, [report])


@cli.command()
@click.argument("clips", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--foreign", type=click.Path(path_type=Path), help="Folder of pictures to mix in.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Video to write; the truth goes beside it.")
@click.option("--seed", default=0, show_default=True, help="Seed of everything that is drawn.")
@click.option("--foreign-share", default=0.1, show_default=True, help="Foreign frames, share of all, 0 to 0.9.")
@click.option("--size", type=int, help="Long side, px; default that of the first clip.")
@click.option("--max-frames", type=int, help="Frames taken of each clip at most.")
@click.option("--flicker", default=0.0, show_default=True, help="Exposure, gamma, colour drawn anew per frame, 0 to 1.")
@click.option("--shake", default=0.0, show_default=True, help="Rotation, zoom, shift drawn anew per frame, 0 to 1.")
@click.option("--overwrite", is_flag=True, help="Replace a video that is there.")
def corrupt(clips: tuple[Path, ...], foreign: Path | None, out: Path, overwrite: bool, **options: Any) -> None:
    """Make a case: CLIPS shuffled, foreign pictures mixed in.

    The truth goes beside the video, as NAME.truth.csv.
    """
    from workbench.evaluation.corrupt import corrupt as make_case
    from workbench.evaluation.files import truth_path

    if out.exists() and not overwrite:
        raise UsageError(f"{out} is there already: pass --overwrite to replace it, or choose another --out")
    rows = make_case(list(clips), foreign, out, **options)
    click.echo(f"{out}: {len(rows)} frames, {sum(row.clip == 'outlier' for row in rows)} of them foreign")
    click.echo(truth_path(out))


@cli.command()
@RUN
@click.option("--truth", required=True, type=click.Path(path_type=Path), help="The truth.csv of the video.")
def evaluate(run_path: Path, truth: Path) -> None:
    """Measure RUN against a truth, as a whole and clip by clip."""
    from workbench.evaluation.files import find_truth, read_order, read_truth
    from workbench.evaluation.metrics import evaluate_clips
    from workbench.pipeline.metrics import write_metrics
    from workbench.run import Run

    run = Run.open(run_path)
    run.require("order")
    known = find_truth(run.path, truth)
    rows = evaluate_clips(read_truth(known), read_order(run.path / "order.csv"))
    metrics = write_metrics(run, known)
    _table([(name, value) for name, value in _summary(metrics) if not name.startswith("Seconds")])
    for row in rows:
        values = ", ".join(f"{key} {value:.4f}" if isinstance(value, float) else f"{key} {value}" for key, value in row.items())
        click.echo(values)


@cli.command()
@click.argument("runs", metavar="RUN RUN...", nargs=-1, type=click.Path(path_type=Path))
@click.option("--html", "page", metavar="FILE", type=click.Path(path_type=Path), help="Write a page too, with film strips.")
def compare(runs: tuple[Path, ...], page: Path | None) -> None:
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
@RUN
@click.option("--scene", type=int, help="The scene; default all.")
def flip(run_path: Path, scene: int | None) -> None:
    """Reverse a scene of RUN, and write the videos again.

    Time has no arrow in a distance: which end of a scene comes first is for a person to say.
    """
    from workbench.pipeline.editing import flip_scenes
    from workbench.run import Run

    run = Run.open(run_path)
    with run.held():
        flipped = flip_scenes(run, scene, progress=_watched())
    click.echo(f"reversed scene {', '.join(map(str, flipped))} in {run.path / 'order.csv'}; the videos are written again")
    if (run.path / "report.html").exists():
        click.echo(f"note: report.html still shows the order before; `workbench run VIDEO --out {run.path}` draws it again")


@cli.command()
@click.argument("name", required=False)
def models(name: str | None) -> None:
    """List the models, or show the one called NAME.

    Size, digest and licence of all; the card of one, or where its file comes from.
    """
    from workbench.models.catalogue import model_card, model_table

    click.echo("\n".join(model_card(name) if name else model_table()))


@cli.command()
@click.argument("words", metavar="[RUN] [-- OPTIONS]", nargs=-1, type=click.UNPROCESSED)
def lab(words: tuple[str, ...]) -> None:
    """Open the notebooks in JupyterLab, on the sample or on RUN.

    Without RUN, the sample is reconstructed first, if it is not yet. With RUN, the notebooks are copied into its folder lab/
    and opened there. OPTIONS after -- go to JupyterLab.
    """
    from workbench.notebooks.lab import open_run, open_sample

    if words and not words[0].startswith("-"):
        open_run(Path(words[0]), words[1:], say=_note)
    else:
        open_sample(words, say=_note, progress=_watched())


cli.add_command(sweep)


def default_run(video: Path) -> Path:
    """``runs/NAME`` for ``NAME.mp4``."""
    return Path("runs") / video.stem


def _pair(text: str) -> tuple[str, Any]:
    """``KEY=VALUE`` with the value as the parameter's type reads it."""
    key, equals, value = text.partition("=")
    if not equals:
        raise ParameterError(f"-p {text}: write KEY=VALUE, as in -p cluster.eps=0.3")
    known = {name: value for full, value in defaults().items() for name in (full, full.split(".", 1)[1])}
    if key not in known:
        return key, value  # stage_parameters says what is known
    try:
        if isinstance(known[key], bool):  # bool("False") is True
            return key, {"true": True, "false": False}.get(value.lower(), value)
        return key, type(known[key])(value)
    except ValueError as error:
        raise ParameterError(f"-p {text}: {value!r} is not of type {type(known[key]).__name__}") from error


def _begin(
    video: Path, out: Path | None, truth: str, given: dict[str, Any], overwrite: bool
) -> tuple["Run", Path | None, dict[str, Parameters]]:
    """The run to work in, the truth, if there is one, and the parameters: those that are given, then those kept in the run,
    then the defaults. What cannot work is refused before anything costly is done.
    """
    given = full_names(given)
    stage_parameters(given)
    from workbench.evaluation.files import find_truth, read_truth
    from workbench.run import Run
    from workbench.video.decode import decode

    with closing(decode(video)) as frames:  # no run directory for what has no frame
        next(frames)
    known = find_truth(video, truth)
    if known:
        read_truth(known)  # refused before a run directory is made, when it is malformed
    run = Run.create(out or default_run(video), video)
    with run.held():
        return run, known, _chosen(run, known, given, overwrite)


def _chosen(run: "Run", known: Path | None, given: dict[str, Any], overwrite: bool) -> dict[str, Parameters]:
    """The parameters for a run that nobody else works in; its video is read with them."""
    from workbench.evaluation.files import read_truth
    from workbench.pipeline.stages import read_video
    from workbench.run.kept import FILE, let_go, read_kept

    if overwrite:  # what is replaced by something else on purpose is not what is kept
        let_go(run, given)
    kept = {name: value for name, value in read_kept(run).items() if name not in given and value != defaults()[name]}
    if kept:
        told = ", ".join(f"{name}={value}" for name, value in kept.items())
        click.echo(f"note: kept in this run: {told} (delete {run.path / FILE} to go without)", err=True)
    chosen = stage_parameters(kept | given)
    if known:
        read_truth(known, read_video(run, chosen["video"], overwrite, progress=_watched())["info"]["frames"])
    return chosen


def _workers(scheduler: str) -> "AbstractContextManager[Each]":
    """What goes through blocks of work: ``map``, or the workers of a scheduler."""
    if not scheduler:
        return nullcontext(map)
    from workbench.pipeline.workers import block_workers

    return block_workers(scheduler)


def _watched() -> bool:
    """Whether progress bars have a person to look at them: in a log they are noise."""
    return sys.stderr.isatty()


def _note(text: str) -> None:
    click.echo(text, err=True)


def _say_now(*name: str) -> None:
    """What runs now, on a line that the next one is written over."""
    if name and _watched():
        click.echo(f"{name[0]} ...\r", nl=False, err=True)


def _finish(run: "Run", metrics: dict[str, Any], more: list[Path]) -> None:
    for warning in [*run.info("video")["warnings"], *run.info("order").get("edits_left_out", [])]:
        click.echo(f"note: {warning}", err=True)
    _table(_summary(metrics))
    from workbench.models.registry import provenance
    from workbench.reports.report import restored_video

    click.echo("Models: " + ", ".join(f"{kind} {provenance(name)}" for kind, name in run.models.items()))

    for path in [run.path / "order.csv", *more, restored_video(run)]:
        click.echo(path)


def _summary(metrics: dict[str, Any]) -> list[tuple[str, str]]:
    from workbench.reports.report import summary_rows

    return summary_rows(metrics)


def _table(rows: list[tuple[str, str]]) -> None:
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        click.echo(f"{name.ljust(width)}  {value:>8}")


def main() -> None:
    """Entry point: errors a person can mend are one line; 2 for wrong usage, 1 for data, 130 when interrupted."""
    try:
        with cli.make_context("workbench", sys.argv[1:]) as context:  # click's own main takes an EOFError for an interruption
            cli.invoke(context)
        sys.exit(0)
    except click.exceptions.Exit as stop:  # --help and --version
        sys.exit(stop.exit_code)
    except WorkbenchError as error:
        _fail(str(error), error.exit_status)
    except KeyboardInterrupt:
        _fail("interrupted; the same command goes on from here", 130)
    except click.ClickException as error:
        context = getattr(error, "ctx", None)
        command = context.command_path if context else "workbench"
        _fail(f"{error.format_message().rstrip('.')}: see `{command} --help`", error.exit_code)
    except OSError as error:
        if error.errno not in DISK:
            raise
        _fail(f"{error.filename or 'a file'} cannot be written ({error.strerror}): make room, or choose another --out", 1)


def _fail(message: str, status: int) -> NoReturn:
    in_one_line = message.replace("\n", "\\n").replace("\r", "\\r")  # a path may hold anything
    click.echo(f"workbench: {in_one_line}", err=True)
    sys.exit(status)
