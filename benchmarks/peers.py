"""Run the best public tool for shuffled videos beside the workbench, on folders of cases, in one table.

    PYTHONPATH=. python benchmarks/peers.py FOLDER [FOLDER ...] --descrambler COMMAND [--only NAME ...] [--out table.csv]

The tool is video-descrambler 1.0 of PyPI, unchanged, by its own command; it is no dependency of the workbench. Both tools get
the video alone, without its truth, and are measured as a person waits for them: as a process, from its start to its end.
"""

import argparse
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from cases import FIGURES, Row, failed, find_cases, means, ratios, truth_of
from scipy.optimize import linear_sum_assignment
from sklearn.metrics.pairwise import euclidean_distances
from tqdm import tqdm

from workbench.errors import RunError, UsageError, WorkbenchError
from workbench.evaluation.files import OrderRow, read_order, read_truth
from workbench.evaluation.metrics import evaluate
from workbench.video.decode import decode
from workbench.video.proxies import rgb

TOOLS = ("workbench", "video-descrambler")
SCORES = ("outlier_f1", "scene_f1", "tau", "adjacent")
COLUMNS = ("case", "method", "frames", *SCORES, "cpu_seconds", "seconds", "error")
LONG_SIDE = 320  # px of the frames that are compared; on seven videos the tool's own order came out right, even with 80


def restore(tool: str, descrambler: str, video: Path, folder: Path) -> tuple[list[OrderRow], float, float]:
    """Restore a video by a tool, as a person would.

    Parameters
    ----------
    tool : str
        One of :data:`TOOLS`.
    descrambler : str
        The command of video-descrambler.
    video : Path
        The shuffled video.
    folder : Path
        An empty folder for what is written.

    Returns
    -------
    rows : list of OrderRow
        What the tool found. To video-descrambler a video is one scene, and the frames that it leaves out are its outliers.
    cpu_seconds, seconds : float
        Of the process, from start to end, imports included.

    Raises
    ------
    ~workbench.errors.WorkbenchError
        The tool fails, or what it wrote cannot be read.
    """
    given = folder / video.name
    given.symlink_to(video.resolve())  # away from the truth, which the workbench would read, and spend time on scores
    if tool == "workbench":
        command = [sys.executable, "-m", "workbench", "reconstruct", str(given), "--out", str(folder / "run")]
        cpu, seconds = run_timed(command)
        return read_order(folder / "run" / "order.csv"), cpu, seconds
    written = folder / "restored.mp4"
    cpu, seconds = run_timed([descrambler, str(given), "--output", str(written)])
    places = {position: place for place, position in enumerate(recover_order(video, written))}
    frames = len(read_truth(truth_of(video)))
    return [OrderRow(k, 0, places[k]) if k in places else OrderRow(k, -1, -1) for k in range(frames)], cpu, seconds


def run_timed(command: Sequence[str]) -> tuple[float, float]:
    """Run a command to its end.

    Parameters
    ----------
    command : sequence of str
        The program and its arguments.

    Returns
    -------
    cpu_seconds : float
        CPU time of the process and of those it started, of all cores together.
    seconds : float
        From start to end.

    Raises
    ------
    ~workbench.errors.RunError
        It ends with a status other than 0; the message has its last line.
    """
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    ended = subprocess.run(command, capture_output=True, text=True, errors="replace")
    seconds, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    if ended.returncode:
        last = (ended.stderr.strip() or "no message").splitlines()[-1]
        raise RunError(f"{Path(command[0]).name} ended with status {ended.returncode} ({last}): run it on this video by hand")
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, seconds


def recover_order(video: Path, restored: Path) -> list[int]:
    """Find out which frames of a video were written, and in which order, from the pictures alone.

    Every written frame is assigned a frame of its own, so that the squared differences of all grey levels are least in sum.
    Where frames are much alike, the nearest frame would often be wrong, because what was written was compressed.

    Parameters
    ----------
    video : Path
        The shuffled video, N frames.
    restored : Path
        Some of its frames, each once, in another order and compressed again.

    Returns
    -------
    list of int
        Position in ``video`` of every frame of ``restored``.

    Raises
    ------
    ~workbench.errors.WorkbenchError
        One of the two cannot be read, or ``restored`` has more frames or another shape than ``video``.
    """
    shuffled, written = grey_levels(video), grey_levels(restored)
    if len(written) > len(shuffled) or written.shape[1] != shuffled.shape[1]:
        raise RunError(f"{restored.name} is not made of frames of {video}: look at it, it has more of them or another shape")
    mean = shuffled.mean(axis=0)  # without it, the small differences of a still camera drown in rounding
    return linear_sum_assignment(euclidean_distances(written - mean, shuffled - mean, squared=True))[1].tolist()


