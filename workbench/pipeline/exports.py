"""What the write stage leaves beside the videos: cut lists for editors and ffmpeg, and pictures where they are asked for."""

from pathlib import Path

import numpy as np

from workbench.errors import ParameterError
from workbench.parameters import WriteParameters
from workbench.run import Run
from workbench.video.cut_lists import concat_list, edit_list, find_cuts, shortest_step, timeline
from workbench.video.encode import not_written
from workbench.video.images import SUFFIXES, image_names, write_images

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
    if parameters.images == "copy":
        raise ParameterError(
            f"write.images=copy copies the pictures that came in, but {run.source} is a video: use png (lossless) or jpeg"
        )
    concat = () if _no_concat_list(run) else (CONCAT_LIST,)
    return (TIMELINE, EDIT_LIST, *concat, *((IMAGES,) if parameters.images != "none" else ()))


def write_exports(run: Run, parameters: WriteParameters, folder: Path, progress: bool) -> list[str]:
    """Write the cut lists, and the pictures if any are asked for.

    Parameters
    ----------
    run : Run
        A run with an order.
    parameters : WriteParameters
        Those of the write stage.
    folder : Path
        Where to write.
    progress : bool
        Whether a progress bar is drawn.

    Returns
    -------
    list of str
        What a person should know about them; empty for nothing.

    Raises
    ------
    VideoError
        When the source cannot be read, or a file cannot be written.
    """
    labels = run.order()["scene"].to_numpy()
    orders = [run.scene_order(scene).tolist() for scene in range(labels.max() + 1)]
    if parameters.images != "none":
        names = image_names(orders, len(labels), [SUFFIXES[parameters.images]] * len(labels))
        write_images(run.source, [folder / IMAGES / name for name in names], parameters.images, progress)
    return _write_cut_lists(run, orders, np.flatnonzero(labels < 0), folder)


def _write_cut_lists(run: Run, orders: list[list[int]], foreign: np.ndarray, folder: Path) -> list[str]:
    source, times, rate = run.source.resolve(), run.times(), run.frame_rate
    variable = run.info("video").get("variable_frame_rate", False)
    cuts = find_cuts([source] * len(times), orders, times, rate, variable)
    varies = "the frame rate varies: an editor that opens reconstructed.otio or reconstructed.edl may be off by a frame"
    notes = [varies] if variable else []
    _write(folder / TIMELINE, timeline(source.stem, cuts, rate, foreign.tolist(), " ".join(notes)))
    _write(folder / EDIT_LIST, edit_list(source.stem, cuts, rate))
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
