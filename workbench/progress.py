"""How far a piece of work is: drawn as a bar of its own, told to a function, or neither."""

from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Self, TypeVar

from tqdm import tqdm

T = TypeVar("T")

# Called with: items done, those of them that were there before, which took no time now, and items in all, 0 for unknown.
Told = Callable[[int, int, int], None]
Progress = bool | Told  # True draws a bar


class Steps:
    """Counts the items of a piece of work while they are done.

    Parameters
    ----------
    progress : bool or callable
        True draws a bar on stderr. A function is called as ``Told`` says, at the start and after every step.
    total : int
        Items in all; 0 when that is not known.
    what : str
        Name of the work, beside the bar.
    unit : str
        What an item is.
    found : int
        Items that were done before, by a process that was killed.
    """

    def __init__(self, progress: Progress, total: int, what: str, unit: str = "frame", found: int = 0) -> None:
        self.done, self.total, self.found = found, total, found
        self._tell = progress if callable(progress) else None
        self._bar = tqdm(total=total or None, desc=what, unit=unit, initial=found, disable=progress is not True)
        self.update(0)

    def update(self, count: int = 1) -> None:
        """Count items that were done.

        Parameters
        ----------
        count : int
            How many.
        """
        self.done += count
        self._bar.update(count)
        if self._tell:
            self._tell(self.done, self.found, self.total)

    def over(self, items: Iterable[T]) -> Iterator[T]:
        """Go through items, and count each when the next one is asked for.

        Parameters
        ----------
        items : iterable
            The items.

        Yields
        ------
        object
            Every item.
        """
        with self:
            for item in items:
                yield item
                self.update()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._bar.close()
