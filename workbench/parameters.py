"""The parameters of every stage: one frozen dataclass per stage, each field with its unit, range and default.

Notebook parameter cells, command-line options and sweep grids all come from these classes, and have the same names, defaults
and limits. An unknown key or a value out of range is a :class:`~workbench.errors.ParameterError` that names what
would be right.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from importlib import import_module
from typing import Any, Self

from workbench.errors import ParameterError

# Changing what the main job uses by default is a change of these two lines.
DEFAULT_BACKBONE = "resnet18-photos"
DEFAULT_MATCHER = "superglue"

CLUSTERERS = ("dbscan", "hdbscan", "optics")
BUNDLED_SUPERGLUE = "superglue-sift"


@dataclass(frozen=True)
class Method:
    """A way to find keypoints, to match them, or both.

    Attributes
    ----------
    about : str
        What it is, in a few words, for lists.
    keypoints : str
        ``module:class`` of a :class:`~workbench.matching.base.Detector`, made from the parameters of the features stage; ""
        for none.
    matcher : str
        ``module:class`` of a :class:`~workbench.matching.base.Matcher`, made from the parameters of the match stage; "" for
        none.
    weights : str
        The parameter that names the weights; "" for code without weights.
    min_inliers : int
        Matches that must agree with one transform before two frames count as registered. Found on 600 pairs of frames of five
        clips that show different things: of the matches by SIFT's nearest neighbours and by SuperGlue six agree in no pair, of
        those by LightGlue and LighterGlue six or seven in one of forty, and eight in none.
    """

    about: str
    keypoints: str = ""
    matcher: str = ""
    weights: str = ""
    min_inliers: int = 6


# By name, as --features.keypoints and --match.matcher take them. The code is imported when it is used.
METHODS = {
    "sift": Method("SIFT keypoints, RootSIFT descriptors", keypoints="workbench.matching.sift:Sift"),
    "sift-opencv": Method("SIFT with OpenCV's own contrast threshold", keypoints="workbench.matching.sift:SiftOpenCV"),
    "superpoint": Method("SuperPoint", keypoints="workbench.matching.superpoint:SuperPoint", weights="superpoint_model"),
    "aliked": Method("ALIKED keypoints, by kornia", keypoints="workbench.matching.open_keypoints:Aliked"),
    "disk": Method("DISK keypoints, by kornia", keypoints="workbench.matching.open_keypoints:Disk"),
    "xfeat": Method("XFeat keypoints, by kornia", keypoints="workbench.matching.open_keypoints:XFeat"),
    "sift-flann": Method("nearest descriptors by FLANN, ratio and mutual test", matcher="workbench.matching.nearest:SiftFlann"),
    "sift-exact": Method(
        "nearest descriptors by full comparison, ratio and mutual test", matcher="workbench.matching.nearest:SiftExact"
    ),
    "superglue": Method("SuperGlue", matcher="workbench.matching.superglue:SuperGlue", weights="model"),
    "lightglue": Method("LightGlue", matcher="workbench.matching.lightglue:make_lightglue", weights="model", min_inliers=8),
    "lighterglue": Method(
        "LighterGlue for XFeat keypoints, by kornia", matcher="workbench.matching.open_lightglue:LighterGlue", min_inliers=8
    ),
}
KEYPOINTS = tuple(name for name, method in METHODS.items() if method.keypoints)
MATCHERS = tuple(name for name, method in METHODS.items() if method.matcher)
NETWORK_MATCHERS = ("superglue", "lightglue", "lighterglue")


def load_class(place: str) -> Callable[..., Any]:
    """Import a class of :data:`METHODS`.

    Parameters
    ----------
    place : str
        ``module:class``.

    Returns
    -------
    callable
        The class.
    """
    module, _, name = place.partition(":")
    found: Callable[..., Any] = getattr(import_module(module), name)
    return found


def parameter(
    default: Any,
    about: str,
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] | None = None,
    only_with: tuple[str, ...] = (),
    in_cell: bool = True,
) -> Any:
    """Define a dataclass field with its comment and its limits.

    Parameters
    ----------
    default : int, float, bool or str
        The default, which also says the type.
    about : str
        What it is, with unit and range.
    low, high : float, optional
        The least and the greatest value that is allowed.
    choices : tuple of str, optional
        The values that are allowed.
    only_with : tuple of str, optional
        Another parameter of the stage, and those of its values with which this one changes anything; default all.
    in_cell : bool
        Whether it has a line in the parameters cell of its notebook, which is to stay short. A parameter without one can be
        given to the notebook all the same.

    Returns
    -------
    dataclasses.Field
        The field, with all of this in its metadata.
    """
    limits = {"low": low, "high": high, "choices": choices, "only_with": only_with, "in_cell": in_cell}
    return field(default=default, metadata={"about": about} | limits)


@dataclass(frozen=True)
class Parameters:
    """Base class: checks type, range and choices of every field when an instance is made."""

    def __post_init__(self) -> None:
        for item in fields(self):
            assert isinstance(item.type, type)  # annotations are not strings in this module
            value = _converted(item.name, getattr(self, item.name), item.type)
            low, high, choices = (item.metadata[key] for key in ("low", "high", "choices"))
            if choices and value not in choices:
                raise ParameterError(f"{item.name}={value!r} is not one of {', '.join(choices)}")
            if (low is not None and value < low) or (high is not None and value > high):
                raise ParameterError(f"{item.name}={value} is out of range: {item.metadata['about']}")
            object.__setattr__(self, item.name, value)

    @classmethod
    def from_names(cls, names: Mapping[str, Any]) -> Self:
        """Take the parameters out of a namespace by their names.

        Parameters
        ----------
        names : mapping
            Values by name, others among them, such as ``globals()`` of a notebook.

        Returns
        -------
        instance of this class
            What ``names`` does not have keeps its default.
        """
        return cls(**{item.name: names[item.name] for item in fields(cls) if item.name in names})

    def as_dict(self) -> dict[str, Any]:
        """Give the parameters as a plain dictionary.

        Returns
        -------
        dict
            Values by name, in the order of their definition.
        """
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


def effective(parameters: Parameters) -> list[str]:
    """List the parameters of a stage that affect its result, as the others are chosen.

    Parameters
    ----------
    parameters : Parameters
        Parameters of one stage.

    Returns
    -------
    list of str
        Their names.
    """
    return [
        item.name
        for item in fields(parameters)
        if not item.metadata["only_with"]
        or getattr(parameters, item.metadata["only_with"][0]) in item.metadata["only_with"][1:]
    ]


@dataclass(frozen=True)
class VideoParameters(Parameters):
    """Reading the video."""

    proxy_size: int = parameter(400, "long side of the working copies, px, 64 to 4096; never enlarged", 64, 4096)
    overlay: str = parameter(
        "ignore",
        "what is drawn over every frame (logos, captions, bars): ignore, or keep as picture",
        choices=("ignore", "keep"),
    )
    stream: int = parameter(
        -1,
        "number of the stream to read among all of the file, -1 to 999, as ffprobe counts; -1: what a player shows",
        -1,
        999,
    )
    keep_order: bool = parameter(False, "several videos: keep the order inside each, and put only the videos in order")


@dataclass(frozen=True)
class EmbedParameters(Parameters):
    """One vector per frame."""

    backbone: str = parameter(DEFAULT_BACKBONE, "name shown by `workbench models`, or a folder with weights")
    batch_size: int = parameter(32, "frames per batch, for networks, 1 to 1024", 1, 1024)
    seed: int = parameter(0, "seed of rank-vlad's codebook, 0 to 2147483647", 0, 2**31 - 1)


@dataclass(frozen=True)
class UmapParameters(Parameters):
    """The map of the embeddings, for looking only."""

    n_neighbors: int = parameter(15, "UMAP neighbours per frame, 2 to 200", 2, 200)
    min_dist: float = parameter(0.1, "UMAP least distance between points on the map, 0 to 1", 0.0, 1.0)
    map_seed: int = parameter(0, "seed of the map, 0 to 2147483647", 0, 2**31 - 1)


@dataclass(frozen=True)
class ClusterParameters(Parameters):
    """Scenes and outliers."""

    clusterer: str = parameter("dbscan", f"one of {', '.join(CLUSTERERS)}", choices=CLUSTERERS)
    eps: float = parameter(
        0.0, "DBSCAN radius, cosine distance, 0 to 2; 0 takes the suggested value", 0.0, 2.0, only_with=("clusterer", "dbscan")
    )
    min_samples: int = parameter(3, "neighbours a core frame needs, itself included, 2 to 100", 2, 100)
    min_cluster_size: int = parameter(
        10,
        "frames a scene has at least, for hdbscan and optics, 2 to 1000",
        2,
        1000,
        only_with=("clusterer", "hdbscan", "optics"),
    )
    xi: float = parameter(
        0.7, "OPTICS: drop in density that parts two scenes, 0.001 to 0.999", 0.001, 0.999, only_with=("clusterer", "optics")
    )
    same_place: str = parameter(
        "split", "takes of one place, when what is in front of the background differs: split or join", choices=("split", "join")
    )
    min_scene_frames: int = parameter(
        6, "frames of a scene at least, 1 to 1000; fewer that look alike are foreign, if there is a larger scene", 1, 1000
    )


@dataclass(frozen=True)
class FeatureParameters(Parameters):
    """Keypoints of every frame, found once."""

    keypoints: str = parameter("sift", f"one of {', '.join(KEYPOINTS)}", choices=KEYPOINTS)
    max_keypoints: int = parameter(256, "keypoints per frame, 16 to 8192", 16, 8192)
    contrast_threshold: float = parameter(
        0.01,
        "SIFT contrast threshold, 0 to 0.2, for sift only (sift-opencv takes 0.04)",
        0.0,
        0.2,
        only_with=("keypoints", "sift"),
    )
    superpoint_model: str = parameter(
        "magic-leap-community/superpoint",
        "hub name or local folder, for superpoint only",
        only_with=("keypoints", "superpoint"),
        in_cell=False,
    )
    keypoint_threshold: float = parameter(
        0.0,
        "SuperPoint keypoint threshold, 0 to 1, for superpoint only; 0: the weights' own",
        0.0,
        1.0,
        only_with=("keypoints", "superpoint"),
        in_cell=False,
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
    model: str = parameter(
        BUNDLED_SUPERGLUE,
        "weights for superglue or lightglue: bundled name, hub name or local folder",
        only_with=("matcher", "superglue", "lightglue"),
    )
    ratio: float = parameter(
        0.8,
        "Lowe's ratio, for sift-flann and sift-exact, 0.3 to 1 (1 takes mutual nearest neighbours)",
        0.3,
        1.0,
        only_with=("matcher", "sift-flann", "sift-exact"),
        in_cell=False,
    )
    match_threshold: float = parameter(
        0.25,
        "confidence a match needs, for superglue, lightglue and lighterglue, 0 to 1",
        0.0,
        1.0,
        only_with=("matcher", *NETWORK_MATCHERS),
    )
    nearest_inliers: int = parameter(
        60,
        "nearest neighbours that agree in easy pairs, which spare superglue and lightglue, 1 to 10000; 0: no pair is",
        0,
        10_000,
        only_with=("matcher", *NETWORK_MATCHERS),
    )
    sinkhorn_iterations: int = parameter(
        20, "SuperGlue Sinkhorn iterations, 1 to 200", 1, 200, only_with=("matcher", "superglue")
    )
    pairs_per_frame: int = parameter(8, "candidate pairs per frame inside its scene, 2 to 1000; 0 takes all pairs", 0, 1000)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.pairs_per_frame == 1:  # no frame inside a scene has only one neighbour
            about = type(self).__dataclass_fields__["pairs_per_frame"].metadata["about"]
            raise ParameterError(f"pairs_per_frame=1 is out of range: {about}")
        if self.matcher == "lightglue" and self.model == BUNDLED_SUPERGLUE:
            raise ParameterError(
                f"no LightGlue is bundled ({BUNDLED_SUPERGLUE} is a SuperGlue): with lightglue give --match.model "
                "aliked-lightglue and --features.keypoints aliked, or ETH-CVG/lightglue_superpoint and --features.keypoints "
                "superpoint, or a local folder"
            )


@dataclass(frozen=True)
class RegisterParameters(Parameters):
    """Alignment of matched pairs."""

    threshold: float = parameter(3.0, "RANSAC threshold, px on the working copy, 0.5 to 20", 0.5, 20.0)


@dataclass(frozen=True)
class OrderParameters(Parameters):
    """Order inside every scene."""

    method: str = parameter(
        "path", "path (shortest open path) or greedy (the greedy baseline's chain)", choices=("path", "greedy")
    )
    distance: str = parameter("fused", "fused, or blend (match counts with embeddings)", choices=("fused", "blend"))
    alpha: float = parameter(
        0.5,
        "share of the match counts in the blend, 0 to 1; the rest is embedding similarity",
        0.0,
        1.0,
        only_with=("distance", "blend"),
    )


@dataclass(frozen=True)
class AlignParameters(Parameters):
    """Alignment of whole scenes; there is nothing to choose."""


@dataclass(frozen=True)
class WriteParameters(Parameters):
    """The video that is written."""

    codec: str = parameter(
        "h264",
        "h264 (plays in browsers), h265 (smaller, up to 10 bits), prores (for editing) or lossless (FFV1 in Matroska)",
        choices=("h264", "h265", "prores", "lossless"),
    )
    crf: int = parameter(
        18, "constant rate factor of h264 and h265, 0 (best) to 51 (worst)", 0, 51, only_with=("codec", "h264", "h265")
    )
    timing: str = parameter(
        "constant",
        "constant (frames last equally long) or source (each as long as in the source, for variable frame rates)",
        choices=("constant", "source"),
    )
    fps: float = parameter(
        0.0,
        "frames per second with constant timing, 0.001 to 1000; 0 takes the source's rate",
        0.0,
        1000.0,
        only_with=("timing", "constant"),
    )
    stabilise: bool = parameter(
        False, "hold scenes still: lock each on a frame, or where the camera travels on a steady path; black beyond a frame"
    )
    images: str = parameter(
        "none",
        "numbered pictures of the frames too: none, png, jpeg, or copy (of the picture files that came in)",
        choices=("none", "png", "jpeg", "copy"),
    )
    audio: str = parameter(
        "none",
        "sound: none, keep (the source's track as it is, in reconstructed only) or follow (every frame takes its sound along)",
        choices=("none", "keep", "follow"),
    )
