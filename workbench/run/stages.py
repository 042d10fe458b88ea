"""The stages of a run, declared once: their parameters, what they read, what they leave, and the notebook that computes them.

Reuse, staleness, the error that names the notebook to run first, the options of the command line, the results that sweeps
share and the picture in the documentation all follow from this table. What computes a stage is in
:mod:`workbench.pipeline.stages`. Nothing heavy is imported here: the command line takes its options from this module.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from workbench.errors import ParameterError
from workbench.parameters import (
    METHODS,
    AlignParameters,
    ClusterParameters,
    EmbedParameters,
    FeatureParameters,
    MatchParameters,
    OrderParameters,
    Parameters,
    RegisterParameters,
    UmapParameters,
    VideoParameters,
    WriteParameters,
)


@dataclass(frozen=True)
class Stage:
    """The declaration of a stage.

    Attributes
    ----------
    name : str
        Its name, the first part of its parameters' dotted names.
    about : str
        What it does, in a few words.
    parameters : type
        The dataclass of its parameters.
    reads : tuple of str
        The stages whose results it is made from; none for the stage that reads the video itself.
    outputs : tuple of str
        The files and folders it leaves in the run directory. Those of the last stage follow from the number of scenes and from
        its parameters.
    notebook : str
        The notebook that computes it, without its ending.
    on_fast_path : bool
        Whether ``workbench reconstruct`` computes it, which runs no notebook.
    """

    name: str
    about: str
    parameters: type[Parameters]
    reads: tuple[str, ...]
    outputs: tuple[str, ...]
    notebook: str
    on_fast_path: bool = True


class RunPaths:
    """The files of a run in a folder: the run directory, or the folder that a stage writes into.

    Parameters
    ----------
    path : Path
        The folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.proxies_path = path / "proxies/frames.npy"  # working copies of the frames, (N, h, w, 3) uint8 RGB
        self.overlay_path = path / "overlay.npy"  # what is drawn over every frame, (h, w) bool, px of the working copies
        self.frames_path = path / "frames.csv"  # every decoded frame: position, pts, time_s, key, check, name of its file
        self.embeddings_path = path / "embeddings.npy"  # one vector per frame, (N, D) float32
        self.map_path = path / "umap.npy"  # the vectors on a plane, (N, 2) float32, for looking only
        self.clusters_path = path / "clusters.csv"  # scenes and outliers by the clusterer
        self.features_path = path / "features.h5"  # keypoints and descriptors, in the layout of hloc
        self.features_parts_path = path / "features.h5.parts"  # folder with the finished blocks of the file above
        self.pairs_path = path / "pairs.txt"  # the pairs that were matched, in the layout of hloc
        self.matches_path = path / "matches.h5"  # matches of these pairs, in the layout of hloc
        self.matches_parts_path = path / "matches.h5.parts"  # folder with the finished rounds of the file above
        self.scenes_path = path / "scenes.csv"  # scenes and outliers, verified by the matches
        self.transforms_path = path / "transforms.csv"  # the transform of every pair
        self.order_path = path / "order.csv"  # the result: scene and place of every frame
        self.matrices_path = path / "distances"  # folder with the matrices behind the order, one file per scene
        self.alignment_path = path / "alignment.csv"  # where every frame lies on the reference frame of its scene
        self.metrics_path = path / "metrics.json"  # the figures of the run
        self.report_path = path / "report.html"  # the report
        self.record_path = path / "run.json"  # what made the run: source, versions, and the record of every stage
        self.kept_path = path / "kept.yaml"  # parameters kept by hand
        self.notebooks_path = path / "notebooks"  # folder with the executed notebooks

    def scene_matrices_path(self, scene: int) -> Path:
        """Give the file with the matrices of a scene.

        Parameters
        ----------
        scene : int
            Number of the scene, from 0.

        Returns
        -------
        Path
            ``distances/scene00.npz`` and so on.
        """
        return self.matrices_path / f"scene{scene:02d}.npz"


