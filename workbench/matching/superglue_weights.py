"""The weights of a SuperGlue, read without the library that wrote them: importing it takes longer than a short video does."""

import json
from dataclasses import dataclass
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from workbench.models.pretrained import find_pretrained, load_pretrained, not_loaded, refuse_other_weights, warn_of_terms

_DETECTOR = "keypoint_detector."  # transformers keeps the SuperPoint of its ``forward`` in the same file
# What transformers leaves out of config.json, since it is its default: the sizes of the published networks.
_PUBLISHED: dict[str, Any] = {
    "hidden_size": 256,
    "num_attention_heads": 4,
    "keypoint_encoder_sizes": [32, 64, 128, 256],
    "gnn_layers_types": ["self", "cross"] * 9,
}


@dataclass(frozen=True, eq=False)
class SuperGlueWeights:
    """The weights of a SuperGlue, by transformers' names.

    Attributes
    ----------
    length : int
        D, the length of the descriptors.
    heads : int
        Attention heads.
    encoder_sizes : tuple of int
        Widths of the hidden layers of the keypoint encoder, the last one D.
    kinds : tuple of str
        "self" or "cross" for every attentional layer.
    tensors : dict of str to tensor
        Weights in float32, and statistics of the batch normalisations.
    """

    length: int
    heads: int
    encoder_sizes: tuple[int, ...]
    kinds: tuple[str, ...]
    tensors: dict[str, torch.Tensor]


def read_weights(name: str, option: str) -> SuperGlueWeights:
    """Read the weights of a SuperGlue.

    Parameters
    ----------
    name : str
        Bundled name, ``owner/name`` on the Hugging Face hub (read by transformers), or a folder with ``config.json`` and
        ``model.safetensors``.
    option : str
        The command-line option that gave the name, for error messages.

    Returns
    -------
    SuperGlueWeights
        Exactly the weights that its configuration asks for.

    Raises
    ------
    ModelError
        If the model cannot be found, fetched or read, or the file does not hold exactly the model's weights.
    """
    folder, by_hand = find_pretrained("superglue", name, option)
    if folder is None:
        model = load_pretrained("SuperGlueForKeypointMatching", name, option)
        return _described(model.config.to_dict(), model.state_dict())
    warn_of_terms(name)
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        tensors = load_file(folder / "model.safetensors")
        weights = _described(config, tensors)
    except (OSError, ValueError, TypeError, SafetensorError) as error:
        raise not_loaded("superglue", name, "the folder", error, by_hand) from error
    expected = _shapes(weights)
    found = {key: tuple(tensor.shape) for key, tensor in weights.tensors.items()}
    refuse_other_weights("superglue", name, {key for key, _ in expected.items() ^ found.items()}, by_hand)
    return weights


def _described(config: dict[str, Any], tensors: dict[str, torch.Tensor]) -> SuperGlueWeights:
    values = _PUBLISHED | {key: config[key] for key in _PUBLISHED if key in config}
    weights = SuperGlueWeights(
        int(values["hidden_size"]),
        int(values["num_attention_heads"]),
        tuple(int(size) for size in values["keypoint_encoder_sizes"]),
        tuple(map(str, values["gnn_layers_types"])),
        # Files in float16 are small, but a CPU computes in float32.
        {key: tensor.float() for key, tensor in tensors.items() if not key.startswith(_DETECTOR)},
    )
    if weights.length < 1 or weights.heads < 1 or weights.length % weights.heads or {*weights.kinds} - {"self", "cross"}:
        raise ValueError("its config.json asks for layers that a SuperGlue does not have")
    return weights


def _shapes(weights: SuperGlueWeights) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the weights that a configuration asks for."""
    length = weights.length
    shapes: dict[str, tuple[int, ...]] = {"bin_score": ()}
    widths = (3, *weights.encoder_sizes)
    for place in range(len(weights.encoder_sizes)):
        shapes |= _normalised(f"keypoint_encoder.encoder.{place}", widths[place + 1], widths[place])
    shapes |= _linear(f"keypoint_encoder.encoder.{len(weights.encoder_sizes)}", length, widths[-1])
    for place in range(len(weights.kinds)):
        layer = f"gnn.layers.{place}"
        for part in ("attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"):
            shapes |= _linear(f"{layer}.{part}", length, length)
        shapes |= _normalised(f"{layer}.mlp.0", 2 * length, 2 * length) | _linear(f"{layer}.mlp.1", length, 2 * length)
    return shapes | _linear("final_projection.final_proj", length, length)


def _linear(name: str, rows: int, columns: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (rows, columns), f"{name}.bias": (rows,)}


def _normalised(name: str, rows: int, columns: int) -> dict[str, tuple[int, ...]]:
    statistics = ("weight", "bias", "running_mean", "running_var")
    normalisation = {f"{name}.batch_norm.{part}": (rows,) for part in statistics}
    return _linear(f"{name}.linear", rows, columns) | normalisation | {f"{name}.batch_norm.num_batches_tracked": ()}
