"""The settings of a training: a YAML file with exactly the keys of a frozen dataclass."""

import dataclasses
from pathlib import Path
from typing import TypeVar

import yaml

from workbench.errors import UsageError

Config = TypeVar("Config")


@dataclasses.dataclass(frozen=True)
class MatcherConfig:
    """Settings of a SuperGlue training (``training/matcher.py``)."""

    photograph_scenes: int  # training scenes of photographs, one per photograph at most
    plane_scenes: int  # training scenes of planes in space
    strangers: float  # share of the pairs whose views show different scenes, 0 to 1: nothing is to be matched there
    layers: int  # attention layers, self and cross attention alternating; an even number
    heads: int  # attention heads; must divide 128
    encoder: list  # widths of the keypoint encoder's hidden layers
    steps: int  # weight updates
    keypoints: list  # smallest and largest number of keypoints per view, drawn anew for every step
    tokens: int  # keypoints per step in the first views of all pairs together: a step has tokens / keypoints pairs
    learning_rate: float  # peak learning rate of AdamW
    warm_up: int  # steps of linear warm-up of the learning rate; a cosine decay follows
    weight_decay: float  # weight decay of AdamW
    sinkhorn_iterations: int  # in training; the saved network uses 20
    seed: int
    validate_every: int  # steps between two rows of the curve
    held_out_clips: list  # file names, without suffix, of the clips kept out of training


@dataclasses.dataclass(frozen=True)
class SuperPointConfig:
    """Settings of a compact SuperPoint training (``training/superpoint.py``)."""

    encoder: list  # channels of the four blocks, at 1, 1/2, 1/4 and 1/8 of the resolution
    decoder: int  # channels of the hidden layer of both decoders
    descriptor: int  # length of a descriptor
    steps: int  # weight updates
    pairs: int  # pairs of views per step
    size: list  # width and height of a view, px, multiples of 8
    points: int  # maximum number of points per pair at which descriptors are trained
    temperature: float  # of the InfoNCE loss
    learning_rate: float  # peak learning rate of AdamW
    warm_up: int  # steps of linear warm-up of the learning rate; a cosine decay follows
    weight_decay: float  # weight decay of AdamW
    keypoint_threshold: float  # minimum probability of a keypoint, 0 to 1; a setting of the saved network
    nms_radius: int  # px, radius of non-maximum suppression; a setting of the saved network
    seed: int
    validate_every: int  # steps between two rows of the curve


def read_config(path: str | Path, kind: type[Config]) -> Config:
    """Read a configuration from a YAML file.

    Parameters
    ----------
    path : str or Path
        The YAML file; its keys are exactly the fields of ``kind``.
    kind : type
        The dataclass to create.

    Returns
    -------
    Config
        An instance of ``kind``.

    Raises
    ------
    ~workbench.errors.UsageError
        The file cannot be read, a key is unknown or missing, or a value has another type; the message names it.
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
        raise UsageError(f"{path}: {wrong} unknown or missing; the keys are {', '.join(fields)}")
    for name, expected in fields.items():
        if not isinstance(values[name], expected) or isinstance(values[name], bool):
            raise UsageError(f"{path}: {name}={values[name]!r} is not of type {expected.__name__}")
    return kind(**values)
