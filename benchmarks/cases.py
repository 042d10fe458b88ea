"""Measure accuracy, time and memory of the workbench and of two baselines on a folder of cases, in one table.

    python benchmarks/cases.py FOLDER [--only NAME ...] [--out table.csv]

A case is ``NAME.mp4`` with ``NAME.truth.csv`` beside it. Every method restores every case in a process of its own. The parent
process imports nothing heavy, because without /proc the peak memory of a child starts at that of its parent.
"""

import argparse
import csv
import multiprocessing
import re
import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from statistics import fmean
from typing import Any

from tqdm import tqdm

from workbench.errors import RunError, UsageError, WorkbenchError

METHODS = ("workbench", "sift-flann", "raw pixels", "greedy baseline")
SCORES = ("outlier_f1", "scene_f1", "tau", "adjacent", "coverage", "pairs_per_frame")
STEPS = ("video", "embed", "cluster", "features", "match", "register", "distances", "order", "align", "write")
# Heading and format of every figure in the printed table.
FIGURES = {
    "outlier_f1": ("outlier F1", ".3f"),
    "scene_f1": ("scene F1", ".3f"),
    "tau": ("|tau|", ".3f"),
    "adjacent": ("adjacent", ".3f"),
    "coverage": ("coverage", ".3f"),
    "pairs_per_frame": ("pairs/frame", ".1f"),
    "seconds": ("seconds", ".1f"),
    "seconds_per_frame": ("s/frame", ".3f"),
    "cpu_seconds": ("CPU s", ".1f"),
    "peak_mb": ("peak MB", ".0f"),
}
COLUMNS = ("case", "method", "frames", *FIGURES, *(f"seconds_{step}" for step in STEPS), "error")

Row = dict[str, Any]  # one case restored by one method; keys are those of COLUMNS


def find_cases(folder: Path, only: Sequence[str] = ()) -> list[Path]:
    """List the videos of a folder that have a truth file, sorted by name; with ``only``, those with these names.

    Raises
    ------
    ~workbench.errors.UsageError
        There is none, or a name in ``only`` does not exist.
    """
    cases = {video.stem: video for video in sorted(folder.glob("*.mp4")) if truth_of(video).is_file()}
    if not cases:
        raise UsageError(f"{folder} holds no case: give a folder with NAME.mp4 and NAME.truth.csv beside it")
    unknown = [name for name in only if name not in cases]
    if unknown:
        raise UsageError(f"no case is called {', '.join(unknown)}: --only takes {', '.join(cases)}")
    return [video for name, video in cases.items() if not only or name in only]


def truth_of(video: Path) -> Path:
    """The path of ``NAME.truth.csv`` beside ``NAME.mp4``."""
    return video.with_name(f"{video.stem}.truth.csv")


def measure(method: str, video: Path) -> Row:
    """Restore one case by one method and score it; run it in a process of its own.

    Parameters
    ----------
    method : str
        One of :data:`METHODS`.
    video : Path
        The case.

    Returns
    -------
    dict
        The row. ``seconds``: from the video file to the written video, without the start of Python and its imports;
        ``cpu_seconds``: CPU time of all cores together, which depends less on the load of the machine; ``peak_mb``: maximum
        resident memory of the process, MB, with Python and libraries. A case that fails has zeros and the error.
    """
    from methods import restore, scores  # imported here because it is heavy, and before the clock starts

    from workbench.evaluation.files import read_truth

    truth = read_truth(truth_of(video))
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        start, cpu = time.perf_counter(), time.process_time()
        try:
            result = restore(method, video, Path(folder))
        except WorkbenchError as error:
            return failed(method, video, len(truth), time.perf_counter() - start, str(error))
        seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    peak = peak_mb()
    found = scores(truth, result)
    return {
        "case": video.stem,
        "method": method,
        "frames": len(truth),
        **{name: found[name] for name in SCORES},
        "seconds": seconds,
        "seconds_per_frame": seconds / len(truth),
        "cpu_seconds": cpu,
        "peak_mb": peak,
        **{f"seconds_{step}": value for step, value in result.seconds.items()},
        "error": "",
    }


def peak_mb() -> float:
    """The largest resident memory of this process so far, MiB: its own where there is /proc, else at least its parent's."""
    try:
        own = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    except OSError:
        own = None
    if own:
        return int(own[1]) / 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def failed(method: str, video: Path, frames: int, seconds: float, reason: str) -> Row:
    """The row of a case that could not be restored: zeros, and the reason."""
    figures = dict.fromkeys(FIGURES, 0.0) | {"seconds": seconds, "seconds_per_frame": seconds / max(1, frames)}
    return {"case": video.stem, "method": method, "frames": frames, **figures, "error": reason}


