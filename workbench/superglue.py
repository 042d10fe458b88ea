"""SuperGlue on features computed once: the one place that calls transformers' private matching method.

transformers' public ``forward`` takes pairs of images and finds the keypoints of both again for every pair. Its
``_match_image_pair`` takes keypoints as they are in ``features.h5``; the tests hold it against the public
``forward``, and pyproject.toml keeps the range of transformers narrow.
"""

import json
import logging
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError

from workbench.errors import ModelError
from workbench.hloc import Features
from workbench.match import Matches, no_matches
from workbench.models import torchvision
from workbench.parameters import MatchParameters

BATCH = 8  # pairs a forward pass

_log = logging.getLogger(__name__)
_WITHOUT_WEIGHTS = {
    "--match.model": "--match.matcher sift-flann runs now without weights",
    "--features.superpoint_model": "--features.keypoints sift runs now without weights",
}


class SuperGlue:
    """SuperGlue (Sarlin, DeTone, Malisiewicz and Rabinovich, CVPR 2020) as a :class:`workbench.match.Matcher`.

    Matches are mutual and have a confidence above ``match_threshold``; scores are that confidence, 0 to 1. Raises
    :class:`~workbench.errors.ModelError` when the weights cannot be loaded.
    """

    def __init__(self, parameters: MatchParameters) -> None:
        torchvision()  # transformers imports it, which fails beside PyTorch's CPU build unless it is mended first
        from transformers import SuperGlueForKeypointMatching

        self.name = parameters.model
        self.model = load_pretrained(SuperGlueForKeypointMatching, parameters.model, "--match.model")
        # Both are read from the configuration at every call.
        self.model.config.sinkhorn_iterations = parameters.sinkhorn_iterations
        self.model.config.matching_threshold = parameters.match_threshold

    def match(self, features_a: Sequence[Features], features_b: Sequence[Features]) -> list[Matches]:
        """Matches of every pair; a pair in which a frame has no keypoints has none.

        Raises :class:`~workbench.errors.ModelError` when the descriptors are not of the model's length or the two
        frames of a pair differ in size.
        """
        pairs = list(zip(features_a, features_b, strict=True))
        results = [no_matches(a) for a, _ in pairs]
        # Padding is part of the optimal transport (its mass goes to the dustbin, but a finite number of iterations
        # sees it), so pairs share a batch only when they are padded alike: a result does not depend on the rest of
        # the batch.
        alike: dict[tuple[int, int, int], list[int]] = {}
        for number, (a, b) in enumerate(pairs):
            self._check(a, b)
            if len(a) and len(b):
                alike.setdefault((max(len(a), len(b)), *a.image_size.tolist()), []).append(number)
        for (length, width, height), numbers in sorted(alike.items()):
            for first in range(0, len(numbers), BATCH):
                batch = numbers[first : first + BATCH]
                found = self._forward([pairs[number] for number in batch], length, width, height)
                for number, (matches, scores) in zip(batch, found, strict=True):
                    results[number] = matches, scores
        return results

    def _forward(self, pairs: list[tuple[Features, Features]], length: int, width: int, height: int) -> list[Matches]:
        size = self.model.config.hidden_size
        keypoints = torch.zeros(len(pairs), 2, length, 2)
        descriptors = torch.zeros(len(pairs), 2, length, size)
        scores = torch.zeros(len(pairs), 2, length)
        mask = torch.zeros(len(pairs), 2, length, dtype=torch.int)
        for row, pair in enumerate(pairs):
            for side, features in enumerate(pair):
                count = len(features)
                keypoints[row, side, :count] = torch.from_numpy(features.keypoints)
                descriptors[row, side, :count] = torch.from_numpy(features.descriptors.T.astype(np.float32))
                scores[row, side, :count] = torch.from_numpy(features.scores)
                mask[row, side, :count] = 1
        with torch.inference_mode():
            # Absolute pixels: the method normalises by width and height itself. Descriptors are (.., K, D), whatever
            # its docstring says.
            matches, confidence, *_ = self.model._match_image_pair(keypoints, descriptors, scores, height, width, mask=mask)
        return [
            (matches[row, 0, : len(a)].numpy().astype(np.int32), confidence[row, 0, : len(a)].numpy())
            for row, (a, _) in enumerate(pairs)
        ]

    def _check(self, a: Features, b: Features) -> None:
        wanted = self.model.config.hidden_size
        for features in (a, b):
            length = features.descriptors.shape[0]
            if length != wanted:
                choice = {128: "sift", 256: "superpoint"}.get(wanted, f"superpoint with a {wanted}-long superpoint_model")
                raise ModelError(
                    f"{self.name} takes descriptors of {wanted} numbers, these features have {length}: "
                    f"choose --features.keypoints {choice}, or another --match.model"
                )
        if not np.array_equal(a.image_size, b.image_size):
            raise ModelError("SuperGlue takes two frames of one size: match frames of one video only")


