"""Produce items in a background thread, a few ahead of who wants them."""

import queue
import threading
from collections.abc import Generator, Iterator
from contextlib import closing
from typing import Any


def ahead(items: Generator[Any, None, None], count: int = 4) -> Iterator[Any]:
    """``items``, produced by a thread up to ``count`` ahead; an error in the thread is raised here."""
    done = object()
    stop = threading.Event()
    room = threading.Semaphore(count)
    box: queue.Queue = queue.Queue()

    def work() -> None:
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

    thread = threading.Thread(target=work, name="decode", daemon=True)
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
