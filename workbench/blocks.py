"""Work that is done in blocks, here or by other processes."""

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, Generic, TypeVar

T = TypeVar("T")

Each = Callable[..., Iterable[Any]]  # as map: calls a function for each block; results may come in any order


class Loaded(Generic[T]):
    """Something that takes long to load, as a network. To another process it goes as the way to load it: there it is loaded
    once, whatever the number of blocks.

    load: a function of a module. parameters: its argument, hashable. key: fingerprint that covers the weights, since retrained
    ones may have the same name. value: what ``load`` returned.
    """

    def __init__(self, load: Callable[[Any], T], parameters: Any, key: str) -> None:
        self.value, self._made_from = load(parameters), (load, parameters, key)

    def __reduce__(self) -> tuple[Callable[..., "Loaded[T]"], tuple[Any, ...]]:
        return _loaded, self._made_from


@lru_cache(maxsize=2)  # what finds keypoints, and what matches them
def _loaded(load: Callable[[Any], T], parameters: Any, key: str) -> Loaded[T]:
    return Loaded(load, parameters, key)
