"""``workbench reconstruct`` and ``workbench run``: the same stages, without notebooks or through them.

The docstring of a command is its help text; its parameters are described by its options.
"""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, closing, nullcontext
from importlib import import_module
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from workbench.cli.progress_line import progress_line
from workbench.cli.terminal import is_watched, show_current, summary, write_table
from workbench.errors import ParameterError, UsageError
from workbench.parameters import NETWORK_MATCHERS, Parameters
from workbench.run.stages import STAGES, defaults, full_names, stage_parameters

if TYPE_CHECKING:
    from workbench.progress import Progress
    from workbench.run import Run
    from workbench.storage.blocks import MapBlocks
    from workbench.video.base import Given


def _local(_context: click.Context, _parameter: click.Parameter, words: tuple[str, ...]) -> "Given":
    for text in words:
        if not text:  # a Path would make the current folder of it
            raise UsageError("an empty path is given: give the path of a video, or . for the current folder")
        if "://" in text:  # a Path would lose one of the slashes, and the message would not say what is wrong
            raise UsageError(f"{text} is a network address: download the video and give the path of the file")
    return Path(words[0]) if len(words) == 1 else list(words)


VIDEO = click.argument("video", metavar="VIDEO...", nargs=-1, required=True, callback=_local)
OUT = click.option("--out", type=click.Path(path_type=Path), help="Run directory; default runs/NAME of the video or folder.")
TRUTH = click.option("--truth", default="", help="Ground truth; default NAME.truth.csv beside the video, if it is there.")
OVERWRITE = click.option("--overwrite", is_flag=True, help="Replace stages that were made with other parameters.")


