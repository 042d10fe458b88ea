"""SuperGlue on features computed once.

transformers' public ``forward`` takes pairs of images, finds the keypoints of both again for every pair, and pads and masks
them to compute several pairs at once. Here the network gives the same numbers in fewer operations, for one pair at a time:
no padding, no mask, and intermediate results that stay in a processor's cache. The weights have transformers' names; the tests
compare the result with the public ``forward``.
"""

from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import torch
from torch import nn
from torch.nn.functional import linear, scaled_dot_product_attention
from torch.nn.utils.fusion import fuse_linear_bn_weights

from workbench.matching.base import Matches, NetworkMatcher, as_matches
from workbench.matching.superglue_weights import SuperGlueWeights, read_weights
from workbench.models.pretrained import network_device
from workbench.parameters import MatchParameters
from workbench.storage.hloc import Features

# The largest score above the dustbin's, a natural logarithm, for which float32 holds all factors: they lie within about
# e^±(LARGEST_LOG_SCORE + 15), 15 for the sums, and float32 ends at e^±87. A trained network's scores lie about 20 above.
LARGEST_LOG_SCORE = 60.0
BATCH_NORM_EPS = 1e-5  # added to the variance, as PyTorch's batch normalisation does


class SuperGlue(NetworkMatcher):
    """SuperGlue as a :class:`~workbench.matching.base.Matcher`.

    Matches are mutual and have a confidence above ``match_threshold``; scores are that confidence, 0 to 1.

    Parameters
    ----------
    parameters : MatchParameters
        Of these, ``model``, ``match_threshold`` and ``sinkhorn_iterations``.
    device : str, optional
        PyTorch's name of a device; default a GPU if there is one. Confidences on a GPU differ by rounding.

    Raises
    ------
    ModelError
        When the weights cannot be loaded.

    Notes
    -----
    Sarlin, DeTone, Malisiewicz and Rabinovich, "SuperGlue: learning feature matching with graph neural networks", CVPR 2020.
    """

    def __init__(self, parameters: MatchParameters, device: str | None = None) -> None:
        self.network = Network(read_weights(parameters.model, "--match.model"), device or network_device())
        super().__init__(parameters, self.network.length)
        # A pair's products are too small to share: threads that each take a whole pair never wait for each other, and
        # a result cannot depend on their number.
        threads = torch.get_num_threads()
        self.map_pairs = ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)).map

    def forward(self, a: Features, b: Features) -> Matches:
        """Match one pair.

        Parameters
        ----------
        a, b : Features
            Two frames, both with keypoints.

        Returns
        -------
        Matches
            Mutual matches and their confidences.
        """
        padded = max(len(a), len(b))  # the transport's masses are those of the padded frames of training
        iterations = self.parameters.sinkhorn_iterations
        confidence = transport(self.network(a, b), self.network.dustbin, padded, iterations).cpu().numpy()
        rows, nearest = np.arange(len(a)), confidence.argmax(axis=1)
        best = confidence[rows, nearest]
        good = (confidence.argmax(axis=0)[nearest] == rows) & (best > self.parameters.match_threshold)
        return as_matches(a, rows[good], nearest[good], best[good])


class Layer(NamedTuple):
    """One attentional propagation (equations 3 to 6 of the paper); weights as ``nn.functional.linear`` takes them.

    Attributes
    ----------
    across : bool
        Keypoints attend to those of the other frame (cross-attention), not to those of their own frame.
    attend, attend_bias : (3D, D), (3D,) tensor
        Projections to query, key and value, for D numbers per keypoint.
    first, first_bias : (2D, 2D), (2D,) tensor
        The first layer of the update, for the keypoint's own state and its message, one behind the other.
    last, last_bias : (D, 2D), (D,) tensor
        The second layer of the update.
    """

    across: bool
    attend: torch.Tensor
    attend_bias: torch.Tensor
    first: torch.Tensor
    first_bias: torch.Tensor
    last: torch.Tensor
    last_bias: torch.Tensor


