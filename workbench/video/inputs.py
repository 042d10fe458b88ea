"""Find the files that a person means: in a folder, by a pattern, in a text list, or named one by one."""

import glob
import os
import re
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from workbench.errors import VideoError
from workbench.limits import LIST_BYTES
from workbench.storage.folder import digest, file_sha256
from workbench.video.base import Given, listed, printable, safe_name
from workbench.video.decode import local_file

LISTS = (".txt", ".lst")  # suffixes of text lists
_JUNK = ("thumbs.db", ".ds_store", "desktop.ini")  # what systems leave in folders of pictures
_NUMBERED = re.compile(r"%0?(\d*)d")  # as in FFmpeg's frames_%04d.png


@dataclass(frozen=True)
class Listing:
    """Files that are read as one clip.

    Attributes
    ----------
    label : str
        What they are called together, for messages.
    files : list of Path
        The files, in the order of the frames.
    names : list of str
        Their names in tables: paths below the folder that they have in common.
    named : bool
        Whether a person named every file; else they were found in a folder or by a pattern.
    notes : list of str
        What is to be said of how they were found.
    """

    label: str
    files: list[Path]
    names: list[str]
    named: bool
    notes: list[str] = field(default_factory=list)


def natural_key(name: str) -> list[tuple[bool, int, str]]:
    """Make the key that sorts ``frame2`` before ``frame10``, and ``IMG_3.JPG`` before ``img_4.jpg``.

    Parameters
    ----------
    name : str
        A name.

    Returns
    -------
    list of (bool, int, str)
        Numbers and texts in turn, capitals like small letters; the name itself decides last.
    """
    parts = re.split(r"([0-9]+)", name.casefold())
    return [*((part.isdigit(), int(part) if part.isdigit() else 0, part) for part in parts), (False, 0, name)]


def is_junk(name: str) -> bool:
    """Tell whether a file is one that systems leave beside pictures.

    Parameters
    ----------
    name : str
        Its name, with or without folders.

    Returns
    -------
    bool
        True of ``._*``, ``Thumbs.db``, ``.DS_Store`` and ``desktop.ini``, and of what is in ``__MACOSX``.
    """
    folder, _, last = name.replace("\\", "/").rpartition("/")
    return last.startswith("._") or last.lower() in _JUNK or "__MACOSX" in folder.split("/")


def find_files(given: Given) -> Path | Listing:
    """Find the files that a person means.

    Parameters
    ----------
    given : str, Path, or sequence of these
        One path or several: a file, a folder, a pattern (``frames_%04d.png``, ``*.png``), or a text list.

    Returns
    -------
    Path or Listing
        The path of one file, or a listing of files that belong together.

    Raises
    ------
    VideoError
        When there is no such file, or none in the folder, the list or of the pattern.
    """
    if not isinstance(given, str | Path):
        words = list(given)
        return _find_one(words[0]) if len(words) == 1 else _listing(shown(words), [_named_file(word) for word in words], True)
    return _find_one(given)


def shown(given: Given) -> str:
    """Give what a person gave as a text, for messages and titles.

    Parameters
    ----------
    given : str, Path, or sequence of these
        One path or several.

    Returns
    -------
    str
        The path; of several, the names of the first few.
    """
    return str(given) if isinstance(given, str | Path) else listed([safe_name(Path(word).name) for word in given])


def clip_name(given: Given) -> str:
    """Name what a person gave, as the folder of its run is named.

    Parameters
    ----------
    given : str, Path, or sequence of these
        One path or several.

    Returns
    -------
    str
        Of ``NAME.mp4`` and ``NAME.tar.gz``, ``NAME``; of a folder its name, of a pattern that of the folder it is in, of
        several files that of the first.
    """
    path = Path(given if isinstance(given, str | Path) else given[0])
    if path.is_dir():
        return path.resolve().name
    if not os.path.lexists(path) and _is_pattern(path):
        first = next(_magic_parts(path), path)
        return first.parent.resolve().name
    return path.stem.removesuffix(".tar")


def _find_one(word: str | Path) -> Path | Listing:
    path = Path(word)
    if "://" in str(word) or "\0" in str(word):
        return local_file(word)  # raises
    if path.is_dir():
        return _in_folder(path)
    if not os.path.lexists(path) and _is_pattern(path):
        return _by_pattern(path)
    return _from_list(local_file(path)) if path.suffix.lower() in LISTS else local_file(path)


def is_there(path: Path) -> bool:
    """Tell whether what a person once gave is still there.

    Parameters
    ----------
    path : Path
        A file, a folder, or a pattern.

    Returns
    -------
    bool
        Of a pattern, whether a file matches it.
    """
    return path.is_file() or path.is_dir() or (_is_pattern(path) and bool(_matches(path)))


def _named_file(word: str | Path) -> Path:
    if Path(word).is_dir():
        raise VideoError(f"{word} is a folder, and there is more beside it: give one folder alone, or several files")
    return local_file(word)


def _in_folder(folder: Path) -> Listing:
    try:
        entries = sorted(folder.iterdir(), key=lambda entry: natural_key(entry.name))
    except OSError as error:
        raise VideoError(f"{folder} cannot be read ({error.strerror}): check its permissions") from error
    folders = [entry.name for entry in entries if entry.is_dir()]
    notes = [f"folders inside {folder} were not looked into: {listed(folders)}"] if folders else []
    none = "is a folder without a file in it"
    if folders:
        names = listed(list(map(safe_name, folders)))
        none += f", only with folders ({names}): give one of them, or a pattern such as '{folder}/*/*'"
    return _found(str(folder), [entry for entry in entries if entry.is_file()], notes, none)


