"""The table of models with their licences, and the weights that are bundled with the workbench.

A new backbone, any classification network of torchvision, takes one new row of :data:`REGISTRY`. Wherever a name is expected, a
local folder can be given too; it has no entry in the table. Nothing here needs PyTorch.
"""

from dataclasses import dataclass
from pathlib import Path

from workbench.errors import ModelError
from workbench.parameters import METHODS
from workbench.storage.folder import file_sha256

# Holds a folder for each bundled model, and SHA256SUMS, which `sha256sum -c` can check too.
WEIGHTS = Path(__file__).resolve().parents[1] / "weights"
NON_COMMERCIAL = "non-commercial research"

# The options that choose a model; its name follows.
BACKBONE = "--embed.backbone"
MATCHER = "--match.matcher"
SUPERGLUE = "--match.matcher superglue --match.model"
OPEN_LIGHTGLUE = "--features.keypoints {} --match.matcher lightglue --match.model"
KEYPOINTS = "--features.keypoints"
LIGHTGLUE = "--features.keypoints superpoint --match.matcher lightglue --match.model"
SUPERPOINT = "--features.keypoints superpoint --features.superpoint_model"


@dataclass(frozen=True)
class Model:
    """An entry of the registry.

    Attributes
    ----------
    name : str
        Chooses the model. It is torchvision's or the Hugging Face hub's name where the weights come from there.
    kind : str
        "embedding", "matcher" or "keypoints".
    source : str
        "built in" (computed by the workbench's own code, without weights), "bundled" (in :data:`WEIGHTS`), "torchvision", "hub"
        or "open" (a file of :data:`~workbench.models.open_weights.OPEN_WEIGHTS`); the last three are fetched when first used,
        where their authors have put them on the web.
    licence : str
        Licence of the weights, or of the code where there are no weights.
    about : str
        What the model is, in one line.
    option : str
        The command-line options that the name follows.
    typical_eps : float
        Cosine distance that usually separates scenes; 0 where none has been determined. Bundled embeddings have theirs in
        ``config.json``.
    keypoints : tuple of str
        For a matcher, the keypoints that it was trained with; empty where it takes any.
    weights : str
        For an open model, its file in :data:`~workbench.models.open_weights.OPEN_WEIGHTS`, where the name is another one.
    """

    name: str
    kind: str
    source: str
    licence: str
    about: str
    option: str
    typical_eps: float = 0.0
    keypoints: tuple[str, ...] = ()
    weights: str = ""