def load_pretrained(kind: Any, name: str, option: str) -> Any:
    """A transformers model in evaluation mode, from a hub name or a local folder; safetensors only, never a pickle.

    kind: the model class. name: ``owner/name`` on the Hugging Face hub, or a folder with config.json and
    model.safetensors. option: the command-line option that gave the name, for messages. Raises
    :class:`~workbench.errors.ModelError` when the model cannot be found, fetched or read, or when the file does not
    hold exactly the model's weights.
    """
    wanted = kind.config_class.model_type
    by_hand = f"give a folder with config.json and model.safetensors as {option} FOLDER; {_WITHOUT_WEIGHTS[option]}"
    if not name:
        raise ModelError(f"{option} is empty, {wanted} needs weights: name one on the hub, or {by_hand}")
    folder = Path(name).expanduser()
    if folder.is_dir():
        _check_folder(folder, wanted, by_hand)
    elif not re.fullmatch(r"[A-Za-z0-9][\w.-]*/[\w.-]+", name):
        raise ModelError(f"{name} is neither a folder nor a hub name (owner/name): {by_hand}")
    if name.startswith("magic-leap-community/"):
        _log.warning("%s: Magic Leap's weights are for non-commercial research only", name)
    source = str(folder) if folder.is_dir() else name
    try:
        model, report = kind.from_pretrained(source, use_safetensors=True, output_loading_info=True)
    # Every library on the way has its own errors: the hub's and httpx's are OSError or RuntimeError, a wrong shape is a
    # RuntimeError, a wrong configuration a ValueError.
    except (OSError, RuntimeError, ValueError, SafetensorError) as error:
        tried = "the folder" if folder.is_dir() else "the local cache of the Hugging Face hub, then the hub itself"
        reason = " ".join(str(error).split()).split(". ")[0][:200]
        raise ModelError(f"cannot load {wanted} from {name}: tried {tried} ({reason}); {by_hand}") from error
    # transformers only logs weights that are missing, and fills them with random numbers.
    differ = {*report["missing_keys"], *report["unexpected_keys"]}
    wrong = sorted(key for key in differ if not key.endswith("num_batches_tracked"))  # a counter of training only
    if wrong:
        raise ModelError(f"{name} does not hold the weights of {wanted} ({len(wrong)} differ, as {wrong[0]}): {by_hand}")
    return model.eval()


def _check_folder(folder: Path, wanted: str, by_hand: str) -> None:
    """Raise :class:`ModelError` unless the folder has both files and a configuration of the wanted kind."""
    missing = [file for file in ("config.json", "model.safetensors") if not (folder / file).is_file()]
    if missing:
        raise ModelError(f"{folder} has no {' and no '.join(missing)}: {by_hand}")
    try:
        found = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("model_type")
    except (ValueError, AttributeError) as error:
        raise ModelError(f"{folder / 'config.json'} is not a JSON object: {by_hand}") from error
    if found != wanted:
        raise ModelError(f"{folder} holds a model of type {found}, not {wanted}: {by_hand}")
