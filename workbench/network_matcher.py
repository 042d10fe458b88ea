"""What the matchers with weights share: pairs of cached features, checked, padded and put into batches."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from workbench.errors import ModelError
from workbench.hloc import Features
from workbench.match import Matches, no_matches


class PaddedPairs(NamedTuple):
    """B pairs of frames of one size, every frame padded with zeros to K keypoints.

    keypoints: (B, 2, K, 2) float32, px of the original. descriptors: (B, 2, K, D) float32, unit length. scores: (B, 2, K)
    float32, the detector's. mask: (B, 2, K) int32, 1 where there is a keypoint. width, height: of the original, px.
    """

    keypoints: torch.Tensor
    descriptors: torch.Tensor
    scores: torch.Tensor
    mask: torch.Tensor
    width: int
    height: int


class NetworkMatcher:
    """A transformers model as a :class:`workbench.match.Matcher`; a subclass says how its model is called.

    model: in evaluation mode. name: for messages. length: of the descriptors the model takes. batch: pairs a forward pass.
    """

    def __init__(self, model: Any, name: str, length: int, batch: int) -> None:
        self.model, self.name, self.length, self.batch = model, name, length, batch

    def forward(self, pairs: PaddedPairs) -> tuple[torch.Tensor, torch.Tensor]:
        """(B, K) of the first frames' keypoints: index into the second frame's or -1, and the confidence, 0 to 1."""
        raise NotImplementedError

    def match(self, features_a: Sequence[Features], features_b: Sequence[Features]) -> list[Matches]:
        """Matches of every pair; a pair in which a frame has no keypoints has none.

        Raises :class:`~workbench.errors.ModelError` when the descriptors are not of the model's length or the two
        frames of a pair differ in size.
        """
        pairs = list(zip(features_a, features_b, strict=True))
        results = [no_matches(a) for a, _ in pairs]
        # Padding is part of SuperGlue's optimal transport (its mass goes to the dustbin, but a finite number of iterations
        # sees it), so pairs share a batch only when they are padded alike: a result does not depend on the rest of
        # the batch.
        alike: dict[tuple[int, int, int], list[int]] = {}
        for number, (a, b) in enumerate(pairs):
            self._check(a, b)
            if len(a) and len(b):
                alike.setdefault((max(len(a), len(b)), *a.image_size.tolist()), []).append(number)
        for (keypoints, width, height), numbers in sorted(alike.items()):
            for first in range(0, len(numbers), self.batch):
                chosen = numbers[first : first + self.batch]
                padded = _padded([pairs[number] for number in chosen], keypoints, self.length, width, height)
                with torch.inference_mode():
                    found, scores = (part.numpy() for part in self.forward(padded))
                for row, number in enumerate(chosen):
                    count = len(pairs[number][0])
                    results[number] = found[row, :count].astype(np.int32), scores[row, :count]
        return results

    def _check(self, a: Features, b: Features) -> None:
        for features in (a, b):
            found = features.descriptors.shape[0]
            if found != self.length:
                other = f"superpoint with a {self.length}-long superpoint_model"
                choice = {128: "sift", 256: "superpoint"}.get(self.length, other)
                raise ModelError(
                    f"{self.name} takes descriptors of {self.length} numbers, these features have {found}: "
                    f"choose --features.keypoints {choice}, or another --match.model"
                )
        if not np.array_equal(a.image_size, b.image_size):
            raise ModelError(f"{self.name} takes two frames of one size: match frames of one video only")


def _padded(pairs: list[tuple[Features, Features]], keypoints: int, length: int, width: int, height: int) -> PaddedPairs:
    padded = PaddedPairs(
        keypoints=torch.zeros(len(pairs), 2, keypoints, 2),
        descriptors=torch.zeros(len(pairs), 2, keypoints, length),
        scores=torch.zeros(len(pairs), 2, keypoints),
        mask=torch.zeros(len(pairs), 2, keypoints, dtype=torch.int),
        width=width,
        height=height,
    )
    for row, pair in enumerate(pairs):
        for side, features in enumerate(pair):
            count = len(features)
            padded.keypoints[row, side, :count] = torch.from_numpy(features.keypoints)
            padded.descriptors[row, side, :count] = torch.from_numpy(features.descriptors.T.astype(np.float32))
            padded.scores[row, side, :count] = torch.from_numpy(features.scores)
            padded.mask[row, side, :count] = 1
    return padded
