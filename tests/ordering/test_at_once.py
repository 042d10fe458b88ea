"""Several scenes at once: which fit into memory together, and what threads leave as it was."""

import threading

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from workbench.ordering import at_once as module
from workbench.ordering.at_once import at_once, groups_of_scenes


def sizes_of(groups):
    """The numbers of frames of the scenes of every group."""
    return [[len(frames) for frames in group] for group in groups]


def test_scenes_that_fit_into_memory_are_a_group(monkeypatch):
    """A hundred pairs of frames fit: 36 + 49 do, 36 + 49 + 16 do not, and neither does anything beside a scene of 20 frames."""
    monkeypatch.setattr(module, "MAX_MATRIX_ENTRIES", 100)
    scenes = [np.arange(size) for size in (6, 7, 4, 20, 3, 3)]
    assert sizes_of(groups_of_scenes(scenes)) == [[6, 7], [4], [20], [3, 3]]
    assert sizes_of(groups_of_scenes([])) == []


def test_scenes_run_beside_each_other_and_come_back_in_their_order(monkeypatch):
    """The first of two items waits for the second: it would wait for ever if one ran after the other."""
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    second_began = threading.Event()

    def compute(item):
        if item == "first":
            assert second_began.wait(30)
        second_began.set()
        return item.upper()

    assert at_once(compute, ["first", "second", "third"]) == ["FIRST", "SECOND", "THIRD"]


def blas_threads():
    """How many threads every BLAS library may use."""
    return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]


def test_products_of_matrices_are_not_shared_meanwhile():
    """Inside, BLAS has one thread; afterwards, also after an error, as many as before."""
    before = blas_threads()
    assert all(count == 1 for counts in at_once(lambda _: blas_threads(), [0, 1]) for count in counts)
    with pytest.raises(ZeroDivisionError):
        at_once(lambda item: 1 // item, [1, 0, 2])
    assert blas_threads() == before
    assert at_once(lambda _: blas_threads(), [0]) == [before]
