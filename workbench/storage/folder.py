"""Files and folders: what may lie in a run directory, how a file is written in one step, and digests of what is there.

A run may come from a stranger. A link in it would have the workbench write, or delete, where the link leads; a named pipe would
have it wait for ever. Nothing here makes links, so one that is there was put there.
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


def check_folder(folder: Path) -> None:
    """Raises :class:`~workbench.errors.RunError` when anything in ``folder`` is neither a file nor a folder."""
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
    """Whether ``name`` is a relative path that does not lead out of the folder it is relative to."""
    if not isinstance(name, str) or not name or "\0" in name or "\\" in name or ":" in name:
        return False
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts and bool(path.parts)


def remove(path: Path) -> None:
    """Delete a file, or a folder and all in it, if it is there; a link itself, never what it leads to."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def write_whole(file: Path, text: str) -> Path:
    """Write ``file`` in one step, so that it is there whole or as it was before; returns it."""
    partial = file.with_name(f".{file.name}.partial")
    partial.unlink(missing_ok=True)  # opened as it is, it might share its content with another file
    partial.write_text(text, encoding="utf-8", newline="\n")
    return partial.replace(file)


def read_json(file: Path) -> Any:
    """The content of a JSON file. Raises ValueError, in one line, when it is none, or far too large, and OSError."""
    if file.stat().st_size > JSON_BYTES:
        raise ValueError("it is far too large")
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


@cache
def code_digest() -> str:
    """SHA-256 of the package's code: what another version computed is not mixed with what this one does."""
    package = Path(__file__).resolve().parents[1]
    files = sorted(package.rglob("*.py"))
    return digest([[file.relative_to(package).as_posix(), file_sha256(file)] for file in files])


def digest(described: Any) -> str:
    """SHA-256 of what can be written as JSON."""
    return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()


def file_sha256(*files: Path) -> str:
    """SHA-256 of a file, 64 hexadecimal digits; of several, that of their contents one behind the other."""
    found = hashlib.sha256()
    for file in files:
        with file.open("rb") as stream:
            hashlib.file_digest(stream, lambda: found)
    return found.hexdigest()