REGISTRY = (
    Model("rank-vlad", "embedding", "built in", "Apache-2.0", "ranks and gradient patches; needs no training", BACKBONE, 0.4),
    Model("thumbnail", "embedding", "built in", "Apache-2.0", "16 x 12 px colour thumbnail, for comparison", BACKBONE),
    Model("resnet18-photos", "embedding", "bundled", "Apache-2.0", "ResNet-18, trained by SimCLR on photographs", BACKBONE),
    Model(
        "vgg11-photos",
        "embedding",
        "bundled",
        "Apache-2.0",
        "VGG-11 convolutions, trained by SimCLR on photographs",
        BACKBONE,
    ),
    Model(
        "efficientnet-b0-photos",
        "embedding",
        "bundled",
        "Apache-2.0",
        "EfficientNet-B0, trained by SimCLR on photographs",
        BACKBONE,
    ),
    Model("resnet18", "embedding", "torchvision", "BSD-3-Clause", "ResNet-18, trained on ImageNet", BACKBONE),
    Model("resnet34", "embedding", "torchvision", "BSD-3-Clause", "ResNet-34, trained on ImageNet", BACKBONE),
    Model("resnet50", "embedding", "torchvision", "BSD-3-Clause", "ResNet-50, trained on ImageNet", BACKBONE),
    Model("vgg16", "embedding", "torchvision", "BSD-3-Clause", "VGG-16 convolutions, trained on ImageNet", BACKBONE),
    Model("efficientnet_b0", "embedding", "torchvision", "BSD-3-Clause", "EfficientNet-B0, trained on ImageNet", BACKBONE),
    Model(
        "efficientnet-lite0",
        "embedding",
        "open",
        "Apache-2.0",
        "EfficientNet-Lite0, trained on ImageNet, from a package",
        BACKBONE,
        typical_eps=0.22,
    ),
    *(
        Model(name, "matcher", "built in", "Apache-2.0", method.about, MATCHER)
        for name, method in METHODS.items()
        if method.matcher.startswith("workbench.matching.nearest:")
    ),
    Model(
        "superglue-sift",
        "matcher",
        "bundled",
        "Apache-2.0",
        "SuperGlue for SIFT keypoints",
        SUPERGLUE,
        keypoints=("sift", "sift-opencv"),
    ),
    *(
        Model(
            f"{keypoints}-lightglue",
            "matcher",
            "open",
            "Apache-2.0",
            f"LightGlue for {keypoints.upper()} keypoints, by kornia",
            OPEN_LIGHTGLUE.format(keypoints),
            keypoints=(keypoints,),
        )
        for keypoints in ("aliked", "disk")
    ),
    Model(
        "lighterglue",
        "matcher",
        "open",
        "Apache-2.0",
        "LighterGlue for XFeat keypoints, by kornia",
        "--features.keypoints xfeat --match.matcher",
        keypoints=("xfeat",),
        weights="xfeat-lighterglue",
    ),
    Model(
        "magic-leap-community/superglue_indoor",
        "matcher",
        "hub",
        NON_COMMERCIAL,
        "SuperGlue for SuperPoint keypoints, trained on ScanNet (indoors)",
        SUPERGLUE,
    ),
    Model(
        "magic-leap-community/superglue_outdoor",
        "matcher",
        "hub",
        NON_COMMERCIAL,
        "SuperGlue for SuperPoint keypoints, trained on MegaDepth (outdoors)",
        SUPERGLUE,
    ),
    Model(
        "ETH-CVG/lightglue_superpoint",
        "matcher",
        "hub",
        NON_COMMERCIAL,
        "LightGlue for SuperPoint keypoints; LightGlue itself is Apache-2.0, Magic Leap's SuperPoint inside it is not",
        LIGHTGLUE,
    ),
    *(Model(name, "keypoints", "built in", "Apache-2.0", METHODS[name].about, KEYPOINTS) for name in ("sift", "sift-opencv")),
    Model("aliked", "keypoints", "open", "BSD-3-Clause", METHODS["aliked"].about, KEYPOINTS, weights="aliked-n16"),
    Model("disk", "keypoints", "open", "Apache-2.0", METHODS["disk"].about, KEYPOINTS, weights="disk-depth"),
    Model("xfeat", "keypoints", "open", "Apache-2.0", METHODS["xfeat"].about, KEYPOINTS),
    Model("magic-leap-community/superpoint", "keypoints", "hub", NON_COMMERCIAL, "SuperPoint", SUPERPOINT),
)


def find(name: str) -> Model | None:
    """Look a model up.

    Parameters
    ----------
    name : str
        A model's name, or anything else.

    Returns
    -------
    Model or None
        The entry of this name; None where there is none.
    """
    return next((model for model in REGISTRY if model.name == name), None)


def refuse_other_keypoints(matcher: str, model: str, keypoints: str) -> None:
    """Refuse a matcher with keypoints that it was not trained with: its matches would look like matches and mean nothing.

    Parameters
    ----------
    matcher : str
        A name of :data:`~workbench.parameters.METHODS`.
    model : str
        Name of its weights, in the registry or not.
    keypoints : str
        The keypoints that the features have, a name of :data:`~workbench.parameters.METHODS`.

    Raises
    ------
    ModelError
        If the registry knows that they do not fit.
    """
    found = find(model if METHODS[matcher].weights else matcher)
    if found and found.keypoints and keypoints not in found.keypoints:
        raise ModelError(
            f"{found.name} was trained with the keypoints {' or '.join(found.keypoints)}, these are {keypoints}: choose "
            f"--features.keypoints {found.keypoints[0]} (with --overwrite), or another matcher"
        )


