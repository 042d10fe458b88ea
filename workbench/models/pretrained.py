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
    folder, by_hand = find_pretrained(wanted, name, option)
    warn_of_terms(name)
    source, tried = (
        (str(folder), "the folder") if folder else (name, "the local cache of the Hugging Face hub, then the hub itself")
    )
    try:
        if not folder:
            _ask_hub(name)
        # Files in float16 are small, but a CPU computes in float32.
        model, report = model_class.from_pretrained(source, use_safetensors=True, output_loading_info=True, dtype=torch.float32)
    # Every library involved has its own errors: the hub's and httpx's are OSError or RuntimeError, a wrong shape is a
    # RuntimeError, a wrong configuration a ValueError.
    except (OSError, RuntimeError, ValueError, SafetensorError) as error:
        raise not_loaded(wanted, name, tried, error, by_hand) from error
    # transformers only logs weights that are missing, and fills them with random numbers.
    refuse_other_weights(wanted, name, {*report["missing_keys"], *report["unexpected_keys"]}, by_hand)
    return model.eval()


def find_pretrained(wanted: str, name: str, option: str) -> tuple[Path | None, str]:
    """Find out where a model is to be read from; nothing is read or fetched yet.

    Parameters
    ----------
    wanted : str
        Its type, as "superglue".
    name : str
        Bundled name, ``owner/name`` on the Hugging Face hub, or a folder with ``config.json`` and ``model.safetensors``.
    option : str
        The command-line option that gave the name, for error messages.

    Returns
    -------
    folder : Path or None
        The folder with both files, of the wanted type; None for a name on the hub.
    by_hand : str
        How the model can be given by hand, and what runs without it: the end of an error message.

    Raises
    ------
    ModelError
        If the name cannot be a model, or its folder lacks a file or holds another type.
    """
    by_hand = f"give a folder with config.json and model.safetensors as {option} FOLDER; {_RUNS_NOW[wanted]}"
    if not name:
        raise ModelError(f"{option} is empty, {wanted} needs weights: name one on the hub, or {by_hand}")
    folder = model_folder(name)
    if folder.is_dir():
        _check_folder(folder, wanted, by_hand)
        return folder, by_hand
    if not re.fullmatch(r"[A-Za-z0-9][\w.-]*/[\w.-]+", name):
        raise ModelError(f"{name} is neither bundled, nor a folder, nor a hub name (owner/name): {by_hand}")
    address = f"https://huggingface.co/{name}/resolve/main"
    by_hand = (
        f"put {address}/model.safetensors and {address}/config.json into a folder and give it as {option} FOLDER; "
        f"{_RUNS_NOW[wanted]}"
    )
    return None, by_hand


def warn_of_terms(name: str) -> None:
    """Log a warning if a model is for non-commercial research only.

    Parameters
    ----------
    name : str
        Its name.
    """
    if is_non_commercial(name):
        _log.warning("%s: Magic Leap's weights are for non-commercial research only", name)


def not_loaded(wanted: str, name: str, tried: str, error: Exception, by_hand: str) -> ModelError:
    """Make the error for a model that a library could not read or fetch.

    Parameters
    ----------
    wanted : str
        Its type, as "superglue".
    name : str
        Its name.
    tried : str
        Where it was looked for.
    error : Exception
        What the library reported.
    by_hand : str
        From :func:`find_pretrained`.

    Returns
    -------
    ModelError
        To be raised.
    """
    reason = " ".join(str(error).split()).split(". ")[0][:200]
    return ModelError(f"cannot load {wanted} from {name}: tried {tried} ({reason}); {by_hand}")


def refuse_other_weights(wanted: str, name: str, differ: set[str], by_hand: str) -> None:
    """Refuse a file that does not hold exactly the weights of a model.

    Parameters
    ----------
    wanted : str
        Its type, as "superglue".
    name : str
        Its name.
    differ : set of str
        Names of weights that the file lacks, has beyond the model's, or has in another shape.
    by_hand : str
        From :func:`find_pretrained`.

    Raises
    ------
    ModelError
        If any differ, but for a counter that only training needs.
    """
    wrong = sorted(key for key in differ if not key.endswith("num_batches_tracked"))
    if wrong:
        raise ModelError(f"{name} does not hold the weights of {wanted} ({len(wrong)} differ, as {wrong[0]}): {by_hand}")


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