def _is_pattern(path: Path) -> bool:
    return bool(_NUMBERED.search(path.name)) or any(_magic_parts(path))


def _magic_parts(path: Path) -> Iterator[Path]:
    """The path up to every part with ``*``, ``?`` or ``[...]`` in it that is no name of a file or folder."""
    parts = [path, *path.parents][::-1]
    return (part for part in parts if glob.has_magic(part.name) and not os.path.lexists(part))


def _by_pattern(pattern: Path) -> Listing:
    return _found(str(pattern), _matches(pattern), [], "matches no file: check the folder, the name and the number of digits")


def _matches(pattern: Path) -> list[Path]:
    """The files that a pattern means, sorted."""
    numbered = _NUMBERED.search(pattern.name)
    if numbered:
        before, after = pattern.name[: numbered.start()], pattern.name[numbered.end() :]
        digits = rf"[0-9]{{{int(numbered[1] or 1)},}}"
        name = re.compile(re.escape(before) + digits + re.escape(after))
        candidates = pattern.parent.iterdir() if pattern.parent.is_dir() else ()
        files = [path for path in candidates if name.fullmatch(path.name)]
    else:
        start = next(_magic_parts(pattern)).parent
        files = [*start.glob(pattern.relative_to(start).as_posix())]
    return sorted((path for path in files if path.is_file()), key=lambda path: natural_key(path.as_posix()))


def _found(label: str, files: list[Path], notes: list[str], none: str) -> Listing:
    """The listing of files that nobody named one by one."""
    if not files:
        raise VideoError(f"{label} {none}")
    junk = [path.name for path in files if is_junk(path.name)]
    if junk:
        notes = [*notes, f"passed over, as systems leave them: {listed(list(map(safe_name, junk)))}"]
    files = [path for path in files if not is_junk(path.name)]
    if not files:
        raise VideoError(f"{label} has only files that systems leave there ({listed(junk)}): give a folder of pictures")
    return _listing(label, files, False, notes)


def _from_list(path: Path) -> Listing:
    if path.stat().st_size > LIST_BYTES:
        raise VideoError(f"{path} is larger than {LIST_BYTES:,} bytes: give a text list with one path per line")
    try:
        text = _list_text(path.read_bytes())
    except OSError as error:
        raise VideoError(f"{path} cannot be read ({error.strerror}): check its permissions") from error
    lines = [line.strip("\r") for line in text.split("\n")]
    words = [line for line in map(str.strip, lines) if line and not line.startswith("#")]
    if "\0" in text:
        raise VideoError(f"{path} is no text: give a text list with one path per line, relative to the list")
    if not words:
        raise VideoError(f"{path} lists no files: write one path per line, relative to the list")
    files = [path.parent / word for word in words]
    missing = [word for word, file in zip(words, files, strict=True) if "://" in word or not _is_file(file)]
    if missing:
        raise VideoError(
            f"{path} lists {len(missing)} of {len(files)} files that are not there: {listed(list(map(printable, missing)))}; "
            "write one path of a file per line, relative to the list, with nothing around it"
        )
    return _listing(str(path), files, True)


def _list_text(content: bytes) -> str:
    """The text of a list; Windows writes lists in UTF-16."""
    if content.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
        return content.decode("utf-16", "replace")
    return os.fsdecode(content.removeprefix(BOM_UTF8))


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # the name is too long
        return False


def _listing(label: str, files: Sequence[Path], named: bool, notes: Iterable[str] = ()) -> Listing:
    inodes = Counter((found.st_dev, found.st_ino) for found in map(Path.stat, files))
    same = [file.name for file in files if inodes[file.stat().st_dev, file.stat().st_ino] > 1]
    repeated = [f"the same file more than once, which was kept: {listed(list(map(safe_name, same)))}"] if same else []
    common = os.path.commonpath([file.absolute().parent for file in files]) if _share_a_root(files) else ""
    names = [safe_name(os.path.relpath(file.absolute(), common) if common else str(file)) for file in files]
    return Listing(label, list(files), names, named, [*notes, *repeated])


def _share_a_root(files: Sequence[Path]) -> bool:
    return len({file.absolute().anchor for file in files}) == 1


def source_digest(given: Given) -> tuple[str, int]:
    """Compute the digest by which a run recognises what it was made from.

    Parameters
    ----------
    given : str, Path, or sequence of these
        One path or several, as for :func:`find_files`.

    Returns
    -------
    sha256 : str
        SHA-256 of the file; of several files, of their names and contents. 64 hexadecimal digits.
    size : int
        Bytes of all files together.

    Raises
    ------
    VideoError
        As :func:`find_files` raises it.
    OSError
        When a file cannot be read.
    """
    found = find_files(given)
    if isinstance(found, Path):
        return file_sha256(found), found.stat().st_size
    contents = [[name, file_sha256(file)] for name, file in zip(found.names, found.files, strict=True)]
    return digest(contents), sum(file.stat().st_size for file in found.files)
