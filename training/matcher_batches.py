"""Batches of pairs of views for SuperGlue: keypoints, descriptors, and the keypoint that each should be matched with."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

UNMATCHED = -1  # target of a keypoint that has no partner
IGNORED = -2  # target of a keypoint whose partner is unknown or taken: it does not count in the loss


@dataclass(frozen=True)
class Batch:
    """B pairs of views with K keypoints each; dimension 1 is the view of the pair.

    Attributes
    ----------
    keypoints : (B, 2, K, 2) float32 tensor
        x and y, normalised as transformers does it.
    scores : (B, 2, K) float32 tensor
        Strengths of the keypoints.
    descriptors : (B, 2, K, 128) float32 tensor
        Of unit length.
    targets : (B, 2, K) int64 tensor
        Index of the partner in the other view, :data:`UNMATCHED`, or :data:`IGNORED`.
    """

    keypoints: torch.Tensor
    scores: torch.Tensor
    descriptors: torch.Tensor
    targets: torch.Tensor


def make_batch(paths: Sequence[Path], count: int, keypoints: int, rng: np.random.Generator, strangers: float = 0.0) -> Batch:
    """Draw ``count`` pairs of views of the scenes in ``paths``, with ``keypoints`` keypoints per view.

    Views with fewer keypoints are filled up with keypoints of another scene, which match nothing. In a share ``strangers`` of
    the pairs, the two views show different scenes.
    """
    rows = []
    while len(rows) < count:
        row = _pair(paths, keypoints, rng)
        if row is not None:
            rows.append(row)
    for number in range(round(strangers * count)):
        rows[number] = _strangers(rows[number], rows[number - count // 2])
    return Batch(*(torch.from_numpy(np.stack(part)) for part in zip(*rows, strict=True)))


def one_to_one(points: np.ndarray, costs: np.ndarray, counts: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Assign keypoints one to one, pairs of the lowest cost first.

    Parameters
    ----------
    points : (C, 2) int array
        Pairs of keypoints, one of each view, that show the same point.
    costs : (C,) array
        Costs of the pairs.
    counts : tuple of int
        Numbers of keypoints K0 and K1 of the two views.

    Returns
    -------
    tuple of (K0,) and (K1,) int64 array
        The targets of both views. A keypoint whose candidates were all assigned to others is :data:`IGNORED`, because
        matching it to one of them would not be wrong.
    """
    targets = tuple(np.full(count, UNMATCHED, dtype=np.int64) for count in counts)
    targets[0][points[:, 0]] = targets[1][points[:, 1]] = IGNORED
    for first, second in points[np.argsort(costs, kind="stable")]:
        if targets[0][first] == IGNORED and targets[1][second] == IGNORED:
            targets[0][first], targets[1][second] = second, first
    return targets


def _pair(paths: Sequence[Path], keypoints: int, rng: np.random.Generator) -> list[np.ndarray] | None:
    """The four arrays of :class:`Batch` for one pair, or None for a draw with too few keypoints to learn from."""
    with np.load(paths[rng.integers(len(paths))]) as scene:
        counts, size, points = scene["counts"], scene["size"], scene["points"]
        views = rng.choice(len(counts), 2, replace=False)
        if counts[views].min() < 0.6 * keypoints:
            return None
        arrays = {name: scene[name] for name in ("keypoints", "scores", "descriptors", "unknown", "costs")}
    starts = np.concatenate([[0], np.cumsum(counts)])
    low, high = sorted(views)
    between = (points[:, 0] == low) & (points[:, 1] == high)
    same, costs = points[between, 2:].astype(np.int64), arrays["costs"][between]
    if views[0] != low:
        same = same[:, ::-1]
    kept = [_surviving_keypoints(int(counts[view]), keypoints, rng) for view in views]
    place = [np.full(counts[view], -1) for view in views]
    for side in range(2):
        place[side][kept[side]] = np.arange(len(kept[side]))
    same = np.column_stack([place[side][same[:, side]] for side in range(2)])
    whole = (same >= 0).all(axis=1)
    targets = np.stack(one_to_one(same[whole], costs[whole], (keypoints, keypoints)))
    result = {name: [] for name in ("keypoints", "scores", "descriptors")}
    for side, view in enumerate(views):
        rows = starts[view] + kept[side]
        unknown = np.flatnonzero(arrays["unknown"][rows])
        targets[side, unknown[targets[side, unknown] == UNMATCHED]] = IGNORED
        for name in result:
            result[name].append(arrays[name][rows].astype(np.float32))
    missing = [keypoints - len(rows) for rows in kept]
    if any(missing):
        for side, fill in enumerate(_filler_keypoints(paths, missing, size, rng)):
            for name in result:
                result[name][side] = np.concatenate([result[name][side], fill[name]])
    # As transformers' normalize_keypoints does it.
    normal = [(xy - size / 2) / (0.7 * size.max()) for xy in result["keypoints"]]
    return [np.stack(normal).astype(np.float32), np.stack(result["scores"]), np.stack(result["descriptors"]), targets]


def _strangers(one: list[np.ndarray], other: list[np.ndarray]) -> list[np.ndarray]:
    """The first view of one pair beside the second view of another."""
    mixed = [np.stack([mine[0], theirs[1]]) for mine, theirs in zip(one, other, strict=True)]
    return [*mixed[:-1], np.full_like(mixed[-1], UNMATCHED)]


def _surviving_keypoints(count: int, keypoints: int, rng: np.random.Generator) -> np.ndarray:
    """Indices, in random order, of the strongest keypoints of a view after a random loss of 0 to 20 %."""
    survived = np.flatnonzero(rng.random(count) > rng.uniform(0, 0.2))
    return rng.permutation(survived[:keypoints])


def _filler_keypoints(
    paths: Sequence[Path], missing: list[int], size: np.ndarray, rng: np.random.Generator
) -> list[dict[str, np.ndarray]]:
    """Keypoints of another scene at random places, ``missing[side]`` for each side; no keypoint appears on both sides."""
    found = {name: np.zeros((0, *shape), np.float32) for name, shape in (("scores", ()), ("descriptors", (128,)))}
    while len(found["scores"]) < sum(missing):
        with np.load(paths[rng.integers(len(paths))]) as scene:
            end = int(scene["counts"][0])  # of one view only: keypoints of two views would match each other
            found = {name: np.concatenate([rows, scene[name][:end].astype(np.float32)]) for name, rows in found.items()}
    parts = []
    for rows in (slice(0, missing[0]), slice(missing[0], sum(missing))):
        fill = {name: values[rows] for name, values in found.items()}
        parts.append({**fill, "keypoints": (rng.random((len(fill["scores"]), 2)) * size).astype(np.float32)})
    return parts