class Network:
    """Similarities of the keypoints of two frames by a SuperGlue.

    Parameters
    ----------
    weights : SuperGlueWeights
        Its weights.
    device : str
        PyTorch's name of a device, to which the weights are moved.

    Attributes
    ----------
    length : int
        D, the length of the descriptors.
    dustbin : float
        Similarity of a keypoint to having no match.
    """

    @torch.no_grad()
    def __init__(self, weights: SuperGlueWeights, device: str = "cpu") -> None:
        self.length, self.heads = weights.length, weights.heads
        self.dustbin, self.device = weights.tensors["bin_score"].item(), device
        tensors = {name: tensor.to(device) for name, tensor in weights.tensors.items()}
        encoder = range(len(weights.encoder_sizes) + 1)
        self._encoder = [_linear(tensors, f"keypoint_encoder.encoder.{place}") for place in encoder]
        self._layers = [_layer(tensors, f"gnn.layers.{place}", kind == "cross") for place, kind in enumerate(weights.kinds)]
        self._final = _linear(tensors, "final_projection.final_proj")
        self._linear = linear_by_onednn if device == "cpu" and torch.backends.mkldnn.is_available() else linear

    @torch.inference_mode()
    def __call__(self, a: Features, b: Features) -> torch.Tensor:
        """Compute the similarities, (K_A, K_B) float32, of the keypoints of a and b."""
        # Both frames in one matrix, (K_A + K_B, D): all but the attention is the same for every keypoint.
        frames, count = (a, b), len(a)
        sizes = [frame.image_size.astype(np.float32) for frame in frames]
        centred = [
            (frame.keypoints - size / 2) / np.float32(0.7 * size.max()) for frame, size in zip(frames, sizes, strict=True)
        ]
        strengths = [frame.scores for frame in frames]
        described = np.concatenate([frame.descriptors.T for frame in frames], dtype=np.float32)
        placed = np.column_stack([np.concatenate(centred), np.concatenate(strengths)]).astype(np.float32)
        states = torch.from_numpy(placed).to(self.device)
        for weight, bias in self._encoder[:-1]:
            states = linear(states, weight, bias).relu_()
        states = linear(states, *self._encoder[-1]).add_(torch.from_numpy(described).to(self.device))
        for layer in self._layers:
            message = self._attend(self._linear(states, layer.attend, layer.attend_bias), count, layer.across)
            hidden = self._linear(torch.cat([states, message], dim=1), layer.first, layer.first_bias).relu_()
            states = states + self._linear(hidden, layer.last, layer.last_bias)
        states = self._linear(states, *self._final)
        return states[:count] / self.length**0.5 @ states[count:].T

    def _attend(self, attended: torch.Tensor, count: int, across: bool) -> torch.Tensor:
        """Queries, keys and values (K_A + K_B, 3D) to messages (K_A + K_B, D); the first ``count`` are of frame a."""
        # Of frame a and of frame b: queries, keys and values, each (1, heads, K, D / heads).
        sides = [part.view(1, len(part), 3, self.heads, -1).permute(2, 0, 3, 1, 4) for part in attended.tensor_split([count])]
        looked_at = sides[::-1] if across else sides
        mixed = (scaled_dot_product_attention(own[0], other[1], other[2]) for own, other in zip(sides, looked_at, strict=True))
        return torch.cat([part[0].transpose(0, 1).flatten(1) for part in mixed])


