"""What the write stage leaves beside the videos: cut lists for editors and ffmpeg, and pictures where they are asked for."""

from pathlib import Path, PurePosixPath

import numpy as np

from workbench.errors import ParameterError
from workbench.parameters import WriteParameters
from workbench.progress import Progress
from workbench.run import Run
from workbench.video.cut_lists import concat_list, edit_list, find_cuts, shortest_step, timeline
from workbench.video.encode import not_written
from workbench.video.images import SUFFIXES, copy_pictures, image_names, write_images
from workbench.video.inputs import Listing, clip_name, find_files
from workbench.video.joined import JoinedVideos
from workbench.video.source import open_source

_NO_FILES = "the pictures are not files of their own; with --write.images png or copy there are files that lists can name"
TIMELINE, EDIT_LIST, CONCAT_LIST, IMAGES = "reconstructed.otio", "reconstructed.edl", "reconstructed.ffconcat", "images"


def export_names(run: Run, parameters: WriteParameters) -> tuple[str, ...]:
    """Name what :func:`write_exports` leaves.

    Parameters
    ----------
    run : Run
        A run with an order.
    parameters : WriteParameters
        Those of the write stage.

    Returns
    -------
    tuple of str
        Files and folders in the run directory.

    Raises
    ------
    ParameterError
        When copies of pictures are asked for and the source is a video.
    """
    if parameters.images == "copy" and not run.names():
        raise ParameterError(
            f"write.images=copy copies the pictures that came in, but {run.source} is a video: use png (lossless) or jpeg"
        )
    concat = () if _no_concat_list(run) else (CONCAT_LIST,)
    lists = (TIMELINE, EDIT_LIST, *concat) if _listed_files(run, parameters) else ()
    return (*lists, *((IMAGES,) if parameters.images != "none" else ()))


def write_exports(run: Run, parameters: WriteParameters, folder: Path, progress: Progress) -> list[str]:
    """Write the cut lists, and the pictures if any are asked for.

    Parameters
    ----------
    run : Run
        A run with an order.
    parameters : WriteParameters
        Those of the write stage.
    folder : Path
        Where to write.
    progress : bool or callable
        As for :class:`~workbench.progress.Steps`.

    Returns
    -------
    list of str
        What a person should know about them; empty for nothing.

    Raises
    ------
    VideoError
        When the source cannot be read, or a file cannot be written.
    """
    pictures = [folder / IMAGES / name for name in _image_names(run, parameters)]
    if parameters.images == "copy":
        with open_source(run.inputs) as source:
            copy_pictures(source.original, pictures, progress)
    elif parameters.images != "none":
        write_images(run.inputs, pictures, parameters.images, progress, run.stream)
    files = _listed_files(run, parameters)
    return _write_cut_lists(run, files, folder) if files else [f"no lists are written: {_NO_FILES}"]


def _orders(run: Run) -> list[list[int]]:
    """The restored order of every scene."""
    return [order.tolist() for order in run.scene_orders()]


def _image_names(run: Run, parameters: WriteParameters) -> list[str]:
    """Names of the pictures that are written, by position; none when no pictures are asked for."""
    if parameters.images == "none":
        return []
    if parameters.images == "copy":
        endings = [f"_{PurePosixPath(name).name}" for name in run.names()]
    else:
        endings = [SUFFIXES[parameters.images]] * len(run.order())
    return image_names(_orders(run), len(endings), endings)


def _listed_files(run: Run, parameters: WriteParameters) -> list[Path]:
    """The file of every frame that lists name, by position: of the source, else of the pictures written; [] without these."""
    names = run.names()
    if not names:
        return [run.source.resolve()] * len(run.times())
    found = find_files(run.inputs)
    if isinstance(found, Listing):
        files = {name: file.resolve() for name, file in zip(found.names, found.files, strict=True)}
        if all(name in files for name in names):  # every picture is a file
            return [files[name] for name in names]
        with open_source(run.inputs) as source:
            if isinstance(source, JoinedVideos):
                return [files[name.rpartition("#")[0]] for name in names]
    return [run.path.resolve() / IMAGES / name for name in _image_names(run, parameters)]


def _write_cut_lists(run: Run, files: list[Path], folder: Path) -> list[str]:
    times, rate, orders = run.times(), run.frame_rate, _orders(run)
    foreign = np.flatnonzero(run.order()["scene"].to_numpy() < 0)
    variable = run.info("video").get("variable_frame_rate", False)
    if run.names():  # times go on from file to file: those by the clock of each are needed
        firsts: dict[Path, float] = {}
        own_times = np.array([time - firsts.setdefault(file, time) for file, time in zip(files, times.tolist(), strict=True)])
    else:
        own_times = times
    name = clip_name(run.inputs)
    cuts = find_cuts(files, orders, own_times, rate, variable)
    varies = "the frame rate varies: an editor that opens reconstructed.otio or reconstructed.edl may be off by a frame"
    notes = [varies] if variable else []
    _write(folder / TIMELINE, timeline(name, cuts, rate, foreign.tolist(), " ".join(notes)))
    _write(folder / EDIT_LIST, edit_list(name, cuts, rate))
    without = _no_concat_list(run)
    if without:
        return [*notes, f"no {CONCAT_LIST} is written: {without}"]
    _write(folder / CONCAT_LIST, concat_list(cuts, shortest_step(times, rate)))
    return notes


def _no_concat_list(run: Run) -> str:
    """Why there can be no list for ffmpeg; "" when there can."""
    if shortest_step(run.times(), run.frame_rate) <= 0:
        return "the times of the source do not rise from frame to frame"
    if len(str(run.source).splitlines()) > 1:
        return "the name of the source has a line break, rename it"
    return ""


def _write(file: Path, text: str) -> None:
    """Write a list; names that are not UTF-8 keep their bytes."""
    try:
        file.write_text(text, encoding="utf-8", errors="surrogateescape", newline="\n")
    except OSError as error:
        raise not_written(file, error) from error
