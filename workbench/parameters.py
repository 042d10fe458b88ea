"""The parameters of every stage: one frozen dataclass a stage, each field with its unit, range and default.

Notebook parameter cells, command-line options and sweep grids all come from these classes, so they cannot drift apart.
An unknown key or a value out of range is a :class:`~workbench.errors.ParameterError` that names what would be right.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from workbench.errors import ParameterError

# Changing what the main job uses by default is a change of these two lines.
DEFAULT_BACKBONE = "resnet18-photos"
DEFAULT_MATCHER = "superglue"

CLUSTERERS = ("dbscan", "hdbscan", "optics")
MATCHERS = ("sift-flann", "sift-exact", "superglue", "lightglue")
BUNDLED_SUPERGLUE = "superglue-sift"


def parameter(
    default: Any,
    about: str,
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] | None = None,
) -> Any:
    """A dataclass field with its comment (unit, range) and its limits; ``low`` and ``high`` are allowed values."""
    return field(default=default, metadata={"about": about, "low": low, "high": high, "choices": choices})


@dataclass(frozen=True)
class Parameters:
    """Base class: checks type, range and choices of every field when an instance is made."""

    def __post_init__(self) -> None:
        for item in fields(self):
            value = _converted(item.name, getattr(self, item.name), item.type)
            low, high, choices = (item.metadata[key] for key in ("low", "high", "choices"))
            if choices and value not in choices:
                raise ParameterError(f"{item.name}={value!r} is not one of {', '.join(choices)}")
            if (low is not None and value < low) or (high is not None and value > high):
                raise ParameterError(f"{item.name}={value} is out of range: {item.metadata['about']}")
            object.__setattr__(self, item.name, value)

    def as_dict(self) -> dict[str, Any]:
        """The parameters as a plain dictionary, in the order of their definition."""
        return asdict(self)


def _converted(name: str, value: Any, kind: type) -> Any:
    """``value`` as ``kind`` (int, float, bool or str); an int is a float too, but nothing else is guessed."""
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise ParameterError(f"{name}={value!r} must be of type {kind.__name__}")
    if kind is float and value != value:
        raise ParameterError(f"{name} is not a number")
    return value


@dataclass(frozen=True)
class VideoParameters(Parameters):
    """Reading the video."""

    proxy_size: int = parameter(400, "long side of the working copies, px, 64 to 4096; never enlarged", 64, 4096)


@dataclass(frozen=True)
class EmbedParameters(Parameters):
    """One vector a frame."""

    backbone: str = parameter(DEFAULT_BACKBONE, "name shown by `workbench models`, or a folder with weights")
    batch_size: int = parameter(32, "frames a batch, for networks, 1 to 1024", 1, 1024)
    seed: int = parameter(0, "seed of rank-vlad's codebook, 0 to 2147483647", 0, 2**31 - 1)


@dataclass(frozen=True)
class UmapParameters(Parameters):
    """The map of the embeddings, for looking only."""

    n_neighbors: int = parameter(15, "UMAP neighbours a frame, 2 to 200", 2, 200)
    min_dist: float = parameter(0.1, "UMAP least distance between points on the map, 0 to 1", 0.0, 1.0)
    map_seed: int = parameter(0, "seed of the map, 0 to 2147483647", 0, 2**31 - 1)


@dataclass(frozen=True)
class ClusterParameters(Parameters):
    """Scenes and outliers."""

    clusterer: str = parameter("dbscan", f"one of {', '.join(CLUSTERERS)}", choices=CLUSTERERS)
    eps: float = parameter(0.0, "DBSCAN radius, cosine distance, 0 to 2; 0 takes the suggested value", 0.0, 2.0)
    min_samples: int = parameter(3, "neighbours a core frame needs, itself included, 2 to 100", 2, 100)
    min_cluster_size: int = parameter(10, "frames a scene has at least, for hdbscan and optics, 2 to 1000", 2, 1000)
    xi: float = parameter(0.4, "OPTICS: drop in density that parts two scenes, 0.001 to 0.999", 0.001, 0.999)


@dataclass(frozen=True)
class FeatureParameters(Parameters):
    """Keypoints, once a frame."""

    keypoints: str = parameter(
        "sift",
        "sift, sift-opencv (OpenCV's own contrast threshold, 0.04, as in the first design), or superpoint (needs weights)",
        choices=("sift", "sift-opencv", "superpoint"),
    )
    max_keypoints: int = parameter(256, "keypoints a frame, 16 to 8192", 16, 8192)
    contrast_threshold: float = parameter(
        0.01, "SIFT contrast threshold, 0 to 0.2, for sift only (sift-opencv takes 0.04)", 0.0, 0.2
    )
    superpoint_model: str = parameter("magic-leap-community/superpoint", "hub name or local folder, for superpoint only")
    keypoint_threshold: float = parameter(
        0.0, "SuperPoint keypoint threshold, 0 to 1, for superpoint only; 0: the weights' own", 0.0, 1.0
    )
    nms_radius: int = parameter(
        0,
        "radius in which only the strongest keypoint stays, px on the working copy, 0 to 100; 0: none, or superpoint's own",
        0,
        100,
    )


@dataclass(frozen=True)
class MatchParameters(Parameters):
    """Correspondences between frames of one scene."""

    matcher: str = parameter(DEFAULT_MATCHER, f"one of {', '.join(MATCHERS)}", choices=MATCHERS)
    model: str = parameter(BUNDLED_SUPERGLUE, "weights for superglue or lightglue: bundled name, hub name or local folder")
    ratio: float = parameter(
        0.8, "Lowe's ratio, for sift-flann and sift-exact, 0.3 to 1 (1 takes mutual nearest neighbours)", 0.3, 1.0
    )
    match_threshold: float = parameter(0.25, "confidence a match needs, for superglue and lightglue, 0 to 1", 0.0, 1.0)
    sinkhorn_iterations: int = parameter(20, "SuperGlue Sinkhorn iterations, 1 to 200", 1, 200)
    pairs_per_frame: int = parameter(8, "candidate pairs a frame inside its scene, 2 to 1000; 0 takes all pairs", 0, 1000)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.pairs_per_frame == 1:  # no frame inside a scene has only one neighbour
            about = type(self).__dataclass_fields__["pairs_per_frame"].metadata["about"]
            raise ParameterError(f"pairs_per_frame=1 is out of range: {about}")
        if self.matcher == "lightglue" and self.model == BUNDLED_SUPERGLUE:
            raise ParameterError(
                f"no LightGlue is bundled ({BUNDLED_SUPERGLUE} is a SuperGlue): with lightglue give --match.model "
                "ETH-CVG/lightglue_superpoint and --features.keypoints superpoint, or a local folder"
            )


@dataclass(frozen=True)
class RegisterParameters(Parameters):
    """Alignment of matched pairs."""

    threshold: float = parameter(3.0, "RANSAC threshold, px on the working copy, 0.5 to 20", 0.5, 20.0)


@dataclass(frozen=True)
class OrderParameters(Parameters):
    """Order inside every scene."""

    method: str = parameter(
        "path", "path (shortest open path) or greedy (the first design's chain)", choices=("path", "greedy")
    )
    distance: str = parameter("fused", "fused, or blend (match counts with embeddings)", choices=("fused", "blend"))
    alpha: float = parameter(0.5, "share of the match counts in the blend, 0 to 1; the rest is embedding similarity", 0.0, 1.0)


@dataclass(frozen=True)
class AlignParameters(Parameters):
    """Alignment of whole scenes; there is nothing to choose."""


@dataclass(frozen=True)
class WriteParameters(Parameters):
    """The video that is written."""

    codec: str = parameter("h264", "h264 (plays in browsers) or lossless (FFV1 in Matroska)", choices=("h264", "lossless"))
    crf: int = parameter(18, "H.264 constant rate factor, 0 (best) to 51 (worst)", 0, 51)
    stabilise: bool = parameter(
        False, "hold scenes still: lock each on a frame, or where the camera travels on a steady path; black beyond a frame"
    )


STAGES: dict[str, type[Parameters]] = {
    "video": VideoParameters,
    "embed": EmbedParameters,
    "umap": UmapParameters,
    "cluster": ClusterParameters,
    "features": FeatureParameters,
    "match": MatchParameters,
    "register": RegisterParameters,
    "order": OrderParameters,
    "align": AlignParameters,
    "write": WriteParameters,
}

# Parameters that change something only with some choices of another one.
ONLY_WITH = {
    "cluster.eps": ("cluster.clusterer", ("dbscan",)),
    "cluster.min_cluster_size": ("cluster.clusterer", ("hdbscan", "optics")),
    "cluster.xi": ("cluster.clusterer", ("optics",)),
    "features.contrast_threshold": ("features.keypoints", ("sift",)),
    "features.superpoint_model": ("features.keypoints", ("superpoint",)),
    "features.keypoint_threshold": ("features.keypoints", ("superpoint",)),
    "match.model": ("match.matcher", ("superglue", "lightglue")),
    "match.ratio": ("match.matcher", ("sift-flann", "sift-exact")),
    "match.match_threshold": ("match.matcher", ("superglue", "lightglue")),
    "match.sinkhorn_iterations": ("match.matcher", ("superglue",)),
    "order.alpha": ("order.distance", ("blend",)),
}


def stage_parameters(values: dict[str, Any]) -> dict[str, Parameters]:
    """Dotted keys (``{"cluster.eps": 0.2}``) to one parameter object a stage; stages not named keep their defaults.

    A key may go without its stage, as for :func:`full_names`. Raises :class:`ParameterError` for an unknown key, listing the
    known ones, and for a value out of range.
    """
    chosen: dict[str, dict[str, Any]] = {stage: {} for stage in STAGES}
    for key, value in full_names(values).items():
        stage, name = key.split(".", 1)
        chosen[stage][name] = value
    return {stage: kind(**chosen[stage]) for stage, kind in STAGES.items()}


def full_names(values: dict[str, Any]) -> dict[str, Any]:
    """``values`` with the stage before every key (``{"eps": 0.2}`` becomes ``{"cluster.eps": 0.2}``): names are unique over all
    stages. Raises :class:`ParameterError` for an unknown key, listing the known ones, and for one that is given twice.
    """
    short = {key.split(".", 1)[1]: key for key in defaults()}
    twice = sorted(key for key in values if key in short and short[key] in values)
    if twice:
        raise ParameterError(f"{', '.join(twice)} is given twice, as {', '.join(short[key] for key in twice)} too: give one")
    values = {short.get(key, key): value for key, value in values.items()}
    unknown = sorted(set(values) - set(defaults()))
    if unknown:
        raise ParameterError(f"unknown parameter {', '.join(unknown)}; known: {', '.join(defaults())}")
    return values


def defaults() -> dict[str, Any]:
    """Every parameter with its default, keys dotted: ``{"video.proxy_size": 400, ...}``."""
    return {f"{stage}.{item.name}": item.default for stage, kind in STAGES.items() for item in fields(kind)}


def chosen_models(parameters: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """What does a run's work, by kind (embedding, keypoints, matcher), from the parameters of its stages."""
    features, match = parameters["features"], parameters["match"]
    return {
        "embedding": parameters["embed"]["backbone"],
        "keypoints": features["superpoint_model"] if features["keypoints"] == "superpoint" else features["keypoints"],
        "matcher": match["model"] if match["matcher"] in ("superglue", "lightglue") else match["matcher"],
    }
