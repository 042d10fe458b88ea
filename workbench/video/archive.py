"""The pictures in a zip or tar archive, read one by one in memory. Nothing is unpacked under a name from the archive."""

import io
import stat
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from workbench.errors import VideoError
from workbench.limits import ARCHIVE_RATIO, ARCHIVE_SPARE_BYTES, MEMBER_BYTES
from workbench.video.base import listed, safe_name
from workbench.video.inputs import is_junk, natural_key
from workbench.video.pictures import PictureFile

_DAMAGED = (zipfile.BadZipFile, tarfile.TarError, EOFError, zlib.error, OSError, NotImplementedError, ValueError)
_ENCRYPTED = 1  # bit of a zip member's flags
_TAR_SUFFIXES = (".tar", ".gz", ".tgz", ".bz2", ".tbz2", ".xz", ".txz")  # any file of zeros is an empty tar file


class Archive:
    """An archive opened for reading.

    Parameters
    ----------
    path : Path
        A zip file, or a tar file, compressed or not.

    Attributes
    ----------
    files : list of PictureFile
        Its files, sorted by name as a person would, without what systems leave there.
    notes : list of str
        What was passed over.

    Raises
    ------
    VideoError
        When the archive is damaged, encrypted, holds no files, or unpacks to more than it may.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._close: Callable[[], None] = lambda: None
        self._passed: dict[str, list[str]] = {}
        self._allowed = path.stat().st_size * ARCHIVE_RATIO + ARCHIVE_SPARE_BYTES
        self._unpacked = 0
        try:
            members = self._zip_members() if _is_zip(path) else self._tar_members()
        except _DAMAGED as error:
            self.close()
            raise VideoError(f"{path} is damaged ({error}): copy or download it again") from error
        except VideoError:
            self.close()
            raise
        members.sort(key=lambda member: natural_key(member.name))
        self.files = [PictureFile(safe_name(member.name), member.open) for member in members]
        self.notes = [f"passed over in {path.name}, {reason}: {listed(names)}" for reason, names in self._passed.items()]
        if not self.files:
            self.close()
            raise VideoError(f"{path} has no files in it that can be read: give an archive of pictures")

    def close(self) -> None:
        """Close the archive."""
        self._close()

    def _take(self, name: str, size: int, kind: str) -> bool:
        """Whether a member is to be read; it counts among what the archive unpacks to."""
        self._unpacked += size
        if self._unpacked > self._allowed:
            raise VideoError(
                f"{self.path} unpacks to more than {self._allowed:,} bytes, {ARCHIVE_RATIO} times its size: it is damaged or a "
                "trap; give the folder of the pictures"
            )
        reason = kind or ("as systems leave them" if is_junk(name) else "")
        if size > MEMBER_BYTES:
            reason = f"more than {MEMBER_BYTES:,} bytes"
        if reason:
            self._passed.setdefault(reason, []).append(safe_name(name))
        return not reason

    def _zip_members(self) -> list[PictureFile]:
        archive = zipfile.ZipFile(self.path)
        self._close = archive.close
        members = []
        for member in archive.infolist():
            if member.is_dir():
                continue
            mode = member.external_attr >> 16
            kind = "links and devices" if stat.S_IFMT(mode) not in (0, stat.S_IFREG) else ""
            if member.flag_bits & _ENCRYPTED:
                raise VideoError(f"{self.path} is encrypted: unpack it and give the folder of the pictures")
            if self._take(member.filename, member.file_size, kind):
                members.append(PictureFile(member.filename, _member(archive, member)))
        return members

    def _tar_members(self) -> list[PictureFile]:
        """Of a compressed archive, in which nothing can be found again, the contents are kept in a file without a name."""
        plain = _is_uncompressed(self.path)
        store: BinaryIO = self.path.open("rb") if plain else tempfile.TemporaryFile()  # noqa: SIM115 (closed in close)
        self._close = store.close
        members = []
        with tarfile.open(self.path, "r:" if plain else "r|*") as archive:
            for member in archive:
                if member.isdir():
                    continue
                kind = "" if member.isreg() and not member.issparse() else "links and devices"
                if not self._take(member.name, member.size, kind):
                    continue
                offset = member.offset_data if plain else store.tell()
                content = None if plain else archive.extractfile(member)
                if content is not None:
                    store.write(content.read())
                members.append(PictureFile(member.name, _part(store, offset, member.size)))
        return members


def is_archive(path: Path) -> bool:
    """Tell whether a file is an archive that can be read.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    bool
        True of zip files, and of tar files, compressed or not.
    """
    return _is_zip(path) or (path.suffix.lower() in _TAR_SUFFIXES and tarfile.is_tarfile(path))


def _is_zip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) in (b"PK\x03\x04", b"PK\x05\x06")


def _is_uncompressed(path: Path) -> bool:
    try:
        with tarfile.open(path, "r:"):
            return True
    except tarfile.TarError:
        return False


def _member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Callable[[], BinaryIO]:
    def read() -> BinaryIO:
        try:
            return io.BytesIO(archive.read(member))
        except (zipfile.BadZipFile, zlib.error, NotImplementedError) as error:
            raise OSError(f"{member.filename} cannot be unpacked") from error

    return read


def _part(store: BinaryIO, offset: int, size: int) -> Callable[[], BinaryIO]:
    def read() -> BinaryIO:
        store.seek(offset)
        return io.BytesIO(store.read(size))

    return read
