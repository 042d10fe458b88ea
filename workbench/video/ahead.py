"""Produce items in a background thread, a few ahead of who wants them."""

import queue
import threading
from collections.abc import Generator
from contextlib import closing
from typing import Any, TypeVar

T = TypeVar("T")


def ahead(items: Generator[T, None, None], count: int = 4) -> Generator[T, None, None]:
    """Produce items in a background thread; an error in the thread is raised here.

    Parameters
    ----------
    items : generator
        What produces the items; it is closed at the end, also when the caller stops early.
    count : int, default 4
        How many items, at least 1, the thread may be ahead.

    Yields
    ------
    object
        The items, in their order.
    """
    done = object()
    stop = threading.Event()
    room = threading.Semaphore(count)
    box: queue.Queue[tuple[Any, BaseException | None]] = queue.Queue()

    def _work() -> None:
        try:
            with closing(items):
                for item in items:
                    box.put((item, None))
                    room.acquire()
                    if stop.is_set():
                        return
            box.put((done, None))
        except BaseException as error:
            box.put((done, error))

    thread = threading.Thread(target=_work, name="decode", daemon=True)
    thread.start()
    try:
        while True:
            item, error = box.get()
            room.release()
            if error is not None:
                raise error
            if item is done:
                return
            yield item
    finally:
        stop.set()
        room.release()
        thread.join()
