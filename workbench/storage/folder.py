"""Files and folders: what may lie in a run directory, how a file is written in one step, and digests of what is there.

A run may come from a stranger. With a link in it, the workbench would write or delete where the link leads; at a named pipe it
would wait for ever. Nothing here makes links, so one that is there was put there by somebody.
"""

import hashlib
import json
import os
import shutil
import stat
from contextlib import suppress
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

from workbench.errors import RunError
from workbench.limits import JSON_BYTES

NAME_BYTES = 255  # of a file's name, at most, on every usual file system


def check_folder(folder: Path) -> None:
    """Refuse a folder with anything in it, at any depth, that is neither a file nor a folder.

    Parameters
    ----------
    folder : Path
        The folder; one that does not exist is accepted.

    Raises
    ------
    RunError
        When there is a link, a pipe, a socket or a device in it.
    """
    with suppress(FileNotFoundError), os.scandir(folder) as entries:  # another process may just have moved it to its place
        for entry in entries:
            mode = entry.stat(follow_symlinks=False).st_mode
            if stat.S_ISDIR(mode):
                check_folder(Path(entry.path))
            elif stat.S_ISLNK(mode):
                target = ascii(str(Path(entry.path).readlink()))[1:-1]  # it may hold anything, line breaks too
                raise RunError(f"{entry.path} is a link (to {target}): a run holds none, delete it first")
            elif not stat.S_ISREG(mode):
                raise RunError(f"{entry.path} is neither a file nor a folder: a run holds nothing else, delete it first")


def is_inside(name: Any) -> bool:
    """Check that a path stays inside the folder it is relative to.

    Parameters
    ----------
    name : object
        What should be such a path, of any type.

    Returns
    -------
    bool
        Whether it is a text, a relative path with ``/`` between its parts, and does not lead out of the folder.
    """
    if not isinstance(name, str) or not name or "\0" in name or "\\" in name or ":" in name:
        return False
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts and bool(path.parts)


def remove(path: Path) -> None:
    """Delete a file, or a folder and all in it, if it is there.

    Parameters
    ----------
    path : Path
        The file or folder; of a link, the link itself is deleted, never what it leads to.
    """
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def partial_path(file: Path) -> Path:
    """Name the file that a file of any name, such as a video, is written to until it is whole.

    Parameters
    ----------
    file : Path
        The file.

    Returns
    -------
    Path
        Beside it, hidden, with the same suffix; the name is cut where it would be too long for a file system.
    """
    around = len(os.fsencode(f"..partial{file.suffix}"))
    stem = os.fsencode(file.stem)[: NAME_BYTES - around]
    return file.with_name(f".{os.fsdecode(stem)}.partial{file.suffix}")


def write_whole(file: Path, text: str) -> Path:
    """Write a file in one step, so that it is there whole or as it was before.

    Parameters
    ----------
    file : Path
        The file to write.
    text : str
        Its content; written as UTF-8, line ends as they are. Bytes of a file name that are not UTF-8 are written as numbers.

    Returns
    -------
    Path
        ``file``.
    """
    partial = file.with_name(f".{file.name}.partial")
    partial.unlink(missing_ok=True)  # opened as it is, it might share its content with another file
    partial.write_text(text, encoding="utf-8", errors="backslashreplace", newline="\n")
    return partial.replace(file)


def read_json(file: Path) -> Any:
    """Read a JSON file.

    Parameters
    ----------
    file : Path
        The file.

    Returns
    -------
    object
        Its content: dictionaries, lists, texts, numbers, booleans and None.

    Raises
    ------
    ValueError
        When it is no JSON, or far too large; the message is one line.
    OSError
        When it cannot be read.
    """
    if file.stat().st_size > JSON_BYTES:
        raise ValueError("it is far too large")
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


@cache
def code_digest() -> str:
    """Compute the digest of the package's code: results of another version are not mixed with those of this one.

    Returns
    -------
    str
        SHA-256 over names and contents of all Python files of the package, 64 hexadecimal digits.
    """
    package = Path(__file__).resolve().parents[1]
    files = sorted(package.rglob("*.py"))
    return digest([[file.relative_to(package).as_posix(), file_sha256(file)] for file in files])


def digest(described: Any) -> str:
    """Compute the digest of values.

    Parameters
    ----------
    described : object
        Anything that can be written as JSON; the order of dictionary keys does not matter.

    Returns
    -------
    str
        SHA-256, 64 hexadecimal digits.
    """
    return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()


def file_sha256(*files: Path) -> str:
    """Compute the digest of a file, or of several.

    Parameters
    ----------
    *files : Path
        The files; several count as one with all their contents, one behind the other.

    Returns
    -------
    str
        SHA-256, 64 hexadecimal digits.

    Raises
    ------
    OSError
        When a file cannot be read.
    """
    found = hashlib.sha256()
    for file in files:
        with file.open("rb") as stream:
            hashlib.file_digest(stream, lambda: found)
    return found.hexdigest()
