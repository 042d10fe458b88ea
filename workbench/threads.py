"""Work that the cores share in threads: NumPy, OpenCV and the path solver let other threads run while they compute."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from threadpoolctl import threadpool_limits

Given = TypeVar("Given")
Found = TypeVar("Found")


def in_threads(compute: Callable[[Given], Found], items: Iterable[Given]) -> Iterator[Found]:
    """Compute something from every item, in as many threads as there are cores.

    Parameters
    ----------
    compute : callable
        What is computed.
    items : iterable
        What it is computed from. Items are asked for in this thread, as they are needed: a few more than there are cores are in
        memory at once.

    Yields
    ------
    object
        What was computed, in the order of ``items``.
    """
    cores = os.cpu_count() or 1
    running: deque[Future[Found]] = deque()
    with ThreadPoolExecutor(cores) as pool:
        try:
            for item in items:
                running.append(pool.submit(compute, item))
                if len(running) > 2 * cores:
                    yield running.popleft().result()
            while running:
                yield running.popleft().result()
        finally:
            for waiting in running:
                waiting.cancel()


def at_once(compute: Callable[[Given], Found], items: Sequence[Given]) -> list[Found]:
    """Compute something from every item as :func:`in_threads` does, where products of matrices are a part of it.

    The cores share the items then, and not the products again.

    Parameters
    ----------
    compute : callable
        What is computed.
    items : sequence
        What it is computed from.

    Returns
    -------
    list
        What was computed, in the order of ``items``.
    """
    if len(items) < 2:
        return [compute(item) for item in items]
    with threadpool_limits(1, user_api="blas"):
        return list(in_threads(compute, items))