def linear_by_onednn(values: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """Apply a linear layer by oneDNN in place of MKL, which is half as fast on processors that are not Intel's.

    Parameters
    ----------
    values : (n, D) float32 tensor
        On a CPU, as all.
    weight, bias : (E, D), (E,) float32 tensor
        As ``nn.functional.linear`` takes them.

    Returns
    -------
    (n, E) float32 tensor
        The same but for rounding.
    """
    return linear(values.to_mkldnn(), weight, bias).to_dense()


def _linear(tensors: dict[str, torch.Tensor], name: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Weight and bias of a linear layer; a batch normalisation after it, a fixed scale and shift by now, goes into it."""
    if f"{name}.linear.weight" not in tensors:
        return tensors[f"{name}.weight"], tensors[f"{name}.bias"]
    weight, bias = tensors[f"{name}.linear.weight"], tensors[f"{name}.linear.bias"]
    norm = [tensors[f"{name}.batch_norm.{part}"] for part in ("running_mean", "running_var", "weight", "bias")]
    mean, variance, scale, shift = norm
    return fuse_linear_bn_weights(weight, bias, mean, variance, BATCH_NORM_EPS, scale, shift)


def _layer(tensors: dict[str, torch.Tensor], name: str, across: bool) -> Layer:
    """A layer, with the projection of the message, linear as what follows it, multiplied into that."""
    parts = [_linear(tensors, f"{name}.attention.self.{part}") for part in ("query", "key", "value")]
    first, bias = _linear(tensors, f"{name}.mlp.0")
    from_own, from_message = first.tensor_split(2, dim=1)
    project, project_bias = _linear(tensors, f"{name}.attention.output.dense")
    return Layer(
        across,
        torch.cat([weight for weight, _ in parts]),
        torch.cat([bias for _, bias in parts]),
        torch.cat([from_own, from_message @ project], dim=1),
        bias + from_message @ project_bias,
        *_linear(tensors, f"{name}.mlp.1"),
    )


def transport(scores: torch.Tensor, dustbin: float, keypoints: int, iterations: int) -> torch.Tensor:
    """Assign the keypoints of two frames to each other by Sinkhorn iterations.

    Parameters
    ----------
    scores : (M, N) float32 tensor
        Similarities of the keypoints of a and b.
    dustbin : float
        Similarity of a keypoint to having no match.
    keypoints : int
        What both frames are padded to, at least M and N. The padding matches only the dustbins, but a finite number of
        iterations sees its mass.
    iterations : int
        How often rows and columns are normalised, at least 1.

    Returns
    -------
    (M, N) float32 tensor
        Confidence of every match, 0 to 1: what a keypoint of a gives to a keypoint of b of its mass of 1.

    Notes
    -----
    Sinkhorn's algorithm (Cuturi, "Sinkhorn distances", NIPS 2013; section 3.2 of the SuperGlue paper). The result is that of
    transformers' ``log_optimal_transport``, but for rounding, in a tenth of the time: that one takes 2 * ``iterations``
    exponentials of all scores, this one takes one exponential and as many products of a matrix and a vector.
    """
    # "not <" sends NaN, too, where it went before.
    if not scores.max() - dustbin < LARGEST_LOG_SCORE:
        return _in_logarithms(scores, dustbin, keypoints, iterations)
    rows, columns = scores.shape
    # After the keypoints the dustbin, then one row and one column that stand for all the padding, which is all alike.
    # Relative to the dustbin, scores far below become 0 here, as they would in any sum with its 1: a row and a column
    # always have that 1, so no sum below is 0.
    kernel = scores.new_zeros(rows + 2, columns + 2)
    kernel[:rows, :columns] = torch.exp_(scores - dustbin)
    kernel[rows] = kernel[:, columns] = 1
    row_mass, column_mass, by_column = (scores.new_ones(length + 2) for length in (rows, columns, columns))
    row_mass[rows:] = torch.tensor([keypoints, keypoints - rows])
    column_mass[columns:] = torch.tensor([keypoints, keypoints - columns])
    by_column[-1] = keypoints - columns
    for _ in range(iterations):
        by_row = row_mass / (kernel @ by_column)
        by_column = column_mass / (kernel.T @ by_row)
    return kernel[:rows, :columns] * by_row[:rows, None] * by_column[:columns]


def _in_logarithms(scores: torch.Tensor, dustbin: float, keypoints: int, iterations: int) -> torch.Tensor:
    """:func:`transport` for scores of any size."""
    from transformers.models.superglue.modeling_superglue import log_optimal_transport  # after torchvision was mended

    rows, columns = scores.shape
    margins = 0, keypoints - columns, 0, keypoints - rows
    padded = nn.functional.pad(scores, margins, value=torch.finfo(scores.dtype).min)
    logarithms = log_optimal_transport(padded[None], scores.new_tensor(dustbin), iterations)
    return logarithms[0, :rows, :columns].exp()