_INSPECT, _ORDER = "04_inspect_matches", "05_order_frames"
STAGES: dict[str, Stage] = {
    stage.name: stage
    for stage in (
        Stage(
            "video",
            "decode every frame once",
            VideoParameters,
            (),
            ("proxies/frames.npy", "overlay.npy", "frames.csv"),
            "00_make_corrupted_clip",
        ),
        Stage("embed", "one vector per frame", EmbedParameters, ("video",), ("embeddings.npy",), "01_embed"),
        Stage("umap", "the map of the vectors", UmapParameters, ("embed",), ("umap.npy",), "02_visualise_clusters", False),
        Stage("cluster", "scenes and outliers", ClusterParameters, ("embed",), ("clusters.csv",), "03_tune_eps"),
        Stage("features", "keypoints of every frame", FeatureParameters, ("video",), ("features.h5",), _INSPECT),
        Stage(
            "match",
            "matches inside scenes, which verify these",
            MatchParameters,
            ("features", "embed", "cluster"),
            ("pairs.txt", "matches.h5", "scenes.csv"),
            _INSPECT,
        ),
        Stage("register", "every matched pair aligned", RegisterParameters, ("match",), ("transforms.csv",), _INSPECT),
        Stage(
            "order",
            "the order inside every scene",
            OrderParameters,
            ("register", "match", "embed"),
            ("order.csv", "distances"),
            _ORDER,
        ),
        Stage("align", "every frame on its scene", AlignParameters, ("order", "register", "match"), ("alignment.csv",), _ORDER),
        Stage("write", "the video written again", WriteParameters, ("order",), (), _ORDER),
    )
}
NOTEBOOKS = {stage.name: stage.notebook for stage in STAGES.values()}  # the notebook that computes each stage

# Parameters that change something only with some values of another one, all with their stages.
ONLY_WITH: dict[str, tuple[str, tuple[str, ...]]] = {
    f"{stage.name}.{item.name}": (f"{stage.name}.{item.metadata['only_with'][0]}", item.metadata["only_with"][1:])
    for stage in STAGES.values()
    for item in fields(stage.parameters)
    if item.metadata["only_with"]
}


def stage_parameters(values: dict[str, Any]) -> dict[str, Parameters]:
    """Turn dotted keys into one parameter object per stage; stages that are not named keep their defaults.

    Parameters
    ----------
    values : dict
        Values by name, such as ``{"cluster.eps": 0.2}``; a name may go without its stage, as for :func:`full_names`.

    Returns
    -------
    dict
        The parameters by stage.

    Raises
    ------
    ParameterError
        For an unknown key, listing all keys, and for a value out of range.
    """
    chosen: dict[str, dict[str, Any]] = {stage: {} for stage in STAGES}
    for key, value in full_names(values).items():
        stage, name = key.split(".", 1)
        chosen[stage][name] = value
    return {name: stage.parameters(**chosen[name]) for name, stage in STAGES.items()}


def full_names(values: dict[str, Any]) -> dict[str, Any]:
    """Put the stage before every key: ``{"eps": 0.2}`` becomes ``{"cluster.eps": 0.2}``. Names are unique over all stages.

    Parameters
    ----------
    values : dict
        Values by name, with or without the stage.

    Returns
    -------
    dict
        The same values by dotted name.

    Raises
    ------
    ParameterError
        For an unknown key, listing all keys, and for one that is given twice.
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
    """List every parameter with its default.

    Returns
    -------
    dict
        Defaults by dotted name: ``{"video.proxy_size": 400, ...}``.
    """
    return {f"{stage.name}.{item.name}": item.default for stage in STAGES.values() for item in fields(stage.parameters)}


def stage_of(parameters: Parameters) -> Stage:
    """Find the stage that parameters belong to.

    Parameters
    ----------
    parameters : Parameters
        Parameters of one stage.

    Returns
    -------
    Stage
        The stage whose dataclass they are of.
    """
    return next(stage for stage in STAGES.values() if type(parameters) is stage.parameters)


def chosen_models(parameters: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Name the models, or the code without weights, that do the work of a run.

    Parameters
    ----------
    parameters : mapping
        Values by stage and name.

    Returns
    -------
    dict
        Names by kind: embedding, keypoints, matcher.
    """
    return {"embedding": parameters["embed"]["backbone"]} | {
        kind: parameters[stage].get(METHODS[parameters[stage][kind]].weights, parameters[stage][kind])
        for kind, stage in (("keypoints", "features"), ("matcher", "match"))
    }