def grey_levels(video: Path) -> np.ndarray:
    """The frames of a video as (N, P) float32, 0 to 255, reduced to P pixels with :data:`LONG_SIDE` on their long side."""
    rows = []
    with closing(decode(video)) as frames:
        for _, frame in frames:
            grey = cv2.cvtColor(rgb(frame), cv2.COLOR_RGB2GRAY)
            shrink = min(1.0, LONG_SIDE / max(grey.shape))
            rows.append(cv2.resize(grey, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA).ravel())
    return np.stack(rows).astype(np.float32)


def measure(tool: str, descrambler: str, video: Path) -> Row:
    """Restore a case by a tool and score it; a case that fails has zeros and the error."""
    truth, start = read_truth(truth_of(video)), time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        try:
            rows, cpu, seconds = restore(tool, descrambler, video, Path(folder))
            found = evaluate(truth, rows)
        except WorkbenchError as error:
            return failed(tool, video, len(truth), time.perf_counter() - start, str(error))
    figures = {name: found[name] for name in SCORES} | {"cpu_seconds": cpu, "seconds": seconds}
    return {"case": video.stem, "method": tool, "frames": len(truth), **figures, "error": ""}


def chosen_cases(folders: Sequence[Path], only: Sequence[str]) -> list[Path]:
    """List the cases of several folders, as :func:`cases.find_cases` does; every name in ``only`` must be in one of them."""
    videos = [video for folder in folders for video in find_cases(folder)]
    unknown = sorted(set(only) - {video.stem for video in videos})
    if unknown:
        raise UsageError(f"no case is called {', '.join(unknown)}: --only takes {', '.join(video.stem for video in videos)}")
    return [video for video in videos if not only or video.stem in only]


def installed(command: str) -> str:
    """The path of the command of video-descrambler, or UsageError with how to install it."""
    path = shutil.which(command)
    if not path:
        raise UsageError(
            f"{command} is no command: `python3.12 -m venv peer && peer/bin/pip install video-descrambler==1.0`, then "
            "--descrambler peer/bin/video-descrambler"
        )
    return path


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; return the exit status: 1 when a case could not be restored, 2 when the call is wrong."""
    parser = argparse.ArgumentParser(description="Run video-descrambler beside the workbench on folders of cases.")
    parser.add_argument("folders", type=Path, nargs="+", help="folders with NAME.mp4 and NAME.truth.csv")
    parser.add_argument("--descrambler", default="video-descrambler", metavar="COMMAND", help="its command, or the path of it")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="measure these cases only")
    parser.add_argument("--out", type=Path, help="CSV file for the rows, with all digits")
    chosen = parser.parse_args(arguments)
    rows: list[Row] = []
    try:
        descrambler = installed(chosen.descrambler)
        jobs = [(tool, video) for video in chosen_cases(chosen.folders, chosen.only) for tool in TOOLS]
        for tool, video in tqdm(jobs, unit="job"):
            rows.append(measure(tool, descrambler, video))
            if chosen.out:
                write_rows(rows, chosen.out)
    except WorkbenchError as error:
        print(f"benchmark: {error}", file=sys.stderr)
        return error.exit_status
    print(table([*rows, *means(rows, TOOLS)]))
    print("\n" + "\n".join(ratios(rows, TOOLS)))
    return int(any(row["error"] for row in rows))


def write_rows(rows: Sequence[Row], out: Path) -> None:
    """Write the rows as CSV; RunError when it cannot be written."""
    try:
        pd.DataFrame(rows, columns=list(COLUMNS)).to_csv(out, index=False)
    except OSError as error:
        raise RunError(f"{out} cannot be written ({error}): choose another --out") from error


def table(rows: Sequence[Row]) -> str:
    """Format the rows as text with aligned columns."""
    shown = pd.DataFrame(rows, columns=list(COLUMNS)).rename(columns={name: heading for name, (heading, _) in FIGURES.items()})
    formats = {heading: f"{{:{form}}}".format for heading, form in FIGURES.values()} | {"frames": "{:.0f}".format}
    return shown.to_string(index=False, formatters=formats)


if __name__ == "__main__":
    sys.exit(main())
