"""``config.json`` in the folder of a backbone: which network it is, and the input that it expects."""

import json
import re
from pathlib import Path
from typing import Any

from workbench.errors import ModelError
from workbench.models.registry import REGISTRY


def read_config(folder: Path) -> dict[str, Any]:
    """Read and check the configuration of a backbone.

    Parameters
    ----------
    folder : Path
        A folder that :func:`~workbench.models.backbones.save_backbone` wrote.

    Returns
    -------
    dict of str to object
        ``architecture``; ``size`` of the input, px; ``mean`` and ``std`` of three channels; perhaps ``typical_eps``, cosine
        distance.

    Raises
    ------
    ModelError
        If there is no such file, it is not valid, or it lacks one of these.
    """
    names = ", ".join(model.name for model in REGISTRY if model.kind == "embedding")
    if not (folder / "config.json").is_file():
        raise ModelError(f"no backbone is called {folder}: use {names}, or a folder with config.json and model.safetensors")
    try:
        config: dict[str, Any] = json.loads((folder / "config.json").read_text())
        missing = {"architecture", "size", "mean", "std"} - set(config)
    except (ValueError, TypeError) as error:
        reason = re.sub(r"\s+", " ", str(error))[:200]
        raise ModelError(f"{folder}/config.json is not valid ({reason}): write it with save_backbone") from error
    if missing:
        raise ModelError(f"{folder}/config.json lacks {', '.join(sorted(missing))}: write it with save_backbone")
    try:
        good = int(config["size"]) > 0 and float(config.get("typical_eps", 0)) >= 0
        good = good and all(len([float(value) for value in config[key]]) == 3 for key in ("mean", "std"))
    except (ValueError, TypeError):
        good = False
    if not good:
        raise ModelError(
            f"{folder}/config.json needs a size in px, mean and std of three channels, and a typical_eps of 0 or more: "
            "write it with save_backbone"
        )
    return config
