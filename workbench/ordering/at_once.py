"""Several scenes at once: they do not depend on each other, and share the cores, as long as their distances fit into memory."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np
from threadpoolctl import threadpool_limits

MAX_MATRIX_ENTRIES = 1_000_000  # pairs of frames whose distances are in memory at once: some 300 bytes each
Given, Found = TypeVar("Given"), TypeVar("Found")


def groups_of_scenes(scenes: Sequence[np.ndarray]) -> Iterator[list[np.ndarray]]:
    """Part scenes into groups whose distances fit into memory together.

    Parameters
    ----------
    scenes : sequence of (n,) int arrays
        The frames of every scene.

    Yields
    ------
    list of (n,) int arrays
        The next scenes, in their order: as many as have :data:`MAX_MATRIX_ENTRIES` pairs of frames at most, or a larger one.
    """
    group: list[np.ndarray] = []
    for frames in scenes:
        if group and sum(len(member) ** 2 for member in [*group, frames]) > MAX_MATRIX_ENTRIES:
            yield group
            group = []
        group.append(frames)
    if group:
        yield group


def at_once(compute: Callable[[Given], Found], items: Sequence[Given]) -> list[Found]:
    """Compute something for every scene of a group, in as many threads as there are cores.

    Parameters
    ----------
    compute : callable
        What is computed. NumPy, OpenCV and the path solver let other threads run meanwhile.
    items : sequence
        What it is computed from: scenes, or searches of scenes.

    Returns
    -------
    list
        What was computed, in the order of ``items``.
    """
    if len(items) < 2:
        return [compute(item) for item in items]
    # The cores are shared by scenes: products of matrices are not shared again.
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(compute, items))
