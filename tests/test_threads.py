"""Work in threads: results in order, how many items are in memory, and that nothing is left behind."""

import threading

import pytest
from threadpoolctl import threadpool_info

from workbench.threads import at_once, in_threads


@pytest.fixture(autouse=True)
def two_cores(monkeypatch):
    """A machine of two cores."""
    monkeypatch.setattr("os.cpu_count", lambda: 2)


@pytest.mark.parametrize("run", [at_once, in_threads])
def test_items_run_beside_each_other_and_come_back_in_their_order(run):
    """The first item waits until the second has begun: it would wait for ever if one ran after the other."""
    second_began = threading.Event()

    def compute(item):
        if item == "first":
            assert second_began.wait(30)
        second_began.set()
        return item.upper()

    assert list(run(compute, ["first", "second", "third"])) == ["FIRST", "SECOND", "THIRD"]
    assert list(run(compute, [])) == []


def test_few_items_are_in_memory():
    """Of a million items no more than eight are asked for when three results have come."""
    asked = []

    def items():
        for item in range(1_000_000):
            asked.append(item)
            yield item

    results = in_threads(lambda item: -item, items())
    assert [next(results) for _ in range(3)] == [0, -1, -2]
    assert len(asked) <= 8
    results.close()
    assert len(asked) <= 8


def test_an_error_ends_it():
    """The error of an item comes in its place; items that had not begun are not computed any more."""
    done = []

    def compute(item):
        done.append(item)
        return 1 / item

    results = in_threads(compute, [1, 0, *range(2, 1000)])
    assert next(results) == 1
    with pytest.raises(ZeroDivisionError):
        next(results)
    assert len(done) <= 8


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
