"""Accuracy, time and memory of the workbench on a folder of cases, beside two earlier methods, in one table.

    python benchmarks/cases.py FOLDER [--only NAME ...] [--out table.csv]

A case is ``NAME.mp4`` with ``NAME.truth.csv`` beside it. Every method gets every case in a process of its own; this one
imports nothing heavy, because on Linux the peak memory of a child starts at that of its parent.
"""

import argparse
import csv
import multiprocessing
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

METHODS = ("workbench", "sift-flann", "raw pixels", "first design")
SCORES = ("outlier_f1", "scene_f1", "tau", "adjacent", "coverage", "pairs_per_frame")
STEPS = ("video", "embed", "cluster", "features", "match", "register", "distances", "order", "align", "write")
# Figure: heading and format in the printed table.
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

Row = dict[str, Any]  # one case by one method, keys of COLUMNS


def find_cases(folder: Path, only: Sequence[str] = ()) -> list[Path]:
    """The videos of ``folder`` with a truth, by name. Raises :class:`UsageError` when there is none, or not all of ``only``."""
    cases = {video.stem: video for video in sorted(folder.glob("*.mp4")) if truth_of(video).is_file()}
    if not cases:
        raise UsageError(f"{folder} holds no case: give a folder with NAME.mp4 and NAME.truth.csv beside it")
    unknown = [name for name in only if name not in cases]
    if unknown:
        raise UsageError(f"no case is called {', '.join(unknown)}: --only takes {', '.join(cases)}")
    return [video for name, video in cases.items() if not only or name in only]


def truth_of(video: Path) -> Path:
    """``NAME.truth.csv`` beside ``NAME.mp4``."""
    return video.with_name(f"{video.stem}.truth.csv")


def measure(method: str, video: Path) -> Row:
    """Restore one case by one method and score it; meant to be the only work of its process.

    ``seconds``: from the file to the written video, without the start of Python and its imports; ``cpu_seconds``, of all
    cores together, depend less on what else the machine does. ``peak_mb``: the largest resident memory until then, with
    Python and libraries. A case that fails gets no points.
    """
    from methods import restore, scores  # heavy: not before, and not on the clock

    from workbench.evaluation.files import read_truth

    truth = read_truth(truth_of(video))
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        start, cpu = time.perf_counter(), time.process_time()
        try:
            result = restore(method, video, Path(folder))
        except WorkbenchError as error:
            return failed(method, video, len(truth), time.perf_counter() - start, str(error))
        seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
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


def failed(method: str, video: Path, frames: int, seconds: float, reason: str) -> Row:
    """The row of a case that could not be restored: no points, and the reason."""
    figures = dict.fromkeys(FIGURES, 0.0) | {"seconds": seconds, "seconds_per_frame": seconds / max(1, frames)}
    return {"case": video.stem, "method": method, "frames": frames, **figures, "error": reason}


def measure_alone(method: str, video: Path) -> Row:
    """:func:`measure` in a fresh process, so that memory and caches of one measurement are not those of another."""
    start = time.perf_counter()
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        try:
            return pool.submit(measure, method, video).result()
        except BrokenProcessPool:
            return failed(method, video, 0, time.perf_counter() - start, "killed, most likely for want of memory")


def run_cases(videos: Sequence[Path], out: Path | None = None) -> list[Row]:
    """One row for every case and method. ``out``: a CSV file that grows row by row. Raises :class:`RunError` if it cannot."""
    rows = []
    jobs = [(method, video) for video in videos for method in METHODS]
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


def means(rows: Sequence[Row]) -> list[Row]:
    """For every method the mean of every figure over its cases, each case counting the same."""
    found = []
    for method in METHODS:
        own = [row for row in rows if row["method"] == method]
        steps = {f"seconds_{step}" for step in STEPS if any(f"seconds_{step}" in row for row in own)}
        averages = {name: fmean(row.get(name, 0) for row in own) for name in ("frames", *FIGURES, *steps)}
        found.append({"case": "mean", "method": method, **averages, "error": ""})
    return found


def ratios(rows: Sequence[Row]) -> list[str]:
    """What the workbench takes beside each other method, over the cases both restored: of all seconds, and case by case."""
    known = {(row["method"], row["case"]): row for row in rows if not row["error"]}
    lines = []
    for method in METHODS[1:]:
        cases = [case for name, case in known if name == method and (METHODS[0], case) in known]
        for figure in ("seconds", "cpu_seconds") if cases else ():
            ours, theirs = ([known[name, case][figure] for case in cases] for name in (METHODS[0], method))
            each = [mine / other for mine, other in zip(ours, theirs, strict=True)]
            lines.append(
                f"{FIGURES[figure][0]}, {METHODS[0]} / {method}: {sum(ours) / sum(theirs):.2f} over all cases, "
                f"{min(each):.2f} to {max(each):.2f} a case"
            )
    return lines


def table(rows: Sequence[Row]) -> str:
    """The rows as text, columns aligned; the seconds of the steps stand in one column."""
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
    """Measure, print, and return the exit status: 1 when a case could not be restored or the folder has none."""
    parser = argparse.ArgumentParser(description="Workbench, raw pixels and first design on a folder of cases, in one table.")
    parser.add_argument("folder", type=Path, help="folder with NAME.mp4 and NAME.truth.csv")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="these cases only")
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