def find_embedding(name: str) -> Model | None:
    """Look an embedding up in the registry.

    Parameters
    ----------
    name : str
        A model's name, or anything else.

    Returns
    -------
    Model or None
        The embedding of this name; None where there is none, as for a local folder.
    """
    model = find(name)
    return model if model and model.kind == "embedding" else None


def is_built_in(name: str) -> bool:
    """Tell whether an embedding is computed by the workbench's own code, without a network.

    Parameters
    ----------
    name : str
        Name of an embedding, or a local folder.

    Returns
    -------
    bool
        True for a descriptor, False for a network.
    """
    model = find_embedding(name)
    return model is not None and model.source == "built in"


def is_non_commercial(name: str) -> bool:
    """Tell whether weights are for non-commercial research only, as far as their name tells.

    Parameters
    ----------
    name : str
        Name of a model, in the registry or not.

    Returns
    -------
    bool
        True for weights with these terms and for all weights of Magic Leap.
    """
    model = find(name)
    return name.startswith("magic-leap-community/") or (model is not None and model.licence == NON_COMMERCIAL)


def model_folder(name: str) -> Path:
    """Find the folder of a bundled model, or take the name for the path of a local one.

    Parameters
    ----------
    name : str
        Name of a model, or a local folder.

    Returns
    -------
    Path
        The folder of a bundled model; of any other name, that name as a path, whether there is such a folder or not.

    Raises
    ------
    ModelError
        If a file of a bundled model is missing, or its digest is not the one in SHA256SUMS.
    """
    model = find(name)
    if model is None or model.source != "bundled":
        return Path(name).expanduser()
    sums = bundled_sums(name)
    if not sums:
        raise ModelError(f"the bundled weights of {name} are not in {WEIGHTS}: install the workbench again")
    for file, expected in sums.items():
        if not file.is_file() or file_sha256(file) != expected:
            raise ModelError(f"{file} is missing or damaged: install the workbench again")
    return WEIGHTS / name


def folder_digest(name: str) -> str:
    """Compute a digest of a bundled model or of one in a local folder: retrained weights are another model, whatever the name.

    Parameters
    ----------
    name : str
        Name of a model, or a local folder.

    Returns
    -------
    str
        SHA-256 of the JSON and safetensors files, 64 hexadecimal digits; "" where the name is no folder.

    Raises
    ------
    ModelError
        If a file of a bundled model is missing or damaged.
    """
    folder = model_folder(name)
    if not folder.is_dir():
        return ""
    return file_sha256(*sorted(path for path in folder.iterdir() if path.suffix in (".json", ".safetensors")))


def provenance(name: str) -> str:
    """Describe where a model comes from, for reports.

    Parameters
    ----------
    name : str
        Name of a model, in the registry or not.

    Returns
    -------
    str
        The name with source and licence, as far as the registry has them.
    """
    model = find(name)
    if model:
        return f"{name} ({model.source}, {model.licence})"
    if is_non_commercial(name):
        return f"{name} (hub, {NON_COMMERCIAL})"
    return f"{name} (built in)" if name in METHODS else f"{name} (your own choice, licence not known)"


def bundled_sums(name: str) -> dict[Path, str]:
    """Read which files a bundled model has, and their digests, from SHA256SUMS.

    Parameters
    ----------
    name : str
        Name of a bundled model.

    Returns
    -------
    dict of Path to str
        SHA-256 of each file, 64 hexadecimal digits; empty where SHA256SUMS lists no file of this model.
    """
    table = WEIGHTS / "SHA256SUMS"
    lines = table.read_text(encoding="utf-8").splitlines() if table.is_file() else []
    sums = {WEIGHTS / file.lstrip(" *"): digest for digest, _, file in (line.partition(" ") for line in lines)}
    return {file: digest for file, digest in sums.items() if file.parent == WEIGHTS / name}
