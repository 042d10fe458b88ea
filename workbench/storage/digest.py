"""SHA-256 of files, of values and of the package's own code."""

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any


@cache
def code_digest() -> str:
    """SHA-256 of the package's code: what another version computed is not mixed with what this one does."""
    package = Path(__file__).resolve().parents[1]
    files = sorted(package.rglob("*.py"))
    return digest([[file.relative_to(package).as_posix(), file_sha256(file)] for file in files])


def digest(described: list[Any]) -> str:
    """SHA-256 of what can be written as JSON."""
    return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()


def file_sha256(file: Path) -> str:
    """SHA-256 of a file, 64 hexadecimal digits."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
