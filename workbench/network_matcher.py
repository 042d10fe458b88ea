"""What the matchers with weights share: pairs of cached features, checked and matched one at a time."""

import copy
from collections.abc import Callable, Iterable, Sequence
from typing import Self

import numpy as np

from workbench.errors import ModelError
from workbench.match import Matches, no_matches
from workbench.parameters import MatchParameters
from workbench.storage.hloc import Features


class NetworkMatcher:
    """A network as a :class:`workbench.match.Matcher`; a subclass says how one pair is matched.

    parameters: name of the model and thresholds. length: of the descriptors the network takes. each: goes through the pairs
    as ``map`` does.
    """

    each: Callable[..., Iterable[Matches]] = map

    def __init__(self, parameters: MatchParameters, length: int) -> None:
        self.parameters, self.length = parameters, length

    def tuned(self, parameters: MatchParameters) -> Self:
        """The same network with other thresholds, those of ``parameters``; no weights are read again."""
        tuned = copy.copy(self)
        tuned.parameters = parameters
        return tuned

    def forward(self, a: Features, b: Features) -> Matches:
        """Matches of two frames of one size, both with keypoints."""
        raise NotImplementedError

    def match(self, features_a: Sequence[Features], features_b: Sequence[Features]) -> list[Matches]:
        """Matches of every pair; a pair in which a frame has no keypoints has none.

        Raises :class:`~workbench.errors.ModelError` when the descriptors are not of the model's length or the two
        frames of a pair differ in size.
        """
        pairs = list(zip(features_a, features_b, strict=True))
        for a, b in pairs:
            self._check(a, b)
        return list(self.each(lambda pair: self.forward(*pair) if all(map(len, pair)) else no_matches(pair[0]), pairs))

    def _check(self, a: Features, b: Features) -> None:
        for features in (a, b):
            found = features.descriptors.shape[0]
            if found != self.length:
                other = f"superpoint with a {self.length}-long superpoint_model"
                choice = {128: "sift", 256: "superpoint"}.get(self.length, other)
                raise ModelError(
                    f"{self.parameters.model} takes descriptors of {self.length} numbers, these features have {found}: "
                    f"choose --features.keypoints {choice}, or another --match.model"
                )
        if not np.array_equal(a.image_size, b.image_size):
            raise ModelError(f"{self.parameters.model} takes two frames of one size: match frames of one video only")
