"""The settings of a training: a YAML file with exactly the keys of a frozen dataclass."""

import dataclasses
from pathlib import Path
from typing import TypeVar

import yaml

from workbench.errors import UsageError

Config = TypeVar("Config")


@dataclasses.dataclass(frozen=True)
class MatcherConfig:
    """The training of a SuperGlue (``training/matcher.py``)."""

    layers: int  # attention layers, self and cross in turn, even
    heads: int  # attention heads; 128 must be a multiple of it
    encoder: list  # widths of the keypoint encoder's hidden layers
    steps: int  # weight updates
    keypoints: list  # least and greatest number of keypoints a view, drawn anew for every step
    tokens: int  # keypoints a step on one side, all pairs together: there are tokens / keypoints pairs
    learning_rate: float  # of AdamW, at its highest
    warm_up: int  # steps over which the learning rate rises; then it falls along a cosine
    weight_decay: float  # of AdamW
    sinkhorn_iterations: int  # in training; the saved network uses 20
    seed: int
    validate_every: int  # steps
    held_out_clips: list  # file names without suffix that are never trained on


@dataclasses.dataclass(frozen=True)
class SuperPointConfig:
    """The training of a compact SuperPoint (``training/superpoint.py``)."""

    encoder: list  # channels of the four blocks, at 1, 1/2, 1/4 and 1/8 of the resolution
    decoder: int  # channels of the hidden layer of both decoders
    descriptor: int  # numbers a descriptor
    steps: int  # weight updates
    pairs: int  # pairs of views a step
    size: list  # width and height of a view, px, multiples of 8
    points: int  # points of a pair that the descriptors are learned at, at most
    temperature: float  # of InfoNCE
    learning_rate: float  # of AdamW, at its highest
    warm_up: int  # steps over which the learning rate rises; then it falls along a cosine
    weight_decay: float  # of AdamW
    keypoint_threshold: float  # least probability of a keypoint, a setting of the saved network
    nms_radius: int  # px, a setting of the saved network
    seed: int
    validate_every: int  # steps


def read_config(path: str | Path, kind: type[Config]) -> Config:
    """The configuration in a YAML file. Raises :class:`~workbench.errors.UsageError` for unknown or missing keys or a
    value of another type, naming them.
    """
    try:
        values = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UsageError(f"{path} cannot be read as YAML: give one of training/configs") from error
    fields = {field.name: field.type for field in dataclasses.fields(kind)}
    if not isinstance(values, dict):
        raise UsageError(f"{path} holds no settings: give one of training/configs")
    if set(values) != set(fields):
        wrong = ", ".join(sorted(set(values) ^ set(fields)))
        raise UsageError(f"{path}: {wrong} unknown or missing; a training has {', '.join(fields)}")
    for name, expected in fields.items():
        if not isinstance(values[name], expected) or isinstance(values[name], bool):
            raise UsageError(f"{path}: {name}={values[name]!r} is not of type {expected.__name__}")
    return kind(**values)