def stage_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command all parameters of the fast path as options, ``--cluster.eps`` and so on.

    Parameters
    ----------
    command : callable
        The function of the command.

    Returns
    -------
    callable
        The same function, decorated.
    """
    for stage in reversed(STAGES.values()):
        if not stage.on_fast_path:
            continue
        for item in reversed(stage.parameters.__dataclass_fields__.values()):
            name = f"{stage.name}.{item.name}"
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


@click.command()
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
def reconstruct(  # numpydoc ignore=PR01
    video: "Given", out: Path | None, truth: str, overwrite: bool, all_pairs: bool, scheduler: str, **options: Any
) -> None:
    """Restore VIDEO: the fast path, without notebooks.

    VIDEO is a video file, or pictures: a folder, a pattern in quotes (as "frames_%04d.png"), a text list of files,
    a zip or tar archive, a TIFF or WebP file of several pictures, or the pictures one by one. Several videos are read as one.
    """
    source = click.get_current_context().get_parameter_source
    given = {name.replace("__", "."): value for name, value in options.items() if source(name) is not ParameterSource.DEFAULT}
    if all_pairs:
        given["match.pairs_per_frame"] = 0
    from workbench.pipeline import stages

    run, truth_path, chosen = _begin(video, out, truth, given, overwrite)
    with run.held(), _workers(scheduler) as map_blocks, progress_line(run, chosen) as whole:
        whole.begin(STAGES["video"])
        _load_pytorch_meanwhile(run, chosen)
        _check_truth(run, truth_path, chosen["video"], overwrite, whole.told)
        metrics = stages.reconstruct(run, chosen, truth_path, overwrite, whole.told, map_blocks, whole.begin)
    _finish(run, metrics, [])


@click.command("run")
@VIDEO
@OUT
@TRUTH
@OVERWRITE
@click.option("-p", "values", multiple=True, metavar="KEY=VALUE", help="A stage parameter, as cluster.eps=0.3; repeatable.")
def run_command(  # numpydoc ignore=PR01
    video: "Given", out: Path | None, truth: str, overwrite: bool, values: tuple[str, ...]
) -> None:
    """Restore VIDEO through the notebooks, and write report.html.

    VIDEO is what `workbench reconstruct` takes: a video, pictures, or several videos.
    """
    from workbench.notebooks.chain import CHAIN, run_notebooks
    from workbench.pipeline.metrics import write_metrics
    from workbench.reports.report import write_report
    from workbench.run import Run

    run, truth_path, chosen = _begin(video, out, truth, dict(_pair(value) for value in values), overwrite)
    with run.held():
        _check_truth(run, truth_path, chosen["video"], overwrite, is_watched())
    executed: list[Path] = []
    show_current(CHAIN[0])
    start = time.perf_counter()
    for name, path in run_notebooks(run, chosen, truth_path, overwrite):
        executed.append(path)
        click.echo(f"{len(executed)}/{len(CHAIN)} {name:24} {time.perf_counter() - start:6.1f} s", err=True)
        show_current(*CHAIN[len(executed) : len(executed) + 1])
        start = time.perf_counter()
    run = Run.open(run.path)
    metrics = write_metrics(run, truth_path)
    report = write_report(run, metrics, executed)
    _finish(run, metrics, [report])


def default_run(video: "Given") -> Path:
    """Give the run directory of a video when none is named.

    Parameters
    ----------
    video : str, Path, or sequence of these
        ``NAME.mp4``, or what else is restored.

    Returns
    -------
    Path
        ``runs/NAME``; see :func:`~workbench.video.inputs.clip_name`.
    """
    from workbench.video.inputs import clip_name

    return Path("runs") / clip_name(video)


def _pair(text: str) -> tuple[str, Any]:
    """Read ``KEY=VALUE``; the value gets the type of the parameter."""
    key, equals, value = text.partition("=")
    if not equals:
        raise ParameterError(f"-p {text}: write KEY=VALUE, as in -p cluster.eps=0.3")
    default = {name: value for full, value in defaults().items() for name in (full, full.split(".", 1)[1])}
    if key not in default:
        return key, value  # stage_parameters refuses it, and lists the known names
    try:
        if isinstance(default[key], bool):  # bool("False") is True
            return key, {"true": True, "false": False}.get(value.lower(), value)
        return key, type(default[key])(value)
    except ValueError as error:
        raise ParameterError(f"-p {text}: {value!r} is not of type {type(default[key]).__name__}") from error


def _begin(
    video: "Given", out: Path | None, truth: str, given: dict[str, Any], overwrite: bool
) -> tuple["Run", Path | None, dict[str, Parameters]]:
    """Make or open the run, find the truth and choose the parameters.

    A parameter has the value that is given, else the one kept in the run, else its default. What cannot work is refused before
    anything costly is done.
    """
    given = full_names(given)
    stage_parameters(given)
    from workbench.evaluation.files import find_truth, read_truth
    from workbench.run import Run
    from workbench.video.decode import decode
    from workbench.video.inputs import shown
    from workbench.video.source import open_source

    stream = given.get("video.stream", defaults()["video.stream"])
    with open_source(video, stream) as source, closing(decode(source)) as frames:  # no run directory for what has no frame
        next(frames)
    truth_path = find_truth(shown(video), truth)  # beside one of several files there is none that is right for all
    if truth_path:
        read_truth(truth_path)  # refused before a run directory is made, when it is malformed
    run = Run.create(out or default_run(video), video)
    with run.held():
        return run, truth_path, _chosen(run, given, overwrite)


def _chosen(run: "Run", given: dict[str, Any], overwrite: bool) -> dict[str, Parameters]:
    """Choose the parameters for a run that is held."""
    from workbench.run.kept import forget_parameters, read_kept

    if overwrite:  # a kept value must not win later over the one that is given on purpose now
        forget_parameters(run, given)
    kept = {name: value for name, value in read_kept(run).items() if name not in given and value != defaults()[name]}
    if kept:
        values = ", ".join(f"{name}={value}" for name, value in kept.items())
        click.echo(f"note: kept in this run: {values} (delete {run.kept_path} to go without)", err=True)
    return stage_parameters(kept | given)


def _load_pytorch_meanwhile(run: "Run", chosen: dict[str, Parameters]) -> None:
    """Import PyTorch in a thread where a network is chosen: it takes a second, in which the video can be decoded."""
    from workbench.models.registry import is_built_in

    backbone, matcher = (chosen[stage].as_dict()[name] for stage, name in (("embed", "backbone"), ("match", "matcher")))
    if not run.is_finished("video") and (matcher in NETWORK_MATCHERS or not is_built_in(backbone)):
        Thread(target=import_module, args=("torch",)).start()


def _check_truth(run: "Run", truth_path: Path | None, parameters: Parameters, overwrite: bool, progress: "Progress") -> None:
    """Decode the video and check that it and the truth, if there is one, belong together, before anything else is computed."""
    from workbench.evaluation.files import read_truth
    from workbench.pipeline.stages import run_stage

    if truth_path:
        read_truth(truth_path, run_stage(run, parameters, overwrite, progress)["info"]["frames"])


def _workers(scheduler: str) -> "AbstractContextManager[MapBlocks]":
    """Give what goes through blocks of work: ``map``, or the workers of a scheduler."""
    if not scheduler:
        return nullcontext(map)
    from workbench.pipeline.workers import block_workers

    return block_workers(scheduler)


def _finish(run: "Run", metrics: dict[str, Any], more: list[Path]) -> None:
    """Write warnings to stderr, and the figures, what the matches changed, the models and the main files to stdout."""
    notes = [*run.info("video")["warnings"], *run.info("write").get("warnings", []), *run.left_out, *filter(None, [run.no_map])]
    by_hand = len(run.edits("order"))
    if by_hand:
        edits = "an edit" if by_hand == 1 else f"{by_hand} edits"
        notes.append(f"the order has {edits} by hand: `workbench edit {run.path}` lists them, and can take them back")
    for warning in notes:
        click.echo(f"note: {warning}", err=True)
    write_table(summary(metrics))
    from workbench.models.registry import provenance
    from workbench.pipeline.writing import restored_video
    from workbench.reports.changes import lines_of
    from workbench.reports.order import as_in_file, order_doubts

    for line in [*lines_of(run), *order_doubts(run), *as_in_file(run)]:
        click.echo(line)
    click.echo("Models: " + ", ".join(f"{kind} {provenance(name)}" for kind, name in run.models.items()))

    for path in [run.order_path, *more, restored_video(run)]:
        click.echo(path)
