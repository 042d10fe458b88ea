"""A file of features that is held open while some of its frames are read."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py

from workbench.storage.hloc import open_h5


class OpenedFeatures:
    """What reads frames of a features file now and then, and keeps what it read.

    Parameters
    ----------
    features_h5 : Path
        A features file.
    """

    def __init__(self, features_h5: Path) -> None:
        self.features_h5 = features_h5
        self._opened: h5py.File | None = None

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Hold the file open, as reading demands."""
        with open_h5(self.features_h5) as self._opened:
            yield

    @property
    def _file(self) -> h5py.File:
        assert self._opened is not None  # it is read inside of opened
        return self._opened
