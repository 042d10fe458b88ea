"""Measure what a second Dask worker brings: keypoints and matches of a video by one worker and by two, on this machine.

    PYTHONPATH=. python benchmarks/workers.py VIDEO

The scheduler and its workers are on loopback, one thread per worker, as `workbench reconstruct --scheduler` asks for. Every
worker is held to a core of its own (on Linux), as if it were a machine with one core: else a single one would use all of them.
The stages before are computed once. Every number of workers computes both stages twice, each time from nothing: the first time
it imports and loads the networks, the second time is measured. What is written must be the same bytes.

The stage that matches also chooses the pairs, round after round, which the workers have no part in. So the matching of all its
pairs at once is measured too.
"""

import argparse
import logging
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from distributed import Client, LocalCluster

from workbench.errors import WorkbenchError
from workbench.matching.matches import match_pairs
from workbench.pipeline.stages import run_stage
from workbench.pipeline.workers import block_workers
from workbench.run import Run
from workbench.run.stages import stage_parameters
from workbench.storage.blocks import BlockJob
from workbench.storage.folder import file_sha256
from workbench.storage.hloc import read_pairs

BEFORE = ("video", "embed", "cluster")
STAGES = ("features", "match")
ALL_PAIRS = "all pairs of match at once"
MEASURED = (*STAGES, ALL_PAIRS)
WORKERS = (1, 2)


def hold_to_core(core: int) -> None:
    """Hold a worker, with all threads that it has and will have, to one core."""
    for thread in Path("/proc/self/task").iterdir():
        os.sched_setaffinity(int(thread.name), {core})


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
        Wall seconds of every one of :data:`MEASURED`.
    digests : dict of str
        SHA-256 of every file that the stages leave, by name.
    """
    quiet = {"dashboard_address": None, "silence_logs": logging.CRITICAL}
    with LocalCluster(n_workers=workers, threads_per_worker=1, host="127.0.0.1", memory_limit=None, **quiet) as cluster:
        for name in ("first", "measured"):
            run = Run.open(shutil.copytree(prepared, folder / f"{name}{workers}"))
            with block_workers(cluster.scheduler_address) as map_blocks, Client(cluster) as client:
                if hasattr(os, "sched_setaffinity"):
                    for worker, core in zip(client.nthreads(), sorted(os.sched_getaffinity(0)), strict=False):
                        client.run(hold_to_core, core, workers=[worker])
                records = {
                    stage: run_stage(run, parameters, progress=False, map_blocks=map_blocks)
                    for stage, parameters in stage_parameters({}).items()
                    if stage in STAGES
                }
                seconds = {stage: record["seconds"] for stage, record in records.items()}
                start, pairs = time.perf_counter(), read_pairs(run.pairs_path)
                job = BlockJob("benchmark", progress=False, map_blocks=map_blocks)
                match_pairs(run.features_path, pairs, stage_parameters({})["match"], run.path / "all_pairs.h5", job)
                seconds[ALL_PAIRS] = time.perf_counter() - start
    return seconds, {name: file_sha256(run.path / name) for record in records.values() for name in record["outputs"]}


def report(seconds: dict[int, dict[str, float]], digests: dict[int, dict[str, str]]) -> list[str]:
    """Compare two workers with one; a line per measurement, and one for the files.

    Parameters
    ----------
    seconds : dict
        Wall seconds of every one of :data:`MEASURED`, by the number of workers.
    digests : dict
        SHA-256 of every file, by the number of workers.

    Returns
    -------
    list of str
        The lines.
    """
    one, two = WORKERS
    times = {stage: (seconds[one][stage], seconds[two][stage]) for stage in MEASURED}
    lines = [f"{name}: {a:.2f} s by one worker, {b:.2f} s by two, {a / b:.2f} times as fast" for name, (a, b) in times.items()]
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
