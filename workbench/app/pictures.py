"""A zip archive made while it is downloaded, so that it needs neither memory nor room on the disk."""

import zipfile
from collections.abc import Iterator
from pathlib import Path


class _Sink:
    """A file that only takes: what was written is given away in pieces."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []

    def write(self, data: bytes) -> int:
        self.pieces.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""

    def taken(self) -> bytes:
        found = b"".join(self.pieces)
        self.pieces.clear()
        return found


def zipped(folder: Path) -> Iterator[bytes]:
    """Make an archive of all files in a folder, in the order of their names. Pictures are small already: they are stored as is.

    Parameters
    ----------
    folder : Path
        The folder.

    Yields
    ------
    bytes
        The next piece of the archive: a file and what describes it, and at last the table of contents.
    """
    sink = _Sink()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED) as archive:  # type: ignore[call-overload] # no more is asked of a file
        for file in sorted(path for path in folder.rglob("*") if path.is_file()):
            archive.write(file, file.relative_to(folder))
            yield sink.taken()
    yield sink.taken()
