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

CONNECT_SECONDS = 10  # that a scheduler has to answer
NO_NEWS_SECONDS = 10  # without a finished block, until it is checked whether there are workers at all


@contextmanager
def block_workers(scheduler: str) -> Iterator[MapBlocks]:
    """Connect to a Dask scheduler whose workers compute blocks of work.

    The workers must see the same files under the same paths. A block whose worker died is computed again.

    Parameters
    ----------
    scheduler : str
        Address, as ``tcp://127.0.0.1:8786``.

    Yields
    ------
    callable
        Goes through blocks as ``map`` does. It raises :class:`~workbench.errors.RunError` when the scheduler is lost on the way
        or no worker survives a block, and whatever the work raises.

    Raises
    ------
    UsageError
        When the scheduler does not answer or its workers cannot be used.
    """
    with connected(scheduler) as client:

        def map_blocks(work: Callable[..., Any], blocks: Iterable[Any]) -> Iterator[Any]:
            for _, result in as_finished(client, client.map(work, list(blocks), pure=False), scheduler):
                if isinstance(result, KilledWorker):
                    raise RunError(f"{killed_message(result)}; what is finished is kept")
                yield result

        yield map_blocks


def killed_message(error: KilledWorker) -> str:
    """Explain that no worker survived a block.

    Parameters
    ----------
    error : KilledWorker
        Dask's error.

    Returns
    -------
    str
        What happened and what to do.
    """
    return (
        f"its worker process was killed {error.allowed_failures + 1} times, perhaps for want of memory: close other programs, "
        "or lower video.proxy_size"
    )


def as_finished(client: Client, futures: Iterable[Future], scheduler: str) -> Iterator[tuple[Future, Any]]:
    """Go through futures as they are finished. When all workers are gone, this is reported once, and new ones are waited for.

    Parameters
    ----------
    client : Client
        The client of the scheduler.
    futures : iterable of Future
        What was submitted.
    scheduler : str
        Address, for messages; "" for workers of this machine.

    Yields
    ------
    future : Future
        A finished one.
    result : object
        What the work returned, or KilledWorker where no worker survived it.

    Raises
    ------
    RunError
        When the scheduler is lost; and whatever the work raises.
    """
    # With results: a result that is fetched later may be gone with its worker, and fetching it would wait for another one.
    waiting, news, reported = as_completed(futures, with_results=True), time.monotonic(), False
    try:
        while not waiting.is_empty():
            ready = waiting.next_batch(block=False)
            for future, result in ready:
                found = result[1] if future.status == "error" else result
                if isinstance(found, Exception) and not isinstance(found, KilledWorker):
                    raise found
                yield future, found
            if ready:
                news, reported = time.monotonic(), False
            elif time.monotonic() - news > NO_NEWS_SECONDS:
                news, gone = time.monotonic(), not client.nthreads()
                if gone and not reported:
                    tqdm.write(f"no workers at {scheduler}: waiting; {_start(scheduler)}", file=sys.stderr)
                reported = gone
            else:
                time.sleep(0.05)
    except (CancelledError, CommClosedError) as error:
        raise RunError(
            f"the scheduler {scheduler or 'of this machine'} was lost: what is finished is kept, start it again and the "
            "same command goes on from here"
        ) from error


@contextmanager
def local_workers(most: int) -> Iterator[Client]:
    """Start workers on this machine, one per core.

    Parameters
    ----------
    most : int
        Number of workers at most.

    Yields
    ------
    Client
        A client of their scheduler.
    """
    # One thread per process, which papermill needs; Dask gives each worker OMP_NUM_THREADS=1, so N workers fit N cores.
    # Dask's memory limit is off: kernels are processes of their own, which it does not count.
    size = {"n_workers": min(CPU_COUNT, most), "threads_per_worker": 1, "processes": True, "memory_limit": None}
    with (
        LocalCluster(**size, dashboard_address="127.0.0.1:0", silence_logs=logging.CRITICAL) as cluster,
        Client(cluster) as client,
    ):
        yield client


@contextmanager
def connected(scheduler: str) -> Iterator[Client]:
    """Connect to a scheduler whose workers do one thing at a time.

    Parameters
    ----------
    scheduler : str
        Address, as ``tcp://127.0.0.1:8786``.

    Yields
    ------
    Client
        A client of the scheduler.

    Raises
    ------
    UsageError
        When the scheduler does not answer, has no workers, or has workers that cannot be used.
    """
    for name in ("distributed", "distributed.client", "tornado.application"):  # a lost scheduler is reported by our own error
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        client = Client(scheduler, timeout=CONNECT_SECONDS)
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
                f"workers of {scheduler} have more than one thread, which papermill does not support: {_start(scheduler)}"
            )
        code = client.run(code_digest, on_error="return")  # an error where this package is not installed
        others = [worker for worker, digest in code.items() if digest != code_digest()]
        if others:
            raise UsageError(f"{', '.join(others)} of {scheduler} have another version of this package: install the same there")
        yield client


def _start(scheduler: str) -> str:
    return f"start some with `dask worker {scheduler} --nthreads 1`"
