"""The line that tells how far a whole run is."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import TYPE_CHECKING

from workbench.cli.terminal import is_watched, note
from workbench.parameters import Parameters

if TYPE_CHECKING:
    from tqdm import tqdm

    from workbench.pipeline.whole_run import WholeRun
    from workbench.run import Run

REDRAWN_S = 0.25  # seconds between two pictures of the line


@contextmanager
def progress_line(run: "Run", parameters: dict[str, Parameters]) -> Iterator["WholeRun"]:
    """Say how long a run will take, and draw one line about it while it works. In a log there is neither.

    Parameters
    ----------
    run : Run
        The run, before its stages are computed.
    parameters : dict
        By stage.

    Yields
    ------
    WholeRun
        What the stages tell how far they are.
    """
    from tqdm import tqdm

    from workbench.pipeline.cost import ClipSize, announcement, clip_size, finished_stages
    from workbench.pipeline.whole_run import WholeRun

    if not is_watched():
        yield WholeRun(ClipSize(0, 0, 0), parameters, set())  # nobody asks it, so the file is not opened for it
        return
    finished = finished_stages(run, parameters)
    clip = clip_size(run, parameters, finished)
    whole = WholeRun(clip, parameters, finished)
    note(announcement(clip, parameters, finished))
    ended = Event()
    with tqdm(total=100, bar_format="{percentage:3.0f}% |{bar:25}| {desc}", dynamic_ncols=True) as bar:
        drawing = Thread(target=_draw, args=(bar, whole, ended), daemon=True)
        drawing.start()
        try:
            yield whole
            whole.end()
        finally:
            ended.set()
            drawing.join()
            _draw_once(bar, whole)


def _draw(bar: "tqdm", whole: "WholeRun", ended: Event) -> None:
    while not ended.wait(REDRAWN_S):
        _draw_once(bar, whole)


def _draw_once(bar: "tqdm", whole: "WholeRun") -> None:
    standing = whole.standing()
    bar.n = 100 * standing.share
    bar.set_description_str(standing.in_words())