def measure_alone(method: str, video: Path) -> Row:
    """Call :func:`measure` in a fresh process, so that measurements do not share memory and caches."""
    start = time.perf_counter()
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        try:
            return pool.submit(measure, method, video).result()
        except BrokenProcessPool:
            return failed(method, video, 0, time.perf_counter() - start, "killed, most likely because memory ran out")


def run_cases(videos: Sequence[Path], out: Path | None = None, methods: Sequence[str] = METHODS) -> list[Row]:
    """Measure every case by every method, each in a process of its own.

    Parameters
    ----------
    videos : sequence of Path
        The cases.
    out : Path or None
        CSV file that gets every row as soon as it is measured.
    methods : sequence of str
        The methods.

    Returns
    -------
    list of dict
        The rows, case by case.

    Raises
    ------
    ~workbench.errors.RunError
        ``out`` cannot be written.
    """
    rows = []
    jobs = [(method, video) for video in videos for method in methods]
    try:
        file = out.open("w", newline="", encoding="utf-8") if out else None
    except OSError as error:
        raise RunError(f"{out} cannot be written ({error.strerror}): choose another --out") from error
    try:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n") if file else None
        if writer:
            writer.writeheader()
        with tqdm(jobs, unit="job") as bar:
            for method, video in bar:
                bar.set_description(f"{video.stem}, {method}")
                rows.append(measure_alone(method, video))
                if writer:
                    writer.writerow(rows[-1])
                    file.flush()
    finally:
        if file:
            file.close()
    return rows


def means(rows: Sequence[Row], methods: Sequence[str] = METHODS) -> list[Row]:
    """Average every figure of every method over its cases, with equal weights."""
    found = []
    for method in methods:
        own = [row for row in rows if row["method"] == method]
        steps = {f"seconds_{step}" for step in STEPS if any(f"seconds_{step}" in row for row in own)}
        averages = {name: fmean(row.get(name, 0) for row in own) for name in ("frames", *FIGURES, *steps)}
        found.append({"case": "mean", "method": method, **averages, "error": ""})
    return found


def ratios(rows: Sequence[Row], methods: Sequence[str] = METHODS) -> list[str]:
    """Compare the times of the first method with those of every other, over the cases that both restored; one line each."""
    restored = {(row["method"], row["case"]): row for row in rows if not row["error"]}
    lines = []
    for method in methods[1:]:
        cases = [case for name, case in restored if name == method and (methods[0], case) in restored]
        for figure in ("seconds", "cpu_seconds") if cases else ():
            ours, theirs = ([restored[name, case][figure] for case in cases] for name in (methods[0], method))
            each = [mine / other for mine, other in zip(ours, theirs, strict=True)]
            lines.append(
                f"{FIGURES[figure][0]}, {methods[0]} / {method}: {sum(ours) / sum(theirs):.2f} over all cases, "
                f"{min(each):.2f} to {max(each):.2f} per case"
            )
    return lines


def table(rows: Sequence[Row]) -> str:
    """Format the rows as text with aligned columns; the seconds of the steps are in one column."""
    lines = [["case", "method", "frames", *(heading for heading, _ in FIGURES.values()), "seconds of each step"]]
    for row in rows:
        steps = " ".join(f"{step} {row[f'seconds_{step}']:.1f}" for step in STEPS if f"seconds_{step}" in row)
        figures = [format(row[name], form) for name, (_, form) in FIGURES.items()]
        note = f"failed: {row['error']}" if row["error"] else steps
        lines.append([row["case"], row["method"], f"{row['frames']:.0f}", *figures, note])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    texts = []
    for line in lines:
        names = [text.ljust(width) for text, width in zip(line[:2], widths[:2], strict=True)]
        numbers = [text.rjust(width) for text, width in zip(line[2:-1], widths[2:-1], strict=True)]
        texts.append("  ".join([*names, *numbers, line[-1]]).rstrip())
    return "\n".join(texts)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; return the exit status: 1 when a case could not be restored, 2 when the folder has none."""
    parser = argparse.ArgumentParser(description="Measure the workbench and its baselines on a folder of cases, in one table.")
    parser.add_argument("folder", type=Path, help="folder with NAME.mp4 and NAME.truth.csv")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="measure these cases only")
    parser.add_argument("--out", type=Path, help="CSV file for the rows, with all digits")
    chosen = parser.parse_args(arguments)
    try:
        rows = run_cases(find_cases(chosen.folder, chosen.only), chosen.out)
    except WorkbenchError as error:
        print(f"benchmark: {error}", file=sys.stderr)
        return error.exit_status
    print(table([*rows, *means(rows)]))
    print("\n" + "\n".join(ratios(rows)))
    return int(any(row["error"] for row in rows))


if __name__ == "__main__":
    sys.exit(main())
