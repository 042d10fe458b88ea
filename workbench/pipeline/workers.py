"""Dask workers, for blocks of one video or for the cells of a sweep."""

import logging
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from typing import Any

from dask.system import CPU_COUNT
from distributed import Client, Future, KilledWorker, LocalCluster, as_completed
from distributed.comm import CommClosedError
from tqdm import tqdm

from workbench.errors import RunError, UsageError
from workbench.storage.blocks import MapBlocks
from workbench.storage.folder import code_digest

TIMEOUT = 10  # seconds a scheduler has to answer
PATIENCE = 10  # seconds without any news until it is looked whether there are workers at all


@contextmanager
def block_workers(scheduler: str) -> Iterator[MapBlocks]:
    """A function that goes through blocks of work as ``map`` does, on the workers of a Dask scheduler.

    The workers see the same files under the same paths. A block whose worker died is done again.
    Raises :class:`~workbench.errors.UsageError` when the scheduler does not answer or its workers cannot be used; the function
    raises :class:`~workbench.errors.RunError` when the scheduler is lost on the way or no worker survives a block, and
    whatever the work raises.
    """
    with connected(scheduler) as client:

        def each(work: Callable[..., Any], blocks: Iterable[Any]) -> Iterator[Any]:
            for _, result in as_finished(client, client.map(work, list(blocks), pure=False), scheduler):
                if isinstance(result, KilledWorker):
                    raise RunError(f"{killed_message(result)}; what is finished is kept")
                yield result

        yield each


def killed_message(error: KilledWorker) -> str:
    """Say what to do when a piece of work has killed its workers.

    Parameters
    ----------
    error : KilledWorker
        Dask's error.

    Returns
    -------
    str
        What happened, and the remedy.
    """
    told = f"its worker process was killed {error.allowed_failures + 1} times, perhaps for want of memory: close other "
    return told + "programs, or lower video.proxy_size"


def as_finished(client: Client, futures: Iterable[Future], scheduler: str) -> Iterator[tuple[Future, Any]]:
    """Futures as they are finished, with what the work returned, or with KilledWorker where no worker survived it.

    Raises what the work raises. When all workers are gone, it is said, and they are waited for.
    """
    # With results: one that is fetched later may be gone with its worker, and to fetch it would be to wait for another.
    waiting, news, told = as_completed(futures, with_results=True), time.monotonic(), False
    try:
        while not waiting.is_empty():
            ready = waiting.next_batch(block=False)
            for future, result in ready:
                found = result[1] if future.status == "error" else result
                if isinstance(found, Exception) and not isinstance(found, KilledWorker):
                    raise found
                yield future, found
            if ready:
                news, told = time.monotonic(), False
            elif time.monotonic() - news > PATIENCE:
                news, gone = time.monotonic(), not client.nthreads()
                if gone and not told:
                    tqdm.write(f"no workers at {scheduler}: waiting; {_start(scheduler)}", file=sys.stderr)
                told = gone
            else:
                time.sleep(0.05)
    except (CancelledError, CommClosedError) as error:
        raise RunError(
            f"the scheduler {scheduler or 'of this machine'} was lost: what is finished is kept, start it again and the "
            "same command goes on from here"
        ) from error


@contextmanager
def local_workers(most: int) -> Iterator[Client]:
    """A client of workers on this machine, as many as cores, ``most`` at most."""
    # One thread a process, for papermill's sake; Dask gives each worker OMP_NUM_THREADS=1, so N workers fit N cores.
    # What a cell may take of the memory is for the system to say: kernels are processes of their own.
    size = {"n_workers": min(CPU_COUNT, most), "threads_per_worker": 1, "processes": True, "memory_limit": None}
    with (
        LocalCluster(**size, dashboard_address="127.0.0.1:0", silence_logs=logging.CRITICAL) as cluster,
        Client(cluster) as client,
    ):
        yield client


@contextmanager
def connected(scheduler: str) -> Iterator[Client]:
    """A client of a scheduler whose workers do one thing at a time."""
    for name in ("distributed", "distributed.client", "tornado.application"):  # a lost scheduler is our error
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        client = Client(scheduler, timeout=TIMEOUT)
    except (OSError, ValueError, TypeError) as error:
        raise UsageError(
            f"the scheduler {scheduler} does not answer: start one with `dask scheduler` and give its address, as "
            "tcp://127.0.0.1:8786, or leave --scheduler out to use this machine"
        ) from error
    with client:
        threads = client.nthreads()
        if not threads:
            raise UsageError(f"the scheduler {scheduler} has no workers: {_start(scheduler)}")
        if max(threads.values()) > 1:
            raise UsageError(
                f"workers of {scheduler} have more than one thread, which papermill does not bear: {_start(scheduler)}"
            )
        code = client.run(code_digest, on_error="return")  # an error, where it is not there at all
        others = [worker for worker, digest in code.items() if digest != code_digest()]
        if others:
            raise UsageError(f"{', '.join(others)} of {scheduler} have another version of this package: install the same there")
        yield client


def _start(scheduler: str) -> str:
    return f"start some with `dask worker {scheduler} --nthreads 1`"
