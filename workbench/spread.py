"""The cells of a sweep, side by side on Dask: on this machine, or on the workers of a scheduler."""

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dask.system import CPU_COUNT
from distributed import Client, Future, KilledWorker, LocalCluster, as_completed
from distributed.comm import CommClosedError

from workbench.cells import FAILED, run_cell, write_result
from workbench.errors import RunError, UsageError
from workbench.sweep import Cell

TIMEOUT = 10  # seconds a scheduler has to answer


def run_cells(
    cells: list[Cell], folder: Path, scheduler: str = "", work: Callable[[Cell, Path], dict[str, Any]] = run_cell
) -> Iterator[tuple[Cell, dict[str, Any]]]:
    """Run cells, each written below ``folder`` by its worker; yields (cell, result) as each is done, in no order.

    scheduler: address of a Dask scheduler whose workers see the same files under the same paths; "" starts a cluster on this
    machine, a process a core. A cell whose worker died is run again; one whose workers die again and again has failed. work:
    what a worker does with a cell.
    Raises :class:`~workbench.errors.UsageError` when the scheduler does not answer or its workers cannot be used,
    :class:`~workbench.errors.RunError` when it is lost on the way, and OSError for a full disk. Finished cells always stay.
    """
    with _client(scheduler, len(cells)) as client:
        keys = {cell.name: f"{folder.resolve()}/{cell.name}" for cell in cells}
        futures = {client.submit(work, cell, folder.resolve(), key=keys[cell.name], pure=False): cell for cell in cells}
        try:
            for future in as_completed(futures):
                yield futures[future], _result(future, futures[future], folder)
        except (CancelledError, CommClosedError) as error:
            raise RunError(
                f"the scheduler {scheduler or 'of this machine'} was lost: finished cells are kept, start it again and the "
                "same command goes on from here"
            ) from error


def _result(future: Future, cell: Cell, folder: Path) -> dict[str, Any]:
    try:
        return future.result()
    except KilledWorker as error:
        told = f"its worker process was killed {error.allowed_failures + 1} times, perhaps for want of memory: close other "
        return write_result(cell, folder, FAILED, told + "programs, or lower video.proxy_size")


@contextmanager
def _client(scheduler: str, cells: int) -> Iterator[Client]:
    """A client of a scheduler whose workers run one cell at a time."""
    if not scheduler:
        # One thread a process, for papermill's sake; Dask gives each worker OMP_NUM_THREADS=1, so N workers fit N cores.
        # What a cell may take of the memory is for the system to say: kernels are processes of their own.
        size = {"n_workers": min(CPU_COUNT, cells), "threads_per_worker": 1, "processes": True, "memory_limit": None}
        with (
            LocalCluster(**size, dashboard_address="127.0.0.1:0", silence_logs=logging.CRITICAL) as cluster,
            Client(cluster) as client,
        ):
            yield client
        return
    try:
        client = Client(scheduler, timeout=TIMEOUT)
    except (OSError, ValueError, TypeError) as error:
        raise UsageError(
            f"the scheduler {scheduler} does not answer: start one with `dask scheduler` and give its address, as "
            "tcp://127.0.0.1:8786, or leave --scheduler out to use this machine"
        ) from error
    with client:
        threads = client.nthreads()
        start = f"`dask worker {scheduler} --nthreads 1`"
        if not threads:
            raise UsageError(f"the scheduler {scheduler} has no workers: start some with {start}")
        if max(threads.values()) > 1:
            raise UsageError(f"workers of {scheduler} have more than one thread, which papermill does not bear: use {start}")
        yield client
