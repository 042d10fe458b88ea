"""Measure what a second Dask worker brings: keypoints and matches of a video by one worker and by two, on this machine.

    PYTHONPATH=. python benchmarks/workers.py VIDEO

The scheduler and its workers are on loopback, one thread per worker, as `workbench reconstruct --scheduler` asks for. The
stages before are computed once. Every number of workers computes both stages twice, each time from nothing: the first time it
imports and loads the networks, the second time is measured. What is written must be the same bytes.
"""

import argparse
import logging
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from distributed import LocalCluster

from workbench.errors import WorkbenchError
from workbench.pipeline.stages import run_stage
from workbench.pipeline.workers import block_workers
from workbench.run import Run
from workbench.run.stages import stage_parameters
from workbench.storage.folder import file_sha256

BEFORE = ("video", "embed", "cluster")
MEASURED = ("features", "match")
WORKERS = (1, 2)


def measure(prepared: Path, workers: int, folder: Path) -> tuple[dict[str, float], dict[str, str]]:
    """Compute both stages with some workers.

    Parameters
    ----------
    prepared : Path
        A run that has the stages before; it is copied.
    workers : int
        How many.
    folder : Path
        An existing folder for the copies.

    Returns
    -------
    seconds : dict of float
        Wall seconds of every stage.
    digests : dict of str
        SHA-256 of every file that the stages leave, by name.
    """
    quiet = {"dashboard_address": None, "silence_logs": logging.CRITICAL}
    with LocalCluster(n_workers=workers, threads_per_worker=1, host="127.0.0.1", memory_limit=None, **quiet) as cluster:
        for name in ("first", "measured"):
            run = Run.open(shutil.copytree(prepared, folder / f"{name}{workers}"))
            with block_workers(cluster.scheduler_address) as map_blocks:
                records = {
                    stage: run_stage(run, parameters, progress=False, map_blocks=map_blocks)
                    for stage, parameters in stage_parameters({}).items()
                    if stage in MEASURED
                }
    seconds = {stage: record["seconds"] for stage, record in records.items()}
    return seconds, {name: file_sha256(run.path / name) for record in records.values() for name in record["outputs"]}


def report(seconds: dict[int, dict[str, float]], digests: dict[int, dict[str, str]]) -> list[str]:
    """Compare two workers with one; a line per stage, one for both stages, and one for the files.

    Parameters
    ----------
    seconds : dict
        Wall seconds of every stage, by the number of workers.
    digests : dict
        SHA-256 of every file, by the number of workers.

    Returns
    -------
    list of str
        The lines.
    """
    one, two = WORKERS
    times = {stage: (seconds[one][stage], seconds[two][stage]) for stage in MEASURED}
    times["both"] = sum(seconds[one].values()), sum(seconds[two].values())
    lines = [f"{name}: {a:.2f} s by one worker, {b:.2f} s by two, ratio {b / a:.2f}" for name, (a, b) in times.items()]
    differ = [name for name, digest in digests[one].items() if digests[two][name] != digest]
    same = f"the same bytes: {', '.join(digests[one])}"
    return [*lines, f"other bytes by two workers than by one: {', '.join(differ)}" if differ else same]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; return the exit status: 1 when the bytes differ or a stage fails."""
    parser = argparse.ArgumentParser(description="Measure keypoints and matches by one Dask worker and by two.")
    parser.add_argument("video", type=Path)
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        try:
            run = Run.create(Path(folder) / "run", chosen.video)
            for stage in BEFORE:
                run_stage(run, stage_parameters({})[stage], progress=False)
            found = {workers: measure(run.path, workers, Path(folder)) for workers in WORKERS}
        except WorkbenchError as error:
            print(f"benchmark: {error}", file=sys.stderr)
            return error.exit_status
    seconds, digests = ({workers: pair[k] for workers, pair in found.items()} for k in (0, 1))
    print("\n".join(report(seconds, digests)))
    return int(digests[WORKERS[0]] != digests[WORKERS[1]])


if __name__ == "__main__":
    sys.exit(main())
