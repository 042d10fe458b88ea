"""Models of the transformers library: found by bundled name, hub name or local folder, and loaded from safetensors.

Weights are never read from a pickle.
"""

import json
import logging
import re
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from workbench.errors import ModelError
from workbench.models.backbones import torchvision
from workbench.models.registry import is_non_commercial, model_folder

_log = logging.getLogger(__name__)
# What works without a download, by the type of the model that could not be loaded.
_RUNS_NOW = {
    "superglue": "--features.keypoints sift --match.model superglue-sift is bundled and runs now",
    "lightglue": "--features.keypoints sift --match.matcher superglue --match.model superglue-sift is bundled and runs now",
    "superpoint": "--features.keypoints sift runs now without weights",
}


def load_pretrained(kind: str, name: str, option: str) -> Any:
    """Load a transformers model in evaluation mode, in float32.

    Parameters
    ----------
    kind : str
        Name of transformers' class, as "SuperGlueForKeypointMatching".
    name : str
        Bundled name, ``owner/name`` on the Hugging Face hub, or a folder with ``config.json`` and ``model.safetensors``.
    option : str
        The command-line option that gave the name, for error messages.

    Returns
    -------
    transformers.PreTrainedModel
        The model.

    Raises
    ------
    ModelError
        If the model cannot be found, fetched or read, or the file does not hold exactly the model's weights.
    """
    torchvision()  # transformers imports it too, which fails beside PyTorch's CPU build unless this came first
    import torch
    import transformers

    transformers.utils.logging.disable_progress_bar()  # reading a file is too quick for a progress bar in every log
    model_class = getattr(transformers, kind)
    wanted = model_class.config_class.model_type
    by_hand = f"give a folder with config.json and model.safetensors as {option} FOLDER; {_RUNS_NOW[wanted]}"
    if not name:
        raise ModelError(f"{option} is empty, {wanted} needs weights: name one on the hub, or {by_hand}")
    folder = model_folder(name)
    if folder.is_dir():
        _check_folder(folder, wanted, by_hand)
        source, tried = str(folder), "the folder"
    elif re.fullmatch(r"[A-Za-z0-9][\w.-]*/[\w.-]+", name):
        source, tried = name, "the local cache of the Hugging Face hub, then the hub itself"
        address = f"https://huggingface.co/{name}/resolve/main"
        by_hand = (
            f"put {address}/model.safetensors and {address}/config.json into a folder and give it as {option} FOLDER; "
            f"{_RUNS_NOW[wanted]}"
        )
    else:
        raise ModelError(f"{name} is neither bundled, nor a folder, nor a hub name (owner/name): {by_hand}")
    if is_non_commercial(name):
        _log.warning("%s: Magic Leap's weights are for non-commercial research only", name)
    try:
        if not folder.is_dir():
            _ask_hub(name)
        # Files in float16 are small, but a CPU computes in float32.
        model, report = model_class.from_pretrained(source, use_safetensors=True, output_loading_info=True, dtype=torch.float32)
    # Every library involved has its own errors: the hub's and httpx's are OSError or RuntimeError, a wrong shape is a
    # RuntimeError, a wrong configuration a ValueError.
    except (OSError, RuntimeError, ValueError, SafetensorError) as error:
        reason = " ".join(str(error).split()).split(". ")[0][:200]
        raise ModelError(f"cannot load {wanted} from {name}: tried {tried} ({reason}); {by_hand}") from error
    # transformers only logs weights that are missing, and fills them with random numbers.
    differ = {*report["missing_keys"], *report["unexpected_keys"]}
    wrong = sorted(key for key in differ if not key.endswith("num_batches_tracked"))  # a counter of training only
    if wrong:
        raise ModelError(f"{name} does not hold the weights of {wanted} ({len(wrong)} differ, as {wrong[0]}): {by_hand}")
    return model.eval()


def _ask_hub(name: str) -> None:
    """Raise OSError at once if a model is neither in the hub's cache nor on the hub.

    ``from_pretrained`` alone would try a hub that does not answer six times, for half a minute.
    """
    from huggingface_hub import get_hf_file_metadata, hf_hub_url, try_to_load_from_cache

    if isinstance(try_to_load_from_cache(name, "config.json"), str):
        return
    try:
        get_hf_file_metadata(hf_hub_url(name, "config.json"), timeout=10)
    except OSError:
        raise
    except Exception as error:  # of the HTTP library: the hub's client changes it from version to version
        raise OSError(f"the hub does not answer: {error}") from error


def _check_folder(folder: Path, wanted: str, by_hand: str) -> None:
    """Raise ModelError unless the folder has both files and a configuration of the wanted model type."""
    missing = [file for file in ("config.json", "model.safetensors") if not (folder / file).is_file()]
    if missing:
        raise ModelError(f"{folder} has no {' and no '.join(missing)}: {by_hand}")
    try:
        found = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("model_type")
    except (ValueError, AttributeError) as error:
        raise ModelError(f"{folder / 'config.json'} is not a JSON object: {by_hand}") from error
    if found != wanted:
        raise ModelError(f"{folder} holds a model of type {found}, not {wanted}: {by_hand}")


def network_device() -> str:
    """Choose the device that networks run on.

    Returns
    -------
    str
        "cuda" if there is a GPU, else "cpu".
    """
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"
